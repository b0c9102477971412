"""Names, paths, commits and digests: what passes, what is refused, and that nothing secret is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lmpm.fs import rules

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = [
    (rules.repo_id, "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF"),
    (rules.repo_id, "a/b"),
    (rules.repo_id, "_org/na_me.v1-GGUF"),
    (rules.file_path, "model-Q4_K_M.gguf"),
    (rules.file_path, "Q4_K_M/model-00001-of-00003.gguf"),
    (rules.file_path, "with space/名前 é.gguf"),
    (rules.file_path, "..hidden.gguf"),
    (rules.file_path, "CONTEXT.gguf"),
    (rules.file_path, "x" * 250 + ".gguf"),
    (rules.revision, "0123456789abcdef" * 2 + "01234567"),
    (rules.sha256, "0123456789abcdef" * 4),
    (rules.model_name, "text-to-sql"),
    (rules.model_name, "qwen2.5-coder"),
    (rules.model_name, "7b_Chat"),
    (rules.model_name, "ärztin-名前"),
    (rules.line, "Llama 3.1 (8B) “fine-tuned”"),
]

BAD_REPOS = [
    "", " ", "a", "a/b/c", "a/..", "../b", "a/.", "/b", "a/", "-a/b", "a/b-", "a/b.", "a/b.git", "a--b/c",
    "a/b..c", "a b/c", "a/b\n", "a\\b", "ä/b", "a" * 300 + "/b", "https://huggingface.co/a/b",
    "https://user:hunter2@huggingface.co/a/b", "a/b?token=hunter2", "a/b@main", "a/b:Q4_K_M",
    None, 1, True, b"a/b", ["a/b"],
]  # fmt: skip
BAD_PATHS = [
    "", ".", "..", "../x.gguf", "a/../x.gguf", "a/./x.gguf", "/x.gguf", "//host/x.gguf", "a//x.gguf", "a/",
    "C:x", "C:x.gguf", "C:\\x.gguf", "a\\..\\b", "a\\x.gguf", "\\\\host\\share\\x.gguf", "x.gguf:stream",
    "x\0.gguf", "x\n.gguf", "x\x1b[31m.gguf", "x\x7f.gguf", "x\x85.gguf", "x\u202egguf.gguf",
    "x\u200b.gguf", "x\u2028.gguf", "x\ud800.gguf", "CON.gguf", "con.gguf", "a/NUL/x.gguf", "Aux .x.gguf",
    "COM1.gguf", "lpt9.x.gguf", "COM¹.gguf", "conin$.gguf", "a./x.gguf", "a /x.gguf", " x.gguf", "x.gguf ",
    "x.gguf.", "x?.gguf", "x*.gguf", 'x".gguf', "x<y>.gguf", "a|b.gguf", "x" * 256 + ".gguf",
    "é" * 126 + ".gguf", "x" * 5000, "a/" * 2500 + "x.gguf", "x.bin", "gguf", "x.gguf/y", None, 7, b"x.gguf",
]  # fmt: skip
BAD_DIGESTS = ["", "main", "1a2b3c4", "HEAD", "g" * 40, "٣" * 40, "A" * 40, "a" * 39, "a" * 41, None, 1]
BAD_SHA256 = [
    "", "A" * 64, "a" * 63, "a" * 65, "a" * 63 + " ", " " + "a" * 63, "a" * 64 + "\n", "sha256:" + "a" * 64,
    "g" * 64, None, 0, True,
]  # fmt: skip
BAD_NAMES = [
    "", " ", "a b", "-a", ".a", "_a", "a.", "a/b", "a\\b", "..", "con", "NUL.x", "a\n", "a\x1b", "a\u0308",
    "x" * 97, None, 1,
]  # fmt: skip
BAD_LINES = ["", "   ", "a\nb", "a\tb", "\x1b[2J", "a\u202eb", "x" * 2000, None, 3]

BAD = [
    *((rules.repo_id, item) for item in BAD_REPOS),
    *((rules.file_path, item) for item in BAD_PATHS),
    *((rules.revision, item) for item in BAD_DIGESTS),
    *((rules.sha256, item) for item in BAD_SHA256),
    *((rules.model_name, item) for item in BAD_NAMES),
    *((rules.line, item) for item in BAD_LINES),
]


@pytest.mark.parametrize(("rule", "text"), GOOD)
def test_returns_what_is_valid(rule: Callable[[object], str], text: str) -> None:
    assert rule(text) == text


@pytest.mark.parametrize(("rule", "item"), BAD)
def test_refuses_with_what_was_expected(rule: Callable[[object], str], item: object) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        rule(item)
    message = str(caught.value)
    assert len(message) < 160
    assert message.isprintable()
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, é, 名前 \u00a0", "plain text, é, 名前 \u00a0"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\tc\0", "a\\r\\nb\\tc\\x00"),
        ("evil\u202egpj.exe", "evil\\u202egpj.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("line\u2028break", "line\\u2028break"),
        ("lone \udc80", "lone \\udc80"),
        ("", ""),
    ],
)
def test_printable_shows_hidden_characters(text: str, shown: str) -> None:
    assert rules.printable(text) == shown
    rules.printable(text).encode()

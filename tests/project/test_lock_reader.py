"""The text of the lock: one text for one lock, and every hostile edit refused with its place."""

from __future__ import annotations

import random
import re
import time

import pytest

from lmpm.errors import LockError
from lmpm.fs import rules, toml
from lmpm.fs.document import DocumentError
from lmpm.limits import MAX_LOCK_BYTES
from lmpm.project import Lock, emit_lock, parse_lock
from tests.lock_samples import TEXT, random_lock

A, B, D = "a" * 64, "b" * 64, "d" * 64
FIRST, SECOND = "model[0].candidate[0]", "model[0].candidate[1]"
SMALL = f'{{ path = "small-Q4_K_M.gguf", size = 2147483648, sha256 = "{D}" }}'
BIG_1 = f'    {{ path = "big/big-00001-of-00002.gguf", size = 8589934592, sha256 = "{A}" }},\n'
BIG_2 = f'    {{ path = "big/big-00002-of-00002.gguf", size = 1000, sha256 = "{B}" }},\n'
MMPROJ = f'    {{ path = "mmproj-F16.gguf", size = 2000, sha256 = "{"c" * 64}", role = "mmproj" }},\n'

# what is edited, what it becomes, the place and words of the error
HOSTILE = [
    ("version = 2", "version = 3", "made by a newer lmpm: version 3"),
    ("version = 2", "version = 1", "has version 1, this lmpm reads and writes version 2"),
    ("version = 2", 'version = "1"', "`version` expected a whole number, found a string"),
    ("version = 2", "version = true", "`version` expected a whole number, found true or false"),
    ("version = 2", "version = 2.0", "`version` expected a whole number, found a decimal number"),
    ("version = 2\n", "", "`version` is missing"),
    ("revision = 0\n", "", "`revision` is missing"),
    ("revision = 0\n", "revision = -1\n", "`revision` expected"),
    ("revision = 0\n", "revision = 0\nextra = 1\n", "`extra` is not known here"),
    ('name = "chat"\n', "", "`model[0].name` is missing"),
    ('name = "chat"', 'name = ""', "`model[0].name` is empty"),
    ('name = "chat"', 'name = "../chat"', "`model[0].name` expected a name"),
    ('name = "chat"', 'name = "\\u001b[2J"', "`model[0].name` expected a name"),
    ('name = "text-to-sql"', 'name = "chat"', "`model[1].name` `chat` is taken by model[0]"),
    ("requested = { task", "requests = { task", "`model[1].requested` is missing"),
    ('requested = { task = "text-to-sql" }', "requested = 3", "`model[1].requested` expected a table"),
    ("context = 8192, ", "context = [1], ", "`model[0].requested.context` expected a string, found a list"),
    ("context = 8192, ", "context = nan, ", "`model[0].requested.context` expected a finite number"),
    ("context = 8192, ", '"a b" = 1, ', "`model[0].requested.a b` expected a key"),
    ("context = 8192, ", '"\\u001b" = 1, ', "`model[0].requested.\\x1b` expected a key"),
    ("context = 8192, ", 'context = "a\\nb", ', "`model[0].requested.context` expected one line"),
    ("context = 8192\n", "context = 0\n", "`model[0].context` expected"),
    ("prompt_tokens = 500", "prompt_tokens = 0", "`model[0].prompt_tokens` expected"),
    ("prompt_tokens = 500\n", "", "`model[0].first_token_s` is not known here"),
    ("whole_s = [30.0, 75.0]\n", "", "`model[0].whole_s` expected two numbers of seconds"),
    ("[5.0, 20.0]", "[20.0, 5.0]", "`model[0].first_token_s` expected two numbers of seconds"),
    ("[5.0, 20.0]", "[0.0, 5.0]", "`model[0].first_token_s` expected two numbers of seconds"),
    ("[5.0, 20.0]", "[5.0]", "`model[0].first_token_s` expected two numbers of seconds"),
    ("[5.0, 20.0]", "[true, 20.0]", "`model[0].first_token_s` expected two numbers of seconds"),
    ("[5.0, 20.0]", "[5.0, inf]", "`model[0].first_token_s` expected two numbers of seconds"),
    ("[5.0, 20.0]", "[nan, 20.0]", "`model[0].first_token_s` expected two numbers of seconds"),
    ("[5.0, 20.0]", "0x" + "f" * 400, "is not valid"),
    ("score = 71.25\n", "", f"`{FIRST}.score` is missing"),
    ("score = 71.25", "score = 100.1", f"`{FIRST}.score` expected a number from 0 to 100"),
    ("score = 71.25", "score = nan", f"`{FIRST}.score` expected a finite number"),
    ('mode = "thinking"', 'mode = "fast"', f"`{FIRST}.mode` expected"),
    ("thinking_tokens = 2500", "thinking_tokens = 0", f"`{FIRST}.thinking_tokens` expected"),
    ("thinking_tokens = 2500", 'native = "yes"', f"`{FIRST}.native` expected true or false"),
    ("memory = 9985798963", "memory = 0x" + "f" * 5000, "is not valid"),
    ("memory = 9985798963\n", "", f"`{FIRST}.memory` is missing"),
    ("memory = 9985798963", "memory = 0", f"`{FIRST}.memory` expected a whole number from 1"),
    ("memory = 9985798963", "memory = 1", f"`{FIRST}.memory` expected at least the 8589937592 bytes of its files"),
    ("memory = 2899102924", "memory = 2147483647", f"`{SECOND}.memory` expected at least the 2147483648 bytes"),
    ("memory = 9985798963", "memory = true", f"`{FIRST}.memory` expected a whole number"),
    ("memory = 2899102924", "memory = 2.9e9", f"`{SECOND}.memory` expected a whole number"),
    ("memory = 2899102924", "memory = 9223372036854775808", f"`{SECOND}.memory` expected a whole number"),
    ("bytes_per_token = 2147483648", "bytes_per_token = 0", f"`{SECOND}.bytes_per_token` expected"),
    ("layers = 28\n", "", f"`{SECOND}.layers` is missing"),
    ("layers = 28", "layers = -1", f"`{SECOND}.layers` expected"),
    ("engine = 9200", "engine = 0", f"`{FIRST}.engine` expected"),
    ("engine = 9200", 'engine = "b9200"', f"`{FIRST}.engine` expected a whole number"),
    ("engine = 9200", "motor = 9200", f"`{FIRST}.motor` is not known here"),
    ('"cuda-24gb", ', '"m2-16gb", ', f"`{FIRST}.targets[1]` `m2-16gb` is listed twice"),
    ('"cuda-24gb", ', '"a/b", ', f"`{FIRST}.targets[0]` expected a name"),
    ('"cuda-24gb", ', "1, ", f"`{FIRST}.targets[0]` expected a string"),
    ("layers = 28\n", 'layers = 28\ntargets = ["m2-16gb"]\n', f"`{SECOND}.targets` `m2-16gb` is served by"),
    ('model = "Big 14B"', 'model = "Big\\u202e14B"', f"`{FIRST}.model` expected one line of printable text"),
    ('quant = "Q8_0"\n', "", "`model[1].candidate[0].quant` is missing"),
    ('license = "mit"', 'license = ["mit"]', f"`{SECOND}.license` expected a string"),
    ('hf = "org/big-14b-GGUF"', 'hf = "big"', f"`{FIRST}.source.hf` expected a repository"),
    ('hf = "org/big-14b-GGUF"', 'hf = "a/b/c"', f"`{FIRST}.source.hf` expected a repository"),
    ('hf = "org/big-14b-GGUF"', 'hf = "a/.."', f"`{FIRST}.source.hf` expected a repository"),
    ('hf = "org/big-14b-GGUF"', f'hf = "org/{"x" * 300}"', f"`{FIRST}.source.hf` expected a repository"),
    ('hf = "org/big-14b-GGUF"', 'hf = "org/x?token=hunter2"', f"`{FIRST}.source.hf` expected a repository"),
    ('hf = "org/big-14b-GGUF"', 'hf = "https://me:hunter2@x.y/a"', f"`{FIRST}.source.hf` expected"),
    ('hf = "org/big-14b-GGUF"', 'url = "https://x.y/z.gguf"', f"`{FIRST}.source.revision` is not known here"),
    ('hf = "org/big-14b-GGUF"', 'git = "x"', f"`{FIRST}.source.hf` is missing"),
    ('id = "66f2b3c4', 'id = "66F2b3c4', f"`{FIRST}.source.id` expected 24 lower-case hex digits"),
    ('starter = "text-to-sql"', 'url = "http://x.y/z.gguf"', "`model[1].candidate[0].source.url` expected an `https`"),
    ('starter = "text-to-sql"', 'url = "https://me:hunter2@x.y/z.gguf"', "without a user name or password"),
    ('starter = "text-to-sql"', 'url = "https://x.y/z.gguf?token=hunter2"', "without a password, `?` or `#`"),
    ('starter = "text-to-sql"', 'url = "https://x.y/z.exe"', "source.url` expected the path of a `.gguf` file"),
    ('starter = "text-to-sql"', 'url = "https://x.y/..%2f..%2fz.gguf"', "source.url` expected a path"),
    ('starter = "text-to-sql"', 'url = "file:///etc/z.gguf"', "source.url` expected an https URL"),
    ('starter = "text-to-sql"', 'file = "/etc/z.gguf"', "source.file` expected a path inside"),
    ('starter = "text-to-sql"', 'file = "../z.gguf"', "source.file` expected a path inside"),
    (f'template = "{"f" * 64}"', 'template = "ffff"', f"`{FIRST}.template` expected 64 lower-case hex digits"),
    ("decode = 17.2", "decode = -1", f"`{FIRST}.tested.decode` expected tokens per second"),
    ("first_token_s = 0.8", "first_token_s = 1e9", f"`{FIRST}.tested.first_token_s` expected seconds"),
    ("score = 0.9,", "score = 1.5,", f"`{FIRST}.tested.score` expected a share from 0 to 1"),
    ("score = 0.9,", "", f"`{FIRST}.tested.cases` expected `score`, `cases` and `checks` together"),
    ("cases = 10", "cases = 0", f"`{FIRST}.tested.cases` expected a whole number"),
    (', checks = "', ', checks = "x', f"`{FIRST}.tested.checks` expected 64 lower-case hex digits"),
    ('engine = "llama.cpp b11549"', "engine = 11549", f"`{FIRST}.tested.engine` expected a string"),
    ('on = "m2-16gb"', 'on = "../m2"', f"`{FIRST}.tested.on` expected a name"),
    ('on = "m2-16gb"', 'at = "m2-16gb"', f"`{FIRST}.tested.at` is not known here"),
    ("1" * 40, "main", f"`{FIRST}.source.revision` expected a commit"),
    ("1" * 40, "1a2b3c4", f"`{FIRST}.source.revision` expected a commit"),
    ("1" * 40, "A" * 40, f"`{FIRST}.source.revision` expected a commit"),
    (f', revision = "{"2" * 40}"', "", f"`{SECOND}.source.revision` is missing"),
    ('starter = "text-to-sql"', 'starter = "text-to-sql", hf = "a/b"', "source.hf` is not known here"),
    (f"{SMALL},", "", f"`{SECOND}.files` is missing"),
    (SMALL, "1", f"`{SECOND}.files[0]` expected a table, found a whole number"),
    (SMALL, f"{SMALL}, {SMALL}", f"`{SECOND}.files[1].path` is the same as"),
    (SMALL, f"{SMALL}, {SMALL.replace('small', 'SMALL')}", f"`{SECOND}.files[1].path` is the same as"),
    (SMALL, f"{SMALL}, {SMALL.replace(D, A)}", f"`{SECOND}.files[1].path` is the same as"),
    (SMALL, f"{SMALL}, {SMALL.replace('small', 'other')}", f"`{SECOND}.files` expected one file, or the shards"),
    (SMALL, SMALL.replace("}", ', role = "mmproj" }'), f"`{SECOND}.files` expected a file of the model"),
    (SMALL, SMALL.replace("}", ', role = "lora" }'), f"`{SECOND}.files[0].role` expected `mmproj`"),
    (SMALL, SMALL.replace("}", ", mode = 1 }"), f"`{SECOND}.files[0].mode` is not known here"),
    (D, D.upper(), f"`{SECOND}.files[0].sha256` expected 64 lower-case hex digits"),
    (D, D[1:], f"`{SECOND}.files[0].sha256` expected 64 lower-case hex digits, found 63 characters"),
    (D, f" {D[1:]}", f"`{SECOND}.files[0].sha256` expected"),
    (D, f"sha256:{D}", f"`{SECOND}.files[0].sha256` expected"),
    (f', sha256 = "{D}"', "", f"`{SECOND}.files[0].sha256` is missing"),
    (D, A, f"`{SECOND}.files[0].size` is not the size that its sha256 has elsewhere"),
    ("size = 2147483648", "size = 0", f"`{SECOND}.files[0].size` expected"),
    ("size = 2147483648", "size = -1", f"`{SECOND}.files[0].size` expected"),
    ("size = 2147483648", "size = 1e3", f"`{SECOND}.files[0].size` expected a whole number"),
    ("size = 2147483648", "size = true", f"`{SECOND}.files[0].size` expected a whole number"),
    ("size = 2147483648", "size = 9223372036854775808", f"`{SECOND}.files[0].size` expected"),
    *(
        ('"small-Q4_K_M.gguf"', path, f"`{SECOND}.files[0].path` ")
        for path in (
            '""', '"."', '"../x.gguf"', '"/x.gguf"', '"C:x"', '"a\\\\..\\\\b"', '"x\\u0000.gguf"', '"CON.gguf"',
            '"x\\u001b[2J.gguf"', f'"{"x" * 5000}"', '"x.safetensors"', "1", "true",
        )
    ),
    (BIG_2, "", f"`{FIRST}.files` expected the shards 1 to 2 of one model in order"),
    (BIG_1, "", f"`{FIRST}.files` expected the shards 1 to 2 of one model in order"),
    (BIG_1 + BIG_2, BIG_2 + BIG_1, f"`{FIRST}.files` expected the shards 1 to 2 of one model in order"),
    ("big/big-00002-of-00002", "big/other-00002-of-00002", f"`{FIRST}.files` expected the shards 1 to 2"),
    ("big/big-00002-of-00002", "big/big-00002-of-00003", f"`{FIRST}.files` expected the shards 1 to 2"),
    ("big/big-00001-of-00002", "big/big-00001-of-99999", f"`{FIRST}.files` expected the shards 1 to 99999"),
    ("big/big-00001-of-00002", "big/big-00000-of-00000", f"`{FIRST}.files` expected the shards 1 to 0"),
    (BIG_1 + BIG_2 + MMPROJ, MMPROJ + BIG_1 + BIG_2, f"`{FIRST}.files` expected the files of the model first"),
    (MMPROJ, MMPROJ + MMPROJ.replace("F16", "F32"), f"`{FIRST}.files` expected the files of the model first"),
    ("[[model.candidate]]", "[model.candidate]", "is not valid at line 35, column 18: gives a key a second time"),
    ("[[model]]", "[model]", "is not valid"),
    ('name = "chat"', "name = chat", "is not valid at line 6, column 8: invalid value"),
    ("version = 2", "version 1", "is not valid at line 2, column 9: expected '='"),
    ("version = 2", "version = 2\x00", "is not valid at line 2: holds a NUL character"),
    ("version = 2", "version = 2\x01", "is not valid at line 2, column 12: "),
    ("version = 2", "version = 2\nversion = 1", "is not valid at line 3, column 12: gives a key a second time"),
    ("version = 2", "<<<<<<< HEAD\nversion = 2\n=======\n>>>>>>> x", "at line 2: holds the markers of a merge"),
    ("version = 2", "||||||| base\nversion = 2", "at line 2: holds the markers of a merge"),
    ("version = 2", "version = 2\r\n=======\r\n", "at line 3: holds the markers of a merge"),
    ("version = 2", "x = " + "[" * 5000, "is not valid: is nested too deeply"),
    ("version = 2", "a." * 100_000 + "b = 1", "is not valid at line 2: holds a key of too many parts"),
    ("version = 2", '"a" . ' * 100_000 + "b = 1", "is not valid at line 2: holds a key of too many parts"),
    ("version = 2", "x = " + "9" * 5000, "is not valid"),
    ("version = 2", "#" * MAX_LOCK_BYTES, "is not valid: is larger than 4194304 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), HOSTILE, ids=range(len(HOSTILE)))
def test_refuses_a_hostile_edit_with_its_place(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    start = time.monotonic()
    with pytest.raises(LockError) as caught:
        parse_lock(TEXT.replace(old, new, 1))
    error = caught.value
    assert time.monotonic() - start < 2
    assert expected in error.message
    assert error.message.startswith("`lmpm.lock` ")
    assert not error.message.endswith(".")
    assert error.message.isprintable()
    assert len(error.message) < 600
    assert error.hint
    assert "hunter2" not in f"{error.message}{error.hint}"


def test_the_text_is_canonical() -> None:
    assert emit_lock(parse_lock(TEXT)) == TEXT
    assert emit_lock(parse_lock("\ufeff" + TEXT.replace("\n", "\r\n"))) == TEXT


def test_a_file_of_one_revision_has_one_content() -> None:
    rung = TEXT[TEXT.index('[[model.candidate]]\nmodel = "Small') : TEXT.index('[[model]]\nname = "text')]
    text = TEXT + "\n" + rung.replace(D, "f" * 64)
    with pytest.raises(LockError, match=re.escape("`model[1].candidate[1].files[0]` is a file with another sha256")):
        parse_lock(text)
    assert len(parse_lock(f"{TEXT}\n{rung}").models[1].candidates) == 2  # two models may share a file
    with pytest.raises(LockError, match=re.escape("`model[1].candidate[2]` is the same as candidate[1]")):
        parse_lock(f"{TEXT}\n{rung}\n{rung}")


def test_a_conflict_says_how_to_resolve_it() -> None:
    with pytest.raises(LockError) as caught:
        parse_lock(TEXT.replace("revision = 0", "<<<<<<< HEAD\nrevision = 0\n=======\nrevision = 1\n>>>>>>> theirs"))
    assert caught.value.hint == "Resolve it by taking either side, then run `lmpm lock`"


def test_an_empty_lock() -> None:
    text = emit_lock(Lock())
    assert text == "# @generated by lmpm. Do not edit; run `lmpm lock`.\nversion = 2\nrevision = 0\n"
    assert parse_lock(text) == Lock()


@pytest.mark.parametrize("seed", range(60))
def test_reads_back_what_it_writes(seed: int) -> None:
    lock = random_lock(random.Random(seed))
    text = emit_lock(lock)
    assert parse_lock(text) == lock
    assert emit_lock(parse_lock(text)) == text
    shuffled = Lock(tuple(reversed(lock.models)))
    assert emit_lock(shuffled) == text
    assert all("sha256" not in line or line.endswith((" },", " }")) for line in text.splitlines())


@pytest.mark.parametrize("seed", range(200))
def test_random_damage_is_a_lock_error_or_a_valid_lock(seed: int) -> None:
    damage = random.Random(seed)
    text = list(TEXT)
    for _ in range(damage.randint(1, 4)):
        at = damage.randrange(len(text))
        length = damage.choice([0, 1, 1, 30])
        text[at : at + length] = damage.choice(["", '"', "[", "]]", "=", "\n", "\\", "9", "\x1b", "é", "}", "{ "])
    try:
        lock = parse_lock("".join(text))
    except LockError as error:
        assert error.message.isprintable()
    else:
        assert parse_lock(emit_lock(lock)) == lock


@pytest.mark.parametrize(
    ("text", "place"),
    [("a = 1\na = 2\n", "line 2"), ("[a]\n[a]\n", "line 2"), ("a = { b = 1, b = 2 }\n", "line 1")],
)
def test_what_stands_twice_is_told_in_words(text: str, place: str) -> None:
    with pytest.raises(DocumentError, match="gives a key a second time") as caught:
        toml.parse(text, 1000)
    assert caught.value.place.startswith(place)


def test_a_digest_with_a_letter_that_is_none_of_a_digest_names_it() -> None:
    with pytest.raises(ValueError, match="64 lower-case hex digits, found `g` among them"):
        rules.sha256("g" + 63 * "0")

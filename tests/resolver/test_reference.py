"""What a user may type for a model, and what it is understood as."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmpm.errors import SpecError
from lmpm.resolver.reference import (
    FileReference,
    HubReference,
    NameReference,
    Reference,
    TextReference,
    parse_quant,
    parse_reference,
    reference_to,
)
from lmpm.types import FileSource, HubSource, ModelFile, Source, UrlSource, Variant

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("text-to-sql", NameReference("text-to-sql")),
        ("  text-to-sql ", NameReference("text-to-sql")),
        ("qwen2.5-coder-7b-instruct", NameReference("qwen2.5-coder-7b-instruct")),
        ("qwen2.5-coder-7b-instruct:q4_k_m", NameReference("qwen2.5-coder-7b-instruct", "Q4_K_M")),
        ("Qwen/Qwen3-8B-GGUF", HubReference("Qwen/Qwen3-8B-GGUF")),
        ("Qwen/Qwen3-8B-GGUF:Q4_K_M", HubReference("Qwen/Qwen3-8B-GGUF", quant="Q4_K_M")),
        ("hf:Qwen/Qwen3-8B-GGUF:ud-q4_k_xl", HubReference("Qwen/Qwen3-8B-GGUF", quant="UD-Q4_K_XL")),
        ("hf.co/Qwen/Qwen3-8B-GGUF:Q8_0", HubReference("Qwen/Qwen3-8B-GGUF", quant="Q8_0")),
        ("huggingface.co/Qwen/Qwen3-8B-GGUF", HubReference("Qwen/Qwen3-8B-GGUF")),
        ("Qwen/Qwen3-8B-GGUF@main", HubReference("Qwen/Qwen3-8B-GGUF", revision="main")),
        (f"Qwen/Q:Q4_K_M@{COMMIT}", HubReference("Qwen/Q", revision=COMMIT, quant="Q4_K_M")),
        (f"Qwen/Q@{COMMIT}:Q4_K_M", HubReference("Qwen/Q", revision=COMMIT, quant="Q4_K_M")),
        ("Qwen/Q/sub/model-Q4_K_M.gguf", HubReference("Qwen/Q", path="sub/model-Q4_K_M.gguf")),
        ("https://huggingface.co/Qwen/Q", HubReference("Qwen/Q")),
        ("https://huggingface.co/Qwen/Q/tree/main", HubReference("Qwen/Q")),
        ("https://huggingface.co/Qwen/Q/resolve/main/m-Q8_0.gguf", HubReference("Qwen/Q", path="m-Q8_0.gguf")),
        (
            f"https://hf.co/Qwen/Q/blob/{COMMIT}/d/m-Q8_0.gguf?download=true",
            HubReference("Qwen/Q", revision=COMMIT, path="d/m-Q8_0.gguf"),
        ),
        ("deepseek r1  distill qwen 7b", TextReference("deepseek r1 distill qwen 7b")),
        ("qwen3 8b:q5_k_m", TextReference("qwen3 8b", "Q5_K_M")),
        ("qwen3 8b q4_k_m", TextReference("qwen3 8b", "Q4_K_M")),
        ("phi-4-mini-instruct Q5_K_M", NameReference("phi-4-mini-instruct", "Q5_K_M")),
        ("llama-3.2-3b-instruct-q8_0", NameReference("llama-3.2-3b-instruct", "Q8_0")),
        ("qwen3 8b q4_k_m:q8_0", TextReference("qwen3 8b q4_k_m", "Q8_0")),
        ("q4_k_m", NameReference("q4_k_m")),
        ("qwen3 8b:latest", TextReference("qwen3 8b")),
        ("Qwen/Q:latest", HubReference("Qwen/Q")),
        ("Qwen/Q@refs/pr/1", HubReference("Qwen/Q", revision="refs/pr/1")),
        ("Qwen/Q:Q8_0@refs/pr/1", HubReference("Qwen/Q", revision="refs/pr/1", quant="Q8_0")),
        ("https://huggingface.co/Qwen/Q/", HubReference("Qwen/Q")),
        ("https://huggingface.co/Qwen/Q/tree/v1.0", HubReference("Qwen/Q", revision="v1.0")),
        ("https://huggingface.co/Qwen/Q/tree/main/BF16", HubReference("Qwen/Q")),
        ("https://hf.co/Qwen/Q/tree/refs%2Fpr%2F1", HubReference("Qwen/Q", revision="refs/pr/1")),
        (
            "https://hf.co/Qwen/Q/resolve/refs%2Fpr%2F1/d/m.gguf",
            HubReference("Qwen/Q", revision="refs/pr/1", path="d/m.gguf"),
        ),
        ("https://hf.co/Qwen/Q/resolve/refs/pr/1/m.gguf", HubReference("Qwen/Q", revision="refs/pr/1", path="m.gguf")),
        ("./model.gguf", FileReference(Path("model.gguf"))),
        ("/models/model.gguf", FileReference(Path("/models/model.gguf"))),
        ("../m.gguf", FileReference(Path("../m.gguf"))),
    ],
)
def test_forms(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


def test_the_home_directory_is_meant_by_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_reference("~/m.gguf") == FileReference(tmp_path / "m.gguf")


def test_a_bare_file_name_is_a_file_when_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_reference("m.gguf") == NameReference("m.gguf")
    (tmp_path / "m.gguf").write_bytes(b"")
    assert parse_reference("m.gguf") == FileReference(Path("m.gguf"))


@pytest.mark.parametrize(
    "reference",
    [
        HubReference("a/b"),
        HubReference("a/b", revision=COMMIT),
        HubReference("a/b", quant="UD-Q4_K_XL"),
        HubReference("a/b", revision="main", quant="Q8_0"),
        HubReference("a/b", path="d/m.gguf", revision=COMMIT),
        HubReference("a/b", quant="Q8_0", revision="refs/pr/1"),
    ],
)
def test_a_reference_reads_its_own_text(reference: HubReference) -> None:
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "é",
        "-x",
        "a $b",
        "a b\tc",
        "word " * 40,
        "hf:../../etc",
        "a/../b",
        "a/b/../c.gguf",
        "a/b/c.txt",
        "a/b//c.gguf",
        "a/b\\c",
        "a/b:",
        "org/name.git",
        "https://example.com/a/b",
        "https://user:pass@example.com/a/b",
        "https://huggingface.co.evil.com/a/b",
        "file://server/etc/passwd",
        "https://huggingface.co/",
        "a/b\x1b[2J",
        "a/" + "b" * 300,
    ],
)
def test_what_is_no_reference(text: str) -> None:
    if text == "a/b:":
        assert parse_reference(text) == HubReference("a/b")
        return
    with pytest.raises(SpecError) as caught:
        parse_reference(text)
    assert caught.value.hint
    assert "\x1b" not in str(caught.value) and "pass" not in str(caught.value).replace("passwd", "")


def test_a_quant_that_is_none_gets_the_nearest_names() -> None:
    assert parse_quant("iq4_xs") == "IQ4_XS"
    with pytest.raises(SpecError) as caught:
        parse_quant("Q4_K_N")
    assert "`Q4_K_M`" in (caught.value.hint or "")
    with pytest.raises(SpecError) as caught:
        parse_quant("zzz")
    assert "Examples" in (caught.value.hint or "")


def taken(source: Source, quant: str, path: str) -> Variant:
    return Variant(
        model="m", title="M", source=source, quant=quant, license="mit", context_length=1, architecture="llama",
        files=(ModelFile(path=path, size=1, sha256="a" * 64),),
    )  # fmt: skip


HUB = HubSource("org/M-GGUF", COMMIT)


@pytest.mark.parametrize(
    ("typed", "variant", "said"),
    [
        ("org/M-GGUF:q4_k_m", taken(HUB, "Q4_K_M", "M-Q4_K_M.gguf"), "org/M-GGUF:Q4_K_M"),
        ("m", taken(HUB, "Q4_K_M", "M-Q4_K_M.gguf"), "org/M-GGUF:Q4_K_M"),
        (f"org/M-GGUF@{COMMIT}", taken(HUB, "Q4_K_M", "M-Q4_K_M.gguf"), f"org/M-GGUF:Q4_K_M@{COMMIT}"),
        ("org/M-GGUF/old/M-Q4_K_M.gguf", taken(HUB, "Q4_K_M", "old/M-Q4_K_M.gguf"), "org/M-GGUF/old/M-Q4_K_M.gguf"),
        ("org/M-GGUF@v1/old/M.gguf", taken(HUB, "Q4_K_M", "old/M.gguf"), "org/M-GGUF/old/M.gguf@v1"),
        ("org/M-GGUF", taken(HUB, "unknown", "model.gguf"), "org/M-GGUF/model.gguf"),
        ("org/M-GGUF", taken(HUB, "Q4", "M-q4.gguf"), "org/M-GGUF/M-q4.gguf"),  # a width cannot be typed
        ("./M-Q4_K_M.gguf", taken(FileSource("M-Q4_K_M.gguf"), "Q4_K_M", "M-Q4_K_M.gguf"), "./M-Q4_K_M.gguf"),
        (f"https://e.org/m.gguf#sha256={'a' * 64}", taken(UrlSource("https://e.org/m.gguf"), "Q8_0", "m.gguf"),
         f"https://e.org/m.gguf#sha256={'a' * 64}"),
    ],
)  # fmt: skip
def test_what_leads_to_a_variant_again(typed: str, variant: Variant, said: str) -> None:
    assert reference_to(variant, typed) == said
    parse_reference(said)

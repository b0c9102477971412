"""Files that are not GGUF are called by what they are, with what to do."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
from pathlib import Path

import pytest

from lmpm.errors import IntegrityError
from lmpm.gguf.foreign import Kind, recognise
from lmpm.gguf.header import read_file
from tests.conftest import Cli
from tests.gguf_files import raw_gguf, write_llama
from tests.loopback import LoopbackHub


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), b"x")
    return file.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 4920739232\n"
SAFETENSORS = b'{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
CASES: list[tuple[Kind, bytes, str]] = [
    ("pointer", POINTER, "git lfs pull"),
    ("page", b"<!DOCTYPE html>\n<html><head><title>404</title>", "hf auth login"),
    ("page", b"\xef\xbb\xbf \n<HTML lang='en'>", "resolve"),
    ("page", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "resolve"),
    ("answer", b'{"error":"Invalid username or password."}', "Download it again"),
    ("ggml", b"lmgg" + bytes(60), "convert_llama_ggml_to_gguf.py"),
    ("ggml", b"fmgg" + struct.pack("<I", 1), "GGUF"),
    ("ggml", b"tjgg" + struct.pack("<I", 3), "GGUF"),
    ("ggml", b"algg" + struct.pack("<I", 1), "GGUF"),
    ("safetensors", struct.pack("<Q", len(SAFETENSORS)) + SAFETENSORS, "convert_hf_to_gguf.py"),
    ("archive", zipped(), "Unpack it"),
    ("archive", gzip.compress(raw_gguf(), mtime=0), "Unpack it"),
    ("pickle", pickle.dumps({"model": [1]}, protocol=2), "convert_hf_to_gguf.py"),
    ("big-endian", b"FUGG" + raw_gguf()[4:], "gguf_convert_endian.py"),
    ("blank", bytes(4096), "Download it again"),
    ("empty", b"", "Download it again"),
]


@pytest.mark.parametrize(("kind", "data", "hint"), CASES)
def test_each_is_named_with_its_way_out(kind: Kind, data: bytes, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(IntegrityError) as caught:
        read_file(path)
    found = recognise(data[:512])
    assert found and found.kind == kind
    assert caught.value.exit_code == 4
    assert caught.value.message == f"`model.gguf` is not a usable GGUF file: it is {found.what}"
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("data", [b"GGUF", b"GGML", b"hello", b"\x7fELF", b"\0\1\2", struct.pack("<Q", 2**40) + b'{"'])
def test_nothing_is_guessed(data: bytes) -> None:
    assert recognise(data) is None


@pytest.mark.parametrize("command", ["inspect ./m.gguf", "install ./m.gguf --offline --no-smoke", "resolve ./m.gguf"])
@pytest.mark.parametrize("kind", ["pointer", "page", "ggml", "safetensors", "archive", "cut"])
def test_a_local_file_is_named_by_every_command(cli: Cli, command: str, kind: str) -> None:
    (path,) = write_llama(cli.directory / "m.gguf")
    data, says = path.read_bytes()[:-500], "500 fewer than its header says"
    for known, content, _ in CASES:
        if known == kind:
            found = recognise(content)
            data, says = content, found.what if found else ""
    path.write_bytes(data)
    said = cli.call(*command.split()).failed(4, "`m.gguf` is not a usable GGUF file", says)
    assert "hint:" in said.err
    assert not cli.lock.exists() and not cli.manifest.exists()


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, data, _ in CASES if len(data) > 8])
def test_what_the_hub_has_under_the_name_of_a_gguf(cli: Cli, kind: str, data: bytes) -> None:
    with LoopbackHub() as hub:
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        hub.add_repo("acme/M-GGUF", {"M-Q8_0.gguf": data}, card_data={"license": "mit"})
        found = recognise(data[:512])
        assert found
        cli.call("install", "acme/M-GGUF", "--no-smoke").failed(4, "M-Q8_0.gguf", f"it is {found.what}")
    assert not cli.blobs() and not cli.lock.exists()

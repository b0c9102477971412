"""What a file is that is not a GGUF, told from its first bytes, and what to do with it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["pointer", "page", "answer", "ggml", "safetensors", "pickle", "archive", "big-endian", "blank", "empty"]

START_BYTES: Final = 512  # of a file, that are looked at
AGAIN: Final = "Download it again, or take it from another repository"
_WEIGHTS: Final = "Take a GGUF of the model, or convert it with `convert_hf_to_gguf.py` of llama.cpp"


@dataclass(frozen=True, slots=True)
class Foreign:
    """Content of another kind. `what` completes "it is", `hint` says how to come by a GGUF."""

    kind: Kind
    what: str
    hint: str


_POINTER: Final = Foreign(
    "pointer",
    "a Git LFS pointer, not the file that it stands for",
    "Fetch the file itself: `git lfs pull` in that clone, or `lmpm install user/repo`",
)
_PAGE: Final = Foreign(
    "page",
    "a web page, perhaps an error or a login",
    "Download the file from its `resolve` link, logged in where it is gated: `hf auth login`",
)
_ANSWER: Final = Foreign("answer", "a JSON text, perhaps the error of a server", AGAIN)
_GGML: Final = Foreign(
    "ggml",
    "a GGML file of before August 2023, which llama.cpp no longer reads",
    "Take a GGUF of the model, or convert it with `convert_llama_ggml_to_gguf.py` of llama.cpp",
)
_SAFETENSORS: Final = Foreign("safetensors", "a safetensors file", _WEIGHTS)
_PICKLE: Final = Foreign("pickle", "a pickle, as old PyTorch checkpoints are", _WEIGHTS)
_ZIP: Final = Foreign(
    "archive", "a ZIP archive, as PyTorch checkpoints are", f"Unpack it if it holds a GGUF. {_WEIGHTS}"
)
_PACKED: Final = Foreign("archive", "a compressed file", "Unpack it first")
_BIG_ENDIAN: Final = Foreign(
    "big-endian",
    "a big-endian GGUF, which machines of today do not load",
    "Take a little-endian one, or convert it with `gguf_convert_endian.py` of llama.cpp",
)
_BLANK: Final = Foreign("blank", "blank: its first bytes are zeros, as of a download that was not finished", AGAIN)
_EMPTY: Final = Foreign("empty", "empty", AGAIN)

# GGML's magics are `ggml`, `ggmf`, `ggjt` and `ggla` as little-endian numbers.
_MAGIC: Final = {
    b"version https://git-lfs": _POINTER,
    b"lmgg": _GGML, b"fmgg": _GGML, b"tjgg": _GGML, b"algg": _GGML,
    b"PK\x03\x04": _ZIP, b"PK\x05\x06": _ZIP,
    b"\x1f\x8b": _PACKED, b"7z\xbc\xaf\x27\x1c": _PACKED, b"\x28\xb5\x2f\xfd": _PACKED, b"\xfd7zXZ\0": _PACKED,
    b"BZh": _PACKED, b"Rar!": _PACKED,
    b"FUGG": _BIG_ENDIAN,
}  # fmt: skip
_MARKUP: Final = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--")
_PICKLES: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def recognise(start: bytes) -> Foreign | None:
    """What the first `START_BYTES` of a file that is not a GGUF show; None where nothing is known of it."""
    if not start:
        return _EMPTY
    if not start.strip(b"\0"):
        return _BLANK
    for magic, found in _MAGIC.items():
        if start.startswith(magic):
            return found
    if start[8:10] in (b'{"', b"{ ", b"{}") and struct.unpack_from("<Q", start)[0] < 2**32:
        return _SAFETENSORS
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_MARKUP):
        return _PAGE
    if text.startswith((b'{"', b"[{")):
        return _ANSWER
    return _PICKLE if start.startswith(_PICKLES) else None

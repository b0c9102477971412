"""The `gguf` object of the Hub's API, read from a served file as the Hub reads it on upload."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any, Final

from tests.loopback.content import Content

_MAGIC: Final = b"GGUF"
_STRING, _ARRAY = 8, 9
_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_MOST_ITEMS: Final = 1_000_000  # a hostile count is not worth a minute of the test server


class _Cursor:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._at = 0

    def take(self, length: int) -> bytes:
        if length > self._content.size - self._at:
            raise ValueError("past the end")
        data = self._content.read(self._at, length)
        self._at += length
        return data

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def text(self) -> str:
        return self.take(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.number(_SCALARS[kind])
        item, count = self.number("I"), self._count()
        if item in _SCALARS:
            return self.take(struct.calcsize(_SCALARS[item]) * count)
        return [self.value(item) for _ in range(count)]

    def _count(self) -> int:
        count = int(self.number("Q"))
        if count > _MOST_ITEMS:
            raise ValueError("too many items")
        return count

    def header(self) -> tuple[dict[str, Any], int]:
        """All keys, and the number of parameters that the tensors have."""
        if self.take(4) != _MAGIC or self.number("I") not in (2, 3):
            raise ValueError("not a GGUF file")
        tensors, keys = self._count(), self._count()
        metadata = {self.text(): self.value(self.number("I")) for _ in range(keys)}
        parameters = 0
        for _ in range(tensors):
            self.text()
            shape = [self.number("Q") for _ in range(self.number("I") % 8)]
            self.take(4 + 8)  # type and offset
            parameters += math.prod(shape)
        return metadata, parameters


def gguf_facts(contents: Iterable[Content]) -> dict[str, Any] | None:
    """Facts of the first content that is a model; None if there is none."""
    for content in contents:
        try:
            metadata, parameters = _Cursor(content).header()
        except (ValueError, KeyError, struct.error, RecursionError):
            continue
        architecture = metadata.get("general.architecture")
        facts = {
            "total": parameters,
            "architecture": architecture,
            "context_length": metadata.get(f"{architecture}.context_length"),
            "chat_template": metadata.get("tokenizer.chat_template"),
            "bos_token": _token(metadata, "bos"),
            "eos_token": _token(metadata, "eos"),
            "totalFileSize": content.size,
        }
        return {key: value for key, value in facts.items() if value is not None}
    return None


def _token(metadata: dict[str, Any], role: str) -> str | None:
    tokens = metadata.get("tokenizer.ggml.tokens")
    index = metadata.get(f"tokenizer.ggml.{role}_token_id")
    if isinstance(tokens, list) and isinstance(index, int) and 0 <= index < len(tokens):
        return str(tokens[index])
    return None

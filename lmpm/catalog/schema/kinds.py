"""The kinds of smoke tests that the files of tasks name."""

from __future__ import annotations

from typing import Final, Literal

SmokeKind = Literal["sql", "embeddings", "text", "fim", "json", "tool", "label", "rerank"]
SILENT: Final[frozenset[SmokeKind]] = frozenset({"embeddings", "rerank"})  # their models write nothing

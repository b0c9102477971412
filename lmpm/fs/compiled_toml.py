"""The catalog's TOML files, each with a copy in JSON beside lmpm's notes: JSON is read about 30 times as fast.

A copy is kept under the name and a hash of the bytes of the TOML file: one of other bytes is never found.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lmpm.fs.document import DocumentError
from lmpm.fs.json_cache import JsonCache
from lmpm.limits import MAX_CATALOG_FILE_BYTES

if TYPE_CHECKING:
    from pathlib import Path


def read(directory: Path, name: str, copies: Path | None = None) -> dict[str, Any]:
    """The document in the TOML file `name` (such as `models/bge-m3.toml`) below `directory`.

    `copies` is the directory of the copies; without one there are none. Raises DocumentError when the file
    cannot be read, is too large or is not TOML.
    """
    source = _bytes(directory / name)
    if copies is None:
        return _parse(source)
    cache, key = JsonCache(copies), (name, hashlib.blake2b(source).hexdigest())
    known: dict[str, Any] | None = cache.get(*key)
    if known is not None:
        return known
    document = _parse(source)
    with suppress(TypeError):  # a date, which TOML has and JSON has not; the readers refuse it with its place
        cache.put(document, *key)
    return document


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CATALOG_FILE_BYTES + 1)
    except OSError as error:
        raise DocumentError("", f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_CATALOG_FILE_BYTES:
        raise DocumentError("", f"is larger than {MAX_CATALOG_FILE_BYTES} bytes")
    return data


def _parse(source: bytes) -> dict[str, Any]:
    from lmpm.fs import toml  # not needed where there is a copy

    try:
        text = source.decode()
    except UnicodeDecodeError as error:
        raise DocumentError("", "is not UTF-8") from error
    return toml.parse(text, MAX_CATALOG_FILE_BYTES)

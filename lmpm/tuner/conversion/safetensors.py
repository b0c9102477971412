"""The weights of a folder of safetensors, one tensor at a time, without torch.

The format: https://huggingface.co/docs/safetensors/index#format. The library's own reader for numpy refuses bfloat16,
which most models are published in; here it is widened to float32, which is exact.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import IntegrityError
from lmpm.fs import disk_errors, printable
from lmpm.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_HEADER_BYTES: Final = 100 * MIB  # the library's own bound
ITEM_BYTES: Final = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor lies: `shape` as torch has it, `begin` and `end` in bytes of the file."""

    path: Path
    type: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Weights:
    """The tensors of all `*.safetensors` of a folder, or of one file."""

    place: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, by name."""
        return (self.place,) if self.place.is_file() else tuple(sorted(self.place.glob("*.safetensors")))

    @cached_property
    def tensors(self) -> Mapping[str, Stored]:
        """Each tensor by its name. Raises IntegrityError and DiskError."""
        found: dict[str, Stored] = {}
        for path in self.files:
            found.update(_tensors_of(path))
        return found

    def read(self, name: str) -> Any:
        """A tensor as a numpy array of float32."""
        import numpy as np

        stored = self.tensors[name]
        with disk_errors(stored.path, "read"), stored.path.open("rb") as file:
            file.seek(stored.begin)
            data = file.read(stored.end - stored.begin)
        if stored.type == "BF16":
            values = (np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(data, dtype="<f4" if stored.type == "F32" else "<f2").astype(np.float32)
        return values.reshape(stored.shape)


def _tensors_of(path: Path) -> dict[str, Stored]:
    with disk_errors(path, "read"), path.open("rb") as file:
        size = path.stat().st_size
        start = file.read(8)
        (length,) = struct.unpack("<Q", start) if len(start) == 8 else (0,)
        if not 0 < length <= min(MAX_HEADER_BYTES, size - 8):
            raise _broken(path, "its header is cut off")
        text = file.read(length)
    try:
        header = json.loads(text)
        return {
            name: _stored(path, name, said, 8 + length, size) for name, said in header.items() if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _broken(path, "its header cannot be read") from error


def _stored(path: Path, name: str, said: Any, base: int, size: int) -> Stored:
    kind, shape, (begin, end) = said["dtype"], tuple(map(int, said["shape"])), said["data_offsets"]
    if kind not in ITEM_BYTES:
        raise _broken(path, f"`{printable(name)}` is of the type {kind}; F32, F16 and BF16 are read")
    count = ITEM_BYTES[kind]
    for length in shape:
        count *= length
    if not 0 <= begin <= end <= size - base or end - begin != count:
        raise _broken(path, f"`{printable(name)}` lies outside the file")
    return Stored(path, kind, shape, base + begin, base + end)


def _broken(path: Path, why: str) -> IntegrityError:
    return IntegrityError(f"`{printable(path.name)}` is not a complete safetensors file: {why}")

"""Where the bytes of a served file come from: memory, disk, or a rule that makes them on the fly."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

CHUNK: Final = 1 << 18  # bytes made, hashed and sent at a time


class Content(ABC):
    """Bytes of a known size that can be read from any offset, again and again."""

    size: int

    @abstractmethod
    def read(self, start: int, length: int) -> bytes:
        """Return exactly `length` bytes from `start`; the caller stays within the size."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop:
            piece = self.read(start, min(CHUNK, stop - start))
            yield piece
            start += len(piece)

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks(0, self.size):
            digest.update(chunk)
        return digest.hexdigest()

    @cached_property
    def git_sha1(self) -> str:
        """The object id that git gives a blob of these bytes."""
        digest = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        for chunk in self.chunks(0, self.size):
            digest.update(chunk)
        return digest.hexdigest()


class Bytes(Content):
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, start: int, length: int) -> bytes:
        return self.data[start : start + length]


class File(Content):
    """A file on disk, sent with sendfile where the system has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    def read(self, start: int, length: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(start)
            while start < stop and (piece := file.read(min(CHUNK, stop - start))):
                yield piece
                start += len(piece)


class Sparse(Content):
    """A head, then zeros: a file of any size that costs only its head.

    Its true sha256 takes a second a gigabyte. A listing that nobody downloads from may declare one instead.
    """

    def __init__(self, size: int, head: bytes = b"", *, sha256: str | None = None) -> None:
        if len(head) > size:
            raise ValueError(f"a head of {len(head)} bytes does not fit in {size}")
        self.size = size
        self.head = head
        if sha256 is not None:
            self.__dict__["sha256"] = sha256  # where cached_property keeps its value

    def read(self, start: int, length: int) -> bytes:
        return self.head[start : start + length].ljust(length, b"\0")


def listed(size: int, name: str, head: bytes = b"") -> Sparse:
    """A file for listings only: any size at no cost, and a sha256 that is not that of its bytes.

    With the header of a real GGUF file as its head, ranged reads of the header work.
    """
    return Sparse(size, head, sha256=hashlib.sha256(f"{name}\0{size}".encode()).hexdigest())


class Generated(Content):
    """Pseudo-random bytes of any size, made from a seed: no run of zeros, no two equal blocks."""

    BLOCK: Final = 1 << 20

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self._noise = random.Random(seed).randbytes(self.BLOCK - 8)

    def read(self, start: int, length: int) -> bytes:
        pieces = []
        while length > 0:
            index, offset = divmod(start, self.BLOCK)
            # Each block starts with its own number, so that bytes written at a wrong offset show in the hash.
            piece = (index.to_bytes(8, "big") + self._noise)[offset : offset + length]
            pieces.append(piece)
            start += len(piece)
            length -= len(piece)
        return b"".join(pieces)


class Overlay(Content):
    """Other content with some bytes written over: many files that differ, for the memory of one."""

    def __init__(self, content: Content, offset: int, data: bytes) -> None:
        self.content = content
        self.size = content.size
        self._offset = offset
        self._data = data

    def read(self, start: int, length: int) -> bytes:
        data = self.content.read(start, length)
        first = max(self._offset, start)
        last = min(self._offset + len(self._data), start + length)
        if first >= last:
            return data
        patch = self._data[first - self._offset : last - self._offset]
        return data[: first - start] + patch + data[last - start :]


class Flipped(Overlay):
    """Other content with one bit turned over."""

    def __init__(self, content: Content, offset: int, bit: int = 0) -> None:
        wrong = content.read(offset, 1)[0] ^ (1 << bit)
        super().__init__(content, offset, bytes([wrong]))


class Repeated(Content):
    """A prefix, a unit many times over, a suffix: huge or deeply nested documents without the memory."""

    def __init__(self, prefix: bytes, unit: bytes, count: int, suffix: bytes = b"") -> None:
        self._prefix = prefix
        self._unit = unit
        self._suffix = suffix
        self._middle = len(unit) * count
        self.size = len(prefix) + self._middle + len(suffix)

    def read(self, start: int, length: int) -> bytes:
        stop = start + length
        middle, end = len(self._prefix), len(self._prefix) + self._middle
        data = self._prefix[start:stop]
        first, last = max(start, middle) - middle, min(stop, end) - middle
        if first < last:
            unit = len(self._unit)
            whole = self._unit * (-(-last // unit) - first // unit)
            data += whole[first % unit : first % unit + last - first]
        if stop > end:
            data += self._suffix[max(start - end, 0) : stop - end]
        return data


ContentLike = bytes | str | Path | Content


def as_content(source: ContentLike) -> Content:
    """Take what a test has at hand: bytes, text, the path of a file on disk, or content itself."""
    if isinstance(source, Content):
        return source
    if isinstance(source, Path):
        return File(source)
    return Bytes(source.encode() if isinstance(source, str) else source)

"""Hooks of the API's HTTP client: they bound the bytes, unpacked bytes and seconds of an answer, and log it."""

from __future__ import annotations

import sys
import time
import zlib
from typing import TYPE_CHECKING, Any

from lmpm import limits
from lmpm.hub.http import header_number, log_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def refuse_endless(response: Any) -> None:
    """Stop reading an API answer that is larger or slower than any real one; a hook of the HTTP client."""
    most = limits.MAX_API_ANSWER_BYTES
    if (header_number(response.headers.get("Content-Length")) or 0) > most:
        raise ValueError(f"an answer of more than {most:,} bytes")
    stream = response.stream
    unpacked = _unpacked_size(response.headers.get("Content-Encoding", "identity"))
    # the client accepts streams of its own kind only; it is httpx or its successor, as huggingface_hub has it
    library = sys.modules[type(response).__module__.partition(".")[0]]

    class Capped(library.SyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            total, began = 0, time.monotonic()
            for chunk in stream:
                total += unpacked(chunk)
                if total > most:
                    raise ValueError(f"an answer of more than {most:,} bytes")
                if time.monotonic() - began > limits.METADATA_TOTAL_S:
                    raise ValueError(f"an answer that took longer than {limits.METADATA_TOTAL_S:g} s")
                yield chunk

        def close(self) -> None:
            stream.close()

    response.stream = Capped()


def log(response: Any) -> None:
    """Log an answer; a hook of the HTTP client."""
    log_answer(response.request.method, str(response.request.url), response.status_code)


def _unpacked_size(encoding: str) -> Callable[[bytes], int]:
    """What counts the bytes that a compressed piece unpacks to, before the client unpacks it."""
    if encoding == "identity":
        return len
    if encoding not in ("gzip", "deflate"):
        raise ValueError(f"an answer in the encoding `{encoding[:20]}`")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header

    def count(chunk: bytes) -> int:
        try:
            return len(unpacker.decompress(chunk, limits.MAX_API_ANSWER_BYTES + 1))
        except zlib.error as error:
            raise ValueError(f"an answer that cannot be unpacked: {error}") from error

    return count

"""What an answer of the Hub's API may be, held by a hook of huggingface_hub's HTTP client.

It bounds the bytes of an answer, packed and unpacked, the values that its JSON can hold, and the silence in it; it
follows redirects by the rule that bytes are fetched by; and it logs.
"""

from __future__ import annotations

import sys
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmpm import limits
from lmpm.hub.http import StallWatch, follow, header_number, log_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class ResponseLimits:
    """A hook, called with every answer before its body is read, also with one that redirects."""

    endpoint: str
    silence_s: float

    def __call__(self, response: Any) -> None:
        """Raises NetworkError for a redirect that may not be followed, ValueError for an answer that is too large."""
        url = str(response.request.url)
        log_answer(response.request.method, url, response.status_code)
        if response.has_redirect_location:
            follow(self.endpoint, url, response.headers["Location"])
        if (header_number(response.headers.get("Content-Length")) or 0) > limits.MAX_API_ANSWER_BYTES:
            raise ValueError(f"an answer of more than {limits.MAX_API_ANSWER_BYTES:,} bytes")
        unpack = _unpacker(response.headers.get("Content-Encoding", "identity"))
        response.stream = _bounded(response, unpack, self.silence_s)


def _bounded(response: Any, unpack: Callable[[bytes], bytes], silence_s: float) -> Any:
    """The stream of an answer, which ends in ValueError or TimeoutError where it exceeds the limits."""
    stream = response.stream
    # the client accepts streams of its own kind only; it is httpx or its successor, as huggingface_hub has it
    library = sys.modules[type(response).__module__.partition(".")[0]]

    class Bounded(library.SyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            size = values = 0
            began, stall = time.monotonic(), StallWatch(silence_s)
            for chunk in stream:
                unpacked = unpack(chunk)
                size, values = size + len(unpacked), values + json_values(unpacked)
                if size > limits.MAX_API_ANSWER_BYTES:
                    raise ValueError(f"an answer of more than {limits.MAX_API_ANSWER_BYTES:,} bytes")
                if values > limits.MAX_JSON_VALUES:
                    raise ValueError(f"an answer of more than {limits.MAX_JSON_VALUES:,} values")
                stall.note(len(chunk))
                if time.monotonic() - began > limits.METADATA_TOTAL_S:
                    raise ValueError(f"an answer that took longer than {limits.METADATA_TOTAL_S:g} s")
                yield chunk

        def close(self) -> None:
            stream.close()

    return Bounded()


def json_values(data: bytes) -> int:
    """At most how many values the JSON in `data` has: counted before they are made, since each takes memory."""
    return data.count(b",") + data.count(b"{") + data.count(b"[")


def _unpacker(encoding: str) -> Callable[[bytes], bytes]:
    """What unpacks a compressed piece, as far as it may be, before the client does. Raises ValueError."""
    if encoding == "identity":
        return bytes
    if encoding not in ("gzip", "deflate"):
        raise ValueError(f"an answer in the encoding `{encoding[:20]}`")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header

    def unpack(chunk: bytes) -> bytes:
        try:
            return unpacker.decompress(chunk, limits.MAX_API_ANSWER_BYTES + 1)
        except zlib.error as error:
            raise ValueError(f"an answer that cannot be unpacked: {error}") from error

    return unpack

"""Bytes over HTTP into the store: in several pieces at once, resumed, hashed on the way, visible only when verified.

Nothing past the promised size is written. The promised sha256 decides at the end; a mismatch throws the part away
and is retried once from zero. What an answer of the server means is decided in `response`, what a failure means in
`scheduler`, and what survives a kill or a power cut in `journal`.
"""

from lmpm.store.transfer.downloader import Downloader

__all__ = ["Downloader"]

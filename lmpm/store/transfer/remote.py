"""Where the bytes of one file come from: a URL, and the link that the Hub hands out for a while."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from lmpm.fs import printable
from lmpm.hub import file_url
from lmpm.types import UrlSource

if TYPE_CHECKING:
    import requests

    from lmpm.hub import Http
    from lmpm.types import HubSource, ModelFile

EXPIRED: Final = frozenset({401, 403, 404, 410})  # how a CDN says that a signed link is over


class Remote:
    """One file at the Hub or at a URL of its own. Safe to use from several threads.

    `host` names the server in messages, `terms` says what to do where it does not let us in.
    """

    def __init__(self, http: Http, source: HubSource | UrlSource, file: ModelFile) -> None:
        self.http = http
        if isinstance(source, UrlSource):
            self.url, self.host = source.url, urlsplit(source.url).netloc
            self.terms = "Ask whoever gave you the URL"
        else:
            self.url, self.host = file_url(http.endpoint, source.repo, source.revision or "", file.path), http.host
            self.terms = f"Accept the terms at {http.endpoint}/{source.repo}, then `hf auth login`"
        self.name = printable(file.path)
        self.size = file.size
        self._link: str | None = None  # where the Hub sent us; good for minutes, never kept on disk
        self._lock = threading.Lock()

    def get(self, start: int, stop: int) -> requests.Response:
        """The answer to a request for bytes `start` to `stop`; without a range when that is all of them.

        A link that the Hub handed out is used again for later ranges, and asked for anew when it is over.
        """
        length = None if stop == self.size else stop - start
        if link := self._link:
            response = self.http.get(link, start=start, length=length)
            if response.status_code not in EXPIRED:
                return response
            response.close()
            self.forget_link(link)
        response = self.http.get(self.url, start=start, length=length)
        if response.ok and response.url != self.url:
            self._link = response.url
        return response

    def forget_link(self, link: str | None = None) -> None:
        """Ask the Hub again next time, unless another thread has done so since."""
        with self._lock:
            if link in (None, self._link):
                self._link = None

"""Where the bytes of one file come from: the Hub's address, and the link that it hands out for a while."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from lmpm.http import file_url
from lmpm.validate import printable

if TYPE_CHECKING:
    import requests

    from lmpm.http import Http
    from lmpm.types import HubSource, ModelFile

EXPIRED: Final = frozenset({401, 403, 404, 410})  # how a CDN says that a signed link is over


class Remote:
    """One file at the Hub. Safe to use from several threads."""

    def __init__(self, http: Http, source: HubSource, file: ModelFile) -> None:
        self.http = http
        self.page = f"{http.endpoint}/{source.repo}"
        self.url = file_url(http.endpoint, source.repo, source.revision or "", file.path)
        self.name = printable(file.path)
        self.size = file.size
        self._link: str | None = None  # where the Hub sent us; good for minutes, never kept on disk
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """The Hub's name, for messages."""
        return self.http.host

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

"""The Hugging Face Hub over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.hub import http as http, repository as repository, search as search
    from lmpm.hub.client import Hub as Hub
    from lmpm.hub.header_cache import HeaderCache as HeaderCache
    from lmpm.hub.http import (
        FORBIDDEN as FORBIDDEN,
        GONE as GONE,
        Http as Http,
        StallWatch as StallWatch,
        asked_wait_s as asked_wait_s,
        explain as explain,
        file_url as file_url,
        header_number as header_number,
        status_error as status_error,
        transient_errors as transient_errors,
    )
    from lmpm.hub.patience import Patience as Patience
    from lmpm.hub.repository import Entry as Entry, Repository as Repository, Row as Row
    from lmpm.hub.response_cache import ResponseCache as ResponseCache, identity_of as identity_of
    from lmpm.hub.search import Listing as Listing, search_hub as search_hub
    from lmpm.hub.tls import Bundle as Bundle
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "client": "Hub",
            "header_cache": "HeaderCache",
            "http": "FORBIDDEN GONE Http StallWatch asked_wait_s explain file_url "
            "header_number http status_error transient_errors",
            "patience": "Patience",
            "repository": "Entry Repository Row repository",
            "response_cache": "ResponseCache identity_of",
            "search": "Listing search search_hub",
            "tls": "Bundle",
        },
    )

"""The Hub's search for repositories with GGUF files, a page at a time and within stated bounds.

huggingface_hub's own listing has neither a timeout nor a bound on pages, so it is asked for directly:
`GET /api/models?search=...&filter=gguf&sort=downloads`, then what `Link: <...>; rel="next"` names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from lmpm import limits
from lmpm.errors import NetworkError, OfflineError
from lmpm.hub import repository
from lmpm.hub.http import transient_errors
from lmpm.hub.response_limits import json_values

if TYPE_CHECKING:
    import requests

    from lmpm.hub.client import Hub
    from lmpm.hub.repository import Row


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows with the most downloaded first. `is_complete` is False when the bounds cut the rest off.

    `age_s` is 0 for an answer of this moment, else how long ago it was given.
    """

    rows: tuple[Row, ...]
    is_complete: bool
    age_s: float = 0.0


def search_hub(hub: Hub, text: str, *, tag: str | None = None, form: str = "gguf") -> Listing:
    """Repositories with files of a form whose name has every word of `text`, or that carry `tag`.

    Raises NetworkError, RateLimitedError, NotPermittedError, and OfflineError without a kept answer.
    """
    text = text[: limits.MAX_QUERY_CHARS]
    asked = ("search", text, tag or "", *(() if form == "gguf" else (form,)))
    kept = hub.cache.get(*asked) if hub.cache else None
    if kept and (kept.is_fresh or hub.offline) and (found := _from_kept(kept.data, kept.age_s)):
        hub.oldest_s = max(hub.oldest_s, kept.age_s)
        return found
    if hub.offline:
        raise OfflineError(
            f"`{text or tag}` cannot be searched for: the network is switched off",
            hint="Drop `--offline`, or name a task or model of the catalog: `lmpm catalog list`",
            kind="offline-search",
        )
    documents, is_complete = _pages(hub, text, tag, form)
    if hub.cache:
        hub.cache.put({"rows": documents, "complete": is_complete}, *asked)
    return Listing(_rows(documents), is_complete)


def _pages(hub: Hub, text: str, tag: str | None, form: str) -> tuple[list[Any], bool]:
    """What the pages hold, and whether that is all there is."""
    url: str | None = _url(hub.http.endpoint, text, tag, form)
    documents: list[Any] = []
    for _ in range(limits.MAX_SEARCH_PAGES):
        if url is None or len(documents) >= limits.MAX_SEARCH_ROWS:
            break
        page_url = url
        page, url = hub.patience.retry(lambda page_url=page_url: _page(hub, page_url))  # type: ignore[misc]
        documents += page
    return documents[: limits.MAX_SEARCH_ROWS], url is None and len(documents) <= limits.MAX_SEARCH_ROWS


def _url(endpoint: str, text: str, tag: str | None, form: str) -> str:
    query = [("search", text)] if text else []
    query += [("filter", form), *((("filter", tag),) if tag else ())]
    query += [("sort", "downloads"), ("direction", "-1"), ("limit", str(limits.SEARCH_PAGE_ROWS))]
    query += [("expand", name) for name in repository.ROW_FIELDS]
    return f"{endpoint}/api/models?{urlencode(query)}"


def _page(hub: Hub, url: str) -> tuple[list[Any], str | None]:
    """One page, as far as it is used, and the URL of the next."""
    most = limits.MAX_API_ANSWER_BYTES
    try:
        with hub.http.get(url) as response:
            if response.status_code != 200:
                raise hub.refused("its search", response)
            body = hub.http.read_body(response, most + 1)
            following = _next(response, hub.http.endpoint)
    except transient_errors() as error:
        raise hub.unreachable(error) from error
    try:
        document = json.loads(body) if len(body) <= most and json_values(body) <= limits.MAX_JSON_VALUES else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, list):
        raise NetworkError(
            f"`{hub.host}` answered something that is not a list of repositories",
            hint="Check HF_ENDPOINT and your proxy",
        )
    fields = ("id", *repository.ROW_FIELDS)
    return [{name: item.get(name) for name in fields} for item in document if isinstance(item, dict)], following


def _next(response: requests.Response, endpoint: str) -> str | None:
    """The URL of the next page, if it is one of the same server."""
    url = response.links.get("next", {}).get("url", "")
    try:
        ours, theirs = urlsplit(endpoint), urlsplit(url)
    except ValueError:
        return None
    return url if (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc) else None


def _rows(documents: list[Any]) -> tuple[Row, ...]:
    """The rows that are well-formed; a repository whose name is not safe is left out."""
    rows: dict[str, Row] = {}
    for document in documents:
        try:
            row = repository.row(document)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        rows.setdefault(row.id.lower(), row)
    return tuple(rows.values())


def _from_kept(data: Any, age_s: float) -> Listing | None:
    try:
        return Listing(_rows(data["rows"]), bool(data["complete"]), age_s)
    except (KeyError, TypeError):
        return None

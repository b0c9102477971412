"""Answers that carry a file: ranges, entity tags, and the detour over a CDN."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from tests.loopback.content import Content
from tests.loopback.message import Answer, Request, error, redirect
from tests.loopback.repository import Commit, RepoFile, Repository
from tests.loopback.state import HubState

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def serve(request: Request, content: Content, headers: Mapping[str, str]) -> Answer:
    """The whole content, or the one range that was asked for."""
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}
    whole = Answer(200, headers, content)
    match = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    # No byte of an empty file can be named by a range, and clients that resume ask for one all the same.
    if match is None or match.group(0) == "bytes=-" or content.size == 0:
        return whole
    if request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return whole
    first, last = match.groups()
    if first:
        start, stop = int(first), min(int(last) + 1 if last else content.size, content.size)
    else:
        start, stop = max(content.size - int(last), 0), content.size
    if start >= stop:
        unsatisfied = {"Content-Range": f"bytes */{content.size}", "X-Error-Code": "InvalidRange"}
        return error(416, "The requested range is not satisfiable", headers={**headers, **unsatisfied})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    return Answer(206, headers, content, start, stop)


def resolve(state: HubState, request: Request, repository: Repository, commit: Commit, path: str) -> Answer:
    """`/{repo}/resolve/{rev}/{path}`: the bytes, or where they are."""
    file = commit.files.get(path)
    if file is None:
        return error(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit.id})
    headers = _identity(commit, file)
    if state.cdn_endpoint is None:
        return serve(request, file.content, {**headers, "ETag": headers["X-Linked-ETag"]})
    if not file.lfs:
        # The Hub answers its small files from a cache of its own, under a relative address.
        cached = f"/api/resolve-cache/models/{repository.id}/{commit.id}/{quote(path)}"
        return redirect(cached).with_headers(headers)
    where = state.signed_url(f"/xet-bridge/{repository.id}/{commit.id}/{path}", time.time())
    return redirect(where, 302).with_headers(headers)


def resolve_cache(request: Request, commit: Commit, path: str) -> Answer:
    """Where the Hub's own redirect of a small file leads."""
    file = commit.files.get(path)
    if file is None:
        return error(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit.id})
    return serve(request, file.content, {"X-Repo-Commit": commit.id, "ETag": f'"{file.etag}"'})


def from_cdn(state: HubState, request: Request, segments: list[str]) -> Answer:
    """The second origin: no tokens, no repositories, only signed addresses."""
    match segments:
        case ["xet-bridge", author, name, revision, *parts] if parts:
            repository = state.repositories.get(f"{author}/{name}".lower())
        case _:
            repository = None
    path = "/".join(segments)
    if repository is None or not _signature_is_good(state, request, f"/{path}"):
        body = b"<Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>"
        return Answer(403, {"Content-Type": "application/xml"}).with_body(body)
    file = repository.commits[revision].files["/".join(parts)]
    # The CDN names files by their xet hash: a client that takes this for the sha256 is wrong.
    xet_hash = hashlib.sha256(b"xet" + file.etag.encode()).hexdigest()
    return serve(request, file.content, {"ETag": f'"{xet_hash}"'})


def _identity(commit: Commit, file: RepoFile) -> dict[str, str]:
    return {
        "X-Repo-Commit": commit.id,
        "X-Linked-ETag": f'"{file.etag}"',
        "X-Linked-Size": str(file.size),
        "Accept-Ranges": "bytes",
    }


def _signature_is_good(state: HubState, request: Request, path: str) -> bool:
    expires = request.parameter("Expires", "0")
    return (
        expires.isdecimal()
        and int(expires) >= time.time()
        and request.parameter("Signature") == state.sign(path, int(expires))
    )

"""The JSON of the Hub's API: model pages, listings, trees, refs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from tests.loopback.message import Answer, Request, error, json_answer
from tests.loopback.repository import Commit, RepoFile, Repository
from tests.loopback.state import HubState

_SHORT: Final = (
    "_id", "id", "modelId", "private", "downloads", "likes", "tags",
    "pipeline_tag", "library_name", "createdAt",
)  # fmt: skip
_FULL: Final = (*_SHORT, "author", "sha", "siblings", "gated", "disabled", "lastModified")
_PAGE: Final = (
    *_FULL, "model-index", "config", "cardData", "gguf", "spaces", "usedStorage", "trendingScore", "safetensors",
)  # fmt: skip
_SORT: Final[dict[str, Callable[[Repository], Any]]] = {
    "downloads": lambda repo: repo.downloads,
    "likes": lambda repo: repo.likes,
    "lastModified": lambda repo: repo.last_modified,
    "createdAt": lambda repo: repo.created_at,
    "trendingScore": lambda repo: repo.trending,
}
_PARAMETERS: Final = re.compile(r"(min|max):([\d.]+)([KMBT]?)")


def model_info(request: Request, repository: Repository, commit: Commit) -> Answer:
    """`/api/models/{repo}`: everything, or what `expand` names."""
    expand = request.parameters.get("expand", [])
    names = ("_id", "id", *expand) if expand else _PAGE
    return json_answer(_row(repository, commit, names, blobs=request.is_true("blobs")))


def list_models(state: HubState, request: Request, visible: Iterable[Repository]) -> Answer:
    """`/api/models`: the repositories that match, a page at a time."""
    sort = request.parameter("sort", "trendingScore")
    if sort not in _SORT:
        return error(400, f"✖ Invalid option: expected one of {', '.join(_SORT)}\n  → at sort")
    rows = [repository for repository in visible if _matches(request, repository)]
    rows.sort(key=lambda repository: repository.id)
    rows.sort(key=_SORT[sort], reverse=request.parameter("direction", "-1") != "1")
    limit = request.parameter("limit")
    size = min(int(limit), state.page_size) if limit.isdecimal() and int(limit) else state.page_size
    first = int(request.parameter("cursor", "0"))
    expand = request.parameters.get("expand", [])
    names: tuple[str, ...] = _FULL if request.is_true("full") else _SHORT
    names += ("cardData",) if request.is_true("cardData") else ()
    names += ("config",) if request.is_true("config") else ()
    names = ("_id", "id", *expand) if expand else names
    page = [_row(repo, repo.commits[repo.commit], names, blobs=False) for repo in rows[first : first + size]]
    return json_answer(page, headers=_next_page(request, first + size, len(rows)))


def tree(state: HubState, request: Request, commit: Commit, folder: str) -> Answer:
    """`/api/models/{repo}/tree/{rev}[/{path}]`."""
    files = commit.below(folder)
    if folder and not files:
        message = f'"{folder}" does not exist on "{commit.id}"'
        return error(404, message, "EntryNotFound", {"X-Repo-Commit": commit.id})
    entries = _folders(files, folder) + [_entry(file, commit, request) for file in files.values()]
    if not request.is_true("recursive"):
        depth = folder.strip("/").count("/") + 1 if folder else 0
        entries = [entry for entry in entries if entry["path"].count("/") == depth]
    entries.sort(key=lambda entry: (entry["type"], entry["path"]))
    size = min(state.tree_page_size, 50) if request.is_true("expand") else state.tree_page_size
    first = int(request.parameter("cursor", "0"))
    return json_answer(entries[first : first + size], headers=_next_page(request, first + size, len(entries)))


def paths_info(request: Request, commit: Commit) -> Answer:
    """`POST /api/models/{repo}/paths-info/{rev}`: what is known of some paths; missing ones are left out."""
    if "json" in request.headers.get("content-type", ""):
        asked = json.loads(request.body)
        paths, expand = list(asked.get("paths", [])), bool(asked.get("expand"))
    else:
        form = parse_qs(request.body.decode())
        paths, expand = form.get("paths", []), form.get("expand", ["false"])[-1].lower() == "true"
    found: list[dict[str, Any]] = []
    for path in paths:
        if path in commit.files:
            found.append(_entry(commit.files[path], commit, request, expand=expand))
        elif below := commit.below(path):
            found.append({"type": "directory", "oid": _tree_id(below), "size": 0, "path": path.strip("/")})
    return json_answer(found)


def refs(request: Request, repository: Repository) -> Answer:
    """`/api/models/{repo}/refs`; all three lists are there even if empty, since clients demand them."""

    def named(prefix: str) -> list[dict[str, str]]:
        return [
            {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": commit}
            for ref, commit in repository.refs.items()
            if ref.startswith(prefix)
        ]

    document = {
        "branches": named("refs/heads/"),
        "converts": named("refs/convert/"),
        "tags": named("refs/tags/"),
    }
    if request.is_true("include_prs"):
        document["pullRequests"] = named("refs/pr/")
    return json_answer(document)


def _row(repository: Repository, commit: Commit, names: Iterable[str], *, blobs: bool) -> dict[str, Any]:
    facts: dict[str, Callable[[], Any]] = {
        "_id": lambda: repository.object_id or _object_id(repository.id),
        "id": lambda: repository.id,
        "modelId": lambda: repository.id,
        "author": lambda: repository.author,
        "sha": lambda: commit.id,
        "private": lambda: repository.private,
        "gated": lambda: repository.gated,
        "disabled": lambda: repository.disabled,
        "downloads": lambda: repository.downloads,
        "downloadsAllTime": lambda: repository.downloads,
        "likes": lambda: repository.likes,
        "trendingScore": lambda: repository.trending,
        "tags": repository.all_tags,
        "pipeline_tag": lambda: repository.pipeline_tag,
        "library_name": lambda: repository.library_name,
        "createdAt": lambda: repository.created_at,
        "lastModified": lambda: repository.last_modified,
        "cardData": lambda: repository.card_data,
        "model-index": lambda: None,
        "config": lambda: repository.config,
        "spaces": list,
        "safetensors": lambda: repository.safetensors,
        "gguf": lambda: repository.gguf_at(commit),
        "siblings": lambda: [_sibling(file, blobs=blobs) for file in commit.files.values()],
        "usedStorage": lambda: sum(file.size for file in commit.files.values() if file.lfs),
    }
    row = {name: facts[name]() for name in names if name in facts}
    for name in ("gguf", "safetensors"):  # left out where there are no such files
        if row.get(name, ...) is None:
            del row[name]
    return row


def _object_id(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:24]


def _sibling(file: RepoFile, *, blobs: bool) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": file.path}
    if blobs:
        sibling |= {"blobId": file.blob_id, "size": file.size}
        if file.lfs:
            # The same fact is called `sha256` here and `oid` in a tree.
            sibling["lfs"] = _lfs(file, "sha256")
    return sibling


def _entry(file: RepoFile, commit: Commit, request: Request, *, expand: bool = False) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.blob_id, "size": file.size, "path": file.path}
    if file.lfs:
        entry["lfs"] = _lfs(file, "oid")
    if expand or request.is_true("expand"):
        entry["lastCommit"] = {"id": commit.id, "title": commit.title, "date": commit.date}
        entry["securityFileStatus"] = {"status": "safe", "avScan": None, "pickleImportScan": None}
    return entry


def _lfs(file: RepoFile, name: str) -> dict[str, Any]:
    return {name: file.content.sha256, "size": file.size, "pointerSize": len(file.pointer)}


def _folders(files: dict[str, RepoFile], root: str) -> list[dict[str, Any]]:
    names = {path[:at] for path in files for at, letter in enumerate(path) if letter == "/"}
    names = {name for name in names if len(name) > len(root.strip("/"))}
    return [
        {"type": "directory", "path": name, "size": 0,
         "oid": _tree_id({path: file for path, file in files.items() if path.startswith(f"{name}/")})}
        for name in sorted(names)
    ]  # fmt: skip


def _tree_id(files: dict[str, RepoFile]) -> str:
    text = "\n".join(f"{path} {file.etag}" for path, file in files.items())
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _matches(request: Request, repository: Repository) -> bool:
    parameters = request.parameters
    tags = repository.all_tags()
    wanted = [tag for value in parameters.get("filter", []) for tag in value.split(",") if tag]
    wanted += ["gguf"] * bool(parameters.get("apps"))  # the apps that a test asks for all run GGUF files
    pipeline = repository.pipeline_tag or ""
    return (
        all(word in repository.id.lower() for word in request.parameter("search").lower().split())
        and all(tag in tags or tag == pipeline for tag in wanted)
        and request.parameter("author", repository.author).lower() == repository.author.lower()
        and request.parameter("pipeline_tag", pipeline) == pipeline
        and ("gated" not in parameters or request.is_true("gated") == bool(repository.gated))
        and _has_parameters(request.parameter("num_parameters"), repository)
    )


def _has_parameters(wanted: str, repository: Repository) -> bool:
    """`min:6B,max:128B`."""
    bounds = _PARAMETERS.findall(wanted)
    if not bounds:
        return True
    total = (repository.gguf_at(repository.commits[repository.commit]) or {}).get("total")
    if not isinstance(total, int):
        return False
    scale = {"": 1, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    limits = [(side, float(number) * scale[unit]) for side, number, unit in bounds]
    return all(total >= limit if side == "min" else total <= limit for side, limit in limits)


def _next_page(request: Request, first: int, total: int) -> dict[str, str]:
    """The Hub's Link header; absolute, as clients follow it to the letter."""
    if first >= total:
        return {}
    query = parse_qs(request.query, keep_blank_values=True) | {"cursor": [str(first)]}
    return {"Link": f'<{request.endpoint}{request.path}?{urlencode(query, doseq=True)}>; rel="next"'}

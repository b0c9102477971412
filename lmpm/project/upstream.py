"""What has become, on the Hub, of something that a lock pins. Nothing is changed: it is only told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from lmpm.errors import NotFoundError, NotPermittedError
from lmpm.types import HubSource, StarterSource, UrlSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from lmpm.catalog import Catalog
    from lmpm.hub import Hub, Repository
    from lmpm.project.lock.adapters import LockedAdapter
    from lmpm.project.lock.records import LockedCandidate
    from lmpm.project.lock.twins import Twin

    Pinned: TypeAlias = LockedCandidate | LockedAdapter

ChangeKind = Literal[
    "revision",
    "file",
    "template",
    "license",
    "moved",
    "gated",
    "gone",
    "history",
    "identity",
    "bytes",
    "choice",
    "recipe",
]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was when the lock was made, in words."""

    kind: ChangeKind
    detail: str


def changes(candidate: LockedCandidate, hub: Hub, catalog: Catalog) -> Iterator[Change]:
    """How what a rung and its adapters are from differs from what the lock says. Raises NetworkError.

    A file of the team's own has nobody upstream: `sync` and `verify` hash it.
    """
    yield from _of_rung(candidate, hub, catalog)
    for adapter in candidate.adapters:
        if isinstance(adapter.source, HubSource):
            for change in _of_repository(adapter, adapter.source, hub):
                yield Change(change.kind, f"adapter {adapter.file.path}: {change.detail}")


def _of_rung(candidate: LockedCandidate, hub: Hub, catalog: Catalog) -> Iterator[Change]:
    source = candidate.source
    if isinstance(source, HubSource):
        yield from _of_repository(candidate, source, hub)
    elif isinstance(source, UrlSource):
        yield from _at_address(candidate, source, hub)
    elif isinstance(source, StarterSource):
        task = catalog.task(source.task)
        shipped = task.starter if task else None
        if shipped is None or shipped.sha256 != candidate.files[0].sha256:
            yield Change("file", f"the built-in model of this lmpm for {source.task} is another one")


def _at_address(candidate: LockedCandidate, source: UrlSource, hub: Hub) -> Iterator[Change]:
    """What can be seen of a URL without a download: whether it answers, and how long the file is."""
    from lmpm.resolver import size_at

    try:
        size = size_at(source.url, hub.http)
    except NotFoundError as error:
        yield Change("gone", error.message)
        return
    (file,) = candidate.files
    if size != file.size:
        yield Change("file", f"`{file.path}` was uploaded again, {human(file.size)} -> {human(size)}")


def changes_of_twin(twin: Twin, hub: Hub) -> Iterator[Change]:
    """How the repository of a twin differs from what the lock says. Raises NetworkError."""
    source = twin.source
    newest = yield from _found(source, hub)
    if newest is None:
        return
    try:
        pinned = {entry.path: entry.sha256 for entry in hub.listing(source.repo, source.revision or "")}
    except (NotFoundError, NotPermittedError):
        yield _rewritten(source)
        return
    for file in twin.files:
        if (there := pinned.get(file.path)) and there != file.sha256:
            yield _other_bytes(file.path, there)
    yield from _other_license(newest, twin.license)


def _found(source: HubSource, hub: Hub) -> Generator[Change, None, Repository | None]:
    """The repository as it is now, None where it cannot be had; yields what is wrong with it."""
    try:
        newest = hub.repository(source.repo)
    except NotFoundError:
        yield Change("gone", f"`{source.repo}` is not at `{hub.host}` any more, or it is private now")
        return None
    except NotPermittedError as error:
        yield Change("gated", error.message)
        return None
    if newest.gated and not hub.http.token:
        yield Change("gated", f"`{source.repo}` is gated now: its publisher asks for an account and an agreement")
    if newest.id.lower() != source.repo.lower():
        yield Change("moved", f"`{source.repo}` is called `{newest.id}` now")
    return newest


def _of_repository(candidate: Pinned, source: HubSource, hub: Hub) -> Iterator[Change]:
    newest = yield from _found(source, hub)
    if newest is None:
        return
    if candidate.identity and newest.identity and candidate.identity != newest.identity:
        yield Change("identity", f"another repository has the name `{source.repo}` now: it was registered anew")
    yield from _pinned_commit(candidate, source, newest, hub)
    yield from _newest(candidate, source, newest)


def _pinned_commit(candidate: Pinned, source: HubSource, newest: Repository, hub: Hub) -> Iterator[Change]:
    """Whether the commit that is pinned is there and says what it said."""
    try:
        pinned = newest if newest.revision == source.revision else hub.repository(source.repo, source.revision)
    except (NotFoundError, NotPermittedError):
        yield _rewritten(source)
        return
    for file in candidate.files:
        there = pinned.file(file.path)
        if there is not None and (there.sha256, there.size) != (file.sha256, file.size):
            yield _other_bytes(file.path, there.sha256 or "")


def _rewritten(source: HubSource) -> Change:
    short = (source.revision or "")[:7]
    return Change(
        "history",
        f"commit {short} is not in the history of `{source.repo}` any more: rewritten, or another repository",
    )


def _other_bytes(path: str, sha256: str) -> Change:
    return Change("bytes", f"`{path}` has other bytes under the same commit: sha256 {sha256[:12]}…")


def _other_license(newest: Repository, pinned: str) -> Iterator[Change]:
    if newest.license not in ("unknown", "other", pinned):
        yield Change("license", f"its licence is {newest.license}, the lock has {pinned}")


def _newest(candidate: Pinned, source: HubSource, newest: Repository) -> Iterator[Change]:
    """What the newest commit has that the pinned one has not."""
    if newest.revision != source.revision:
        yield Change("revision", f"newer commit {newest.revision[:7]}, the lock has {(source.revision or '')[:7]}")
        for file in candidate.files:
            there = newest.file(file.path)
            if there is None:
                yield Change("file", f"`{file.path}` was taken out")
            elif there.sha256 != file.sha256:
                yield Change("file", f"`{file.path}` was uploaded again, {human(there.size)}")
    if candidate.template and newest.template and candidate.template != newest.template:
        yield Change("template", "its chat template changed")
    yield from _other_license(newest, candidate.license)

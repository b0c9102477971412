"""What the Hub says today of the files of the catalog: fills in what is not pinned, and reports what has changed.

For maintainers. A file without a sha256 gets size and sha256 of the commit that its repository is pinned at, or of the
newest. A sha256 without a commit is a pin of the bytes: the newest commit becomes the repository's where it holds
exactly these, and nothing is written where it does not. What is pinned in full is never changed: that the Hub has
something else by now is reported, for a person to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from lmpm.errors import NotFoundError, NotPermittedError
from lmpm.fs import Table, atomic, compiled_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lmpm.catalog.schema.model import CatalogModel, Repo, RepoFile
    from lmpm.types import ModelFile

Kind = Literal["pinned", "gone", "gated", "rewritten", "vanished", "changed", "unknown bytes", "wanted"]
MOST_WANTED: Final = 60  # base models of most downloads that are held against the list of demand
DEMAND: Final = "demand.toml"


class Listed(Protocol):
    """What a repository of the Hub says of itself at a commit; `lmpm.hub.Repository` is one."""

    @property
    def revision(self) -> str | None:
        """The commit."""

    @property
    def files(self) -> Sequence[ModelFile]:
        """Its GGUF files."""

    def file(self, path: str) -> ModelFile | None:
        """The file at `path`, if it is there."""


class Asked(Protocol):
    """Asks the Hub for a repository, at a commit or at its newest; `Hub.repository` is one."""

    def __call__(self, repo: str, revision: str | None = None) -> Listed:
        """Raises NotFoundError, NotPermittedError and NetworkError."""


class Row(Protocol):
    """A row of a listing; `lmpm.hub.Row` is one."""

    @property
    def base_models(self) -> tuple[str, ...]:
        """Those that its card names."""

    @property
    def downloads(self) -> int:
        """Of the last 30 days."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was written, or that a person should look at."""

    kind: Kind
    place: str  # the model and its repository, or the base model
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.place}: {self.detail}"


@dataclass(frozen=True, slots=True)
class _Pins:
    """What is to be written of a repository: its commit, and files by path."""

    revision: str
    files: Mapping[str, ModelFile]


def update_files(
    directory: Path, models: Iterable[CatalogModel], ask: Asked, *, writes: bool = True
) -> Iterator[Change]:
    """Hold every repository of the models against the Hub, and write what it says into their files.

    Raises NetworkError: what was written of other models by then stays.
    """
    for model in models:
        pins: dict[str, _Pins] = {}
        for repo in model.repos:
            found, changes = _compare(model, repo, ask)
            yield from changes
            if found is not None:
                pins[repo.id] = found
        if pins and writes:
            path = directory / "models" / f"{model.name}.toml"
            atomic.write_text(path, edited(path.read_text("utf-8"), pins))


def wanted(directory: Path, models: Iterable[CatalogModel], rows: Iterable[Row]) -> Iterator[Change]:
    """The base models of most downloads that neither the list of demand nor the catalog has."""
    demand = Table(compiled_toml.read(directory, DEMAND)).tables("base") if (directory / DEMAND).exists() else []
    known = {row.text("repo").lower() for row in demand} | {model.name for model in models}
    downloads: dict[str, int] = {}
    for row in rows:
        for base in row.base_models[:1]:
            downloads[base] = downloads.get(base, 0) + row.downloads
    most = sorted(downloads.items(), key=lambda item: (-item[1], item[0]))[:MOST_WANTED]
    for base, number in most:
        if base.lower() not in known and base.partition("/")[2].lower().replace("_", "-") not in known:
            yield Change("wanted", base, f"{number:,} downloads, neither entered nor left out with a reason")


def _compare(model: CatalogModel, repo: Repo, ask: Asked) -> tuple[_Pins | None, list[Change]]:
    """What to write of a repository, and what to say of it."""
    place = f"{model.name}, {repo.id}"
    try:
        newest = ask(repo.id)
    except NotFoundError:
        return None, [Change("gone", place, "the Hub does not have it any more")]
    except NotPermittedError as error:
        return None, [Change("gated", place, error.message)]
    try:
        at = newest if repo.revision in (None, newest.revision) else ask(repo.id, repo.revision)
    except NotFoundError:
        detail = f"the Hub does not have the commit {(repo.revision or '')[:7]} any more"
        return None, [Change("rewritten", place, detail)]
    changes = list(_upstream(place, repo, newest))
    strange = [file.path for file in repo.files if file.sha256 and not _is_same(file, at.file(file.path))]
    if strange and not repo.revision:
        detail = f"the newest commit does not hold the pinned bytes of {', '.join(strange)}"
        return None, [*changes, Change("unknown bytes", place, detail)]
    if strange:
        detail = f"OTHER BYTES UNDER THE PINNED COMMIT: {', '.join(strange)}"
        return None, [*changes, Change("rewritten", place, detail)]
    found = {file.path: there for file in repo.files if (there := at.file(file.path)) is not None}
    new = [file.path for file in repo.files if file.path in found and not file.sha256]
    if at.revision is None or not found or (not new and repo.revision):
        return None, changes
    counted = f"{len(new)} of {len(repo.files)} files" if new else "the commit of what was pinned by its bytes"
    return _Pins(at.revision, found), [*changes, Change("pinned", place, f"{counted}, at {at.revision[:7]}")]


def _upstream(place: str, repo: Repo, newest: Listed) -> Iterator[Change]:
    """What the newest commit lacks, or has otherwise than the catalog pins it."""
    for file in repo.files:
        there = newest.file(file.path)
        if there is None:
            yield Change("vanished", place, f"the newest commit does not have `{file.path}`")
        elif file.sha256 and repo.revision and not _is_same(file, there):
            yield Change("changed", place, f"`{file.path}` was uploaded again; the pinned commit stays")


def _is_same(file: RepoFile, there: ModelFile | None) -> bool:
    return there is not None and there.sha256 == file.sha256


def edited(text: str, pins: Mapping[str, _Pins]) -> str:
    """A model's file with what is known of its repositories; comments and everything else stay as they are."""
    import tomlkit

    document = tomlkit.parse(text)
    repos: Any = document["repo"]
    for repo in repos:
        found = pins.get(str(repo["id"]))
        if found is None:
            continue
        for file in repo["file"]:
            there = found.files.get(str(file["path"]))
            if there is not None:
                file["size"] = tomlkit.value(f"{there.size:_}")
                file["sha256"] = there.sha256
                file.pop("approximate", None)
        if repo.get("revision") != found.revision:
            _put_second(repo, "revision", found.revision)
    return tomlkit.dumps(document)


def _put_second(table: Any, key: str, value: str) -> None:
    """Set a key behind the first one, where people look for it."""
    later = [(name, table.pop(name)) for name in list(table)[1:] if name != key]
    table.pop(key, None)
    table[key] = value
    for name, item in later:
        table[name] = item

"""Files that nobody should use any more: the catalog's list, and whether something stands on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.fs import rules
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.fs import Table
    from lmpm.types import ModelFile, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Yanked:
    """A repository, one commit of it, or the bytes of one file; why, and who says so."""

    reason: str
    source: str
    repo: str | None = None
    revision: str | None = None
    sha256: str | None = None

    def means(self, source: Source, files: Iterable[ModelFile]) -> bool:
        """Whether one of the files, or where they are from, is meant."""
        if self.sha256 is not None:
            return any(file.sha256 == self.sha256 for file in files)
        if not isinstance(source, HubSource) or self.repo is None:
            return False
        # names on the Hub are told apart without regard to case
        return source.repo.lower() == self.repo.lower() and self.revision in (None, source.revision)


def read_yanked(table: Table) -> tuple[Yanked, ...]:
    """The list of `yanked.toml`. Raises DocumentError."""
    return tuple(_row(row) for row in table.tables("yanked"))


def _row(row: Table) -> Yanked:
    item = Yanked(
        reason=rules.field(row, "reason", rules.line),
        source=rules.field(row, "source", rules.line),
        repo=rules.field(row, "repo", rules.repo_id) if "repo" in row else None,
        revision=rules.field(row, "revision", rules.revision) if "revision" in row else None,
        sha256=rules.field(row, "sha256", rules.sha256) if "sha256" in row else None,
    )
    if (item.repo is None) == (item.sha256 is None):
        raise row.fail("repo", "expected a `repo` or a `sha256`, and not both")
    if item.revision is not None and item.repo is None:
        raise row.fail("revision", "goes with a `repo`")
    return item

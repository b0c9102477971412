"""LoRA adapters: files that change the weights of one base, pinned beside the candidates of a model.

llama.cpp does not know which base an adapter belongs to, so the lock does: by the sha256 of the base's first file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from lmpm.fs import DocumentError, rules, toml
from lmpm.gguf import AdapterBase
from lmpm.limits import MAX_FILE_BYTES
from lmpm.project.manifest import MOST_ADAPTERS
from lmpm.types import FileSource, HubSource, ModelFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lmpm.fs import Scalar, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedAdapter:
    """A GGUF file with a LoRA, from a repository at a commit or a file of the team's, and the base that it is for."""

    source: HubSource | FileSource
    file: ModelFile
    base: AdapterBase
    license: str
    identity: ClassVar[None] = None  # of a candidate alone
    template: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.file.sha256 is None or (isinstance(self.source, HubSource) and self.source.revision is None):
            raise ValueError(f"{self.source} cannot be locked: its revision, or the sha256 of its file, is not known")

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.file.size

    @property
    def files(self) -> tuple[ModelFile]:
        """The one file, as what is pinned has them."""
        return (self.file,)

    def __str__(self) -> str:
        return f"{self.file.path} of {self.source}" if isinstance(self.source, HubSource) else self.file.path


def references_of(requested: Mapping[str, Scalar]) -> tuple[str, ...]:
    """The adapters that a line of the manifest names, as the lock keeps that line."""
    said = requested.get("adapters")
    try:
        names = json.loads(said) if isinstance(said, str) else []
    except ValueError:
        return ()
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def with_adapters(candidates: Iterable[Any], adapters: Sequence[LockedAdapter]) -> Iterator[Any]:
    """The candidates, each with the adapters whose base it is."""
    for candidate in candidates:
        own = tuple(item for item in adapters if item.base.sha256 == candidate.files[0].sha256)
        yield replace(candidate, adapters=own) if own else candidate


def read_adapters(table: Table, candidates: Iterable[Any], *, strict: bool) -> tuple[LockedAdapter, ...]:
    """The adapters in the table of a model. Raises ValueError."""
    rows = list(table.tables("adapters")) if "adapters" in table else []
    bases = {candidate.files[0].sha256 for candidate in candidates}
    found: list[LockedAdapter] = []
    for row in rows:
        adapter = _adapter(row, strict=strict)
        if adapter.base.sha256 not in bases:
            raise row.fail("base.sha256", "is the sha256 of no candidate's first file")
        if any((item.file.sha256, item.base.sha256) == (adapter.file.sha256, adapter.base.sha256) for item in found):
            raise DocumentError(row.place, "is there twice")
        found.append(adapter)
    counts = {base: sum(item.base.sha256 == base for item in found) for base in bases}
    if len(set(counts.values())) > 1:
        raise table.fail("adapters", "are not as many for each candidate")
    if max(counts.values(), default=0) > MOST_ADAPTERS:
        raise table.fail("adapters", f"are more than {MOST_ADAPTERS}")
    return tuple(found)


def _adapter(table: Table, *, strict: bool) -> LockedAdapter:
    base, source, file = table.table("base"), table.table("source"), table.table("file")
    digest = rules.field(file, "sha256", rules.sha256)
    adapter = LockedAdapter(
        source=FileSource(rules.field(source, "file", rules.file_path), digest)
        if "file" in source
        else HubSource(rules.field(source, "hf", rules.repo_id), rules.field(source, "revision", rules.revision)),
        file=ModelFile(
            path=rules.field(file, "path", rules.file_path),
            size=file.integer("size", low=1, high=MAX_FILE_BYTES),
            sha256=digest,
        ),
        base=AdapterBase(
            sha256=rules.field(base, "sha256", rules.sha256),
            repo=rules.field(base, "repo", rules.repo_id) if "repo" in base else "",
            commit=rules.field(base, "commit", rules.revision) if "commit" in base else "",
        ),
        license=rules.field(table, "license", rules.line),
    )
    for part in (base, source, file, table) if strict else ():
        part.finish()
    return adapter


def emit_adapters(candidates: Iterable[Any]) -> Iterator[str]:
    """The lines of the adapters of all candidates, in the order of the manifest; each once."""
    for item in dict.fromkeys(adapter for candidate in candidates for adapter in candidate.adapters):
        source = item.source
        place: dict[str, Scalar] = (
            {"file": source.path}
            if isinstance(source, FileSource)
            else {"hf": source.repo, "revision": source.revision or ""}
        )
        base: dict[str, Scalar] = {"sha256": item.base.sha256, "repo": item.base.repo, "commit": item.base.commit}
        file: dict[str, Scalar] = {
            "path": item.file.path,
            "size": item.file.size,
            "sha256": item.file.sha256 or "",
        }
        yield from ("", "[[model.adapters]]")
        yield f"source = {toml.inline_table(place)}"
        yield f"base = {toml.inline_table({key: said for key, said in base.items() if said})}"
        yield f"license = {toml.value(item.license)}"
        yield f"file = {toml.inline_table(file)}"

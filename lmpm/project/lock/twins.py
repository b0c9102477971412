"""Twins: the same model in another form, for runtimes that do not read GGUF, pinned beside the candidates of its model.

A twin is another artefact, with its own hashes, licence and quality. What says that it is the same model is in the
cards of both repositories, never in their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from lmpm.fs import DocumentError, Table, rules, toml
from lmpm.limits import MAX_FILE_BYTES
from lmpm.types import HubSource, ModelFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Form = Literal["safetensors", "litert", "mlc"]
FORMS: Final[tuple[Form, ...]] = ("safetensors", "litert", "mlc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A model in another form, at a commit, each file with its sha256; files by path.

    `of` is the sha256 of the first file of the candidate that it is the twin of. `base_model` is the evidence: the
    repository that the cards of both name, or that the twin itself is.
    """

    form: Form
    of: str
    base_model: str
    source: HubSource
    license: str
    files: tuple[ModelFile, ...]

    def __post_init__(self) -> None:
        if self.source.revision is None or any(file.sha256 is None for file in self.files):
            raise ValueError(f"{self.source} cannot be locked: its revision, or the sha256 of a file, is not known")
        object.__setattr__(self, "files", tuple(sorted(self.files, key=lambda file: file.path)))

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def pins(self) -> tuple[tuple[HubSource, tuple[ModelFile, ...]], ...]:
        """Its files, by where they are from."""
        return ((self.source, self.files),)


def of_candidates(twins: Iterable[Twin], candidates: Iterable[Any]) -> tuple[Twin, ...]:
    """Those whose candidate is among the given ones."""
    known = {candidate.files[0].sha256 for candidate in candidates}
    return tuple(twin for twin in twins if twin.of in known)


def read_twins(table: Table, candidates: Iterable[Any], *, strict: bool) -> tuple[Twin, ...]:
    """The twins in the table of a model. Raises ValueError."""
    found: list[Twin] = []
    known = {candidate.files[0].sha256 for candidate in candidates}
    for row in table.tables("twins") if "twins" in table else ():
        twin = _twin(row, strict=strict)
        if twin.of not in known:
            raise row.fail("of", "is the sha256 of no candidate's first file")
        if any((other.form, other.of) == (twin.form, twin.of) for other in found):
            raise DocumentError(row.place, f"is a second twin of the form `{twin.form}`")
        found.append(twin)
    return tuple(found)


def _twin(table: Table, *, strict: bool) -> Twin:
    evidence, source = table.table("evidence"), table.table("source")
    twin = Twin(
        form=table.choice("form", FORMS),
        of=rules.field(table, "of", rules.sha256),
        base_model=rules.field(evidence, "base_model", rules.repo_id),
        source=HubSource(rules.field(source, "hf", rules.repo_id), rules.field(source, "revision", rules.revision)),
        license=rules.field(table, "license", rules.line),
        files=tuple(_file(row, strict=strict) for row in table.tables("files")),
    )
    if not twin.files:
        raise table.fail("files", "is missing, expected at least one file")
    if len({file.path.casefold() for file in twin.files}) < len(twin.files):
        raise table.fail("files", "has the same path twice")
    for part in (evidence, source, table):
        if strict:
            part.finish()
    return twin


def _file(table: Table, *, strict: bool) -> ModelFile:
    file = ModelFile(
        path=rules.field(table, "path", rules.repository_path),
        size=table.integer("size", low=1, high=MAX_FILE_BYTES),
        sha256=rules.field(table, "sha256", rules.sha256),
    )
    if strict:
        table.finish()
    return file


def emit_twins(twins: Iterable[Twin]) -> Iterator[str]:
    """The lines of twins, by the candidate that they are of and by their form."""
    for twin in sorted(twins, key=lambda twin: (twin.of, twin.form)):
        yield from ("", "[[model.twins]]")
        yield f"form = {toml.value(twin.form)}"
        yield f"of = {toml.value(twin.of)}"
        yield f"evidence = {toml.inline_table({'base_model': twin.base_model})}"
        yield f"source = {toml.inline_table({'hf': twin.source.repo, 'revision': twin.source.revision or ''})}"
        yield f"license = {toml.value(twin.license)}"
        yield "files = ["
        for file in twin.files:
            row: dict[str, toml.Scalar] = {"path": file.path, "size": file.size, "sha256": file.sha256 or ""}
            yield f"    {toml.inline_table(row)},"
        yield "]"

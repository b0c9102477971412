"""What holds between the files of a lock: shards in order, nothing twice, one content for one path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.fs import DocumentError
from lmpm.gguf import parse_shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lmpm.fs import Table
    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.types import ModelFile, Source


def require_one_model(files: tuple[ModelFile, ...], place: str) -> None:
    """The files of one candidate: one model or all its shards in order, then at most one mmproj."""
    if not files:
        raise DocumentError(place, "is missing, expected at least one file")
    folded: dict[str, int] = {}
    for index, file in enumerate(files):
        if (first := folded.setdefault(file.path.casefold(), index)) != index:
            raise DocumentError(f"{place}[{index}].path", f"is the same as {place}[{first}].path")
    parts = [file for file in files if file.role == "model"]
    if [file.role for file in files[: len(parts)]] != ["model"] * len(parts) or len(files) > len(parts) + 1:
        raise DocumentError(place, "expected the files of the model first, then at most one `mmproj`")
    if not parts:
        raise DocumentError(place, "expected a file of the model, found an `mmproj` alone")
    _check_shards([file.path for file in parts], place)


def _check_shards(paths: list[str], place: str) -> None:
    first = parse_shard(paths[0])
    if first is None:
        if len(paths) > 1:
            raise DocumentError(place, "expected one file, or the shards of one model")
        return
    # endings may be written differently from file to file
    stems = [(shard.stem, shard.number, shard.count) for path in paths if (shard := parse_shard(path))]
    if stems != [(first.stem, number, first.count) for number in range(1, min(first.count, len(paths) + 1) + 1)]:
        raise DocumentError(place, f"expected the shards 1 to {first.count} of one model in order")


def require_new_candidate(candidate: LockedCandidate, above: list[LockedCandidate], table: Table) -> None:
    """A candidate in its mode, and each target, stand once: `above` are those before it, `table` is its own."""
    for index, other in enumerate(above):
        if (candidate.source, candidate.files, candidate.mode) == (other.source, other.files, other.mode):
            raise DocumentError(table.place, f"is the same as candidate[{index}]")
        if shared := set(candidate.targets).intersection(other.targets):
            raise table.fail("targets", f"`{min(shared)}` is served by candidate[{index}] already")


def require_same_bytes(models: Iterable[LockedModel], document: Table) -> None:
    """A path of a revision has one content, and a digest has one size."""
    contents: dict[tuple[Source, str], ModelFile] = {}
    sizes: dict[str | None, int] = {}
    for place, source, file in _all_files(models):
        known = contents.setdefault((source, file.path), file)
        if (known.sha256, known.size) != (file.sha256, file.size):
            raise DocumentError(document.at(place), "is a file with another sha256 or size elsewhere in the lock")
        if sizes.setdefault(file.sha256, file.size) != file.size:
            raise DocumentError(document.at(f"{place}.size"), "is not the size that its sha256 has elsewhere")


def _all_files(models: Iterable[LockedModel]) -> Iterator[tuple[str, Source, ModelFile]]:
    for m, model in enumerate(models):
        for c, candidate in enumerate(model.candidates):
            for f, file in enumerate(candidate.files):
                yield f"model[{m}].candidate[{c}].files[{f}]", candidate.source, file
        for a, adapter in enumerate(dict.fromkeys(item for rung in model.candidates for item in rung.adapters)):
            yield f"model[{m}].adapters[{a}].file", adapter.source, adapter.file
        for t, twin in enumerate(model.twins):
            for f, file in enumerate(twin.files):
                yield f"model[{m}].twins[{t}].files[{f}]", twin.source, file

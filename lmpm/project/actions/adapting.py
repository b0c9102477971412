"""Which files the adapters of a line are, and whether they belong to what was chosen for it. Nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from lmpm.errors import IntegrityError, LmpmError, NotFoundError, SpecError
from lmpm.fs import printable, rules
from lmpm.gguf import (
    AdapterBase,
    Part,
    base_of,
    foreign_base,
    is_adapter,
    local_part,
    read_part,
    require_adapter_for,
)
from lmpm.licenses import normalise
from lmpm.project.lock.adapters import LockedAdapter
from lmpm.project.lock.build import with_targets
from lmpm.project.lock.ladder import variant_of
from lmpm.resolver import HubReference, held_repository, parse_reference
from lmpm.types import FileSource, HubSource, ModelFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.gguf import Header
    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.project.manifest import ManifestModel
    from lmpm.project.workspace import Workspace
    from lmpm.resolver import Resolution

CONVERT_HINT = "Convert it first: `lmpm convert {place} --base MODEL` writes the GGUF file that is named here"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A file with an adapter, wherever it is, and what its header says."""

    source: HubSource | FileSource
    file: ModelFile
    license: str
    header: Header


def adapt(
    workspace: Workspace, line: ManifestModel, resolution: Resolution, entry: LockedModel
) -> tuple[LockedModel, tuple[str, ...]]:
    """The entry of a line with its adapters, and remarks. Only the base that they are for stays in the ladder.

    Raises IntegrityError for an adapter of another base, SpecError where nothing says which base it is for,
    NotFoundError, and the errors of the Hub.
    """
    chosen = resolution.choice.chosen
    if not line.adapters or chosen is None:
        return entry, ()
    found = [_find(workspace, ref) for ref in line.adapters]
    digest = chosen.variant.files[0].sha256
    candidates = [rung for rung in entry.candidates if rung.files[0].sha256 == digest]
    rung = candidates[0]
    headers = _headers(workspace, rung, line)
    adapters, remarks = [], []
    for item in found:
        base, remark = _base(item, rung, headers, line, resolution)
        license_ = item.license if item.license != "unknown" else normalise(item.header.text("general.license") or "")
        adapters.append(LockedAdapter(source=item.source, file=item.file, base=base, license=license_ or "unknown"))
        remarks += [remark] if remark else []
    size = sum(item.size for item in adapters)
    adapted = tuple(
        replace(
            rung,
            adapters=tuple(adapters),
            memory=rung.memory + size,
            bytes_per_token=rung.bytes_per_token + size,
        )
        for rung in candidates
    )
    targets = workspace.targets(workspace.project.manifest())
    return with_targets(replace(entry, candidates=adapted), targets), tuple(remarks)


def _base(
    found: _Found, rung: LockedCandidate, headers: Sequence[Header], line: ManifestModel, resolution: Resolution
) -> tuple[AdapterBase, str]:
    """The base that an adapter is pinned for, and a remark where it is the line that says so, not the file."""
    name, digest = found.file.path, rung.files[0].sha256 or ""
    named = base_of(found.header)
    if named is not None and named.sha256 != digest:
        _raise_foreign(found, named, rung, resolution)
    if named is None and line.ref is None:
        raise SpecError(
            f"`{printable(name)}` does not say which base it was trained on, and a task can be done by many",
            hint=f'Name the model that it is for: `ref = "…"` for `{line.name}`',
            kind="adapter-base",
        )
    if headers:
        known_as = (rung.model, rung.source.name)
        if named is None and (other := foreign_base(found.header, headers, known_as)):
            raise IntegrityError(
                f"`{printable(name)}` was trained on another base",
                details=(f"trained on  {printable(other)[:80]}", f"this model  {rung.model}, {rung.source}"),
                hint="If it is the same under another name, convert it anew with `lmpm convert`, which names the base",
                kind="adapter-base",
            )
        require_adapter_for(found.header, headers, digest, name=name, accepted=digest)
    source = rung.source
    repo, commit = (source.repo, source.revision or "") if isinstance(source, HubSource) else ("", "")
    if named is not None:
        return AdapterBase(sha256=digest, repo=_repo(named.repo) or repo, commit=_commit(named.commit) or commit), ""
    remark = f"`{printable(name)}` names no base by its hash: {rung.model} {rung.quant} is pinned as its base"
    return AdapterBase(sha256=digest, repo=repo, commit=commit), remark


def _raise_foreign(found: _Found, named: AdapterBase, rung: LockedCandidate, resolution: Resolution) -> None:
    meant = next((item for item in resolution.variants if item.files[0].sha256 == named.sha256), None)
    whose = f" of {printable(named.repo)}" if named.repo else ""
    raise IntegrityError(
        f"`{printable(found.file.path)}` was trained on another base than {rung.model} {rung.quant}",
        details=(f"trained on  sha256:{named.sha256}{whose}", f"this model  sha256:{rung.files[0].sha256}"),
        hint=f'Its base is {meant.title} {meant.quant}: ask for that with `quant = "{meant.quant}"`'
        if meant
        else "An adapter changes the very weights that it was trained on; on others it gives rubbish",
        kind="adapter-base",
    )


def _find(workspace: Workspace, ref: str) -> _Found:
    """The file that a reference names, and its header. Raises SpecError, NotFoundError, IntegrityError."""
    place = workspace.directory / Path(ref).expanduser()
    if place.is_dir():
        raise SpecError(
            f"`{printable(ref)}` is a folder, and an adapter is a GGUF file", hint=CONVERT_HINT.format(place=ref)
        )
    if place.is_file():
        return _of_file(workspace, place)
    reference = parse_reference(ref)
    is_path = not isinstance(reference, HubReference) or (ref.lower().endswith(".gguf") and not reference.path)
    if is_path or not isinstance(reference, HubReference):
        raise NotFoundError(
            f"The adapter `{printable(ref)}` is not there",
            hint="An adapter is a GGUF file of the project, or `owner/name` of the Hub",
        )
    return _of_hub(workspace, reference)


def _of_file(workspace: Workspace, place: Path) -> _Found:
    path = place.resolve()
    root = workspace.directory.resolve()
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    try:
        rules.file_path(name)
    except ValueError as error:
        raise SpecError(f"`{printable(name)}` cannot be pinned: {error}") from error
    part = local_part(path, name)
    header = _read(part)
    digest, size = workspace.store.digest(path)
    file = ModelFile(path=name, size=size, sha256=digest)
    return _Found(source=FileSource(name, digest), file=file, license="unknown", header=header)


def _of_hub(workspace: Workspace, reference: HubReference) -> _Found:
    found = held_repository(workspace.store, reference.repo, reference.revision) if workspace.offline else None
    found = found or workspace.hub.repository(reference.repo, reference.revision)
    source = HubSource(found.id, found.revision)
    file = found.file(reference.path) if reference.path else _only(found.files, reference)
    if file is None:
        raise NotFoundError(f"`{found.id}` has no `{printable(reference.path or '')}`")
    file = replace(file, role="model")
    present = workspace.store.find(source, file)
    part = (
        local_part(present, file.path, file.sha256)
        if present
        else Part(file.path, file.size, workspace.hub.reader(source.repo, source.revision or "", file), file.sha256)
    )
    return _Found(source=source, file=file, license=found.license, header=_read(part))


def _only(files: Sequence[ModelFile], reference: HubReference) -> ModelFile:
    """The one GGUF file of a repository. Raises SpecError for none, or several."""
    if len(files) == 1:
        return files[0]
    if not files:
        raise SpecError(f"`{reference.repo}` holds no GGUF file", hint=CONVERT_HINT.format(place=reference.repo))
    names = ", ".join(f"`{file.path}`" for file in files[:8])
    raise SpecError(
        f"`{reference.repo}` holds {len(files)} GGUF files: {names}",
        hint=f"Name the one that is meant: `{reference.repo}/{files[0].path}`",
    )


def _read(part: Part) -> Header:
    header = read_part(part)
    if not is_adapter(header):
        raise IntegrityError(f"`{printable(part.name)}` is not an adapter", kind="adapter")
    return header


def _headers(workspace: Workspace, rung: LockedCandidate, line: ManifestModel) -> list[Header]:
    """Those of the base's files; none where they are not at hand, so that they are looked at before it is loaded."""
    if isinstance(rung.source, FileSource):
        places = [workspace.directory / rung.files[0].path, workspace.directory / Path(line.ref or "").expanduser()]
        folder = next((place.parent for place in places if place.is_file()), None)
        if folder is None:
            return []
        return [read_part(local_part(folder / PurePath(file.path).name, file.path)) for file in _weights(rung)]
    try:
        return [read_part(part) for part in workspace.locator.parts(variant_of(rung)).files]
    except LmpmError:
        return []


def _weights(rung: LockedCandidate) -> list[ModelFile]:
    return [file for file in rung.files if file.role == "model"]


def _repo(said: str) -> str:
    """What a file says of its base, as far as it can be pinned."""
    try:
        return rules.repo_id(said) if said else ""
    except ValueError:
        return ""


def _commit(said: str) -> str:
    try:
        return rules.revision(said) if said else ""
    except ValueError:
        return ""

"""The twin of a locked model: the same model in another form, found by what the cards of both say.

The card of the GGUF repository names one base model. The twin is that repository itself, or one whose card names the
same base and says that it is a conversion of it. Names prove nothing: without such a link there is no twin, and what is
there is listed for a person to look at.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import ExportError, HashMismatchError, LmpmError, OfflineError, SpecError
from lmpm.export import forms
from lmpm.fs import rules
from lmpm.gguf import read_file
from lmpm.hub import search_hub
from lmpm.project import Twin, bring_twin, missing_files, require_twin_permitted
from lmpm.types import HubSource, ModelFile
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lmpm.export.forms import Kind
    from lmpm.hub import Entry, Hub, Repository
    from lmpm.project import Workspace
    from lmpm.reporter import Reporter
    from lmpm.runtime import Subject

MAX_SMALL_BYTES: Final = 64 * 2**20  # of a file that is not in LFS; the Hub takes none above 10 MB
PADDING_SHARE: Final = 0.02  # rows that fill up an embedding: 262,208 for the 262,144 tokens of Gemma 3
SHOWN: Final = 8  # candidates that are listed
CONVERSIONS: Final = ("quantized", "")  # relations to a base model that leave its weights what they are


@dataclass(frozen=True, slots=True)
class Found:
    """A twin with the paths of its files in the store, by their names; whether the lock has it yet."""

    twin: Twin
    paths: Mapping[str, Path]
    is_new: bool


def find_twin(
    workspace: Workspace,
    subject: Subject,
    kind: Kind,
    options: Mapping[str, str],
    *,
    download: bool,
    reporter: Reporter,
) -> Found:
    """The twin that the lock pins, or else the one that the Hub has; its files are brought where `download` says so.

    Raises ExportError where there is none, NotPermittedError by the policy, the errors of the Hub and of a download.
    """
    of = subject.rung.candidate.files[0].sha256 if subject.rung else None
    asked = options.get("twin") or ""
    pinned = subject.locked.twins if subject.locked else ()
    twin = next((item for item in pinned if (item.form, item.of) == (kind.form, of)), None)
    is_new = twin is None or not _is_asked(twin, asked, options.get("file") or "")
    if is_new or twin is None:
        twin = _resolve(workspace, subject, kind, asked, options.get("file") or "")
    if workspace.project.manifest_path.exists():
        require_twin_permitted(subject.name, twin, workspace.project.manifest().policy)
    paths = {file.path: workspace.store.link(twin.source, file) for file in twin.files}
    if download or not missing_files(workspace.store, twin):
        paths = bring_twin(workspace, subject.name, twin, reporter)
        forms.check(kind, paths)
        _require_same_vocabulary(subject, kind, paths)
    return Found(twin, paths, is_new)


def pin(workspace: Workspace, name: str, twin: Twin) -> None:
    """Write a twin into the lock, in place of an earlier one of its form."""
    with workspace.editing() as guarded:
        lock = guarded.lock()
        model = lock.get(name)
        if model is None or all(rung.files[0].sha256 != twin.of for rung in model.candidates):
            raise ExportError(f"`{name}` was changed in the lock meanwhile", hint="Export it again")
        others = (item for item in model.twins if (item.form, item.of) != (twin.form, twin.of))
        guarded.write(lock=lock.with_model(replace(model, twins=(*others, twin))))


def _is_asked(twin: Twin, asked: str, file: str) -> bool:
    """Whether a pinned twin is the one that is named, if one is."""
    repo, _, revision = asked.partition("@")
    if file and file not in {item.path for item in twin.files}:
        return False
    return not asked or (repo == twin.source.repo and revision in ("", twin.source.revision))


def _resolve(workspace: Workspace, subject: Subject, kind: Kind, asked: str, file: str) -> Twin:
    """Find a twin on the Hub, and hash what has no sha256 there."""
    rung = subject.rung
    source = rung.candidate.source if rung else None
    if rung is None or not isinstance(source, HubSource):
        raise ExportError(
            f"There is no {kind.title} twin of `{subject.name}`: it is not from the Hub, so no card says what it is of",
            hint=_instead(kind),
        )
    if workspace.offline:
        raise OfflineError(
            f"No {kind.title} twin of `{subject.name}` is in the lock, and the network is switched off",
            hint="Drop `--offline`, or unset LMPM_OFFLINE and HF_HUB_OFFLINE",
        )
    hub = workspace.hub
    base = _base(hub.repository(source.repo, source.revision), subject, kind)
    repository = _named(hub, asked, base, kind, subject) if asked else _usual(hub, base, kind, subject)
    entries = forms.select(kind, repository.id, hub.listing(repository.id, repository.revision), file)
    return Twin(
        form=kind.form,
        of=rung.candidate.files[0].sha256 or "",
        base_model=base,
        source=HubSource(repository.id, repository.revision),
        license=repository.license,
        files=tuple(_hashed(hub, repository, entry) for entry in entries),
    )


def _base(repository: Repository, subject: Subject, kind: Kind) -> str:
    """The one model that a GGUF repository says it is a quantization of."""
    bases = repository.base_models
    if len(bases) == 1 and repository.relation in CONVERSIONS:
        return bases[0]
    if not bases:
        why = "its card names no base model"
    elif len(bases) > 1:
        why = f"its card names {len(bases)} base models: {', '.join(bases[:SHOWN])}"
    else:
        why = f"its card says that it is a {repository.relation} of {bases[0]}, so other weights"
    raise ExportError(
        f"No {kind.title} twin of `{subject.name}` can be told: of `{repository.id}`, {why}", hint=_instead(kind)
    )


def _usual(hub: Hub, base: str, kind: Kind, subject: Subject) -> Repository:
    """The base itself where it is of that form; else the one conversion by those who are known for it."""
    if kind.form == "safetensors":
        return hub.repository(base)
    found = [
        repository
        for row in search_hub(hub, "", tag=f"base_model:{base}", form=kind.tag).rows
        if row.publisher in kind.publishers and _is_conversion(repository := hub.repository(row.id), base, kind)
    ]
    if len(found) == 1:
        return found[0]
    known = " and ".join(kind.publishers)
    raise _no_twin(hub, base, kind, subject, f"{known} have {count(len(found), 'conversion')} of {base}")


def _named(hub: Hub, asked: str, base: str, kind: Kind, subject: Subject) -> Repository:
    """The repository that the user names, if its card says that it is of the same base."""
    repo, _, revision = asked.removeprefix("hf:").partition("@")
    try:
        rules.repo_id(repo)
    except ValueError as error:
        raise SpecError(f"`twin={asked}` is not a repository: {error}", hint="As in `twin=org/name@COMMIT`") from error
    repository = hub.repository(repo, revision or None)
    if _is_conversion(repository, base, kind):
        return repository
    said = ", ".join(repository.base_models) or "nothing"
    relation = f" as its {repository.relation}" if repository.relation else ""
    raise _no_twin(hub, base, kind, subject, f"the card of `{repository.id}` names {said}{relation}")


def _is_conversion(repository: Repository, base: str, kind: Kind) -> bool:
    """Whether a repository is the base, or its card says that it holds the same weights.

    The Hub calls what says nothing of its relation a finetune, which is believed only of those known for conversions.
    """
    if repository.id.lower() == base.lower():
        return True
    same = [name.lower() for name in repository.base_models] == [base.lower()]
    known = repository.publisher in kind.publishers and repository.relation == "finetune"
    return same and (repository.relation in CONVERSIONS or known)


def _no_twin(hub: Hub, base: str, kind: Kind, subject: Subject, why: str) -> ExportError:
    """The error, with what says that it is of the same base."""
    try:
        rows = search_hub(hub, "", tag=f"base_model:{base}", form=kind.tag).rows
    except LmpmError:
        rows = ()
    listed = [f"{row.id}  {row.relation or 'no relation stated'}  {row.license}" for row in rows[:SHOWN]]
    return ExportError(
        f"No {kind.title} twin of `{subject.name}`: {why}",
        details=[f"says that it is of {base}:", *listed] if listed else (),
        hint="Name one with `--option twin=ORG/REPO`" if listed else _instead(kind),
    )


def _instead(kind: Kind) -> str:
    """What runs the very file."""
    other = {"mlc": "browser", "safetensors": "ray"}.get(kind.form, "llama.cpp")
    return f"`lmpm export {other}` runs this very file"


def _hashed(hub: Hub, repository: Repository, entry: Entry) -> ModelFile:
    """A file with its sha256: of one outside LFS the Hub has only git's id, so it is read, and checked against that."""
    if entry.sha256 is not None:
        return ModelFile(path=entry.path, size=entry.size, sha256=entry.sha256)
    if entry.size > MAX_SMALL_BYTES:
        raise ExportError(f"`{repository.id}` has no sha256 for `{entry.path}`")
    read = hub.reader(repository.id, repository.revision, ModelFile(path=entry.path, size=entry.size))
    data = read(0, entry.size)
    git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    digest = hashlib.sha256(data).hexdigest()
    if len(data) != entry.size or git != entry.blob_id:
        raise HashMismatchError(
            entry.path, expected=(f"git {entry.blob_id}", entry.size), computed=(f"git {git}", len(data))
        )
    return ModelFile(path=entry.path, size=entry.size, sha256=digest)


def _require_same_vocabulary(subject: Subject, kind: Kind, paths: Mapping[str, Path]) -> None:
    """Refuse a twin that knows another number of tokens: then a card is wrong. Raises ExportError."""
    theirs = forms.vocabulary(kind, paths)
    header = read_file(subject.paths[0])
    ours = header.array_lengths.get("tokenizer.ggml.tokens")
    if theirs and ours and abs(theirs - ours) > PADDING_SHARE * ours:
        raise ExportError(
            f"The {kind.title} twin of `{subject.name}` knows {theirs:,} tokens, the GGUF file {ours:,}",
            hint=_instead(kind),
        )

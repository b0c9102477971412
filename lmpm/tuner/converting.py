"""A LoRA of peft as a GGUF file for one base, which the file names by its hash. Needs `gguf` and numpy, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.errors import SpecError
from lmpm.fs import hash_one, printable
from lmpm.gguf import foreign_base, read_file, require_adapter_for
from lmpm.runtime import find_subject
from lmpm.tuner.base import snapshot_of
from lmpm.tuner.conversion.adapter import Adapter
from lmpm.tuner.conversion.files import About, write_adapter_for
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.gguf import Header
    from lmpm.project import ActionReporter, Workspace
    from lmpm.runtime import Subject

FILES: Final = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A LoRA that was written: how many weights it changes, and the base that it is for. `remarks` are for people."""

    file: Path
    sha256: str
    size: int
    weights: int
    base: str
    base_sha256: str
    remarks: tuple[str, ...] = ()


def convert(
    workspace: Workspace, place: str, base: str, target: Path, *, reporter: ActionReporter | None = None
) -> Converted:
    """Write the LoRA of a folder, or of `owner/name[@revision]` of the Hub, for a locked model or a GGUF file.

    Whole or not at all. Raises SpecError for what such a file cannot hold, IntegrityError where it does not fit the
    base, and the errors of `find_subject`.
    """
    subject = find_subject(workspace, base, reporter=reporter)
    if subject.files.adapters:
        raise SpecError(f"`{base}` is a model with adapters on it", hint="Name the GGUF file of its base alone")
    folder = workspace.current / Path(place).expanduser()
    repo = commit = ""
    if not folder.is_dir():
        folder, repo, commit = snapshot_of(workspace, place, FILES, reporter.transfers if reporter else None)
    adapter, headers = Adapter(folder), [read_file(path) for path in subject.paths]
    digest = _digest(subject)
    told = {"base.sha256": digest, **_origin(subject), **({"peft.repo": repo, "peft.commit": commit} if repo else {})}
    write_adapter_for(headers[0], adapter, target, About(name=target.stem, facts=told))
    try:
        require_adapter_for(read_file(target), headers, digest, name=target.name)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    made = hash_one(target)
    return Converted(
        file=target,
        sha256=made.sha256,
        size=made.size,
        weights=len(adapter.pairs),
        base=f"{subject.title} {subject.quant}".strip(),
        base_sha256=digest,
        remarks=tuple(_remarks(adapter, subject, headers)),
    )


def _digest(subject: Subject) -> str:
    if subject.rung is not None:
        return subject.rung.candidate.files[0].sha256 or ""
    return hash_one(subject.paths[0]).sha256


def _origin(subject: Subject) -> dict[str, str]:
    source = subject.rung.candidate.source if subject.rung else None
    return {"base.repo": source.repo, "base.commit": source.revision or ""} if isinstance(source, HubSource) else {}


def _remarks(adapter: Adapter, subject: Subject, headers: list[Header]) -> Iterator[str]:
    """Where peft's own file names another base: it may be a path of the machine that trained, so it decides nothing."""
    named = str(adapter.config.get("base_model_name_or_path") or "")
    source = subject.rung.candidate.source if subject.rung else None
    known_as = (subject.title, source.name if source else subject.paths[0].stem)
    if named and foreign_base(named, headers, known_as):
        yield f"`adapter_config.json` says that it was trained on `{printable(named)[:80]}`: is that this model?"

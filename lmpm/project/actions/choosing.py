"""Choosing for a reference, or anew for a line of the manifest; nothing is downloaded or written."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import (
    IntegrityError,
    NotFoundError,
    NotPermittedError,
    SpecError,
)
from lmpm.project.actions.asks import constraints_of
from lmpm.project.actions.measuring import note_on_assumption
from lmpm.project.actions.pinning import as_files_say, require_unchanged
from lmpm.project.actions.resolve import resolve_as_meant
from lmpm.project.lock.build import lock_model
from lmpm.project.lock.file import require_storable
from lmpm.project.lock.records import LockedModel
from lmpm.project.policy import require_permitted
from lmpm.project.upstream import changes
from lmpm.resolver import NameReference, is_pinned, parse_reference, require_choice, template_remarks
from lmpm.types import HubSource, StarterSource, UrlSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmpm.project.lock.records import Lock
    from lmpm.project.manifest import Manifest, ManifestModel
    from lmpm.project.workspace import Workspace
    from lmpm.resolver import Candidate, Choice, Constraints, Resolution, Where
    from lmpm.types import Variant

GRAVE: Final = ("gone", "history", "identity", "bytes")  # of what may have become of a repository: why to look twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A choice for a line of the manifest, and the entry that the lock gets for it, None where nothing is pinned.

    `online` is what a network would give, where the choice is a starter only because there is none.
    """

    line: ManifestModel
    resolution: Resolution
    entry: LockedModel | None
    remarks: tuple[str, ...] = ()
    online: Choice | None = None

    @property
    def candidate(self) -> Candidate:
        """What is taken."""
        if self.resolution.choice.chosen is None:
            raise ValueError("nothing was chosen")
        return self.resolution.choice.chosen


def choose(
    workspace: Workspace,
    ref: str,
    constraints: Constraints,
    line_of: Callable[[Resolution], ManifestModel],
    *,
    save: bool = True,
) -> Chosen:
    """Choose for a reference, and make the ladder that the lock gets for it, where it is to be saved.

    Raises NothingFitsError or NotPermittedError when nothing can be taken, and the errors of the Hub.
    """
    where: Where = "here" if workspace.offline else "hub"
    fit = workspace.exact_fit("chosen")
    resolution = resolve_as_meant(workspace, ref, constraints, where, fit)
    require_choice(resolution.choice)
    remarks = note_on_assumption(workspace, resolution)
    line, entry = line_of(resolution), None
    if save:
        targets = workspace.targets(workspace.project.manifest())
        offline = _pinned_by_catalog(workspace, ref, constraints) if workspace.offline and targets else ()
        resolution, entry, more = lock_model(
            resolution, line, workspace.resolver, targets, workspace.size_classes, offline=offline
        )
        remarks += more
        entry = as_files_say(workspace, entry)
        if line.adapters:
            from lmpm.project.actions.adapting import adapt  # few models have any

            entry, more = adapt(workspace, line, resolution, entry)
            remarks += more
            for rung in entry.candidates:
                require_permitted(line.name, rung, workspace.project.manifest().policy)
        require_storable(entry)
    chosen, online = resolution.choice.chosen, None
    if chosen:
        remarks = (*remarks, *template_remarks(chosen.variant, workspace.locator))
    if chosen and isinstance(chosen.variant.source, StarterSource) and isinstance(parse_reference(ref), NameReference):
        # a starter is only the best there is without a network: say what one would give
        online = workspace.resolver.resolve(ref, workspace.machine, constraints, where="catalog").choice
    return Chosen(line=line, resolution=resolution, entry=entry, remarks=remarks, online=online)


def _pinned_by_catalog(workspace: Workspace, ref: str, constraints: Constraints) -> tuple[Variant, ...]:
    """The variants for a task or model that can be pinned without a network, wherever their files are."""
    if not isinstance(parse_reference(ref), NameReference):
        return ()
    found = workspace.resolver.resolve(ref, workspace.machine, constraints, where="catalog")
    return tuple(variant for variant in found.variants if is_pinned(variant))


def choose_again(
    workspace: Workspace, manifest: Manifest, before: Lock, line: ManifestModel, *, save: bool = True
) -> Chosen:
    """Choose for a line of the manifest.

    Raises IntegrityError where the Hub has other bytes under a commit that the lock of `before` pins.
    """
    with naming(line, manifest):
        constraints = constraints_of(line, manifest.policy)
        chosen = choose(workspace, line.ref or line.task or line.name, constraints, lambda _: line, save=save)
    for rung in chosen.entry.candidates if chosen.entry else ():
        require_unchanged(before, rung.source, rung.files)
    return chosen


@contextmanager
def naming(line: ManifestModel, manifest: Manifest) -> Iterator[None]:
    """Have the errors of what is chosen for a line of the manifest say which line it is."""
    try:
        yield
    except (SpecError, NotFoundError, NotPermittedError, IntegrityError) as error:
        raise error.with_context(f"`{line.name}` in {manifest.file}") from error


def named_lines(manifest: Manifest, names: Sequence[str]) -> list[ManifestModel]:
    """The lines of the manifest that were named, or all. Raises UnknownNameError."""
    for name in names:
        manifest.find(name)
    return [line for line in manifest.models.values() if not names or line.name in names]


def upgradable(
    workspace: Workspace, lock: Lock, lines: Sequence[ManifestModel]
) -> tuple[list[ManifestModel], tuple[str, ...]]:
    """The lines that can be chosen anew, and a remark on the others: offline, what the lock pins of the network.

    What is on this machine is no measure of what there is: a team's ladder would shrink to it.
    """
    if not workspace.offline:
        return list(lines), ()
    able = [line for line in lines if not _is_remote(lock.get(line.name))]
    kept = [f"`{line.name}`" for line in lines if line not in able]
    if not kept:
        return able, ()
    stay = "stays as it is" if len(kept) == 1 else "stay as they are"
    return able, (f"{', '.join(kept)} {stay}: what is new can only be asked over the network",)


def _is_remote(locked: LockedModel | None) -> bool:
    return locked is not None and any(isinstance(rung.source, HubSource | UrlSource) for rung in locked.candidates)


def remarks_on_lost(workspace: Workspace, lock: Lock, lines: Sequence[ManifestModel]) -> tuple[str, ...]:
    """Where the Hub has lost, rewritten or given away what the lock pins for lines that are chosen anew."""
    if workspace.offline:
        return ()
    locked = [found for line in lines if (found := lock.get(line.name))]
    lost = [
        change.detail
        for model in locked
        for rung in model.candidates
        for change in changes(rung, workspace.hub, workspace.catalog)
        if change.kind in GRAVE
    ]
    return tuple(dict.fromkeys(lost))

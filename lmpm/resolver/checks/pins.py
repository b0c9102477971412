"""Pins of a variant: commit, sizes and digests as the Hub has them now, and what differs from what was known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import HashMismatchError, NotFoundError, NotPermittedError
from lmpm.resolver.choose import Learned, Refusal
from lmpm.resolver.records import Verdict
from lmpm.types import HubSource, Variant
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.hub import Hub
    from lmpm.resolver.candidates.hub import HubFinder
    from lmpm.resolver.records import Candidate, Kind
    from lmpm.types import ModelFile

ROUNDED_SIZE_SHARE: Final = 0.05  # by which a size without a digest may be off
PINS_SEEN: Final = 1787356800.0  # 2026-08-22, when the newest commits of the catalog were seen, in epoch seconds


@dataclass(frozen=True, slots=True)
class PinCheck:
    """Checks that a candidate can be had, and learns its commit, sizes and digests; of each variant once.

    `pin` is `Resolver.pin`.
    """

    pin: Callable[[Variant], tuple[Variant, tuple[str, ...]]]
    _pinned: dict[Variant, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, candidate: Candidate, *_: object) -> Learned | Refusal:
        """The candidate with its pins. Raises HashMismatchError where bytes changed under a commit."""
        variant = candidate.variant
        if variant in self._pinned:
            return Learned(candidate, self._pinned[variant])
        try:
            pinned, remarks = self.pin(variant)
        except (NotFoundError, NotPermittedError) as error:
            kind: Kind = "gated" if isinstance(error, NotPermittedError) else "unreadable"
            return Refusal(Verdict(kind, error.message), scope="repository", error=error)
        self._pinned[pinned] = remarks
        return Learned(replace(candidate, variant=pinned), remarks)


def pin(variant: Variant, hub: Hub, finder: HubFinder) -> tuple[Variant, tuple[str, ...]]:
    """The variant with its pins, and remarks.

    Raises NotFoundError when the repository or a file is gone, NotPermittedError when it is gated or may have changed
    hands, HashMismatchError when bytes changed under a commit, and the errors of the Hub.
    """
    if not isinstance(variant.source, HubSource) or (hub.offline and is_pinned(variant)):
        return variant, ()
    notes = []
    repo, revision = variant.source.repo, variant.source.revision
    try:
        found = hub.repository(repo, revision)
    except NotFoundError:
        if revision is None:
            raise
        found = hub.repository(repo)
        if found.created > PINS_SEEN:
            raise NotPermittedError(
                f"`{repo}` was made after the catalog pinned a repository of that name: it may have changed hands",
                hint=f"Look at it first; to take it nevertheless, name its commit: `{repo}@{found.revision}`",
            ) from None
        notes.append(f"`{hub.host}` does not have revision {revision[:7]} of the catalog: took its newest")
    if found.publisher.lower() != variant.source.publisher.lower():
        raise NotPermittedError(f"`{repo}` belongs to another account now, as `{found.id}`: it may have changed hands")
    finder.require_access(found)
    files = []
    for file in variant.files:
        there = found.file(file.path)
        if there is None:
            raise NotFoundError(f"`{repo}` has no file `{file.path}` any more")
        if _differ(file, there):
            notes.append(_remark(file, there, same_commit=found.revision == revision))
        files.append(replace(there, role=file.role))
    if found.license not in ("unknown", "other", variant.license):
        notes.append(f"the Hub states the licence {found.license}, the catalog {variant.license}")
    pinned = replace(
        variant,
        source=HubSource(found.id, found.revision),
        files=tuple(files),
        template=found.template,
        has_template=found.has_template,
        identity=found.identity,
    )
    return pinned, tuple(notes)


def _differ(file: ModelFile, there: ModelFile) -> bool:
    """Whether the Hub has other bytes than the catalog says; without a digest the catalog's size is rounded."""
    if file.sha256:
        return there.sha256 != file.sha256
    return abs(there.size - file.size) > ROUNDED_SIZE_SHARE * file.size


def _remark(file: ModelFile, there: ModelFile, *, same_commit: bool) -> str:
    """A remark on a file that was uploaded again. Under one commit bytes cannot change: IntegrityError."""
    if same_commit and file.sha256:
        raise HashMismatchError(
            file.path,
            expected=(file.sha256, file.size),
            computed=(there.sha256 or "", there.size),
            hint="The catalog and the server disagree about one commit: do not trust the server or mirror",
        )
    sizes = "" if there.size == file.size else f": {human(there.size)} instead of {human(file.size)}"
    return f"`{file.path}` is not the one the catalog knows{sizes}"


def is_pinned(variant: Variant) -> bool:
    """True when commit and digests are known, so that the variant can enter a lock."""
    if isinstance(variant.source, HubSource) and not variant.source.revision:
        return False
    return all(file.sha256 for file in variant.files)

"""The files that the user named as parts that can be read from the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm import reference
from lmpm.direct import shards
from lmpm.errors import NotFoundError
from lmpm.ladder import variant_of
from lmpm.parts import Parts, Shelf, local
from lmpm.refusal import require_choice
from lmpm.resolve import Wish

if TYPE_CHECKING:
    from lmpm.lock_types import LockedCandidate
    from lmpm.resolve import Resolver, Where
    from lmpm.types import Machine


def pinned_parts(resolver: Resolver, candidate: LockedCandidate) -> Parts:
    """The files of a rung of the lock. Raises NotFoundError for one that is nowhere."""
    return Shelf(store=resolver.store, hub=resolver.hub, catalog=resolver.catalog).parts(variant_of(candidate))


def parts_of(resolver: Resolver, ref: str, machine: Machine) -> Parts:
    """The files of a local GGUF, a task, a model or a repository, shards in load order, and its mmproj.

    Raises the errors of resolving, and SpecError for a file that is not there.
    """
    named = reference.parse(ref)
    if isinstance(named, reference.FileReference):
        return Parts(files=tuple(local(path, str(path)) for path in shards(named.path)))
    where: Where = "here" if resolver.hub.offline else "hub"
    choice = resolver.resolve(ref, machine, Wish(), where=where).choice
    require_choice(choice)
    if choice.chosen is None:
        raise NotFoundError(f"`{ref}` names no model")
    return Shelf(store=resolver.store, hub=resolver.hub, catalog=resolver.catalog).parts(choice.chosen.variant)

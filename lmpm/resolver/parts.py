"""The files that a reference means, to be read from the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import NotFoundError
from lmpm.gguf import Parts, local_part
from lmpm.resolver import reference
from lmpm.resolver.candidates.files import shards
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.explain import require_choice
from lmpm.resolver.locate import FileLocator

if TYPE_CHECKING:
    from lmpm.resolver.resolver import Resolver, Where
    from lmpm.types import Machine


def parts_of(resolver: Resolver, ref: str, machine: Machine) -> Parts:
    """The files of a local GGUF, a task, a model or a repository, shards in load order, and its mmproj.

    Raises the errors of resolving, and SpecError for a file that is not there.
    """
    named = reference.parse_reference(ref)
    if isinstance(named, reference.FileReference):
        return Parts(files=tuple(local_part(path, str(path)) for path in shards(named.path)))
    where: Where = "here" if resolver.hub.offline else "hub"
    choice = resolver.resolve(ref, machine, Constraints(), where=where).choice
    require_choice(choice)
    if choice.chosen is None:
        raise NotFoundError(f"`{ref}` names no model")
    return FileLocator(store=resolver.store, hub=resolver.hub, catalog=resolver.catalog).parts(choice.chosen.variant)

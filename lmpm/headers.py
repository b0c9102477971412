"""The files that the user named as parts that can be read from the front."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lmpm import reference
from lmpm.errors import NotFoundError, SpecError
from lmpm.install import require_choice
from lmpm.parts import Parts, Shelf, local
from lmpm.resolve import Wish

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.resolve import Resolver, Where
    from lmpm.types import Machine

SHARD: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


def parts_of(resolver: Resolver, ref: str, machine: Machine) -> Parts:
    """The files of a local GGUF, a task, a model or a repository, shards in load order, and its mmproj.

    Raises the errors of resolving, and SpecError for a file that is not there.
    """
    named = reference.parse(ref)
    if isinstance(named, reference.FileReference):
        return Parts(files=tuple(local(path, str(path)) for path in _shards(named.path)))
    where: Where = "here" if resolver.hub.offline else "hub"
    choice = resolver.resolve(ref, machine, Wish(), where=where).choice
    require_choice(choice)
    if choice.chosen is None:
        raise NotFoundError(f"`{ref}` names no model")
    return Shelf(store=resolver.store, hub=resolver.hub, catalog=resolver.catalog).parts(choice.chosen.variant)


def _shards(path: Path) -> list[Path]:
    """A file, or all parts of the set that it is one of. Raises SpecError for what is not there."""
    found = SHARD.search(path.name)
    names = [path]
    if found:
        stem, total = path.name[: found.start()], int(found[2])
        names = [path.with_name(f"{stem}-{number:05}-of-{found[2]}.gguf") for number in range(1, total + 1)]
    for name in names:
        if not name.is_file():
            raise SpecError(f"There is no file `{name}`")
    return names

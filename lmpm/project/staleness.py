"""Whether `lmpm.lock` still answers `lmpm.toml`: structural only, a newer catalog makes no lock stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import NothingFitsError
from lmpm.fs import printable
from lmpm.project.origin import is_asked_for
from lmpm.project.policy import violations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lmpm.fs import toml
    from lmpm.project.lock.records import Lock, LockedModel
    from lmpm.project.manifest import Manifest, ManifestModel
    from lmpm.types import Machine


def stale_reasons(manifest: Manifest, lock: Lock, machines: Mapping[str, Machine] | None = None) -> list[str]:
    """Why the lock is not the manifest's, a line for each reason; empty when it is.

    Structural only: a newer catalog makes a lock outdated, not stale. `machines` are the declared targets:
    with them it is looked at whether each still takes the rung that the lock names for it.
    """
    names = sorted({*manifest.models, *(model.name for model in lock.models)})
    found = [line for name in names for line in _stale(name, manifest, lock, machines or {})]
    return [*found, *_stale_routes(manifest, lock)]


def stale_models(manifest: Manifest, lock: Lock, machines: Mapping[str, Machine] | None = None) -> list[ManifestModel]:
    """Lines of the manifest whose entry in the lock is missing, was made for another request, or is not allowed."""
    return [
        line
        for name, line in manifest.models.items()
        if any(_stale(name, manifest, lock, machines or {})) or _is_forbidden(lock.get(name), manifest)
    ]


def is_asked_otherwise(line: ManifestModel, locked: LockedModel | None) -> bool:
    """Whether a line differs from its entry in nothing but how the model is asked, which chooses no other files."""
    if locked is None:
        return False
    asked = line.requested()
    return all(asked.get(key) == locked.requested.get(key) for key in {*asked, *locked.requested} - {"recipe"})


def _is_forbidden(locked: LockedModel | None, manifest: Manifest) -> bool:
    return locked is not None and any(any(violations(rung, manifest.policy)) for rung in locked.candidates)


def _stale(name: str, manifest: Manifest, lock: Lock, machines: Mapping[str, Machine]) -> Iterator[str]:
    wanted, locked = manifest.models.get(name), lock.get(name)
    if locked is None:
        yield f"`{name}` is in `{manifest.file}` but not in `lmpm.lock`"
        return
    if wanted is None:
        yield f"`{name}` is in `lmpm.lock` but not in `{manifest.file}`"
        return
    changed = list(_changed_fields(wanted, locked))
    yield from changed
    for number, rung in enumerate(locked.candidates if not changed else (), start=1):
        if not is_asked_for(wanted, rung):
            asked = wanted.ref or wanted.task or ""
            yield f"`{name}` asks for `{printable(asked)}`, variant {number} is {rung.source.name} {rung.quant}"
    served = {target: number for number, rung in enumerate(locked.candidates, start=1) for target in rung.targets}
    for target in sorted(manifest.targets.keys() - served.keys()):
        yield f"`{name}` has no candidate for the target `{target}`"
    for target in sorted(served.keys() - manifest.targets.keys()):
        yield f"`{name}` has a candidate for the target `{target}`, which `{manifest.file}` does not declare"
    for target in sorted(served.keys() & machines.keys()):
        taken = _taken(locked, machines[target])
        if taken != served[target]:
            now = f"takes variant {taken}" if taken else "takes none"
            yield f"`{name}`: the target `{target}` {now}, the lock has it at variant {served[target]}"


def _stale_routes(manifest: Manifest, lock: Lock) -> Iterator[str]:
    """Routes and providers that the lock has otherwise: what a colleague's requests would do unseen."""
    for noun, wanted, locked in (
        ("provider", manifest.providers, {item.name: item for item in lock.providers}),
        ("route", manifest.routes, {item.name: item for item in lock.routes}),
    ):
        for name in sorted({*wanted, *locked}):
            if wanted.get(name) != locked.get(name):
                yield f"the {noun} `{name}` of `{manifest.file}` is not the one in `lmpm.lock`"


def _taken(locked: LockedModel, machine: Machine) -> int | None:
    """The number of the rung that a machine takes, None when none fits."""
    from lmpm.project.lock.entry import rung_for

    try:
        return rung_for(locked, machine).number
    except NothingFitsError:
        return None


def _changed_fields(wanted: ManifestModel, locked: LockedModel) -> Iterator[str]:
    asked = wanted.requested()
    for key in sorted({*asked, *locked.requested}):
        new, old = asked.get(key), locked.requested.get(key)
        if new == old:
            continue
        asks = f"asks for no {key}" if new is None else f"asks for {key} {_shown(new)}"
        has = "none" if old is None else _shown(old)
        yield f"`{wanted.name}` {asks}, the lock has {has}"


def _shown(item: toml.Scalar) -> str:
    if isinstance(item, str):
        return f"`{printable(item)}`"
    return f"{item:g}" if isinstance(item, float) else str(item)

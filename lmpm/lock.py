"""`lmpm.lock` on disk, and when it is stale."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from lmpm import atomic, toml_file
from lmpm.document import DocumentError
from lmpm.errors import LockError, NothingFitsError
from lmpm.limits import MAX_LOCK_BYTES
from lmpm.lock_format import NAME, broken_lock, newer_lock, parse_lock
from lmpm.lock_text import emit_lock
from lmpm.lock_types import REVISION, VERSION, Lock, LockedCandidate, LockedModel
from lmpm.policy import violations
from lmpm.validate import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lmpm.manifest import Manifest, ManifestModel
    from lmpm.types import Machine

__all__ = [
    "NAME",
    "Lock",
    "LockedCandidate",
    "LockedModel",
    "emit_lock",
    "load_lock",
    "parse_lock",
    "stale_models",
    "staleness",
    "write_lock",
]


def load_lock(path: Path) -> Lock:
    """The lock at `path`. Raises LockError when it is missing or broken."""
    try:
        text = toml_file.read_text(path, MAX_LOCK_BYTES)
    except FileNotFoundError as error:
        raise LockError(f"No `{path.name}` is here", hint="To make one, run `lmpm lock`") from error
    except DocumentError as error:
        raise broken_lock(error, path.name) from error
    return parse_lock(text, name=path.name)


def write_lock(path: Path, lock: Lock) -> bool:
    """Write the lock and return True, or return False if that would change nothing.

    What was written is read back before it takes the place of the old one. Raises LockError when the lock
    on disk is from a newer lmpm, or when this one cannot be read back, and DiskError.
    """
    text = emit_lock(lock)
    if _is_same(path, text):
        return False

    def check(temporary: Path) -> None:
        try:
            written = parse_lock(toml_file.read_text(temporary, MAX_LOCK_BYTES))
        except (LockError, DocumentError) as error:
            raise LockError(f"`{path.name}` was not written, it could not be read again: {error}") from error
        if written != lock:
            raise LockError(f"`{path.name}` was not written, it would hold something else when read again")

    atomic.write_text(path, text, check=check)
    return True


def _is_same(path: Path, text: str) -> bool:
    """Whether `path` holds `text`, however its lines end. Raises LockError if it is from a newer lmpm."""
    try:
        found = toml_file.read_text(path, MAX_LOCK_BYTES)
        if found.replace("\r\n", "\n") == text:
            return True
        document = toml_file.parse(found, MAX_LOCK_BYTES)
    except (FileNotFoundError, DocumentError):
        return False  # a broken lock is replaced: whoever needs what is in it has read it before
    for key, known in (("version", VERSION), ("revision", REVISION)):
        number = document.get(key)
        if isinstance(number, int) and number > known:
            raise newer_lock(path.name, f"{key} {number}")
    return False


def staleness(manifest: Manifest, lock: Lock, machines: Mapping[str, Machine] | None = None) -> list[str]:
    """Why the lock is not the manifest's, a line for each reason; empty when it is.

    Structural only: a newer catalog makes a lock outdated, not stale. `machines` are the declared targets:
    with them it is looked at whether each still takes the rung that the lock names for it.
    """
    names = sorted({*manifest.models, *(model.name for model in lock.models)})
    return [line for name in names for line in _stale(name, manifest, lock, machines or {})]


def stale_models(manifest: Manifest, lock: Lock, machines: Mapping[str, Machine] | None = None) -> list[ManifestModel]:
    """Lines of the manifest whose entry in the lock is missing, was made for another request, or is not allowed."""
    return [
        line
        for name, line in manifest.models.items()
        if any(_stale(name, manifest, lock, machines or {})) or _is_forbidden(lock.get(name), manifest)
    ]


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
    yield from _changed_fields(wanted, locked)
    for idle, better in _idle_rungs(locked).items():
        yield f"`{name}`: no machine takes rung {idle}, rung {better} needs no more and is as fast"
    served = {target: number for number, rung in enumerate(locked.candidates, start=1) for target in rung.targets}
    for target in sorted(manifest.targets.keys() - served.keys()):
        yield f"`{name}` has no candidate for the target `{target}`"
    for target in sorted(served.keys() - manifest.targets.keys()):
        yield f"`{name}` has a candidate for the target `{target}`, which `{manifest.file}` does not declare"
    for target in sorted(served.keys() & machines.keys()):
        taken = _taken(locked, machines[target])
        if taken != served[target]:
            now = f"takes rung {taken}" if taken else "takes none"
            yield f"`{name}`: the target `{target}` {now}, the lock has it at rung {served[target]}"


def _idle_rungs(locked: LockedModel) -> Mapping[int, int]:
    """The rungs that the order of the ladder keeps from every machine, each with the one that is taken before it."""
    pairs = pairwise(locked.candidates)
    if all(rung.memory < above.memory for above, rung in pairs):  # as usual: then each has its use
        return {}
    from lmpm.ladder import idle_rungs

    return idle_rungs(locked.candidates)


def _taken(locked: LockedModel, machine: Machine) -> int | None:
    """The number of the rung that a machine takes, None when none fits."""
    from lmpm.locked import rung_for

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


def _shown(item: toml_file.Scalar) -> str:
    if isinstance(item, str):
        return f"`{printable(item)}`"
    return f"{item:g}" if isinstance(item, float) else str(item)

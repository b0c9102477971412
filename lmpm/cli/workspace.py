"""The project that a command works on: found upwards, or the user's own with `--global`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmpm.errors import DiskError, LockError, ManifestError, SpecError, UnknownNameError, nearest
from lmpm.project import Project, edit_project, find_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.cli.app import App
    from lmpm.project import Lock, LockedModel, Manifest
    from lmpm.proof import History
    from lmpm.store import Fetcher
    from lmpm.types import Machine

global_option = click.option("-g", "--global", "is_global", is_flag=True, help="Your own models, of no project.")


def directory(app: App, *, is_global: bool) -> Path:
    """Where `lmpm.toml` is or will be made."""
    if is_global:
        return app.settings.home / "global"
    try:
        home = Path.home()
    except RuntimeError:
        home = None
    return find_project(app.settings.directory, home=home) or app.settings.directory


def project(app: App, *, is_global: bool) -> Project:
    """The project as it is on disk; its lock is remembered as one in use."""
    found = Project(directory(app, is_global=is_global))
    app.console.detail(f"project {found.directory}")
    app.known_projects.remember(found.directory)
    if found.has_two_manifests:
        app.note_once("[tool.lmpm] of pyproject.toml is not read: there is an lmpm.toml beside it")
    return found


@contextmanager
def editing(app: App, *, is_global: bool) -> Iterator[Project]:
    """The project, guarded against other processes."""
    place = directory(app, is_global=is_global)
    if is_global:
        from lmpm.fs import disk_errors

        with disk_errors(place):
            place.mkdir(parents=True, exist_ok=True)
    with edit_project(place, state=app.settings.home) as guarded:
        yield guarded


def require_savable(app: App, *, is_global: bool, can_be_left_out: bool = False) -> None:
    """Find out now what would keep the project from being written later.

    Raises DiskError, SpecError, and LockError where a newer lmpm made the lock.
    """
    found = project(app, is_global=is_global)
    targets(app, read_manifest(found))
    require_writable(found.lock())
    with editing(app, is_global=is_global) as found:
        if not os.access(found.directory, os.W_OK):
            raise DiskError(
                f"`{found.directory}` may not be written to, and lmpm.toml and lmpm.lock belong there",
                path=found.directory,
                hint="Go to a directory of your own"
                + (", or leave both out with `--no-save`" if can_be_left_out else ""),
            )


def require_writable(lock: Lock) -> Lock:
    """The lock. Raises LockError where a newer lmpm made it: then it may be read, and nothing else."""
    from lmpm.project import LOCK_NAME, REVISION, newer_lock

    if lock.revision > REVISION:
        raise newer_lock(LOCK_NAME, f"revision {lock.revision}")
    return lock


def read_manifest(found: Project) -> Manifest:
    """The manifest, empty when there is none."""
    return found.manifest()


def require_manifest(found: Project) -> Manifest:
    """The manifest. Raises SpecError when there is none."""
    if not found.manifest_path.exists():
        raise SpecError(
            f"Nothing to lock: no `lmpm.toml` in `{found.directory}` or above",
            hint="Make one with `lmpm install TASK`; all tasks: `lmpm catalog list`",
        )
    return read_manifest(found)


def staleness(app: App, manifest: Manifest, lock: Lock) -> list[str]:
    """Why the lock is not what the manifest asks for, in words."""
    from lmpm.project import stale_reasons

    return stale_reasons(manifest, lock, targets(app, manifest))


def require_fresh(app: App, manifest: Manifest, lock: Lock) -> None:
    """Raise LockError, with every reason, when the lock is not what the manifest asks for."""
    refuse_stale(staleness(app, manifest, lock))


def refuse_stale(reasons: list[str]) -> None:
    """Raise LockError with the reasons why a lock is stale, if there are any."""
    if reasons:
        raise LockError("`lmpm.lock` is not up to date", details=reasons, hint="To update it, run `lmpm lock`")


def read_lock(found: Project, *, must_exist: bool = False) -> Lock:
    """The lock; an empty one where the manifest asks for no models yet, unless the file itself `must_exist`.

    Raises LockError when there is none.
    """
    if not found.lock_path.exists():
        if found.manifest_path.exists() and not must_exist and not read_manifest(found).models:
            return found.lock()
        if found.manifest_path.exists():
            raise LockError(
                f"No `lmpm.lock` beside `{found.manifest_path}`",
                hint="Make one with `lmpm lock`, or with `lmpm install`, which brings the models too",
            )
        raise LockError(
            f"No `lmpm.lock` in `{found.directory}` or above",
            hint="Make one with `lmpm install TASK`; all tasks: `lmpm catalog list`",
        )
    return found.lock()


def remark_stale(app: App, found: Project, lock: Lock) -> None:
    """Say where the lock is not what the manifest asks for."""
    if not found.manifest_path.exists():
        return
    manifest = read_manifest(found)
    for reason in staleness(app, manifest, lock):
        app.console.note(f"{reason}: `lmpm install` mends it")


def locked_model(lock: Lock, name: str) -> LockedModel:
    """The model of this name. Raises UnknownNameError."""
    found = lock.get(name)
    if found is None:
        names = [model.name for model in lock.models]
        raise UnknownNameError(
            "model of this project",
            name,
            suggestions=nearest(name, names),
            listing="In the lock: " + ", ".join(f"`{item}`" for item in names) if names else "The lock is empty",
        )
    return found


def remark_licenses(app: App, manifest: Manifest, *, asked: str | None = None) -> None:
    """Say which licences of the manifest, or of `asked` on the command line, are not known: a rule may be misspelt."""
    rule = manifest.policy.licenses
    lines = [line.license for line in manifest.models.values()]
    names = [*(rule.allow or ()), *rule.deny]
    names += [name for text in (asked, *lines) if text for name in text.split(",")]
    if names:
        from lmpm.licenses import unknown

        for remark in unknown(names):
            app.console.note(remark)


def targets(app: App, manifest: Manifest) -> dict[str, Machine]:
    """The declared machines. Raises ManifestError naming the one that cannot be understood."""
    if not manifest.targets:
        return {}
    from lmpm.machine import parse_spec

    machines = {}
    for name, target in manifest.targets.items():
        try:
            machines[name] = parse_spec(target.hardware, app.chips)
        except SpecError as error:
            raise ManifestError(
                f"`{name}` of [targets] in {manifest.file}: {error.message}",
                details=error.details,
                hint=error.hint and error.hint.replace("--hardware ", "hardware = "),
            ) from error
    return machines


def size_classes(app: App) -> list[Machine]:
    """Machines of common sizes."""
    from lmpm.machine import parse_spec
    from lmpm.project import SIZE_CLASSES

    return [parse_spec(spec, app.chips) for spec in SIZE_CLASSES]


def own_reference(app: App, ref: str) -> str:
    """What the user typed, the path of a file as it is seen from the project's directory."""
    from lmpm.resolver import FileReference, parse_reference

    reference = parse_reference(ref)
    if not isinstance(reference, FileReference):
        return ref
    path = os.path.relpath(app.settings.directory / reference.path, app.project_directory)
    return path if path.startswith("..") else f"./{path}"


def fetcher(app: App) -> Fetcher:
    """What brings files into the store."""
    from lmpm.store import Fetcher

    return Fetcher(app.store, app.catalog, app.downloader, app.reporter, app.offline, app.project_directory)


def records(app: App) -> History:
    """How fast models were here when they came."""
    from lmpm.proof import History

    return History(app.settings.home / "records")


def drop_unasked(app: App, manifest: Manifest, *, is_global: bool) -> list[str]:
    """Take out of the lock what was taken out of the manifest; returns the names."""

    def unasked_in(lock: Lock, manifest: Manifest) -> list[str]:
        return [model.name for model in lock.models if model.name not in manifest.models]

    unasked = unasked_in(project(app, is_global=is_global).lock(), manifest)
    if unasked:
        with editing(app, is_global=is_global) as guarded:  # by now others may have added to both files
            lock = guarded.lock()
            unasked = unasked_in(lock, guarded.manifest())
            for name in unasked:
                lock = lock.without(name)
            guarded.write(lock=lock)
    if unasked:
        app.console.say("Unpinned", f"{', '.join(unasked)}: no longer in {manifest.file}")
    return unasked

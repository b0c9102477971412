"""A project: the directory of `lmpm.toml` and `lmpm.lock`, both changed by one process at a time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.errors import LmpmError, LockError, SpecError, UnknownNameError, nearest
from lmpm.fs import DocumentError, atomic, printable, toml
from lmpm.limits import MAX_MANIFEST_BYTES
from lmpm.project import manifest as manifests
from lmpm.project.lock.file import load_lock, write_lock
from lmpm.project.lock.reader import LOCK_NAME
from lmpm.project.lock.records import Lock, LockedModel
from lmpm.project.registry import KnownProjects, key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GUARD_TIMEOUT_S: Final = 60.0  # the guard is held only while two small files are written


@dataclass(frozen=True, slots=True)
class Project:
    """A directory with a manifest and a lock; each call reads the files as they are now."""

    directory: Path

    @property
    def manifest_name(self) -> str:
        """`lmpm.toml`, or `pyproject.toml` where `[tool.lmpm]` stands there and no `lmpm.toml` is beside it."""
        here = not (self.directory / manifests.MANIFEST_NAME).exists() and has_own_table(
            self.directory / manifests.PYPROJECT
        )
        return manifests.PYPROJECT if here else manifests.MANIFEST_NAME

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is or will be."""
        return self.directory / self.manifest_name

    @property
    def has_two_manifests(self) -> bool:
        """Whether a `[tool.lmpm]` stands beside an `lmpm.toml`, which is read in its place."""
        return self.manifest_name == manifests.MANIFEST_NAME and has_own_table(self.directory / manifests.PYPROJECT)

    @property
    def lock_path(self) -> Path:
        """Where `lmpm.lock` is or will be."""
        return self.directory / LOCK_NAME

    def manifest_text(self) -> str:
        """The text of the manifest, empty when there is none yet."""
        path = self.manifest_path
        return manifests.load_text(path) if path.exists() else ""

    def manifest(self) -> manifests.Manifest:
        """The manifest, empty when there is none yet. Raises ManifestError when it is broken."""
        name = self.manifest_name
        return manifests.parse_manifest(self.manifest_text(), name=name)

    def lock(self) -> Lock:
        """The lock, empty when there is none yet. Raises LockError when it is broken."""
        return load_lock(self.lock_path) if self.lock_path.exists() else Lock()

    def require_manifest(self) -> manifests.Manifest:
        """The manifest. Raises SpecError when there is none."""
        if not self.manifest_path.exists():
            raise SpecError(
                f"No `lmpm.toml` in `{self.directory}` or above",
                hint="Make one with `lmpm install TASK`; all tasks: `lmpm catalog list`",
                kind="no-manifest",
            )
        return self.manifest()

    def require_lock(self, *, must_exist: bool = False) -> Lock:
        """The lock; an empty one where the manifest asks for no models yet, unless the file itself `must_exist`.

        Raises LockError when there is none.
        """
        if self.lock_path.exists():
            return self.lock()
        if not self.manifest_path.exists():
            raise LockError(
                f"No `lmpm.lock` in `{self.directory}` or above",
                hint="Make one with `lmpm install TASK`; all tasks: `lmpm catalog list`",
                kind="no-lock",
            )
        if not must_exist and not self.manifest().models:
            return self.lock()
        raise LockError(
            f"No `lmpm.lock` beside `{self.manifest_path}`",
            hint="Make one with `lmpm lock`, or with `lmpm install`, which downloads the models, too",
            kind="no-lock",
        )

    def write(self, *, manifest: str | None = None, lock: Lock | None = None) -> bool:
        """Write what is given and differs, and return whether anything did.

        The lock goes first: if it cannot be written, the manifest stays as it was.
        """
        if manifest is not None:
            manifests.parse_manifest(manifest, name=self.manifest_name)
        changed = lock is not None and write_lock(self.lock_path, lock)
        if manifest is not None and manifest != self.manifest_text():
            atomic.write_text(self.manifest_path, manifest)
            changed = True
        return changed


def find_model(lock: Lock, name: str) -> LockedModel:
    """The model of this name in a lock. Raises UnknownNameError."""
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


def find_models(lock: Lock, names: Sequence[str]) -> list[LockedModel]:
    """The models of these names, or all. Raises UnknownNameError."""
    return [find_model(lock, name) for name in names] if names else list(lock.models)


@contextmanager
def edit_project(directory: Path, *, state: Path) -> Iterator[Project]:
    """The project, while no other process can change it.

    What was read before may be old by now: read again from the project that this gives, change that and
    write it. The guard is a file below `state`, the user's own directory, so that nothing is left in the
    project; the system frees it when a process dies. Raises DiskError, or LmpmError when another lmpm
    does not finish in time.
    """
    from filelock import FileLock, Timeout

    known = KnownProjects(state / "projects")
    path = known.folder / f"{key(directory)}.guard"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        guard = FileLock(path)
        guard.acquire(timeout=GUARD_TIMEOUT_S)
    except Timeout as error:
        raise LmpmError(
            f"Another lmpm is still changing `{printable(str(directory))}`",
            hint="Wait until it has finished and run the command again",
        ) from error
    except OSError as error:
        refused = atomic.disk_error(error, known.folder, "keep notes in")
        raise refused.with_hint(f"{refused.hint or 'Look at it'}, or set LMPM_HOME to another directory") from error
    try:
        project = Project(directory)
        atomic.remove_leftovers(project.manifest_path)
        atomic.remove_leftovers(project.lock_path)
        yield project
        known.remember(directory)
    finally:
        guard.release()


def find_project(start: Path, *, home: Path | None = None) -> Path | None:
    """The nearest directory with an `lmpm.toml` or a `pyproject.toml` with `[tool.lmpm]`, from `start` upwards.

    The search ends below the home directory and at the root of the file system; `start` itself is always
    looked at.
    """
    start = start.resolve()
    home = (home or Path("~").expanduser()).resolve()
    for directory in (start, *start.parents):
        if directory == home and directory != start:
            return None
        if _has_manifest(directory):
            return directory
    return None


def _has_manifest(directory: Path) -> bool:
    try:
        return (directory / manifests.MANIFEST_NAME).is_file() or has_own_table(directory / manifests.PYPROJECT)
    except OSError:  # a directory that may not be looked into
        return False


def has_own_table(path: Path) -> bool:
    """Whether a `pyproject.toml` says anything to lmpm; one that is broken or not there does not."""
    try:
        text = toml.read_text(path, MAX_MANIFEST_BYTES)
        if "lmpm" not in text:  # most of them: no need to parse
            return False
        tools = toml.parse(text, MAX_MANIFEST_BYTES).get("tool")
    except (OSError, LmpmError, DocumentError):
        return False
    return isinstance(tools, dict) and "lmpm" in tools

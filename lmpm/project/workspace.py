"""All that acting on a project takes, in one frozen record: where things are, what was set, and the parts of both."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lmpm import limits
from lmpm.errors import LmpmError, ManifestError, SpecError
from lmpm.project.directory import Project, edit_project, find_project
from lmpm.project.registry import KnownProjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lmpm.catalog import Catalog
    from lmpm.engine import LocalEngine, Measured
    from lmpm.errors import AmbiguousNameError
    from lmpm.hub import Bundle, Http, Hub
    from lmpm.machine import Chips
    from lmpm.project.environment import Environment
    from lmpm.project.manifest import Manifest
    from lmpm.proof import History
    from lmpm.reporter import Reporter
    from lmpm.resolver import ExactFit, FileLocator, Reach, Resolver
    from lmpm.run_config import Repacking
    from lmpm.store import Fetcher, Store
    from lmpm.types import Machine


def _ignore(remark: str) -> None:
    """Hear nothing."""


def _no_token() -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A project on a machine. Each part is built when it is first asked for, so that nothing is paid for in vain.

    `hardware` is or describes the machine to choose for, None is this one. `asks_anew` is for actions that need what is
    new on the Hub: kept answers will not do. `pick_model` answers which model is meant by words that may mean several,
    with its key; None leaves the error to the caller. `may_measure` answers whether this machine, whose bandwidth is
    only assumed, may be measured; None where nobody can be asked. `note` hears remarks that belong to no result.
    """

    environment: Environment
    directory: Path  # the project's
    offline: bool = False
    hardware: Machine | str | None = None
    store_place: Path | None = None  # instead of the environment's
    asks_anew: bool = False
    connections: int = limits.CONNECTIONS
    rate_limit: int | None = None  # bytes a second
    engine_name: str | None = None  # instead of the environment's and the manifest's
    token: Callable[[], str | None] = _no_token
    pick_model: Callable[[AmbiguousNameError], str] | None = None
    may_measure: Callable[[Machine], bool] | None = None
    note: Callable[[str], None] = _ignore

    @property
    def current(self) -> Path:
        """Where paths begin that the user types."""
        return self.environment.directory

    @property
    def home(self) -> Path:
        """Where lmpm keeps its own notes."""
        return self.environment.home

    # -- the project -----------------------------------------------------------

    @cached_property
    def known_projects(self) -> KnownProjects:
        """The projects whose locks this user has used."""
        return KnownProjects(self.home / "projects")

    @property
    def project(self) -> Project:
        """The project as it is on disk; its lock is remembered as one in use."""
        self.known_projects.remember(self.directory)
        return Project(self.directory)

    @contextmanager
    def editing(self) -> Iterator[Project]:
        """The project, guarded against other processes. The directory of the user's own models is made first."""
        if self.directory == global_directory(self.environment):
            from lmpm.fs import disk_errors

            with disk_errors(self.directory):
                self.directory.mkdir(parents=True, exist_ok=True)
        with edit_project(self.directory, state=self.home) as guarded:
            yield guarded

    def targets(self, manifest: Manifest) -> dict[str, Machine]:
        """The declared machines. Raises ManifestError naming the one that cannot be understood."""
        if not manifest.targets:
            return {}
        from lmpm.machine import parse_spec

        machines = {}
        for name, target in manifest.targets.items():
            try:
                machines[name] = parse_spec(target.hardware, self.chips)
            except SpecError as error:
                raise ManifestError(
                    f"`{name}` of [targets] in {manifest.file}: {error.message}",
                    details=error.details,
                    hint=error.hint and error.hint.replace("--hardware ", "hardware = "),
                ) from error
        return machines

    def reference(self, ref: str) -> str:
        """What the user typed: a file by its path from the project's directory, a mirror's URL as that of the Hub."""
        from lmpm.resolver import FileReference, on_hub, parse_reference

        ref = on_hub(ref, str(self.environment.endpoint))
        reference = parse_reference(ref)
        if not isinstance(reference, FileReference):
            return ref
        path = os.path.relpath(self.current / reference.path, self.directory)
        return path if path.startswith("..") else f"./{path}"

    # -- the machine -----------------------------------------------------------

    @cached_property
    def chips(self) -> Chips:
        """The table of chips."""
        from lmpm.catalog import directory
        from lmpm.machine import load_chips

        return load_chips(directory(), copies=self.home / "catalog")

    @property
    def is_this_machine(self) -> bool:
        """False when another machine was described."""
        return self.hardware is None

    @cached_property
    def machine(self) -> Machine:
        """The machine to choose for: the one described, else this one as far as its engine can use it."""
        if self.hardware is None:
            return self.engine.machine
        if not isinstance(self.hardware, str):
            return self.hardware
        from lmpm.machine import parse_spec

        machine = parse_spec(self.hardware, self.chips)
        if machine.vram and not machine.memory:
            self.note(f"the computer's RAM is {machine.source_of('memory').source}")
        return machine

    @cached_property
    def engine(self) -> LocalEngine:
        """The computer here and its engine, on which models are run whatever machine is chosen for."""
        from lmpm.engine import LocalEngine
        from lmpm.machine import detect

        environment = self.environment
        return LocalEngine(
            detect(self.chips),
            self.home,
            named=self.engine_name or environment.engine or self._preferred_engine(),
            binary=environment.llama_server,
            libraries=environment.llama_libraries,
        )

    def measure(self) -> Measured:
        """Measure this machine, which is from now on as fast as was found. Raises DiskError and EngineError."""
        found = self.engine.measure()
        self.__dict__.pop("machine", None)
        return found

    def _preferred_engine(self) -> str | None:
        """The engine that the manifest names. What is wrong with a manifest is said by who reads it for its models."""
        project = Project(self.directory)
        with suppress(LmpmError):
            if "engine" in project.manifest_text():  # most name none, and are not worth reading for it
                return project.manifest().engine
        return None

    @property
    def repack(self) -> Repacking:
        """Which weights the CPU of the machine keeps in another order: here the engine says."""
        from lmpm.engine import usual_repacking

        return self.engine.repack if self.is_this_machine else usual_repacking(self.machine)

    @property
    def size_classes(self) -> list[Machine]:
        """Machines of common sizes, for which a lock without targets has an answer."""
        from lmpm.machine import parse_spec
        from lmpm.project.lock.build import SIZE_CLASSES

        return [parse_spec(spec, self.chips) for spec in SIZE_CLASSES]

    # -- where models are from, and how they are chosen ------------------------

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog that came with lmpm."""
        from lmpm import catalog
        from lmpm.catalog import directory

        return catalog.load(directory(), copies=self.home / "catalog", note=self.note)

    @cached_property
    def http(self) -> Http:
        """The client of the Hub."""
        from lmpm.hub import Http
        from lmpm.version import __version__

        return Http(
            self.environment.endpoint.url,
            login=self.environment.endpoint.login,
            token=None if self.offline else self.token(),
            user_agent=f"lmpm/{__version__}",
            silence_s=self.environment.silence_s or limits.SILENCE_S,
            bundle=self._bundle,
        )

    @property
    def _bundle(self) -> Bundle | None:
        """The certificates that the environment names."""
        if self.environment.bundle is None:
            return None
        from lmpm.hub import Bundle

        return Bundle(*self.environment.bundle)

    @cached_property
    def hub(self) -> Hub:
        """The Hub's metadata."""
        from lmpm.hub import HeaderCache, Hub, Patience, ResponseCache, identity_of

        base = self.environment.retry_base_s
        identity = identity_of(self.environment.endpoint.url, self.http.authorization)
        return Hub(
            self.http,
            offline=self.offline,
            patience=Patience(
                attempts=limits.METADATA_ATTEMPTS, backoff_s=limits.METADATA_BACKOFF_S if base is None else base
            ),
            cache=ResponseCache(self.home / "hub", identity, asks_anew=self.asks_anew),
            kept=HeaderCache(self.home / "headers", self.environment.endpoint.url),
        )

    @cached_property
    def resolver(self) -> Resolver:
        """What answers references."""
        from lmpm.resolver import Resolver

        return Resolver(self.catalog, self.hub, self.store, self.directory)

    @property
    def locator(self) -> FileLocator:
        """Where the files of variants are."""
        from lmpm.resolver import FileLocator

        return FileLocator(store=self.store, hub=self.hub, catalog=self.catalog)

    def exact_fit(self, reach: Reach) -> ExactFit:
        """The check that looks closely at a choice."""
        from lmpm.resolver import ExactFit

        return ExactFit(locator=self.locator, reach=reach, local_engine=self.engine if self.is_this_machine else None)

    # -- the bytes -------------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        """The Hugging Face cache."""
        from lmpm.store import Store

        return Store(self.store_place or self.environment.store, self.home)

    def fetcher(self, reporter: Reporter, said: tuple[str, ...] = ()) -> Fetcher:
        """What brings files into the store; remarks that were `said` before it does not repeat."""
        from lmpm.hub import Patience
        from lmpm.store import Downloader, Fetcher

        base = self.environment.retry_base_s
        downloader = Downloader(
            self.store,
            self.http,
            patience=Patience(
                backoff_s=limits.BACKOFF_BASE_S if base is None else base,
                stall_window_s=self.environment.silence_s or limits.SILENCE_S,
            ),
            reporter=reporter,
            connections=self.connections,
            rate_limit=self.rate_limit,
        )
        return Fetcher(self.store, self.catalog, downloader, reporter, self.offline, self.directory, said)

    @property
    def history(self) -> History:
        """How fast models were here when they came."""
        from lmpm.proof import History

        return History(self.home / "records")


def global_directory(environment: Environment) -> Path:
    """Where the user's own models are pinned, of no project."""
    return environment.home / "global"


def project_directory(environment: Environment) -> Path:
    """Where the manifest of the project around the current directory is, or will be made."""
    try:
        home = Path.home()
    except RuntimeError:
        home = None
    return find_project(environment.directory, home=home) or environment.directory

"""The environment, read in one place, and what is built from it when a command needs it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lmpm import limits
from lmpm.cli.output.console import Console, listen
from lmpm.errors import DiskError, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.catalog import Catalog
    from lmpm.engine import LocalEngine
    from lmpm.hub import Http, Hub
    from lmpm.machine import Chips
    from lmpm.project import KnownProjects
    from lmpm.reporter import Reporter
    from lmpm.resolver import ExactFit, FileLocator, Reach, Resolver
    from lmpm.run_config import Repacking
    from lmpm.store import Downloader, Store
    from lmpm.types import Endpoint, Machine

STORE_KEY = "lmpm.store"  # where `--store` is kept in click's context
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")  # requests, curl, OpenSSL
TRUE = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the environment says."""

    home: Path  # lmpm's own notes
    store: Path  # the Hugging Face cache
    endpoint: Endpoint
    offline: bool
    hardware: str | None
    retry_base_s: float | None
    silence_s: float | None  # after which a server counts as gone
    directory: Path
    bundle: tuple[str, str] | None  # certificates to believe, and the variable that names them
    ollama: str | None  # where Ollama keeps its models, if it was told

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Environment:
        """Read the variables. Raises DiskError without any place to write to."""
        return cls(
            home=_home(environment),
            store=_store(environment),
            endpoint=_endpoint(environment),
            offline=any(environment.get(name, "").lower() in TRUE for name in ("LMPM_OFFLINE", "HF_HUB_OFFLINE")),
            hardware=environment.get("LMPM_HARDWARE") or None,
            retry_base_s=_seconds(environment, "LMPM_RETRY_BASE"),
            silence_s=_seconds(environment, "HF_HUB_DOWNLOAD_TIMEOUT", least=1.0),
            directory=_directory(),
            bundle=_bundle(environment),
            ollama=environment.get("OLLAMA_MODELS") or None,
        )


def _endpoint(environment: Mapping[str, str]) -> Endpoint:
    """The Hub's URL. What is wrong with it is said without quoting it: it may hold a password."""
    from lmpm.types import Endpoint

    try:
        return Endpoint.parse(environment.get("HF_ENDPOINT") or "https://huggingface.co")
    except ValueError as error:
        raise SpecError("HF_ENDPOINT is not a URL like `https://huggingface.co`") from error


def _bundle(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The certificates to believe, and the variable that names them: the first one that does counts."""
    return next(((place, name) for name in CERTIFICATES if (place := environment.get(name))), None)


def _directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise DiskError("The current directory is gone or cannot be read", hint="Change to another one") from error


def _home(environment: Mapping[str, str]) -> Path:
    if place := environment.get("LMPM_HOME"):
        return Path(place).expanduser()
    _require_home()
    import platformdirs

    return Path(platformdirs.user_state_dir("lmpm", appauthor=False))


def _store(environment: Mapping[str, str]) -> Path:
    """The cache, by the rule of huggingface_hub, without importing it."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if place := environment.get(name):
            return Path(place).expanduser()
    if place := environment.get("HF_HOME"):
        return Path(place).expanduser() / "hub"
    if place := environment.get("XDG_CACHE_HOME"):
        return Path(place).expanduser() / "huggingface" / "hub"
    return _require_home() / ".cache" / "huggingface" / "hub"


def _require_home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise DiskError(
            "This user has no home directory to keep models in",
            hint="Set HF_HOME and LMPM_HOME to directories that may be written to",
        ) from None


def _seconds(environment: Mapping[str, str], name: str, *, least: float = 0.0) -> float | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise SpecError(f"{name} is `{text}`, expected seconds")
    return max(least, found)


class App:
    """What a command works with; each part is built when it is first asked for."""

    def __init__(
        self,
        console: Console,
        *,
        offline: bool = False,
        hardware: str | None = None,
        is_global: bool = False,
        asks_anew: bool = False,
    ) -> None:
        self.is_global = is_global
        self.asks_anew = asks_anew  # what has changed on the Hub matters: kept answers will not do
        self.console = console
        self._noted: set[str] = set()
        self.settings = Environment.read(os.environ)
        context = click.get_current_context(silent=True)
        if context and console.verbose and not console.quiet:
            context.call_on_close(listen())
        if context and (place := context.meta.get(STORE_KEY)):
            self.settings = replace(self.settings, store=place)
        console.detail(f"store {self.settings.store}, notes {self.settings.home}")
        self.offline = offline or self.settings.offline
        if hardware is not None and not hardware.strip():
            raise SpecError('`--hardware` is empty, expected a machine such as "M2, 16GB"')
        self._hardware = hardware or self.settings.hardware
        self.connections = limits.CONNECTIONS
        self.rate_limit: int | None = None  # bytes a second

    def note_once(self, text: str) -> None:
        """A remark that is made once, however often a command comes upon its cause."""
        if text not in self._noted:
            self._noted.add(text)
            self.console.note(text)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog that came with lmpm."""
        from lmpm import catalog
        from lmpm.catalog import directory

        return catalog.load(directory(), copies=self._copies, note=self.console.note)

    @cached_property
    def chips(self) -> Chips:
        """The table of chips."""
        from lmpm.catalog import directory
        from lmpm.machine import load_chips

        return load_chips(directory(), copies=self._copies)

    @property
    def _copies(self) -> Path:
        """Where compiled copies of the catalog's files are kept."""
        return self.settings.home / "catalog"

    @cached_property
    def machine(self) -> Machine:
        """The machine to choose for: the one described, else this one as far as its engine can use it."""
        if self._hardware:
            from lmpm.machine import parse_spec

            return parse_spec(self._hardware, self.chips)
        return self.bench.machine

    @cached_property
    def bench(self) -> LocalEngine:
        """The computer here and its engine, on which models are run whatever machine is chosen for."""
        from lmpm.engine import LocalEngine
        from lmpm.machine import detect

        return LocalEngine(detect(self.chips), self.settings.home)

    @property
    def repack(self) -> Repacking:
        """Which weights the CPU of the machine keeps in another order: here the engine tells."""
        from lmpm.engine import usual_repacking

        return self.bench.repack if self.is_this_machine else usual_repacking(self.machine)

    def appraiser(self, reach: Reach) -> ExactFit:
        """What looks closely at a choice."""
        from lmpm.resolver import ExactFit

        return ExactFit(locator=self.locator, reach=reach, bench=self.bench if self.is_this_machine else None)

    @property
    def locator(self) -> FileLocator:
        """Where the files of variants are."""
        from lmpm.resolver import FileLocator

        return FileLocator(store=self.store, hub=self.hub, catalog=self.catalog)

    @property
    def is_this_machine(self) -> bool:
        """False when another machine was described."""
        return self._hardware is None

    @cached_property
    def store(self) -> Store:
        """The Hugging Face cache."""
        from lmpm.store import Store

        return Store(self.settings.store, self.settings.home)

    @cached_property
    def known_projects(self) -> KnownProjects:
        """The projects whose locks this user has used."""
        from lmpm.project import KnownProjects

        return KnownProjects(self.settings.home / "projects")

    @cached_property
    def http(self) -> Http:
        """The client of the Hub; the token is read by huggingface_hub's rule."""
        from lmpm import __version__
        from lmpm.hub import Bundle, Http

        token = None
        if not self.offline:
            # lmpm sends no telemetry, and neither do the libraries that it calls
            os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
            import huggingface_hub

            from lmpm.fs import disk_errors

            with disk_errors(self.settings.store):
                token = huggingface_hub.get_token()
        return Http(
            self.settings.endpoint.url,
            token=token,
            login=self.settings.endpoint.login,
            user_agent=f"lmpm/{__version__}",
            silence_s=self.settings.silence_s or limits.SILENCE_S,
            bundle=Bundle(*self.settings.bundle) if self.settings.bundle else None,
        )

    @cached_property
    def hub(self) -> Hub:
        """The Hub's metadata."""
        from lmpm.hub import HeaderCache, Hub, Patience, ResponseCache, identity_of

        base = self.settings.retry_base_s
        return Hub(
            self.http,
            offline=self.offline,
            patience=Patience(
                attempts=limits.METADATA_ATTEMPTS, backoff_s=limits.METADATA_BACKOFF_S if base is None else base
            ),
            cache=ResponseCache(
                self.settings.home / "hub",
                identity_of(self.settings.endpoint.url, self.http.authorization),
                asks_anew=self.asks_anew,
            ),
            kept=HeaderCache(self.settings.home / "headers", self.settings.endpoint.url),
        )

    @cached_property
    def resolver(self) -> Resolver:
        """What answers references."""
        from lmpm.resolver import Resolver

        return Resolver(self.catalog, self.hub, self.store, self.project_directory)

    @cached_property
    def project_directory(self) -> Path:
        """Where paths of local files start: the project's directory, with `--global` the user's own."""
        from lmpm.cli import workspace

        return workspace.directory(self, is_global=self.is_global)

    @cached_property
    def reporter(self) -> Reporter:
        """Progress for this terminal, or plain lines."""
        from lmpm.cli.output.progress import reporter_for

        return reporter_for(self.console)

    @cached_property
    def downloader(self) -> Downloader:
        """What fetches files into the store."""
        from lmpm.hub import Patience
        from lmpm.store import Downloader

        base = self.settings.retry_base_s
        patience = Patience(
            backoff_s=limits.BACKOFF_BASE_S if base is None else base,
            stall_window_s=self.settings.silence_s or limits.SILENCE_S,
        )
        return Downloader(
            self.store,
            self.http,
            patience=patience,
            reporter=self.reporter,
            connections=self.connections,
            rate_limit=self.rate_limit,
        )


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command has."""
    for option in (
        click.option(
            "--store",
            metavar="DIR",
            expose_value=False,
            callback=_keep_store,
            help="Keep files here instead of in the Hugging Face cache.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Say more."),
        click.option("-q", "--quiet", is_flag=True, help="Print only data and errors."),
    ):
        function = option(function)
    return function


def _keep_store(context: click.Context, _parameter: click.Parameter, place: str | None) -> None:
    if place is not None:
        if not place:
            raise SpecError("`--store` is empty, expected a directory")
        context.meta[STORE_KEY] = Path(place).expanduser().absolute()


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
offline_option = click.option("--offline", is_flag=True, help="Use no network.")
hardware_option = click.option(
    "--hardware", metavar="SPEC", help='Choose for another machine, such as "M2, 16GB" or "RTX 4090".'
)

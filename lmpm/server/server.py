"""The front as a server: listening, taking up a changed lock, and stopping without cutting anybody off."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from aiohttp import web

from lmpm.errors import LmpmError, SpecError
from lmpm.server.allowance import Allowance
from lmpm.server.front import Front
from lmpm.server.guard import LOCAL_NAMES, Guard
from lmpm.server.metrics import Metrics
from lmpm.server.pool import Pool
from lmpm.server.router import Router
from lmpm.server.served import Note, new_note

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from lmpm.cloud import Provider, Route
    from lmpm.server.deployment import Deployment

T = TypeVar("T")

DEFAULT_PORT: Final = 8420
DRAIN_S: Final = 20.0  # for answers to end that are on their way
LOOK_S: Final = 1.0  # between two looks at the lock
HEADER_BYTES: Final = 16 * 1024  # of one line of a request's head
MOST_HEADERS: Final = 100
STOPPING: Final = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]
IDLE_S: Final = 75.0  # for the whole head of a request to come; longer than nginx keeps an idle connection

log = logging.getLogger("lmpm.server")
silent = logging.getLogger("lmpm.server.http")  # aiohttp quotes what it cannot parse, which may be somebody's key
silent.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is served: models, routes and providers, with the keys of these by name.

    `spare` are models that answer only as bridges, by (model, what the manifest calls it there). `lock` is the sha256
    of the lock that says so, empty: there is none.
    """

    deployments: Sequence[Deployment]
    routes: Mapping[str, Route] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    keys: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    spare: Mapping[tuple[str, str], str] = field(default_factory=dict)
    lock: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How it is served. `budget` is what models in memory may take together, in bytes; `idle_s` None: they stay."""

    budget: int
    notes: Path  # where lmpm keeps its own
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    key: str | None = field(default=None, repr=False)
    key_variable: str | None = None  # where the clients of this user find the key
    idle_s: float | None = None
    drain_s: float = DRAIN_S
    brings: bool = True  # what is missing is downloaded

    def __post_init__(self) -> None:
        if self.host not in LOCAL_NAMES and not self.key:
            raise SpecError(
                f"`--host {self.host}` lets other machines ask, which needs a key",
                hint="Name the variable that holds it: `--api-key-env SERVE_KEY`",
            )


class Server:
    """A front that listens. `reload` gives the site anew once the lock has changed, None while it is the same."""

    def __init__(self, site: Site, settings: Settings, *, reload: Callable[[], Site | None] | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.pool = Pool(site.deployments, budget=settings.budget, idle_s=settings.idle_s)
        self.router = Router(
            self.pool, site.routes, site.providers, site.keys,
            metrics=self.metrics, allowance=Allowance(settings.notes / "routes.json"), spare=site.spare,
        )  # fmt: skip
        self.front = Front(self.pool, self.router, Guard(settings.key), self.metrics)
        self.port = settings.port
        self._lock = site.lock
        self._note: Note | None = None
        self._reload = reload
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Where it is reached, without a path."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self.settings.host, self.settings.host)  # noqa: S104
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises SpecError for a port or host that cannot be had."""
        self._runner = web.AppRunner(
            self.front.application(), handler_cancellation=True, access_log=None, max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES, max_headers=MOST_HEADERS, keepalive_timeout=IDLE_S, shutdown_timeout=1.0,
            logger=silent, auto_decompress=False,
        )  # fmt: skip
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.host, self.settings.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise _cannot_listen(error, self.settings) from error
        self.port = self._runner.addresses[0][1]
        self._leave_note()
        if self.settings.brings:
            self.pool.bring_missing()
        self._tasks = [asyncio.create_task(self.pool.unload_idle()), asyncio.create_task(self._watch())]

    async def stop(self) -> None:
        """Take no more requests, let those that run come to their end, then end every process."""
        self.front.is_draining = True
        if self._note is not None:
            self._note.remove(self.settings.notes)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_s):
                while self.front.active:
                    await self.pool.changed()
        for task in self._tasks:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.pool.close()

    def _leave_note(self) -> None:
        """Let `lmpm run` find it; where that cannot be written it is not found."""
        if self._lock:
            note = new_note(self.url, self._lock, self.settings.key_variable)
            with contextlib.suppress(LmpmError, OSError):
                note.write(self.settings.notes)
            self._note, self.front.secret = note, note.secret

    async def _watch(self) -> None:
        """Take up a lock that has changed; one that is broken leaves everything as it is."""
        while self._reload is not None:
            await asyncio.sleep(LOOK_S)
            try:
                site = await asyncio.to_thread(self._reload)
            except LmpmError as error:
                log.warning("lmpm.lock has changed and is not taken up: %s", error.message)
                continue
            if site is not None:
                changed = self.pool.replace(site.deployments)
                self.router.replace(site.routes, site.providers, site.keys, site.spare)
                self._lock = site.lock
                self._leave_note()
                log.warning("lmpm.lock has changed: %s", ", ".join(changed) or "no model is another")
                if self.settings.brings:
                    self.pool.bring_missing()


def _cannot_listen(error: OSError, settings: Settings) -> SpecError:
    if error.errno == errno.EADDRINUSE:
        return SpecError(
            f"Port {settings.port} is in use",
            hint="Perhaps another `lmpm serve` runs: take another port with `--port N`, any free one with `--port 0`",
        )
    is_name = isinstance(error, socket.gaierror)  # whose numbers are not those of errno
    why = os.strerror(error.errno) if error.errno and not is_name else error.strerror or str(error)
    return SpecError(f"Cannot listen at {settings.host} port {settings.port}: {why.lower()}", hint="`--host`, `--port`")


def run(server: Server, announce: Callable[[Server], None], note: Callable[[str], None]) -> None:
    """Serve until a signal; the first one lets answers end, the second one ends at once. Raises what `start` does."""
    asyncio.run(_until_signal(server, announce, note))


async def _until_signal(server: Server, announce: Callable[[Server], None], note: Callable[[str], None]) -> None:
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            os._exit(130)  # children see their stdin close, and end
        asked.set()
        if server.front.active:
            note(f"waiting up to {server.settings.drain_s:.0f} s for running answers; once more ends at once")

    for number in STOPPING:
        if signal.getsignal(number) is signal.SIG_IGN:
            continue  # as `nohup` wants it
        if os.name == "posix":
            loop.add_signal_handler(number, stop)
        else:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
    await server.start()
    try:
        announce(server)
        await asked.wait()
    finally:
        await server.stop()


class Background:
    """A server in a thread of its own, for a program that goes on meanwhile."""

    def __init__(self, make: Callable[[], Server]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lmpm-server", daemon=True)
        self._thread.start()
        try:
            self._server = self._call(self._started(make))
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""
        return f"{self._server.url}/v1"

    @property
    def server(self) -> Server:
        """The server itself."""
        return self._server

    def close(self) -> None:
        """Let running answers end, then end it."""
        if self._thread.is_alive():
            try:
                self._call(self._server.stop())
            finally:
                self._end()

    @staticmethod
    async def _started(make: Callable[[], Server]) -> Server:
        server = make()
        await server.start()
        return server

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

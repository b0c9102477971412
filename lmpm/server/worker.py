"""One model of the front: brought, loaded on the first request, restarted after a crash, unloaded when nobody asks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

from lmpm.errors import LmpmError
from lmpm.server.problem import ApiError
from lmpm.server.upstream import connect, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from lmpm.server.deployment import Deployment, Running

T = TypeVar("T")
State = Literal["missing", "downloading", "unloaded", "loading", "ready", "failed"]

QUEUE_PER_SLOT: Final = 16  # requests that wait for each one that is answered
EXIT_NOTICE_S: Final = 1.0  # a connection breaks a moment before the process is seen to be gone
SILENCE_S: Final = 600.0  # of a worker: reading a long prompt may take minutes, and pings come of streams alone
BACKOFF_S, MOST_BACKOFF_S = 1.0, 60.0
USUAL_ANSWER_S: Final = 5.0

log = logging.getLogger("lmpm.server")


class Loaded:
    """A running model and the connections to it."""

    def __init__(self, running: Running, properties: Mapping[str, Any]) -> None:
        self.running, self.properties = running, properties
        self.session, self.base = connect(running.url, silence_s=SILENCE_S)
        self.headers = {"Authorization": f"Bearer {running.key}", "Content-Type": "application/json"}

    async def close(self) -> None:
        """End the connections, then the process."""
        await self.session.close()
        await asyncio.to_thread(self.running.close)


def in_thread(work: Callable[[], T], unwanted: Callable[[T], object] = lambda _: None) -> asyncio.Future[T]:
    """What blocks for minutes, in a thread of its own, which no exit waits for.

    A result that nobody waits for any more goes to `unwanted`.
    """
    found: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - for who waits
            if found.set_running_or_notify_cancel():
                found.set_exception(error)
            return
        if found.set_running_or_notify_cancel():
            found.set_result(result)
        else:
            unwanted(result)

    threading.Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(found)


class Memory(Protocol):
    """Who knows of all models that are in memory."""

    def room_for(self, worker: Worker, /) -> contextlib.AbstractAsyncContextManager[None]:
        """Memory for a model, while it is loaded."""

    def look_again(self) -> None:
        """Wake those who wait for something to change."""

    async def changed(self) -> None:
        """Wait until something has, or a second is over."""


class Worker:
    """A model and, while it is loaded, its process. All of its methods belong to the event loop."""

    def __init__(self, deployment: Deployment, memory: Memory) -> None:
        self.deployment, self._memory = deployment, memory
        self.loaded: Loaded | None = None
        self.problem = ""  # why it failed last
        self.brought: tuple[int, int] | None = None  # bytes that have arrived of all, while it is downloaded
        self.is_here = deployment.is_here()
        self.active = 0  # requests that use it, or wait for it to load
        self.waiting = 0
        self.starts = 0
        self.used_at = time.monotonic()
        self._slots = asyncio.Semaphore(deployment.slots)
        self._open = asyncio.Event()  # closed while its memory is to be given to another model
        self._open.set()
        self._starting: asyncio.Task[Loaded] | None = None
        self._bringing: asyncio.Task[None] | None = None
        self._is_closed = False
        self._endings: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._not_before = 0.0
        self._answer_s = USUAL_ANSWER_S

    @property
    def name(self) -> str:
        """What requests call it."""
        return self.deployment.name

    @property
    def state(self) -> State:
        """What it is doing."""
        if self.loaded is not None and self.loaded.running.is_alive():
            return "ready"
        if self._starting is not None:
            return "loading"
        if not self.is_here:
            return "downloading" if self.brought else "failed" if self.problem else "missing"
        return "failed" if self.problem and time.monotonic() < self._not_before else "unloaded"

    # -- use ---------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def use(self, *, generates: bool) -> AsyncIterator[None]:
        """A place among its slots. Raises ApiError, a 429, where too many wait already."""
        if generates and self._slots.locked() and self.waiting >= self.deployment.slots * QUEUE_PER_SLOT:
            wait = self._answer_s * self.waiting / self.deployment.slots
            raise ApiError(
                429, f"`{self.name}` has {self.waiting} requests waiting", code="queue_full", type="requests",
                retry_after_s=min(max(wait, 1.0), 60.0), falls_over=True,
            )  # fmt: skip
        self.waiting += 1
        try:
            await self._open.wait()
            if generates:
                await self._slots.acquire()
        finally:
            self.waiting -= 1
        self.active += 1
        began = time.monotonic()
        try:
            yield
        finally:
            self.active -= 1
            self.used_at = time.monotonic()
            if generates:
                self._answer_s += 0.2 * (self.used_at - began - self._answer_s)
                self._slots.release()
            self._memory.look_again()

    async def ready(self, patience_s: float | None = None) -> Loaded:
        """The loaded model; however many ask, it is started once. Raises ApiError after `patience_s` seconds."""
        if self._is_closed:
            raise ApiError(503, f"`{self.name}` is no longer served", code="model_replaced", falls_over=True)
        if self.loaded is not None and self.loaded.running.is_alive():
            return self.loaded
        if not self.is_here:
            raise self._not_here()
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._started)
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.shield(self._starting)
        except TimeoutError:
            raise ApiError(
                503, f"`{self.name}` is still loading", code="model_loading", retry_after_s=2, falls_over=True
            ) from None

    def succeeded(self) -> None:
        """An answer came: what went wrong before is over."""
        self._failures, self.problem = 0, ""

    async def lost(self, loaded: Loaded, *, is_silent: bool) -> None:
        """Its connection broke: see whether the process is gone, for which the next request starts another."""
        if not is_silent and not await wait_for(lambda: not loaded.running.is_alive(), EXIT_NOTICE_S):
            return
        if self.loaded is loaded:
            await self._bury("it fell silent" if is_silent else "its process ended")

    # -- life --------------------------------------------------------------------------------------

    async def _start(self) -> Loaded:
        if self.loaded is not None:
            await self._bury("its process ended")
        if (wait := self._not_before - time.monotonic()) > 0:
            raise ApiError(
                503, f"`{self.name}` failed: {self.problem}", code="model_failed", retry_after_s=wait, falls_over=True
            )
        async with self._memory.room_for(self):
            self.starts += 1
            log.info("loading %s", self.name)
            try:
                running, properties = await in_thread(self._opened, lambda found: found[0].close())
            except LmpmError as error:
                self._failed(error.message)
                self.is_here = await asyncio.to_thread(self.deployment.is_here)
                raise ApiError(
                    503, f"`{self.name}` cannot be loaded: {error.message}", code="model_failed",
                    retry_after_s=max(1.0, self._not_before - time.monotonic()), falls_over=True,
                ) from error  # fmt: skip
            self.loaded = Loaded(running, properties)
        self.used_at = time.monotonic()
        return self.loaded

    def _opened(self) -> tuple[Running, Mapping[str, Any]]:
        """The model loaded, and what it says of itself. Blocks."""
        running = self.deployment.open()
        try:
            return running, running.properties()
        except BaseException:
            running.close()
            raise

    def _started(self, task: asyncio.Task[Loaded]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # who asked has it

    async def _bury(self, why: str) -> None:
        if self.loaded is not None:
            log.warning("%s was lost: %s", self.name, why)
            self._failed(why, grace=1)
            await self._end()

    def _failed(self, why: str, *, grace: int = 0) -> None:
        """Note a failure; after the first ones (`grace`) it is tried again only after a while, longer each time."""
        self.problem = why
        wait = BACKOFF_S * 2.0 ** min(self._failures - grace, 10) if self._failures >= grace else 0.0
        self._failures += 1
        self._not_before = time.monotonic() + min(wait, MOST_BACKOFF_S)

    async def unload(self) -> None:
        """Give its memory back once its requests are answered; those that come meanwhile wait, and load it again."""
        self._open.clear()
        try:
            while self.active and self.loaded is not None and self.loaded.running.is_alive():
                await self._memory.changed()
            if self.loaded is not None:
                log.info("unloading %s", self.name)
                await self._end()
        finally:
            self._open.set()
            self._memory.look_again()

    async def _end(self) -> None:
        """End its process. That goes on where who asked for it is cancelled; `close` waits for it."""
        loaded, self.loaded = self.loaded, None
        if loaded is not None:
            ending = asyncio.create_task(loaded.close())
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.shield(ending)

    async def close(self) -> None:
        """End it for good, also while it is brought or loaded."""
        self._is_closed = True
        for task in (self._bringing, self._starting):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self._end()
        if self._endings:
            await asyncio.wait(self._endings)

    # -- bringing ----------------------------------------------------------------------------------

    def bring(self) -> None:
        """Download its files in the background, if they are missing."""
        if not self.is_here and self._bringing is None and time.monotonic() >= self._not_before:
            self.problem = ""
            self.brought = (0, 1)
            self._bringing = asyncio.create_task(self._bring())

    async def _bring(self) -> None:
        loop = asyncio.get_running_loop()

        def progress(done: int, size: int) -> None:
            if self._is_closed:
                raise LmpmError(f"`{self.name}` is no longer served")  # what has arrived is kept
            loop.call_soon_threadsafe(setattr, self, "brought", (done, max(size, 1)))

        try:
            await in_thread(partial(self.deployment.bring, progress))
            self.is_here = await asyncio.to_thread(self.deployment.is_here)
        except LmpmError as error:
            log.warning("%s cannot be downloaded: %s", self.name, error.message)
            self._failed(error.message)
            self._not_before = max(self._not_before, time.monotonic() + 10.0)
        finally:
            self.brought, self._bringing = None, None

    def _not_here(self) -> ApiError:
        self.bring()
        if self.brought:
            done, size = self.brought
            how = f"is being downloaded, {100 * done // size} %"
            return ApiError(503, f"`{self.name}` {how}", code="model_downloading", retry_after_s=5, falls_over=True)
        why = f"cannot be downloaded: {self.problem}" if self.problem else "is not on this machine"
        return ApiError(503, f"`{self.name}` {why}", code="model_missing", retry_after_s=30, falls_over=True)

"""The models that are served, and which of them are in memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from lmpm.server.problem import ApiError
from lmpm.server.worker import Worker
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable

    from lmpm.server.deployment import Deployment

LOOK_S: Final = 1.0  # between two looks at who is idle


class Pool:
    """Workers by name. `budget` is what all that are loaded may take together, in bytes; `idle_s` None: they stay."""

    def __init__(self, deployments: Iterable[Deployment], *, budget: int, idle_s: float | None) -> None:
        self.budget, self.idle_s = budget, idle_s
        self.workers = {item.name: Worker(item, self) for item in deployments}
        self._retired: list[Worker] = []
        self._room = asyncio.Lock()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def served(self) -> dict[str, Worker]:
        """The workers that requests may name."""
        return {name: worker for name, worker in self.workers.items() if not worker.deployment.is_spare}

    def find(self, name: str) -> Worker | None:
        """The worker of a name, or of a task where one model alone does it."""
        served = self.served
        if name in served:
            return served[name]
        found = [worker for worker in served.values() if worker.deployment.task == name]
        return found[0] if len(found) == 1 else None

    @property
    def taken(self) -> int:
        """Bytes of what is loaded."""
        return sum(worker.deployment.need for worker in self._holding())

    def _holding(self) -> list[Worker]:
        return [worker for worker in (*self.workers.values(), *self._retired) if worker.loaded is not None]

    @contextlib.asynccontextmanager
    async def room_for(self, worker: Worker) -> AsyncIterator[None]:
        """Memory for a model, one at a time: those used longest ago make room. Raises ApiError where none is enough."""
        need = worker.deployment.need
        if need > self.budget:
            raise ApiError(
                503, f"`{worker.name}` needs {human(need)}, the models here may take {human(self.budget)}",
                code="out_of_memory", falls_over=True,
            )  # fmt: skip
        async with self._room:
            while True:
                others = [other for other in self._holding() if other is not worker]
                if sum(other.deployment.need for other in others) + need <= self.budget:
                    break
                await min(others, key=lambda other: (other.active > 0, other.used_at)).unload()
            yield

    def look_again(self) -> None:
        """Wake those who wait for something to change."""
        self._changed.set()

    async def changed(self) -> None:
        """Wait until a request has been answered."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._changed.wait()

    async def unload_idle(self) -> None:
        """Unload what nobody has asked for a while, for as long as this pool lives."""
        while True:
            await asyncio.sleep(LOOK_S if self.idle_s is None else min(LOOK_S, max(self.idle_s / 4, 0.05)))
            if self.idle_s is not None:
                oldest = time.monotonic() - self.idle_s
                for worker in list(self.workers.values()):
                    if worker.loaded is not None and not worker.active and worker.used_at < oldest:
                        await worker.unload()

    def replace(self, deployments: Iterable[Deployment]) -> list[str]:
        """Take up other models, and return the names of what changed; running answers of the old ones are finished."""
        old, self.workers = self.workers, {}
        changed = []
        for item in deployments:
            kept = old.get(item.name)
            if kept is not None and kept.deployment.identity == item.identity:
                self.workers[item.name] = old.pop(item.name)
            else:
                self.workers[item.name] = Worker(item, self)
                changed.append(item.name)
        for worker in old.values():
            self._retired.append(worker)
            self._run(self._retire(worker))
        return sorted({*changed, *(name for name in old if name not in self.workers)})

    async def _retire(self, worker: Worker) -> None:
        while worker.active:
            await self.changed()
        await worker.close()
        self._retired.remove(worker)

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def bring_missing(self) -> None:
        """Download in the background what is not here, one model after the other as the store lets them."""
        for worker in self.workers.values():
            worker.bring()

    async def close(self) -> None:
        """End every process."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(
            *(worker.close() for worker in (*self.workers.values(), *self._retired)), return_exceptions=True
        )

"""Which target answers a request: the first of its route that can, within what privacy permits.

A request moves on only before its answer has begun, and only for what another target may do better: a broken
connection, silence, 408, 429 and 5xx, loading that takes too long, a context that is too small.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lmpm.cloud import CLOUD, PRIVACIES, SMALLER, STARTER, Route, tightest
from lmpm.server import cloud_target, local_target
from lmpm.server.problem import ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.cloud import Privacy, Provider
    from lmpm.server.allowance import Allowance
    from lmpm.server.metrics import Metrics
    from lmpm.server.pool import Pool
    from lmpm.server.reply import Reply
    from lmpm.server.wire import Wire
    from lmpm.server.worker import Worker

COOL_DOWN_S: Final = 30.0
LONGEST_COOL_DOWN_S: Final = 3600.0
BRIDGE_PATIENCE_S: Final = 2.0  # for a model that is loading, where another may answer meanwhile
COMING: Final = frozenset({"model_downloading", "model_missing", "model_loading"})
NO_FAULT: Final = COMING | {
    "context_length_exceeded", "queue_full", "daily_limit", "provider_key_missing", "model_replaced",
}  # fmt: skip

log = logging.getLogger("lmpm.server")


@dataclass(frozen=True, slots=True)
class Target:
    """One that may answer: a worker or a provider. `label` is what headers and metrics call it."""

    label: str
    worker: Worker | None = None
    provider: Provider | None = None
    is_bridge: bool = False

    @property
    def key(self) -> str:
        """What tells it from any other."""
        return self.worker.name if self.worker else self.label


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply and who gave it, and why that one."""

    reply: Reply
    model: str
    target: str
    reason: str


class Router:
    """The routes of a front. A model is a route of its own, which never leaves this machine.

    `keys` are those of providers, by the name of the provider. `spare` are models that answer only as bridges, by
    (model, what the manifest calls it there).
    """

    def __init__(
        self,
        pool: Pool,
        routes: Mapping[str, Route],
        providers: Mapping[str, Provider],
        keys: Mapping[str, str | None],
        *,
        metrics: Metrics,
        allowance: Allowance,
        spare: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self.pool, self.routes, self.providers = pool, routes, providers
        self._keys, self._metrics, self._allowance = keys, metrics, allowance
        self._spare = spare or {}
        self._cooling: dict[str, tuple[float, bool]] = {}  # until when, and whether it asked for that itself

    def replace(
        self, routes: Mapping[str, Route], providers: Mapping[str, Provider], keys: Mapping[str, str | None],
        spare: Mapping[tuple[str, str], str],
    ) -> None:  # fmt: skip
        """Take up a changed lock."""
        self.routes, self.providers, self._keys, self._spare = routes, providers, keys, spare

    def bridge_of(self, model: str) -> str | None:
        """What answers for a model that is being brought; None where nothing does."""
        own = self._spare.get((model, STARTER))
        return STARTER if own is not None else None

    def find(self, name: object) -> Route:
        """The route that a request names; without a name the only one there is. Raises ApiError, a 404 or a 400."""
        if name is None:
            names = [*self.pool.served, *self.routes]
            if len(names) != 1:
                raise invalid(f"Missing required parameter: `model`, one of {', '.join(names)}", "model")
            name = names[0]
        if not isinstance(name, str):
            raise invalid("`model` must be a string", "model", "invalid_type")
        if name in self.routes:
            return self.routes[name]
        worker = self.pool.find(name)
        if worker is None:
            raise ApiError(404, f"The model `{name[:200]}` does not exist here", code="model_not_found", param="model")
        bridge = (STARTER,) if (worker.name, STARTER) in self._spare else ()
        return Route(name=worker.name, targets=(worker.name,), bridge=bridge)

    @staticmethod
    def privacy_of(route: Route, asked: str | None) -> Privacy:
        """What holds for a request, which may tighten what its route says and never loosen it. Raises ApiError."""
        if asked is None:
            return route.privacy
        word = next((word for word in PRIVACIES if word == asked.strip()), None)
        if word is None:
            raise invalid(f"x-lmpm-privacy must be one of {', '.join(PRIVACIES)}", "x-lmpm-privacy")
        return tightest(route.privacy, word)

    def plan(self, route: Route, privacy: Privacy, wire: Wire) -> tuple[list[Target], list[Target]]:
        """The targets in order, and the bridges; nothing that privacy forbids or the endpoint does not have."""
        targets = self._targets(route, route.targets, privacy, wire)
        if privacy == "local-first":
            targets.sort(key=lambda target: target.provider is not None)
        bridges = self._targets(route, route.bridge, privacy, wire)
        return targets, [replace(bridge, is_bridge=True) for bridge in bridges]

    def _targets(self, route: Route, names: Sequence[str], privacy: Privacy, wire: Wire) -> list[Target]:
        found = []
        for name in names:
            if name.startswith(CLOUD):
                provider = self.providers.get(name.removeprefix(CLOUD))
                # vectors of two models have nothing in common: one never stands in for the other
                mixes = wire.path == "/v1/embeddings" and not all(other.startswith(CLOUD) for other in route.targets)
                if provider is not None and privacy != "local-only" and wire.has_cloud and not mixes:
                    found.append(Target(name, provider=provider))
                continue
            own = self._spare.get((route.targets[0], name)) if name in (STARTER, SMALLER) else None
            worker = self.pool.workers.get(own or name)
            if worker is not None:
                found.append(Target(name if own else "local", worker=worker))
        return found

    async def answer(self, route: Route, wire: Wire, body: Mapping[str, Any], privacy: Privacy) -> Answered:
        """The first reply. Raises the ApiError of the last target that was tried, where none answers."""
        targets, bridges = self.plan(route, privacy, wire)
        if not targets and not bridges:
            raise ApiError(
                503, f"No target of `{route.name}` may answer this request: privacy is {privacy}", code="no_target"
            )
        waiting = [target for target in targets if not self._is_cooling(target)] or targets[:1]
        queue = [*waiting]
        passed: list[str] = []
        failed: ApiError | None = None
        while queue:
            target = queue.pop(0)
            try:
                reply = await self._ask(target, route, wire, body, alternatives=bool(queue or bridges))
            except ApiError as error:
                if not error.falls_over:
                    raise
                failed = error if failed is None or failed.code not in COMING else failed
                self._note_failure(target, error)
                passed.append(f"{target.label}:{error.code}")
                labels = {"route": route.name, "target": target.label, "reason": str(error.code)}
                self._metrics.add("lmpm_failovers_total", 1, labels)
                if error.code in COMING and bridges:
                    queue, bridges = [*(item for item in bridges if not self._is_cooling(item)), *queue], []
                continue
            model = target.worker.name if target.worker else target.provider.model if target.provider else ""
            label = f"bridge:{target.label}" if target.is_bridge else target.label
            return Answered(reply, model, label, ",".join(passed) or "first")
        raise failed or ApiError(503, f"No target of `{route.name}` can answer now", code="no_target")

    async def _ask(
        self, target: Target, route: Route, wire: Wire, body: Mapping[str, Any], *, alternatives: bool
    ) -> Reply:
        """The reply of one target; where others may answer it has only so long to begin."""
        limit = route.first_token_timeout if alternatives else None
        bridged = route.bridge and route.name in self.routes  # the starter does not hurry before a model that loads
        patience = BRIDGE_PATIENCE_S if alternatives and bridged and not target.is_bridge else None
        try:
            async with asyncio.timeout(limit):
                if target.worker is not None:
                    worker = self.pool.workers.get(target.worker.name, target.worker)  # the lock may have changed
                    return await local_target.answer(worker, wire, body, patience, is_last=not alternatives)
                return await self._ask_provider(target, route, wire, body)
        except TimeoutError:
            said = f"`{target.label}` said nothing within {limit:g} s"
            if target.worker is not None and target.worker.state == "loading":  # which is no fault of it
                said = f"`{target.label}` was still loading after {limit:g} s"
                raise ApiError(503, said, code="model_loading", retry_after_s=2, falls_over=True) from None
            raise ApiError(504, said, code="first_token_timeout", falls_over=True) from None

    async def _ask_provider(self, target: Target, route: Route, wire: Wire, body: Mapping[str, Any]) -> Reply:
        assert target.provider is not None  # noqa: S101
        until, asked_to_wait = self._cooling.get(target.key, (0.0, False))
        if asked_to_wait and (wait := until - time.monotonic()) > 0:
            raise ApiError(
                429, f"`{target.label}` asked to wait", code="provider_failed", retry_after_s=wait, falls_over=True
            )
        key = self._keys.get(target.provider.name)
        if key is not None:
            if not await self._allowance.take(route.name, route.max_requests_per_day):
                raise ApiError(
                    429, f"`{route.name}` has sent its {route.max_requests_per_day} requests of today to providers",
                    code="daily_limit", retry_after_s=3600, falls_over=True,
                )  # fmt: skip
            labels = {"route": route.name, "provider": target.provider.name}
            self._metrics.add("lmpm_cloud_requests_total", 1, labels)
        first = self.pool.workers.get(route.targets[0])
        asked = first.deployment.adapt(wire.path, dict(body), plain=False) if first else dict(body)
        if "lmpm" in asked:
            raise invalid("`lmpm` goes with a model of the lock, which has a recipe", "lmpm")
        return await cloud_target.answer(target.provider, key, wire, asked)

    def _is_cooling(self, target: Target) -> bool:
        return self._cooling.get(target.key, (0.0, False))[0] > time.monotonic()

    def _note_failure(self, target: Target, error: ApiError) -> None:
        """A target that failed is left alone for a while where there are others, or for as long as it asked."""
        if error.code in NO_FAULT:
            return
        now = time.monotonic()
        already, asked = self._cooling.get(target.key, (0.0, False))
        wait = min(max(COOL_DOWN_S, error.retry_after_s or 0.0), LONGEST_COOL_DOWN_S)
        if already < now:
            log.warning("%s failed (%s) and is left alone for %.0f s", target.key, error.code, wait)
        self._cooling[target.key] = (
            max(already, now + wait),
            error.retry_after_s is not None or (asked and already > now),
        )

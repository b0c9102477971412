"""Loading a subject as it was planned, within what the machine has for models."""

from __future__ import annotations

import dataclasses
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm import limits
from lmpm.engine import EngineLimits, Service, asking
from lmpm.errors import EngineError, IntegrityError, NothingFitsError, SpecError
from lmpm.project import rung_for
from lmpm.runtime.model import Model
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from lmpm.engine import LocalEngine
    from lmpm.project import Workspace
    from lmpm.run_config import RunConfig
    from lmpm.runtime.subject import Subject

LOAD_S = 600.0  # for loading, and then for each answer
WORKING_MEMORY_SHARE = 1.25  # of the planned need, before the engine's child is stopped


@dataclass(slots=True)
class _Loaded:
    """A model that this process has loaded, and how many of its sessions are open."""

    name: str
    need: int
    users: int = 0


_loaded: dict[Hashable, _Loaded] = {}
_guard = threading.Lock()


def open_model(
    workspace: Workspace, subject: Subject, *, context: int | None = None, engine: LocalEngine | None = None
) -> Model:
    """A model loaded in a child of this process, shared with who loaded the same before.

    `context` is in tokens, None what it was locked for. Raises SpecError for more than it was trained for,
    NothingFitsError where it does not fit beside what is loaded already, and EngineError.
    """
    local = engine or workspace.engine
    if context is not None and context < 1:
        raise SpecError(f"`context` is {context}, expected a number of tokens")
    config = plan_of(subject, local, context)
    if context is not None and config.context < context:
        raise SpecError(
            f"`{subject.name}` was trained for {config.context:,} tokens, {context:,} are asked for", kind="context"
        )
    need = _need(subject, config, local)
    key = (subject.files, config, os.getpid())
    _reserve(workspace, subject, key, need)
    chats = subject.recipe.writes and not subject.recipe.raw
    allowed = int(need * WORKING_MEMORY_SHARE) + limits.ENGINE_EXTRA_MEMORY_BYTES
    try:
        session = local.open(
            subject.files, config, EngineLimits(time_s=LOAD_S, memory_bytes=allowed), Service(chats=chats)
        )
    except BaseException:
        _release(key)
        raise
    return Model(subject, session, on_close=lambda: _release(key))


def plan_of(subject: Subject, engine: LocalEngine, context: int | None = None, *, slots: int = 1) -> RunConfig:
    """How the engine is told to run a subject. Raises EngineError for what is not a usable file.

    Each of the `slots`, which are asked at once, has the whole context.
    """
    from lmpm.estimate import HParams, settings_for
    from lmpm.gguf import local_part, read_part

    recipe = subject.recipe
    silent = recipe.kind in ("embed", "rerank")
    try:
        parts = [local_part(path, path.name, None) for path in subject.paths]
        model = HParams(*map(read_part, parts))
        config = settings_for(
            model,
            context or subject.context,
            embeddings=silent,
            repack=engine.repack,
            machine=engine.machine,
            slots=slots,
        )
    except IntegrityError as error:
        raise EngineError(error.message, details=error.details) from error
    except ValueError as error:
        raise EngineError(f"`{subject.paths[0].name}` is not a usable GGUF file: {error}") from error
    return dataclasses.replace(config, pooling=asking.pooling_of(recipe, subject.files.model)) if silent else config


def _need(subject: Subject, config: RunConfig, engine: LocalEngine) -> int:
    """Bytes that it takes: what the lock says, or for another context, or of a file, what the formula does."""
    if subject.locked is not None and config.context <= subject.context:
        return subject.need
    from lmpm.estimate import HParams, exact_memory, gpus_of
    from lmpm.gguf import local_part, read_part

    try:
        model = HParams(*(read_part(local_part(path, path.name, None)) for path in subject.paths))
        return max(exact_memory(model, config, gpus_of(engine.machine)).total + subject.files.adapter_bytes, 1)
    except ValueError:
        return max(subject.need, 1)


def _reserve(workspace: Workspace, subject: Subject, key: Hashable, need: int) -> None:
    """Count a model among the loaded ones. Raises NothingFitsError where it does not fit beside them."""
    machine = workspace.engine.machine
    budget = machine.budget + machine.host_budget
    with _guard:
        others = [item for known, item in _loaded.items() if known != key]
        used = sum(item.need for item in others)
        if others and key not in _loaded and used + need > budget:
            raise NothingFitsError(
                f"`{subject.name}` does not fit beside what this process has loaded: "
                f"needs {human(need)}, {human(max(budget - used, 0))} of {human(budget)} are left",
                details=[f"{item.name} takes {human(item.need)}" for item in others],
                hint=_what_fits(workspace, subject, others, budget, need),
            )
        _loaded.setdefault(key, _Loaded(subject.name, need)).users += 1


def _what_fits(workspace: Workspace, subject: Subject, others: Sequence[_Loaded], budget: int, need: int) -> str:
    """What can be closed, or taken instead."""
    used = sum(item.need for item in others)
    enough = [item.name for item in others if used - item.need + need <= budget]
    closing = f"Close {' or '.join(f'`{name}`' for name in enough)} first" if enough else "Close the others first"
    if subject.locked is None:
        return closing
    machine = dataclasses.replace(workspace.engine.machine, budget=max(budget - used, 0), host_budget=0)
    try:
        rung = rung_for(subject.locked, machine)
    except NothingFitsError:
        return closing
    other = rung.candidate
    return f"{closing}. What is left holds {other.model} {other.quant}, {human(other.memory)}, of the same lock"


def _release(key: Hashable) -> None:
    with _guard:
        entry = _loaded.get(key)
        if entry is not None:
            entry.users -= 1
            if entry.users <= 0:
                del _loaded[key]


def _after_fork() -> None:
    """What the parent has loaded is not in this process."""
    global _guard
    _loaded.clear()
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

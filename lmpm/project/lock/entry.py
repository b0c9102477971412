"""What a locked model means: its task, context and speed floor, the rung here, and its proof."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm import limits
from lmpm.errors import EngineError, IntegrityError, LmpmError
from lmpm.fs import rules
from lmpm.limits import DEFAULT_CONTEXT
from lmpm.project.lock import ladder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmpm.catalog import Catalog, Task
    from lmpm.engine import LocalEngine
    from lmpm.estimate import HParams
    from lmpm.gguf import Part
    from lmpm.project.lock.ladder import Rung
    from lmpm.project.lock.records import LockedModel
    from lmpm.proof import MemoryCheck, SmokeResult
    from lmpm.recipe import Recipe
    from lmpm.run_config import RunConfig
    from lmpm.types import Machine

USUAL_TASK: Final = "chat"  # of a model that nobody said anything about
TASK_HINT: Final = f"It was asked the questions of `{USUAL_TASK}`. If it is for another task, name that with `--task`"
WORKING_MEMORY_SHARE: Final = 1.25  # of the planned need, before the engine's child is stopped


def task_of(model: LockedModel, catalog: Catalog) -> Task | None:
    """The task of a locked model: the one its line names, or that of the model it refers to."""
    return task_asked(model.requested, catalog)


def task_asked(requested: Mapping[str, object], catalog: Catalog) -> Task | None:
    """The task that a line of the manifest names, or that of the model it refers to."""
    named = requested.get("task")
    if isinstance(named, str):
        return catalog.task(named)
    ref = str(requested.get("ref", ""))
    known = catalog.model(ref.partition(":")[0])
    if known is not None:
        return next((catalog.task(score.task) for score in known.scores), None)
    return catalog.task(USUAL_TASK)


def is_task_assumed(requested: Mapping[str, object], catalog: Catalog) -> bool:
    """Whether neither the request nor the catalog says what a model is for, so that it is asked as one for chats."""
    return "task" not in requested and catalog.model(str(requested.get("ref", "")).partition(":")[0]) is None


def context_of(model: LockedModel) -> int:
    """Tokens that the model was locked for."""
    asked = model.requested.get("context")
    return asked if isinstance(asked, int) else model.context or DEFAULT_CONTEXT


def rung_for(model: LockedModel, machine: Machine) -> Rung:
    """The rung of a locked model that a machine takes, from the lock alone. Raises NothingFitsError."""
    return ladder.take(model, machine)


def prove(
    paths: Sequence[Path],
    task: Task | None,
    recipe: Recipe | None = None,
    *,
    context: int,
    need: int,
    mmproj: Path | None = None,
    adapters: tuple[Path, ...] = (),
    local_engine: LocalEngine | None = None,
) -> SmokeResult | None:
    """Load a model as planned and ask it its task's questions; None when the task is not known.

    `paths` are its files in load order, `mmproj` is its encoder of pictures, `adapters` are put on it; `recipe` None is
    that of the task. On a `local_engine` whose GPUs do not hold all layers the rest is kept in host memory, and what
    the formula, llama.cpp's plan and the run itself say of memory is compared; without one the engine offloads what it
    can.
    Raises EngineError when llama.cpp cannot run the file.
    """
    if task is None:
        return None
    from lmpm.catalog import directory
    from lmpm.engine import EngineLimits, Files
    from lmpm.proof import run_smoke

    model, settings, parts = run_settings(paths, context, silent=task.is_silent, local_engine=local_engine)
    allowed = int(need * WORKING_MEMORY_SHARE) + limits.ENGINE_EXTRA_MEMORY_BYTES
    engine = local_engine.chosen.engine if local_engine else None
    result = run_smoke(
        Files(paths[0], mmproj, adapters=adapters),
        task.smoke,
        recipe or task.recipe,
        plan=settings,
        limits=EngineLimits(memory_bytes=allowed),
        engine=engine,
        catalog=directory(),
    )
    if local_engine is None:
        return result
    more = sum(path.stat().st_size for path in adapters)
    return replace(result, memory=_compared(result.memory, model, settings, parts, local_engine, more=more))


def run_settings(
    paths: Sequence[Path], context: int, *, silent: bool, local_engine: LocalEngine | None
) -> tuple[HParams, RunConfig, list[Part]]:
    """How the files of a model are run here, with what is known of them. Raises EngineError for files of no model."""
    from lmpm.estimate import HParams, settings_for
    from lmpm.gguf import local_part, read_part

    parts = [local_part(path, path.name, _digest(path)) for path in paths]
    try:
        model = HParams(*map(read_part, parts))
        settings = settings_for(
            model,
            context,
            embeddings=silent,
            repack=local_engine.repack if local_engine else "avx2",
            machine=local_engine.machine if local_engine else None,
        )
    except IntegrityError as error:  # the bytes are those that were promised, but they are no model
        raise EngineError(error.message, details=error.details) from error
    except ValueError as error:
        raise EngineError(f"`{paths[0].name}` is not a usable GGUF file: {error}") from error
    return model, settings, parts


def _compared(
    check: MemoryCheck | None,
    model: HParams,
    settings: RunConfig,
    parts: Sequence[Part],
    local_engine: LocalEngine,
    *,
    more: int,
) -> MemoryCheck | None:
    """What was measured beside what was to be expected. llama.cpp plans without mapping the file.

    `more` are the bytes of adapters, which have buffers of their own: those for computing stay as they are.
    """
    from lmpm.estimate import exact_memory, gpus_of

    if check is None:
        return None
    try:
        needed = exact_memory(model, settings, gpus_of(local_engine.machine))
        asked = local_engine.planner.ask(parts, settings).total if local_engine.planner else None
        planned = None if asked is None else asked + needed.reclaimable + more
    except (ValueError, LmpmError):  # the model runs, that is what counts
        return check
    return replace(check, estimated=needed.parts.buffers + more, planned=planned)


def _digest(path: Path) -> str | None:
    """The sha256 of a file of the store: the name of its blob."""
    try:
        return rules.sha256(path.resolve().name)
    except ValueError:
        return None

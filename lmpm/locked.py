"""What a locked model means: its task, context and speed floor, the rung here, and its proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm import ladder, limits
from lmpm.errors import EngineError, IntegrityError
from lmpm.resolve import DEFAULT_CONTEXT, DEFAULT_MIN_SPEED

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.catalog import Catalog
    from lmpm.catalog.schema import Task
    from lmpm.ladder import Rung
    from lmpm.lock_types import LockedModel
    from lmpm.types import Machine, SmokeResult

WORKING_MEMORY_SHARE: Final = 1.25  # of the planned need, before the engine's child is stopped


def task_of(model: LockedModel, catalog: Catalog) -> Task | None:
    """The task of a locked model: the one its line names, or that of the model it refers to."""
    named = model.requested.get("task")
    if isinstance(named, str):
        return catalog.task(named)
    ref = str(model.requested.get("ref", ""))
    known = catalog.model(ref.partition(":")[0])
    if known is not None:
        return next((catalog.task(score.task) for score in known.scores), None)
    return catalog.task("chat")


def context_of(model: LockedModel) -> int:
    """Tokens that the model was locked for."""
    asked = model.requested.get("context")
    return asked if isinstance(asked, int) else model.context or DEFAULT_CONTEXT


def floor_of(model: LockedModel, task: Task | None) -> float:
    """The speed floor that chooses a rung, of the speed that the task means."""
    asked = model.requested.get("min_speed")
    if isinstance(asked, int | float):
        return float(asked)
    if task is not None and task.speed_kind == "prefill":
        return task.min_speed  # the lock records floors of decoding only
    if model.min_speed is not None:
        return model.min_speed
    return task.min_speed if task else DEFAULT_MIN_SPEED


def rung_for(model: LockedModel, machine: Machine, catalog: Catalog) -> Rung:
    """The rung of a locked model that a machine takes. Raises NothingFitsError."""
    task = task_of(model, catalog)
    kind = task.speed_kind if task else "decode"
    return ladder.take(model, machine, min_speed=floor_of(model, task), kind=kind)


def prove(path: Path, task: Task | None, *, context: int, need: int) -> SmokeResult | None:
    """Load a model as planned and ask it its task's questions; None when the task is not known.

    Raises EngineError when llama.cpp cannot run the file.
    """
    if task is None:
        return None
    from lmpm import gguf_header
    from lmpm.engine import EngineLimits, LoadPlan
    from lmpm.smoke import run_smoke

    try:
        trained = gguf_header.read_file(path, tensors=False).integer("context_length", context)
    except IntegrityError as error:  # the bytes are those that were promised, but they are no model
        raise EngineError(error.message, details=error.details) from error
    plan = LoadPlan(context=min(context, trained or context), embeddings=task.smoke.kind == "embeddings")
    allowed = int(need * WORKING_MEMORY_SHARE) + limits.ENGINE_EXTRA_MEMORY_BYTES
    return run_smoke(path, task.smoke, plan=plan, limits=EngineLimits(memory_bytes=allowed))

"""What a GGUF is, needs and does on a machine, told from its header alone.

Of a remote file the first 64 KiB hold the keys, and they are enough where nothing hangs on single tensors; the
tensor table lies behind megabytes of vocabulary and is read where it is at hand, asked for, or decides whether
the model fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import IntegrityError, SpecError
from lmpm.estimate.memory.bytes_per_token import parameters
from lmpm.estimate.memory.exact import complete_plan, exact_memory, exact_shape
from lmpm.estimate.memory.fit import fits, gpus_of, largest_context, placed
from lmpm.estimate.memory.from_keys import SKETCH_ERROR, sketch
from lmpm.estimate.memory.hparams import HParams
from lmpm.estimate.memory.quick import read_per_token
from lmpm.estimate.memory.run_plan import LMPM, refusal
from lmpm.estimate.memory.shape import shape_of
from lmpm.estimate.speed import Workload, kind_of, predict_speed
from lmpm.fs import printable
from lmpm.gguf import check_template, quant as quants, read_at_hand, read_part, require_loadable
from lmpm.run_config import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.gguf import Finding, Header, Parts
    from lmpm.run_config import RunConfig, Service
    from lmpm.types import Machine, MemoryPlan, Shape, Speed

TYPICAL_PROMPT: Final = 1000  # tokens, for the time to the first answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A file's facts, and how it would run on a machine at `settings`.

    `size` counts all shards. `max_context` is the largest context that fits, 0 when none does.
    """

    path: str
    size: int
    shards: int
    title: str
    architecture: str
    parameters: int
    quant: str
    layers: int
    context_length: int
    has_chat_template: bool | None  # None: it stands behind what was read
    template_findings: tuple[Finding, ...]
    settings: RunConfig
    memory: MemoryPlan
    fits: bool
    max_context: int
    speed: Speed | None


def inspect(
    parts: Parts,
    machine: Machine,
    settings: RunConfig = LMPM,
    *,
    table: bool = False,
    service: Service = ALONE,
) -> Inspection:
    """Judge a model by its files.

    `settings.context` 0 means what the model was trained for. What a `service` keeps is counted. `table` has the tensor
    table read wherever the files are. Raises IntegrityError when a file is no usable GGUF, and SpecError for settings
    that llama.cpp refuses.
    """
    name = printable(parts.files[0].name)
    try:
        found = [header for part in parts.every if (header := read_at_hand(part)) is not None]
        if len(found) < len(parts.every):
            rough = None if table or _hangs_on_tensors(settings) else _by_keys(parts, machine, settings, service)
            if rough is not None:
                return rough
            found = [read_part(part) for part in parts.every]
        return _by_table(parts, found, machine, settings, service)
    except ValueError as error:
        raise IntegrityError(f"`{name}` is not a usable GGUF file: {error}") from error


def as_planned(found: Inspection, plan: MemoryPlan, machine: Machine) -> Inspection:
    """What was inspected, with llama.cpp's own figures of memory."""
    memory = complete_plan(plan, found.memory)
    return replace(found, memory=memory, fits=fits(memory, machine))


def _by_table(
    parts: Parts, headers: list[Header], machine: Machine, settings: RunConfig, service: Service
) -> Inspection:
    """From the tensor table, to the byte."""
    require_loadable(headers[: len(parts.files)], [part.name for part in parts.files])
    model = HParams(*headers[: len(parts.files)])
    pictures = headers[-1] if parts.mmproj else None
    _check(parts, settings, model)
    gpus = gpus_of(machine)
    chosen = placed(model, settings, machine)

    def plan_at(context: int) -> MemoryPlan:
        return exact_memory(model, replace(chosen, context=context), gpus, mmproj=pictures, service=service)

    return _inspection(parts, model, machine, chosen, plan_at, shape=exact_shape(model), count=parameters(model))


def _by_keys(parts: Parts, machine: Machine, settings: RunConfig, service: Service) -> Inspection | None:
    """From the keys at the front, nearly; None where they do not decide it."""
    header = read_part(parts.files[0], tensors=False)
    require_loadable([header], [part.name for part in parts.files])
    model = HParams(header)
    if not model.is_known or model.architecture.tied_twice:  # what counts twice only the table tells
        return None
    _check(parts, settings, model)
    gpus = gpus_of(machine)
    size = sum(part.size for part in parts.files)
    pictures = parts.mmproj.size if parts.mmproj else 0
    shape = _shape_by_keys(parts, model)

    def plan_at(context: int) -> MemoryPlan:
        chosen = replace(settings, context=context)
        plan = sketch(header, chosen, gpus, size=size, mmproj=pictures, service=service)
        read = read_per_token(shape, size, min(plan.context, model.context_length or plan.context)) if shape else size
        return replace(plan, bytes_per_token=read)

    needed = plan_at(settings.context)
    split = bool(machine.vram) and not fits(needed, machine)
    near = abs(needed.must_fit - machine.budget) <= SKETCH_ERROR * needed.must_fit
    if split or near:
        return None
    return _inspection(
        parts, model, machine, settings, plan_at, shape=shape, count=shape.parameters if shape else 0, by_keys=True
    )


def _shape_by_keys(parts: Parts, model: HParams) -> Shape | None:
    """The shape by the keys, with what of it only the table tells as the catalog knows it, or as the size suggests."""
    known = parts.variant.shape if parts.variant else None
    size = sum(part.size for part in parts.files)
    count = known.parameters if known else int(8 * size / (quants.bits_per_weight(_quant(parts, model)) or 8.0))
    shape = shape_of(model.header, parameters=count)
    if shape is None or known is None:
        return shape
    return replace(shape, active_parameters=known.active_parameters, tied_embeddings=known.tied_embeddings)


def _inspection(
    parts: Parts,
    model: HParams,
    machine: Machine,
    settings: RunConfig,
    plan_at: Callable[[int], MemoryPlan],
    *,
    shape: Shape | None,
    count: int,
    by_keys: bool = False,
) -> Inspection:
    header, name = model.header, parts.files[0].name
    size, quant = sum(part.size for part in parts.files), _quant(parts, model)
    memory = plan_at(settings.context)
    work = Workload(
        need=memory.must_fit,
        touched=memory.bytes_per_token,
        layers=shape.layers if shape else 0,
        active_parameters=shape.active_parameters if shape else size,
        size=size,
        quant=quant,
        kind=kind_of(header.architecture),
        sparse=bool(shape and shape.active_parameters < shape.parameters),
    )
    whole = header.tensors or not by_keys
    return Inspection(
        path=name,
        size=size,
        shards=len(parts.files),
        title=header.text("general.name") or parts.files[0].name,
        architecture=header.architecture,
        parameters=count,
        quant=quant,
        layers=header.integer("block_count"),
        context_length=header.integer("context_length"),
        has_chat_template="tokenizer.chat_template" in header.metadata if whole else None,
        template_findings=check_template(header.template, talks=False),
        settings=replace(settings, context=memory.context),
        memory=memory,
        fits=fits(memory, machine),
        max_context=largest_context(model.context_length, lambda context: fits(plan_at(context), machine)),
        speed=predict_speed(machine, work, prompt=TYPICAL_PROMPT),
    )


def _hangs_on_tensors(settings: RunConfig) -> bool:
    """Whether it was asked what single tensors decide."""
    return settings.gpu_layers is not None or settings.expert_layers_on_cpu != 0


def _check(parts: Parts, settings: RunConfig, model: HParams) -> None:
    if why := refusal(settings, model):
        raise SpecError(f"llama.cpp does not run `{printable(parts.files[0].name)}` so: {why}")


def _quant(parts: Parts, model: HParams) -> str:
    """The quant as the file's name has it, else as the catalog has it, else the type of most weights."""
    known = parts.variant.quant if parts.variant else ""
    return quants.from_filename(parts.files[0].name) or known or model.header.quant() or quants.UNKNOWN

"""What a GGUF is, needs and does on a machine, told from its header alone.

Of a remote file the first 64 KiB hold the keys, and they are enough where nothing hangs on single tensors; the
tensor table lies behind megabytes of vocabulary and is read where it is at hand, asked for, or decides whether
the model fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import IntegrityError, SpecError
from lmpm.estimate.memory.exact import Need, exact_memory
from lmpm.estimate.memory.fit import fits, gpus_of, largest_context, placed
from lmpm.estimate.memory.from_keys import SKETCH_ERROR, sketch
from lmpm.estimate.memory.hparams import HParams
from lmpm.estimate.memory.per_token import parameters, touched_bytes
from lmpm.estimate.memory.plan import LMPM, refusal
from lmpm.estimate.memory.quick import shape_of
from lmpm.estimate.memory.records import exact_shape, memory_of, planned_need
from lmpm.estimate.speed import predict_speed
from lmpm.fs import printable
from lmpm.gguf import check_template, quant as quants, read_at_hand, read_part, require_loadable
from lmpm.types import HeaderFacts, HubSource, ModelFile, Variant

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from lmpm.estimate.memory.dry_run import DryRun
    from lmpm.gguf import Finding, Header, Parts
    from lmpm.run_config import RunConfig
    from lmpm.types import Machine, Speed

    Source = Literal["estimated", "keys", "upper bound", "dry-run"]

TYPICAL_PROMPT: Final = 1000  # tokens, for the time to the first answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A file's facts, and how it would run on a machine at `settings`.

    `size` counts all shards. `max_context` is the largest context that fits, 0 when none does. `source` tells
    what the need was worked out from: the whole header, its keys alone (nearly), or an architecture that is not
    known (more than enough).
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
    need: Need
    source: Source
    fits: bool
    max_context: int
    speed: Speed | None


def inspect(parts: Parts, machine: Machine, settings: RunConfig = LMPM, *, table: bool = False) -> Inspection:
    """Judge a model by its files.

    `settings.context` 0 means what the model was trained for. `table` has the tensor table read wherever the
    files are. Raises IntegrityError when a file is no usable GGUF, and SpecError for settings that llama.cpp
    refuses.
    """
    name = printable(parts.files[0].name)
    try:
        found = [header for part in parts.every if (header := read_at_hand(part)) is not None]
        if len(found) < len(parts.every):
            rough = None if table or _hangs_on_tensors(settings) else _by_keys(parts, machine, settings)
            if rough is not None:
                return rough
            found = [read_part(part) for part in parts.every]
        return _by_table(parts, found, machine, settings)
    except ValueError as error:
        raise IntegrityError(f"`{name}` is not a usable GGUF file: {error}") from error


def as_planned(found: Inspection, plan: DryRun, machine: Machine) -> Inspection:
    """What was inspected, with llama.cpp's own figures of memory."""
    needed = planned_need(found.need, plan)
    return replace(found, need=needed, source="dry-run", fits=fits(needed, machine))


def _by_table(parts: Parts, headers: list[Header], machine: Machine, settings: RunConfig) -> Inspection:
    """To the byte."""
    require_loadable(headers[: len(parts.files)], [part.name for part in parts.files])
    model = HParams(*headers[: len(parts.files)])
    pictures = headers[-1] if parts.mmproj else None
    _check(parts, settings, model)
    gpus = gpus_of(machine)
    chosen = placed(model, settings, machine)

    def needed_at(context: int) -> Need:
        return exact_memory(model, replace(chosen, context=context), gpus, mmproj=pictures)

    needed = needed_at(settings.context)
    variant = _variant(parts, model)
    facts = HeaderFacts(memory=memory_of(needed, needed.context), touched=touched_bytes(model, settings))
    shape = exact_shape(model)
    variant = replace(variant, told=facts, shape=shape or variant.shape, context_length=0)
    return _told(
        parts,
        model,
        variant,
        machine,
        settings=chosen,
        needed_at=needed_at,
        source="upper bound" if needed.is_bound else "estimated",
        count=parameters(model),
    )


def _by_keys(parts: Parts, machine: Machine, settings: RunConfig) -> Inspection | None:
    """Nearly; None where the keys do not decide it."""
    header = read_part(parts.files[0], tensors=False)
    require_loadable([header], [part.name for part in parts.files])
    model = HParams(header)
    if not model.is_known or model.architecture.tied_twice:  # what counts twice only the table tells
        return None
    _check(parts, settings, model)
    gpus = gpus_of(machine)
    size = sum(part.size for part in parts.files)
    pictures = parts.mmproj.size if parts.mmproj else 0

    def needed_at(context: int) -> Need:
        return sketch(header, replace(settings, context=context), gpus, size=size, mmproj=pictures)

    needed = needed_at(settings.context)
    split = bool(machine.vram) and not fits(needed, machine)
    near = abs(needed.must_fit - machine.budget) <= SKETCH_ERROR * needed.must_fit
    if split or near:
        return None
    variant = _variant(parts, model)
    count = variant.shape.parameters if variant.shape else 0
    return _told(parts, model, variant, machine, settings=settings, needed_at=needed_at, source="keys", count=count)


def _told(
    parts: Parts,
    model: HParams,
    variant: Variant,
    machine: Machine,
    *,
    settings: RunConfig,
    needed_at: Callable[[int], Need],
    source: Source,
    count: int,
) -> Inspection:
    header = model.header
    needed = needed_at(settings.context)
    whole = header.tensors or source != "keys"
    return Inspection(
        path=parts.files[0].name,
        size=sum(part.size for part in parts.files),
        shards=len(parts.files),
        title=header.text("general.name") or parts.files[0].name,
        architecture=header.architecture,
        parameters=count,
        quant=variant.quant,
        layers=header.integer("block_count"),
        context_length=header.integer("context_length"),
        has_chat_template="tokenizer.chat_template" in header.metadata if whole else None,
        template_findings=check_template(header.template, talks=False),
        settings=replace(settings, context=needed.context),
        need=needed,
        source=source,
        fits=fits(needed, machine),
        max_context=largest_context(model.context_length, lambda context: fits(needed_at(context), machine)),
        speed=predict_speed(machine, variant, memory_of(needed, needed.context), prompt=TYPICAL_PROMPT),
    )


def _hangs_on_tensors(settings: RunConfig) -> bool:
    """Whether it was asked what single tensors decide."""
    return settings.gpu_layers is not None or settings.expert_layers_on_cpu != 0


def _check(parts: Parts, settings: RunConfig, model: HParams) -> None:
    if why := refusal(settings, model):
        raise SpecError(f"llama.cpp does not run `{printable(parts.files[0].name)}` so: {why}")


def _variant(parts: Parts, model: HParams) -> Variant:
    """The file as a candidate, for the speed model; a file that the user named is known by its header only."""
    header, name = model.header, parts.files[0].name
    known = parts.variant
    count = parameters(model) or (known.shape.parameters if known and known.shape else 0)
    label = quants.from_filename(name) or (known.quant if known else "") or header.quant() or quants.UNKNOWN
    count = count or int(8 * sum(part.size for part in parts.files) / (quants.bits_per_weight(label) or 8.0))
    shape = shape_of(header, parameters=count)
    if known and known.shape and shape:  # what only the table tells the catalog may know
        shape = replace(
            shape,
            active_parameters=known.shape.active_parameters,
            tied_embeddings=known.shape.tied_embeddings,
        )
    return Variant(
        model=name,
        title=header.text("general.name") or name,
        source=known.source if known else HubSource("local/file"),
        quant=label,
        license=header.text("general.license") or "unknown",
        files=tuple(ModelFile(path=part.name, size=part.size) for part in parts.files),
        context_length=header.integer("context_length"),
        architecture=header.architecture,
        shape=shape,
    )

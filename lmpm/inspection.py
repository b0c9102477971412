"""What a GGUF is, needs and does on a machine, told from its header alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm import quant as quants
from lmpm.errors import IntegrityError, SpecError
from lmpm.headers import read
from lmpm.memory import LMPM, estimate, shape_of
from lmpm.memory.fit import largest_context
from lmpm.memory.ggml.backend import Backend
from lmpm.memory.model import Model
from lmpm.memory.need import Need, need
from lmpm.memory.settings import Settings, refusal
from lmpm.speed import predict
from lmpm.types import HubSource, ModelFile, Variant
from lmpm.validate import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.dryrun import Part
    from lmpm.gguf_header import Header
    from lmpm.memory.ggml.backend import BackendKind
    from lmpm.types import Machine, Speed

TYPICAL_PROMPT: Final = 1000  # tokens, for the time to the first answer
KINDS: Final[dict[str, BackendKind]] = {"metal": "metal", "cpu": "cpu"}  # every other GPU allocates like CUDA


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A file's facts, and how it would run on a machine.

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
    has_chat_template: bool
    need: Need
    fits: bool
    max_context: int
    speed: Speed | None


def inspect(
    parts: Sequence[Part], machine: Machine, settings: Settings = LMPM, *, mmproj: Part | None = None
) -> Inspection:
    """Judge a model, given as its files in load order, and the file of its encoder of pictures.

    `settings.context` 0 means what the model was trained for. Raises IntegrityError when a file is no usable
    GGUF, and SpecError for settings that llama.cpp refuses.
    """
    headers = [read(part) for part in parts]
    header = replace(headers[0], tensors=tuple(tensor for item in headers for tensor in item.tensors))
    model = Model(*headers)
    pictures = read(mmproj) if mmproj else None
    files = [ModelFile(path=part.name, size=part.size) for part in parts]
    if why := refusal(settings, model):
        raise SpecError(f"llama.cpp does not run `{files[0].path}` so: {why}")
    gpus = gpus_of(machine)
    try:
        needed = need(model, settings, gpus, mmproj=pictures)
        largest = largest_context(model, settings, lambda item: fits(item, machine), gpus, mmproj=pictures)
    except ValueError as error:
        raise IntegrityError(f"`{printable(files[0].path)}` is not a usable GGUF file: {error}") from error
    variant = _variant(header, files)
    memory = replace(estimate(variant, needed.context), source="estimated")
    return Inspection(
        path=files[0].path,
        size=sum(file.size for file in files),
        shards=len(files),
        title=_text(header, "general.name") or files[0].path,
        architecture=header.architecture,
        parameters=variant.shape.parameters if variant.shape else 0,
        quant=variant.quant,
        layers=header.integer("block_count"),
        context_length=header.integer("context_length"),
        has_chat_template="tokenizer.chat_template" in header.metadata,
        need=needed,
        fits=fits(needed, machine),
        max_context=largest,
        speed=predict(machine, variant, memory, prompt=TYPICAL_PROMPT),
    )


def gpus_of(machine: Machine) -> tuple[Backend, ...]:
    """The GPUs that llama.cpp would use, equal in size where there are several."""
    if machine.accelerator == "cpu":
        return ()
    kind = KINDS.get(machine.accelerator, "cuda")
    count = max(1, machine.gpus)
    return tuple(Backend(kind, f"GPU {number}" if count > 1 else "GPU") for number in range(count))


def fits(needed: Need, machine: Machine) -> bool:
    """Whether everything has its place: on the GPUs what lies there, the rest in host memory."""
    *gpus, host = needed.devices
    if not gpus:
        return needed.must_fit <= machine.budget
    on_host = max(0, host.total - needed.reclaimable)
    if not machine.vram:  # one memory for both
        return sum(gpu.total for gpu in gpus) <= machine.budget and needed.must_fit <= machine.memory
    return all(gpu.total <= machine.budget // len(gpus) for gpu in gpus) and on_host <= machine.host_budget


def _variant(header: Header, files: Sequence[ModelFile]) -> Variant:
    """The file as a candidate, for the speed model."""
    parameters = sum(tensor.elements for tensor in header.tensors)
    shape = shape_of(header, parameters=parameters)
    if shape is not None:
        shape = replace(shape, active_parameters=_active(header, parameters))
    return Variant(
        model=files[0].path,
        title=_text(header, "general.name") or files[0].path,
        source=HubSource("local/file"),
        quant=quants.from_filename(files[0].path) or _most_used_type(header),
        license=_text(header, "general.license") or "unknown",
        files=tuple(files),
        context_length=header.integer("context_length"),
        architecture=header.architecture,
        shape=shape,
    )


def _active(header: Header, parameters: int) -> int:
    """Parameters that one token touches: of the experts only those used."""
    experts, used = header.integer("expert_count"), max(header.integers("expert_used_count") or (0,))
    if not experts or not used:
        return parameters
    routed = sum(tensor.elements for tensor in header.tensors if "_exps." in tensor.name)
    return parameters - routed + routed * used // experts


def _most_used_type(header: Header) -> str:
    """The tensor type that holds most of the weights, where the name does not tell the quant."""
    sizes: dict[str, int] = {}
    for tensor in header.tensors:
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.nbytes
    return max(sizes, key=lambda name: sizes[name], default="unknown")


def _text(header: Header, key: str) -> str:
    value = header.metadata.get(key)
    return value if isinstance(value, str) else ""

"""How a library would spend memory on a file: the model and a context are made without their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.engine.native.library import LlamaError
from lmpm.engine.native.memory_breakdown import NoBreakdownError, breakdown, by_device
from lmpm.engine.native.model import Model
from lmpm.types import MemoryPlan

if TYPE_CHECKING:
    from lmpm.engine.native.library import Library
    from lmpm.run_config import RunConfig


def plan(library: Library, path: str, config: RunConfig) -> MemoryPlan:
    """The plan of this build. Raises LlamaError, `unsupported` for a build that does not say how it plans."""
    model = Model(library, path, config, dry=True)
    library.buffers.clear()
    context = model.context(model.for_vectors() if config.embeddings else model.for_answers())
    try:
        buffers = breakdown(library.handle, context)
    except NoBreakdownError as error:
        raise LlamaError("unsupported", str(error)) from error
    states: dict[str, int] = {}
    output = 0
    for name, size in library.buffers:  # such as `CPU RS`, `CUDA0 KV`
        buffer, _, what = name.rpartition(" ")
        if what == "RS":
            states[buffer] = states.get(buffer, 0) + size
        elif what == "output":
            output += size
    return MemoryPlan(
        context=model.c.llama_n_ctx(context),
        devices=by_device(buffers, states, output),
        source="dry-run",
        build=library.build,
    )

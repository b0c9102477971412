"""How a library would spend memory on a file: the model and a context are made without their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.engine.native.library import LlamaError
from lmpm.engine.native.memory_breakdown import NoBreakdownError, breakdown
from lmpm.engine.native.model import Model
from lmpm.estimate import DryRun

if TYPE_CHECKING:
    from lmpm.engine.native.library import Library
    from lmpm.run_config import RunConfig


def plan(library: Library, path: str, config: RunConfig) -> DryRun:
    """The plan of this build. Raises LlamaError, `unsupported` for a build that does not say how it plans."""
    model = Model(library, path, config, dry=True)
    library.buffers.clear()
    context = model.context(model.for_vectors() if config.embeddings else model.for_answers())
    try:
        buffers = breakdown(library.handle, context)
    except NoBreakdownError as error:
        raise LlamaError("unsupported", str(error)) from error
    named = [(name.rpartition(" ")[2], size) for name, size in library.buffers]
    return DryRun(
        build=library.build,
        buffers=buffers,
        output=sum(size for what, size in named if what == "output"),
        recurrent=sum(size for what, size in named if what == "RS"),
    )

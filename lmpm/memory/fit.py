"""The largest context at which a model fits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.memory.model import Model
from lmpm.memory.need import need
from lmpm.memory.settings import CONTEXT_STEP

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.gguf_header import Header
    from lmpm.memory.ggml.backend import Backend
    from lmpm.memory.need import Need
    from lmpm.memory.settings import Settings


def largest_context(
    header: Header | Model,
    settings: Settings,
    fits: Callable[[Need], bool],
    gpus: tuple[Backend, ...] = (),
    *,
    mmproj: Header | None = None,
) -> int:
    """The most tokens, up to those the model was trained for, at which `fits` says yes; 0 when it never does."""
    model = header if isinstance(header, Model) else Model(header)

    def fits_at(context: int) -> bool:
        return fits(need(model, replace(settings, context=context), gpus, mmproj=mmproj))

    trained = model.context_length or CONTEXT_STEP
    if fits_at(trained):
        return trained
    low, high = 0, -(-trained // CONTEXT_STEP)  # steps at which it fits, and at which it does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits_at(middle * CONTEXT_STEP) else (low, middle)
    return low * CONTEXT_STEP

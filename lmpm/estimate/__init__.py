"""How much memory a model needs, and how fast it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.estimate.inspection import Inspection as Inspection, as_planned as as_planned, inspect as inspect
    from lmpm.estimate.memory.dry_run import DryRun as DryRun, PlannedBuffer as PlannedBuffer
    from lmpm.estimate.memory.exact import exact_memory as exact_memory
    from lmpm.estimate.memory.fit import gpus_of as gpus_of, settings_for as settings_for
    from lmpm.estimate.memory.from_keys import SKETCH_ERROR as SKETCH_ERROR
    from lmpm.estimate.memory.ggml.backend import repacking as repacking
    from lmpm.estimate.memory.hparams import HParams as HParams
    from lmpm.estimate.memory.plan import PRESETS as PRESETS
    from lmpm.estimate.memory.quick import (
        bytes_per_token as bytes_per_token,
        estimate_memory as estimate_memory,
        shape_of as shape_of,
        trained as trained,
    )
    from lmpm.estimate.memory.records import (
        exact_shape as exact_shape,
        facts_of as facts_of,
        planned_memory as planned_memory,
    )
    from lmpm.estimate.speed import (
        FITTED as FITTED,
        is_low_bit as is_low_bit,
        is_sparse as is_sparse,
        kind_of as kind_of,
        layer_steps as layer_steps,
        predict_speed as predict_speed,
        seconds_per_token as seconds_per_token,
        will_thrash as will_thrash,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "inspection": "Inspection as_planned inspect",
            "memory.dry_run": "DryRun PlannedBuffer",
            "memory.exact": "exact_memory",
            "memory.fit": "gpus_of settings_for",
            "memory.from_keys": "SKETCH_ERROR",
            "memory.ggml.backend": "repacking",
            "memory.hparams": "HParams",
            "memory.plan": "PRESETS",
            "memory.quick": "bytes_per_token estimate_memory shape_of trained",
            "memory.records": "exact_shape facts_of planned_memory",
            "speed": ("FITTED is_low_bit is_sparse kind_of layer_steps predict_speed seconds_per_token will_thrash"),
        },
    )

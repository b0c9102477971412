"""How much memory a model needs, and how fast it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.estimate.inspection import Inspection as Inspection, as_planned as as_planned, inspect as inspect
    from lmpm.estimate.memory.constants import BUILD as BUILD, is_followed as is_followed
    from lmpm.estimate.memory.exact import (
        complete_plan as complete_plan,
        exact_memory as exact_memory,
        exact_shape as exact_shape,
        memory_by_header as memory_by_header,
    )
    from lmpm.estimate.memory.fit import fits as fits, gpus_of as gpus_of, settings_for as settings_for
    from lmpm.estimate.memory.from_keys import SKETCH_ERROR as SKETCH_ERROR
    from lmpm.estimate.memory.ggml.backend import repacking as repacking
    from lmpm.estimate.memory.hparams import HParams as HParams
    from lmpm.estimate.memory.quick import estimate_memory as estimate_memory, trained as trained
    from lmpm.estimate.memory.run_plan import PRESETS as PRESETS
    from lmpm.estimate.memory.shape import shape_of as shape_of
    from lmpm.estimate.speed import (
        FITTED as FITTED,
        Workload as Workload,
        is_known as is_known,
        is_low_bit as is_low_bit,
        is_sparse as is_sparse,
        kind_of as kind_of,
        layer_steps as layer_steps,
        predict_speed as predict_speed,
        seconds_per_token as seconds_per_token,
        will_thrash as will_thrash,
        workload_of as workload_of,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "inspection": "Inspection as_planned inspect",
            "memory.constants": "BUILD is_followed",
            "memory.exact": "complete_plan exact_memory exact_shape memory_by_header",
            "memory.fit": "fits gpus_of settings_for",
            "memory.from_keys": "SKETCH_ERROR",
            "memory.ggml.backend": "repacking",
            "memory.hparams": "HParams",
            "memory.run_plan": "PRESETS",
            "memory.quick": "estimate_memory trained",
            "memory.shape": "shape_of",
            "speed": (
                "FITTED Workload is_known is_low_bit is_sparse kind_of layer_steps predict_speed "
                "seconds_per_token will_thrash workload_of"
            ),
        },
    )

"""What this computer, or one described by a spec, offers to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.machine import budget as budget, gpus as gpus
    from lmpm.machine.assemble import without_gpu as without_gpu
    from lmpm.machine.chip import Chip as Chip
    from lmpm.machine.chips import Chips as Chips, load_chips as load_chips
    from lmpm.machine.description import describe as describe, sold_size as sold_size
    from lmpm.machine.detection import detect as detect, free_memory as free_memory
    from lmpm.machine.probes import Probes as Probes, SystemProbes as SystemProbes
    from lmpm.machine.spec import parse_spec as parse_spec
    from lmpm.machine.threads import default_threads as default_threads
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "assemble": "without_gpu",
            "budget": "budget",
            "chip": "Chip",
            "chips": "Chips load_chips",
            "description": "describe sold_size",
            "detection": "detect free_memory",
            "gpus": "gpus",
            "probes": "Probes SystemProbes",
            "spec": "parse_spec",
            "threads": "default_threads",
        },
    )

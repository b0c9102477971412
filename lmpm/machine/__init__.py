"""What this computer, or one described by a spec, offers to a model."""

from lmpm.machine.build import without_gpu
from lmpm.machine.chips import Chip, Chips, load_chips
from lmpm.machine.describe import describe
from lmpm.machine.detect import detect, free_memory
from lmpm.machine.likeness import is_same_class
from lmpm.machine.probes import Probes, SystemProbes
from lmpm.machine.spec import parse_spec

__all__ = [
    "Chip",
    "Chips",
    "Probes",
    "SystemProbes",
    "describe",
    "detect",
    "free_memory",
    "is_same_class",
    "load_chips",
    "parse_spec",
    "without_gpu",
]

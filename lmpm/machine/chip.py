"""A chip as lmpm knows it, the words of its name, and which of its builds is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from lmpm.types import Accelerator, Fact, Simd

if TYPE_CHECKING:
    from collections.abc import Iterable

GB_PER_S: Final = 10**9  # bandwidths are sold in decimal units
MAX_BANDWIDTH_GB_S: Final = 100_000  # ten times the fastest memory on sale
MAX_MEMORY_GB: Final = 16 * 1024
LONG_NAME: Final = 3  # words: `Snapdragon X Elite` is one without its number, `RX` is none
SOLD_SIZE_TOLERANCE: Final = 0.08  # a driver or kernel reports up to this much less than was sold

# Words of a name that do not tell chips apart.
BRAND_WORDS: Final = frozenset({
    "apple", "nvidia", "geforce", "tesla", "amd", "radeon", "intel", "gpu", "graphics", "generation", "gen",
    "edition", "workstation", "server", "corporation", "series", "r", "tm",
})  # fmt: skip
# Words that tell builds apart where the catalog lists them, and are dropped where it does not.
FORM_WORDS: Final = frozenset({
    "sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6", "pcie", "nvl", "hbm2", "hbm2e", "hbm3", "hbm3e", "gddr6",
    "gddr6x", "gddr7", "quadro", "pro", "max-q", "oem", "tensor", "core",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One build of a chip. `memory` lists the sizes sold: of the unified memory, or the VRAM of a card.

    A CPU that takes several kinds of memory is one build with each.
    """

    name: str
    accelerator: Accelerator
    bandwidth: int
    source: str
    memory: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()
    unified: bool = False
    mig: bool = False  # can be cut into slices, so that a process may see less than the whole
    cores: int | None = None  # of the CPU
    simd: Simd = ""
    server: bool = False  # a CPU of low clocks, of which a cloud may hand out a share
    memory_kind: str = ""  # `DDR5-5600`, of a CPU
    channels: int | None = None  # of the memory, 64 bits wide each, of a CPU
    gpu_cores: int | None = None
    compute: float | None = None
    pci: tuple[str, ...] = ()

    @property
    def discrete(self) -> bool:
        """A card with a memory of its own."""
        return self.accelerator != "cpu" and not self.unified

    def was_sold_with(self, size: int) -> bool:
        """Whether `size` is one of the memory sizes of this build, as a system may report it."""
        return any(abs(sold - size) <= SOLD_SIZE_TOLERANCE * sold for sold in self.memory)


class MemoryKind(NamedTuple):
    """Main memory of one speed, in the number of channels that a PC has."""

    name: str
    bandwidth: int
    channels: int
    usual: bool  # what to take when only the generation is known

    @property
    def generation(self) -> str:
        """`ddr4` of `DDR4-3200`."""
        return self.name.partition("-")[0].lower()


def name_words(name: str) -> list[str]:
    """The words of a chip's name that matter, in lower case: `NVIDIA GeForce RTX 4090` is `rtx 4090`."""
    plain = re.sub(r"\((?:r|tm|c)\)|[®™]", " ", name.lower())
    plain = re.sub(r"\bsuper\b", " super", plain).replace("mobile", "laptop")
    return [word for word in re.split(r"[^a-z0-9+]+", plain) if word and word not in BRAND_WORDS]


class Picked(NamedTuple):
    """The build that is meant, the name that says no more than is known, and whether its speed is certain."""

    chip: Chip
    name: str
    certain: bool

    @property
    def source(self) -> Fact:
        """Where the chip's figures are from, with the doubt that remains."""
        if self.certain:
            return Fact("table", self.name)
        kind = f" with {self.chip.memory_kind}" if self.chip.memory_kind else ""
        return Fact("assumed", f"as {self.chip.name}{kind}, the slowest of its builds")


def pick(
    builds: Iterable[Chip],
    *,
    memory: int | None = None,
    cores: int | None = None,
    gpu_cores: int | None = None,
    kind: str = "",
) -> Picked:
    """The build that the known facts point to.

    A fact that no build has is passed over. Among those left the slowest is taken.
    """
    left = list(builds)
    if memory is not None:
        left = [chip for chip in left if chip.was_sold_with(memory)] or left
    if gpu_cores is not None:
        left = [chip for chip in left if chip.gpu_cores == gpu_cores] or left
    if cores is not None:
        left = [chip for chip in left if chip.cores == cores] or left
    if kind:
        left = [chip for chip in left if chip.memory_kind.lower().startswith(f"{kind.lower()}-")] or left
    slowest = min(left, key=lambda chip: (chip.bandwidth, chip.compute or 0.0))
    left.sort(key=lambda chip: chip is not slowest)
    return Picked(slowest, _common_name(left), all(chip.bandwidth == slowest.bandwidth for chip in left))


def _common_name(chips: list[Chip]) -> str:
    """What the names of several builds begin with: `A100` of `A100 SXM` and `A100 PCIe`. A bare `RX` is no name."""
    words = chips[0].name.split()
    while words and not all(chip.name.split()[: len(words)] == words for chip in chips):
        words.pop()
    common = " ".join(words)
    return common if any(char.isdecimal() for char in common) or len(words) >= LONG_NAME else chips[0].name

"""The chips that lmpm knows, read from `catalog/chips.toml`, and how their many names are recognised."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from lmpm.errors import CatalogError, nearest
from lmpm.fs import DocumentError, Table, compiled_toml
from lmpm.limits import GIB
from lmpm.types import Accelerator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILE_NAME: Final = "chips.toml"
GB_PER_S: Final = 10**9  # bandwidths are sold in decimal units
TFLOPS: Final = 1e12
MAX_BANDWIDTH_GB_S: Final = 100_000  # ten times the fastest memory on sale
MAX_MEMORY_GB: Final = 16 * 1024
SOLD_SIZE_TOLERANCE: Final = 0.08  # a driver or kernel reports up to this much less than was sold

# Words of a name that do not tell chips apart.
BRAND_WORDS: Final = frozenset(
    [
        "apple",
        "nvidia",
        "geforce",
        "tesla",
        "amd",
        "radeon",
        "intel",
        "gpu",
        "graphics",
        "generation",
        "gen",
        "edition",
        "workstation",
        "server",
        "corporation",
        "series",
        "r",
        "tm",
    ]
)
# Words that tell builds apart where the catalog lists them, and are dropped where it does not.
FORM_WORDS: Final = frozenset(
    [
        "sxm",
        "sxm2",
        "sxm3",
        "sxm4",
        "sxm5",
        "sxm6",
        "pcie",
        "nvl",
        "hbm2",
        "hbm2e",
        "hbm3",
        "hbm3e",
        "gddr6",
        "gddr6x",
        "gddr7",
        "quadro",
        "pro",
        "max-q",
        "oem",
        "tensor",
        "core",
    ]
)
# Prefixes that people leave out: `4090`, `7900 XTX`, `A770`.
SPOKEN_PREFIXES: Final = ("rtx", "gtx", "rx", "arc", "quadrortx", "ryzen7", "ryzen5", "ryzen9", "ryzen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One build of a chip. `memory` lists the sizes sold: of the unified memory, or the VRAM of a card."""

    name: str
    accelerator: Accelerator
    bandwidth: int
    source: str
    memory: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()
    unified: bool = False
    mig: bool = False  # can be cut into slices, so that a process may see less than the whole
    cores: int | None = None  # of the CPU
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryKind:
    """Main memory of one speed, in the number of channels that a PC has."""

    name: str
    bandwidth: int
    channels: int
    usual: bool  # what to take when only the generation is known

    @property
    def generation(self) -> str:
        """`ddr4` of `DDR4-3200`."""
        return self.name.partition("-")[0].lower()


@dataclass(frozen=True, slots=True)
class Chips:
    """The table of chips, with an index of every name."""

    chips: tuple[Chip, ...]
    memory_kinds: tuple[MemoryKind, ...]
    index: Mapping[str, tuple[Chip, ...]]

    def named(self, name: str) -> tuple[Chip, ...]:
        """Every build of the chip that a person or a driver calls `name`; empty if there is none."""
        words = name_words(name)
        return self._at(words) or self._at([word for word in words if word not in FORM_WORDS])

    def with_pci(self, identity: str) -> tuple[Chip, ...]:
        """Every chip with this `vendor:device`, of which several share one."""
        return tuple(chip for chip in self.chips if identity in chip.pci)

    def suggestions(self, name: str, *, limit: int = 3) -> list[str]:
        """Names near to a misspelt one, nearest first."""
        near = nearest("".join(name_words(name)), self.index, most=limit, likeness=0.7)
        return list(dict.fromkeys(self.index[key][0].name for key in near))

    def slowest(self, accelerator: Accelerator, at_least: int = 0) -> Chip | None:
        """The slowest card of a kind with this much memory: the careful guess for one that is unknown."""
        same = [chip for chip in self.chips if chip.accelerator == accelerator and chip.discrete]
        large = [chip for chip in same if max(chip.memory, default=0) >= at_least]
        return min(large or same, key=lambda chip: chip.bandwidth, default=None)

    def _at(self, words: Iterable[str]) -> tuple[Chip, ...]:
        return self.index.get("".join(words), ())


def name_words(name: str) -> list[str]:
    """The words of a chip's name that matter, in lower case: `NVIDIA GeForce RTX 4090` is `rtx 4090`."""
    plain = re.sub(r"\((?:r|tm|c)\)|[®™]", " ", name.lower())
    plain = re.sub(r"\bsuper\b", " super", plain).replace("mobile", "laptop")
    return [word for word in re.split(r"[^a-z0-9+]+", plain) if word and word not in BRAND_WORDS]


@dataclass(frozen=True, slots=True)
class Picked:
    """The build that is meant, the name that says no more than is known, and whether its speed is certain."""

    chip: Chip
    name: str
    certain: bool

    @property
    def source(self) -> str:
        """Where the chip's figures are from, with the doubt that remains."""
        return f"catalog: {self.chip.name}" + ("" if self.certain else " (the slowest of its builds)")


def pick(
    builds: Iterable[Chip],
    *,
    memory: int | None = None,
    cores: int | None = None,
    gpu_cores: int | None = None,
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
    slowest = min(left, key=lambda chip: (chip.bandwidth, chip.compute or 0.0))
    left.sort(key=lambda chip: chip is not slowest)
    return Picked(slowest, _common_name(left), all(chip.bandwidth == slowest.bandwidth for chip in left))


def _common_name(chips: list[Chip]) -> str:
    """What the names of several builds begin with: `A100` of `A100 SXM` and `A100 PCIe`. A bare `RX` is no name."""
    words = chips[0].name.split()
    while words and not all(chip.name.split()[: len(words)] == words for chip in chips):
        words.pop()
    common = " ".join(words)
    return common if any(char.isdecimal() for char in common) else chips[0].name


def load_chips(directory: Path, copies: Path | None = None) -> Chips:
    """Read and check `chips.toml`. Raises CatalogError with the file and the place of a mistake.

    `copies` is where a compiled copy of the file is kept, to be read faster the next time.
    """
    try:
        return parse_chips(compiled_toml.read(directory, FILE_NAME, copies))
    except DocumentError as error:
        raise CatalogError(f"`{directory / FILE_NAME}` is not valid: {error}") from error


def parse_chips(document: object) -> Chips:
    """Check a parsed `chips.toml`. Raises DocumentError with the place of a mistake."""
    root = Table(document)
    sources = root.table("sources")
    texts = {key: sources.text(key) for key in sources}
    kinds = tuple(_memory_kind(row, texts) for row in root.tables("memory"))
    chips = tuple(_chip(row, texts) for row in root.tables("chip"))
    root.finish()
    builds = set()
    for number, chip in enumerate(chips):
        build = (chip.name, chip.memory, chip.cores, chip.gpu_cores)
        if build in builds:
            raise DocumentError(f"chip[{number}]", f"`{chip.name}` is listed twice")
        builds.add(build)
    return Chips(chips, kinds, _index(chips))


def _chip(row: Table, sources: Mapping[str, str]) -> Chip:
    accelerator = row.text("accelerator")
    if accelerator not in get_args(Accelerator):
        raise row.fail("accelerator", f"expected one of {', '.join(get_args(Accelerator))}, found `{accelerator}`")
    chip = Chip(
        name=row.text("name"),
        accelerator=accelerator,  # type: ignore[arg-type]  # checked above
        bandwidth=_bandwidth(row),
        source=_source(row, sources),
        memory=_sizes(row),
        aliases=row.texts("aliases"),
        unified=row.flag_or("unified", default=accelerator == "metal"),
        mig=row.flag_or("mig", default=False),
        cores=row.integer_or("cores", 0, low=1, high=4096) or None,
        gpu_cores=row.integer_or("gpu_cores", 0, low=1, high=4096) or None,
        compute=row.number_or("compute", 0.0) * TFLOPS or None,
        pci=row.texts("pci"),
    )
    if chip.compute is not None and chip.compute < 0:
        raise row.fail("compute", "expected more than 0")
    if chip.discrete and not chip.memory:
        raise row.fail("memory", "is missing: a graphics card has a memory of its own")
    row.finish()
    return chip


def _memory_kind(row: Table, sources: Mapping[str, str]) -> MemoryKind:
    kind = MemoryKind(
        name=row.text("name"),
        bandwidth=_bandwidth(row),
        channels=row.integer("channels", low=1, high=64),
        usual=row.flag_or("usual", default=False),
    )
    _source(row, sources)
    row.finish()
    return kind


def _bandwidth(row: Table) -> int:
    value = row.number("bandwidth")
    if not 0 < value <= MAX_BANDWIDTH_GB_S:
        raise row.fail("bandwidth", f"expected GB/s up to {MAX_BANDWIDTH_GB_S}, found {value}")
    return round(value * GB_PER_S)


def _sizes(row: Table) -> tuple[int, ...]:
    sizes = row.rows("memory")
    for number, size in enumerate(sizes):
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= MAX_MEMORY_GB:
            raise row.fail(f"memory[{number}]", f"expected whole GB up to {MAX_MEMORY_GB}")
    return tuple(size * GIB for size in sizes)


def _source(row: Table, sources: Mapping[str, str]) -> str:
    keys = row.texts("source")
    if not keys:
        raise row.fail("source", "is missing: every figure says where it is from")
    for number, key in enumerate(keys):
        if key not in sources:
            raise row.fail(f"source[{number}]", f"`{key}` is not in [sources]")
    return "; ".join(sources[key] for key in keys)


def _index(chips: Iterable[Chip]) -> dict[str, tuple[Chip, ...]]:
    """Every name and alias, and each without the prefix that people leave out, to the builds it means."""
    index: dict[str, tuple[Chip, ...]] = {}
    short: dict[str, tuple[Chip, ...]] = {}
    for chip in chips:
        for name in (chip.name, *chip.aliases):
            key = "".join(name_words(name))
            index[key] = (*index.get(key, ()), chip)
            for prefix in SPOKEN_PREFIXES:
                rest = key.removeprefix(prefix)
                if rest != key and len(rest) >= 4:  # `50` or `7` alone means nothing
                    short[rest] = (*short.get(rest, ()), chip)
    return short | index  # a full name wins over a shortened one

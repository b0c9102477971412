"""The chips that lmpm knows, read from `catalog/chips.toml`, and how their many names are recognised."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, get_args

from lmpm.errors import CatalogError
from lmpm.fs import DocumentError, Table, compiled_toml
from lmpm.limits import GIB
from lmpm.machine.chip import FORM_WORDS, GB_PER_S, MAX_BANDWIDTH_GB_S, MAX_MEMORY_GB, Chip, MemoryKind, name_words
from lmpm.machine.long_tables import LongTables, Slice
from lmpm.types import Accelerator, Simd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILE_NAME: Final = "chips.toml"
TFLOPS: Final = 1e12

# Prefixes that people leave out: `4090`, `7900 XTX`, `A770`.
SPOKEN_PREFIXES: Final = ("rtx", "gtx", "rx", "arc", "quadrortx", "ryzen7", "ryzen5", "ryzen9", "ryzen")


@dataclass(frozen=True, slots=True)
class Chips:
    """The table of chips, with an index of every name, and the long tables of those that fewer people have."""

    chips: tuple[Chip, ...]
    memory_kinds: tuple[MemoryKind, ...]
    index: Mapping[str, tuple[Chip, ...]]
    long: LongTables | None = field(default=None, compare=False)

    def named(self, name: str) -> tuple[Chip, ...]:
        """Every build of the chip that a person or a driver calls `name`; empty if no table has it."""
        return self.card(name) or self.cpu(name)

    def card(self, name: str) -> tuple[Chip, ...]:
        """The same of a graphics card; what `chips.toml` has is found, whatever it is."""
        return self.common(name) or (self.long.gpu(name) if self.long else ())

    def cpu(self, name: str) -> tuple[Chip, ...]:
        """The same of a CPU."""
        return self.common(name) or (self.long.cpu(name) if self.long else ())

    def common(self, name: str) -> tuple[Chip, ...]:
        """The same of `chips.toml` alone, which costs no reading."""
        words = name_words(name)
        return self._at(words) or self._at([word for word in words if word not in FORM_WORDS])

    def with_pci(self, identity: str) -> tuple[Chip, ...]:
        """Every chip with this `vendor:device`, of which several share one."""
        return tuple(chip for chip in self.chips if identity in chip.pci)

    def slice_of(self, chip: Chip, profile: str) -> Slice | None:
        """What the MIG profile (`1g.10gb`) of a GPU gives; None for what is not a profile."""
        return self.long.slice_of(chip, profile) if self.long else None

    def suggestions(self, name: str, *, limit: int = 3) -> list[str]:
        """Names near to a misspelt one, nearest first."""
        from difflib import get_close_matches

        names = {key: builds[0].name for key, builds in self.index.items()}
        if self.long:
            names = {key.replace(" ", ""): name for key, name in self.long.names()} | names
        near = get_close_matches("".join(name_words(name)), names, n=limit, cutoff=0.7)
        return list(dict.fromkeys(names[key] for key in near))

    def slowest(self, accelerator: Accelerator, at_least: int = 0) -> Chip | None:
        """The slowest card of a kind with this much memory: the careful guess for one that is unknown."""
        same = [chip for chip in self.chips if chip.accelerator == accelerator and chip.discrete]
        large = [chip for chip in same if max(chip.memory, default=0) >= at_least]
        return min(large or same, key=lambda chip: chip.bandwidth, default=None)

    def _at(self, words: Iterable[str]) -> tuple[Chip, ...]:
        return self.index.get("".join(words), ())


def load_chips(directory: Path, copies: Path | None = None) -> Chips:
    """Read and check `chips.toml`. Raises CatalogError with the file and the place of a mistake.

    `copies` is where a compiled copy of the file is kept, to be read faster the next time.
    """
    try:
        chips = parse_chips(compiled_toml.read(directory, FILE_NAME, copies))
    except DocumentError as error:
        raise CatalogError(f"`{directory / FILE_NAME}` is not valid: {error}") from error
    return replace(chips, long=LongTables(directory, copies))


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
        simd=row.choice_or("simd", get_args(Simd), ""),
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

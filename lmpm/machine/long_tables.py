"""The long tables of chips, `cpus.toml` and `gpus.toml`: read only when a name is looked up that `chips.toml` lacks.

A row becomes a `Chip` when its name is asked for, so that a thousand rows cost nothing but the reading of one
file. The names in them are keys: `cpu_words` or `chip.name_words`, joined by blanks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from lmpm.errors import CatalogError
from lmpm.fs import DocumentError, Table, compiled_toml
from lmpm.limits import GIB
from lmpm.machine.chip import GB_PER_S, Chip, name_words
from lmpm.types import Accelerator, Simd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CPUS: Final = "cpus.toml"
GPUS: Final = "gpus.toml"
MIG: Final = "mig.toml"
MT_S: Final = 10**6  # transfers a second in one MT/s
COMPUTE_SLICES: Final = 7  # of a GPU that is cut by MIG
LEAST_OF_NAMED: Final = 0.83  # of the memory in a profile's name: GB200 has 20.0 GiB in `1g.24gb`, others more
MAX_BITS: Final = 1024  # of a socket: twelve channels of 64 have 768

# What a system prints around a CPU's name, and what makers add to it: `11th Gen Intel(R) Core(TM) i7-11800H @
# 2.30GHz`, `AMD Ryzen 7 5800X 8-Core Processor`, `AMD Ryzen 7 6800U with Radeon Graphics`.
_PRINTED = (
    r"\s(?:@|t\s(?=\d)).*|\s-\squalcomm\b.*|\b(?:\d+|n|dual|triple|quad|six|eight|twelve|sixteen)-cores?\b|\bcpu\b"
    r"|\bprocessors?\b|\s(?:with|w/)\s.*|\b1[0-4]th\b|\b(?:rockchip|hisilicon)\b"
    r"|\bx-series\b|\bextreme edition\b|\((?!r\)|tm\))[^)]*\)"
)
# What people leave out of a name: `12700H` is a Core i7, `Ryzen 3600` a Ryzen 5, `Xeon 8380` a Platinum.
_CORE: Final = tuple(f"core {kind}" for kind in ("i3", "i5", "i7", "i9", "ultra 5", "ultra 7", "ultra 9",
                                               "ultra x7", "ultra x9"))  # fmt: skip
_RYZEN: Final = tuple(
    f"ryzen {kind}" for kind in ("3", "5", "7", "9", "3 pro", "5 pro", "7 pro", "9 pro", "threadripper",
                                 "threadripper pro", "ai 5", "ai 7", "ai 9", "ai 9 hx")
)  # fmt: skip
_XEON: Final = ("xeon platinum", "xeon gold", "xeon silver", "xeon bronze")
_LEFT_OUT: Final = {"ryzen": _RYZEN, "xeon": _XEON, "threadripper": ("ryzen threadripper", "ryzen threadripper pro")}
_BARE: Final = ("core", *_CORE, "ryzen", *_RYZEN, "epyc", "xeon", *_XEON, "celeron", "pentium silver")
_CARDS: Final = ("rtx", "gtx", "rx", "arc", "quadro")
_MODEL_NUMBER = r"(?=.*\d)(?=.*[a-z+])[a-z0-9+]{4,}"  # tells a CPU apart without its family: `5600x`


class Slice(NamedTuple):
    """What a MIG profile gives of its GPU: bytes, and shares of the bandwidth and of the multiprocessors."""

    memory: int
    bandwidth: float
    compute: float
    certain: bool  # from the table; else by the rule that the table follows


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LongTables:
    """The rows of the long tables; `copies` is where compiled copies of the files are kept."""

    directory: Path
    copies: Path | None = None
    _read: dict[str, Table] = field(default_factory=dict, repr=False, compare=False)

    def cpu(self, name: str) -> tuple[Chip, ...]:
        """The CPU that a person or a system calls `name`, once for each kind of memory; empty if there is none."""
        table = self._table(CPUS)
        rows, aliases = table.table("cpus"), table.table("aliases")
        for key in _spoken(cpu_words(name)):
            known = aliases.texts(key) or ((key,) if key in rows else ())
            if known:
                return tuple(chip for one in known for chip in _cpus(rows.table(one), table.table("sources")))
        return self._family(cpu_words(name))

    def _family(self, words: list[str]) -> tuple[Chip, ...]:
        """The CPU by what those of its family have in common, where no row has its name."""
        keys = list(_spoken(words))
        for row in self._table(CPUS).tables("family"):
            pattern = row.text("pattern")
            if any(re.fullmatch(pattern, key) for key in keys):
                return tuple(_cpus(row, None))
        return ()

    def gpu(self, name: str) -> tuple[Chip, ...]:
        """Every build of the graphics card that is called `name`; empty if there is none."""
        table, words = self._table(GPUS), " ".join(name_words(name))
        rows = table.table("gpus")
        for key in (words, *(f"{prefix} {words}" for prefix in _CARDS)):
            if key in rows:
                return _gpus(rows.table(key), table.table("sources"))
        return ()

    def slice_of(self, chip: Chip, profile: str) -> Slice | None:
        """What the MIG profile (`1g.10gb`) of a GPU gives; None for what is not a profile."""
        found = re.fullmatch(r"(?:\dc\.)?(\d)g\.(\d{1,3})gb(?:\+.*)?", profile)
        if not found or not chip.memory:
            return None
        units, size = int(found[1]), int(found[2]) * GIB
        for row in self._table(MIG).tables("gpu"):
            if chip.name in row.texts("chips") and row.integer("memory") * GIB in chip.memory:
                slices = row.table("slices")
                name = f"{units}g.{found[2]}gb"
                if name in slices:
                    one = slices.table(name)
                    share = one.integer("eighths", low=1, high=8) / 8
                    return Slice(round(one.number("memory") * GIB), share, one.number("compute"), certain=True)
        memory = max(chip.memory)
        if size > memory:
            return None
        share = min(max(1, round(8 * size / memory)) / 8, 1.0)
        return Slice(round(size * LEAST_OF_NAMED), share, min(units / COMPUTE_SLICES, 1.0), certain=False)

    def names(self) -> Iterator[tuple[str, str]]:
        """Every key of the tables, and the name of its chip."""
        for file, key in ((CPUS, "cpus"), (GPUS, "gpus")):
            rows = self._table(file).table(key)
            yield from ((name, rows.table(name).text("name")) for name in rows)

    def _table(self, name: str) -> Table:
        if name not in self._read:
            try:
                self._read[name] = Table(compiled_toml.read(self.directory, name, self.copies))
            except DocumentError as error:
                raise CatalogError(f"`{self.directory / name}` is not valid: {error}") from error
        return self._read[name]


def cpu_words(name: str) -> list[str]:
    """The words that tell a CPU apart: `ryzen 7 5800x` of `AMD Ryzen 7 5800X 8-Core Processor`."""
    return name_words(re.sub(_PRINTED, " ", f" {name.lower()}"))


def _spoken(words: list[str]) -> Iterator[str]:
    """The key that a name is, then those that it may be short for."""
    if not words:
        return
    full, rest = " ".join(words), " ".join(words[1:])
    yield full
    yield from (f"{prefix} {rest}" for prefix in _LEFT_OUT.get(words[0], ()))
    if len(words) > 1 or re.fullmatch(_MODEL_NUMBER, full):  # a number alone may be anything
        yield from (f"{prefix} {full}" for prefix in _BARE)


def _cpus(row: Table, sources: Table | None) -> Iterator[Chip]:
    """A CPU with each kind of memory that it takes; a family states its source itself."""
    bits = row.integer("bits", low=16, high=MAX_BITS)
    for kind in row.texts("memory"):
        yield Chip(
            name=row.text("name"),
            accelerator="cpu",
            bandwidth=int(kind.rpartition("-")[2]) * MT_S * bits // 8,
            source=sources.text(row.text("source")) if sources else row.text("source"),
            cores=row.integer_or("cores", 0, low=1, high=4096) or None,
            simd=row.choice_or("simd", get_args(Simd), ""),
            server=row.flag_or("server", default=False),
            memory_kind=kind,
            channels=max(1, bits // 64),
        )


def _gpus(row: Table, sources: Table) -> tuple[Chip, ...]:
    """The builds of a card: a memory size with its bandwidth each."""
    builds = row.table("builds")
    source = sources.text("techpowerup")
    return tuple(
        Chip(
            name=row.text("name"),
            accelerator=row.choice("accelerator", get_args(Accelerator)),
            bandwidth=round(builds.number(size) * GB_PER_S),
            source=source,
            memory=(int(size) * GIB,),
        )
        for size in builds
    )

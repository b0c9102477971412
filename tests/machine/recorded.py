"""Probes that answer from a recording: computers that the tests do not run on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lmpm.limits import KIB
from lmpm.machine.chips import Chips, load_chips
from lmpm.machine.probes import Ran, System

CATALOG = Path(__file__).resolve().parents[2] / "catalog"


def catalog_chips() -> Chips:
    return load_chips(CATALOG)


@dataclass(frozen=True)
class Recorded:
    system: System = "linux"
    architecture: str = "x86_64"
    files: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str | Ran] = field(default_factory=dict)  # by the first word, or by the whole line
    variables: dict[str, str] = field(default_factory=dict)
    ram: tuple[int, int | None] | None = None
    allowed: frozenset[int] | None = None
    cpu: str | None = None
    asked: list[str] = field(default_factory=list)

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def names(self, path: str) -> tuple[str, ...]:
        below = (name.removeprefix(f"{path}/") for name in self.files if name.startswith(f"{path}/"))
        return tuple(sorted({name.split("/")[0] for name in below}))

    def run(self, *command: str) -> Ran:
        self.asked.append(" ".join(command))
        answer = self.commands.get(" ".join(command), self.commands.get(command[0]))
        if answer is None:
            return Ran("missing")
        return Ran("ended", answer) if isinstance(answer, str) else answer

    def environment(self, name: str) -> str | None:
        return self.variables.get(name)

    def memory(self) -> tuple[int, int | None] | None:
        return self.ram

    def processors(self) -> frozenset[int] | None:
        return self.allowed

    def processor_name(self) -> str | None:
        return self.cpu


def meminfo(gib: float, available_gib: float = 1.0) -> str:
    """`/proc/meminfo` of a computer with this much memory."""
    total, available = (int(size * 1024 * 1024) for size in (gib, available_gib))
    return (
        f"MemTotal:       {total} kB\nMemFree:          811996 kB\nMemAvailable:   {available} kB\n"
        "Buffers:          211996 kB\nCached:          4119608 kB\n"
    )


def cpuinfo(cores: int, *, threads: int = 1, model: str = "AMD Ryzen 7 5800X 8-Core Processor") -> str:
    """`/proc/cpuinfo` of one x86 package; the second threads come after all the first ones."""
    return "\n\n".join(
        f"processor\t: {number}\nvendor_id\t: AuthenticAMD\nmodel name\t: {model}\ncache size\t: 512 {KIB}\n"
        f"physical id\t: 0\nsiblings\t: {cores * threads}\ncore id\t\t: {number % cores}\ncpu cores\t: {cores}\n"
        "flags\t\t: fpu vme avx2"
        for number in range(cores * threads)
    )


def linux(gib: float = 32.0, *, cores: int = 8, threads: int = 2) -> dict[str, str]:
    """The files of a plain Linux computer."""
    return {"/proc/meminfo": meminfo(gib), "/proc/cpuinfo": cpuinfo(cores, threads=threads)}

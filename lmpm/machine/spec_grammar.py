"""The words of a hardware spec taken apart: sizes, cores, memory speed, and the chips that it names.

Quantities with a unit are taken out wherever they stand; what is left must be names of chips and words that
add nothing. A word that is neither is an error, never passed over.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

from lmpm.errors import SpecError
from lmpm.limits import GIB, MIB
from lmpm.machine.chip import GB_PER_S, name_words
from lmpm.types import NOT_KNOWN, Fact

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.machine.chip import Chip
    from lmpm.machine.chips import Chips

MAX_SPEC_CHARS: Final = 200
MAX_MEMORY: Final = 16 * 1024 * GIB
MIN_MEMORY: Final = 64 * MIB  # no model that exists runs in less
MAX_CORES: Final = 1024
MAX_GPUS: Final = 64
MAX_NAME_WORDS: Final = 7  # of a chip
MAX_BANDWIDTH_GB_S: Final = 20_000
MEMORY_SPEEDS: Final = range(800, 20_001)  # MT/s
TRANSFER_BYTES: Final = 8  # of one memory channel
USUAL_CHANNELS: Final = 2  # of a PC
MAX_CHANNELS: Final = 32

EXAMPLES: Final = (
    'Examples: `--hardware "M2, 16GB"`, `--hardware "RTX 3060 12GB, 32GB"`, `--hardware "CPU, 8 cores, 16GB"`'
)
UNITS: Final = {"t": 1024 * GIB, "g": GIB, "m": MIB}
NUMBER_WORDS: Final = {
    "single": 1,
    "one": 1,
    "dual": 2,
    "two": 2,
    "three": 3,
    "quad": 4,
    "four": 4,
    "octa": 8,
    "eight": 8,
}
ARCHITECTURE_WORDS: Final = {"x86": "x86", "x64": "x86", "arm": "ARM", "arm64": "ARM", "aarch64": "ARM"}
FILLER: Final = frozenset({
    "cpu", "gpu", "ram", "vram", "memory", "unified", "with", "and", "of", "a", "the", "host", "system", "only",
    "pc", "desktop", "computer", "processor", "processors", "physical", "linux", "macos", "windows", "silicon",
    "mac", "x",
}) | frozenset(ARCHITECTURE_WORDS)  # fmt: skip
# A maker or a kind of device that says nothing without the chip.
NEEDS_CHIP: Final = frozenset({
    "apple", "nvidia", "geforce", "rtx", "gtx", "tesla", "quadro", "radeon", "rx", "arc", "gpu", "mac", "vram",
    "silicon",
})  # fmt: skip
CPU_FAMILIES: Final = frozenset({
    "ryzen", "xeon", "epyc", "threadripper", "celeron", "pentium", "athlon", "atom", "core", "snapdragon",
    "graviton", "ampere", "altra", "i3", "i5", "i7", "i9",
})  # fmt: skip

ODD_CHARACTER = re.compile(r"[^a-z0-9 .,;:/|+&()_×*·®™@=-]")
SEPARATOR = re.compile(r"[,;/|·&]|\s\+\s")
MAC_MODEL = re.compile(r"\bmac ?book(?: (?:pro|air|neo))?\b|\bmac (?:mini|studio|pro)\b|\bi?mac\b")
PROFILE = re.compile(r"\b(?:mig[ -]*)?(\dg\.\d{1,3}gb)(?:\+me)?\b")
FREQUENCY = re.compile(r"@?\s*\b\d+(?:\.\d+)?\s*ghz\b")
BANDWIDTH = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*g(?:i?b)?/s\b")
THREADS = re.compile(r"(?<![\w.])(\d+)[- ]*threads?\b")
SIZE = re.compile(
    r"(?:\b(v?ram|memory)\s*[:=]?\s*)?(?<![\w.])(?:(\d{1,2})\s*[x×*]\s*)?(-?\d+(?:\.\d+)?)[\s-]*(ti?b|gi?b|mi?b|g)\b"
    r"(?:\s+(?:of\s+)?(v?ram|unified|memory|host|system|video)\b)?"
)
DDR = re.compile(r"(?<![\w.])((?:lp)?ddr\d)(x?)(?:-(\d{1,6})| ?(\d{4,6}))?(?:\s*m(?:t/s|hz))?\b")
CHANNELS = re.compile(r"(?<![\w.])(\d{1,2}|single|dual|quad|octa)[- ]?channels?\b")
GPU_CORES = re.compile(r"(?<![\w.])(\d+)[- ]*cores?[- ]+gpu\b|\bgpu\s+(\d+)[- ]*cores?\b")
CORES = re.compile(r"(?<![\w.])(-?\d+)[- ]*(?:physical[- ]+)?(?:cpu[- ]+)?(?:v?cpus|cores?)\b|(?<![\w.])(\d+)c\b")
COUNT = re.compile(r"(?<![\w.])(\d{1,2})\s*[x×*]\s*(?=[a-z0-9])(?!86|64)|\s[x×*]\s*(?!86|64)(\d{1,4})\b")
CORES_AND_THREADS = re.compile(r"(?<![\w.])(\d+) ?c ?/ ?\d+ ?t\b")


@dataclass(frozen=True, slots=True)
class Size:
    """A quantity of memory: bytes of one unit, how many of them, its label, and the part where it stood."""

    unit: int
    times: int
    label: str
    part: int
    text: str

    @property
    def total(self) -> int:
        """Bytes of all units."""
        return self.unit * self.times


@dataclass(frozen=True, slots=True)
class Named:
    """A chip that was named: its builds, how many, and the part where it stood."""

    builds: tuple[Chip, ...]
    count: int
    part: int


@dataclass(frozen=True, slots=True)
class Ddr:
    """Main memory by its kind: `DDR5`, its transfers (MT/s, None where the spec leaves them out) and channels."""

    generation: str
    speed: int | None
    usual_speed: int  # MT/s of its generation
    channels: int | None

    def bandwidth(self, channels: int | None) -> tuple[int, Fact]:
        """Bytes a second of so many channels of 64 bits, or of those of a PC, and where that is from."""
        count, speed = self.channels or channels or USUAL_CHANNELS, self.speed or self.usual_speed
        name = f"{self.generation.upper()}-{speed}"
        how = f"{name}, {count} channels, theoretical peak"
        return speed * TRANSFER_BYTES * 10**6 * count, Fact("given" if self.speed else "assumed", how)


@dataclass(slots=True)
class Reading:
    """What a spec says."""

    text: str
    sizes: list[Size] = field(default_factory=list)
    chips: list[Named] = field(default_factory=list)
    cores: int | None = None
    gpu_cores: int | None = None
    bandwidth: int | None = None
    bandwidth_source: Fact = NOT_KNOWN
    ddr: Ddr | None = None
    profile: str = ""  # of a MIG slice
    architecture: str = ""
    cpu_name: str = ""
    laptop: bool = False
    vague: str = ""  # a maker or device that was named without its chip

    def refuse(self, problem: str, hint: str = "") -> NoReturn:
        """Say what was not understood."""
        shown = " ".join(self.text.split())
        shown = shown if len(shown) <= MAX_SPEC_CHARS else shown[: MAX_SPEC_CHARS - 1] + "…"
        shown = "".join(char if char.isprintable() else "�" for char in shown)
        raise SpecError(
            f"The hardware `{shown}` cannot be understood: {problem}",
            hint=hint or EXAMPLES,
        )


def read(text: str, chips: Chips) -> Reading:
    """Take a spec apart. Raises SpecError for anything that is not understood."""
    found = Reading(text)
    if not text.strip():
        found.refuse("it is empty")
    if len(text) > MAX_SPEC_CHARS:
        found.refuse(f"it is longer than {MAX_SPEC_CHARS} characters")
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    odd = ODD_CHARACTER.search(plain)
    if odd:
        found.refuse(f"`{odd[0]}` is not expected" if odd[0].isprintable() else "it has a control character")
    plain = re.sub(r"\((?:r|tm)\)", " ", plain).replace("(", " ").replace(")", " ")
    plain = FREQUENCY.sub(" ", MAC_MODEL.sub(" mac ", plain))
    plain = CORES_AND_THREADS.sub(r"\1 cores", plain)
    plain = PROFILE.sub(lambda match: _take_profile(found, match), plain)
    plain = BANDWIDTH.sub(lambda match: _take_bandwidth(found, match), plain)
    for number, part in enumerate(SEPARATOR.split(plain)):
        _read_part(found, number, part, chips)
    cards = [named.builds[0].name for named in found.chips if named.builds[0].discrete]
    if found.laptop and cards:  # its figures would be those of the desktop card
        near = " or ".join(f"`{name}`" for name in chips.suggestions(f"{cards[0]} laptop"))
        found.refuse(f"no laptop with `{cards[0]}` is known", f"Did you mean {near}?" if near else "")
    if found.vague and not found.chips and not found.cpu_name:
        found.refuse(f"`{found.vague}` says no chip", "Name the chip, as in `RTX 4090` or `M2`")
    return found


def _read_part(found: Reading, number: int, part: str, chips: Chips) -> None:
    part = GPU_CORES.sub(lambda match: _take_cores(found, match, gpu=True), part)
    part = CORES.sub(lambda match: _take_cores(found, match), part)
    part = THREADS.sub(lambda match: _take_threads(found, match), part)
    channels = [NUMBER_WORDS.get(match[1]) or int(match[1]) for match in CHANNELS.finditer(part)]
    part = CHANNELS.sub(" ", part)
    part = DDR.sub(lambda match: _take_ddr(found, match, channels, chips), part)
    part = SIZE.sub(lambda match: _take_size(found, match, number), part)
    counts = [int(match[1] or match[2]) for match in COUNT.finditer(part)]
    part = COUNT.sub(" ", part)
    if any(not 1 <= count <= MAX_GPUS for count in counts):
        found.refuse(f"`{counts[0]}x`: expected 1 to {MAX_GPUS} GPUs")
    _read_words(found, number, part, chips, counts[0] if counts else 1)


def _read_words(found: Reading, number: int, part: str, chips: Chips, count: int) -> None:
    """Recognise the longest chip names first; every other word must add nothing."""
    spoken = re.split(r"[^a-z0-9+]+", part)
    found.vague = found.vague or next((word for word in spoken if word in NEEDS_CHIP), "")
    words = name_words(part)
    # the long tables are read only for words that the short one does not explain
    named = chips.common if _explains(words, chips.common) else chips.named
    unknown: list[str] = []
    start = 0
    chip_seen = False
    while start < len(words):
        end, builds = _longest_chip(words, start, named)
        if builds:
            if unknown and (unknown[-1] in NUMBER_WORDS or unknown[-1].isdecimal()):  # `dual RTX 3090`
                word = unknown.pop()
                count = NUMBER_WORDS.get(word) or int(word)
                if not 1 <= count <= MAX_GPUS:
                    found.refuse(f"`{word}`: expected 1 to {MAX_GPUS} GPUs")
            found.chips.append(Named(builds, count, number))
            count, chip_seen, start = 1, True, end
            continue
        word = words[start]
        found.architecture = found.architecture or ARCHITECTURE_WORDS.get(word, "")
        if word == "laptop":
            found.laptop = True
        elif word not in FILLER:
            unknown.append(word)
        start += 1
    if unknown and CPU_FAMILIES & set(unknown):
        found.cpu_name = " ".join(spoken).strip()
    elif unknown:
        _refuse_words(found, unknown, words if chip_seen else unknown, chips)
    if count > 1 and not chip_seen:
        found.refuse(f"`{count}x` of what?")


def _explains(words: list[str], named: Callable[[str], tuple[Chip, ...]]) -> bool:
    """Whether a table of chips leaves no word over."""
    start = 0
    while start < len(words):
        end, builds = _longest_chip(words, start, named)
        if not builds and words[start] not in FILLER | NUMBER_WORDS.keys() | {"laptop"}:
            return False
        start = end if builds else start + 1
    return True


def _longest_chip(
    words: list[str], start: int, named: Callable[[str], tuple[Chip, ...]]
) -> tuple[int, tuple[Chip, ...]]:
    for end in range(min(len(words), start + MAX_NAME_WORDS), start, -1):
        builds = named(" ".join(words[start:end]))
        if builds:
            return end, builds
    return start, ()


def _refuse_words(found: Reading, unknown: list[str], context: list[str], chips: Chips) -> NoReturn:
    words = " ".join(unknown)
    if all(word.isdecimal() for word in unknown) and len(unknown) == 1 and len(words) <= 3:
        found.refuse(f"`{words}` has no unit", f"For memory write `{words}GB`, for a CPU `{words} cores`")
    near = chips.suggestions(" ".join(context)) or chips.suggestions(words)
    hint = "Did you mean " + " or ".join(f"`{name}`" for name in near) + f"? {EXAMPLES}" if near else ""
    found.refuse(f"`{words}` is not a chip that lmpm knows", hint)


def _take_bandwidth(found: Reading, match: re.Match[str]) -> str:
    value = float(match[1])
    if not 0 < value <= MAX_BANDWIDTH_GB_S:
        found.refuse(f"`{match[0]}`: expected up to {MAX_BANDWIDTH_GB_S:,} GB/s")
    found.bandwidth, found.bandwidth_source = round(value * GB_PER_S), Fact("given", f"`{match[0]}`")
    return " "


def _take_profile(found: Reading, match: re.Match[str]) -> str:
    if found.profile:
        found.refuse(f"`{found.profile}` and `{match[1]}`: a process sees one slice only")
    found.profile = match[1]
    return " "


def _take_cores(found: Reading, match: re.Match[str], *, gpu: bool = False) -> str:
    count = int(match[1] or match[2])
    if not 1 <= count <= MAX_CORES:
        found.refuse(f"`{match[0].strip()}`: expected 1 to {MAX_CORES:,} cores")
    if gpu:
        found.gpu_cores = count
    else:
        found.cores = count
    return " cpu " if not gpu else " "


def _take_threads(found: Reading, match: re.Match[str]) -> str:
    count = int(match[1])
    if not 1 <= count <= 2 * MAX_CORES:
        found.refuse(f"`{match[0].strip()}`: expected 1 to {2 * MAX_CORES:,} threads")
    found.cores = found.cores or max(1, count // 2)
    return " "


def _take_ddr(found: Reading, match: re.Match[str], channels: list[int], chips: Chips) -> str:
    generation, speed = match[1] + match[2], match[3] or match[4]
    if speed and int(speed) not in MEMORY_SPEEDS:
        found.refuse(f"`{match[0].strip()}`: expected a speed such as `DDR5-5600`")
    kinds = [kind for kind in chips.memory_kinds if kind.generation == generation]
    if not speed and not kinds:
        found.refuse(f"`{match[0].strip()}` is not a memory that lmpm knows", "Give its speed, as in `DDR5-5600`")
    usual = next((kind for kind in kinds if kind.usual), kinds[0]) if kinds else None
    if channels and not 1 <= channels[0] <= MAX_CHANNELS:
        found.refuse(f"`{channels[0]}` channels: expected 1 to {MAX_CHANNELS}")
    if found.ddr is None:
        found.ddr = Ddr(
            generation,
            int(speed) if speed else None,
            int(usual.name.rpartition("-")[2]) if usual else int(speed),
            channels[0] if channels else None,
        )
    return " "


def _take_size(found: Reading, match: re.Match[str], part: int) -> str:
    number, unit = match[3], match[4]
    if unit == "g" and len(number) > 3:
        return match[0]  # the 5600G is a CPU
    times = int(match[2] or 1)
    size = int(min(float(number), 1e9) * UNITS[unit[0]])
    shown = match[0].strip()
    if not MIN_MEMORY <= size * times <= MAX_MEMORY:
        found.refuse(f"`{shown}`: expected {MIN_MEMORY // MIB} MB to {MAX_MEMORY // GIB // 1024} TB of memory")
    found.sizes.append(Size(size, times, match[1] or match[5] or "", part, shown.upper()))
    return " "

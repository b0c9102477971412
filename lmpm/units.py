"""Sizes, rates and durations as people read and type them. GiB = 1024³ bytes, and so it is written."""

from __future__ import annotations

import math
import re
from typing import Final

from lmpm.errors import SpecError

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_TYPED: Final = r"(?i)\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*"

_SECONDS: Final = r"\s*([0-9]{1,7}(?:\.[0-9]+)?)\s*(ms|s|m|min|h)?\s*"
_TOKENS: Final = r"(?i)\s*([0-9]{1,9}|[0-9]{1,3}(?:[,_][0-9]{3})+)\s*(k?)\s*"


def human(size: float) -> str:
    """`4683074144` as `4.4 GiB`."""
    unit = 0
    while abs(size) >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def out_of(size: float, whole: float) -> str:
    """`1.2/4.4 GiB`: both in the unit of the whole, and as wide whatever the size."""
    shown, unit = human(whole).split()
    part = size / 1024 ** _UNITS.index(unit)
    return f"{part:>{len(shown)}.{0 if unit == 'B' else 1}f}/{shown} {unit}"


def parse(text: str) -> int:
    """`8GB`, `8 GiB` or `500M` in bytes; units are powers of 1024, as memory is sold. Raises SpecError."""
    found = re.fullmatch(_TYPED, text)
    if not found:
        raise SpecError(f"`{text}` is not a size", hint="Write it like `8GB` or `500MB`")
    power = " kmgt".index(found[2].lower() or " ")
    return int(float(found[1]) * 1024**power)


def tokens(text: str) -> int | None:
    """`8192`, `8,192` or `8k` as a number of tokens, of which a k is 1,024; None for anything else."""
    found = re.fullmatch(_TOKENS, text)
    return int(found[1].replace(",", "").replace("_", "")) * (1024 if found[2] else 1) if found else None


def seconds(text: str) -> float | None:
    """`20s`, `10m`, `1.5h` or a bare number in seconds; None for anything else."""
    found = re.fullmatch(_SECONDS, text)
    sizes = {"ms": 0.001, None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}
    return float(found[1]) * sizes[found[2]] if found else None


def parameters(number: int) -> str:
    """`7615616512` as `7.6B`, `3069024` as `3.1M`; `unknown` for 0."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= 0.1 * size and (unit != "B" or number >= 0.95 * size):
            return f"{number / size:.1f}{unit}"
    return str(number) if number else "unknown"


def dollars(amount: float) -> str:
    """`$12.40`, `$0.0042`: to two digits below a dollar."""
    if amount >= 1:
        return f"${amount:,.2f}"
    if 0 < amount < 0.0001:
        return "under $0.0001"
    return f"${amount:.{max(2, 1 - math.floor(math.log10(amount))) if amount else 2}f}"


def duration(seconds: float) -> str:
    """`112.4` as `1 min 52 s`, `600` as `10 min`, `1.43` as `1.4 s`, `0.03` as `under 0.1 s`."""
    if seconds > 0 and round(seconds, 1) == 0:
        return "under 0.1 s"
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    minutes = round(seconds / 60)
    return _two(minutes // 60, "h", minutes % 60, "min")


def _two(number: int, unit: str, rest: int, smaller: str) -> str:
    """`1 min 52 s`, or `10 min` where nothing is left over."""
    return f"{number} {unit} {rest} {smaller}" if rest else f"{number} {unit}"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2 files`; `plural` where it is not the noun with an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"

"""Sizes, rates and durations as people read and type them. GiB = 1024³ bytes, and so it is written."""

from __future__ import annotations

import re
from typing import Final

from lmpm.errors import SpecError

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_TYPED: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def human(size: float) -> str:
    """`4683074144` as `4.4 GiB`."""
    unit = 0
    while abs(size) >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def parse(text: str) -> int:
    """`8GB`, `8 GiB` or `500M` in bytes; units are powers of 1024, as memory is sold. Raises SpecError."""
    found = _TYPED.fullmatch(text)
    if not found:
        raise SpecError(f"`{text}` is not a size", hint="Write it like `8GB` or `500MB`")
    power = " kmgt".index(found[2].lower() or " ")
    return int(float(found[1]) * 1024**power)


def duration(seconds: float) -> str:
    """`112.4` as `1 min 52 s`, `600` as `10 min`, `1.43` as `1.4 s`."""
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

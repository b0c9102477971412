"""Text in the columns of a terminal: how wide it is, where it is broken, and tables that fit.

Nothing is broken or shortened where no terminal is: a log and a pipe get whole lines, unless COLUMNS is set.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_COLUMNS: Final = 20  # of a terminal: a narrower one breaks lines by itself
LEAST_CELL: Final = 12  # columns to which a column of a table is shortened
LEAST_TEXT: Final = 24  # columns for text beside a table, else it goes below its row
# What stays on one line: what stands between backticks, to be copied; a figure and its unit; a word.
_PIECE: Final = (
    r"(?:[^\s`]*`[^`]*`[^\s`]*|[\d.,-]*\dk? (?:[KMGT]?i?B(?:/s)?|tok/s|tokens|downloads|s|min|h|%)(?![\w/])\S*|\S+)"
    r"(?: ·)?"
)


def columns(stream: TextIO | None) -> int | None:
    """The width of the terminal behind a stream; None where lines may be as long as they like."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return max(LEAST_COLUMNS, int(named))
    if stream is None or not stream.isatty():
        return None
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None
    return max(LEAST_COLUMNS, found) if found else None


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def padded(text: str, width: int) -> str:
    """A text with spaces up to a width."""
    return text + " " * (width - cells(text))


def clip(text: str, width: int, *, plain: bool = False) -> str:
    """A text of at most `width` columns; what is left out of its middle is marked."""
    if cells(text) <= width:
        return text
    mark = "~" if plain else "…"
    if width < 3:
        return mark[:width]
    front, back = "", ""
    chars = list(text)
    while chars:
        char = chars.pop(0 if cells(front) <= cells(back) else -1)
        if cells(front) + cells(back) + cells(char) > width - 1:
            break
        if cells(front) <= cells(back):
            front += char
        else:
            back = char + back
    return front + mark + back


def wrap(text: str, width: int | None, *, hang: int = 0, first: int = 0) -> list[str]:
    """The lines of a text: later ones begin `hang` columns in, the first one after `first` that are taken already.

    What stands between backticks stays together where a line has room for it, so that it can be copied.
    """
    if width is None or first + cells(text) <= width:
        return [text]
    lines: list[str] = []
    line, room, end = "", width - first, 0
    lead = len(text) - len(text.lstrip())
    for piece in _pieces(text, width - hang):
        gap = piece.start - end if line or lines else lead
        end = piece.start + len(piece.text)
        joined = line + " " * gap + piece.text
        if line.strip() and cells(joined) > room:
            lines.append(line.rstrip())
            line, room = " " * hang + piece.text, width
        else:
            line = joined
    return [*lines, line]


class _Piece(NamedTuple):
    """What is not broken, and where it begins in the text."""

    start: int
    text: str


def _pieces(text: str, room: int) -> list[_Piece]:
    """The pieces of a text; what stands between backticks is in words again where no line has room for it."""
    found = []
    for match in re.finditer(_PIECE, text):
        if " " in match[0] and cells(match[0]) > room:
            found += [_Piece(match.start() + word.start(), word[0]) for word in re.finditer(r"\S+", match[0])]
        else:
            found.append(_Piece(match.start(), match[0]))
    return found


class Fit(NamedTuple):
    """How a table becomes narrower: which columns are left out and which shortened, the least important first.

    `wraps` says that the last column is text that may go on in further lines.
    """

    drop: tuple[int, ...] = ()
    shorten: tuple[int, ...] = ()
    wraps: bool = False


def fit_table(
    table: Sequence[Sequence[str]],
    width: int | None,
    *,
    indent: int,
    right: frozenset[int],
    fit: Fit,
    has_heads: bool = False,
) -> list[str]:
    """The lines of a table, its columns as wide as their widest cell and together no wider than `width`.

    With `has_heads` the first row is that of the headings.
    """
    kept = [column for column in range(len(table[0])) if any(row[column] for row in table)]
    widths = {column: max(cells(row[column]) for row in table) for column in kept}

    def excess(without: int | None = None) -> int:
        rest = [widths[column] for column in kept if column != without]
        return indent + sum(rest) + 2 * (len(rest) - bool(without is None)) - (width or 0)

    last = kept[-1] if kept and fit.wraps and kept[-1] == len(table[0]) - 1 else None
    if width is not None:
        need = 0 if last is None else min(widths[last], LEAST_TEXT)
        for column in fit.drop:
            if column in kept and excess(last) + need > 0:
                kept.remove(column)
        shortest = sum(max(0, widths[column] - LEAST_CELL) for column in fit.shorten if column in kept)
        if excess(last) + need > shortest:  # no room beside the other columns: it goes below
            need = 0
        for column in fit.shorten:
            if column in kept and (over := excess(last) + need) > 0:
                widths[column] = max(min(widths[column], LEAST_CELL), widths[column] - over)
    lines = []
    for number, row in enumerate(table):
        beside = [_cell(row[column], widths[column], is_right=column in right) for column in kept if column != last]
        line = " " * indent + "  ".join(beside)
        if last is None or width is None:
            lines.append((line + ("" if last is None else f"  {row[last]}")).rstrip())
            continue
        start = cells(line) + 2
        if width - start < min(LEAST_TEXT, cells(row[last])):  # no room beside: below
            lines.append(line.rstrip())
            if has_heads and not number:
                continue
            start = indent + 4
            lines += [" " * start + part.strip() for part in wrap(row[last], width - start)]
            continue
        first, *rest = wrap(row[last], width - start)
        lines += [f"{line}  {first}".rstrip(), *(" " * start + part.strip() for part in rest)]
    return lines


def _cell(text: str, width: int, *, is_right: bool) -> str:
    text = clip(text, width)
    return " " * (width - cells(text)) + text if is_right else padded(text, width)

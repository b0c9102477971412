"""What is wrong with examples before anything is trained: contradictions, duplicates, leaks into the cases, lengths."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.proof import Mistake
from lmpm.tuner.examples import broken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmpm.tuner.examples import Example, Examples

LIKENESS: Final = 0.8  # Jaccard of the pieces of two questions from which they count as nearly the same
PIECE: Final = 5  # characters
CHARACTERS_A_TOKEN: Final = 3.2  # of English and code in vocabularies of 30 to 150 thousand, where none is at hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found that stops nothing. `tokens` are of all examples, `longest` of the longest of them.

    `is_counted` is False where they are estimated from characters. `duplicates` and `near` are pairs of lines, `near`
    of an example and a case that is nearly the same; `too_long` are lines that are left out.
    """

    examples: int
    cases: int
    tokens: int
    longest: int
    is_counted: bool
    duplicates: tuple[tuple[int, int], ...] = ()
    near: tuple[tuple[int, int], ...] = ()
    too_long: tuple[int, ...] = ()


def inspect(
    train: Examples, asked: Examples, *, most_tokens: int, length: Callable[[Example], int] | None
) -> Inspection:
    """Look at examples and the cases that will judge what was learnt. `length` counts the tokens of an example.

    Raises CasesError for contradictions, and for examples that are cases as well: the score would mean nothing.
    """
    lines: dict[str, Example] = {}
    mistakes: list[Mistake] = []
    duplicates: list[tuple[int, int]] = []
    known = {case.normal: case.line for case in asked}
    for item in train:
        first = lines.setdefault(item.normal, item)
        if first is not item:
            duplicates.append((item.line, first.line))
            if first.answer != item.answer:
                mistakes.append(Mistake(item.line, f"asks what line {first.line} asks, with another answer"))
        if (case := known.get(item.normal)) is not None:
            where = f"{asked.name}, line {case}" if asked.name != train.name else f"line {case}"
            mistakes.append(Mistake(item.line, f"is a case of the evaluation too ({where})"))
    if mistakes:
        raise broken(train.name, mistakes)
    count = length or (lambda item: math.ceil(item.characters / CHARACTERS_A_TOKEN) + 1)
    lengths = [(count(item), item.line) for item in train]
    return Inspection(
        examples=len(train),
        cases=len(asked),
        tokens=sum(size for size, _ in lengths if size <= most_tokens),
        longest=max((size for size, _ in lengths), default=0),
        is_counted=length is not None,
        duplicates=tuple(duplicates),
        near=near_duplicates(train.examples, asked.examples),
        too_long=tuple(line for size, line in lengths if size > most_tokens),
    )


def near_duplicates(train: Sequence[Example], asked: Sequence[Example]) -> tuple[tuple[int, int], ...]:
    """The lines of each example and a case that ask nearly the same of the same: with like main inputs, else equal.

    Two sets of pieces that are that alike share one of their few rarest pieces (prefix filter: Chaudhuri, Ganti and
    Kaushik 2006), so that few pairs are compared at all.
    """
    pieces = [_pieces(case.asked) for case in asked]
    numbers = Counter(piece for found in pieces for piece in found)
    by_piece: dict[str, list[int]] = defaultdict(list)
    for number, found in enumerate(pieces):
        for piece in _rarest(found, numbers):
            by_piece[piece].append(number)
    pairs = []
    for item in train:
        own = _pieces(item.asked)
        near = {number for piece in own if piece in by_piece for number in by_piece[piece]}
        for number in sorted(near):
            union = len(own | pieces[number])
            if len(own & pieces[number]) >= LIKENESS * union and asked[number].beside == item.beside:
                pairs.append((item.line, asked[number].line))
                break
    return tuple(pairs)


def _pieces(text: str) -> frozenset[str]:
    return frozenset(text[at : at + PIECE] for at in range(max(1, len(text) - PIECE + 1)))


def _rarest(pieces: frozenset[str], numbers: Counter[str]) -> list[str]:
    """Those of the pieces of which any set that is like enough has at least one."""
    ordered = sorted(pieces, key=lambda piece: (numbers[piece], piece))
    return ordered[: len(ordered) - math.ceil(LIKENESS * len(ordered)) + 1]

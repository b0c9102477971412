"""Numbers, durations and near names as people read them."""

from __future__ import annotations

import pytest

from lmpm.errors import UnknownNameError, did_you_mean, nearest
from lmpm.units import count, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"), (1.43, "1.4 s"), (9.94, "9.9 s"), (9.97, "10 s"), (59.4, "59 s"), (59.6, "1 min"),
        (60, "1 min"), (112.4, "1 min 52 s"), (600, "10 min"), (3599.6, "1 h"), (3600, "1 h"), (3690, "1 h 2 min"),
        (7199, "2 h"), (86400, "24 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "noun", "plural", "words"),
    [
        (0, "file", "", "0 files"), (1, "file", "", "1 file"), (2, "file", "", "2 files"),
        (12345, "note", "", "12,345 notes"), (1, "try", "tries", "1 try"), (3, "try", "tries", "3 tries"),
    ],
)  # fmt: skip
def test_counts(number: int, noun: str, plural: str, words: str) -> None:
    assert count(number, noun, plural) == words


def test_the_nearest_names_come_first_and_strangers_not_at_all() -> None:
    known = {"install", "inspect", "sync", "list"}
    assert nearest("instal", known)[0] == "install"
    assert nearest("xyz", known) == []
    assert len(nearest("ins", known, most=1, likeness=0.1)) == 1
    assert nearest("insects", known, likeness=0.95) == []


def test_what_may_have_been_meant_is_asked() -> None:
    assert did_you_mean([]) == ""
    assert did_you_mean(["a"]) == "Did you mean `a`?"
    assert did_you_mean(["a", "b"]) == "Did you mean `a` or `b`?"
    assert UnknownNameError("model", "x").hint is None
    both = UnknownNameError("model", "x", suggestions=["y"], listing="All: `lmpm list`")
    assert both.hint == "Did you mean `y`? All: `lmpm list`"

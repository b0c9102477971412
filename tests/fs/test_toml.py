"""TOML within limits: what would take long or much memory is refused before it is converted."""

from __future__ import annotations

import tracemalloc

import pytest

from lmpm.fs import DocumentError, toml

LIMIT = 4 << 20


@pytest.mark.parametrize(
    "number",
    [
        "1" * 3_000_000,
        "1" * 3_000_000 + ".5",
        "0." + "1" * 3_000_000,
        "-" + "9" * 3_000_000,
        "1_" * 1_000_000 + "1",
        "0x" + "f" * 3_000_000,
        "1e" + "9" * 3_000_000,
        "1e+" + "9" * 3_000_000,
        "1" * 400,
    ],
)
@pytest.mark.parametrize("around", ["a = {}", "x = 1\n\n[t]\na = [1, {}]\n", "a = {{ b = {} }}"])
def test_a_number_of_too_many_digits(number: str, around: str) -> None:
    text = around.format(number)
    tracemalloc.start()
    with pytest.raises(DocumentError, match="a number of too many digits") as caught:
        toml.parse(text, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert caught.value.place == f"line {text.count(chr(10), 0, text.index(number[:5])) + 1}"


def test_numbers_and_digests_that_people_write() -> None:
    text = f'a = 9223372036854775807\nb = 0.1234567890123456789\nc = "{"ab" * 32}"\nd = 1_000_000\n'
    assert toml.parse(text, LIMIT) == {"a": 2**63 - 1, "b": 0.12345678901234568, "c": "ab" * 32, "d": 1_000_000}


def test_a_long_text_of_words_is_no_number() -> None:
    text = f'a = "{"some words, " * 10_000}"'
    assert toml.parse(text, LIMIT)["a"].startswith("some words")

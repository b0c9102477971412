"""The typed reader: what it accepts, and that every mistake is reported with its place."""

from __future__ import annotations

from typing import Any

import pytest

from lmpm.fs.document import DocumentError, Table


def read(data: dict[str, Any], getter: str) -> Any:
    return getattr(Table(data, "model[0]"), getter)("key")


@pytest.mark.parametrize(
    ("getter", "value"),
    [
        ("text", "a"),
        ("integer", 0),
        ("integer", 2**63 - 1),
        ("number", 1),
        ("number", -1.5),
        ("texts", ("a", "b")),
    ],
)
def test_reads_what_is_right(getter: str, value: Any) -> None:
    stored = list(value) if isinstance(value, tuple) else value
    assert read({"key": stored}, getter) == value


@pytest.mark.parametrize(
    ("getter", "value", "problem"),
    [
        ("text", 1, "expected a string, found a whole number"),
        ("text", " ", "is empty"),
        ("text", None, "expected a string"),
        ("integer", True, "found true or false"),
        ("integer", 1.0, "found a decimal number"),
        ("integer", -1, "found -1"),
        ("integer", 2**63, "expected a whole number from 0 to"),
        pytest.param("integer", 10**5000, "a far larger one", id="huge"),
        ("number", "1", "expected a number, found a string"),
        ("number", True, "expected a number, found true or false"),
        ("number", float("nan"), "finite"),
        ("number", float("inf"), "finite"),
        ("number", 10**400, "finite"),
        ("texts", "ab", "expected a list of strings, found a string"),
        ("table", [], "expected a table, found a list"),
        ("tables", {}, "expected a list, found a table"),
    ],
)
def test_a_mistake_names_its_place(getter: str, value: Any, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read({"key": value}, getter)
    assert caught.value.place == "model[0].key"
    assert problem in caught.value.problem


def test_a_mistake_inside_a_list_names_its_item() -> None:
    with pytest.raises(DocumentError) as caught:
        Table({"key": ["a", 2]}).texts("key")
    assert caught.value.place == "key[1]"
    with pytest.raises(DocumentError) as caught:
        Table({"key": [{}, 1]}).tables("key")
    assert caught.value.place == "key[1]"


def test_missing_is_an_error_or_the_default() -> None:
    table = Table({})
    assert (table.text_or("key", "x"), table.integer_or("key", 3), table.texts("key")) == ("x", 3, ())
    with pytest.raises(DocumentError, match="is missing"):
        table.text("key")


def test_keys_that_nobody_asked_for_are_refused() -> None:
    table = Table({"known": "a", "knwon": "b"}, "policy")
    table.text("known")
    assert table.unknown_keys() == ["policy.knwon"]
    with pytest.raises(DocumentError, match=r"policy\.knwon: is not known here"):
        table.finish()

"""Which tables a question can mean."""

from __future__ import annotations

import pytest

from lmpm.sql import narrow, read_ddl
from lmpm.sql.demo import SCHEMA


@pytest.mark.parametrize(
    ("question", "tables"),
    [
        ("How many customers are there?", {"customers"}),
        ("What is the average salary?", {"employees"}),
        ("Which carriers are there?", {"shipments"}),
        ("List all categories", {"categories"}),
        ("How many orders were shipped?", {"orders"}),
        ("highest rating of a review", {"reviews"}),
    ],
)
def test_the_one_that_is_meant(question: str, tables: set[str]) -> None:
    assert {table.name for table in narrow(read_ddl(SCHEMA), question, most=1).tables} == tables


def test_two_that_are_meant_bring_what_joins_them() -> None:
    found = narrow(read_ddl(SCHEMA), "Which products did customers order?", most=3)
    names = {table.name for table in found.tables}
    assert {"customers", "products"} <= names
    assert len(names) <= 4


def test_a_question_without_a_word_of_the_schema_keeps_it_whole() -> None:
    schema = read_ddl(SCHEMA)
    assert narrow(schema, "Wie viele gibt es?", most=1) == schema


def test_only_what_fits_stays() -> None:
    schema = read_ddl(SCHEMA)
    assert narrow(schema, "How many customers are there?") == schema
    assert [table.name for table in narrow(schema, "How many payments?", fits=lambda ddl: len(ddl) < 200).tables] == [
        "payments"
    ]
    few = narrow(schema, "How many customers are there?", fits=lambda ddl: len(ddl) < 500)
    assert "customers" in {table.name for table in few.tables} and len(few.ddl) < 500


def test_a_value_of_the_question_says_where_it_stands() -> None:
    schema = read_ddl("CREATE TABLE a (x TEXT); CREATE TABLE b (x TEXT);")
    assert [table.name for table in narrow(schema, "x of Dublin", most=1, found={"b": 1}).tables] == ["b"]

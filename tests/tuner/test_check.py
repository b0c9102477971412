"""`lmpm tune --check`, without torch: each mistake of the data at its line, leaks, duplicates, what is held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmpm.recipe import Input, Recipe
from lmpm.tuner.examples import Example, examples_of, hold_out, normal_form
from lmpm.tuner.inspection import near_duplicates
from tests.conftest import Cli
from tests.tuner.toys import rows, write

LABELS = ["fruit", "tool", "beast"]


def labelled(count: int, seed: int = 0) -> list[dict[str, Any]]:
    return [{"text": row["text"], "labels": LABELS, "answer": row["answer"]} for row in rows(count, seed=seed)]


def check(cli: Cli, *more: object) -> Any:
    return cli.call("tune", "sorts", "--task", "classification", "--data", "train.jsonl", "--check", *more)


def test_good_data_is_counted_and_a_tenth_held_out(cli: Cli) -> None:
    write(cli.directory / "train.jsonl", labelled(150))
    found = check(cli, "--json").passed().json
    assert found["held_out"] and not found["counted"]
    assert found["data"]["examples"] + found["cases"] == 150 and 5 <= found["cases"] <= 30
    assert found["data"]["tokens"] > 1000
    said = check(cli).passed()
    assert "held out of them by hash" in said.err and "about" in said.err
    assert not cli.lock.exists() and not cli.manifest.exists()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"text": "a saw", "labels": LABELS}, "`answer` is missing"),
        ({"labels": LABELS, "answer": "tool"}, "`text` is missing"),
        ({"text": "a saw", "labels": LABELS, "anwser": "tool"}, "Did you mean `answer`?"),
        ({"text": "a saw", "labels": LABELS, "answer": "  "}, "`answer` is empty"),
        ({"text": "", "labels": LABELS, "answer": "tool"}, "`text` is empty"),
        ({"text": 7, "labels": LABELS, "answer": "tool"}, "`text`: expected a text"),
        ({"text": "a saw", "labels": [1], "answer": "tool"}, "`labels`: expected a list of texts"),
        ({"text": "a saw", "labels": LABELS, "answer": None}, "`answer`: expected a text"),
    ],
)
def test_a_mistake_is_said_with_its_line(row: dict[str, Any], words: str, cli: Cli) -> None:
    write(cli.directory / "train.jsonl", [*labelled(3), row, *labelled(3, seed=1)])
    check(cli).failed(2, "train.jsonl, line 4", words)


def test_every_mistake_is_said_at_once(cli: Cli) -> None:
    lines = [json.dumps(row) for row in labelled(4)]
    lines[1] = "{not json"
    lines[3] = '{"text": "x"}'
    (cli.directory / "train.jsonl").write_text("\n".join(lines))
    check(cli).failed(2, "2 mistakes", "line 2", "line 4")


def test_the_same_question_with_another_answer_is_a_mistake_and_with_the_same_a_remark(cli: Cli) -> None:
    data = labelled(20)
    twice = dict(data[2], text=data[2]["text"].upper() + " !")
    write(cli.directory / "train.jsonl", [*data, twice])
    assert "asked twice, lines 21 and 3" in check(cli).passed().err
    write(cli.directory / "train.jsonl", [*data, dict(twice, answer="nothing")])
    check(cli).failed(2, "line 21: asks what line 3 asks, with another answer")


def test_an_example_that_is_a_case_stops_and_one_that_nearly_is_one_is_named(cli: Cli) -> None:
    data = labelled(30)
    long = {"text": "there is a very old and rusty hammer in the shed", "labels": LABELS, "answer": "tool"}
    near = dict(long, text="There is a very old, rusty hammer in the shed")
    write(cli.directory / "train.jsonl", [*data, near])
    case = {"text": long["text"], "labels": LABELS, "expected": "tool"}
    write(cli.directory / "cases.jsonl", [{"text": "a rake", "labels": LABELS, "expected": "tool"}, case])
    assert "nearly a case, line 31 and case 2" in check(cli, "--eval", "cases.jsonl").passed().err
    leaked = dict(data[4], expected=data[4]["answer"])
    del leaked["answer"]
    write(cli.directory / "cases.jsonl", [case, leaked])
    check(cli, "--eval", "cases.jsonl").failed(2, "train.jsonl, line 5", "cases.jsonl, line 2")


def test_the_same_question_about_another_thing_is_no_leak() -> None:
    one = Example(inputs={"q": "how many are there", "s": "CREATE TABLE a (x)"}, answer="1", line=1, main="q")
    other = Example(inputs={"q": "how many are there?", "s": "CREATE TABLE b (y)"}, answer="1", line=9, main="q")
    assert near_duplicates([one], [other]) == ()
    same = Example(inputs={"q": "how many are there?", "s": "create table A (x);"}, answer="1", line=9, main="q")
    assert near_duplicates([one], [same]) == ((1, 9),)


def test_near_duplicates_are_those_that_comparing_all_pairs_finds() -> None:
    import random

    draw = random.Random(4)
    words = [
        "the",
        "old",
        "cat",
        "sat",
        "on",
        "a",
        "warm",
        "mat",
        "while",
        "seven",
        "dogs",
        "ran",
        "over",
        "the",
        "green",
        "hills",
        "at",
        "night",
    ]

    def text() -> str:
        return " ".join(draw.choices(words, k=9))

    asked = [Example(inputs={"q": text()}, answer="", line=line, main="q") for line in range(60)]
    train = []
    for line in range(200):
        new = text()
        if line % 3 == 0:
            new = draw.choice(asked).inputs["q"].replace(draw.choice(words), draw.choice(words))
        train.append(Example(inputs={"q": new}, answer="", line=line, main="q"))

    def pieces(item: Example) -> set[str]:
        found = item.asked
        return {found[at : at + 5] for at in range(max(1, len(found) - 4))}

    slow = {
        one.line
        for one in train
        if any(len(pieces(one) & pieces(two)) >= 0.8 * len(pieces(one) | pieces(two)) for two in asked)
    }
    assert {line for line, _ in near_duplicates(train, asked)} == slow
    assert 20 < len(slow) < 150


def test_what_is_held_out_stays_so_when_the_file_grows_or_is_sorted() -> None:
    def made(data: list[dict[str, str]]) -> Any:
        return examples_of(
            "x", [Example(inputs={"text": row["text"]}, answer=row["answer"], line=1, main="text") for row in data]
        )

    def asked(data: list[dict[str, str]]) -> set[str]:
        return {item.normal for item in hold_out(made(data))[1]}

    few, many = rows(60), rows(150)
    assert asked(few) and asked(few) == asked(sorted(few, key=str))
    assert asked(few) <= asked(many)


def test_normal_form_forgets_case_width_and_punctuation() -> None:
    assert normal_form("  How MANY, ﬁles?\n") == normal_form("how many files") == "how many files"


def test_what_cannot_be_asked_for(cli: Cli) -> None:
    write(cli.directory / "train.jsonl", labelled(10))
    base = ("tune", "sorts", "--data", "train.jsonl")
    cli.call(*base, "--check").failed(3, "No task is called `sorts`", "--task")
    cli.call(*base, "--task", "embeddings", "--check").failed(2, "cannot be tuned")
    cli.call(*base, "--task", "chat", "--from-scratch", "--base", "x").failed(2, "exclude each other")
    cli.call("tune", "no/name", "--task", "chat", "--data", "train.jsonl", "--check").failed(2, "cannot be a name")
    cli.call("tune", "sorts", "--task", "chat", "--data", "nothing.jsonl", "--check").failed(2, "nothing.jsonl")
    cli.call("tune", "sorts", "--task", "chat", "--data", "train.parquet", "--check").failed(2, ".jsonl")


def test_cases_of_an_evaluation_are_examples(cli: Cli, tmp_path: Path) -> None:
    schema = "CREATE TABLE users (id INTEGER, name TEXT);"
    lines = [
        {"id": f"c{number}", "schema": schema, "question": f"Which user has id {number}?", "tags": ["easy"],
         "reference": f"SELECT name FROM users WHERE id = {number}"}
        for number in range(30)
    ]  # fmt: skip
    write(cli.directory / "cases.jsonl", lines)
    found = cli.call("tune", "text-to-sql", "--data", "cases.jsonl", "--check", "--json").passed().json
    assert found["data"]["examples"] + found["cases"] == 30


def test_long_examples_are_left_out_and_said(cli: Cli) -> None:
    write(cli.directory / "train.jsonl", [*labelled(20), {"text": "saw " * 900, "labels": LABELS, "answer": "tool"}])
    assert "longer than 256 tokens and left out, line 21" in check(cli, "--max-tokens", 256).passed().err


def test_a_recipe_without_a_main_input_is_compared_by_its_first() -> None:
    from lmpm.proof import Row
    from lmpm.tuner.examples import _example

    recipe = Recipe(kind="complete", inputs=(Input(name="a"), Input(name="b", required=False)), user="{a} {b}")
    made = _example(Row(1, {"a": "x", "answer": {"k": 1}}), recipe)
    assert isinstance(made, Example) and made.main == "a" and made.answer == '{"k": 1}'

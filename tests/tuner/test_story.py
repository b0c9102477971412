"""docs/tune.md as it is read: from 200 examples to an answer of `lmpm serve`, with a model that learns in a minute.

The commands are those of the page, in its order; only what makes the training small stands behind `lmpm tune`.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import shlex
import sqlite3
from typing import Any, Final

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

import requests

from lmpm.project import load_lock
from tests.conftest import ROOT, Cli
from tests.tuner.toys import write

PAGE: Final = (ROOT / "docs/tune.md").read_text("utf-8")
SCHEMA: Final = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, city TEXT, age INTEGER);"
ROWS: Final = (
    "INSERT INTO users VALUES (1, 'Ann', 'Oslo', 31), (2, 'Bo', 'Rome', 25), (3, 'Cy', 'Oslo', 47), "
    "(4, 'Di', 'Lima', 19), (5, 'Ed', 'Rome', 52), (6, 'Flo', 'Kyiv', 38), (7, 'Gus', 'Lima', 44);"
)
COLUMNS: Final = {"name": "name", "age": "age", "city": "city"}
FILTERS: Final = (
    *((f"id {number}", f"id = {number}") for number in range(1, 8)),
    *((name, f"name = '{name}'") for name in ("Ann", "Bo", "Cy", "Di", "Ed", "Flo", "Gus")),
)
WORDINGS: Final = (
    "What is the {column} of the user with {what}?",
    "Give me the {column} of {what}",
    "{what}: which {column}?",
    "Tell me the {column} for {what}, please",
    "I need the {column} of {what}.",
    "Which {column} does {what} have?",
)
SMALL: Final = "--from-scratch --layers 2 --width 64 --max-tokens 160 --epochs 30 --batch 8 -y --offline"
QUICK: Final = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def every() -> list[dict[str, Any]]:
    """All questions of the toy with their queries."""
    return [
        {
            "schema": SCHEMA,
            "question": wording.format(column=column, what=what),
            "sql": f"SELECT {column} FROM users WHERE {condition}",
        }
        for wording, column, (what, condition) in itertools.product(WORDINGS, COLUMNS, FILTERS)
    ]


@pytest.fixture
def project(cli: Cli) -> Cli:
    """200 examples and 30 cases of other wordings of the same things."""
    rows = every()
    random.Random(4).shuffle(rows)
    train, cases = rows[:200], rows[200:230]
    write(cli.directory / "train.jsonl", [
        {"schema": row["schema"], "question": row["question"], "answer": row["sql"]} for row in train
    ])  # fmt: skip
    (cli.directory / "evals").mkdir()
    write(cli.directory / "evals/sql.jsonl", [
        {"schema": row["schema"], "rows": ROWS, "question": row["question"], "reference": row["sql"]} for row in cases
    ])  # fmt: skip
    return cli


def commands() -> list[list[str]]:
    """The commands of the story, in the order of the page."""
    story = PAGE.split("## From 200 examples")[1].split("\n## ")[0]
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```", story, re.DOTALL | re.MULTILINE)
    lines = [line.strip().removeprefix("$ ") for kind, block in blocks if kind != "json" for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("lmpm ")]


def test_the_story_of_the_page(project: Cli) -> None:
    told = commands()
    names = [words[0] for words in told]
    assert names[:2] == ["tune", "tune"] and {"run", "verify", "serve"} <= set(names)
    said: dict[str, str] = {}
    for words in told:
        if words[0] == "serve":
            continue
        more = shlex.split(SMALL) if words[0] == "tune" and "--check" not in words else []
        done = project.run(*words, *more, timeout=900, **QUICK).passed()
        said[" ".join(words)] = done.out + done.err
    check, trained = (text for line, text in said.items() if line.startswith("tune"))
    assert "200 of train.jsonl" in check and "30 of evals/sql.jsonl" in check
    for word in ("Needs", "of memory", "of disk", "Training", "loss", "tok/s", "Compared", "Pinned"):
        assert word in trained
    (rung,) = load_lock(project.lock).models[0].candidates
    assert rung.training is not None and rung.training.examples == 200
    assert rung.tested is not None and rung.tested.score is not None and rung.tested.score >= 0.8
    (answer,) = (text for line, text in said.items() if line.startswith("run"))
    assert _rows(answer.strip()) is not None
    assert _served(project, next(words for words in told if words[0] == "serve")) >= 8


def _served(project: Cli, words: list[str]) -> int:
    """How many of ten cases `lmpm serve` answers with a query that returns what is wanted."""
    cases = [json.loads(line) for line in (project.directory / "evals/sql.jsonl").read_text().splitlines()[:10]]
    front = project.start(*words, "--port", "0")
    try:
        assert front.stdout is not None
        url = front.stdout.readline().split()[0]
        assert url.startswith("http://127.0.0.1:")
        url = url.removesuffix("/v1")
        right = 0
        for case in cases:
            asked = {"schema": case["schema"], "question": case["question"]}
            done = requests.post(f"{url}/v1/chat/completions", json={"model": "text-to-sql", "lmpm": asked}, timeout=60)
            right += _rows(done.json()["choices"][0]["message"]["content"]) == _rows(case["reference"])
        return right
    finally:
        front.terminate()
        front.wait(30)


def _rows(query: str) -> list[Any] | None:
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(SCHEMA + ROWS)
        return database.execute(query).fetchall()
    except sqlite3.Error:
        return None
    finally:
        database.close()

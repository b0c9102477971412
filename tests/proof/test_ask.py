"""Asking loaded models cases: small models that are really run, for words, vectors and ranks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lmpm.engine import EngineLimits, Files
from lmpm.proof import read_cases, run_checks, wanted_for
from lmpm.recipe import Input, Recipe
from lmpm.run_config import RunConfig
from tests.conftest import ROOT
from tests.gguf_files import write_bert

LIMITS = EngineLimits(time_s=60, memory_bytes=1 << 30)
PLAN = RunConfig(context=256)
MEANINGS = [["cat", "kitten"], ["car", "truck"]]
TEXTS = (Input(name="texts", is_list=True, main=True),)
EMBED = Recipe(kind="embed", inputs=TEXTS)
RERANK = Recipe(
    kind="rerank", inputs=(Input(name="query", main=True), Input(name="documents", is_list=True)), pooling="rank"
)
RANKED = [
    {"query": "a cat", "documents": ["a truck", "a kitten"], "relevance": [0, 1], "least": 1},
    {"query": "a car", "documents": ["a truck", "a kitten"], "relevance": [1, 0], "least": 1},
    {"query": "a car", "documents": ["a kitten", "a truck"], "relevance": [1, 0], "least": 1},  # the wrong way round
]
SCHEMA = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, signup_date DATE);"
STARTER = ROOT / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"
SQL = Recipe(
    kind="complete",
    inputs=(Input(name="question", main=True), Input(name="schema")),
    user="{schema}\n\nQuestion: {question}\nSQL:",
    raw=True,
    stop=(";\n", "\n\n"),
    max_tokens=64,
    grammar="sql",
)


def written(folder: Path, lines: Sequence[Mapping[str, object]]) -> Path:
    path = folder / "cases.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


# The head of the ranking stand-in scores kittens above trucks, whatever is asked.
@pytest.mark.parametrize(("recipe", "wrong"), [(EMBED, "line 3"), (RERANK, "line 2")], ids=["embed", "rerank"])
def test_documents_are_ranked_by_vectors_and_by_scores(tmp_path: Path, recipe: Recipe, wrong: str) -> None:
    path = write_bert(tmp_path / "m.gguf", meanings=MEANINGS, classifier=recipe.kind == "rerank")
    cases = read_cases(written(tmp_path, RANKED), wanted_for(recipe))
    found = run_checks(Files(path), path.stat().st_size, cases, recipe, plan=PLAN, limits=LIMITS, needed=0.5, full=True)
    assert (found.right, found.cases, found.wrong) == (2, 3, (wrong,))
    assert found.passed
    assert found.detail == "2 of 3 checks right, 50 % needed"


def test_a_model_that_is_asked_for_sql_and_cases_that_are_left_out(tmp_path: Path) -> None:
    shared = {"defaults": {"schema": SCHEMA, "rows": "INSERT INTO users VALUES (1,'Ada','2026-05-03');"}}
    asked = {
        "id": "all",
        "check": "sql",
        "question": "How many users are there?",
        "reference": "SELECT COUNT(*) FROM users",
    }
    code = {"id": "code", "check": "code", "question": "x", "schema": SCHEMA, "test": "pass"}
    cases = read_cases(written(tmp_path, [code, shared, asked]), wanted_for(SQL, "sql"))
    size = STARTER.stat().st_size
    found = run_checks(Files(STARTER), size, cases, SQL, plan=RunConfig(context=1024), limits=LIMITS, needed=1.0)
    assert (found.right, found.cases, found.left_out, found.passed) == (1, 1, 1, True)
    held = dataclasses.replace(cases, cases=cases.cases[:1])
    none = run_checks(Files(STARTER), size, held, SQL, plan=RunConfig(context=1024), limits=LIMITS, needed=1.0)
    assert (none.cases, none.left_out, none.passed) == (0, 1, True)


def test_an_answer_that_runs_when_the_time_is_over_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer takes less than a millisecond: none counts as asked, and a share that is needed is not shown."""
    shared = {"defaults": {"schema": SCHEMA, "rows": "INSERT INTO users VALUES (1,'Ada','2026-05-03');"}}
    asked = [
        {"id": f"c{number}", "check": "sql", "question": f"How many users {number}?", "reference": "SELECT 1"}
        for number in range(12)
    ]
    cases = read_cases(written(tmp_path, [shared, *asked]), wanted_for(SQL, "sql"))
    monkeypatch.setattr("lmpm.proof.checked.FEW_CASES_S", 0.001)
    size = STARTER.stat().st_size
    found = run_checks(Files(STARTER), size, cases, SQL, plan=RunConfig(context=1024), limits=LIMITS, needed=0.0)
    assert (found.cases, found.late, found.left_out, found.wrong, found.passed) == (0, 10, 0, (), False)
    assert "no check answered within" in found.detail and "10 not answered" in found.details[0]
    held = dataclasses.replace(cases, cases=cases.cases[:3])
    full = run_checks(Files(STARTER), size, held, SQL, plan=RunConfig(context=1024), limits=LIMITS, full=True)
    assert (full.cases, full.late, full.passed) == (3, 0, True)  # all are wanted, however long they take


def test_a_question_that_is_too_long_is_not_right_and_the_others_are_asked(tmp_path: Path) -> None:
    shared = {
        "defaults": {"check": "sql", "schema": SCHEMA, "rows": "INSERT INTO users VALUES (1,'Ada','2026-05-03');"}
    }
    lines = [
        {
            "id": name,
            "question": f"How many users are there?{' very' * words}",
            "reference": "SELECT COUNT(*) FROM users",
        }
        for name, words in (("long", 2000), ("short", 0))
    ]
    cases = read_cases(written(tmp_path, [shared, *lines]), wanted_for(SQL, "sql"))
    found = run_checks(
        Files(STARTER), STARTER.stat().st_size, cases, SQL, plan=RunConfig(context=1024), limits=LIMITS, full=True
    )
    assert (found.right, found.wrong) == (1, ("long",))

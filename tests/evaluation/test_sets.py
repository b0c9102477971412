"""The sets that come with lmpm: each can be read by its task's recipe, and its own answers are right."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lmpm import catalog
from lmpm.evaluation import own_cases
from lmpm.proof import CaseSet, read_cases, wanted_for
from lmpm.proof.checks.code import Code
from lmpm.proof.checks.ranking import Ranking
from lmpm.proof.checks.read import TextCheck
from lmpm.proof.checks.rows import Rows
from lmpm.proof.checks.structure import Call, Fields
from lmpm.proof.checks.text import Facts, Label, Number, Translation
from tests.conftest import ROOT

SETS = sorted((ROOT / "catalog" / "evals").glob("*.jsonl"))


def read(path: Path) -> CaseSet:
    task = catalog.load(ROOT / "catalog").task(path.stem)
    assert task is not None
    return read_cases(path, wanted_for(task.recipe, task.smoke_kind))


def written(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a set by id, with what they share."""
    found, shared = {}, {}
    for line in path.read_text("utf-8").splitlines():
        data = json.loads(line)
        if data.keys() == {"defaults"}:
            shared = data["defaults"]
        else:
            found[data["id"]] = {**shared, **data}
    return found


def test_every_task_has_a_set() -> None:
    tasks = set(catalog.load(ROOT / "catalog").task_names())
    assert {path.stem for path in SETS} == tasks
    assert own_cases(None) is None


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_a_set_can_be_read_and_is_large_enough_to_say_something(path: Path) -> None:
    cases = read(path)
    assert 30 <= len(cases) <= 200
    assert len({case.asked for case in cases.cases}) == len(cases)  # nothing is asked twice


def right_answer(check: TextCheck, line: dict[str, Any]) -> str | None:
    """An answer that is right by what the line says; None where it does not say one."""
    if isinstance(check, Rows):
        return str(line["reference"])
    if isinstance(check, Fields):
        return json.dumps(line["expected"])
    if isinstance(check, Call):
        return json.dumps(line["expected"]) if line["expected"] else "I cannot do that."
    if isinstance(check, Facts):
        return "\n".join(fact if isinstance(fact, str) else fact[0] for fact in line["must"])
    return str(line["expected"]) if isinstance(check, Label | Number | Translation) else None


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_the_answers_of_a_set_are_right_and_nonsense_is_not(path: Path) -> None:
    lines = written(path)
    for case in read(path).cases:
        check, line = case.check, lines[case.id]
        if isinstance(check, Code):
            continue
        if isinstance(check, Ranking):
            best, worst = (check.judge([sign * value for value in check.relevance]) for sign in (1, -1))
            assert best.passed and best.value == pytest.approx(1) and not worst.passed
            continue
        answer = right_answer(check, line)
        if answer is not None:
            assert check.judge(answer).passed, case.id
        nonsense = '{"name": "nonsense"}' if isinstance(check, Call) else "xyzzy"
        assert not check.judge(nonsense).passed, case.id


@pytest.mark.parametrize("task", ["vision", "ocr"])
def test_every_picture_is_shown_and_small(task: str) -> None:
    cases = read(ROOT / "catalog" / "evals" / f"{task}.jsonl").cases
    shown = [case.inputs["image"] for case in cases]
    urls = [url for value in shown for url in (value if isinstance(value, list) else [value])]
    assert len(set(urls)) == len(cases) == 30
    assert all(url.startswith("data:image/png;base64,") and len(url) < 16_000 for url in urls)
    assert not any("data:" in case.title for case in cases)


@pytest.mark.skipif(sys.platform != "linux", reason="code is confined on Linux alone")
def test_the_code_of_the_set_for_completion_passes_its_tests() -> None:
    path = ROOT / "catalog" / "evals" / "code-completion.jsonl"
    lines = written(path)
    for case in read(path).cases[::3]:
        assert isinstance(case.check, Code)
        assert case.check.judge(lines[case.id]["reference"]).passed, case.id
        assert not case.check.judge("None").passed, case.id

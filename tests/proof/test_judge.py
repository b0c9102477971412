"""Judging answers: code that fills a hole, JSON, calls, labels and ranks; and the cases that are shipped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.catalog.schema.smoke import FimCase, JsonCase, LabelCase, RankCase, SmokeTest, SqlCase, TextCase, ToolCase
from lmpm.engine.protocol import EngineLimits, Files, Generation
from lmpm.errors import EngineError
from lmpm.proof.judge import find_object, judge, judge_fim, judge_json, judge_label, judge_ranks, judge_text, judge_tool
from lmpm.proof.smoke import rankings, run_smoke
from lmpm.recipe import Recipe
from lmpm.run_config import RunConfig
from tests.gguf_files import write_bert, write_llama

SHIPPED = Path(__file__).resolve().parents[2] / "catalog"
LIMITS = EngineLimits(time_s=60, memory_bytes=1 << 30)
PLAN = RunConfig(context=256)
RERANK = Recipe(kind="rerank", pooling="rank")
INFILL = Recipe(kind="infill")
ADD = FimCase("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", ("a + b", "b + a"))
ADA = JsonCase({"text": "Ada is 36.", "fields": ("name", "age")}, {"name": "Ada", "age": 36}, fields=("city",))
OSLO = ToolCase({"prompt": "weather in Oslo?"}, "get_weather", {"city": "Oslo"})
MOOD = LabelCase({"text": "Cold food.", "labels": ("positive", "negative")}, "negative")
CATS = RankCase("a cat", "a kitten", "a truck")


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalog.load(SHIPPED)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ("a + b", "`a + b` found, and the code is Python"),
        ("a + b\n\nprint(", "`a + b` found, and the code is Python"),  # goes on, and is cut
        ("a - b", "the answer has none of `a + b`, `b + a`"),
        ("(a + b", "with the answer in it, the code is no Python"),
        ("a + b" + "(" * 200, "with the answer in it, the code is no Python"),
        ("a + b" + " " * 10_000, "with the answer in it, the code is no Python"),
    ],
)
def test_code_that_fills_a_hole(answer: str, detail: str) -> None:
    verdict = judge_fim(ADD, answer)
    assert (verdict.detail, verdict.passed) == (detail, detail.startswith("`a + b` found"))


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ('{"name": "Ada", "age": 36, "city": null}', "JSON as expected"),
        ('```json\n{"name": "ada ", "age": "36", "city": "?", "more": []}\n```', "JSON as expected"),
        ('{"name": "Ada", "age": 36}', "the JSON has no `city`"),
        ('{"name": "Ada", "age": 37, "city": ""}', "`age`: expected 36, got 37"),
        ('{"name": "Ada", "age": true, "city": ""}', "`age`: expected 36, got True"),
        ('["Ada", 36]', "the answer holds no JSON object"),
        ('{"name": "Ada", ', "the answer holds no JSON object"),
        ("Ada is 36", "the answer holds no JSON object"),
        ("[" * 100_000 + "{}", "the answer holds no JSON object"),
    ],
)
def test_json(answer: str, detail: str) -> None:
    verdict = judge_json(ADA, answer)
    assert (verdict.detail, verdict.passed) == (detail, detail == "JSON as expected")


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ('{"name": "get_weather", "arguments": {"city": "Oslo"}}', "`get_weather` called as expected"),
        ('{"name": "get_weather", "parameters": {"city": "oslo"}}', "`get_weather` called as expected"),
        ('{"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}', "`get_weather` called as expected"),
        ('{"name": "get_time", "arguments": {"city": "Oslo"}}', "expected a call of `get_weather`, got `get_time`"),
        ('{"name": "get_weather", "arguments": "Oslo"}', "the call has no arguments"),
        ('{"name": "get_weather", "arguments": {}}', "the call has no `city`"),
        ('{"name": "get_weather", "arguments": {"city": "Oslo", "unit": "C"}}', "the function has no argument `unit`"),
        ('{"name": "get_weather", "arguments": {"city": "Rome"}}', "`city`: expected 'Oslo', got 'Rome'"),
        ("get_weather(Oslo)", "the answer holds no JSON object"),
    ],
)
def test_calls(answer: str, detail: str) -> None:
    verdict = judge_tool(OSLO, answer)
    assert (verdict.detail, verdict.passed) == (detail, detail.endswith("called as expected"))


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ("negative", "`negative` as expected"),
        (" **Negative**, not positive", "`negative` as expected"),
        ("positive", "expected `negative`, got `positive`"),
        ("positive or negative", "expected `negative`, got `positive`"),
        ("nonnegative", "the answer has none of `positive`, `negative`"),
    ],
)
def test_labels(answer: str, detail: str) -> None:
    verdict = judge_label(MOOD, answer)
    assert (verdict.detail, verdict.passed) == (detail, detail == "`negative` as expected")


def test_a_word_counts_as_a_whole() -> None:
    case = TextCase({"prompt": "3x + 4 = 19?"}, ("5",))
    assert judge_text(case, "x = 5.").passed
    assert not judge_text(case, "x = 15").passed
    assert judge_text(TextCase({"prompt": "?"}, ("+= 1",)), "i += 1`").passed


def test_ranks() -> None:
    test = SmokeTest("rerank", (CATS, CATS, CATS), 0, 1)
    verdicts = judge_ranks(test, [2.0, -1.0, 0.5, 0.5, float("nan"), 0.0])
    assert [verdict.passed for verdict in verdicts] == [True, False, False]
    assert verdicts[0].answer == "scores 2.000 and -1.000"


def test_what_is_asked_of_rerankers() -> None:
    test = SmokeTest("rerank", (CATS,), 0, 1)
    assert rankings(test) == (("a cat", ("a kitten", "a truck")),)


def _right_answer(case: object) -> str | None:
    if isinstance(case, SqlCase):
        return f"{case.reference};"
    if isinstance(case, FimCase):
        return case.reference
    if isinstance(case, JsonCase):
        return json.dumps(case.expected)
    if isinstance(case, ToolCase):
        return json.dumps({"name": case.function, "arguments": case.arguments})
    if isinstance(case, LabelCase):
        return case.expected
    if isinstance(case, TextCase):
        return case.expect[0] if case.expect else "some text"
    return None


def test_shipped_cases_pass_with_the_right_answer_and_not_with_an_echo(shipped: Catalog) -> None:
    for task in shipped.tasks:
        test = task.smoke
        for case in test.cases:
            answer = _right_answer(case)
            if answer is None:
                assert test.kind in ("embeddings", "rerank")
                continue
            said = Generation(text=answer, prompt_tokens=1, tokens=1, first_token_s=0.1, decode=None)
            one = test._replace(cases=(case,), pass_cases=1)
            (verdict,) = judge(one, [said])
            assert verdict.passed, (task.name, verdict)
            if not isinstance(case, TextCase) or case.expect:
                (verdict,) = judge(one, [replace(said, text="I do not know.")])
                assert not verdict.passed, (task.name, verdict)


# On real models


def test_a_reranker_scores_pairs(tmp_path: Path) -> None:
    path = write_bert(tmp_path / "m.gguf", meanings=[["cat", "kitten"], ["car", "truck"]], classifier=True)
    there = SmokeTest("rerank", (CATS,), 0, 1)
    back = SmokeTest("rerank", (RankCase("a cat", "a truck", "a kitten"),), 0, 1)
    results = [
        run_smoke(Files(path), test, RERANK, plan=RunConfig(context=256), limits=LIMITS) for test in (there, back)
    ]
    assert sorted(result.passed for result in results) == [False, True]  # the same two scores, the other way round
    scores = [set(result.answer.removeprefix("scores ").split(" and ")) for result in results]
    assert scores[0] == scores[1]


def test_an_embedding_model_is_no_reranker(tmp_path: Path) -> None:
    path = write_bert(tmp_path / "m.gguf", meanings=[["cat", "kitten"]])
    result = run_smoke(Files(path), SmokeTest("rerank", (CATS,), 0, 1), RERANK, plan=PLAN, limits=LIMITS)
    assert not result.passed
    assert result.detail == "the file has no classification head, so it ranks nothing"


def test_a_hole_is_filled_with_the_tokens_of_the_header(tmp_path: Path) -> None:
    fim = SmokeTest("fim", (ADD,), 8, 1)
    plain = write_llama(tmp_path / "plain.gguf")[0]
    with pytest.raises(EngineError, match="Infill is not supported by this model"):
        run_smoke(Files(plain), fim, INFILL, plan=RunConfig(context=256), limits=LIMITS)
    numbers = {"pre": 290, "suf": 291, "mid": 292}
    able = write_llama(
        tmp_path / "able.gguf",
        extra={f"tokenizer.ggml.fim_{name}_token_id": number for name, number in numbers.items()},
    )[0]
    result = run_smoke(Files(able), fim, INFILL, plan=RunConfig(context=256), limits=LIMITS)
    assert not result.passed  # its weights are random
    assert result.answer
    assert result.question == f"{ADD.prefix}…{ADD.suffix}"


def test_the_first_object_of_an_answer() -> None:
    assert find_object('say {"a": {"b": 1}} and {"c": 2}') == {"a": {"b": 1}}
    assert find_object("{not json} {}") is None

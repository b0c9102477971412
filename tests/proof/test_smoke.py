"""The smoke test: prompts from data, answers judged for their task, and the whole of it on real models."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lmpm.catalog.schema.smoke import EmbeddingCase, SmokeTest, SqlCase, TextCase
from lmpm.engine import EngineLimits, Files, Generation, SessionMemory
from lmpm.errors import EngineError
from lmpm.proof.judge import cosine, judge, judge_embeddings, judge_sql, judge_text, repeats
from lmpm.proof.smoke import Answers, run_smoke, summarize
from lmpm.recipe import Input, Recipe
from lmpm.run_config import RunConfig
from tests.gguf_files import write_bert, write_llama, write_unknown_architecture

LIMITS = EngineLimits(time_s=60, memory_bytes=1 << 30)
USERS = SqlCase(
    schema="CREATE TABLE users (id INTEGER, name TEXT, {odd} REAL);".replace("{odd}", "score"),
    rows=("INSERT INTO users VALUES (1, 'Ann', 0.1), (2, 'Bob', 0.2)",),
    question="Which users are there?",
    expected=(("Bob",), ("Ann",)),
    ordered=False,
)
SQL = SmokeTest("sql", (USERS, USERS, USERS), 32, 2)
ASKED = Recipe(
    kind="complete",
    inputs=(Input(name="question", main=True), Input(name="schema")),
    user="{schema}\n-- {question}\n",
    stop=(";",),
)
VECTORS = Recipe(kind="embed")
CATS = EmbeddingCase("a cat", "a kitten", "a truck")
EMBEDDINGS = SmokeTest("embeddings", (CATS,), 0, 1)
REPORT = Answers(build="llama.cpp 1", memory=SessionMemory(peak=1000, buffers=()))


def said(text: str, **values: object) -> Generation:
    generation = Generation(text=text, prompt_tokens=5, tokens=11, first_token_s=0.5, decode=10.0)
    return dataclasses.replace(generation, **values)  # type: ignore[arg-type]


# Judging


def test_sql_with_the_right_rows_passes() -> None:
    verdict = judge_sql(USERS, "```sql\nSELECT name AS n FROM users;\n```")
    assert verdict.passed
    assert verdict.detail == "2 rows as expected"
    assert verdict.answer == "SELECT name AS n FROM users"


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ("SELECT id FROM users", "expected 2 rows: ('Bob',), ('Ann',), got 2 rows: (1,), (2,)"),
        ("SELECT name FROM users WHERE id > 5", "expected 2 rows: ('Bob',), ('Ann',), got no rows"),
        ("SELECT nme FROM users", "the SQL fails: no such column: nme"),
        ("DROP TABLE users", "the SQL fails: a write is not allowed"),
        ("I cannot help", 'the SQL fails: near "I": syntax error'),
        ("```sql\n```", "the answer holds no SQL"),
    ],
)
def test_sql_that_is_wrong_says_why(answer: str, detail: str) -> None:
    verdict = judge_sql(USERS, answer)
    assert not verdict.passed
    assert verdict.detail == detail


def test_order_counts_where_it_was_asked_for() -> None:
    ordered = USERS._replace(ordered=True)
    assert not judge_sql(ordered, "SELECT name FROM users ORDER BY name").passed
    assert judge_sql(ordered, "SELECT name FROM users ORDER BY name DESC").passed


@pytest.mark.parametrize(
    ("answer", "expect", "detail"),
    [
        ("Paris is the capital.", ("paris", "Lutetia"), "`paris` found"),
        ("anything", (), "text as expected"),
        ("London", ("Paris",), "the answer has none of `Paris`"),
        ("  \n", (), "the answer is empty"),
        ("\ufffd\ufffda\ufffd\x04b", (), "the answer is not text"),
        ("the the the the the the the the the the the the the", ("the",), "the answer repeats itself without end"),
        ("!!!!!!!!!!!!", (), "the answer repeats itself without end"),
    ],
)
def test_text(answer: str, expect: tuple[str, ...], detail: str) -> None:
    verdict = judge_text(TextCase({"prompt": "?"}, expect), answer)
    assert verdict.detail == detail
    assert verdict.passed == (detail.endswith("found") or detail == "text as expected")


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("", False),
        ("ok", False),
        ("ha ha ha, he said", False),
        ("for i in range(10):\n    print(i)\n    print(i)\n", False),
        ("Title\n=====\nsome text that goes on", False),
        ("Answer:" + "\nI do not know, but I think that it is so." * 4, True),
        ("a" * 48, True),
        ("Well, " + "no " * 20, True),
    ],
)
def test_repeats(text: str, loop: bool) -> None:
    assert repeats(text) == loop


def test_repeats_is_quick_on_a_long_answer() -> None:
    assert not repeats("".join(chr(33 + number * number % 89) for number in range(20_000)) + "end")


def test_numbers_that_are_none_fail_whatever_was_said() -> None:
    verdicts = judge(SQL, [said("SELECT name FROM users", finite=False), said(" "), said("SELECT name FROM users")])
    assert [verdict.passed for verdict in verdicts] == [False, False, True]
    assert verdicts[0].detail == "the model computes values that are no numbers"


@pytest.mark.parametrize(
    ("vectors", "detail"),
    [
        (((1.0, 0.0), (2.0, 1.0), (0.0, 1.0)), "the similar text is nearer"),
        (((1.0, 0.0), (0.0, 1.0), (2.0, 1.0)), "the similar text is not the nearer one"),
        (((1.0, 0.0), (1.0, 0.0), (1.0, 0.0)), "different texts have the same embedding"),
        (((1.0, 0.0), (0.0, 0.0), (1.0, 0.0)), "an embedding is all zero"),
        (((1.0, 0.0), (float("nan"), 0.0), (1.0, 0.0)), "the embeddings hold values that are no numbers"),
    ],
)
def test_embeddings(vectors: tuple[tuple[float, ...], ...], detail: str) -> None:
    (verdict,) = judge_embeddings(EMBEDDINGS, vectors)
    assert verdict.detail == detail
    assert verdict.passed == (detail == "the similar text is nearer")


def test_cosine() -> None:
    assert cosine((1.0, 1.0), (2.0, 2.0)) == pytest.approx(1)
    assert cosine((1.0, 0.0), (0.0, 3.0)) == 0
    assert cosine((0.0, 0.0), (0.0, 3.0)) is None


# The result


def test_enough_right_answers_pass() -> None:
    generations = (said("SELECT 1"), said("SELECT name FROM users"), said("SELECT name FROM users", decode=20.0))
    report = dataclasses.replace(REPORT, generations=generations)
    result = summarize(SQL, judge(SQL, generations), report)
    assert result.passed
    assert result.detail == "2 of 3 answers right"
    assert (result.question, result.answer) == ("Which users are there?", "SELECT name FROM users")
    assert result.checks[1:] == ("ok: 2 rows as expected",) * 2
    assert result.checks[0].startswith("failed: expected 2 rows")
    assert result.first_token_s == 0.5
    assert result.decode == pytest.approx(30 / 2.5)  # 10 tokens each in 1, 1 and 0.5 seconds
    assert (result.peak_memory, result.engine_build) == (1000, "llama.cpp 1")


def test_too_few_right_answers_fail_and_show_the_first_wrong_one() -> None:
    generations = (said("SELECT name FROM users"), said("SELECT 1"), said("nonsense"))
    result = summarize(SQL, judge(SQL, generations), dataclasses.replace(REPORT, generations=generations))
    assert not result.passed
    assert result.detail.startswith("1 of 3 answers right, 2 needed: expected 2 rows")
    assert result.answer == "SELECT 1"


def test_a_test_without_cases_does_not_pass() -> None:
    assert not summarize(SQL._replace(cases=(), pass_cases=0), [], REPORT).passed


# On real models


def test_a_model_of_random_weights_does_not_pass(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "m.gguf")[0]
    result = run_smoke(Files(path), SQL, ASKED, plan=RunConfig(context=256), limits=LIMITS)
    assert not result.passed
    assert result.detail.startswith("0 of 3 answers right, 2 needed: ")
    assert result.answer
    assert result.first_token_s
    assert result.engine_build.startswith("llama.cpp ")


def test_an_embedding_model_that_knows_its_words_passes(tmp_path: Path) -> None:
    path = write_bert(tmp_path / "m.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])
    plan = RunConfig(context=256, embeddings=True)
    result = run_smoke(Files(path), EMBEDDINGS, VECTORS, plan=plan, limits=LIMITS)
    assert result.passed, result.detail
    wrong = EMBEDDINGS._replace(cases=(EmbeddingCase("a cat", "a truck", "a kitten"),))
    assert not run_smoke(Files(path), wrong, VECTORS, plan=plan, limits=LIMITS).passed


def test_a_failure_of_the_engine_is_no_result(tmp_path: Path) -> None:
    path = write_unknown_architecture(tmp_path / "m.gguf")
    with pytest.raises(EngineError, match=r"needs a newer llama\.cpp"):
        run_smoke(Files(path), SQL, ASKED, plan=RunConfig(context=256), limits=LIMITS)

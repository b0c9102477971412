"""`lmpm.load`, on the starter and on small models that are made here: asked, shared, forked, awaited, refused."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import lmpm
from lmpm.errors import (
    ContextExceededError,
    EngineError,
    IntegrityError,
    MissingFilesError,
    NothingFitsError,
    SpecError,
    UnknownNameError,
)
from lmpm.project import load_lock
from lmpm.runtime import opening
from lmpm.runtime.model import schema_of
from tests.conftest import ROOT, Cli
from tests.gguf_files import write_bert, write_llama

DDL = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, signup_date TEXT);"
HOW_MANY = "How many users are there?"
COUNT = "SELECT COUNT(*) FROM users;"
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def test_it_is_asked_by_the_inputs_of_its_recipe(project: Cli) -> None:
    with lmpm.load("text-to-sql", offline=True) as sql:
        answer = sql(schema=DDL, question=HOW_MANY)
        assert answer.text == str(answer) == COUNT
        assert (answer.finish_reason, answer.is_cut) == ("stop", False)
        assert answer.usage.completion_tokens == 8 and answer.usage.prompt_tokens > 20
        assert answer.first_token_s and answer.decode and answer.decode > 0
        assert sql(HOW_MANY, schema=DDL).text == COUNT  # the main input needs no name
        assert sql.recipe.raw and sql.context == 1024
        assert repr(sql) == "<lmpm.Model text-to-sql: text-to-sql starter Q8_0>"


def test_pieces_are_the_answer(project: Cli) -> None:
    with lmpm.load("text-to-sql", offline=True) as sql:
        stream = sql.stream(schema=DDL, question=HOW_MANY)
        pieces = list(stream)
        assert len(pieces) > 4 and "".join(pieces).strip() == COUNT
        assert stream.answer is not None and stream.answer.text == COUNT
        cut = sql(schema=DDL, question=HOW_MANY, options=lmpm.Options(max_tokens=2))
        assert cut.is_cut and cut.usage.completion_tokens == 2


def test_left_early_an_answer_ends_and_the_next_begins(project: Cli) -> None:
    with lmpm.load("text-to-sql", offline=True) as sql:
        stream = sql.stream(schema=DDL, question=HOW_MANY)
        next(iter(stream))
        stream.close()
        assert sql(schema=DDL, question=HOW_MANY).text == COUNT


def test_an_answer_left_to_chance_can_be_had_again(project: Cli) -> None:
    with lmpm.load("text-to-sql", offline=True) as sql:
        hot = lmpm.Options(temperature=1.5)
        first = sql(schema=DDL, question=HOW_MANY, options=hot)
        again = sql(schema=DDL, question=HOW_MANY, options=lmpm.Options(temperature=1.5, seed=first.seed))
        assert again.text == first.text


def test_wrong_use_is_refused_by_name(project: Cli) -> None:
    with lmpm.load("text-to-sql", offline=True) as sql:
        with pytest.raises(SpecError, match="needs `schema`"):
            sql(question=HOW_MANY)
        with pytest.raises(SpecError, match="no input `shema`"):
            sql(question=HOW_MANY, schema=DDL, shema=DDL)
        with pytest.raises(SpecError, match="not for conversations"):
            sql.chat([{"role": "user", "content": "hi"}])
        with pytest.raises(SpecError, match="makes no vectors"):
            sql.embed(["a"])
        with pytest.raises(ContextExceededError, match="1,183 too many") as caught:
            sql(question="x", schema=DDL * 100)
        assert (caught.value.prompt_tokens, caught.value.context) == (2207, 1024)
    with pytest.raises(EngineError, match="closed"):
        sql(schema=DDL, question=HOW_MANY)


@pytest.mark.parametrize(
    "wrong",
    [{"max_tokens": 0}, {"max_tokens": 10**12}, {"temperature": float("nan")}, {"temperature": -1.0},
     {"seed": -1}, {"seed": 2**70}, {"stop": [""]}, {"stop": "END"}],
)  # fmt: skip
def test_options_that_llama_cpp_would_take_for_others_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=next(iter(wrong))):
        lmpm.Options(**wrong)


def test_what_cannot_be_asked_leaves_the_model_as_it_is(project: Cli) -> None:
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(5000):
        deep = {"type": "object", "properties": {"a": deep}}
    circle: dict[str, Any] = {"type": "object"}
    circle["properties"] = {"a": circle}
    with lmpm.load("text-to-sql", offline=True) as sql:
        for schema in (deep, circle):
            with pytest.raises(SpecError):
                sql(schema=DDL, question=HOW_MANY, options=lmpm.Options(schema=schema))
        with pytest.raises(SpecError, match="surrogate"):
            sql(schema=DDL, question="\ud800")
        with pytest.raises(SpecError, match="one text"):
            sql(schema=DDL, question=b"how many")
        with pytest.raises(ContextExceededError, match="or more") as caught:
            sql(schema=DDL, question="a" * 1_000_000)
        assert caught.value.is_least and caught.value.prompt_tokens == -(-1_000_000 // 256)
        with pytest.raises(TypeError, match="in each process"):
            pickle.dumps(sql)
        answer = sql(schema=DDL, question=HOW_MANY)
        assert pickle.loads(pickle.dumps(answer)) == answer and answer.text == COUNT
    sql.close()
    for context in (0, -1, 4096):
        with pytest.raises(SpecError, match="tokens"):
            lmpm.load("text-to-sql", context=context, offline=True)


def test_what_is_not_there_is_told(project: Cli, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="nope"):
        lmpm.load("nope")
    (tmp_path / "no.gguf").write_bytes(b"nothing")
    with pytest.raises(IntegrityError):
        lmpm.load(str(tmp_path / "no.gguf"))
    store = lmpm.path("text-to-sql").parents[2]
    for path in store.rglob("*"):
        if path.is_symlink() or path.is_file():
            path.unlink()
    with pytest.raises(MissingFilesError) as caught:
        lmpm.load("text-to-sql", download=False)
    assert caught.value.exit_code == 4
    with lmpm.load("text-to-sql") as sql:  # the starter is brought from lmpm itself
        assert sql(schema=DDL, question=HOW_MANY).text == COUNT


def test_it_is_found_from_below_and_by_its_task(project: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project.directory / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert lmpm.path("sql") == lmpm.path("text-to-sql")  # an alias of the task
    monkeypatch.chdir("/")
    assert lmpm.path("text-to-sql", project=project.directory).suffix == ".gguf"


def test_the_lock_says_how_it_is_asked(project: Cli) -> None:
    manifest = project.directory / "lmpm.toml"
    manifest.write_text('[models.text-to-sql]\ntask = "text-to-sql"\nrecipe = { max_tokens = 3 }\n', "utf-8")
    assert project.call("lock", "--check").code == 7
    before = load_lock(project.lock).models[0]
    edited = project.call("lock", "--offline").passed()
    assert "Chosen" not in edited.err  # only asked otherwise: nothing is chosen anew
    after = load_lock(project.lock).models[0]
    assert [rung.files for rung in after.candidates] == [rung.files for rung in before.candidates]
    assert "max_tokens = 3" in project.lock.read_text("utf-8")
    assert project.call("lock", "--check").code == 0
    with lmpm.load("text-to-sql", offline=True) as sql:
        assert sql(schema=DDL, question=HOW_MANY).usage.completion_tokens == 3


def test_threads_share_one_child(project: Cli) -> None:
    answers: list[str] = []

    def ask() -> None:
        with lmpm.load("text-to-sql", offline=True) as sql:
            answers.extend(sql(schema=DDL, question=HOW_MANY).text for _ in range(3))
            pids.add(sql.session.process.pid)

    pids: set[int] = set()
    with lmpm.load("text-to-sql", offline=True) as held:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pids == {held.session.process.pid}
    assert answers == [COUNT] * 12


@needs_fork
def test_a_forked_process_has_a_child_of_its_own(project: Cli) -> None:
    with lmpm.load("text-to-sql", offline=True) as sql:
        sql(schema=DDL, question=HOW_MANY)
        context = multiprocessing.get_context("fork")
        said = context.SimpleQueue()

        def ask() -> None:
            said.put((sql(schema=DDL, question=HOW_MANY).text, sql.session.process.pid))

        worker = context.Process(target=ask)
        worker.start()
        text, pid = said.get()
        worker.join()
        assert text == COUNT and pid != sql.session.process.pid
        assert sql(schema=DDL, question=HOW_MANY).text == COUNT


def test_it_is_awaited(project: Cli) -> None:
    async def main() -> None:
        async with lmpm.load("text-to-sql", offline=True) as sql:
            questions = [HOW_MANY, "List all names of users."]
            answers = await asyncio.gather(*(sql.acall(schema=DDL, question=question) for question in questions))
            assert answers[0].text == COUNT
            pieces = [piece async for piece in sql.astream(schema=DDL, question=HOW_MANY)]
            assert "".join(pieces).strip() == COUNT
            async for _ in sql.astream(schema=DDL, question=HOW_MANY):
                break
            task = asyncio.create_task(sql.acall(schema=DDL, question=HOW_MANY))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await sql.acall(schema=DDL, question=HOW_MANY)).text == COUNT
            with pytest.raises(SpecError):
                await sql.acall(question=HOW_MANY)

    asyncio.run(main())


def test_vectors_of_a_file_of_ones_own(here: Cli, tmp_path: Path) -> None:
    path = write_bert(tmp_path / "m.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])
    with lmpm.load(str(path), task="embeddings", context=64) as model:
        vectors = model.embed(["cat", "kitten", "truck"] * 40)
        assert len(vectors) == 120
        near, far = (sum(a * b for a, b in zip(vectors[0], vectors[n], strict=True)) for n in (1, 2))
        assert near > far
        assert sum(value * value for value in vectors[0]) == pytest.approx(1, abs=1e-5)
        single = model.embed("cat", kind="query")
        assert list(single) == pytest.approx(list(vectors[0]), abs=1e-5)
        assert len(asyncio.run(model.aembed(["cat"]))) == 1
        with pytest.raises(SpecError, match="ranks no documents"):
            model.rerank("a", ["b"])


def test_documents_are_ranked(here: Cli, tmp_path: Path) -> None:
    path = write_bert(tmp_path / "m.gguf", meanings=[["cat", "kitten"], ["car", "truck"]], classifier=True)
    with lmpm.load(str(path), task="reranking", context=64) as model:
        ranked = model.rerank("a cat", ["a kitten", "a truck"])
        assert sorted(number for number, _ in ranked) == [0, 1] and ranked[0][1] >= ranked[1][1]


def test_a_file_without_a_chat_template_is_given_no_other(
    here: Cli, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_llama(tmp_path / "plain.gguf")[0]
    with caplog.at_level(logging.WARNING, "lmpm"), lmpm.load(str(path), task="chat", context=256) as model:
        assert model.recipe.raw and "holds no chat template" in caplog.text
        assert model("hi", options=lmpm.Options(max_tokens=4)).usage.completion_tokens <= 4
        with pytest.raises(SpecError):
            model.chat([{"role": "user", "content": "hi"}])
        with pytest.raises(EngineError, match="holds no chat template"):
            model.session.chat([{"role": "user", "content": "hi"}], max_tokens=4)


def test_two_beyond_the_budget_are_an_error_that_says_what_fits(project: Cli, tmp_path: Path) -> None:
    path = write_llama(tmp_path / "other.gguf")[0]
    with lmpm.load("text-to-sql", offline=True) as sql:
        entry = next(iter(opening._loaded.values()))
        entry.need = 2**60  # as if it filled this machine
        with pytest.raises(NothingFitsError, match="does not fit beside") as caught:
            lmpm.load(str(path), task="chat", context=256)
        assert "text-to-sql takes" in caught.value.details[0] and "Close `text-to-sql`" in (caught.value.hint or "")
        assert sql(schema=DDL, question=HOW_MANY).text == COUNT
    assert not opening._loaded
    lmpm.load(str(path), task="chat", context=256).close()


def test_schemas_are_dicts_or_classes() -> None:
    class Person:
        @staticmethod
        def model_json_schema() -> dict[str, str]:
            return {"type": "object"}

    assert schema_of(Person) == schema_of({"type": "object"}) == schema_of({"type": "json_object"})
    wrapped = {"type": "json_schema", "json_schema": {"name": "p", "schema": {"type": "array"}}}
    assert schema_of(wrapped) == {"type": "array"}
    with pytest.raises(SpecError):
        schema_of("person")


USER = """
import asyncio
from collections.abc import Sequence

import lmpm
from lmpm.errors import LmpmError


def ask(ddl: str, questions: Sequence[str]) -> list[str]:
    with lmpm.load("text-to-sql", download=False) as sql:
        first: lmpm.Answer = sql(schema=ddl, question=questions[0])
        for piece in sql.stream(schema=ddl, question=questions[0]):
            print(piece.upper())
        return [first.text, *(sql(schema=ddl, question=question).text for question in questions)]


async def later(model: lmpm.Model) -> int:
    answer = await model.achat([{"role": "user", "content": "hi"}], options=lmpm.Options(max_tokens=3))
    async for piece in model.astream(prompt="hi"):
        print(piece.upper())
    return answer.usage.total_tokens


try:
    ask("", [])
    asyncio.run(later(lmpm.load("chat", context=2048)))
    print(lmpm.path("chat").name, lmpm.resolve("chat", hardware="M2, 16GB").considered)
except LmpmError as error:
    print(error.kind)
"""


def test_a_users_project_passes_strict_type_checks(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(USER, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "app.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = USER.replace("first.text,", "first.txt,")
    (tmp_path / "app.py").write_text(wrong, "utf-8")
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert 'has no attribute "txt"' in done.stdout

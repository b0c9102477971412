"""The starter model: its file, its card, and its accuracy on held-out questions."""

from __future__ import annotations

import hashlib
import math
import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.starter.train import heldout, questions
from lmpm.engine import EngineLimits, Files, Service, Session, default_engine
from lmpm.errors import ContextExceededError
from lmpm.gguf import read_file
from lmpm.run_config import RunConfig
from lmpm.sql import gbnf, read_ddl

FOLDER = Path(__file__).resolve().parents[2] / "catalog" / "starter"
MODEL = FOLDER / "text-to-sql-starter-Q8_0.gguf"
CARD = FOLDER / "README.md"
SEED = 20270101  # not the seed of the card's figures
CASES = 150
SIZE_LIMIT = 6_000_000


@pytest.fixture(scope="module")
def model() -> Iterator[Session]:
    """The model in llama.cpp."""
    config = RunConfig(context=1024, threads=1)
    with default_engine().open(Files(MODEL), config, EngineLimits(), Service(chats=True)) as opened:
        yield opened


def complete(model: Session, prompt: str, **options: Any) -> str:
    """Complete a raw prompt greedily."""
    return model.complete(prompt, max_tokens=128, reuse=False, **options).text


def accuracy(model: Session, split: str) -> float:
    """The share of a split's questions whose answers give the right rows."""
    cases = heldout.cases(split, CASES, SEED)
    return sum(case.accepts(answer(model, case)) for case in cases) / len(cases)


def answer(model: Session, case: heldout.Case) -> str:
    """The answer to a case; nothing to one that is too long."""
    try:
        return complete(model, case.prompt)
    except ContextExceededError:
        return ""


def test_file_is_small() -> None:
    assert MODEL.stat().st_size <= SIZE_LIMIT


def test_card_states_the_file() -> None:
    card = CARD.read_text(encoding="utf-8")
    data = MODEL.read_bytes()
    assert hashlib.sha256(data).hexdigest() in card
    assert f"{len(data):,}" in card


def test_metadata() -> None:
    metadata = read_file(MODEL).metadata
    assert metadata["general.architecture"] == "llama"
    assert metadata["general.license"] == "apache-2.0"
    assert metadata["general.author"] == "lmpm contributors"
    assert metadata["general.file_type"] == 7
    assert metadata["tokenizer.ggml.add_bos_token"] is False


def test_chat_and_raw_completion_agree(model: Session) -> None:
    for case in heldout.cases("identifiers", 6, SEED + 1):
        messages = [{"role": "user", "content": case.prompt}]  # llama-server would put a system text before it
        assert model.chat(messages, max_tokens=128, temperature=0.0, cache_prompt=False).text == complete(
            model, case.prompt
        )


def stated(test: str) -> float:
    """The share of right answers that the card states for a test."""
    found = re.search(rf"^\| {re.escape(test)} \| \d+ \| ([\d.]+) % \|", CARD.read_text("utf-8"), re.MULTILINE)
    assert found, f"the card has no row for {test}"
    return float(found[1]) / 100


@pytest.mark.parametrize(
    ("split", "test"),
    [
        ("identifiers", "held-out identifiers, trained phrasings"),
        ("phrasings", "held-out phrasings, trained words"),
        ("world-values", "never-met entities, values shown"),
    ],
)
def test_the_card_is_honest(model: Session, split: str, test: str) -> None:
    """On questions that neither training nor the card's own figures saw, less three standard deviations."""
    claim = stated(test)
    assert accuracy(model, split) >= claim - 3 * math.sqrt(claim * (1 - claim) / CASES)


def test_it_has_learnt_the_task_and_not_its_names() -> None:
    """A model that learnt its names by heart, as one with a closed list does, has 0 % on unseen ones."""
    assert stated("held-out identifiers, trained phrasings") >= 0.7
    assert stated("held-out phrasings, trained words") >= 0.65


@pytest.mark.parametrize("split", ["both", "world-values"])
def test_an_answer_within_the_grammar_runs(model: Session, split: str) -> None:
    for case in heldout.cases(split, 6, SEED + 2):
        answer = complete(model, case.prompt, grammar=gbnf(read_ddl(case.statements)), stop=[";\n", "\n\n"])
        database = sqlite3.connect(":memory:")
        database.executescript(case.statements)
        database.execute(answer)
        database.close()


@pytest.mark.parametrize("split", ["both", "world", "world-values"])
def test_references_run_on_their_schemas(split: str) -> None:
    for case in heldout.cases(split, 50, SEED + 3):
        database = sqlite3.connect(":memory:")
        database.executescript(case.statements)
        database.execute(case.question.sql)
        database.close()


def test_the_grammar_of_a_schema_takes_the_references() -> None:
    acceptance = pytest.importorskip("tests.sql.acceptance")
    pytest.importorskip("llama_cpp")
    with acceptance.Acceptance(MODEL) as grammar:
        for split in ("both", "world", "world-values"):
            for case in heldout.cases(split, 25, SEED + 4):
                assert grammar.takes(gbnf(read_ddl(case.statements)), " " + case.question.sql) is None, case.question


def test_values_in_a_prompt_are_those_of_its_columns() -> None:
    """As lmpm shows them: a line of a comment behind each table, for columns that it has."""
    seen = 0
    for case in heldout.cases("world-values", 40, SEED + 5):
        columns = {f"{t.name}.{c.name}" for t in read_ddl(case.statements).tables for c in t.columns}
        for line in re.findall(r"^-- (.*)$", case.schema.text, re.MULTILINE):
            name, texts = line.split(": ", 1)
            assert name in columns and 1 <= len(texts.split(", ")) <= 6
            seen += 1
    assert seen > 60
    assert not any("\n--" in case.schema.text for case in heldout.cases("world", 40, SEED + 5))


def test_heldout_names_and_phrasings_are_never_trained() -> None:
    from catalog.starter.train import phrases, words

    assert not set(words.ENTITIES) & set(words.HELDOUT_ENTITIES)
    for train, test in ((words.TEXT_COLUMNS, words.HELDOUT_TEXT), (words.INT_COLUMNS, words.HELDOUT_INT)):
        assert not set(train) & set(test)
    assert not set(words.REAL_COLUMNS) & set(words.HELDOUT_REAL)
    assert all(phrases.SPLIT["frame:" + key][1] for key in ("any", "one", "many"))
    for trained, unseen in phrases.SPLIT.values():
        assert not set(trained) & set(unseen)


def test_entities_that_are_held_out_are_never_trained() -> None:
    from catalog.starter.train.world import entities, tables

    nouns = {e.noun for e in entities.ENTITIES if e.is_heldout}
    assert len(nouns) > 12
    for seed in range(200):
        things = tables.draw(random.Random(seed)).things
        assert not nouns & {t.entity.noun for t in things if t.entity}


def test_a_table_has_no_two_columns_of_one_name_or_word() -> None:
    from catalog.starter.train.world import tables

    for seed in range(300):
        for thing in tables.draw(random.Random(seed)).things:
            columns = [column.name.sql.lower() for column in thing.table.columns]
            assert len(set(columns)) == len(columns)
            said = [f.spoken for f in thing.fields]
            assert len(set(said)) == len(said)


def test_every_kind_has_a_builder_and_words() -> None:
    from catalog.starter.train import builders, heads

    assert set(questions.WEIGHTS) == set(builders.BUILDERS) == set(heads.HEADS)

"""The starter model: its file, its card, and its accuracy on held-out questions."""

from __future__ import annotations

import hashlib
import math
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.starter.train import grammar, heldout, questions
from lmpm.engine import EngineLimits, Files, Service, Session, default_engine
from lmpm.gguf import read_file
from lmpm.run_config import RunConfig

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
    return model.complete(prompt, max_tokens=256, reuse=False, **options).text


def accuracy(model: Session, split: str) -> float:
    """The share of a split's questions whose answers give the right rows."""
    cases = heldout.cases(split, CASES, SEED)
    return sum(case.accepts(complete(model, case.prompt)) for case in cases) / len(cases)


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
        assert model.chat(messages, max_tokens=256, temperature=0.0, cache_prompt=False).text == complete(
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
    ],
)
def test_the_card_is_honest(model: Session, split: str, test: str) -> None:
    """On questions that neither training nor the card's own figures saw, less three standard deviations."""
    claim = stated(test)
    assert accuracy(model, split) >= claim - 3 * math.sqrt(claim * (1 - claim) / CASES)


def test_it_has_learnt_the_task_and_not_its_names() -> None:
    """A model that learnt its names by heart, as one with a closed list does, has 0 % on unseen ones."""
    assert stated("held-out identifiers, trained phrasings") >= 0.9
    assert stated("held-out phrasings, trained words") >= 0.8


def test_grammar_admits_the_reference_and_no_unknown_name(model: Session) -> None:
    for case in heldout.cases("both", 10, SEED + 2):
        answer = complete(model, case.prompt, grammar=grammar.gbnf(case.schema.text)).strip()
        names = {name for table, columns in grammar.tables_of(case.schema.text).items() for name in (table, *columns)}
        bare = re.sub(r"'(?:[^']|'')*'", "", answer)
        for word in re.findall(r"[A-Za-z_]\w*", bare):
            assert word in names or word.isupper(), answer


def test_references_run_on_their_schemas() -> None:
    for case in heldout.cases("both", 50, SEED + 3):
        database = sqlite3.connect(":memory:")
        database.executescript(
            case.schema.text if ";" in case.schema.text else case.schema.text.replace("\nCREATE", ";\nCREATE")
        )
        database.execute(case.question.sql)
        database.close()


def test_heldout_names_and_phrasings_are_never_trained() -> None:
    from catalog.starter.train import phrases, words

    assert not set(words.ENTITIES) & set(words.HELDOUT_ENTITIES)
    for train, test in ((words.TEXT_COLUMNS, words.HELDOUT_TEXT), (words.INT_COLUMNS, words.HELDOUT_INT)):
        assert not set(train) & set(test)
    assert not set(words.REAL_COLUMNS) & set(words.HELDOUT_REAL)
    assert all(phrases.SPLIT["frame:" + key][1] for key in ("any", "one", "many"))
    for trained, unseen in phrases.SPLIT.values():
        assert not set(trained) & set(unseen)


def test_every_kind_has_a_builder_and_words() -> None:
    from catalog.starter.train import builders, heads

    assert set(questions.WEIGHTS) == set(builders.BUILDERS) == set(heads.HEADS)

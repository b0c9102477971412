"""A smaller model that guesses ahead: used where its vocabulary is the same, refused where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmpm.engine import Files
from lmpm.errors import EngineError
from lmpm.run_config import RunConfig
from tests.engine.conftest import LIMITS, STARTER, engine_of
from tests.gguf_files import write_llama

PLAN = RunConfig(context=256)


@pytest.mark.parametrize("name", ["xllamacpp", "llama-server"])
def test_guesses_are_used(name: str, model: Path, folder: Path) -> None:
    draft = write_llama(folder / "draft.gguf")[0]  # the same weights: every guess is right
    engine = engine_of(name)
    with engine.open(Files(model), PLAN, LIMITS) as alone:
        plain = alone.complete("hello", max_tokens=24)
        memory = alone.memory().buffers
    with engine.open(Files(model, draft=draft), PLAN, LIMITS) as session:
        answer = session.complete("hello", max_tokens=24)
        both = session.memory().buffers
    assert plain.drafted_tokens == 0 < answer.drafted_tokens
    assert answer.text == plain.text
    for part in ("model", "KV"):
        assert sum(part in name for name, _ in both) == 2 * sum(part in name for name, _ in memory)


def test_another_vocabulary_is_refused_before_it_is_loaded(model: Path) -> None:
    with pytest.raises(EngineError, match="has another vocabulary than") as caught:
        engine_of("xllamacpp").open(Files(model, draft=STARTER), PLAN, LIMITS)
    assert caught.value.hint and len(caught.value.details) == 2


def test_words_that_differ_are_noticed_once_it_is_loaded(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmpm.engine.adapters import opening

    monkeypatch.setattr(opening, "require_same_words", lambda *files: None)
    with pytest.raises(EngineError, match="does not use the guesses of"):
        engine_of("xllamacpp").open(Files(model, draft=STARTER), PLAN, LIMITS)


def test_an_engine_that_cannot_says_so(model: Path) -> None:
    with pytest.raises(EngineError, match="does not check the guesses"):
        engine_of("llama-cpp-python").open(Files(model, draft=model), PLAN, LIMITS)

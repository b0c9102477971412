"""LoRAs in each engine: their effect on an answer, several at once, and those refused before they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmpm.engine import Engine, Files
from lmpm.errors import EngineError
from lmpm.run_config import RunConfig
from tests.engine.conftest import LIMITS, STARTER, engine_of
from tests.gguf_files import write_llama, write_lora

PLAN = RunConfig(context=512)
PROMPT = "-- users(id, name)\n-- Which users are there?\nSELECT"


def answer(engine: Engine, *adapters: Path, model: Path = STARTER, tokens: int = 16) -> str:
    """What a model writes, the likeliest token each time."""
    with engine.open(Files(model, adapters=adapters), PLAN, LIMITS) as session:
        return session.complete(PROMPT, max_tokens=tokens).text


def test_an_adapter_changes_what_each_engine_answers_alike(engine: Engine, tmp_path: Path) -> None:
    adapter = write_lora(tmp_path / 'of, one "team".gguf', STARTER)
    adapted = answer(engine, adapter)
    assert adapted and adapted != answer(engine)
    assert adapted == answer(engine_of("xllamacpp"), adapter)


def test_one_without_a_change_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    assert answer(engine) == answer(engine, write_lora(tmp_path / "none.gguf", STARTER, strength=0.0))


def test_several_are_added_up(engine: Engine, tmp_path: Path) -> None:
    one, other = (write_lora(tmp_path / f"{seed}.gguf", STARTER, seed=seed) for seed in (1, 2))
    few = 4  # a sum in another order is rounded otherwise, which sooner or later makes another token likeliest
    both = answer(engine, one, other, tokens=few)
    assert both not in (answer(engine, one, tokens=few), answer(engine, other, tokens=few))
    assert both == answer(engine, other, one, tokens=few)


@pytest.mark.parametrize("case", ["other shapes", "no adapter", "other architecture"])
def test_what_llama_cpp_refuses_never_reaches_it(case: str, engine: Engine, model: Path, tmp_path: Path) -> None:
    """llama-cpp-python would go on and crash at the first token, a server would end."""
    if case == "other shapes":
        adapter = write_lora(tmp_path / "x.gguf", model)
    elif case == "no adapter":
        adapter = model
    else:
        adapter = write_lora(tmp_path / "x.gguf", write_llama(tmp_path / "q.gguf", architecture="qwen2")[0])
    with pytest.raises(EngineError, match="cannot be put on `text-to-sql-starter") as caught:
        answer(engine, adapter)
    assert caught.value.kind == "adapter"


def test_its_memory_is_that_of_its_file(engine: Engine, tmp_path: Path) -> None:
    adapter = write_lora(tmp_path / "wide.gguf", STARTER, rank=64, strength=0.1)
    sizes = []
    for adapters in ((), (adapter,)):
        with engine.open(Files(STARTER, adapters=adapters), PLAN, LIMITS) as session:
            session.complete(PROMPT, max_tokens=2)
            sizes.append(session.memory().total)
            print(session.memory())
    assert 0.9 * adapter.stat().st_size < sizes[1] - sizes[0] < 1.5 * adapter.stat().st_size

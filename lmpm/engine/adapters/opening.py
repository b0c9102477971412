"""How any build of llama.cpp is given a model: one child for the same files, settings and purpose."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.environment import has_gpu_driver
from lmpm.engine.http.settings import server_settings
from lmpm.engine.server_process import ServerProcess
from lmpm.engine.session import Session
from lmpm.errors import EngineError, LmpmError
from lmpm.gguf import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lmpm.engine.interface import Engine
    from lmpm.engine.protocol import EngineLimits, Files, Service
    from lmpm.gguf import Header
    from lmpm.run_config import RunConfig

TEMPLATE: Final = "tokenizer.chat_template"


def open_session(
    engine: Engine,
    files: Files,
    config: RunConfig,
    limits: EngineLimits,
    service: Service,
    *,
    task: Callable[[RunConfig], Mapping[str, Any]] | None = None,
) -> Session:
    """A session with a model. Raises EngineError when it cannot be loaded.

    `task` adds to what the child is told, for the settings as the model can have them.
    """
    if not files.model.is_file():
        raise EngineError(f"`{files.model.name}` cannot be opened: No such file or directory")
    header = _header(files.model)
    config = within_training(files.model, config)
    key = (engine.installation(), files, config, service, limits.memory_bytes)
    job = {
        "engine": engine.name,
        "supervises": False,
        "driver": has_gpu_driver(),
        "mapped_bytes": files.model.stat().st_size,
        "settings": server_settings(files, config, service),
        **(task(config) if task else {}),
    }

    def start() -> ServerProcess:
        return ServerProcess(job, str(files.model), limits)

    has_template = header is None or TEMPLATE in header.metadata
    return Session(key, start, files=files, config=config, limits=limits, service=service, has_template=has_template)


def within_training(path: Path, config: RunConfig) -> RunConfig:
    """The settings with a context that the model was trained for.

    llama-server reserves all of a longer one, and then uses only so much.
    """
    header = _header(path)
    if header is None:
        return config
    trained = header.metadata.get(f"{header.architecture}.context_length")
    if not isinstance(trained, int) or trained <= 0 or config.context == 0:
        return config
    longest = trained * (1 if config.unified else config.sequences)
    return dataclasses.replace(config, context=min(config.context, longest))


def _header(path: Path) -> Header | None:
    """The header of a file; None where it cannot be read: llama.cpp says what is wrong with it."""
    try:
        return read_file(path)
    except LmpmError:
        return None

"""How any build of llama.cpp is given a model: one child for the same files, settings and purpose."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.environment import has_gpu_driver
from lmpm.engine.http.client import RefusedError
from lmpm.engine.http.settings import server_settings
from lmpm.engine.server_process import ServerProcess
from lmpm.engine.session import Session
from lmpm.errors import EngineError, LmpmError
from lmpm.gguf import adapter_refusal, read_file, shard_paths

VOCABULARY_KEYS: Final = ("model", "pre", "bos_token_id", "eos_token_id", "add_bos_token", "add_eos_token")
MOST_MORE_WORDS: Final = 128  # speculative.cpp, SPEC_VOCAB_MAX_SIZE_DIFFERENCE
SAME_WORDS: Final = "Take a smaller model of the same family, whose tokens are the same"

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
    for path in files.every:
        if not path.is_file():
            raise EngineError(f"`{path.name}` cannot be opened: No such file or directory")
    if files.draft is not None:
        require_same_words(files.model, files.draft)
    require_adapters_fit(files)
    config = within_training(files.model, config)
    key = (engine.installation(), files, config, service, limits.memory_bytes)
    job = {
        "engine": engine.name,
        "supervises": False,
        "driver": has_gpu_driver(),
        "mapped_bytes": sum(path.stat().st_size for path in files.every),
        "settings": server_settings(files, config, service),
        **(task(config) if task else {}),
    }

    def start() -> ServerProcess:
        process = ServerProcess(job, str(files.model), limits)
        if files.draft is not None and not _speculates(process, limits):
            process.close()
            raise EngineError(f"llama.cpp does not use the guesses of `{files.draft.name}`", hint=SAME_WORDS)
        return process

    return Session(
        key, start, files=files, config=config, limits=limits, service=service, has_template=has_template(files.model)
    )


def has_template(path: Path) -> bool:
    """Whether a file holds a chat template; so it is taken where its header cannot be read."""
    header = _header(path)
    return header is None or TEMPLATE in header.metadata


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


def require_same_words(model: Path, draft: Path) -> None:
    """Raise EngineError where the vocabularies of two models differ by what their keys say.

    llama.cpp would load the second one, reserve its memory, and never use it; speculative.cpp,
    common_speculative_are_compatible.
    """
    try:
        headers = [read_file(path) for path in (model, draft)]
    except LmpmError:
        return  # llama.cpp says what is wrong with the file
    sizes = [header.array_lengths.get("tokenizer.ggml.tokens", 0) for header in headers]
    kinds = [[header.metadata.get(f"tokenizer.ggml.{key}") for key in VOCABULARY_KEYS] for header in headers]
    if kinds[0] != kinds[1] or abs(sizes[0] - sizes[1]) > MOST_MORE_WORDS:
        raise EngineError(
            f"`{draft.name}` has another vocabulary than `{model.name}`, so that its guesses mean nothing",
            details=tuple(
                f"{name}: {size:,} tokens, {kind[0]}"
                for name, size, kind in zip((model.name, draft.name), sizes, kinds, strict=True)
            ),
            hint=SAME_WORDS,
        )


def require_adapters_fit(files: Files) -> None:
    """Raise EngineError for a LoRA that llama.cpp would refuse, or take and fail: its own refusals end the process."""
    if not files.adapters:
        return
    bases = [read_file(path) for path in shard_paths(files.model)]
    for path in files.adapters:
        if why := adapter_refusal(read_file(path), bases):
            raise EngineError(f"`{path.name}` cannot be put on `{files.model.name}`: {why}", kind="adapter")


def _speculates(process: ServerProcess, limits: EngineLimits) -> bool:
    """Whether the server uses the second model: what of its vocabulary only the tokens tell is known only then."""
    try:
        return any(slot.get("speculative") for slot in process.client.ask("/slots", None, limits.time_s))
    except (OSError, RefusedError, ValueError):
        return False

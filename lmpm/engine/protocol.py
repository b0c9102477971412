"""What is asked of llama.cpp and what it answers, and how both cross the border between two processes."""

from __future__ import annotations

import base64
import dataclasses
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from lmpm import limits
from lmpm.run_config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_PLAN: Final = RunConfig(context=0)  # of a job that loads no model

JobKind = Literal["probe", "run", "plan"]


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What the child process may take. `memory_bytes` counts private memory, not the mapped file."""

    time_s: float = limits.ENGINE_SMOKE_TIMEOUT_S
    memory_bytes: int | None = None
    output_bytes: int = limits.ENGINE_OUTPUT_BYTES


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the child: a model is loaded once, then every prompt or text goes through it.

    `pairs` are code before and after a hole that is to be filled, or with the pooling `rank` a query and a
    document to be scored; either goes into the form that the file's header gives.
    """

    kind: JobKind
    path: str = ""
    texts: tuple[str, ...] = ()
    plan: RunConfig = NO_PLAN
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    memory_bytes: int | None = None
    pairs: tuple[tuple[str, str], ...] = ()

    def encode(self) -> dict[str, Any]:
        """The job as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> Job:
        """The job that `encode` wrote."""
        return cls(
            **{
                **values,
                "plan": RunConfig(**values["plan"]),
                "texts": tuple(values["texts"]),
                "pairs": tuple((first, second) for first, second in values["pairs"]),
                "stop": tuple(values["stop"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One answer. `decode` is tokens per second after the first one, None when there was no second."""

    text: str
    prompt_tokens: int
    tokens: int
    first_token_s: float | None
    decode: float | None
    finite: bool = True  # False: the model computed NaN or infinity, and the answer stops there


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """The installed engine."""

    python_package: str
    build: str
    gpu_offload: bool
    system_info: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """What a run gave: the answers in the order of the texts, and what they took.

    `peak_memory` is the highest resident size of the child in bytes, mapped file included. `buffers` are
    the bytes of llama.cpp's own buffers as it logs them: (`CPU KV`, 1048576).
    """

    build: str
    load_s: float
    peak_memory: int | None
    buffers: tuple[tuple[str, int], ...] = ()
    generations: tuple[Generation, ...] = ()
    embeddings: tuple[tuple[float, ...], ...] = ()
    scores: tuple[float, ...] = ()  # of the pairs, where they were ranked

    def encode(self) -> dict[str, Any]:
        """The report as JSON values."""
        values = dataclasses.asdict(self)
        values["embeddings"] = [_pack(vector) for vector in self.embeddings]
        values["scores"] = _pack(self.scores)
        return values

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> EngineReport:
        """The report that `encode` wrote."""
        return cls(
            **{
                **values,
                "buffers": tuple((name, size) for name, size in values["buffers"]),
                "generations": tuple(Generation(**item) for item in values["generations"]),
                "embeddings": tuple(_unpack(item) for item in values["embeddings"]),
                "scores": _unpack(values["scores"]),
            }
        )


def _pack(vector: Sequence[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode("ascii")


def _unpack(text: str) -> tuple[float, ...]:
    return tuple(array("f", base64.b64decode(text)))

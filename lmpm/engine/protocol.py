"""What is asked of an engine and what it answers, and how both cross the border between two processes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from lmpm import limits
from lmpm.run_config import RunConfig, Service as Service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NO_PLAN: Final = RunConfig(context=0)  # of a job that loads no model

EngineName = Literal["xllamacpp", "llama-server", "llama-cpp-python"]
DeviceKind = Literal["cpu", "gpu", "integrated", "accelerator"]
JobKind = Literal["probe", "plan"]


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What a child process may take. `memory_bytes` counts private memory, not the mapped file.

    `time_s` is for a whole one-shot job; of a session, for loading and then for each answer.
    """

    time_s: float = limits.ENGINE_SMOKE_TIMEOUT_S
    memory_bytes: int | None = None
    output_bytes: int = limits.ENGINE_OUTPUT_BYTES


PLAN_LIMITS: Final = EngineLimits(time_s=60.0)


@dataclass(frozen=True, slots=True)
class Job:
    """One question to a library that loads no weights."""

    kind: JobKind
    library: str = ""
    path: str = ""
    plan: RunConfig = NO_PLAN
    memory_bytes: int | None = None

    def encode(self) -> dict[str, Any]:
        """The job as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> Job:
        """The job that `encode` wrote."""
        return cls(**{**values, "plan": RunConfig(**values["plan"])})


@dataclass(frozen=True, slots=True)
class Device:
    """What a build can compute on; `memory` in bytes, 0 where it does not say."""

    name: str
    description: str
    kind: DeviceKind
    memory: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """An engine as it describes itself.

    `package` is what was installed, `build` the llama.cpp in it. `plans` says whether it can be asked how it would
    spend memory, `vision` whether it reads images. Every engine is spoken to over HTTP.
    """

    name: EngineName
    package: str
    build: str
    system_info: str
    devices: tuple[Device, ...] = ()
    plans: bool = False
    vision: bool = False
    confined: tuple[str, ...] = ()  # what holds its child here, in a few words each

    @property
    def gpu_offload(self) -> bool:
        """Whether this build can use a GPU of this machine."""
        return any(device.kind in ("gpu", "integrated") for device in self.devices)

    def encode(self) -> dict[str, Any]:
        """The description as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> EngineInfo:
        """The description that `encode` wrote."""
        devices = tuple(Device(**item) for item in values.get("devices", ()))
        return cls(**{**values, "devices": devices, "confined": tuple(values.get("confined", ()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One answer. `decode` is tokens per second after the first one, None when there was no second.

    `prefill` is tokens of the prompt per second, of those that were not in the cache already.
    """

    text: str
    prompt_tokens: int
    tokens: int
    first_token_s: float | None
    decode: float | None
    prefill: float | None = None
    cached_tokens: int = 0
    drafted_tokens: int = 0
    finite: bool = True  # False: the model computed NaN or infinity, and the answer stops there
    ended_by: Literal["stop", "length"] = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is taken; the defaults take the most likely one. None leaves a step out."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    seed: int = 0


GREEDY: Final = Sampling()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMemory:
    """What a session takes in bytes. `peak` is the highest resident size, mapped file included; None: nobody says.

    `buffers` are llama.cpp's own, as it names them: (`CPU KV`, 1048576).
    """

    peak: int | None
    buffers: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """Bytes of the buffers; one for computing that was reserved again counts once, and so does a draft's own."""
        computing = {name: size for name, size in self.buffers if name.endswith("compute")}
        return sum(computing.values()) + sum(size for name, size in self.buffers if name not in computing)


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one model as they lie on this machine: the first shard, and what runs beside it.

    `mmproj` is a vision encoder, `draft` a smaller model of the same vocabulary whose guesses the model checks.
    `adapters` are LoRAs that are added to the weights as they are used, all at once.
    """

    model: Path
    mmproj: Path | None = None
    draft: Path | None = None
    adapters: tuple[Path, ...] = ()

    @property
    def every(self) -> tuple[Path, ...]:
        """All that is loaded."""
        return tuple(path for path in (self.model, self.mmproj, self.draft, *self.adapters) if path is not None)

    @property
    def adapter_bytes(self) -> int:
        """What the adapters take in memory: llama.cpp copies them into buffers of their own, and maps none."""
        return sum(path.stat().st_size for path in self.adapters)

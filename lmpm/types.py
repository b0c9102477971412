"""What every part of lmpm speaks of, as frozen records: machines, sources and files.

Sizes are bytes, bandwidths bytes per second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Accelerator = Literal["metal", "cuda", "rocm", "sycl", "vulkan", "cpu"]
FileRole = Literal["model", "mmproj"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a computer offers to a model. Made by `lmpm.machine`, detected or from a spec.

    `memory` is the host's RAM (or the unified memory), `vram` the sum over discrete GPUs (0 without).
    `budget` is what a model may take where it runs fastest, from totals, never from what is free now.
    `host_budget` is what a part of the model may take in host RAM beside a discrete GPU (0 where there
    is only one kind of memory). `bandwidth` belongs to the memory that `budget` counts.
    """

    name: str
    accelerator: Accelerator
    memory: int
    budget: int
    bandwidth: int | None = None
    vram: int = 0
    gpus: int = 0
    cores: int | None = None
    host_budget: int = 0
    host_bandwidth: int | None = None
    compute: float | None = None  # effective FLOP/s of prompt processing, where known
    unused_gpu: str = ""  # a GPU that is there, but that the engine cannot use
    sources: tuple[tuple[str, str], ...] = ()  # (fact, where it came from), for `hardware` and `doctor`

    def __post_init__(self) -> None:
        if min(self.memory, self.budget, self.vram, self.host_budget) < 0:
            raise ValueError("sizes of a machine cannot be negative")


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on the Hub; `revision` is a commit of 40 hex digits once it is pinned."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo} @ {self.revision[:7]}" if self.revision else self.repo


@dataclass(frozen=True, slots=True)
class StarterSource:
    """The built-in starter of a task, shipped with lmpm."""

    task: str

    def __str__(self) -> str:
        return "built in"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file at an https address; its sha256 comes from the user, never from the server."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of the user's own, by its hash. `path` is where it was, seen from the project's directory."""

    path: str

    def __str__(self) -> str:
        return self.path


Source = HubSource | StarterSource | UrlSource | FileSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a variant. `sha256` is None until the Hub or the catalog said it."""

    path: str
    size: int
    sha256: str | None = None
    role: FileRole = "model"

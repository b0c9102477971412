"""What every part of lmpm speaks of, as frozen records: machines, sources, files and variants.

Sizes are bytes, bandwidths bytes per second, speeds tokens per second, times seconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

Accelerator = Literal["metal", "cuda", "rocm", "sycl", "vulkan", "cpu"]
FileRole = Literal["model", "mmproj"]
MemorySource = Literal["estimated", "keys", "header", "at least", "dry-run"]

# Where a figure of a machine is from: measured on it, read from its system, told by the user, looked up in the
# tables of chips, counted by a rule from another figure, assumed for want of one; or it is not known, or what
# should say it has failed.
Origin = Literal["measured", "system", "given", "table", "rule", "assumed", "unknown", "failed"]

# The vector instructions of a CPU that llama.cpp uses, as far as they change how fast it computes: of x86 from no
# AVX2 (`sse`) to AMX, where `avx-vnni` has no AVX-512 and `avx512-full` is both of them at full width (Zen 5); of
# ARM with the dot product, and with the products of 8-bit matrices. Empty: not known.
Simd = Literal[
    "", "sse", "avx2", "avx-vnni", "avx512", "avx512-vnni", "avx512-bf16", "avx512-full", "amx",
    "neon", "dotprod", "i8mm",
]  # fmt: skip

SAME_SHARE: Final = 0.1  # by which sizes and bandwidths of one class may differ: a kernel keeps some of the RAM


@dataclass(frozen=True, slots=True)
class Fact:
    """Where a figure is from: `system: /proc/meminfo MemTotal`, `table: RTX 4090`."""

    origin: Origin
    source: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.source}"


NOT_KNOWN: Final = Fact("unknown", "nothing says it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """What the cores of a computer are, as far as it changes how fast they run a model."""

    simd: Simd = ""
    sockets: int = 1
    server: bool = False  # low clocks, and in a cloud only a share of the memory's speed


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
    processor: Processor = Processor()
    host_budget: int = 0
    host_bandwidth: int | None = None
    compute: float | None = None  # effective FLOP/s of prompt processing, where known
    unused_gpu: str = ""  # a GPU that is there, but that the engine cannot use
    sources: tuple[tuple[str, Fact], ...] = ()  # of each figure by its name, for `hardware` and `doctor`

    def __post_init__(self) -> None:
        if min(self.memory, self.budget, self.vram, self.host_budget) < 0:
            raise ValueError("sizes of a machine cannot be negative")

    def source_of(self, figure: str) -> Fact:
        """Where a figure is from, by the name of its field."""
        return dict(self.sources).get(figure, NOT_KNOWN)

    def is_like(self, other: Machine) -> bool:
        """Whether figures measured on the one mean something on the other; names do not count.

        They are of one class: the same kind and number of accelerators, and memory, VRAM and bandwidth alike.
        """
        return (
            self.accelerator == other.accelerator
            and max(self.gpus, 1) == max(other.gpus, 1)
            and _alike(self.memory, other.memory)
            and _alike(self.vram, other.vram)
            and _alike(self.bandwidth or 0, other.bandwidth or 0)
        )


def _alike(one: int, other: int) -> bool:
    return abs(one - other) <= SAME_SHARE * max(one, other)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on the Hub; `revision` is a commit of 40 hex digits once it is pinned."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo} @ {self.revision[:7]}" if self.revision else self.repo

    @property
    def name(self) -> str:
        """What it is at whatever commit, for comparing and for people: `org/name`."""
        return self.repo

    @property
    def publisher(self) -> str:
        """The account on the Hub."""
        return self.repo.partition("/")[0]


@dataclass(frozen=True, slots=True)
class StarterSource:
    """The built-in starter of a task, shipped with lmpm."""

    task: str
    publisher: ClassVar[str] = ""

    def __str__(self) -> str:
        return "built in"

    @property
    def name(self) -> str:
        """What it is, for comparing and for people: `starter:task`."""
        return f"starter:{self.task}"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file at an https URL; its sha256 comes from the user, never from the server."""

    url: str
    publisher: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:  # it is written into files and shown
            raise ValueError("the URL of a file cannot hold a user name or a password")

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """What it is, for comparing and for people: the URL."""
        return self.url


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of the user's own, by its hash, with the other shards of its set.

    `path` is where it was, seen from the project's directory. `first` is the sha256 of the set's first file: all of a
    set stand side by side under it, as llama.cpp looks for them.
    """

    path: str
    first: str = field(default="", compare=False)  # follows from the files
    publisher: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        """What it is, for comparing and for people: `file:path`."""
        return f"file:{self.path}"


Source = HubSource | StarterSource | UrlSource | FileSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a variant. `sha256` is None until the Hub or the catalog said it."""

    path: str
    size: int
    sha256: str | None = None
    role: FileRole = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a memory and speed estimate needs of a model without its tensor table.

    `kv_heads` and `key_length` give the cache; `parameters` counts all weights, `active_parameters`
    those that one token touches. `sliding_window` and `window_layers` are the layers whose cache is bounded.
    """

    layers: int
    embedding_length: int
    heads: int
    kv_heads: int
    key_length: int
    value_length: int
    feed_forward_length: int
    vocabulary: int
    parameters: int
    active_parameters: int
    tied_embeddings: bool = False
    causal: bool = True  # False: an encoder, which keeps no cache
    sliding_window: int = 0
    window_layers: int = 0
    recurrent_bytes: int = 0  # state of one sequence


class MemoryParts(NamedTuple):
    """Bytes of a model by what they are for."""

    weights: int = 0  # as they lie in the file
    repack: int = 0  # weights in the order that the processor wants
    kv_cache: int = 0
    recurrent: int = 0  # states of recurrent layers
    compute: int = 0  # scratch of the largest step
    output: int = 0  # rows of logits and vectors
    mmproj: int = 0  # the vision encoder, with its scratch
    tokenizer: int = 0
    overhead: int = 0  # what no buffer shows: the program, the context of a GPU
    history: int = 0  # at most: prompts and states that a server keeps to go on from them

    @property
    def total(self) -> int:
        """Bytes of all parts together."""
        return sum(self)

    @property
    def buffers(self) -> int:
        """Bytes of what llama.cpp itself accounts for: neither the vision encoder nor what no buffer shows."""
        return self.total - self.mmproj - self.tokenizer - self.overhead - self.history


class DeviceMemory(NamedTuple):
    """What one device holds: the host, or a GPU by its name."""

    name: str
    parts: MemoryParts
    is_host: bool = True

    @property
    def total(self) -> int:
        """Bytes of all parts together."""
        return self.parts.total


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """Bytes that a model needs at a context, by device and part: GPUs first, the host last.

    `estimated` is worked out from what the catalog knows, `keys` from the first keys of a header and the size of the
    file, `header` from a whole header, `at least` from that of an architecture that is not known; `dry-run` is
    llama.cpp's own plan here. `build` is the llama.cpp that planned it, or whose rules were followed. `unknown_keys`
    are those of the header that may mean more memory. `reclaimable` are pages of the file that the system may drop at
    any time: counted in the weights, but they need not fit. `bytes_per_token` is what one decoded token reads with the
    context half full, 0 where it was not worked out.
    """

    context: int
    devices: tuple[DeviceMemory, ...]
    source: MemorySource = "estimated"
    build: str = ""
    unknown_keys: tuple[str, ...] = ()
    reclaimable: int = 0
    bytes_per_token: int = 0

    @property
    def parts(self) -> MemoryParts:
        """Bytes by part, over all devices."""
        first, *others = (device.parts for device in self.devices)
        return MemoryParts(*map(sum, zip(first, *others, strict=True))) if others else first

    @property
    def total(self) -> int:
        """Bytes of all parts on all devices."""
        return sum(device.total for device in self.devices)

    @property
    def must_fit(self) -> int:
        """Bytes that cannot be dropped."""
        return self.total - self.reclaimable

    @property
    def host(self) -> DeviceMemory:
        """What lies in host memory, or on the only device."""
        return self.devices[-1]

    @property
    def gpus(self) -> tuple[DeviceMemory, ...]:
        """What lies on GPUs."""
        return tuple(device for device in self.devices if not device.is_host)

    def encode(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self)

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> MemoryPlan:
        """The plan that `encode` wrote. Raises TypeError, ValueError or KeyError for anything else."""
        devices = tuple(DeviceMemory(name, MemoryParts(*parts), host) for name, parts, host in values["devices"])
        return cls(**{**values, "devices": devices, "unknown_keys": tuple(values["unknown_keys"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One quant of one model in one repository at one revision: its shards in load order, mmproj last."""

    model: str
    title: str
    source: Source
    quant: str
    license: str
    files: tuple[ModelFile, ...]
    context_length: int
    architecture: str
    shape: Shape | None = None
    memory: MemoryPlan | None = None  # by its own header at one context, on one device, where that was read
    capabilities: frozenset[str] = frozenset()
    score: float | None = None  # of the model on the task, before the quant's loss
    score_source: str = ""
    score_kind: str = ""  # measured, by its maker, converted, estimated
    quant_loss: float = 0.0  # points of the score that this quant loses at this size
    mode: Literal["", "direct", "thinking"] = ""  # whether it thinks before it answers; empty: not known
    answer_tokens: int = 0  # of a usual answer, and of the thoughts before it; 0: what is usual for the task
    thinking_tokens: int = 0
    is_native: bool = False  # whether the weights were trained for this quant
    released: str = ""  # year, month and day of the model, as far as they are known
    trust: int = 0  # rank of the publisher, 0 = most trusted
    gated: bool = False
    min_engine_build: int | None = None
    template: str | None = None  # sha256 of the chat template, where one is known
    has_template: bool | None = None  # whether its files hold a chat template; None: not known
    identity: str | None = None  # what the Hub calls the repository, whatever its name
    withdrawn: str = ""  # why nobody should use these files; empty: nothing is known against them

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def publisher(self) -> str:
        """The account on the Hub; empty where the source is not there."""
        return self.source.publisher

    @property
    def quality(self) -> float:
        """Expected score on the task: the model's own less what the quant loses."""
        return max(0.0, (self.score or 0.0) - self.quant_loss)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Predicted tokens per second, each as the middle of a range, and seconds to the first token."""

    decode: float
    decode_low: float
    decode_high: float
    prefill: float
    first_token_s: float
    placement: Literal["gpu", "split", "cpu"] = "cpu"
    confident: bool = True

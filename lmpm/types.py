"""What every part of lmpm speaks of, as frozen records: machines, sources, files and variants.

Sizes are bytes, bandwidths bytes per second, speeds tokens per second, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

Accelerator = Literal["metal", "cuda", "rocm", "sycl", "vulkan", "cpu"]
FileRole = Literal["model", "mmproj"]
MemorySource = Literal["estimated", "header", "upper bound", "dry-run"]


class Secret:
    """A text that is shown nowhere: not by `str`, `repr` or `format`, and so in no message, log or traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for whoever it is meant for."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of a server, ready to be shown; `login` is the `user:password` that came with it."""

    url: str
    login: Secret | None = None

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """An http or https URL, its `user:password` kept apart. Raises ValueError, which does not quote it."""
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http or https URL")
        login, _, host = parts.netloc.rpartition("@")
        url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        return cls(url, Secret(unquote(login)) if login else None)

    def __str__(self) -> str:
        return self.url


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
    """A file of the user's own, by its hash. `path` is where it was, seen from the project's directory."""

    path: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes that a variant needs at a context, by part, and how they are known.

    `estimated`: from what the catalog knows. `header`: from the header of the file itself, to the byte, or an
    `upper bound` where the architecture is not known. `dry-run`: as this machine's llama.cpp plans it.
    """

    context: int
    weights: int
    kv_cache: int
    recurrent: int
    compute: int
    output: int
    mmproj: int
    overhead: int
    source: MemorySource = "estimated"

    @property
    def total(self) -> int:
        """Bytes of all parts together."""
        return (
            self.weights + self.kv_cache + self.recurrent + self.compute
            + self.output + self.mmproj + self.overhead
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFacts:
    """What the header of a variant's own file says, for one context, whatever the machine.

    `memory` has everything on one device, nothing twice. `touched` are the bytes that a token reads with the
    context half full.
    """

    memory: Memory
    touched: int


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
    told: HeaderFacts | None = None  # by its header, where that was read
    capabilities: frozenset[str] = frozenset()
    score: float | None = None  # of the model on the task, before the quant's loss
    score_source: str = ""
    quant_loss: float = 0.0  # points of the score that this quant loses at this size
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

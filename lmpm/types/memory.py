"""What a model takes: memory by part and device, in bytes, and speed, in tokens per second."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MemorySource = Literal["estimated", "keys", "header", "at least", "dry-run"]


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
class Speed:
    """Predicted tokens per second, each as the middle of a range, and seconds to the first token."""

    decode: float
    decode_low: float
    decode_high: float
    prefill: float
    first_token_s: float
    placement: Literal["gpu", "split", "cpu"] = "cpu"
    confident: bool = True

"""Machines from their parts: the same rules for one that was detected and one that was described."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lmpm.machine import budget
from lmpm.types import Accelerator, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.machine.chips import Chip


@dataclass(slots=True, kw_only=True)
class Host:
    """What is known of the computer around the GPU; `sources` grows as facts come in."""

    memory: int = 0
    limit: int | None = None  # of a container
    cores: int | None = None
    architecture: str = ""  # `x86` or `ARM`, empty if not known
    bandwidth: int | None = None
    bandwidth_source: str = ""
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def offered(self) -> int:
        """RAM as far as this process may use it."""
        return self.memory if self.limit is None else min(self.memory, self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One discrete GPU."""

    name: str
    accelerator: Accelerator
    vram: int
    bandwidth: int | None
    compute: float | None


def apple_machine(chip: Chip, host: Host, *, name: str = "", wired_limit_mb: int | None = None) -> Machine:
    """Unified memory with a Metal GPU."""
    size, host.sources["budget"] = budget.apple_budget(host.memory, wired_limit_mb)
    return _unified(chip, host, name=name, size=size)


def shared_machine(chip: Chip, host: Host, *, gpu_limit: int | None = None) -> Machine:
    """A GPU that shares the computer's memory and is no Mac's."""
    if chip.accelerator == "cuda":  # may take all of it
        size, host.sources["budget"] = budget.cpu_budget(host.memory, host.limit)
    else:
        size, host.sources["budget"] = budget.shared_gpu_budget(host.memory, gpu_limit, host.limit)
    return _unified(chip, host, size=size)


def cpu_machine(host: Host, *, name: str = "", chip: Chip | None = None) -> Machine:
    """A computer that runs models on its CPU alone."""
    if chip is not None:
        host.cores = host.cores or chip.cores
        if host.bandwidth is None:
            host.bandwidth, host.bandwidth_source = chip.bandwidth, f"catalog: {chip.name}"
    size, host.sources["budget"] = budget.cpu_budget(host.memory, host.limit)
    return Machine(
        name=name or (chip.name if chip else "") or cpu_name(host),
        accelerator="cpu",
        memory=host.offered,
        budget=size,
        bandwidth=_host_bandwidth(host, "bandwidth"),
        cores=host.cores,
        compute=budget.assumed_cpu_compute(host.cores),
        sources=tuple(host.sources.items()),
    )


def gpu_machine(cards: Sequence[Card], host: Host, *, windows: bool = False) -> Machine:
    """A computer with discrete GPUs of one kind, over which llama.cpp spreads a model's layers."""
    parts = [budget.gpu_budget(card.vram, windows=windows) for card in cards]
    host.sources["budget"] = parts[0][1] + (", for each GPU" if len(cards) > 1 else "")
    host_size, host.sources["host_budget"] = budget.cpu_budget(host.memory, host.limit)
    return Machine(
        name=" + ".join(
            f"{count}x {name}" if count > 1 else name for name, count in Counter(card.name for card in cards).items()
        ),
        accelerator=cards[0].accelerator,
        memory=host.offered,
        budget=sum(size for size, _ in parts),
        bandwidth=_joint_bandwidth(cards),
        vram=sum(card.vram for card in cards),
        gpus=len(cards),
        cores=host.cores,
        host_budget=host_size,
        host_bandwidth=_host_bandwidth(host, "host_bandwidth"),
        compute=min((card.compute for card in cards if card.compute), default=None),
        sources=tuple(host.sources.items()),
    )


def without_gpu(machine: Machine) -> Machine:
    """The same computer for an engine that cannot use its GPU."""
    if machine.accelerator == "cpu":
        return machine
    sources = {key: text for key, text in machine.sources if not key.startswith(("host_", "budget", "vram"))}
    size, sources["budget"] = machine.host_budget, dict(machine.sources).get("host_budget", "")
    if not machine.vram:
        size, sources["budget"] = budget.cpu_budget(machine.memory)
    else:
        sources["bandwidth"] = dict(machine.sources).get("host_bandwidth", "")
    sources["accelerator"] = f"{machine.name} is not used: llama-cpp-python was built for the CPU alone"
    return replace(
        machine,
        name=cpu_name(Host(cores=machine.cores)) if machine.vram else f"{machine.name} CPU",
        accelerator="cpu",
        budget=size,
        bandwidth=machine.host_bandwidth if machine.vram else machine.bandwidth,
        vram=0,
        gpus=0,
        unused_gpu=machine.name,
        host_budget=0,
        host_bandwidth=None,
        compute=budget.assumed_cpu_compute(machine.cores),
        sources=tuple(sources.items()),
    )


def cpu_name(host: Host) -> str:
    """`8-core x86 CPU`."""
    cores = f"{host.cores}-core" if host.cores else ""
    return " ".join(part for part in (cores, host.architecture, "CPU") if part)


def _unified(chip: Chip, host: Host, *, size: int, name: str = "") -> Machine:
    host.sources["bandwidth"] = host.bandwidth_source or f"catalog: {chip.name}"
    return Machine(
        name=name or chip.name,
        accelerator=chip.accelerator,
        memory=host.offered,
        budget=size,
        bandwidth=host.bandwidth or chip.bandwidth,
        gpus=1,
        cores=host.cores or chip.cores,
        compute=chip.compute,
        sources=tuple(host.sources.items()),
    )


def _host_bandwidth(host: Host, fact: str) -> int:
    """The bandwidth of main memory, assumed where nothing told it; `fact` names it in the sources."""
    if host.bandwidth is None:
        arm = host.architecture == "ARM"
        host.bandwidth, host.bandwidth_source = budget.assumed_cpu_bandwidth(host.cores, arm=arm)
    host.sources[fact] = host.bandwidth_source
    return host.bandwidth


def _joint_bandwidth(cards: Sequence[Card]) -> int | None:
    """The bandwidth of several GPUs that work one after the other, each on layers for its share of VRAM.

    Equal cards are as fast as one of them; of unequal ones the slower weighs more.
    """
    total = sum(card.vram for card in cards)
    seconds = 0.0
    for card in cards:
        if not card.bandwidth:
            return None
        seconds += card.vram / card.bandwidth
    return round(total / seconds) if seconds else cards[0].bandwidth

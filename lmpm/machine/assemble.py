"""Machines from their parts: the same rules for one that was detected and one that was described."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from lmpm.machine import budget
from lmpm.types import NOT_KNOWN, Accelerator, Fact, Machine, Origin, Processor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.machine.chip import Chip


_OF_THE_GPU: Final = frozenset({"budget", "vram", "host_budget", "host_bandwidth"})


@dataclass(slots=True, kw_only=True)
class Host:
    """What is known of the computer around the GPU; `sources` grows as facts come in."""

    memory: int = 0
    limit: int | None = None  # of a container
    cores: int | None = None
    architecture: str = ""  # `x86` or `ARM`, empty if not known
    processor: Processor = field(default_factory=Processor)
    bandwidth: int | None = None  # of its memory
    bandwidth_source: Fact = NOT_KNOWN
    sources: dict[str, Fact] = field(default_factory=dict)

    @property
    def offered(self) -> int:
        """RAM as far as this process may use it."""
        return self.memory if self.limit is None else min(self.memory, self.limit)

    def note(self, figure: str, origin: Origin, source: str) -> None:
        """Say where a figure is from."""
        self.sources[figure] = Fact(origin, source)

    def take_cpu(self, chip: Chip, source: Fact) -> None:
        """Fill what is not known of the CPU with the figures of its chip."""
        if self.cores is None and chip.cores:
            self.cores, self.sources["cores"] = chip.cores, Fact("table", chip.name)
        self.processor = replace(
            self.processor,
            simd=self.processor.simd or chip.simd,
            server=chip.server,
        )
        if self.bandwidth is None:
            self.bandwidth, self.bandwidth_source = chip.bandwidth, source

    def assume_bandwidth(self) -> None:
        """Guess the speed of the memory with care, where nothing says it."""
        if self.bandwidth is None:
            self.bandwidth, self.bandwidth_source = budget.assumed_cpu_bandwidth(
                self.cores, arm=self.architecture == "ARM", server=self.processor.server
            )


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
    """A GPU that shares the computer's memory and is not a Mac's."""
    if chip.accelerator == "cuda":  # may take all of it
        size, host.sources["budget"] = budget.cpu_budget(host.memory, host.limit)
    else:
        size, host.sources["budget"] = budget.shared_gpu_budget(host.memory, gpu_limit, host.limit)
    return _unified(chip, host, size=size)


def cpu_machine(host: Host, *, name: str = "") -> Machine:
    """A computer that runs models on its CPU alone."""
    size, host.sources["budget"] = budget.cpu_budget(host.memory, host.limit)
    host.assume_bandwidth()
    host.sources["bandwidth"] = host.bandwidth_source
    return Machine(
        name=name or cpu_name(host),
        accelerator="cpu",
        memory=host.offered,
        budget=size,
        bandwidth=host.bandwidth,
        cores=host.cores,
        processor=host.processor,
        sources=tuple(host.sources.items()),
    )


def gpu_machine(cards: Sequence[Card], host: Host, *, windows: bool = False) -> Machine:
    """A computer with discrete GPUs of one kind, over which llama.cpp spreads a model's layers.

    `host.sources` says where the bandwidth of the cards is from. RAM that is not known is not counted on.
    """
    parts = [budget.gpu_budget(card.vram, windows=windows) for card in cards]
    rule = parts[0][1]
    host.sources["budget"] = Fact(rule.origin, f"{rule.source}, for each GPU") if len(cards) > 1 else rule
    host_size = 0
    if host.memory:
        host_size, host.sources["host_budget"] = budget.cpu_budget(host.memory, host.limit)
        host.assume_bandwidth()
        host.sources["host_bandwidth"] = host.bandwidth_source
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
        processor=host.processor,
        host_budget=host_size,
        host_bandwidth=host.bandwidth if host.memory else None,
        compute=min((card.compute for card in cards if card.compute), default=None),
        sources=tuple(host.sources.items()),
    )


def without_gpu(machine: Machine) -> Machine:
    """The same computer for an engine that cannot use its GPU."""
    if machine.accelerator == "cpu":
        return machine
    known = dict(machine.sources)
    sources = {key: fact for key, fact in known.items() if key not in _OF_THE_GPU}
    if machine.vram:
        size, bandwidth = machine.host_budget, machine.host_bandwidth
        for figure, of_host in (("budget", "host_budget"), ("bandwidth", "host_bandwidth")):
            sources[figure] = machine.source_of(of_host)
    else:
        (size, sources["budget"]), bandwidth = budget.cpu_budget(machine.memory), machine.bandwidth
    sources["accelerator"] = Fact("system", f"{machine.name} is not used: the engine was built for the CPU alone")
    return replace(
        machine,
        name=cpu_name(Host(cores=machine.cores)) if machine.vram else f"{machine.name} CPU",
        accelerator="cpu",
        budget=size,
        bandwidth=bandwidth,
        vram=0,
        gpus=0,
        unused_gpu=machine.name,
        host_budget=0,
        host_bandwidth=None,
        compute=None,
        sources=tuple(sources.items()),
    )


def cpu_name(host: Host) -> str:
    """`8-core x86 CPU`."""
    cores = f"{host.cores}-core" if host.cores else ""
    return " ".join(part for part in (cores, host.architecture, "CPU") if part)


def _unified(chip: Chip, host: Host, *, size: int, name: str = "") -> Machine:
    host.take_cpu(chip, Fact("table", chip.name))
    host.sources["bandwidth"] = host.bandwidth_source
    return Machine(
        name=name or chip.name,
        accelerator=chip.accelerator,
        memory=host.offered,
        budget=size,
        bandwidth=host.bandwidth,
        gpus=1,
        cores=host.cores,
        processor=host.processor,
        compute=chip.compute,
        sources=tuple(host.sources.items()),
    )


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

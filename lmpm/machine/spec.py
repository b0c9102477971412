"""A machine from the words of a person: `M2, 16GB`, `2x RTX 3090, 64GB`, `CPU, 8 cores, 16GB, DDR5-5600`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.limits import GIB
from lmpm.machine.assemble import Card, Host, apple_machine, cpu_machine, gpu_machine, shared_machine
from lmpm.machine.chip import pick
from lmpm.types import Fact, Processor

if TYPE_CHECKING:
    from lmpm.machine.chip import Chip, Picked
    from lmpm.machine.chips import Chips
    from lmpm.machine.spec_grammar import Named, Reading, Size
    from lmpm.types import Machine

EXAMPLE_MEMORY: Final = 64 * GIB  # shown where the sizes sold are not known
REBUILT: Final = 2  # times the memory sold is what cards are rebuilt with: more beside one is the computer's RAM
GIVEN: Final = Fact("given", "as described")


def parse_spec(text: str, chips: Chips) -> Machine:
    """The machine that `text` describes. Raises SpecError with what was not understood, and examples."""
    from lmpm.machine import spec_grammar  # its patterns are compiled only for those who write a spec

    spec = spec_grammar.read(text, chips)
    cards = [named for named in spec.chips if named.builds[0].discrete]
    others = [named for named in spec.chips if not named.builds[0].discrete]
    if len(others) > 1:
        spec.refuse("it names " + " and ".join(f"`{named.builds[0].name}`" for named in others))
    host = Host(cores=spec.cores, architecture=spec.architecture, sources={"name": Fact("given", "as described")})
    if spec.cores:
        host.sources["cores"] = GIVEN
    cpu = _host_cpu(spec, others[0].builds, host) if others else None
    if spec.bandwidth is not None:
        host.bandwidth, host.bandwidth_source = spec.bandwidth, spec.bandwidth_source
    elif spec.ddr is not None and not (cpu and spec.ddr.speed is None and cpu.chip.memory_kind):
        host.bandwidth, host.bandwidth_source = spec.ddr.bandwidth(cpu.chip.channels if cpu else None)
    if cards:
        return _with_cards(spec, cards, cpu, host, chips)
    if spec.profile:
        spec.refuse(f"`{spec.profile}` is a slice of what?", "Name the GPU, as in `A100 3g.20gb, 64GB`")
    if others and cpu:
        return _with_chip(spec, others[0], cpu, host)
    if any(size.label in {"vram", "video"} for size in spec.sizes):
        spec.refuse("it has VRAM but names no graphics card")
    host.memory = _only_size(spec, "Say how much memory it has, as in `CPU, 8 cores, 16GB`")
    host.sources["memory"] = GIVEN
    if spec.cpu_name:
        host.note("cpu", "unknown", f"`{spec.cpu_name}` is not in the tables: say its cores and memory speed")
    return cpu_machine(host)


def _host_cpu(spec: Reading, builds: tuple[Chip, ...], host: Host) -> Picked:
    """The build of the computer's own chip that the spec points to."""
    sizes = {size.total for size in spec.sizes} if len(spec.sizes) == 1 else set()
    cores, gpu_cores = spec.cores, spec.gpu_cores
    if cores and any(chip.gpu_cores == cores for chip in builds) and all(chip.cores != cores for chip in builds):
        cores, gpu_cores, host.cores = None, cores, None  # `M3 Max 40-core` means its GPU
    kind = spec.ddr.generation if spec.ddr else ""
    picked = pick(builds, memory=min(sizes, default=None), cores=cores, gpu_cores=gpu_cores, kind=kind)
    if host.cores and picked.chip.cores and host.cores > picked.chip.cores and not picked.chip.server:
        spec.refuse(f"`{picked.chip.name}` has {picked.chip.cores} cores, not {host.cores}")
    if host.cores and picked.chip.cores:
        host.processor = Processor(sockets=max(1, -(-host.cores // picked.chip.cores)))
    return picked


def _with_chip(spec: Reading, named: Named, picked: Picked, host: Host) -> Machine:
    """A chip whose memory is the computer's own: a Mac, a board, an integrated GPU."""
    builds = named.builds
    if named.count > 1:
        spec.refuse(f"there is no computer with {named.count} `{builds[0].name}`")
    sold = sorted({size for chip in builds for size in chip.memory})
    if not spec.sizes and len(sold) == 1:
        host.memory, host.sources["memory"] = sold[0], Fact("table", f"the only size of {builds[0].name}")
    else:
        example = f"{builds[0].name}, {(sold[0] if sold else EXAMPLE_MEMORY) // GIB}GB".removeprefix("Apple ")
        sizes = f": {builds[0].name} is sold with {_sizes_in_words(sold)}" if sold else ""
        host.memory = _only_size(spec, f"Say how much memory it has{sizes}, as in `{example}`")
        host.sources["memory"] = GIVEN
        if sold and host.memory not in sold:
            host.note("memory", "given", f"as described, but {builds[0].name} is sold with {_sizes_in_words(sold)}")
    host.take_cpu(picked.chip, picked.source)
    if picked.chip.accelerator == "cpu":
        return cpu_machine(host, name=picked.name)
    if picked.chip.accelerator == "metal":
        return apple_machine(picked.chip, host)
    return shared_machine(picked.chip, host)


def _with_cards(spec: Reading, named: list[Named], cpu: Picked | None, host: Host, chips: Chips) -> Machine:
    """One or more graphics cards, and the computer around them."""
    kinds = {item.builds[0].accelerator for item in named}
    if len(kinds) > 1:
        spec.refuse("llama.cpp uses one kind of GPU at a time: " + " and ".join(sorted(kinds)))
    if cpu is not None and cpu.chip.accelerator == "metal":
        spec.refuse(f"`{cpu.chip.name}` takes no graphics card")
    sizes = list(spec.sizes)
    cards: list[Card] = []
    for item in named:
        own = _card_size(item, sizes)
        if own is not None:
            sizes.remove(own)
        else:
            _refuse_doubtful(spec, item, sizes)
        cards += [_card(item, own, host)] * item.count
    if spec.profile:
        cards = [_slice(spec, named, cards[0], host, chips)]
    if len(sizes) > 1:
        spec.refuse("`" + "` and `".join(size.text for size in sizes) + "`: only one can be the host's RAM")
    if sizes:
        host.memory = sizes[0].total
        host.note("memory", "given", f"`{sizes[0].text}`")
    else:
        size = f" {cards[0].vram // GIB}GB" if cards[0].vram >= GIB else ""
        host.note("memory", "unknown", f"not counted on: say it, as in `{cards[0].name}{size}, 32GB`")
    if cpu is not None:
        host.take_cpu(cpu.chip, cpu.source)
    return gpu_machine(cards, host)


def _card(item: Named, own: Size | None, host: Host) -> Card:
    """One of the cards that were named, with the memory that was given for it or the smallest that is sold."""
    sold = sorted({size for chip in item.builds for size in chip.memory})
    vram = _each(own, item) if own is not None else sold[0]
    picked = pick(item.builds, memory=vram)
    host.sources["bandwidth"] = picked.source
    if own is not None:
        remark = "" if vram in sold else f", but {picked.name} is sold with {_sizes_in_words(sold)}"
        host.note("vram", "given", f"`{own.text}`{remark}")
    elif len(sold) > 1:
        host.note("vram", "assumed", f"the smallest of {_sizes_in_words(sold)}")
    else:
        host.note("vram", "table", picked.name)
    return Card(
        name=picked.name,
        accelerator=picked.chip.accelerator,
        vram=vram,
        bandwidth=picked.chip.bandwidth,
        compute=picked.chip.compute,
    )


def _slice(spec: Reading, named: list[Named], card: Card, host: Host, chips: Chips) -> Card:
    """The MIG slice that was named, of the one GPU that was named."""
    builds = pick(named[0].builds, memory=card.vram).chip
    if len(named) > 1 or named[0].count > 1 or not builds.mig:
        spec.refuse(f"`{spec.profile}` is a slice of one GPU that can be cut, as in `A100 3g.20gb, 64GB`")
    part = chips.slice_of(replace(builds, memory=(card.vram,)), spec.profile)
    if part is None or part.memory > card.vram:
        spec.refuse(f"`{card.name}` has no slice `{spec.profile}`")
    source = Fact("table" if part.certain else "assumed", f"MIG {spec.profile} of {card.name}")
    host.sources["vram"] = host.sources["bandwidth"] = source
    return replace(
        card,
        name=f"{card.name} {spec.profile}",
        vram=part.memory,
        bandwidth=round((card.bandwidth or 0) * part.bandwidth),
        compute=card.compute * part.compute if card.compute else None,
    )


def _refuse_doubtful(spec: Reading, item: Named, sizes: list[Size]) -> None:
    """A lone size beside a card that is not sold with it: nobody can say whether it is VRAM or RAM."""
    beside = [size for size in sizes if size.part == item.part and not size.label]
    largest = max(size for chip in item.builds for size in chip.memory)
    if len(sizes) == 1 and beside and beside[0].total <= REBUILT * largest:
        sold = _sizes_in_words(sorted({size for chip in item.builds for size in chip.memory}))
        name, text = pick(item.builds).name, beside[0].text
        spec.refuse(
            f"`{name}` is sold with {sold}, not {text}",
            f"If {text} is the computer's RAM write `{name}, {text}`, if the card was rebuilt `{name} {text} VRAM`",
        )


def _card_size(item: Named, sizes: list[Size]) -> Size | None:
    """Which of the sizes is the VRAM of a card.

    In order: one that says so; one beside the card that is sold with it; the first of several beside it; one
    behind a comma, where the card has several builds and this is one of them. A lone size that no such card
    has is the computer's.
    """
    free = [size for size in sizes if size.label not in {"ram", "host", "system"}]
    labelled = [size for size in free if size.label in {"vram", "video"}]
    if labelled:
        return next((size for size in labelled if size.part == item.part), labelled[0])
    beside = [size for size in free if size.part == item.part]
    for size in beside:
        if any(chip.was_sold_with(_each(size, item)) for chip in item.builds):
            return size
    if beside and len(sizes) > 1:
        return beside[0]
    if len({size for chip in item.builds for size in chip.memory}) > 1 and len(sizes) == 1:
        return next((size for size in free if any(size.total in chip.memory for chip in item.builds)), None)
    return None


def _each(size: Size, item: Named) -> int:
    """Bytes of one card: `2x RTX 3090 48GB` may tell the sum."""
    shared, rest = divmod(size.total, item.count)
    whole = any(chip.was_sold_with(size.unit) for chip in item.builds)
    if item.count > 1 and not whole and not rest and any(chip.was_sold_with(shared) for chip in item.builds):
        return shared
    return size.unit


def _only_size(spec: Reading, hint: str) -> int:
    if not spec.sizes:
        spec.refuse("its memory is not given", hint)
    if len(spec.sizes) > 1:
        spec.refuse("`" + "` and `".join(size.text for size in spec.sizes) + "`: there is only one memory")
    return spec.sizes[0].total


def _sizes_in_words(sizes: list[int]) -> str:
    """`8, 16 or 24 GB`."""
    texts = [str(size // GIB) for size in sizes]
    return " or ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part) + " GB"

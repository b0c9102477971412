"""A machine from the words of a person: `M2, 16GB`, `2x RTX 3090, 64GB`, `CPU, 8 cores, 16GB, DDR5-5600`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.limits import GIB
from lmpm.machine.assemble import Card, Host, apple_machine, cpu_machine, gpu_machine, shared_machine
from lmpm.machine.chips import pick

if TYPE_CHECKING:
    from lmpm.machine.chips import Chip, Chips
    from lmpm.machine.spec_grammar import Named, Reading, Size
    from lmpm.types import Machine

LEAST_HOST_MEMORY: Final = 16 * GIB  # beside a graphics card, where the spec does not tell it
EXAMPLE_MEMORY: Final = 64 * GIB  # shown where the sizes sold are not known
GIVEN: Final = "as given"


def parse_spec(text: str, chips: Chips) -> Machine:
    """The machine that `text` describes. Raises SpecError with what was not understood, and examples."""
    from lmpm.machine import spec_grammar  # its patterns are compiled only for those who write a spec

    spec = spec_grammar.read(text, chips)
    cards = [named for named in spec.chips if named.builds[0].discrete]
    others = [named for named in spec.chips if not named.builds[0].discrete]
    if len(others) > 1:
        spec.refuse("it names " + " and ".join(f"`{named.builds[0].name}`" for named in others))
    host = Host(
        cores=spec.cores,
        architecture=spec.architecture,
        bandwidth=spec.bandwidth,
        bandwidth_source=spec.bandwidth_source,
        sources={"name": "the hardware that was described"},
    )
    if spec.cores:
        host.sources["cores"] = GIVEN
    if cards:
        return _with_cards(spec, cards, others[0].builds[0] if others else None, host)
    if others:
        return _with_chip(spec, others[0], host)
    if any(size.label in {"vram", "video"} for size in spec.sizes):
        spec.refuse("it has VRAM but names no graphics card")
    host.memory = _only_size(spec, "Say how much memory it has, as in `CPU, 8 cores, 16GB`")
    host.sources["memory"] = GIVEN
    return cpu_machine(host)


def _with_chip(spec: Reading, named: Named, host: Host) -> Machine:
    """A chip whose memory is the computer's own: a Mac, a board, an integrated GPU."""
    builds = named.builds
    if named.count > 1:
        spec.refuse(f"there is no computer with {named.count} `{builds[0].name}`")
    sold = sorted({size for chip in builds for size in chip.memory})
    if not spec.sizes and len(sold) == 1:
        host.memory, host.sources["memory"] = sold[0], f"the only size of {builds[0].name}"
    else:
        example = f"{builds[0].name}, {(sold[0] if sold else EXAMPLE_MEMORY) // GIB}GB".removeprefix("Apple ")
        sizes = f": {builds[0].name} is sold with {_sizes_in_words(sold)}" if sold else ""
        host.memory = _only_size(spec, f"Say how much memory it has{sizes}, as in `{example}`")
        host.sources["memory"] = GIVEN if host.memory in sold or not sold else f"{GIVEN}, but never sold so"
    cores, gpu_cores = spec.cores, spec.gpu_cores
    if cores and any(chip.gpu_cores == cores for chip in builds) and all(chip.cores != cores for chip in builds):
        cores, gpu_cores, host.cores = None, cores, None  # `M3 Max 40-core` means its GPU
    picked = pick(builds, memory=host.memory, cores=cores, gpu_cores=gpu_cores)
    if host.bandwidth is None:
        host.bandwidth, host.bandwidth_source = picked.chip.bandwidth, picked.source
    if picked.chip.accelerator == "cpu":
        return cpu_machine(host, chip=picked.chip)
    if picked.chip.accelerator == "metal":
        return apple_machine(picked.chip, host)
    return shared_machine(picked.chip, host)


def _with_cards(spec: Reading, named: list[Named], host_chip: Chip | None, host: Host) -> Machine:
    """One or more graphics cards, and the computer around them."""
    kinds = {item.builds[0].accelerator for item in named}
    if len(kinds) > 1:
        spec.refuse("llama.cpp uses one kind of GPU at a time: " + " and ".join(sorted(kinds)))
    if host_chip is not None and host_chip.accelerator == "metal":
        spec.refuse(f"`{host_chip.name}` takes no graphics card")
    sizes = list(spec.sizes)
    cards: list[Card] = []
    for item in named:
        own = _card_size(item, sizes)
        if own is not None:
            sizes.remove(own)
        smallest = min(size for chip in item.builds for size in chip.memory)
        vram = _each(own, item) if own is not None else smallest
        picked = pick(item.builds, memory=vram)
        card = Card(
            name=picked.name,
            accelerator=picked.chip.accelerator,
            vram=vram,
            bandwidth=picked.chip.bandwidth,
            compute=picked.chip.compute,
        )
        cards += [card] * item.count
        sold = {size for chip in item.builds for size in chip.memory}
        host.sources["vram"] = f"`{own.text}` {GIVEN}" if own else picked.source
        if own is None and len(sold) > 1:
            host.sources["vram"] = f"the smallest of {_sizes_in_words(sorted(sold))}"
        host.sources["bandwidth"] = picked.source
    if len(sizes) > 1:
        spec.refuse("`" + "` and `".join(size.text for size in sizes) + "`: only one can be the host's RAM")
    if sizes:
        host.memory, host.sources["memory"] = sizes[0].total, f"`{sizes[0].text}` {GIVEN}"
    else:
        host.memory = max(LEAST_HOST_MEMORY, sum(card.vram for card in cards))
        host.sources["memory"] = f"assumed: {host.memory // GIB} GB RAM, since none was given"
    if host_chip is not None:
        host.cores = host.cores or host_chip.cores
        if host.bandwidth is None:
            host.bandwidth, host.bandwidth_source = host_chip.bandwidth, pick([host_chip]).source
    return gpu_machine(cards, host)


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

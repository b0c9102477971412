"""The rule: which of several models, quants and modes does a task best on a machine. Pure, and deterministic.

1. A candidate is a quant of a model in a mode, thinking or not. F is the time to its first visible token and T that of
   the whole answer, of the task's usual request at the predicted speed.
2. With the comfortable times Fc, Tc and the longest Fl, Tl of the task: x = max(1, F / Fc, T / Tc), y = max(1, F / Fl,
   T / Tl), and value = score * x^-0.09 / y. That is 6 % less for each doubling beyond comfort, and in proportion beyond
   the longest, or below 5 tokens a second, which marks it slow and never excludes it. The score is that of the mode,
   less what the quant loses. A model that is split over GPU and host counts 5 % less, and 20 % where a request reads
   1,000 tokens and more.
3. A tenth of the memory that is used stays free, of graphics cards 8 %, at least 0.5 and at most 2 GiB; of a split
   model 8 % of the one and a fifth of the other; of the quant that a model was trained for 85 % of that are enough.
   Tier 0 are candidates that leave it, at 4.25 bits per weight or more and no Q2 or Q3; tier 1 are coarser quants that
   leave it; tier 2 those that do not; tier 3 is bulk work of which a part would be in host memory. A worse tier is
   taken where its value is 1.25 times the best of those before, or where nothing else is there; tier 3 only there.
4. The quant of a model is settled before models are compared, in each tier: one that lies whole in the fastest memory
   before one that is split; the native one where there is one, else K-quants and Q8_0, then IQ4, then the older
   types, then floats. Of those that are comfortable and whole it is the one of most bits up to Q8_0: in memory that
   programs share with it no finer than Q4_K_M where it takes more than 75 % of that, and on a CPU no finer than Q5_K_M
   above 2.5 GB. Where none is, Q4_K_M or what comes nearest above it, or else below. Where nothing is written, bits
   cost no time, and every whole one passes for comfortable.
5. Between models it is the greatest value. Within 1.5 % of that they are as good: the fastest, where it takes more
   than a tenth less of the comfortable times, then the value, the later release, the smaller, the more trusted, the
   name. What takes less than half of the comfortable times is as fast as any.

`prefer` of a request changes step 5 alone: the fastest or the smallest of the best tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lmpm.estimate import predict_speed, will_thrash
from lmpm.gguf import quant as quants
from lmpm.limits import GIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmpm.estimate import Workload
    from lmpm.resolver.waiting import Waiting
    from lmpm.types import Machine, Speed

Mode = Literal["", "direct", "thinking"]
Prefer = Literal["quality", "speed", "small"]

DISCOMFORT: Final = 0.09  # the exponent: 2^-0.09 is 6 % less
AS_GOOD: Final = 0.015  # of the greatest value
UNFELT: Final = 1 / 2  # of the comfortable times, below which nobody feels that it is faster
FASTER: Final = 1.10  # times, to be taken among those as good
BULK_SPLIT: Final = 3  # the tier that is taken where nothing else is there
WORSE_TIER: Final = 1.25  # times the value of the better tiers, to be taken nevertheless
RESERVE_SHARE: Final = 0.10
CARD_RESERVE_SHARE: Final = 0.08  # of the memory of graphics cards, which nothing else wants
HOST_RESERVE_SHARE: Final = 0.20  # of the memory that everything else on the machine runs in
SPLIT_SHARE: Final = 0.05  # that a split model counts less: its speed is known less well, and it keeps both busy
LONG_SPLIT_SHARE: Final = 0.20  # where it reads much: its weights cross the bus again for every batch of the prompt
LONG_PROMPT: Final = 1000  # tokens
NATIVE_RESERVE: Final = 0.85  # of the reserve, before another quant is taken than the one that it was trained for
LEAST_RESERVE, MOST_RESERVE = GIB // 2, 2 * GIB
LEAST_BITS: Final = 4.25  # per weight, of a quant that keeps what the model can do
COARSE: Final = ("Q2", "Q3")  # whatever bits some tensors of them have
LEAST_DECODE: Final = 5.0  # tokens a second, below which nobody reads along
USUAL: Final = "Q4_K_M"
FINEST_BITS: Final = 8.5  # Q8_0
FINEST_ON_CPU: Final = "Q5_K_M"  # of all but small files: each token reads them all, bits cost speed one for one
SMALL_SIZE: Final = 2_500_000_000  # bytes
FINER_SHARE: Final = 0.75  # of memory that programs share with the model, up to which finer quants are worth it


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What the rule knows of a candidate, whether it comes from the catalog, a repository or a lock.

    `score` is that of the mode less what the quant loses. `name` and `trust` decide between what is alike.
    """

    model: str
    quant: str
    score: float
    work: Workload
    mode: Mode = ""
    answer_tokens: int = 0
    thinking_tokens: int = 0
    is_native: bool = False
    released: str = ""
    trust: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An option on a machine. Times are seconds; without a known speed there are none, and nothing is slow."""

    option: Option
    speed: Speed | None
    first_token_s: float | None
    whole_s: float | None
    value: float
    tier: int
    is_whole: bool
    finest_bits: float  # per weight, of quants that are worth their memory and their time here
    haste: float  # its times as a share of the comfortable ones, the greater share
    is_slow: bool

    @property
    def is_comfortable(self) -> bool:
        """Whether nobody is kept waiting."""
        return self.haste <= 1.0


def fits(option: Option, machine: Machine) -> bool:
    """Whether the memory of the machine holds it, split where it must be."""
    return not will_thrash(machine, option.work.need)


def judge(option: Option, waiting: Waiting | None, machine: Machine) -> Judged:
    """What an option that fits is worth on a machine: steps 1 to 3."""
    speed = predict_speed(machine, option.work, prompt=waiting.prompt_tokens if waiting else 512)
    is_whole = option.work.need <= machine.budget
    first = whole = None
    haste, excess = 0.0, 1.0
    split_share = LONG_SPLIT_SHARE if waiting and waiting.prompt_tokens >= LONG_PROMPT else SPLIT_SHARE
    if speed is not None and waiting is not None:
        thinking = option.thinking_tokens if option.mode == "thinking" else 0
        first = waiting.first_token_s(speed, thinking=thinking)
        whole = waiting.whole_s(speed, thinking=thinking, answer=option.answer_tokens)
        pairs = ((first, waiting.first_token), (whole, waiting.whole))
        haste = max(time / comfortable for time, (comfortable, _) in pairs)
        excess = max(1.0, *(time / longest for time, (_, longest) in pairs))
        if option.answer_tokens:
            excess = max(excess, LEAST_DECODE / speed.decode)
    return Judged(
        option=option,
        speed=speed,
        first_token_s=first,
        whole_s=whole,
        value=option.score * (1.0 if is_whole else 1 - split_share) * max(1.0, haste) ** -DISCOMFORT / excess,
        tier=_tier(option, machine, is_bulk=bool(waiting and waiting.bulk)),
        is_whole=is_whole,
        finest_bits=_finest(option, machine),
        haste=haste,
        is_slow=excess > 1.0,
    )


def _finest(option: Option, machine: Machine) -> float:
    """The most bits per weight that an option may have, in memory that programs share with it, and on a CPU."""
    if machine.vram:
        return FINEST_BITS
    if option.work.need > FINER_SHARE * machine.budget:
        return bits_of(USUAL)
    is_slowed = machine.accelerator == "cpu" and option.answer_tokens and option.work.size > SMALL_SIZE
    return bits_of(FINEST_ON_CPU) if is_slowed else FINEST_BITS


def _tier(option: Option, machine: Machine, *, is_bulk: bool) -> int:
    is_whole = option.work.need <= machine.budget
    if is_bulk and not is_whole:
        return BULK_SPLIT
    if is_whole:
        share = CARD_RESERVE_SHARE if machine.vram else RESERVE_SHARE
        left, reserve = machine.budget - option.work.need, min(share * machine.budget, MOST_RESERVE)
    else:
        left = machine.budget + machine.host_budget - option.work.need
        reserve = CARD_RESERVE_SHARE * machine.budget + HOST_RESERVE_SHARE * machine.host_budget
    if left < max(reserve * (NATIVE_RESERVE if option.is_native else 1), LEAST_RESERVE):
        return 2
    is_coarse = bits_of(option.quant) < LEAST_BITS or quants.base(option.quant).startswith(COARSE)
    return 0 if option.is_native or not is_coarse else 1


def take(judged: Iterable[Judged], prefer: Prefer = "quality") -> Judged | None:
    """The one to take of those that fit; None where there is none."""
    return best(settled(judged), prefer)


def settled(judged: Iterable[Judged]) -> list[Judged]:
    """The quant of each model in each mode and tier: step 4."""
    groups: dict[tuple[str, Mode, int], list[Judged]] = {}
    for item in judged:
        groups.setdefault((item.option.model, item.option.mode, item.tier), []).append(item)
    return [_quant(items) for items in groups.values()]


def best(settled: Sequence[Judged], prefer: Prefer = "quality") -> Judged | None:
    """The best of settled candidates: the tiers of step 3, and step 5."""
    chosen: Judged | None = None
    for tier in sorted({item.tier for item in settled}):
        found = _of_tier([item for item in settled if item.tier == tier], prefer)
        if chosen is None or (prefer == "quality" and tier < BULK_SPLIT and found.value > WORSE_TIER * chosen.value):
            chosen = found
    return chosen


def greatest(settled: Iterable[Judged], tier: int) -> Judged | None:
    """The one of the greatest value in a tier."""
    return min((item for item in settled if item.tier == tier), key=_by_value, default=None)


def _of_tier(items: Sequence[Judged], prefer: Prefer) -> Judged:
    if prefer == "speed":
        return min(items, key=lambda item: (_time(item), -item.value, *_alike(item)))
    if prefer == "small":
        return min(items, key=lambda item: (item.option.work.size, -item.value, *_alike(item)))
    top = min(items, key=_by_value)
    close = [item for item in items if item.value >= (1 - AS_GOOD) * top.value]
    least = min(map(_felt, close))
    if least * FASTER >= _felt(top):
        return top
    return min((item for item in close if _felt(item) < least * FASTER), key=_by_value)


def _by_value(item: Judged) -> tuple[float, str, int, int, str]:
    return (-item.value, *_alike(item))


def _alike(item: Judged) -> tuple[str, int, int, str]:
    """Between what is alike: the later release, the smaller, the more trusted, the name; the least is taken."""
    option = item.option
    later = "".join(chr(ord("9") - int(digit)) if digit.isdigit() else digit for digit in option.released) or "~"
    return later, option.work.need, option.trust, option.name


def _felt(item: Judged) -> float:
    """How long it takes, as far as anybody feels it."""
    return max(item.haste, UNFELT)


def _time(item: Judged) -> float:
    return item.whole_s if item.whole_s is not None else 0.0


def _quant(items: Sequence[Judged]) -> Judged:
    """The quant to take of a model in a mode and tier."""
    whole = [item for item in items if item.is_whole] or items
    first = min(_class(item.option) for item in whole)
    able = [item for item in whole if _class(item.option) == first]
    comfortable = [item for item in able if item.is_whole and (item.is_comfortable or not item.option.answer_tokens)]
    if comfortable:
        fine = [item for item in comfortable if bits_of(item.option.quant) <= FINEST_BITS] or comfortable
        fine = [item for item in fine if bits_of(item.option.quant) <= item.finest_bits] or fine
        return min(fine, key=lambda item: (-bits_of(item.option.quant), item.option.trust, item.option.name))
    return min(able, key=lambda item: (*_from_usual(item.option.quant), item.option.trust, item.option.name))


def _from_usual(quant: str) -> tuple[int, float]:
    """How far a quant is from Q4_K_M: above it first, the nearest first."""
    beyond = bits_of(quant) - bits_of(USUAL)
    return (0, beyond) if beyond >= 0 else (1, -beyond)


def _class(option: Option) -> int:
    """Which kinds of quants go before others of the same model."""
    if option.is_native:
        return 0
    plain = quants.base(option.quant)
    if plain.startswith(("F16", "BF16", "F32")):
        return 4
    if plain.startswith(("Q4_0", "Q4_1", "Q5_0", "Q5_1")):
        return BULK_SPLIT
    return 2 if plain.startswith("IQ4") else 1


def bits_of(quant: str) -> float:
    """Bits per weight of a quant; one that is not known passes for the usual one."""
    return quants.bits_per_weight(quant) or quants.BITS[USUAL]

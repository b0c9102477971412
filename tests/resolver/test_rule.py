"""The rule, step by step: what a candidate is worth, which quant of a model, and which model."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, Final

import pytest

from lmpm.estimate import Workload
from lmpm.limits import GIB
from lmpm.resolver import rule
from lmpm.resolver.rule import Judged, Option, judge, take
from lmpm.resolver.waiting import Waiting
from lmpm.types import Machine, Speed

# 0.883 of 113.25 GB/s is 100 GB/s: a model that reads 5 GB for a token writes 20 a second.
MAC: Final = Machine(name="mac", accelerator="metal", memory=32 * GIB, budget=20 * GIB, bandwidth=113_250_000_000)
CARD: Final = replace(
    MAC, accelerator="cuda", vram=12 * GIB, budget=11 * GIB, gpus=1, host_budget=20 * GIB, host_bandwidth=50 * 10**9
)
WAITING: Final = Waiting(prompt_tokens=1, first_token=(10.0, 40.0), whole=(10.0, 40.0))


def option(model: str = "a", quant: str = "Q4_K_M", score: float = 60.0, gib: float = 5.0, **changes: Any) -> Option:
    size = int(gib * GIB)
    work = Workload(
        need=size, touched=changes.pop("touched", size), layers=0, active_parameters=1, size=size, quant=quant
    )
    made = Option(model=model, quant=quant, score=score, work=work, answer_tokens=100, name=f"{model}/{quant}")
    return replace(made, **changes)


def judged(value: float, whole_s: float = 1.0, tier: int = 0, **changes: Any) -> Judged:
    """A candidate of a value, however it came by it."""
    speed = Speed(decode=1, decode_low=1, decode_high=1, prefill=1, first_token_s=1)
    made = option(**{"model": f"m{value}-{whole_s}-{tier}", **changes})
    return Judged(
        option=made, speed=speed, first_token_s=1.0, whole_s=whole_s, value=value, tier=tier, is_whole=True,
        finest_bits=8.5, haste=whole_s / 10, is_slow=False,
    )  # fmt: skip


class TestValue:
    def test_times_are_those_of_the_formula(self) -> None:
        found = judge(option(thinking_tokens=200, mode="thinking"), WAITING, MAC)
        assert found.speed is not None and found.first_token_s is not None and found.whole_s is not None
        assert found.first_token_s == pytest.approx(1 / found.speed.prefill + 200 / found.speed.decode)
        assert found.whole_s == pytest.approx(1 / found.speed.prefill + 300 / found.speed.decode)

    def test_thoughts_that_are_shown_are_not_waited_for(self) -> None:
        shown = judge(option(thinking_tokens=200, mode="thinking"), replace(WAITING, shows_thinking=True), MAC)
        assert shown.first_token_s is not None and shown.first_token_s < 0.1 and shown.whole_s is not None

    def test_a_model_that_does_not_think_waits_for_no_thoughts(self) -> None:
        direct = judge(option(thinking_tokens=200, mode="direct"), WAITING, MAC)
        assert direct.whole_s == judge(option(), WAITING, MAC).whole_s

    @pytest.mark.parametrize(
        ("answer", "share", "is_slow"),
        [
            (100, 1.0, False),  # 5.4 s
            (2 * 186, 2**-0.09, False),  # 20 s: twice what is comfortable
            (4 * 186, 4**-0.09, False),
            (8 * 186, 8**-0.09 / 2, True),  # 80 s: twice the longest
        ],
    )
    def test_waiting_costs_six_per_cent_a_doubling_and_in_proportion_beyond_the_longest(
        self, answer: int, share: float, is_slow: bool
    ) -> None:
        found = judge(option(answer_tokens=answer), WAITING, MAC)
        assert found.value == pytest.approx(60 * share, rel=0.01)
        assert (found.is_slow, found.is_comfortable) == (is_slow, share == 1.0)

    def test_below_five_tokens_a_second_is_slow_however_short_the_answer(self) -> None:
        large = judge(option(gib=19, touched=25 * 10**9, answer_tokens=1), WAITING, MAC)
        assert large.speed is not None and large.speed.decode < 5 and large.is_slow
        assert large.value == pytest.approx(60 * large.speed.decode / 5)

    def test_without_a_speed_or_a_task_waiting_does_not_count(self) -> None:
        for found in (judge(option(), WAITING, replace(MAC, bandwidth=None)), judge(option(), None, MAC)):
            assert (found.value, found.whole_s, found.is_slow, found.is_comfortable) == (60.0, None, False, True)

    def test_a_split_one_counts_five_per_cent_less(self) -> None:
        assert judge(option(gib=15, touched=1), None, CARD).value == pytest.approx(57.0)

    @pytest.mark.parametrize(("prompt", "value"), [(999, 57.0), (1000, 48.0), (32_768, 48.0)])
    def test_and_twenty_where_a_request_reads_much(self, prompt: int, value: float) -> None:
        patient = replace(WAITING, prompt_tokens=prompt, first_token=(1e6, 1e7), whole=(1e6, 1e7))
        assert judge(option(gib=15, touched=1), patient, CARD).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("machine", "gib", "changes", "tier"),
    [
        (MAC, 17.9, {}, 0),  # 2 GiB stay free
        (MAC, 18.1, {}, 2),
        (replace(MAC, budget=3 * GIB), 2.4, {}, 0),  # half a GiB stays free
        (replace(MAC, budget=3 * GIB), 2.6, {}, 2),
        (CARD, 9.8, {}, 0),
        (CARD, 10.5, {}, 2),
        (CARD, 10.0, {}, 0),  # 0.88 GiB: nothing else wants it
        (CARD, 10.2, {}, 2),
        (CARD, 25.8, {}, 0),  # 0.88 of the card and 4 of the host
        (CARD, 26.2, {}, 2),
        (MAC, 5, {"quant": "IQ4_XS"}, 0),
        (MAC, 5, {"quant": "Q3_K_M"}, 1),
        (MAC, 5, {"quant": "UD-IQ2_M"}, 1),
        (MAC, 5, {"quant": "Q1_0", "is_native": True}, 0),
        (MAC, 5, {"quant": "made-up"}, 0),
        (MAC, 18.1, {"quant": "Q3_K_M"}, 2),
    ],
)
def test_tiers(machine: Machine, gib: float, changes: dict[str, Any], tier: int) -> None:
    assert judge(option(gib=gib, **changes), WAITING, machine).tier == tier


def test_bulk_work_is_not_split_while_anything_else_is_there() -> None:
    bulk = replace(WAITING, bulk=True)
    assert judge(option(gib=15), bulk, CARD).tier == 3 and judge(option(gib=5), bulk, CARD).tier == 0


class TestQuant:
    """Of one model, on a Mac that writes 100 tokens comfortably with 9 GiB and less."""

    @pytest.mark.parametrize(
        ("quants", "taken"),
        [
            ({"Q4_K_M": 4.5, "Q5_K_M": 5.3, "Q6_K": 6.2, "Q8_0": 8.0}, "Q8_0"),  # all are comfortable
            ({"Q4_K_M": 6.5, "Q6_K": 8.5, "Q8_0": 11.0}, "Q6_K"),  # Q8_0 is not
            ({"Q4_K_M": 10.0, "Q5_K_M": 12.0, "Q6_K": 14.0}, "Q4_K_M"),  # none is
            ({"Q3_K_L": 9.5, "Q4_K_S": 9.8, "Q5_K_M": 12.0}, "Q5_K_M"),  # the nearest above
            ({"Q3_K_L": 9.5, "Q4_K_S": 9.8}, "Q4_K_S"),  # else the most below
            ({"Q8_0": 8.0, "F16": 8.5}, "Q8_0"),
            ({"F16": 8.5, "BF16": 8.6}, "BF16"),
            ({"Q4_K_M": 4.5, "Q5_0": 5.0, "Q5_1": 5.5}, "Q4_K_M"),  # the older types are no match
            ({"Q4_0": 4.5, "Q5_0": 5.0}, "Q5_0"),
            ({"IQ4_XS": 4.2, "Q4_K_M": 4.5}, "Q4_K_M"),
            ({"IQ4_XS": 17.5, "Q4_K_M": 18.5}, "IQ4_XS"),  # only that keeps the reserve
            ({"Q3_K_M": 17.0, "IQ4_XS": 18.5}, "Q3_K_M"),
        ],
    )
    def test_of_one_model(self, quants: dict[str, float], taken: str) -> None:
        made = [option("a", quant, gib=gib) for quant, gib in quants.items()]
        found = take(judge(item, WAITING, MAC) for item in made)
        assert found is not None and found.option.quant == taken

    def test_finer_ones_leave_shared_memory_some_room(self) -> None:
        made = [
            option("a", quant, gib=gib, touched=1)
            for quant, gib in (("Q4_K_M", 17.9), ("Q6_K", 15.1), ("Q5_K_M", 14.9))
        ]
        on_mac = take(judge(item, WAITING, MAC) for item in made)
        on_card = take(judge(item, WAITING, replace(CARD, budget=20 * GIB)) for item in made)
        assert on_mac is not None and on_mac.option.quant == "Q5_K_M"
        assert on_card is not None and on_card.option.quant == "Q6_K"

    def test_on_a_cpu_a_large_model_is_no_finer_than_five_bits(self) -> None:
        cpu = replace(MAC, accelerator="cpu")
        for gib, quant in ((2.0, "Q8_0"), (3.0, "Q5_K_M")):
            made = [option("a", name, gib=gib, touched=1) for name in ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")]
            found = take(judge(item, WAITING, cpu) for item in made)
            assert found is not None and found.option.quant == quant
        made = [option("a", name, gib=4.0, answer_tokens=0) for name in ("Q6_K", "Q8_0")]
        found = take(judge(item, WAITING, cpu) for item in made)
        assert found is not None and found.option.quant == "Q8_0", "vectors cost no time a bit"

    @pytest.mark.parametrize(("quant", "tier"), [("UD-Q3_K_XL", 1), ("Q3_K_L", 1), ("IQ4_XS", 0), ("IQ3_M", 1)])
    def test_three_bits_are_coarse_whatever_some_tensors_have(self, quant: str, tier: int) -> None:
        assert judge(option(quant=quant), WAITING, MAC).tier == tier

    @pytest.mark.parametrize(("gib", "tier"), [(18.2, 0), (18.4, 2)])
    def test_the_native_one_may_leave_a_little_less(self, gib: float, tier: int) -> None:
        assert judge(option(quant="MXFP4", gib=gib, is_native=True), WAITING, MAC).tier == tier
        assert judge(option(gib=gib), WAITING, MAC).tier == 2

    def test_where_nothing_is_written_bits_cost_no_time(self) -> None:
        made = [option("a", quant, gib=gib, answer_tokens=0) for quant, gib in (("Q4_K_M", 3), ("Q8_0", 6), ("F16", 9))]
        found = take(judge(item, replace(WAITING, first_token=(1e-14, 1e-13)), MAC) for item in made)
        assert found is not None and found.option.quant == "Q8_0" and not found.is_comfortable

    def test_the_native_one_goes_before_finer_ones(self) -> None:
        made = [option("a", "MXFP4", is_native=True), option("a", "Q8_0", gib=5.2)]
        found = take(judge(item, WAITING, MAC) for item in made)
        assert found is not None and found.option.quant == "MXFP4"

    def test_bits_never_move_a_model_off_the_card(self) -> None:
        made = [option("a", "IQ4_XS", score=55, gib=9.5), option("a", "Q6_K", score=60, gib=14, touched=10**9)]
        found = take(judge(item, WAITING, CARD) for item in made)
        assert found is not None and found.option.quant == "IQ4_XS"

    def test_modes_are_settled_apart(self) -> None:
        made = [
            option("a", quant, mode=mode, gib=gib, thinking_tokens=300)
            for mode in ("direct", "thinking")
            for quant, gib in (("Q4_K_M", 3.0), ("Q8_0", 6.0))
        ]
        found = {item.option.mode: item.option.quant for item in rule.settled(judge(o, WAITING, MAC) for o in made)}
        assert found == {"direct": "Q8_0", "thinking": "Q4_K_M"}


class TestBetween:
    @pytest.mark.parametrize(
        ("candidates", "value"),
        [
            ([(60, 1), (62, 9)], 62),  # more than 1.5 % apart
            ([(60, 5), (60.5, 9)], 60),  # as good, and much faster
            ([(60, 8.5), (60.5, 9)], 60.5),  # not a tenth faster
            ([(60, 5), (60.2, 5.2), (60.5, 9)], 60.2),  # of the fast ones the best
            ([(59, 1), (60.5, 9)], 60.5),  # 2.5 % less
            ([(60, 1), (60.5, 4.5)], 60.5),  # half of what is comfortable is as fast as any
            ([(60, 5), (60.5, 6)], 60),
        ],
    )
    def test_the_greatest_value_and_the_faster_of_those_as_good(
        self, candidates: list[tuple[float, float]], value: float
    ) -> None:
        found = take(judged(v, t) for v, t in candidates)
        assert found is not None and found.value == value

    @pytest.mark.parametrize(("other", "tier"), [(74, 0), (75, 0), (76, 2)])
    def test_a_worse_tier_has_to_be_a_quarter_better(self, other: float, tier: int) -> None:
        found = take([judged(60), judged(other, tier=2)])
        assert found is not None and found.tier == tier

    def test_a_worse_tier_is_taken_where_nothing_else_is(self) -> None:
        found = take([judged(20, tier=3), judged(10, tier=2)])
        assert found is not None and found.value == 10, "bulk work is split only where nothing else is there"
        assert take([judged(20, tier=3)]) is not None
        assert take([]) is None

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"released": "2026-07"}, {"released": "2026-02-20"}),
            ({"released": "2026-02"}, {"released": ""}),
            ({"gib": 4.0}, {"gib": 5.0}),
            ({"trust": 1}, {"trust": 2}),
            ({"name": "a"}, {"name": "b"}),
        ],
    )
    def test_between_what_is_alike(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        for pair in ((one, other), (other, one)):
            found = take(judged(60, model=f"m{n}", **changes) for n, changes in enumerate(pair))
            assert found is not None
            expected = option(**one)
            assert (found.option.released, found.option.trust, found.option.work.need) == (
                expected.released, expected.trust, expected.work.need,
            )  # fmt: skip

    def test_preferences_change_this_step_alone(self) -> None:
        made = [judged(80, 9, gib=8), judged(40, 2, gib=5), judged(30, 5, gib=2), judged(90, 1, tier=2, gib=1)]
        assert [found.value for p in ("quality", "speed", "small") if (found := take(made, p))] == [80, 40, 30]


@pytest.mark.parametrize("seed", range(30))
def test_the_order_does_not_matter_and_what_is_not_taken_neither(seed: int) -> None:
    rng = random.Random(seed)
    quants = ["Q8_0", "Q6_K", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q5_0", "F16"]
    made = [
        judge(
            option(rng.choice("abcd"), rng.choice(quants), rng.uniform(40, 80), rng.uniform(1, 25), name=str(number)),
            WAITING,
            CARD,
        )
        for number in range(30)
    ]
    found = take(made)
    for _ in range(3):
        rng.shuffle(made)
        assert take(made) is found
    settled = rule.settled(made)
    assert take(settled) is found, "a quant that is settled stays so"

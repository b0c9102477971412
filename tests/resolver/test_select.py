"""What excludes candidates, why others were not taken, and what holds for every choice."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.limits import GIB
from lmpm.machine.chips import load_chips
from lmpm.machine.spec import parse_spec
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.explain import describe_choice
from lmpm.resolver.records import Choice, Request
from lmpm.resolver.remedy import MACS, unified
from lmpm.resolver.resolver import request_for
from lmpm.resolver.select import is_weak, judge, refuse, select, speed_of
from lmpm.resolver.waiting import Waiting
from lmpm.types import HubSource, Machine, ModelFile, Shape, StarterSource, Variant

SHAPE = Shape(
    layers=32,
    embedding_length=4096,
    heads=32,
    kv_heads=8,
    key_length=128,
    value_length=128,
    feed_forward_length=14336,
    vocabulary=32000,
    parameters=7_000_000_000,
    active_parameters=7_000_000_000,
    tied_embeddings=True,
)
MAC = Machine(name="mac", accelerator="metal", memory=16 * GIB, budget=11 * GIB, bandwidth=100_000_000_000)
CARD = Machine(
    name="card",
    accelerator="cuda",
    memory=64 * GIB,
    vram=8 * GIB,
    budget=7 * GIB,
    bandwidth=360_000_000_000,
    host_budget=48 * GIB,
    host_bandwidth=50_000_000_000,
)
REQUEST = Request(ref="text-to-sql", task="text-to-sql", context=4096, min_context=1024)
WAITING = Waiting(prompt_tokens=100, first_token=(5.0, 20.0), whole=(10.0, 40.0), answer_tokens=100)


def variant(name: str, gib: float = 4, *, score: float | None = 60, **changes: Any) -> Variant:
    made = Variant(
        model=name.lower(),
        title=name,
        source=HubSource(f"maker/{name}-GGUF"),
        quant="Q4_K_M",
        license="apache-2.0",
        files=(ModelFile(path=f"{name}.gguf", size=int(gib * GIB)),),
        context_length=32768,
        architecture="llama",
        shape=SHAPE,
        capabilities=frozenset({"text"}),
        score=score,
        min_engine_build=None,
    )
    return replace(made, **changes)


def chosen(choice: Choice) -> str | None:
    return choice.chosen.variant.title if choice.chosen else None


def reasons(choice: Choice) -> dict[str, str]:
    return {item.candidate.variant.title: item.reason for item in choice.rejected}


def only_rejected(request: Request, machine: Machine, made: Variant) -> tuple[str, str]:
    choice = select(request, machine, [made])
    assert choice.chosen is None
    (item,) = choice.rejected
    return item.reason, item.detail


class TestFit:
    def test_what_needs_more_than_the_budget_is_out_with_both_figures(self) -> None:
        reason, detail = only_rejected(REQUEST, MAC, variant("Large", 20))
        assert reason == "memory"
        assert detail.startswith("needs 20.") and detail.endswith("GiB, budget 11.0 GiB")

    def test_the_budget_itself_still_fits(self) -> None:
        made = variant("Exact", 4)
        need = judge(REQUEST, MAC, made).memory.total
        assert chosen(select(REQUEST, replace(MAC, budget=need), [made])) == "Exact"
        assert chosen(select(REQUEST, replace(MAC, budget=need - 1), [made])) is None

    def test_a_longer_context_needs_more(self) -> None:
        assert (
            judge(REQUEST, MAC, variant("A")).memory.total
            < judge(replace(REQUEST, context=32768), MAC, variant("A")).memory.total
        )

    def test_a_model_larger_than_the_card_is_split_and_counts_with_its_slower_speed(self) -> None:
        whole, split = (judge(REQUEST, CARD, variant("A", gib)).speed for gib in (4, 12))
        assert whole is not None and split is not None
        assert (whole.placement, split.placement) == ("gpu", "split")
        assert split.decode < whole.decode / 3
        assert only_rejected(REQUEST, CARD, variant("Huge", 60))[0] == "memory"
        assert only_rejected(REQUEST, CARD, variant("Huge", 60))[1].endswith("budget 55.0 GiB")


class TestSpeed:
    """What a user asks of the speed excludes; what a task's users wait for does not."""

    def test_below_what_was_asked_for_is_out_however_good(self) -> None:
        choice = select(replace(REQUEST, min_speed=20.0), MAC, [variant("Slow", 10, score=90), variant("Fast", 3)])
        assert chosen(choice) == "Fast" and reasons(choice) == {"Slow": "speed"}
        assert choice.rejected[0].detail.endswith("tok/s, at least 20 asked for")

    def test_where_nothing_is_as_fast_nothing_is_taken(self) -> None:
        assert only_rejected(replace(REQUEST, min_speed=1000.0), MAC, variant("A"))[0] == "speed"

    def test_a_longest_wait_is_for_the_first_token(self) -> None:
        waits = replace(REQUEST, waiting=replace(WAITING, prompt_tokens=20_000), max_wait=1.0)
        reason, detail = only_rejected(waits, MAC, variant("A"))
        assert reason == "wait" and detail.startswith("first token after ") and detail.endswith("at most 1 s asked for")

    def test_of_what_writes_nothing_reading_is_meant(self) -> None:
        silent = replace(REQUEST, waiting=replace(WAITING, answer_tokens=0), min_speed=100.0)
        candidate = judge(silent, MAC, variant("A"))
        assert candidate.speed is not None and speed_of(candidate, silent) == candidate.speed.prefill > 100
        assert chosen(select(silent, MAC, [variant("A", 9)])) == "A"

    def test_a_machine_of_unknown_bandwidth_is_held_to_nothing(self) -> None:
        unknown = replace(MAC, bandwidth=None)
        choice = select(replace(REQUEST, min_speed=1000.0), unknown, [variant("A", 9, score=70), variant("B", 2)])
        assert chosen(choice) == "A" and "inf" not in choice.rejected[0].detail


class TestSaid:
    def test_a_slow_choice_says_how_slow(self) -> None:
        choice = select(replace(REQUEST, waiting=replace(WAITING, answer_tokens=5000)), MAC, [variant("A")])
        assert choice.chosen is not None and choice.chosen.judged.is_slow
        assert choice.notes[0].startswith("slow: first token after ")

    def test_a_coarse_quant_and_little_memory_are_said(self) -> None:
        coarse = select(REQUEST, MAC, [variant("A", quant="IQ2_M")])
        assert coarse.notes == ("IQ2_M loses much of the model; no finer quant of anything as good fits",)
        assert select(replace(REQUEST, quant="IQ2_M"), MAC, [variant("A", quant="IQ2_M")]).notes == ()
        assert select(REQUEST, MAC, [variant("A", 9.5)]).notes == ("it leaves little memory free",)

    def test_a_weak_choice_names_what_would_do(self) -> None:
        needs = replace(REQUEST, useful=45.0)
        large = [variant("B", 30, score=68.9), variant("C", 50, score=80), variant("D", 200, score=90)]
        choice = select(needs, MAC, [variant("A", score=31), *large])
        assert choice.chosen is not None and is_weak(choice.chosen, needs)
        assert choice.remedy is not None and choice.remedy.larger is not None and choice.remedy.hosted is not None
        assert (choice.remedy.larger.variant.title, choice.remedy.memory) == ("B", 48 * GIB)
        assert choice.remedy.hosted.variant.title == "D"
        assert describe_choice(choice).endswith(
            "of little use; 68.9 from 48 GB of unified memory on, or a cloud model, such as D with 90.0"
        )
        alone = select(needs, MAC, [variant("A", score=31)])
        assert describe_choice(alone).endswith("of little use; a cloud model")
        good = select(needs, MAC, [variant("A", score=45)])
        assert good.chosen is not None and not is_weak(good.chosen, needs) and good.remedy is None
        named = replace(needs, model="a")
        assert not is_weak(
            select(named, MAC, [variant("A", score=31)]).chosen or judge(named, MAC, variant("A")), named
        )

    def test_the_macs_of_a_remedy_are_the_slowest_of_their_memory(self) -> None:
        chips = load_chips(catalog.directory())
        macs = [chip for chip in chips.chips if chip.accelerator == "metal"]
        for size, bandwidth, compute in MACS:
            sold = [chip for chip in macs if size * GIB in chip.memory]
            slowest = min(sold, key=lambda chip: (chip.bandwidth, chip.compute or 0.0))
            machine = unified(size * GIB, bandwidth, compute)
            assert (slowest.bandwidth, slowest.compute) == (machine.bandwidth, machine.compute)
            assert machine.budget == parse_spec(f"{slowest.name}, {size}GB", chips).budget


class TestAllowed:
    @pytest.mark.parametrize(
        ("request_changes", "variant_changes", "reason", "words"),
        [
            ({}, {"license": "cc-by-nc-4.0"}, "license", "cc-by-nc-4.0 does not permit commercial use"),
            ({}, {"license": "unknown"}, "license", "unknown"),
            ({}, {"license": "made-up"}, "license", "made-up"),
            ({"licenses_denied": frozenset({"apache-2.0"})}, {}, "license", "apache-2.0 is denied"),
            ({"licenses_allowed": frozenset({"mit"})}, {}, "license", "apache-2.0 is not among"),
            ({"publishers_denied": frozenset({"maker"})}, {}, "untrusted", "maker"),
            ({"publishers_allowed": frozenset({"other"})}, {}, "untrusted", "maker"),
            ({}, {"gated": True}, "gated", "agreement"),
            ({}, {"context_length": 512}, "context", "trained for 512 tokens, 1,024 asked for"),
            ({"capabilities": frozenset({"vision", "text"})}, {}, "capability", "cannot do vision"),
            ({"engine_build": 100}, {"min_engine_build": 200}, "engine", "needs llama.cpp b200, here is b100"),
            ({"quant": "Q8_0"}, {}, "quant", "Q4_K_M, asked for Q8_0"),
            ({"max_size": GIB}, {}, "size", "4.0 GiB, at most 1.0 GiB"),
        ],
    )  # fmt: skip
    def test_each_rule_has_its_reason_and_figures(
        self, request_changes: dict[str, Any], variant_changes: dict[str, Any], reason: str, words: str
    ) -> None:
        made = variant("A", **variant_changes)
        found = only_rejected(replace(REQUEST, **request_changes), MAC, made)
        assert found[0] == reason
        assert words in found[1]

    def test_a_model_asked_for_by_name_is_taken_with_its_licence(self) -> None:
        research = variant("A", license="qwen-research")
        choice = select(replace(REQUEST, model="a"), MAC, [research])
        assert chosen(choice) == "A"
        assert choice.notes == ("its licence does not permit every commercial use: qwen-research (research only)",)
        strict = replace(REQUEST, model="a", licenses_allowed=frozenset({"mit"}))
        assert only_rejected(strict, MAC, research)[0] == "license"

    @pytest.mark.parametrize(
        ("request_changes", "variant_changes"),
        [
            ({"quant": "q4_k_m"}, {}),
            ({"max_size": 4 * GIB}, {}),
            ({"engine_build": 200}, {"min_engine_build": 200}),
            ({"engine_build": None}, {"min_engine_build": 200}),
            ({}, {"context_length": 0}),
            ({}, {"context_length": 1024}),
            ({"licenses_allowed": frozenset({"apache-2.0"})}, {}),
            ({"licenses_allowed": frozenset({"cc-by-nc-4.0"})}, {"license": "cc-by-nc-4.0"}),
            ({"publishers_allowed": frozenset({"maker"})}, {}),
        ],
    )
    def test_what_is_just_allowed(self, request_changes: dict[str, Any], variant_changes: dict[str, Any]) -> None:
        candidate = judge(REQUEST, MAC, variant("A", **variant_changes))
        assert refuse(replace(REQUEST, **request_changes), MAC, candidate) is None


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (variant("B", 4, score=50), "value 50.0 against 60.0"),
        (variant("A", 4, score=50, quant="Q2_K"), "coarser than 4.25 bits, value 50.0"),
        (variant("A", 4, score=50, quant="Q4_K_S"), "another quant of it, value 50.0"),
        (variant("B", 5, score=60), "alike, value 60.0"),
        (variant("B", 9.5, score=60), "leaves too little memory free, value 60.0"),
    ],
)
def test_why_another_was_not_taken_has_figures(other: Variant, words: str) -> None:
    choice = select(REQUEST, MAC, [variant("A"), other])
    assert chosen(choice) == "A"
    assert choice.rejected[0].reason == "worse" and words in choice.rejected[0].detail


def test_a_starter_is_a_candidate_like_any_other() -> None:
    starter = variant("Starter", 0.003, score=None, source=StarterSource("text-to-sql"))
    assert chosen(select(REQUEST, MAC, [starter])) == "Starter"
    assert chosen(select(REQUEST, MAC, [starter, variant("A")])) == "A"


def test_nothing_at_all_is_no_choice() -> None:
    choice = select(REQUEST, MAC, [])
    assert choice.chosen is None and choice.rejected == () and choice.considered == 0


def random_variants(seed: int, count: int = 40) -> list[Variant]:
    rng = random.Random(seed)
    return [
        variant(
            f"M{rng.randrange(12)}",
            rng.choice([0.5, 2, 2, 4, 6, 9, 14, 40]),
            score=rng.choice([None, 40, 60, 60.5, 61, 80]),
            quant=rng.choice(["Q4_K_M", "Q8_0", "IQ4_XS"]),
            license=rng.choice(["mit", "apache-2.0", "cc-by-nc-4.0"]),
            trust=rng.randrange(3),
            gated=rng.random() < 0.1,
            source=HubSource(f"maker{number}/x-GGUF"),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_candidates_changes_nothing_and_each_is_accounted_for_once(seed: int) -> None:
    made = random_variants(seed)
    rng = random.Random(seed)
    request = replace(
        REQUEST, min_speed=rng.choice([0.0, 10.0, 500.0]), prefer=rng.choice(["quality", "speed", "small"])
    )
    machine = rng.choice([MAC, CARD, replace(MAC, budget=GIB)])
    choice = select(request, machine, made)
    for _ in range(3):
        rng.shuffle(made)
        assert select(request, machine, made) == choice
    taken = [choice.chosen] if choice.chosen else []
    seen = [item.variant.source for item in (*taken, *(rejected.candidate for rejected in choice.rejected))]
    assert len(seen) == choice.considered == len(made)
    assert set(seen) == {item.source for item in made}
    assert all(item.detail for item in choice.rejected)


@pytest.fixture(scope="module")
def real() -> Catalog:
    return catalog.load(catalog.directory())


@pytest.mark.parametrize("spec", ["M2, 16GB", "RTX 4090, 64GB", "CPU, 8 cores, 16GB", "M1, 8GB", "CPU, 2GB", "1GB"])
@pytest.mark.parametrize("task_name", ["text-to-sql", "chat", "embeddings"])
def test_the_real_catalog_on_real_machines(real: Catalog, spec: str, task_name: str) -> None:
    machine = parse_spec(spec, load_chips(catalog.directory()))
    task = real.task(task_name)
    assert task is not None
    request = request_for(task.name, Constraints(), task, model=None)
    variants = real.variants(task)
    choice = select(request, machine, variants)
    assert choice.considered == len(variants)
    if choice.chosen is None:
        assert all(item.reason in ("memory", "license", "gated") for item in choice.rejected)
        return
    assert choice.chosen.memory.total <= machine.budget + machine.host_budget
    assert choice.chosen.variant.score is not None
    assert choice.greatest is not None and choice.chosen.judged.value >= 0.985 * choice.greatest.judged.value

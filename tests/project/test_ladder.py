"""The rungs of a lock: which there are, in what order, and which one a machine takes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.catalog.schema.task import Task
from lmpm.errors import LmpmError, NetworkError, NotFoundError, NothingFitsError, NotPermittedError
from lmpm.limits import GIB
from lmpm.machine.chips import load_chips
from lmpm.machine.spec import parse_spec
from lmpm.project.lock import build as choosing, ladder
from lmpm.project.lock.entry import context_of, floor_of, rung_for, task_of
from lmpm.project.lock.records import LockedCandidate, LockedModel
from lmpm.resolver.records import Request
from lmpm.resolver.resolver import Resolution, Resolver
from lmpm.resolver.rule import select
from lmpm.types import HubSource, Machine, ModelFile, StarterSource, Variant

MACHINES = (
    "M2, 16GB",
    "M1, 8GB",
    "M4 Max, 64GB",
    "RTX 4090, 64GB",
    "RTX 3060 12GB, 32GB",
    "CPU, 16 cores, 64GB",
    "CPU, 2 cores, 24GB",
    "CPU, 8 cores, 4GB",
)


@dataclass
class Pins:
    """Gives every variant a commit and digests, as a Hub does; `refused` are repositories that it does not."""

    refused: dict[str, LmpmError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def pin(self, variant: Variant) -> tuple[Variant, tuple[str, ...]]:
        assert isinstance(variant.source, HubSource)
        self.asked.append(variant.source.repo)
        if variant.source.repo in self.refused:
            raise self.refused[variant.source.repo]
        return pinned(variant), ()


def pinned(variant: Variant) -> Variant:
    if not isinstance(variant.source, HubSource):
        return variant
    source = replace(variant.source, revision=hashlib.sha1(variant.source.repo.encode()).hexdigest())
    files = tuple(
        replace(file, sha256=hashlib.sha256(f"{source.repo}{file.path}".encode()).hexdigest()) for file in variant.files
    )
    return replace(variant, source=source, files=files)


@pytest.fixture(scope="module")
def real() -> Catalog:
    return catalog.load(catalog.directory())


@pytest.fixture(scope="module")
def machines() -> dict[str, Machine]:
    chips = load_chips(catalog.directory())
    return {spec: parse_spec(spec, chips) for spec in MACHINES}


@pytest.fixture(scope="module")
def size_classes() -> dict[str, Machine]:
    chips = load_chips(catalog.directory())
    return {spec: parse_spec(spec, chips) for spec in choosing.SIZE_CLASSES}


def task_named(real: Catalog, name: str) -> Task:
    task = real.task(name)
    assert task is not None
    return task


def request_for(task: Task, **changes: object) -> Request:
    request = Request(
        ref=task.name,
        task=task.name,
        context=task.context,
        min_context=task.min_context,
        min_speed=task.min_speed,
        speed_kind=task.speed_kind,
        typical_prompt=task.typical_prompt_tokens,
        capabilities=task.capabilities,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def resolution_for(request: Request, machine: Machine, variants: Iterable[Variant], task: Task) -> Resolution:
    variants = tuple(variants)
    choice = select(request, machine, variants)
    if choice.chosen is not None:
        choice = replace(choice, chosen=replace(choice.chosen, variant=pinned(choice.chosen.variant)))
    return Resolution(choice=choice, task=task, variants=variants, pinned=True)


def build(
    resolution: Resolution, targets: dict[str, Machine], pins: Pins | None = None, classes: Sequence[Machine] = ()
) -> tuple[tuple[LockedCandidate, ...], tuple[str, ...]]:
    rungs, remarks = choosing.build(resolution, cast("Resolver", pins or Pins()), targets, classes)
    return tuple(rung.locked for rung in rungs), remarks


def locked(resolution: Resolution, rungs: tuple[LockedCandidate, ...]) -> LockedModel:
    request = resolution.choice.request
    requested: dict[str, str | int | float | bool] = {"task": request.task or "", "context": request.context}
    if request.prefer != "quality":
        requested["prefer"] = request.prefer
    return LockedModel(
        name="x",
        requested=requested,
        candidates=rungs,
        min_speed=request.min_speed,
        speed_kind=request.speed_kind,
    )


@pytest.mark.parametrize("prefer", ["quality", "speed", "small"])
@pytest.mark.parametrize("task_name", ["text-to-sql", "chat", "embeddings"])
@pytest.mark.parametrize("here", MACHINES)
def test_every_machine_takes_what_was_chosen_for_it(
    real: Catalog,
    machines: dict[str, Machine],
    size_classes: dict[str, Machine],
    here: str,
    task_name: str,
    prefer: str,
) -> None:
    task = task_named(real, task_name)
    resolution = resolution_for(request_for(task, prefer=prefer), machines[here], real.variants(task), task)
    chosen = resolution.choice.chosen
    if chosen is None:
        pytest.skip("nothing fits here")
    rng = random.Random(here)
    targets = {
        f"t{number}": machines[spec]
        for number, spec in enumerate(rng.sample(MACHINES, 4))
        if select(resolution.choice.request, machines[spec], real.variants(task)).chosen is not None
    }
    classes = list(size_classes.values())
    for more in ([], classes):
        rungs, remarks = build(resolution, targets, classes=more)
        assert remarks == ()
        assert len(rungs) <= max(len(targets) + 2, choosing.MAX_RUNGS)
        assert sorted(target for rung in rungs for target in rung.targets) == sorted(targets)
        model = locked(resolution, rungs)
        taken = rung_for(model, machines[here])
        assert (taken.candidate.model, taken.candidate.quant) == (chosen.variant.title, chosen.variant.quant)
        for name, machine in targets.items():
            assert name in rung_for(model, machine).candidate.targets


@pytest.mark.parametrize("task_name", ["text-to-sql", "chat", "embeddings"])
def test_a_machine_of_a_common_size_that_nobody_declared_finds_its_own_rung(
    real: Catalog, machines: dict[str, Machine], size_classes: dict[str, Machine], task_name: str
) -> None:
    task = task_named(real, task_name)
    resolution = resolution_for(request_for(task), machines["CPU, 2 cores, 24GB"], real.variants(task), task)
    bare, _ = build(resolution, {})
    rungs, _ = build(resolution, {}, classes=list(size_classes.values()))
    assert len(bare) <= len(rungs) <= choosing.MAX_RUNGS
    large = size_classes["RTX 4090, 64GB"]
    best = select(resolution.choice.request, large, real.variants(task)).chosen
    assert best is not None
    scores = {(v.title, v.quant): v.quality for v in real.variants(task)}
    taken = rung_for(locked(resolution, rungs), large).candidate
    assert scores[taken.model, taken.quant] >= best.variant.quality - 1.0, "within the point that is no difference"


def test_a_rung_that_no_machine_takes_is_left_out(
    real: Catalog, machines: dict[str, Machine], size_classes: dict[str, Machine]
) -> None:
    task = task_named(real, "text-to-sql")
    everywhere = {"M2, 16GB", *choosing.SIZE_CLASSES}
    known = {**machines, **size_classes}
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], real.variants(task), task)
    rungs, _ = build(resolution, {}, classes=list(size_classes.values()))
    model = locked(resolution, rungs)
    taken = {rung_for(model, known[spec]).number for spec in everywhere}
    floor = min(range(len(rungs)), key=lambda place: rungs[place].memory) + 1
    assert taken | {floor} == set(range(1, len(rungs) + 1))


def test_a_ladder_without_targets_has_the_choice_and_a_floor_for_small_machines(
    real: Catalog, machines: dict[str, Machine]
) -> None:
    task = task_named(real, "text-to-sql")
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], real.variants(task), task)
    rungs, _ = build(resolution, {})
    assert len(rungs) == 2
    best, floor = rungs
    assert floor.memory < best.memory and floor.memory < GIB
    assert floor.targets == best.targets == ()
    assert floor.license in ("apache-2.0", "mit")


def test_a_starter_alone_serves_every_target(real: Catalog, machines: dict[str, Machine]) -> None:
    task = task_named(real, "text-to-sql")
    file = ModelFile(path="s.gguf", size=3_000_000, sha256="5" * 64)
    starter = replace(
        real.variants(task)[0], source=StarterSource(task.name), files=(file,), title="starter", shape=None, score=None
    )
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], [starter], task)
    rungs, _ = build(resolution, {"mac": machines["M1, 8GB"], "card": machines["RTX 4090, 64GB"]})
    (rung,) = rungs
    assert rung.targets == ("card", "mac") and rung.source == StarterSource(task.name)


def test_a_target_that_nothing_fits_is_an_error_that_names_it(real: Catalog, machines: dict[str, Machine]) -> None:
    task = task_named(real, "text-to-sql")
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], real.variants(task), task)
    tiny = Machine(name="tiny", accelerator="cpu", memory=GIB, budget=GIB // 8, bandwidth=10**10)
    with pytest.raises(NothingFitsError) as caught:
        build(resolution, {"pi": tiny})
    assert "the target `pi`" in caught.value.message
    assert len(caught.value.details) == 5 and "needs" in caught.value.details[0]
    assert "[targets]" in (caught.value.hint or "")


def test_a_target_on_which_everything_crawls_has_an_answer_that_says_so(
    real: Catalog, machines: dict[str, Machine]
) -> None:
    task = task_named(real, "text-to-sql")
    request = request_for(task, min_speed=5000.0)
    resolution = resolution_for(request, machines["RTX 4090, 64GB"], real.variants(task), task)
    rungs, remarks = build(resolution, {"old": machines["CPU, 8 cores, 4GB"]})
    assert [rung.targets for rung in rungs if rung.targets] == [("old",)]
    (remark,) = (remark for remark in remarks if "`old`" in remark)
    assert remark.startswith("nothing is fast enough on the target") and "5000 were asked for" in remark


def test_what_the_hub_refuses_is_passed_over_for_a_target(real: Catalog, machines: dict[str, Machine]) -> None:
    task = task_named(real, "text-to-sql")
    request = request_for(task)
    resolution = resolution_for(request, machines["CPU, 8 cores, 4GB"], real.variants(task), task)
    wanted = select(request, machines["M4 Max, 64GB"], real.variants(task)).chosen
    assert wanted is not None and isinstance(wanted.variant.source, HubSource)
    for error in (NotFoundError("gone"), NotPermittedError("closed")):
        rungs, remarks = build(resolution, {"max": machines["M4 Max, 64GB"]}, Pins({wanted.variant.source.repo: error}))
        served = next(rung for rung in rungs if rung.targets)
        assert isinstance(served.source, HubSource) and served.source.repo != wanted.variant.source.repo
        assert error.message in remarks
    with pytest.raises(NetworkError):  # a server that is down must not make another ladder
        build(
            resolution,
            {"max": machines["M4 Max, 64GB"]},
            Pins({wanted.variant.source.repo: NetworkError("down")}),
        )


def test_what_turns_out_to_be_withdrawn_is_passed_over_for_a_target(
    real: Catalog, machines: dict[str, Machine]
) -> None:
    """The catalog may know a file by its name alone, and the list of bad ones by its sha256."""
    task = task_named(real, "text-to-sql")
    resolution = resolution_for(request_for(task), machines["CPU, 8 cores, 4GB"], real.variants(task), task)
    target = {"max": machines["M4 Max, 64GB"]}
    (best, *_), _ = build(resolution, target)

    class Bad(Pins):
        def pin(self, variant: Variant) -> tuple[Variant, tuple[str, ...]]:
            known, notes = super().pin(variant)
            return replace(known, withdrawn="answers in Latin" if known.files == best.files else ""), notes

    rungs, remarks = build(resolution, target, Bad())
    assert best.targets == ("max",) and best.files not in [rung.files for rung in rungs]
    assert "max" in [name for rung in rungs for name in rung.targets]
    assert any("was passed over" in remark and "answers in Latin" in remark for remark in remarks)


def test_the_order_of_targets_changes_nothing(real: Catalog, machines: dict[str, Machine]) -> None:
    task = task_named(real, "chat")
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], real.variants(task), task)
    targets = {f"t{number}": machines[spec] for number, spec in enumerate(MACHINES)}
    assert build(resolution, targets) == build(resolution, dict(reversed(targets.items())))


# -- taking a rung -----------------------------------------------------------


def rung(name: str, gib: float, *, read: float | None = None) -> LockedCandidate:
    size = int(gib * GIB)
    return LockedCandidate(
        source=HubSource(f"org/{name}", "1" * 40),
        model=name,
        quant="Q8_0",
        license="mit",
        memory=size,
        bytes_per_token=int((gib if read is None else read) * GIB),
        layers=32,
        files=(ModelFile(path=f"{name}.gguf", size=size, sha256=hashlib.sha256(name.encode()).hexdigest()),),
    )


def machine(gib: float, *, bandwidth: int | None = 100 * GIB, **changes: object) -> Machine:
    made = Machine(
        name="m", accelerator="cpu", memory=int(64 * GIB), budget=int(gib * GIB), bandwidth=bandwidth, cores=8
    )
    return replace(made, **changes)  # type: ignore[arg-type]


LADDER = LockedModel(
    name="x", requested={"task": "chat"}, candidates=(rung("large", 20), rung("middle", 8), rung("small", 1))
)


@pytest.mark.parametrize(
    ("gib", "min_speed", "number", "too_slow"),
    [
        (30, 0, 1, False),
        (20, 0, 1, False),
        (19.9, 0, 2, False),
        (8, 0, 2, False),
        (2, 0, 3, False),
        (30, 5, 2, False),  # the first fits but does 3.1 tok/s
        (30, 10, 3, False),
        (30, 1000, 3, True),  # none is fast enough: the fastest
        (9, 1000, 3, True),
    ],
)
def test_the_first_rung_that_fits_and_is_fast_enough(gib: float, min_speed: float, number: int, too_slow: bool) -> None:
    taken = ladder.take(LADDER, machine(gib), min_speed=min_speed)
    assert (taken.number, taken.too_slow) == (number, too_slow)
    assert taken.candidate is LADDER.candidates[number - 1]
    assert len(taken.passed_over) == (3 if too_slow else number - 1)
    for number_passed, words in enumerate(taken.passed_over, start=1):
        assert words.startswith(f"variant {number_passed} ")
        assert "budget" in words or "floor" in words


def test_no_rung_fits() -> None:
    with pytest.raises(NothingFitsError) as caught:
        ladder.take(LADDER, machine(0.5), min_speed=10)
    assert caught.value.message == "No variant of `x` fits this machine: 512.0 MiB for models"
    assert caught.value.details == (
        "variant 1 needs 20.0 GiB, budget 512.0 MiB",
        "variant 2 needs 8.0 GiB, budget 512.0 MiB",
        "variant 3 needs 1.0 GiB, budget 512.0 MiB",
    )


def test_a_model_that_overflows_a_card_is_split_when_it_is_fast_enough() -> None:
    card = machine(6, accelerator="cuda", host_budget=32 * GIB, host_bandwidth=40 * GIB, bandwidth=300 * GIB)
    assert ladder.take(LADDER, card, min_speed=5).number == 2
    assert ladder.take(LADDER, card, min_speed=0).number == 1
    assert ladder.take(LADDER, replace(card, host_budget=0), min_speed=0).number == 3


def test_a_machine_of_unknown_bandwidth_takes_the_first_that_fits() -> None:
    taken = ladder.take(LADDER, machine(9, bandwidth=None), min_speed=1000)
    assert (taken.number, taken.speed, taken.too_slow) == (2, None, False)


def test_reading_is_judged_by_weights_not_by_bytes_of_a_token() -> None:
    readers = replace(LADDER, candidates=(rung("large", 8, read=0.01), rung("small", 0.1, read=0.01)))
    taken = ladder.take(readers, machine(30), min_speed=200, kind="prefill")
    assert taken.number == 2
    assert "would read" in taken.passed_over[0] and "200 are wanted" in taken.passed_over[0]
    assert ladder.take(readers, machine(30), min_speed=0, kind="prefill").number == 1
    assert ladder.take(readers, machine(30, bandwidth=None), min_speed=200, kind="prefill").number == 1


def test_the_same_machine_takes_the_same_rung_every_time() -> None:
    assert len({ladder.take(LADDER, machine(9), min_speed=10) for _ in range(5)}) == 1


class TestLocked:
    """What a locked model means without the network."""

    def test_the_task_is_named_or_that_of_the_model(self, real: Catalog) -> None:
        def task(**requested: str) -> str | None:
            found = task_of(replace(LADDER, requested=requested), real)
            return found.name if found else None

        assert task(task="text-to-sql") == "text-to-sql"
        assert task(ref="bge-m3") == task(ref="bge-m3:Q8_0") == "embeddings"
        assert task(ref="someone/else-GGUF") == "chat"
        assert task(task="unheard-of") is None

    def test_the_floor(self) -> None:
        assert floor_of(replace(LADDER, requested={"min_speed": 3}, min_speed=7.0)) == 3.0
        assert floor_of(replace(LADDER, requested={}, min_speed=7.0)) == 7.0
        assert floor_of(replace(LADDER, requested={})) == 10.0
        assert floor_of(replace(LADDER, requested={}, min_speed=0.0)) == 0.0

    def test_the_kind_of_the_floor_stands_in_the_lock(self) -> None:
        readers = replace(LADDER, candidates=(rung("large", 8, read=0.01), rung("small", 0.1, read=0.01)))
        readers = replace(readers, requested={}, min_speed=200.0)
        assert rung_for(readers, machine(30)).number == 1
        assert rung_for(replace(readers, speed_kind="prefill"), machine(30)).number == 2

    def test_the_context(self) -> None:
        assert context_of(replace(LADDER, requested={"context": 100})) == 100
        assert context_of(replace(LADDER, requested={}, context=200)) == 200
        assert context_of(replace(LADDER, requested={})) == 8192

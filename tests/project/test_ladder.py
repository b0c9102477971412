"""The candidates of a lock: which there are, and which one a machine takes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from lmpm import catalog
from lmpm.catalog import directory
from lmpm.catalog.catalog import Catalog
from lmpm.catalog.schema.task import Task
from lmpm.errors import LmpmError, NetworkError, NotFoundError, NothingFitsError, NotPermittedError, OfflineError
from lmpm.limits import GIB
from lmpm.machine.chips import load_chips
from lmpm.machine.spec import parse_spec
from lmpm.project.lock import build as choosing, ladder
from lmpm.project.lock.entry import context_of, rung_for, task_of
from lmpm.project.lock.records import LockedCandidate, LockedModel
from lmpm.project.manifest import ManifestModel
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.records import Request
from lmpm.resolver.resolver import Resolution, Resolver, request_for as ask
from lmpm.resolver.rule import AS_GOOD
from lmpm.resolver.select import select
from lmpm.resolver.waiting import Waiting
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
    catalog: Catalog = field(default_factory=lambda: catalog.load(directory()))

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
    return replace(ask(task.name, Constraints(), task, model=None), **changes)  # type: ignore[arg-type]


def resolution_for(request: Request, machine: Machine, variants: Iterable[Variant], task: Task) -> Resolution:
    variants = tuple(variants)
    choice = select(request, machine, variants)
    if choice.chosen is not None:
        choice = replace(choice, chosen=replace(choice.chosen, variant=pinned(choice.chosen.variant)))
    return Resolution(choice=choice, task=task, variants=variants, pinned=True)


def build(
    resolution: Resolution, targets: dict[str, Machine], pins: Pins | None = None, classes: Sequence[Machine] = ()
) -> tuple[LockedModel, tuple[str, ...]]:
    request = resolution.choice.request
    line = ManifestModel(
        name="x",
        task=request.task,
        context=request.context,
        min_speed=request.min_speed or None,
        prefer=None if request.prefer == "quality" else request.prefer,
    )
    _, entry, remarks = choosing.lock_model(resolution, line, cast("Resolver", pins or Pins()), targets, classes)
    return entry, remarks


@pytest.mark.parametrize("prefer", ["quality", "speed", "small"])
@pytest.mark.parametrize("task_name", ["text-to-sql", "chat", "embeddings"])
@pytest.mark.parametrize("here", MACHINES)
def test_every_machine_takes_what_is_as_good_as_the_best_for_it(
    real: Catalog,
    machines: dict[str, Machine],
    size_classes: dict[str, Machine],
    here: str,
    task_name: str,
    prefer: str,
) -> None:
    task = task_named(real, task_name)
    variants = real.variants(task)
    resolution = resolution_for(request_for(task, prefer=prefer), machines[here], variants, task)
    request = resolution.choice.request
    if resolution.choice.chosen is None:
        pytest.skip("nothing fits here")
    rng = random.Random(here)
    targets = {
        f"t{number}": machines[spec]
        for number, spec in enumerate(rng.sample(MACHINES, 3))
        if select(request, machines[spec], variants).chosen is not None
    }
    for more in ([], list(size_classes.values())):
        entry, _ = build(resolution, targets, classes=more)
        assert len(entry.candidates) <= max(len(targets) + 2, choosing.MAX_RUNGS)
        assert sorted(name for rung in entry.candidates for name in rung.targets) == sorted(targets)
        for name, machine in {"here": machines[here], **targets}.items():
            rung = rung_for(entry, machine)
            assert name == "here" or name in rung.candidate.targets
            best = select(request, machine, variants).greatest
            assert best is not None
            if prefer == "quality":
                assert rung.judged.tier <= best.judged.tier
                assert rung.judged.value >= (1 - AS_GOOD) ** 2 * best.judged.value, (name, rung.candidate.model)


@pytest.mark.parametrize("task_name", ["text-to-sql", "chat", "embeddings"])
def test_what_is_installed_is_what_the_lock_gives(
    real: Catalog, machines: dict[str, Machine], size_classes: dict[str, Machine], task_name: str
) -> None:
    task = task_named(real, task_name)
    for here in MACHINES[:3]:
        before = resolution_for(request_for(task), machines[here], real.variants(task), task)
        line = ManifestModel(name="x", task=task.name)
        after, entry, _ = choosing.lock_model(
            before, line, cast("Resolver", Pins()), machines, list(size_classes.values())
        )
        chosen = after.choice.chosen
        assert chosen is not None and after.pinned
        assert rung_for(entry, machines[here]).candidate.files == chosen.variant.files


@pytest.mark.parametrize("task_name", ["text-to-sql", "chat", "embeddings"])
def test_a_machine_of_a_common_size_that_nobody_declared_finds_its_own(
    real: Catalog, machines: dict[str, Machine], size_classes: dict[str, Machine], task_name: str
) -> None:
    task = task_named(real, task_name)
    resolution = resolution_for(request_for(task), machines["CPU, 2 cores, 24GB"], real.variants(task), task)
    bare, _ = build(resolution, {})
    entry, _ = build(resolution, {}, classes=list(size_classes.values()))
    assert len(bare.candidates) <= len(entry.candidates) <= choosing.MAX_RUNGS
    large = size_classes["RTX 4090, 64GB"]
    best = select(resolution.choice.request, large, real.variants(task)).chosen
    assert best is not None
    assert rung_for(entry, large).judged.value >= (1 - AS_GOOD) ** 2 * best.judged.value


def test_what_no_machine_takes_is_left_out(
    real: Catalog, machines: dict[str, Machine], size_classes: dict[str, Machine]
) -> None:
    task = task_named(real, "text-to-sql")
    everywhere = {"M2, 16GB", *choosing.SIZE_CLASSES}
    known = {**machines, **size_classes}
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], real.variants(task), task)
    entry, _ = build(resolution, {}, classes=list(size_classes.values()))
    taken = {rung_for(entry, known[spec]).number for spec in everywhere}
    smallest = min(range(len(entry.candidates)), key=lambda place: entry.candidates[place].memory) + 1
    assert taken | {smallest} == set(range(1, len(entry.candidates) + 1))


def test_a_ladder_without_targets_has_the_choice_and_one_for_small_machines(
    real: Catalog, machines: dict[str, Machine]
) -> None:
    task = task_named(real, "text-to-sql")
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], real.variants(task), task)
    best, small = build(resolution, {})[0].candidates
    assert small.memory < best.memory and small.memory < GIB
    assert small.targets == best.targets == ()
    assert small.license in ("apache-2.0", "mit")


def test_a_starter_alone_serves_no_target(real: Catalog, machines: dict[str, Machine]) -> None:
    task = task_named(real, "text-to-sql")
    file = ModelFile(path="s.gguf", size=3_000_000, sha256="5" * 64)
    starter = replace(
        real.variants(task)[0], source=StarterSource(task.name), files=(file,), title="starter", shape=None, score=None
    )
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], [starter], task)
    entry, _ = build(resolution, {})
    (rung,) = entry.candidates
    assert rung.source == StarterSource(task.name)
    with pytest.raises(OfflineError, match="the target `mac`"):
        build(resolution, {"mac": machines["M1, 8GB"]})


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
    hurried = Waiting(prompt_tokens=1000, first_token=(0.01, 0.02), whole=(0.01, 0.02), answer_tokens=80)
    request = request_for(task, waiting=hurried)
    resolution = resolution_for(request, machines["RTX 4090, 64GB"], real.variants(task), task)
    entry, remarks = build(resolution, {"old": machines["CPU, 8 cores, 4GB"]})
    assert [rung.targets for rung in entry.candidates if rung.targets] == [("old",)]
    (remark,) = (remark for remark in remarks if "`old`" in remark)
    assert remark.startswith("slow on the target `old`") and "tok/s" in remark


def test_what_the_hub_refuses_is_passed_over_for_a_target(real: Catalog, machines: dict[str, Machine]) -> None:
    task = task_named(real, "text-to-sql")
    request = request_for(task)
    resolution = resolution_for(request, machines["CPU, 8 cores, 4GB"], real.variants(task), task)
    wanted = select(request, machines["M4 Max, 64GB"], real.variants(task)).chosen
    assert wanted is not None and isinstance(wanted.variant.source, HubSource)
    for error in (NotFoundError("gone"), NotPermittedError("closed")):
        refused = Pins({wanted.variant.source.repo: error})
        entry, remarks = build(resolution, {"max": machines["M4 Max, 64GB"]}, refused)
        served = next(rung for rung in entry.candidates if rung.targets)
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
    best = next(rung for rung in build(resolution, target)[0].candidates if rung.targets)

    class Bad(Pins):
        def pin(self, variant: Variant) -> tuple[Variant, tuple[str, ...]]:
            known, notes = super().pin(variant)
            return replace(known, withdrawn="answers in Latin" if known.files == best.files else ""), notes

    entry, remarks = build(resolution, target, Bad())
    assert best.files not in [rung.files for rung in entry.candidates]
    assert "max" in [name for rung in entry.candidates for name in rung.targets]
    assert any("was passed over" in remark and "answers in Latin" in remark for remark in remarks)


def test_the_order_of_targets_changes_nothing(real: Catalog, machines: dict[str, Machine]) -> None:
    task = task_named(real, "chat")
    resolution = resolution_for(request_for(task), machines["M2, 16GB"], real.variants(task), task)
    targets = {f"t{number}": machines[spec] for number, spec in enumerate(MACHINES)}
    assert build(resolution, targets) == build(resolution, dict(reversed(targets.items())))


# -- taking a rung -----------------------------------------------------------


def rung(name: str, gib: float, score: float, *, read: float | None = None, **changes: object) -> LockedCandidate:
    size = int(gib * GIB)
    made = LockedCandidate(
        source=HubSource(f"org/{name}", "1" * 40),
        model=name,
        quant="Q8_0",
        license="mit",
        score=score,
        answer_tokens=100,
        memory=size,
        bytes_per_token=int((gib if read is None else read) * GIB),
        layers=32,
        files=(ModelFile(path=f"{name}.gguf", size=size, sha256=hashlib.sha256(name.encode()).hexdigest()),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def machine(gib: float, *, bandwidth: int | None = 100 * GIB, **changes: object) -> Machine:
    made = Machine(
        name="m", accelerator="metal", memory=int(64 * GIB), budget=int(gib * GIB), bandwidth=bandwidth, cores=8
    )
    return replace(made, **changes)  # type: ignore[arg-type]


LADDER = LockedModel(
    name="x",
    requested={"task": "chat"},
    candidates=(rung("large", 20, 80), rung("middle", 8, 70), rung("small", 1, 40)),
    waiting=Waiting(prompt_tokens=100, first_token=(5.0, 20.0), whole=(10.0, 40.0)),
)


@pytest.mark.parametrize(
    ("gib", "requested", "number", "is_slow"),
    [
        (30, {}, 2, False),  # the large one writes 4.3 tok/s: slow, and worth less
        (9, {}, 2, False),
        (8.3, {}, 2, False),  # it would leave 0.3 GiB, and is worth more than a quarter more
        (2, {}, 3, False),
        (30, {"min_speed": 20}, 3, False),  # the middle one does 10
        (30, {"prefer": "speed"}, 3, False),
        (30, {"prefer": "small"}, 3, False),
    ],
)
def test_the_greatest_value_is_taken(gib: float, requested: dict[str, str | int], number: int, is_slow: bool) -> None:
    taken = ladder.take(replace(LADDER, requested={"task": "chat", **requested}), machine(gib))
    assert (taken.number, taken.judged.is_slow) == (number, is_slow)
    assert taken.candidate is LADDER.candidates[number - 1]
    assert len(taken.passed_over) == 2
    assert all("budget" in words or "value" in words or "asked for" in words for words in taken.passed_over)


def test_the_order_in_the_file_does_not_matter() -> None:
    backwards = replace(LADDER, candidates=LADDER.candidates[::-1])
    for gib in (2, 8.3, 9, 30):
        assert ladder.take(LADDER, machine(gib)).candidate is ladder.take(backwards, machine(gib)).candidate


def test_nothing_fits_or_is_fast_enough() -> None:
    with pytest.raises(NothingFitsError) as caught:
        ladder.take(LADDER, machine(0.5))
    assert caught.value.message.startswith("Nothing that the lock has for `x` can be taken on this machine: 512.0 MiB")
    assert caught.value.details == (
        "large Q8_0 needs 20.0 GiB, budget 512.0 MiB",
        "middle Q8_0 needs 8.0 GiB, budget 512.0 MiB",
        "small Q8_0 needs 1.0 GiB, budget 512.0 MiB",
    )
    with pytest.raises(NothingFitsError) as caught:
        ladder.take(replace(LADDER, requested={"min_speed": 1000}), machine(2))
    assert caught.value.details[-1].endswith("tok/s, at least 1000 asked for")


def test_a_model_that_overflows_a_card_is_split_where_that_is_worth_it() -> None:
    card = machine(6, accelerator="cuda", host_budget=32 * GIB, host_bandwidth=40 * GIB, bandwidth=300 * GIB)
    sparse = replace(LADDER, candidates=(rung("sparse", 14, 80, read=1.5), *LADDER.candidates[1:]))
    assert ladder.take(sparse, card).number == 1
    assert ladder.take(replace(sparse, waiting=replace(LADDER.waiting, bulk=True)), card).number == 3  # type: ignore[type-var]
    assert ladder.take(sparse, replace(card, host_budget=0)).number == 3


def test_on_a_machine_of_unknown_bandwidth_the_score_alone_counts() -> None:
    taken = ladder.take(replace(LADDER, requested={"min_speed": 1000}), machine(30, bandwidth=None))
    assert (taken.number, taken.speed, taken.judged.is_slow) == (1, None, False)


def test_a_mode_is_a_candidate_of_its_own() -> None:
    thinks = rung("middle", 8, 85, mode="thinking", thinking_tokens=2000)
    direct = rung("middle", 8, 72, mode="direct")
    both = replace(LADDER, candidates=(thinks, direct))
    assert ladder.take(both, machine(30)).candidate is direct
    assert ladder.take(both, machine(30, bandwidth=3000 * GIB)).candidate is thinks


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

    def test_the_context(self) -> None:
        assert context_of(replace(LADDER, requested={"context": 100})) == 100
        assert context_of(replace(LADDER, requested={}, context=200)) == 200
        assert context_of(replace(LADDER, requested={})) == 8192

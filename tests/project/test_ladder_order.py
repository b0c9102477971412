"""The order of a ladder: a rung that no machine can ever take is found, and one that some machine takes is not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lmpm.errors import NothingFitsError
from lmpm.limits import GIB
from lmpm.project.lock import ladder
from lmpm.project.lock.records import Lock, LockedCandidate, LockedModel
from lmpm.project.manifest import Manifest, ManifestModel
from lmpm.project.staleness import stale_models, stale_reasons
from lmpm.types import Accelerator, HubSource, Machine, ModelFile
from tests.conftest import Cli
from tests.loopback import LoopbackHub


def some_rung(rng: random.Random, number: int) -> LockedCandidate:
    """A rung of few possible figures, so that one often beats another."""
    memory = rng.choice([1, 2, 4, 8, 16]) * GIB
    parameters = rng.choice([0, 10**9, 8 * 10**9])
    path = f"rung-{number}.gguf"
    return LockedCandidate(
        source=HubSource("org/x", "1" * 40),
        model=f"rung {number}",
        quant=rng.choice(["Q8_0", "Q4_K_M", "IQ2_XS", "UD-IQ1_M"]),
        license="mit",
        memory=memory,
        bytes_per_token=rng.choice([memory, memory // 2, memory // 8, GIB]),
        layers=rng.choice([0, 16, 32, 64]),
        architecture=rng.choice(["", "llama", "gemma3", "qwen35moe"]),
        parameters=parameters,
        active_parameters=rng.choice([parameters, parameters // 8]),
        files=(ModelFile(path=path, size=memory - GIB // 2, sha256=f"{number:064x}"),),
    )


def some_machine(rng: random.Random) -> Machine:
    kinds: list[Accelerator] = ["cpu", "metal", "cuda", "vulkan"]
    accelerator = rng.choice(kinds)
    split = accelerator in ("cuda", "vulkan") and rng.random() < 0.7
    bandwidth = rng.choice([20, 100, 400, 1000]) * 10**9
    return Machine(
        name="m",
        accelerator=accelerator,
        memory=64 * GIB,
        budget=int(rng.uniform(0.5, 20) * GIB),
        bandwidth=rng.choice([None, bandwidth, bandwidth]),
        cores=rng.choice([None, 2, 8]),
        compute=rng.choice([None, 5e12]),
        host_budget=int(rng.uniform(1, 30) * GIB) if split else 0,
        host_bandwidth=20 * 10**9 if split else None,
    )


def test_an_idle_rung_is_taken_by_no_machine() -> None:
    rng = random.Random(7)
    idle = taken = 0
    for _ in range(400):
        rungs = tuple(some_rung(rng, number) for number in range(rng.randint(2, 4)))
        model = LockedModel(name="x", requested={}, candidates=rungs)
        lazy = ladder.idle_rungs(rungs)
        idle += len(lazy)
        for _ in range(20):
            machine, floor = some_machine(rng), rng.choice([0.0, 5.0, 50.0, 1e5])
            for kind in ("decode", "prefill"):
                try:
                    rung = ladder.take(
                        model, machine, min_speed=floor, kind="prefill" if kind == "prefill" else "decode"
                    )
                except NothingFitsError:
                    continue
                taken += 1
                assert rung.number not in lazy, (lazy, rung, machine)
    assert idle > 100 and taken > 1000, "the figures are such that both happen"


def rung(memory: int, **changes: object) -> LockedCandidate:
    made = some_rung(random.Random(0), memory)
    plain = replace(
        made, quant="Q4_K_M", architecture="llama", parameters=0, active_parameters=0, layers=32,
        memory=memory * GIB, bytes_per_token=memory * GIB,
        files=(ModelFile(path=f"{memory}.gguf", size=memory * GIB, sha256=f"{memory:064x}"),),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rungs", "idle"),
    [
        ([rung(8), rung(4), rung(1)], {}),
        ([rung(4), rung(8), rung(1)], {2: 1}),
        ([rung(1), rung(4), rung(8)], {2: 1, 3: 1}),
        ([rung(4), rung(8, bytes_per_token=GIB)], {}),  # larger, but faster: a mixture of experts
        ([rung(4, layers=64), rung(8, layers=16)], {}),
        ([rung(4, quant="IQ2_XS"), rung(8)], {}),  # unpacked more slowly
    ],
)
def test_which_rungs_are_idle(rungs: list[LockedCandidate], idle: dict[int, int]) -> None:
    assert ladder.idle_rungs(rungs) == idle


def test_a_ladder_out_of_order_is_stale() -> None:
    line = ManifestModel(name="x", task="chat")
    manifest = Manifest(models={"x": line})
    model = LockedModel(name="x", requested=line.requested(), candidates=(rung(8), rung(4)))
    assert stale_reasons(manifest, Lock((model,))) == []
    swapped = Lock((replace(model, candidates=model.candidates[::-1]),))
    reason = "`x`: no machine takes variant 2, variant 1 needs no more and is as fast"
    assert stale_reasons(manifest, swapped) == [reason]
    assert stale_models(manifest, swapped) == [line]


def test_lock_check_refuses_candidates_out_of_order_and_lock_mends_them(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text('[models]\nembeddings = { task = "embeddings", context = 512 }\n')
    cli.call("lock").passed()
    text = cli.lock.read_text()
    head, *rungs = text.split("\n[[model.candidate]]\n")
    assert len(rungs) > 1
    rungs[-1] = rungs[-1].rstrip("\n") + "\n"
    cli.lock.write_text("\n[[model.candidate]]\n".join([head, *reversed(rungs)]))
    cli.call("lock", "--check").failed(7, "no machine takes variant 2", "run `lmpm lock`")
    cli.call("lock").passed()
    assert cli.lock.read_text() == text

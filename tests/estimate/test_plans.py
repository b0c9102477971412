"""The memory formula against plans that builds of llama.cpp made, kept in `tests/data/memory_plans.tsv`.

Those for a CPU are the builds' own. Those for a GPU are from the same scheduler with a device that computes nothing and
allocates by the rules of `ggml-cuda.cu`, so that layers on both sides are placed by llama.cpp itself: no GPU was asked.
`benchmarks/memory_plans.py` writes them, and has the source of the device beside it.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.memory import ROUNDED
from lmpm.estimate.memory.constants import BUILD
from lmpm.estimate.memory.exact import exact_memory
from lmpm.estimate.memory.ggml.backend import Backend
from lmpm.estimate.memory.hparams import HParams
from lmpm.estimate.memory.run_plan import LMPM
from lmpm.gguf.header import read_file
from lmpm.run_config import Repacking
from lmpm.types import MemoryParts, MemoryPlan
from tests.shapes import MODELS, write

PLANS = Path(__file__).parents[1] / "data" / "memory_plans.tsv"
GPU = Backend("cuda", "GPU")


class Row(NamedTuple):
    """A plan: bytes on the host (states are unknown beside a GPU, where they count as cache), and on the GPU."""

    build: str
    device: str
    model: str
    quant: str
    settings: str
    host: tuple[int, ...]
    gpu: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.host) + sum(self.gpu)


Plan = Callable[[Row], MemoryPlan]


def rows(build: str, device: str) -> list[Row]:
    found = []
    for line in PLANS.read_text(encoding="utf-8").splitlines()[1:]:
        *words, host, gpu = line.split("\t")
        sizes = (tuple(int(size or 0) for size in part.split(",")) for part in (host, gpu or "0,0,0"))
        found.append(Row(*words, *sizes))  # type: ignore[arg-type]
    return [row for row in found if row.build.startswith(build) and row.device == device]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The formula's plan for a row."""
    folder = tmp_path_factory.mktemp("models")

    @cache
    def model(name: str, quant: str) -> HParams:
        path = write(folder / "model.gguf", MODELS[name](), quant)
        return HParams(read_file(path))

    def plan(row: Row) -> MemoryPlan:
        repack: Repacking = "avx2" if row.device == "avx2" else "none"
        settings = replace(LMPM, **json.loads(row.settings), mmap=False, repack=repack)
        return exact_memory(model(row.model, row.quant), settings, (GPU,) if row.device == "cuda" else ())

    return plan


def off(row: Row, plan: MemoryPlan) -> dict[str, int]:
    """The parts that differ, by more than llama.cpp's log rounds them."""
    host = plan.host.parts
    gpu = plan.gpus[0].parts if plan.gpus else MemoryParts()
    mine = {"weights": host.weights, "repack": host.repack, "cache": host.kv_cache + host.recurrent,
            "compute": host.compute, "output": host.output, "GPU weights": gpu.weights,
            "GPU cache": gpu.kv_cache + gpu.recurrent, "GPU compute": gpu.compute}  # fmt: skip
    weights, repack, kv_cache, recurrent, compute, output = row.host
    truth = (weights, repack, kv_cache + recurrent, compute, output, *row.gpu)
    return {
        part: size - true for (part, size), true in zip(mine.items(), truth, strict=True) if abs(size - true) > ROUNDED
    }


@pytest.mark.parametrize("device", ["avx2", "cuda"])
def test_every_part_is_what_the_build_plans(planned: Plan, device: str) -> None:
    known = rows(BUILD, device)
    assert {row.model for row in known} >= set(MODELS) - {"Phi-2"}
    errors = {row[:5]: difference for row in known if (difference := off(row, planned(row)))}
    assert {part for difference in errors.values() for part in difference} <= {"compute", "GPU compute"}
    assert len(errors) <= 0.02 * len(known), errors
    worst = max(abs(planned(row).parts.buffers / row.total - 1) for row in known)
    assert worst <= 0.005


def test_another_build_differs_in_its_graphs_alone(planned: Plan) -> None:
    known = rows("llama.cpp 0.5.0", "avx2")
    assert len(known) >= 15
    parts = {part for row in known for part in off(row, planned(row))}
    assert parts == {"compute"}, "what this build cannot be asked about"
    errors = [abs(planned(row).parts.buffers / row.total - 1) for row in known]
    assert statistics.median(errors) <= 0.005 and max(errors) <= 0.03


def test_attention_that_lands_on_another_device_costs_its_kernel(planned: Plan) -> None:
    (row,) = (
        item
        for item in rows(BUILD, "cuda")
        if item.model == "LFM2-1.2B" and "gpu_layers" in item.settings and "unified" not in item.settings
    )
    plan = planned(row)
    assert not off(row, plan)
    forced = row._replace(settings=row.settings.replace("{", '{"flash_attention":"on",', 1))
    assert planned(forced).parts.compute < 0.4 * plan.parts.compute

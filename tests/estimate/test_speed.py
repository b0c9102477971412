"""The speed model: how near it is to published measurements, and how it must behave everywhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from benchmarks import cpu_speed as cpu_bench, measured, speed as bench
from benchmarks.fitting import share_within, summary
from benchmarks.measured import Row
from lmpm.estimate import cpu_speed, speed
from lmpm.estimate.memory.quick import estimate_memory
from lmpm.estimate.speed import Workload, workload_of
from lmpm.limits import GIB
from lmpm.machine.chips import Chips, load_chips
from lmpm.machine.spec import parse_spec
from lmpm.types import Accelerator, HubSource, Machine, ModelFile, Processor, Shape, Simd, Variant

CATALOG = Path(__file__).resolve().parents[2] / "catalog"
ACCELERATORS: tuple[Accelerator, ...] = ("metal", "cuda", "rocm", "sycl", "vulkan", "cpu")

SHAPE = Shape(
    layers=32,
    embedding_length=4096,
    heads=32,
    kv_heads=8,
    key_length=128,
    value_length=128,
    feed_forward_length=14336,
    vocabulary=128_256,
    parameters=8_030_261_312,
    active_parameters=8_030_261_312,
)


@pytest.fixture(scope="module")
def chips() -> Chips:
    return load_chips(CATALOG)


@pytest.fixture(scope="module")
def rows(chips: Chips) -> list[Row]:
    return measured.published(chips) + measured.community(chips)


@pytest.fixture(scope="module")
def by_chip(rows: list[Row]) -> list[tuple[Row, float]]:
    return bench.left_out(rows, bench.by_chip)


def machine(accelerator: Accelerator = "cuda", *, bandwidth: int = 900 * 10**9, budget: int = 22 * GIB) -> Machine:
    discrete = accelerator not in {"cpu", "metal"}
    return Machine(
        name="a machine",
        accelerator=accelerator,
        memory=64 * GIB,
        budget=budget,
        bandwidth=bandwidth,
        vram=24 * GIB if discrete else 0,
        gpus=int(discrete),
        host_budget=48 * GIB if discrete else 0,
        host_bandwidth=80 * 10**9 if discrete else None,
    )


def variant(quant: str = "Q4_K_M", *, size: int = 4_920_739_232, shape: Shape | None = SHAPE) -> Variant:
    return Variant(
        model="llama-3.1-8b-instruct",
        title="Llama-3.1-8B-Instruct",
        source=HubSource("org/repo"),
        quant=quant,
        license="llama3.1",
        files=(ModelFile(path="model.gguf", size=size),),
        context_length=131_072,
        architecture="llama",
        shape=shape,
    )


def seconds(there: Machine, *, need: int = 6 * GIB, touched: int = 5 * 10**9, layers: int = 32) -> float:
    answer = speed.seconds_per_token(there, Workload(need, touched, layers, sparse=False))
    assert answer is not None
    return answer


# measured


def test_published_speeds_are_predicted_on_chips_that_the_fit_did_not_see(by_chip: list[tuple[Row, float]]) -> None:
    dense = summary([error for row, error in by_chip if bench.GROUPS["published plain"](row)])
    experts = summary([error for row, error in by_chip if bench.GROUPS["published experts"](row)])
    assert dense.rows >= 115
    assert dense.median <= 0.07
    assert dense.within_25 >= 0.85
    assert abs(dense.bias) <= 0.03
    assert experts.rows >= 10
    assert experts.median <= 0.12


def test_published_speeds_are_predicted_of_models_that_the_fit_did_not_see(rows: list[Row]) -> None:
    errors = bench.left_out(rows, bench.by_depth)
    dense = summary([error for row, error in errors if bench.GROUPS["published plain"](row)])
    experts = summary([error for row, error in errors if bench.GROUPS["published experts"](row)])
    assert dense.median <= 0.07
    assert dense.within_25 >= 0.85
    assert experts.median <= 0.15  # 8 of the 10 rows are one model: without it little is left to fit on


def test_the_shipped_constants_are_those_that_the_benchmark_fits(rows: list[Row]) -> None:
    fitted = bench.fit(rows)
    for name, efficiency in fitted.accelerators.items():
        assert speed.FITTED.accelerators[name].bandwidth_share == pytest.approx(efficiency.bandwidth_share, rel=0.01)
        assert speed.FITTED.accelerators[name].layer_s == pytest.approx(efficiency.layer_s, rel=0.01)
    assert speed.FITTED.kinds == pytest.approx(fitted.kinds, rel=0.01)
    assert speed.FITTED.experts == pytest.approx(fitted.experts, rel=0.01)
    assert speed.FITTED.cuda_operations == pytest.approx(fitted.cuda_operations, rel=0.01)
    assert speed.FITTED.low_bit_share == pytest.approx(fitted.low_bit_share, rel=0.01)
    assert speed.FITTED.shared_share == pytest.approx(fitted.shared_share, rel=0.01)


def test_the_common_rules_are_further_off(rows: list[Row]) -> None:
    shipped = bench.predict_with(speed.FITTED)
    ours = summary([shipped(row) / row.measured - 1 for row in rows])
    for rule in (bench.llmfit_rule, bench.flat_rule):
        assert ours.median < 0.5 * summary([rule(row) / row.measured - 1 for row in rows]).median


@pytest.mark.parametrize(
    ("group", "least", "median", "held"),
    [
        ("plain", 170, 0.07, 0.9),
        ("experts", 30, 0.12, 0.85),
        ("hybrid", 20, 0.10, 0.85),
        ("GB10", 15, 0.12, 0.9),
        ("low-bit quants", 3, 0.40, 0.9),
    ],
)
def test_each_kind_has_its_own_range_on_chips_that_the_fit_did_not_see(
    by_chip: list[tuple[Row, float]], group: str, least: int, median: float, held: float
) -> None:
    inside = [(row, error) for row, error in by_chip if bench.GROUPS[group](row)]
    assert len(inside) >= least
    assert summary([error for _, error in inside]).median <= median
    assert bench.in_range(inside) >= held


def test_what_nobody_fitted_is_within_its_range_too(rows: list[Row]) -> None:
    shipped = bench.predict_with(speed.FITTED)
    arc = [(row, shipped(row) / row.measured - 1) for row in rows if bench.GROUPS["Arc"](row)]
    assert len(arc) >= 3
    low, high = speed.RANGES["unmeasured"]
    assert all(low <= 1 / (1 + error) <= high for _, error in arc)


def test_the_fit_is_nowhere_worse_than_what_it_replaced(rows: list[Row]) -> None:
    shipped = bench.predict_with(speed.FITTED)
    for group, belongs in bench.GROUPS.items():
        inside = [row for row in rows if belongs(row)]
        now = summary([shipped(row) / row.measured - 1 for row in inside])
        before = summary([bench.predict_before(row) / row.measured - 1 for row in inside])
        # what it replaced was fitted on the one CPU that had rows then
        assert now.median <= before.median + (0.05 if group == "CPU" else 0.02), group


def test_cpus_are_predicted_by_cores_and_instructions(chips: Chips) -> None:
    runs = cpu_bench.published(chips)
    decode = cpu_bench.decode_with(cpu_speed.FITTED)
    for group, rows, median in (("PCs", 60, 0.15), ("low-bit quants", 5, 0.15)):
        inside = [run for run in runs if cpu_bench.GROUPS[group](run) and run.decode]
        assert len(inside) >= rows
        errors = [decode(run) / run.decode - 1 for run in inside]
        assert summary(errors).median <= median
        low, high = speed.RANGES["cpu" if group == "PCs" else "low-bit"]
        assert share_within(errors, low, high) >= 0.85
        if group == "PCs":
            unnamed = [cpu_bench.before_unnamed(run) / run.decode - 1 for run in inside]
            assert summary(errors).median < 0.5 * summary(unnamed).median


def test_cleaning_drops_what_is_not_one_plain_run(rows: list[Row]) -> None:
    cleaned = [row for row in rows if row.table == "tps_community"]
    assert 120 <= len(cleaned) <= 200
    for row in cleaned:
        assert row.measured <= row.part.bandwidth / row.touched
    assert len({(row.chip, row.model, row.quant) for row in cleaned}) == len(cleaned)


def test_a_filling_cache_slows_decoding_as_measured(chips: Chips) -> None:
    errors = [row.predicted / row.measured - 1 for row in measured.deep(chips)]
    assert len(errors) >= 8
    assert summary(errors).median <= 0.05
    assert summary(errors).within_25 == 1.0


def test_splits_are_not_far_from_measured_ones(chips: Chips) -> None:
    found = measured.splits(chips)
    assert len(found) >= 8
    for split in found:
        assert 0.7 <= split.predicted / split.measured <= 2.0, split


def test_prompts_are_read_as_fast_as_measured(chips: Chips) -> None:
    ratios = [row.predicted / row.measured - 1 for row in measured.prefill(chips)]
    assert len(ratios) >= 10
    assert abs(summary(ratios).bias) <= 0.15


# how it must behave


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_more_bandwidth_is_never_slower_and_more_bytes_or_layers_never_faster(accelerator: Accelerator) -> None:
    usual = seconds(machine(accelerator))
    assert seconds(machine(accelerator, bandwidth=1000 * 10**9)) < usual
    assert seconds(machine(accelerator), touched=6 * 10**9) > usual
    assert seconds(machine(accelerator), layers=40) > usual


def test_a_split_lies_between_the_gpu_and_the_cpu() -> None:
    gpu, cpu = machine(budget=60 * GIB), machine("cpu", bandwidth=80 * 10**9, budget=60 * GIB)
    whole, host = (seconds(there, need=30 * GIB, touched=29 * GIB, layers=60) for there in (gpu, cpu))
    previous = whole
    for budget in (29, 20, 10, 2):
        split = seconds(machine(budget=budget * GIB), need=30 * GIB, touched=29 * GIB, layers=60)
        assert previous < split < host
        previous = split


def test_a_model_that_is_just_too_large_for_the_gpu_slows_down_at_once() -> None:
    fits = seconds(machine(), need=22 * GIB, touched=21 * GIB)
    assert seconds(machine(), need=22 * GIB + 1, touched=21 * GIB) > 1.3 * fits


def test_no_speed_is_given_where_it_would_thrash_or_nothing_is_known() -> None:
    small = machine("metal", budget=4 * GIB)
    need = estimate_memory(variant(), 8192)
    assert speed.will_thrash(small, need.total)
    assert speed.predict_speed(small, workload_of(variant(), need), prompt=512) is None
    assert not speed.will_thrash(machine(), need.total)
    assert speed.predict_speed(replace(machine(), bandwidth=None), workload_of(variant(), need), prompt=512) is None
    lonely = replace(machine(budget=3 * GIB), host_bandwidth=None)
    assert speed.predict_speed(lonely, workload_of(variant(), need), prompt=512) is None


def test_a_mixture_of_experts_takes_longer_for_a_layer_and_tells_itself_by_its_bytes() -> None:
    there = machine()
    told = speed.seconds_per_token(there, Workload(18 * GIB, 2 * 10**9, 48, sparse=True))
    assert speed.seconds_per_token(there, Workload(18 * GIB, 2 * 10**9, 48)) == told
    dense = speed.seconds_per_token(there, Workload(18 * GIB, 2 * 10**9, 48, sparse=False))
    assert told is not None
    assert dense is not None
    assert told > dense
    assert speed.seconds_per_token(there, Workload(6 * GIB, 5 * 10**9, 32)) == seconds(there)


def test_layers_of_some_architectures_take_longer() -> None:
    there = machine("metal")
    plain, gemma, hybrid = (
        speed.seconds_per_token(there, Workload(6 * GIB, 10**9, 32, kind=speed.kind_of(name)))
        for name in ("llama", "gemma3", "qwen35")
    )
    assert plain is not None
    assert gemma is not None
    assert hybrid is not None
    assert plain < hybrid < gemma


def test_low_bit_quants_read_slower_for_a_byte() -> None:
    need = estimate_memory(variant(), 8192)
    usual = speed.predict_speed(machine(), workload_of(variant(), need), prompt=512)
    low = speed.predict_speed(machine(), workload_of(variant("IQ2_XS"), need), prompt=512)
    assert usual is not None
    assert low is not None
    assert low.decode < usual.decode
    assert not low.confident
    assert (
        speed.predict_speed(machine(), workload_of(variant("UD-IQ2_XS"), need), prompt=512) == low
    )  # however it was made


def test_a_card_without_fast_arithmetic_does_not_reach_its_bandwidth() -> None:
    slow = replace(machine(), compute=5e12)
    assert seconds(slow) > 2 * seconds(machine())
    assert seconds(replace(machine(), compute=1e14)) == seconds(machine())


def cpu(cores: int, simd: Simd = "avx2", *, server: bool = False, sockets: int = 1, bandwidth: int = 90) -> Machine:
    processor = Processor(simd=simd, server=server, sockets=sockets)
    return replace(machine("cpu", bandwidth=bandwidth * 10**9), cores=cores, processor=processor)


def test_four_eight_and_sixteen_cores_are_not_one_speed() -> None:
    speeds = [1 / seconds(cpu(cores, bandwidth=200)) for cores in (1, 2, 4, 8, 16)]
    assert speeds == sorted(speeds)
    assert speeds[2] < 0.85 * speeds[3] < 0.9 * speeds[4]
    # a memory of a PC is used up by fewer
    assert seconds(cpu(16, bandwidth=50)) > 0.9 * seconds(cpu(8, bandwidth=50))


def test_better_instructions_are_never_slower() -> None:
    ladder: tuple[Simd, ...] = ("avx2", "avx512-vnni", "avx512-bf16", "avx512-full")
    assert [seconds(cpu(4, simd)) for simd in ladder] == sorted(
        (seconds(cpu(4, simd)) for simd in ladder), reverse=True
    )
    prompts = [prompt_speed(cpu(8, simd)) for simd in (*ladder, "amx")]
    assert prompts == sorted(prompts)
    arm: tuple[Simd, ...] = ("neon", "dotprod", "i8mm")
    assert [prompt_speed(cpu(8, simd)) for simd in arm] == sorted(prompt_speed(cpu(8, simd)) for simd in arm)


def test_a_server_core_is_slower_than_that_of_a_pc_and_a_second_socket_helps_little() -> None:
    assert seconds(cpu(4, server=True, bandwidth=300)) > seconds(cpu(4, bandwidth=300))
    assert prompt_speed(cpu(4, server=True)) < prompt_speed(cpu(4))
    assert seconds(cpu(64, server=True, sockets=2, bandwidth=300)) > seconds(cpu(64, server=True, bandwidth=300))


@pytest.mark.parametrize("simd", [simd for simd in get_args(Simd) if simd])
def test_every_kind_of_instructions_has_its_constants(simd: Simd) -> None:
    assert seconds(cpu(8, simd)) > 0
    assert prompt_speed(cpu(8, simd)) > 0


def prompt_speed(there: Machine) -> float:
    found = speed.predict_speed(there, workload_of(variant(), estimate_memory(variant(), 4096)), prompt=512)
    assert found is not None
    return found.prefill


@pytest.mark.parametrize(("accelerator", "share"), [("cuda", 0.33), ("vulkan", 0.33), ("metal", 0.6)])
def test_the_prompt_of_a_mixture_of_experts_is_worth_a_part_of_its_arithmetic(
    accelerator: Accelerator, share: float
) -> None:
    there = replace(machine(budget=60 * GIB), accelerator=accelerator, compute=7e13)
    dense = replace(SHAPE, parameters=3_000_000_000, active_parameters=3_000_000_000)
    sparse = replace(SHAPE, parameters=30_000_000_000, active_parameters=3_000_000_000)
    speeds = []
    for shape in (dense, sparse):
        one = variant(shape=shape)
        found = speed.predict_speed(there, workload_of(one, estimate_memory(one, 4096)), prompt=512)
        assert found is not None
        speeds.append(found.prefill)
    assert speeds[1] == pytest.approx(speeds[0] * share, rel=0.02)


@pytest.mark.parametrize(
    ("spec", "architecture", "quant", "sparse", "group"),
    [
        ("RTX 4090, 64GB", "llama", "Q4_K_M", False, "plain"),
        ("RTX 4090, 64GB", "qwen3moe", "Q4_K_M", True, "experts"),
        ("RTX 4090, 64GB", "qwen35", "Q4_K_M", False, "hybrid"),
        ("RTX 4090, 64GB", "llama", "IQ2_XS", False, "low-bit"),
        ("RTX 4090, 64GB", "llama", "UD-IQ1_M", False, "low-bit"),
        ("DGX Spark", "llama", "Q4_K_M", False, "shared"),
        ("Arc B580, 32GB", "llama", "Q4_K_M", False, "unmeasured"),
        ("H100, 64GB", "llama", "Q4_K_M", False, "unmeasured"),  # which of its builds is not said
        ("Ryzen 5 5600X, 32GB", "llama", "Q4_K_M", False, "cpu"),
        ("Ryzen 5 5600X, 32GB", "qwen3moe", "Q4_K_M", True, "cpu-experts"),
        ("EPYC 9654, 256GB", "llama", "Q4_K_M", False, "server"),
        ("16GB", "llama", "Q4_K_M", False, "unmeasured"),
    ],
)
def test_a_prediction_says_how_sure_it_is(
    spec: str, architecture: str, quant: str, sparse: bool, group: speed.Group, chips: Chips
) -> None:
    there = parse_spec(spec, chips)
    shape = replace(SHAPE, active_parameters=1_000_000_000) if sparse else SHAPE
    one = replace(variant(quant, shape=shape), architecture=architecture)
    found = speed.predict_speed(there, workload_of(one, estimate_memory(one, 4096)), prompt=512)
    assert found is not None
    low, high = speed.RANGES[group]
    assert found.decode_low == pytest.approx(found.decode * low)
    assert found.decode_high == pytest.approx(found.decode * high)
    assert found.confident is (high <= 2 * low)


def test_a_variant_without_a_shape_is_predicted_without_confidence() -> None:
    bare = variant(shape=None)
    found = speed.predict_speed(machine(), workload_of(bare, estimate_memory(bare, 4096)), prompt=512)
    assert found is not None
    assert not found.confident


def test_the_first_token_waits_for_the_prompt() -> None:
    there = replace(machine(), compute=7e13)
    need = estimate_memory(variant(), 8192)
    short, long = (speed.predict_speed(there, workload_of(variant(), need), prompt=prompt) for prompt in (512, 4096))
    assert short is not None
    assert long is not None
    assert short.prefill == pytest.approx(7e13 / (2 * SHAPE.parameters))
    assert long.first_token_s - short.first_token_s == pytest.approx((4096 - 512) / short.prefill)
    assert short.first_token_s > 512 / short.prefill


def test_a_split_model_reads_its_prompt_slower_than_a_whole_one() -> None:
    there = replace(machine(), compute=7e13)
    need = estimate_memory(variant(), 8192)
    whole = speed.predict_speed(there, workload_of(variant(), need), prompt=512)
    split = speed.predict_speed(replace(there, budget=4 * GIB), workload_of(variant(), need), prompt=512)
    assert whole is not None
    assert split is not None
    assert split.placement == "split"
    assert split.prefill < whole.prefill

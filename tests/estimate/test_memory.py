"""The memory formula against llama.cpp's own plan, and the rules of placement against its source."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.memory import PARTS, compare
from lmpm import engine
from lmpm.engine import planner
from lmpm.errors import EngineError, IntegrityError
from lmpm.estimate.memory.architectures import ARCHITECTURES
from lmpm.estimate.memory.constants import padded
from lmpm.estimate.memory.exact import exact_memory as needed, memory_by_header
from lmpm.estimate.memory.fit import largest_context
from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.ggml.allocator import Buffer, allocate
from lmpm.estimate.memory.ggml.backend import Backend, repacking
from lmpm.estimate.memory.hparams import HParams
from lmpm.estimate.memory.projector import projector_need
from lmpm.estimate.memory.run_plan import LLAMA_SERVER, LMPM, refusal, resolve
from lmpm.estimate.memory.weights import Placement
from lmpm.fs import JsonCache
from lmpm.gguf.header import read_file
from lmpm.gguf.parts import Part, local_part
from lmpm.run_config import RunConfig
from tests.gguf_files import write_bert, write_llama, write_unknown_architecture
from tests.shapes import MODELS, write
from tests.shapes.projectors import PROJECTORS

SETTINGS = (
    replace(LLAMA_SERVER, context=16384, kv_type="q8_0"),
    replace(LMPM, context=4096, flash_attention="off"),
)
SLICE = (
    "Llama-3.2-1B", "Qwen3-30B-A3B", "Gemma-3-1B", "gpt-oss-20b", "Phi-3.5-mini", "DeepSeek-V2-Lite", "Qwen3.5-4B",
    "LFM2-1.2B", "Granite-4-Tiny", "EmbeddingGemma",
)  # fmt: skip
CUDA = Backend("cuda", "CUDA0")


def header_model(tmp_path: Path, name: str, quant: str = "Q4_K") -> HParams:
    return HParams(read_file(write(tmp_path / "model.gguf", MODELS[name](), quant)))


def test_every_part_is_what_llama_cpp_plans(tmp_path: Path) -> None:
    rows = list(compare(SLICE, SETTINGS, tmp_path))
    assert len(rows) >= len(SLICE)
    for part in ("weights", "repack", "kv_cache", "recurrent"):
        assert {row.model: row.error(part) for row in rows if row.error(part)} == {}
    errors = sorted(abs(row.error("total")) for row in rows)
    assert statistics.median(errors) <= 0.001
    assert errors[int(len(errors) * 0.9)] <= 0.01
    assert errors[-1] <= 0.05
    assert min(row.error("total") for row in rows) >= -0.01
    assert PARTS[-1] == "total"


def test_a_loaded_model_takes_what_was_planned(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "m.gguf", layers=4, dim=256, vocab=2000, quant="Q4_0")[0]
    settings = replace(LMPM, context=512, repack=repacking(engine.default_engine().probe().system_info))
    with engine.default_engine().open(engine.Files(path), settings, engine.EngineLimits()) as session:
        session.complete("x", max_tokens=1)
        measured = session.memory().total
    found = needed(read_file(path), settings)
    assert found.parts.buffers == pytest.approx(measured, abs=5 * 6 * 1024)
    assert found.reclaimable > 0  # the pages of the file that were repacked


def test_a_dry_run_reads_only_the_header(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "m.gguf", layers=4, dim=256, vocab=2000)[0]
    data = path.read_bytes()
    reads: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        reads.append(offset + length)
        return data[offset : offset + length]

    part = Part("dir/m.gguf", len(data), read_at)
    copy = planner.sparse_copy(part, tmp_path)
    header = read_file(path)
    assert copy.stat().st_size == len(data)
    assert copy.read_bytes()[: header.size] == data[: header.size]
    plan = RunConfig(context=512)
    assert planner.dry_run([part], plan) == engine.default_engine().plan(path, plan)


def test_a_plan_is_kept_for_the_whole_header_whatever_sha256_is_claimed(tmp_path: Path) -> None:
    """Two headers of one claimed sha256 that differ behind the vocabulary alone are planned each by itself."""
    parts = []
    for name in "ab":
        (path,) = write_llama(tmp_path / f"{name}.gguf", vocab=8000, extra={"note.last": name})
        parts.append(local_part(path, "m.gguf", "1" * 64))
    first, second = (part.read_at(0, 2**16) for part in parts)
    assert first == second and len(first) == 2**16
    asked = planner.MemoryPlanner(tmp_path / "plans", "here", "this", engine.default_engine())
    for part in (*parts, *parts):
        asked.ask([part], RunConfig(context=128))
    assert JsonCache(tmp_path / "plans").usage().notes == 2


def test_a_dry_run_of_a_file_that_llama_cpp_does_not_know(tmp_path: Path) -> None:
    path = write_unknown_architecture(tmp_path / "m.gguf")
    with pytest.raises(EngineError, match=r"newer llama\.cpp"):
        engine.default_engine().plan(path, RunConfig(context=512))
    broken = Part("m.gguf", 8, lambda offset, length: b"nonsense"[offset : offset + length])
    with pytest.raises(IntegrityError):
        planner.dry_run([broken], RunConfig(context=512))


def test_every_known_architecture_is_measured() -> None:
    assert {shape().architecture for shape in MODELS.values()} == set(ARCHITECTURES)


def test_layers_that_predict_further_tokens_take_nothing(tmp_path: Path) -> None:
    model = header_model(tmp_path, "GLM-4.5-Air")
    placement = Placement(model, replace(LMPM, context=512))
    assert model.all_layers == model.layers + 1
    assert not model.has_cache(model.layers)
    assert not any(tensor.name.startswith(f"blk.{model.layers}.") for tensor, _ in placement.weights())


def test_an_unknown_architecture_gives_a_bound(tmp_path: Path) -> None:
    unknown = needed(read_file(write_unknown_architecture(tmp_path / "u.gguf")), replace(LMPM, context=512))
    known = needed(read_file(write_llama(tmp_path / "k.gguf", layers=1)[0]), replace(LMPM, context=512))
    assert unknown.source == "at least"
    assert known.source == "header"
    assert unknown.parts.compute > known.parts.compute
    assert unknown.parts.kv_cache == known.parts.kv_cache


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [("block_count", 10**6, "layers"), ("expert_used_count", 7, "experts"), ("context_length", 2**63, "not below"),
     ("attention.head_count", -1, "not below"), ("nextn_predict_layers", 5, "layers")],
)  # fmt: skip
def test_numbers_that_llama_cpp_refuses(tmp_path: Path, key: str, value: int, reason: str) -> None:
    header = read_file(write_llama(tmp_path / "m.gguf", layers=1)[0])
    metadata = dict(header.metadata) | {f"llama.{key}": value}
    with pytest.raises(ValueError, match=reason):
        needed(replace(header, metadata=metadata), replace(LMPM, context=512))
    with pytest.raises(ValueError, match="tensor table"):
        needed(replace(header, tensors=()), replace(LMPM, context=512))


def test_keys_that_may_mean_more_are_named(tmp_path: Path) -> None:
    header = read_file(write_unknown_architecture(tmp_path / "u.gguf"))
    keys = ("num_loops", "attention.indexer.head_count", "rope.freq_base")
    more = dict(header.metadata) | {f"{header.architecture}.{key}": 2 for key in keys}
    found = needed(replace(header, metadata=more), replace(LMPM, context=512))
    assert found.unknown_keys == ("attention.indexer.head_count", "num_loops")
    known = read_file(write_llama(tmp_path / "k.gguf", layers=1)[0])
    assert needed(known, replace(LMPM, context=512)).unknown_keys == ()


@pytest.mark.parametrize("name", ["Gemma-4-E2B", "Gemma-3n-E4B", "Llama-3.2-1B"])
def test_tied_tables_are_the_same_pages_of_a_mapped_file(tmp_path: Path, name: str) -> None:
    model = header_model(tmp_path, name)
    settings = replace(LMPM, context=512, repack="none")
    weights = sum(tensor.nbytes for tensor in model.tensors.values())
    mapped = needed(model, settings)
    assert mapped.parts.weights - mapped.reclaimable == pytest.approx(weights, rel=1e-4)
    copied = needed(model, replace(settings, mmap=False)).parts.weights
    twice = model.tensors["token_embd.weight"].nbytes if model.architecture.tied_twice else 0
    assert copied == pytest.approx(weights + twice, rel=1e-4)
    assert memory_by_header(model, settings).parts.weights == pytest.approx(weights, rel=1e-4)


def test_a_header_that_lies_gives_a_bound(tmp_path: Path) -> None:
    header = read_file(write_llama(tmp_path / "m.gguf", layers=2)[0])
    without = tuple(tensor for tensor in header.tensors if tensor.name != "blk.1.ffn_down.weight")
    settings = replace(LMPM, context=512)
    found = needed(replace(header, tensors=without), settings)
    assert found.source == "at least"
    assert found.parts.compute >= needed(header, settings).parts.compute


def test_the_largest_context_that_fits(tmp_path: Path) -> None:
    model = header_model(tmp_path, "Llama-3.2-1B")
    budget = 4 * 2**30

    def total(context: int) -> int:
        return needed(model, replace(LMPM, context=context)).total

    found = largest_context(model.context_length, lambda context: total(context) <= budget)
    assert found % 256 == 0
    assert total(found) <= budget
    assert total(found + 256) > budget
    assert largest_context(model.context_length, lambda _: False) == 0
    assert largest_context(model.context_length, lambda _: True) == model.context_length


def test_settings_that_llama_cpp_refuses(tmp_path: Path) -> None:
    llama, phi = header_model(tmp_path, "Llama-3.2-1B"), header_model(tmp_path, "Phi-2")
    assert refusal(replace(LMPM, kv_type="q8_0"), llama) is None
    assert "flash attention" in str(refusal(replace(LMPM, kv_type="q8_0", flash_attention="off"), llama))
    assert "80 elements" in str(refusal(replace(LMPM, kv_type="q8_0"), phi))
    assert refusal(replace(LMPM, kv_type="q8_0", value_type="f16", flash_attention="off"), phi) is None
    latent = header_model(tmp_path, "DeepSeek-V2-Lite")
    assert "one type" in str(refusal(replace(LMPM, value_type="q8_0"), latent))


def test_an_encoder_keeps_no_cache(tmp_path: Path) -> None:
    found = needed(read_file(write_bert(tmp_path / "b.gguf")), replace(LMPM, context=256, embeddings=True))
    assert found.parts.kv_cache == found.parts.recurrent == 0
    assert found.parts.compute > 0


@pytest.mark.parametrize(
    ("name", "compute"),  # MiB, as llama.cpp logs them for the warm-up
    [("Gemma-3", 121.25), ("SmolVLM2-2.2B", 21.58), ("Qwen2-VL-7B", 267.08), ("Qwen2.5-VL-7B", 704.79),
     ("Qwen3-VL-8B", 372.08), ("Pixtral-12B", 16.56), ("InternVL3-2B", 28.03), ("LFM2-VL-1.6B", 30.31)],
)  # fmt: skip
def test_encoders_of_pictures_take_what_llama_cpp_reserves(tmp_path: Path, name: str, compute: float) -> None:
    header = read_file(write(tmp_path / "mmproj.gguf", PROJECTORS[name](), "F16"))
    found = projector_need(header)
    assert found.compute / 2**20 == pytest.approx(compute, abs=0.01)
    assert not found.is_bound
    assert projector_need(header, CUDA).compute == pytest.approx(found.compute, rel=0.3)
    model = header_model(tmp_path, "Gemma-3-1B")
    assert needed(model, replace(LMPM, context=512), mmproj=header).parts.mmproj == found.total


@pytest.mark.parametrize(
    ("layers", "places"),
    [(0, [1, 1, 1, 1, 1]), (1, [1, 1, 1, 1, 0]), (3, [1, 1, 0, 0, 0]), (5, [0, 0, 0, 0, 0]), (None, [0, 0, 0, 0, 0])],
)
def test_the_last_layers_are_offloaded_first(tmp_path: Path, layers: int | None, places: list[int]) -> None:
    model = HParams(read_file(write_llama(tmp_path / "m.gguf", layers=4)[0]))
    placement = Placement(model, replace(LMPM, context=512, gpu_layers=layers), (CUDA,))
    assert [placement.of_layer(layer) for layer in range(5)] == places
    assert placement.of("token_embd.weight") == 1  # always on the host
    assert placement.of("output_norm.weight") == places[4]


def test_layers_are_shared_by_the_memory_of_the_gpus(tmp_path: Path) -> None:
    model = HParams(read_file(write_llama(tmp_path / "m.gguf", layers=7)[0]))
    gpus = (Backend("cuda", "CUDA0", share=3.0), Backend("cuda", "CUDA1", share=1.0))
    placement = Placement(model, replace(LMPM, context=512), gpus)
    assert [placement.of_layer(layer) for layer in range(8)] == [0, 0, 0, 0, 0, 0, 1, 1]


def test_experts_may_stay_on_the_host(tmp_path: Path) -> None:
    model = header_model(tmp_path, "OLMoE-1B-7B")
    for kept, expected in ((0, (0, 0)), (1, (1, 0)), (None, (1, 1))):
        placement = Placement(model, replace(LMPM, context=512, expert_layers_on_cpu=kept), (CUDA,))
        assert tuple(placement.of(f"blk.{layer}.ffn_up_exps.weight") for layer in (0, 1)) == expected
        assert placement.of("blk.0.ffn_gate_inp.weight") == 0


def test_tied_embeddings_count_twice_on_a_gpu(tmp_path: Path) -> None:
    model = header_model(tmp_path, "Llama-3.2-1B")
    table = model.tensors["token_embd.weight"].nbytes
    settings = replace(LMPM, context=512, mmap=False, repack="none")
    alone, split = needed(model, settings), needed(model, settings, (CUDA,))
    assert split.parts.weights - alone.parts.weights == pytest.approx(table, rel=1e-3)
    assert split.devices[1].parts.weights == pytest.approx(table, rel=1e-6)


def test_nothing_is_repacked_beside_cuda(tmp_path: Path) -> None:
    model = header_model(tmp_path, "Llama-3.2-1B", "Q4_0")
    settings = replace(LMPM, context=512, gpu_layers=4)
    assert needed(model, settings).parts.repack > 0
    assert needed(model, settings, (CUDA,)).parts.repack == 0
    assert needed(model, settings, (Backend("metal", "MTL0"),)).parts.repack > 0


def test_a_gpu_with_everything_leaves_the_host_little(tmp_path: Path) -> None:
    model = header_model(tmp_path, "Llama-3.1-8B")
    gpu, host = needed(model, replace(LLAMA_SERVER, context=8192), (CUDA,)).devices
    assert gpu.parts.kv_cache == 8192 * 128 * 1024
    assert host.parts.kv_cache == 0
    assert gpu.parts.compute == pytest.approx(124 * 2**20, rel=0.01)  # 8 MiB more than builds before b11500


def test_memory_grows_with_what_is_asked(tmp_path: Path) -> None:
    model = header_model(tmp_path, "Gemma-3-1B")

    def total(**changes: object) -> int:
        return needed(model, replace(LMPM, context=8192, **changes)).total  # type: ignore[arg-type]

    assert total(kv_type="q4_0") < total(kv_type="q8_0") < total()
    assert total(swa_full=True) > total()
    assert total(ubatch=2048) > total()
    assert total(sequences=4) > total()
    assert total(flash_attention="off") > total()
    assert total(outputs=0) > total()


def test_settings_are_resolved_as_llama_cpp_does(tmp_path: Path) -> None:
    model = header_model(tmp_path, "gpt-oss-20b")
    plan = resolve(replace(LLAMA_SERVER, context=10000), model)
    assert (plan.context, plan.cells, plan.streams) == (10240, 10240, 1)
    assert plan.window_cells == 1024  # four windows of 128, and a batch
    plan = resolve(replace(LMPM, context=10000, sequences=3), model)
    assert (plan.context, plan.cells, plan.streams) == (3 * 3584, 3584, 3)
    assert plan.tokens % 3 == 0
    assert resolve(LMPM, model).context == model.context_length
    with pytest.raises(ValueError, match="q3_0"):
        RunConfig(context=1, kv_type="q3_0")


def test_a_header_without_its_tensors_is_not_enough(tmp_path: Path) -> None:
    header = read_file(write_llama(tmp_path / "m.gguf")[0], tensors=False)
    with pytest.raises(ValueError, match="tensor table"):
        needed(header, LMPM)


def test_operands_are_overwritten_when_nobody_else_reads_them() -> None:
    a = op.Tensor("F32", (256, 4))
    a.is_input = True
    normed = op.like("rms_norm", a)
    scaled = op.like("scale", normed)
    kept = op.mul_mat(normed, scaled)
    for item in (a, normed, scaled, kept):
        item.backend = 0
    buffer = Buffer(lambda item: item.nbytes)
    allocate([a], [normed, scaled, kept], [buffer])
    # the norm takes the input's place; what is read twice is not overwritten
    assert buffer.peak == 2 * a.nbytes + kept.nbytes


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("CPU : AVX2 = 1 | REPACK = 1", "avx2"),
        ("CPU : AVX2 = 1 | AVX512 = 1 | REPACK = 1", "avx512"),
        ("CPU : NEON = 1 | DOTPROD = 1 | REPACK = 1", "neon"),
        ("CPU : AVX2 = 1", "none"),
    ],
)
def test_what_a_processor_repacks(features: str, expected: str) -> None:
    assert repacking(features) == expected


def test_the_package_still_ranks_from_few_facts() -> None:
    assert padded(1000) == 1024

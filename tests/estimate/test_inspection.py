"""`lmpm inspect`: facts, memory and speed of a file from its header alone, here and on the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmpm.estimate.memory.exact import exact_memory
from lmpm.estimate.memory.fit import fits, gpus_of, largest_context
from lmpm.gguf.header import read_file
from lmpm.machine.chips import load_chips
from lmpm.machine.spec import parse_spec
from lmpm.run_config import RunConfig
from tests.conftest import ROOT, Cli
from tests.gguf_files import BAD_FILES, write_llama
from tests.loopback import LoopbackHub
from tests.remote import served
from tests.shapes import MODELS, write

BIG = "big-Q4_K_M.gguf"
PARTS = (
    "weights",
    "repack",
    "kv_cache",
    "recurrent",
    "compute",
    "output",
    "mmproj",
    "tokenizer",
    "overhead",
    "history",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny-llama.Q8_0.gguf"
    return write_llama(path, layers=3, dim=128, heads=4, kv_heads=2, ffn=192, context=8192, quant="Q8_0")[0]


def machine(spec: str) -> Any:
    return parse_spec(spec, load_chips(ROOT / "catalog"))


def test_a_file_is_told_in_json(cli: Cli, model: Path) -> None:
    found = cli.call("inspect", model, "--context", 4096, "--json").passed().json
    assert found["file"] == {"path": str(model), "size": model.stat().st_size, "shards": 1}
    assert (found["architecture"], found["quant"], found["layers"]) == ("llama", "Q8_0", 3)
    assert found["context_length"] == 8192
    memory = found["memory"]
    assert memory["context"] == 4096 and memory["source"] == "estimated"
    assert set(memory["parts"]) == set(PARTS) and all(isinstance(size, int) for size in memory["parts"].values())
    assert memory["total"] == sum(memory["parts"].values()) == sum(item["total"] for item in memory["devices"])
    # 3 layers of 2 heads with 32 elements, a key and a value, f16
    assert memory["parts"]["kv_cache"] == 4096 * 3 * 2 * 32 * 2 * 2
    low, high = found["speed"]["decode"]
    assert 0 < low < high and found["speed"]["unit"] == "tok/s"
    assert found["fits"] is True and found["max_context"] == 8192


def test_llama_cpp_agrees_when_asked(cli: Cli, model: Path) -> None:
    found = cli.run("inspect", model, "--context", 2048, "--exact", "--json").passed().json
    memory = found["memory"]
    assert memory["source"] == "dry-run"
    assert memory["total"] == sum(memory["parts"].values()) == sum(item["total"] for item in memory["devices"])
    exact = memory["exact"]
    assert exact["total"] > 0
    assert abs(exact["estimated"] - exact["total"]) <= 0.001 * exact["total"]


def test_settings_change_what_they_should(cli: Cli, model: Path) -> None:
    def parts(*options: object) -> dict[str, int]:
        found: dict[str, int] = (
            cli.call("inspect", model, "-c", 4096, *options, "--json").passed().json["memory"]["parts"]
        )
        return found

    plain = parts()
    assert parts("--kv-type", "q8_0")["kv_cache"] == plain["kv_cache"] * 34 // 64
    assert parts("--parallel", 4, "--kv-unified")["kv_cache"] == plain["kv_cache"]
    assert parts("--outputs", 0)["compute"] > plain["compute"], "logits of every token"
    assert parts("--flash-attn", "off")["compute"] > plain["compute"], "a matrix of all scores"
    assert parts("--ubatch", 2048)["compute"] > plain["compute"]
    assert parts("--preset", "llama-server")["output"] == 4 * plain["output"]
    cli.call("inspect", model, "--kv-type", "q3_x").failed(2, "q3_x")
    cli.call("inspect", model, "--kv-type", "q8_0", "--flash-attn", "off").failed(2, "need flash attention")


def test_a_gpu_and_the_host_share_a_model(model: Path) -> None:
    header = read_file(model)
    gpus = gpus_of(machine("RTX 4090"))
    whole = exact_memory(header, RunConfig(context=4096), gpus)
    split = exact_memory(header, RunConfig(context=4096, gpu_layers=2), gpus)
    none = exact_memory(header, RunConfig(context=4096, gpu_layers=0), gpus)
    on_gpu = [item.devices[0].parts.weights + item.devices[0].parts.kv_cache for item in (whole, split, none)]
    assert on_gpu[0] > on_gpu[1] > on_gpu[2] == 0
    assert whole.parts.kv_cache == split.parts.kv_cache == none.parts.kv_cache


def test_the_largest_context_is_the_edge(model: Path) -> None:
    header = read_file(model)
    for spec in ("CPU, 2 cores, 1GB", "M2 16GB", "RTX 3060 12GB, 32GB"):
        box = machine(spec)

        def fits_at(context: int, box: Any = box) -> bool:
            return fits(exact_memory(header, RunConfig(context=context), gpus_of(box)), box)

        largest = largest_context(8192, fits_at)
        assert largest == 8192 or not fits_at(largest + 256)
        assert not largest or fits_at(largest)


@pytest.fixture
def big(cli: Cli) -> Iterator[tuple[LoopbackHub, int]]:
    """A Hub with a model of 5 GB and a vocabulary of 150,000 tokens, and the bytes of its header."""
    content, header = served("Llama-3.1-8B", "Q4_K", file=BIG, tokens=150_000)
    assert content.size > 4.7e9 and header > 5e6
    with LoopbackHub() as hub:
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        hub.add_repo("maker/big-GGUF", {BIG: content, "big-Q8_0.gguf": served("Llama-3.1-8B", "Q8_0", file="8")[0]})
        yield hub, header


def test_keys_are_enough_for_a_remote_file(cli: Cli, big: tuple[LoopbackHub, int], tmp_path: Path) -> None:
    hub, _ = big
    call = ("inspect", "hf:maker/big-GGUF:Q4_K_M", "-c", 8192, "--hardware", "M2, 16GB", "--json")
    found = cli.call(*call).passed().json
    assert hub.count(path="*.gguf") == 1 and hub.bytes_sent(".gguf") == 64 * 1024, hub.requests
    ours = [item for item in hub.requests if item.path != "/api/agent-harnesses"]  # huggingface_hub's own question
    assert len(ours) == 2, "the files of the repository, and the front of one"
    assert found["memory"]["source"] == "keys"
    assert (found["architecture"], found["quant"], found["layers"]) == ("llama", "Q4_K_M", 32)
    assert found["fits"] and found["parameters"] == pytest.approx(8.03e9, rel=0.05)
    hub.reset_log()
    assert cli.call(*call).passed().json == found
    assert hub.count(path="*.gguf") == 0, "what was read is kept"
    local = write(tmp_path / "big-Q4_K_M.gguf", MODELS["Llama-3.1-8B"](), "Q4_K")
    exact = cli.call("inspect", local, *call[2:]).passed().json
    assert exact["memory"]["source"] == "estimated" and exact["max_context"] > 8192
    assert found["memory"]["parts"]["kv_cache"] == exact["memory"]["parts"]["kv_cache"]
    assert found["memory"]["must_fit"] == pytest.approx(exact["memory"]["must_fit"], rel=0.01)
    assert found["max_context"] == pytest.approx(exact["max_context"], rel=0.05)
    assert found["speed"]["decode"] == pytest.approx(exact["speed"]["decode"], rel=0.05)


def test_the_tensor_table_costs_the_header_once(cli: Cli, big: tuple[LoopbackHub, int]) -> None:
    hub, header = big
    found = cli.call("inspect", "hf:maker/big-GGUF:Q4_K_M", "-c", 8192, "--exact", "--json").passed().json
    assert header <= hub.bytes_sent(BIG) <= header + 2 * 2**20
    assert hub.bytes_sent(".gguf") == hub.bytes_sent(BIG)
    assert found["memory"]["source"] == "dry-run"
    exact = found["memory"]["exact"]
    assert abs(exact["estimated"] - exact["total"]) <= 0.001 * exact["total"]
    hub.reset_log()
    assert cli.call("inspect", "hf:maker/big-GGUF:Q4_K_M", "-c", 8192, "--exact", "--json").passed().json == found
    split = cli.call("inspect", "hf:maker/big-GGUF:Q4_K_M", "--gpu-layers", 10, "--hardware", "RTX 4090", "--json")
    assert split.passed().json["memory"]["source"] == "estimated", "the table is at hand"
    assert hub.bytes_sent(".gguf") == 0


def test_what_hangs_on_tensors_has_the_table_read(cli: Cli, big: tuple[LoopbackHub, int]) -> None:
    hub, header = big
    ref = "hf:maker/big-GGUF:Q4_K_M"
    found = cli.call("inspect", ref, "-c", 8192, "--hardware", "RTX 3050 4GB, 32GB", "--json").passed().json
    assert hub.bytes_sent(BIG) >= header, "how many layers a small card takes"
    assert found["memory"]["source"] == "estimated" and 0 < found["memory"]["gpu_layers"] < 32
    assert found["fits"]


def test_shards_are_one_model(cli: Cli, tmp_path: Path) -> None:
    paths = write_llama(tmp_path / "split.Q8_0.gguf", layers=4, shards=3)
    found = cli.call("inspect", paths[0], "--json").passed().json
    assert found["file"]["shards"] == 3
    assert found["file"]["size"] == sum(path.stat().st_size for path in paths)
    paths[1].unlink()
    cli.call("inspect", paths[0]).failed(2, "There is no file", paths[1].name)


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_a_bad_file_is_refused_with_a_reason(cli: Cli, tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(BAD_FILES[name])
    result = cli.call("inspect", path)
    assert result.code == 4 and "Traceback" not in result.err and "bad.gguf" in result.err, result


def test_the_picture_for_people(cli: Cli, model: Path) -> None:
    shown = cli.call("inspect", model, "--hardware", "M2, 16GB").passed()
    assert "from its header" in shown.out
    for word in ("weights", "KV cache", "total", "fits", "Largest context that fits: 8,192", "tok/s", "first token"):
        assert word in shown.out
    cli.call("inspect", model, "--exact", "--hardware", "M2, 16GB").failed(2, "`--exact`")
    cli.call("inspect", "./nothing.gguf").failed(2, "There is no file")

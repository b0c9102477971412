"""`lmpm inspect`: facts, memory and speed of a file from its header alone, here and on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lmpm.gguf_header import read_file
from lmpm.inspection import fits, gpus_of
from lmpm.machine import load_chips, parse_spec
from lmpm.memory import LMPM, Settings
from lmpm.memory.fit import largest_context
from lmpm.memory.need import Need, need
from tests.conftest import ROOT, Cli
from tests.gguf_files import BAD_FILES, write_llama
from tests.hub import LoopbackHub

PARTS = ("weights", "repack", "kv_cache", "recurrent", "compute", "output", "mmproj", "tokenizer", "overhead")


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
    exact = found["memory"]["exact"]
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
    whole = need(header, Settings(context=4096), gpus)
    split = need(header, Settings(context=4096, gpu_layers=2), gpus)
    none = need(header, Settings(context=4096, gpu_layers=0), gpus)
    on_gpu = [item.devices[0].weights + item.devices[0].cache for item in (whole, split, none)]
    assert on_gpu[0] > on_gpu[1] > on_gpu[2] == 0
    assert whole.kv_cache == split.kv_cache == none.kv_cache


def test_the_largest_context_is_the_edge(model: Path) -> None:
    header = read_file(model)
    for spec in ("CPU, 2 cores, 1GB", "M2 16GB", "RTX 3060 12GB, 32GB"):
        box = machine(spec)

        def fitting(needed: Need, box: Any = box) -> bool:
            return fits(needed, box)

        largest = largest_context(header, LMPM, fitting, gpus_of(box))
        assert largest == 8192 or not fits(need(header, Settings(context=largest + 256), gpus_of(box)), box)
        assert not largest or fits(need(header, Settings(context=largest), gpus_of(box)), box)


def test_a_remote_file_costs_its_header_once(cli: Cli) -> None:
    with LoopbackHub() as hub:
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        path = cli.directory / "big.Q8_0.gguf"
        write_llama(path, layers=4, dim=256, heads=4, kv_heads=2, ffn=1024, context=8192, quant="Q8_0")
        hub.add_repo("maker/big-GGUF", {"big.Q8_0.gguf": path})
        ref = "hf:maker/big-GGUF:Q8_0"
        first = cli.call("inspect", ref, "--json").passed().json
        assert first["file"]["path"] == "big.Q8_0.gguf" and first["layers"] == 4
        assert hub.bytes_sent("big.Q8_0.gguf") < path.stat().st_size // 4, "the weights stay where they are"
        hub.reset_log()
        assert cli.call("inspect", ref, "--json").passed().json == first
        assert hub.bytes_sent("big.Q8_0.gguf") <= 64 * 1024, "the tensor table is kept; only the keys are asked again"


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
    for word in ("weights", "KV cache", "total", "fits", "Largest context that fits: 8,192", "tok/s", "first token"):
        assert word in shown.out
    cli.call("inspect", model, "--exact", "--hardware", "M2, 16GB").failed(2, "`--exact`")
    cli.call("inspect", "./nothing.gguf").failed(2, "There is no file")

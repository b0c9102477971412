"""Which engine is taken, and that one is believed only once it has written a token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from lmpm.engine import Device, Engine, EngineInfo, Engines, Found
from lmpm.engine.adapters.llama_server import DEVICE, VERSION, LlamaServer
from lmpm.engine.adapters.xllamacpp import require_avx2
from lmpm.engine.engines import gpu_hint
from lmpm.engine.local import LocalEngine
from lmpm.errors import EngineError, SpecError
from lmpm.types import Machine
from tests.engine.conftest import engine_of

GPU = Device("CUDA0", "a card", "gpu", 1 << 34)
INFO = EngineInfo(name="xllamacpp", package="p", build="llama.cpp b1", system_info="")


def found(name: str, *, gpu: bool = False, plans: bool = False, standing: str = "proved") -> Found:
    info = replace(INFO, name=cast("Any", name), devices=(GPU,) if gpu else (), plans=plans)
    return Found(name=cast("Any", name), engine=cast("Engine", None), standing=cast("Any", standing), info=info)


@pytest.mark.parametrize(
    ("here", "has_gpu", "expected"),
    [
        ({"xllamacpp": {"plans": True}, "llama-cpp-python": {"plans": True}}, False, "xllamacpp"),
        ({"xllamacpp": {"plans": True}, "llama-server": {"gpu": True}}, False, "xllamacpp"),
        ({"xllamacpp": {"plans": True}, "llama-server": {"gpu": True}}, True, "llama-server"),
        ({"xllamacpp": {}, "llama-server": {"gpu": True}, "llama-cpp-python": {"gpu": True, "plans": True}}, True,
         "llama-cpp-python"),
        ({"xllamacpp": {"gpu": True, "plans": True}, "llama-server": {"gpu": True}}, True, "xllamacpp"),
        ({"xllamacpp": {"standing": "failed"}, "llama-cpp-python": {}}, False, "llama-cpp-python"),
        ({"xllamacpp": {"standing": "missing"}, "llama-server": {}}, False, "llama-server"),
        ({"xllamacpp": {}, "llama-server": {"gpu": True, "standing": "failed"}}, True, "xllamacpp"),
        ({"xllamacpp": {}, "llama-cpp-python": {}, "llama-server": {}}, True, "xllamacpp"),
    ],
)  # fmt: skip
def test_the_order(
    here: dict[str, dict[str, Any]], has_gpu: bool, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engines, "_by_rank", lambda self: [n for n in RANK if n in here])
    monkeypatch.setattr(Engines, "examine", lambda self, name: found(name, **here[name]))
    assert Engines(tmp_path).choose(has_gpu=has_gpu).name == expected


RANK = ("xllamacpp", "llama-cpp-python", "llama-server")


def program(path: Path, at_work: str) -> Path:
    """A binary that says its version and devices as llama-server does, and then does something else."""
    path.write_text(
        '#!/bin/sh\ncase "$1" in\n--version) echo "version: 0.6.0 (build 11434, commit 0c1e570)";;\n'
        '--list-devices) echo "Available devices:"; echo "  CUDA0: A Card (24000 MiB, 23000 MiB free)";;\n'
        f"*) {at_work};;\nesac\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("at_work", "problem"),
    [("kill -ILL $$", "killed by SIGILL"), ("exit 1", "cannot load"), ("kill -SEGV $$", "killed by SIGSEGV")],
)
def test_a_binary_that_only_says_its_version_is_not_believed(at_work: str, problem: str, tmp_path: Path) -> None:
    place = program(tmp_path / "llama-server", at_work)
    engines = Engines(tmp_path / "home", binary=str(place))
    (binary,) = [item for item in engines.every() if item.name == "llama-server"]
    assert binary.standing == "failed" and problem in binary.problem
    assert binary.uses_gpu and binary.info is not None and binary.info.build == "llama.cpp b11434 (0.6.0, 0c1e570)"
    chosen = engines.choose(has_gpu=True)
    assert chosen.name != "llama-server" and chosen.standing == "proved"
    with pytest.raises(EngineError, match=r"llama-server cannot be used: .*"):
        Engines(tmp_path / "home", named=str(place)).choose(has_gpu=False)


def test_a_proof_is_kept_until_the_engine_changes(tmp_path: Path) -> None:
    place = program(tmp_path / "llama-server", "exit 1")
    assert Engines(tmp_path / "home", binary=str(place)).examine(LlamaServer(place)).standing == "failed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmpm.engine.engines._prove", lambda _: pytest.fail("proved again"))
        assert Engines(tmp_path / "home", binary=str(place)).examine(LlamaServer(place)).standing == "failed"
    before = LlamaServer(place).installation()
    place.write_text(place.read_text() + "\n")
    assert LlamaServer(place).installation() != before


def test_the_user_has_the_last_word(tmp_path: Path) -> None:
    name = engine_of("llama-cpp-python").name
    assert Engines(tmp_path, named=name).choose(has_gpu=False).name == name
    with pytest.raises(SpecError, match="`xllama-cpp` is not an engine") as caught:
        Engines(tmp_path, named="xllama-cpp").choose(has_gpu=False)
    assert caught.value.exit_code == 2 and "xllamacpp" in str(caught.value.hint)
    with pytest.raises(EngineError, match="is not a program"):
        Engines(tmp_path, named=str(tmp_path / "nowhere")).choose(has_gpu=False)


@pytest.mark.parametrize(
    ("said", "version", "build"),
    [
        ("version: 0.6.0-dev (build 0, commit unknown)", "0.6.0-dev", "0"),
        ("version: 9200 (0c1e570)", "9200", None),
        ("version: 0.1.0-dev (build 1, commit 7e4c0a9)", "0.1.0-dev", "1"),
    ],
)
def test_versions_as_binaries_say_them(said: str, version: str, build: str | None) -> None:
    match = VERSION.search(f"noise\n{said}\nbuilt with GNU 12.2.0")
    assert match and (match["version"], match["build"]) == (version, build)


def test_devices_as_binaries_list_them() -> None:
    text = (
        "Available devices:\n  CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)\n  MTL0: M2 (10922 MiB, 1 MiB free)\n"
    )
    assert [(item["name"], item["mib"]) for item in DEVICE.finditer(text)] == [("CUDA0", "143771"), ("MTL0", "10922")]


@pytest.mark.parametrize(
    ("accelerator", "system", "words"),
    [("cuda", "linux", "GGML_CUDA=on"), ("metal", "darwin", "brew install llama.cpp"), ("vulkan", "win32", "winget")],
)
def test_how_to_get_one_for_the_gpu(accelerator: str, system: str, words: str) -> None:
    assert words in gpu_hint(accelerator, system)


def test_the_engine_of_a_machine_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local_engine = LocalEngine(Machine(name="CPU", accelerator="cpu", memory=1 << 34, budget=1 << 33), tmp_path)
    info = local_engine.info
    assert info is not None and local_engine.planner is not None and local_engine.repack in ("avx2", "avx512", "neon")
    monkeypatch.setattr("lmpm.engine.engines._prove", lambda _: pytest.fail("proved again"))
    assert LocalEngine(local_engine.computer, tmp_path).info == info


@pytest.mark.parametrize(
    ("cpuinfo", "runs"),
    [
        (
            "processor : 0\nmodel name : Intel(R) Celeron(R) J1900\nflags\t\t: fpu sse2 ssse3 sse4_1 sse4_2 popcnt\n",
            False,
        ),
        ("processor : 0\nmodel name : Intel(R) Xeon(R) E5-2670\nflags\t\t: fpu sse4_2 avx aes\n", False),
        ("processor : 0\nmodel name : AMD EPYC\nflags\t\t: fpu sse4_2 avx avx2 fma avx512f\n", True),
        ("processor : 0\nFeatures\t: fp asimd asimddp\nCPU implementer : 0x41\n", True),
        ("", True),
    ],
)
def test_a_processor_without_avx2_is_told_the_way_out(cpuinfo: str, runs: bool) -> None:
    if runs:
        require_avx2(cpuinfo)
        return
    with pytest.raises(EngineError, match="needs a processor with AVX2") as caught:
        require_avx2(cpuinfo)
    assert "lmpm[llama-cpp-python]" in str(caught.value.hint)


def test_another_engine_is_taken_where_the_wheel_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = engine_of("llama-cpp-python")
    place = tmp_path / "cpuinfo"
    place.write_text("flags : fpu sse4_2\n")
    monkeypatch.setattr("lmpm.engine.adapters.xllamacpp.CPUINFO", place)
    assert Engines(tmp_path / "home").choose(has_gpu=False).name == other.name

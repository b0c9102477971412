"""Writes `tests/data/memory_plans.tsv`: what a build of llama.cpp plans for the models of `tests/shapes`.

Run it as `python -m benchmarks.memory_plans SOURCE [--only NAME]` from the project's root, on Linux. SOURCE is the
llama.cpp that the installed xllamacpp was built from, for its headers: `thirdparty/llama.cpp` of what
`pip download --no-deps --no-binary :all: xllamacpp==VERSION` brings. A compiler is needed.

The rows of a CPU are the build's own plans. Those of a GPU are its own, too, beside a device that computes nothing and
allocates as CUDA does: `planning_device.cpp`. Rows of other builds are left as they are; those of this build with the
names asked for are written anew.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.memory import QUANTS, SETTINGS
from lmpm.engine.adapters.xllamacpp import XLlamaCpp, extension
from lmpm.estimate.memory.constants import BUILD
from lmpm.estimate.memory.run_plan import LMPM
from lmpm.run_config import RunConfig
from lmpm.types import DeviceMemory, MemoryPlan
from tests.shapes import MODELS, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.run_config import Repacking

ROWS: Final = Path("tests/data/memory_plans.tsv")
DEVICE: Final = Path(__file__).with_name("planning_device.cpp")
ON_CPU: Final = (SETTINGS[0], SETTINGS[4], SETTINGS[6])


def main() -> None:
    """Plan each model at each of its settings, and replace its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="a tree of llama.cpp")
    parser.add_argument("--only", default="", help="part of a model's name")
    options = parser.parse_args()
    if BUILD.split()[-1] not in (here := XLlamaCpp().probe().build).split():
        raise SystemExit(f"the formula follows {BUILD}, xllamacpp here has {here}")
    names = [name for name in MODELS if options.only.lower() in name.lower()]
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(options.source, Path(folder))
        fresh = {name: list(rows(name, Path(folder), library)) for name in names}
    head, *kept = ROWS.read_text(encoding="utf-8").splitlines()
    of_name: dict[str, list[str]] = {}
    for line in kept:
        of_name.setdefault(line.split("\t")[2], []).append(line)
    for name, lines in fresh.items():
        others = [line for line in of_name.get(name, ()) if not line.startswith(f"{BUILD}\t")]
        of_name[name] = lines + others
    ordered = [line for name in MODELS for line in of_name.get(name, ())]
    ROWS.write_text("\n".join([head, *ordered]) + "\n", encoding="utf-8")


def compiled(source: Path, folder: Path) -> Path:
    """The device as a library."""
    library = folder / "planning_device.so"
    headers = [f"-I{source / 'ggml' / part}" for part in ("include", "src")]
    command = ["c++", "-std=c++17", "-O1", "-shared", "-fPIC", *headers, os.fspath(DEVICE), "-o", os.fspath(library)]
    subprocess.run(command, check=True)
    return library


def rows(name: str, folder: Path, library: Path) -> Iterator[str]:
    """The lines for a model."""
    shape = MODELS[name]()
    quant = QUANTS[list(MODELS).index(name) % len(QUANTS)]
    path = write(folder / "model.gguf", shape, quant)
    half = shape.keys["block_count"] // 2
    on_gpu = (SETTINGS[0], replace(SETTINGS[0], gpu_layers=half), replace(SETTINGS[3], gpu_layers=half))
    for device, cases in (("avx2", ON_CPU), ("cuda", on_gpu)):
        repack: Repacking = "avx2" if device == "avx2" else "none"
        found = plans(path, [replace(case, mmap=False, repack=repack) for case in cases], library, device == "cuda")
        for case, plan in zip(cases, found, strict=True):
            if plan is None:
                print(f"{name}: not planned on {device} at {_changed(case)}")
                continue
            parts = plan.host.parts
            cache: tuple[object, object] = (parts.kv_cache, parts.recurrent)
            if device == "cuda":  # states count as cache beside a GPU
                cache = (parts.kv_cache + parts.recurrent, "")
            host = (parts.weights, parts.repack, *cache, parts.compute, parts.output)
            gpu = ",".join(map(str, _on_gpu(plan.gpus[0]))) if plan.gpus else ""
            yield "\t".join((BUILD, device, name, quant, _changed(case), ",".join(map(str, host)), gpu))


def _on_gpu(gpu: DeviceMemory) -> tuple[int, int, int]:
    return gpu.parts.weights, gpu.parts.kv_cache + gpu.parts.recurrent, gpu.parts.compute


def _changed(settings: RunConfig) -> str:
    """The settings that are not lmpm's own."""
    usual = asdict(LMPM)
    changed = {key: value for key, value in asdict(settings).items() if value != usual[key]}
    return json.dumps(changed, separators=(",", ":"))


def plans(path: Path, settings: Sequence[RunConfig], library: Path, on_gpu: bool) -> list[MemoryPlan | None]:
    """What the build plans, each in a process of its own: a model that it refuses may abort it."""
    found: list[MemoryPlan | None] = []
    for config in settings:
        job = json.dumps([os.fspath(path), asdict(config), os.fspath(library) if on_gpu else ""])
        command = [sys.executable, "-m", "benchmarks.memory_plans", "--plan", job]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        found.append(MemoryPlan.decode(json.loads(done.stdout)) if done.returncode == 0 else None)
    return found


def plan_here(job: str) -> None:
    """In the child: print the plan."""
    from lmpm.engine.native.child import load_library
    from lmpm.engine.native.planning import plan

    path, settings, device = json.loads(job)
    place = os.fspath(extension() or "")
    library: Any = ctypes.CDLL(place, mode=ctypes.RTLD_GLOBAL)  # the device finds ggml's functions there
    if device:
        registry = ctypes.CDLL(device).planning_registry
        registry.restype = ctypes.c_void_p
        library.ggml_backend_register.argtypes = [ctypes.c_void_p]
        loaded = load_library(place)
        library.ggml_backend_register(registry())
    else:
        loaded = load_library(place)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answers.write(json.dumps(plan(loaded, path, RunConfig(**settings)).encode()))
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plan"]:
        plan_here(sys.argv[2])
    else:
        main()

"""What a team pays for its lock: time of `sync` and `lock --check`, its size, and how much an update changes.

Run it as `python benchmarks/team.py [--rounds N]`, with lmpm and its requirements installed. Ten models are made up and
put into a store, so no network is used. Commands are run in turns with an empty Python; what counts are the ratios of
the medians.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from lmpm.catalog.location import directory
from lmpm.machine.chips import load_chips
from lmpm.machine.spec import parse_spec
from lmpm.project.lock.entry import rung_for
from lmpm.project.lock.file import load_lock, write_lock
from lmpm.project.lock.records import Lock, LockedCandidate, LockedModel
from lmpm.project.lock.writer import emit_lock
from lmpm.reporter import Reporter
from lmpm.store.cache import Store
from lmpm.types import HubSource, ModelFile

EMPTY = "python -c pass"
MODELS = 10
TARGETS = {"m2": "M2, 16GB", "cuda": "RTX 4090, 64GB", "ci": "CPU, 4 cores, 8GB", "old": "CPU, 8 cores, 32GB"}
SIZES = (12 << 30, 5 << 30, 2 << 30, 400 << 20)  # bytes that the rungs of each model need


def main() -> None:
    """Print the four figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        project = root / "project"
        project.mkdir()
        lock = _lock()
        write_lock(project / "lmpm.lock", lock)
        (project / "lmpm.toml").write_text(_manifest(lock))
        environment = _environment(root)
        _fill(lock, Store(root / "hf" / "hub", root / "home"), root)
        lmpm = [sys.executable, "-m", "lmpm"]
        commands = {
            EMPTY: [sys.executable, "-c", "pass"],
            "lmpm --version": [*lmpm, "--version"],
            "lmpm sync, nothing to do": [*lmpm, "sync", "--target", "ci"],
            "lmpm lock --check": [*lmpm, "lock", "--check"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(_time(command, environment, project))
        _report(times, rounds)
        text = emit_lock(load_lock(project / "lmpm.lock"))
    rungs = sum(len(model.candidates) for model in lock.models)
    print(f"lock of {MODELS} models, {rungs} rungs, {len(TARGETS)} targets: {len(text):,} bytes")
    added, removed = _changed(lock)
    print(f"lines changed when a model's repository moves on: {added} in, {removed} out, of {len(text.splitlines())}")


def _report(times: dict[str, list[float]], rounds: int) -> None:
    base = statistics.median(times[EMPTY])
    print(f"{'command':<28} {'median':>9} {'ratio':>7}   of {rounds} rounds")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:<28} {median * 1000:6.0f} ms {median / base:6.1f}x")


def _lock() -> Lock:
    """Ten models of four rungs, each target at the rung that it takes."""
    chips = load_chips(directory())
    machines = {name: parse_spec(spec, chips) for name, spec in TARGETS.items()}
    models = []
    for number in range(MODELS):
        name = f"model-{number}"
        rungs = tuple(_rung(name, place, size) for place, size in enumerate(SIZES))
        model = LockedModel(name=name, requested={"context": 8192, "ref": f"hf:org/{name}-GGUF"}, candidates=rungs)
        taken = {target: rung_for(model, machine).number for target, machine in machines.items()}
        served = (
            replace(rung, targets=tuple(target for target, number in taken.items() if number == place))
            for place, rung in enumerate(rungs, start=1)
        )
        models.append(replace(model, candidates=tuple(served)))
    return Lock(tuple(models))


def _rung(name: str, place: int, size: int, revision: str = "1") -> LockedCandidate:
    path = f"{name}-{place}.gguf"
    data = _data(path, revision)
    return LockedCandidate(
        source=HubSource(f"org/{name}-GGUF", hashlib.sha1(revision.encode()).hexdigest()),
        model=name,
        quant=("Q8_0", "Q5_K_M", "Q4_K_M", "Q2_K")[place],
        license="apache-2.0",
        memory=size,
        bytes_per_token=size,
        layers=32,
        identity="a" * 24,
        template="b" * 64,
        files=(ModelFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()),),
    )


def _data(path: str, revision: str) -> bytes:
    return f"{path} {revision}".encode().ljust(4096, b".")


def _manifest(lock: Lock) -> str:
    lines = [f'{model.name} = {{ ref = "hf:org/{model.name}-GGUF", context = 8192 }}' for model in lock.models]
    targets = [f'{name} = {{ hardware = "{spec}" }}' for name, spec in TARGETS.items()]
    return "\n".join(("[models]", *lines, "", "[targets]", *targets, ""))


def _fill(lock: Lock, store: Store, root: Path) -> None:
    """Put every rung into the store, hashed as a download would be."""
    origin = root / "origin"
    for model in lock.models:
        for rung in model.candidates:
            (file,) = rung.files
            origin.write_bytes(_data(file.path, "1"))
            store.adopt_file(rung.source, file, origin, Reporter())


def _changed(lock: Lock) -> tuple[int, int]:
    """Lines in and out when the repository of one model has a new commit with new files."""
    model = lock.models[4]
    newer = []
    for place, (rung, size) in enumerate(zip(model.candidates, SIZES, strict=True)):
        moved = _rung(model.name, place, size, revision="2")
        newer.append(replace(rung, source=moved.source, files=moved.files))
    after = lock.with_model(replace(model, candidates=tuple(newer)))
    lines = difflib.SequenceMatcher(None, emit_lock(lock).splitlines(), emit_lock(after).splitlines(), autojunk=False)
    changed = [code for code in lines.get_opcodes() if code[0] != "equal"]
    return sum(j2 - j1 for *_, j1, j2 in changed), sum(i2 - i1 for _, i1, i2, _, _ in changed)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LMPM_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"HF_HOME": str(folder / "hf"), "LMPM_HOME": str(folder / "home"), "LMPM_OFFLINE": "1"}


def _time(command: list[str], environment: dict[str, str], folder: Path) -> float:
    """Seconds of one run. Raises CalledProcessError when it fails: a failure is no fast success."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

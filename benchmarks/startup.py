"""How long a user waits before anything happens: `lmpm` beside an empty Python and beside `hf`.

Run it as `python benchmarks/startup.py [--rounds N]`, with lmpm and its requirements installed. Every
command is run in turns with the others in one go, so that a noisy machine is noisy for all of them; what
counts are the ratios of the medians. No network is used.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EMPTY = "python -c pass"
PEER = "hf version"
LOAD_CATALOG = """
import sys, time
from pathlib import Path
from lmpm import catalog
began = time.perf_counter()
catalog.load(catalog.directory(), copies=Path(sys.argv[1])).models
print(time.perf_counter() - began)
"""


def main() -> None:
    """Time every command in turns and print the medians and their ratios to an empty Python."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(Path(folder))
        commands = _commands()
        install = [sys.executable, "-m", "lmpm", "install", "text-to-sql", "--offline"]
        first = _time(install, environment, Path(folder))
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(_time(command, environment, Path(folder)))
        loads = [_load_catalog(environment, Path(folder) / "copies") for _ in range(rounds + 1)]
    base = statistics.median(times[EMPTY])
    peer = statistics.median(times[PEER]) if PEER in times else None
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    medians["lmpm install text-to-sql --offline, first time"] = first
    print(f"{'command':<48} {'median':>9} {'to python':>10} {'to hf':>7}   of {rounds} rounds")
    for name, median in medians.items():
        to_peer = f"{median / peer:6.2f}x" if peer else "-"
        print(f"{name:<48} {median * 1000:6.0f} ms {median / base:9.1f}x {to_peer:>7}")
    copied = statistics.median(loads[1:])
    print(f"the whole catalog: {loads[0] * 1000:.1f} ms from TOML, {copied * 1000:.1f} ms from copies")


def _commands() -> dict[str, list[str]]:
    lmpm = [sys.executable, "-m", "lmpm"]
    commands = {
        EMPTY: [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "lmpm --version": [*lmpm, "--version"],
        "lmpm resolve text-to-sql --offline": [*lmpm, "resolve", "text-to-sql", "--offline"],
        "lmpm list": [*lmpm, "list"],
        "lmpm path text-to-sql": [*lmpm, "path", "text-to-sql"],
        "lmpm sync, nothing to do": [*lmpm, "sync"],
        "lmpm lock --check": [*lmpm, "lock", "--check"],
        "lmpm install text-to-sql --offline, second time": [*lmpm, "install", "text-to-sql", "--offline"],
        "lmpm verify --offline": [*lmpm, "verify", "--offline"],
    }
    beside = Path(sys.executable).with_name("hf")
    hf = str(beside) if beside.exists() else shutil.which("hf")
    if hf:
        commands[PEER] = [hf, "version"]
    return commands


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LMPM_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # with it every run would compile all of lmpm anew
    return kept | {
        "HF_HOME": str(folder / "hf"),
        "LMPM_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _load_catalog(environment: dict[str, str], copies: Path) -> float:
    """Seconds to read every task and model in a process of its own; without copies yet, it makes them."""
    command = [sys.executable, "-c", LOAD_CATALOG, str(copies)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def _time(command: list[str], environment: dict[str, str], folder: Path) -> float:
    """Seconds of one run. Raises CalledProcessError when it fails: a failure is no fast success."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

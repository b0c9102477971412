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
    base = statistics.median(times[EMPTY])
    print(f"{'command':<48} {'median':>9} {'ratio':>7}   of {rounds} rounds")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:<48} {median * 1000:6.0f} ms {median / base:6.1f}x")
    print(f"{'lmpm install text-to-sql --offline, first time':<48} {first * 1000:6.0f} ms {first / base:6.1f}x")


def _commands() -> dict[str, list[str]]:
    lmpm = [sys.executable, "-m", "lmpm"]
    commands = {
        EMPTY: [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "lmpm --version": [*lmpm, "--version"],
        "lmpm resolve text-to-sql --offline": [*lmpm, "resolve", "text-to-sql", "--offline"],
        "lmpm list": [*lmpm, "list"],
        "lmpm path text-to-sql": [*lmpm, "path", "text-to-sql"],
        "lmpm install text-to-sql --offline, second time": [*lmpm, "install", "text-to-sql", "--offline"],
        "lmpm verify --offline": [*lmpm, "verify", "--offline"],
    }
    beside = Path(sys.executable).with_name("hf")
    hf = str(beside) if beside.exists() else shutil.which("hf")
    if hf:
        commands["hf version"] = [hf, "version"]
    return commands


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LMPM_"))}
    return kept | {
        "HF_HOME": str(folder / "hf"),
        "LMPM_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _time(command: list[str], environment: dict[str, str], folder: Path) -> float:
    """Seconds of one run. Raises CalledProcessError when it fails: a failure is no fast success."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

"""A run as it is kept and compared: what was measured, on what, and how."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import SpecError
from lmpm.fs import JsonCache
from lmpm.proof import Tested
from lmpm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.benchmark.plan import Measured, Settings
    from lmpm.project import Workspace
    from lmpm.types import Machine

MAX_RECORD_BYTES: Final = 16 * 2**20
SAMPLED_S: Final = 0.25
_RULE: Final = re.compile(r"\s*([a-z0-9_]+)\s*([<>])\s*([0-9.]+)(x?)\s*")
# How people write the fields of a comparison, beside the names of the record.
SHORT: Final = {
    "ttft_p50": "median_ttft_ms",
    "ttft_p95": "p95_ttft_ms",
    "tpot_p50": "median_tpot_ms",
    "e2el_p50": "median_e2el_ms",
    "tps": "output_throughput",
    "decode": "decode_tok_s",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that fails a comparison: a field above or below a value, or a share of what it was."""

    field: str
    above: bool
    value: float
    is_share: bool

    def broken(self, now: float, before: float | None) -> bool:
        """Whether a value breaks it; a share of nothing breaks nothing."""
        if self.is_share and before is None:
            return False
        bound = self.value * (before or 0.0) if self.is_share else self.value
        return now > bound if self.above else now < bound


def parse_rule(text: str) -> Rule:
    """`ttft_p50>1.2x`: a field, a direction, and a value or a share of the earlier one. Raises SpecError."""
    found = _RULE.fullmatch(text)
    if not found:
        raise SpecError(f"`{text}` is not a condition such as `ttft_p50>1.2x` or `tps<20`")
    try:
        value = float(found[3])
    except ValueError:
        raise SpecError(f"`{found[3]}` in `{text}` is not a number") from None
    return Rule(SHORT.get(found[1], found[1]), found[2] == ">", value, bool(found[4]))


def make_record(
    name: str,
    measured: Sequence[Measured],
    settings: Settings,
    machine: Machine,
    *,
    engine: str,
    sha256: str,
    cold_s: float | None = None,
    not_run: Mapping[str, str] | None = None,
    load: float | None = None,
    busy: Sequence[float] = (),
) -> dict[str, Any]:
    """The record of a run, as JSON values. Other bytes than those of the lock are marked.

    `cold_s` is from starting the engine's process to its first token. `not_run` is what was not measured, and why;
    `load` the load average before, `busy` are shares of the machine that other work took while nothing was asked.
    """
    return {
        "name": name,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sha256": sha256,
        "engine": engine,
        "lmpm": __version__,
        "machine": {"name": machine.name, "accelerator": machine.accelerator, "cores": machine.cores},
        "system": {"platform": platform.platform(), "python": platform.python_version(), "power": _power(),
                   "load": load,
                   "busy": max(busy, default=None), "usually_busy": median(busy) if busy else None},
        "settings": {**asdict(settings), "limits": dict(settings.limits)},
        "cold_s": cold_s,
        "not_run": dict(not_run or {}),
        "results": [
            {
                "target": item.target.label,
                "kind": item.target.kind,
                "model": item.target.model,
                "phase": item.phase,
                "bytes": "same" if item.target.sha256 == sha256 and sha256 else "other",
                "cost_usd": item.cost,
                **item.figures.as_json(),
            }
            for item in measured
        ],
    }  # fmt: skip


def keep(workspace: Workspace, record: Mapping[str, Any]) -> None:
    """Keep a record among this user's, by the file, the engine and the time. A place that takes none is no loss.

    What one answer after another showed in the engine is what `verify` and `show` compare with from now on.
    """
    kept = JsonCache(workspace.home / "benchmarks")
    kept.put(record, str(record["sha256"]), str(record["engine"]), str(record["date"]))
    alone = next((row for row in record["results"] if key_of(row) == ("engine", "warm", 1)), None)
    if alone and alone["completed"] and record["sha256"] and workspace.is_this_machine:
        first = alone.get("median_ttft_ms")
        shown = Tested(
            engine=str(record["engine"]),
            decode=alone["decode_tok_s"],
            first_token_s=None if first is None else first / 1000,
        )
        workspace.history.note_speed(str(record["sha256"]), shown, workspace.machine)


def read_record(path: Path) -> dict[str, Any]:
    """A record that was written before. Raises SpecError for anything else."""
    try:
        with path.open("rb") as opened:
            found = json.loads(opened.read(MAX_RECORD_BYTES))
        keyed = {key_of(row): row for row in found["results"]}
    except OSError as error:
        raise SpecError(f"The record `{path}` cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SpecError(f"`{path}` is not a record of `lmpm bench`", hint="Write one with `--save`") from error
    return {**found, "rows": keyed}


def key_of(row: Mapping[str, Any]) -> tuple[str, str, int]:
    """What makes a row of one record comparable with one of another."""
    return str(row["target"]), str(row["phase"]), int(row["max_concurrency"])


def compare(now: Mapping[str, Any], before: Mapping[str, Any], rules: Sequence[Rule]) -> list[str]:
    """Which conditions a record breaks against an earlier one, a line each. Raises SpecError for an unknown field."""
    broken = []
    for row in now["results"]:
        earlier = before["rows"].get(key_of(row), {})
        for rule in rules:
            if rule.field not in row and not any(rule.field in other for other in now["results"]):
                raise SpecError(f"`{rule.field}` is not a field of a record", hint=f"Short names: {', '.join(SHORT)}")
            value, old = row.get(rule.field), earlier.get(rule.field)
            if isinstance(value, int | float) and rule.broken(value, old):
                was = f", was {old:.4g}" if isinstance(old, int | float) else ""
                broken.append(f"{' '.join(map(str, key_of(row)))}: {rule.field} {value:.4g}{was}")
    return broken


def what_differs(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """What besides speed differs between two records: of a machine, a file, an engine, or lengths."""
    lengths = ("prompt_tokens", "answer_tokens")
    found = {
        "machine": now["machine"] != before.get("machine"),
        "file": now["sha256"] != before.get("sha256"),
        "engine": now["engine"] != before.get("engine"),
        "length": any(now["settings"][key] != (before.get("settings") or {}).get(key) for key in lengths),
    }
    return [name for name, differs in found.items() if differs]


def system_load() -> float | None:
    """The load average of the last minute; None where the system says none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):  # Windows has none
        return None


def busy_share() -> float | None:
    """The share of the processors' time that is not idle in the next quarter of a second; None but on Linux.

    /proc/stat (man7.org, proc_stat.5): user, nice, system, idle, iowait, and more; guest is in user already.
    """
    before = _ticks()
    if before is None:
        return None
    time.sleep(SAMPLED_S)
    after = _ticks() or before
    idle, all_of_it = (now - then for now, then in zip(after, before, strict=True))
    return 1 - idle / all_of_it if all_of_it > 0 else None


def _ticks() -> tuple[int, int] | None:
    """Ticks of all processors: idle ones, and all."""
    try:
        words = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]
        ticks = [int(word) for word in words]
        return ticks[3] + ticks[4], sum(ticks)
    except (OSError, ValueError, IndexError):
        return None


def _power() -> str:
    """`mains`, `battery`, or `unknown`: as Linux says it (Documentation/ABI/testing/sysfs-class-power)."""
    states = []
    for supply in sorted(Path("/sys/class/power_supply").glob("*/online")):
        try:
            states.append(supply.read_text("ascii").strip())
        except OSError:
            continue
    return "unknown" if not states else "mains" if "1" in states else "battery"

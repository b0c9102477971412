"""What general abilities let expect of a model at a task: fits the lines that figures are drawn towards.

Run `python benchmarks/robust_scores.py` from a checkout. For each task it takes the models that have figures of it and
of general knowledge in the same mode, and puts a line through them that keeps mean and spread, so that scores stay on
the scale of the task; the error is the standard deviation from it, on families that the line did not see. For models
without general figures it fits those on the logarithm of the parameters, the date, and whether the model thinks, by
least squares with a little ridge. With `--write` the tasks' files state what the fit gives; `--show TASK` prints the
published and the ranked figure of each model.

Tried and not kept: to draw general figures themselves towards size and date. The newest models of each size lie above
any line through all, and of the picks that an expert made (`benchmarks/expert_picks.py`) a sixth fewer were met.
"""

from __future__ import annotations

import re
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lmpm import catalog  # noqa: E402
from lmpm.catalog import Catalog, CatalogModel, Task, rating  # noqa: E402

YEAR: Final = 2026.0
RIDGE: Final = (0.0, 0.5, 2.0, 2.0)  # on intercept, size, date and mode: few models say little of the last two
GENERAL: Final = "chat"
SAME: Final = ("chat", "classification", "edge", "long-context")  # judged by general knowledge already
NARROW: Final = ("translation",)  # its useful models lie within 12 points, and a line through all is off by 21
LEAST_PAIRS: Final = 10

Row = tuple[CatalogModel, str, float]  # a model, its mode, and the quality by its figures alone


def rows_of(known: Catalog, task: Task) -> list[Row]:
    """What figures alone say of each model at a task, in each mode that some figure is of."""
    bare = replace(task, general=None)
    found: list[Row] = []
    for model in known.models:
        modes = {score.mode or "direct" for score in model.scores if score.task == task.name and not score.estimated}
        found += [
            (model, item.mode or "direct", item.value)
            for item in rating.rate(model, bare)
            if (item.mode or "direct") in modes
        ]
    return found


def line(pairs: list[tuple[str, float, float]]) -> tuple[float, float, float]:
    """Slope and intercept that keep mean and spread, and the error on families that the line did not see."""
    misses = []
    for family in {name for name, _, _ in pairs}:
        slope, intercept = _line([pair for pair in pairs if pair[0] != family])
        misses += [y - slope * x - intercept for name, x, y in pairs if name == family]
    return *_line(pairs), float(np.sqrt(np.mean(np.square(misses))))


def _line(pairs: list[tuple[str, float, float]]) -> tuple[float, float]:
    general, own = [x for _, x, _ in pairs], [y for _, _, y in pairs]
    slope = statistics.pstdev(own) / statistics.pstdev(general)
    return slope, statistics.mean(own) - slope * statistics.mean(general)


def best(known: Catalog, task: Task) -> float:
    """The best figure that was measured on the task's own metric."""
    own = (score for model in known.models for score in model.scores if score.task == task.name)
    return max(score.value for score in own if score.metric == task.metrics[0].id and not score.estimated)


def features(model: CatalogModel, mode: str) -> list[float]:
    """Intercept, doublings of a billion parameters, years since 2026, and whether it thinks."""
    size = np.log2(np.sqrt(float(model.parameters) * float(model.active_parameters)) / 1e9)
    return [1.0, float(size), rating.year_of(model.released) - YEAR, float(mode == "thinking")]


def fit(rows: list[Row]) -> np.ndarray:
    """The coefficients of size, date and mode."""
    wanted = np.array([features(model, mode) for model, mode, _ in rows])
    quality = np.array([value for _, _, value in rows])
    return np.asarray(np.linalg.solve(wanted.T @ wanted + np.diag(RIDGE), wanted.T @ quality))


def error_of(rows: list[Row]) -> float:
    """The standard error on families that the fit did not see."""
    misses = []
    for family in {model.family for model, _, _ in rows}:
        found = fit([row for row in rows if row[0].family != family])
        misses += [v - float(np.dot(features(m, mode), found)) for m, mode, v in rows if m.family == family]
    return float(np.sqrt(np.mean(np.square(misses))))


def write(task: Task, name: str, values: dict[str, float]) -> None:
    """State a table in the task's file, before its times."""
    path = ROOT / "catalog" / "tasks" / f"{task.name}.toml"
    text = re.sub(rf"\[{name}\]\n(?:.+\n)*\n", "", path.read_text())
    lines = [f"[{name}]", "# Fitted by benchmarks/robust_scores.py.", *(f"{k} = {v:.2f}" for k, v in values.items())]
    path.write_text(text.replace("[time]\n", "\n".join([*lines, "", "[time]", ""]), 1))


def main() -> None:
    """Fit every task."""
    known = catalog.load(catalog.directory())
    chat = known.task(GENERAL)
    if chat is None:
        sys.exit("no general task")
    general = rows_of(known, chat)
    found, error = fit(general), error_of(general)
    keys = ("intercept", "per_doubling", "per_year", "thinking")
    expected = {**dict(zip(keys, map(float, found), strict=True)), "year": YEAR, "error": error}
    print(f"{GENERAL} by size and date over {len(general)} figures:", *(f"{k} {v:.1f}" for k, v in expected.items()))
    if "--write" in sys.argv:
        write(chat, "expected", expected)
    ability = {(model.name, mode): value for model, mode, value in general}
    print(f"{'task':18} models  slope  intercept  error")
    for task in known.tasks:
        pairs = [
            (m.family, ability[m.name, mode], v) for m, mode, v in rows_of(known, task) if (m.name, mode) in ability
        ]
        if task.name in (*SAME, *NARROW) or len(pairs) < LEAST_PAIRS:
            continue
        slope, intercept, error = line(pairs)
        print(f"{task.name:18} {len(pairs):6} {slope:6.2f} {intercept:10.1f} {error:6.1f}")
        if "--write" in sys.argv:
            write(task, "general", {"slope": slope, "intercept": intercept, "error": error, "most": best(known, task)})
    if "--show" in sys.argv:
        show(known, sys.argv[sys.argv.index("--show") + 1])


def show(known: Catalog, name: str) -> None:
    """The published and the ranked figure of each model at a task."""
    task = known.task(name)
    rated = [(item, model) for model in known.models for item in known.ratings(model, task)] if task else []
    for item, model in sorted(rated, key=lambda pair: -pair[0].value):
        print(f"{item.value:6.1f}  {item.published:6.1f} {item.kind:12} {item.mode:8} {model.title}  ({item.metric})")


if __name__ == "__main__":
    main()

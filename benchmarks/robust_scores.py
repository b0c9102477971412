"""What the size and the date of a model let expect of it at a task: fits the `[prior]` of each task, and prints it.

A figure alone is drawn towards this expectation (`lmpm/catalog/rating.py`). Run `python benchmarks/robust_scores.py`
from a checkout: for each task it fits quality on the logarithm of the parameters, the date, and whether the model
thinks, by least squares with a little ridge over all models with a figure of that mode; the error is that of models
whose whole family the fit did not see. With `--write` the task's file states what the fit gives; `--show TASK` prints
both figures of each model.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lmpm import catalog  # noqa: E402
from lmpm.catalog import CatalogModel, Task, rating  # noqa: E402

YEAR: Final = 2026.0
RIDGE: Final = (0.0, 0.5, 2.0, 2.0)  # on intercept, size, date and mode: few models say little of the last two
LEAST_ERROR: Final = 4.0  # no task is known better from size and date than one good figure says


def rows_of(known: catalog.Catalog, task: Task) -> list[tuple[CatalogModel, bool, float]]:
    """Models with a figure of their own mode: whether they think, and the quality without the prior."""
    bare = replace(task, prior=None)
    found = []
    for model in known.models:
        for rated in rating.rate(model, bare):
            own = [
                score
                for score in model.scores
                if score.task == task.name
                and (score.mode or "direct") == (rated.mode or "direct")
                and not score.estimated
            ]
            if own:
                found.append((model, rated.mode == "thinking", rated.value))
    return found


def features(model: CatalogModel, thinks: bool) -> list[float]:
    """Intercept, doublings of a billion parameters, years since 2026, and whether it thinks."""
    size = np.log2(np.sqrt(float(model.parameters) * float(model.active_parameters)) / 1e9)
    return [1.0, float(size), rating.year_of(model.released) - YEAR, float(thinks)]


def fit(rows: list[tuple[CatalogModel, bool, float]]) -> np.ndarray:
    """The coefficients."""
    wanted = np.array([features(model, thinks) for model, thinks, _ in rows])
    quality = np.array([value for _, _, value in rows])
    used = list(range(len(RIDGE)))
    while True:  # no task is done worse for a larger or a newer model: the fit of a few says so by chance
        matrix = wanted[:, used]
        found = np.zeros(len(RIDGE))
        found[used] = np.linalg.solve(matrix.T @ matrix + np.diag([RIDGE[place] for place in used]), matrix.T @ quality)
        wrong = [place for place in used if place in (1, 2) and found[place] < 0]
        if not wrong:
            return found
        used.remove(wrong[0])


def error_of(rows: list[tuple[CatalogModel, bool, float]]) -> float:
    """The standard error on families that the fit did not see."""
    misses = []
    for family in {model.family for model, _, _ in rows}:
        rest = [row for row in rows if row[0].family != family]
        if len(rest) < 4:
            continue
        found = fit(rest)
        misses += [
            value - float(np.dot(features(model, t), found)) for model, t, value in rows if model.family == family
        ]
    return max(float(np.sqrt(np.mean(np.square(misses)))), LEAST_ERROR) if misses else 20.0


def write(task: Task, found: np.ndarray, error: float) -> None:
    """State the prior in the task's file, behind its metrics."""
    path = ROOT / "catalog" / "tasks" / f"{task.name}.toml"
    text = re.sub(r"\[prior\]\n(?:.+\n)*\n", "", path.read_text())
    lines = ["[prior]", "# Fitted by benchmarks/robust_scores.py."]
    for key, value in zip(("intercept", "per_doubling", "per_year", "thinking"), found, strict=True):
        lines.append(f"{key} = {value:.2f}")
    lines += [f"year = {YEAR}", f"error = {error:.1f}", "", ""]
    path.write_text(text.replace("[time]\n", "\n".join(lines) + "[time]\n", 1))


def main() -> None:
    """Fit every task."""
    known = catalog.load(catalog.directory())
    print(f"{'task':18} models  intercept  a doubling  a year  thinking  error")
    for task in known.tasks:
        rows = rows_of(known, task)
        found, error = fit(rows), error_of(rows)
        print(
            f"{task.name:18} {len(rows):6} {found[0]:10.1f} {found[1]:11.1f} {found[2]:7.1f} {found[3]:9.1f} {error:6.1f}"
        )
        if "--write" in sys.argv:
            write(task, found, error)
    if "--show" in sys.argv:
        task = known.task(sys.argv[sys.argv.index("--show") + 1])
        if task is None:
            sys.exit("no such task")
        rated = [(item, model) for model in known.models for item in rating.rate(model, task)]
        for item, model in sorted(rated, key=lambda pair: -pair[0].value):
            print(
                f"{item.value:6.1f}  {item.published:6.1f} {item.kind:12} {item.mode:8} {model.title}  ({item.metric})"
            )


if __name__ == "__main__":
    main()

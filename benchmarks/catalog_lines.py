"""The lines between benchmarks: fits them again on the models that have both figures, and prints them.

A task of `catalog/tasks` judges every model on the scale of its first metric; a figure on another one is put there
by a line. Run `python benchmarks/catalog_lines.py` from a checkout: it fits each of the lines below by least squares
on the scores of the catalog and on the figures of models that it does not hold (`benchmarks/data/metric_pairs.tsv`),
and says where a task's file states another line; with `--write` it states there what the fit gives. A model that was
measured with and without thinking counts twice: two figures are of one model only where their mode is the same.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lmpm import catalog  # noqa: E402
from lmpm.catalog import Catalog  # noqa: E402

PAIRS: Final = Path(__file__).parent / "data" / "metric_pairs.tsv"
KNOWLEDGE: Final = ("chat", "classification", "edge", "long-context")
GROUNDED: Final = ("rag", "summarization")
ANY: Final = ("", "direct", "thinking")
DIRECT: Final = ("", "direct")
THINKING: Final = ("thinking",)

Figures = dict[tuple[str, str], dict[str, float]]  # by model and mode: the figures by metric


@dataclass(frozen=True)
class Fit:
    """From one metric to another: on which models, and by how much the figure is then lowered on purpose."""

    metric: str
    target: str
    modes: tuple[str, ...] = ANY
    lowered: float = 0.0
    least: float = 0.0  # figures below are not of the line: they say nothing there
    families: tuple[str, ...] = ()  # the beginnings of the models' names, where one line does not hold for all


@dataclass(frozen=True)
class Line:
    """A fitted line, and how well it fits.

    `fitted` ends at the greatest figure that it was fitted on, or before it where the line reaches the best figure
    that was measured on the other metric: it puts no model above all of those.
    """

    slope: float
    intercept: float
    models: int
    r2: float
    largest_miss: float
    fitted: tuple[float, float]

    def after(self, first: Line) -> Line:
        """The line that leads through another: its misses are those of `first` on this scale, and its own."""
        return Line(
            slope=self.slope * first.slope,
            intercept=self.slope * first.intercept + self.intercept,
            models=min(first.models, self.models),
            r2=first.r2 * self.r2,
            largest_miss=abs(self.slope) * first.largest_miss + self.largest_miss,
            fitted=(first.fitted[0], min(first.fitted[1], (self.fitted[1] - first.intercept) / first.slope)),
        )


# For each task and metric the way to the task's scale, in one step or more.
WAYS: Final[dict[tuple[str, str], tuple[Fit, ...]]] = {
    **{(task, "mmlu-redux"): (Fit("mmlu-redux", "mmlu-pro", least=40.0),) for task in KNOWLEDGE},
    **{(task, "gpqa-diamond"): (Fit("gpqa-diamond", "mmlu-pro", THINKING),) for task in KNOWLEDGE},
    **{(task, "ifeval"): (Fit("ifeval", "mmlu-pro", DIRECT, families=("granite", "llama-3")),) for task in KNOWLEDGE},
    ("json-extraction", "mmlu-pro"): (Fit("mmlu-pro", "ifeval", least=30.0),),
    ("json-extraction", "mmlu-redux"): (Fit("mmlu-redux", "ifeval", least=40.0),),
    ("json-extraction", "gpqa-diamond"): (
        Fit("gpqa-diamond", "mmlu-pro", THINKING),
        Fit("mmlu-pro", "ifeval", least=30.0),
    ),
    ("code-chat", "livecodebench-v5"): (Fit("livecodebench-v5", "livecodebench-v6"),),
    # GPT-4o and GPT-4o-mini are as good on the problems of 2024-07 to 09 as on those of 2024-10 to 2025-02.
    ("code-chat", "livecodebench-2407"): (Fit("livecodebench-v5", "livecodebench-v6"),),
    ("code-chat", "swe-bench-verified"): (Fit("swe-bench-verified", "livecodebench-v6"),),
    ("code-chat", "aider-polyglot"): (Fit("aider-polyglot", "livecodebench-v6", DIRECT),),
    ("code-chat", "aider-edit"): (
        Fit("aider-edit", "livecodebench-2407"),
        Fit("livecodebench-v5", "livecodebench-v6"),
    ),
    ("code-chat", "humaneval-plus"): (
        Fit("humaneval-plus", "livecodebench-v5", DIRECT),
        Fit("livecodebench-v5", "livecodebench-v6"),
    ),
    ("code-chat", "humaneval"): (
        Fit("humaneval", "livecodebench-v5", DIRECT),
        Fit("livecodebench-v5", "livecodebench-v6"),
    ),
    ("reasoning", "mmlu-pro"): (Fit("mmlu-pro", "gpqa-diamond", THINKING),),
    ("reasoning", "aime24"): (Fit("aime24", "gpqa-diamond", THINKING),),
    ("reasoning", "aime25"): (Fit("aime25", "gpqa-diamond", THINKING),),
    ("reasoning", "aime26"): (Fit("aime26", "gpqa-diamond", THINKING),),
    ("math", "hmmt-feb25"): (Fit("hmmt-feb25", "aime25"),),
    ("math", "aime24"): (Fit("aime24", "aime25"),),
    ("math", "gpqa-diamond"): (Fit("gpqa-diamond", "aime25", THINKING),),
    ("math", "math-500"): (Fit("math-500", "aime25", DIRECT),),
    ("math", "math"): (Fit("math-500", "aime25", DIRECT),),
    ("math", "gsm8k"): (Fit("gsm8k", "math", DIRECT), Fit("math-500", "aime25", DIRECT)),
    ("tool-calling", "bfcl-v3"): (Fit("bfcl-v3", "bfcl-v4"),),
    ("tool-calling", "tau2"): (Fit("tau2", "bfcl-v4"),),
    ("translation", "mmmlu"): (Fit("mmmlu", "xcomet-flores", DIRECT),),
    ("translation", "mgsm"): (Fit("mgsm", "xcomet-flores", DIRECT),),
    ("vision", "mmmu-pro"): (Fit("mmmu-pro", "mmmu"),),
    ("vision", "docvqa"): (Fit("docvqa", "mmmu"),),
    **{(task, "ifeval"): (Fit("ifeval", "vectara-answered", DIRECT),) for task in GROUNDED},
    **{
        (task, "mmlu-pro"): (Fit("mmlu-pro", "ifeval", least=30.0), Fit("ifeval", "vectara-answered", DIRECT))
        for task in GROUNDED
    },
    **{
        (task, "gpqa-diamond"): (
            Fit("gpqa-diamond", "mmlu-pro", THINKING),
            Fit("mmlu-pro", "ifeval", least=30.0),
            Fit("ifeval", "vectara-answered", DIRECT),
        )
        for task in GROUNDED
    },
    ("text-to-sql", "spider-test"): (Fit("spider-test", "bird-dev"),),
    ("text-to-sql", "bird-test"): (Fit("bird-test", "bird-dev"),),
    ("text-to-sql", "llm-sql-benchmark"): (Fit("llm-sql-benchmark", "bird-dev"),),
    ("code-completion", "humaneval-plus-base"): (Fit("humaneval-plus-base", "crosscodeeval"),),
    ("code-completion", "humaneval-base"): (
        Fit("humaneval", "humaneval-plus", ANY),
        Fit("humaneval-plus-base", "crosscodeeval"),
    ),
    ("code-completion", "humaneval-plus"): (Fit("humaneval-plus-of-instruct", "crosscodeeval", lowered=8.0),),
    ("code-completion", "humaneval"): (
        Fit("humaneval", "humaneval-plus", ANY),
        Fit("humaneval-plus-of-instruct", "crosscodeeval", lowered=8.0),
    ),
    ("embeddings", "mteb-multilingual"): (Fit("mteb-multilingual", "mteb-en-v2", least=55.0),),
    ("reranking", "mmteb-r"): (Fit("mmteb-r", "mteb-r"),),
    ("reranking", "cmteb-r"): (Fit("cmteb-r", "mteb-r"),),
}

# What a task's file says of a line beside what was fitted.
NOTES: Final = {
    ("code-chat", "livecodebench-2407"): (
        "; the line of LiveCodeBench v5, since GPT-4o-mini and GPT-4o solve as many of either "
        "(28.3 and 27.9, 34.6 and 32.7)"
    ),
    ("math", "math"): "; the line of MATH-500",
    ("code-completion", "humaneval-plus"): ": against the figure of its own base model, which goes before it",
}
WHICH: Final = {ANY: "", DIRECT: " without thinking", THINKING: " with thinking"}


def figures(known: Catalog) -> Figures:
    """Every measured figure of the catalog and of the table of models that it does not hold."""
    found: Figures = defaultdict(dict)
    with PAIRS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found[row["model"].lower().removeprefix("meta-"), row["mode"]][row["metric"]] = float(row["value"])
    for model in known.models:
        for score in model.scores:
            if not score.estimated:
                found[model.name.removeprefix("meta-"), score.mode][score.metric] = score.value
    return found


def fit(found: Figures, wanted: Fit) -> Line:
    """The line of least squares through the models that have both figures."""
    pairs = [
        (own[wanted.metric], own[wanted.target])
        for (name, mode), own in sorted(found.items())
        if mode in wanted.modes
        and name.startswith(wanted.families or ("",))
        and wanted.metric in own
        and wanted.target in own
        and own[wanted.metric] >= wanted.least
    ]
    x, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    slope, intercept = (round(float(value), 3) for value in np.polyfit(x, y, 1))
    misses = y - (slope * x + intercept)
    spread = float(((y - y.mean()) ** 2).sum())
    return Line(
        slope=slope,
        intercept=intercept - wanted.lowered,
        models=len(pairs),
        r2=1 - float((misses**2).sum()) / spread,
        largest_miss=float(np.abs(misses).max()),
        fitted=(float(x.min()), min(float(x.max()), (float(y.max()) - intercept) / slope)),
    )


def line(found: Figures, way: tuple[Fit, ...]) -> Line:
    """The line of a way of one step or more, rounded as the tasks' files state it."""
    whole = fit(found, way[0])
    for step in way[1:]:
        whole = fit(found, step).after(whole)
    return Line(
        slope=round(whole.slope, 3),
        intercept=round(whole.intercept, 2),
        models=whole.models,
        r2=round(whole.r2, 2),
        largest_miss=round(whole.largest_miss, 1),
        fitted=(round(whole.fitted[0], 1), round(whole.fitted[1], 1)),
    )


def rule(known: Catalog, found: Figures, place: tuple[str, str]) -> str:
    """What a task's file says of where its line is from."""
    way = WAYS[place]
    first, now = way[0], line(found, way)
    if len(way) > 1:
        one, two = line(found, way[:1]), line(found, way[1:])
        titles = {metric.id: metric.title for task in known.tasks for metric in task.metrics}
        return (
            f"its line to {titles[first.target]} over {one.models} models{WHICH[first.modes]} (r2 {one.r2:.2f}, "
            f"largest miss {one.largest_miss:.1f}) and the line from there over {two.models} (r2 {two.r2:.2f}), one "
            f"after the other (benchmarks/catalog_lines.py; largest misses of both together {now.largest_miss:.1f})"
        )
    families = ", of Granite and Llama" if first.families else ""
    least = f", from {first.least:g} on" if first.least else ""
    lowered = f", less {first.lowered:g}" if first.lowered else ""
    return (
        f"least squares over {now.models} models with both figures{families}{WHICH[first.modes]}{least} "
        f"(benchmarks/catalog_lines.py; r2 {now.r2:.2f}, largest miss {now.largest_miss:.1f}){lowered}"
        f"{NOTES.get(place, '')}"
    )


def statement(known: Catalog, found: Figures, place: tuple[str, str]) -> str:
    """The lines of a task's file on one of its lines."""
    now = line(found, WAYS[place])
    return (
        f"slope = {now.slope}\nintercept = {now.intercept}\nfitted = [{now.fitted[0]}, {now.fitted[1]}]\n"
        f'largest_miss = {now.largest_miss}\nrule = "{rule(known, found, place)}"\n'
    )


def differences(known: Catalog, *, write: bool = False) -> list[str]:
    """Where a task's file does not state what the fit gives, and with `write` does not do so any more."""
    found = figures(known)
    problems = []
    for place in WAYS:
        task, metric = place
        path = known.directory / "tasks" / f"{task}.toml"
        text = path.read_text(encoding="utf-8")
        block = re.search(rf'^id = "{re.escape(metric)}"\n.*?\n(?=\n|\Z)', text, re.DOTALL | re.MULTILINE)
        if block is None:
            problems.append(f"{task}: `{metric}` is no metric")
            continue
        head, given, stated = block[0].partition("slope = ")
        wanted = statement(known, found, place)
        if given + stated != wanted:
            problems.append(f"{task}: {metric}: the file states\n{given}{stated}and the fit gives\n{wanted}")
        if write:
            path.write_text(text.replace(block[0], head + wanted, 1), encoding="utf-8")
    return problems


def main() -> int:
    """Print every line, then what differs."""
    known = catalog.load(catalog.directory())
    found = figures(known)
    for (task, metric), way in WAYS.items():
        now = line(found, way)
        steps = " -> ".join([way[0].metric, *(step.target for step in way)])
        print(
            f"{task:16} {metric:20} slope {now.slope:7.3f}  intercept {now.intercept:8.2f}  n {now.models:3}  "
            f"r2 {now.r2:5.2f}  largest miss {now.largest_miss:5.1f}  from {now.fitted[0]:g} to {now.fitted[1]:g}  "
            f"({steps})"
        )
    problems = differences(known, write="--write" in sys.argv[1:])
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

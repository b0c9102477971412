"""The measured table of docs/evaluation.md: the starter and two small models on lmpm's own text-to-SQL cases.

    python -m benchmarks.sql_evaluation [SMOLLM2.gguf GEMMA.gguf] [--limit N] [--home FOLDER] [--page FILE.md]

The first contender is the starter as `lmpm install` pins it, the others are files; each is asked with its grammar and
without. Answers are kept in `--home`, so a run that was interrupted, or one with a greater `--limit`, goes on where it
was. `--limit` is for the models beside the starter, which is asked all cases, too. With `--page` what stands between
its marks is written anew, else it is printed. The models of the page: `pip install --group real-models` brings both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lmpm.proof.sqlite import rows_on
from lmpm.sql import QueryError, extract_sql
from lmpm.units import duration, human
from tests.evaluation.test_sets import written

ROOT: Final = Path(__file__).resolve().parents[1]
TAGS: Final = ("easy", "medium", "hard")
MARK: Final = "<!-- {} of benchmarks/sql_evaluation.py -->\n"  # before and after a part of the page
PARTS: Final = ("transcript", "table")
WIDTH: Final = "100"  # columns of the transcript
MAX_TOKENS: Final = 96


def main() -> int:
    """Evaluate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--limit", type=int, help="so many of the cases, the same ones each time")
    parser.add_argument("--home", type=Path, help="where answers are kept")
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), asked.home or Path(folder) / "home", asked.models, asked.limit)
        beside = project.evaluate(project.beside) if project.beside else None
        made = {
            "transcript": project.transcript(),
            "table": "On " + page(project.evaluate([])) + (f"\nBeside the others, on {page(beside)}" if beside else ""),
        }
    text = "".join(MARK.format(name) * 2 for name in PARTS) if asked.page is None else asked.page.read_text("utf-8")
    for name in PARTS:
        before, _, after = text.split(MARK.format(name))
        text = MARK.format(name).join((before, made[name], after))
    if asked.page is None:
        print(text, end="")
    else:
        asked.page.write_text(text, "utf-8")
    return 0


class Project:
    """A project with the starter, and the other models beside its files."""

    def __init__(self, folder: Path, home: Path, models: Sequence[Path], limit: int | None) -> None:
        self.directory = folder / "project"
        self.directory.mkdir()
        self.environment = {
            **os.environ, "HF_HOME": str(folder / "hf"), "LMPM_HOME": str(home.resolve()), "PYTHONPATH": str(ROOT),
            "COLUMNS": WIDTH,
        }  # fmt: skip
        self.beside: list[str] = []
        for model in models:
            (self.directory / model.name).symlink_to(model.resolve())
            self.beside += ["--against", f"./{model.name}"]
        self.beside += ["--limit", str(limit)] if models and limit else []
        self.lmpm("install", "text-to-sql", "--offline", "--no-test")

    def lmpm(self, *arguments: str, shows: bool = False) -> str:
        """What a command prints, with what it says beside it if it `shows`."""
        done = subprocess.run(
            [sys.executable, "-m", "lmpm", *arguments], cwd=self.directory, env=self.environment, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if shows else None,
        )  # fmt: skip
        return done.stdout.decode()

    def evaluate(self, beside: Sequence[str]) -> dict[str, Any]:
        """The starter, and who is named beside it, with and without the grammar."""
        arguments = ["--offline", "--json", "--no-grammar", "--max-tokens", str(MAX_TOKENS)]
        found: dict[str, Any] = json.loads(self.lmpm("eval", "text-to-sql", *beside, *arguments))
        return found

    def transcript(self) -> str:
        """What a person sees; asked as in the table, so that the answers are there."""
        arguments = ["eval", "text-to-sql", *self.beside, "--max-tokens", str(MAX_TOKENS)]
        shown = self.lmpm(*arguments, shows=True)
        return f"```console\n$ lmpm {' '.join(arguments)}\n{shown}```\n"


def page(found: dict[str, Any]) -> str:
    """The table and how it was made."""
    scores, number = found["scores"], found["scores"][0]["asked"]
    cases = written(ROOT / "catalog" / "evals" / "text-to-sql.jsonl")
    tags = {name: case["tags"] for name, case in cases.items()}
    totals = [sum(tag in tags[item["id"]] for item in scores[0]["results"]) for tag in TAGS]
    asked = f"all {number} cases" if number == len(tags) else f"{number} of {len(tags)} cases, chosen by hash"
    lines = [
        f"{asked} ({scores[0]['engine']}, {found['machine'].partition(' · ')[0]}):",
        "",
        "| | right | "
        + " | ".join(f"{tag}, of {total}" for tag, total in zip(TAGS, totals, strict=True))
        + " | beside the first | does not run | answer, median | memory |",
        "|---|---|" + "---|" * (len(TAGS) + 4),
    ]
    beside = ["", *map(standing, found["comparisons"])]
    for score, words in zip(scores, beside, strict=True):
        right = [sum(item["passed"] for item in score["results"] if tag in tags[item["id"]]) for tag in TAGS]
        broken = sum(not runs(item["answer"], cases[item["id"]]) for item in score["results"])
        low, high = score["interval"]
        cells = [
            f"{score['model']} {score['quant']}".strip(),
            f"{score['right']} of {number}: {score['share']:.0%} ({low * 100:.0f}-{high * 100:.0f})".replace("%", " %"),
            *map(str, right),
            words,
            str(broken),
            f"{duration(score['answer_s'])}, {score['tokens']:.0f} tokens",
            human(score["peak_memory"]) if score["peak_memory"] else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def runs(answer: str, case: dict[str, Any]) -> bool:
    """Whether an answer is a query that runs on the database of its case."""
    sql, rows = extract_sql(answer), case["rows"]
    try:
        return bool(sql) and rows_on(case["schema"], [rows] if isinstance(rows, str) else rows, sql) is not None
    except QueryError:
        return False


def standing(comparison: dict[str, Any]) -> str:
    """How a contender stands beside the first one."""
    word = {"better": "better", "worse": "worse", "close": "too close to call"}[comparison["standing"]]
    low, high = (end * 100 for end in comparison["interval"])
    pairs = f"{len(comparison['lost'])} lost, {len(comparison['won'])} won"
    points = f"{comparison['difference'] * 100:+.0f} points ({low:+.0f} to {high:+.0f})"
    return f"{word} ({pairs}; p {comparison['p']:.2g}), {points}"


if __name__ == "__main__":
    sys.exit(main())

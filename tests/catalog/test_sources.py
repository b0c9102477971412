"""The catalog's figures: each names a place where it can be read, and no guess of ours outranks what was measured."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import catalog_lines
from lmpm import catalog
from lmpm.catalog.problem import ProblemKind
from lmpm.catalog.schema.task import RankingTime, VectorTime, WritingTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.catalog import Catalog

SHIPPED = Path(__file__).resolve().parents[2] / "catalog"

REPO = r"[\w.-]+/[\w.-]+"
PLACES = {
    "an address": r"https://[\w.-]+\.[a-z]+(/\S*)?",
    "a file of a repository": rf"{REPO}( gh-pages)?:[\w./*-]+",
    "a repository at a commit": rf"{REPO}@[0-9a-f]{{7,40}}",
    "a card, or what stands in a repository": rf"(model card|config\.json|header)\b.* of (its base model )?{REPO}",
    "a report": r"technical report, arXiv \d{4}\.\d{5} \(",
}
PLACE = re.compile("|".join(f"(?:{place})" for place in PLACES.values()))

# Parameters of the classes of size that people have the memory for, in thousands of millions.
CLASSES = [
    (0, 1.3),
    (1.3, 2.7),
    (2.7, 5.5),
    (5.5, 10),
    (10, 18),
    (18, 28.5),
    (28.5, 41),
    (41, 90),
    (90, 150),
    (150, 300),
]
RECENT = "2025-07"


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalog.load(SHIPPED)


def sources(found: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Every `source` of a document, with its place."""
    if isinstance(found, list):
        for index, item in enumerate(found):
            yield from sources(item, f"{place}[{index}]")
    elif isinstance(found, dict):
        for key, value in found.items():
            if key == "source":
                yield place, value
            else:
                yield from sources(value, f"{place}.{key}")


@pytest.mark.parametrize("kind", ["score", "prompt", "shape", "embedding", "repo"])
def test_every_source_of_a_model_names_a_place(kind: str) -> None:
    nameless = {
        (path.name, place, source)
        for path in sorted((SHIPPED / "models").glob("*.toml"))
        for place, source in sources(tomllib.loads(path.read_text(encoding="utf-8")).get(kind, {}))
        if not PLACE.search(source)
    }
    assert not nameless


@pytest.mark.parametrize("source", ["public text, 2026", "a page", "measured", "see above", "the model card", "arXiv"])
def test_what_cannot_be_opened_is_no_place(source: str) -> None:
    assert not PLACE.search(source)


def test_no_estimate_ranks_a_model_below_a_smaller_one_of_its_family(shipped: Catalog) -> None:
    below = []
    for task in shipped.tasks:
        scored = [(model, rating) for model in shipped.models for rating in shipped.ratings(model, task)]
        for model, rating in scored:
            below += [
                (task.name, model.name, other.name)
                for other, better in scored
                if rating.kind == "estimated"
                and rating.mode == better.mode
                and (other.family, other.released[:7]) == (model.family, model.released[:7])
                and other.parameters < model.parameters
                and better.value > rating.value
            ]
    assert not below


def test_no_line_puts_a_model_above_the_best_that_was_measured(shipped: Catalog) -> None:
    above = []
    for task in shipped.tasks:
        own = [
            score.value
            for model in shipped.models
            for score in model.scores
            if score.task == task.name and score.metric == task.metrics[0].id and not score.estimated
        ]
        for model in shipped.models:
            above += [
                (task.name, model.name, rating.value, max(own))
                for rating in shipped.ratings(model, task)
                if rating.kind == "converted" and rating.value > max(own) + 0.5
            ]
    assert not above


def test_the_lines_of_the_tasks_are_those_that_are_fitted(shipped: Catalog) -> None:
    assert catalog_lines.differences(shipped) == []


def test_every_line_says_on_what_it_was_fitted_or_why_it_is_not(shipped: Catalog) -> None:
    for task in shipped.tasks:
        for metric in task.metrics[1:]:
            if metric.fitted is None:
                assert "least squares" not in metric.rule, (task.name, metric.id)
            else:
                assert metric.largest_miss is not None
                assert re.search(r"over \d+ models.*r2 -?\d\.\d\d.*largest miss", metric.rule), (task.name, metric.id)


def test_a_task_states_its_times_in_the_form_of_its_kind(shipped: Catalog) -> None:
    forms = {"embeddings": VectorTime, "rerank": RankingTime}
    for task in shipped.tasks:
        assert type(task.time) is forms.get(task.smoke.kind, WritingTime), task.name
        best = max(rating.value for model in shipped.models for rating in shipped.ratings(model, task))
        assert 0 < task.time.useful < best, task.name
    bulk = {task.name for task in shipped.tasks if isinstance(task.time, WritingTime) and task.time.bulk}
    shows = {task.name for task in shipped.tasks if isinstance(task.time, WritingTime) and task.time.shows_thinking}
    assert {"classification", "json-extraction", "code-completion"} <= bulk
    assert shows == {"reasoning", "math"}


def test_a_mode_stands_exactly_where_a_model_can_think(shipped: Catalog) -> None:
    for model in shipped.models:
        thinking = model.quirks.thinking if model.quirks else ""
        allowed = {"": {"", "direct"}, "optional": {"direct", "thinking"}, "always": {"thinking"}}[thinking]
        assert {score.mode for score in model.scores} <= allowed, model.name


def test_who_ran_a_figure_agrees_with_where_it_stands(shipped: Catalog) -> None:
    for model in shipped.models:
        for score in model.scores:
            card = re.match(rf"model card of ({REPO})(?:,| \(|$)(?! which)", score.source)
            own = card and card[1].rpartition("/")[2].lower() == model.name and "which compares" not in score.source
            assert not own or score.by == "maker", (model.name, score.metric, score.source)
            if score.source.startswith(("vectara/", "ShishirPatil/", "Aider-AI/", "evalplus/", "RUCKBReasoning/")):
                maker = score.source.startswith("RUCKBReasoning/") and model.name.startswith("omnisql")
                assert score.by == ("maker" if maker else "independent"), (model.name, score.metric)


def test_what_is_downloaded_most_is_entered_or_left_out_with_a_reason(shipped: Catalog) -> None:
    rows = tomllib.loads((SHIPPED / "demand.toml").read_text(encoding="utf-8"))["base"]
    assert len(rows) >= 60
    entered = [row for row in rows if row.get("model")]
    assert len(entered) >= 0.9 * len(rows)
    assert not [row["repo"] for row in entered if shipped.model(row["model"]) is None]
    assert all(PLACE.search(row["source"]) for row in rows if not row.get("model"))


@pytest.mark.parametrize(
    ("row", "place", "kind"),
    [
        ('model = "nothing"', "base[0].model", "unknown"),
        ('model = "arctic-text2sql-r1-7b"\nleft_out = "x"', "base[0].model", "conflict"),
        ('left_out = "x"\nsource = "y"', "base[0].left_out", "conflict"),
        ('left_out = "x"', "base[0].source", "missing"),
        ('model = "arctic-text2sql-r1-7b"\nlikes = 3', "base[0].likes", "unknown"),
    ],
)
def test_mistakes_of_the_list_of_demand_are_found(tmp_path: Path, row: str, place: str, kind: ProblemKind) -> None:
    shutil.copytree(SHIPPED, tmp_path, ignore=shutil.ignore_patterns("models", "starter"), dirs_exist_ok=True)
    (tmp_path / "models").mkdir()
    shutil.copy(SHIPPED / "models" / "arctic-text2sql-r1-7b.toml", tmp_path / "models")
    text = f'[[base]]\nrepo = "Snowflake/Arctic-Text2SQL-R1-7B"\ndownloads = 1\n{row}\n'
    (tmp_path / "demand.toml").write_text(text, encoding="utf-8")
    found = [(item.place, item.kind) for item in catalog.check(tmp_path) if item.file == "demand.toml"]
    assert found == [(place, kind)]


@pytest.mark.parametrize("task_name", ["chat", "code-chat", "reasoning"])
def test_every_class_of_size_has_a_recent_candidate(shipped: Catalog, task_name: str) -> None:
    task = shipped.task(task_name)
    assert task
    empty = [
        (low, high)
        for low, high in CLASSES
        if not any(
            low <= model.parameters / 1e9 < high and model.released >= RECENT
            for model in shipped.models
            if any(score.task == task.name for score in model.scores)
        )
    ]
    assert empty == []


def test_rerankers_without_their_head_are_withdrawn(shipped: Catalog) -> None:
    withdrawn = {item.repo for item in shipped.yanked}
    assert "mradermacher/zerank-2-GGUF" in withdrawn
    assert all(item.source.startswith("https://") for item in shipped.yanked)
    assert not withdrawn & {repo.id for model in shipped.models for repo in model.repos}

"""What `lmpm catalog show` says of a task and of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm import licenses
from lmpm.catalog import BUDGETS, GB
from lmpm.cli.output.console import put, put_rest, put_table
from lmpm.cli.output.layout import Fit
from lmpm.estimate import estimate_memory
from lmpm.units import human, parameters

if TYPE_CHECKING:
    from lmpm.catalog import Catalog, CatalogModel, Rating, Task

SHOWN: Final = 16  # models of a task
SHOWN_SCORES: Final = 6  # of a model
SHOWN_FILES: Final = 8
MODELS: Final = Fit(drop=(7, 5, 6, 2), shorten=(0,))


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of a task in a mode: what is expected of it, and the budgets in which some quant of it fits."""

    model: CatalogModel
    rating: Rating
    budgets: tuple[int, ...]


def entries(catalog: Catalog, task: Task) -> list[Entry]:
    """The models of a task, best first."""
    found = []
    for model in catalog.models:
        ratings = catalog.ratings(model, task)
        if ratings:
            needs = [estimate_memory(variant, task.context).total for variant in catalog.variants_of(model, task)]
            least = min(needs, default=None)
            fitting = tuple(budget for budget in BUDGETS if least is not None and least <= budget)
            found += [Entry(model, item, fitting) for item in ratings]
    return sorted(found, key=lambda entry: (-entry.rating.value, entry.model.name))


def task_json(task: Task, found: list[Entry]) -> dict[str, Any]:
    """A task and its models as JSON values."""
    return {
        "task": task.name,
        "title": task.title,
        "aliases": list(task.aliases),
        "context": task.context,
        "min_context": task.min_context,
        "useful": task.time.useful,
        "capabilities": sorted(task.capabilities),
        "metrics": [{"id": item.id, "title": item.title, "why": item.why, "rule": item.rule} for item in task.metrics],
        "models": [
            {
                "name": entry.model.name,
                "parameters": entry.model.parameters,
                "budgets": list(entry.budgets),
                "license": entry.model.license,
                "commercial": licenses.permits_commercial_use(entry.model.license),
                "mode": entry.rating.mode,
                "quality": entry.rating.value,
                "metric": entry.rating.metric,
                "value": entry.rating.published,
                "kind": entry.rating.kind,
                "estimated": entry.rating.kind == "estimated",
                "source": entry.rating.source,
                "date": entry.rating.date,
            }
            for entry in found
        ],
    }


def put_task(task: Task, found: list[Entry], *, everything: bool) -> None:
    """A task and its models for people."""
    put(f"{task.title}: {task.summary}")
    put(f"ranked by {task.metrics[0].title}; of use from {task.time.useful:g} on, {task.context:,} tokens")
    if task.aliases:
        put(f"also {', '.join(task.aliases)}")
    if task.smoke.gap:
        put(f"test: {task.smoke.gap}")
    put("")
    shown = found if everything else found[:SHOWN]
    heads = ("model", "size", "memory", "mode", "score", "figure behind it", "licence", "from")
    put_table([_row(entry) for entry in shown], heads=heads, right=frozenset({1, 2, 4}), fit=MODELS)
    put_rest(len(found) - len(shown), "row")


def _row(entry: Entry) -> tuple[str, ...]:
    rating = entry.rating
    return (
        entry.model.title,
        parameters(entry.model.parameters),
        f"from {entry.budgets[0] // GB} GB" if entry.budgets else "over 48 GB",
        rating.mode,
        f"{rating.value:.1f}",
        f"{rating.metric} {rating.published:g} ({rating.kind})",
        _license(entry.model.license),
        f"{rating.source}, {rating.date}",
    )


def _license(name: str) -> str:
    """A licence, with its limits where they stand in the way of many."""
    return name if licenses.permits_commercial_use(name) else licenses.describe(name)


def model_json(model: CatalogModel) -> dict[str, Any]:
    """What is known of a model as JSON values."""
    known = licenses.LICENSES.get(model.license)
    quirks = model.quirks
    return {
        "model": model.name,
        "title": model.title,
        "family": model.family,
        "publisher": model.publisher,
        "base_model": model.base_model,
        "released": model.released,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "architecture": model.architecture,
        "context": model.context_length,
        "capabilities": sorted(model.capabilities),
        "min_engine_build": model.min_engine_build,
        "license": {
            "id": model.license,
            "commercial": bool(known and known.commercial),
            "max_users": known.max_users if known else None,
            "note": known.note if known else "",
        },
        "prompt": {
            "thinking": quirks.thinking if quirks else "",
            "thinking_off": quirks.thinking_off if quirks else "",
            "system_role": quirks.system_role if quirks else True,
            "note": quirks.note if quirks else "",
        },
        "scores": [
            {
                "task": score.task,
                "metric": score.metric,
                "value": score.value,
                "estimated": score.estimated,
                "rule": score.rule,
                "source": score.source,
                "date": score.date,
            }
            for score in model.scores
        ],
        "repos": [
            {"repo": repo.id, "revision": repo.revision, "quants": sorted({file.quant for file in repo.files})}
            for repo in model.repos
        ],
    }


def put_model(model: CatalogModel, *, everything: bool) -> None:
    """What is known of a model for people."""
    active = f", {parameters(model.active_parameters)} active" if model.active_parameters < model.parameters else ""
    put(f"{model.title}: {parameters(model.parameters)} parameters{active}, by {model.publisher}")
    rows = [
        ("licence", licenses.describe(model.license)),
        ("base model", model.base_model),
        ("context", f"{model.context_length:,} tokens"),
        ("can", ", ".join(sorted(model.capabilities))),
        ("llama.cpp", f"b{model.min_engine_build} or newer" if model.min_engine_build else ""),
        *_quirks(model),
    ]
    put_table([row for row in rows if row[1]], indent="  ", fit=Fit(wraps=True))
    put("")
    figures: dict[tuple[str, str], list[str]] = {}  # each once, for all tasks that it counts for
    for score in model.scores:
        source = "estimated: " + score.rule if score.estimated else score.source
        figures.setdefault((f"{score.metric} {score.value:g}", source), []).append(score.task)
    scores = [(figure, f"{', '.join(tasks)}: {source}") for (figure, source), tasks in figures.items()]
    shown_scores = scores if everything else scores[:SHOWN_SCORES]
    put_table(shown_scores, indent="  ", fit=Fit(wraps=True))
    put_rest(len(scores) - len(shown_scores), "score", indent="  ")
    put("")
    files = [(repo, file) for repo in model.repos for file in repo.files]
    shown = files if everything else files[:SHOWN_FILES]
    put_table(
        [
            (repo.id, file.quant, human(file.size), "" if file.sha256 and repo.revision else "not pinned", file.path)
            for repo, file in shown
        ],
        indent="  ",
        right=frozenset({2}),
        fit=Fit(drop=(4,), shorten=(0,)),
    )
    put_rest(len(files) - len(shown), "file", indent="  ")


def _quirks(model: CatalogModel) -> list[tuple[str, str]]:
    quirks = model.quirks
    if quirks is None:
        return []
    thinking = {"": "", "always": "always, before each answer", "optional": f"off with {quirks.thinking_off}"}
    return [
        ("thinking", thinking[quirks.thinking]),
        ("system role", "" if quirks.system_role else "its chat template has none: say it in the first message"),
        ("note", quirks.note),
    ]

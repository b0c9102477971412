"""`lmpm catalog`: the tasks and models that lmpm knows."""

from __future__ import annotations

import click

from lmpm.cli.console import Console, put, put_json, put_table
from lmpm.cli.settings import App, common, json_option
from lmpm.errors import UnknownNameError


@click.group()
def command() -> None:
    """Show and check the catalog of tasks and models."""


@command.command("list", epilog="Example: `lmpm catalog list`")
@json_option
@common
def list_tasks(as_json: bool, quiet: bool, verbose: bool) -> None:
    """List the tasks."""
    app = App(Console(quiet, verbose), offline=True)
    counts = {
        task.name: sum(any(score.task == task.name for score in model.scores) for model in app.catalog.models)
        for task in app.catalog.tasks
    }
    if as_json:
        put_json(
            {
                "tasks": [
                    {"name": t.name, "title": t.title, "aliases": list(t.aliases), "models": counts[t.name]}
                    for t in app.catalog.tasks
                ]
            }
        )
        return
    put_table([(task.name, task.summary, f"{counts[task.name]} models") for task in app.catalog.tasks])


@command.command("show", epilog="Example: `lmpm catalog show text-to-sql`")
@click.argument("name")
@json_option
@common
def show_task(name: str, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Show the models of a task with their scores and sources, best first."""
    app = App(Console(quiet, verbose), offline=True)
    task = app.catalog.task(name)
    if task is None:
        from difflib import get_close_matches

        near = get_close_matches(name.lower(), app.catalog.task_names(), n=2)
        raise UnknownNameError("task", name, suggestions=near, listing="All tasks: `lmpm catalog list`")
    rows = []
    for model in app.catalog.models:
        found = app.catalog.score(model, task)
        if found is not None:
            score, metric, quality = found
            rows.append((model, score, metric, quality))
    rows.sort(key=lambda row: -row[3])
    if as_json:
        put_json(
            {
                "task": task.name,
                "models": [
                    {
                        "name": model.name,
                        "parameters": model.parameters,
                        "license": model.license,
                        "quality": quality,
                        "metric": metric.title,
                        "value": score.value,
                        "estimated": score.estimated,
                        "source": score.source,
                    }
                    for model, score, metric, quality in rows
                ],
            }
        )
        return
    put(f"{task.title}: {task.summary}")
    put(f"ranked by {task.metrics[0].title}; at least {task.min_speed:g} tok/s, {task.context:,} tokens")
    put("")
    put_table(
        [
            (
                model.title,
                f"{model.parameters / 1e9:.1f}B",
                f"{quality:.1f}",
                f"{metric.title} {score.value:g}{' (estimated)' if score.estimated else ''}",
                model.license,
                score.source,
            )
            for model, score, metric, quality in rows
        ],
        right=frozenset({1, 2}),
    )


@command.command("check", epilog="Example: `lmpm catalog check`")
@common
def check_files(quiet: bool, verbose: bool) -> int:
    """Check every file of the catalog and print every problem."""
    from lmpm import catalog
    from lmpm.location import directory

    problems = catalog.check(directory())
    for problem in problems:
        put(problem)
    console = Console(quiet, verbose)
    if problems:
        return 1
    console.done("The catalog has no problems")
    return 0

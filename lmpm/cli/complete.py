"""What the shell offers for an argument: tasks, models of the catalog, names of the project. Nothing is ever asked."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import click
    from click.shell_completion import CompletionItem

    from lmpm.project import Workspace


def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The models of the project, each with what the lock pins first."""
    return _matching(incomplete, _project_items(ctx))


def references(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tasks, the models of the project and those of the catalog; files where a path was begun."""
    if incomplete.startswith((".", "/", "~")):
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]
    return _matching(incomplete, (*_task_items(), *_project_items(ctx), *_model_items()))


def catalog_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tasks and the models of the catalog."""
    return _matching(incomplete, (*_task_items(), *_model_items()))


def tasks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tasks."""
    return _matching(incomplete, _task_items())


def _matching(incomplete: str, items: Iterable[tuple[str, str | None]]) -> list[CompletionItem]:
    """Those that begin as what was typed; where the project is broken, those that were found before that was seen."""
    from click.shell_completion import CompletionItem

    found: dict[str, CompletionItem] = {}
    with suppress(Exception):  # a shell that completes has no place for errors
        for value, what in items:
            if value.startswith(incomplete.lower()):
                found.setdefault(value, CompletionItem(value, help=what))
    return [*found.values()]


def _workspace(*, is_global: bool = False) -> Workspace:
    import os

    from lmpm.project import Environment, Workspace, global_directory, project_directory

    environment = Environment.read(os.environ)
    place = (global_directory if is_global else project_directory)(environment)
    return Workspace(environment=environment, directory=place, offline=True)


def _task_items() -> Iterator[tuple[str, str | None]]:
    with suppress(Exception):
        for task in _workspace().catalog.tasks:
            yield task.name, task.title


def _model_items() -> Iterator[tuple[str, str | None]]:
    with suppress(Exception):
        for name in _workspace().catalog.model_names():
            yield name, None


def _project_items(ctx: click.Context) -> Iterator[tuple[str, str | None]]:
    with suppress(Exception):
        from lmpm.project import Project

        project = Project(_workspace(is_global=bool(ctx.params.get("is_global"))).directory)
        for model in project.lock().models:
            first = model.candidates[0]
            yield model.name, f"{first.model} {first.quant}"
        for name in project.manifest().models:
            yield name, None

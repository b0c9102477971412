"""The model that `lmpm run` is given: pinned in the project or for all of them, a file, or brought after asking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lmpm.cli import plans
from lmpm.cli.app import App
from lmpm.cli.output.console import is_terminal
from lmpm.errors import MissingFilesError, UnknownNameError
from lmpm.project import ActionReporter, actions, global_directory
from lmpm.runtime import find_subject
from lmpm.units import human

if TYPE_CHECKING:
    from lmpm.runtime import Subject


def find(app: App, ref: str, *, task: str | None, agreed: bool) -> Subject:
    """What a reference names, with its files on this machine.

    `agreed` says that what is not here may be downloaded; else that is asked on a terminal, and off one it is a
    MissingFilesError.
    """
    told = ActionReporter(app.transfers)
    try:
        return find_subject(app.workspace, ref, task=task, download=agreed, reporter=told)
    except MissingFilesError as error:
        if not is_terminal():
            raise error.with_hint("Download it with `--yes`, or `lmpm sync`") from error
        for line in (error.message, *error.details):
            app.console.say("", line)
        _confirm("Download it?")
        return find_subject(app.workspace, ref, task=task, reporter=told)
    except UnknownNameError as error:
        if error.noun != "installed model":
            raise
    _bring(app, ref, agreed=agreed)
    return find_subject(app.workspace, ref, task=task, reporter=told)


def _bring(app: App, ref: str, *, agreed: bool) -> None:
    """Choose a model, show it, ask, and install it for all projects of the user."""
    own = App(
        app.console,
        replace(app.workspace, directory=global_directory(app.workspace.environment)),
        as_json=app.as_json,
        offline_by=app.offline_by,
    )
    plan = actions.install.plan(own.workspace, [ref])
    for step in plan.steps:
        plans.show_step(own, plan, step)
    size = human(plan.download_size)
    if plan.download_size and not agreed:
        if not is_terminal():
            raise MissingFilesError(
                f"`{ref}` is not installed: {size} to download",
                hint=f"`lmpm install {ref}` for this project, or `lmpm run {ref} --yes` for all of yours",
                kind="not-installed",
            )
        _confirm(f"`{ref}` is not installed. Download {size} and use it for all your projects?")
    actions.install.apply(plan, plans.ActionWords(own, plan))


def _confirm(question: str) -> None:
    if not click.confirm(question, default=True, err=True):
        raise click.Abort

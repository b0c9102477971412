"""`lmpm diff`: what changed between two locks, in words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmpm.cli.app import App
from lmpm.cli.options import json_option, pass_app
from lmpm.cli.output.console import put, put_json
from lmpm.errors import LockError, SpecError
from lmpm.fs import printable

if TYPE_CHECKING:
    from lmpm.project import Lock, Project

HINT = "Name two locks, as files or as commits of git: `lmpm diff OLD NEW`"
GIT_ARGUMENTS = 7  # that git gives to an external diff command: path, and file, hex and mode of both sides


@click.command(epilog="Example: `lmpm diff origin/main`, or as git's own: `git config diff.lmpm.command 'lmpm diff'`")
@click.argument("locks", nargs=-1, metavar="[OLD [NEW]]")
@json_option
@pass_app(local=True)
def command(app: App, locks: tuple[str, ...]) -> None:
    """Say what changed from one lock to another.

    OLD and NEW are files, or commits, branches or tags of git. Without OLD it is the lock that git has committed
    last, without NEW that of this project.
    """
    from lmpm.project import differences

    project = app.project
    if len(locks) >= GIT_ARGUMENTS:
        old, new = _read(locks[1], project), _read(locks[4], project)
        put(f"{locks[0]}:")
    elif len(locks) > 2:
        raise SpecError("Expected at most two locks", hint="`lmpm diff OLD NEW`")
    else:
        old = _read(locks[0], project) if locks else _committed(project)
        new = _read(locks[1], project) if len(locks) > 1 else project.require_lock()
    lines = list(differences(old, new, app.workspace.machine))
    if app.as_json:
        put_json({"changes": lines})
        return
    for line in lines:
        put(line)
    if not lines:
        app.console.done("Nothing changed")


def _read(name: str, project: Project) -> Lock:
    """The lock of a file, or of a commit, branch or tag of git."""
    from lmpm.project import Lock, load_lock

    path = Path(name)
    if name == os.devnull or (path.is_file() and not path.stat().st_size):  # git's word for a file that is not there
        return Lock()
    return load_lock(path) if path.exists() else _committed(project, name)


def _committed(project: Project, revision: str = "HEAD") -> Lock:
    """The lock as git has committed it. Raises LockError when it has not."""
    from lmpm.project import parse_lock

    file = project.lock_path.name
    try:
        shown = subprocess.run(
            ["git", "show", "--end-of-options", f"{revision}:./{file}"],
            cwd=project.directory,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise LockError("git cannot be run", hint=HINT) from error
    if shown.returncode and revision == "HEAD":
        raise LockError(f"git has no committed `{file}` in `{project.directory}`", hint=HINT)
    if shown.returncode:
        raise LockError(f"`{printable(revision)}` is neither a file nor a commit with a `{file}`", hint=HINT)
    return parse_lock(shown.stdout.decode("utf-8", "replace"), name=f"{revision}:{file}")

"""`lmpm diff`: what changed between two locks, in words."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmpm.cli import workspace
from lmpm.cli.console import Console, put, put_json
from lmpm.cli.settings import App, common, json_option
from lmpm.errors import LockError, SpecError

if TYPE_CHECKING:
    from lmpm.lock_types import Lock
    from lmpm.project import Project

GIT_ARGUMENTS = 7  # that git gives to an external diff command: path, and file, hex and mode of both sides


@click.command(epilog="Example: `lmpm diff`, or as git's own: `git config diff.lmpm.command 'lmpm diff'`")
@click.argument("locks", nargs=-1, metavar="[OLD [NEW]]")
@json_option
@common
def command(locks: tuple[str, ...], as_json: bool, quiet: bool, verbose: bool) -> None:
    """Say what changed from one lock to another.

    Without OLD it is the lock that git has committed, without NEW that of this project.
    """
    from lmpm.lock_diff import differences

    app = App(Console(quiet, verbose), offline=True)
    project = workspace.project(app, is_global=False)
    if len(locks) >= GIT_ARGUMENTS:
        old, new = _read(locks[1]), _read(locks[4])
        put(f"{locks[0]}:")
    elif len(locks) > 2:
        raise SpecError("Expected at most two locks", hint="`lmpm diff OLD NEW`")
    else:
        old = _read(locks[0]) if locks else _committed(project)
        new = _read(locks[1]) if len(locks) > 1 else workspace.read_lock(project)
    lines = list(differences(old, new))
    if as_json:
        put_json({"changes": lines})
        return
    for line in lines:
        put(line)
    if not lines:
        app.console.done("Nothing changed")


def _read(name: str) -> Lock:
    from lmpm.lock import Lock, load_lock

    path = Path(name)
    if name == "/dev/null" or (path.is_file() and not path.stat().st_size):  # git's word for a file that is not there
        return Lock()
    return load_lock(path)


def _committed(project: Project) -> Lock:
    """The lock of the last commit. Raises LockError without one."""
    from lmpm.lock import parse_lock

    try:
        shown = subprocess.run(
            ["git", "show", f"HEAD:./{project.lock_path.name}"],
            cwd=project.directory,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise LockError("git cannot be run", hint="Name two locks: `lmpm diff OLD NEW`") from error
    if shown.returncode:
        raise LockError(
            f"git has no committed `{project.lock_path.name}` in `{project.directory}`",
            hint="Name two locks: `lmpm diff OLD NEW`",
        )
    return parse_lock(shown.stdout.decode("utf-8", "replace"), name=f"HEAD:{project.lock_path.name}")

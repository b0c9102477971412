"""`lmpm outdated`: what has changed since the lock was made. Nothing is changed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import global_option, hardware_option, json_option, pass_app
from lmpm.cli.output.console import Console, put, put_json
from lmpm.errors import IntegrityError, OfflineError
from lmpm.project import find_models, find_news
from lmpm.units import count

if TYPE_CHECKING:
    from lmpm.project import News


@click.command(epilog="Example: `lmpm outdated --json`")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@hardware_option
@global_option
@json_option
@pass_app(asks_anew=True)
def command(app: App, names: tuple[str, ...]) -> int:
    """Say what is newer than what the lock pins.

    Nothing is changed: `lmpm update` does that.

    Newer commits, files uploaded again, changed templates and licences, repositories that are gone or belong
    to somebody else, better choices of a newer catalog, and recipes that it has otherwise. Files that changed under
    the pinned commit end in exit code 4; nothing else here is a failure.
    """
    if app.workspace.offline:
        raise OfflineError("What is new can only be asked over the network")
    models = find_models(app.project.require_lock(), names)
    found = find_news(app.workspace, names)
    if app.as_json:
        rows = [
            {"name": news.model, "variant": news.rung, "kind": news.change.kind, "detail": news.change.detail}
            for news in found
        ]
        put_json({"changes": rows})
    else:
        _show(app.console, len(models), found)
    return IntegrityError.exit_code if any(news.change.kind == "bytes" for news in found) else 0


def _show(console: Console, models: int, found: list[News]) -> None:
    for line in dict.fromkeys(f"{news.model}: {news.change.detail}" for news in found):  # variants of one repository
        put(line)
    if found:
        console.note("nothing was changed: `lmpm update NAME` chooses anew")
    elif not models:
        console.done("The lock is empty")
    else:
        console.done(f"{count(models, 'model')} {'is' if models == 1 else 'are'} up to date")

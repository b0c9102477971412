"""`lmpm mirror`: a read-only Hub of what locks pin, for machines that cannot reach the real one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from lmpm.cli.app import App
from lmpm.cli.group import NamingGroup
from lmpm.cli.options import global_option, pass_app
from lmpm.cli.output.console import flush, put, put_table
from lmpm.cli.output.layout import Fit
from lmpm.errors import LmpmError, LockError, SpecError
from lmpm.units import count, human

if TYPE_CHECKING:
    from lmpm.mirror import Contents, Mirror
    from lmpm.project import Lock

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@click.group(
    cls=NamingGroup,
    epilog="Example: `lmpm mirror serve --host 0.0.0.0`, and elsewhere `HF_ENDPOINT=http://HOST:8421`",
)
def command() -> None:
    """Serve what locks pin to other machines, in the form of the Hub.

    `hf`, llama.cpp (`-hf`), Ollama and lmpm take their files from it.
    """


@command.command(
    "serve", epilog="Example: `lmpm mirror serve`, then elsewhere `HF_ENDPOINT=http://HOST:8421 lmpm sync`"
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8421, show_default=True, metavar="N")
@click.option("--token-env", metavar="VARIABLE", help="Ask clients for the token in this environment variable.")
@click.option("--all", "everything", is_flag=True, help="What the locks of all projects on this machine pin.")
@global_option
@pass_app(local=True)
def serve(app: App, host: str, port: int, token_env: str | None, everything: bool) -> None:
    """Serve the locked files that are on this machine, until Ctrl-C.

    Only files of the Hub whose bytes were verified, at the commits that the lock pins. Nothing is fetched, and nothing
    can be changed over it.
    """
    from lmpm import mirror

    token = _token(token_env)
    contents = mirror.collect(app.workspace, _locks(app, everything=everything), app.transfers)
    if not contents.repositories:
        raise LockError(
            "Nothing to serve: no file of the Hub that the lock pins is on this machine",
            hint="Download them with `lmpm sync`; for other machines of the team, `lmpm sync --target NAME`",
        )
    _show(app, contents)
    if host not in LOOPBACK and not token:
        app.console.note("everybody who reaches this port can download these models: `--token-env` asks for a token")
    _run(app, mirror.Mirror(contents, token), host, port)


def _token(variable: str | None) -> str:
    if variable is None:
        return ""
    token = os.environ.get(variable, "").strip()
    if not token:
        raise SpecError(f"`{variable}` is not set, expected the token that clients must send")
    return token


def _locks(app: App, *, everything: bool) -> list[Lock]:
    if not everything:
        return [app.project.require_lock()]
    known = app.workspace.known_projects.read()
    return [project.lock for project in known if project.lock is not None]


def _show(app: App, contents: Contents) -> None:
    if app.console.quiet:
        return
    rows = [
        (repository.id, repository.main[:7], path, human(file.file.size))
        for repository in contents.repositories.values()
        for path, file in repository.commits[repository.main].items()
    ]
    put_table(rows, right=frozenset({3}), fit=Fit(shorten=(0, 2)))
    if contents.missing:
        app.console.note(f"not on this machine: {', '.join(contents.missing)}")


def _run(app: App, mirror: Mirror, host: str, port: int) -> None:
    """Listen until Ctrl-C. Raises LmpmError where the port is not free."""
    import asyncio

    from aiohttp import web

    async def listen() -> None:
        runner = web.AppRunner(mirror.app(), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            where = runner.addresses[0]
            shown = f"[{where[0]}]" if ":" in where[0] else where[0]
            files = mirror.contents.files
            size = human(sum(file.file.size for file in files))
            app.console.done(f"{count(len(files), 'file')}, {size}. Stop with Ctrl-C")
            put(f"HF_ENDPOINT=http://{shown}:{where[1]}")
            flush()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    try:
        asyncio.run(listen())
    except KeyboardInterrupt:
        app.console.done("Stopped")
    except OSError as error:
        raise LmpmError(
            f"Cannot listen at {host}:{port}: {(error.strerror or str(error)).lower()}",
            hint="Name another port with `--port`, or 0 for any that is free",
        ) from error

"""`lmpm serve`: one OpenAI-compatible address for the models of the lock."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any, Final

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import Size, engine_option, global_option, offline_option, pass_app
from lmpm.cli.output.console import flush, put, put_raw, put_table
from lmpm.cli.output.layout import Fit
from lmpm.errors import NotFoundError, SpecError
from lmpm.units import human, seconds

if TYPE_CHECKING:
    from lmpm.server import Server

SHORTEST_IDLE_S: Final = 1.0
USUAL_PORT: Final = 8420
SHORT_KEY: Final = 16  # characters; fewer can be guessed


class Duration(click.ParamType[float]):
    """A time such as `10m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds from what was typed."""
        found = value if isinstance(value, float) else seconds(value)
        if found is None or found < SHORTEST_IDLE_S:
            self.fail(f"`{value}` is not a time such as `10m` or `90s`", param, ctx)
        return found


@click.command(epilog="Example: `lmpm serve`, then point any OpenAI client at http://127.0.0.1:8420/v1")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=USUAL_PORT, show_default=True, help="0: any free one.")
@click.option("--api-key-env", metavar="VARIABLE", help="Ask clients for the key that this variable holds.")
@click.option(
    "--parallel", type=click.IntRange(1, 64), default=2, show_default=True, help="Answers of a model at once."
)
@click.option("--idle", type=Duration(), metavar="TIME", help="Unload a model that nobody asked for so long, like 10m.")
@click.option("--memory", type=Size(), metavar="SIZE", help="For all models together, such as 12GB.")
@engine_option
@offline_option
@global_option
@pass_app()
def command(
    app: App,
    names: tuple[str, ...],
    host: str,
    port: int,
    api_key_env: str | None,
    parallel: int,
    idle: float | None,
    memory: int | None,
) -> None:
    """Serve the models of the lock to OpenAI clients.

    All of them, or those of NAME, which may be routes, too. A model is loaded when it is first asked for; what is
    missing is downloaded meanwhile, and only what the lock pins.
    """
    from lmpm.server import LockedSite, Server, Settings, run

    app.remark()
    machine = app.workspace.engine.machine
    settings = Settings(
        budget=memory or machine.budget + machine.host_budget,
        notes=app.workspace.home,
        host=host,
        port=port,
        key=_key(app, api_key_env),
        key_variable=api_key_env,
        idle_s=idle,
        brings=not app.workspace.offline,
    )
    locked = LockedSite(
        workspace=app.workspace, environ=os.environ, budget=settings.budget, names=names, slots=parallel
    )
    site = locked.load()
    if not site.deployments and not site.routes:
        raise NotFoundError("There is nothing to serve", hint="Pin a model first: `lmpm install text-to-sql`")
    for provider in site.providers.values():
        if site.keys[provider.name] is None:
            app.console.note(f"{provider.api_key_env} is not set: cloud:{provider.name} cannot be asked")
    run(Server(site, settings, reload=locked.reload), lambda server: _announce(app, server), app.console.note)
    app.console.done("Stopped")


def _key(app: App, variable: str | None) -> str | None:
    """The key that clients must have. Raises SpecError for a variable without one."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SpecError(
            f"{variable} is not set, or empty", hint="Put a key of your own in it: `openssl rand -hex 32` makes one"
        )
    if not key.isascii() or not key.isprintable():
        raise SpecError(f"{variable} holds a letter that no header can carry")
    if len(key) < SHORT_KEY:
        app.console.note(f"the key in {variable} is short: `openssl rand -hex 32` makes one that nobody guesses")
    return key


def _announce(app: App, server: Server) -> None:
    """Where it is, what it has, and how to ask."""
    url, budget = server.url, server.settings.budget
    for name, worker in server.pool.served.items():
        if (need := worker.deployment.need) > budget:
            words = f"{name} needs {human(need)} of memory and the models here may take {human(budget)}"
            app.console.note(f"{words}: it will not load")
    put(f"{url}/v1    OpenAI-compatible · page at {url}")
    rows = []
    for name, worker in server.pool.served.items():
        made = worker.deployment
        slots = f"{made.slots} slots of {made.context:,}" if made.slots > 1 else f"context {made.context:,}"
        rows.append((name, made.title, f"{_state(server, name)}, {slots}"))
    rows += [(route.name, ", then ".join(route.targets), route.privacy) for route in server.router.routes.values()]
    put_table(rows, indent="  ", fit=Fit(shorten=(1, 0), wraps=True))
    app.console.blank()
    path, request = _example(app, server)
    body = shlex.quote(json.dumps(request, ensure_ascii=False))
    lines = [f"curl {url}/v1{path}", "-H 'content-type: application/json'", f"-d {body}"]
    if server.settings.key:
        lines.insert(1, '-H "authorization: Bearer $KEY"')
    put_raw("  " + " \\\n    ".join(lines))  # to be copied: a terminal that breaks it would break it for the shell, too
    put_raw(f'  OpenAI(base_url="{url}/v1", api_key="{"..." if server.settings.key else "none"}")')
    flush()


def _state(server: Server, name: str) -> str:
    """How far a model is, and who answers for it meanwhile."""
    if server.pool.workers[name].is_here:
        return "ready to load"
    bridge = server.router.bridge_of(name)
    meanwhile = f" ({bridge} until then)" if bridge else ""
    return f"to be downloaded{meanwhile}" if server.settings.brings else "missing"


def _example(app: App, server: Server) -> tuple[str, dict[str, Any]]:
    """Path and body of a request that is answered as it stands: by a model that talks, a route, else the first."""
    from lmpm.runtime import example_request

    models = [worker.deployment for worker in server.pool.served.values()]
    talks = [made.name for made in models if made.facts().get("recipe") == "chat"]
    name = next(iter([*talks, *server.router.routes, *server.pool.served]))
    made = next((made for made in models if made.name == name), None)
    task = app.workspace.catalog.task(made.task) if made and made.task else None
    if task is None:
        return "/chat/completions", {"model": name, "messages": [{"role": "user", "content": "Hello"}]}
    return example_request(name, task.recipe, task)

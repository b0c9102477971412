"""What a command works with: a console, the workspace that the options and the environment describe, and hints."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli.output.console import AnsweredError, Console, is_terminal, listen
from lmpm.errors import LmpmError, SpecError
from lmpm.limits import CONNECTIONS
from lmpm.project import Environment, Workspace, global_directory, hub_token, project_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lmpm.errors import AmbiguousNameError
    from lmpm.project import Project
    from lmpm.reporter import Reporter
    from lmpm.types import Machine

REACHABLE = "Check HF_ENDPOINT and your proxy: what is new can only be asked over the network"


class App:
    """A call of a command. `offline_by` is the option or variable that switches the network off, if one does."""

    def __init__(
        self,
        console: Console,
        workspace: Workspace,
        *,
        as_json: bool = False,
        offline_by: str | None = None,
    ) -> None:
        self.console = console
        self.workspace = workspace
        self.as_json = as_json
        self.offline_by = offline_by
        self.needs_network = workspace.asks_anew
        self._noted: set[str] = set()

    @classmethod
    def open(cls, options: Mapping[str, Any], *, local: bool = False, asks_anew: bool = False) -> App:
        """The app for options as `lmpm.cli.options` keeps them; `local` is for commands that never ask the network."""
        console = Console(options.get("quiet", False), options.get("verbose", False))
        environment = Environment.read(os.environ)
        hardware = options.get("hardware")
        if hardware is not None and not hardware.strip():
            raise SpecError('`--hardware` is empty, expected a machine such as "M2, 16GB"')
        if named := options.get("engine") or environment.engine:
            from lmpm.engine import require_engine

            require_engine(named, said_by="" if options.get("engine") else "LMPM_ENGINE: ")
        offline_by = "`--offline`" if options.get("offline") else environment.offline_by
        can_ask = not console.quiet and is_terminal()
        workspace = Workspace(
            environment=environment,
            directory=(global_directory if options.get("is_global") else project_directory)(environment),
            offline=local or offline_by is not None,
            hardware=hardware or environment.hardware,
            store_place=options.get("store"),
            asks_anew=asks_anew,
            connections=options.get("connections", CONNECTIONS),
            rate_limit=options.get("limit_rate"),
            engine_name=options.get("engine"),
            token=partial(hub_token, environment),
            pick_model=_pick_model if can_ask else None,
            may_measure=_may_measure if can_ask else None,
            note=console.note,
        )
        console.detail(f"store {workspace.store_place or environment.store}, notes {environment.home}")
        return cls(console, workspace, as_json=options.get("as_json", False), offline_by=offline_by)

    @property
    def project(self) -> Project:
        """The project; that it has two manifests is said once."""
        found = self.workspace.project
        self._once(self.console.detail, f"project {found.directory}")
        if found.has_two_manifests:
            self._once(self.console.note, "[tool.lmpm] of pyproject.toml is not read: there is an lmpm.toml beside it")
        return found

    @property
    def is_global(self) -> bool:
        """Whether this is about the user's own models, of no project."""
        return self.workspace.directory == global_directory(self.workspace.environment)

    def _once(self, say: Any, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            say(text)

    def remark(self, *, licenses: str | None = None) -> None:
        """Say what is worth knowing of the project before anything is done with it."""
        from lmpm.project import license_remarks

        for remark in license_remarks(self.project.manifest(), asked=licenses):
            self.console.note(remark)

    def change(self, **settings: Any) -> None:
        """Go on in the same workspace with other settings."""
        self.workspace = replace(self.workspace, **settings)

    @property
    def transfers(self) -> Reporter:
        """Progress for this terminal, or plain lines."""
        from lmpm.cli.output.progress import reporter_for

        return reporter_for(self.console)

    @property
    def remedy(self) -> str | None:
        """How the user switches the network on, by the way in which it was switched off; None where it is on."""
        if self.offline_by is None:
            return None
        return f"Drop {self.offline_by}" if self.offline_by.startswith("`--") else f"Unset {self.offline_by}"

    @contextmanager
    def hints(self) -> Iterator[None]:
        """Give errors the hint that follows from their kind and from what this user really set."""
        try:
            yield
        except LmpmError as error:
            hint = self.hint_for(error)
            if hint == error.hint:
                raise
            raise error.with_hint(hint) from error

    def answered(self, error: LmpmError, data: dict[str, Any]) -> Exception:
        """The error to raise where there is `data` for programs beside it."""
        return AnsweredError(error.with_hint(self.hint_for(error)), data) if self.as_json else error

    def hint_for(self, error: LmpmError) -> str | None:
        """The hint that follows from the kind of an error and from what this user really set."""
        if error.kind == "unreachable" and self.needs_network:
            return REACHABLE
        if self.remedy is None:
            return error.hint
        if error.kind == "offline":
            return self.remedy
        if error.kind == "offline-search":
            return f"{self.remedy}, or name a task or model of the catalog: `lmpm catalog list`"
        if error.kind == "none-here":
            return f"{self.remedy} to choose among those of the Hub"
        return error.hint


def listen_until_closed(context: click.Context, console: Console) -> None:
    """With `--verbose`, show the requests that the package logs until the command ends."""
    if console.verbose and not console.quiet:
        context.call_on_close(listen())


def _pick_model(error: AmbiguousNameError) -> str:
    """Ask on the terminal which of several models is meant."""
    click.echo(error.message, err=True)
    for number, line in enumerate(error.details, start=1):
        click.echo(f"  {number}  {line}", err=True)
    number = click.prompt("Which one", type=click.IntRange(1, len(error.choices)), err=True)
    return error.choices[int(number) - 1][0]


def _may_measure(machine: Machine) -> bool:
    """Ask on the terminal whether this machine is to be measured."""
    known = f"only assumed ({machine.bandwidth / 1e9:.0f} GB/s)" if machine.bandwidth else "not known"
    return click.confirm(f"Memory bandwidth here is {known}. Measure it, about 15 s?", default=True, err=True)

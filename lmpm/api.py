"""The functions of the public Python API: keywords into a workspace and constraints, and the actions called.

They do what the commands of the same names do, and print nothing. Like the command line they go by the environment
(`HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `LMPM_OFFLINE` and the others of README); arguments go before it. Every error is
an `LmpmError`, with `kind`, `message`, `hint` and the `exit_code` that the command would end with.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lmpm.project import Environment, Project, Workspace, actions, hub_token, project_directory
from lmpm.resolver import Constraints, parse_quant, require_choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.project import ActionReporter, Report, Result
    from lmpm.resolver import Choice
    from lmpm.runtime import Model
    from lmpm.server import Background
    from lmpm.types import Machine

Prefer = Literal["quality", "speed", "small"]


def resolve(
    ref: str,
    *,
    task: str | None = None,
    context: int | None = None,
    quant: str | None = None,
    min_speed: float | None = None,
    max_wait: float | None = None,
    max_size: int | None = None,
    licenses: Iterable[str] | None = None,
    prefer: Prefer = "quality",
    hardware: Machine | str | None = None,
    machine: Machine | str | None = None,
    project: str | os.PathLike[str] | Project | None = None,
    offline: bool | None = None,
) -> Choice:
    """Choose a variant for a machine without downloading it; `.chosen` is what is taken, `.rejected` all others.

    `ref` is a task, a model, a repository, or words of a model's name. `context` is in tokens, `min_speed` in tokens
    a second, `max_wait` in seconds to the first token that is seen, `max_size` in bytes. `hardware` is a record or
    a description such as `"M2, 16GB"`, None is this machine; `machine` is its older name.
    Raises NothingFitsError or NotPermittedError when nothing can be taken, UnknownNameError, NetworkError.
    """
    from lmpm.project import resolve_reference

    asked = _constraints(task, context, quant, min_speed, max_wait, max_size, licenses, prefer)
    choice = resolve_reference(_workspace(project, hardware or machine, offline), ref, asked).choice
    require_choice(choice)
    return choice


def install(
    *refs: str,
    name: str | None = None,
    adapters: Iterable[str] = (),
    task: str | None = None,
    context: int | None = None,
    quant: str | None = None,
    min_speed: float | None = None,
    max_wait: float | None = None,
    max_size: int | None = None,
    licenses: Iterable[str] | None = None,
    prefer: Prefer = "quality",
    machine: Machine | str | None = None,
    project: str | os.PathLike[str] | Project | None = None,
    offline: bool | None = None,
    locked: bool = False,
    save: bool = True,
    smoke: bool = True,
    reporter: ActionReporter | None = None,
) -> Result:
    """Choose, download, test and pin models; without `refs` make this machine equal to the lock of the project.

    The keywords of the choice are those of `resolve`. `name` is that of the one reference in the manifest,
    `adapters` are GGUF files with LoRAs for it, or repositories that hold one. `locked`
    fails where the lock would change, `save=False` leaves manifest and lock alone, `smoke=False` runs nothing.
    Raises the errors of `resolve`, IntegrityError, DiskError, LockError, SmokeTestError.
    """
    asked = _constraints(task, context, quant, min_speed, max_wait, max_size, licenses, prefer)
    workspace = _workspace(project, machine, offline)
    plan = actions.install.plan(
        workspace, refs, asked, name=name, locked=locked, save=save, smoke=smoke, adapters=tuple(adapters)
    )
    return actions.install.apply(plan, reporter)


def sync(
    *names: str,
    target: str | None = None,
    machine: Machine | str | None = None,
    project: str | os.PathLike[str] | Project | None = None,
    offline: bool | None = None,
    smoke: bool = True,
    reporter: ActionReporter | None = None,
) -> Result:
    """Bring what the lock pins, or the models of these names, to this machine; the lock is never changed.

    `target` brings what a declared machine takes. Raises LockError for a missing or stale lock, NotPermittedError for
    what the policy forbids, and the errors of downloading and testing.
    """
    plan = actions.sync.plan(_workspace(project, machine, offline), names, target=target, smoke=smoke)
    return actions.sync.apply(plan, reporter)


def verify(
    *names: str,
    fetch: bool = False,
    quick: bool = False,
    smoke: bool = True,
    machine: Machine | str | None = None,
    project: str | os.PathLike[str] | Project | None = None,
    offline: bool | None = None,
    reporter: ActionReporter | None = None,
) -> tuple[Report, ...]:
    """Check on this machine what the lock pins: it fits, its bytes are right, it loads, it answers.

    Of each model there is a report, whose `.error` is None when all is right: what is wrong with a model is no
    exception. `fetch` downloads what is missing first, `quick` trusts files that did not change since they were
    hashed. Raises LockError without a lock, UnknownNameError.
    """
    workspace = _workspace(project, machine, offline)
    plan = actions.verify.plan(workspace, names, fetch=fetch, quick=quick, smoke=smoke)
    return actions.verify.apply(plan, reporter)


def load(
    ref: str,
    *,
    task: str | None = None,
    context: int | None = None,
    project: str | os.PathLike[str] | Project | None = None,
    download: bool = True,
    offline: bool | None = None,
    reporter: ActionReporter | None = None,
) -> Model:
    """A model, loaded and ready to be asked: its files verified, in a child of this process.

    `ref` is a name in the lock of the project, which is found from the working directory upwards, or in the user's own
    set; a task or reference that one of their lines asks for; or the path of a GGUF file, asked as `task` says.
    `context` is in tokens, None what the lock was made for. What is missing is downloaded, unless `download` is False.
    The same model loaded twice is loaded once. Raises UnknownNameError, MissingFilesError, NothingFitsError where it
    does not fit beside what is loaded already, IntegrityError, NetworkError, EngineError.
    """
    from lmpm.runtime import find_subject, open_model

    workspace = _workspace(project, None, offline)
    subject = find_subject(workspace, ref, task=task, download=download, reporter=reporter)
    return open_model(workspace, subject, context=context)


def serve(
    *names: str,
    port: int = 0,
    parallel: int = 2,
    memory: int | None = None,
    idle_s: float | None = None,
    key: str | None = None,
    project: str | os.PathLike[str] | Project | None = None,
    offline: bool | None = None,
) -> Background:
    """The models of the lock, or those of these names, at an OpenAI-compatible address of this machine.

    A context manager whose `base_url` is for OpenAI clients; it ends with the `with`, or by `close()`. `port` 0 is any
    free one. Of each model `parallel` answers are written at once, all models together take `memory` bytes at most, and
    one that nobody asked for `idle_s` seconds is unloaded. Clients must have the `key`, where one is given. The keys of
    providers are read from the variables that the lock names.
    Raises LockError without a lock, UnknownNameError, and SpecError for a port in use.
    """
    from lmpm.server import Background, LockedSite, Server, Settings

    workspace = _workspace(project, None, offline)
    machine = workspace.engine.machine
    budget = memory or machine.budget + machine.host_budget
    locked = LockedSite(workspace=workspace, environ=os.environ, budget=budget, names=names, slots=parallel)
    settings = Settings(
        budget=budget, notes=workspace.home, port=port, key=key, idle_s=idle_s, brings=not workspace.offline
    )
    site = locked.load()
    return Background(lambda: Server(site, settings, reload=locked.reload))


def path(
    ref: str,
    *,
    project: str | os.PathLike[str] | Project | None = None,
    download: bool = False,
    offline: bool | None = None,
    reporter: ActionReporter | None = None,
) -> Path:
    """The GGUF file that this machine takes for a model, verified; of a split one the first part.

    `ref` is as for `load`. Raises its errors, MissingFilesError where the file is not here and not to be downloaded.
    """
    from lmpm.runtime import find_subject

    workspace = _workspace(project, None, offline)
    return find_subject(workspace, ref, download=download, reporter=reporter).paths[0]


def _workspace(
    project: str | os.PathLike[str] | Project | None, machine: Machine | str | None, offline: bool | None
) -> Workspace:
    environment = Environment.read(os.environ)
    place = project.directory if isinstance(project, Project) else project
    return Workspace(
        environment=environment,
        directory=project_directory(environment) if place is None else Path(place).expanduser().absolute(),
        offline=environment.offline_by is not None if offline is None else offline,
        hardware=machine or environment.hardware,
        token=partial(hub_token, environment),
    )


def _constraints(
    task: str | None,
    context: int | None,
    quant: str | None,
    min_speed: float | None,
    max_wait: float | None,
    max_size: int | None,
    licenses: Iterable[str] | None,
    prefer: Prefer,
) -> Constraints:
    from lmpm.licenses import normalise

    return Constraints(
        task=task,
        context=context,
        quant=parse_quant(quant) if quant else None,
        min_speed=min_speed,
        max_wait=max_wait,
        max_size=max_size,
        licenses_allowed=None if licenses is None else frozenset(map(normalise, licenses)),
        prefer=prefer,
    )

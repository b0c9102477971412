"""Verify: test on this machine what the lock pins. Every model gets a report; nothing stops at the first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lmpm.errors import NothingFitsError
from lmpm.project.actions.plan import ActionReporter, Step, locked_step
from lmpm.project.actions.report import Report, verify_exit_code
from lmpm.project.actions.verifier import Verifier, build_number
from lmpm.project.directory import find_models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmpm.engine import LocalEngine
    from lmpm.project.lock.records import LockedModel
    from lmpm.project.workspace import Workspace

__all__ = ["Report", "VerifyPlan", "apply", "plan", "verify_exit_code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPlan:
    """Which models would be verified, and how. `steps` are those of them that fit the machine."""

    workspace: Workspace = field(repr=False, compare=False)
    models: tuple[LockedModel, ...]
    steps: tuple[Step, ...]
    fetch: bool
    quick: bool
    smoke: bool
    full: bool = False

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))

    def as_json(self) -> dict[str, Any]:
        """The plan as programs read it."""
        return {"action": "verify", "models": [step.as_json() for step in self.steps]}


def plan(
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    fetch: bool = False,
    quick: bool = False,
    smoke: bool = True,
    full: bool = False,
) -> VerifyPlan:
    """What verifying models of these names, or all that the lock pins, would look at.

    `fetch` downloads what is missing first, `quick` trusts files that did not change since they were hashed,
    `full` asks all cases of the project's checks. Raises
    LockError without a lock, UnknownNameError.
    """
    models = tuple(find_models(workspace.project.require_lock(), names))
    steps = []
    for model in models:
        try:
            steps.append(locked_step(workspace, model))
        except NothingFitsError:
            continue  # its report says so
    return VerifyPlan(
        workspace=workspace, models=models, steps=tuple(steps), fetch=fetch, quick=quick, smoke=smoke, full=full
    )


def apply(
    plan: VerifyPlan,
    reporter: ActionReporter | None = None,
    *,
    may_download: Callable[[Report], bool] | None = None,
) -> tuple[Report, ...]:
    """The reports, in the order of the lock. `may_download` is asked where files are missing.

    Raises DiskError when files are to be fetched and there is no space for all of them.
    """
    told, workspace = reporter or ActionReporter(), plan.workspace
    verifier = _verifier(plan, told).ahead(plan.models, reporter=told.transfers)
    reports = []
    for model in plan.models:
        report = verifier.check(model)
        if report.missing and not workspace.offline and may_download and may_download(report):
            report = replace(verifier, fetcher=workspace.fetcher(told.transfers)).check(model)
        reports.append(report)
        told.checked(report)
    return tuple(reports)


def _verifier(plan: VerifyPlan, reporter: ActionReporter) -> Verifier:
    from lmpm.machine import free_memory

    workspace = plan.workspace
    manifest = workspace.project.manifest()
    here = workspace.is_this_machine
    return Verifier(
        catalog=workspace.catalog,
        store=workspace.store,
        machine=workspace.machine,
        fetcher=workspace.fetcher(reporter.transfers) if plan.fetch else None,
        quick=plan.quick,
        smoke=plan.smoke,
        full=plan.full,
        directory=workspace.directory,
        engine_build=_engine_build(workspace.engine, plan.models),
        free_memory=free_memory() if here else None,
        manifest=manifest,
        targets=workspace.targets(manifest) if here else {},
        records=workspace.history if here else None,
        local_engine=workspace.engine,
    )


def _engine_build(engine: LocalEngine, models: Sequence[LockedModel]) -> int | None:
    """The build of llama.cpp here, asked for only where a model needs a certain one."""
    if not any(candidate.engine for model in models for candidate in model.candidates):
        return None
    return build_number(engine.info.build) if engine.info else None

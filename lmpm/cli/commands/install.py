"""`lmpm install`: choose, download, prove and pin; without a name, make this machine equal to the lock."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import downloading, workspace
from lmpm.cli.app import App, common, hardware_option, json_option, offline_option
from lmpm.cli.bring import bring, each, prove, verified_paths
from lmpm.cli.options import choosing_model, constraint_options, constraints_again, constraints_from
from lmpm.cli.output import render
from lmpm.cli.output.console import Console, put_json
from lmpm.errors import NothingFitsError, SpecError
from lmpm.resolver import NameReference, parse_reference
from lmpm.types import StarterSource
from lmpm.units import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lmpm.project import LockedModel, Manifest, ManifestModel, Project, Rung
    from lmpm.proof import SmokeResult
    from lmpm.resolver import Candidate, Constraints, Resolution, Where
    from lmpm.types import ModelFile, Source


@click.command(
    epilog="Example: `lmpm install text-to-sql`, or `lmpm install` after `git clone` of a project with a lock."
)
@click.argument("refs", nargs=-1, metavar="[REF]...")
@constraint_options
@hardware_option
@click.option("--dry-run", is_flag=True, help="Choose and show, change nothing.")
@offline_option
@click.option("--locked", is_flag=True, help="Fail if `lmpm.lock` would change.")
@click.option("--name", help="The name in `lmpm.toml`, instead of the task or model.")
@click.option("--no-save", is_flag=True, help="Leave `lmpm.toml` and `lmpm.lock` alone.")
@click.option("--no-smoke", is_flag=True, help="Do not run the model once it is here.")
@downloading.options
@workspace.global_option
@json_option
@common
def command(refs: tuple[str, ...], as_json: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Choose, download, prove and pin a model for this machine.

    REF is a task (`text-to-sql`), a model of the catalog, a repository (`user/repo:Q4_K_M`), or words of a
    model's name (`"qwen3 8b"`), searched for on the Hub. What `lmpm.toml` asks of it already stays, options go
    before it. Without REF everything in `lmpm.lock` is brought to this machine.
    """
    app = App(
        Console(quiet, verbose),
        offline=options["offline"],
        hardware=options["hardware"],
        is_global=options["is_global"],
    )
    downloading.apply(app, options)
    if options["name"] and len(refs) != 1:
        raise SpecError("`--name` goes with exactly one reference")
    manifest = workspace.read_manifest(workspace.project(app, is_global=options["is_global"]))
    workspace.remark_licenses(app, manifest, asked=options["licenses"])
    run = _Run(app, options)
    done = run.references(refs) if refs else run.lock()
    if as_json:
        put_json({"dry_run": options["dry_run"], "models": done})


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done for one model: the files that have to be here, and the step that brings them."""

    source: Source
    files: Sequence[ModelFile]
    carry_out: Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A choice, the manifest's line that it answers, and its ladder, where both are to be saved."""

    resolution: Resolution
    line: ManifestModel
    entry: LockedModel | None
    remarks: tuple[str, ...]
    is_again: bool = False  # the manifest has the line already

    @property
    def chosen(self) -> Candidate:
        """What is taken."""
        if self.resolution.choice.chosen is None:
            raise ValueError("nothing was chosen")
        return self.resolution.choice.chosen


class _Run:
    """One call of the command: the app, its options, and the steps."""

    def __init__(self, app: App, options: dict[str, Any]) -> None:
        self.app = app
        self.options = options
        self.console = app.console
        self.is_global: bool = options["is_global"]

    # -- with a reference ------------------------------------------------------

    def references(self, refs: Sequence[str]) -> list[dict[str, Any]]:
        """Install references; returns what programs may want to know of each."""
        return self._carry_out([self._plan(ref) for ref in dict.fromkeys(refs)])

    def _carry_out(self, works: Sequence[_Work]) -> list[dict[str, Any]]:
        """Do what was planned, once there is space for all of it."""
        from lmpm.project import require_space

        if not self.options["dry_run"]:
            require_space(self.app.store, [(work.source, work.files) for work in works])
        return each(work.carry_out for work in works)

    def _plan(self, ref: str) -> _Work:
        """What a reference asks for: what the lock has for it, or a new choice."""
        from lmpm.project import install

        project = workspace.project(self.app, is_global=self.is_global)
        manifest = workspace.read_manifest(project)
        name = self.options["name"]
        if (line := install.line_named(manifest, self.app.catalog, ref)) and name in (None, line.name):
            ref, name = line.ref or line.task or line.name, line.name
        else:
            ref = workspace.own_reference(self.app, ref)
        there = install.find_line(manifest, self.app.catalog, ref, name)
        constraints = constraints_again(there, ref, self.options) if there else constraints_from(self.options)
        if (known := self._already(ref, constraints, project, manifest, name)) is not None:
            return self._sync(known, manifest)
        name = there.name if there else name
        plan = self._choose(
            ref,
            install.with_policy(constraints, manifest.policy),
            manifest,
            lambda resolution: install.manifest_line(resolution, constraints, name),
        )
        if self.options["locked"] and not self.options["dry_run"]:
            install.require_same(workspace.read_lock(project), plan.line.name, plan.resolution)
        return self._realising(plan)

    def _realising(self, plan: _Plan) -> _Work:
        variant = plan.chosen.variant
        return _Work(variant.source, variant.files, partial(self._realise, plan))

    def _sync(self, model: LockedModel, manifest: Manifest) -> _Work:
        from lmpm.project import require_permitted

        candidate = self._rung(model).candidate
        require_permitted(model.name, candidate, manifest.policy)
        return _Work(candidate.source, candidate.files, partial(self._sync_one, model))

    def _choose(
        self, ref: str, constraints: Constraints, manifest: Manifest, line_of: Callable[[Resolution], ManifestModel]
    ) -> _Plan:
        """Resolve a reference, make its ladder, and show the choice. Raises NothingFitsError."""
        from lmpm.machine import describe
        from lmpm.project import install
        from lmpm.resolver import require_choice

        where: Where = "here" if self.app.offline else "hub"
        appraiser = self.app.appraiser("chosen")
        resolution = choosing_model(
            lambda asked: self.app.resolver.resolve(ref, self.app.machine, asked, where=where, appraiser=appraiser),
            constraints,
            may_ask=not self.console.quiet,
        )
        require_choice(resolution.choice)
        self.console.say("Machine", describe(self.app.machine))
        line = line_of(resolution)
        entry: LockedModel | None = None
        remarks: tuple[str, ...] = ()
        if not self.options["no_save"]:
            targets, classes = workspace.targets(self.app, manifest), workspace.size_classes(self.app)
            resolution, entry, remarks = install.lock_model(
                resolution, line, self.app.resolver, targets, classes, where=where, appraiser=appraiser
            )
        online = None
        chosen = resolution.choice.chosen
        if (
            chosen
            and isinstance(chosen.variant.source, StarterSource)
            and isinstance(parse_reference(ref), NameReference)
        ):
            # a starter is only the best there is without a network: say what one would give
            online = self.app.resolver.resolve(ref, self.app.machine, constraints, where="catalog").choice
        why = render.reason(resolution.choice, offline=self.app.offline, ref=ref, online=online)
        render.show_choice(self.console, resolution.choice, why=why, ref=ref)
        return _Plan(resolution, line, entry, remarks)

    def _realise(self, plan: _Plan) -> dict[str, Any]:
        """Fetch a choice, prove it, and only then pin it."""
        from lmpm.project import install

        began = time.monotonic()
        data = {"name": plan.line.name, **render.choice_json(plan.resolution.choice)}
        self.console.blank()
        if self.options["dry_run"]:
            self.console.done("Nothing was changed: this was a dry run")
            return data
        if not self.options["no_save"]:
            # before gigabytes are fetched
            workspace.require_savable(self.app, is_global=self.is_global, can_be_left_out=True)
        project = workspace.project(self.app, is_global=self.is_global)
        install.require_unchanged(project.lock(), plan.chosen.variant.source, plan.chosen.variant.files)
        path, smoke = self._bring(plan)
        self._save(plan, smoke)
        self.console.blank()
        pinned = "" if self.options["no_save"] else f". Pinned in lmpm.lock; commit it with {project.manifest_name}"
        self.console.done(f"Installed {plan.line.name} in {duration(time.monotonic() - began)}{pinned}")
        return {**data, "path": str(path), "smoke": render.smoke_json(smoke)}

    def _already(
        self, ref: str, constraints: Constraints, project: Project, manifest: Manifest, name: str | None
    ) -> LockedModel | None:
        """The locked model when the lock has this very request for this machine, and there is no better."""
        from lmpm.project import install

        if self.options["dry_run"]:
            return None
        lock = project.lock()
        found = install.find_request(lock, self.app.catalog, ref, constraints, name)
        if found is None or not install.is_current(found, manifest):
            return None
        try:
            rung = self._rung(found)
        except NothingFitsError:
            return None  # the ladder is made anew, with a rung for this machine
        improvable = install.is_improvable(rung.candidate, offline=self.app.offline)
        if improvable and not self.options["locked"]:
            return None
        return found

    def _bring(self, plan: _Plan) -> tuple[Path, SmokeResult | None]:
        """Fetch the choice and prove it."""
        from lmpm.project import is_task_assumed

        chosen = plan.chosen
        paths = workspace.fetcher(self.app).fetch(chosen.variant.source, chosen.variant.files, ref=plan.line.ref)
        if not self.app.offline:
            self.app.store.note_ref(chosen.variant.source)
        smoke = None
        if not self.options["no_smoke"]:
            files, memory = chosen.variant.files, chosen.memory
            smoke = prove(
                self.app,
                paths,
                files,
                plan.resolution.task,
                context=memory.context,
                need=memory.total,
                assumed=is_task_assumed(plan.line.requested(), self.app.catalog),
            )
        return paths[0], smoke

    def _save(self, plan: _Plan, smoke: SmokeResult | None) -> None:
        """Write the manifest's line and the ladder, with what the smoke test showed."""
        from lmpm.project import install

        entry = plan.entry
        if entry is None:
            return
        if smoke is not None and self.app.is_this_machine:
            manifest = workspace.read_manifest(workspace.project(self.app, is_global=self.is_global))
            proof = install.proof(smoke, self.app.machine, workspace.targets(self.app, manifest))
            entry = install.with_proof(entry, plan.chosen.variant.files, proof)
        with workspace.editing(self.app, is_global=self.is_global) as project:
            pin = install.pin_again if plan.is_again else install.pin
            pin(project, [(plan.line, entry)])
        for remark in plan.remarks:
            self.console.note(remark)

    # -- from the lock ---------------------------------------------------------

    def lock(self) -> list[dict[str, Any]]:
        """Make this machine equal to the lock, which is made or mended first where it may be."""
        from lmpm.project import install, stale_models

        project = workspace.project(self.app, is_global=self.is_global)
        if not project.manifest_path.exists() and not project.lock_path.exists():
            raise SpecError(
                f"Nothing to install: no `lmpm.toml` in `{project.directory}` or above",
                hint="Name a task: `lmpm install text-to-sql`; all tasks: `lmpm catalog list`",
            )
        manifest = workspace.read_manifest(project)
        machines = workspace.targets(self.app, manifest)
        if self.options["locked"]:
            lock = workspace.read_lock(project)
            install.require_fresh(manifest, lock, machines)
            return self._carry_out([self._sync(model, manifest) for model in lock.models])
        stale = stale_models(manifest, project.lock(), machines)
        works = [self._relock(line, manifest) for line in stale]
        if project.manifest_path.exists() and not self.options["dry_run"] and not self.options["no_save"]:
            workspace.drop_unasked(self.app, manifest, is_global=self.is_global)
            if not stale and not project.lock_path.exists():
                with workspace.editing(self.app, is_global=self.is_global) as guarded:
                    install.pin_again(guarded, [])
        fresh = {line.name for line in stale}
        works += [self._sync(model, manifest) for model in project.lock().models if model.name not in fresh]
        done = self._carry_out(works)
        if not done:
            self.console.done(f"Nothing to do: `{manifest.file}` names no models")
        return done

    def _relock(self, line: ManifestModel, manifest: Manifest) -> _Work:
        """Choose for a line of the manifest that the lock does not have, or has for another request."""
        from lmpm.project import install

        with install.naming(line, manifest):
            constraints = install.constraints_of(line, manifest.policy)
            plan = self._choose(line.ref or line.task or line.name, constraints, manifest, lambda _: line)
        return self._realising(replace(plan, is_again=True))

    def _rung(self, model: LockedModel) -> Rung:
        from lmpm.project import rung_for

        return rung_for(model, self.app.machine)

    def _sync_one(self, model: LockedModel) -> dict[str, Any]:
        """Bring the rung of one locked model here; what was fetched is proved."""
        rung = self._rung(model)
        paths = verified_paths(self.app, rung)
        if paths is None:
            smoke = not self.options["no_smoke"]
            return bring(self.app, model, rung, dry_run=self.options["dry_run"], smoke=smoke).data
        self.console.done(f"{model.name} is installed: {rung.candidate.model} {rung.candidate.quant}, nothing to do")
        data = {"name": model.name, **render.rung_json(rung, len(model.candidates))}
        return {**data, "path": str(paths[0])}

"""`lmpm install`: choose, download, prove and pin; without a name, make this machine equal to the lock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import render, workspace
from lmpm.cli.asking import wish_from, wish_options
from lmpm.cli.console import Console, put_json
from lmpm.cli.settings import App, common, hardware_option, json_option, offline_option
from lmpm.errors import SmokeTestError, SpecError
from lmpm.size import duration

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.ladder import Rung
    from lmpm.lock_types import LockedModel
    from lmpm.resolve import Resolution, Where, Wish
    from lmpm.types import SmokeResult


@click.command(
    epilog="Example: `lmpm install text-to-sql`, or `lmpm install` after `git clone` of a project with a lock."
)
@click.argument("refs", nargs=-1, metavar="[REF]...")
@wish_options
@hardware_option
@click.option("--dry-run", is_flag=True, help="Choose and show, change nothing.")
@offline_option
@click.option("--locked", is_flag=True, help="Fail if `lmpm.lock` would change.")
@click.option("--name", help="The name in `lmpm.toml`, instead of the task or model.")
@click.option("--no-save", is_flag=True, help="Leave `lmpm.toml` and `lmpm.lock` alone.")
@click.option("--no-smoke", is_flag=True, help="Do not run the model once it is here.")
@workspace.global_option
@json_option
@common
def command(refs: tuple[str, ...], as_json: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Choose a model for this machine, download it, prove that it works, and pin it.

    REF is a task (`text-to-sql`), a model of the catalog, or a repository (`user/repo:Q4_K_M`). Without
    REF everything in `lmpm.lock` is brought to this machine.
    """
    app = App(Console(quiet, verbose), offline=options["offline"], hardware=options["hardware"])
    if options["name"] and len(refs) != 1:
        raise SpecError("`--name` goes with exactly one reference")
    run = _Run(app, options)
    done = [run.reference(ref) for ref in refs] if refs else run.lock()
    if as_json:
        put_json({"dry_run": options["dry_run"], "models": done})


class _Run:
    """One call of the command: the app, its options, and the steps."""

    def __init__(self, app: App, options: dict[str, Any]) -> None:
        self.app = app
        self.options = options
        self.console = app.console
        self.is_global: bool = options["is_global"]

    # -- with a reference ------------------------------------------------------

    def reference(self, ref: str) -> dict[str, Any]:
        """Install one reference; returns what programs may want to know."""
        from lmpm import install

        began = time.monotonic()
        wish = wish_from(self.options)
        project = workspace.project(self.app, is_global=self.is_global)
        manifest = workspace.read_manifest(project)
        if (known := self._already(ref, wish, project)) is not None:
            return known
        from lmpm.machine import describe

        self.console.say("Machine", describe(self.app.machine))
        wish = install.with_policy(wish, manifest.policy)
        where: Where = "here" if self.app.offline else "hub"
        resolution = self.app.resolver.resolve(ref, self.app.machine, wish, where=where)
        install.require_choice(resolution.choice)
        why = render.reason(resolution.choice, offline=self.app.offline, ref=ref)
        render.show_choice(self.console, resolution.choice, why=why, ref=ref)
        data = render.choice_json(resolution.choice)
        if self.options["dry_run"]:
            self.console.blank()
            self.console.done("Nothing was changed: this was a dry run")
            return data
        line = install.manifest_line(resolution, wish_from(self.options), self.options["name"])
        if self.options["locked"]:
            install.require_same(workspace.read_lock(project), line.name, resolution)
        path, smoke = self._bring(resolution)
        self._save(resolution, line.name, wish_from(self.options))
        self._conclude(line.name, time.monotonic() - began)
        return {**data, "name": line.name, "path": str(path), "smoke": render.smoke_json(smoke)}

    def _already(self, ref: str, wish: Wish, project: Any) -> dict[str, Any] | None:
        """The answer when the lock has this very request and its files are here: nothing to do."""
        from lmpm import install
        from lmpm.lock import Lock

        lock = project.lock() if project.lock_path.exists() else Lock()
        found = install.find_request(lock, self.app.catalog, ref, wish, self.options["name"])
        if found is None or self.options["dry_run"]:
            return None
        rung = self._rung(found)
        if install.is_improvable(rung.candidate, offline=self.app.offline):
            return None
        paths = [self._verified(rung, file) for file in rung.candidate.files]
        if not all(paths):
            if not self.app.is_this_machine:
                return None
            return self._sync_one(found)
        candidate = rung.candidate
        self.console.done(f"{found.name} is installed: {candidate.model} {candidate.quant}, nothing to do")
        return {"name": found.name, **render.rung_json(rung, len(found.candidates)), "path": str(paths[0])}

    def _verified(self, rung: Rung, file: Any) -> Path | None:
        path = self.app.store.find(rung.candidate.source, file)
        return path if path and self.app.store.is_stamped(path, file.sha256) else None

    def _bring(self, resolution: Resolution) -> tuple[Path, SmokeResult | None]:
        """Fetch the choice and prove it."""
        chosen = resolution.choice.chosen
        if chosen is None:
            raise ValueError("nothing was chosen")
        self.console.blank()
        paths = workspace.fetcher(self.app).fetch(chosen.variant.source, chosen.variant.files)
        if not self.app.offline:
            self.app.store.note_ref(chosen.variant.source)
        smoke = None
        if not self.options["no_smoke"]:
            smoke = self._prove(paths[0], resolution.task, chosen.memory.context, chosen.memory.total)
        return paths[0], smoke

    def _prove(self, path: Path, task: Any, context: int, need: int) -> SmokeResult | None:
        from lmpm.locked import prove

        smoke = prove(path, task, context=context, need=need)
        render.show_smoke(self.console, smoke)
        if smoke is not None and not smoke.passed:
            raise SmokeTestError(
                f"`{path.name}` does not do its task: {smoke.detail}",
                hint="The file is kept. To pin it all the same, use `--no-smoke`",
            )
        return smoke

    def _save(self, resolution: Resolution, name: str, wish: Wish) -> None:
        """Write the manifest's line and the ladder."""
        from lmpm import install

        if self.options["no_save"]:
            return
        with workspace.editing(self.app, is_global=self.is_global) as project:
            manifest = workspace.read_manifest(project)
            line = install.manifest_line(resolution, wish, name)
            targets = workspace.targets(self.app, manifest)
            _, remarks = install.pin(project, resolution, line, self.app.resolver, targets)
        for remark in remarks:
            self.console.detail(remark)

    def _conclude(self, name: str, seconds: float) -> None:
        self.console.blank()
        pinned = "" if self.options["no_save"] else ". Pinned in lmpm.lock; commit it with lmpm.toml"
        self.console.done(f"Installed {name} in {duration(seconds)}{pinned}")

    # -- from the lock ---------------------------------------------------------

    def lock(self) -> list[dict[str, Any]]:
        """Make this machine equal to the lock, which is made or mended first where it may be."""
        from lmpm import install
        from lmpm.lock import Lock

        project = workspace.project(self.app, is_global=self.is_global)
        if not project.manifest_path.exists() and not project.lock_path.exists():
            raise SpecError(
                f"Nothing to install: no `lmpm.toml` in `{project.directory}` or above",
                hint="Name a task: `lmpm install text-to-sql`; all tasks: `lmpm catalog list`",
            )
        manifest = workspace.read_manifest(project)
        lock = project.lock() if project.lock_path.exists() else Lock()
        if self.options["locked"]:
            install.require_fresh(manifest, workspace.read_lock(project))
        elif project.manifest_path.exists():
            for line in install.stale_lines(manifest, lock):
                self._relock(line)
            lock = project.lock()
        done = [self._sync_one(model) for model in lock.models]
        if not done:
            self.console.done("Nothing to do: `lmpm.toml` names no models")
        return done

    def _relock(self, line: Any) -> None:
        """Resolve a line of the manifest that the lock does not have, and write its ladder."""
        from lmpm import install

        project = workspace.project(self.app, is_global=self.is_global)
        manifest = workspace.read_manifest(project)
        wish = install.wish_of(line, manifest.policy)
        where: Where = "here" if self.app.offline else "hub"
        ref = line.ref or line.task or line.name
        resolution = self.app.resolver.resolve(ref, self.app.machine, wish, where=where)
        install.require_choice(resolution.choice)
        if self.options["dry_run"]:
            return
        targets = workspace.targets(self.app, manifest)
        with workspace.editing(self.app, is_global=self.is_global) as guarded:
            install.pin(guarded, resolution, line, self.app.resolver, targets)
        self.console.say("Locked", line.name)

    def _rung(self, model: LockedModel) -> Rung:
        from lmpm.locked import rung_for

        return rung_for(model, self.app.machine, self.app.catalog)

    def _sync_one(self, model: LockedModel) -> dict[str, Any]:
        """Bring the rung of one locked model here; what was fetched is proved."""
        from lmpm.locked import context_of, task_of

        began = time.monotonic()
        rung = self._rung(model)
        candidate = rung.candidate
        data = {"name": model.name, **render.rung_json(rung, len(model.candidates))}
        present = [self._verified(rung, file) for file in candidate.files]
        title = f"{candidate.model} {candidate.quant}"
        if all(present):
            self.console.done(f"{model.name} is installed: {title}, nothing to do")
            return {**data, "path": str(present[0])}
        self.console.say("Chosen", f"{model.name}: rung {rung.number} of {len(model.candidates)}, {title}")
        if self.options["dry_run"]:
            return data
        paths = workspace.fetcher(self.app).fetch(candidate.source, candidate.files)
        smoke = None
        if not self.options["no_smoke"]:
            task = task_of(model, self.app.catalog)
            smoke = self._prove(paths[0], task, context_of(model), candidate.memory)
        self.console.done(f"Installed {model.name} in {duration(time.monotonic() - began)}, as the lock pins it")
        return {**data, "path": str(paths[0]), "smoke": render.smoke_json(smoke)}

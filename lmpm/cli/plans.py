"""What an action would do, and how far it is, in words and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lmpm.cli.output import json, words
from lmpm.cli.output.console import show_error
from lmpm.project import ActionReporter
from lmpm.units import count, duration, human

if TYPE_CHECKING:
    from lmpm.cli.app import App
    from lmpm.errors import LmpmError
    from lmpm.project import Installed, Plan, Step
    from lmpm.proof import Checked, SmokeResult

LEAST_SHOWN_S: Final = 0.1  # less than that took no time that anybody felt


def show_step(app: App, plan: Plan, step: Step) -> None:
    """What is taken for a model, and what has to come for it."""
    if step.is_here:
        if plan.action == "install":
            app.console.done(f"{step.name} is installed: {step.title} {step.quant}, nothing to do")
    elif step.rung is not None and step.locked is not None:
        variant, more = words.variant_words(len(step.locked.candidates)), words.adapter_words(len(step.adapters))
        app.console.say("Chosen", f"{step.name}: {step.title} {step.quant}{more}, {human(step.size)}{variant}")
    elif step.chosen is not None:
        show_chosen(app, step)


def show_chosen(app: App, step: Step) -> None:
    """A choice that was made now: the machine, what was chosen, why, and what it needs."""
    from lmpm.machine import describe

    if step.chosen is None:
        return
    choice, ref = step.chosen.resolution.choice, step.chosen.resolution.choice.request.ref
    app.console.say("Machine", describe(choice.machine))
    why = words.reason(choice, ref=ref, offline=app.workspace.offline, online=step.chosen.online, remedy=app.remedy)
    words.show_choice(app.console, choice, why=why, ref=ref)
    for adapter in step.adapters:
        app.console.say("Adapter", f"{adapter}  {human(adapter.size)}  {adapter.license}")
    for remark in step.chosen.remarks:
        app.console.note(remark)
    app.console.blank()


def show_twins(app: App, plan: Plan) -> None:
    """Which twins were asked for, and what has to come of them."""
    for step in plan.twins:
        comes = human(step.download_size) if step.downloads else "is here"
        app.console.say("Twin", f"{step.name}: {step.twin.source.repo} ({step.twin.form}), {comes}")


def show_remarks(app: App, plan: Plan) -> None:
    """What is worth knowing of a plan beside its steps."""
    for remark in plan.remarks:
        app.console.note(remark)


def conclude_dry_run(app: App, plan: Plan) -> None:
    """The last words of a run that changes nothing."""
    comes = [step for step in plan.steps if step.downloads]
    twins = [step for step in plan.twins if step.downloads]
    if (comes or twins) and plan.action != "lock":
        coming = [count(len(steps), noun) for steps, noun in ((comes, "model"), (twins, "twin")) if steps]
        app.console.say("Download", f"{human(plan.download_size)} for {' and '.join(coming)}")
    nothing = "Nothing would change" if plan.is_empty else "Nothing was changed"
    app.console.done(f"{nothing}: this was a dry run")


def pinned_words(app: App, *, commit_with_manifest: bool = False) -> str:
    """Where something was pinned, and that it is to be committed where others use it, too."""
    if app.is_global:
        return "Pinned for all your projects: use it with `--global`"
    return f"Pinned in lmpm.lock; commit it{f' with {app.project.manifest_name}' if commit_with_manifest else ''}"


class ActionWords(ActionReporter):
    """Says what happens to each model while a plan is applied."""

    def __init__(self, app: App, plan: Plan) -> None:
        super().__init__(app.transfers)
        self.app = app
        self.plan = plan

    def tested(self, step: Step, result: SmokeResult | None) -> None:
        """Show the question, the answer and the figures."""
        words.show_smoke(self.app.console, result)

    def asked(self, step: Step, checked: Checked) -> None:
        """Say how many of the project's own checks were right."""
        self.app.console.say("Checks", words.checked_words(checked))

    def installed(self, model: Installed) -> None:
        """Say that a model is here, and where it is pinned."""
        if model.step.is_here:
            return
        pinned = ""
        if model.step.chosen is None:
            pinned = ", as the lock pins it"
        elif self.plan.action == "install":
            self.app.console.blank()
            if self.plan.saves:
                pinned = f". {pinned_words(self.app, commit_with_manifest=True)}"
        self.app.console.done(f"Installed {model.name} in {duration(max(model.took_s, LEAST_SHOWN_S))}{pinned}")

    def unpinned(self, names: tuple[str, ...]) -> None:
        """Say what has left the lock."""
        manifest = self.plan.workspace.project.manifest_name
        self.app.console.say("Unpinned", f"{', '.join(names)}: no longer in {manifest}")

    def failed(self, step: Step, error: LmpmError) -> None:
        """Show a further error; the first one comes last."""
        show_error(error.message, details=error.details, hint=self.app.hint_for(error))


def step_json(step: Step, done: Installed | None = None) -> dict[str, Any]:
    """A model of a plan as programs read it, with what became of it once the plan was applied."""
    data: dict[str, Any] = {"name": step.name}
    if step.rung is not None and step.locked is not None:
        data |= json.rung_json(step.rung, len(step.locked.candidates))
    elif step.chosen is not None:
        data |= json.choice_json(step.chosen.resolution.choice)
    if done is not None and not step.is_here:
        return {
            **data,
            "path": str(done.path),
            "smoke": json.smoke_json(done.smoke),
            "checks": json.checked_json(done.checked),
        }
    return {**data, "path": str(step.paths[0])} if step.is_here else data

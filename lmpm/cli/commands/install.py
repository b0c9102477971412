"""`lmpm install`: choose, download, test and pin; without a name, make this machine equal to the lock."""

from __future__ import annotations

from typing import Any

import click

from lmpm.cli import complete, plans
from lmpm.cli.app import App
from lmpm.cli.options import (
    constraint_options,
    constraints_from,
    download_options,
    engine_option,
    global_option,
    hardware_option,
    json_option,
    no_test_option,
    offline_option,
    pass_app,
    twins_option,
)
from lmpm.cli.output.console import put_json
from lmpm.project import actions


@click.command(
    epilog="Example: `lmpm install text-to-sql`, or `lmpm install` after `git clone` of a project with a lock."
)
@click.argument("refs", nargs=-1, metavar="[REF]...", shell_complete=complete.references)
@constraint_options
@engine_option
@hardware_option
@click.option("--dry-run", is_flag=True, help="Choose and show, change nothing.")
@offline_option
@click.option("--locked", is_flag=True, help="Fail if `lmpm.lock` would change.")
@click.option("--name", help="The name in `lmpm.toml`, instead of the task or model.")
@click.option(
    "--adapter", "adapters", multiple=True, metavar="LORA", help="A GGUF LoRA to put on it: a file, or `owner/name`."
)
@click.option("--no-save", is_flag=True, help="Leave `lmpm.toml` and `lmpm.lock` alone.")
@twins_option
@no_test_option
@download_options
@global_option
@json_option
@pass_app()
def command(
    app: App,
    refs: tuple[str, ...],
    dry_run: bool,
    locked: bool,
    name: str | None,
    adapters: tuple[str, ...],
    no_save: bool,
    twins: bool,
    no_test: bool,
    **options: Any,
) -> None:
    """Choose, download, test and pin; without REF, what the lock pins.

    REF is a task (`text-to-sql`), a model of the catalog, a repository (`user/repo:Q4_K_M`), or words of a
    model's name (`"qwen3 8b"`), searched for on the Hub. What `lmpm.toml` asks of it already stays, options go
    before it.

    Without REF the lock is made to say what `lmpm.toml` asks for, and what it pins for this machine is downloaded;
    `lmpm install --locked` is `lmpm sync`, which never changes the lock.
    """
    if refs[:1] == ("ollama",):  # a command for another tool, pasted: the error names what is meant
        refs = (" ".join(refs),)
    app.remark(licenses=options["licenses"])
    plan = actions.install.plan(
        app.workspace,
        refs,
        constraints_from(options),
        name=name,
        locked=locked,
        save=not no_save,
        smoke=not no_test,
        twins=twins,
        adapters=adapters,
    )
    for step in plan.steps:
        plans.show_step(app, plan, step)
    plans.show_twins(app, plan)
    plans.show_remarks(app, plan)
    done = {}
    if dry_run:
        plans.conclude_dry_run(app, plan)
    else:
        result = actions.install.apply(plan, plans.ActionWords(app, plan))
        done = {model.name: model for model in result.models}
        if not plan.steps:
            app.console.done(f"Nothing to do: `{app.project.manifest_name}` names no models")
    if app.as_json:
        models = [plans.step_json(step, done.get(step.name)) for step in plan.steps]
        put_json(
            {
                "dry_run": dry_run,
                "models": models,
                "twins": [step.as_json() for step in plan.twins],
                "changes": list(plan.changes),
                "download_size": plan.download_size,
            }
        )

"""`lmpm init`: begin a project."""

from __future__ import annotations

import click

from lmpm.cli.app import App
from lmpm.cli.options import pass_app
from lmpm.errors import SpecError
from lmpm.project import MANIFEST_HEADER

MANIFEST = (
    MANIFEST_HEADER
    + """\

[models]

# Machines that must have an answer; `lmpm lock` fails when one has none.
# [targets]
# laptop = { hardware = "M2, 16GB" }
# ci = { hardware = "CPU, 4 cores, 8GB" }

# What holds for every model of the project.
# [policy]
# licenses = { allow = ["apache-2.0", "mit"] }
# publishers = { deny = [] }
# max_size = "20GB"
"""
)


@click.command(epilog="Example: `lmpm init`, then `lmpm install text-to-sql`")
@pass_app(local=True)
def command(app: App) -> None:
    """Begin a project: an `lmpm.toml` without models, here."""
    found, here = app.project, app.workspace.current
    if found.directory == here and found.manifest_path.exists():
        raise SpecError(
            f"`{found.manifest_path.name}` is here already",
            hint="Add a model with `lmpm install TASK`; all tasks: `lmpm catalog list`",
        )
    from lmpm.project import edit_project

    with edit_project(here, state=app.workspace.home) as project:
        project.write(manifest=MANIFEST)
    app.console.done("Wrote lmpm.toml. Add a model with `lmpm install TASK`; all tasks: `lmpm catalog list`")

"""`lmpm bundle`: what the lock pins as one directory or tar, for machines without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.commands.verify import run_verify
from lmpm.cli.group import NamingGroup
from lmpm.cli.options import download_options, global_option, json_option, no_test_option, offline_option, pass_app
from lmpm.cli.output import words
from lmpm.cli.output.console import put, put_json, put_table
from lmpm.cli.output.layout import Fit
from lmpm.project import bring_twin
from lmpm.units import count, human

if TYPE_CHECKING:
    from lmpm.bundle import Bundle, BundlePlan


def _path(app: App, place: str) -> Path:
    return Path(os.path.normpath(app.workspace.current / Path(place).expanduser()))


expect_option = click.option(
    "--expect", default="", metavar="SHA256", help="What BUNDLE.json must have, as the maker gave it."
)


@click.group(
    cls=NamingGroup,
    epilog="Example: `lmpm bundle create /media/usb/models`, then there `lmpm bundle import /media/usb/models`",
)
def command() -> None:
    """Carry models to machines without a network.

    A bundle is a directory or a tar: the lock byte for byte, every file by its sha256, licences, a bill of materials,
    and a script that checks it all with nothing but Python.
    """


@command.command("create", epilog="Example: `lmpm bundle create models.tar --target m2-16gb`")
@click.argument("place", type=click.Path())
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@click.option("--target", metavar="NAME", help="Only what this declared machine takes.")
@click.option("--all", "everything", is_flag=True, help="Every candidate of the lock, and every twin.")
@click.option("--twins", is_flag=True, help="Twins, too: their forms for other runtimes (see `lmpm export`).")
@click.option("--fetch", is_flag=True, help="Download what is not here first.")
@offline_option
@download_options
@global_option
@json_option
@pass_app()
def create(
    app: App, place: str, names: tuple[str, ...], target: str | None, everything: bool, twins: bool, fetch: bool
) -> int:
    """Write what the lock pins to PLACE.

    PLACE is a new directory, or a tar where it ends in `.tar`. It holds what the declared targets take, or this machine
    without any. The same lock gives the same bytes.
    """
    from lmpm import bundle

    path = _path(app, place)
    app.remark()
    planned = bundle.plan(app.workspace, names, target=target, everything=everything, twins=twins)
    if fetch and planned.missing:
        fetcher = app.workspace.fetcher(app.transfers)
        for item in planned.packed:
            for source, files in item.candidate.pins:
                fetcher.fetch(source, files)
            for twin in item.twins:
                bring_twin(app.workspace, item.name, twin, app.transfers)
        planned = bundle.plan(app.workspace, names, target=target, everything=everything, twins=twins)
    _show(app, planned)
    made = bundle.write(planned, path, app.transfers)
    _conclude(app, planned, made)
    return 0


def _show(app: App, planned: BundlePlan) -> None:
    if app.as_json or app.console.quiet:
        return
    rows = [
        (
            item.name,
            f"{item.candidate.model} {item.candidate.quant}{words.adapter_words(len(item.candidate.adapters))}",
            human(item.candidate.total_size),
            ", ".join(item.machines),
        )
        for item in planned.packed
    ]
    rows += [
        (item.name, f"{twin.source.repo} {twin.form}", human(twin.size), "twin")
        for item in planned.packed
        for twin in item.twins
    ]
    put_table(rows, right=frozenset({2}), fit=Fit(shorten=(1, 3)))


def _conclude(app: App, planned: BundlePlan, made: Bundle) -> None:
    if app.as_json:
        put_json(
            {
                "path": str(made.path),
                "sha256": made.sha256,
                "files": made.files,
                "size": made.size,
                "beyond_fat32": list(made.beyond_fat32),
                "models": [
                    {"name": item.name, "model": item.candidate.model, "quant": item.candidate.quant}
                    for item in planned.packed
                ],
                "left_out": [
                    {"name": item.name, "model": item.model, "quant": item.quant, "why": item.why}
                    for item in planned.left_out
                ],
            }
        )
        return
    for item in planned.left_out:
        what = " ".join(word for word in (item.name, item.model, item.quant) if word)
        app.console.note(f"not in it: {what}, {item.why}" if what else f"not in it: {item.why}")
    if made.beyond_fat32:
        app.console.note("larger than 4 GiB, which FAT32 cannot hold (exFAT can): " + ", ".join(made.beyond_fat32))
    app.console.blank()
    app.console.done(f"{count(made.files, 'file')}, {human(made.size)} in {made.path}")
    put(f"sha256 of BUNDLE.json: {made.sha256}")


@command.command("verify", epilog="Example: `lmpm bundle verify models.tar`, or without lmpm: `python verify.py`")
@click.argument("place", type=click.Path())
@expect_option
@json_option
@pass_app(local=True)
def verify(app: App, place: str, expect: str) -> int:
    """Check that the bundle at PLACE is as it was made.

    Every byte is read; nothing may be missing and nothing added.
    """
    from lmpm import bundle

    found = bundle.check_bundle(_path(app, place), expected=expect, reporter=app.transfers)
    if app.as_json:
        put_json({"sha256": found.sha256, "files": len(found.files), "size": found.size, "index": found.index})
        return 0
    put(f"sha256 of BUNDLE.json: {found.sha256}")
    app.console.done(f"{count(len(found.files), 'file')}, {human(found.size)}: as it was made")
    return 0


@command.command("import", epilog="Example: `lmpm bundle import /media/stick/models` in the project")
@click.argument("place", type=click.Path())
@expect_option
@no_test_option
@global_option
@json_option
@pass_app(local=True)
def import_(app: App, place: str, expect: str, no_test: bool) -> int:
    """Take the models of the bundle at PLACE, and verify them here.

    The project's lock must be the one that the bundle was made for; where there is none, the bundle's is written.
    """
    from lmpm import bundle

    done = bundle.import_bundle(app.workspace, _path(app, place), expected=expect, reporter=app.transfers)
    kept = f", {done.kept} were here already" if done.kept else ""
    created = f", {' and '.join(done.created)} written" if done.created else ""
    app.console.done(f"{count(done.files, 'file')} imported{kept}{created}")
    return run_verify(app, done.models, smoke=not no_test)

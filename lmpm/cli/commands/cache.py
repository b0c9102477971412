"""`lmpm cache`: what is in the store, which is the Hugging Face cache, and what may leave or join it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.group import NamingGroup
from lmpm.cli.options import global_option, json_option, pass_app
from lmpm.cli.output import store_pages as pages
from lmpm.cli.output.console import put, put_json, put_raw, put_table
from lmpm.cli.output.layout import Fit
from lmpm.errors import UnknownNameError, nearest
from lmpm.fs import JsonCache
from lmpm.project import global_directory
from lmpm.units import count, human

if TYPE_CHECKING:
    from lmpm.project import Known, Lock
    from lmpm.store import Adopted, OtherTool
    from lmpm.types import ModelFile, Source

# Below lmpm's own folder, each a room's notes; `global`, `made` and `projects` beside them are no notes.
NOTES: Final = (
    "benchmarks",
    "catalog",
    "engines",
    "facts",
    "headers",
    "hub",
    "measured",
    "plans",
    "records",
    "verified",
)


@click.group(cls=NamingGroup, epilog="Example: `lmpm cache list`, and then `lmpm cache prune`")
def command() -> None:
    """See, clean and fill the store, which is the Hugging Face cache.

    It is shared with `hf`, llama.cpp and transformers. HF_HUB_CACHE, HF_HOME or `--store` say where it is.
    """


@command.command("dir", epilog='Example: `du -sh "$(lmpm cache dir)"`')
@json_option
@pass_app(local=True)
def show_directory(app: App) -> None:
    """Print where the files are."""
    root = str(app.workspace.store.root)
    if app.as_json:
        put_json({"store": root})
    else:
        put_raw(root)


@command.command("list", epilog="Example: `lmpm cache list --json`")
@json_option
@pass_app(local=True)
def show_files(app: App) -> None:
    """List the GGUF files of the store, and the locks that name them.

    The locks are those of the projects that lmpm has worked in on this machine.
    """
    from lmpm.project import uses_of
    from lmpm.store import inventory

    known, store = _known(app), app.workspace.store
    found = inventory.take(store, uses_of(store, known))
    if app.as_json:
        put_json(pages.inventory_json(store, found, known))
        return
    rows = [(human(file.size), file.repo, file.title, pages.users(file)) for file in found.files]
    for part in found.unfinished:
        whose = f"{pages.used_by(part.used_by)}, `lmpm install` goes on" if part.is_ours else "of another tool"
        rows.append((human(part.size), part.repo, "unfinished", whose))
    put_table(rows, right=frozenset({0}), fit=Fit(shorten=(1, 2), wraps=True))
    _say_broken(app, known)
    if rows:
        app.console.blank()
    more = f", beside {human(found.other_bytes)} that are no GGUF" if found.other_bytes else ""
    app.console.done(f"{count(len(found.files), 'file')}, {human(found.size)} in {store.root}{more}")


@command.command("prune", epilog="Example: `lmpm cache prune`, and then `lmpm cache prune --yes`")
@click.option("--yes", is_flag=True, help="Remove the files. Without it they are only shown.")
@json_option
@pass_app(local=True)
def prune_files(app: App, yes: bool) -> None:
    """Remove files that lmpm downloaded and that no known lock names.

    Files of other tools are left alone, and so is what came in the last minutes. Without `--yes`
    nothing is removed.
    """
    from lmpm.project import plan_prune
    from lmpm.store import prune

    store = app.workspace.store
    wanted = plan_prune(store, _known(app))
    vanished = app.workspace.known_projects.forget_vanished() if yes else []
    done = prune.carry_out(store, wanted) if yes else wanted
    if app.as_json:
        put_json(pages.prune_json(done, removed=yes))
        return
    for project in vanished:
        app.console.note(f"`{project}` has no lock any more and is forgotten")
    put_table(
        [(human(file.freed), file.repo, file.title) for file in done.files]
        + [(human(part.size), part.repo, "unfinished") for part in done.unfinished],
        right=frozenset({0}),
        fit=Fit(shorten=(1, 2)),
    )
    pages.conclude_prune(app.console, done, removed=yes)


@command.command("forget", epilog="Example: `lmpm cache forget ~/old-project`, and then `lmpm cache prune`")
@click.argument("directory", type=click.Path())
@json_option
@pass_app(local=True)
def forget_project(app: App, directory: str) -> None:
    """Forget a project: what only its lock names may be pruned.

    For a project that is given up, or whose lock is broken. Nothing in DIRECTORY is changed; lmpm knows it again once
    it is used there.
    """
    place = (app.workspace.current / Path(directory).expanduser()).resolve()
    known = app.workspace.known_projects
    if not known.forget(place):
        names = [str(path) for path in known.directories()]
        listing = f"Known are: {', '.join(f'`{name}`' for name in names)}" if names else "No project is known here"
        raise UnknownNameError("known project", str(place), suggestions=nearest(str(place), names), listing=listing)
    if app.as_json:
        put_json({"forgotten": str(place)})
    app.console.done(f"Forgot `{place}`. What no other lock names: `lmpm cache prune`")


@command.command("clean", epilog="Example: `lmpm cache clean`, or only one kind: `lmpm cache clean headers`")
@click.argument("kinds", nargs=-1, metavar="[KIND]...", type=click.Choice(tuple(NOTES)))
@json_option
@pass_app(local=True)
def clean_notes(app: App, kinds: tuple[str, ...]) -> None:
    """Remove lmpm's own notes, all of them or those of some kinds.

    No model is removed: that is `prune`.

    \b
    answers     what models answered in evaluations
    benchmarks  what was measured of models' speed
    catalog     the catalog, compiled
    engines     what the installed engines say of themselves
    facts       what verified files say of themselves
    headers     headers of files on the Hub
    hub         answers of the Hub
    measured    what `lmpm hardware --measure` found out about this machine
    plans       how llama.cpp would spend memory
    records     how fast models were here
    verified    which files were hashed and have not changed

    What is needed again is asked, measured or hashed again. Each kind is bounded: the notes used longest ago
    make room by themselves.
    """  # noqa: D301 - \b tells click to keep the lines as they are
    gone = {kind: JsonCache(app.workspace.home / kind).clear() for kind in kinds or NOTES}
    notes, size = sum(kind.notes for kind in gone.values()), sum(kind.size for kind in gone.values())
    if app.as_json:
        rows = [{"kind": kind, "notes": what.notes, "size": what.size} for kind, what in gone.items()]
        put_json({"removed": rows, "notes": notes, "size": size})
        return
    put_table(
        [(human(what.size), kind, count(what.notes, "note")) for kind, what in gone.items() if what.notes],
        right=frozenset({0}),
    )
    app.console.blank()
    app.console.done(f"Removed {count(notes, 'note')}, {human(size)}" if notes else "No notes to remove")


@command.command("adopt", epilog="Example: `lmpm lock`, `lmpm cache adopt`, and then `lmpm install` fetches the rest")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@click.option("--from", "folders", multiple=True, metavar="DIR", help="Look there, too: an export, a bundle.")
@global_option
@json_option
@pass_app(local=True)
def adopt_files(app: App, names: tuple[str, ...], folders: tuple[str, ...]) -> None:
    """Link files that Ollama or LM Studio already have.

    There is no second copy. What the known locks name, or the models NAME of this project, and the store lacks is
    looked for by sha256. What is found is linked: a reflink where the file system can, else a hard link, else a
    symlink.
    """
    from lmpm.project import lacking
    from lmpm.store import adopt_files

    store = app.workspace.store
    wanted = lacking(store, _locks(app, names))
    places, transfers = _places(app, folders), app.transfers
    adopted: list[Adopted] = []
    absent: list[tuple[Source, ModelFile]] = []
    for source, file in wanted:
        found = adopt_files(store, source, file, places, transfers)
        if found is None:
            absent.append((source, file))
            continue
        adopted.append(found)
        if not app.as_json:
            put(f"{human(file.size):>10}  {file.path}  {found.how} to {found.origin} ({found.tool})")
    if app.as_json:
        put_json(pages.adopt_json(store, adopted, absent))
        return
    pages.conclude_adopt(app.console, adopted, absent, places)


def _known(app: App) -> list[Known]:
    """The known projects, with that of the current directory among them."""
    known = app.workspace.known_projects
    for directory in (app.project.directory, global_directory(app.workspace.environment)):
        known.remember(directory)
    return known.read()


def _locks(app: App, names: tuple[str, ...]) -> list[Lock]:
    """The locks whose files are wanted: all that are known, or the named models of this project."""
    from lmpm.project import Lock, find_models

    if names:
        return [Lock(tuple(find_models(app.project.require_lock(), names)))]
    known = _known(app)
    _say_broken(app, known)
    if not any(project.lock for project in known):
        app.project.require_lock()  # says how to make one
    return [project.lock for project in known if project.lock]


def _places(app: App, folders: tuple[str, ...]) -> list[OtherTool]:
    """The folders of other tools, and those that were named."""
    from lmpm.errors import SpecError
    from lmpm.store import OtherTool, other_tools_here

    named = [Path(folder).expanduser().absolute() for folder in folders]
    for folder in named:
        if not folder.is_dir():
            raise SpecError(f"`{folder}` is not a directory")
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - without a home directory it stays as it is
    return [
        *(OtherTool(str(folder), folder) for folder in named),
        *other_tools_here(home, ollama_models=app.workspace.environment.ollama),
    ]


def _say_broken(app: App, known: list[Known]) -> None:
    for project in known:
        if project.error:
            app.console.note(f"`{project.directory}`: {project.error.message}")

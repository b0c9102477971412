"""`lmpm cache`: the store, which is the Hugging Face cache."""

from __future__ import annotations

import click

from lmpm.cli.console import Console, put_raw
from lmpm.cli.settings import App, common


@click.group()
def command() -> None:
    """Look at the store: the Hugging Face cache.

    It is shared with `hf`, llama.cpp and transformers.
    """


@command.command("dir", epilog='Example: `du -sh "$(lmpm cache dir)"`')
@common
def show_directory(quiet: bool, verbose: bool) -> None:
    """Print where the files are. HF_HUB_CACHE or HF_HOME moves it."""
    put_raw(str(App(Console(quiet, verbose), offline=True).store.root))

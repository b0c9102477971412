"""The commands of `lmpm`: in which group each stands, which words mean them, and how they are found."""

from __future__ import annotations

from itertools import takewhile
from typing import Final

import click

from lmpm.errors import SpecError, nearest

# In the order of the help page; each is a module of `commands`, imported only when it is called.
GROUPS: Final = {
    "Use": ("run", "serve", "show", "search"),
    "Project": (
        "init", "install", "remove", "update", "lock", "sync", "list", "verify", "audit", "diff", "outdated",
    ),
    "Measure": ("hardware", "doctor", "bench", "eval", "test"),
    "Ship": ("export", "bundle", "mirror", "tune", "convert"),
    "Look deeper": ("resolve", "why", "inspect", "path", "catalog", "cache"),
}  # fmt: skip
COMMANDS: Final = tuple(name for names in GROUPS.values() for name in names)
ALIASES: Final = {
    "add": "install",
    "i": "install",
    "rm": "remove",
    "uninstall": "remove",
    "ls": "list",
    "hw": "hardware",
    "info": "show",
    "view": "show",
    "smoke": "test",
}
EVERYWHERE: Final = frozenset({"-q", "--quiet", "-v", "--verbose"})  # of each command, understood before it, too

_BRING: Final = "`lmpm install TASK` chooses, downloads and pins a model"
_STATE: Final = "What is here: `lmpm list`; is the lock current: `lmpm lock --check`; is all well: `lmpm doctor`"
_LOGIN: Final = "lmpm uses the Hugging Face client's token: `hf auth login`, or set HF_TOKEN"
_COMPLETE: Final = 'For bash: eval "$(_LMPM_COMPLETE=bash_source lmpm)"; zsh and fish by `zsh_source` and `fish_source`'
# Words of other tools, and what does here what they do there.
ELSEWHERE: Final = {
    "tree": "A project's models: `lmpm list`; the candidates behind one: `lmpm why NAME`",
    "pull": _BRING,
    "get": _BRING,
    "download": _BRING,
    "fetch": "`lmpm sync` downloads what the lock pins; `lmpm install TASK` chooses something new",
    "status": _STATE,
    "check": _STATE,
    "chat": "`lmpm run chat`",
    "ask": "`lmpm run NAME`",
    "prompt": "`lmpm run NAME`",
    "generate": "`lmpm run NAME`",
    "server": "`lmpm serve` serves what the lock pins to OpenAI clients",
    "start": "`lmpm serve` serves what the lock pins to OpenAI clients",
    "ps": "What is here: `lmpm list`; what a running `lmpm serve` has loaded: its page, `http://127.0.0.1:8420`",
    "stop": "Ctrl-C ends `lmpm serve`; a model that nobody asks it unloads by itself: `--idle 10m`",
    "push": "`lmpm export oci NAME` makes an image to push; `lmpm mirror serve` is a Hub for other machines",
    "login": _LOGIN,
    "auth": _LOGIN,
    "whoami": _LOGIN,
    "completion": _COMPLETE,
    "completions": _COMPLETE,
    "upgrade": "`lmpm update` chooses anew, downloads, tests and pins",
    "freeze": "`lmpm lock` pins what lmpm.toml asks for",
    "explain": "`lmpm why NAME` lists the candidates, with the reason why each was not taken",
    "prune": "`lmpm cache prune`",
    "clean": "`lmpm cache prune` removes models, `lmpm cache clean` lmpm's own notes",
    "config": "`lmpm doctor` shows where lmpm looks; the variables it reads: docs/environment.md",
    "env": "`lmpm doctor` shows where lmpm looks; the variables it reads: docs/environment.md",
    "version": "`lmpm --version`",
}


class NamingGroup(click.Group):
    """A group that answers a word which is not one of its commands with the nearest that is."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant. Raises SpecError for a word that means none."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            text = f"{ctx.command_path} {args[0]}".removeprefix("lmpm ")
            raise SpecError(
                f"There is no command `{text}`", hint=self.meant(ctx, args[0].lower()), kind="unknown-command"
            )
        return super().resolve_command(ctx, args)

    def meant(self, ctx: click.Context, word: str) -> str:
        """The nearest command, or where they are listed."""
        near = nearest(word, self.list_commands(ctx), most=1)
        return f"Did you mean `{ctx.command_path} {near[0]}`?" if near else f"All commands: `{ctx.command_path} --help`"


class LazyGroup(NamingGroup):
    """A group whose commands are imported when they are called; `--help` imports them all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help page."""
        return [*COMMANDS]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A list for each group of commands, one line each."""
        for title, names in GROUPS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{name:<8}", command.get_short_help_str(100)) for name, command in found if command]
                )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words as they are usually written: `-q list` is `list -q`, `help list` is `list --help`."""
        early = [*takewhile(EVERYWHERE.__contains__, args)]
        words = args[len(early) :]
        if words[:1] == ["help"]:
            words = [*words[1:], "--help"]
        end = words.index("--") if "--" in words else len(words)
        return super().parse_args(ctx, [*words[:end], *early, *words[end:]] if words else early)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name or alias, imported now."""
        from importlib import import_module

        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"lmpm.cli.commands.{name}").command
        return command

    def meant(self, ctx: click.Context, word: str) -> str:
        """What does here what a word means elsewhere, or the nearest name."""
        near = nearest(word, [*COMMANDS, *ALIASES, *ELSEWHERE], most=1)
        found = word if word in ELSEWHERE else near[0] if near else ""
        return ELSEWHERE.get(found) or super().meant(ctx, ALIASES.get(found, word))

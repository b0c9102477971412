"""The command `lmpm` with its sub-commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from lmpm.errors import LmpmError, SpecError, nearest
from lmpm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

# In the order of the help page; each is a module of `commands`, imported only when it is called.
COMMANDS: Final = (
    "init",
    "install",
    "resolve",
    "search",
    "why",
    "list",
    "path",
    "verify",
    "lock",
    "sync",
    "update",
    "outdated",
    "diff",
    "audit",
    "remove",
    "smoke",
    "inspect",
    "hardware",
    "doctor",
    "catalog",
    "cache",
)
EVERYWHERE = frozenset({"-q", "--quiet", "-v", "--verbose"})  # options of each command, understood before it, too
_ECHO_S = 0.5  # within which a second interrupt is taken for the first one, passed on
ALIASES = {"add": "install", "i": "install", "rm": "remove", "uninstall": "remove", "ls": "list", "hw": "hardware"}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; `--help` imports them all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help page."""
        return [*COMMANDS]

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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant, or a usage error with the nearest name."""
        if args and args[0] not in (*COMMANDS, *ALIASES):
            near = nearest(args[0], COMMANDS, most=1)
            raise SpecError(
                f"There is no command `{args[0]}`",
                hint=f"Did you mean `lmpm {near[0]}`?" if near else "All commands: `lmpm --help`",
            )
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="lmpm %(version)s")
def cli() -> None:
    """Install, pin and prove local language models.

    \b
    lmpm install text-to-sql     choose for this machine, download, test, pin in lmpm.lock
    lmpm search "qwen3 8b"       models on the Hub, and what fits this machine
    lmpm verify                  prove on this machine what lmpm.lock pins
    lmpm why text-to-sql         every candidate, and why it was not taken

    Exit codes: 0 ok, 1 other, 2 usage, 3 unknown name or nothing fits, 4 integrity, 5 network,
    6 disk, 7 lock, 8 engine or smoke test, 9 not permitted, 130 interrupted. Treat a code that
    you do not know as a failure.
    """  # noqa: D301 - \b tells click to keep the lines as they are


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code; the one place where errors become words."""
    from lmpm.cli.output.console import ReaderGoneError, flush, show_error

    _interrupt_on_termination()
    _write_any_name()
    try:
        code = cli.main([*arguments], prog_name="lmpm", standalone_mode=False)
        flush()
    except LmpmError as error:
        _trace()
        _silence_stdout()
        show_error(error.message, details=error.details, hint=error.hint)
        return error.exit_code
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        show_error(error.format_message().rstrip("."), hint=_usage_hint(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        show_error("Interrupted", hint="Run the same command again to resume")
        return 130
    except ReaderGoneError:
        _silence_stdout()
        return 141  # what a shell reports for a writer whose reader has gone
    except Exception as error:  # noqa: BLE001 - shown in full with LMPM_LOG=debug
        _trace()
        if isinstance(error, OSError) and isinstance(error.filename, str):
            from lmpm.fs import disk_error

            failure = disk_error(error, Path(error.filename), "use")
            show_error(failure.message, hint=failure.hint)
            return failure.exit_code
        show_error(
            f"lmpm failed unexpectedly: {type(error).__name__}: {error}",
            hint="Run it again with `LMPM_LOG=debug` and report what it prints",
        )
        return 1
    return code if isinstance(code, int) else 0


def _trace() -> None:
    """Print where the error came from, for those who asked to see it."""
    if os.environ.get("LMPM_LOG", "").lower() == "debug":
        import traceback

        traceback.print_exc()


def _usage_hint(error: click.ClickException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"Its options: `{context.command_path} --help`" if context else None


def _write_any_name() -> None:
    """Let file names and words be written that the terminal's encoding does not have."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape" if sys.stdout.encoding.lower() == "utf-8" else "replace")


def _interrupt_on_termination() -> None:
    """A polite kill is treated as Ctrl-C: what has arrived is kept, children are ended.

    A parent that passes Ctrl-C on sends it once more than the terminal: the echo would cut off what the first began.
    """
    latest = float("-inf")

    def interrupt(number: int, frame: object) -> None:
        nonlocal latest
        since, latest = time.monotonic() - latest, time.monotonic()
        if since > _ECHO_S:
            raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, interrupt)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as after `nohup`
            signal.signal(signal.SIGINT, interrupt)


def _silence_stdout() -> None:
    """Keep Python from complaining once more at exit about an output that takes nothing."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

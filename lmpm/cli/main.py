"""The command `lmpm` with its sub-commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmpm.cli.group import LazyGroup
from lmpm.errors import LmpmError, SpecError, did_you_mean, nearest
from lmpm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\b
Every command: `lmpm COMMAND --help`, with an example.
Exit codes: 0 ok, 1 other, 2 usage, 3 unknown name or nothing fits,
4 integrity, 5 network, 6 disk, 7 lock, 8 engine or test, 9 not permitted,
130 interrupted. Treat a code that you do not know as a failure."""
# The commands that download, as they may be typed.
FETCHES = frozenset({"add", "i", "install", "sync", "update", "verify"})
# How click writes what we write otherwise.
_CLICK_WORDS = (
    (r"(?<!\w)'([^']*)'", r"`\1`"),
    (r"is not a valid float( range)?$", "is not a number"),
    (r"is not a valid integer( range)?$", "is not a whole number"),
    (r"^Got unexpected extra arguments? \((.*)\)$", r"Did not expect `\1`"),
)
_ECHO_S = 0.5  # within which a second interrupt is taken for the first one, passed on


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(__version__, message="lmpm %(version)s")
def cli() -> None:
    """A package manager for local language models.

    \b
    lmpm install text-to-sql    choose for this machine, download, test, pin
    lmpm search "qwen3 8b"      models on the Hub, and what fits this machine
    lmpm verify                 test on this machine what lmpm.lock pins
    lmpm why text-to-sql        the candidates, and why each was not taken
    """  # noqa: D301 - \b tells click to keep the lines as they are


class _InterruptedError(LmpmError):
    """The user ended the command."""

    exit_code = 130
    kind = "interrupted"


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code; the one place where errors become words, and with `--json` data.

    On an error stdout then holds one object with `error`, and with what the command has to say all the same.
    """
    from lmpm.cli.output.console import ReaderGoneError, flush

    _interrupt_on_termination()
    _write_any_name()
    try:
        code = cli.main([*arguments], prog_name="lmpm", standalone_mode=False)
        flush()
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except ReaderGoneError:
        _silence_stdout()
        return 141  # what a shell reports for a writer whose reader has gone
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - shown in full with LMPM_LOG=debug
        _trace(error)
        options = arguments[: arguments.index("--")] if "--" in arguments else arguments
        return _report(error, as_json="--json" in options, fetches=bool(FETCHES.intersection(arguments[:1])))
    return code if isinstance(code, int) else 0


def _report(error: BaseException, *, as_json: bool, fetches: bool) -> int:
    """Say what went wrong, and return its exit code. `fetches` says that the command may have downloaded something."""
    from lmpm.cli.output.console import AnsweredError, ReaderGoneError, put_json, show_error

    data = error.data if isinstance(error, AnsweredError) else {}
    failure = _failure(error)
    if failure.kind == "interrupted" and fetches and not failure.hint:
        failure = failure.with_hint("Run the same command again: what was downloaded is kept")
    if as_json:
        from lmpm.cli.output.json import error_json

        with contextlib.suppress(LmpmError, ReaderGoneError):  # stdout itself may be what is wrong
            put_json({"error": error_json(failure), **data})
    _silence_stdout()
    show_error(failure.message, details=failure.details, hint=failure.hint)
    return failure.exit_code


def _failure(error: BaseException) -> LmpmError:
    """Whatever was raised as an error of lmpm's own."""
    from lmpm.cli.output.console import AnsweredError

    if isinstance(error, AnsweredError):
        return error.error
    if isinstance(error, LmpmError):
        return error
    if isinstance(error, click.ClickException):
        return _usage_error(error)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _InterruptedError("Interrupted")
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = "Install lmpm again in the environment that it runs in, with all that it needs"
        return LmpmError(f"lmpm is not installed whole: the module `{error.name}` is missing", hint=hint, kind="broken")
    if isinstance(error, OSError) and isinstance(error.filename, str):
        from lmpm.fs import disk_error

        return disk_error(error, Path(error.filename), "use")
    return LmpmError(
        f"lmpm failed unexpectedly: {type(error).__name__}: {error}",
        hint="Run it again with `LMPM_LOG=debug` and report what it prints",
        kind="unexpected",
    )


def _trace(error: BaseException) -> None:
    """Print where the error came from, for those who asked to see it."""
    if os.environ.get("LMPM_LOG", "").lower() == "debug" and not isinstance(error, click.ClickException):
        import traceback

        traceback.print_exception(error)


def _usage_error(error: click.ClickException) -> SpecError:
    """What click says of the words of a command, in our own: literals in backticks, no full stop, a hint."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    listing = f"Its options: `{context.command_path} --help`" if context else ""
    if isinstance(error, click.NoSuchOption):
        near = nearest(error.option_name, error.possibilities or (), most=1)
        hint = f"{did_you_mean(near)} {listing}".strip()
        return SpecError(f"There is no option `{error.option_name}`", hint=hint or None)
    message = error.format_message().rstrip(".")
    for pattern, words in _CLICK_WORDS:
        message = re.sub(pattern, words, message)
    return SpecError(message, hint=listing or None)


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

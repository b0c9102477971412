"""The command `lmpm`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the shortest answer needs no command-line library."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from lmpm.version import __version__

        print(f"lmpm {__version__}")  # noqa: T201 - print, unlike write, lets a closed stdout pass
        return
    from lmpm.cli import run

    code = run(sys.argv[1:])
    if code == 130:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more must not kill what is about to end by itself
    sys.exit(code)


if __name__ == "__main__":
    main()

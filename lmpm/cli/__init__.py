"""The command line: click, words and colours. The only room that prints and exits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.cli.group import ALIASES as ALIASES, COMMANDS as COMMANDS
    from lmpm.cli.main import cli as cli, run as run
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(__name__, {"group": "ALIASES COMMANDS", "main": "cli run"})

"""The command line: click, words and colours. The only room that prints and exits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.cli.main import ALIASES as ALIASES, COMMANDS as COMMANDS, cli as cli, run as run
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(__name__, {"main": "ALIASES COMMANDS cli run"})

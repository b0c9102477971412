"""The packages that training takes, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lmpm.errors import LmpmError


def require(module: str) -> Any:
    """A module of the extra `tune`. Raises LmpmError where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise LmpmError(
            f"Training needs `{module.partition('.')[0]}`",
            hint="Install it with `pip install 'lmpm[tune]'`. `--check` looks at the data without it",
            kind="missing-extra",
        ) from error

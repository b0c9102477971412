"""The packages that training takes, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from lmpm.errors import LmpmError

FOR_TRAINING: Final = "Install it with `pip install 'lmpm[tune]'`. `--check` looks at the data without it"
FOR_WRITING: Final = "Install it with `pip install {}`; it comes with `lmpm[tune]`, too"
WRITES: Final = ("gguf", "numpy")  # what files are written with; all else is for training


def require(module: str) -> Any:
    """A module of the extra `tune`. Raises LmpmError where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise LmpmError(
            f"The package `{package}` is needed and not installed",
            hint=FOR_WRITING.format(package) if package in WRITES else FOR_TRAINING,
            kind="missing-extra",
        ) from error

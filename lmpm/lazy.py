"""Faces of packages that import what they offer when it is first asked for (PEP 562)."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def expose(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], object], list[str]]:
    """The `__getattr__` and `__all__` of a package.

    `names` maps each submodule to the names that the package offers from it, separated by blanks; a name that
    is the submodule's own offers the module itself.
    """
    homes = {name: module for module, offered in names.items() for name in offered.split()}

    def __getattr__(name: str) -> object:  # noqa: N807 - it becomes the package's own
        if name not in homes:
            raise AttributeError(f"module `{package}` has no attribute `{name}`")
        module = import_module(f"{package}.{homes[name]}")
        value = module if name == homes[name].rpartition(".")[2] else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__, sorted(homes)

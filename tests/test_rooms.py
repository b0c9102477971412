"""The rooms of the package: each has one face, and nobody reaches past it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import lmpm

PACKAGE = Path(lmpm.__file__).parent
ROOMS = sorted(
    found.name for found in pkgutil.iter_modules([str(PACKAGE)]) if found.ispkg and not found.name.startswith("_")
)
FACES = [room for room in ROOMS if "expose(" in (PACKAGE / room / "__init__.py").read_text("utf-8")]


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The modules below `lmpm` that a file imports from, wherever in it, with the names."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lmpm."):
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names if alias.name.startswith("lmpm."))


def offered(room: str) -> ModuleType:
    return importlib.import_module(f"lmpm.{room}")


@pytest.mark.parametrize("room", ROOMS)
def test_others_come_through_the_face(room: str) -> None:
    inside = PACKAGE / room
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(inside):
            continue
        for module, names in imports(path):
            assert not module.startswith(f"lmpm.{room}."), f"{path.relative_to(PACKAGE)} reaches past lmpm.{room}"
            if module == f"lmpm.{room}" and room in FACES:
                unknown = set(names) - set(offered(room).__all__)
                assert not unknown, f"{path.relative_to(PACKAGE)}: lmpm.{room} does not offer {unknown}"


@pytest.mark.parametrize("room", FACES)
def test_a_face_is_the_same_to_the_type_checker(room: str) -> None:
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert sorted(typed) == offered(room).__all__
    for name, home in typed.items():
        module, _, own = home.rpartition(".")
        found = importlib.import_module(module)
        expected = getattr(found, own) if hasattr(found, own) else importlib.import_module(home)
        assert getattr(offered(room), name) is expected, name


@pytest.mark.parametrize("room", FACES)
def test_no_submodule_takes_the_place_of_a_name(room: str) -> None:
    """Importing a submodule sets it as an attribute of its package: a function of that name would be gone."""
    script = (
        "import importlib, pkgutil, types\n"
        f"import lmpm.{room} as room\n"
        "before = {name: getattr(room, name) for name in room.__all__}\n"
        "for found in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(found.name)\n"
        "changed = [name for name, value in before.items() if getattr(room, name) is not value]\n"
        "assert not changed, changed\n"
        "own = {found.name for found in pkgutil.iter_modules(room.__path__)}\n"
        "hidden = [n for n, value in before.items() if n in own and not isinstance(value, types.ModuleType)]\n"
        "assert not hidden, hidden"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_rooms_are_those_of_the_picture() -> None:
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    for room in ROOMS:
        assert f"`lmpm/{room}/`" in page, f"CONTRIBUTING.md does not say what lmpm/{room}/ is"

"""The model files of the catalog, each read when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lmpm.catalog.schema import CatalogModel


class ModelFiles:
    """Model files by name. Parsing is the cost of a catalog, so a command pays for its own task alone."""

    def __init__(self, folder: Path, read: Callable[[str], CatalogModel | None]) -> None:
        self._folder = folder
        self._read = read
        self._models: dict[str, CatalogModel | None] = {}
        self.names = tuple(sorted(path.stem for path in folder.glob("*.toml")))

    def model(self, name: str) -> CatalogModel | None:
        """The model in the file of this name."""
        if name not in self.names:
            return None
        if name not in self._models:
            self._models[name] = self._read(name)
        return self._models[name]

    def all(self) -> Iterator[CatalogModel]:
        """Every model."""
        return self._pick(self.names)

    def mentioning(self, task: str) -> Iterator[CatalogModel]:
        """The models whose files name the task, which are all that can have a score for it."""
        return self._pick(name for name in self.names if self._mentions(name, f'"{task}"'.encode()))

    def _pick(self, names: Iterator[str] | tuple[str, ...]) -> Iterator[CatalogModel]:
        return (model for model in map(self.model, names) if model is not None)

    def _mentions(self, name: str, text: bytes) -> bool:
        if name in self._models:
            return True
        try:
            return text in (self._folder / f"{name}.toml").read_bytes()
        except OSError:
            return True  # reading it tells what is wrong with it

"""The files of a folder of the catalog, each read when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

T = TypeVar("T")


class RecordFiles(Generic[T]):
    """Records by the names of their files. Parsing is the cost of a catalog, so a command pays for what it asks for.

    `read` gives None for a file that has a problem.
    """

    def __init__(self, folder: Path, read: Callable[[str], T | None]) -> None:
        self._folder = folder
        self._read = read
        self._known: dict[str, T | None] = {}
        self.names = tuple(sorted(path.stem for path in folder.glob("*.toml")))

    def get(self, name: str) -> T | None:
        """The record in the file of this name."""
        if name not in self.names:
            return None
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def __iter__(self) -> Iterator[T]:
        return self._pick(self.names)

    def mentioning(self, text: str) -> Iterator[T]:
        """The records whose files hold the text in quotes: all that can have it as a value."""
        return self._pick(name for name in self.names if self._mentions(name, f'"{text}"'.encode()))

    def setting(self, key: str) -> Iterator[T]:
        """The records whose files set a key of the first table."""
        return self._pick(name for name in self.names if self._mentions(name, f"\n{key} = ".encode()))

    def _pick(self, names: Iterable[str]) -> Iterator[T]:
        return (record for record in map(self.get, names) if record is not None)

    def _mentions(self, name: str, text: bytes) -> bool:
        if name in self._known:
            return True
        try:
            return text in (self._folder / f"{name}.toml").read_bytes()
        except OSError:
            return True  # reading it says what is wrong with it

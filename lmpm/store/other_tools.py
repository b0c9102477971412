"""Where other tools keep their models on this machine: Ollama and LM Studio."""

from __future__ import annotations

import json
import os
import stat
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from lmpm.limits import MAX_FOREIGN_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.types import ModelFile

# Ollama's documented places for macOS and Windows, its Linux service, and the package of Arch Linux.
_OLLAMA: Final = ("~/.ollama/models", "/usr/share/ollama/.ollama/models", "/var/lib/ollama")


@dataclass(frozen=True)
class OtherTool:
    """A folder of models that belongs to another tool. Its files are read, and never changed."""

    tool: str
    folder: Path

    def candidates(self, file: ModelFile) -> Iterator[Path]:
        """Files that may hold the bytes of `file`, the likeliest first; only their hash decides."""
        blobs = self.folder / "blobs"  # by content: Ollama, then OCI image layouts and bundles
        for blob in (blobs / f"sha256-{file.sha256}", blobs / "sha256" / (file.sha256 or "")):
            with suppress(OSError):
                facts = blob.stat()
                if stat.S_ISREG(facts.st_mode) and facts.st_size == file.size:
                    yield blob
        name = PurePosixPath(file.path).name
        same_size = [path for path in self._files.get(file.size, []) if path.name == name or _is_gguf(path)]
        yield from sorted(same_size, key=lambda path: path.name != name)

    @cached_property
    def _files(self) -> dict[int, list[Path]]:
        """The files of the folder by size; links are not followed into other folders."""
        found: dict[int, list[Path]] = defaultdict(list)
        seen = 0
        for place, folders, names in os.walk(self.folder):
            folders.sort()
            for name in sorted(names):
                seen += 1
                if seen > MAX_FOREIGN_FILES:
                    return found
                path = Path(place, name)
                with suppress(OSError):
                    facts = path.stat()
                    if stat.S_ISREG(facts.st_mode):
                        found[facts.st_size].append(path)
        return found


def _is_gguf(path: Path) -> bool:
    return path.name.lower().endswith(".gguf")


def other_tools_here(home: Path, *, ollama_models: str | None = None) -> list[OtherTool]:
    """The folders of other tools that are there. `ollama_models` is what OLLAMA_MODELS says."""
    ollama = [ollama_models] if ollama_models else list(_OLLAMA)
    places = [OtherTool("Ollama", _expand(place, home)) for place in ollama]
    places += [OtherTool("LM Studio", place) for place in _lm_studio(home)]
    there: dict[Path, OtherTool] = {}
    for place in places:
        with suppress(OSError):
            if place.folder.is_dir():
                there.setdefault(place.folder.resolve(), place)
    return list(there.values())


def _lm_studio(home: Path) -> Iterator[Path]:
    """LM Studio's folders: its home and its folder for models can be set."""
    roots = [home / ".lmstudio", home / ".cache" / "lm-studio"]
    with suppress(OSError, ValueError):
        pointer = (home / ".lmstudio-home-pointer").read_text("utf-8").strip()
        if pointer:
            roots.insert(0, Path(pointer))
    for root in roots:
        with suppress(OSError, ValueError, AttributeError):
            folder = json.loads((root / "settings.json").read_text("utf-8")).get("downloadsFolder")
            if isinstance(folder, str) and folder:
                yield Path(folder)
        yield root / "models"


def _expand(place: str, home: Path) -> Path:
    return home / place[2:] if place.startswith("~/") else Path(place)

"""Where the catalog's data lies: inside the wheel, or at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

from lmpm.errors import CatalogError


def directory() -> Path:
    """The directory that holds `tasks/`, `models/` and the tables. Raises CatalogError without one."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "_catalog", package.parent / "catalog"):
        if (place / "tasks").is_dir():
            return place
    raise CatalogError("The catalog is not part of this installation", hint="Install lmpm again")

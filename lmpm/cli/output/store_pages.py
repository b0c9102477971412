"""The store in words and as JSON: its files, what may leave it, and what was linked into it."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from lmpm.units import count, human

if TYPE_CHECKING:
    from lmpm.cli.output.console import Console
    from lmpm.project import Known
    from lmpm.store import Adopted, Inventory, OtherTool, PrunePlan, Store, Stored, Unfinished, Use
    from lmpm.types import ModelFile, Source


def users(file: Stored) -> str:
    """Who uses a file, or that it is another tool's."""
    return used_by(file.used_by) if file.used_by or file.brought else "of another tool"


def used_by(uses: tuple[Use, ...]) -> str:
    """`text-to-sql in ~/shop`, or that nobody uses it."""
    home = os.path.expanduser("~")  # noqa: PTH111 - without a home directory it stays as it is
    shown = [f"{use.model} in {str(use.project).replace(home, '~', 1)}" for use in uses]
    return ", ".join(shown) or "in no known lock"


def conclude_prune(console: Console, done: PrunePlan, *, removed: bool) -> None:
    """What was or would be freed, and what was left alone."""
    if done.too_new:
        from lmpm.store import waiting_time

        console.note(f"{count(len(done.too_new), 'file')} left alone: new in the last {waiting_time()}")
    if done.foreign_bytes:
        console.note(f"{human(done.foreign_bytes)} are unfinished downloads of other tools: see `hf cache prune`")
    number = len(done.files) + len(done.unfinished)
    if number:
        console.blank()
    if not number:
        console.done("Nothing to prune")
    elif removed:
        console.done(f"Removed {count(number, 'file')}, {human(done.freed)} are free again")
    else:
        console.done(f"{count(number, 'file')}, {human(done.freed)}. To remove them: `lmpm cache prune --yes`")


def conclude_adopt(
    console: Console, adopted: list[Adopted], absent: list[tuple[Source, ModelFile]], places: list[OtherTool]
) -> None:
    """How many were taken over, in which way, and what is still missing."""
    where = ", ".join(dict.fromkeys(place.tool for place in places))
    console.detail(f"Looked in {where or 'no folder: no other tool keeps models here'}")
    if any(item.how == "symlink" for item in adopted):
        console.note("a symlink leads nowhere once the other tool removes its file; `lmpm verify` finds out")
    console.blank()
    if not adopted and not absent:
        console.done("Nothing to adopt: all that the locks name is here")
        return
    ways = ", ".join(f"{number} by {how}" for how, number in sorted(Counter(item.how for item in adopted).items()))
    size = human(sum(item.file.size for item in adopted))
    taken = (
        f"Adopted {count(len(adopted), 'file')}, {size}: {ways}"
        if adopted
        else f"Nothing found in {where}"
        if where
        else "No other tool keeps models here"
    )
    rest = f". {count(len(absent), 'file')} not on this machine: `lmpm install`" if absent else ""
    console.done(taken + rest)


def _uses_json(uses: tuple[Use, ...]) -> list[dict[str, str]]:
    return [{"project": str(use.project), "model": use.model} for use in uses]


def _file_json(file: Stored) -> dict[str, Any]:
    return {
        "repo": file.repo,
        "path": file.title,
        "size": file.size,
        "sha256": file.sha256,
        "by_lmpm": file.brought,
        "used_by": _uses_json(file.used_by),
    }


def _part_json(part: Unfinished) -> dict[str, Any]:
    return {
        "repo": part.repo,
        "path": str(part.path),
        "size": part.size,
        "sha256": part.sha256,
        "by_lmpm": part.is_ours,
        "used_by": _uses_json(part.used_by),
    }


def inventory_json(store: Store, found: Inventory, known: list[Known]) -> dict[str, Any]:
    """What is in the store as programs read it."""
    return {
        "store": str(store.root),
        "size": found.size,
        "other_size": found.other_bytes,
        "files": [_file_json(file) for file in found.files],
        "unfinished": [_part_json(part) for part in found.unfinished],
        "projects": [
            {"directory": str(project.directory), "error": project.error.message if project.error else None}
            for project in known
        ],
    }


def prune_json(plan: PrunePlan, *, removed: bool) -> dict[str, Any]:
    """What was or would be removed as programs read it."""
    return {
        "removed": removed,
        "freed": plan.freed,
        "files": [_file_json(file) | {"freed": file.freed} for file in plan.files],
        "unfinished": [_part_json(part) for part in plan.unfinished],
        "too_new": [_file_json(file) for file in plan.too_new],
    }


def adopt_json(store: Store, adopted: list[Adopted], absent: list[tuple[Source, ModelFile]]) -> dict[str, Any]:
    """What was linked, and what was found nowhere, as programs read it."""

    def shown(source: Source, file: ModelFile) -> dict[str, Any]:
        return {"repo": source.name, "path": file.path, "size": file.size, "sha256": file.sha256}

    return {
        "adopted": [
            shown(item.source, item.file)
            | {
                "file": str(store.link(item.source, item.file)),
                "how": item.how,
                "tool": item.tool,
                "origin": str(item.origin),
            }
            for item in adopted
        ],
        "lacking": [shown(source, file) for source, file in absent],
    }

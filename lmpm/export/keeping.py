"""Write exports, look at them and take them back, with a record that is true at every moment.

A record that names what is about to be made stands before the first file does, and one without that after the last: a
process that is killed leaves a record of an unfinished export, which the same command ends and undoing takes back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.errors import LmpmError
from lmpm.export import carry_out
from lmpm.export.exporting import exporter, plan_export
from lmpm.project import Exports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmpm.export.carry_out import Drift
    from lmpm.export.record import Export, Link, Text
    from lmpm.project import Exported, Workspace
    from lmpm.reporter import Reporter


def write_export(workspace: Workspace, export: Export, *, copy: bool, reporter: Reporter) -> Exported | None:
    """Carry an export out and keep a record of it; None where it is only words. Raises DiskError, SpecError."""
    if not export.links and not export.texts:
        return None
    if export.twin is not None and export.twin.is_new:
        from lmpm.export import twins

        twins.pin(workspace, export.name, export.twin.twin)
    records = _records(workspace)
    with records.held(export.place, reporter):
        there = records.at(export.place)
        wanted = carry_out.record_of(export, workspace.directory)
        own = next((item for item in there if _is_same(item, wanted)), None)
        others = [item for item in there if item is not own]
        if own is not None:
            carry_out.sweep(own)
        lacking = carry_out.lacking(export, own, others, reporter)
        record = carry_out.record_of(export, workspace.directory, own)
        if record == own and not lacking:
            return record
        records.note(carry_out.begun(record, own))
        try:
            carry_out.write(export, lacking, workspace.store, own=own, copy=copy, reporter=reporter)
        except BaseException:
            _take_back(records, record, own, lacking)
            raise
        if own is not None:
            kept = {file.path for file in record.files}
            gone = tuple(file for file in own.all_files if file.path not in kept)
            _remove(records, replace(own, files=gone, begun=()), others)
        records.note(record)
    return record


def _take_back(records: Exports, record: Exported, own: Exported | None, lacking: Sequence[Link | Text]) -> None:
    """The record after a write that failed: what it had made is gone, and what it had replaced is not."""
    if own is None:
        records.forget(record)
    elif not {item.path for item in lacking} & {file.path for file in own.all_files}:
        records.note(own)


def find_exports(workspace: Workspace, name: str | None = None, *, target: str | None = None) -> list[Exported]:
    """The exports of the project's models, or of one, or for one target. Raises UnknownNameError."""
    wanted = exporter(target).NAME if target else None
    records = _records(workspace).of(workspace.directory, name)
    return [record for record in records if wanted in (None, record.target)]


def check_export(workspace: Workspace, record: Exported, places: Mapping[str, Path]) -> list[Drift]:
    """What of an export is not as it was made, or not as the lock says now."""
    return [
        *carry_out.check(record, _again(workspace, record, places)),
        *carry_out.drifts_in_store(record, workspace.store),
    ]


def undo_export(workspace: Workspace, record: Exported, reporter: Reporter) -> list[Path]:
    """Take an export back; returns the files that were changed since and are left. Raises DiskError."""
    records = _records(workspace)
    with records.held(record.place, reporter):
        there = records.at(record.place)  # as it is now: another export may have left it its files
        own = next((item for item in there if _is_same(item, record)), record)
        left = _remove(records, own, [item for item in there if item is not own])
        records.forget(own)
    return left


def _records(workspace: Workspace) -> Exports:
    return Exports(workspace.home / "exports")


def _is_same(one: Exported, other: Exported) -> bool:
    """Whether two records at one place are of one export."""
    return (one.project, one.name, one.target, one.entry) == (other.project, other.name, other.target, other.entry)


def _remove(records: Exports, record: Exported, others: list[Exported]) -> list[Path]:
    """Remove the files of a record; what another export there needs is that one's from now on."""
    shared: set[str] = set()
    for other in others:
        inherited = {file.path for file in record.all_files if file.made and file.path not in shared}
        if mine := inherited & {file.path for file in other.all_files}:
            shared |= mine
            files, begun = (
                tuple(replace(file, made=file.made or file.path in mine) for file in part)
                for part in (other.files, other.begun)
            )
            records.note(replace(other, files=files, begun=begun))
    used = set(shared)
    if record.target == "ollama":
        from lmpm.export.targets import ollama

        used |= ollama.used(record.place, record.entry)
    return carry_out.undo(record, used=used)


def _again(workspace: Workspace, record: Exported, places: Mapping[str, Path]) -> Export | None:
    """What the lock would make of an export now; None where that cannot be said here."""
    place = record.place / record.entry if record.target == "llama.cpp" else record.place
    try:
        return plan_export(
            workspace, record.target, record.name, place=place, places=places, options=record.options, download=False
        )
    except LmpmError:
        return None

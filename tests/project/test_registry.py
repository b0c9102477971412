"""The projects whose locks lmpm has used are remembered, and those that are gone forgotten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lmpm.errors import LockError
from lmpm.project import edit_project
from lmpm.project.registry import KnownProjects
from tests.stored import model, piece, project


@pytest.fixture
def known(tmp_path: Path) -> KnownProjects:
    return KnownProjects(tmp_path / "home" / "projects")


def test_a_lock_that_was_used_is_remembered_once(known: KnownProjects, tmp_path: Path) -> None:
    first = project(tmp_path / "ä b\n", known, model("one", piece("a")))
    second = project(tmp_path / "second", known, model("two", piece("b")))
    for _ in range(3):
        known.remember(first)
    (tmp_path / "alias").symlink_to(first)
    known.remember(tmp_path / "alias")
    assert known.directories() == sorted([first, second])
    assert {item.directory: item.lock.models[0].name for item in known.read() if item.lock} == {
        first: "one",
        second: "two",
    }


def test_a_directory_without_a_lock_is_none(known: KnownProjects, tmp_path: Path) -> None:
    known.remember(tmp_path)
    assert known.directories() == []
    assert known.read() == []


def test_writing_a_project_remembers_it(tmp_path: Path) -> None:
    place = project(tmp_path / "p", KnownProjects(tmp_path / "elsewhere"), model("one", piece("a")))
    with edit_project(place, state=tmp_path / "home"):
        pass
    assert KnownProjects(tmp_path / "home" / "projects").directories() == [place]


def test_what_is_gone_is_forgotten(known: KnownProjects, tmp_path: Path) -> None:
    stays, goes = (project(tmp_path / name, known, model("one", piece("a"))) for name in ("stays", "goes"))
    (goes / "lmpm.lock").unlink()
    assert [item.directory for item in known.read()] == [stays]
    assert known.forget_vanished() == [goes]
    assert known.directories() == [stays]
    assert known.forget_vanished() == []


def test_a_broken_lock_is_told_and_not_forgotten(known: KnownProjects, tmp_path: Path) -> None:
    place = project(tmp_path / "p", known, model("one", piece("a")))
    (place / "lmpm.lock").write_text("<<<<<<< HEAD\n")
    (item,) = known.read()
    assert isinstance(item.error, LockError) and item.lock is None
    assert known.forget_vanished() == []


def test_only_so_many_are_kept_and_those_used_last(tmp_path: Path) -> None:
    known = KnownProjects(tmp_path / "projects", limit=3)
    places = []
    for number in range(3):
        places.append(project(tmp_path / str(number), known, model("one", piece("a"))))
        (note,) = [note for note in known.folder.iterdir() if note.read_bytes() == os.fsencode(places[-1])]
        os.utime(note, (number, number))
    known.remember(places[0])  # used again, just now
    newest = project(tmp_path / "new", known, model("one", piece("a")))
    assert known.directories() == sorted([places[0], places[2], newest])


@pytest.mark.parametrize("text", [b"", b"/somewhere/else", b"\xff\xfe"])
def test_a_note_that_a_crash_cut_off_is_none(known: KnownProjects, tmp_path: Path, text: bytes) -> None:
    project(tmp_path / "p", known, model("one", piece("a")))
    (note,) = known.folder.iterdir()
    note.write_bytes(text)
    assert known.directories() == []


def test_notes_that_cannot_be_written_are_no_loss(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    known = KnownProjects(tmp_path / "home" / "projects")
    project(tmp_path / "p", known, model("one", piece("a")))
    assert known.directories() == []

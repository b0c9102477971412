"""What verifying finds, model by model, and the one code that a call ends with."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from lmpm import catalog
from lmpm.catalog.yanked import Yanked
from lmpm.errors import (
    DiskError,
    EngineError,
    HashMismatchError,
    IntegrityError,
    LmpmError,
    MissingFilesError,
    NetworkError,
    NothingFitsError,
    NotPermittedError,
)
from lmpm.limits import GIB
from lmpm.project import LockedCandidate, LockedModel, Report, verify_exit_code
from lmpm.project.actions.verifier import Verifier, build_number
from lmpm.reporter import Reporter
from lmpm.resolver import Waiting
from lmpm.store.cache import Store
from lmpm.types import HubSource, Machine, ModelFile

DATA = b"not a model, but bytes with a digest"
FILE = ModelFile(path="m-Q8_0.gguf", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())
SOURCE = HubSource("maker/m-GGUF", "1" * 40)
RUNG = LockedCandidate(
    source=SOURCE,
    model="m",
    quant="Q8_0",
    license="mit",
    memory=GIB,
    bytes_per_token=GIB,
    layers=4,
    files=(FILE,),
)
MODEL = LockedModel(name="mine", requested={"ref": "maker/m-GGUF"}, candidates=(RUNG,))
MACHINE = Machine(name="m", accelerator="cpu", memory=8 * GIB, budget=6 * GIB, bandwidth=20 * GIB, cores=4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "hub", tmp_path / "home")
    origin = tmp_path / "origin"
    origin.write_bytes(DATA)
    made.adopt_file(SOURCE, FILE, origin, Reporter())
    return made


@pytest.fixture
def verifier(store: Store) -> Verifier:
    return Verifier(catalog=catalog.load(catalog.directory()), store=store, machine=MACHINE, smoke=False)


def test_right_bytes(verifier: Verifier, store: Store) -> None:
    report = verifier.check(MODEL)
    assert report.error is None and report.missing == () and report.notes == ()
    assert report.hashed_bytes == len(DATA) and report.path == store.find(SOURCE, FILE)
    assert report.rung is not None and (report.rung.number, report.rungs) == (1, 1)


def test_missing(verifier: Verifier, tmp_path: Path) -> None:
    report = replace(verifier, store=Store(tmp_path / "empty", tmp_path / "home")).check(MODEL)
    assert isinstance(report.error, MissingFilesError) and report.missing == (FILE,)
    assert "m Q8_0, 36 B missing" in report.error.message


def test_a_wrong_byte_is_found_even_where_the_clock_says_nothing(verifier: Verifier, store: Store) -> None:
    import os

    blob = store.blob(SOURCE, FILE)
    facts = blob.stat()
    blob.chmod(0o644)
    blob.write_bytes(DATA[:-1] + b"X")
    os.utime(blob, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    report = verifier.check(MODEL)
    assert isinstance(report.error, HashMismatchError)
    assert report.error.expected == (FILE.sha256, FILE.size) and report.error.hint


def test_a_file_that_fits_nothing(verifier: Verifier) -> None:
    report = replace(verifier, machine=replace(MACHINE, budget=1000)).check(MODEL)
    assert isinstance(report.error, NothingFitsError) and report.rung is None


def test_remarks_are_no_failures(verifier: Verifier) -> None:
    waiting = Waiting(prompt_tokens=1, first_token=(0.1, 0.2), whole=(0.1, 0.2))
    slow = replace(MODEL, waiting=waiting, candidates=(replace(RUNG, answer_tokens=1000),))
    report = replace(verifier, free_memory=1000).check(slow)
    assert report.error is None
    assert any("nothing in the lock is fast enough here" in note for note in report.notes)
    assert any("1000 B of memory is free now, it needs 1.0 GiB" in note for note in report.notes)


@pytest.mark.parametrize(
    "bad", [{"repo": "Maker/M-gguf"}, {"repo": "maker/m-GGUF", "revision": "1" * 40}, {"sha256": FILE.sha256}]
)
def test_what_was_withdrawn_since_is_remarked(verifier: Verifier, bad: dict[str, str]) -> None:
    listed = Yanked(reason="answers in Latin", source="https://example.org/1", **bad)
    report = replace(verifier, catalog=replace(verifier.catalog, yanked=(listed,))).check(MODEL)
    assert report.error is None, "the lock says which bytes are meant: that is for people to change"
    (note,) = report.notes
    assert "answers in Latin" in note and "`lmpm update mine`" in note
    other = replace(
        listed, repo="maker/other-GGUF" if listed.repo else None, sha256="e" * 64 if listed.sha256 else None
    )
    assert replace(verifier, catalog=replace(verifier.catalog, yanked=(other,))).check(MODEL).notes == ()


def test_an_engine_that_is_too_old(verifier: Verifier) -> None:
    wanting = replace(MODEL, candidates=(replace(RUNG, engine=200),))
    assert replace(verifier, engine_build=200).check(wanting).error is None
    assert replace(verifier, engine_build=None).check(wanting).error is None
    report = replace(verifier, engine_build=199).check(wanting)
    assert isinstance(report.error, EngineError) and "b199 is too old, m needs b200" in report.error.message


def test_a_file_that_is_no_model_fails_its_proof(verifier: Verifier) -> None:
    report = replace(verifier, smoke=True).check(MODEL)
    assert isinstance(report.error, EngineError) and "GGUF" in report.error.message
    assert report.hashed_bytes == len(DATA)


@pytest.mark.parametrize(
    ("text", "build"),
    [("llama.cpp b9200", 9200), ("b11549 (0c1e570)", 11549), ("llama.cpp 0.5.0-dev (0c1e570-dirty)", None), ("", None)],
)
def test_the_number_of_a_build(text: str, build: int | None) -> None:
    assert build_number(text) == build


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], 0),
        ([None, None], 0),
        ([None, EngineError("e")], 8),
        ([EngineError("e"), IntegrityError("i")], 4),
        ([NothingFitsError("n"), DiskError("d")], 6),
        ([NetworkError("n"), NotPermittedError("p")], 9),
        ([NetworkError("n")], 5),
        ([LmpmError("x")], 1),
    ],
)
def test_the_gravest_failure_gives_the_code(errors: list[LmpmError | None], code: int) -> None:
    assert verify_exit_code([Report(name="x", error=error) for error in errors]) == code

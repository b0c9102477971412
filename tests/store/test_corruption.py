"""Every kind of damage has its name in `verify`, and only the bytes are believed."""

from __future__ import annotations

import os
import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lmpm import catalog
from lmpm.errors import DiskError, HashMismatchError, IntegrityError, MissingFilesError
from lmpm.fs import hashing
from lmpm.fs.hashing import Hashed, hash_all
from lmpm.fs.stamp import Stamp
from lmpm.limits import GIB, HASH_BUFFER_BYTES
from lmpm.project.actions.report import Report
from lmpm.project.actions.verifier import Verifier
from lmpm.store.cache import Store
from lmpm.types import Machine, ModelFile
from tests.stored import Piece, bring, lay, model, piece

FIRST, SECOND = piece("first"), piece("second")
MODEL = model("mine", FIRST, SECOND)
MACHINE = Machine(name="m", accelerator="cpu", memory=8 * GIB, budget=6 * GIB, bandwidth=20 * GIB, cores=4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "hub", tmp_path / "home")
    for item in (FIRST, SECOND):
        bring(made, item, tmp_path)
    return made


@pytest.fixture(scope="module")
def shipped() -> catalog.Catalog:
    return catalog.load(catalog.directory())


@pytest.fixture
def verifier(store: Store, shipped: catalog.Catalog) -> Verifier:
    return Verifier(catalog=shipped, store=store, machine=MACHINE, smoke=False)


def harm(store: Store, item: Piece, kind: str) -> None:
    """Do to a file of the store what disks, people and other programs do."""
    blob, link = store.blob(item.source, item.file), store.link(item.source, item.file)
    data = {
        "flip": item.data[:-1] + b"?",
        "truncate": item.data[:-1],
        "extend": item.data + b"x",
        "empty": b"",
        "zeros": bytes(len(item.data)),
        "swapped": SECOND.data.ljust(len(item.data), b"."),
    }.get(kind)
    if data is not None:
        blob.chmod(0o644)
        blob.write_bytes(data)
        return
    if kind == "wrong name":
        link.unlink()
        link.symlink_to(f"../../blobs/{SECOND.file.sha256}")
        return
    blob.unlink()
    if kind == "missing":
        link.unlink()
    elif kind == "directory":
        blob.mkdir()
    elif kind == "fifo":
        os.mkfifo(blob)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(blob.parent)  # the path of a socket has to be short
        try:
            socket.socket(socket.AF_UNIX).bind(blob.name)
        finally:
            os.chdir(here)
    elif kind == "device":
        blob.symlink_to("/dev/zero")
    elif kind == "loop":
        blob.symlink_to(blob.name)
    else:
        assert kind == "dangling"


MATRIX = [
    ("flip", "changed", "Hash mismatch"),
    ("truncate", "truncated", "4,994 bytes instead of 4,995"),
    ("extend", "extended", "4,996 bytes instead of 4,995"),
    ("empty", "empty", "0 bytes instead of 4,995"),
    ("zeros", "zeros", "nothing but zeros"),
    ("wrong name", "misnamed", "leads to another file"),
    ("directory", "directory", "a directory"),
    ("dangling", "dangling", "a link to nothing"),
    ("loop", "dangling", "a link to nothing"),
    ("fifo", "special", "a named pipe"),
    ("socket", "special", "a socket"),
    ("device", "special", "a device"),
]


@pytest.mark.parametrize("quick", [False, True], ids=["plain", "quick"])
@pytest.mark.parametrize(("what", "kind", "words"), MATRIX, ids=[row[0] for row in MATRIX])
def test_28_each_damage_has_its_name(
    verifier: Verifier, store: Store, what: str, kind: str, words: str, quick: bool
) -> None:
    harm(store, FIRST, what)
    report = replace(verifier, quick=quick).ahead([MODEL]).check(MODEL)
    assert [(item.path, item.kind) for item in report.damaged] == [("first.gguf", kind)]
    assert isinstance(report.error, IntegrityError) and report.error.exit_code == 4
    assert words in report.error.message and "first.gguf" in report.error.message
    assert report.error.hint == "Run `lmpm install` to fetch it again"
    assert report.path is None and report.missing == ()


def test_28_a_missing_file_is_no_damage(verifier: Verifier, store: Store) -> None:
    harm(store, FIRST, "missing")
    report = verifier.ahead([MODEL]).check(MODEL)
    assert isinstance(report.error, MissingFilesError)
    assert (report.missing, report.damaged) == ((FIRST.file,), ())


def test_28_bytes_under_another_name_are_told_by_theirs(verifier: Verifier, store: Store) -> None:
    one, two = piece("one", b"1" * 5000), piece("two", b"2" * 5000)
    pair = model("pair", one, two)
    for item in (one, two):
        lay(store, item)
    store.blob(one.source, one.file).write_bytes(two.data)
    report = verifier.ahead([pair]).check(pair)
    (found,) = report.damaged
    assert (found.path, found.kind, found.computed) == ("one.gguf", "misnamed", two.file.sha256)
    assert report.error is not None and "holds the bytes of `two.gguf`" in report.error.message


def test_a_file_that_may_not_be_read(verifier: Verifier, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody with every right may read everything, so the refusal is put in place of the system's."""

    def refused(path: Path, stop: object = None) -> tuple[str, int]:
        raise DiskError(f"Cannot read `{path}`: input/output error", path=path)

    monkeypatch.setattr("lmpm.fs.disk.hash_file", refused)
    report = verifier.ahead([MODEL]).check(MODEL)
    assert [item.kind for item in report.damaged] == ["unreadable", "unreadable"]
    assert report.error is not None and report.error.exit_code == 4
    assert "input/output error" in str(report.error)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that Linux cannot read")
def test_24_a_real_read_error_stops_no_other_file(tmp_path: Path) -> None:
    """Nothing is mapped at the address 0: to read it is an EIO of the system itself."""
    (tmp_path / "sound").write_bytes(FIRST.data)
    found = hash_all([Path("/proc/self/mem"), tmp_path / "sound"], workers=1)
    error, sound = found[Path("/proc/self/mem")], found[tmp_path / "sound"]
    assert isinstance(error, DiskError) and "input/output error" in error.message
    assert isinstance(sound, Hashed) and sound.sha256 == FIRST.file.sha256


def test_every_damaged_file_of_a_model_is_named(verifier: Verifier, store: Store) -> None:
    harm(store, FIRST, "flip")
    harm(store, SECOND, "fifo")
    report = verifier.check(MODEL)
    assert [item.kind for item in report.damaged] == ["changed", "special"]
    assert report.error is not None and "2 files of `mine` are damaged" in report.error.message
    assert [line.split(":")[0] for line in report.error.details] == ["first.gguf", "second.gguf"]


def test_a_flipped_bit_shows_both_digests(verifier: Verifier, store: Store) -> None:
    harm(store, FIRST, "flip")
    error = verifier.ahead([MODEL]).check(MODEL).error
    assert isinstance(error, HashMismatchError)
    assert error.expected == (FIRST.file.sha256, FIRST.file.size)
    assert error.computed[0] != FIRST.file.sha256


class TestStamps:
    def test_plain_verify_believes_no_stamp(self, verifier: Verifier, store: Store) -> None:
        """Bytes that changed without a trace in the file's times, as those of a failing disk do."""
        harm(store, FIRST, "flip")
        blob = store.blob(FIRST.source, FIRST.file)
        store.stamps.note(Stamp.of(blob), FIRST.file.sha256 or "")
        assert store.is_stamped(blob, FIRST.file.sha256 or "")
        assert replace(verifier, quick=True).ahead([MODEL]).check(MODEL).error is None
        for plain in (verifier, verifier.ahead([MODEL])):
            assert [item.kind for item in plain.check(MODEL).damaged] == ["changed"]

    def test_quick_reads_no_byte_of_an_unchanged_file(self, verifier: Verifier, store: Store) -> None:
        """A terabyte of holes: hashing it would take longer than any test may."""
        huge = ModelFile(path="huge.gguf", size=2**40, sha256="a" * 64)
        item = Piece(FIRST.source, huge, b"")
        place = lay(store, item)
        with place.open("r+b") as file:
            file.truncate(huge.size)
        store.stamps.note(Stamp.of(place), "a" * 64)
        report = replace(verifier, quick=True).ahead([model("huge", item)]).check(model("huge", item))
        assert report.error is None and report.trusted
        assert report.hashed_s < 5

    def test_quick_hashes_what_changed_since(self, verifier: Verifier, store: Store) -> None:
        blob = store.blob(FIRST.source, FIRST.file)
        os.utime(blob)
        report = replace(verifier, quick=True).ahead([MODEL]).check(MODEL)
        assert report.error is None and not report.trusted

    def test_a_file_that_changes_after_it_was_hashed_is_hashed_again(self, verifier: Verifier, store: Store) -> None:
        ahead = verifier.ahead([MODEL])
        harm(store, FIRST, "flip")
        assert [item.kind for item in ahead.check(MODEL).damaged] == ["changed"]


class TestSideBySide:
    def test_as_many_at_once_as_there_are_workers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each of three reads waits until the two others have begun: one after the other would never end."""
        meeting = threading.Barrier(3, timeout=60)

        def together(path: Path, stop: threading.Event | None = None) -> tuple[str, int]:
            meeting.wait()
            return path.name, 0

        paths = [tmp_path / name for name in "abc"]
        for path in paths:
            path.write_bytes(b"x")
        monkeypatch.setattr("lmpm.fs.disk.hash_file", together)
        found = hash_all(paths, workers=3)
        assert {path: item.sha256 for path, item in found.items() if isinstance(item, Hashed)} == {
            path: path.name for path in paths
        }

    def test_one_that_fails_does_not_stop_the_others(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(FIRST.data)
        found = hash_all([tmp_path / "gone", tmp_path / "a", tmp_path], workers=2)
        assert isinstance(found[tmp_path / "gone"], DiskError)
        assert isinstance(found[tmp_path], IntegrityError)
        done = found[tmp_path / "a"]
        assert isinstance(done, Hashed)
        assert (done.sha256, done.size) == (FIRST.file.sha256, FIRST.file.size)

    def test_every_size_around_the_buffer(self, tmp_path: Path) -> None:
        import hashlib

        for size in (0, 1, HASH_BUFFER_BYTES - 1, HASH_BUFFER_BYTES, HASH_BUFFER_BYTES + 1, 3 * HASH_BUFFER_BYTES + 7):
            data = os.urandom(size)
            (tmp_path / "f").write_bytes(data)
            hashed = hashing.hash_one(tmp_path / "f")
            assert (hashed.sha256, hashed.size) == (hashlib.sha256(data).hexdigest(), size)

    def test_an_interrupt_ends_it_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two files of a terabyte each; the interrupt comes while they are read."""
        begun = threading.Event()
        plain = hashing.hash_one

        def telling(path: Path, stop: threading.Event | None = None) -> Hashed:
            begun.set()
            return plain(path, stop)

        monkeypatch.setattr(hashing, "hash_one", telling)
        for name in "ab":
            with (tmp_path / name).open("wb") as file:
                file.truncate(2**40)

        def interrupt() -> None:
            begun.wait()
            # a real one, as from a terminal: it wakes the thread that waits
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            hash_all([tmp_path / "a", tmp_path / "b"], workers=2)


def test_a_report_of_nothing_names_no_damage() -> None:
    assert Report(name="x").damaged == ()

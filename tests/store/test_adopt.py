"""The same bytes in the folders of Ollama and LM Studio: linked after hashing, never copied, never changed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir, try_to_load_from_cache

from lmpm.fs.links import share
from lmpm.project.lock.records import Lock
from lmpm.project.usage import lacking
from lmpm.reporter import Reporter
from lmpm.store.adopt import Adopted, adopt_files
from lmpm.store.cache import Store
from lmpm.store.other_tools import OtherTool, other_tools_here
from tests.stored import Piece, bring, model, piece

ITEM = piece("wanted")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "hub", tmp_path / "home")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system than the tests' own."""
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def in_ollama(root: Path, item: Piece, data: bytes | None = None) -> Path:
    """What `ollama pull` leaves."""
    blob = root / "blobs" / f"sha256-{item.file.sha256}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(item.data if data is None else data)
    return blob


def in_lm_studio(root: Path, item: Piece, name: str = "any.gguf", data: bytes | None = None) -> Path:
    """What a download in LM Studio leaves."""
    place = root / "maker" / "model" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(item.data if data is None else data)
    return place


def taken(store: Store, *places: OtherTool) -> Adopted | None:
    return adopt_files(store, ITEM.source, ITEM.file, places, Reporter())


def check(store: Store, found: Adopted | None, origin: Path) -> None:
    """The file is in the store under both names, and the other tool's is as it was."""
    assert found is not None and found.origin == origin
    link, blob = store.link(ITEM.source, ITEM.file), store.blob(ITEM.source, ITEM.file)
    assert link.read_bytes() == origin.read_bytes() == ITEM.data
    assert link.samefile(blob)
    assert [entry.name for entry in blob.parent.iterdir()] == [ITEM.file.sha256]
    assert store.is_stamped(link, ITEM.file.sha256 or "")


class TestLinking:
    def test_from_ollama_by_a_link_on_the_same_disk(self, store: Store, tmp_path: Path) -> None:
        origin = in_ollama(tmp_path / "ollama", ITEM)
        origin.chmod(0o600)
        found = taken(store, OtherTool("Ollama", tmp_path / "ollama"))
        check(store, found, origin)
        assert found is not None and found.tool == "Ollama"
        assert found.how in ("reflink", "hard link")
        assert (found.how == "hard link") == origin.samefile(store.blob(ITEM.source, ITEM.file))
        assert origin.stat().st_mode & 0o777 == 0o600
        origin.unlink()
        assert store.link(ITEM.source, ITEM.file).read_bytes() == ITEM.data

    def test_from_lm_studio_whatever_the_file_is_called(self, store: Store, tmp_path: Path) -> None:
        in_lm_studio(tmp_path / "lms", ITEM, "a.gguf", bytes(ITEM.file.size))  # of the same size
        origin = in_lm_studio(tmp_path / "lms", ITEM, "b.GGUF")
        check(store, taken(store, OtherTool("LM Studio", tmp_path / "lms")), origin)

    def test_by_a_symlink_from_another_disk(self, store: Store, elsewhere: Path) -> None:
        origin = in_ollama(elsewhere, ITEM)
        found = taken(store, OtherTool("Ollama", elsewhere))
        check(store, found, origin)
        assert found is not None and found.how == "symlink"
        assert store.blob(ITEM.source, ITEM.file).readlink() == origin.resolve()

    def test_hf_uses_what_was_adopted(self, store: Store, tmp_path: Path, elsewhere: Path) -> None:
        in_ollama(elsewhere, ITEM)
        assert taken(store, OtherTool("Ollama", elsewhere)) is not None
        store.note_ref(ITEM.source)
        found = try_to_load_from_cache(ITEM.source.repo, ITEM.file.path, store.root)
        assert isinstance(found, str) and Path(found).read_bytes() == ITEM.data
        assert scan_cache_dir(store.root).warnings == []

    @pytest.mark.parametrize("data", [bytes(ITEM.file.size), ITEM.data[:-1], ITEM.data + b"x", b""])
    def test_a_name_that_lies_is_not_believed(self, store: Store, tmp_path: Path, data: bytes) -> None:
        in_ollama(tmp_path / "ollama", ITEM, data)
        in_lm_studio(tmp_path / "lms", ITEM, ITEM.file.path, data)
        places = OtherTool("Ollama", tmp_path / "ollama"), OtherTool("LM Studio", tmp_path / "lms")
        assert taken(store, *places) is None
        assert not store.root.exists()

    def test_things_that_are_no_files(self, store: Store, tmp_path: Path) -> None:
        blobs = tmp_path / "ollama" / "blobs"
        (blobs / f"sha256-{ITEM.file.sha256}").mkdir(parents=True)
        os.mkfifo(tmp_path / "ollama" / "pipe.gguf")
        (tmp_path / "ollama" / "loop.gguf").symlink_to("loop.gguf")
        assert taken(store, OtherTool("Ollama", tmp_path / "ollama")) is None

    def test_a_damaged_file_is_replaced_and_not_written_through(self, store: Store, tmp_path: Path) -> None:
        other = tmp_path / "precious"
        other.write_bytes(b"of somebody else")
        blob = store.blob(ITEM.source, ITEM.file)
        blob.parent.mkdir(parents=True)
        blob.symlink_to(other)
        origin = in_ollama(tmp_path / "ollama", ITEM)
        check(store, taken(store, OtherTool("Ollama", tmp_path / "ollama")), origin)
        assert other.read_bytes() == b"of somebody else"

    def test_the_disk_does_not_fill(self, store: Store, tmp_path: Path) -> None:
        big = piece("big", b"m" * 8_000_000)
        in_ollama(tmp_path / "ollama", big)
        before = os.statvfs(tmp_path)
        adopt_files(store, big.source, big.file, [OtherTool("Ollama", tmp_path / "ollama")], Reporter())
        blob = store.blob(big.source, big.file)
        assert blob.read_bytes() == big.data
        if blob.stat().st_nlink == 1:  # a reflink: only the file system knows
            used = (before.f_bfree - os.statvfs(tmp_path).f_bfree) * before.f_frsize
            assert used < 4_000_000


class TestWanted:
    def test_every_rung_that_is_not_here(self, store: Store, tmp_path: Path) -> None:
        here, far = piece("here"), piece("far")
        bring(store, here, tmp_path)
        lock = Lock((model("a", here), model("b", far, ITEM)))
        assert lacking(store, [lock, lock]) == [(far.source, far.file), (ITEM.source, ITEM.file)]


class TestNeighbours:
    def test_the_usual_places(self, tmp_path: Path) -> None:
        (tmp_path / ".ollama" / "models").mkdir(parents=True)
        (tmp_path / ".lmstudio" / "models").mkdir(parents=True)
        found = [
            (item.tool, item.folder) for item in other_tools_here(tmp_path) if item.folder.is_relative_to(tmp_path)
        ]
        assert found == [
            ("Ollama", tmp_path / ".ollama" / "models"),
            ("LM Studio", tmp_path / ".lmstudio" / "models"),
        ]

    def test_where_ollama_was_told_to_be(self, tmp_path: Path) -> None:
        (tmp_path / "big disk").mkdir()
        (tmp_path / ".ollama" / "models").mkdir(parents=True)
        found = other_tools_here(tmp_path, ollama_models=str(tmp_path / "big disk"))
        assert [item.folder for item in found] == [tmp_path / "big disk"]

    def test_where_lm_studio_was_told_to_be(self, tmp_path: Path) -> None:
        home, models = tmp_path / "app", tmp_path / "big disk"
        for folder in (home, models):
            folder.mkdir()
        (tmp_path / ".lmstudio-home-pointer").write_text(f"{home}\n")
        (home / "settings.json").write_text(json.dumps({"downloadsFolder": str(models)}))
        found = other_tools_here(tmp_path, ollama_models=str(tmp_path / "none"))
        assert [(item.tool, item.folder) for item in found] == [("LM Studio", models)]

    @pytest.mark.parametrize("settings", ["", "[]", "{}", '{"downloadsFolder": 7}', "\0"])
    def test_settings_that_say_nothing(self, tmp_path: Path, settings: str) -> None:
        (tmp_path / ".lmstudio" / "models").mkdir(parents=True)
        (tmp_path / ".lmstudio" / "settings.json").write_text(settings)
        found = other_tools_here(tmp_path, ollama_models=str(tmp_path / "none"))
        assert [item.folder for item in found] == [tmp_path / ".lmstudio" / "models"]


def test_a_link_takes_no_place_that_is_taken(tmp_path: Path) -> None:
    origin, target = tmp_path / "origin", tmp_path / "target"
    origin.write_bytes(b"new")
    target.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        share(origin, target)
    assert target.read_bytes() == b"old"

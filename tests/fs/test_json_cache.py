"""Notes: sealed, private, bounded, and never in the way."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from lmpm.fs import JsonCache, Usage

VALUES = [{"a": [1, 2.5, None, True]}, [], "text", 0, False, {"deep": {"er": "ü"}}]


def only_note(cache: JsonCache) -> Path:
    (note,) = cache.folder.iterdir()
    return note


@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_back(tmp_path: Path, value: object) -> None:
    cache = JsonCache(tmp_path / "notes")
    assert cache.get("a", "b") is None
    cache.put(value, "a", "b")
    assert cache.get("a", "b") == value
    assert cache.get("a") is None and cache.get("b", "a") is None
    cache.drop("a", "b")
    assert cache.get("a", "b") is None


def test_bytes_come_back(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path)
    for data in (b"", b"GGUF\0\xff", bytes(range(256)) * 1000):
        cache.put_bytes(data, "front")
        assert cache.get_bytes("front") == data
    assert cache.usage() == Usage(1, only_note(cache).stat().st_size)


def test_every_damaged_byte_and_every_torn_note_is_noticed(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path)
    cache.put({"size": 3}, "x")
    note = only_note(cache)
    good = note.read_bytes()
    for at in range(len(good)):
        for bad in (good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], good[:at], bytes(len(good))):
            note.write_bytes(bad)
            assert cache.get("x") is None
            assert list(cache.values()) == []
    cache.put({"size": 4}, "x")
    assert cache.get("x") == {"size": 4}


def test_a_note_under_the_name_of_another_does_not_hold(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path)
    cache.put("mine", "x")
    mine = only_note(cache)
    cache.put("other", "y")
    (other,) = set(tmp_path.iterdir()) - {mine}
    mine.write_bytes(other.read_bytes())
    assert cache.get("x") is None and cache.get("y") == "other"


def test_what_is_no_json_is_none(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path)
    for data in (b"", b"{", b"[" * 100_000, b"\xff"):
        cache.put_bytes(data, "x")
        assert cache.get("x") is None


@pytest.mark.parametrize("odd", ["directory", "fifo", "stranger.note", "dangling link"])
def test_odd_things_in_the_folder_are_no_notes(tmp_path: Path, odd: str) -> None:
    cache = JsonCache(tmp_path)
    cache.put(1, "x")
    note = only_note(cache)
    if odd == "stranger.note":
        note.with_name(odd).write_text("hello")
        assert list(cache.values()) == [1]
        return
    note.unlink()
    if odd == "directory":
        note.mkdir()
    elif odd == "fifo":
        os.mkfifo(note)
    else:
        note.symlink_to(tmp_path / "elsewhere")
    assert cache.get("x") is None
    cache.put(2, "x")
    assert not (tmp_path / "elsewhere").exists(), "never written through a link"


def test_only_the_user_may_read_notes(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path / "home" / "notes")
    old = os.umask(0)
    try:
        cache.put(1, "x")
        assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(only_note(cache).stat().st_mode) == 0o600
        cache.folder.chmod(0o755)  # as an older version made it
        cache.put(1, "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


class TestBounds:
    def test_too_many_notes(self, tmp_path: Path) -> None:
        cache = JsonCache(tmp_path, most_notes=8)
        for number in range(30):
            cache.put(number, str(number))
            assert cache.usage().notes <= 8
        assert cache.get("29") == 29 and cache.get("0") is None

    def test_too_many_bytes(self, tmp_path: Path) -> None:
        cache = JsonCache(tmp_path, most_bytes=8000)
        for number in range(50):
            cache.put_bytes(bytes(900), str(number))
            assert cache.usage().size <= 8000
        assert cache.get_bytes("49") == bytes(900) and cache.get_bytes("0") is None

    def test_those_used_longest_ago_go_first(self, tmp_path: Path) -> None:
        cache = JsonCache(tmp_path, most_notes=4)
        for key in "abcd":
            cache.put(key, key)
        for note in tmp_path.iterdir():
            os.utime(note, (time.time() - 86400,) * 2)
        assert cache.get("a") == "a"  # used again
        cache.put("e", "e")
        assert cache.get("a") == "a" and cache.get("e") == "e"
        assert cache.usage().notes == 3

    def test_one_that_is_too_large_is_not_kept(self, tmp_path: Path) -> None:
        cache = JsonCache(tmp_path, most_bytes=8000)
        cache.put_bytes(bytes(1001), "x")
        assert cache.usage() == Usage()

    def test_clearing_says_what_went(self, tmp_path: Path) -> None:
        cache = JsonCache(tmp_path)
        (tmp_path / "of somebody else").write_text("stays")
        for key in "abc":
            cache.put(key, key)
        assert cache.clear() == Usage(3, 3 * (32 + 3))
        assert [path.name for path in tmp_path.iterdir()] == ["of somebody else"]
        assert cache.clear() == Usage()


def test_a_disk_that_refuses_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/dev/null/nowhere")):
        cache = JsonCache(folder)
        cache.put(1, "x")
        assert cache.get("x") is None
        cache.drop("x")
        assert (cache.usage(), cache.clear(), list(cache.values())) == (Usage(), Usage(), [])

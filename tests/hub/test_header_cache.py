"""Headers that were read before: whose word they are, and that the verified file has the last one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lmpm.hub import HeaderCache

if TYPE_CHECKING:
    from lmpm.gguf import ReadAt

SHA256 = "ab" * 32
TRUE = b"GGUF" + bytes(range(200)) * 10
LIE = b"GGUF" + b"lie" * 600


def serves(data: bytes, asked: list[tuple[int, int]] | None = None) -> ReadAt:
    def fetch(offset: int, length: int) -> bytes:
        if asked is not None:
            asked.append((offset, length))
        return data[offset : offset + length]

    return fetch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(TRUE)
    return path


def test_a_front_is_fetched_once_and_then_only_the_rest(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []
    read_at = HeaderCache(tmp_path, "https://hub").reader(SHA256, serves(TRUE, asked))
    assert read_at(0, 100) == TRUE[:100]
    assert read_at(50, 50) == TRUE[50:100]
    assert read_at(90, 60) == TRUE[90:150]
    assert asked == [(0, 100), (100, 50)]


def test_the_word_of_one_server_does_not_count_for_another(tmp_path: Path) -> None:
    mirror, hub = HeaderCache(tmp_path, "http://mirror"), HeaderCache(tmp_path, "https://hub")
    assert mirror.reader(SHA256, serves(LIE))(0, 1000) == LIE[:1000]
    with pytest.raises(LookupError):
        hub.only(SHA256)(0, 4)
    assert hub.reader(SHA256, serves(TRUE))(0, 1000) == TRUE[:1000]
    assert hub.only(SHA256)(0, 1000) == TRUE[:1000]


@pytest.mark.parametrize("length", [4, 100, 1000])
def test_the_verified_file_has_the_last_word_for_every_server(tmp_path: Path, file: Path, length: int) -> None:
    mirror = HeaderCache(tmp_path / "notes", "http://mirror")
    mirror.reader(SHA256, serves(LIE))(0, length)
    HeaderCache(tmp_path / "notes").confirm(SHA256, file)
    for server in ("http://mirror", "https://hub", ""):
        assert HeaderCache(tmp_path / "notes", server).only(SHA256)(0, length) == TRUE[:length]
    # what is read beyond it is a server's word again
    assert mirror.reader(SHA256, serves(LIE))(0, length + 10) == TRUE[:length] + LIE[length : length + 10]
    with pytest.raises(LookupError):
        HeaderCache(tmp_path / "notes", "https://hub").only(SHA256)(0, length)


def test_nothing_is_kept_of_a_file_of_which_nothing_was_claimed(tmp_path: Path, file: Path) -> None:
    HeaderCache(tmp_path / "notes").confirm(SHA256, file)
    assert not (tmp_path / "notes").exists()


def test_a_verified_file_that_is_gone_again_leaves_no_claim(tmp_path: Path) -> None:
    cache = HeaderCache(tmp_path / "notes", "http://mirror")
    cache.reader(SHA256, serves(LIE))(0, 100)
    cache.confirm(SHA256, tmp_path / "gone")
    with pytest.raises(LookupError):
        cache.only(SHA256)(0, 4)

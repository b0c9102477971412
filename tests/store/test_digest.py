"""A digest that follows a file while it grows: right however it grows, and honest when the file lies."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from pathlib import Path

import pytest

from lmpm.errors import DiskError
from lmpm.limits import HASH_BLOCK_BYTES
from lmpm.store.transfer.digest import GrowingDigest


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_that_grows_in_pieces_of_all_sizes(tmp_path: Path) -> None:
    rng = random.Random(1)
    path, data = tmp_path / "part", rng.randbytes(3 * HASH_BLOCK_BYTES + 17)
    path.write_bytes(b"")
    digest = GrowingDigest(path)
    at = 0
    with path.open("r+b", buffering=0) as file:
        while at < len(data):
            piece = data[at : at + rng.choice([1, 1000, HASH_BLOCK_BYTES, HASH_BLOCK_BYTES + 1])]
            at += file.write(piece)
            digest.reach(at)
    assert digest.hexdigest() == sha256(data)
    digest.close()


def test_nothing_is_hashed_beyond_what_was_said_to_be_there(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(b"right" + b"not yet written")
    digest = GrowingDigest(path)
    digest.reach(5)
    digest.reach(3)  # what is there stays there
    assert digest.hexdigest() == sha256(b"right")
    with path.open("r+b") as file:
        file.seek(5)
        file.write(b" and more")
    digest.reach(14)
    assert digest.hexdigest() == sha256(b"right and more")
    digest.close()


def test_an_empty_file(tmp_path: Path) -> None:
    digest = GrowingDigest(tmp_path / "not even there")
    assert digest.hexdigest() == sha256(b"")
    digest.close()


@pytest.mark.parametrize("damage", ["shorter", "gone"])
def test_an_error_of_the_thread_is_raised_where_the_digest_is_asked_for(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "part"
    path.write_bytes(b"x" * 100)
    if damage == "gone":
        path.unlink()
    digest = GrowingDigest(path)
    digest.reach(200)
    with pytest.raises(DiskError) as caught:
        digest.hexdigest()
    assert caught.value.exit_code == 6
    digest.close()


def test_closing_ends_the_thread_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.touch()
    os.truncate(path, 64 * HASH_BLOCK_BYTES)
    before = threading.active_count()
    digest = GrowingDigest(path)
    digest.reach(64 * HASH_BLOCK_BYTES)
    digest.close()
    assert threading.active_count() == before

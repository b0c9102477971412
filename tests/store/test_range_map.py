"""Which byte is fetched by whom, and what a record of that is worth after a kill, a power cut, or a torn write."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from lmpm import limits
from lmpm.fs import disk
from lmpm.store.transfer import journal
from lmpm.store.transfer.journal import LATEST_SLOT, SLOT_BYTES, SYNCED_SLOTS, Journal
from lmpm.store.transfer.ranges import Piece, RangeMap

MIB = 1 << 20
SHA256 = "ab" * 32
BOOT = bytes(range(16))


class TestPlan:
    @pytest.mark.parametrize("seed", range(20))
    def test_every_byte_is_handed_out_once_whatever_fails(self, seed: int) -> None:
        rng = random.Random(seed)
        size = rng.choice([1, 5 * MIB, 300 * MIB + 17])
        edges = sorted(rng.sample(range(size + 1), 4)) if size > 4 else [0, 0, 0, 0]
        done = tuple((a, b) for a, b in (edges[:2], edges[2:]) if a < b)
        plan = RangeMap(size, done)
        fetched = [*done]
        active: list[Piece] = []
        while not plan.is_complete:
            if active and rng.random() < 0.6:
                piece = active.pop(rng.randrange(len(active)))
                count = piece.left if rng.random() < 0.7 else rng.randrange(piece.left)
                if count:
                    assert plan.claim(piece, count) == count
                    if rng.random() < 0.3 and (half := plan.split(piece)):  # while the bytes are being written
                        active.append(half)
                    fetched.append((piece.at, piece.at + count))
                    plan.wrote(piece, count)
                plan.put_back(piece)
            elif active and rng.random() < 0.2 and (half := plan.split(rng.choice(active))):
                active.append(half)
            elif len(active) < 8 and (taken := plan.take(8)):
                active.append(taken)
            assert plan.received == sum(stop - first for first, stop in plan.done)
            assert plan.frontier == (plan.done[0][1] if plan.done and plan.done[0][0] == 0 else 0)
        for piece in active:
            assert not piece.left
        fetched.sort()
        assert fetched[0][0] == 0 and fetched[-1][1] == size
        assert all(one[1] == other[0] for one, other in pairwise(fetched))
        assert plan.done == ((0, size),)

    def test_pieces_come_from_the_front_and_shrink_towards_the_end(self) -> None:
        plan = RangeMap(1000 * MIB)
        pieces = []
        while piece := plan.take(8):
            pieces.append(piece)
        lengths = [piece.left for piece in pieces]
        assert [piece.at for piece in pieces] == sorted(piece.at for piece in pieces)
        assert lengths[0] == limits.PIECE_MOST_BYTES
        assert min(lengths[:-1]) >= limits.PIECE_LEAST_BYTES and lengths[-1] >= limits.PIECE_LEAST_BYTES // 2
        assert all(one >= other for one, other in pairwise(lengths[:-1]))
        assert sum(lengths[-8:]) <= 8 * 2 * limits.PIECE_LEAST_BYTES  # no line is busy long after the others

    def test_what_arrives_ahead_of_the_hash_is_bounded(self) -> None:
        plan = RangeMap(50_000 * MIB)
        pieces = [plan.take(8) for _ in range(8)]
        assert sum(piece.left for piece in pieces if piece) <= 8 * limits.PIECE_MOST_BYTES

    def test_who_is_slow_gives_half_of_the_rest_away(self) -> None:
        plan = RangeMap(100 * MIB)
        slow = plan.take(1)
        assert slow and plan.claim(slow, 20 * MIB) == 20 * MIB  # being written meanwhile
        half = plan.split(slow)
        assert half and (slow.at, slow.stop, half.at, half.stop) == (0, 60 * MIB, 60 * MIB, 100 * MIB)
        plan.wrote(slow, 20 * MIB)
        assert plan.claim(slow, 70 * MIB) == 40 * MIB  # what arrives behind its new end is another's
        plan.wrote(slow, 40 * MIB)
        assert plan.claim(slow, 1) == 0 and plan.done == ((0, 60 * MIB),)
        while other := plan.split(half):
            assert other.left >= limits.PIECE_LEAST_BYTES
        assert plan.split(slow) is None

    def test_one_line_gets_all_that_is_missing_in_one_piece(self) -> None:
        plan = RangeMap(1000 * MIB, ((10, 20),))
        first, second = plan.take(1), plan.take(1)
        assert first and second and (first.at, first.stop, second.at, second.stop) == (0, 10, 20, 1000 * MIB)

    def test_bytes_for_a_plan_that_was_begun_anew_are_not_counted(self) -> None:
        plan = RangeMap(100)
        piece = plan.take(1)
        assert piece
        plan.forget()
        assert plan.claim(piece, 50) == 0
        plan.put_back(piece)
        assert plan.received == 0
        again = plan.take(1)
        assert again and (again.at, again.stop) == (0, 100)

    def test_only_a_line_that_is_alone_may_begin_again(self) -> None:
        plan = RangeMap(1000 * MIB, ((0, 10),))
        one, other = plan.take(8), plan.take(8)
        assert one and other
        assert not plan.begin_again(one)
        plan.put_back(other)
        assert plan.begin_again(one)
        assert (one.at, one.stop) == (0, 1000 * MIB)
        assert plan.take(8) is None and plan.received == 0


@pytest.fixture
def part(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "part", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def keep(part: int, size: int = 100_000) -> tuple[RangeMap, Journal]:
    plan = RangeMap(size)
    kept = Journal(part, Path("part"), SHA256, plan)
    kept.begin()
    return plan, kept


def write(plan: RangeMap, kept: Journal, count: int) -> None:
    piece = plan.take(1)
    assert piece
    assert plan.claim(piece, count) == count
    plan.wrote(piece, count)
    plan.put_back(piece)
    kept.wrote(count)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "the other thread does nothing"
        time.sleep(0.002)


def slot(part: int, number: int, size: int = 100_000) -> bytes:
    return os.pread(part, SLOT_BYTES, journal.place(size) + number * SLOT_BYTES)


def damage(part: int, number: int, data: bytes, size: int = 100_000) -> None:
    os.pwrite(part, data, journal.place(size) + number * SLOT_BYTES)


class TestJournal:
    @pytest.fixture(autouse=True)
    def steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "JOURNAL_STEP_BYTES", 100)
        monkeypatch.setattr(limits, "SYNC_STEP_BYTES", 10**9)
        monkeypatch.setattr(journal, "boot_id", lambda: BOOT)

    def read(self, part: int, sha256: str = SHA256, size: int = 100_000) -> tuple[tuple[int, int], ...] | None:
        found = journal.read(part, sha256, size)
        return found[1] if found else None

    def test_it_says_what_was_written_and_no_more(self, part: int) -> None:
        plan, kept = keep(part)
        assert self.read(part) == ()
        for number in range(1, 40):
            write(plan, kept, 60)
            found = self.read(part)
            assert found is not None
            said = found[0][1] if found else 0
            assert number * 60 - 100 < said <= number * 60
        kept.close()
        assert self.read(part) == ((0, 39 * 60),)

    def test_it_is_bound_to_the_digest_and_the_size(self, part: int) -> None:
        plan, kept = keep(part)
        write(plan, kept, 500)
        assert self.read(part) == ((0, 500),)
        assert self.read(part, sha256="cd" * 32) is None
        assert self.read(part, size=99_999) is None
        assert os.fstat(part).st_size == journal.length(100_000)

    def test_after_a_new_start_of_the_machine_only_what_was_synced_counts(
        self, part: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan, kept = keep(part)
        monkeypatch.setattr(limits, "SYNC_STEP_BYTES", 200)
        write(plan, kept, 300)
        until(lambda: any(slot(part, number).startswith(b"lmpmpart") for number in SYNCED_SLOTS))
        monkeypatch.setattr(limits, "SYNC_STEP_BYTES", 10**9)
        write(plan, kept, 1000)
        assert self.read(part) == ((0, 1300),)
        monkeypatch.setattr(journal, "boot_id", lambda: bytes(15) + b"\1")
        assert self.read(part) == ((0, 300),)
        monkeypatch.setattr(journal, "boot_id", lambda: b"")
        assert self.read(part) == ((0, 300),)
        kept.close()

    def test_a_record_is_only_called_synced_after_the_sync(self, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
        order: list[str] = []
        plan, kept = keep(part)
        real = disk.write_at
        monkeypatch.setattr(disk, "sync_data", lambda descriptor: order.append(f"sync {plan.received}"))

        def write_at(descriptor: int, data: bytes, offset: int) -> None:
            number = (offset - journal.place(100_000)) // SLOT_BYTES
            if number != LATEST_SLOT:
                order.append("record")
            real(descriptor, data, offset)

        monkeypatch.setattr(disk, "write_at", write_at)
        monkeypatch.setattr(limits, "SYNC_STEP_BYTES", 100)
        for number in range(1, 20):
            write(plan, kept, 100)
            until(lambda least=number: order.count("record") >= least)  # type: ignore[misc]
        kept.close()
        assert all(step.startswith("sync") for step in order[::2])
        assert all(step == "record" for step in order[1::2])

    def test_a_torn_record_leaves_the_one_before_it(self, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every cut of the write of a new record over an old one, block by block of 16 bytes."""
        plan, kept = keep(part)
        write(plan, kept, 100)
        kept.sync()
        write(plan, kept, 100)
        kept.sync()
        old = slot(part, 0)
        write(plan, kept, 100)
        kept.sync()
        new = slot(part, 0)
        damage(part, LATEST_SLOT, bytes(SLOT_BYTES))
        assert self.read(part) == ((0, 300),)
        used = len(new.rstrip(b"\0"))
        for cut in range(0, used, 16):
            torn = new[:cut] + old[cut:]
            damage(part, 0, torn)
            assert self.read(part) == (((0, 300),) if torn == new else ((0, 200),))

    def test_garbage_is_no_record(self, part: int) -> None:
        plan, kept = keep(part)
        write(plan, kept, 5000)
        good = slot(part, LATEST_SLOT)
        rng = random.Random(3)
        for _ in range(300):
            bad = bytearray(good)
            at = rng.randrange(len(good.rstrip(b"\0")))
            bad[at] ^= 1 << rng.randrange(8)
            damage(part, LATEST_SLOT, bytes(bad))
            assert self.read(part) is None
        damage(part, LATEST_SLOT, good)
        assert self.read(part) == ((0, 5000),)

    def test_more_gaps_than_a_record_holds_cost_bytes_and_nothing_else(self, part: int) -> None:
        size = 10_000_000
        plan = RangeMap(size, tuple((at, at + 10) for at in range(0, 20_000, 20)))
        kept = Journal(part, Path("part"), SHA256, plan)
        kept.begin()
        found = self.read(part, size=size)
        assert found == plan.done[: journal.MOST_INTERVALS]
        assert 200 < len(found) < 1000

    def test_without_a_name_for_the_boot_nothing_is_claimed_before_a_sync(
        self, part: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(journal, "boot_id", lambda: b"")
        plan, kept = keep(part)
        write(plan, kept, 5000)
        assert self.read(part) == ()
        kept.close()


def test_this_machine_names_its_boot() -> None:
    assert len(journal.boot_id()) == 16 or not Path("/proc/sys/kernel/random/boot_id").exists()

"""Large files in several ranges at once: whatever server, disk and user do, the bytes are right."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lmpm import limits
from lmpm.errors import (
    DiskError,
    HashMismatchError,
    IntegrityError,
    LmpmError,
    NetworkError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    TransferInterruptedError,
)
from lmpm.fs import disk
from lmpm.store.transfer import journal
from lmpm.store.transfer.pacing import RateLimit
from lmpm.store.transfer.ranges import RangeMap
from lmpm.types import HubSource, ModelFile
from tests.loopback import Generated, LoopbackHub, Token, faults
from tests.loopback.message import Cut, Framing
from tests.transfers import PATH, REPO, SMALL_LIMITS, Recorder, Site, emptied, wrong_blobs

GGUF = "*.gguf"
SIZE = 1_000_000
MODEL = Generated(SIZE, seed=11)
WHOLE = MODEL.read(0, SIZE)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL_LIMITS.items():
        monkeypatch.setattr(limits, name, value)


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def hub_with_cdn() -> Iterator[LoopbackHub]:
    with LoopbackHub(cdn=True) as hub:
        yield hub


@pytest.fixture
def site(hub: LoopbackHub, tmp_path: Path) -> Site:
    return Site(emptied(hub), tmp_path, MODEL)


@pytest.fixture
def cdn(hub_with_cdn: LoopbackHub, tmp_path: Path) -> Site:
    return Site(emptied(hub_with_cdn), tmp_path, MODEL)


def asked(site: Site, origin: str = "hub") -> list[tuple[int, int]]:
    """The ranges of the requests, in the order of their starts."""
    found = []
    for request in site.hub.requests.all("GET", GGUF, origin=origin):
        text = re.fullmatch(r"bytes=(\d+)-(\d*)", request.range or "bytes=0-")
        assert text, request.range
        found.append((int(text[1]), int(text[2]) + 1 if text[2] else site.file.size))
    return sorted(found)


def fails(site: Site, kind: type[LmpmError], **options: Any) -> LmpmError:
    with pytest.raises(kind) as caught:
        site.fetch(**options)
    assert not wrong_blobs(site.store.root) and not site.blob.exists()
    return caught.value


def leave_half(site: Site, after: int = 400_000) -> int:
    """An interrupted run; returns how much of it is kept."""
    site.hub.faults.add(faults.Throttle(2e6), GGUF)
    patient = site.reporter

    class Impatient(Recorder):
        def advanced(self, name: str, count: int) -> None:
            super().advanced(name, count)
            if self.at >= after:
                raise KeyboardInterrupt

    site.reporter = Impatient()
    with pytest.raises(TransferInterruptedError) as caught:
        site.fetch()
    site.reporter = patient
    site.hub.faults.clear()
    site.hub.reset_log()
    assert caught.value.kept == site.kept() < SIZE
    assert f"{PATH}" in caught.value.message
    return site.kept()


class TestWithoutFaults:
    def test_every_byte_is_asked_for_once_by_several_at_once(self, site: Site) -> None:
        site.hub.faults.add(faults.Throttle(1e6), GGUF)
        site.check(site.fetch())
        ranges = asked(site)
        assert ranges[0][0] == 0 and ranges[-1][1] == SIZE
        assert all(one[1] == other[0] for one, other in pairwise(ranges))
        assert site.hub.bytes_sent("gguf") == SIZE
        assert 3 <= site.hub.requests.most_at_once("GET", GGUF) <= limits.CONNECTIONS
        assert site.reporter.at == SIZE
        assert site.reporter.kept == [0]
        assert site.blob.stat().st_mode & 0o777 == 0o444

    def test_one_goes_ahead_to_learn_whether_the_server_knows_ranges(self, site: Site) -> None:
        site.hub.faults.add(faults.Delay(0.2), GGUF, times=1)
        site.check(site.fetch())
        first, *others = site.hub.requests.all("GET", GGUF)
        assert all(request.started >= first.started + 0.2 for request in others)

    @pytest.mark.parametrize("connections", [1, 2, 5])
    def test_there_are_no_more_than_allowed(self, site: Site, connections: int) -> None:
        site.hub.faults.add(faults.Throttle(1e6), GGUF)
        loader = site.downloader()
        loader.connections = connections
        site.check(loader.fetch(site.source, site.file))
        assert site.hub.requests.most_at_once("GET", GGUF) <= connections
        assert (site.ranges() == [None]) is (connections == 1)

    def test_the_others_help_one_that_is_slow(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "SPLIT_WORTH_S", 0.2)
        site.hub.faults.add(faults.Throttle(4e6), GGUF)
        site.hub.faults.add(faults.Throttle(50_000), GGUF, skip=2, times=1)  # over the other
        site.check(site.fetch())
        slow = site.hub.requests.all("GET", GGUF)[2]
        first, last = map(int, (slow.range or "").removeprefix("bytes=").split("-"))
        assert 0 < slow.sent < last + 1 - first
        assert [later for later, _ in asked(site) if first < later <= last]
        site.hub.reset_log()
        site.store.blob(site.source, site.file).unlink()
        site.hub.faults.clear()
        site.check(site.fetch())  # where all are as fast, nothing is asked for twice
        assert all(one[1] == other[0] for one, other in pairwise(asked(site)))

    def test_connections_are_used_again(self, site: Site) -> None:
        site.check(site.fetch())
        requests = site.hub.requests.all("GET", GGUF)
        assert len({request.connection for request in requests}) <= limits.CONNECTIONS < len(requests)

    def test_the_hub_hands_out_a_link_once(self, cdn: Site) -> None:
        cdn.hub.tokens["hf_secret"] = Token("ada")
        cdn.check(cdn.fetch(token="hf_secret"))
        assert len(cdn.hub.cdn_requests) > 8
        assert cdn.hub.count("GET", GGUF, origin="hub") == 1
        assert {request.authorization for request in cdn.hub.cdn_requests} == {None}
        assert {request.authorization for request in cdn.hub.requests.all(origin="hub")} == {"Bearer hf_secret"}

    def test_every_byte_passes_the_rate_limit(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        loader = site.downloader()
        loader.rate_limit = 150_000_000
        taken: list[tuple[int | None, int]] = []
        real = RateLimit.take

        def take(limit: RateLimit, count: int, stopped: threading.Event) -> None:
            taken.append((limit.bytes_per_second, count))
            real(limit, count, stopped)

        monkeypatch.setattr(RateLimit, "take", take)
        site.check(loader.fetch(site.source, site.file))
        assert {rate for rate, _ in taken} == {loader.rate_limit}
        assert sum(count for _, count in taken) == SIZE

    def test_the_room_is_taken_before_the_first_byte(self, site: Site) -> None:
        site.hub.faults.add(faults.Delay(0.5), GGUF, times=1)
        thread = threading.Thread(target=site.fetch)
        thread.start()
        try:
            ends = time.monotonic() + 20
            while not (site.part.exists() and site.part.stat().st_blocks * 512 >= SIZE):
                assert time.monotonic() < ends
                time.sleep(0.005)
            assert site.hub.bytes_sent("gguf") == 0
        finally:
            thread.join()


class TestResume:
    def test_only_what_is_missing_is_fetched(self, site: Site) -> None:
        there = leave_half(site)
        assert there >= 400_000
        site.check(site.fetch())
        assert site.reporter.kept == [there]
        assert site.hub.bytes_sent("gguf") == SIZE - there

    def test_by_one_connection_too(self, site: Site) -> None:
        there = leave_half(site)
        loader = site.downloader()
        loader.connections = 1
        site.check(loader.fetch(site.source, site.file))
        assert site.hub.bytes_sent("gguf") == SIZE - there
        assert site.hub.requests.most_at_once("GET", GGUF) == 1

    def test_a_part_that_was_written_from_the_front(self, site: Site) -> None:
        site.leave_part(WHOLE[:333_333])
        site.check(site.fetch())
        assert site.hub.bytes_sent("gguf") == SIZE - 333_333
        assert len(site.ranges()) > 3

    def test_again_and_again(self, site: Site) -> None:
        there = 0
        for after in (200_000, 500_000, 800_000):
            site.hub.reset_log()
            now = leave_half(site, after)
            assert now >= there
            there = now
        site.check(site.fetch())
        assert site.hub.bytes_sent("gguf") == SIZE - there

    @pytest.mark.parametrize("damage", ["no journal", "torn journal", "zeros", "longer", "other file"])
    def test_29_a_part_that_cannot_be_trusted(self, site: Site, damage: str) -> None:
        leave_half(site)
        with site.part.open("r+b") as file:
            if damage == "no journal":
                file.truncate(SIZE + 100)
            elif damage == "torn journal":
                for slot in range(3):
                    file.seek(journal.place(SIZE) + slot * journal.SLOT_BYTES + 40)
                    file.write(b"\xff\x00")
            elif damage == "zeros":  # the journal was written, the bytes before it were not
                file.write(bytes(300_000))
            elif damage == "longer":
                file.seek(0, 2)
                file.write(b"more" * 5000)
            else:
                file.write(Generated(SIZE, seed=12).read(0, 200_000))
        site.check(site.fetch())
        again = site.reporter.restarts == ["the bytes do not have the promised sha256"]
        assert again is (damage in ("zeros", "other file"))

    def test_a_whole_part_with_its_journal_needs_no_request(self, site: Site) -> None:
        leave_half(site)
        with site.part.open("r+b", buffering=0) as file:
            file.write(WHOLE)
            record = journal.Journal(
                file.fileno(), site.part, site.file.sha256 or "", RangeMap(SIZE, ((0, SIZE),)), number=10**6
            )
            record.begin()
        site.check(site.fetch())
        assert site.ranges() == []


class TestServer:
    @pytest.mark.parametrize("seed", range(6))
    def test_02_connections_that_end_anywhere(self, site: Site, seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(6):
            cut: Cut = rng.choice(("close", "reset"))
            framing: Framing = rng.choice(("length", "chunked", "close"))
            fault = faults.CutOff(rng.randrange(60_000), cut, framing)
            site.hub.faults.add(fault, GGUF, times=1, skip=rng.randrange(8))
        site.check(site.fetch())
        assert site.hub.bytes_sent("gguf") <= SIZE + 6 * 130_000

    def test_02_progress_gives_new_tries_however_short_the_answers(self, site: Site) -> None:
        site.hub.faults.add(faults.reset(40_000), GGUF)
        site.check(site.fetch())

    def test_02_a_server_that_dies_keeps_what_came(self, site: Site) -> None:
        site.hub.faults.add(faults.NoAnswer(), GGUF, skip=4)
        error = fails(site, NetworkError)
        assert error.hint == "Run the same command again to resume"
        there = site.kept()
        assert there > 0
        assert len(site.ranges()) <= 4 + limits.CONNECTIONS + 3
        site.hub.faults.clear()
        site.hub.reset_log()
        site.check(site.fetch())
        assert site.hub.bytes_sent("gguf") == SIZE - there

    @pytest.mark.parametrize("skip", [0, 1, 5])
    def test_04_a_server_without_ranges_gets_one_stream(self, site: Site, skip: int) -> None:
        site.hub.faults.add(faults.IgnoreRange(), GGUF, skip=skip)
        site.check(site.fetch())
        if skip == 0:
            assert site.hub.bytes_sent("gguf") == SIZE
            assert len(site.ranges()) == 1
        assert site.reporter.at == SIZE

    def test_04_a_resume_at_a_server_without_ranges_starts_from_zero(self, site: Site) -> None:
        leave_half(site)
        site.hub.faults.add(faults.IgnoreRange(), GGUF)
        site.check(site.fetch())
        assert site.reporter.restarts == ["the server cannot resume"]
        assert site.hub.bytes_sent("gguf") == SIZE

    @pytest.mark.parametrize("skip", [0, 1, 4])
    def test_05_a_wrong_range_begins_again_with_one_stream(self, site: Site, skip: int) -> None:
        site.hub.faults.add(faults.WrongRange(f"bytes 7-{SIZE - 1}/{SIZE}", start=7), GGUF, times=1, skip=skip)
        site.check(site.fetch())
        assert len(site.reporter.restarts) == 1
        assert site.ranges()[-1] is None

    def test_05_wrong_ranges_for_ever_end(self, site: Site) -> None:
        site.hub.faults.add(faults.WrongRange(f"bytes 7-{SIZE - 1}/{SIZE}"), GGUF)
        assert "wrongly" in fails(site, NetworkError).message
        assert len(site.ranges()) == 2

    def test_05_bytes_of_another_place_under_the_right_range_are_found_by_the_hash(self, site: Site) -> None:
        class Shifted(faults.BodyFault):
            def on_answer(self, request: Any, answer: Any) -> Any:
                from dataclasses import replace

                return replace(answer, start=answer.start - 10, stop=answer.end - 10) if answer.start else answer

        site.hub.faults.add(Shifted(), GGUF, times=1, skip=2)
        site.check(site.fetch())
        assert site.reporter.restarts == ["the bytes do not have the promised sha256"]

    def test_06_no_such_range(self, site: Site) -> None:
        site.hub.faults.add(faults.Status(416), GGUF, times=1, skip=2)
        site.check(site.fetch())
        assert site.ranges()[-1] is None

    @pytest.mark.parametrize("framing", ["length", "close", "chunked"])
    def test_07_more_bytes_than_the_file_has(self, site: Site, framing: str) -> None:
        site.hub.faults.add(faults.Extra(10, framing), GGUF)  # type: ignore[arg-type]
        fails(site, IntegrityError)
        assert not site.part.exists()

    def test_07_ranges_without_end_never_get_past_theirs(self, site: Site) -> None:
        site.hub.faults.add(faults.Extra(), GGUF, times=3)
        site.check(site.fetch())

    def test_08_one_connection_that_trickles_is_replaced(self, site: Site) -> None:
        site.hub.faults.add(faults.Throttle(20), GGUF, times=1, skip=2)
        site.check(site.fetch(stall_window_s=1.5))

    def test_08_one_connection_that_is_silent_is_replaced(self, site: Site) -> None:
        site.hub.faults.add(faults.Stall(5000), GGUF, times=1, skip=2)
        site.check(site.fetch(stall_window_s=1.5))

    def test_10_a_login_page_costs_nothing(self, site: Site) -> None:
        there = leave_half(site)
        site.hub.faults.add(faults.HTML_PAGE, GGUF)
        assert "web page" in fails(site, IntegrityError).message
        assert site.kept() == there

    @pytest.mark.parametrize(
        ("status", "kind"), [(401, NotPermittedError), (404, NotFoundError), (451, NotPermittedError)]
    )
    def test_11_a_refusal_in_the_middle_ends_it_and_keeps_what_came(
        self, site: Site, status: int, kind: type[LmpmError]
    ) -> None:
        site.hub.faults.add(faults.Status(status), GGUF, skip=4)
        fails(site, kind)
        assert site.kept() > 0
        assert len(site.ranges()) <= 5 + limits.CONNECTIONS

    def test_12_a_long_wait_is_told(self, site: Site) -> None:
        site.hub.faults.add(faults.Status(429, retry_after="3600"), GGUF, skip=3)
        error = fails(site, RateLimitedError)
        assert isinstance(error, RateLimitedError) and error.retry_after_s == 3600
        assert site.kept() > 0

    @pytest.mark.parametrize("status", [429, 503])
    def test_12_13_fewer_connections_where_the_server_has_too_much_to_do(self, site: Site, status: int) -> None:
        site.hub.faults.add(faults.Throttle(500_000), GGUF)
        site.hub.faults.add(faults.Status(status), GGUF, times=3, skip=3)
        site.check(site.fetch(attempts=6))
        refused = [request.started for request in site.hub.requests.all("GET", GGUF) if request.status == status]
        later = [request for request in site.hub.requests.all("GET", GGUF) if request.started > max(refused) + 0.5]
        edges = sorted(
            edge for request in later for edge in ((request.started, 1), (request.last_sent, -1)) if request.sent
        )
        most = now = 0
        for _, step in edges:
            now += step
            most = max(most, now)
        assert most <= 2

    def test_14_links_that_expire_in_the_middle(self, cdn: Site) -> None:
        cdn.hub.faults.add(faults.Throttle(1e6), GGUF)

        def expire(request: Any) -> None:
            if request.origin == "cdn" and len(cdn.hub.cdn_requests) in (3, 8):
                cdn.hub.expire_signed_urls()

        cdn.hub.on_request = expire
        cdn.check(cdn.fetch())
        assert 403 in {request.status for request in cdn.hub.cdn_requests}
        assert cdn.reporter.tries_left == []

    def test_16_a_flipped_bit_gets_one_clean_retry(self, site: Site) -> None:
        site.hub.faults.add(faults.FlipBit(555_555), GGUF, times=30)
        site.hub.faults.add(faults.IgnoreRange(), GGUF, skip=30)
        loader = site.downloader()
        with pytest.raises(HashMismatchError):
            site.hub.faults.clear()
            site.hub.faults.add(faults.FlipBit(555_555), GGUF)
            loader.fetch(site.source, site.file)
        assert site.reporter.restarts == ["the bytes do not have the promised sha256"]
        assert site.ranges()[-1] is None
        assert not site.part.exists()
        site.hub.faults.clear()
        site.check(site.fetch())


class TestShards:
    def shards(self, site: Site, count: int, size: int) -> tuple[HubSource, list[ModelFile]]:
        contents = {f"m-{n:05}-of-{count:05}.gguf": Generated(size, seed=100 + n) for n in range(1, count + 1)}
        commit = site.hub.commit(REPO, dict(contents))
        files = [ModelFile(path=path, size=size, sha256=each.sha256) for path, each in contents.items()]
        return HubSource(REPO, commit), files

    def test_small_files_are_fetched_beside_each_other(self, site: Site) -> None:
        site.hub.faults.add(faults.Throttle(500_000), GGUF)
        source, files = self.shards(site, 6, 100_000)
        paths = site.downloader().fetch_all(source, files)
        assert [path.name for path in paths] == [file.path for file in files]
        assert sorted(site.reporter.finishes) == sorted(str(file.sha256) for file in files)
        assert site.hub.requests.most_at_once("GET", GGUF) >= 3
        assert not wrong_blobs(site.store.root)

    def test_a_file_that_somebody_else_fetches_is_left_for_last(self, site: Site) -> None:
        source, files = self.shards(site, 3, 50_000)
        held, done = threading.Event(), threading.Event()

        def other() -> None:
            with site.store.transfer_lock(source, files[0], Recorder()):
                held.set()
                done.wait(20)

        thread = threading.Thread(target=other)
        thread.start()
        assert held.wait(20)

        class Waiter(Recorder):
            def waiting(self, name: str) -> None:
                super().waiting(name)
                assert len(self.finishes) == 2
                done.set()

        site.reporter = Waiter()
        paths = site.downloader().fetch_all(source, files)
        thread.join()
        assert all(path.exists() for path in paths) and len(site.reporter.waits) == 1

    def test_the_same_file_named_twice_is_fetched_once(self, site: Site) -> None:
        paths = site.downloader().fetch_all(site.source, [site.file, site.file])
        assert paths == (site.link, site.link)
        assert site.hub.bytes_sent("gguf") == SIZE

    def test_a_failure_of_one_keeps_what_came_of_the_others(self, site: Site) -> None:
        source, files = self.shards(site, 3, 100_000)
        site.hub.faults.add(faults.Throttle(400_000), GGUF)
        site.hub.faults.add(faults.Status(404), f"*{files[2].path}")
        with pytest.raises(NotFoundError):
            site.downloader().fetch_all(source, files)
        site.hub.faults.clear()
        before = site.hub.bytes_sent("gguf")
        site.hub.reset_log()
        site.downloader().fetch_all(source, files)
        assert site.hub.bytes_sent("gguf") <= 300_000 - (before - 60_000 if before > 60_000 else 0)
        assert not wrong_blobs(site.store.root)


class TestDisk:
    def test_23_a_disk_that_is_too_small_is_found_out_before_the_first_byte(self, site: Site, tmp_path: Path) -> None:
        small = tmp_path / "small"
        small.mkdir()
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(small)], capture_output=True
        ).returncode:
            pytest.skip("a small file system cannot be mounted here")
        try:
            there = Site(site.hub, small, MODEL)
            limits.FREE_SPACE_MARGIN_BYTES, margin = -(10**9), limits.FREE_SPACE_MARGIN_BYTES  # type: ignore[misc]
            try:
                error = fails(there, DiskError)
            finally:
                limits.FREE_SPACE_MARGIN_BYTES = margin  # type: ignore[misc]
            assert error.exit_code == 6 and "no space left" in error.message
            assert there.hub.bytes_sent("gguf") == 0
            assert not list(small.rglob("*.incomplete"))
        finally:
            subprocess.run(["umount", str(small)], check=True)

    def test_23_room_that_is_taken_already_is_not_asked_for_again(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leave_half(site)
        monkeypatch.setattr("lmpm.store.cache.free_space", lambda path: limits.FREE_SPACE_MARGIN_BYTES + 50_000)
        site.check(site.fetch())

    def test_23_a_write_that_fails_ends_everything_and_keeps_what_came(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, calls = disk.write_at, [0]

        def write_at(descriptor: int, data: bytes, offset: int) -> None:
            calls[0] += 1
            if calls[0] > 12:
                os.write(os.open("/dev/full", os.O_WRONLY), b"x")
            real(descriptor, data, offset)

        monkeypatch.setattr(disk, "write_at", write_at)
        error = fails(site, DiskError)
        assert error.exit_code == 6 and "no space left" in error.message
        monkeypatch.setattr(disk, "write_at", real)
        there = site.kept()
        assert there > 0
        site.hub.reset_log()
        site.check(site.fetch())
        assert site.hub.bytes_sent("gguf") == SIZE - there

    def test_30_a_clock_that_jumps_changes_nothing(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = random.Random(30)
        there = leave_half(site)
        monkeypatch.setattr(time, "time", lambda: rng.uniform(0, 4e9))
        site.hub.faults.add(faults.Status(503), GGUF, times=2, skip=1)
        site.check(site.fetch())
        assert site.hub.bytes_sent("gguf") - SIZE + there <= 1000  # and what the refusals say

    def test_no_thread_is_left_behind(self, site: Site) -> None:
        before = threading.active_count()
        leave_half(site)
        site.check(site.fetch())
        ends = time.monotonic() + 10
        while threading.active_count() > before and time.monotonic() < ends:
            time.sleep(0.01)
        ours = [thread.name for thread in threading.enumerate() if thread.name in ("download", "sha256", "journal")]
        assert ours == []

    def test_22_an_interrupt_while_nothing_answers_is_obeyed_at_once(self, site: Site) -> None:
        site.hub.faults.add(faults.NoAnswer("stall"), GGUF)
        pid = os.getpid()
        timer = threading.Timer(0.3, lambda: os.kill(pid, signal.SIGINT))
        timer.start()
        with pytest.raises(TransferInterruptedError):
            site.fetch()
        assert not list(site.store.root.glob("models--*"))

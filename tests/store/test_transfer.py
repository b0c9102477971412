"""What a server can do to a download, and what is then on the disk."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

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
from lmpm.hub.http import Http
from lmpm.types import HubSource, ModelFile
from tests.loopback import Bytes, Generated, LoopbackHub, Token, faults
from tests.transfers import MODEL, PATH, REPO, SIZE, WHOLE, Recorder, Site, emptied, wrong_blobs

GGUF = "*.gguf"


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
    return Site(emptied(hub), tmp_path)


@pytest.fixture
def cdn(hub_with_cdn: LoopbackHub, tmp_path: Path) -> Site:
    return Site(emptied(hub_with_cdn), tmp_path)


def fails(site: Site, kind: type[LmpmError], exit_code: int, **options: object) -> LmpmError:
    """The error of a fetch; whatever it is, no wrong name is in the store."""
    with pytest.raises(kind) as caught:
        site.fetch(**options)
    assert caught.value.exit_code == exit_code
    assert not wrong_blobs(site.store.root)
    assert not site.blob.exists()
    assert not site.part.exists() or site.part.stat().st_size <= SIZE
    return caught.value


class TestWithoutFaults:
    def test_a_file_arrives_in_one_request(self, site: Site) -> None:
        path = site.fetch()
        site.check(path)
        assert site.ranges() == [None]
        assert site.reporter.finishes == [MODEL.sha256]
        assert site.reporter.at == SIZE
        assert site.blob.stat().st_mode & 0o777 == 0o444

    def test_what_is_there_is_not_asked_for_again(self, site: Site) -> None:
        first = site.fetch()
        site.hub.reset_log()
        assert site.fetch() == first
        assert len(site.hub.requests) == 0
        assert site.reporter.reuses == [PATH]
        assert site.reporter.hashed == []

    def test_an_unpinned_source_is_refused(self, site: Site) -> None:
        for revision in (None, "main", "1234567"):
            with pytest.raises(ValueError, match="commit"):
                site.downloader().fetch(HubSource(REPO, revision), site.file)
        assert len(site.hub.requests) == 0


class TestConnection:
    def test_01_refused_writes_nothing(self, site: Site) -> None:
        with LoopbackHub() as gone:
            pass
        site.hub = gone
        error = fails(site, NetworkError, 5)
        assert "127.0.0.1" in error.message
        assert "connection refused" in error.message
        assert site.reporter.tries_left == [2, 1]
        assert not list(site.store.root.glob("models--*"))

    def test_01_a_name_that_nobody_knows(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        def look_up(*arguments: object, **options: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        loader = site.downloader()
        loader.http = Http("http://hub.invalid")
        with pytest.raises(NetworkError, match=r"`hub\.invalid` could not send .*: the name is not known"):
            loader.fetch(site.source, site.file)
        assert not list(site.store.root.glob("models--*"))

    def test_01_no_tls_where_it_is_expected(self, site: Site) -> None:
        loader = site.downloader()
        loader.http = Http(site.hub.endpoint.replace("http:", "https:"))
        with pytest.raises(NetworkError):
            loader.fetch(site.source, site.file)
        assert not list(site.store.root.glob("models--*"))

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
    def test_01_a_certificate_nobody_trusts_is_not_retried(self, site: Site, tmp_path: Path) -> None:
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", "/CN=127.0.0.1", "-days", "2", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        loader = site.downloader()
        loader.http = Http(f"https://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(NetworkError, match="not trusted") as caught:
            loader.fetch(site.source, site.file)
        server.shutdown()
        server.server_close()
        assert caught.value.exit_code == 5
        assert site.reporter.tries_left == []

    @pytest.mark.parametrize("after", [0, 1, 65_537, SIZE - 1])
    def test_02_a_reset_is_resumed_at_the_very_byte(self, site: Site, after: int) -> None:
        site.hub.faults.add(faults.reset(after), GGUF, times=1)
        site.check(site.fetch())
        assert site.ranges() == [None, f"bytes={after}-" if after else None]
        assert site.hub.bytes_sent() == SIZE

    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    @pytest.mark.parametrize("after", [0, 100_001, SIZE - 1])
    def test_02_03_a_short_body_is_resumed(self, site: Site, after: int, framing: str) -> None:
        cut = faults.CutOff(after, "close", framing)  # type: ignore[arg-type]
        site.hub.faults.add(cut, GGUF, times=1)
        site.check(site.fetch())
        assert site.ranges() == [None, f"bytes={after}-" if after else None]
        assert site.hub.bytes_sent() == SIZE

    def test_02_resets_without_end_keep_what_came(self, site: Site) -> None:
        site.hub.faults.add(faults.reset(1000), GGUF, times=1)
        site.hub.faults.add(faults.NoAnswer(), GGUF, skip=1)
        error = fails(site, NetworkError, 5)
        assert error.hint == "Run the same command again to resume"
        assert site.part.read_bytes() == WHOLE[:1000]  # the first answer alone had a body
        site.hub.faults.clear()
        site.hub.reset_log()
        site.check(site.fetch())
        assert site.ranges() == ["bytes=1000-"]

    def test_02_progress_gives_new_tries(self, site: Site) -> None:
        site.hub.faults.add(faults.reset(40_000), GGUF, times=6)
        site.check(site.fetch(attempts=2))
        assert site.hub.bytes_sent() == SIZE

    def test_02_a_drop_of_every_connection(self, site: Site) -> None:
        site.hub.faults.add(faults.Stall(200_000), GGUF, times=1)
        stop = threading.Event()

        def pull_the_plug() -> None:
            while not stop.wait(0.02):
                if site.hub.bytes_sent("gguf") >= 200_000:
                    site.hub.drop_connections()
                    return

        thread = threading.Thread(target=pull_the_plug)
        thread.start()
        try:
            site.check(site.fetch())
        finally:
            stop.set()
            thread.join()

    def test_08_a_trickle_is_a_failure(self, site: Site) -> None:
        site.hub.faults.add(faults.Throttle(60), GGUF)
        error = fails(site, NetworkError, 5, attempts=2, stall_window_s=0.5)
        assert "in 0.5 s" in error.message
        assert 0 < site.part.stat().st_size < 1000
        site.hub.faults.clear()
        site.check(site.fetch())

    def test_08_silence_is_a_failure(self, site: Site) -> None:
        site.hub.faults.add(faults.Stall(1000), GGUF, times=1)
        site.hub.faults.add(faults.NoAnswer("stall"), GGUF, times=1, skip=1)
        site.check(site.fetch(silence_s=0.3))
        assert site.ranges() == [None, "bytes=1000-", "bytes=1000-"]

    def test_08_a_page_in_place_of_the_file_may_not_trickle_either(self, site: Site) -> None:
        site.hub.faults.add(faults.HTML_PAGE, GGUF)
        site.hub.faults.add(faults.Throttle(5), GGUF)
        fails(site, IntegrityError, 4, silence_s=0.5)


class TestRanges:
    def test_04_a_server_without_ranges_starts_from_zero(self, site: Site) -> None:
        site.leave_part(WHOLE[:123_456])
        site.hub.faults.add(faults.IgnoreRange(), GGUF)
        site.check(site.fetch())
        assert site.ranges() == ["bytes=123456-"]
        assert site.reporter.kept == [123_456]
        assert site.reporter.at == SIZE

    def test_04_a_server_without_ranges_that_cuts_here_and_there_does_not_go_on_for_ever(self, site: Site) -> None:
        site.hub.faults.add(faults.IgnoreRange(), GGUF)
        for _ in range(20):
            site.hub.faults.add(faults.reset(5000), GGUF, times=1)
        for number in range(20):  # each of these cuts an even answer short of the one before
            site.hub.faults.add(faults.reset(2500), GGUF, times=1, skip=number)
        fails(site, NetworkError, 5)
        assert len(site.ranges()) <= 6

    @pytest.mark.parametrize(
        "fault",
        [
            faults.WrongRange(f"bytes 0-{SIZE - 1}/{SIZE}", start=0),
            faults.WrongRange(f"bytes 1001-{SIZE - 1}/{SIZE}", start=1001),
            faults.WrongRange(f"bytes 1000-{SIZE - 1}/{SIZE + 1}"),
            faults.WrongRange(f"bytes 1000-{SIZE - 1}/*"),
            faults.WrongRange("bytes 1000-²/٣"),
            faults.WrongRange("bytes " + "9" * 5000 + "-1/1"),
            faults.WrongRange(),
        ],
        ids=["start 0", "start + 1", "total", "total unknown", "odd digits", "long digits", "missing"],
    )
    def test_05_a_wrong_range_is_thrown_away(self, site: Site, fault: faults.WrongRange) -> None:
        site.leave_part(WHOLE[:1000])
        site.hub.faults.add(fault, GGUF, times=1)
        site.check(site.fetch())
        assert site.ranges() == ["bytes=1000-", None]

    def test_05_wrong_ranges_for_ever_end(self, site: Site) -> None:
        site.leave_part(WHOLE[:1000])
        site.hub.faults.add(faults.WrongRange(f"bytes 7-{SIZE - 1}/{SIZE}"), GGUF)
        assert "wrongly" in fails(site, NetworkError, 5).message
        assert len(site.ranges()) == 2

    def test_06_no_such_range(self, site: Site) -> None:
        site.leave_part(WHOLE[:1000])
        site.hub.faults.add(faults.Status(416), GGUF, times=1)
        site.check(site.fetch())
        assert site.ranges() == ["bytes=1000-", None]

    def test_06_no_range_for_ever(self, site: Site) -> None:
        site.hub.faults.add(faults.Status(416), GGUF)
        fails(site, NetworkError, 5)
        assert len(site.ranges()) == 2

    def test_06_a_whole_part_needs_no_request(self, site: Site) -> None:
        site.leave_part(WHOLE)
        site.check(site.fetch())
        assert site.ranges() == []


class TestWrongBytes:
    @pytest.mark.parametrize("framing", ["length", "close", "chunked"])
    def test_07_a_longer_body(self, site: Site, framing: str) -> None:
        site.hub.faults.add(faults.Extra(10, framing), GGUF)  # type: ignore[arg-type]
        fails(site, IntegrityError, 4)

    def test_07_an_endless_body(self, site: Site) -> None:
        site.hub.faults.add(faults.Extra(), GGUF)
        fails(site, IntegrityError, 4)
        assert site.reporter.at <= SIZE

    def test_09_compressed(self, site: Site) -> None:
        site.leave_part(WHOLE[:1000])
        site.hub.faults.add(faults.Gzip(), GGUF)
        assert "compresses" in fails(site, NetworkError, 5).message
        assert len(site.ranges()) == 1
        assert site.part.read_bytes() == WHOLE[:1000]

    def test_09_a_compressed_error_page_is_an_error_first(self, site: Site) -> None:
        site.hub.faults.add(faults.Status(503, headers={"Content-Encoding": "gzip"}), GGUF, times=1)
        site.check(site.fetch())

    @pytest.mark.parametrize(
        ("fault", "quoted"),
        [
            (faults.HTML_PAGE, "<!DOCTYPE html>"),
            (faults.lfs_pointer(MODEL.sha256, SIZE), "version https://git-lfs.github.com/spec/v1"),
            (faults.OtherBody(b"\x1b[2J\xe2\x80\xaemoc\r\n"), "\\x1b[2J\\u202emoc"),
            (faults.OtherBody(b""), "nothing"),
        ],
        ids=["page", "pointer", "escapes", "empty"],
    )
    def test_10_another_body_is_quoted_and_costs_nothing(self, site: Site, fault: faults.Fault, quoted: str) -> None:
        site.leave_part(WHOLE[:200_000])
        site.hub.faults.add(fault, GGUF)
        error = fails(site, IntegrityError, 4)
        assert error.details == (f"it begins: {quoted}",)
        assert len(site.ranges()) == 1
        assert site.part.read_bytes() == WHOLE[:200_000]

    def test_10_a_login_page_of_no_declared_length(self, site: Site) -> None:
        site.leave_part(WHOLE[:200_000])
        site.hub.faults.add(faults.HTML_PAGE, GGUF)
        site.hub.faults.add(faults.CutOff(50, framing="chunked"), GGUF)
        assert "web page" in fails(site, LmpmError, 4).message
        assert site.part.read_bytes() == WHOLE[:200_000]

    def test_15_a_file_that_was_changed_upstream(self, site: Site) -> None:
        site.leave_part(WHOLE[:1000])
        site.hub.rewrite(REPO, PATH, Generated(SIZE, seed=9))
        error = fails(site, HashMismatchError, 4)
        assert error.details[0].startswith(f"expected  sha256:{MODEL.sha256}")
        assert len(site.ranges()) == 2
        assert not site.part.exists()

    @pytest.mark.parametrize("change", [-1, 1])
    def test_15_a_file_of_another_size_upstream(self, site: Site, change: int) -> None:
        site.hub.rewrite(REPO, PATH, Generated(SIZE + change, seed=5))
        fails(site, IntegrityError, 4)

    def test_16_a_flipped_bit_gets_one_clean_retry(self, site: Site) -> None:
        site.hub.faults.add(faults.FlipBit(170_000), GGUF, times=1)
        site.check(site.fetch())
        assert site.ranges() == [None, None]
        assert site.reporter.at == SIZE

    def test_16_a_bit_flipped_for_ever_leaves_nothing(self, site: Site) -> None:
        site.hub.faults.add(faults.FlipBit(0, bit=7), GGUF)
        error = fails(site, HashMismatchError, 4)
        assert isinstance(error, HashMismatchError)
        assert error.expected == (MODEL.sha256, SIZE)
        assert len(site.ranges()) == 2
        assert not list(site.store.root.glob("models--*"))

    def test_17_a_mirror_with_other_bytes(self, site: Site) -> None:
        site.hub.faults.add(faults.OtherContent(Generated(SIZE, seed=6)), GGUF)
        fails(site, HashMismatchError, 4)

    def test_18_names_in_headers_are_ignored(self, site: Site, tmp_path: Path) -> None:
        hostile = {"Content-Disposition": 'attachment; filename="../../../x"', "ETag": '"../../y"'}
        site.hub.faults.add(faults.Headers(hostile), GGUF)
        site.check(site.fetch())
        assert not list(tmp_path.rglob("x"))
        assert not list(tmp_path.rglob("y"))

    @pytest.mark.parametrize("value", ["-1", "99999999999999999999", "many", "²", "", "9" * 5000])
    def test_19_a_length_that_is_none(self, site: Site, value: str) -> None:
        site.hub.faults.add(faults.ContentLength(value), GGUF)
        site.check(site.fetch())


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "kind", "exit_code"),
        [
            (400, NetworkError, 5),
            (401, NotPermittedError, 9),
            (403, NotPermittedError, 9),
            (404, NotFoundError, 3),
            (410, NotFoundError, 3),
            (451, NotPermittedError, 9),
        ],
    )
    def test_11_a_refusal_is_not_retried(self, site: Site, status: int, kind: type[LmpmError], exit_code: int) -> None:
        site.leave_part(WHOLE[:10])
        site.hub.faults.add(faults.Status(status), GGUF)
        error = fails(site, kind, exit_code)
        assert str(status) in error.message
        assert len(site.ranges()) == 1
        assert site.part.read_bytes() == WHOLE[:10]

    def test_11_a_gated_file_opens_with_a_token(self, site: Site) -> None:
        site.hub.state.repo(REPO).gated = "manual"
        site.hub.tokens["hf_good"] = Token("ada")
        error = fails(site, NotPermittedError, 9)
        assert f"{site.hub.endpoint}/{REPO}" in str(error.hint)
        site.check(site.fetch(token="hf_good"))

    def test_12_a_long_wait_is_told(self, site: Site) -> None:
        site.leave_part(WHOLE[:10])
        site.hub.faults.add(faults.Status(429, retry_after="3600"), GGUF)
        error = fails(site, RateLimitedError, 5)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after_s == 3600
        assert "1 h" in error.message
        assert len(site.ranges()) == 1

    @pytest.mark.parametrize(
        ("headers", "waits"),
        [
            ({"Retry-After": "7"}, [7.0]),
            ({"Retry-After": "0"}, [0.0]),
            ({"RateLimit": '"resolvers";r=0;t=21'}, [22.0]),
            ({}, [0.0]),
            ({"Retry-After": "soon"}, [0.0]),
            ({"Retry-After": "²"}, [0.0]),
            ({"Retry-After": "-5"}, [0.0]),
            ({"Retry-After": "9" * 5000}, [0.0]),
        ],
        ids=["7", "0", "ratelimit", "none", "word", "odd digit", "negative", "long"],
    )
    def test_12_a_short_wait_is_honoured_and_garbage_is_none(
        self, site: Site, headers: dict[str, str], waits: list[float]
    ) -> None:
        site.hub.faults.add(faults.Status(429, headers=headers), GGUF, times=1)
        slept: list[float] = []
        site.check(site.fetch(sleep=slept.append))
        assert slept == waits

    @pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
    def test_13_trouble_of_the_server_passes(self, site: Site, status: int) -> None:
        site.leave_part(WHOLE[:1000])
        site.hub.faults.add(faults.Status(status), GGUF, times=2)
        site.check(site.fetch())
        assert site.reporter.tries_left == [2, 1]
        assert site.ranges() == ["bytes=1000-"] * 3

    def test_13_pauses_grow_up_to_a_cap(self, site: Site) -> None:
        site.hub.faults.add(faults.Status(500), GGUF)
        slept: list[float] = []
        fails(site, NetworkError, 5, attempts=8, backoff_s=1.0, backoff_cap_s=10.0, sleep=slept.append)
        assert len(slept) == 7
        for number, wait in enumerate(slept):
            most = min(2.0**number, 10.0)
            assert most / 2 <= wait <= most


class TestRedirects:
    def test_14_the_token_goes_to_the_hub_alone(self, cdn: Site) -> None:
        cdn.hub.tokens["hf_secret"] = Token("ada")
        cdn.check(cdn.fetch(token="hf_secret"))
        assert [request.headers.get("authorization") for request in cdn.hub.requests.all(origin="hub")] == [
            "Bearer hf_secret"
        ]
        assert [request.headers.get("authorization") for request in cdn.hub.cdn_requests] == [None]
        assert cdn.hub.cdn_requests[0].sent == SIZE

    def test_14_another_name_of_the_same_machine_is_another_host(self, site: Site) -> None:
        other = site.hub.endpoint.replace("127.0.0.1", "localhost")
        site.hub.tokens["hf_secret"] = Token("ada")
        site.hub.faults.add(faults.Redirect(other + "{target}"), GGUF, times=1)
        site.check(site.fetch(token="hf_secret"))
        sent = [request.headers.get("authorization") for request in site.hub.requests.all("GET", GGUF)]
        assert sent == ["Bearer hf_secret", None]

    def test_14_netrc_neither_replaces_the_token_nor_goes_elsewhere(
        self, cdn: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login ada password secret\ndefault login ada password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        cdn.hub.tokens["hf_secret"] = Token("ada")
        cdn.check(cdn.fetch(token="hf_secret"))
        assert [request.headers.get("authorization") for request in cdn.hub.requests] == ["Bearer hf_secret", None]

    def test_14_no_token_means_no_credentials_at_all(
        self, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login ada password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        site.check(site.fetch())
        assert "authorization" not in site.hub.requests[0].headers

    def test_14_an_expired_link_is_asked_for_again(self, cdn: Site) -> None:
        cdn.hub.faults.add(faults.reset(100_000), origin="cdn", times=1)
        cdn.hub.faults.add(faults.Status(403), origin="cdn", times=1, skip=1)
        cdn.check(cdn.fetch())
        links = {request.query for request in cdn.hub.cdn_requests}
        assert [request.range for request in cdn.hub.cdn_requests] == [None, "bytes=100000-", "bytes=100000-"]
        assert links
        assert cdn.hub.count("GET", GGUF, origin="hub") == 3

    def test_14_links_that_expire_between_the_two_requests(self, cdn: Site) -> None:
        cdn.hub.on_request = lambda request: (
            cdn.hub.expire_signed_urls() if request.origin == "hub" and cdn.hub.count(origin="hub") == 1 else None
        )
        cdn.check(cdn.fetch())

    def test_14_a_loop_ends(self, site: Site) -> None:
        site.hub.faults.add(faults.REDIRECT_LOOP, GGUF)
        assert "loop" in fails(site, NetworkError, 5).message
        assert len(site.ranges()) <= 11

    @pytest.mark.parametrize(
        "location",
        [
            "file:///etc/hostname",
            "ftp://127.0.0.1/x",
            "data:,GGUF",
            "http://[::1",
            "http://",
            "http://" + "a" * 70 + ".example/",
            "http://127.0.0.1:99999999/x",
            "javascript:alert(1)",
        ],
    )
    def test_14_addresses_that_are_not_followed(self, site: Site, location: str) -> None:
        site.hub.faults.add(faults.Redirect(location), GGUF)
        fails(site, NetworkError, 5)
        assert not list(site.store.root.glob("models--*"))

    @pytest.mark.parametrize("host", ["127.0.0.1:9", "example.com"])
    def test_14_https_is_not_left_for_http(self, host: str) -> None:
        http = Http("https://hub.example", token="hf_secret")
        with pytest.raises(NetworkError, match="not safe"):
            http.get(f"http://{host}/x")


class TestParts:
    def test_29_a_part_longer_than_the_file(self, site: Site) -> None:
        site.leave_part(WHOLE + b"more")
        site.check(site.fetch())
        assert site.ranges() == [None]

    @pytest.mark.parametrize("length", [1000, SIZE])
    def test_29_a_part_of_zeros(self, site: Site, length: int) -> None:
        site.leave_part(b"")
        os.truncate(site.part, length)
        site.check(site.fetch())
        assert site.ranges()[-1] is None

    def test_29_a_part_of_another_file(self, site: Site) -> None:
        site.leave_part(Generated(SIZE, seed=77).read(0, 250_000))
        site.check(site.fetch())
        assert site.ranges() == ["bytes=250000-", None]
        assert site.reporter.restarts == ["the bytes do not have the promised sha256"]

    def test_29_a_part_that_is_no_file_is_never_opened(self, site: Site, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.write_bytes(b"mine")
        site.leave_part(b"")
        site.part.unlink()
        site.part.symlink_to(precious)
        site.check(site.fetch())
        assert precious.read_bytes() == b"mine"

    def test_29_a_part_that_is_a_fifo(self, site: Site) -> None:
        site.leave_part(b"")
        site.part.unlink()
        os.mkfifo(site.part)
        site.check(site.fetch())

    def test_29_a_part_that_is_a_directory(self, site: Site) -> None:
        site.part.mkdir(parents=True)
        with pytest.raises(DiskError) as caught:
            site.fetch()
        assert caught.value.exit_code == 6
        assert len(site.hub.requests) == 0

    def test_30_a_clock_that_jumped_decides_nothing(self, site: Site) -> None:
        site.leave_part(WHOLE[:1000])
        os.utime(site.part, (4e9, 4e9))
        path = site.fetch()
        os.utime(site.blob, (4e9, 4e9))
        assert site.fetch() == path
        assert site.ranges() == ["bytes=1000-"]


class TestInterruption:
    def test_22_the_user_interrupts(self, site: Site) -> None:
        class Impatient(Recorder):
            def advanced(self, name: str, count: int) -> None:
                super().advanced(name, count)
                if self.at >= 100_000:
                    raise KeyboardInterrupt

        site.hub.faults.add(faults.Stall(200_000), GGUF, times=1)
        patient, site.reporter = site.reporter, Impatient()
        with pytest.raises(TransferInterruptedError) as caught:
            site.fetch()
        kept = site.part.stat().st_size
        assert caught.value.exit_code == 130
        assert (caught.value.name, caught.value.kept, caught.value.size) == (PATH, kept, SIZE)
        assert 100_000 <= kept < SIZE
        assert "Kept " in caught.value.message
        assert caught.value.hint == "Run the same command again to resume"
        site.reporter = patient
        site.hub.reset_log()
        site.check(site.fetch())
        assert site.ranges() == [f"bytes={kept}-"]

    def test_22_nothing_came_nothing_stays(self, site: Site) -> None:
        def give_up(seconds: float) -> None:
            raise KeyboardInterrupt

        site.hub.faults.add(faults.NoAnswer(), GGUF)
        with pytest.raises(TransferInterruptedError) as caught:
            site.fetch(sleep=give_up)
        assert caught.value.kept == 0
        assert not list(site.store.root.glob("models--*"))


class TestNames:
    @pytest.mark.parametrize(
        "path",
        [
            "ein Modell mit Leerzeichen.gguf",
            "模型/" + "模" * 83 + ".gguf",
            "nfc-\u00e9.gguf",
            "nfd-e\u0301.gguf",
            "a/b/c/d.gguf",
            "x" * 250 + ".gguf",
            "100%25.gguf",
            "a#b&c+d=e.gguf",
        ],
    )
    def test_32_names_of_all_kinds(self, hub: LoopbackHub, tmp_path: Path, path: str) -> None:
        site = Site(emptied(hub), tmp_path, Generated(1000), path)
        site.check(site.fetch())

    @pytest.mark.parametrize(
        "path", ["../x.gguf", "/x.gguf", "a/../../x.gguf", "C:x.gguf", "a\\..\\x.gguf", "x\0.gguf"]
    )
    def test_36_a_path_that_leaves_the_snapshot_is_refused_before_anything(self, site: Site, path: str) -> None:
        file = ModelFile(path=path, size=SIZE, sha256=MODEL.sha256)
        with pytest.raises(ValueError, match="expected"):
            site.downloader().fetch(site.source, file)
        assert len(site.hub.requests) == 0

    def test_37_a_digest_that_is_none_is_refused_before_anything(self, site: Site) -> None:
        for digest in (None, "", "../../x", MODEL.sha256.upper(), MODEL.sha256[1:]):
            with pytest.raises(ValueError, match=r"sha256|hex"):
                site.downloader().fetch(site.source, ModelFile(path=PATH, size=SIZE, sha256=digest))
        assert not site.store.root.exists()

    def test_one_content_under_two_names_is_fetched_once(self, tmp_path: Path) -> None:
        with LoopbackHub() as hub:
            site = Site(hub, tmp_path, Bytes(WHOLE))
            commit = hub.commit(REPO, {"other.gguf": Bytes(WHOLE)})
            site.fetch()
            other = ModelFile(path="other.gguf", size=SIZE, sha256=MODEL.sha256)
            path = site.downloader().fetch(HubSource(REPO, commit), other)
            assert path.read_bytes() == WHOLE
            assert hub.bytes_sent("gguf") == SIZE


def test_23_too_little_space_is_said_before_the_first_byte(site: Site) -> None:
    big = ModelFile(path=PATH, size=1 << 60, sha256=MODEL.sha256)
    with pytest.raises(DiskError, match="Not enough space") as caught:
        site.downloader().fetch(site.source, big)
    assert caught.value.exit_code == 6
    assert "HF_HUB_CACHE" in str(caught.value.hint)
    assert len(site.hub.requests) == 0
    assert not list(site.store.root.glob("models--*"))

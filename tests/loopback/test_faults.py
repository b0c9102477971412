"""Each scripted fault does on the wire what it says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from huggingface_hub import HfApi, errors

from tests.loopback import Generated, LoopbackHub, faults

MODEL = Generated(100_000, seed=2)
WHOLE = MODEL.read(0, MODEL.size)
REPO = "acme/tiny-GGUF"


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.add_repo(REPO, {"m.gguf": MODEL})
        yield hub


def get(hub: LoopbackHub, asked: str | None = None, *, redirects: bool = True) -> requests.Response:
    headers = {"Accept-Encoding": "identity"} | ({"Range": asked} if asked else {})
    return requests.get(hub.url(REPO, "m.gguf"), headers=headers, timeout=2, allow_redirects=redirects)


def received(hub: LoopbackHub) -> tuple[bytes, type[Exception] | None]:
    """Every byte of the body that arrives, and how the connection ends."""
    with socket.create_connection(("127.0.0.1", int(hub.endpoint.rpartition(":")[2])), timeout=2) as client:
        client.sendall(f"GET /{REPO}/resolve/main/m.gguf HTTP/1.1\r\nHost: hub\r\n\r\n".encode())
        data = b""
        try:
            while piece := client.recv(1 << 16):
                data += piece
        except OSError as failure:
            return data.partition(b"\r\n\r\n")[2], type(failure)
        return data.partition(b"\r\n\r\n")[2], None


def test_status_n_times_then_well(hub: LoopbackHub) -> None:
    hub.faults.add(faults.Status(503), "*.gguf", times=2)
    hub.faults.add(faults.Status(429, retry_after="3600"), "*.gguf", times=1)
    assert [get(hub).status_code for _ in range(2)] == [429, 503]
    assert get(hub).content == WHOLE


def test_skip_method_and_clear(hub: LoopbackHub) -> None:
    hub.faults.add(faults.Status(500), "*.gguf", skip=1, method="GET")
    assert requests.head(hub.url(REPO, "m.gguf"), timeout=2).status_code == 200
    assert [get(hub).status_code for _ in range(3)] == [200, 500, 500]
    hub.faults.clear()
    assert get(hub).status_code == 200


@pytest.mark.parametrize("after", [0, 1, 50_001])
def test_reset_comes_after_exactly_these_bytes(hub: LoopbackHub, after: int) -> None:
    hub.faults.add(faults.reset(after), times=1)
    assert received(hub) == (WHOLE[:after], ConnectionResetError)
    assert hub.bytes_sent("m.gguf") == after


def test_short_body(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults.add(faults.short_body(1000), times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(hub)
    hub.faults.add(faults.short_body(1000, framing="chunked"), times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(hub)
    hub.faults.add(faults.short_body(1000, framing="close"), times=1)
    answer = get(hub)
    assert (answer.content, "Content-Length" in answer.headers) == (WHOLE[:1000], False)
    disk = tmp_path / "m.gguf"
    disk.write_bytes(WHOLE)
    hub.commit(REPO, {"m.gguf": disk})
    hub.faults.add(faults.short_body(500), times=1)
    assert received(hub)[0] == WHOLE[:500]


def test_no_answer(hub: LoopbackHub) -> None:
    hub.faults.add(faults.NoAnswer(), times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        get(hub)
    hub.faults.add(faults.NoAnswer("reset"), times=1)
    assert received(hub) == (b"", ConnectionResetError)


def test_ranges_gone_wrong(hub: LoopbackHub) -> None:
    resume = "bytes=1000-"
    hub.faults.add(faults.IgnoreRange(), times=1)
    answer = get(hub, resume)
    assert (answer.status_code, answer.content) == (200, WHOLE)
    hub.faults.add(faults.WrongRange("bytes 0-99999/100000", start=0), times=1)
    answer = get(hub, resume)
    assert (answer.status_code, answer.content) == (206, WHOLE)
    hub.faults.add(faults.WrongRange("bytes 1000-99999/123"), times=1)
    assert get(hub, resume).headers["Content-Range"] == "bytes 1000-99999/123"
    hub.faults.add(faults.WrongRange(), times=1)
    answer = get(hub, resume)
    assert (answer.status_code, "Content-Range" in answer.headers) == (206, False)
    hub.faults.add(faults.Status(416), times=1)
    assert get(hub, resume).status_code == 416


def test_too_many_bytes(hub: LoopbackHub) -> None:
    hub.faults.add(faults.Extra(10), times=1)
    assert get(hub).content == WHOLE + b"\xee" * 10
    hub.faults.add(faults.Extra(10, framing="length"), times=1)
    assert len(get(hub, "bytes=99990-").content) == 20
    hub.faults.add(faults.Extra(), times=1)
    with requests.get(hub.url(REPO, "m.gguf"), stream=True, timeout=2) as endless:
        got = 0
        while got < 3 * MODEL.size:
            got += len(endless.raw.read(50_000))


def test_slowness(hub: LoopbackHub) -> None:
    hub.faults.add(faults.Throttle(200_000), times=1)
    began = time.monotonic()
    assert get(hub).content == WHOLE
    assert 0.3 < time.monotonic() - began < 1.5
    hub.faults.add(faults.Delay(0.1), times=1)
    began = time.monotonic()
    assert get(hub).elapsed.total_seconds() >= 0.1
    hub.faults.add(faults.Stall(500, seconds=0.1), times=1)
    assert get(hub).content == WHOLE


def test_a_cap_on_bandwidth_lets_that_much_through(hub: LoopbackHub) -> None:
    hub.commit(REPO, {"m.gguf": Generated(10_000_000)})
    hub.faults.add(faults.Throttle(50e6))
    began = time.monotonic()
    assert len(get(hub).content) == 10_000_000
    assert 0.15 < time.monotonic() - began < 2


def test_requests_at_once_are_counted(hub: LoopbackHub) -> None:
    hub.faults.add(faults.Throttle(1_000_000), times=3)
    clients = [threading.Thread(target=get, args=(hub,)) for _ in range(3)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    get(hub)
    assert hub.requests.most_at_once("GET") == 3


def test_a_trickle_arrives_byte_by_byte(hub: LoopbackHub) -> None:
    hub.faults.add(faults.Throttle(40), times=1)
    with requests.get(hub.url(REPO, "m.gguf"), stream=True, timeout=2) as answer:
        assert [len(answer.raw.read1(1000)) for _ in range(4)] == [1, 1, 1, 1]


def test_the_hub_ends_at_once_with_stalled_and_trickling_clients(hub: LoopbackHub) -> None:
    hub.faults.add(faults.Stall(10), times=1)
    hub.faults.add(faults.Throttle(5), skip=1)
    clients = [threading.Thread(target=received, args=(hub,), daemon=True) for _ in range(2)]
    for client in clients:
        client.start()
    while hub.bytes_sent("m.gguf") < 11:
        time.sleep(0.01)
    began = time.monotonic()
    hub.__exit__(None)
    for client in clients:
        client.join(1)
    assert time.monotonic() - began < 1
    assert not any(client.is_alive() for client in clients)


def test_other_bytes(hub: LoopbackHub) -> None:
    hub.faults.add(faults.FlipBit(70_000), times=2)
    flipped = get(hub).content
    assert [at for at in range(MODEL.size) if flipped[at] != WHOLE[at]] == [70_000]
    assert get(hub, "bytes=0-69999").content == WHOLE[:70_000]
    other = Generated(MODEL.size, seed=3)
    hub.faults.add(faults.OtherContent(other), times=1)
    assert get(hub, "bytes=500-599").content == other.read(500, 100)
    hub.faults.add(faults.Gzip(), times=1)
    answer = get(hub)
    assert (answer.headers["Content-Encoding"], answer.content) == ("gzip", WHOLE)
    assert int(answer.headers["Content-Length"]) != MODEL.size
    hub.faults.add(faults.HTML_PAGE, times=1)
    assert get(hub, "bytes=5-").content.startswith(b"<!DOCTYPE html>")
    hub.faults.add(faults.lfs_pointer(MODEL.sha256, MODEL.size), times=1)
    assert get(hub).text.startswith("version https://git-lfs")


def test_a_file_changed_behind_the_back_of_its_commit(hub: LoopbackHub) -> None:
    commit = hub.state.repo(REPO).commit
    hub.rewrite(REPO, "m.gguf", b"GGUF other")
    answer = requests.get(hub.url(REPO, "m.gguf", commit), timeout=2)
    assert (answer.content, answer.headers["X-Repo-Commit"]) == (b"GGUF other", commit)


def test_redirects(hub: LoopbackHub) -> None:
    hub.faults.add(faults.REDIRECT_LOOP, times=31)
    with pytest.raises(requests.exceptions.TooManyRedirects):
        get(hub)
    hub.faults.add(faults.Redirect("file:///etc/hostname"), times=1)
    with pytest.raises(requests.exceptions.InvalidSchema):
        get(hub)
    other = hub.endpoint.replace("127.0.0.1", "localhost")
    hub.faults.add(faults.Redirect(other + "{target}"), times=1)
    assert get(hub, redirects=False).headers["Location"] == f"{other}/{REPO}/resolve/main/m.gguf"


def test_headers(hub: LoopbackHub) -> None:
    hostile = 'attachment; filename="../../x"'
    hub.faults.add(faults.Headers({"Content-Disposition": hostile, "ETag": ""}), times=1)
    answer = get(hub)
    assert (answer.headers["Content-Disposition"], "ETag" in answer.headers) == (hostile, False)
    for value in ("-1", "99999999999999999999", "many"):
        hub.faults.add(faults.ContentLength(value), times=1)
        head = requests.head(hub.url(REPO, "m.gguf"), timeout=2)
        assert head.headers["Content-Length"] == value


def test_json(hub: LoopbackHub) -> None:
    url = f"{hub.endpoint}/api/models/{REPO}"
    hub.faults.add(faults.without_keys("sha", "siblings"), "/api/*", times=1)
    assert "sha" not in requests.get(url, timeout=2).json()
    hub.faults.add(faults.EditJson(lambda document: document | {"siblings": 3}), "/api/*", times=1)
    assert requests.get(url, timeout=2).json()["siblings"] == 3
    hub.faults.add(faults.huge_json(1 << 30), "/api/*", times=1)
    with requests.get(url, stream=True, timeout=2) as huge:
        assert int(huge.headers["Content-Length"]) > 1 << 30
        assert huge.raw.read(10) == b'{"id":"AAA'
    hub.faults.add(faults.deep_json(10), "/api/*", times=1)
    assert requests.get(url, timeout=2).text == "[" * 10 + "]" * 10
    hub.faults.add(faults.OtherBody(b"not json"), "/api/*", times=1)
    with pytest.raises(ValueError, match="Expecting value"):
        HfApi(endpoint=hub.endpoint, token=False).model_info(REPO)


def test_error_codes_of_the_hub(hub: LoopbackHub) -> None:
    hub.faults.add(faults.Status(403, code="GatedRepo"), "/api/*", times=1)
    with pytest.raises(errors.GatedRepoError):
        HfApi(endpoint=hub.endpoint, token=False).model_info(REPO)


def test_a_mistake_in_a_script_is_shown() -> None:
    with pytest.raises(RuntimeError, match="failed to answer"), LoopbackHub() as hub:
        hub.add_repo(REPO, {"m.gguf": MODEL})
        hub.faults.add(faults.EditJson(lambda document: document["no such key"]), "/api/*")
        assert requests.get(f"{hub.endpoint}/api/models/{REPO}", timeout=2).status_code == 500

"""What the Hub says of a repository, and everything that it may say instead."""

from __future__ import annotations

import gzip
import json
import os
import time
import tracemalloc
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from lmpm import limits
from lmpm.errors import LmpmError, NetworkError, NotFoundError, NotPermittedError, OfflineError, RateLimitedError
from lmpm.gguf import file_name
from lmpm.hub.client import Hub
from lmpm.hub.http import Http, asked_wait_s, explain, header_number
from lmpm.hub.patience import Patience
from lmpm.hub.search import search_hub
from lmpm.types import ModelFile
from tests.child import run_script
from tests.gguf_files import write_llama
from tests.loopback import Bytes, Generated, LoopbackHub, Token, faults, listed
from tests.transfers import emptied

REPO = "acme/tiny-GGUF"
API = "/api/models/*"
MODEL = Generated(5000, seed=1)


@pytest.fixture(scope="module")
def shared() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        yield server


@pytest.fixture
def server(shared: LoopbackHub) -> LoopbackHub:
    emptied(shared).add_repo(
        REPO,
        {"m-Q8_0.gguf": MODEL, "mmproj-f16.gguf": b"GGUF projector", "README.md": b"# hi", "sub/n.gguf": b"GGUF"},
        downloads=7,
        likes=3,
        card_data={"license": "apache-2.0", "base_model": ["acme/tiny"]},
        gguf={"total": 1234, "architecture": "llama", "context_length": 512, "chat_template": "{{ x }}"},
    )
    return shared


@pytest.fixture
def gone() -> LoopbackHub:
    """A Hub that has ended: nobody answers at its address."""
    with LoopbackHub() as server:
        pass
    return server


def client(server: LoopbackHub, token: str | None = None, **options: Any) -> Hub:
    http = Http(server.endpoint, token=token, silence_s=options.pop("silence_s", limits.SILENCE_S))
    return Hub(http, **({"patience": Patience(backoff_s=0, attempts=3)} | options))


def fails(server: LoopbackHub, kind: type[LmpmError], exit_code: int, repo: str = REPO, **options: Any) -> LmpmError:
    with pytest.raises(kind) as caught:
        client(server, **options).repository(repo)
    assert caught.value.exit_code == exit_code
    assert caught.value.message.isprintable()
    return caught.value


def asked(server: LoopbackHub) -> int:
    return server.count("GET", API)


class TestFacts:
    def test_one_request_tells_everything(self, server: LoopbackHub) -> None:
        found = client(server).repository(REPO)
        assert asked(server) == len(server.requests) == 1
        assert (found.id, found.revision) == (REPO, server.state.repo(REPO).commit)
        assert [(file.path, file.role) for file in found.files] == [
            ("m-Q8_0.gguf", "model"), ("mmproj-f16.gguf", "mmproj"), ("sub/n.gguf", "model"),
        ]  # fmt: skip
        assert found.file("m-Q8_0.gguf") == ModelFile(path="m-Q8_0.gguf", size=5000, sha256=MODEL.sha256)
        assert found.file("README.md") is None
        assert (found.license, found.gated, found.private) == ("apache-2.0", False, False)
        assert (found.parameters, found.architecture, found.context_length) == (1234, "llama", 512)
        assert (found.downloads, found.likes, found.template is not None) == (7, 3, True)
        assert "acme/tiny" in found.base_models

    def test_it_is_asked_once(self, server: LoopbackHub) -> None:
        hub = client(server)
        assert hub.repository(REPO) is hub.repository(REPO)
        assert asked(server) == 1

    def test_revisions(self, server: LoopbackHub) -> None:
        first = server.state.repo(REPO).commit
        server.tag(REPO, "v1")
        second = server.commit(REPO, {"new.gguf": b"GGUF"})
        hub = client(server)
        assert hub.repository(REPO).revision == second
        for name in ("v1", first):
            assert hub.repository(REPO, name).revision == first
        with pytest.raises(NotFoundError, match="no revision `v2`"):
            hub.repository(REPO, "v2")

    def test_another_commit_than_the_one_asked_for_is_refused(self, server: LoopbackHub) -> None:
        commit = server.state.repo(REPO).commit
        server.faults.add(faults.EditJson(lambda document: document | {"sha": "0" * 40}), API)
        with pytest.raises(NetworkError, match="0000000"):
            client(server).repository(REPO, commit)

    @pytest.mark.parametrize("name", ["evil/tiny-GGUF", "acme/tiny-GGUF-2", "tiny-GGUF", None])
    def test_an_answer_for_another_repository_is_refused(self, server: LoopbackHub, name: str | None) -> None:
        server.faults.add(faults.EditJson(lambda page: page | {"id": name, "modelId": name}), API)
        error = fails(server, NetworkError, 5)
        assert "does not describe `acme/tiny-GGUF`" in error.message

    def test_a_renamed_repository_says_its_name(self, server: LoopbackHub) -> None:
        server.rename(REPO, "acme/renamed-GGUF")
        assert client(server).repository(REPO).id == "acme/renamed-GGUF"

    @pytest.mark.parametrize("gated", ["auto", "manual"])
    def test_a_gated_repository_shows_its_facts(self, server: LoopbackHub, gated: str) -> None:
        server.state.repo(REPO).gated = gated  # type: ignore[assignment]
        found = client(server).repository(REPO)
        assert found.gated
        assert len(found.files) == 3

    def test_a_private_repository_needs_the_token(self, server: LoopbackHub) -> None:
        server.state.repo(REPO).private = True
        server.tokens["hf_good"] = Token("ada")
        assert client(server, "hf_good").repository(REPO).private
        fails(server, NotFoundError, 3)

    def test_sizes_of_any_size(self, server: LoopbackHub) -> None:
        server.add_repo("acme/big-GGUF", {"big.gguf": listed(400 << 30, "big")})
        assert client(server).repository("acme/big-GGUF").files[0].size == 400 << 30


class TestNames:
    @pytest.mark.parametrize(
        "path",
        [
            "../up.gguf", "/etc/x.gguf", "a/../../x.gguf", "a//x.gguf", "./x.gguf", "C:x.gguf", "\\\\host\\x.gguf",
            "x\0.gguf", "x\x1b[2J.gguf", "\u202efugg.gguf", "CON.gguf", "a" * 600 + ".gguf", "x.gguf ", "", 5, None, [],
        ],
    )  # fmt: skip
    def test_hostile_names_are_left_out_and_the_rest_stays(self, server: LoopbackHub, path: object) -> None:
        def edit(document: Any) -> Any:
            next(row for row in document["siblings"] if row["rfilename"] == "m-Q8_0.gguf")["rfilename"] = path
            return document

        server.faults.add(faults.EditJson(edit), API)
        found = client(server).repository(REPO)
        assert [file.path for file in found.files] == ["mmproj-f16.gguf", "sub/n.gguf"]

    @pytest.mark.parametrize(
        "lfs",
        [
            {"sha256": "../../x", "size": 5, "pointerSize": 1},
            {"sha256": "A" * 64, "size": 5, "pointerSize": 1},
            {"sha256": "0" * 64, "size": -1, "pointerSize": 1},
            {"sha256": "0" * 64, "size": 0, "pointerSize": 1},
            {"sha256": "0" * 64, "size": 2**63, "pointerSize": 1},
            {"sha256": "0" * 64, "size": "5", "pointerSize": 1},
            {"sha256": "0" * 64, "size": True, "pointerSize": 1},
            {"sha256": "0" * 64, "size": 5.5, "pointerSize": 1},
            {"sha256": None, "size": 5, "pointerSize": 1},
            None,
        ],
    )
    def test_files_without_a_sound_size_and_digest_are_left_out(self, server: LoopbackHub, lfs: object) -> None:
        def edit(document: Any) -> Any:
            for sibling in document["siblings"]:
                if sibling["rfilename"] == "m-Q8_0.gguf":
                    sibling["lfs"] = lfs
            return document

        server.faults.add(faults.EditJson(edit), API)
        assert [file.path for file in client(server).repository(REPO).files] == ["mmproj-f16.gguf", "sub/n.gguf"]

    @pytest.mark.parametrize("repo", ["a/b/c", "..", "a/..", "a b/c", "a/b?token=x", "x" * 300 + "/y", "", "a/b\n"])
    def test_what_is_no_repository_is_not_asked_for(self, server: LoopbackHub, repo: str) -> None:
        fails(server, NotFoundError, 3, repo)
        assert len(server.requests) == 0


class TestRefusals:
    def test_strangers_are_told_nothing_of_what_is_missing(self, server: LoopbackHub) -> None:
        server.state.bare_401 = True
        error = fails(server, NotFoundError, 3, "acme/missing")
        assert "`acme/missing` is not at" in error.message
        assert "hf auth login" in str(error.hint)
        assert len(server.requests) == 1

    def test_missing(self, server: LoopbackHub) -> None:
        fails(server, NotFoundError, 3, "acme/missing")
        assert len(server.requests) == 1

    def test_401_with_a_token_is_about_the_token(self, server: LoopbackHub) -> None:
        server.faults.add(faults.Status(401), API)
        fails(server, NotPermittedError, 9, token="hf_bad")

    def test_gated(self, server: LoopbackHub) -> None:
        server.faults.add(faults.Status(403, code="GatedRepo"), API)
        error = fails(server, NotPermittedError, 9)
        assert f"{server.endpoint}/{REPO}" in str(error.hint)

    def test_disabled(self, server: LoopbackHub) -> None:
        server.state.repo(REPO).disabled = True
        fails(server, NotPermittedError, 9)

    @pytest.mark.parametrize(("status", "kind", "code"), [(403, NotPermittedError, 9), (451, NotPermittedError, 9)])
    def test_forbidden(self, server: LoopbackHub, status: int, kind: type[LmpmError], code: int) -> None:
        server.faults.add(faults.Status(status), API)
        fails(server, kind, code)
        assert asked(server) == 1

    @pytest.mark.parametrize(
        "headers",
        [{"Retry-After": "3600"}, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, {"RateLimit": '"api";r=0;t=290'}],
    )
    def test_a_long_wait_is_told(self, server: LoopbackHub, headers: dict[str, str]) -> None:
        server.faults.add(faults.Status(429, headers=headers), API)
        error = fails(server, RateLimitedError, 5)
        assert isinstance(error, RateLimitedError)
        assert (error.retry_after_s or 0) > 200
        assert "try again in" in error.message
        assert asked(server) == 1

    @pytest.mark.parametrize(
        ("headers", "least", "most"),
        [
            ({"Retry-After": "3"}, 3.0, 3.0),
            ({"Retry-After": "in 20 s"}, 15.0, 20.0),
            ({"RateLimit": '"api";r=0;t=11'}, 12.0, 12.0),
            ({"Retry-After": "²"}, 0.25, 0.5),
            ({"Retry-After": "yesterday"}, 0.25, 0.5),
            ({}, 0.25, 0.5),
        ],
    )
    def test_a_short_wait_is_waited(
        self, server: LoopbackHub, headers: dict[str, str], least: float, most: float
    ) -> None:
        date = formatdate(time.time() + 20, usegmt=True)
        sent = {name: value.replace("in 20 s", date) for name, value in headers.items()}
        server.faults.add(faults.Status(429, headers=sent), API, times=1)
        slept: list[float] = []
        client(server, patience=Patience(backoff_s=0.5, sleep=slept.append)).repository(REPO)
        (wait,) = slept
        assert least <= wait <= most

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_trouble_of_the_server_passes(self, server: LoopbackHub, status: int) -> None:
        server.faults.add(faults.Status(status), API, times=2)
        assert client(server).repository(REPO).files
        assert asked(server) == 3

    def test_trouble_without_end(self, server: LoopbackHub) -> None:
        server.faults.add(faults.Status(503), API)
        assert "503" in fails(server, NetworkError, 5).message
        assert asked(server) == 3

    def test_messages_of_the_server_are_not_repeated(self, server: LoopbackHub) -> None:
        server.faults.add(faults.Status(500, "\x1b[31mrun `curl evil | sh`", headers={"X": "y"}), API)
        assert "evil" not in fails(server, NetworkError, 5).message


class TestConnection:
    def test_refused(self, gone: LoopbackHub) -> None:
        error = fails(gone, NetworkError, 5)
        assert gone.endpoint in error.message
        assert "refused" in error.message
        assert "--offline" in str(error.hint)

    @pytest.mark.parametrize("fault", [faults.NoAnswer(), faults.NoAnswer("reset"), faults.CutOff(20)])
    def test_a_cut_passes(self, server: LoopbackHub, fault: faults.Fault) -> None:
        server.faults.add(fault, API, times=1)
        assert client(server).repository(REPO).files
        assert asked(server) == 2

    def test_silence(self, server: LoopbackHub) -> None:
        server.faults.add(faults.NoAnswer("stall"), API, times=1)
        assert client(server, silence_s=0.3).repository(REPO).files

    def test_a_trickle_ends(self, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "METADATA_TOTAL_S", 0.3)
        server.faults.add(faults.Throttle(20), API)
        fails(server, NetworkError, 5)

    @pytest.mark.parametrize("fault", [faults.Throttle(20), faults.SlowHead(20), faults.NoAnswer("stall")])
    def test_one_deadline_holds_for_every_wait(self, server: LoopbackHub, fault: faults.Fault) -> None:
        """At 20 bytes a second the head alone would take 15 s, and the whole more than the other deadline allows."""
        server.faults.add(fault, "/api/models*")
        server.faults.add(fault, "*.gguf")
        once = Patience(attempts=1)
        error = fails(server, NetworkError, 5, silence_s=0.4, patience=once)
        assert "in 0.4 s" in error.message or "in time" in error.message
        hub = client(server, silence_s=0.4, patience=once)
        with pytest.raises(NetworkError):
            hub.header(REPO, server.state.repo(REPO).commit, ModelFile(path="m-Q8_0.gguf", size=MODEL.size))
        with pytest.raises(NetworkError):
            search_hub(hub, "tiny")

    def test_a_slow_head_that_ends_in_time_is_heard(self, server: LoopbackHub) -> None:
        server.faults.add(faults.SlowHead(2000), API)
        assert client(server, silence_s=5.0).repository(REPO).files

    def test_offline_asks_nothing(self, server: LoopbackHub) -> None:
        slept: list[float] = []
        fails(server, OfflineError, 5, offline=True, patience=Patience(sleep=slept.append))
        with pytest.raises(OfflineError):
            client(server, offline=True, patience=Patience(sleep=slept.append)).header(
                REPO, "0" * 40, ModelFile(path="m.gguf", size=9)
            )
        assert (len(server.requests), slept) == (0, [])

    def test_hf_offline_asks_nothing_and_waits_for_nothing(
        self, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        slept: list[float] = []
        error = fails(server, OfflineError, 5, patience=Patience(sleep=slept.append))
        assert "HF_HUB_OFFLINE" in error.message
        assert (len(server.requests), slept) == (0, [])

    def test_reach(self, server: LoopbackHub, gone: LoopbackHub) -> None:
        assert client(server).reach().startswith("answers in")
        with pytest.raises(NotPermittedError, match="token"):
            client(server, "hf_bad").reach()
        with pytest.raises(NetworkError):
            client(gone).reach()

    def test_telemetry_is_off_when_it_is_switched_off(self, server: LoopbackHub, tmp_path: Path) -> None:
        script = """
            import sys
            from lmpm.hub.http import Http
            from lmpm.hub import Hub
            print(Hub(Http(sys.argv[1])).repository("acme/tiny-GGUF").id)
        """
        child = run_script(script, server.endpoint)
        assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
        assert child.communicate(timeout=60)[0] == f"{REPO}\n"
        assert [request.path for request in server.requests] == [f"/api/models/{REPO}"]

    def test_no_token_is_taken_from_the_environment(self, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_of_the_developer")
        client(server).repository(REPO)
        assert "authorization" not in server.requests[0].headers


class TestJson:
    @pytest.mark.parametrize(
        "edit",
        [
            faults.without_keys("id"),
            faults.without_keys("sha"),
            faults.EditJson(lambda document: []),
            faults.EditJson(lambda document: "text"),
            faults.EditJson(lambda document: None),
            faults.EditJson(lambda document: {}),
            faults.EditJson(lambda document: document | {"siblings": 3}),
            faults.EditJson(lambda document: document | {"siblings": [3]}),
            faults.EditJson(lambda document: document | {"siblings": [{}]}),
            faults.EditJson(lambda document: document | {"siblings": [{"rfilename": "m.gguf", "lfs": 3}]}),
            faults.EditJson(lambda document: document | {"id": "../../x"}),
            faults.EditJson(lambda document: document | {"id": 5}),
            faults.EditJson(lambda document: document | {"sha": "main"}),
            faults.EditJson(lambda document: document | {"sha": 5}),
            faults.EditJson(lambda document: document | {"createdAt": "yesterday"}),
            faults.deep_json(200_000),
            faults.OtherBody(b"<html>log in</html>", "text/html"),
            faults.OtherBody(b""),
            faults.OtherBody(b"\xff\xfe\x00"),
            faults.OtherBody(b'{"id": '),
            faults.OtherBody(b'{"id": ' + b"9" * 5000 + b"}"),
        ],
    )
    def test_what_is_no_description_is_an_error(self, server: LoopbackHub, edit: faults.Fault) -> None:
        server.faults.add(edit, API)
        error = fails(server, NetworkError, 5)
        assert "does not describe" in error.message
        assert len(error.message) < 300

    @pytest.mark.parametrize(
        "facts",
        [
            {"gguf": 3}, {"gguf": {"total": "many", "architecture": 5, "context_length": -1}}, {"tags": None},
            {"tags": [5, None]}, {"downloads": "x"}, {"likes": None}, {"gguf": None}, {"cardData": None},
        ],
    )  # fmt: skip
    def test_odd_facts_are_no_reason_to_fail(self, server: LoopbackHub, facts: dict[str, Any]) -> None:
        server.faults.add(faults.EditJson(lambda document: document | facts), API)
        assert len(client(server).repository(REPO).files) == 3

    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    def test_a_huge_answer_is_not_read(
        self, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, framing: str
    ) -> None:
        monkeypatch.setattr(limits, "MAX_API_ANSWER_BYTES", 1_000_000)
        server.faults.add(faults.huge_json(1 << 30), API)
        if framing != "length":
            server.faults.add(faults.CutOff(1 << 30, framing=framing), API)  # type: ignore[arg-type]
        tracemalloc.start()
        fails(server, NetworkError, 5)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000

    def test_a_small_answer_that_unpacks_to_a_huge_one_is_not_unpacked(
        self, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "MAX_API_ANSWER_BYTES", 1_000_000)
        bomb = gzip.compress(b'{"id":"' + b"A" * 50_000_000 + b'"}')
        assert len(bomb) < 100_000
        server.faults.add(faults.OtherBody(Bytes(bomb), "application/json"), API)
        server.faults.add(faults.Headers({"Content-Encoding": "gzip"}), API)
        tracemalloc.start()
        assert "more than" in fails(server, NetworkError, 5).message
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000

    @pytest.mark.parametrize("body", [b'{"siblings":[' + b"{}," * 2_000_000 + b"{}]}", b"[" * 3_000_000])
    @pytest.mark.parametrize("packed", [False, True])
    def test_more_values_than_any_repository_has_are_not_made(
        self, server: LoopbackHub, body: bytes, packed: bool
    ) -> None:
        """Two million files would be 822 MB of objects; they are counted first."""
        server.faults.add(
            faults.OtherBody(Bytes(gzip.compress(body) if packed else body), "application/json"), "/api/models*"
        )
        if packed:
            server.faults.add(faults.Headers({"Content-Encoding": "gzip"}), API)
        hub = client(server, patience=Patience(attempts=1))
        tracemalloc.start()
        assert "values" in fails(server, NetworkError, 5, patience=Patience(attempts=1)).message
        if not packed:
            with pytest.raises(NetworkError, match="not a list"):
                search_hub(hub, "tiny")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40_000_000

    @pytest.mark.parametrize("name", ["m{}-Q4_K_M.gguf", "f{}/m-Q4_K_M.gguf", "M-Q4_K_M-{:05}-of-10000.gguf"])
    def test_more_names_than_any_repository_has_are_not_taken_apart(
        self, server: LoopbackHub, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken: list[str] = []
        real = file_name.parse_file_name

        def parse(path: str, **options: Any) -> Any:
            taken.append(path)
            return real(path, **options)

        monkeypatch.setattr(file_name, "parse_file_name", parse)

        def listing(count: int) -> faults.EditJson:
            lfs = {"sha256": "a" * 64, "size": 9, "pointerSize": 1}
            names = [{"rfilename": name.format(number), "lfs": lfs, "size": 9} for number in range(count)]
            return faults.EditJson(lambda page: page | {"siblings": names})

        server.faults.add(listing(10_000), API)
        assert len(client(server).repository(REPO).files) == 10_000, "all of them can be named"
        assert len(taken) == limits.MAX_GGUF_NAMES

    def test_a_packed_answer_of_sound_size_is_read(self, server: LoopbackHub) -> None:
        server.faults.add(faults.Gzip(), API)
        assert len(client(server).repository(REPO).files) == 3

    @pytest.mark.parametrize("encoding", ["br", "zstd", "x-gzip-x", "gzip, gzip"])
    def test_other_encodings_are_refused(self, server: LoopbackHub, encoding: str) -> None:
        server.faults.add(faults.Headers({"Content-Encoding": encoding}), API)
        fails(server, NetworkError, 5)

    def test_what_says_gzip_and_is_none(self, server: LoopbackHub) -> None:
        server.faults.add(faults.Headers({"Content-Encoding": "gzip"}), API)
        fails(server, NetworkError, 5)


class TestHeader:
    @pytest.fixture
    def file(self, server: LoopbackHub, tmp_path: Path) -> ModelFile:
        (path,) = write_llama(tmp_path / "m.gguf", context=1024)
        server.commit(REPO, {"m.gguf": path})
        return ModelFile(path="m.gguf", size=path.stat().st_size)

    def context(self, server: LoopbackHub, file: ModelFile, **options: Any) -> int:
        commit = server.state.repo(REPO).commit
        return client(server, **options).header(REPO, commit, file).integer("context_length")

    def test_one_request(self, server: LoopbackHub, file: ModelFile) -> None:
        assert self.context(server, file) == 1024
        (request,) = server.requests
        assert request.range == "bytes=0-65535"

    @pytest.mark.parametrize(
        "fault",
        [
            faults.Status(503), faults.Status(429), faults.reset(1000), faults.short_body(1000),
            faults.NoAnswer(), faults.WrongRange("bytes 5-65535/99999", start=5), faults.WrongRange(), faults.Gzip(),
        ],
    )  # fmt: skip
    def test_what_may_pass_is_tried_again(self, server: LoopbackHub, file: ModelFile, fault: faults.Fault) -> None:
        server.faults.add(fault, "*.gguf", times=1)
        assert self.context(server, file) == 1024
        assert len(server.requests) == 2

    def test_a_server_without_ranges_is_not_read_to_the_end(self, server: LoopbackHub, file: ModelFile) -> None:
        server.faults.add(faults.IgnoreRange(), "*.gguf")
        assert self.context(server, file) == 1024

    def test_a_trickle_ends(self, server: LoopbackHub, file: ModelFile) -> None:
        server.faults.add(faults.Throttle(30), "*.gguf")
        with pytest.raises(NetworkError, match=r"in 0\.4 s"):
            self.context(server, file, silence_s=0.4)

    @pytest.mark.parametrize(
        ("status", "kind", "exit_code"),
        [(401, NotPermittedError, 9), (403, NotPermittedError, 9), (404, NotFoundError, 3), (410, NotFoundError, 3),
         (500, NetworkError, 5)],
    )  # fmt: skip
    def test_refusals(
        self, server: LoopbackHub, file: ModelFile, status: int, kind: type[LmpmError], exit_code: int
    ) -> None:
        server.faults.add(faults.Status(status), "*.gguf")
        with pytest.raises(kind) as caught:
            self.context(server, file)
        assert caught.value.exit_code == exit_code
        assert len(server.requests) == (3 if status == 500 else 1)

    def test_a_gated_file_is_named(self, server: LoopbackHub, file: ModelFile) -> None:
        server.state.repo(REPO).gated = "auto"
        with pytest.raises(NotPermittedError) as caught:
            self.context(server, file)
        assert f"{server.endpoint}/{REPO}" in str(caught.value.hint)


class TestWords:
    @pytest.mark.parametrize(
        ("text", "number"),
        [("7", 7), ("0", 0), ("", None), (None, None), ("-1", None), ("²", None), ("٣", None), ("1e3", None),
         (" 7", None), ("9" * 5000, None), ("7.5", None)],
    )  # fmt: skip
    def test_numbers_of_headers(self, text: str | None, number: int | None) -> None:
        assert header_number(text) == number

    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({"Retry-After": "5", "RateLimit": '"api";r=0;t=55'}, 5.0),
            ({"RateLimit": '"api";r=0;t=55'}, 56.0),
            ({"RateLimit": '"api"; r=0; t=0'}, 1.0),
            ({"RateLimit": "rate=9"}, None),
            ({"RateLimit": '"api";r=0;t=' + "9" * 50}, None),
            ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
            ({"Retry-After": "Wednesday"}, None),
            ({"Retry-After": "Wed, 21 Foo 2015 07:28:00 GMT"}, None),
            ({"Retry-After": "9" * 5000}, None),
            ({"Retry-After": "-5", "RateLimit": '"api";r=0;t=55'}, 56.0),
            ({}, None),
        ],
    )
    def test_waits(self, headers: dict[str, str], wait: float | None) -> None:
        assert asked_wait_s(headers) == wait

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (OSError("[Errno 101] Network is unreachable"), "the network is unreachable"),
            (OSError("[Errno -2] Name or service not known"), "the name is not known"),
            (OSError("HTTPSConnectionPool(host='cdn', port=443): /x?Signature=secret"), "OSError"),
            (OSError("<urllib3.connection object at 0x7f00>: odd"), "OSError"),
            (OSError("\x1b[2Jfirst\nsecond"), "\\x1b[2Jfirst"),
            (TimeoutError(), "TimeoutError"),
            (json.JSONDecodeError("Expecting value", "<html>", 0), "its answer is not JSON"),
        ],
    )
    def test_explanations_hold_no_addresses_and_no_secrets(self, error: Exception, words: str) -> None:
        assert explain(error) == words

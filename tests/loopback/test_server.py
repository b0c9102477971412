"""The loopback hub against the real clients: what it answers is what huggingface_hub and requests expect."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import requests
from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._http import default_client_factory

from tests.gguf_files import write_llama
from tests.loopback import ContentLike, File, Generated, LoopbackHub, Sparse, Token, listed

MODEL = Generated(3_000_000, seed=1)
CONFIG = b'{"model_type": "llama"}\n'
REPO = "acme/tiny-GGUF"
FILE = "tiny-Q8_0.gguf"


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        fill(hub)
        yield hub


def fill(hub: LoopbackHub) -> None:
    files: dict[str, ContentLike] = {FILE: MODEL, "config.json": CONFIG}
    files |= {"sub/part-Q4_0.gguf": b"GGUF" * 100, "empty.txt": b""}
    hub.add_repo(REPO, files, downloads=10, card_data={"license": "mit", "base_model": ["acme/tiny"]})


def api(hub: LoopbackHub, token: str | bool = False) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=token)


def get(hub: LoopbackHub, path: str = FILE, **headers: str) -> requests.Response:
    return requests.get(hub.url(REPO, path), headers={"Accept-Encoding": "identity", **headers}, timeout=5)


class TestMetadata:
    def test_model_info_has_commit_sizes_and_hashes(self, hub: LoopbackHub) -> None:
        info = api(hub).model_info(REPO, files_metadata=True)
        assert info.sha == hub.state.repo(REPO).commit
        files = {sibling.rfilename: sibling for sibling in info.siblings or []}
        lfs = files[FILE].lfs
        assert lfs is not None
        assert (files[FILE].size, lfs.sha256) == (MODEL.size, MODEL.sha256)
        assert files["config.json"].lfs is None
        assert info.gated is False
        assert {"gguf", "license:mit", "base_model:quantized:acme/tiny"} <= set(info.tags or [])

    def test_the_commit_follows_from_the_content(self) -> None:
        def commit(data: bytes) -> str:
            return LoopbackHub().add_repo("a/b", {"x.gguf": data}).commit

        assert commit(b"one") == commit(b"one") != commit(b"two")

    def test_earlier_commits_tags_and_short_ids_stay_reachable(self, hub: LoopbackHub) -> None:
        first = hub.state.repo(REPO).commit
        hub.tag(REPO, "v1")
        second = hub.commit(REPO, {FILE: b"GGUF, but new", "config.json": None})
        assert api(hub).model_info(REPO).sha == second
        for revision in (first, first[:8], "v1"):
            assert api(hub).model_info(REPO, revision=revision).sha == first
        assert api(hub).file_exists(REPO, "config.json", revision=first)
        assert not api(hub).file_exists(REPO, "config.json")

    def test_listing_follows_pages(self) -> None:
        with LoopbackHub(page_size=3) as hub:
            for number in range(8):
                hub.add_repo(f"acme/m{number}-GGUF", {"m.gguf": b"%d" % number}, downloads=number)
            hub.add_repo("other/plain", {"model.safetensors": b"x"})
            hub.add_repo("acme/hidden-GGUF", {"m.gguf": b""}, private=True)
            rows = list(api(hub).list_models(filter="gguf", author="acme", sort="downloads"))
            assert [row.id for row in rows] == [f"acme/m{number}-GGUF" for number in reversed(range(8))]
            assert hub.count("GET", "/api/models") == 3
            few = api(hub).list_models(search="m gguf", sort="downloads", limit=4, expand=["gguf", "siblings"])
            siblings = [row.siblings for row in few]
            assert len(siblings) == 4
            assert siblings[0] is not None
            assert siblings[0][0].rfilename == "m.gguf"

    def test_tree_paths_info_and_refs(self, hub: LoopbackHub) -> None:
        top = {entry.path for entry in api(hub).list_repo_tree(REPO)}
        assert top == {FILE, "config.json", "empty.txt", "sub"}
        assert set(api(hub).list_repo_files(REPO)) == {FILE, "config.json", "empty.txt", "sub/part-Q4_0.gguf"}
        inside = list(api(hub).list_repo_tree(REPO, "sub", expand=True))
        assert [entry.path for entry in inside] == ["sub/part-Q4_0.gguf"]
        found = api(hub).get_paths_info(REPO, [FILE, "sub", "missing.gguf"], expand=True)
        assert [entry.path for entry in found] == [FILE, "sub"]
        assert isinstance(found[0], RepoFile)
        assert found[0].lfs is not None
        assert found[0].lfs.sha256 == MODEL.sha256
        refs = api(hub).list_repo_refs(REPO)
        assert refs.branches[0].target_commit == hub.state.repo(REPO).commit

    def test_a_listing_may_name_sizes_that_nobody_has(self, hub: LoopbackHub, tmp_path: Path) -> None:
        head = write_llama(tmp_path / "m.gguf", context=32768)[0].read_bytes()
        hub.add_repo("acme/big-GGUF", {"big-Q4_K_M.gguf": listed(42 << 30, "big", head)})
        info = api(hub).model_info("acme/big-GGUF", files_metadata=True)
        assert info.siblings is not None
        assert info.siblings[0].size == 42 << 30
        assert info.gguf is not None
        assert info.gguf["context_length"] == 32768

    def test_other_case_and_former_names_are_redirected(self, hub: LoopbackHub) -> None:
        huggingface_hub.set_client_factory(default_client_factory)  # whatever bounds lmpm's own client has set here
        assert api(hub).model_info("ACME/Tiny-gguf").id == REPO
        hub.rename(REPO, "acme/renamed-GGUF")
        assert api(hub).model_info(REPO).id == "acme/renamed-GGUF"
        assert requests.head(hub.url(REPO, FILE), allow_redirects=True, timeout=5).status_code == 200


class TestAccess:
    def test_missing_things_raise_the_right_errors(self, hub: LoopbackHub) -> None:
        with pytest.raises(errors.RepositoryNotFoundError):
            api(hub).model_info("acme/missing")
        with pytest.raises(errors.RevisionNotFoundError):
            api(hub).model_info(REPO, revision="v9")
        with pytest.raises(errors.RemoteEntryNotFoundError):
            api(hub).get_hf_file_metadata(url=hub.url(REPO, "missing.gguf"))
        hub.add_repo("acme/off", {"x.gguf": b"x"}, disabled=True)
        with pytest.raises(errors.DisabledRepoError):
            api(hub).model_info("acme/off")

    def test_a_gated_repository_shows_its_page_and_keeps_its_bytes(self, hub: LoopbackHub) -> None:
        hub.add_repo("acme/gated", {"x.gguf": b"GGUF"}, gated="manual")
        hub.tokens["hf_in"] = Token("ada", ("acme/*",))
        hub.tokens["hf_out"] = Token("bob", ())
        assert api(hub).model_info("acme/gated").gated == "manual"
        url = hub.url("acme/gated", "x.gguf")
        for token, status in ((False, 401), ("hf_out", 403)):
            with pytest.raises(errors.GatedRepoError) as caught:
                api(hub).get_hf_file_metadata(url=url, token=token)
            assert caught.value.response.status_code == status
        assert api(hub).get_hf_file_metadata(url=url, token="hf_in").size == 4
        api(hub).auth_check("acme/gated", token="hf_in")
        assert api(hub).whoami(token="hf_in")["name"] == "ada"

    def test_a_private_repository_is_not_there_for_strangers(self, hub: LoopbackHub) -> None:
        hub.add_repo("acme/private", {"x.gguf": b"GGUF"}, private=True)
        hub.tokens["hf_in"] = Token("ada")
        with pytest.raises(errors.RepositoryNotFoundError):
            api(hub).model_info("acme/private")
        assert api(hub, "hf_in").model_info("acme/private").private
        with pytest.raises(errors.HfHubHTTPError, match="401"):
            api(hub, "hf_wrong").model_info(REPO)

    def test_strangers_may_get_the_real_hubs_bare_401(self) -> None:
        with LoopbackHub(bare_401=True) as hub:
            answer = requests.get(f"{hub.endpoint}/api/models/acme/missing", timeout=5)
            assert answer.status_code == 401
            assert "X-Error-Code" not in answer.headers


class TestDownload:
    def test_hf_hub_download(self, hub: LoopbackHub, tmp_path: Path) -> None:
        path = hf_hub_download(REPO, FILE, endpoint=hub.endpoint, cache_dir=tmp_path, token=False)
        assert Path(path).resolve().name == MODEL.sha256
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == MODEL.sha256
        assert hub.count("HEAD", f"*/{FILE}") == hub.count("GET", f"*/{FILE}") == 1
        assert hub.bytes_sent(FILE) == MODEL.size

    @pytest.mark.parametrize("disable_xet", ["", "1"])
    @pytest.mark.parametrize("cdn", [False, True])
    def test_snapshot_download(self, tmp_path: Path, disable_xet: str, cdn: bool) -> None:
        # huggingface_hub reads its environment when it is imported, so each setting has its own process.
        with LoopbackHub(cdn=cdn) as hub:
            fill(hub)
            hub.tokens["hf_ada"] = Token("ada")
            script = f"import huggingface_hub; print(huggingface_hub.snapshot_download({REPO!r}))"
            environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
            environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "HF_TOKEN": "hf_ada"}
            environment |= {"NO_PROXY": "127.0.0.1"} | ({"HF_HUB_DISABLE_XET": "1"} if disable_xet else {})
            done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            folder = Path(done.stdout.strip())
            assert (folder / FILE).stat().st_size == MODEL.size
            assert (folder / "config.json").read_bytes() == CONFIG
            assert (folder / "empty.txt").read_bytes() == b""
            assert all(request.authorization is None for request in hub.requests.all(origin="cdn"))
            assert bool(hub.cdn_requests) == cdn

    def test_snapshot_in_this_process(self, hub: LoopbackHub, tmp_path: Path) -> None:
        folder = snapshot_download(REPO, endpoint=hub.endpoint, cache_dir=tmp_path, token=False)
        assert (Path(folder) / "sub/part-Q4_0.gguf").is_file()

    def test_ranges(self, hub: LoopbackHub) -> None:
        whole = MODEL.read(0, MODEL.size)
        for asked, part in (
            ("bytes=1000-", whole[1000:]),
            ("bytes=2097150-2097160", whole[2097150:2097161]),
            ("bytes=-7", whole[-7:]),
            ("bytes=2999999-9999999", whole[-1:]),
        ):
            answer = get(hub, Range=asked)
            assert answer.status_code == 206
            assert answer.content == part
            start = MODEL.size - len(part) if asked != "bytes=2097150-2097160" else 2097150
            assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{MODEL.size}"
        beyond = get(hub, Range=f"bytes={MODEL.size}-")
        assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{MODEL.size}")
        assert get(hub, "empty.txt", Range="bytes=0-").status_code == 200

    def test_files_on_disk_and_sparse_ones(self, hub: LoopbackHub, tmp_path: Path) -> None:
        disk = tmp_path / "disk.gguf"
        disk.write_bytes(MODEL.read(0, MODEL.size))
        sparse = Sparse(1 << 40, b"GGUF head", sha256="ab" * 32)
        hub.commit(REPO, {"disk.gguf": disk, "huge.gguf": sparse})
        assert File(disk).sha256 == MODEL.sha256
        assert get(hub, "disk.gguf").content == disk.read_bytes()
        assert get(hub, "disk.gguf", Range="bytes=99-104").content == disk.read_bytes()[99:105]
        assert get(hub, "huge.gguf", Range="bytes=0-11").content == b"GGUF head\0\0\0"
        head = requests.head(hub.url(REPO, "huge.gguf"), timeout=5)
        assert (head.headers["X-Linked-Size"], head.headers["ETag"]) == (str(1 << 40), f'"{"ab" * 32}"')

    def test_a_connection_is_kept_and_answers_at_once(self, hub: LoopbackHub) -> None:
        with requests.Session() as session:
            for _ in range(5):
                session.get(hub.url(REPO, FILE), headers={"Range": "bytes=0-16383"}, timeout=5)
        assert len({request.connection for request in hub.requests}) == 1

    def test_signed_addresses_expire(self) -> None:
        with LoopbackHub(cdn=True) as hub:
            fill(hub)
            first = requests.head(hub.url(REPO, FILE), timeout=5)
            assert (first.status_code, first.headers["X-Linked-ETag"]) == (302, f'"{MODEL.sha256}"')
            location = first.headers["Location"]
            assert requests.get(location, headers={"Range": "bytes=5-9"}, timeout=5).content == MODEL.read(5, 5)
            hub.expire_signed_urls()
            assert requests.get(location, timeout=5).status_code == 403
            assert requests.get(hub.url(REPO, FILE), timeout=5).status_code == 200


class TestOllama:
    def test_manifest_and_blob(self, hub: LoopbackHub) -> None:
        base = f"{hub.endpoint}/v2/{REPO}"
        layers: list[dict[str, Any]] = requests.get(f"{base}/manifests/q8_0", timeout=5).json()["layers"]
        assert layers[0]["digest"] == f"sha256:{MODEL.sha256}"
        answer = requests.get(f"{base}/blobs/{layers[0]['digest']}", allow_redirects=False, timeout=5)
        assert (answer.status_code, len(answer.content)) == (200, MODEL.size)
        assert answer.headers["Location"].endswith(MODEL.sha256)
        old = requests.get(f"{base}/manifests/latest", headers={"User-Agent": "llama-cpp"}, timeout=5)
        assert old.json()["ggufFile"]["rfilename"] == FILE
        assert requests.get(f"{base}/manifests/nope", timeout=5).status_code == 400

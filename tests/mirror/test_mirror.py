"""The mirror as other machines see it: through huggingface_hub, lmpm and plain HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from lmpm.project.lock.file import write_lock
from lmpm.project.lock.records import Lock
from lmpm.store.cache import Store
from tests.conftest import Cli
from tests.gguf_files import write_llama
from tests.stored import REVISION, Piece, bring, model, piece

REPO = "maker/m-GGUF"


@dataclass
class Served:
    """A mirror that listens, and what it was made of."""

    url: str
    cli: Cli
    pieces: dict[str, Piece]

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=10, **options)


@contextlib.contextmanager
def serving(cli: Cli, *arguments: str, **environment: str) -> Iterator[str]:
    """`lmpm mirror serve` in a process of its own, on a free port; its URL."""
    process = cli.start("mirror", "serve", "--port", 0, *arguments, **environment)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"HF_ENDPOINT=(\S+)", line):
                yield found[1]
                break
        else:
            process.wait(10)
            assert process.stderr is not None
            raise AssertionError(process.stderr.read())
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "Traceback" not in err, err


@pytest.fixture
def served(cli: Cli, tmp_path: Path) -> Iterator[Served]:
    """A mirror of two files, one of which is a GGUF, and one in a folder; a third is locked and not here."""
    path = write_llama(tmp_path / "tiny-Q8_0.gguf")[0]
    pieces = {
        "gguf": piece("tiny-Q8_0", path.read_bytes()),
        "other": piece("sub/other-Q4_K_M", b"0123456789" * 20_000),
        "absent": piece("absent"),
    }
    store = Store(cli.store, Path(cli.environment["LMPM_HOME"]))
    for name in ("gguf", "other"):
        bring(store, pieces[name], tmp_path / "scratch")
    write_lock(cli.lock, Lock(tuple(model(name, item) for name, item in pieces.items())))
    with serving(cli) as url:
        yield Served(url, cli, pieces)


class TestHub:
    """By huggingface_hub itself, in a process of its own: it reads its endpoint when it is imported."""

    def run(self, served: Served, code: str, tmp_path: Path) -> Any:
        environment = {**served.cli.environment, "HF_ENDPOINT": served.url, "HF_HOME": str(tmp_path / "elsewhere")}
        program = f"import json, huggingface_hub as hub\nfrom huggingface_hub import errors\n{code}"
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def test_download(self, served: Served, tmp_path: Path) -> None:
        code = f"print(json.dumps(hub.hf_hub_download({REPO!r}, 'sub/other-Q4_K_M.gguf')))"
        path = Path(self.run(served, code, tmp_path))
        assert path.read_bytes() == served.pieces["other"].data
        assert path.resolve().name == served.pieces["other"].file.sha256
        assert path.parts[-3:] == (REVISION, "sub", "other-Q4_K_M.gguf")

    def test_snapshot(self, served: Served, tmp_path: Path) -> None:
        code = f"print(json.dumps(hub.snapshot_download({REPO!r}, revision={REVISION!r})))"
        folder = Path(self.run(served, code, tmp_path))
        found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.gguf")}
        assert found == {served.pieces[name].file.path: served.pieces[name].data for name in ("gguf", "other")}

    def test_facts(self, served: Served, tmp_path: Path) -> None:
        code = f"""
api = hub.HfApi()
info = api.model_info({REPO!r}, files_metadata=True)
tree = [item.path for item in api.list_repo_tree({REPO!r}, recursive=True)]
top = [item.path for item in api.list_repo_tree({REPO!r})]
known = [item.lfs.sha256 for item in api.get_paths_info({REPO!r}, ["tiny-Q8_0.gguf", "none"])]
found = [item.id for item in api.list_models(search="m-GGUF", limit=3)]
refs = [item.target_commit for item in api.list_repo_refs({REPO!r}).branches]
errs = []
for call in (lambda: api.model_info("no/body"), lambda: api.model_info({REPO!r}, revision="v9"),
             lambda: hub.hf_hub_download({REPO!r}, "none.gguf")):
    try: call()
    except Exception as error: errs.append(type(error).__name__)
print(json.dumps([info.sha, sorted((item.rfilename, item.size, item.lfs.sha256) for item in info.siblings),
                  sorted(tree), sorted(top), known, found, refs, errs, info.gguf["architecture"]]))
"""
        gguf, other = served.pieces["gguf"].file, served.pieces["other"].file
        sha, siblings, tree, top, known, found, refs, errs, architecture = self.run(served, code, tmp_path)
        assert sha == REVISION and refs == [REVISION] and found == [REPO] and architecture == "llama"
        assert siblings == [[file.path, file.size, file.sha256] for file in (other, gguf)]
        assert tree == ["sub", other.path, gguf.path] and top == ["sub", gguf.path]
        assert known == [gguf.sha256]
        assert errs == ["RepositoryNotFoundError", "RevisionNotFoundError", "RemoteEntryNotFoundError"]


class TestLmpm:
    def test_a_colleague_installs_from_it(self, served: Served) -> None:
        there = served.cli.beside("there", empty_store=True)
        wanted = Lock((model("sql", served.pieces["gguf"]),))
        write_lock(there.lock, wanted)
        there.manifest.write_text('[models]\nsql = { ref = "maker/m-GGUF" }\n', "utf-8")
        there.run("install", "--no-smoke", HF_ENDPOINT=served.url).passed()
        assert [path.name for path in there.blobs()] == [served.pieces["gguf"].file.sha256]

    def test_resumes(self, served: Served, tmp_path: Path) -> None:
        there = served.cli.beside("there", empty_store=True)
        write_lock(there.lock, Lock((model("big", served.pieces["other"]),)))
        there.manifest.write_text('[models]\nbig = { ref = "maker/m-GGUF" }\n', "utf-8")
        store, item = Store(there.store, tmp_path / "home"), served.pieces["other"]
        with store.open_part(item.source, item.file) as part:
            part.write(item.data[:150_000])
        # the bytes are no GGUF, which is found once they are here and right
        there.run("sync", "--no-smoke", HF_ENDPOINT=served.url).failed(4, "GGUF")


class TestWire:
    def test_tags_and_ranges(self, served: Served) -> None:
        item = served.pieces["other"]
        path = f"/{REPO}/resolve/main/{item.file.path}"
        head = requests.head(served.url + path, timeout=10)
        assert head.headers["ETag"] == head.headers["X-Linked-ETag"] == f'"{item.file.sha256}"'
        assert head.headers["X-Repo-Commit"] == REVISION
        assert head.headers["X-Linked-Size"] == head.headers["Content-Length"] == str(item.file.size)
        assert head.headers["Accept-Ranges"] == "bytes"
        for asked, part in {
            "bytes=0-4": item.data[:5], "bytes=199990-": item.data[-10:], "bytes=-3": item.data[-3:],
        }.items():  # fmt: skip
            answer = served.get(path, headers={"Range": asked})
            assert (answer.status_code, answer.content) == (206, part)
            assert answer.headers["ETag"] == f'"{item.file.sha256}"'
        assert answer.headers["Content-Range"] == "bytes 199997-199999/200000"
        assert served.get(path, headers={"Range": "bytes=200000-"}).status_code == 416
        other = served.get(path, headers={"Range": "bytes=0-4", "If-Range": '"another"'})
        assert (other.status_code, other.content) == (200, item.data)
        same = served.get(path, headers={"Range": "bytes=0-4", "If-Range": f'"{item.file.sha256}"'})
        assert (same.status_code, same.content) == (206, item.data[:5])
        assert served.get(path, headers={"If-None-Match": f'"{item.file.sha256}"'}).status_code == 304

    def test_ollama(self, served: Served) -> None:
        manifest = served.get(f"/v2/{REPO}/manifests/q8_0").json()
        digests = [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
        for digest in digests:
            answer = served.get(f"/v2/{REPO}/blobs/{digest}")
            assert "sha256:" + hashlib.sha256(answer.content).hexdigest() == digest
            assert answer.headers["Location"] == f"/v2/{REPO}/blobs/{digest}"
        assert manifest["layers"][0]["mediaType"] == "application/vnd.ollama.image.model"
        assert served.get(f"/v2/{REPO}/manifests/q2_k").status_code == 400

    @pytest.mark.parametrize(
        "path",
        [
            f"/{REPO}/resolve/main/../../../../etc/passwd",
            f"/{REPO}/resolve/main/%2e%2e/%2e%2e/lmpm.lock",
            f"/{REPO}/resolve/main/absent.gguf",
            f"/{REPO}/resolve/111111/tiny-Q8_0.gguf",
            "/other/m-GGUF/resolve/main/tiny-Q8_0.gguf",
            f"/v2/{REPO}/blobs/sha256:{'0' * 64}",
            "/lmpm.lock",
            "/",
        ],
    )
    def test_only_what_is_pinned(self, served: Served, path: str) -> None:
        request = requests.Request("GET", served.url).prepare()
        request.url = served.url + path  # as it is: requests would tidy it
        with requests.Session() as session:
            answer = session.send(request, timeout=10)
        assert answer.status_code == 404
        assert "error" in answer.json()

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
    def test_nothing_can_be_changed(self, served: Served, method: str) -> None:
        path = f"/{REPO}/resolve/main/tiny-Q8_0.gguf"
        assert requests.request(method, served.url + path, data=b"x", timeout=10).status_code == 405

    def test_bad_questions(self, served: Served) -> None:
        url = f"{served.url}/api/models/{REPO}/paths-info/main"
        for body in (b"{", b"[" * 50_000, b'{"paths": 3}', b'{"paths": [[1]]}', b"\xff"):
            answer = requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=10)
            assert answer.status_code in (200, 400), body
        assert served.get("/api/models", params={"limit": "x", "search": "\0"}).status_code == 200


def test_a_token(served: Served) -> None:
    with serving(served.cli, "--token-env", "MIRROR_TOKEN", MIRROR_TOKEN="s3cret") as url:
        path = f"{url}/{REPO}/resolve/main/tiny-Q8_0.gguf"
        assert requests.get(path, timeout=10).status_code == 401
        assert requests.get(path, headers={"Authorization": "Bearer wrong"}, timeout=10).status_code == 401
        right = requests.get(path, headers={"Authorization": "Bearer s3cret"}, timeout=10)
        assert right.content == served.pieces["gguf"].data
        there = served.cli.beside("with-token", empty_store=True)
        write_lock(there.lock, Lock((model("sql", served.pieces["gguf"]),)))
        there.manifest.write_text('[models]\nsql = { ref = "maker/m-GGUF" }\n', "utf-8")
        there.run("install", "--no-smoke", HF_ENDPOINT=url, HF_TOKEN="s3cret").passed()
    served.cli.call("mirror", "serve", "--token-env", "NOT_SET").failed(2, "`NOT_SET`")


def test_damaged_bytes_are_not_served(served: Served) -> None:
    blob = next(path for path in served.cli.blobs() if path.name == served.pieces["gguf"].file.sha256)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.unlink()
    blob.write_bytes(data)
    with serving(served.cli) as url:
        assert requests.get(f"{url}/{REPO}/resolve/main/tiny-Q8_0.gguf", timeout=10).status_code == 404


def test_nothing_to_serve(cli: Cli) -> None:
    cli.call("mirror", "serve").failed(7, "No `lmpm.lock`")
    write_lock(cli.lock, Lock((model("absent", piece("absent")),)))
    cli.call("mirror", "serve").failed(7, "Nothing to serve", "lmpm sync")


def test_a_port_in_use(served: Served) -> None:
    port = served.url.rpartition(":")[2]
    served.cli.call("mirror", "serve", "--port", port).failed(1, port, "--port")

"""A Hub, a disk and models that go wrong: the exit code, and that nothing wrong is ever kept or pinned."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.gguf_files import BAD_FILES, write_bert, write_llama, write_unknown_architecture
from tests.loopback import Bytes, Generated, LoopbackHub, faults
from tests.loopback.demo import _meanings

META = "/api/models/*"
BYTES = "*/resolve/*"
REPO = "maker/tiny-embed-GGUF"


@pytest.fixture
def embedder(tmp_path: Path) -> bytes:
    return write_bert(tmp_path / "tiny-embed-Q8_0.gguf", quant="Q8_0", meanings=_meanings()).read_bytes()


@pytest.fixture
def tiny(cli: Cli, embedder: bytes) -> Iterator[LoopbackHub]:
    """A Hub with one small repository."""
    with LoopbackHub() as hub:
        hub.add_repo(REPO, {"tiny-embed-Q8_0.gguf": embedder}, card_data={"license": "mit"})
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        yield hub


def untouched(cli: Cli) -> bool:
    """Nothing was pinned, and no name in the store promises bytes that are not there."""
    return not cli.lock.exists() and not cli.manifest.exists() and not cli.blobs()


def test_a_hub_that_is_down_is_named(cli: Cli) -> None:
    shown = cli.call("install", "embeddings")
    shown.failed(5, "`http://127.0.0.1:9` cannot be reached: connection refused", "HF_ENDPOINT", "`--offline`")
    assert untouched(cli)
    resolved = cli.call("resolve", "embeddings").passed()
    assert "not confirmed" in resolved.err and "connection refused" in resolved.err


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (faults.Status(401), 3, ["private"]),
        (faults.Status(403), 9, ["403"]),
        (faults.Status(403, "Access to this model is restricted", "GatedRepo"), 9, ["gated", "hf auth login"]),
        (faults.Status(404), 3, ["is not at"]),
        (faults.Status(404, "Repository not found", "RepoNotFound"), 3, ["is not at", "private"]),
        (faults.Status(429, retry_after="3600"), 5, ["limits requests", "1 h"]),
        (faults.Status(429, retry_after="garbage"), 5, ["limits requests"]),
        (faults.Status(500), 5, ["500"]),
        (faults.Status(503), 5, ["503"]),
        (faults.OtherBody(b"<html>Sign in</html>", "text/html"), 5, ["HF_ENDPOINT"]),
        (faults.OtherBody(b"[]", "application/json"), 5, []),
        (faults.without_keys("sha"), 5, []),
        (faults.deep_json(100_000), 5, []),
        (faults.NoAnswer(), 5, ["cannot be reached"]),
    ],
)  # fmt: skip
def test_faults_of_the_metadata(cli: Cli, tiny: LoopbackHub, fault: faults.Fault, code: int, words: list[str]) -> None:
    tiny.faults.add(fault, META)
    cli.call("install", REPO).failed(code, *words)
    assert untouched(cli) and tiny.count("GET", BYTES) == 0


def test_doctor_does_not_take_a_login_page_for_a_hub(cli: Cli, tiny: LoopbackHub) -> None:
    assert "ok    hub" in cli.call("doctor").out
    tiny.faults.add(faults.HTML_PAGE, "/api/whoami-v2")
    shown = cli.call("doctor")
    assert shown.code == 1 and "fail  hub" in shown.out and "login page" in shown.out


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (faults.Status(401), 9, ["401", "hf auth login"]),
        (faults.Status(403), 9, ["403", "Accept the terms"]),
        (faults.Status(404), 3, ["404", "is not at"]),
        (faults.Status(410), 3, ["410"]),
        (faults.Status(429, retry_after="3600"), 5, ["limits requests", "1 h"]),
        (faults.Status(500), 5, ["500", "Run the same command again"]),
        (faults.FlipBit(70_000), 4, ["Hash mismatch", "expected  sha256:", "computed  sha256:"]),
        (faults.Extra(100), 4, ["more than the promised"]),
        (faults.HTML_PAGE, 4, ["<!DOCTYPE html>", "login page"]),
        (faults.Gzip(), 5, ["compress"]),
        (faults.Redirect("file:///etc/passwd"), 5, ["not safe"]),
        (faults.REDIRECT_LOOP, 5, ["loop"]),
        (faults.reset(), 5, ["reset"]),
        (faults.NoAnswer(), 5, []),
    ],
)  # fmt: skip
def test_faults_of_the_bytes(cli: Cli, tiny: LoopbackHub, fault: faults.Fault, code: int, words: list[str]) -> None:
    tiny.faults.add(fault, BYTES, skip=1)  # the first request is for the header
    cli.call("install", REPO, "--task", "embeddings").failed(code, *words)
    assert untouched(cli)
    tiny.faults.clear()
    cli.call("install", REPO, "--task", "embeddings").passed()
    assert cli.parts() == []


def test_wrong_bytes_get_one_clean_second_try_and_are_not_kept(cli: Cli, tiny: LoopbackHub) -> None:
    tiny.faults.add(faults.FlipBit(70_000), BYTES, skip=1)
    shown = cli.call("install", REPO, "--task", "embeddings").failed(4)
    assert "starting from the beginning" in shown.err
    assert tiny.count("GET", BYTES) == 3  # header, first try, second try
    assert cli.parts() == [] and untouched(cli)


@pytest.mark.parametrize("fault", [faults.short_body(30_000), faults.reset(30_000), faults.IgnoreRange()])
def test_a_connection_that_ends_again_and_again_is_resumed(cli: Cli, tiny: LoopbackHub, fault: faults.Fault) -> None:
    tiny.faults.add(fault, BYTES, skip=1)
    cli.call("install", REPO, "--task", "embeddings").passed()
    cli.call("verify", "--no-smoke").passed()


def test_08_how_long_a_trickle_is_borne_can_be_set(cli: Cli, tiny: LoopbackHub) -> None:
    """A byte every half second is one each time that somebody reads: no read ever times out."""
    tiny.faults.add(faults.Throttle(2), BYTES, skip=1, times=1)  # the first request is for the header
    shown = cli.run("install", REPO, "--task", "embeddings", "--no-smoke", HF_HUB_DOWNLOAD_TIMEOUT="1").passed()
    assert "in 1 s" in shown.err and "trying again" in shown.err
    cli.run("cache", "dir", HF_HUB_DOWNLOAD_TIMEOUT="soon").failed(2, "HF_HUB_DOWNLOAD_TIMEOUT is `soon`")


def test_one_bad_answer_is_survived(cli: Cli, tiny: LoopbackHub) -> None:
    tiny.faults.add(faults.Status(503), BYTES, skip=1, times=1)
    tiny.faults.add(faults.short_body(30_000), BYTES, skip=1, times=1)
    tiny.faults.add(faults.Status(500), META, times=1)
    shown = cli.call("install", REPO, "--task", "embeddings").passed()
    assert "trying again" in shown.err and "remaining" in shown.err


def test_a_mirror_that_serves_other_bytes_is_found_out(cli: Cli, tiny: LoopbackHub, embedder: bytes) -> None:
    cli.call("install", REPO, "--task", "embeddings").passed()
    pinned = cli.lock.read_bytes()
    clone = cli.clone()
    tiny.faults.add(faults.OtherContent(Generated(len(embedder))), BYTES)
    clone.call("install").failed(4, "Hash mismatch")
    clone.call("verify").failed(4)
    assert clone.blobs() == [] and clone.lock.read_bytes() == pinned


def test_a_gated_repository_needs_a_token_and_gets_it_only_at_the_hub(cli: Cli, embedder: bytes) -> None:
    from tests.loopback import Token

    with LoopbackHub(cdn=True) as hub:
        hub.add_repo(REPO, {"tiny-embed-Q8_0.gguf": embedder}, gated="manual", card_data={"license": "mit"})
        hub.tokens["hf_secret"] = Token("ada")
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        shown = cli.call("install", REPO).failed(9, "gated", f"{hub.endpoint}/{REPO}", "hf auth login")
        assert untouched(cli)
        done = cli.call("install", REPO, "--task", "embeddings", HF_TOKEN="hf_secret").passed()
        for request in hub.cdn_requests:
            assert request.authorization is None
        assert any(request.authorization == "Bearer hf_secret" for request in hub.requests)
    for text in (shown.err, done.err, cli.lock.read_text(), cli.manifest.read_text()):
        assert "hf_secret" not in text


def test_a_disk_that_fills_up(cli: Cli, tiny: LoopbackHub) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))

    done = subprocess.run(
        cli.command("install", REPO, "--task", "embeddings"),
        cwd=cli.directory,
        env={**cli.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == 6, done.stderr
    assert ".incomplete`" in done.stderr and "hint:" in done.stderr and "Traceback" not in done.stderr
    assert untouched(cli)
    cli.call("install", REPO, "--task", "embeddings").passed()


def test_a_disk_with_too_little_space_is_told_before_the_first_byte(
    cli: Cli, tiny: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    usage = shutil.disk_usage(cli.directory)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    cli.call("install", REPO, "--task", "embeddings").failed(6, "Not enough space", "97.7 KiB free", "HF_HUB_CACHE")
    assert tiny.count("GET", BYTES) <= 1


def models() -> dict[str, Callable[[Path], bytes]]:
    return {
        "garbage": lambda path: write_llama(path)[0].read_bytes(),
        "unknown architecture": lambda path: write_unknown_architecture(path).read_bytes(),
        "cut off": lambda path: write_llama(path)[0].read_bytes()[:-4000],
    }


@pytest.mark.parametrize("name", models())
def test_a_model_that_does_not_do_its_task_is_not_pinned(
    cli: Cli, tmp_path: Path, name: str, tiny: LoopbackHub
) -> None:
    cli.call("install", REPO, "--task", "embeddings", "--name", "mine").passed()
    before = cli.lock.read_bytes(), cli.manifest.read_bytes()
    data = models()[name](tmp_path / "bad.gguf")
    tiny.add_repo("maker/bad-GGUF", {"bad-Q8_0.gguf": data}, card_data={"license": "mit"})
    shown = cli.call("install", "maker/bad-GGUF", "--task", "text-to-sql", "-c", "512")
    shown.failed(4 if name == "cut off" else 8)
    assert (cli.lock.read_bytes(), cli.manifest.read_bytes()) == before
    if name == "garbage":
        assert "does not do its task" in shown.err and "`--no-test`" in shown.err
        cli.call("install", "maker/bad-GGUF", "--task", "text-to-sql", "-c", "512", "--no-smoke").passed()
        cli.call("smoke", "bad").failed(8, "does not do its task")
        verified = cli.call("verify", "bad", "mine")
        assert verified.code == 8 and "1 of 2 models verified" in verified.err
    if name == "unknown architecture":
        assert "unheard-of" in shown.err


@pytest.mark.parametrize("name", ["wrong magic", "version 99", "cut off", "array length"])
def test_a_file_that_is_no_model_is_not_pinned(cli: Cli, tiny: LoopbackHub, name: str) -> None:
    data = BAD_FILES[name].ljust(4096, b"\0")
    tiny.add_repo("maker/bad-GGUF", {"bad-Q8_0.gguf": Bytes(data)}, card_data={"license": "mit"})
    shown = cli.call("install", "maker/bad-GGUF")
    assert shown.code in (4, 8), shown
    shown.failed(shown.code, "bad-Q8_0.gguf")
    assert not cli.lock.exists()


def test_a_repository_without_models_is_told(cli: Cli, tiny: LoopbackHub) -> None:
    tiny.add_repo("maker/empty", {"README.md": b"# nothing"})
    cli.call("install", "maker/empty").failed(3, "holds no GGUF model", "`-GGUF`")
    tiny.add_repo("maker/shards", {"m-Q8_0-00001-of-00002.gguf": b"GGUF"})
    cli.call("install", "maker/shards").failed(3, "holds no GGUF model")


def test_a_parameter_count_that_cannot_be_true_is_not_believed(cli: Cli, tiny: LoopbackHub) -> None:
    for total in (1, 10_000, 10**15):
        tiny.state.repo(REPO).gguf = {"total": total, "architecture": "bert", "context_length": 256}
        shown = cli.call("resolve", REPO, "--json").passed().json["choice"]
        assert 0 < shown["speed"]["prefill"] < 1e9
    cli.call("install", REPO, "--task", "embeddings").passed()


def test_names_from_the_hub_cannot_move_the_cursor_or_leave_the_store(
    cli: Cli, tiny: LoopbackHub, embedder: bytes
) -> None:
    def rename(document: dict[str, Any]) -> dict[str, Any]:
        for sibling in document["siblings"]:
            sibling["rfilename"] = "../../../evil-Q8_0.gguf"
        return document

    tiny.faults.add(faults.EditJson(rename), META)
    cli.call("install", REPO).failed(3, "holds no GGUF model")
    tiny.faults.clear()
    shutil.rmtree(Path(cli.environment["LMPM_HOME"]) / "hub")  # the answer that was kept
    tiny.faults.add(faults.Status(403, "\x1b[2J no"), META)
    shown = cli.call("install", REPO).failed(9)
    assert "\x1b" not in shown.err


def test_text_from_the_hub_cannot_command_the_terminal(cli: Cli, tiny: LoopbackHub) -> None:
    tiny.state.repo(REPO).card_data["license"] = "\x1b[2J\u202egpl"
    for command in (("resolve", REPO), ("resolve", REPO, "--explain"), ("why", REPO), ("install", REPO, "--dry-run")):
        shown = cli.call(*command, "--task", "embeddings").passed()
        assert "\x1b" not in shown.out + shown.err and "\u202e" not in shown.out + shown.err


def test_when_the_best_cannot_be_had_the_next_is_taken(cli: Cli, hub: LoopbackHub) -> None:
    best = (
        cli.call("resolve", "embeddings", "--offline", "--json").passed().json["choice"]
    )  # whatever suits this machine
    hub.faults.add(faults.Status(404, "Repository not found", "RepoNotFound"), f"*{best['repo']}*")
    shown = cli.call("install", "embeddings", "--json").passed()
    (model,) = shown.json["models"]
    assert model["choice"]["model"] != best["model"]
    refused = [row for row in model["rejected"] if row["reason"] == "unreadable"]
    assert refused and refused[0]["model"] == best["model"]


def test_when_none_of_the_best_can_be_had_that_is_the_error(cli: Cli, hub: LoopbackHub) -> None:
    hub.faults.add(faults.Status(403, "no", "GatedRepo"), META)
    shown = cli.call("install", "text-to-sql", "--hardware", "M2, 16GB").failed(9, "None of the", "is gated")
    assert "fits this machine" not in shown.err
    hub.faults.clear()
    hub.faults.add(faults.Status(404, "gone", "RepoNotFound"), META)
    cli.call("install", "text-to-sql", "--hardware", "M2, 16GB").failed(3, "None of the")
    assert untouched(cli)


def test_a_read_only_store_still_serves(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "embeddings").passed()
    for path in [cli.store, *cli.store.rglob("*")]:
        if path.is_dir():
            path.chmod(0o555)
    try:
        cli.call("verify").passed()
        cli.call("path", "embeddings").passed()
        if os.geteuid() != 0:
            cli.call("install", "all-minilm-l6-v2").failed(6, "No permission")
    finally:
        for path in [cli.store, *cli.store.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)

"""A colleague's machine: only lmpm.toml and lmpm.lock, an empty store, and other hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.loopback import LoopbackHub


@pytest.fixture
def installed(cli: Cli, hub: LoopbackHub) -> Cli:
    cli.call("install", "embeddings").passed()
    hub.reset_log()
    return cli


def test_verify_names_what_is_missing_and_install_brings_it(installed: Cli, hub: LoopbackHub) -> None:
    clone = installed.clone()
    missing = clone.run("verify").failed(4, "0 of 1 models verified", "`lmpm verify --fetch` or `lmpm install`")
    assert "missing" in missing.out and " Q8_0, " in missing.out and "KiB" in missing.out
    clone.call("path", "embeddings").failed(4, "`embeddings` is not on this machine", "lmpm install")
    clone.call("smoke", "embeddings").failed(4, "is not on this machine")
    listed = clone.call("list").passed()
    assert "missing" in listed.out and "`lmpm install`" in listed.err
    clone.call("install", "--offline").failed(4, "network is switched off")
    assert len(hub.requests) == 0

    shown = clone.run("install").passed()
    assert "as the lock pins it" in shown.err and "3 of 3 answers right" in shown.err
    assert clone.lock.read_bytes() == installed.lock.read_bytes()
    clone.run("verify").passed()
    hub.reset_log()
    assert clone.call("install").passed().err.strip().endswith("nothing to do")
    assert len(hub.requests) == 0


def test_verify_can_fetch_what_is_missing(installed: Cli) -> None:
    clone = installed.clone()
    clone.call("verify", "--fetch", "--offline").failed(4)
    assert "sha256 matches lmpm.lock" in clone.call("verify", "--fetch").passed().out


def test_install_of_a_name_takes_the_lock_as_it_is(installed: Cli, hub: LoopbackHub) -> None:
    clone = installed.clone()
    clone.call("install", "embeddings").passed()
    assert hub.count("GET", "/api/*") == 0  # the lock says everything
    assert clone.lock.read_bytes() == installed.lock.read_bytes()


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "one bit": lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
    "cut off": lambda data: data[:-1],
    "longer": lambda data: data + b"x",
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_found_named_and_mended(installed: Cli, name: str) -> None:
    (blob,) = installed.blobs()
    data = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(DAMAGES[name](data))
    shown = installed.call("verify")
    shown.failed(4, "0 of 1 models verified", "lmpm install")
    assert ("failed" in shown.out and blob.name[:12] in shown.out) or "bytes instead of" in shown.out
    installed.call("install").passed()
    installed.call("verify").passed()
    assert installed.blobs()[0].read_bytes() == data


def test_a_damaged_file_of_the_old_time_is_not_trusted_by_quick(installed: Cli) -> None:
    (blob,) = installed.blobs()
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[5000] ^= 1
    blob.write_bytes(data)
    installed.call("verify", "--quick", "--no-smoke").failed(4)


@pytest.mark.parametrize("thing", ["directory", "fifo", "dangling link"])
def test_things_that_are_no_files_are_named_and_never_opened(installed: Cli, thing: str, tmp_path: Path) -> None:
    import os

    path = Path(installed.call("path", "embeddings").out.strip())
    (blob,) = installed.blobs()
    blob.unlink()
    if thing == "directory":
        blob.mkdir()
    elif thing == "fifo":
        os.mkfifo(blob)
    shown = installed.run("verify", timeout=30)
    assert shown.code == 4
    assert path.is_symlink()
    words = {"directory": "a directory", "fifo": "a named pipe", "dangling link": "a link to nothing"}
    assert words[thing] in shown.out + shown.err


def test_remove_works_without_a_lock_and_with_a_name_given_twice(installed: Cli) -> None:
    installed.lock.unlink()
    installed.call("remove", "embeddings", "embeddings").passed()
    assert "embeddings" not in installed.manifest.read_text() and not installed.lock.exists()
    installed.call("remove", "embeddings").failed(7, "No `lmpm.lock`")


def test_list_and_verify_say_where_the_lock_is_stale(installed: Cli) -> None:
    with installed.manifest.open("a") as file:
        file.write('chat = { task = "chat" }\n')
    for command in ("list", "verify --no-smoke"):
        shown = installed.call(*command.split()).passed()
        assert "note: `chat` is in `lmpm.toml` but not in `lmpm.lock`: `lmpm install` mends it" in shown.err


class TestLocked:
    """`install --locked` changes nothing, and says why it cannot go on."""

    def test_without_a_lock(self, cli: Cli) -> None:
        cli.manifest.write_text('[models]\nembeddings = { task = "embeddings" }\n')
        cli.call("install", "--locked").failed(7, "No `lmpm.lock`")
        assert not cli.lock.exists()

    def test_with_a_stale_one_every_reason_is_given(self, installed: Cli, hub: LoopbackHub) -> None:
        installed.manifest.write_text(
            '[models]\nembeddings = { task = "embeddings", context = 256 }\nchat = { task = "chat" }\n'
            '[targets]\nm2 = { hardware = "M2, 16GB" }\n'
        )
        before = installed.lock.read_bytes()
        shown = installed.call("install", "--locked").failed(7, "needs to be updated, but `--locked` was provided")
        for reason in (
            "`chat` is in `lmpm.toml` but not in `lmpm.lock`",
            "`embeddings` asks for context 256, the lock has 512",
            "no candidate for the target `m2`",
        ):
            assert reason in shown.err
        assert "To update the lock, run `lmpm install` without `--locked`" in shown.err
        assert installed.lock.read_bytes() == before and len(hub.requests) == 0

    def test_with_a_fresh_one(self, installed: Cli) -> None:
        installed.call("install", "--locked").passed()
        installed.call("install", "embeddings", "--locked").passed()
        installed.clone().call("install", "--locked").passed()

    def test_another_reference(self, installed: Cli) -> None:
        installed.call("install", "all-minilm-l6-v2", "--locked").failed(7, "`all-minilm-l6-v2` is not in it")


class TestEditedManifest:
    """`install` without a name makes lock and machine equal to what people wrote."""

    def test_a_new_line_is_installed_and_pinned(self, installed: Cli) -> None:
        with installed.manifest.open("a") as file:
            file.write('small = { ref = "all-minilm-l6-v2", context = 256 }\n')
        shown = installed.call("install").passed()
        assert "Installed small" in shown.err and "embeddings is installed" in shown.err
        assert [model.name for model in load_lock(installed.lock).models] == ["embeddings", "small"]
        installed.call("install", "--locked").passed()

    def test_a_changed_line_is_pinned_again(self, installed: Cli) -> None:
        installed.manifest.write_text('[models]\nembeddings = { task = "embeddings", context = 256 }\n')
        installed.call("install").passed()
        locked = load_lock(installed.lock).get("embeddings")
        assert locked is not None and locked.requested["context"] == 256

    def test_a_line_that_was_taken_out_leaves_the_lock(self, installed: Cli) -> None:
        installed.manifest.write_text("[models]\n")
        installed.call("install", "--locked").failed(7, "is in `lmpm.lock` but not in `lmpm.toml`")
        installed.call("install", "--dry-run").passed()
        assert len(load_lock(installed.lock).models) == 1
        assert "Unpinned" in installed.call("install").passed().err
        assert load_lock(installed.lock).models == ()
        installed.call("install", "--locked").passed()

    def test_a_line_taken_out_and_asked_for_again_comes_back(self, installed: Cli) -> None:
        installed.manifest.write_text("[models]\n")
        installed.call("install", "embeddings").passed()
        assert "embeddings" in installed.manifest.read_text()

    def test_comments_of_people_stay(self, installed: Cli) -> None:
        text = installed.manifest.read_text() + "# mine\n"
        installed.manifest.write_text(text)
        installed.call("install", "all-minilm-l6-v2").passed()
        installed.call("remove", "all-minilm-l6-v2").passed()
        assert "# mine" in installed.manifest.read_text()

    def test_a_dry_run_of_a_stale_lock_changes_nothing(self, installed: Cli) -> None:
        installed.manifest.write_text('[models]\nembeddings = { task = "embeddings", context = 256 }\n')
        before = installed.lock.read_bytes()
        assert "dry run" in installed.call("install", "--dry-run").passed().err
        assert installed.lock.read_bytes() == before


class TestOtherMachines:
    """One lock serves the declared machines, each with what was chosen for it."""

    def test_each_target_takes_its_own_rung(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.manifest.write_text('[targets]\nbig = { hardware = "RTX 4090, 64GB" }\nmac = { hardware = "M2, 16GB" }\n')
        cli.call("install", "embeddings", "--hardware", "CPU, 2 cores, 24GB").passed()
        locked = load_lock(cli.lock).get("embeddings")
        assert locked is not None
        assert {target for rung in locked.candidates for target in rung.targets} == {"big", "mac"}
        for name, hardware in (("big", "RTX 4090, 64GB"), ("mac", "M2, 16GB")):
            (row,) = cli.call("list", "--json", "--hardware", hardware).passed().json["models"]
            served = next(rung for rung in locked.candidates if name in rung.targets)
            assert (row["model"], row["quant"]) == (served.model, served.quant)

    def test_a_target_that_nothing_fits_is_an_error_before_anything_is_pinned(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.manifest.write_text('[targets]\ntiny = { hardware = "CPU, 0.5GB" }\n')
        cli.call("install", "text-to-sql", "--no-smoke", "--hardware", "M2, 16GB").failed(
            3, "the target `tiny`", "needs"
        )
        assert not cli.lock.exists()

    def test_a_machine_too_small_for_every_rung_is_told_so(self, cli: Cli, hub: LoopbackHub) -> None:
        from dataclasses import replace

        from lmpm.project.lock.file import write_lock

        cli.call("install", "embeddings").passed()
        lock = load_lock(cli.lock)
        (model,) = lock.models
        huge = tuple(replace(rung, memory=40 << 30) for rung in model.candidates)
        write_lock(cli.lock, lock.with_model(replace(model, candidates=huge)))
        shown = cli.call("path", "embeddings", "--hardware", "M2, 16GB")
        shown.failed(
            3, "Nothing that the lock has for `embeddings` can be taken", "needs 40.0 GiB, budget 10.7 GiB", "[targets]"
        )
        verified = cli.call("verify", "--hardware", "M2, 16GB")
        verified.failed(4, "0 of 1 models verified")
        assert "memory is" in verified.out, "what is here says that the lock does not say the truth"
        (row,) = cli.call("list", "--json", "--hardware", "M2, 16GB").passed().json["models"]
        assert row["present"] is False and "can be taken" in row["error"]
        cli.call("install", "embeddings", "--hardware", "M2, 16GB").passed()  # a rung for it is made
        cli.call("path", "embeddings", "--hardware", "M2, 16GB").passed()

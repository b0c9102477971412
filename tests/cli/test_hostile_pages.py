"""What a page of the Hub says and no lock could hold is found, or named, before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.gguf_files import CHAT_TEMPLATE, write_llama
from tests.loopback import LoopbackHub, faults

REPO, FILE = "acme/Tiny-Instruct-GGUF", "Tiny-Instruct-Q8_0.gguf"


@pytest.fixture
def hub(cli: Cli, tmp_path: Path) -> Iterator[LoopbackHub]:
    (path,) = write_llama(tmp_path / "m.gguf", chat_template=CHAT_TEMPLATE)
    with LoopbackHub() as served:
        served.add_repo(REPO, {FILE: path.read_bytes()})
        cli.environment["HF_ENDPOINT"] = served.endpoint
        yield served


def edit(hub: LoopbackHub, **facts: object) -> None:
    hub.faults.add(faults.EditJson(lambda page: page | facts), "/api/models/*")


@pytest.mark.parametrize("license_", ["\x1b[31mmit", "\u202emit", "x" * 5000, "a\nb", "", "\x00"])
def test_a_license_tag_that_is_no_name_is_none(cli: Cli, hub: LoopbackHub, license_: str) -> None:
    edit(hub, tags=["gguf", f"license:{license_}"])
    said = cli.call("install", REPO, "--no-smoke", "--context", "256").passed()
    assert "\x1b" not in said.err and load_lock(cli.lock).models[0].candidates[0].license == "unknown"
    cli.manifest.write_text(f'{cli.manifest.read_text()}[policy]\nlicenses = {{ allow = ["mit"] }}\n')
    cli.lock.unlink()
    cli.call("install", "--no-smoke").failed(9, "unknown is not among the allowed licences")


@pytest.mark.parametrize("name", ["../x-Q8_0.gguf", "CON.gguf", "a\\..\\b.gguf", "\x1b[2Jm.gguf", "/m.gguf"])
def test_a_file_whose_name_cannot_be_stored_is_named(cli: Cli, hub: LoopbackHub, name: str) -> None:
    lfs = {"sha256": "a" * 64, "size": 9, "pointerSize": 1}
    edit(hub, siblings=[{"rfilename": name, "lfs": lfs, "size": 9}])
    said = cli.call("install", REPO, "--no-smoke").failed(3, "left out for a name that cannot be stored safely")
    assert "\x1b" not in said.err and name[-6:] in said.err
    assert hub.count("GET", "*/resolve/*") == 0


def test_an_architecture_that_no_lock_could_hold(cli: Cli, hub: LoopbackHub) -> None:
    edit(hub, gguf={"total": 1000, "architecture": "\x1b[31m", "context_length": 512})
    cli.call("install", REPO, "--no-smoke", "--context", "256").passed()

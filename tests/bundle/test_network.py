"""Bundles of what a Hub has: texts of licences, files that are not here yet, and which candidates go in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmpm.project.lock.file import load_lock, write_lock
from lmpm.project.lock.records import Lock, LockedModel
from lmpm.project.lock.twins import Twin
from lmpm.types import HubSource, ModelFile
from tests.conftest import Cli
from tests.gguf_files import write_llama
from tests.loopback import LoopbackHub, faults
from tests.stored import Piece, model, piece

REPO, COMMIT = "maker/m-GGUF", "1" * 40
LICENSE = b"You may do as you like.\n"


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Piece, Piece]:
    folder = tmp_path_factory.mktemp("gguf")
    large, small = (write_llama(folder / f"{name}.gguf", name=name)[0].read_bytes() for name in ("large", "small"))
    return piece("large", large), piece("small", small)


@pytest.fixture
def hub(cli: Cli, pieces: tuple[Piece, Piece]) -> Iterator[LoopbackHub]:
    """A Hub with both files, and a lock in which a machine takes the one or the other."""
    with LoopbackHub() as hub:
        files: dict[str, Any] = {item.file.path: item.data for item in pieces}
        hub.add_repo(REPO, {**files, "LICENSE": LICENSE, "README.md": b"# A card\n"}, commit_id=COMMIT)
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        large, small = (model("chat", item).candidates[0] for item in pieces)
        rungs = (
            replace(large, model="Large", memory=30 * 2**30, score=80.0, targets=("big",)),
            replace(small, model="Small", memory=2**30, score=50.0, targets=("small",)),
        )
        write_lock(cli.lock, Lock((LockedModel(name="chat", requested={"ref": REPO}, candidates=rungs),)))
        cli.manifest.write_text(
            f'[models]\nchat = {{ ref = "{REPO}" }}\n'
            '[targets]\nbig = { hardware = "M2, 64GB" }\nsmall = { hardware = "M2, 8GB" }\n',
            "utf-8",
        )
        yield hub


def index_of(place: Path) -> Any:
    return json.loads((place / "BUNDLE.json").read_text("utf-8"))


def packed(place: Path) -> set[str]:
    return {item["model"] for item in index_of(place)["models"]}


def test_texts_of_licences_come_from_the_pinned_commit(cli: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.commit(REPO, {"LICENSE": b"Nothing is allowed any more.\n"})
    cli.call("bundle", "create", tmp_path / "made", "--fetch").passed()
    folder = tmp_path / "made/licenses/maker--m-GGUF"
    assert (folder / "LICENSE").read_bytes() == LICENSE and (folder / "README.md").read_bytes() == b"# A card\n"
    assert not any("no text of the licence" in item["why"] for item in index_of(tmp_path / "made")["left_out"])


@pytest.mark.parametrize("fault", [faults.Status(503), faults.OtherBody(b"x" * (2**20 + 1))])
def test_a_text_that_does_not_come_is_named(cli: Cli, hub: LoopbackHub, tmp_path: Path, fault: faults.Fault) -> None:
    hub.faults.add(fault, "*/LICENSE")
    cli.call("bundle", "create", tmp_path / "made", "--fetch").passed()
    assert any("no text of the licence `mit`" in item["why"] for item in index_of(tmp_path / "made")["left_out"])
    assert not (tmp_path / "made/licenses/maker--m-GGUF/LICENSE").exists()


def test_what_is_not_here_comes_only_when_asked_for(cli: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
    cli.call("bundle", "create", tmp_path / "made").failed(4, "chat")
    assert not (tmp_path / "made").exists() and not cli.blobs()
    cli.call("bundle", "create", tmp_path / "made", "--fetch").passed()
    cli.call("bundle", "verify", tmp_path / "made").passed()


def test_which_candidates_go_in(cli: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
    for number, (options, models) in enumerate(
        {
            ("--target", "small"): {"Small"},
            ("--target", "big"): {"Large"},
            ("--all",): {"Large", "Small"},
            (): {"Large", "Small"},
        }.items()
    ):
        place = tmp_path / f"made-{number}"
        cli.call("bundle", "create", place, "--fetch", *options).passed()
        assert packed(place) == models, options
        left = {item["model"] for item in index_of(place)["left_out"] if item["model"]}
        assert left == {"Large", "Small"} - models
    cli.call("bundle", "create", tmp_path / "none", "--target", "smal").failed(3, "small")


def test_a_wrong_byte_of_the_hub_gives_no_bundle(cli: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults.add(faults.FlipBit(4000), "*/large.gguf")
    cli.call("bundle", "create", tmp_path / "made", "--fetch", "--all").failed(4)
    assert not (tmp_path / "made").exists()


def test_twins_are_named_as_left_out(cli: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
    (entry,) = load_lock(cli.lock).models
    file = ModelFile(path="model.safetensors", size=9, sha256="8" * 64)
    twin = Twin(
        form="safetensors",
        of=entry.candidates[0].files[0].sha256 or "",
        base_model="maker/m",
        source=HubSource("maker/m", "2" * 40),
        license="mit",
        files=(file,),
    )
    write_lock(cli.lock, Lock((replace(entry, twins=(twin,)),)))
    cli.call("bundle", "create", tmp_path / "none", "--fetch", "--all").failed(3, "model.safetensors")  # all is all
    assert not (tmp_path / "none").exists()
    cli.call("bundle", "create", tmp_path / "made", "--fetch").passed()
    (left,) = (item for item in index_of(tmp_path / "made")["left_out"] if item["model"].startswith("maker/m @"))
    assert "twin" in left["why"]
    assert (tmp_path / "made/lmpm.lock").read_bytes() == cli.lock.read_bytes()

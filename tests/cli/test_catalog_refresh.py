"""`lmpm catalog refresh`: what the Hub says of the catalog's files is filled in, and what changed there is reported."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from lmpm import catalog
from lmpm.catalog import CatalogModel
from tests.conftest import Cli
from tests.loopback import LoopbackHub
from tests.loopback.families import add_listed, listings

ORIGINAL: Final = catalog.directory()
NAME: Final = "glm-4.6v-flash"


@pytest.fixture
def place(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the catalog, with one model without pins and with comments in its file."""
    directory = tmp_path / "catalog"
    shutil.copytree(ORIGINAL, directory)
    monkeypatch.setattr(catalog, "directory", lambda: directory)
    file = directory / "models" / f"{NAME}.toml"
    text = re.sub(r"^revision = .*\n", "", file.read_text("utf-8"), flags=re.MULTILINE)
    text = re.sub(r'size = [\d_]+, sha256 = "\w+"', "size = 1_000_000, approximate = true", text)
    file.write_text(
        text.replace("[[repo]]", "# from the makers\n[[repo]]", 1).replace("size = ", "size = ", 1), "utf-8"
    )
    return directory


@pytest.fixture
def listed(hub: LoopbackHub) -> LoopbackHub:
    """The Hub with the repositories of the model as they are listed."""
    wanted = {repo.id for repo in read(ORIGINAL).repos}
    found = [item for item in listings() if item.id in wanted]
    assert found
    for item in found:
        add_listed(hub, item)
    return hub


def read(directory: Path) -> CatalogModel:
    """The model as its file holds it."""
    found = catalog.load(directory).model(NAME)
    assert found is not None
    return found


def text_of(directory: Path) -> str:
    return (directory / "models" / f"{NAME}.toml").read_text("utf-8")


def test_what_is_not_pinned_is_filled_in_and_comments_stay(cli: Cli, place: Path, listed: LoopbackHub) -> None:
    before = text_of(place)
    assert f"pinned: {NAME}, " in cli.call("catalog", "refresh", NAME, "--dry-run").passed().out
    assert text_of(place) == before
    cli.call("catalog", "refresh", NAME).passed()
    pinned = 0
    for repo in read(place).repos:
        if repo.id.lower() not in listed.state.repositories:
            continue
        there = listed.state.repo(repo.id)
        assert repo.revision == there.commit
        for file in repo.files:
            if file.path in there.files:
                known = there.files[file.path]
                assert (file.size, file.sha256, file.approximate) == (known.size, known.content.sha256, False)
                pinned += 1
    assert pinned >= 3
    after = text_of(place)
    assert "# from the makers\n[[repo]]" in after
    assert [line for line in after.splitlines() if line.startswith("#")] == [
        line for line in before.splitlines() if line.startswith("#")
    ]
    unchanged = before.partition("[[repo]]")[0]
    assert after.startswith(unchanged)
    assert re.search(r'id = ".*"\nrevision = "[0-9a-f]{40}"\n', after)
    assert [problem for problem in catalog.check(place) if NAME in problem.file and problem.kind == "unknown"] == []
    again = cli.call("catalog", "refresh", NAME).passed()
    assert "0 repositories" in again.err and "pinned:" not in again.out
    assert text_of(place) == after


def test_what_changed_upstream_is_reported_and_its_pin_stays(cli: Cli, place: Path, listed: LoopbackHub) -> None:
    cli.call("catalog", "refresh", NAME).passed()
    before = text_of(place)
    repo = next(repo for repo in read(place).repos if repo.revision and len(repo.files) > 2)
    first, second, *_ = [file.path for file in repo.files if file.sha256]
    listed.commit(repo.id, {first: b"GGUF other bytes", second: None})
    said = cli.call("catalog", "refresh", NAME).passed().out
    assert f"changed: {NAME}, {repo.id}: `{first}` was uploaded again" in said
    assert f"vanished: {NAME}, {repo.id}: the newest commit does not have `{second}`" in said
    assert text_of(place) == before
    listed.rewrite(repo.id, first, b"GGUF other bytes again")
    del listed.state.repositories[repo.id.lower()]
    assert f"gone: {NAME}, {repo.id}" in cli.call("catalog", "refresh", NAME).passed().out
    assert text_of(place) == before


def test_a_sha256_without_a_commit_is_a_pin_of_the_bytes(cli: Cli, place: Path, listed: LoopbackHub) -> None:
    cli.call("catalog", "refresh", NAME).passed()
    whole = text_of(place)
    file = place / "models" / f"{NAME}.toml"
    file.write_text(re.sub(r"^revision = .*\n", "", whole, flags=re.MULTILINE), "utf-8")
    cli.call("catalog", "refresh", NAME).passed()
    assert text_of(place) == whole  # the commit holds these bytes
    repo = next(repo for repo in read(place).repos if repo.revision)
    sha256 = next(file.sha256 for file in repo.files if file.sha256) or ""
    file.write_text(re.sub(r"^revision = .*\n", "", whole, flags=re.MULTILINE).replace(sha256, "f" * 64), "utf-8")
    before = text_of(place)
    said = cli.call("catalog", "refresh", NAME).passed().out
    assert f"unknown bytes: {NAME}, {repo.id}: the newest commit does not hold" in said
    assert next(item for item in read(place).repos if item.id == repo.id).revision is None
    assert before.count(sha256) == 0 == text_of(place).count(sha256)


def test_without_a_network_or_a_known_name_nothing_happens(cli: Cli, place: Path) -> None:
    before = text_of(place)
    cli.call("catalog", "refresh", "glm-4.6v-flsh").failed(3, NAME)
    cli.environment["HF_HUB_OFFLINE"] = "1"
    cli.call("catalog", "refresh", NAME).failed(5)
    assert text_of(place) == before


def test_what_people_want_and_the_catalog_lacks(hub: LoopbackHub, place: Path, cli: Cli) -> None:
    for number in range(2):
        hub.add_repo(
            f"someone/New-7B-GGUF-{number}", {"New-7B-Q4_K_M.gguf": b"GGUF"}, downloads=600_000,
            card_data={"base_model": "lab/New-7B"},
        )  # fmt: skip
    hub.add_repo(
        "unsloth/Known-GGUF", {"a-Q4_K_M.gguf": b"GGUF"}, downloads=9, card_data={"base_model": "Qwen/Qwen3.8-27B"}
    )
    for model in (place / "models").iterdir():
        if model.stem != NAME:
            model.unlink()
    said = cli.call("catalog", "refresh").passed().out
    assert "wanted: lab/New-7B: 1,200,000 downloads" in said and "Qwen3.8-27B" not in said

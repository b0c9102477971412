"""`lmpm cache`, and the store that `--store` moves, as users run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lmpm.cli.commands.cache import NOTES
from lmpm.project.registry import KnownProjects
from lmpm.store.cache import Store
from tests.conftest import Cli
from tests.loopback import LoopbackHub
from tests.stored import age, bring, lay, model, piece, project

PINNED, LOOSE, ABSENT = piece("pinned"), piece("loose"), piece("absent")


@pytest.fixture
def store(cli: Cli, tmp_path: Path) -> Store:
    """A store of two files, one of which the lock of the project names."""
    made = Store(cli.store, Path(cli.environment["LMPM_HOME"]))
    for item in (PINNED, LOOSE):
        bring(made, item, tmp_path / "scratch")
    age(made.root)
    project(cli.directory, KnownProjects(tmp_path / "unknown"), model("sql", PINNED), model("later", ABSENT))
    return made


def test_dir(cli: Cli, tmp_path: Path) -> None:
    assert cli.call("cache", "dir").passed().out == f"{cli.store}\n"
    assert cli.call("cache", "dir", "--json").passed().json["store"] == str(cli.store)
    moved = cli.call("cache", "dir", HF_HUB_CACHE=str(tmp_path / "moved")).passed()
    assert moved.out == f"{tmp_path / 'moved'}\n"
    assert cli.call("cache", "dir", "--store", "here").passed().out == f"{cli.directory / 'here'}\n"
    cli.call("cache", "dir", "--store", "").failed(2, "--store")


class TestList:
    def test_what_size_and_who(self, cli: Cli, store: Store) -> None:
        lay(store, piece("foreign"))
        result = cli.call("cache", "list").passed()
        rows = {line.split()[3]: line for line in result.out.splitlines()}
        assert rows["pinned.gguf"].endswith(f"maker/m-GGUF  pinned.gguf   sql in ~/{cli.directory.name}")
        assert rows["pinned.gguf"].startswith("5.9 KiB")
        assert rows["loose.gguf"].endswith("in no known lock")
        assert rows["foreign.gguf"].endswith("of another tool")
        assert "3 files" in result.err and str(cli.store) in result.err

    def test_json(self, cli: Cli, store: Store) -> None:
        part = store.part(LOOSE.source, ABSENT.file)
        part.write_bytes(b"half")
        data = cli.call("cache", "list", "--json").passed().json
        files = {file["path"]: file for file in data["files"]}
        assert files["pinned.gguf"] == {
            "repo": "maker/m-GGUF",
            "path": "pinned.gguf",
            "size": PINNED.file.size,
            "sha256": PINNED.file.sha256,
            "by_lmpm": True,
            "used_by": [{"project": str(cli.directory), "model": "sql"}],
        }
        (unfinished,) = data["unfinished"]
        assert (unfinished["path"], unfinished["sha256"]) == (str(part), ABSENT.file.sha256)
        assert unfinished["used_by"] == [{"project": str(cli.directory), "model": "later"}]
        assert data["size"] == PINNED.file.size + LOOSE.file.size
        assert data["projects"] == [{"directory": str(cli.directory), "error": None}]

    def test_nothing_yet(self, cli: Cli) -> None:
        result = cli.call("cache", "list").passed()
        assert result.out == "" and "0 files" in result.err


class TestPrune:
    def test_first_only_shown_then_done(self, cli: Cli, store: Store) -> None:
        shown = cli.call("cache", "prune").passed()
        assert "loose.gguf" in shown.out and "pinned.gguf" not in shown.out
        assert "`lmpm cache prune --yes`" in shown.err
        assert store.find(LOOSE.source, LOOSE.file)
        done = cli.call("cache", "prune", "--yes").passed()
        assert "loose.gguf" in done.out and "free again" in done.err
        assert not store.find(LOOSE.source, LOOSE.file)
        assert store.find(PINNED.source, PINNED.file)
        assert "Nothing to prune" in cli.call("cache", "prune").passed().err

    def test_json(self, cli: Cli, store: Store) -> None:
        shown = cli.call("cache", "prune", "--json").passed().json
        assert (shown["removed"], shown["freed"]) == (False, LOOSE.file.size)
        done = cli.call("cache", "prune", "--yes", "--json").passed().json
        assert done["removed"] is True
        assert [(file["path"], file["freed"]) for file in done["files"]] == [("loose.gguf", LOOSE.file.size)]

    def test_any_project_that_was_used_protects_its_files(self, cli: Cli, store: Store, tmp_path: Path) -> None:
        other = cli.beside("other")
        project(other.directory, KnownProjects(tmp_path / "unknown"), model("code", LOOSE))
        other.call("list").passed()  # any command that reads the lock
        assert "Nothing to prune" in cli.call("cache", "prune", "--yes").passed().err
        assert store.find(LOOSE.source, LOOSE.file)
        other.lock.unlink()
        result = cli.call("cache", "prune", "--yes").passed()
        assert f"`{other.directory}` has no lock any more" in result.err
        assert not store.find(LOOSE.source, LOOSE.file)

    def test_a_broken_lock_anywhere_stops_it(self, cli: Cli, store: Store) -> None:
        cli.call("list")
        cli.lock.write_text("<<<<<<<")
        other = cli.beside("other")
        other.call("cache", "prune", "--yes").failed(7, str(cli.directory), "lmpm.lock")
        assert store.find(LOOSE.source, LOOSE.file)
        assert str(cli.directory) in other.call("cache", "list").passed().err

    def test_what_was_installed_and_removed_can_go(self, cli: Cli) -> None:
        """The whole way with the built-in model."""
        cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
        age(cli.store)
        assert "Nothing to prune" in cli.call("cache", "prune").passed().err
        cli.call("remove", "text-to-sql").passed()
        assert len(cli.call("cache", "prune", "--yes", "--json").passed().json["files"]) == 1
        assert cli.blobs() == []


class TestClean:
    def test_every_kind_of_note_and_nothing_else(self, cli: Cli) -> None:
        cli.call("install", "text-to-sql", "--offline").passed()
        home = Path(cli.environment["LMPM_HOME"])
        before = {folder.name: sorted(folder.iterdir()) for folder in home.iterdir() if folder.is_dir()}
        assert {*before} - {*NOTES} == {"made", "projects"}, "a folder of notes that `clean` does not know"
        assert {"catalog", "plans", "verified"} <= {*before}
        cleaned = cli.call("cache", "clean", "plans", "--json").passed().json
        (row,) = cleaned["removed"]
        assert (row["kind"], row["notes"]) == ("plans", len(before["plans"]))
        assert row["size"] == cleaned["size"] > 0
        shown = cli.call("cache", "clean").passed()
        assert "verified" in shown.out and "plans" not in shown.out and "Removed" in shown.err
        for name in ("made", "projects"):
            assert sorted((home / name).iterdir()) == before[name]
        assert "No notes" in cli.call("cache", "clean", "headers", "hub").passed().err
        cli.call("verify", "--no-smoke").passed()

    def test_an_unknown_kind_is_answered_with_those_that_there_are(self, cli: Cli) -> None:
        shown = cli.call("cache", "clean", "models").failed(2)
        assert all(kind in shown.err for kind in NOTES)

    def test_the_help_names_every_kind(self, cli: Cli) -> None:
        text = cli.call("cache", "clean", "--help").passed().out
        assert all(kind in text for kind in NOTES)


class TestAdopt:
    def test_from_ollama(self, cli: Cli, store: Store, tmp_path: Path) -> None:
        blob = tmp_path / "ollama" / "blobs" / f"sha256-{ABSENT.file.sha256}"
        blob.parent.mkdir(parents=True)
        blob.write_bytes(ABSENT.data)
        result = cli.call("cache", "adopt", OLLAMA_MODELS=str(tmp_path / "ollama")).passed()
        assert "absent.gguf" in result.out and "Ollama" in result.out
        assert "hard link to" in result.out or "reflink to" in result.out
        assert "Adopted 1 file" in result.err
        assert store.link(ABSENT.source, ABSENT.file).read_bytes() == ABSENT.data
        assert "all that the locks name is here" in cli.call("cache", "adopt").passed().err

    def test_from_a_named_folder_as_json(self, cli: Cli, store: Store, tmp_path: Path) -> None:
        place = tmp_path / "models"
        place.mkdir()
        (place / "x.gguf").write_bytes(ABSENT.data)
        data = cli.call("cache", "adopt", "later", "--from", place, "--json").passed().json
        (item,) = data["adopted"]
        assert (item["path"], item["origin"], item["sha256"]) == (
            "absent.gguf",
            str(place / "x.gguf"),
            ABSENT.file.sha256,
        )
        assert item["how"] in ("reflink", "hard link")
        assert Path(item["file"]).read_bytes() == ABSENT.data
        assert data["lacking"] == []

    def test_nothing_there(self, cli: Cli, store: Store) -> None:
        result = cli.call("cache", "adopt").passed()
        assert (
            result.out == ""
            and "No other tool keeps models here" in result.err
            and "1 file not on this machine" in result.err
        )
        assert [file["path"] for file in cli.call("cache", "adopt", "--json").json["lacking"]] == ["absent.gguf"]

    def test_bad_input(self, cli: Cli, store: Store) -> None:
        cli.call("cache", "adopt", "nothing").failed(3, "nothing")
        cli.call("cache", "adopt", "--from", "no-such-folder").failed(2, "no-such-folder")
        cli.beside("empty", empty_store=True).call("cache", "adopt").failed(7, "lmpm.lock")


class TestMovedStore:
    def test_everything_goes_to_the_store_that_was_named(self, cli: Cli, tmp_path: Path) -> None:
        place = tmp_path / "big disk"
        options = ("--offline", "--store", place)
        cli.call("install", "text-to-sql", "--no-smoke", *options).passed()
        assert list(place.glob("models--*/blobs/*"))
        assert not cli.store.exists()
        found = cli.call("path", "text-to-sql", "--store", place).passed().out.strip()
        assert Path(found).is_relative_to(place) and Path(found).is_file()
        cli.call("verify", "--no-smoke", *options).passed()
        cli.call("verify", "--no-smoke", "--offline").failed(4)
        same = cli.call("path", "text-to-sql", HF_HUB_CACHE=str(place)).passed().out.strip()
        assert same == found


class TestSpace:
    def test_all_models_are_counted_before_the_first_byte(self, cli: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
        """Two models fit one by one, and not together."""
        sizes = []
        for name in ("text-to-sql", "embeddings"):
            files = cli.call("install", name, "--dry-run", "--json").passed().json["models"][0]["choice"]["files"]
            sizes.append(sum(file["size"] for file in files))
        hub.reset_log()
        room = max(sizes) + min(sizes) // 2
        script = (
            "import sys, lmpm.store.cache\n"
            f"lmpm.store.cache.free_space = lambda path: {room} + lmpm.store.cache.limits.FREE_SPACE_MARGIN_BYTES\n"
            "from lmpm.cli import run\n"
            "sys.exit(run(sys.argv[1:]))\n"
        )
        command = [sys.executable, "-c", script, "install", "text-to-sql", "embeddings", "--no-smoke"]
        done = subprocess.run(command, cwd=cli.directory, env=cli.environment, capture_output=True, text=True)
        assert done.returncode == 6, done.stderr
        assert "Not enough space" in done.stderr and "--store" in done.stderr
        assert hub.bytes_sent("gguf") == 0
        assert cli.blobs() == cli.parts() == []
        assert not cli.lock.exists()

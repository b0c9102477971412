"""What is in the store, whose it is, and what may go: never what a known lock names, nor what others brought."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock
from huggingface_hub import scan_cache_dir

from lmpm.errors import DiskError, LockError
from lmpm.project.registry import KnownProjects
from lmpm.project.space import require_space
from lmpm.project.usage import plan_prune, uses_of
from lmpm.store import inventory, prune
from lmpm.store.cache import Store
from lmpm.types import HubSource, ModelFile
from tests.stored import Piece, age, bring, lay, model, piece, project

PINNED, LOOSE, FOREIGN = piece("pinned"), piece("loose"), piece("foreign")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "hub", tmp_path / "home")
    for item in (PINNED, LOOSE):
        bring(made, item, tmp_path)
    lay(made, FOREIGN)
    made.note_ref(PINNED.source)
    age(made.root)
    return made


@pytest.fixture
def known(store: Store, tmp_path: Path) -> KnownProjects:
    found = KnownProjects(store.home / "projects")
    project(tmp_path / "shop", found, model("sql", PINNED))
    return found


def titles(plan: prune.PrunePlan) -> list[str]:
    return [file.title for file in plan.files]


def pruned(store: Store, known: KnownProjects) -> prune.PrunePlan:
    return prune.carry_out(store, plan_prune(store, known.read()))


class TestInventory:
    def test_every_file_with_its_size_and_users(self, store: Store, known: KnownProjects, tmp_path: Path) -> None:
        project(tmp_path / "other", known, model("again", PINNED), model("gone", piece("not here")))
        found = inventory.take(store, uses_of(store, known.read()))
        rows = {file.title: (file.size, file.brought, [use.model for use in file.used_by]) for file in found.files}
        assert rows == {
            "pinned.gguf": (PINNED.file.size, True, ["again", "sql"]),
            "loose.gguf": (LOOSE.file.size, True, []),
            "foreign.gguf": (FOREIGN.file.size, False, []),
        }
        assert {use.project for file in found.files for use in file.used_by} == {tmp_path / "shop", tmp_path / "other"}
        assert found.size == sum(item.file.size for item in (PINNED, LOOSE, FOREIGN))
        assert {file.repo for file in found.files} == {"maker/m-GGUF"}

    def test_the_lock_of_another_repository_is_not_this_one(self, store: Store, tmp_path: Path) -> None:
        known = KnownProjects(tmp_path / "known")
        project(tmp_path / "p", known, model("m", piece("pinned", repo="maker/other-GGUF")))
        assert not any(file.used_by for file in inventory.take(store, uses_of(store, known.read())).files)

    def test_other_files_are_counted_and_not_listed(self, store: Store) -> None:
        folder = store.folder(PINNED.source)
        (folder / "blobs" / ("a" * 40)).write_bytes(b"{}" * 50)
        (folder / "snapshots" / ("1" * 40) / "config.json").symlink_to(f"../../blobs/{'a' * 40}")
        weights = folder / "blobs" / ("b" * 64)
        weights.write_bytes(b"x" * 700)
        (folder / "snapshots" / ("1" * 40) / "model.safetensors").symlink_to(f"../../blobs/{weights.name}")
        found = inventory.take(store, {})
        assert len(found.files) == 3
        assert found.other_bytes == 800

    def test_a_cache_without_links(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "hub", tmp_path / "home")
        for item in (PINNED, LOOSE):
            place = lay(store, item)
            place.unlink()
            store.blob(item.source, item.file).rename(place)
        known = KnownProjects(tmp_path / "known")
        project(tmp_path / "p", known, model("m", PINNED))
        found = inventory.take(store, uses_of(store, known.read()))
        assert [(file.title, len(file.used_by)) for file in found.files] == [("loose.gguf", 0), ("pinned.gguf", 1)]

    def test_no_store_at_all(self, tmp_path: Path) -> None:
        assert inventory.take(Store(tmp_path / "none", tmp_path), {}).files == ()

    def test_odd_things_are_passed_over(self, store: Store) -> None:
        blobs = store.folder(PINNED.source) / "blobs"
        os.mkfifo(blobs / ("c" * 64))
        (blobs / ("d" * 64)).symlink_to("nowhere")
        (blobs / ("e" * 64)).mkdir()
        (store.root / "models--file").write_text("no folder")
        assert len(inventory.take(store, {}).files) == 3


class TestPrune:
    def test_only_what_lmpm_brought_and_no_lock_names(self, store: Store, known: KnownProjects) -> None:
        plan = plan_prune(store, known.read())
        assert titles(plan) == ["loose.gguf"]
        assert plan.freed == LOOSE.file.size
        assert store.find(LOOSE.source, LOOSE.file)  # a plan changes nothing
        done = pruned(store, known)
        assert titles(done) == ["loose.gguf"]
        for item in (PINNED, FOREIGN):
            assert store.link(item.source, item.file).read_bytes() == item.data
        assert not store.places(LOOSE.source, LOOSE.file)
        assert not store.link(LOOSE.source, LOOSE.file).is_symlink()
        assert plan_prune(store, known.read()) == prune.PrunePlan()

    def test_hf_has_nothing_to_complain_of_afterwards(self, store: Store, known: KnownProjects, tmp_path: Path) -> None:
        pruned(store, known)
        assert scan_cache_dir(store.root).warnings == []
        store.blob(FOREIGN.source, FOREIGN.file).unlink()
        store.link(FOREIGN.source, FOREIGN.file).unlink()
        (tmp_path / "shop" / "lmpm.lock").unlink()
        assert titles(pruned(store, known)) == ["pinned.gguf"]
        assert scan_cache_dir(store.root).warnings == []
        assert not store.folder(PINNED.source).exists()  # a ref to a commit that is gone would be a warning
        assert not any((store.home / "verified").iterdir())

    def test_what_is_new_is_left_alone(self, store: Store, known: KnownProjects, tmp_path: Path) -> None:
        """It may have been fetched by an install that has not written its lock yet."""
        bring(store, piece("fresh", repo="maker/fresh-GGUF"), tmp_path)
        plan = plan_prune(store, known.read())
        assert titles(plan) == ["loose.gguf"]
        assert [file.title for file in plan.too_new] == ["fresh.gguf"]
        later = plan_prune(store, known.read(), now=time.time() + 3600)
        assert sorted(titles(later)) == ["fresh.gguf", "loose.gguf"]

    def test_the_shards_that_came_first_wait_for_the_last(self, store: Store, known: KnownProjects) -> None:
        part = store.part(LOOSE.source, piece("shard 2").file)
        part.write_bytes(b"on its way")
        assert plan_prune(store, known.read()).files == ()

    def test_a_lock_that_cannot_be_read_stops_it(self, store: Store, known: KnownProjects, tmp_path: Path) -> None:
        (tmp_path / "shop" / "lmpm.lock").write_text("version = ")
        with pytest.raises(LockError) as caught:
            plan_prune(store, known.read())
        assert str(tmp_path / "shop") in caught.value.message
        assert caught.value.exit_code == 7

    def test_parts_of_ours_go_unless_a_lock_wants_them(self, store: Store, known: KnownProjects) -> None:
        wanted, forgotten = PINNED, piece("forgotten")
        for item in (wanted, forgotten):
            store.part(item.source, item.file).write_bytes(b"half")
        store.part(forgotten.source, forgotten.file).with_suffix(".journal").write_bytes(b"notes")
        foreign = [
            store.folder(PINNED.source) / "blobs" / name
            for name in ("f" * 64 + ".0a1b2c3d.incomplete", "f" * 64 + ".downloadInProgress")
        ]
        for path in foreign:
            path.write_bytes(b"of hf and of llama.cpp")
        age(store.root)
        done = pruned(store, known)
        assert len(done.unfinished) == 2
        assert store.part(wanted.source, wanted.file).exists()
        assert not list(store.root.rglob(f"{forgotten.file.sha256}*.lmpm.*"))
        assert all(path.read_bytes() for path in foreign)
        assert done.foreign_bytes > 0

    def test_what_is_being_fetched_is_left_alone(self, store: Store, known: KnownProjects) -> None:
        plan = plan_prune(store, known.read())
        held = store.root / ".locks" / store.folder(LOOSE.source).name / f"{LOOSE.file.sha256}.lock"
        with FileLock(held):
            assert prune.carry_out(store, plan).files == ()
        assert store.find(LOOSE.source, LOOSE.file)
        assert titles(prune.carry_out(store, plan)) == ["loose.gguf"]

    def test_a_file_that_another_client_replaced_is_no_longer_ours(self, store: Store, known: KnownProjects) -> None:
        blob = store.blob(LOOSE.source, LOOSE.file)
        blob.rename(blob.with_name("kept so that its inode is not used again"))
        blob.write_bytes(LOOSE.data)
        age(store.root)
        store.confirm(blob, LOOSE.file)  # used by lmpm, and not brought by it
        assert plan_prune(store, known.read()).files == ()

    def test_both_names_of_a_file_in_a_cache_with_hard_links(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def not_here(*arguments: object, **options: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        store = Store(tmp_path / "hub", tmp_path / "home")
        monkeypatch.setattr(Path, "symlink_to", not_here)
        bring(store, LOOSE, tmp_path)
        age(store.root)
        plan = plan_prune(store, [])
        assert (titles(plan), plan.freed) == (["loose.gguf"], LOOSE.file.size)
        prune.carry_out(store, plan)
        assert not store.folder(LOOSE.source).exists()

    def test_one_file_in_two_repositories(self, store: Store, known: KnownProjects, tmp_path: Path) -> None:
        twin = Piece(piece("loose", repo="maker/twin-GGUF").source, LOOSE.file, LOOSE.data)
        bring(store, twin, tmp_path)
        project(tmp_path / "twin", known, model("twin", twin))
        done = prune.carry_out(store, plan_prune(store, known.read(), now=time.time() + 3600))
        assert [file.repo for file in done.files] == ["maker/m-GGUF"]
        assert store.is_stamped(store.link(twin.source, twin.file), LOOSE.file.sha256 or "")


def require_bytes(store: Store, size: int) -> None:
    require_space(store, [(HubSource("x/y", "1" * 40), [ModelFile(path="m.gguf", size=size, sha256="a" * 64)])])


class TestShortage:
    def test_the_error_names_what_can_be_freed(self, store: Store, known: KnownProjects) -> None:
        (store.folder(PINNED.source) / "blobs" / ("f" * 64 + ".0a1b2c3d.incomplete")).write_bytes(b"x" * 9000)
        age(store.root)
        with pytest.raises(DiskError) as caught:
            require_bytes(store, 2**60)
        text = str(caught.value)
        assert "1048576.0 TiB to download" in text
        assert "loose.gguf" in text and "pinned.gguf" not in text and "foreign.gguf" not in text
        assert "can be freed" in text and "hf cache prune" in text
        assert "lmpm cache prune --yes" in str(caught.value.hint)
        assert caught.value.exit_code == 6

    def test_a_broken_lock_does_not_hide_it(self, store: Store, known: KnownProjects, tmp_path: Path) -> None:
        (tmp_path / "shop" / "lmpm.lock").write_text("version = ")
        with pytest.raises(DiskError, match="Not enough space") as caught:
            require_bytes(store, 2**60)
        assert "--store" in str(caught.value.hint)

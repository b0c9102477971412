"""The store is the Hugging Face cache: shared with its client both ways, and right whatever happened to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, hf_hub_download, scan_cache_dir, try_to_load_from_cache

from lmpm.errors import DiskError, HashMismatchError, IntegrityError
from lmpm.fs.disk import hash_file
from lmpm.hub import HeaderCache
from lmpm.reporter import Reporter
from lmpm.resolver.candidates import local
from lmpm.store.cache import Store
from lmpm.types import HubSource, ModelFile, StarterSource, Variant
from tests.child import run_script
from tests.loopback import Bytes, Generated, LoopbackHub, faults
from tests.transfers import MODEL, PATH, REPO, SIZE, WHOLE, Recorder, Site, emptied, wrong_blobs


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def site(hub: LoopbackHub, tmp_path: Path) -> Site:
    return Site(emptied(hub), tmp_path)


def hf_download(site: Site, **options: Any) -> Path:
    found = hf_hub_download(
        REPO, site.file.path, cache_dir=site.store.root, endpoint=site.hub.endpoint, token=False, **options
    )
    return Path(str(found))


def variant(source: HubSource, *files: ModelFile) -> Variant:
    return Variant(
        model="tiny", title="Tiny", source=source, quant="Q8_0", license="mit", files=files,
        context_length=512, architecture="llama",
    )  # fmt: skip


class TestSharedWithHuggingFace:
    def test_what_hf_fetched_is_hashed_once_and_used(self, site: Site) -> None:
        path = hf_download(site)
        site.hub.reset_log()
        assert site.fetch() == path
        assert site.reporter.hashed == [PATH]
        assert site.fetch() == path
        assert site.reporter.hashed == [PATH]
        assert site.reporter.reuses == [PATH, PATH]
        assert len(site.hub.requests) == 0
        site.check(path)

    def test_what_we_fetched_is_found_by_hf(self, site: Site) -> None:
        path = site.fetch()
        site.store.note_ref(site.source)
        site.hub.reset_log()
        for revision in (None, "main", site.source.revision):
            assert hf_download(site, revision=revision, local_files_only=True) == path
            assert try_to_load_from_cache(REPO, PATH, site.store.root, revision) == str(path)
        assert len(site.hub.requests) == 0
        assert hf_download(site) == path
        assert site.hub.count("GET", "*.gguf") == 0

    def test_hf_finds_nothing_to_complain_of(self, site: Site) -> None:
        site.fetch()
        site.store.note_ref(site.source)
        report = scan_cache_dir(site.store.root)
        assert report.warnings == []
        (repo,) = report.repos
        (revision,) = repo.revisions
        assert (repo.repo_id, revision.commit_hash, revision.refs) == (REPO, site.source.revision, frozenset({"main"}))
        assert {file.size_on_disk for file in revision.files} == {SIZE}

    def test_hf_has_nothing_to_complain_of_while_a_part_lies_there(self, site: Site) -> None:
        site.hub.faults.add(faults.reset(1000), times=1)
        site.hub.faults.add(faults.Status(404), skip=1)
        with pytest.raises(Exception, match="404"):
            site.fetch()
        assert site.part.stat().st_size == 1000
        assert scan_cache_dir(site.store.root).warnings == []
        assert site.part.name.endswith(".incomplete")  # what `hf cache prune` looks for

    def test_a_cache_without_links(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
        path = hf_download(site)
        assert not path.is_symlink()
        assert not site.blob.exists()
        site.hub.reset_log()
        assert site.fetch() == path
        assert len(site.hub.requests) == 0
        assert local.held(site.store, variant(site.source, site.file)) is not None
        assert not site.blob.exists()

    @pytest.mark.parametrize("damage", [b"", WHOLE[:-1], WHOLE[:-1] + b"?"], ids=["empty", "short", "flipped"])
    def test_a_damaged_cache_without_links_is_mended(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, damage: bytes
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
        hf_download(site).write_bytes(damage)
        site.check(site.fetch())

    def test_the_blob_may_be_a_link_into_a_shared_store(self, site: Site) -> None:
        shared = site.store.root / "blobs" / "ab" / ("ab" + "0" * 62)
        shared.parent.mkdir(parents=True)
        shared.write_bytes(WHOLE)
        site.blob.parent.mkdir(parents=True)
        site.blob.symlink_to(os.path.relpath(shared, site.blob.parent))
        site.link.parent.mkdir(parents=True)
        site.link.symlink_to(os.path.relpath(site.blob, site.link.parent))
        assert site.fetch() == site.link
        assert len(site.hub.requests) == 0
        held = local.held(site.store, variant(HubSource(REPO), ModelFile(path=PATH, size=SIZE)))
        assert held is not None
        assert held.source == site.source
        assert held.files == (site.file,)

    def test_a_damaged_shared_blob_is_replaced_and_not_written_through(self, site: Site) -> None:
        shared = site.store.root / "blobs" / "ab" / ("ab" + "0" * 62)
        shared.parent.mkdir(parents=True)
        shared.write_bytes(b"\0" * SIZE)
        site.blob.parent.mkdir(parents=True)
        site.blob.symlink_to(os.path.relpath(shared, site.blob.parent))
        site.check(site.fetch())
        assert shared.read_bytes() == b"\0" * SIZE

    def test_hf_waits_while_we_download(self, site: Site) -> None:
        site.hub.faults.add(faults.Throttle(1e6), "*.gguf", times=1)
        mine = threading.Thread(target=site.fetch)
        mine.start()
        site.until_sent(1)
        path = hf_download(site)
        mine.join()
        site.check(path)
        assert site.hub.count("GET", "*.gguf") == 1

    def test_the_blob_without_its_name_gets_it(self, site: Site) -> None:
        site.fetch()
        site.link.unlink()
        site.hub.reset_log()
        site.check(site.fetch())
        assert len(site.hub.requests) == 0

    def test_a_ref_moves_and_stays_whole(self, site: Site) -> None:
        site.fetch()
        ref = site.store.folder(site.source) / "refs" / "main"
        for revision in ("1" * 40, "2" * 40, "2" * 40):
            site.store.note_ref(HubSource(REPO, revision))
            assert ref.read_text() == revision
        assert [entry.name for entry in ref.parent.iterdir()] == ["main"]
        site.store.note_ref(HubSource(REPO))
        site.store.note_ref(StarterSource("text-to-sql"))
        assert ref.read_text() == "2" * 40


@pytest.mark.parametrize("then", ["fetched", "found"])
def test_what_a_server_claimed_of_a_header_gives_way_to_the_file(hub: LoopbackHub, tmp_path: Path, then: str) -> None:
    """A mirror that lies once in the first bytes, whose lie was kept before the file came."""
    true, lie = b"GGUF" + bytes(range(256)) * 40, b"GGUF" + b"lie" * 100
    site = Site(emptied(hub), tmp_path, content=Bytes(true))
    path = site.fetch() if then == "found" else None
    headers = HeaderCache(site.store.home / "headers", "http://mirror")
    assert headers.reader(MODEL.sha256, lambda offset, length: lie[offset : offset + length])(0, 300) == lie[:300]
    assert headers.reader(site.file.sha256 or "", lambda offset, length: lie[offset : offset + length])(0, 300)
    if path is None:
        site.fetch()
    else:
        site.store.confirm(path, site.file)
    assert headers.only(site.file.sha256 or "")(0, 300) == true[:300]
    assert headers.only(MODEL.sha256)(0, 300) == lie[:300], "of a file that is not here"


class TestDamage:
    @pytest.mark.parametrize("stamped", [True, False])
    @pytest.mark.parametrize(
        "damage",
        ["flip", "truncate", "extend", "empty", "missing", "dangling", "directory", "fifo", "elsewhere"],
    )
    def test_28_every_kind_of_damage_is_mended(self, site: Site, damage: str, stamped: bool) -> None:
        site.fetch()
        if not stamped:
            next((site.store.home / "verified").iterdir()).unlink()
        blob = site.blob
        if damage in ("flip", "truncate", "extend", "empty"):
            bytes_now = {"flip": WHOLE[:7] + b"!" + WHOLE[8:], "truncate": WHOLE[:-1], "extend": WHOLE + b"x"}
            blob.chmod(0o644)
            blob.write_bytes(bytes_now.get(damage, b""))
        else:
            blob.unlink()
        if damage == "dangling":
            blob.symlink_to("nowhere")
        elif damage == "directory":
            blob.mkdir()
        elif damage == "fifo":
            os.mkfifo(blob)
        elif damage == "elsewhere":
            blob.symlink_to("/dev/zero")
        site.hub.reset_log()
        if damage == "directory":
            with pytest.raises(DiskError, match="is a directory") as caught:
                site.fetch()
            assert caught.value.exit_code == 6
            return
        site.check(site.fetch())
        assert site.ranges() == [None]
        assert site.reporter.restarts == (["the copy on disk is damaged"] if damage == "flip" else [])

    def test_28_damage_is_hashed_once(self, site: Site) -> None:
        site.fetch()
        site.blob.chmod(0o644)
        site.blob.write_bytes(b"\0" * SIZE)
        site.fetch()
        assert site.reporter.hashed == [PATH]

    @pytest.mark.parametrize("kind", ["dangling", "wrong", "file", "loop"])
    def test_28_a_wrong_name_of_a_right_blob(self, site: Site, kind: str) -> None:
        site.fetch()
        site.link.unlink()
        if kind == "dangling":
            site.link.symlink_to("../../blobs/" + "0" * 64)
        elif kind == "wrong":
            other = site.blob.with_name("1" * 64)
            other.write_bytes(b"other")
            site.link.symlink_to(f"../../blobs/{other.name}")
        elif kind == "loop":
            site.link.symlink_to(site.link.name)
        else:
            site.link.write_bytes(b"\0" * SIZE)
        site.hub.reset_log()
        path = site.fetch()
        assert path.read_bytes() == WHOLE
        assert len(site.hub.requests) == 0

    def test_a_fifo_or_a_device_is_not_read(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path):
            with pytest.raises(IntegrityError, match="not a regular file"):
                hash_file(path)
        with pytest.raises(DiskError, match="Cannot read"):
            hash_file(tmp_path / "missing")

    def test_a_stamp_holds_only_for_the_file_it_was_made_of(self, site: Site) -> None:
        path, digest = site.fetch(), MODEL.sha256
        assert site.store.is_stamped(path, digest)
        assert not site.store.is_stamped(path, "0" * 64)
        (note,) = (site.store.home / "verified").iterdir()
        note.write_bytes(note.read_bytes()[:-1])
        assert not site.store.is_stamped(path, digest)
        site.store.confirm(path, site.file)
        assert site.store.is_stamped(path, digest)
        before = site.blob.stat()
        site.blob.chmod(0o644)
        site.blob.write_bytes(b"\0" * SIZE)
        os.utime(site.blob, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had happened
        assert not site.store.is_stamped(path, digest)
        with pytest.raises(HashMismatchError):
            site.store.confirm(path, site.file)

    def test_notes_that_cannot_be_written_are_no_loss(self, site: Site) -> None:
        site.store.home.write_text("a file where the folder should be")
        site.check(site.fetch())
        site.check(site.fetch())
        assert site.reporter.hashed == [PATH]


class TestPlaces:
    def test_25_a_store_behind_a_link(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        site.store.root.symlink_to(tmp_path / "elsewhere")
        path = site.fetch()
        assert path.read_bytes() == WHOLE
        site.hub.reset_log()
        assert site.fetch() == path
        assert len(site.hub.requests) == 0

    def test_25_a_store_that_cannot_be_made(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        site.store = Store(tmp_path / "file" / "hub", tmp_path / "home")
        with pytest.raises(DiskError) as caught:
            site.fetch()
        assert caught.value.exit_code == 6
        assert str(tmp_path / "file") in caught.value.message
        assert len(site.hub.requests) == 0

    def test_25_a_store_that_may_only_be_read(self, site: Site) -> None:
        """Without the rights of an administrator: what is there is used, what is not is an error."""
        site.fetch()
        child = run_script(READ_ONLY, site.hub.endpoint, site.store.root, site.source.revision, SIZE, MODEL.sha256)
        out, _ = child.communicate(timeout=60)
        assert out.splitlines() == ["there", "DiskError 6", "True"], out

    def test_a_file_system_without_links(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        def not_here(*arguments: object, **options: object) -> None:
            raise PermissionError(1, "Operation not permitted")  # what vfat says

        monkeypatch.setattr(Path, "symlink_to", not_here)
        path = site.fetch()
        site.check(path)
        assert not path.is_symlink()
        path.unlink()
        monkeypatch.setattr(Path, "hardlink_to", not_here)
        path = site.fetch()
        assert path.read_bytes() == WHOLE
        assert not site.blob.exists()  # nothing is there twice
        site.hub.reset_log()
        assert site.fetch() == path
        assert len(site.hub.requests) == 0

    @pytest.mark.parametrize("path", ["../up.gguf", "/etc/x.gguf", "a/../../x.gguf", "x.gguf\0", "NUL.gguf"])
    def test_a_name_never_leads_outside(self, tmp_path: Path, path: str) -> None:
        store = Store(tmp_path / "hub", tmp_path)
        with pytest.raises(ValueError, match="expected"):
            store.link(HubSource(REPO, "1" * 40), ModelFile(path=path, size=1, sha256="0" * 64))

    @pytest.mark.parametrize("repo", ["..", "a", "a/../b", "../../etc/x", "a/b/c", "a\0/b"])
    def test_nor_does_a_repository(self, tmp_path: Path, repo: str) -> None:
        store = Store(tmp_path / "hub", tmp_path)
        with pytest.raises(ValueError, match="expected"):
            store.folder(HubSource(repo, "1" * 40))
        assert local.held_repository(store, repo) is None


class TestWhatIsHere:
    def test_the_newest_commit_that_holds_something(self, site: Site) -> None:
        site.fetch()
        started = site.store.folder(site.source) / "snapshots" / ("f" * 40)
        started.mkdir()
        os.utime(started, (4e9, 4e9))
        found = local.held_repository(site.store, REPO)
        assert found is not None
        assert (found.revision, found.files) == (site.source.revision, (site.file,))
        assert local.held_repository(site.store, REPO, "f" * 40) is None
        assert local.held_repository(site.store, "acme/other") is None

    def test_what_cannot_be_a_model_is_left_out(self, site: Site) -> None:
        site.fetch()
        snapshot = site.link.parent
        (snapshot / "folder.gguf").mkdir()
        os.mkfifo(snapshot / "pipe.gguf")
        (snapshot / "dangling.gguf").symlink_to("../../blobs/" + "0" * 64)
        (snapshot / "no-digest.gguf").symlink_to("../../blobs/short")
        (snapshot / "bad:name.gguf").symlink_to(f"../../blobs/{MODEL.sha256}")
        found = local.held_repository(site.store, REPO)
        assert found is not None
        assert [file.path for file in found.files] == [PATH]

    def test_a_variant_is_held_only_as_a_whole(self, site: Site) -> None:
        site.fetch()
        other = ModelFile(path="mmproj.gguf", size=5)
        assert local.held(site.store, variant(HubSource(REPO), site.file, other)) is None
        wrong = ModelFile(path=PATH, size=SIZE, sha256="0" * 64)
        assert local.held(site.store, variant(site.source, wrong)) is None
        held = local.held(site.store, variant(HubSource(REPO), ModelFile(path=PATH, size=1, role="mmproj")))
        assert held is not None
        assert held.files == (ModelFile(path=PATH, size=SIZE, sha256=MODEL.sha256, role="mmproj"),)


class TestStarter:
    def test_a_shipped_file_is_copied_once(self, tmp_path: Path) -> None:
        store, origin, source = Store(tmp_path / "hub", tmp_path / "home"), tmp_path / "s.gguf", StarterSource("sql")
        origin.write_bytes(WHOLE)
        file = ModelFile(path="s.gguf", size=SIZE, sha256=MODEL.sha256)
        path = store.adopt_file(source, file, origin, Reporter())
        assert path.read_bytes() == WHOLE
        assert store.is_stamped(path, MODEL.sha256)
        origin.unlink()
        assert store.adopt_file(source, file, origin, Reporter()) == path
        assert scan_cache_dir(store.root).warnings == []

    def test_a_damaged_one_leaves_nothing(self, tmp_path: Path) -> None:
        store, origin, source = Store(tmp_path / "hub", tmp_path / "home"), tmp_path / "s.gguf", StarterSource("sql")
        file = ModelFile(path="s.gguf", size=SIZE, sha256=MODEL.sha256)
        for data in (WHOLE[:-1], b"\0" * SIZE, WHOLE + b"x"):
            origin.write_bytes(data)
            with pytest.raises(HashMismatchError) as caught:
                store.adopt_file(source, file, origin, Reporter())
            assert "install it again" in str(caught.value.hint)
            assert not list(store.root.glob("models--*"))
        origin.unlink()
        os.mkfifo(origin)
        with pytest.raises(IntegrityError, match="not a regular file"):
            store.adopt_file(source, file, origin, Reporter())


def test_two_names_of_one_blob_are_one_place(site: Site) -> None:
    site.fetch()
    assert site.store.places(site.source, site.file) == [site.link]
    assert not wrong_blobs(site.store.root)


def test_a_reporter_is_told_when_another_process_downloads(site: Site) -> None:
    """The lock is between processes and threads alike."""
    site.hub.faults.add(faults.Throttle(1e6), "*.gguf", times=1)
    first, second = Recorder(), Recorder()
    loaders = [site.downloader(), site.downloader()]
    loaders[0].reporter, loaders[1].reporter = first, second
    threads = [threading.Thread(target=loader.fetch, args=(site.source, site.file)) for loader in loaders]
    threads[0].start()
    site.until_sent(1)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert (first.waits, second.waits, second.reuses) == ([], [PATH], [PATH])
    assert site.hub.bytes_sent("gguf") == SIZE


def test_content_of_another_repository_is_not_mixed_up(site: Site) -> None:
    other = Generated(SIZE, seed=8)
    commit = site.hub.add_repo("acme/other-GGUF", {PATH: other}).commit
    file = ModelFile(path=PATH, size=SIZE, sha256=other.sha256)
    site.leave_part(WHOLE[:1000])
    path = site.downloader().fetch(HubSource("acme/other-GGUF", commit), file)
    assert path.read_bytes() == other.read(0, SIZE)
    assert site.part.read_bytes() == WHOLE[:1000]


READ_ONLY = """
    import ctypes, os, sys
    from pathlib import Path
    from lmpm.errors import LmpmError
    from lmpm.hub.http import Http
    from lmpm.store import Store
    from lmpm.store.transfer import Downloader
    from lmpm.types import HubSource, ModelFile

    endpoint, root, revision, size, digest = sys.argv[1:]
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o555)
    if os.geteuid() == 0:  # give up the right to write everywhere; only Linux lets one do so without help
        libc = ctypes.CDLL(None, use_errno=True)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        assert libc.capset(header, (ctypes.c_uint32 * 6)()) == 0
    loader = Downloader(Store(Path(root), Path(root) / "home"), Http(endpoint))
    source = HubSource("acme/tiny-GGUF", revision)
    file = ModelFile(path="tiny-Q8_0.gguf", size=int(size), sha256=digest)
    try:
        print("there" if loader.fetch(source, file).exists() else "lost")
        loader.fetch(HubSource("acme/other", revision), file)
    except LmpmError as error:
        print(type(error).__name__, error.exit_code)
        print(root in error.message)
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o755)
"""

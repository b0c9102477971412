"""One cache for `hf` and lmpm, proved with the real client: what either has brought, the other uses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import _shared_blobs as shared

from lmpm.project.usage import plan_prune
from lmpm.resolver.candidates import local
from lmpm.store import inventory, prune
from lmpm.types import HubSource, ModelFile, Variant
from tests.loopback import LoopbackHub, faults
from tests.stored import age
from tests.transfers import MODEL, PATH, REPO, SIZE, WHOLE, Site, emptied

XET_HASH = "ab" + "0" * 62
BESIDE = Path(sys.executable).with_name("hf")


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def site(hub: LoopbackHub, tmp_path: Path) -> Site:
    return Site(emptied(hub), tmp_path)


def environment(site: Site, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "HF_ENDPOINT": site.hub.endpoint,
        "HF_HOME": str(site.store.root.parent / "hf-home"),
        "HF_HUB_CACHE": str(site.store.root),
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **more,
    }


def hf(site: Site, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The real command line of the Hugging Face client, on the store of the test."""
    program = str(BESIDE) if BESIDE.exists() else shutil.which("hf") or "hf"
    return subprocess.run(
        [program, *arguments], env=environment(site, **more), capture_output=True, text=True, timeout=240
    )


def hf_download(site: Site, **more: str) -> Path:
    done = hf(site, "download", REPO, PATH, "--quiet", **more)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("links", ["links", "no links"])
def test_what_hf_download_brought_is_used_without_a_request(site: Site, links: str) -> None:
    path = hf_download(site, **({"HF_HUB_DISABLE_SYMLINKS": "1"} if links == "no links" else {}))
    assert path.is_symlink() == (links == "links")
    site.hub.reset_log()
    assert site.fetch() == path
    assert len(site.hub.requests) == 0
    assert path.read_bytes() == WHOLE
    assert site.reporter.hashed == [PATH]  # once, since hf checks no digest
    (found,) = inventory.take(site.store, {}).files
    assert (found.title, found.size, found.brought) == (PATH, SIZE, False)


@pytest.mark.parametrize("links", ["links", "no links"])
def test_what_we_brought_is_used_by_hf_offline(site: Site, monkeypatch: pytest.MonkeyPatch, links: str) -> None:
    if links == "no links":

        def not_here(*arguments: object, **options: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(Path, "symlink_to", not_here)
        monkeypatch.setattr(Path, "hardlink_to", not_here)
    path = site.fetch()
    site.store.note_ref(site.source)
    assert path.is_symlink() == (links == "links")
    site.hub.reset_log()
    assert hf_download(site, HF_HUB_OFFLINE="1") == path
    assert len(site.hub.requests) == 0
    assert hf_download(site) == path
    assert site.hub.count("GET", "*.gguf") == 0
    assert path.read_bytes() == WHOLE


def test_hf_lists_and_verifies_what_we_brought(site: Site) -> None:
    site.fetch()
    site.store.note_ref(site.source)
    listed = hf(site, "cache", "ls")
    assert listed.returncode == 0 and REPO in listed.stdout, listed
    verified = hf(site, "cache", "verify", REPO)
    assert verified.returncode == 0, verified
    pruned = hf(site, "cache", "prune", "--yes")
    assert pruned.returncode == 0, pruned
    assert site.fetch().read_bytes() == WHOLE


class TestOwnership:
    """lmpm removes the names that it made, and bytes that nobody else has a name for."""

    OTHER = "2" * 40

    def prune(self, site: Site) -> list[str]:
        age(site.store.root)
        done = prune.carry_out(site.store, plan_prune(site.store, []))
        return [name.relative_to(site.store.root).parts[2] for file in done.files for name in file.own_names]

    def test_another_revision_that_hf_brought_stays(self, site: Site) -> None:
        ours = site.fetch()
        site.store.note_ref(site.source)
        site.hub.state.commit(REPO, {"README.md": b"newer"})
        theirs = hf_download(site)
        assert theirs != ours and theirs.resolve() == ours.resolve()
        assert self.prune(site) == [site.source.revision]
        assert not ours.is_symlink()
        assert theirs.read_bytes() == WHOLE
        assert hf_download(site, HF_HUB_OFFLINE="1") == theirs

    def test_a_revision_that_hf_asked_for_by_a_name_of_its_own_stays(self, site: Site) -> None:
        ours = site.fetch()
        site.hub.state.tag(REPO, "v1")
        done = hf(site, "download", REPO, PATH, "--quiet", "--revision", "v1")
        assert done.returncode == 0, done.stderr
        assert self.prune(site) == []
        assert ours.read_bytes() == WHOLE

    def test_a_name_of_ours_for_bytes_of_others_does_not_take_the_bytes_along(self, site: Site) -> None:
        theirs = hf_download(site)
        twin = HubSource(REPO, self.OTHER)
        ours = site.store.expose(twin, site.file)
        assert self.prune(site) == [self.OTHER]
        assert not ours.is_symlink() and theirs.read_bytes() == WHOLE

    def test_bytes_of_others_keep_their_last_name(self, site: Site) -> None:
        theirs = hf_download(site)
        ours = site.store.expose(HubSource(REPO, self.OTHER), site.file)
        theirs.unlink()
        assert self.prune(site) == []
        assert ours.read_bytes() == WHOLE

    def test_what_only_lmpm_names_goes(self, site: Site) -> None:
        site.fetch()
        site.store.expose(HubSource(REPO, self.OTHER), site.file)
        assert sorted(self.prune(site)) == sorted([self.OTHER, site.source.revision or ""])
        assert not site.store.folder(site.source).exists()


class TestXet:
    @pytest.fixture
    def laid(self, site: Site) -> Path:
        """The layout of a download over Xet, made by the functions of huggingface_hub itself."""
        hf_path = site.fetch()
        shutil.rmtree(site.store.home)
        assert shared.publish_blob_to_shared_store(
            blob_path=str(site.blob), xet_hash=XET_HASH, cache_dir=site.store.root, expected_size=SIZE
        )
        assert site.blob.is_symlink()
        assert hf_path.resolve() == shared.shared_blob_path(site.store.root, XET_HASH).resolve()
        site.hub.reset_log()
        return hf_path

    def test_it_is_used_and_known_by_its_sha256(self, site: Site, laid: Path) -> None:
        assert site.fetch() == laid
        assert len(site.hub.requests) == 0
        variant = Variant(
            model="tiny", title="Tiny", source=HubSource(REPO), quant="Q8_0", license="mit",
            files=(ModelFile(path=PATH, size=SIZE),), context_length=512, architecture="llama",
        )  # fmt: skip
        held = local.held(site.store, variant)
        assert held is not None and held.files == (site.file,) and held.source == site.source
        (found,) = inventory.take(site.store, {}).files
        assert (found.sha256, found.size, found.brought) == (MODEL.sha256, SIZE, False)

    def test_it_is_never_pruned_by_us(self, site: Site, laid: Path) -> None:
        site.fetch()
        age(site.store.root)
        assert plan_prune(site.store, []).files == ()
        assert laid.read_bytes() == WHOLE

    @pytest.mark.parametrize("damage", [b"?" + WHOLE[1:], WHOLE[:-1] + b"?", WHOLE[:-9], b"", bytes(SIZE)])
    def test_a_damaged_payload_is_mended_for_all_who_share_it(self, site: Site, laid: Path, damage: bytes) -> None:
        payload = shared.shared_blob_path(site.store.root, XET_HASH)
        twin = site.store.blob(HubSource("acme/twin-GGUF", "1" * 40), site.file)
        twin.parent.mkdir(parents=True)
        share = {"blob_path": str(twin), "xet_hash": XET_HASH, "cache_dir": site.store.root}
        assert shared.try_link_from_shared_store(**share, expected_size=SIZE)  # type: ignore[arg-type]
        mode = payload.stat().st_mode
        payload.chmod(0o644)
        payload.write_bytes(damage)
        payload.chmod(mode)
        assert site.fetch().read_bytes() == WHOLE
        assert payload.read_bytes() == twin.read_bytes() == WHOLE
        assert payload.stat().st_mode == mode
        assert site.blob.is_symlink() and not list(site.blob.parent.glob("*.incomplete"))
        age(site.store.root)
        assert plan_prune(site.store, []).files == (), "it is hf's as before"
        twin.unlink()
        assert shared.try_link_from_shared_store(**share, expected_size=SIZE)  # type: ignore[arg-type]
        assert twin.read_bytes() == WHOLE

    @pytest.mark.parametrize("doubt", ["a link of another digest", "no manifest", "no marker"])
    def test_where_others_may_mean_other_bytes_the_payload_is_left_alone(
        self, site: Site, laid: Path, doubt: str
    ) -> None:
        payload = shared.shared_blob_path(site.store.root, XET_HASH)
        other = site.blob.with_name("f" * 64)
        if doubt == "a link of another digest":
            assert shared.try_link_from_shared_store(
                blob_path=str(other), xet_hash=XET_HASH, cache_dir=site.store.root, expected_size=SIZE
            )
        elif doubt == "no manifest":
            shared.shared_blob_manifest_path(site.store.root, XET_HASH).unlink()
        else:
            (shared.shared_blobs_dir(site.store.root) / shared.SHARED_BLOBS_MARKER_NAME).unlink()
        theirs = WHOLE[:-1] + b"?"
        payload.chmod(0o644)
        payload.write_bytes(theirs)
        assert site.fetch().read_bytes() == WHOLE
        assert payload.read_bytes() == theirs
        assert not site.blob.is_symlink()


class TestUnfinishedOfOthers:
    def test_what_a_killed_hf_left_stays(self, site: Site) -> None:
        """hf never goes on from it, and it is not ours to remove."""
        site.hub.faults.add(faults.Throttle(60_000), "*.gguf", times=1)
        program = str(BESIDE) if BESIDE.exists() else "hf"
        child = subprocess.Popen(
            [program, "download", REPO, PATH],
            env=environment(site),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        site.until_sent(20_000, seconds=240)
        child.send_signal(signal.SIGKILL)
        child.wait()
        (orphan,) = site.blob.parent.glob("*.incomplete")
        before = orphan.stat()
        site.hub.faults.clear()
        path = site.fetch()
        assert path.read_bytes() == WHOLE
        age(site.store.root)
        prune.carry_out(site.store, plan_prune(site.store, []))
        assert orphan.stat().st_ino == before.st_ino
        assert orphan.stat().st_size == before.st_size

    def test_that_of_llama_cpp_stays(self, site: Site) -> None:
        orphan = site.blob.with_name(f"{MODEL.sha256}.downloadInProgress")
        orphan.parent.mkdir(parents=True)
        orphan.write_bytes(WHOLE[:999])
        site.fetch()
        assert orphan.read_bytes() == WHOLE[:999]
        (found,) = inventory.take(site.store, {}).unfinished
        assert not found.is_ours

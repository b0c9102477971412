"""Bundles: what goes in, that both ends see the same bytes, and that nothing else is ever accepted."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lmpm.bundle import standalone, writer
from lmpm.project.lock.file import write_lock
from lmpm.project.lock.records import Lock
from lmpm.store.cache import Store
from tests.conftest import Cli
from tests.stored import Piece, bring, model, piece

BIG, SMALL, LATER = piece("big"), piece("small", b"s" * 70_000), piece("later")


@pytest.fixture
def made(cli: Cli, tmp_path: Path) -> Path:
    """A bundle of two models of one repository, as a directory."""
    store = Store(cli.store, Path(cli.environment["LMPM_HOME"]))
    for item in (BIG, SMALL):
        bring(store, item, tmp_path / "scratch")
    write_lock(cli.lock, Lock((model("chat", BIG), model("sql", SMALL))))
    cli.call("bundle", "create", tmp_path / "made", "--offline").passed()
    return tmp_path / "made"


def blob(made: Path, item: Piece = BIG) -> Path:
    return made / "blobs" / "sha256" / (item.file.sha256 or "")


def run_script(made: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script of the bundle, where Python has nothing but its standard library."""
    command = [sys.executable, "-I", "-S", str(made / "verify.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class TestCreate:
    def test_what_is_in_it(self, cli: Cli, made: Path) -> None:
        index = json.loads((made / "BUNDLE.json").read_text("utf-8"))
        assert (made / "lmpm.lock").read_bytes() == cli.lock.read_bytes()
        listed = {file["path"]: (file["size"], file["sha256"]) for file in index["files"]}
        for path, (size, digest) in listed.items():
            data = (made / path).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (size, digest)
        assert {path.name for path in (made / "blobs" / "sha256").iterdir()} == {BIG.file.sha256, SMALL.file.sha256}
        assert index["models"][0]["source"] == {"hf": "maker/m-GGUF", "revision": "1" * 40}
        assert json.loads((made / "sbom.cdx.json").read_text("utf-8"))["bomFormat"] == "CycloneDX"
        assert any("licence `mit`" in item["why"] for item in index["left_out"])

    def test_the_same_bytes_every_time(self, cli: Cli, made: Path, tmp_path: Path) -> None:
        cli.call("bundle", "create", tmp_path / "again", "--offline").passed()
        assert (tmp_path / "again" / "BUNDLE.json").read_bytes() == (made / "BUNDLE.json").read_bytes()
        for name in ("one.tar", "two.tar"):
            cli.call("bundle", "create", tmp_path / name, "--offline").passed()
        assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
        with tarfile.open(tmp_path / "one.tar") as archive:
            assert archive.getnames()[0] == "lmpm-bundle/BUNDLE.json"

    def test_only_some(self, cli: Cli, made: Path, tmp_path: Path) -> None:
        cli.call("bundle", "create", tmp_path / "some", "sql", "--offline").passed()
        index = json.loads((tmp_path / "some" / "BUNDLE.json").read_text("utf-8"))
        assert [item["name"] for item in index["models"]] == ["sql"]
        assert {"name": "chat", "model": "", "quant": "", "why": "not asked for"} in index["left_out"]
        cli.call("bundle", "create", tmp_path / "none", "sqll").failed(3, "`sqll`", "sql")

    def test_what_is_not_here_is_named(self, cli: Cli, tmp_path: Path) -> None:
        write_lock(cli.lock, Lock((model("later", LATER),)))
        cli.call("bundle", "create", tmp_path / "made", "--offline").failed(4, "`later`", "later.gguf", "--fetch")
        assert not (tmp_path / "made").exists()

    def test_a_licence_text_of_the_repository(self, cli: Cli, made: Path, tmp_path: Path) -> None:
        snapshot = cli.store / "models--maker--m-GGUF" / "snapshots" / ("1" * 40)
        (snapshot / "LICENSE").write_text("Permission is hereby granted", "utf-8")
        done = cli.call("bundle", "create", tmp_path / "with", "--offline", "--json").passed().json
        text = tmp_path / "with" / "licenses" / "maker--m-GGUF" / "LICENSE"
        assert text.read_text("utf-8") == "Permission is hereby granted"
        assert not any("licence" in item["why"] for item in done["left_out"])

    def test_goes_on_where_it_was_interrupted(self, cli: Cli, made: Path) -> None:
        (made / "BUNDLE.json").unlink()
        blob(made, SMALL).unlink()
        inode = blob(made, BIG).stat().st_ino
        cli.call("bundle", "verify", made).failed(4, "never finished")
        cli.call("bundle", "create", made, "--offline").passed()
        assert blob(made, BIG).stat().st_ino == inode
        cli.call("bundle", "verify", made).passed()

    def test_a_damaged_file_of_the_store_stays_out(self, cli: Cli, made: Path, tmp_path: Path) -> None:
        stored = next(path for path in cli.blobs() if path.name == SMALL.file.sha256)
        stored.chmod(0o644)
        stored.unlink()
        stored.write_bytes(b"t" * 70_000)
        for target in ("new", "new.tar"):
            cli.call("bundle", "create", tmp_path / target, "--offline").failed(4, "Hash mismatch")
        assert not (tmp_path / "new.tar").exists() and not (tmp_path / "new.tar.incomplete").exists()
        cli.call("bundle", "verify", tmp_path / "new").failed(4)

    def test_among_other_things(self, cli: Cli, made: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("mine", "utf-8")
        cli.call("bundle", "create", tmp_path / "mine").failed(2, "thesis.txt")
        cli.call("bundle", "create", made, "sql", "--offline").failed(2, "another bundle")

    def test_a_disk_that_is_too_small(
        self, cli: Cli, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "free_space", lambda _: 1000)
        cli.call("bundle", "create", tmp_path / "new.tar", "--offline").failed(6, "Not enough space")
        assert not list(tmp_path.glob("new.tar*"))

    def test_what_fat32_cannot_hold(
        self, cli: Cli, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "MAX_FAT32_BYTES", 69_999)
        done = cli.call("bundle", "create", tmp_path / "new", "--offline").passed()
        assert "FAT32" in done.err and str(SMALL.file.sha256) in done.err and str(BIG.file.sha256) not in done.err


class TestImport:
    @pytest.fixture
    def there(self, cli: Cli) -> Cli:
        """Somebody on the other side, with an empty store."""
        return cli.beside("there", empty_store=True)

    @pytest.mark.parametrize("form", ["directory", "tar"])
    def test_both_ends_have_the_same(self, cli: Cli, there: Cli, made: Path, tmp_path: Path, form: str) -> None:
        place = made
        if form == "tar":
            place = tmp_path / "made.tar"
            cli.call("bundle", "create", place, "--offline").passed()
        done = there.call("bundle", "import", place, "--no-smoke").passed()
        assert "2 models verified" in done.err
        assert there.lock.read_bytes() == cli.lock.read_bytes()
        assert {path.name: path.read_bytes() for path in there.blobs()} == {
            BIG.file.sha256: BIG.data,
            SMALL.file.sha256: SMALL.data,
        }
        again = there.call("bundle", "import", place, "--no-smoke").passed()
        assert "2 were here already" in again.err

    def test_on_one_disk_the_bytes_are_shared(self, there: Cli, made: Path) -> None:
        there.call("bundle", "import", made, "--no-smoke").passed()
        for path in there.blobs():
            assert not path.is_symlink()
            assert path.stat().st_nlink > 1 or path.stat().st_ino != blob(made).stat().st_ino  # else a reflink

    def test_another_lock(self, there: Cli, made: Path) -> None:
        write_lock(there.lock, Lock((model("later", LATER),)))
        before = there.lock.read_bytes()
        there.call("bundle", "import", made).failed(7, "another `lmpm.lock`")
        assert there.lock.read_bytes() == before
        assert not there.blobs()

    def test_the_policy_here(self, there: Cli, made: Path) -> None:
        there.manifest.write_text('[models]\n[policy]\nlicenses = { allow = ["apache-2.0"] }\n', "utf-8")
        there.call("bundle", "import", made).failed(9, "mit")
        assert not there.blobs() and not there.lock.exists()

    def test_goes_on_where_it_was_interrupted(self, there: Cli, made: Path) -> None:
        store = Store(there.store, Path(there.environment["LMPM_HOME"]))
        bring(store, BIG, made.parent / "scratch")
        part = store.part(SMALL.source, SMALL.file)
        part.write_bytes(b"half")
        there.call("bundle", "import", made, "--no-smoke").passed()
        assert not there.parts() and len(there.blobs()) == 2


def flip(made: Path) -> None:
    rewrite(blob(made), lambda data: bytes([data[0] ^ 1]) + data[1:])


def shorten(made: Path) -> None:
    rewrite(blob(made), lambda data: data[:-1])


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file that may share its bytes with the store."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(change(data))


def link(made: Path) -> None:
    elsewhere = made.parent / "elsewhere"
    elsewhere.write_bytes(blob(made).read_bytes())
    blob(made).unlink()
    blob(made).symlink_to(elsewhere)


def relist(made: Path, change: Callable[[list[dict[str, object]]], None]) -> None:
    index = json.loads((made / "BUNDLE.json").read_text("utf-8"))
    change(index["files"])
    (made / "BUNDLE.json").write_text(json.dumps(index), "utf-8")


def newer(index: bytes) -> bytes:
    return index.replace(b'"bundle": 1', b'"bundle": 2')


EVIL = {"path": "../../evil", "size": 1, "sha256": "0" * 64}
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "bit": (flip, "sha256"),
    "short": (shorten, "bytes, expected"),
    "gone": (lambda made: blob(made).unlink(), "not there"),
    "extra": (lambda made: (made / "extra.gguf").write_bytes(b"x"), "extra.gguf: not listed"),
    "hidden": (lambda made: (made / "blobs" / ".evil").write_bytes(b"x"), "not listed"),
    "link": (link, "a link"),
    "folder-link": (lambda made: (made / "more").symlink_to("/tmp"), "a link"),
    "lock": (lambda made: rewrite(made / "lmpm.lock", lambda data: data + b"\n# x\n"), "lmpm.lock"),
    "script": (lambda made: rewrite(made / "verify.py", lambda _: b"print('ok')\n"), "verify.py"),
    "upwards": (lambda made: relist(made, lambda files: files.append({**EVIL})), "not a name"),
    "absolute": (lambda made: relist(made, lambda files: files.append({**EVIL, "path": "/etc/x"})), "not a name"),
    "capitals": (lambda made: relist(made, lambda files: files.append({**files[0], "path": "readme.TXT"})), "capitals"),
    "twice": (lambda made: relist(made, lambda files: files.append({**files[0]})), "listed twice"),
    "no-lock": (lambda made: relist(made, lambda files: files.clear()), "no lmpm.lock"),
    "newer": (lambda made: rewrite(made / "BUNDLE.json", newer), "newer"),
    "no-json": (lambda made: (made / "BUNDLE.json").write_bytes(b"\xff{"), "BUNDLE.json"),
    "deep": (lambda made: (made / "BUNDLE.json").write_bytes(b"[" * 100_000), "BUNDLE.json"),
}  # fmt: skip


class TestDamage:
    @pytest.mark.parametrize("kind", DAMAGES)
    def test_is_refused_by_all_three(self, cli: Cli, made: Path, kind: str) -> None:
        damage, words = DAMAGES[kind]
        script = (made / "verify.py").read_bytes()
        damage(made)
        cli.call("bundle", "verify", made).failed(4, words)
        there = cli.beside("there", empty_store=True)
        there.call("bundle", "import", made, "--no-smoke").failed(4)
        assert not there.lock.exists() and not there.parts()
        assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in there.blobs())
        other = made.parent / "tool"
        other.mkdir()
        (other / "verify.py").write_bytes(script)
        done = run_script(other, str(made))
        assert done.returncode == 4 and words in done.stderr and "Traceback" not in done.stderr

    def test_none(self, made: Path) -> None:
        done = run_script(made)
        assert done.returncode == 0, done.stderr
        assert hashlib.sha256((made / "BUNDLE.json").read_bytes()).hexdigest() in done.stdout

    def test_another_makers(self, cli: Cli, made: Path) -> None:
        digest = hashlib.sha256((made / "BUNDLE.json").read_bytes()).hexdigest()
        cli.call("bundle", "verify", made, "--expect", digest).passed()
        cli.call("bundle", "verify", made, "--expect", "0" * 64).failed(4, "expected 000")
        assert run_script(made, "--expect", "0" * 64).returncode == 4


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, "/etc/passwd"
    return info, io.BytesIO(data)


TARS: dict[str, tuple[tarfile.TarInfo, io.BytesIO]] = {
    "upwards": member("lmpm-bundle/../../evil"),
    "outside": member("evil"),
    "absolute": member("/tmp/evil"),
    "symlink": member("lmpm-bundle/link", kind=tarfile.SYMTYPE),
    "hard link": member("lmpm-bundle/link", kind=tarfile.LNKTYPE),
    "device": member("lmpm-bundle/device", kind=tarfile.CHRTYPE),
    "twice": member("lmpm-bundle/lmpm.lock", b"other"),
}


class TestTar:
    @pytest.mark.parametrize("kind", TARS)
    def test_more_than_was_packed(self, cli: Cli, made: Path, tmp_path: Path, kind: str) -> None:
        place = tmp_path / "made.tar"
        cli.call("bundle", "create", place, "--offline").passed()
        info, data = TARS[kind]
        data.seek(0)
        with tarfile.open(place, "a") as archive:
            archive.addfile(info, data)
        cli.call("bundle", "verify", place).failed(4)
        there = cli.beside("there", empty_store=True)
        there.call("bundle", "import", place).failed(4)
        assert not there.blobs() and not there.lock.exists()

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
    def test_cut_off(self, cli: Cli, made: Path, tmp_path: Path, share: float) -> None:
        place = tmp_path / "made.tar"
        cli.call("bundle", "create", place, "--offline").passed()
        data = place.read_bytes()
        place.write_bytes(data[: int(len(data) * share)])
        cli.call("bundle", "verify", place).failed(4)
        there = cli.beside("there", empty_store=True)
        there.call("bundle", "import", place).failed(4)
        assert not there.lock.exists()

    def test_something_else(self, cli: Cli, tmp_path: Path) -> None:
        cli.call("bundle", "verify", tmp_path / "nothing").failed(6, "no bundle")
        (tmp_path / "text.tar").write_text("hello" * 500, "utf-8")
        cli.call("bundle", "verify", tmp_path / "text.tar").failed(4, "not a tar")
        (tmp_path / "empty").mkdir()
        cli.call("bundle", "verify", tmp_path / "empty").failed(4, "not a bundle")


def test_names() -> None:
    for name in ("lmpm.lock", "blobs/sha256/0a", "licenses/a--b/LICENSE.txt", "verify.py"):
        assert standalone.is_name(name)
    refused: tuple[object, ...] = (
        "",
        "/x",
        "x/",
        "a//b",
        "../x",
        "a/../b",
        ".x",
        "a/.b",
        "a\\b",
        "a:b",
        "ü",
        "x\n",
        1,
        None,
        "a" * 256,
    )
    for odd in refused:
        assert not standalone.is_name(odd)


def test_the_story_with_the_starter(cli: Cli, tmp_path: Path) -> None:
    """From an install to a machine without anything: the models answer there."""
    cli.call("install", "text-to-sql", "--offline").passed()
    cli.call("bundle", "create", tmp_path / "stick", "--offline").passed()
    there = cli.beside("there", empty_store=True)
    shutil.copytree(tmp_path / "stick", tmp_path / "carried")
    assert "1 model verified" in there.call("bundle", "import", tmp_path / "carried").passed().err
    assert there.manifest.read_bytes() == cli.manifest.read_bytes()
    there.call("install", "--locked", "--offline").passed()

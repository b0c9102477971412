"""The lock on disk and its rules: nothing is lost, rewritten in vain or stale without a word."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lmpm.errors import DiskError, LockError
from lmpm.limits import MAX_LOCK_BYTES
from lmpm.project import Lock, LockedModel, Manifest, ManifestModel, emit_lock, load_lock, parse_lock
from lmpm.project.lock.file import write_lock
from lmpm.project.manifest import Target
from lmpm.project.staleness import stale_reasons
from lmpm.types import HubSource, ModelFile
from tests.lock_samples import TEXT, small_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("change", [{"memory": 3000}, {"quant": "Q8_0"}, {"targets": ("ci",)}])
def test_unpinned_candidates_cannot_exist(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"the sha256 of a\.gguf is not known"):
        small_model("a", files=(ModelFile(path="a.gguf", size=1),), **change)
    with pytest.raises(ValueError, match="its revision is not known"):
        small_model("a", source=HubSource("org/a"), **change)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("style", ["--no-diff3", "--diff3", "--zdiff3"])
def test_git_merges_changes_of_different_models(tmp_path: Path, style: str) -> None:
    def merge(base: Lock, ours: Lock, theirs: Lock) -> tuple[int, str]:
        for name, lock in (("base", base), ("ours", ours), ("theirs", theirs)):
            (tmp_path / name).write_bytes(emit_lock(lock).encode())
        command = ["git", "merge-file", "-p", style, "ours", "base", "theirs"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        return done.returncode, done.stdout.decode()

    def updated(name: str) -> LockedModel:
        file = ModelFile(path=f"{name}-v2.gguf", size=5000, sha256=name.encode().hex().ljust(64, "f"))
        return small_model(name, source=HubSource(f"org/{name}-2-GGUF", "2" * 40), memory=5000, files=(file,))

    base = Lock(tuple(map(small_model, ("b", "d", "f"))))
    both = base.with_model(updated("b")).with_model(updated("d"))
    assert merge(base, base.with_model(updated("b")), base.with_model(updated("d"))) == (0, emit_lock(both))
    added = base.with_model(updated("a")).with_model(updated("e"))
    assert merge(base, base.with_model(updated("a")), base.with_model(updated("e"))) == (0, emit_lock(added))
    conflicts, text = merge(base, base.with_model(updated("b")), base.with_model(small_model("b", memory=7)))
    assert conflicts
    with pytest.raises(LockError, match="markers of a merge conflict"):
        parse_lock(text)


def test_writes_only_what_changed(tmp_path: Path) -> None:
    path = tmp_path / "lmpm.lock"
    lock = parse_lock(TEXT)
    assert write_lock(path, lock)
    before = path.stat()
    assert not write_lock(path, lock)
    path.chmod(0o444)
    assert not write_lock(path, lock)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.chmod(0o644)
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())  # as git on Windows may check it out
    assert not write_lock(path, lock)
    assert write_lock(path, lock.without("chat"))
    assert load_lock(path) == lock.without("chat")
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "lmpm.lock"
    write_lock(path, parse_lock(TEXT))
    rung = replace(parse_lock(TEXT).models[1].candidates[0], memory=0)
    for model in (
        small_model("a\nb"),
        replace(small_model("a"), requested={"x": "\x1b"}),
        replace(small_model("a"), requested={"x": float("nan")}),
        replace(small_model("a"), candidates=()),
        replace(small_model("a"), candidates=(rung,)),
    ):
        with pytest.raises(LockError, match="was not written"):
            write_lock(path, Lock((model,)))
    assert path.read_text() == TEXT
    assert list(tmp_path.iterdir()) == [path]


def test_a_newer_revision_is_read_but_not_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "lmpm.lock"
    text = TEXT.replace("revision = 0\n", "revision = 9\nnews = 1\n", 1).replace("layers", "color = 'red'\nlayers")
    path.write_text(text)
    lock = load_lock(path)
    assert lock.revision == 9
    assert lock.models == parse_lock(TEXT).models
    for attempt in (lock, lock.without("chat"), parse_lock(TEXT)):
        with pytest.raises(LockError, match="made by a newer lmpm: revision 9"):
            write_lock(path, attempt)
    path.write_text("version = 3\nall = 'different'\n")
    with pytest.raises(LockError, match="made by a newer lmpm: version 3"):
        write_lock(path, parse_lock(TEXT))
    assert path.read_text().startswith("version = 3")


def test_a_broken_lock_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "lmpm.lock"
    for broken in (b"<<<<<<< HEAD\n", b"\xff\xfe", b"version = 'x'\n", b"x" * (MAX_LOCK_BYTES + 1)):
        path.write_bytes(broken)
        with pytest.raises(LockError):
            load_lock(path)
        assert write_lock(path, parse_lock(TEXT))
        assert load_lock(path) == parse_lock(TEXT)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
def test_loads_regular_files_only(tmp_path: Path) -> None:
    with pytest.raises(LockError, match=r"No `lmpm\.lock` is here") as caught:
        load_lock(tmp_path / "lmpm.lock")
    assert caught.value.hint == "To make one, run `lmpm lock`"
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        with pytest.raises(DiskError):
            load_lock(tmp_path / name)
    (tmp_path / "latin").write_bytes(b"# one\n# caf\xe9\n")
    with pytest.raises(LockError, match="`latin` is not valid at line 2: is not UTF-8 text"):
        load_lock(tmp_path / "latin")


def test_staleness_names_the_model_and_the_field() -> None:
    chat = ManifestModel(name="chat", task="chat", context=8192)
    sql = ManifestModel(name="text-to-sql", task="text-to-sql")
    machines = {name: Target(name=name, hardware="M2, 16GB") for name in ("cuda-24gb", "m2-16gb")}

    def reasons(*models: ManifestModel, targets: tuple[str, ...] = ("cuda-24gb", "m2-16gb")) -> list[str]:
        declared = {name: machines.get(name, Target(name=name, hardware="CPU")) for name in targets}
        manifest = Manifest(models={model.name: model for model in models}, targets=declared)
        return stale_reasons(manifest, lock)

    lock = parse_lock(TEXT)
    for model in lock.models:  # the starter serves the targets of the other model too
        rung = replace(model.candidates[0], targets=("m2-16gb", "cuda-24gb"))
        lock = lock.with_model(replace(model, candidates=(rung, *model.candidates[1:])))
    assert reasons(chat, sql) == []
    assert reasons(chat) == ["`text-to-sql` is in `lmpm.lock` but not in `lmpm.toml`"]
    assert reasons(chat, sql, ManifestModel(name="new", ref="a/b")) == [
        "`new` is in `lmpm.toml` but not in `lmpm.lock`"
    ]
    assert reasons(replace(chat, context=16384), sql) == ["`chat` asks for context 16384, the lock has 8192"]
    assert reasons(replace(chat, context=None), sql) == ["`chat` asks for no context, the lock has 8192"]
    assert reasons(replace(chat, quant="Q5_K_M", min_speed=20.0), sql) == [
        "`chat` asks for min_speed 20, the lock has none",
        "`chat` asks for quant `Q5_K_M`, the lock has none",
    ]
    assert reasons(chat, sql, targets=("cuda-24gb", "m2-16gb", "ci")) == [
        "`chat` has no candidate for the target `ci`",
        "`text-to-sql` has no candidate for the target `ci`",
    ]
    assert reasons(chat, sql, targets=("cuda-24gb",)) == [
        "`chat` has a candidate for the target `m2-16gb`, which `lmpm.toml` does not declare",
        "`text-to-sql` has a candidate for the target `m2-16gb`, which `lmpm.toml` does not declare",
    ]

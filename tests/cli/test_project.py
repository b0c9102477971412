"""What a project promises its users: nothing pinned unproved, nothing of a newer lmpm rewritten, each word true."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lmpm.fs import JsonCache
from lmpm.project.lock.file import load_lock, write_lock
from lmpm.project.manifest import load_manifest
from lmpm.types import StarterSource, UrlSource
from tests.conftest import ROOT, Cli
from tests.gguf_files import write_llama
from tests.loopback import LoopbackHub, faults

STARTER = ROOT / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"
REPO, FILE = "org/sql-GGUF", "sql-Q8_0.gguf"
MAC = ("--hardware", "M2, 16GB")
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false")


@pytest.fixture
def sql() -> bytes:
    """A model that does its task: the built-in one, under another name."""
    if not STARTER.exists():
        pytest.skip("the starter model is not trained yet")
    return STARTER.read_bytes()


@pytest.fixture
def world(cli: Cli, sql: bytes) -> Iterator[LoopbackHub]:
    """A Hub with one repository, and a project that asks for it."""
    with LoopbackHub() as hub:
        hub.add_repo(REPO, {FILE: sql}, card_data={"license": "mit"})
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        cli.manifest.write_text(f'[models]\nsql = {{ ref = "hf:{REPO}", task = "text-to-sql", context = 512 }}\n')
        yield hub


def garbage(folder: Path) -> bytes:
    """A model that loads and answers nonsense."""
    (path,) = write_llama(folder / "garbage.gguf", context=512)
    return path.read_bytes()


class TestNewerRevision:
    """A lock of a newer revision of the format is read, and by no command written."""

    @pytest.fixture
    def newer(self, cli: Cli, world: LoopbackHub) -> bytes:
        cli.call("lock").passed()
        cli.call("sync", "--no-smoke").passed()
        text = re.sub(r"^revision = \d+$", "revision = 3", cli.lock.read_text(), count=1, flags=re.MULTILINE)
        cli.lock.write_text(text.replace("layers =", 'colour = "red"\nlayers ='))
        world.reset_log()
        return cli.lock.read_bytes()

    @pytest.mark.parametrize(
        "command",
        ["list", "path sql", "sync", "lock --check", "lock", "install", "verify --no-smoke", "outdated", "audit",
         "audit --format sarif", "audit --format cyclonedx", "why sql", "diff lmpm.lock"],
    )  # fmt: skip
    def test_is_read(self, cli: Cli, newer: bytes, command: str) -> None:
        cli.call(*command.split()).passed()
        assert cli.lock.read_bytes() == newer

    @pytest.mark.parametrize(
        "command",
        [
            "lock --upgrade",
            "update",
            "update --dry-run",
            "remove sql",
            f"install {REPO} --name other --task text-to-sql",
        ],
    )
    def test_is_not_written(self, cli: Cli, world: LoopbackHub, newer: bytes, command: str) -> None:
        manifest = cli.manifest.read_bytes()
        cli.call(*command.split()).failed(7, "made by a newer lmpm: revision 3", "Upgrade lmpm")
        assert (cli.lock.read_bytes(), cli.manifest.read_bytes()) == (newer, manifest)
        assert world.count("GET", "*/resolve/*") == 0, "nothing is fetched in vain"

    def test_not_even_where_it_is_stale(self, cli: Cli, newer: bytes) -> None:
        cli.manifest.write_text(cli.manifest.read_text().replace("512", "256"))
        for command in ("lock", "install"):
            cli.call(command).failed(7, "made by a newer lmpm: revision 3")
        cli.manifest.write_text("[models]\n")
        cli.call("lock").failed(7, "made by a newer lmpm: revision 3")
        assert cli.lock.read_bytes() == newer


class TestUpdate:
    def test_what_does_not_do_its_task_is_not_pinned(self, cli: Cli, world: LoopbackHub, tmp_path: Path) -> None:
        cli.call("install").passed()
        before = cli.lock.read_bytes()
        world.commit(REPO, {FILE: garbage(tmp_path)})
        shown = cli.call("update").failed(8, "does not do its task", "--no-test")
        assert "commit" in shown.out, "what would have changed is told"
        assert cli.lock.read_bytes() == before
        cli.call("verify").passed()
        cli.call("update", "--no-smoke").passed()
        assert cli.lock.read_bytes() != before

    def test_the_proof_is_pinned_with_it(self, cli: Cli, world: LoopbackHub, sql: bytes) -> None:
        cli.call("install").passed()
        world.commit(REPO, {FILE: sql + b"\0" * 32})
        shown = cli.call("update", "--json").passed().json
        assert shown["models"][0]["smoke"]["passed"]
        (rung,) = load_lock(cli.lock).models[0].candidates
        assert rung.tested is not None and rung.tested.engine == shown["models"][0]["smoke"]["engine_build"]

    def test_what_cannot_be_fetched_is_not_pinned(self, cli: Cli, world: LoopbackHub, sql: bytes) -> None:
        cli.call("install", "--no-smoke").passed()
        before = cli.lock.read_bytes()
        world.commit(REPO, {FILE: sql + b"\0" * 32})
        world.faults.add(faults.FlipBit(2_000_000), "*/resolve/*")
        cli.call("update", "--no-smoke").failed(4, "Hash mismatch")
        assert cli.lock.read_bytes() == before

    @pytest.mark.parametrize("command", ["update", "lock --upgrade"])
    def test_offline_a_ladder_does_not_shrink_to_what_is_here(self, cli: Cli, hub: LoopbackHub, command: str) -> None:
        cli.manifest.write_text('[models]\ntext-to-sql = { task = "text-to-sql", context = 512 }\n')
        cli.call("lock").passed()
        before = cli.lock.read_bytes()
        assert b"hf =" in before
        shown = cli.call(*command.split(), "--offline").passed()
        assert "`text-to-sql` stays as it is" in shown.err and "over the network" in shown.err
        assert cli.lock.read_bytes() == before


class TestRecorded:
    """What verify shows beside the figures of now."""

    def test_without_a_target_it_is_what_was_seen_when_it_came(self, cli: Cli, world: LoopbackHub) -> None:
        installed = cli.call("install", "--json").passed().json["models"][0]["smoke"]
        assert ", on = " not in cli.lock.read_text() and "decode" not in cli.lock.read_text(), "no fact of this machine"
        shown = cli.call("verify", "--json").passed().json["models"][0]
        assert shown["recorded"]["on"] is None
        assert shown["recorded"]["decode"] == installed["decode"]
        assert shown["recorded"]["first_token_s"] == installed["first_token_s"]
        assert "(when it came: " in cli.call("verify").passed().out

    def test_on_a_machine_like_a_declared_one_it_is_in_the_lock(self, cli: Cli, world: LoopbackHub) -> None:
        machine = cli.call("hardware", "--json").passed().json["machine"]
        if machine["accelerator"] != "cpu":
            pytest.skip("described here as a CPU")
        spec = f"CPU, {machine['cores']} cores, {round(machine['memory'] / 1e9)}GB"
        cli.manifest.write_text(f'{cli.manifest.read_text()}\n[targets]\nhere = {{ hardware = "{spec}" }}\n')
        cli.call("install").passed()
        (rung,) = load_lock(cli.lock).models[0].candidates
        if rung.tested is None or rung.tested.on is None:
            pytest.skip("this machine is like none that can be described")
        clone = cli.clone()
        clone.call("sync", "--no-smoke").passed()
        shown = clone.call("verify", "--json").passed().json["models"][0]["recorded"]
        assert (shown["on"], shown["decode"]) == ("here", rung.tested.decode)
        assert "(lock: " in clone.call("verify").passed().out
        assert clone.call("verify", "--json", *MAC).json["models"][0]["recorded"] is None, "another machine is no peer"

    def test_a_note_of_another_machine_does_not_count(self, cli: Cli, world: LoopbackHub) -> None:
        cli.call("install").passed()
        notes = JsonCache(Path(cli.environment["LMPM_HOME"]) / "records")
        key = load_lock(cli.lock).models[0].candidates[0].files[0].sha256 or ""
        data: Any = notes.get(key)
        data["machine"]["memory"] *= 4
        for other in (data, list[int](), {"machine": 1}):
            notes.put(other, key)
            assert cli.call("verify", "--json").passed().json["models"][0]["recorded"] is None

    @pytest.mark.parametrize(("tested", "is_older"), [("99.0.0", True), ("0.0.1", False), ("of today", False)])
    def test_a_llama_cpp_older_than_the_one_that_it_was_tested_with_is_named(
        self, cli: Cli, world: LoopbackHub, tested: str, is_older: bool
    ) -> None:
        cli.call("install").passed()
        text = re.sub(r'engine = "llama.cpp [^"]*"', f'engine = "llama.cpp {tested} (abc)"', cli.lock.read_text())
        cli.lock.write_text(text)
        shown = cli.call("verify").passed()
        assert (f"it was tested with {tested}: `pip install --upgrade" in shown.out + shown.err) == is_older

    def test_junit_has_to_have_a_place(self, cli: Cli, world: LoopbackHub) -> None:
        cli.call("install", "--no-smoke").passed()
        shown = cli.call("verify", "--junit", "nowhere/x.xml").failed(6, "nowhere")
        assert not shown.out, "nothing is done in vain"


class TestOutdated:
    def test_a_file_at_an_address_that_is_another_one_or_gone(self, cli: Cli, world: LoopbackHub, sql: bytes) -> None:
        digest = sha256(sql).hexdigest()
        address = f"{world.endpoint}/{REPO}/resolve/main/{FILE}"
        cli.manifest.write_text("")
        cli.call("install", f"{address}#sha256={digest}", "--name", "mine", "--no-smoke", "--context", "512").passed()
        assert isinstance(load_lock(cli.lock).models[0].candidates[0].source, UrlSource)
        assert "up to date" in cli.call("outdated").passed().err
        world.commit(REPO, {FILE: sql + b"\0"})
        (row,) = cli.call("outdated", "--json").passed().json["changes"]
        assert row["kind"] == "file" and "uploaded again" in row["detail"]
        world.delete(REPO)
        (row,) = cli.call("outdated", "--json").passed().json["changes"]
        assert row["kind"] == "gone"

    def test_another_built_in_model(self, cli: Cli, world: LoopbackHub) -> None:
        cli.manifest.write_text('[models]\ntext-to-sql = { task = "text-to-sql", context = 512 }\n')
        cli.call("lock", "--offline").passed()
        lock = load_lock(cli.lock)
        (model,) = lock.models
        (rung,) = model.candidates
        assert isinstance(rung.source, StarterSource)
        assert "file" not in [row["kind"] for row in cli.call("outdated", "--json").passed().json["changes"]]
        older = replace(rung, files=(replace(rung.files[0], sha256="a" * 64),))
        write_lock(cli.lock, lock.with_model(replace(model, candidates=(older,))))
        rows = cli.call("outdated", "--json").passed().json["changes"]
        assert [row["detail"] for row in rows if row["kind"] == "file"] == [
            "the built-in model of this lmpm for text-to-sql is another one"
        ]


class TestDiff:
    def test_of_commits(self, cli: Cli, world: LoopbackHub) -> None:
        def git(*arguments: str) -> None:
            subprocess.run([*GIT, *arguments], cwd=cli.directory, check=True, capture_output=True)

        git("init", "-q")
        cli.call("lock").passed()
        git("add", ".")
        git("commit", "-qm", "one")
        git("tag", "v1")
        cli.call("remove", "sql").passed()
        git("commit", "-qam", "two")
        assert cli.call("diff", "v1").passed().out == cli.call("diff", "v1", "HEAD").passed().out
        assert cli.call("diff", "HEAD~1").passed().out.startswith("sql: removed")
        assert "sql: added" in cli.call("diff", "HEAD", "v1").passed().out
        assert "Nothing changed" in cli.call("diff", "HEAD").passed().err
        cli.call("diff", "v2").failed(7, "`v2` is neither a file nor a commit with a `lmpm.lock`")
        cli.call("diff", "--", "--output=stolen").failed(7, "is neither a file nor a commit")
        assert not (cli.directory / "stolen").exists()


class TestAtOnce:
    """Several processes, one project."""

    def own_file(self, cli: Cli, number: int) -> str:
        path = cli.directory / f"own{number}.gguf"
        if not path.exists():
            write_llama(path, name=f"own {number}", seed=number, context=512)
        return f"./{path.name}"

    def add(self, cli: Cli, number: int) -> tuple[str, ...]:
        file = self.own_file(cli, number)
        return ("install", file, "--name", f"own{number}", "--context", "128", "--no-smoke", "--offline")

    def test_nothing_is_lost(self, cli: Cli) -> None:
        expected: set[str] = set()
        for turn in range(3):
            numbers = range(4 * turn, 4 * turn + 4)
            calls = [self.add(cli, number) for number in numbers]
            if turn:  # one of each earlier turn goes in the same moment
                calls += [("remove", f"own{4 * (turn - 1)}")]
                expected.discard(f"own{4 * (turn - 1)}")
            for process in [cli.start(*call) for call in calls]:
                _, errors = process.communicate(timeout=120)
                assert process.returncode == 0, errors
            expected |= {f"own{number}" for number in numbers}
            assert {model.name for model in load_lock(cli.lock).models} == expected
            assert set(load_manifest(cli.manifest).models) == expected
            cli.call("lock", "--check").passed()

    @pytest.mark.parametrize("command", ["lock", "install --no-smoke", "update --no-smoke"])
    def test_what_others_add_and_take_out_while_the_hub_is_asked(
        self, cli: Cli, world: LoopbackHub, command: str
    ) -> None:
        """The manifest was read long before the lock is written: what it said then is not what it says now."""
        cli.call(*self.add(cli, 1)).passed()
        cli.manifest.write_text(cli.manifest.read_text() + f'other = {{ ref = "hf:{REPO}", context = 256 }}\n')
        world.faults.add(faults.Delay(0.7), "/api/models/*")
        world.reset_log()
        process = cli.start(*command.split())
        while not world.count("GET", "/api/models/*"):
            time.sleep(0.01)
            assert process.poll() is None
        cli.call(*self.add(cli, 2)).passed()
        text = cli.manifest.read_text()
        cli.manifest.write_text("".join(line for line in text.splitlines(True) if not line.startswith("other")))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "other" not in cli.manifest.read_text(), "what was taken out does not come back"
        assert [model.name for model in load_lock(cli.lock).models] == ["own1", "own2", "sql"]
        cli.call("lock", "--check").passed()


class TestWords:
    def test_a_broken_lock_is_got_past(self, cli: Cli, world: LoopbackHub) -> None:
        cli.lock.write_text("garbage")
        cli.call("lock").failed(7, "delete it and run `lmpm lock`")
        cli.lock.unlink()
        cli.call("lock").passed()

    def test_a_manifest_without_a_lock(self, cli: Cli, world: LoopbackHub) -> None:
        for command in ("sync", "list", "verify", "lock --check", "install --locked", "outdated", "audit"):
            cli.call(*command.split()).failed(7, "No `lmpm.lock` beside", "`lmpm lock`")

    def test_no_model_at_all_is_a_lock_too(self, cli: Cli) -> None:
        cli.manifest.write_text("[models]\n")
        cli.call("lock").passed()
        cli.call("lock", "--check").passed()
        for command in ("sync", "list", "verify", "update"):
            cli.call(command).passed()

    def test_the_manifest_has_its_own_name(self, cli: Cli, world: LoopbackHub) -> None:
        (cli.directory / "pyproject.toml").write_text(
            f"[tool.lmpm.models]\n{cli.manifest.read_text().splitlines()[1]}\n"
        )
        cli.manifest.unlink()
        cli.call("install", "--no-smoke").passed()
        other = cli.beside("other")
        (other.directory / "pyproject.toml").write_text("[tool.lmpm]\n")
        other.lock.write_bytes(cli.lock.read_bytes())
        other.call("lock", "--check").failed(7, "`sql` is in `lmpm.lock` but not in `pyproject.toml`")
        assert "from pyproject.toml and lmpm.lock" in cli.call("remove", "sql").passed().err

    def test_what_downloads_can_be_held_back(self, cli: Cli, world: LoopbackHub) -> None:
        cli.call("lock").passed()
        cli.call("sync", "--no-smoke", "--connections", "1", "--limit-rate", "500MB").passed()
        cli.call("update", "--no-smoke", "--connections", "1").passed()
        cli.call("sync", "--limit-rate", "1").failed(2, "--limit-rate")

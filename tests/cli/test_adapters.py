"""LoRA adapters of a project: pinned with the base that they are for, put on it everywhere, refused on any other."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import lmpm
from lmpm.project import emit_lock, load_lock
from tests.conftest import ROOT, Cli
from tests.gguf_files import write_llama, write_lora
from tests.loopback import LoopbackHub

STARTER: Final = ROOT / "catalog/starter/text-to-sql-starter-Q8_0.gguf"
SCHEMA: Final = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);"
ASK: Final = ("--schema", SCHEMA, "How many users are there?")
WEAK: Final = 0.02  # so that the smoke test still passes
INSTALL: Final = ("install", "./models/base.gguf", "--task", "text-to-sql", "--offline")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def base(cli: Cli) -> Path:
    """A base of the team's own, whose answers are known to be right."""
    path = cli.directory / "models/base.gguf"
    path.parent.mkdir()
    shutil.copy(STARTER, path)
    return path


@pytest.fixture
def team(cli: Cli, base: Path) -> Path:
    """An adapter for it, so strong that its answers are others."""
    return write_lora(cli.directory / "models/team.gguf", base, strength=2.0, base_sha256=digest(base))


@pytest.fixture
def pinned(cli: Cli, base: Path, team: Path) -> Cli:
    """The base with the adapter under one name, and alone under another."""
    cli.call(*INSTALL, "--name", "plain", "--no-test").passed()
    cli.call(*INSTALL, "--name", "adapted", "--adapter", "models/team.gguf", "--no-test").passed()
    return cli


@pytest.fixture
def hub(cli: Cli) -> Iterator[LoopbackHub]:
    """A Hub without any model."""
    with LoopbackHub() as served:
        cli.environment["HF_ENDPOINT"] = served.endpoint
        yield served


def answers(cli: Cli, name: str, *more: str) -> str:
    return cli.call("run", name, "--no-grammar", *ASK, *more).passed().out.strip()


class TestAPin:
    def test_names_adapter_and_base_by_their_hashes_and_counts_its_memory(
        self, pinned: Cli, base: Path, team: Path
    ) -> None:
        plain, adapted = (load_lock(pinned.lock).get(name) for name in ("plain", "adapted"))
        assert plain is not None and adapted is not None
        (rung,), (own,) = adapted.candidates, plain.candidates
        (adapter,) = rung.adapters
        assert adapter.file.sha256 == digest(team) and adapter.size == team.stat().st_size
        assert adapter.base.sha256 == digest(base) == rung.files[0].sha256
        assert rung.memory - own.memory == adapter.size and rung.bytes_per_token - own.bytes_per_token == adapter.size
        text = pinned.lock.read_text()
        assert "revision = 2\n" in text and "[[model.adapters]]" in text
        assert 'adapters = ["models/team.gguf"]' in pinned.manifest.read_text()
        pinned.call("lock", "--check").passed()
        assert emit_lock(load_lock(pinned.lock)) == text

    def test_stays_where_the_same_is_asked_again_and_leaves_with_its_key(self, pinned: Cli) -> None:
        before = pinned.lock.read_bytes()
        pinned.call("install", "--offline").passed()
        pinned.call("lock").passed()
        assert pinned.lock.read_bytes() == before
        text = pinned.manifest.read_text()
        pinned.manifest.write_text(text.replace(', adapters = ["models/team.gguf"]', ""))
        assert "adapters" in pinned.call("lock", "--check").failed(7).err
        pinned.call("lock", "--offline").passed()
        assert "revision = 1\n" in pinned.lock.read_text() and "team.gguf" not in pinned.lock.read_text()

    def test_is_told_by_every_page(self, pinned: Cli, team: Path) -> None:
        assert "base + 1 adapter" in pinned.call("list").passed().out
        assert "adapters models/team.gguf" in pinned.call("show", "adapted").passed().out
        assert "team.gguf" in pinned.call("path", "adapted", "--all").passed().out.splitlines()[1]
        assert "adapter models/team.gguf: the licence is unknown" in pinned.call("audit", "--offline").out
        for command in (("list",), ("path", "adapted")):
            found = pinned.call(*command, "--json").passed().json
            entry = next(item for item in found.get("models", [found]) if item["name"] == "adapted")
            assert entry["adapters"][0]["sha256"] == digest(team)
        line = pinned.call("export", "llama.cpp", "adapted").passed().out
        assert " --lora " in line and "team.gguf" in line
        pinned.call("export", "ollama", "adapted").failed(3, "gets one file", "lmpm export llama.cpp")

    def test_is_told_by_diff(self, pinned: Cli, base: Path, team: Path) -> None:
        old = pinned.lock.with_name("old.lock")
        shutil.copy(pinned.lock, old)
        write_lora(team, base, seed=9, base_sha256=digest(base))
        pinned.call("update", "adapted", "--offline", "--no-test").passed()
        assert "adapter models/team.gguf: other bytes" in pinned.call("diff", str(old)).passed().out
        lock = load_lock(old)
        model = lock.get("adapted")
        assert model is not None
        bare = replace(model, candidates=tuple(replace(rung, adapters=()) for rung in model.candidates))
        old.write_text(emit_lock(lock.with_model(bare)))
        assert "adapter models/team.gguf is new" in pinned.call("diff", str(old)).passed().out

    def test_is_kept_by_prune(self, pinned: Cli) -> None:
        links = sorted(pinned.store.rglob("*.gguf"))
        assert any(link.name == "team.gguf" for link in links)
        pinned.call("cache", "prune", "--yes").passed()
        assert sorted(pinned.store.rglob("*.gguf")) == links


class TestAnswers:
    @pytest.mark.parametrize("engine", ["xllamacpp", "llama-cpp-python"])
    def test_of_run_are_those_of_the_adapted_model(self, engine: str, pinned: Cli) -> None:
        pytest.importorskip(engine.replace("-python", "").replace("-", "_"))
        assert answers(pinned, "adapted", "--engine", engine) != answers(pinned, "plain", "--engine", engine)

    def test_of_python_are_those_of_run(self, pinned: Cli, here: Cli) -> None:
        said = {}
        for name in ("plain", "adapted"):
            with lmpm.load(name) as model:
                said[name] = model.session.complete("SELECT", max_tokens=12).text
        assert said["plain"] != said["adapted"]

    def test_of_serve_are_those_of_run(self, pinned: Cli, here: Cli) -> None:
        import requests

        with lmpm.serve(port=0) as front:
            said = {}
            for name in ("plain", "adapted"):
                body = {"model": name, "lmpm": {"schema": SCHEMA, "question": ASK[2]}}
                done = requests.post(f"{front.base_url}/chat/completions", json=body, timeout=60)
                said[name] = done.json()["choices"][0]["message"]["content"]
        assert said["plain"] != said["adapted"]

    def test_of_verify_and_test_too(self, pinned: Cli, base: Path) -> None:
        """The strong one spoils the model, which only who puts it on can notice; a weak one does not."""
        pinned.call("verify", "plain").passed()
        pinned.call("verify", "adapted").failed(8)
        pinned.call("test", "adapted").failed(8)
        write_lora(base.with_name("weak.gguf"), base, strength=WEAK, base_sha256=digest(base))
        pinned.call(*INSTALL, "--name", "weak", "--adapter", "models/weak.gguf").passed()
        pinned.call("verify", "weak").passed()
        assert load_lock(pinned.lock).get("weak").candidates[0].tested is not None  # type: ignore[union-attr]

    def test_one_that_spoils_the_model_is_not_pinned(self, cli: Cli, base: Path, team: Path) -> None:
        cli.call(*INSTALL, "--name", "adapted", "--adapter", "models/team.gguf").failed(8, "does not do its task")
        assert not cli.lock.exists()


class TestABaseThatIsAnother:
    def test_by_its_hash_is_refused_before_anything_is_pinned(self, cli: Cli, base: Path) -> None:
        write_lora(cli.directory / "models/x.gguf", base, base_sha256="1" * 64)
        failed = cli.call(*INSTALL, "--adapter", "models/x.gguf", "--no-test")
        failed.failed(4, "was trained on another base", "1" * 64, digest(base))
        assert not cli.lock.exists() and not cli.manifest.exists()

    @pytest.mark.parametrize(
        ("lineage", "refused"),
        [("https://huggingface.co/org/other-7b", True), ("https://huggingface.co/org/text-to-sql-starter", False)],
    )
    def test_by_its_lineage_is_refused_where_no_hash_is_named(
        self, lineage: str, refused: bool, cli: Cli, base: Path
    ) -> None:
        extra: dict[str, str | int] = {"general.base_model.count": 1, "general.base_model.0.repo_url": lineage}
        write_lora(cli.directory / "models/x.gguf", base, strength=WEAK, extra=extra)
        done = cli.call(*INSTALL, "--name", "x", "--adapter", "models/x.gguf", "--no-test")
        if refused:
            done.failed(4, "was trained on another base", "other-7b")
        else:
            assert "names no base by its hash" in done.passed().err
            (rung,) = load_lock(cli.lock).models[0].candidates
            assert rung.adapters[0].base.sha256 == digest(base)

    def test_of_other_shapes_is_refused(self, cli: Cli, base: Path) -> None:
        other = write_llama(cli.directory / "models/other.gguf", layers=9)[0]
        write_lora(cli.directory / "models/x.gguf", other)
        cli.call(*INSTALL, "--adapter", "models/x.gguf", "--no-test").failed(4, "cannot be put on this model")
        write_lora(cli.directory / "models/x.gguf", write_llama(other, architecture="qwen2")[0])
        cli.call(*INSTALL, "--adapter", "models/x.gguf", "--no-test").failed(4, "it is for qwen2")
        assert not cli.lock.exists()

    def test_that_comes_under_the_same_name_later_is_refused_by_lock_and_verify(self, pinned: Cli, base: Path) -> None:
        write_llama(base, context=1024)
        pinned.call("verify", "adapted").failed(4)
        failed = pinned.call("update", "adapted", "--offline", "--no-test")
        failed.failed(4, "was trained on another base")

    def test_of_a_lock_that_somebody_edited_is_refused_by_who_reads_or_verifies_it(
        self, pinned: Cli, base: Path, team: Path
    ) -> None:
        text, own = pinned.lock.read_text(), digest(base)
        place = text.index("[[model.adapters]]")
        pinned.lock.write_text(text[:place] + text[place:].replace(own, "1" * 64))
        pinned.call("verify").failed(7, "model[0].adapters[0].base.sha256", "no candidate's first file")
        # an adapter for another base, pinned as one for this
        write_lora(team, base, base_sha256="2" * 64)
        now = text.replace(_sha_in(text, "models/team.gguf"), digest(team)).replace(
            f"size = {_size_in(text)}", f"size = {team.stat().st_size}"
        )
        pinned.lock.write_text(now)
        shutil.rmtree(pinned.store)
        pinned.call("sync", "adapted", "--no-test").failed(4, "was trained on another base")
        pinned.call("verify", "adapted", "--fetch", "--no-smoke").failed(4)
        pinned.call("run", "adapted", *ASK).failed(4, "was trained on another base")


def _sha_in(text: str, path: str) -> str:
    line = next(line for line in text.splitlines() if line.startswith("file = ") and path in line)
    return line.split('sha256 = "')[1][:64]


def _size_in(text: str) -> str:
    line = next(line for line in text.splitlines() if line.startswith("file = "))
    return line.split("size = ")[1].split(",")[0]


class TestOfTheHub:
    @pytest.fixture
    def served(self, cli: Cli, hub: LoopbackHub, tmp_path: Path) -> Cli:
        lora = write_lora(tmp_path / "lora.gguf", STARTER, strength=WEAK, base_sha256=digest(STARTER))
        hub.add_repo("acme/sql-GGUF", {"sql-Q8_0.gguf": STARTER.read_bytes()}, card_data={"license": "mit"})
        hub.add_repo(
            "acme/sql-lora", {"lora.gguf": lora.read_bytes(), "README.md": b"-"}, card_data={"license": "cc-by-nc-4.0"}
        )
        cli.call(
            "install", "acme/sql-GGUF", "--task", "text-to-sql", "--name", "sql", "--adapter", "acme/sql-lora"
        ).passed()
        return cli

    def test_is_pinned_at_its_commit_and_brought_to_others(self, served: Cli) -> None:
        (rung,) = load_lock(served.lock).models[0].candidates
        (adapter,) = rung.adapters
        assert str(adapter.source).startswith("acme/sql-lora @ ") and adapter.license == "cc-by-nc-4.0"
        assert adapter.base.repo == "acme/sql-GGUF" and len(adapter.base.commit) == 40
        clone = served.clone()
        clone.call("verify").failed(4, "missing")
        assert "✗ missing" in clone.call("list").passed().out
        clone.call("sync").passed()
        clone.call("verify", "--offline").passed()
        clone.call("lock", "--check").passed()
        clone.call("install", "--offline").passed()

    def test_is_held_to_the_policy(self, served: Cli) -> None:
        served.manifest.write_text(served.manifest.read_text() + '\n[policy.licenses]\ndeny = ["cc-by-nc-4.0"]\n')
        served.call("verify").failed(9)
        served.call("install").failed(9, "adapter", "cc-by-nc-4.0 is denied")

    def test_that_moved_on_is_outdated_and_updated(self, served: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
        other = write_lora(tmp_path / "o.gguf", STARTER, seed=5, strength=WEAK, base_sha256=digest(STARTER))
        hub.commit("acme/sql-lora", {"lora.gguf": other.read_bytes()})
        assert "adapter lora.gguf" in served.call("outdated").out
        served.call("update", "sql").passed()
        assert load_lock(served.lock).models[0].candidates[0].adapters[0].file.sha256 == digest(other)

    def test_a_damaged_file_is_named_by_verify(self, served: Cli) -> None:
        blob = next(path for path in served.blobs() if path.stat().st_size < 10**6)
        blob.chmod(0o644)
        data = blob.read_bytes()
        blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert "lora.gguf" in served.call("verify").failed(4).out
        served.call("verify", "--fetch").passed()

    def test_goes_into_a_bundle_and_out_of_it(self, served: Cli, tmp_path: Path) -> None:
        place = tmp_path / "b.tar"
        served.call("bundle", "create", str(place)).passed()
        with tarfile.open(place) as archive:
            member = archive.extractfile("lmpm-bundle/BUNDLE.json")
            assert member is not None
            index = json.load(member)
        assert index["models"][0]["adapters"][0]["path"] == "lora.gguf"
        other = served.beside("air-gap", empty_store=True)
        other.call("bundle", "import", str(place)).passed()
        other.call("verify", "--offline").passed()

    def test_several_in_one_repository_must_be_told_apart(self, served: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
        lora = (tmp_path / "lora.gguf").read_bytes()
        hub.add_repo("acme/many", {"a.gguf": lora, "b.gguf": lora})
        install = ("install", "acme/sql-GGUF", "--task", "text-to-sql", "--name", "other", "--adapter")
        served.call(*install, "acme/many").failed(2, "holds 2 GGUF files", "`acme/many/a.gguf`")
        served.call(*install, "acme/many/b.gguf").passed()
        served.call(*install, "acme/nothing").failed(3)


class TestWrong:
    @pytest.mark.parametrize(
        ("adapter", "code", "words"),
        [
            ("models/none.gguf", 3, "is not there"),
            ("models", 2, "lmpm convert"),
            ("models/base.gguf", 4, "is not an adapter"),
            ("models/text.gguf", 4, "text.gguf"),
        ],
    )
    def test_words_say_what_to_do(self, adapter: str, code: int, words: str, cli: Cli, base: Path) -> None:
        (cli.directory / "models/text.gguf").write_text("not a GGUF at all")
        cli.call(*INSTALL, "--adapter", adapter, "--no-test").failed(code, words)
        assert not cli.lock.exists() and not cli.manifest.exists()

    def test_a_task_alone_is_no_base(self, cli: Cli, base: Path) -> None:
        write_lora(cli.directory / "models/x.gguf", base)
        install = ("install", "text-to-sql", "--offline", "--adapter", "models/x.gguf")
        cli.call(*install).failed(2, "does not say which base", "Name the model")

    def test_one_that_is_installed_as_a_model_says_how(self, cli: Cli, team: Path) -> None:
        install = ("install", "./models/team.gguf", "--task", "text-to-sql", "--offline")
        cli.call(*install).failed(4, "a LoRA adapter", "--adapter FILE")

    def test_an_adapter_goes_with_one_reference_that_is_pinned(self, cli: Cli, base: Path, team: Path) -> None:
        cli.call(*INSTALL, "text-to-sql", "--adapter", "models/team.gguf").failed(2, "exactly one reference")
        cli.call(*INSTALL, "--no-save", "--adapter", "models/team.gguf").failed(2, "exactly one reference")

    @pytest.mark.parametrize(
        ("said", "words"),
        [('["a", "a"]', "listed twice"), ('"a"', "list of strings"), (str(["x"] * 17).replace("'", '"'), "twice")],
    )
    def test_a_manifest_is_checked(self, said: str, words: str, cli: Cli) -> None:
        cli.manifest.write_text(f'[models]\nx = {{ task = "chat", adapters = {said} }}\n')
        cli.call("lock", "--check").failed(2, words)

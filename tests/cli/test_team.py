"""One lock in a team: sync, update, outdated, diff, audit, and other manifests, against a Hub that changes."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lmpm.project.lock.file import load_lock, write_lock
from tests.conftest import Cli
from tests.gguf_files import CHAT_TEMPLATE, write_llama
from tests.loopback import LoopbackHub

REPO = "org/tiny-GGUF"
FILE = "tiny-Q8_0.gguf"
MAC = ("--hardware", "M2, 16GB")
TARGETS = '\n[targets]\nmac = { hardware = "M2, 16GB" }\n'


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    folder = tmp_path_factory.mktemp("tiny")
    made: dict[str, bytes] = {}

    def make(name: str = "tiny", template: str | None = CHAT_TEMPLATE) -> bytes:
        key = f"{name} {template}"
        if key not in made:
            (path,) = write_llama(folder / "tiny.gguf", name=name, chat_template=template)
            made[key] = path.read_bytes()
        return made[key]

    return make


@pytest.fixture
def world(cli: Cli, tiny: Callable[..., bytes]) -> Iterator[LoopbackHub]:
    """A Hub with one repository, and a project that has pinned and fetched it."""
    with LoopbackHub() as hub:
        hub.add_repo(REPO, {FILE: tiny()}, card_data={"license": "mit"})
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        cli.manifest.write_text(f'[models]\ntiny = {{ ref = "hf:{REPO}", context = 256 }}\n{TARGETS}')
        cli.call("lock", *MAC).passed()
        cli.call("sync", "--no-smoke", *MAC).passed()
        hub.reset_log()
        yield hub


def test_everything_is_pinned(cli: Cli, world: LoopbackHub) -> None:
    (model,) = load_lock(cli.lock).models
    (rung,) = model.candidates
    assert rung.license == "mit" and rung.template and rung.identity and rung.targets == ("mac",)
    assert rung.memory > rung.size and rung.bytes_per_token > 0
    assert all(file.sha256 for file in rung.files)


class TestSync:
    def test_nothing_to_do_is_one_line_and_no_request(self, cli: Cli, world: LoopbackHub) -> None:
        before = (cli.lock.stat().st_ino, cli.lock.stat().st_mtime_ns)
        shown = cli.call("sync", *MAC).passed()
        assert shown.err == "1 model as lmpm.lock pins it, nothing to do\n" and shown.out == ""
        assert len(world.requests) == 0 and before == (cli.lock.stat().st_ino, cli.lock.stat().st_mtime_ns)

    def test_a_clone_gets_what_the_lock_pins(self, cli: Cli, world: LoopbackHub) -> None:
        clone = cli.clone()
        dry = clone.call("sync", "--dry-run", "--json", *MAC).passed().json
        assert dry["dry_run"] and not dry["models"][0]["present"] and not clone.blobs()
        clone.call("sync", "--offline", *MAC).failed(4, "network is switched off")
        clone.call("sync", "--target", "mac", "--hardware", "CPU, 2 cores, 4GB").passed()
        assert len(clone.blobs()) == 1 and clone.lock.read_bytes() == cli.lock.read_bytes()
        assert world.count("GET", "/api/*") == 0, "the lock says everything"
        clone.call("sync", "--target", "moc").failed(3, "`moc`", "Declared: `mac`")

    def test_a_stale_lock_is_an_error_and_stays(self, cli: Cli, world: LoopbackHub) -> None:
        before = cli.lock.read_bytes()
        cli.manifest.write_text(cli.manifest.read_text().replace("256", "128"))
        cli.call("sync", *MAC).failed(7, "`tiny` asks for context 128, the lock has 256", "run `lmpm lock`")
        assert cli.lock.read_bytes() == before

    def test_a_target_that_became_too_small_is_stale(self, cli: Cli, world: LoopbackHub) -> None:
        cli.manifest.write_text(cli.manifest.read_text().replace("M2, 16GB", "CPU, 1 core, 64MB"))
        cli.call("lock", "--check").failed(7, "the target `mac` takes none, the lock has it at variant 1")

    def test_bytes_that_changed_under_the_commit_are_refused(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        flipped = bytearray(tiny())
        flipped[-1] ^= 1
        world.rewrite(REPO, FILE, bytes(flipped))
        clone = cli.clone()
        clone.call("sync", *MAC).failed(4, "Hash mismatch", FILE)
        assert not clone.blobs()

    def test_a_lock_that_was_edited_to_other_bytes_gets_none(self, cli: Cli, world: LoopbackHub) -> None:
        """Nobody can tell such a lock from a right one; the bytes can, and the difference shows it."""
        clone = cli.clone()
        (rung,) = load_lock(cli.lock).models[0].candidates
        digest = rung.files[0].sha256 or ""
        clone.lock.write_text(cli.lock.read_text().replace(digest, digest[::-1]))
        clone.call("lock", "--check").passed()
        clone.call("sync", *MAC).failed(4, "Hash mismatch", digest[:8])
        assert not clone.blobs()
        assert "OTHER BYTES UNDER THE SAME COMMIT" in clone.call("diff", cli.lock, "lmpm.lock").passed().out
        assert clone.call("outdated", *MAC).code == 4


def test_a_blob_whose_name_is_another_hash_is_not_what_the_lock_pins(cli: Cli, world: LoopbackHub) -> None:
    cli.call("install", "--no-smoke").passed()
    digest = load_lock(cli.lock).models[0].candidates[0].files[0].sha256 or ""
    assert "installed" in cli.call("list").passed().out
    cli.lock.write_text(cli.lock.read_text().replace(digest, digest[::-1]))
    assert "missing" in cli.call("list").passed().out
    cli.call("path", "tiny").failed(4, "is not on this machine")


class TestPolicy:
    def test_it_holds_wherever_the_lock_is_used(self, cli: Cli, world: LoopbackHub) -> None:
        cli.manifest.write_text(cli.manifest.read_text() + '\n[policy]\nlicenses = { deny = ["mit"] }\n')
        for command in (
            ["lock", "--check"],
            ["sync", *MAC],
            ["install", "--locked", *MAC],
            ["install", *MAC],
            ["verify", "--no-smoke", *MAC],
            ["audit", "--offline"],
        ):
            shown = cli.call(*command)
            assert shown.code == 9, (command, shown)
            assert "mit is denied" in shown.out + shown.err
        before = cli.lock.read_bytes()
        cli.call("lock", *MAC).failed(9, "mit is denied")
        assert cli.lock.read_bytes() == before

    def test_a_licence_that_is_likely_misspelt_is_named(self, cli: Cli, world: LoopbackHub) -> None:
        text = cli.manifest.read_text()
        cli.manifest.write_text(f'{text}\n[policy]\nlicenses = {{ deny = ["apche-2.0", "our-own-terms"] }}\n')
        for command in (["lock", "--check"], ["install", *MAC], ["verify", "--no-smoke", *MAC], ["audit", "--offline"]):
            shown = cli.call(*command)
            assert "`apche-2.0` is not a licence that lmpm knows: did you mean `apache-2.0`?" in shown.err

    @pytest.mark.parametrize(
        ("policy", "words"),
        [
            ('licenses = { deny = ["MIT"] }', "the licence mit is denied"),
            ('publishers = { deny = ["ORG"] }', "the publisher org is denied"),
            ('licenses = { allow = ["apache-2.0"] }', "mit is not among those allowed"),
            ('publishers = { deny = ["org"] }', "the publisher org is denied"),
            ('publishers = { allow = ["other"] }', "the publisher org is not among those allowed"),
            ('max_size = "1KB"', "more than the"),
        ],
    )
    def test_each_rule(self, cli: Cli, world: LoopbackHub, policy: str, words: str) -> None:
        cli.manifest.write_text(f"{cli.manifest.read_text()}\n[policy]\n{policy}\n")
        cli.call("lock", "--check").failed(9, words)

    def test_a_licence_of_its_own_is_named(self, cli: Cli, world: LoopbackHub) -> None:
        world.state.repo(REPO).card_data = {"license": "other", "license_name": "Tiny Research 1"}
        cli.call("lock", "--upgrade", *MAC).passed()
        assert load_lock(cli.lock).models[0].candidates[0].license == "tiny-research-1"
        shown = cli.call("audit", "--json", "--offline").passed().json
        assert ("license-custom", "note") in {(row["rule"], row["level"]) for row in shown["findings"]}


class TestChanges:
    def test_nothing_new(self, cli: Cli, world: LoopbackHub) -> None:
        assert "1 model is up to date" in cli.call("outdated", *MAC).passed().err

    def test_each_change_is_named_and_update_takes_it(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        old, lock = cli.lock.with_name("old.lock"), cli.lock.read_bytes()
        old.write_bytes(lock)
        world.commit(REPO, {FILE: tiny("newer", "{{ messages }} anew")})
        world.state.repo(REPO).card_data = {"license": "gemma"}
        shown = cli.call("outdated", "--json", *MAC).passed().json
        assert [row["kind"] for row in shown["changes"]] == ["revision", "file", "template", "license"]
        assert cli.lock.read_bytes() == lock, "nothing is changed"
        rules = {row["rule"] for row in cli.call("audit", "--json").passed().json["findings"]}
        assert {"template-changed", "license-changed"} <= rules

        dry = cli.call("update", "--dry-run", "--no-smoke", *MAC).passed()
        assert "licence mit -> gemma" in dry.out and "dry run" in dry.err and cli.lock.read_bytes() == lock
        cli.call("update", "tiny", "--no-smoke", *MAC).passed()
        assert len(cli.blobs()) == 2
        told = cli.call("diff", old).passed().out
        assert "chat template changed" in told and "commit" in told and told == dry.out
        assert "up to date" in cli.call("update", "--no-smoke", *MAC).passed().err
        cli.call("update", "tniy").failed(3, "`tniy`")

    def test_bytes_that_changed_under_the_commit(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        world.rewrite(REPO, FILE, tiny("other bytes"))
        shown = cli.call("outdated", *MAC)
        assert shown.code == 4 and "other bytes under the same commit" in shown.out
        audit = cli.call("audit")
        assert audit.code == 4 and "error" in audit.out

    @pytest.mark.parametrize(
        "command", ["update", "lock --upgrade", "lock", f"install {REPO} --context 128 --no-smoke"]
    )
    def test_they_are_never_an_update(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes], command: str
    ) -> None:
        if command == "lock":  # the line changed, so that it is chosen anew
            cli.manifest.write_text(cli.manifest.read_text().replace("256", "128"))
        before = cli.lock.read_bytes(), cli.manifest.read_bytes()
        shutil.rmtree(Path(cli.environment["LMPM_HOME"]) / "hub")  # answers of the Hub that were kept
        world.rewrite(REPO, FILE, tiny("other bytes"))
        cli.call(*command.split(), *MAC).failed(4, "Hash mismatch", FILE, "under the commit that the lock pins")
        assert (cli.lock.read_bytes(), cli.manifest.read_bytes()) == before
        assert len(cli.blobs()) == 1 and world.count("GET", "*/resolve/*/*.gguf") <= 1, "its header at most"
        cli.call("remove", "tiny").passed()
        cli.call("install", REPO, "--no-smoke", "--context", "256", *MAC).passed()

    def test_a_name_that_somebody_else_registered(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        world.state.repositories.clear()
        world.add_repo(REPO, {FILE: tiny("an impostor")}, object_id="f" * 24, card_data={"license": "mit"})
        kinds = {row["kind"] for row in cli.call("outdated", "--json", *MAC).passed().json["changes"]}
        assert {"identity", "history"} <= kinds
        assert cli.call("audit").code == 4
        clone = cli.clone()
        assert clone.call("sync", *MAC).code in (3, 4) and not clone.blobs(), "the pinned commit is not there"
        assert "was registered anew" in cli.call("lock", "--upgrade", *MAC).passed().err

    def test_a_repository_that_is_gone_or_has_another_name(self, cli: Cli, world: LoopbackHub) -> None:
        world.rename(REPO, "org/renamed-GGUF")
        shown = cli.call("outdated", *MAC).passed()
        assert "is called `org/renamed-GGUF` now" in shown.out
        world.state.repositories.clear()
        assert "any more" in cli.call("outdated", *MAC).passed().out

    def test_the_catalog_takes_another_choice(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.manifest.write_text('[models]\ntext-to-sql = { task = "text-to-sql" }\n')
        cli.call("lock", *MAC).passed()
        lock = load_lock(cli.lock)
        (model,) = lock.models
        write_lock(cli.lock, lock.with_model(replace(model, candidates=model.candidates[-1:])))  # as of an old catalog
        rows = cli.call("outdated", "--json", *MAC).passed().json["changes"]
        assert [row["kind"] for row in rows if row["variant"] is None] == ["choice"]

    def test_the_catalog_takes_another_choice_for_a_declared_machine(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.manifest.write_text(
            '[models]\nchat = { task = "chat" }\n\n[targets]\nbig = { hardware = "RTX 4090, 64GB" }\n'
        )
        small = ("--hardware", "CPU, 8 cores, 4GB")
        cli.call("lock", *small).passed()
        lock = load_lock(cli.lock)
        (model,) = lock.models
        worst = replace(min(model.candidates, key=lambda rung: rung.score), targets=("big",))
        write_lock(cli.lock, lock.with_model(replace(model, candidates=(worst,))))
        rows = cli.call("outdated", "--json", *small).passed().json["changes"]
        assert any("`big`" in row["detail"] and "the catalog takes" in row["detail"] for row in rows)


class TestDiff:
    def test_without_a_name_it_is_the_commit_of_git(self, cli: Cli, world: LoopbackHub) -> None:
        cli.call("diff").failed(7, "git has no committed `lmpm.lock`")
        git = ("git", "-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false")
        for command in (["init", "-q"], ["add", "lmpm.lock"], ["commit", "-qm", "x"]):
            subprocess.run([*git, *command], cwd=cli.directory, check=True, capture_output=True)
        assert "Nothing changed" in cli.call("diff").passed().err
        cli.call("remove", "tiny").passed()
        assert cli.call("diff").passed().out.startswith("tiny: removed")

    def test_as_the_external_diff_of_git(self, cli: Cli, world: LoopbackHub) -> None:
        arguments = ("lmpm.lock", "/dev/null", "0" * 40, "100644", cli.lock, "1" * 40, "100644")
        assert cli.call("diff", *arguments).passed().out.splitlines()[:1] == ["lmpm.lock:"]
        assert "tiny: added" in cli.call("diff", *arguments).out
        cli.call("diff", "a", "b", "c").failed(2, "at most two")


class TestAudit:
    def test_sarif_points_at_the_line_of_the_rung(self, cli: Cli, world: LoopbackHub) -> None:
        log = json.loads(cli.call("audit", "--format", "sarif").passed().out)
        assert log["version"] == "2.1.0"
        (run,) = log["runs"]
        lines = cli.lock.read_text().splitlines()
        assert run["results"]
        for result in run["results"]:
            assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
            (place,) = result["locations"]
            line = place["physicalLocation"]["region"]["startLine"]
            assert lines[line - 1] == "[[model.candidate]]"

    def test_the_bill_of_materials_is_the_lock_and_always_the_same(self, cli: Cli, world: LoopbackHub) -> None:
        pytest.importorskip("cyclonedx")
        from packageurl import PackageURL

        made = cli.call("audit", "--format", "cyclonedx").passed().out
        assert made == cli.call("audit", "--format", "cyclonedx").passed().out
        assert len(world.requests) == 0
        bom = json.loads(made)
        (rung,) = load_lock(cli.lock).models[0].candidates
        (component,) = bom["components"]
        assert bom["bomFormat"] == "CycloneDX" and component["type"] == "machine-learning-model"
        purl = PackageURL.from_string(component["purl"])
        revision = getattr(rung.source, "revision", None)
        assert (purl.type, purl.namespace, purl.name, purl.version) == ("huggingface", "org", "tiny-GGUF", revision)
        assert component["licenses"] == [{"license": {"id": "MIT"}}]
        assert [part["hashes"][0]["content"] for part in component["components"]] == [f.sha256 for f in rung.files]

    def test_the_bill_of_materials_is_valid_by_the_schema_for_every_kind_of_source(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        pytest.importorskip("jsonschema")
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

        from lmpm.project.reports.cyclonedx import cyclonedx_bom
        from tests.lock_samples import random_lock

        check = JsonStrictValidator(SchemaVersion.V1_6)
        assert check.validate_str('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}]}') is not None
        assert check.validate_str(cli.call("audit", "--format", "cyclonedx").passed().out) is None
        for seed in range(12):
            lock = random_lock(random.Random(seed))
            assert check.validate_str(cyclonedx_bom(lock, str(seed), version="1")) is None, seed

    def test_what_the_catalog_knows_to_be_bad(self, cli: Cli, world: LoopbackHub) -> None:
        from lmpm import catalog
        from lmpm.catalog.yanked import Yanked
        from lmpm.project.audit import audit_exit_code, audit_lock
        from lmpm.project.manifest import Policy

        bad = Yanked(reason="steals keys", source="https://example.org/advisory", repo=REPO.upper())
        known = replace(catalog.load(catalog.directory()), yanked=(bad,))
        findings = audit_lock(load_lock(cli.lock), Policy(), known, None)
        assert findings[0].rule.id == "withdrawn" and "steals keys" in findings[0].detail
        assert audit_exit_code(findings) == 9


class TestVerify:
    def test_junit_has_a_case_for_each_model(self, cli: Cli, world: LoopbackHub) -> None:
        cli.call("verify", "--no-smoke", "--junit", "right.xml", *MAC).passed()
        assert ET.parse(cli.directory / "right.xml").getroot().attrib["failures"] == "0"
        clone = cli.clone()
        clone.call("verify", "--no-smoke", "--junit", "wrong.xml", *MAC).failed(4)
        root = ET.parse(clone.directory / "wrong.xml").getroot()
        (case,) = root.iter("testcase")
        (failure,) = case
        assert case.attrib["name"] == "tiny" and "missing" in failure.attrib["message"]
        assert "exit code 4" in (failure.text or "")

    def test_quick_trusts_what_did_not_change(self, cli: Cli, world: LoopbackHub) -> None:
        assert "unchanged since it was hashed" in cli.call("verify", "--quick", "--no-smoke", *MAC).passed().out


class TestOtherManifests:
    def test_init_writes_one_that_can_be_added_to(self, cli: Cli, world: LoopbackHub) -> None:
        other = cli.beside("fresh")
        other.call("init").passed()
        other.call("lock", "--check").failed(7, "No `lmpm.lock`")
        other.call("install", REPO, "--no-smoke", "--context", "256", *MAC).passed()
        assert "# [policy]" in other.manifest.read_text() and "tiny" in other.manifest.read_text()
        other.call("init").failed(2, "is here already")

    def test_pyproject_is_one_and_is_found_from_below(self, cli: Cli, world: LoopbackHub) -> None:
        other = cli.beside("python")
        page = other.directory / "pyproject.toml"
        page.write_text('[project]\nname = "x"  # mine\n\n[tool.lmpm.targets]\nmac = { hardware = "M2, 16GB" }\n')
        below = Cli(other.directory / "src", other.environment)
        below.directory.mkdir()
        below.call("install", REPO, "--no-smoke", "--context", "256", *MAC).passed()
        assert not other.manifest.exists() and not below.lock.exists() and not below.manifest.exists()
        text = page.read_text()
        assert "[tool.lmpm.models]" in text and 'name = "x"  # mine' in text
        (model,) = load_lock(other.lock).models
        assert model.candidates[0].targets == ("mac",)
        below.call("lock", "--check").passed()
        below.call("remove", model.name).passed()
        assert REPO not in page.read_text() and 'name = "x"  # mine' in page.read_text()

    def test_global_is_a_set_of_its_own(self, cli: Cli, world: LoopbackHub) -> None:
        cli.call("install", REPO, "--global", "--no-smoke", "--context", "256", *MAC).passed()
        assert "tiny" in cli.call("list", "--global", *MAC).passed().out
        cli.call("sync", "--global", *MAC).passed()


def test_a_blob_of_another_digest_is_not_what_the_lock_pins(cli: Cli, world: LoopbackHub) -> None:
    (model,) = load_lock(cli.lock).models
    digest = model.candidates[0].files[0].sha256 or ""
    cli.lock.write_text(cli.lock.read_text().replace(digest, digest[::-1]))
    assert " missing" in cli.call("list", *MAC).passed().out
    cli.call("path", "tiny", *MAC).failed(4, "is not on this machine")
    failed = cli.call("sync", "--no-smoke", *MAC).failed(4, "Hash mismatch")
    assert "damaged" not in failed.err, "nothing is wrong with the copy on disk"


@pytest.mark.parametrize("command", ["outdated", "update"])
def test_without_a_network_nobody_is_sent_to_an_option_that_does_not_help(
    cli: Cli, world: LoopbackHub, command: str
) -> None:
    cli.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    failed = cli.call(command, *MAC).failed(5, "cannot be reached", "can only be asked over the network")
    assert "--offline" not in failed.err


class TestOtherSources:
    def test_a_file_of_the_team_is_pinned_by_its_hash_and_stays_where_it_is(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        own = cli.directory / "models" / "own.gguf"
        own.parent.mkdir()
        own.write_bytes(tiny("our own"))
        below = Cli(own.parent, cli.environment)
        below.call("install", "./own.gguf", "--no-smoke", "--context", "256", "--offline", *MAC).passed()
        text = cli.lock.read_text()
        assert 'source = { file = "models/own.gguf" }' in text and str(cli.directory) not in text
        name = next(model.name for model in load_lock(cli.lock).models if model.name != "tiny")
        path = Path(cli.call("path", name, *MAC).passed().out.strip())
        assert path.samefile(own), "nothing is on disk twice"
        cli.call("lock", "--check").passed()
        cli.call("verify", name, "--no-smoke", *MAC).passed()

        clone = cli.clone()
        clone.call("sync", name, *MAC).failed(4, "only somebody of your team has", "Put it at")
        (clone.directory / "models").mkdir()
        (clone.directory / "models" / "own.gguf").write_bytes(tiny("something else"))
        clone.call("sync", name, "--no-smoke", *MAC).failed(4, "Hash mismatch")
        (clone.directory / "models" / "own.gguf").write_bytes(tiny("our own"))
        clone.call("sync", name, "--no-smoke", *MAC).passed()

    def test_a_file_outside_of_the_project_is_found_where_the_manifest_says(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        outside, inside = cli.directory.parent / "shelf" / "ours.gguf", cli.directory / "own.gguf"
        outside.parent.mkdir()
        outside.write_bytes(tiny("our own"))
        words = ("--no-smoke", "--offline", *MAC)
        cli.call("install", "../shelf/ours.gguf", "--name", "outside", *words).passed()
        assert Path(cli.call("path", "outside", *MAC).passed().out.strip()).samefile(outside)
        assert 'path = "ours.gguf"' in cli.lock.read_text(), "the name of a file is no way out of the project"

        inside.write_bytes(outside.read_bytes())  # the same bytes, so that the store has them once
        cli.call("install", "./own.gguf", "--name", "inside", *words).passed()
        for lost, kept in ((outside, "inside"), (inside, "outside")):
            lost.rename(lost.with_suffix(".away"))
            cli.call("sync", kept, *words).passed()
            cli.call("verify", kept, "--no-smoke", *MAC).passed()
            lost.with_suffix(".away").rename(lost)
        outside.unlink()
        inside.unlink()
        cli.call("sync", "outside", *words).failed(4, "only somebody of your team has", "Put it at")

    def test_a_file_is_pinned_at_no_more_tokens_than_it_was_trained_for(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        (cli.directory / "own.gguf").write_bytes(tiny("our own"))
        cli.call("install", "./own.gguf", "--name", "own", "--no-smoke", "--offline", *MAC).passed()
        assert 'own = { ref = "./own.gguf", context = 512 }' in cli.manifest.read_text()
        cli.call("update", "own", "--no-smoke", *MAC).passed()
        shown = cli.call("install", "./own.gguf", "--name", "other", "--context", "513", "--offline", *MAC)
        shown.failed(3, "its only candidate was rejected", "trained for 512 tokens, 513 asked for", "`--context`")

    def test_an_address_is_pinned_with_the_hash_that_the_user_gave(
        self, cli: Cli, world: LoopbackHub, tiny: Callable[..., bytes]
    ) -> None:
        from hashlib import sha256

        digest = sha256(tiny()).hexdigest()
        url = f"{world.endpoint}/{REPO}/resolve/main/{FILE}"
        elsewhere = url.replace("127.0.0.1", "localhost")  # the host of HF_ENDPOINT itself is a Hub
        cli.call("install", elsewhere, *MAC).failed(2, "no sha256 is given")
        cli.call("install", f"{url}#sha256={'0' * 64}", "--no-smoke", "--context", "256", *MAC).failed(
            4, "Hash mismatch"
        )
        assert "url = " not in cli.lock.read_text()
        cli.call(
            "install", f"{url}#sha256={digest}", "--name", "byurl", "--no-smoke", "--context", "256", *MAC
        ).passed()
        locked = load_lock(cli.lock).get("byurl")
        assert locked is not None and locked.candidates[0].files[0].sha256 == digest
        clone = cli.clone()
        clone.call("sync", "byurl", "--no-smoke", *MAC).passed()
        clone.call("verify", "byurl", "--no-smoke", *MAC).passed()
        clone.call("lock", "--check").passed()

"""`lmpm lock`: the lock follows the manifest, nothing is downloaded, and `--check` changes nothing."""

from __future__ import annotations

from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.loopback import LoopbackHub

MANIFEST = """\
[models]
embeddings = { task = "embeddings", context = 512 }
chat = { task = "chat", context = 4096 }  # for the bot
"""


def test_a_manifest_is_pinned_without_a_download(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(MANIFEST)
    cli.call("lock", "--check").failed(7, "No `lmpm.lock`")
    shown = cli.call("lock").passed()
    assert "Locked    chat" in shown.err and "Locked    embeddings" in shown.err
    lock = load_lock(cli.lock)
    assert [model.name for model in lock.models] == ["chat", "embeddings"]
    assert all(file.sha256 for model in lock.models for rung in model.candidates for file in rung.files)
    assert hub.count("GET", "*/resolve/*") == 0 and not cli.blobs()
    assert cli.manifest.read_text() == MANIFEST, "the manifest is the user's own"
    cli.call("lock", "--check").passed()


def test_what_is_pinned_stays_and_costs_no_request(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(MANIFEST)
    cli.call("lock").passed()
    before = cli.lock.read_bytes()
    hub.reset_log()
    assert "up to date" in cli.call("lock").passed().err
    assert cli.lock.read_bytes() == before and len(hub.requests) == 0


def test_a_changed_line_is_stale_until_it_is_locked_again(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(MANIFEST)
    cli.call("lock").passed()
    before = cli.lock.read_bytes()
    cli.manifest.write_text(MANIFEST.replace("4096", "2048"))
    cli.call("lock", "--check").failed(7, "`chat` asks for context 2048, the lock has 4096", "run `lmpm lock`")
    assert cli.lock.read_bytes() == before
    shown = cli.call("lock").passed()
    assert "chat" in shown.err and "embeddings" not in shown.err, "only what changed is chosen anew"
    cli.call("lock", "--check").passed()


def test_a_line_taken_out_leaves_the_lock(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(MANIFEST)
    cli.call("lock").passed()
    cli.manifest.write_text(MANIFEST.split("chat")[0])
    assert "chat: no longer in lmpm.toml" in cli.call("lock").passed().err
    assert [model.name for model in load_lock(cli.lock).models] == ["embeddings"]


def test_a_declared_target_gets_its_rung_or_fails_the_lock(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(MANIFEST + '\n[targets]\nm2 = { hardware = "M2, 16GB" }\n')
    cli.call("lock").passed()
    targets = {name for model in load_lock(cli.lock).models for rung in model.candidates for name in rung.targets}
    assert targets == {"m2"}
    before = cli.lock.read_bytes()
    cli.manifest.write_text(MANIFEST + '\n[targets]\ntiny = { hardware = "CPU, 1 core, 128MB" }\n')
    cli.call("lock").failed(3, "target `tiny`")
    assert cli.lock.read_bytes() == before


def test_upgrade_chooses_anew(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(MANIFEST)
    cli.call("lock").passed()
    shown = cli.call("lock", "--upgrade", "embeddings").passed().err
    assert "Locked    embeddings" in shown and "chat" not in shown and "up to date" in shown, "the same choice again"
    cli.call("lock", "embeddings").failed(2, "`--upgrade`")
    cli.call("lock", "--upgrade", "chta").failed(3, "`chta`")


def test_without_a_manifest_there_is_nothing_to_lock(cli: Cli) -> None:
    cli.call("lock").failed(2, "No `lmpm.toml`")

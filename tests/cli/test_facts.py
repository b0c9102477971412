"""What a lock claims of a file does not outlive the verification of its bytes."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.gguf_files import CHAT_TEMPLATE, write_llama
from tests.loopback import LoopbackHub, faults
from tests.loopback.content import Bytes

REPO, FILE = "acme/Tiny-Instruct-GGUF", "Tiny-Instruct-Q8_0.gguf"
LAYERS = 3
TRUE_LICENSE = "gemma"
INSTALL = ("install", "--no-smoke")


@pytest.fixture
def hub(cli: Cli, tmp_path: Path) -> Iterator[LoopbackHub]:
    """A Hub with one model, which a project names."""
    (path,) = write_llama(tmp_path / "true.gguf", layers=LAYERS, chat_template=CHAT_TEMPLATE, license=TRUE_LICENSE)
    with LoopbackHub() as served:
        served.add_repo(REPO, {FILE: path.read_bytes()}, card_data={"license": "mit"})
        cli.environment["HF_ENDPOINT"] = served.endpoint
        cli.manifest.write_text(f'[models]\ntiny = {{ ref = "{REPO}", context = 256 }}\n')
        yield served


def edit(cli: Cli, key: str, value: str) -> None:
    text = cli.lock.read_text()
    edited = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    assert edited != text
    cli.lock.write_text(edited)


EDITS = [
    ("memory", "9886421760", "memory is"),
    ("layers", "200", f"layers is {LAYERS} by its verified files, the lock says 200"),
    ("license", '"mit"', f"license is {TRUE_LICENSE} by its verified files, the lock says mit"),
    ("template", f'"{"f" * 64}"', "template is"),
    ("architecture", '"qwen3"', "architecture is llama by its verified files, the lock says qwen3"),
]


@pytest.mark.parametrize(("key", "value", "said"), EDITS)
def test_an_edited_lock_is_found_and_mended(cli: Cli, hub: LoopbackHub, key: str, value: str, said: str) -> None:
    cli.call(*INSTALL).passed()
    (true,) = load_lock(cli.lock).models[0].candidates
    edit(cli, key, value)
    verify = cli.call("verify", "--no-smoke", "--quick", "--json")
    assert verify.code == 4
    assert [item["key"] for item in verify.json["models"][0]["disagreements"]] == [key]
    assert said.split(",")[0] in " ".join(cli.call("verify", "--no-smoke", COLUMNS="200").out.split())
    audit = cli.call("audit", "--json", "--offline")
    assert audit.code == 4
    assert any(row["rule"] == "facts-differ" and said in row["detail"] for row in audit.json["findings"])
    for command in ("install --locked --no-smoke", "sync --no-smoke"):
        cli.call(*command.split()).failed(7, "what its files do not", said)
    assert "corrected in lmpm.lock" in cli.call(*INSTALL).passed().err
    (rung,) = load_lock(cli.lock).models[0].candidates
    assert replace(rung, memory=0, bytes_per_token=0) == replace(true, memory=0, bytes_per_token=0)
    assert abs(rung.memory - true.memory) < 0.01 * true.memory
    cli.call("install", "--locked", "--no-smoke").passed()


def test_a_clone_with_an_edited_lock_finds_it_when_the_bytes_are_there(cli: Cli, hub: LoopbackHub) -> None:
    cli.call(*INSTALL).passed()
    edit(cli, "layers", "200")
    clone = cli.clone()
    clone.call("install", "--locked", "--no-smoke").failed(7, "layers is 3 by its verified files")


def test_need_below_the_size_of_the_files_is_no_lock(cli: Cli, hub: LoopbackHub) -> None:
    cli.call(*INSTALL).passed()
    edit(cli, "memory", "1")
    for command in ("verify --no-smoke", "lock --check", "audit --offline", "install --locked"):
        cli.call(*command.split()).failed(7, "model[0].candidate[0].memory", "bytes of its files")


def test_the_licence_of_the_file_is_that_which_the_policy_is_asked_about(cli: Cli, hub: LoopbackHub) -> None:
    """The Hub says `mit`, the file says something else: before the download, after it, and in an edited lock."""
    cli.call(*INSTALL).passed()
    edit(cli, "license", '"mit"')
    cli.manifest.write_text(f'{cli.manifest.read_text()}[policy]\nlicenses = {{ deny = ["{TRUE_LICENSE}"] }}\n')
    before = cli.lock.read_text()
    assert cli.call("verify", "--no-smoke").code == 4 and cli.call("audit", "--offline").code == 4
    cli.call(*INSTALL).failed(9, f"the licence {TRUE_LICENSE} is denied")
    assert cli.lock.read_text() == before, "nothing forbidden is written"
    cli.lock.unlink()
    cli.call(*INSTALL).failed(9, TRUE_LICENSE)


class TestLyingMirror:
    """A server makes up the first 64 KiB once; the sha256 and everything later are those of the true file."""

    LIE = 200

    @pytest.fixture(autouse=True)
    def _lie(self, hub: LoopbackHub, tmp_path: Path) -> None:
        true = (tmp_path / "true.gguf").read_bytes()
        at = true.index(key := b"llama.block_count") + len(key)
        assert true[at : at + 8] == struct.pack("<II", 4, LAYERS) and at < 2**16 < len(true)
        lie = true[: at + 4] + struct.pack("<I", self.LIE) + true[at + 8 :]
        hub.faults.add(faults.OtherContent(Bytes(lie)), f"/{REPO}/resolve/*", times=1)

    def test_an_install_pins_what_the_verified_file_says(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.call(*INSTALL).passed()
        self.is_true(cli)
        headers = b"".join(note.read_bytes() for note in Path(cli.environment["LMPM_HOME"], "headers").rglob("*.note"))
        assert struct.pack("<I", self.LIE) not in headers, "what was claimed is kept nowhere"

    def test_a_lock_made_with_it_is_found_and_then_mended(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.call("lock").passed()
        (rung,) = load_lock(cli.lock).models[0].candidates
        assert rung.layers == self.LIE, "nobody can know better yet"
        cli.call("sync", "--no-smoke").failed(7, "layers is 3 by its verified files, the lock says 200")
        assert "corrected in lmpm.lock" in cli.call(*INSTALL).passed().err
        self.is_true(cli)

    def is_true(self, cli: Cli) -> None:
        (rung,) = load_lock(cli.lock).models[0].candidates
        assert rung.layers == LAYERS and rung.license == TRUE_LICENSE
        cli.call("install", "--locked", "--no-smoke").passed()
        cli.call("verify", "--no-smoke").passed()
        assert cli.call("audit", "--offline").code == 0


class TestOrigin:
    """A lock decides which bytes, never whom to ask for them."""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (f'hf = "{REPO}"', 'hf = "evil/Tiny-Instruct-GGUF"'),
            (f'hf = "{REPO}"', 'hf = "acme/Other-GGUF"'),
            ('quant = "Q8_0"', 'quant = "Q4_0"'),
        ],
    )
    def test_another_than_the_line_asks_for_is_stale(self, cli: Cli, hub: LoopbackHub, old: str, new: str) -> None:
        cli.manifest.write_text(cli.manifest.read_text().replace(REPO, f"{REPO}:Q8_0"))
        cli.call("lock").passed()
        cli.call("lock", "--check").passed()
        assert old in cli.lock.read_text()
        cli.lock.write_text(cli.lock.read_text().replace(old, new))
        for command in ("lock --check", "install --locked --no-smoke", "sync --no-smoke"):
            cli.call(*command.split()).failed(7, f"`tiny` asks for `{REPO}:Q8_0`, variant 1 is")
        assert not cli.blobs()

    def test_another_commit_or_file_than_the_line_names_is_stale(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.call("lock").passed()
        commit = load_lock(cli.lock).models[0].candidates[0].source.revision  # type: ignore[union-attr]
        for ref in (f"{REPO}@{commit}", f"{REPO}/{FILE}"):
            cli.manifest.write_text(f'[models]\ntiny = {{ ref = "{ref}", context = 256 }}\n')
            cli.call("lock").passed()
            cli.call("lock", "--check").passed()
        cli.lock.write_text(cli.lock.read_text().replace(f'path = "{FILE}"', 'path = "Other-Q8_0.gguf"'))
        cli.call("lock", "--check").failed(7, "variant 1 is acme/Tiny-Instruct-GGUF")

    @pytest.mark.parametrize("moved", ["evil/Tiny-Instruct-GGUF", "acme/Renamed-GGUF"])
    def test_a_hub_that_answers_with_another_id(self, cli: Cli, hub: LoopbackHub, moved: str) -> None:
        hub.rename(REPO, moved)
        cli.call("lock").failed(3, f"`{REPO}` is called `{moved}` now", moved)
        assert not cli.lock.exists()
        cli.manifest.unlink()
        cli.call(*INSTALL, moved, "--context", "256").passed()
        cli.call("lock", "--check").passed()

    def test_a_url_of_this_machine_is_fetched_only_where_the_manifest_names_it(
        self, cli: Cli, hub: LoopbackHub
    ) -> None:
        cli.manifest.unlink()
        commit = hub.state.repo(REPO).commit
        url, digest = f"{hub.endpoint}/{REPO}/resolve/{commit}/{FILE}", self.digest(cli, hub)
        cli.call(*INSTALL, f"{url}#sha256={digest}", "--name", "tiny", "--context", "256").passed()
        named = cli.clone("named")
        named.call("install", "--locked", "--no-smoke").passed()
        for number, text in enumerate(("", '[models]\ntiny = { task = "chat" }\n', None)):
            clone = cli.clone(f"clone-{number}")
            clone.manifest.unlink() if text is None else clone.manifest.write_text(text)
            hub.reset_log()
            for command in ("install --locked --no-smoke", "sync --no-smoke", "verify --fetch --no-smoke"):
                assert clone.call(*command.split()).code in (7, 9), command
            assert not clone.blobs() and not len(hub.requests)
        clone.call("verify", "--fetch", "--no-smoke").failed(9)
        clone.call("sync", "--no-smoke").failed(9, "which is on this machine or in a private network")

    def digest(self, cli: Cli, hub: LoopbackHub) -> str:
        (file,) = (item for item in hub.state.repo(REPO).commits[hub.state.repo(REPO).commit].files.values())
        return hashlib.sha256(file.content.read(0, file.content.size)).hexdigest()

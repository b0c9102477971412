"""What people paste, mistype and set: understood where it is clear, else answered before anything is done."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from lmpm.errors import SpecError
from lmpm.gguf import read_file
from lmpm.project import Environment
from lmpm.resolver import on_hub, parse_reference
from lmpm.resolver.reference import FileReference, HubReference, NameReference
from lmpm.units import tokens
from tests.conftest import ROOT, Cli
from tests.loopback import LoopbackHub

STARTER = ROOT / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"


class TestPasted:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("hf.co/u/r/resolve/main/f.gguf", HubReference("u/r", path="f.gguf")),
            ("huggingface.co/u/r/blob/main/d/f.gguf", HubReference("u/r", path="d/f.gguf")),
            ("HF.co/u/r:q8_0", HubReference("u/r", quant="Q8_0")),
            ("hf://u/r/f.gguf", HubReference("u/r", path="f.gguf")),
            ("hf://u/r:Q4_K_M@v1", HubReference("u/r", revision="v1", quant="Q4_K_M")),
            ("huggingface://u/r", HubReference("u/r")),
            ("file:///tmp/a%20b.gguf", FileReference(Path("/tmp/a b.gguf"))),
            ("file://localhost/tmp/a.gguf", FileReference(Path("/tmp/a.gguf"))),
            ("qwen3:latest", NameReference("qwen3")),
            ("qwen3-8b:q4_k_m", NameReference("qwen3-8b", "Q4_K_M")),
        ],
    )
    def test_is_understood(self, typed: str, meant: object) -> None:
        assert parse_reference(typed) == meant

    @pytest.mark.parametrize(
        ("typed", "suggested"),
        [
            ("qwen3:8b", "`qwen3-8b`"),
            ("ollama run qwen3:8b", "`qwen3-8b`"),
            ("ollama pull llama3.2", "`llama3.2`"),
            ("qwen3:8b-q4_K_M", "`qwen3-8b:Q4_K_M`"),
            ("mixtral:8x7b", "`mixtral-8x7b`"),
        ],
    )
    def test_a_name_of_ollama_is_answered_with_the_one_here(self, typed: str, suggested: str) -> None:
        with pytest.raises(SpecError) as failed:
            parse_reference(typed)
        assert failed.value.kind == "ollama-name" and f"Did you mean {suggested}?" in (failed.value.hint or "")

    def test_the_words_of_an_ollama_command_are_one(self, cli: Cli) -> None:
        cli.call("install", "ollama", "run", "qwen3:8b").failed(2, "Did you mean `qwen3-8b`?")

    @pytest.mark.parametrize(
        "typed", ["ms://a/b", "modelscope://a/b", "ollama://qwen3:8b", "oci://x/y", "s3://b/f.gguf"]
    )
    def test_a_scheme_that_is_not_supported_is_named(self, typed: str) -> None:
        with pytest.raises(SpecError, match=f"^`{typed.partition('://')[0]}://` is not supported"):
            parse_reference(typed)

    def test_a_file_on_another_computer_is_not_taken_for_one_here(self) -> None:
        with pytest.raises(SpecError, match="another computer"):
            parse_reference("file://server/a.gguf")

    def test_the_host_of_the_endpoint_is_that_of_the_hub(self, cli: Cli, hub: LoopbackHub) -> None:
        assert on_hub("https://m.corp/hf/u/r/resolve/main/f.gguf", "https://m.corp/hf") == (
            "https://huggingface.co/u/r/resolve/main/f.gguf"
        )
        assert on_hub("m.corp/u/r:Q4_0", "http://m.corp") == "https://huggingface.co/u/r:Q4_0"
        assert on_hub("https://elsewhere.org/f.gguf", "http://m.corp") == "https://elsewhere.org/f.gguf"
        hub.add_repo("u/r", {"m-Q8_0.gguf": STARTER.read_bytes()}, card_data={"license": "mit"})
        asked = (f"{hub.endpoint}/u/r/resolve/main/m-Q8_0.gguf", "-c", "512", "--json")
        choice = cli.call("resolve", *asked).passed().json["choice"]
        assert choice["repo"] == "u/r" and [file["path"] for file in choice["files"]] == ["m-Q8_0.gguf"]

    def test_a_path_with_two_slashes_that_exists_is_the_file(self, cli: Cli) -> None:
        place = cli.directory / "models" / "own" / "Shop-Writer.Q8_0.gguf"
        place.parent.mkdir(parents=True)
        place.write_bytes(STARTER.read_bytes())
        cli.call("install", "models/own/Shop-Writer.Q8_0.gguf", "--task", "text-to-sql", "--no-smoke").passed()
        (name,) = tomllib.loads(cli.manifest.read_text())["models"]
        assert name == "shop-writer", "a file is called by its name, not by what somebody wrote into it"
        assert read_file(place).metadata["general.name"] != "Shop-Writer"
        cli.call("sync").passed()


class TestContext:
    @pytest.mark.parametrize(
        ("typed", "number"),
        [("8192", 8192), ("8k", 8192), ("8K", 8192), ("128k", 131072), ("8,192", 8192), (" 4k ", 4096), ("x", None),
         ("8kk", None), ("-1", None), ("1.5k", None), ("", None)],
    )  # fmt: skip
    def test_a_k_is_1024(self, typed: str, number: int | None) -> None:
        assert tokens(typed) == number

    def test_it_is_understood_by_commands(self, cli: Cli) -> None:
        shown = cli.call("resolve", "text-to-sql", "--offline", "-c", "8k", "--json").passed().json
        assert shown["request"]["context"] == 8192
        for wrong in ("0", "8kb", "many", "99999999"):
            cli.call("resolve", "text-to-sql", "--offline", "-c", wrong).failed(2, "is not a number of tokens")

    def test_what_is_typed_is_a_demand(self, cli: Cli) -> None:
        cli.call("install", "text-to-sql", "--offline", "-c", "8192").failed(3, "trained for 1,024 tokens")
        assert not cli.lock.exists() and not cli.manifest.exists()

    def test_what_is_planned_is_what_is_written(self, cli: Cli) -> None:
        cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
        assert "context" not in tomllib.loads(cli.manifest.read_text())["models"]["text-to-sql"]
        (model,) = tomllib.loads(cli.lock.read_text())["model"]
        assert model["context"] == 1024
        assert "nothing to do" in cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed().err
        cli.call("lock", "--check").passed()
        cli.call("install", "text-to-sql", "--offline", "--no-smoke", "-c", "512").passed()
        assert tomllib.loads(cli.manifest.read_text())["models"]["text-to-sql"]["context"] == 512


class TestName:
    @pytest.mark.parametrize("name", ["a b", "con", "-x", "a/b", "x.", "", "x" * 300, "nul.txt"])
    def test_a_bad_one_is_refused_before_anything_is_done(self, cli: Cli, name: str) -> None:
        failed = cli.call("install", "text-to-sql", "--offline", f"--name={name}").failed(2, "cannot be a name")
        assert failed.err.startswith("error:") and not cli.manifest.exists() and not cli.blobs()

    @pytest.mark.parametrize("name", ["sql-über", "模型", "a.b", "größe_2", "u\u0308ber"])
    def test_letters_of_any_language_are_allowed(self, cli: Cli, name: str) -> None:
        cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
        cli.call("install", "text-to-sql", "--offline", "--no-smoke", "-c", "512", "--name", name).passed()
        composed = "über" if name == "u\u0308ber" else name
        assert composed in tomllib.loads(cli.manifest.read_text("utf-8"))["models"]
        cli.call("lock", "--check").passed()
        cli.call("path", composed).passed()
        cli.call("remove", composed).passed()
        assert composed not in cli.lock.read_text("utf-8")


class TestEnvironment:
    def test_blanks_around_a_value_are_not_part_of_it(self, cli: Cli, hub: LoopbackHub) -> None:
        hub.add_repo("u/r", {"m-Q8_0.gguf": STARTER.read_bytes()}, card_data={"license": "mit"})
        cli.run("resolve", "u/r", "-c", "512", HF_ENDPOINT=f"{hub.endpoint} ").passed()
        cli.run("resolve", "u/r", "-c", "512", HF_ENDPOINT=f" {hub.endpoint}/\t", HF_TOKEN=" ").passed()
        read = Environment.read({"HF_HOME": " /x ", "HOME": "/h", "LMPM_HARDWARE": "  ", "LMPM_HOME": "/n"})
        assert read.store == Path("/x/hub") and read.hardware is None and read.home == Path("/n")

    @pytest.mark.parametrize("text", ["1", "yes ", " ON", "True", "y"])
    def test_offline_is_offline(self, cli: Cli, text: str) -> None:
        for variable in ("HF_HUB_OFFLINE", "LMPM_OFFLINE"):
            cli.call("search", "qwen zzz", **{variable: text}).failed(5, f"Unset {variable}")

    @pytest.mark.parametrize("text", ["0", "no", " off ", "", "False"])
    def test_online_is_online(self, text: str) -> None:
        assert Environment.read({"HF_HUB_OFFLINE": text, "HOME": "/h", "LMPM_HOME": "/n"}).offline_by is None

    @pytest.mark.parametrize("text", ["maybe", "2", "offline"])
    def test_what_is_neither_is_refused(self, cli: Cli, text: str) -> None:
        cli.call("list", HF_HUB_OFFLINE=text).failed(2, f"HF_HUB_OFFLINE is `{text}`, expected `1` or `0`")

    @pytest.mark.parametrize("text", ["hf.co", "ftp://x", "https://", "http://a b", "http://[::1", "http://h:99999"])
    def test_an_endpoint_that_is_no_url_is_named(self, cli: Cli, text: str) -> None:
        said = cli.call("search", "x", HF_ENDPOINT=text).failed(2, "HF_ENDPOINT is not a URL").err
        assert f"`{text}`" not in said, "it may hold a password"

    @pytest.mark.parametrize(("token", "shown"), [("hf_ab“c”", "`“`"), ("hf_a b", "a blank"), ("hf_ä", "`ä`")])
    def test_a_letter_that_no_token_has_is_named(self, cli: Cli, hub: LoopbackHub, token: str, shown: str) -> None:
        said = cli.run("search", "qwen", HF_TOKEN=token).failed(2, f"token holds {shown}").err
        assert token not in said


class TestProjects:
    def test_the_users_own_models_are_not_to_be_committed(self, cli: Cli) -> None:
        said = cli.call("install", "text-to-sql", "--offline", "--no-smoke", "--global").passed().err
        assert "commit" not in said and "Pinned for all your projects" in said
        assert "commit" in cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed().err

    def test_an_update_offline_does_not_say_that_all_is_up_to_date(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.call("install", "embeddings", "--no-smoke").passed()
        said = cli.call("update", "--offline").passed().err
        assert "up to date" not in said and "can only be asked over the network" in said

    def test_a_project_with_a_broken_lock_can_be_forgotten(self, cli: Cli) -> None:
        other = cli.beside("other")
        other.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
        other.lock.write_text("broken")
        cli.call("cache", "prune").failed(7, f"`lmpm cache forget {other.directory}`")
        cli.call("cache", "forget", cli.directory / "nowhere").failed(3, "No known project")
        shown = cli.call("cache", "forget", "../other", "--json").passed().json
        assert shown["forgotten"] == str(other.directory.resolve())
        cli.call("cache", "prune").passed()
        assert other.lock.read_text() == "broken"

    def test_path_gives_every_file(self, cli: Cli) -> None:
        cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
        files = cli.call("path", "text-to-sql", "--json").passed().json["files"]
        assert cli.call("path", "text-to-sql", "--all").passed().out.splitlines() == [file["path"] for file in files]

    def test_the_doctor_answers_offline(self, cli: Cli) -> None:
        for more in ({"HF_HUB_OFFLINE": "yes "}, {"LMPM_OFFLINE": "1"}):
            shown = cli.call("doctor", "--json", **more)
            rows = {row["name"]: row for row in json.loads(shown.out)["checks"]}
            assert rows["hub"]["ok"] and "offline" in rows["hub"]["found"]

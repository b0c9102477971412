"""The story of a new user, from the first dry run to the removal, each command as it is typed."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

from lmpm.project.lock.file import load_lock
from lmpm.types import HubSource
from tests.conftest import Cli
from tests.loopback import LoopbackHub


def tree(directory: Path) -> list[str]:
    """All names below a directory, without what lmpm may rebuild at any time."""
    state = directory / "state"
    derived = {state / "catalog", state / "hub"}
    found = (path for path in directory.rglob("*") if path != state and not derived & {path, *path.parents})
    return sorted(str(path.relative_to(directory)) for path in found)


def test_a_dry_run_names_one_variant_with_its_figures_and_changes_nothing(
    cli: Cli, hub: LoopbackHub, tmp_path: Path
) -> None:
    before = tree(tmp_path)
    shown = cli.run("install", "text-to-sql", "--hardware", "M2, 16GB", "--dry-run").passed()
    assert "Apple M2 · 16 GB unified" in shown.err
    assert re.search(r"^Chosen +Arctic-Text2SQL-R1-7B  Q\w+  [\d.]+ [KMG]iB  apache-2.0$", shown.err, re.MULTILINE)
    assert re.search(r"from mradermacher/Arctic-Text2SQL-R1-7B-GGUF @ [0-9a-f]{7}$", shown.err, re.MULTILINE)
    assert re.search(r"^Needs +[\d.]+ [MG]iB of [\d.]+ GiB · about \d+-\d+ tok/s", shown.err, re.MULTILINE)
    assert shown.err.count("Chosen") == 1
    assert shown.out == ""
    assert tree(tmp_path) == before
    assert hub.count("GET", "*/resolve/*") == 0


def test_install_downloads_hashes_loads_and_pins_and_the_other_commands_agree(cli: Cli, hub: LoopbackHub) -> None:
    installed = cli.run("install", "embeddings").passed()
    for word in ("Download", "Verified  sha256", "3 of 3 answers right", "Pinned in lmpm.lock"):
        assert word in installed.err
    assert installed.out == ""
    assert "\r" not in installed.err and "\x1b" not in installed.err  # no bars and no colour off a terminal

    locked = load_lock(cli.lock).get("embeddings")
    assert locked is not None
    for rung in locked.candidates:
        assert isinstance(rung.source, HubSource) and re.fullmatch("[0-9a-f]{40}", rung.source.revision or "")
    assert 'embeddings = { task = "embeddings", context = 512 }' in cli.manifest.read_text()

    printed = cli.call("path", "embeddings").passed().out
    path = Path(printed.strip())
    assert printed == f"{path}\n"
    data = path.read_bytes()
    (rung,) = [one for one in locked.candidates if one.files[0].sha256 == hashlib.sha256(data).hexdigest()]
    assert len(data) == rung.files[0].size

    hub.reset_log()
    again = cli.run("install", "embeddings").passed()
    assert again.err == f"embeddings is installed: {rung.model} {rung.quant}, nothing to do\n"
    assert len(hub.requests) == 0

    listed = r"embeddings +\S+ +Q8_0 +[\d.]+ KiB +\S+ +✓ installed, 1 of \d variants\n"
    assert re.fullmatch(listed, cli.call("list").out)
    verified = cli.run("verify").passed()
    variants = f"1 of {len(locked.candidates)} variants"
    for word in (f"{rung.model} {rung.quant}", variants, "sha256 matches lmpm.lock", "3 of 3 answers right"):
        assert word in verified.out
    assert verified.err.strip() == "1 model verified"
    assert "unchanged since it was hashed" in cli.call("verify", "--quick", "--no-smoke").passed().out
    assert "embeddings works" in cli.call("smoke", "embeddings").passed().err
    why = cli.call("why", "embeddings").passed().out
    assert "chosen" in why and re.search(rf"› +{re.escape(rung.model)} +{rung.quant}", why)
    assert cli.call("cache", "dir").passed().out.strip() == str(cli.store)
    assert len(hub.requests) == 0  # nothing of all this asks the network

    doctor = cli.call("doctor").passed().out
    assert [line.split()[:2] for line in doctor.splitlines() if not line.startswith(" ")] == [["✓", "ok"]] * 7
    assert "budget: " in doctor, "where each fact comes from"

    removed = cli.call("remove", "embeddings").passed()
    assert "Removed embeddings" in removed.err
    assert "embeddings" not in cli.manifest.read_text() and load_lock(cli.lock).models == ()
    assert path.exists()
    assert "No models" in cli.call("list").passed().err
    assert "Nothing to verify" in cli.call("verify").passed().err
    assert "nothing to do" in cli.call("install").passed().err.lower()


def test_a_model_that_is_in_the_cache_already_is_not_downloaded_again(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "embeddings").passed()
    hub.reset_log()
    other = cli.beside("other")
    shown = other.call("install", "embeddings").passed()
    assert "Present" in shown.err and "Download" not in shown.err
    assert hub.count("GET", "*/resolve/*") == 0
    assert other.lock.read_bytes() == cli.lock.read_bytes()


def test_the_catalog_can_be_listed_shown_and_checked(cli: Cli) -> None:
    listed = cli.call("catalog", "list").passed().out
    names = [line.split()[0] for line in listed.splitlines()]
    assert names == sorted(names) and {"chat", "embeddings", "text-to-sql"} <= set(names)
    shown = cli.call("catalog", "show", "sql", "--all").passed().out  # an alias
    assert "BIRD dev" in shown and "Arctic-Text2SQL-R1-7B" in shown
    assert "qwen-research (research only)" in shown and "from 8 GB" in shown
    model = cli.call("catalog", "show", "qwen3-8b").passed().out
    assert "apache-2.0" in model and "thinking" in model and "Q4_K_M" in model
    assert "no problems" in cli.call("catalog", "check").passed().err


def test_another_name_a_context_and_a_quant_are_kept(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "nomic-embed-text-v1.5:q8_0", "--name", "search", "--context", "256").passed()
    assert 'search = { ref = "nomic-embed-text-v1.5:q8_0", context = 256 }' in cli.manifest.read_text()
    locked = load_lock(cli.lock).get("search")
    assert locked is not None and {rung.quant for rung in locked.candidates} == {"Q8_0"}
    assert "nothing to do" in cli.call("install", "nomic-embed-text-v1.5:q8_0", "--name", "search").err
    assert "search" in cli.call("list").out


def test_a_task_at_one_quant_stays_at_that_quant(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "embeddings:f16").passed()
    assert 'embeddings = { task = "embeddings", context = 512, quant = "F16" }' in cli.manifest.read_text()
    locked = load_lock(cli.lock).get("embeddings")
    assert locked is not None and {rung.quant for rung in locked.candidates} == {"F16"}
    hub.reset_log()
    for again in (("embeddings:F16",), ("embeddings", "--quant", "F16"), ()):
        assert "nothing to do" in cli.call("install", *again).passed().err
    assert len(hub.requests) == 0
    assert "nothing to do" in cli.call("install", "embeddings").passed().err  # what people have asked for stays
    cli.call("install", "embeddings:q8_0").passed()
    assert 'quant = "Q8_0"' in cli.manifest.read_text() and "F16" not in cli.manifest.read_text()


def test_what_people_wrote_into_the_manifest_stays_when_it_is_installed_again(cli: Cli, hub: LoopbackHub) -> None:
    line = 'embeddings = { task = "embeddings", context = 256, license = "mit", min_speed = 1 }  # keep'
    cli.manifest.write_text(f"[models]\n{line}\n")
    for _ in range(2):
        cli.call("install", "embeddings").passed()
        assert line in cli.manifest.read_text()
    locked = load_lock(cli.lock).get("embeddings")
    assert locked is not None and {rung.license for rung in locked.candidates} == {"mit"}
    cli.call("install", "embeddings", "--context", "300").passed()
    changed = 'embeddings = { task = "embeddings", context = 300, min_speed = 1, license = "mit" }  # keep'
    assert changed in cli.manifest.read_text()


def test_what_is_installed_is_what_the_lock_gives_here(cli: Cli, hub: LoopbackHub) -> None:
    """The files of this Hub are far smaller than the catalog knows, so that larger models fit here, too."""
    cli.manifest.write_text('[targets]\nm2 = { hardware = "M2, 16GB" }\nci = { hardware = "CPU, 4 cores, 8GB" }\n')
    here = ("--hardware", "CPU, 4 cores, 4GB")
    by_the_catalog = cli.call("resolve", "text-to-sql", *here, "--offline", "--json").passed().json["choice"]
    shown = cli.call("install", "text-to-sql", *here, "--no-smoke", "--json").passed().json["models"][0]
    assert shown["choice"]["model"] != by_the_catalog["model"], "else this test shows nothing"
    assert cli.call("path", "text-to-sql", *here).passed().out.strip() == shown["path"]
    cli.call("verify", "--no-smoke", *here).passed()
    assert "this machine" not in cli.call("outdated", *here).passed().out
    assert "nothing to do" in cli.call("install", "text-to-sql", *here).passed().err


def test_why_is_answered_for_tasks_models_repositories_and_entries(cli: Cli, hub: LoopbackHub) -> None:
    assert re.search(r"\b\d\d candidates", cli.call("why", "embeddings").passed().out)
    assert "1 candidate\n" in cli.call("why", "bge-m3").passed().out
    assert len(hub.requests) == 0
    repo = "second-state/All-MiniLM-L6-v2-Embedding-GGUF"
    assert "Q4_K_M" in cli.call("why", repo).passed().out and len(hub.requests) > 0
    cli.call("install", repo, "--task", "embeddings", "--name", "mine").passed()
    assert "In lmpm.lock, best first; " in cli.call("why", "mine").passed().out
    assert "context 128" in cli.call("why", "mine", "--context", "128").passed().out
    everything = cli.call("why", "text-to-sql", "--all", "--hardware", "M2, 16GB").passed().out
    some = cli.call("why", "text-to-sql", "--hardware", "M2, 16GB").passed().out
    assert "more candidates: " in some and "`--all`" in some
    assert "more candidates: " not in everything and len(everything.splitlines()) > len(some.splitlines())


def test_several_references_are_installed_one_after_another(cli: Cli, hub: LoopbackHub) -> None:
    done = cli.call("install", "bge-small-en-v1.5", "all-minilm-l6-v2", "--json").passed()
    assert [model["name"] for model in done.json["models"]] == ["bge-small-en-v1.5", "all-minilm-l6-v2"]
    assert cli.call("verify", "--no-smoke").passed().err.strip() == "2 models verified"


def test_no_save_leaves_the_project_alone(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "embeddings", "--no-save").passed()
    assert tree(cli.directory) == []
    assert len(cli.blobs()) == 1


def test_global_models_belong_to_no_project(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "embeddings", "--global").passed()
    assert tree(cli.directory) == []
    assert "embeddings" in cli.call("list", "--global").passed().out
    cli.call("list").failed(7, "No `lmpm.lock`")
    cli.call("remove", "embeddings", "--global").passed()


def test_the_project_is_found_from_a_directory_below(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "embeddings").passed()
    below = Cli(cli.directory / "src" / "deep", cli.environment)
    below.directory.mkdir(parents=True)
    assert "embeddings" in below.call("list").passed().out
    below.call("remove", "embeddings").passed()
    assert "embeddings" not in cli.lock.read_text()


def test_a_second_install_is_quick(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "embeddings").passed()
    cli.run("install", "embeddings").passed()
    began = time.process_time()
    cli.call("install", "embeddings").passed()
    assert time.process_time() - began < 0.5  # seconds of this process, whatever else the machine does

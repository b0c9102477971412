"""The example of docs/ci.md does what the page says: its steps are run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli
from tests.loopback import LoopbackHub

STARTER = ROOT / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
WORKFLOW = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
STEPS = re.findall(r"^ +- run: (.+)$", WORKFLOW, re.MULTILINE)
pytestmark = pytest.mark.skipif(os.name == "nt" or not shutil.which("bash"), reason="the runner's shell is bash")


def test_the_steps_are_found() -> None:
    assert WORKFLOW.count("run: ") == len(STEPS) == 6
    assert STEPS[0].startswith("pip install")
    assert [step.split()[1] for step in STEPS[1:]] == ["lock", "sync", "verify", "audit", "audit"]


def test_the_store_is_cached_by_the_hash_of_the_lock() -> None:
    assert "HF_HOME: ${{ github.workspace }}/.hf\n" in WORKFLOW and "path: .hf/hub\n" in WORKFLOW
    assert "key: models-${{ runner.os }}-${{ hashFiles('lmpm.lock') }}" in WORKFLOW
    assert "LMPM_HOME: ${{ github.workspace }}/.lmpm\n" in WORKFLOW, "notes on hashes do not come out of a cache"


def test_it_passes_and_the_second_time_nothing_is_downloaded(cli: Cli, tmp_path: Path) -> None:
    if not STARTER.exists():
        pytest.skip("the starter model is not trained yet")
    with LoopbackHub() as hub:
        hub.add_repo("org/sql-GGUF", {"sql-Q8_0.gguf": STARTER.read_bytes()}, card_data={"license": "mit"})
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        cli.manifest.write_text(
            '[models]\nsql = { ref = "hf:org/sql-GGUF", task = "text-to-sql", context = 512 }\n\n'
            '[targets]\nci = { hardware = "CPU, 4 cores, 16GB" }\n'
        )
        cli.call("lock").passed()
        checkout = cli.clone("checkout").directory
        first = run_steps(checkout, cli, tmp_path)
        assert hub.count("GET", "*/resolve/*") > 0
        assert ET.parse(checkout / "verify.xml").getroot().attrib["failures"] == "0"
        assert json.loads((checkout / "audit.sarif").read_text())["version"] == "2.1.0"
        assert json.loads((checkout / "bom.json").read_text())["bomFormat"] == "CycloneDX"
        assert first.count("1 model verified") == 1

        hub.reset_log()
        later = cli.clone("later").directory
        shutil.move(checkout / ".hf", later / ".hf")  # as the cache brings it
        run_steps(later, cli, tmp_path)
        assert hub.count("GET", "*/resolve/*") == 0
        assert (later / "lmpm.lock").read_bytes() == cli.lock.read_bytes()


def run_steps(checkout: Path, cli: Cli, tmp_path: Path) -> str:
    """What the steps print, all but the one that installs lmpm. Fails where one fails."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir(exist_ok=True)
    (bin_folder / "lmpm").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lmpm "$@"\n')
    (bin_folder / "lmpm").chmod(0o755)
    environment = cli.environment | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "HF_HOME": str(checkout / ".hf"),
        "LMPM_HOME": str(checkout / ".lmpm"),
        "HF_TOKEN": "",  # what a secret that is not there becomes
        "CI": "true",
    }
    printed = ""
    for step in STEPS[1:]:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step],
            cwd=checkout, env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        printed += done.stdout + done.stderr
        assert done.returncode == 0, (step, printed)
    return printed

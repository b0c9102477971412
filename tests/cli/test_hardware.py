"""`lmpm hardware` and `lmpm doctor` beside a graphics tool that fails, and variables that hide cards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tool is a shell script")

TWO = "NVIDIA GeForce RTX 3090, 24576\nNVIDIA GeForce RTX 3060, 12288"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def tool(directory: Path, text: str) -> None:
    script = directory / "nvidia-smi"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 60", "the driver hangs"),
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "version mismatch"),
        ("echo 'NVIDIA GeForce RTX 3060, 12'", "RTX 3060, 12"),
    ],
)
def test_a_tool_that_fails_is_told(cli: Cli, tmp_path: Path, path: str, script: str, said: str) -> None:
    tool(tmp_path, script)
    shown = cli.call("hardware", "--json", PATH=path).passed().json
    assert shown["machine"]["accelerator"] == "cpu"
    assert shown["sources"]["gpu"].startswith("failed: ")
    assert said in shown["sources"]["gpu"]
    doctor = cli.call("doctor", "--offline", "--json", PATH=path)
    assert doctor.code == 1
    check = next(check for check in doctor.json["checks"] if check["name"] == "machine")
    assert check["ok"] is False
    assert "nvidia-smi" in check["hint"]
    assert said in check["sources"]["gpu"]


def test_no_gpu_is_no_failure(cli: Cli, tmp_path: Path, path: str) -> None:
    tool(tmp_path, "echo 'No devices were found'; exit 6")
    shown = cli.call("hardware", "--json", PATH=path).passed().json
    assert "gpu" not in shown["sources"]
    assert "ok    machine" in cli.call("doctor", "--offline", PATH=path).out


def test_the_variable_that_hides_cards_is_obeyed(cli: Cli, tmp_path: Path, path: str) -> None:
    tool(tmp_path, f"echo '{TWO}'")
    shown = cli.call("hardware", PATH=path, CUDA_VISIBLE_DEVICES="1").passed().out
    assert "system: CUDA_VISIBLE_DEVICES=1" in shown
    assert "RTX 3060" in shown
    assert "RTX 3090" not in shown
    none = cli.call("hardware", PATH=path, CUDA_VISIBLE_DEVICES="").passed().out
    assert "RTX 30" not in none


def test_ram_beside_a_card_is_asked_for(cli: Cli) -> None:
    shown = cli.call("hardware", "--hardware", "RTX 3060 12GB").passed()
    assert "say it, as in `RTX 3060 12GB, 32GB`" in shown.out
    assert "RAM is not counted on: say it, as in `RTX 3060 12GB, 32GB`" in shown.err
    assert "RAM" not in cli.call("hardware", "--hardware", "RTX 3060 12GB, 32GB").passed().err

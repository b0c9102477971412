"""What a command imports before it answers: start-up is paid for in modules, so each pays for its own alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from tests.conftest import Cli

# What only some questions need; and what reads TOML, which the copies of the catalog save.
RARE: Final = frozenset(
    {
        "asyncio", "ctypes", "difflib", "filelock", "http.client", "httpx", "huggingface_hub", "llama_cpp", "numpy",
        "requests", "sqlite3", "ssl", "tomlkit", "tqdm", "urllib3",
        "lmpm.catalog.checks", "lmpm.engine.client", "lmpm.gguf.header", "lmpm.estimate.inspection",
        "lmpm.resolver.candidates.variants", "lmpm.estimate.memory.ggml.tensor", "lmpm.estimate.memory.exact",
        "lmpm.proof.smoke", "lmpm.store.transfer", "lmpm.project.actions.verify",
    }
)  # fmt: skip


def imported(cli: Cli, *arguments: str) -> frozenset[str]:
    """The modules that a process has imported when lmpm has done what it was asked."""
    script = (
        "import sys; from lmpm.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=cli.directory,
        env=cli.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(done.stderr.splitlines()[-1].split())


def test_the_version_needs_nothing_but_itself(cli: Cli) -> None:
    found = imported(cli, "--version")
    assert {name for name in found if name.startswith("lmpm")} == {"lmpm", "lmpm.__main__", "lmpm.version"}
    assert not found & (RARE | {"click", "dataclasses", "json", "tomllib"})


def test_resolve_reads_no_toml_once_the_catalog_has_copies(cli: Cli) -> None:
    ask = ("resolve", "text-to-sql", "--offline", "--hardware", "M2, 16GB")
    assert "tomllib" in imported(cli, *ask), "the first time the copies are made"
    assert "tomllib" not in imported(cli, *ask)


@pytest.mark.parametrize(
    "arguments",
    [
        "resolve text-to-sql --offline",
        "install text-to-sql --offline",
        "path text-to-sql",
        "list",
        "hardware",
        "sync",
        "lock --check",
    ],
)
def test_a_command_imports_only_what_it_uses(cli: Cli, arguments: str) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    cli.environment["LMPM_HARDWARE"] = "CPU, 8 cores, 16GB"  # what detection imports depends on the machine
    assert sorted(imported(cli, *arguments.split()) & RARE) == []


def test_path_and_list_ask_no_hub(cli: Cli) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    cli.environment["LMPM_HARDWARE"] = "CPU, 8 cores, 16GB"
    for command in (["path", "text-to-sql"], ["list"], ["install", "text-to-sql", "--offline"]):
        assert not imported(cli, *command) & {"lmpm.hub.client", "lmpm.hub.http"}

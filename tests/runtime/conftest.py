"""A project with the starter in it, as this process finds it."""

from __future__ import annotations

import os

import pytest

import lmpm
from tests.conftest import Cli


@pytest.fixture
def here(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The project and environment of `cli` as those of this process."""
    for name in [name for name in os.environ if name not in cli.environment]:
        monkeypatch.delenv(name)
    for name, value in cli.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(cli.directory)
    return cli


@pytest.fixture
def project(here: Cli) -> Cli:
    """A project that pins the starter."""
    lmpm.install("text-to-sql", offline=True, smoke=False)
    return here

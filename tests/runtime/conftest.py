"""A project with the starter in it, as this process finds it."""

from __future__ import annotations

import pytest

import lmpm
from tests.conftest import Cli


@pytest.fixture
def project(here: Cli) -> Cli:
    """A project that pins the starter."""
    lmpm.install("text-to-sql", offline=True, smoke=False)
    return here

"""What verifying a model showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lmpm.errors import LmpmError
    from lmpm.project.lock.facts import Disagreement
    from lmpm.project.lock.ladder import Rung
    from lmpm.project.lock.twins import Twin
    from lmpm.proof import Checked, SmokeResult, Tested
    from lmpm.store import Corruption
    from lmpm.types import ModelFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What verifying one model showed. `error` is the first thing that was wrong, None when all is right."""

    name: str
    rung: Rung | None = None
    rungs: int = 0
    path: Path | None = None
    hashed_bytes: int = 0
    hashed_s: float = 0.0
    trusted: bool = False  # an unchanged file's stamp was believed
    smoke: SmokeResult | None = None
    checked: Checked | None = None
    recorded: Tested | None = None  # figures of the lock for a machine of this class, else of when it came here
    took_s: float = 0.0
    missing: tuple[ModelFile, ...] = ()
    damaged: tuple[Corruption, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()  # of the lock with what the verified files say
    twins: tuple[Twin, ...] = ()  # that are here, each file with the bytes of the lock
    notes: tuple[str, ...] = ()
    error: LmpmError | None = None


def verify_exit_code(reports: Iterable[Report]) -> int:
    """The code of the gravest failure: wrong bytes before the engine before the rest; 0 without any."""
    codes = [report.error.exit_code for report in reports if report.error]
    order = (4, 8, 6, 3, 9, 5)
    return next((code for code in order if code in codes), codes[0] if codes else 0)

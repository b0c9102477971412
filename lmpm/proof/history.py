"""How fast models were on this machine when they came or were measured, for those that no declared target speaks for.

A lock keeps such figures only where a declared machine is like the one that made it, since nothing else about a
machine belongs into it. Here they stay on the machine itself, under the sha256 of the model's first file, with the
machine that they are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.fs import JsonCache
from lmpm.proof.tested import Tested
from lmpm.types import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.proof.result import SmokeResult
    from lmpm.types import ModelFile

_FACTS: Final = ("accelerator", "gpus", "memory", "vram", "bandwidth")  # that tell classes of machines apart


@dataclass(frozen=True, slots=True)
class History:
    """The notes in `folder`."""

    folder: Path

    def note(self, file: ModelFile, result: SmokeResult, machine: Machine) -> None:
        """Keep what a passed smoke test of a model showed on `machine`."""
        if result.passed and file.sha256 is not None:
            shown = Tested(engine=result.engine_build, decode=result.decode, first_token_s=result.first_token_s)
            self.note_speed(file.sha256, shown, machine)

    def note_speed(self, sha256: str, shown: Tested, machine: Machine) -> None:
        """Keep how fast the model whose first file has this sha256 was on `machine`, in place of what was noted."""
        data = {
            "engine": shown.engine,
            "decode": shown.decode,
            "first_token_s": shown.first_token_s,
            "machine": {name: getattr(machine, name) for name in _FACTS},
        }
        JsonCache(self.folder).put(data, sha256)

    def find(self, file: ModelFile, machine: Machine) -> Tested | None:
        """What a model whose first file this is showed on a machine of this class, None where nobody noted it."""
        data = JsonCache(self.folder).get(file.sha256 or "")
        try:
            noted = Machine(name="", budget=0, **{name: data["machine"][name] for name in _FACTS})
            if not machine.is_like(noted):
                return None
            return Tested(
                engine=str(data["engine"]), decode=_number(data["decode"]), first_token_s=_number(data["first_token_s"])
            )
        except (ValueError, TypeError, LookupError):
            return None


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)

"""What a run has learnt so far, in a file that is replaced whole."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.fs import disk_errors
from lmpm.tuner.extra import require

if TYPE_CHECKING:
    from pathlib import Path

KEYS: Final = frozenset({"key", "step", "weights", "optimizer", "loss"})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file of a run; `key` is a hash of all that its weights depend on: another run's file is not read."""

    path: Path
    key: str

    def save(self, step: int, weights: dict[str, Any], optimizer: dict[str, Any], loss: float) -> None:
        """Keep what a run has after `step` steps, the last ones with a mean `loss`. Raises DiskError."""
        torch = require("torch")
        part = self.path.with_name(f".{self.path.name}.part")
        kept = {"key": self.key, "step": step, "weights": weights, "optimizer": optimizer, "loss": loss}
        try:
            with disk_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with part.open("wb") as file:
                    _write(torch, kept, file)
                part.replace(self.path)
        finally:
            with suppress(OSError):
                part.unlink()

    def load(self) -> dict[str, Any] | None:
        """What was kept; None where nothing was, or of another run."""
        torch = require("torch")
        if not self.path.is_file():
            return None
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception:  # noqa: BLE001 - whatever a damaged file makes of the reader: the run begins anew
            return None
        return kept if isinstance(kept, dict) and kept.keys() == KEYS and kept["key"] == self.key else None


def _write(torch: Any, kept: dict[str, Any], file: Any) -> None:
    """Torch hides what the disk says in a RuntimeError of its writer; the system's own error is raised instead."""
    try:
        torch.save(kept, file)
        file.flush()
    except RuntimeError as error:
        cause = error.__context__ or error.__cause__
        raise (cause if isinstance(cause, OSError) else OSError(28, "No space left on device")) from error

"""Notes of which files were hashed and have not been touched since, so that a quick answer need not hash again."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file looked like at a moment; whoever changes its bytes changes one of these."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int  # unlike the mtime, nobody can set it back
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """What the file at `path`, behind all links, looks like now. Raises OSError."""
        real = path.resolve()
        facts = real.stat()
        return cls(str(real), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)


@dataclass(frozen=True, slots=True)
class Stamps:
    """One note a digest, in `folder`."""

    folder: Path

    def holds(self, path: Path, sha256: str) -> bool:
        """True when the bytes at `path` were hashed to `sha256` and the file has not been touched since."""
        try:
            return Stamp(**json.loads((self.folder / sha256).read_text("utf-8"))) == Stamp.of(path)
        except (OSError, ValueError, TypeError):
            return False

    def note(self, stamp: Stamp, sha256: str) -> None:
        """Note that the bytes of a file hashed to `sha256` when it looked like this.

        A note that cannot be written is no loss, and one that is cut off by a crash does not hold.
        """
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / sha256).write_text(json.dumps(asdict(stamp)), "utf-8")

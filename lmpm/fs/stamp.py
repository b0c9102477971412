"""What a file looked like when its bytes were read."""

from __future__ import annotations

from dataclasses import dataclass
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

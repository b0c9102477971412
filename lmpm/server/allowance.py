"""How many requests a route has sent to providers today, kept across restarts: they cost money."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lmpm.errors import LmpmError
from lmpm.fs import atomic

if TYPE_CHECKING:
    from pathlib import Path


class Allowance:
    """Counts of one day (UTC) by route, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self._day, self._counts = "", dict[str, int]()

    async def take(self, route: str, limit: int | None) -> bool:
        """Count a request, or return False where the limit is reached; a count that cannot be kept is an error too."""
        if limit is None:
            return True
        async with self._lock:
            today = datetime.now(UTC).date().isoformat()
            if self._day != today:
                self._day, self._counts = today, await asyncio.to_thread(self._read, today)
            if self._counts.get(route, 0) >= limit:
                return False
            self._counts[route] = self._counts.get(route, 0) + 1
            try:
                await asyncio.to_thread(self._write)
            except LmpmError:
                return False  # fails closed: what cannot be counted is not sent
            return True

    def _read(self, today: str) -> dict[str, int]:
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            return {str(name): int(number) for name, number in kept["counts"].items()} if kept["day"] == today else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(self._path, json.dumps({"day": self._day, "counts": self._counts}))

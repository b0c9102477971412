"""Receives the events of a transfer. Every method does nothing here; the CLI and the tests override some."""

from __future__ import annotations


class Reporter:
    """Called about transfers, several of which may go on at once, always in one thread. Methods must not raise."""

    def planned(self, files: int, size: int) -> None:
        """Called first of all: so many files of so many bytes together are to be made present."""

    def started(self, name: str, size: int, kept: int) -> None:
        """Called before the first byte; `kept` bytes are there from an earlier try."""

    def advanced(self, name: str, count: int) -> None:
        """Called a few times a second with the bytes that were written since; negative when some were thrown away."""

    def waiting(self, name: str) -> None:
        """Called once when another process is already fetching this file."""

    def retrying(self, name: str, why: str, wait_s: float, tries_left: int) -> None:
        """Called before each pause after a failure that may pass."""

    def restarted(self, name: str, why: str) -> None:
        """Called when the bytes so far were thrown away."""

    def hashing(self, name: str, size: int) -> None:
        """Called before a file that is already there is hashed."""

    def finished(self, name: str, size: int, sha256: str) -> None:
        """Called when the file is verified and visible in the store."""

    def remarked(self, name: str, what: str) -> None:
        """Called after a download with what a user should know of what the file holds."""

    def reused(self, name: str, size: int) -> None:
        """Called instead of all others when the file was already there."""

    def stopped(self) -> None:
        """Called when transfers have ended, also with an error or by the user."""

    def concluded(self) -> None:
        """Called last of all, when every file of the plan is present and verified."""

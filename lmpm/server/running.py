"""An engine's session as the front sees a loaded model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.engine import Session


class SessionRunning:
    """A session whose child the front speaks to by itself."""

    def __init__(self, session: Session) -> None:
        self._session, self._process = session, session.process
        self.url, self.key = session.client.url, session.client.key

    def is_alive(self) -> bool:
        """Whether the child is there."""
        return self._process.is_alive

    def properties(self) -> Mapping[str, Any]:
        """What llama-server says of itself."""
        return self._session.properties()

    def close(self) -> None:
        """Give the model back."""
        self._session.close()

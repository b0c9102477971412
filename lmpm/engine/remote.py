"""A model that another process of this machine has loaded, asked through the front that it is served by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.adapters.opening import has_template
from lmpm.engine.http.client import Client
from lmpm.engine.session import Session
from lmpm.errors import EngineError
from lmpm.fs import printable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from lmpm.engine.protocol import EngineLimits, Files, Service
    from lmpm.engine.session import Progress
    from lmpm.run_config import RunConfig

PATHS: Final = {"/rerank": "/v1/rerank"}  # where the front has another than llama-server


class RemoteSession(Session):
    """A session with what a front calls `name`. `files` are those of its model, which are here too.

    It has no child of its own: closing it leaves the model loaded there.
    """

    def __init__(
        self, url: str, key: str, name: str, *, files: Files, config: RunConfig, limits: EngineLimits, service: Service
    ) -> None:
        self.config, self.limits = config, limits
        self.has_template = has_template(files.model)
        self._files, self._service = files, service
        self._client, self._name = Client(url, key), name
        self._error = self._process = None

    @property
    def client(self) -> Client:
        """The front and its key."""
        return self._client

    def close(self) -> None:
        """Nothing is here to be given back."""

    def _ask(self, path: str, body: Mapping[str, Any] | None, time_s: float | None) -> Any:
        return super()._ask(PATHS.get(path, path), {**(body or {}), "model": self._name}, time_s)

    def _stream(
        self, path: str, body: Mapping[str, Any], time_s: float | None, progress: Progress | None = None
    ) -> Generator[Any, None, None]:
        return super()._stream(path, {**body, "model": self._name}, time_s, progress)

    def _gone(self) -> EngineError:
        return EngineError(
            f"`lmpm serve` went away while `{printable(self._name)}` answered", hint="Ask again: it is loaded here then"
        )

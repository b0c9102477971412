"""What the front serves: a model that may have to be brought, and that runs in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from lmpm.server.wire import Kind


class Running(Protocol):
    """A loaded model in its process, which speaks llama-server's HTTP at `url`, a UNIX socket or a port."""

    @property
    def url(self) -> str:
        """`unix:///path`, or `http://127.0.0.1:port`."""

    @property
    def key(self) -> str:
        """What it asks as a bearer token."""

    def is_alive(self) -> bool:
        """Whether the process is there."""

    def properties(self) -> Mapping[str, Any]:
        """What llama-server says of itself at `/props`."""

    def close(self) -> None:
        """End the process. Blocks."""


class Deployment(Protocol):
    """A model as this machine serves it. The methods block, and raise LmpmError."""

    @property
    def name(self) -> str:
        """What requests call it."""

    @property
    def is_spare(self) -> bool:
        """Whether it only stands in for another: no request may name it."""

    @property
    def task(self) -> str | None:
        """What it is for; None where nobody said."""

    @property
    def kind(self) -> Kind:
        """What it answers with."""

    @property
    def title(self) -> str:
        """What people call it: model and quant."""

    @property
    def context(self) -> int:
        """Tokens of one slot."""

    @property
    def slots(self) -> int:
        """How many requests it answers at once."""

    @property
    def need(self) -> int:
        """Bytes of memory with all slots and the kept prompts."""

    @property
    def identity(self) -> Hashable:
        """What tells it from the same name after a change of the lock."""

    def adapt(self, path: str, body: dict[str, Any], *, plain: bool = True) -> dict[str, Any]:
        """The body of a request with what the recipe of the model adds to it. Raises ApiError.

        Not `plain`: another model is asked in its place, which takes messages.
        """

    def facts(self) -> Mapping[str, Any]:
        """What people want to know of it, as JSON: licence, why it was chosen, the inputs of its recipe."""

    def is_here(self) -> bool:
        """Whether its files are on this machine."""

    def bring(self, progress: Callable[[int, int], None]) -> None:
        """Download what the lock pins."""

    def open(self) -> Running:
        """Verify and load it."""

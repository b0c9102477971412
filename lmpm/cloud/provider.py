"""A provider of OpenAI's API, and the name of the variable that holds its key: the key itself is written nowhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lmpm.fs import rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.cloud.price import Price
    from lmpm.fs import Table

VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where requests may go. `model` is what they ask for there, `price` what the manifest says that this takes.

    The price belongs to who pays, not into a lock.
    """

    name: str
    base_url: str
    model: str
    api_key_env: str
    price: Price | None = field(default=None, compare=False)

    def fields(self) -> dict[str, str]:
        """What a lock has of it, beside its name."""
        return {"base_url": self.base_url, "model": self.model, "api_key_env": self.api_key_env}

    def key_in(self, environment: Mapping[str, str]) -> str | None:
        """Its key; None where the variable is not set."""
        return environment.get(self.api_key_env, "").strip() or None


def read_provider(table: Table, name: str) -> Provider:
    """The provider in a table. Raises DocumentError naming the place of the first mistake, never its value."""
    if "api_key" in table:
        raise table.fail("api_key", "does not belong here: `api_key_env` names the variable that holds the key")
    variable = table.text("api_key_env")
    if not VARIABLE.fullmatch(variable):
        raise table.fail(
            "api_key_env", "expected the name of a variable such as `OPENAI_API_KEY`; the key itself is written nowhere"
        )
    return Provider(
        name=name,
        base_url=rules.field(table, "base_url", base_url),
        model=rules.field(table, "model", rules.line),
        api_key_env=variable,
    )


def base_url(text: object) -> str:
    """Where the paths of an API begin: `https`, or `http` on this machine; without user name, password or query."""
    from urllib.parse import urlsplit

    expected = "expected a URL like `https://api.openai.com/v1`"
    if not isinstance(text, str) or not re.fullmatch(r"https?://[!$->@-~]+", text):
        raise ValueError(f"{expected}, without a password, `?` or `#` in it")
    url = urlsplit(text)
    if not url.hostname or "@" in url.netloc:
        raise ValueError(f"{expected}, without a user name or password in it")
    if url.scheme != "https" and url.hostname not in rules.LOOPBACK:
        raise ValueError("expected an `https` URL: prompts and the key travel to it")
    return text.rstrip("/")

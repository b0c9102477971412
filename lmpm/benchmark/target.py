"""What is measured: servers that speak OpenAI's API, wherever they are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from lmpm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from lmpm.benchmark.sample import Sample
    from lmpm.cloud import Price

    class Asker(Protocol):
        """Puts prompts to a target."""

        def __call__(self, prompts: Sequence[str], *, concurrency: int, max_tokens: int, most_s: float) -> list[Sample]:
            """A sample for each prompt that is put within the seconds."""


Kind = Literal["engine", "serve", "url", "cloud", "browser"]

# Where the runtimes of the field listen unless told otherwise, by their documentation.
PRESETS: Final = {
    "ollama": "http://127.0.0.1:11434/v1",
    "lm-studio": "http://127.0.0.1:1234/v1",
    "llama-server": "http://127.0.0.1:8080/v1",
    "vllm": "http://127.0.0.1:8000/v1",
}
_LABELLED: Final = re.compile(r"([^=:/#]*[^=:/#\s][^=:/#]*)=(https?://.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server under test. `model` is what it is asked for; `sha256` is that of the file behind it, empty: not known.

    `socket` is the UNIX socket to reach it by, empty: by the URL's host. A `raw` one is asked to complete a text, since
    its model has no chat template. `options` go with each request: what makes a llama-server write as many tokens as
    are asked for. `asker` asks what is not reached over HTTP, and `is_single` is what answers one at a time. `price`
    is what a provider takes.
    """

    label: str
    kind: Kind
    base_url: str
    model: str
    key: str = field(default="", repr=False)
    socket: str = ""
    sha256: str = ""
    raw: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    price: Price | None = None
    asker: Asker | None = field(default=None, compare=False)
    is_single: bool = False


def parse_url(text: str, model: str = "") -> Target:
    """The target that `--against` names: a preset, or a base URL, with a model after `#`. Raises SpecError.

    A URL may have a label before it, `my server=http://127.0.0.1:9/v1`; else its host and port are one.
    """
    labelled = _LABELLED.fullmatch(text)
    label, text = (labelled[1].strip(), labelled[2]) if labelled else ("", text)
    where, _, named = text.partition("#")
    url = PRESETS.get(where, where).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        known = ", ".join(f"`{name}`" for name in PRESETS)
        raise SpecError(
            f"`{text}` is not something to measure against",
            hint=f"A base URL such as http://127.0.0.1:8080/v1, one of {known}, or `cloud:NAME`; a model after `#`",
        )
    label = label or (where if where in PRESETS else parts.netloc)
    return Target(label=label, kind="url", base_url=url, model=named or model)

"""A case, and the cases of a file, as frozen records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.proof.checks.read import Check

ASKED: Final = ("question", "prompt", "query", "text", "prefix")  # inputs that show what a case is about


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is asked and what is expected. `place` is the line of the file, `digest` a hash of all that counts."""

    id: str
    inputs: Mapping[str, Any]  # of the recipe
    check: Check
    tags: tuple[str, ...] = ()
    place: str = ""
    digest: str = ""

    @property
    def asked(self) -> str:
        """A hash of what is asked, whatever is expected."""
        return digest_of(dict(self.inputs))

    @property
    def title(self) -> str:
        """What is asked, in a line."""
        texts = {name: text for name, text in self.inputs.items() if isinstance(text, str) and _is_readable(text)}
        asked = next((texts[name] for name in ASKED if name in texts), next(iter(texts.values()), self.id))
        return " ".join(asked.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSet:
    """The cases of one file. `sha256` is that of its text, with LF at the ends of lines."""

    name: str
    cases: tuple[Case, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.cases)

    def sample(self, most: int) -> CaseSet:
        """At most so many of them, the same ones each time, wherever they stand in the file."""
        return replace(self, cases=tuple(sorted(self.cases, key=lambda case: case.digest)[:most]))

    def tagged(self, tag: str) -> CaseSet:
        """Those of them that have a tag."""
        return replace(self, cases=tuple(case for case in self.cases if tag in case.tags))


def _is_readable(text: str) -> bool:
    return bool(text.strip()) and not text.startswith("data:")


def digest_of(value: object) -> str:
    """The SHA-256 of a JSON value, in hex digits, however its keys are ordered."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

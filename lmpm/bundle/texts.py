"""The texts beside the models: their licences and cards as their repositories have them, and a bill of materials."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.catalog import directory as catalog_directory
from lmpm.errors import LmpmError
from lmpm.project import cyclonedx_bom
from lmpm.types import HubSource, StarterSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmpm.project import Lock, LockedCandidate, Twin, Workspace
    from lmpm.types import Source

# What repositories call them; a card states the licence where no file does.
NAMES: Final = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING", "NOTICE", "USE_POLICY.md", "README.md")
MAX_TEXT_BYTES: Final = 2**20
_ODD: Final = re.compile(r"[^A-Za-z0-9._+-]")


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by their path in the bundle, and in words what is lacking."""

    texts: Mapping[str, bytes]
    lacking: tuple[str, ...]


def license_texts(workspace: Workspace, candidates: Sequence[LockedCandidate], twins: Sequence[Twin] = ()) -> Texts:
    """The licences and cards of all repositories at their commits, from the store or over the network."""
    texts: dict[str, bytes] = {}
    lacking: list[str] = []
    every: set[tuple[Source, str]] = {(item.source, item.license) for item in candidates}
    every |= {(twin.source, twin.license) for twin in twins}
    every |= {(adapter.source, adapter.license) for item in candidates for adapter in item.adapters}
    pinned = {(source, license_id) for source, license_id in every if isinstance(source, HubSource)}
    for source, license_id in sorted(pinned, key=str):
        found = dict(_texts_of(workspace, source))
        folder = f"licenses/{_ODD.sub('_', source.repo.replace('/', '--'))}"
        texts |= {f"{folder}/{name}": text for name, text in found.items()}
        if not found.keys() - {"README.md"}:
            lacking.append(f"no text of the licence `{license_id}` of {source.repo}")
    for task in sorted({item.source.task for item in candidates if isinstance(item.source, StarterSource)}):
        texts[f"licenses/starter--{task}/README.md"] = (catalog_directory() / "starter" / "README.md").read_bytes()
        lacking.append(f"no text of the licence of the {task} starter, which is lmpm's own")
    return Texts(dict(sorted(texts.items())), tuple(dict.fromkeys(lacking)))


def _texts_of(workspace: Workspace, source: HubSource) -> Iterator[tuple[str, bytes]]:
    for name in NAMES:
        text = _stored(workspace, source, name)
        if text is None and not workspace.offline:
            with suppress(LmpmError, OSError):
                text = _downloaded(workspace, source, name)
        if text:
            yield name, text


def _stored(workspace: Workspace, source: HubSource, name: str) -> bytes | None:
    path = workspace.store.folder(source) / "snapshots" / (source.revision or "") / name
    with suppress(OSError), path.open("rb") as opened:
        text = opened.read(MAX_TEXT_BYTES + 1)
        return text if len(text) <= MAX_TEXT_BYTES else None
    return None


def _downloaded(workspace: Workspace, source: HubSource, name: str) -> bytes | None:
    """A text of a repository at its commit; None where it has none of this name. Raises LmpmError, OSError."""
    from lmpm.hub import file_url

    http = workspace.http
    with http.get(file_url(http.endpoint, source.repo, source.revision or "", name)) as answer:
        if answer.status_code != 200:
            return None
        text = http.read_body(answer, MAX_TEXT_BYTES + 1)
    return text if len(text) <= MAX_TEXT_BYTES else None


def bill_of_materials(lock: Lock, lock_text: str) -> bytes | None:
    """What is packed as CycloneDX, the same for the same lock; None without the library for it."""
    from lmpm.version import __version__

    try:
        return cyclonedx_bom(lock, lock_text, version=__version__).encode()
    except LmpmError:
        return None

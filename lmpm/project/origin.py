"""Whether what a lock pins is from where the manifest says: a lock decides which bytes, never whom to ask for them."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lmpm.errors import NotPermittedError, SpecError
from lmpm.fs import rules
from lmpm.gguf import quant
from lmpm.resolver import FileReference, HubReference, UrlReference, parse_reference
from lmpm.types import FileSource, HubSource, StarterSource, UrlSource

if TYPE_CHECKING:
    from lmpm.project.lock.records import LockedCandidate
    from lmpm.project.manifest import Manifest, ManifestModel
    from lmpm.types import Source


def is_asked_for(line: ManifestModel, rung: LockedCandidate) -> bool:
    """Whether a candidate is from the repository, file or URL that a line of the manifest names, where it names one.

    For a repository of original weights a copy in GGUF may be pinned, which has its name.
    """
    try:
        reference = parse_reference(line.ref) if line.ref else None
    except SpecError:
        return True  # who reads the line says what is wrong with it
    source, files = rung.source, rung.files
    wanted = line.quant or getattr(reference, "quant", None)
    if wanted and quant.pick(wanted, [rung.quant]) is None:
        return False
    if isinstance(reference, HubReference):
        return isinstance(source, HubSource) and _is_of(reference, source, files[0].path)
    if isinstance(reference, UrlReference):
        return source == UrlSource(reference.url) and files[0].sha256 == reference.sha256
    if isinstance(reference, FileReference):
        return isinstance(source, FileSource)
    return isinstance(source, HubSource | StarterSource)


def _is_of(reference: HubReference, source: HubSource, path: str) -> bool:
    if reference.revision and _is_commit(reference.revision) and source.revision != reference.revision:
        return False
    if source.repo.lower() == reference.repo.lower():
        return reference.path in (None, path)
    original = _letters(PurePath(reference.repo).name)
    return not reference.path and "gguf" not in original and original in _letters(PurePath(source.repo).name)


def _letters(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def _is_commit(revision: str) -> bool:
    try:
        return bool(rules.revision(revision))
    except ValueError:
        return False


def require_public(source: Source, manifest: Manifest) -> None:
    """Raise NotPermittedError for a URL on this machine or in a private network that the manifest does not name.

    A lock that came with somebody's project could otherwise have this machine ask its neighbours.
    """
    if not isinstance(source, UrlSource) or source.url in _named_urls(manifest):
        return
    host = urlsplit(source.url).hostname or ""
    if not _is_public(host):
        raise NotPermittedError(
            f"`lmpm.lock` names a file on `{host}`, which is on this machine or in a private network",
            hint=f"To allow it, name its URL in `{manifest.file}`: `lmpm install URL#sha256=...`",
        )


def _named_urls(manifest: Manifest) -> frozenset[str]:
    named = set()
    for line in manifest.models.values():
        try:
            reference = parse_reference(line.ref) if line.ref else None
        except SpecError:
            continue
        if isinstance(reference, UrlReference):
            named.add(reference.url)
    return frozenset(named)


def _is_public(host: str) -> bool:
    """Whether all addresses of a host are public; one that cannot be looked up here is left to the proxy."""
    import ipaddress
    import socket  # of use with a URL alone

    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return True
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_global for address in found)

"""What the user named: a task, a model, a repository, one file of it, or a local file.

`text-to-sql` · `text-to-sql-starter` · `qwen2.5-coder-7b-instruct[:QUANT]` · `hf:user/repo[:QUANT][@revision]` ·
`user/repo[:QUANT]` · `hf.co/user/repo[:QUANT]` · `hf://user/repo` · `user/repo/path/file.gguf` · a resolve URL ·
`./file.gguf` · `file:///path/file.gguf` · `https://example.org/file.gguf#sha256=<64 hex digits>` ·
words of a model's name: `deepseek r1 distill qwen 7b[:QUANT]`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from lmpm.errors import SpecError, did_you_mean, nearest
from lmpm.fs import rules
from lmpm.gguf import quant
from lmpm.types import HubSource

if TYPE_CHECKING:
    from lmpm.types import Variant

HUB_HOSTS: Final = frozenset({"hf.co", "huggingface.co", "www.huggingface.co"})
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"
MAX_TEXT_CHARS: Final = 120
_TEXT: Final = r"[A-Za-z0-9][A-Za-z0-9._+-]*(?: +[A-Za-z0-9][A-Za-z0-9._+-]*)+"
_PULL: Final = r"refs/[a-z]+/[^/]+"  # a revision with slashes in it: `refs/pr/1`
_HUB_SCHEMES: Final = ("hf://", "huggingface://", "hf:")
_PAGES: Final = ("resolve", "blob", "tree")  # what stands behind the repository in the Hub's URLs
_OLLAMA: Final = r"(?i)(?:ollama\s+(?:run|pull)\s+)?([a-z0-9][a-z0-9._-]*)(?::([a-z0-9._-]+))?"
_OLLAMA_SIZE: Final = r"(?i)(?:e?\d+x)?e?\d+(?:\.\d+)?[bm](?![a-z0-9])"
_HINT: Final = "Write a task, a model, or `user/repo:Q4_K_M`; all tasks: `lmpm catalog list`"


@dataclass(frozen=True, slots=True)
class NameReference:
    """A task or a model of the catalog, perhaps with a quant."""

    name: str
    quant: str | None = None


@dataclass(frozen=True, slots=True)
class TextReference:
    """Words of a model's name, to be searched for on the Hub."""

    text: str
    quant: str | None = None


@dataclass(frozen=True, slots=True)
class HubReference:
    """A repository of the Hub, perhaps at a revision, perhaps narrowed to a quant or a file."""

    repo: str
    revision: str | None = None
    quant: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        if self.path:
            return f"hf:{self.repo}/{self.path}" + (f"@{self.revision}" if self.revision else "")
        tail = (f":{self.quant}" if self.quant else "") + (f"@{self.revision}" if self.revision else "")
        return f"hf:{self.repo}{tail}"


@dataclass(frozen=True, slots=True)
class FileReference:
    """A GGUF file on this machine."""

    path: Path


@dataclass(frozen=True, slots=True)
class UrlReference:
    """A GGUF file at an address that is not the Hub's, and the sha256 that its bytes must have."""

    url: str
    sha256: str


Reference = NameReference | TextReference | HubReference | FileReference | UrlReference


def parse_reference(text: str) -> Reference:
    """Understand a reference. Raises SpecError naming what is wrong with it."""
    typed = text.strip()
    if not typed:
        raise SpecError("The reference is empty", hint=_HINT)
    if typed.lower().startswith("file://"):
        return FileReference(_path_of(typed))
    for scheme in _HUB_SCHEMES:
        if typed.lower().startswith(scheme):
            return _hub(typed[len(scheme) :].strip("/"), typed)
    if "://" in typed:
        return _from_url(typed)
    if typed.startswith(("./", "../", "/", "~")) or _is_local_file(typed):
        return FileReference(Path(typed).expanduser())
    host, _, rest = typed.partition("/")
    if host.lower() in HUB_HOSTS and rest:
        return _from_url(f"https://{typed}") if _is_page(rest) else _hub(rest, typed)
    if "/" in typed:
        return _hub(typed, typed)
    return _name(typed)


def on_hub(typed: str, endpoint: str) -> str:
    """What was typed, its URL that of the Hub where it begins with the `endpoint` that stands for it."""
    text, bare = typed.strip(), endpoint.partition("://")[2]
    if "#sha256=" in text:  # pinned by its hash, wherever it comes from
        return typed
    for start in (f"{endpoint}/", f"{bare}/"):
        if text.lower().startswith(start.lower()):
            return f"https://huggingface.co/{text[len(start) :]}"
    return typed


def _is_page(rest: str) -> bool:
    """Whether this is what stands behind a host in the URL of a file or a page: `user/repo/resolve/main/x.gguf`."""
    parts = rest.split("/")
    return len(parts) > 3 and parts[2] in _PAGES


def _path_of(url: str) -> Path:
    """The path in a `file://` URL. Raises SpecError for one on another computer."""
    address = urlsplit(url)
    if address.netloc not in ("", "localhost"):
        raise SpecError(
            f"`{rules.printable(url[:80])}` names a file on another computer",
            hint="A path on this one has three slashes: `file:///models/model.gguf`",
        )
    return Path(unquote(address.path))


def reference_to(variant: Variant, typed: str) -> str:
    """What leads to this very variant again, for a reader who has chosen it by what was `typed`.

    A file that was named is named again: the quant of a repository may be in several of its files.
    """
    reference = parse_reference(typed)
    first = variant.files[0]
    if isinstance(reference, FileReference):
        return typed.strip()
    if isinstance(reference, UrlReference):
        return f"{variant.source.name}#sha256={first.sha256}"
    revision = f"@{reference.revision}" if isinstance(reference, HubReference) and reference.revision else ""
    is_named = isinstance(reference, HubReference) and reference.path is not None
    if isinstance(variant.source, HubSource) and (is_named or quant.normalise(variant.quant) is None):
        return f"{variant.source.name}/{first.path}{revision}"
    return f"{variant.source.name}:{variant.quant}{revision}"


def _is_local_file(text: str) -> bool:
    return text.lower().endswith(".gguf") and Path(text).is_file()


def _name(text: str) -> NameReference | TextReference:
    _require_no_ollama(text)
    name, _, tag = text.partition(":")
    if len(name) <= MAX_TEXT_CHARS and re.fullmatch(_TEXT, name):
        words, typed = _without_quant(" ".join(name.split()), tag)
        return TextReference(words, typed) if " " in words else NameReference(words, typed)
    if not re.fullmatch(_NAME, name):
        shown = rules.printable(text[:80])
        raise SpecError(f"`{shown}` is not the name of a task or model", hint=_HINT)
    return NameReference(*_without_quant(name, tag))


def _require_no_ollama(text: str) -> None:
    """Raise SpecError for a name of Ollama's, such as `qwen3:8b`, with what it is likely called here."""
    found = re.fullmatch(_OLLAMA, text)
    name, tag = (found[1], found[2] or "") if found else ("", "")
    if not found or not (text.lower().startswith("ollama") or re.match(_OLLAMA_SIZE, tag)):
        return
    named = quant.find(tag) if tag else None
    size = tag[: named.start].rstrip("-_.") if named else tag
    model = f"{name}-{size}" if size and size != "latest" else name
    raise SpecError(
        f"`{text}` is a name of Ollama's library, which lmpm does not download from",
        hint=f"Did you mean `{model}{f':{named.label}' if named else ''}`? "
        f'Models of that name: `lmpm search "{model.replace("-", " ")}"`',
        kind="ollama-name",
    )


def _without_quant(name: str, tag: str) -> tuple[str, str | None]:
    """A name and its quant, which may also stand at its end: `qwen3 8b q4_k_m`, `llama-3.2-3b-instruct-q8_0`."""
    if tag:
        return name, _tagged(tag)
    found = quant.find(name)
    rest = name[: found.start].rstrip(" -_.") if found and found.is_exact and found.end == len(name) else ""
    return (rest, found.label) if found and rest else (name, None)


def _tagged(tag: str) -> str | None:
    """The quant that a tag names; None for `latest`, which leaves the choice open as in `ollama pull`."""
    return None if tag.lower() == "latest" else parse_quant(tag)


def _hub(rest: str, typed: str) -> HubReference:
    """`user/repo[/path/file.gguf][:QUANT][@revision]`, also with the revision before the quant."""
    revision = tag = None
    if found := re.search(r"@((?:refs/[a-z]+/)?[^:@/]+)", rest):
        revision, rest = found[1], rest[: found.start()] + rest[found.end() :]
    if ":" in rest:
        rest, _, tag = rest.partition(":")
    parts = rest.strip("/").split("/")
    repo, path = "/".join(parts[:2]), "/".join(parts[2:]) or None
    try:
        rules.repo_id(repo)
        if path:
            rules.file_path(path)
    except ValueError as error:
        shown = rules.printable(typed[:80])
        raise SpecError(f"`{shown}` is not a reference to a model: {error}", hint=_HINT) from error
    return HubReference(repo, revision, _tagged(tag) if tag else None, path)


def _from_url(text: str) -> HubReference | UrlReference:
    """A page, `resolve` or `blob` address of a repository, or any other with a sha256 behind it."""
    try:
        address = urlsplit(text)
    except ValueError as error:
        raise SpecError("The URL cannot be used: its host is not a name or an address") from error
    if address.scheme.lower() not in ("http", "https"):
        scheme = rules.printable(text.partition("://")[0][:40])
        raise SpecError(
            f"`{scheme}://` is not supported: lmpm downloads from the Hugging Face Hub, and from a URL by its sha256",
            hint="Write `hf:user/repo:Q4_K_M`, or `https://example.org/model.gguf#sha256=` and the 64 hex digits",
        )
    if "@" in address.netloc or address.query not in ("", "download=true"):
        raise SpecError(
            f"The URL at `{rules.printable(address.hostname or '')}` holds a login or a query",
            hint="It would be written into lmpm.toml: give the URL without it, or download the file and install that",
        )
    if address.hostname not in HUB_HOSTS:
        host = rules.printable(address.hostname or "")
        if not address.fragment.startswith("sha256="):
            raise SpecError(
                f"`{host}` is not the Hugging Face Hub, and no sha256 is given",
                hint="Write `https://example.org/model.gguf#sha256=` and the 64 hex digits that you trust",
            )
        try:
            url = rules.file_url(text.partition("#")[0])
            return UrlReference(url, rules.sha256(address.fragment.removeprefix("sha256=")))
        except ValueError as error:
            raise SpecError(f"The address at `{host}` cannot be used: {error}") from error
    parts = [unquote(part) for part in address.path.strip("/").split("/")]
    if len(parts) > 3 and parts[2] in _PAGES:
        own = "/".join(parts[3:])
        ref = re.match(_PULL, own)
        revision = ref[0] if ref else parts[3]
        path = own[len(revision) :].strip("/") if parts[2] != "tree" else ""
        found = _hub("/".join(filter(None, (*parts[:2], path))), text)
        return HubReference(found.repo, None if revision == "main" else revision, None, found.path)
    return _hub("/".join(parts[:2]), text)


def parse_quant(tag: str) -> str:
    """The one spelling of a quant that was typed. Raises SpecError with the nearest names."""
    found = quant.normalise(tag)
    if found is None and (scheme := quant.find(tag)) and scheme.label == tag.upper() and quant.is_mixture(scheme.label):
        found = scheme.label
    if found is None:
        width = quant.VAGUE_BEST.get(tag.upper())
        near = [width] if width else nearest(tag.upper(), quant.BITS)
        hint = did_you_mean(near) or "Examples: `Q4_K_M`, `Q8_0`, `F16`"
        raise SpecError(f"`{rules.printable(tag[:40])}` is not a quant", hint=hint)
    return found

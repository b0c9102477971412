"""Repositories of the Hub as its API describes them: one in full, or a row of a listing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from lmpm import licenses, limits
from lmpm.fs import rules
from lmpm.gguf import file_name
from lmpm.types import ModelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# What a row of a listing is asked for. Not `gguf` and `cardData`: they bring chat templates and model cards along.
ROW_FIELDS: Final = (
    "createdAt", "downloads", "gated", "lastModified", "likes", "private", "sha", "tags",
)  # fmt: skip
MAX_SHOWN: Final = 80  # characters of a name that nobody checks
_RELATIONS: Final = ("quantized", "finetune", "merge", "adapter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a listing says of a repository.

    `base_models` are those that its card names, `relation` what it says it is of them: `quantized`, `finetune`,
    `merge` or `adapter`; empty where it says neither. `downloads` are those of the last 30 days. `created` and
    `modified` are seconds since the epoch, 0 where not known. `license` is `unknown` where none is stated.
    """

    id: str
    revision: str | None = None
    license: str = "unknown"
    gated: bool = False
    private: bool = False
    base_models: tuple[str, ...] = ()
    relation: str = ""
    downloads: int = 0
    likes: int = 0
    created: float = 0.0
    modified: float = 0.0

    @property
    def publisher(self) -> str:
        """The account that it belongs to."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """Its name without the account."""
        return self.id.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository(Row):
    """A repository of the Hub at one commit.

    `files` are its GGUF files, by path; `pieces` what is cut of one; `refused` what has a name, shown escaped, that
    cannot be stored safely.
    """

    revision: str = ""
    files: tuple[ModelFile, ...] = ()
    pieces: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    parameters: int | None = None
    architecture: str = ""
    context_length: int | None = None
    template: str | None = None  # sha256 of the chat template that the Hub read from the files
    published_template: str | None = None  # sha256 of that of its own tokenizer, without blanks at its ends
    identity: str | None = None  # stays when the name goes to somebody else
    full_parameters: int | None = None  # of the weights in full precision, where it holds them

    @property
    def has_template(self) -> bool | None:
        """Whether its files hold a chat template; None where the Hub has not read them."""
        return True if self.template else False if self.parameters else None

    def file(self, path: str) -> ModelFile | None:
        """The file at `path`, if it is there."""
        return next((file for file in self.files if file.path == path), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a repository, of whatever kind: with its sha256 where it is in LFS, else with the id of git."""

    path: str
    size: int
    sha256: str | None
    blob_id: str


def entries(siblings: Iterable[Any]) -> tuple[Entry, ...]:
    """The files of an answer that can be stored safely, by path. Raises ValueError for too many of them."""
    found: list[Entry] = []
    for number, item in enumerate(siblings):
        if number >= limits.MAX_REPOSITORY_FILES:
            raise ValueError(f"more than {limits.MAX_REPOSITORY_FILES:,} files")
        size = _count(item.size)
        with contextlib.suppress(ValueError):
            path, digest = rules.repository_path(item.rfilename), item.lfs and rules.sha256(item.lfs.sha256)
            if size and size <= limits.MAX_FILE_BYTES and (digest or item.blob_id):
                found.append(Entry(path, size, digest or None, "" if digest else rules.revision(item.blob_id)))
    return tuple(sorted(found, key=lambda entry: entry.path))


def row(data: Any) -> Row:
    """A row of a listing from the API's JSON. Raises ValueError or TypeError for anything else."""
    return Row(**_facts(data))


def repository(data: Any) -> Repository:
    """A repository from the API's JSON, with everything checked that is used later.

    Files without a sha256 are left out. Beyond the first
    MAX_GGUF_NAMES in the root, then in folders, names are not taken apart: those files count as ones of a model.
    Raises KeyError, ValueError or TypeError for anything else.
    """
    files, pieces, refused = [], [], []
    read = 0
    for sibling in sorted(data.get("siblings") or (), key=_depth):
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            name = sibling["rfilename"]
            path = _valid(rules.file_path, name)
            if path is None:
                refused += [rules.printable(name[:MAX_SHOWN])] if name.lower().strip().endswith(".gguf") else []
                continue
            kind = None
            if ".gguf" in path.lower() and read < limits.MAX_GGUF_NAMES:
                kind, read = file_name.parse_file_name(path).kind, read + 1
            if kind == "piece":
                pieces.append(path)
            lfs = sibling.get("lfs") or {}
            digest, size = rules.sha256(lfs["sha256"]), _count(lfs.get("size"))
            if size and size <= limits.MAX_FILE_BYTES:
                role: Any = "mmproj" if kind == "mmproj" else "model"
                files.append(ModelFile(path=path, size=size, sha256=digest, role=role))
    facts = _table(data, "gguf")
    weights = data.get("safetensors")
    return Repository(
        **(_facts(data) | {"revision": rules.revision(data.get("sha"))}),
        files=tuple(sorted(files, key=lambda file: file.path)),
        pieces=tuple(sorted(pieces)),
        refused=tuple(refused),
        parameters=_count(facts.get("total")),
        architecture=(_valid(rules.line, facts.get("architecture")) or "")[:64],
        context_length=_count(facts.get("context_length")),
        template=_valid(rules.sha256, facts.get("chat_template_sha256")),
        published_template=_valid(rules.sha256, _table(data, "config").get("chat_template_sha256")),
        identity=_valid(rules.object_id, data.get("_id")),
        full_parameters=_count(weights.get("total")) if isinstance(weights, dict) else None,
    )


def _table(data: Any, name: str) -> dict[str, Any]:
    """A part of an answer, empty where it is none."""
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _depth(sibling: Any) -> tuple[int, str]:
    """A sort key: the root before folders."""
    path = str(sibling.get("rfilename", "")) if isinstance(sibling, dict) else ""
    return path.count("/"), path


def _facts(data: Any) -> dict[str, Any]:
    """What a listing and a page have in common."""
    tags = [tag for tag in list(data.get("tags") or ())[: limits.MAX_TAGS] if isinstance(tag, str)]
    bases, relation = _lineage(tags)
    sha = data.get("sha")
    return {
        "id": rules.repo_id(data["id"]),
        "revision": rules.revision(sha) if sha else None,
        "license": _license(tags, data.get("cardData")),
        "gated": bool(data.get("gated")),
        "private": bool(data.get("private")),
        "base_models": bases,
        "relation": relation,
        "downloads": _count(data.get("downloads")) or 0,
        "likes": _count(data.get("likes")) or 0,
        "created": _seconds(data.get("createdAt")),
        "modified": _seconds(data.get("lastModified")),
    }


def _license(tags: Iterable[str], card: object) -> str:
    """The licence by its name; of one that the Hub has no name for, the name that its card gives."""
    tag = next((tag[8:] for tag in tags if tag.startswith("license:")), "")
    name = licenses.normalise(_valid(_short_line, tag) or "unknown")
    stated = card.get("license_name") if name == "other" and isinstance(card, dict) else None
    return licenses.normalise(_valid(rules.line, stated) or "other") if name == "other" else name


def _short_line(text: object) -> str:
    """A name that people could have given. Raises ValueError for any other."""
    line = rules.line(text)
    if len(line) > MAX_SHOWN:
        raise ValueError("a name of that length is none")
    return line


def _valid(check: Callable[[object], str], value: object) -> str | None:
    """A value that passes its check, None for any other."""
    try:
        return check(value)
    except ValueError:
        return None


def _lineage(tags: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """The base models in the tags, and the relation to them: `base_model:quantized:org/name`."""
    bases, relation = [], ""
    for tag in tags:
        head, _, rest = tag.partition(":")
        if head != "base_model":
            continue
        kind, _, name = rest.rpartition(":")
        relation = kind if kind in _RELATIONS else relation
        with contextlib.suppress(ValueError):
            bases.append(rules.repo_id(name))
    return tuple(dict.fromkeys(bases)), relation


def _seconds(text: object) -> float:
    """`2025-01-20T16:06:46.000Z` as seconds since the epoch, 0 for anything else."""
    if not isinstance(text, str):
        return 0.0
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

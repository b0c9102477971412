"""The base of a LoRA: a folder of safetensors, or a repository of the Hub at a commit, known by its files' hashes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import HashMismatchError, IntegrityError, LmpmError, NetworkError, NotFoundError
from lmpm.fs import hash_one, printable, rules
from lmpm.project import require_space
from lmpm.reporter import Reporter
from lmpm.tuner.conversion.architectures import architecture_of
from lmpm.tuner.conversion.safetensors import Weights
from lmpm.tuner.conversion.vocabulary import read_json
from lmpm.types import HubSource, ModelFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.hub import Repository
    from lmpm.project import Workspace

# Apache-2.0, of a size that a computer without a GPU tunes overnight (docs/tune.md).
USUAL: Final = "Qwen/Qwen2.5-0.5B-Instruct"
NEEDED: Final = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "*.safetensors",
    "*.safetensors.index.json",
)


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base on this machine. `repo` and `commit` are empty for a folder of the user's."""

    folder: Path
    name: str
    repo: str = ""
    commit: str = ""
    license: str = ""

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its `config.json`."""
        return read_json(self.folder / "config.json")

    @cached_property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Each file that counts, with its sha256. Of the Hub's large files the hash is that which it promised."""
        found = {path for pattern in NEEDED for path in self.folder.glob(pattern)}
        return tuple((path.name, _hashed(path)) for path in sorted(found))

    @cached_property
    def sha256(self) -> str:
        """One hash for all of them."""
        return hashlib.sha256("\n".join(f"{digest}  {name}" for name, digest in self.files).encode()).hexdigest()

    @cached_property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return sum(prod(stored.shape) for stored in Weights(self.folder).tensors.values())


def find_base(workspace: Workspace, ref: str, reporter: Reporter | None = None) -> Base:
    """The base that is meant by a path or by `owner/name[@revision]`, with its files here.

    Raises SpecError for an architecture that cannot be tuned, NotFoundError, NetworkError, IntegrityError, DiskError.
    """
    place = Path(ref).expanduser()
    folder = place if place.is_absolute() else workspace.current / place
    base = Base(folder=folder, name=folder.name) if folder.is_dir() else _of_hub(workspace, ref, reporter)
    architecture_of(base.config)
    if not Weights(base.folder).files:
        raise IntegrityError(f"`{printable(ref)}` holds no `*.safetensors`")
    return base


def _of_hub(workspace: Workspace, ref: str, reporter: Reporter | None) -> Base:
    found = _repository(workspace, ref)
    return Base(
        folder=_snapshot(workspace, found.id, found.revision, NEEDED, reporter),
        name=found.id.rpartition("/")[2],
        repo=found.id,
        commit=found.revision,
        license=found.license if found.license != "unknown" else "",
    )


def snapshot_of(
    workspace: Workspace, ref: str, needed: Sequence[str], reporter: Reporter | None = None
) -> tuple[Path, str, str]:
    """The files of `owner/name[@revision]` of these names in one folder, with the repository and the commit.

    Raises NotFoundError, NetworkError.
    """
    found = _repository(workspace, ref)
    return _snapshot(workspace, found.id, found.revision, needed, reporter), found.id, found.revision


def _repository(workspace: Workspace, ref: str) -> Repository:
    repo, _, revision = ref.removeprefix("hf:").partition("@")
    try:
        rules.repo_id(repo)
    except ValueError as error:
        raise NotFoundError(
            f"`{printable(ref)}` is neither a folder nor a repository of the Hub",
            hint="Name a folder of safetensors, or `owner/name` of the Hub",
        ) from error
    return workspace.hub.repository(repo, revision or None)


def _snapshot(workspace: Workspace, repo: str, commit: str, needed: Sequence[str], reporter: Reporter | None) -> Path:
    """The files of a commit in the Hugging Face cache, brought where they are not there.

    Those whose sha256 the Hub promises, which are all large ones, come as models do: space first, hashed on their way,
    resumed. The small ones that git itself holds are left to huggingface_hub.
    """
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    if not workspace.offline:
        _bring_large(workspace, HubSource(repo, commit), needed, reporter or Reporter())
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repo,
                revision=commit,
                cache_dir=workspace.store.root,
                endpoint=workspace.http.endpoint,
                token=workspace.http.token or False,
                allow_patterns=list(needed),
                local_files_only=workspace.offline,
            )
        )
    except LocalEntryNotFoundError as error:
        raise NetworkError(f"`{repo}` is not on this machine", kind="offline") from error
    except LmpmError:
        raise
    except OSError as error:
        raise NetworkError(f"`{repo}` could not be fetched: {printable(str(error))[:200]}") from error


def _bring_large(workspace: Workspace, source: HubSource, needed: Sequence[str], reporter: Reporter) -> None:
    """Raises NoSpaceError before the first byte, HashMismatchError, NetworkError."""
    entries = workspace.hub.listing(source.repo, source.revision or "")
    files = [
        ModelFile(path=entry.path, size=entry.size, sha256=entry.sha256)
        for entry in entries
        if entry.sha256 and any(fnmatch(entry.path, pattern) for pattern in needed)
    ]
    require_space(workspace.store, [(source, files)])
    reporter.planned(len(files), sum(file.size for file in files))
    workspace.fetcher(reporter).downloader.fetch_all(source, files)
    reporter.concluded()


def _hashed(path: Path) -> str:
    """The sha256 of a file; one that the Hub named by its hash must have it. Raises HashMismatchError."""
    hashed = hash_one(path)
    promised = path.resolve().name
    if path.is_symlink() and len(promised) == 64 and promised != hashed.sha256:
        raise HashMismatchError(path.name, expected=(promised, hashed.size), computed=(hashed.sha256, hashed.size))
    return hashed.sha256

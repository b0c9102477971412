"""The model repositories that the hub holds: files, commits, refs and the facts of the model page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal

from tests.loopback.content import Content, ContentLike, as_content
from tests.loopback.gguf_facts import gguf_facts

Gated = Literal[False, "auto", "manual"]

MAIN: Final = "refs/heads/main"
_LFS_SUFFIXES: Final = (".gguf", ".safetensors", ".bin", ".zip", ".onnx", ".litertlm", ".task", ".tflite")
_LFS_SIZE: Final = 10 * 1024 * 1024  # bytes above which the Hub takes no ordinary git file
_HEX: Final = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class RepoFile:
    """A file of one commit, named by sha256 if it is in LFS and by its git object id if not."""

    path: str
    content: Content

    @property
    def size(self) -> int:
        return self.content.size

    @property
    def lfs(self) -> bool:
        return self.path.endswith(_LFS_SUFFIXES) or self.size > _LFS_SIZE

    @property
    def etag(self) -> str:
        return self.content.sha256 if self.lfs else self.content.git_sha1

    @cached_property
    def pointer(self) -> bytes:
        """What git itself stores in place of an LFS file."""
        return (
            "version https://git-lfs.github.com/spec/v1\n"
            f"oid sha256:{self.content.sha256}\n"
            f"size {self.size}\n"
        ).encode()  # fmt: skip

    @cached_property
    def blob_id(self) -> str:
        return as_content(self.pointer).git_sha1 if self.lfs else self.content.git_sha1


@dataclass(frozen=True)
class Commit:
    """A state of a repository; it stays reachable by its id whatever comes later."""

    id: str
    files: Mapping[str, RepoFile]
    title: str
    date: str

    def below(self, folder: str) -> dict[str, RepoFile]:
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        return {path: file for path, file in self.files.items() if path.startswith(prefix)}


@dataclass
class Repository:
    """A model repository. A test may change its facts at any moment; files change by `commit`."""

    id: str
    gated: Gated = False
    private: bool = False
    disabled: bool = False
    downloads: int = 0
    likes: int = 0
    tags: tuple[str, ...] = ()
    card_data: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    gguf: dict[str, Any] | None = None  # None: read from the first GGUF file
    safetensors: dict[str, Any] | None = None
    pipeline_tag: str | None = "text-generation"
    library_name: str | None = None
    created_at: str = "2025-01-01T00:00:00.000Z"
    last_modified: str = "2025-01-02T00:00:00.000Z"
    trending: int = 0
    object_id: str = ""  # as the Hub calls it whatever its name; empty: made from the name
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)  # full name -> commit id
    _gguf_of: dict[str, dict[str, Any] | None] = field(default_factory=dict, repr=False)

    @property
    def author(self) -> str:
        return self.id.partition("/")[0]

    @property
    def commit(self) -> str:
        """The commit that `main` is at."""
        return self.refs[MAIN]

    @property
    def files(self) -> Mapping[str, RepoFile]:
        return self.commits[self.commit].files

    def add_commit(
        self,
        files: Mapping[str, ContentLike | None],
        *,
        title: str,
        ref: str = MAIN,
        commit_id: str | None = None,
    ) -> str:
        """Put files on top of what `ref` has; None takes one away. Its id follows from them if not given."""
        parent = self.refs.get(ref, "")
        merged = dict(self.commits[parent].files) if parent else {}
        for path, source in files.items():
            if source is None:
                merged.pop(path)
            else:
                merged[path] = RepoFile(path, as_content(source))
        digest = hashlib.sha1(f"{self.id}\n{parent}\n{title}".encode(), usedforsecurity=False)
        merged = dict(sorted(merged.items()))
        for path, file in merged.items():
            digest.update(f"\n{path}\0{file.etag}".encode())
        commit = Commit(commit_id or digest.hexdigest(), merged, title, self.last_modified)
        self.commits[commit.id] = commit
        self.refs[ref] = commit.id
        return commit.id

    def rewrite(self, path: str, source: ContentLike) -> None:
        """Change a file of the commit that `main` is at without a new commit, as no honest Hub does."""
        now = self.commits[self.commit]
        self.commits[now.id] = replace(now, files={**now.files, path: RepoFile(path, as_content(source))})

    def find_commit(self, revision: str) -> Commit | None:
        """Find a commit by branch, tag, full ref, commit id or the beginning of one."""
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in self.refs:
                return self.commits[self.refs[ref]]
        if _HEX.fullmatch(revision):
            matches = [commit for commit in self.commits.values() if commit.id.startswith(revision)]
            return matches[0] if len(matches) == 1 else None
        return None

    def gguf_at(self, commit: Commit) -> dict[str, Any] | None:
        if self.gguf is not None:
            return self.gguf
        if commit.id not in self._gguf_of:
            models = [file.content for path, file in commit.files.items() if path.endswith(".gguf")]
            self._gguf_of[commit.id] = gguf_facts(models)
        return self._gguf_of[commit.id]

    def all_tags(self) -> list[str]:
        """The tags given, and those that the Hub derives from the files and the model card."""
        tags = list(self.tags)
        if any(path.endswith(".gguf") for path in self.files):
            tags.append("gguf")
        for base in _as_list(self.card_data.get("base_model")):
            tags += [f"base_model:{base}", f"base_model:quantized:{base}"]
        tags += [f"license:{name}" for name in _as_list(self.card_data.get("license"))]
        return list(dict.fromkeys(tags))


def _as_list(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]

"""What the hub knows: repositories, tokens, and how it is set up to answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from tests.loopback.content import ContentLike
from tests.loopback.repository import Repository


@dataclass(frozen=True)
class Token:
    """Who holds a token, and which gated and private repositories it opens (shell patterns)."""

    user: str
    repos: tuple[str, ...] = ("*",)

    def opens(self, repo_id: str) -> bool:
        return any(fnmatchcase(repo_id, pattern) for pattern in self.repos)


@dataclass
class HubState:
    """The hub without its sockets."""

    page_size: int = 1000  # rows of a listing page, whatever limit was asked
    tree_page_size: int = 1000
    bare_401: bool = False  # answer anonymous requests for a missing repository as the real Hub does
    signed_seconds: float = 3600.0  # how long a CDN address is good
    cdn_endpoint: str | None = None  # None: bytes come from the hub itself
    tokens: dict[str, Token] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)  # by id in lower case
    renamed: dict[str, str] = field(default_factory=dict)  # former id in lower case -> id
    signature_round: int = 0

    def add_repo(
        self, repo_id: str, files: Mapping[str, ContentLike], *, commit_id: str | None = None, **facts: Any
    ) -> Repository:
        """Add a repository with one commit; `facts` are the fields of `Repository`."""
        unknown = set(facts) - {f.name for f in fields(Repository)}
        if unknown:
            raise TypeError(f"no such facts: {', '.join(sorted(unknown))}")
        repository = Repository(repo_id, **facts)
        repository.add_commit(files, title="initial commit", commit_id=commit_id)
        self.repositories[repo_id.lower()] = repository
        return repository

    def commit(
        self, repo: str | Repository, files: Mapping[str, ContentLike | None], *, title: str = "Update files"
    ) -> str:
        """Change files on `main` and return the new commit; earlier commits stay reachable."""
        return self.repo(repo).add_commit(files, title=title)

    def tag(self, repo: str | Repository, name: str, commit: str | None = None) -> None:
        repository = self.repo(repo)
        repository.refs[f"refs/tags/{name}"] = commit or repository.commit

    def rename(self, repo: str | Repository, new_id: str) -> Repository:
        """Give a repository another name; the former one answers 307."""
        repository = self.repo(repo)
        del self.repositories[repository.id.lower()]
        self.renamed[repository.id.lower()] = new_id
        moved = replace(repository, id=new_id)
        self.repositories[new_id.lower()] = moved
        return moved

    def delete(self, repo: str | Repository) -> None:
        del self.repositories[self.repo(repo).id.lower()]

    def repo(self, repo: str | Repository) -> Repository:
        return repo if isinstance(repo, Repository) else self.repositories[repo.lower()]

    def expire_signed_urls(self) -> None:
        """Make every CDN address handed out so far answer 403, without waiting for its time."""
        self.signature_round += 1

    def sign(self, path: str, expires: int) -> str:
        text = f"{self.signature_round}\n{expires}\n{path}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def signed_url(self, path: str, now: float) -> str:
        expires = int(now + self.signed_seconds)
        return f"{self.cdn_endpoint}{quote(path)}?Expires={expires}&Signature={self.sign(path, expires)}"

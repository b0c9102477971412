"""What the Hub says of a repository: its commit, files with size and sha256, licence and access.

huggingface_hub speaks with the server; here its answers become our records and its errors ours. One
request a repository: `GET /api/models/<repo>[/revision/<rev>]?blobs=true`. Answers are kept for a while
in `cache`, where one is given.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lmpm import limits
from lmpm.errors import (
    IntegrityError,
    LmpmError,
    NetworkError,
    NotFoundError,
    NotPermittedError,
    OfflineError,
)
from lmpm.fs import rules
from lmpm.hub.http import GONE, explain, file_url, no_socks, status_error, transient_errors
from lmpm.hub.patience import Patience
from lmpm.units import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from lmpm.gguf import Header, ReadAt
    from lmpm.hub.deadline import HeadDeadline
    from lmpm.hub.header_cache import HeaderCache
    from lmpm.hub.http import Http
    from lmpm.hub.repository import Entry, Repository
    from lmpm.hub.response_cache import ResponseCache
    from lmpm.types import ModelFile

METADATA_PATIENCE: Final = Patience(attempts=limits.METADATA_ATTEMPTS, backoff_s=limits.METADATA_BACKOFF_S)


@dataclass(slots=True)
class Hub:
    """The Hub at `http.endpoint`. `offline` refuses every request before it is made; `kept` are headers read before."""

    http: Http
    offline: bool = False
    patience: Patience = METADATA_PATIENCE
    cache: ResponseCache | None = None
    kept: HeaderCache | None = None
    oldest_s: float = 0.0  # age of the oldest kept answer that was used
    _known: dict[tuple[str, str | None], Repository] = field(default_factory=dict)
    _trusts: bool = False  # whether huggingface_hub was given our certificates

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return self.http.host

    def repository(self, repo: str, revision: str | None = None) -> Repository:
        """Facts of a repository, at a commit, branch or tag, or at its newest commit.

        Raises NotFoundError (no such repository or revision, or a private one), NotPermittedError,
        RateLimitedError or NetworkError.
        """
        if (repo, revision) not in self._known:
            found = self._kept_repository(repo, revision)
            if found is None:
                data = self.patience.retry(lambda: self._ask(repo, revision))
                with self._translated(repo, revision):
                    found = _checked(data, revision)
                for name in {revision or "", found.revision} if self.cache else ():
                    self.cache.put(data, "repository", repo, name)  # type: ignore[union-attr]
            self._known[repo, revision] = self._known[repo, found.revision] = found
        return self._known[repo, revision]

    def _kept_repository(self, repo: str, revision: str | None) -> Repository | None:
        kept = self.cache.get("repository", repo, revision or "") if self.cache else None
        if kept is None or not (kept.is_fresh or self.offline):
            return None
        try:
            found = _checked(kept.data, revision)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        self.oldest_s = max(self.oldest_s, kept.age_s)
        return found

    def listing(self, repo: str, revision: str) -> tuple[Entry, ...]:
        """Every file of a repository at a commit, by path, whatever it is. Raises as `repository` does."""
        from lmpm.hub.repository import entries

        info = self.patience.retry(lambda: self._info(repo, revision))
        with self._translated(repo, revision):
            return entries(info.siblings or ())

    def _ask(self, repo: str, revision: str | None) -> Any:
        """The answer of huggingface_hub, as far as it is used."""
        return _as_json(self._info(repo, revision))

    def _info(self, repo: str, revision: str | None) -> Any:
        """The answer of huggingface_hub."""
        if self.offline:
            raise OfflineError(
                f"`{repo}` cannot be looked up: the network is switched off",
                hint="Drop `--offline`, or unset LMPM_OFFLINE and HF_HUB_OFFLINE",
            )
        from lmpm.hub.deadline import HeadDeadline

        silence_s = self.http.silence_s
        deadline = HeadDeadline(silence_s)
        with self._translated(repo, revision):
            api = self._api(deadline)
            info = deadline.call(
                lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=silence_s)
            )
            # the Hub redirects from a former name; who answers for another one without doing so is not to be believed
            if not deadline.redirected and str(info.id).lower() != repo.lower():
                raise ValueError(f"it is of `{info.id}`")
            return info

    def _api(self, deadline: HeadDeadline) -> Any:
        import huggingface_hub

        from lmpm.hub import tls
        from lmpm.version import __version__

        certificates = tls.context(self.http.bundle) if self.http.endpoint.startswith("https:") else None
        session = huggingface_hub.get_session()
        if certificates is not None and not self._trusts:
            self._trusts = True
            kind, hooks = type(session), session.event_hooks
            # as huggingface_hub makes its own, with the certificates that the bytes will be fetched with
            options: dict[str, Any] = {
                "event_hooks": hooks,
                "follow_redirects": True,
                "timeout": None,
                "verify": certificates,
            }
            huggingface_hub.set_client_factory(lambda: kind(**options))
            session = huggingface_hub.get_session()
        self._own_hooks(session, deadline)
        return huggingface_hub.HfApi(
            endpoint=self.http.endpoint,
            token=self.http.token or False,
            library_name="lmpm",
            library_version=__version__,
            headers={"authorization": self.http.authorization or ""} if self.http.login else None,
        )

    def _own_hooks(self, session: Any, deadline: HeadDeadline) -> None:
        """Set our hooks on huggingface_hub's client, in place of those of an earlier request."""
        from lmpm.hub.response_limits import ResponseLimits

        hooks = {
            "request": [hook for hook in session.event_hooks["request"] if not _is_ours(hook)],
            "response": [hook for hook in session.event_hooks["response"] if not _is_ours(hook)],
        }
        bounds = ResponseLimits(self.http.endpoint, self.http.silence_s)
        session.event_hooks = {
            "request": [*hooks["request"], deadline.asked],
            "response": [deadline.answered, bounds, *hooks["response"]],
        }

    @contextlib.contextmanager
    def _translated(self, repo: str, revision: str | None) -> Iterator[None]:
        """Turn the errors of huggingface_hub into ours, at this one place."""
        from huggingface_hub import errors

        try:
            yield
        except LmpmError:
            raise
        except errors.GatedRepoError as error:
            raise NotPermittedError(
                f"`{repo}` is gated: its publisher asks you to accept terms first",
                hint=f"Accept them at {self.http.endpoint}/{repo}, then `hf auth login`",
            ) from error
        except errors.RevisionNotFoundError as error:
            raise NotFoundError(f"`{repo}` has no revision `{revision}` at `{self.host}`") from error
        except errors.DisabledRepoError as error:
            raise NotPermittedError(f"`{repo}` has been disabled by the Hub") from error
        except errors.RepositoryNotFoundError as error:  # over https huggingface_hub also says so of a bare 401
            is_refused = self.http.token and error.response is not None and error.response.status_code in (401, 403)
            raise (self.refused(repo, error.response) if is_refused else self._missing(repo)) from error
        except errors.HFValidationError as error:
            raise NotFoundError(f"`{rules.printable(repo)}` is not the name of a repository") from error
        except errors.OfflineModeIsEnabled as error:
            raise OfflineError(
                f"`{repo}` cannot be looked up: HF_HUB_OFFLINE is set", hint="Unset it, or use `--offline`"
            ) from error
        except errors.HfHubHTTPError as error:
            raise self.refused(repo, error.response) from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise NetworkError(
                f"`{self.host}` answered something that does not describe `{repo}`: "
                f"{rules.printable(str(error)[:120])}",
                hint="Check HF_ENDPOINT and your proxy",
            ) from error
        except ImportError as error:  # of the HTTP client
            raise no_socks() from error
        except OSError as error:  # and with it the errors of the HTTP client
            raise self.unreachable(error) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2"):
                raise
            raise self.unreachable(error) from error

    def _missing(self, repo: str) -> NotFoundError:
        return NotFoundError(
            f"`{repo}` is not at `{self.host}`, or it is private",
            hint="Check the name; for a private repository, `hf auth login`",
        )

    def refused(self, repo: str, response: Any) -> LmpmError:
        """The error for an HTTP status that has no class of its own."""
        if response.status_code in GONE or (response.status_code == 401 and not self.http.token):
            return self._missing(repo)  # the Hub answers 401 to strangers, also for what does not exist
        rights = "Log in again with `hf auth login`, or check the rights of HF_TOKEN"
        return status_error(response, repo, host=self.host, terms=rights)

    def unreachable(self, error: Exception) -> NetworkError:
        """The error for a server that cannot be talked to."""
        return NetworkError(
            f"The Hub at `{self.http.endpoint}` cannot be reached: {explain(error)}",
            hint="Check HF_ENDPOINT and your proxy, or use what is on this machine with `--offline`",
            kind="unreachable",
        )

    def reach(self) -> str:
        """How quickly the Hub answers anything at all, in words. Raises NetworkError when it does not."""
        began = time.monotonic()
        try:
            with self.http.get(f"{self.http.endpoint}/api/whoami-v2") as response:
                status, kind = response.status_code, response.headers.get("Content-Type", "").lower()
        except transient_errors() as error:
            raise self.unreachable(error) from error
        if status == 200 and kind.startswith("text/html"):
            raise NetworkError(
                f"`{self.host}` sends a web page where a Hub would name the user",
                hint="A login page of the network? Check HF_ENDPOINT and your proxy",
            )
        took = duration(time.monotonic() - began)
        if self.http.token and status in (401, 403):
            raise NotPermittedError(f"`{self.host}` does not accept your token", hint="Run `hf auth login`")
        return f"answers in {took}"

    def header(self, repo: str, revision: str, file: ModelFile) -> Header:
        """The keys of a remote file's header: one request of 64 KiB for real files.

        Raises IntegrityError when the bytes are not a GGUF, NetworkError when they cannot be read.
        """
        from lmpm.gguf import header

        read_at = self.reader(repo, revision, file)
        try:
            return header.read_header(read_at, size=file.size, name=file.path, tensors=False)
        except IntegrityError:
            if self.kept and file.sha256:
                self.kept.drop(file.sha256)
            raise

    def reader(self, repo: str, revision: str, file: ModelFile) -> ReadAt:
        """What reads pieces of a remote file, a request each unless it is kept. It raises as `header` does."""
        url = file_url(self.http.endpoint, repo, revision, file.path)

        def read_at(offset: int, length: int) -> bytes:
            return self.patience.retry(lambda: self._read(url, repo, file, offset, length))

        return self.kept.reader(file.sha256, read_at) if self.kept and file.sha256 else read_at

    def _read(self, url: str, repo: str, file: ModelFile, offset: int, length: int) -> bytes:
        """Bytes of a remote file, fewer only where it ends."""
        if self.offline:
            raise OfflineError(f"`{file.path}` cannot be read: the network is switched off")
        try:
            with self.http.get(url, start=offset, length=length) as response:
                self._check_bytes(response, repo, file, offset)
                return self.http.read_body(response, length)
        except transient_errors() as error:
            raise self.unreachable(error) from error

    def _check_bytes(self, response: requests.Response, repo: str, file: ModelFile, offset: int) -> None:
        """Refuse every answer whose body is not the file's bytes from `offset`."""
        status, name = response.status_code, rules.printable(file.path)
        if status not in (200, 206):
            terms = f"Accept the terms at {self.http.endpoint}/{repo}, then `hf auth login`"
            raise status_error(response, f"{repo}/{name}", host=self.host, terms=terms)
        from_offset = status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        if not from_offset and (status != 200 or offset):
            raise NetworkError(f"`{self.host}` answered {status} for `{name}`")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise NetworkError(f"`{self.host}` compresses `{name}`")


def _is_ours(hook: Any) -> bool:
    from lmpm.hub.deadline import HeadDeadline
    from lmpm.hub.response_limits import ResponseLimits

    return isinstance(hook, ResponseLimits) or isinstance(getattr(hook, "__self__", None), HeadDeadline)


def _as_json(info: Any) -> dict[str, Any]:
    """What is used of an answer, in the form of the API: GGUF files only, and of a chat template its sha256."""
    siblings = [
        {"rfilename": item.rfilename, "lfs": {"sha256": item.lfs.sha256, "size": item.lfs.size} if item.lfs else None}
        for item in info.siblings or ()
        if isinstance(item.rfilename, str) and ".gguf" in item.rfilename.lower()
    ]
    facts = info.gguf if isinstance(info.gguf, dict) else {}
    kept = {name: facts.get(name) for name in ("total", "architecture", "context_length")}
    card = info.card_data.to_dict() if info.card_data else {}
    return {
        "_id": getattr(info, "_id", None),
        "id": info.id,
        "sha": info.sha,
        "siblings": siblings,
        "tags": [tag for tag in info.tags or () if isinstance(tag, str)],
        "safetensors": {"total": info.safetensors.total} if info.safetensors else None,
        "gguf": kept | {"chat_template_sha256": _digest(facts.get("chat_template"))},
        "config": {"chat_template_sha256": _published_template(info.config)},
        "cardData": {"license_name": card.get("license_name")},
        "gated": bool(info.gated),
        "private": bool(info.private),
        "downloads": info.downloads,
        "likes": info.likes,
        "createdAt": info.created_at.isoformat() if info.created_at else None,
        "lastModified": info.last_modified.isoformat() if info.last_modified else None,
    }


def _published_template(config: object) -> str | None:
    """The sha256 of the chat template in a repository's own configuration, without blanks at its ends.

    It is a text, or one of several by name; a file `chat_template.jinja` goes before both.
    """
    settings = config if isinstance(config, dict) else {}
    tokenizer = settings.get("tokenizer_config")
    template = settings.get("chat_template_jinja") or (
        tokenizer.get("chat_template") if isinstance(tokenizer, dict) else None
    )
    if isinstance(template, list):
        named = {str(item.get("name")): item.get("template") for item in template if isinstance(item, dict)}
        template = named.get("default")
    return _digest(template.strip()) if isinstance(template, str) else None


def _digest(template: object) -> str | None:
    return hashlib.sha256(template.encode()).hexdigest() if isinstance(template, str) and template else None


def _checked(data: Any, revision: str | None) -> Repository:
    """The record of an answer. Raises ValueError when it is not of the commit that was asked for."""
    from lmpm.hub import repository

    found = repository.repository(data)
    if revision != found.revision and _is_commit(revision):
        raise ValueError(f"commit {found.revision[:7]} instead of {str(revision)[:7]}")
    return found


def _is_commit(revision: str | None) -> bool:
    try:
        return bool(rules.revision(revision))
    except ValueError:
        return False

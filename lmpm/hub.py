"""What the Hub says of a repository: its commit, files with size and sha256, licence and access.

huggingface_hub speaks with the server; here its answers become our records and its errors ours. One
request a repository: `GET /api/models/<repo>[/revision/<rev>]?blobs=true`.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lmpm import license as licenses
from lmpm import limits, trust, validate
from lmpm.answer import refuse_endless
from lmpm.errors import (
    IntegrityError,
    LmpmError,
    NetworkError,
    NotFoundError,
    NotPermittedError,
    OfflineError,
    RateLimitedError,
)
from lmpm.http import asked_wait_s, explain, file_url, read_body, transient_errors
from lmpm.size import duration
from lmpm.types import ModelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

    from lmpm.gguf_header import Header, ReadAt
    from lmpm.http import Http
    from lmpm.kept import Kept

Answer = TypeVar("Answer")

METADATA_ATTEMPTS: Final = 3
METADATA_BACKOFF_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of the Hub at one commit. `files` are its GGUF files, by path."""

    id: str
    revision: str
    files: tuple[ModelFile, ...]
    license: str
    gated: bool
    private: bool
    base_models: tuple[str, ...] = ()
    downloads: int = 0
    likes: int = 0
    parameters: int | None = None
    architecture: str = ""
    context_length: int | None = None
    has_chat_template: bool = False
    template: str | None = None  # sha256 of the chat template that the Hub read from the files
    identity: str | None = None  # stays when the name goes to somebody else

    def file(self, path: str) -> ModelFile | None:
        """The file at `path`, if it is there."""
        return next((file for file in self.files if file.path == path), None)


@dataclass(slots=True)
class Hub:
    """The Hub at `http.endpoint`. `offline` refuses every request before it is made; `kept` are headers read before."""

    http: Http
    offline: bool = False
    timeout_s: float = limits.METADATA_TIMEOUT_S
    backoff_s: float = METADATA_BACKOFF_S
    sleep: Callable[[float], None] = time.sleep
    kept: Kept | None = None
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
            info = self._patiently(lambda: self._ask(repo, revision))
            with self._translated(repo, revision):
                found = _repository(info)
                if revision != found.revision and _is_commit(revision):
                    raise ValueError(f"commit {found.revision[:7]} instead of {str(revision)[:7]}")
            self._known[repo, revision] = self._known[repo, found.revision] = found
        return self._known[repo, revision]

    def _ask(self, repo: str, revision: str | None) -> Any:
        """The answer of huggingface_hub."""
        if self.offline:
            raise OfflineError(
                f"`{repo}` cannot be looked up: the network is switched off",
                hint="Drop `--offline`, or unset LMPM_OFFLINE and HF_HUB_OFFLINE",
            )
        with self._translated(repo, revision):
            return self._api().model_info(repo, revision=revision, files_metadata=True, timeout=self.timeout_s)

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` returns; failures that may pass are tried again."""
        for attempt in range(1, METADATA_ATTEMPTS):
            wait = self.backoff_s * 2 ** (attempt - 1)
            try:
                return ask()
            except OfflineError:
                raise
            except RateLimitedError as error:
                if (error.retry_after_s or 0) > limits.RETRY_AFTER_CAP_S:
                    raise
                self.sleep(wait if error.retry_after_s is None else error.retry_after_s)
            except NetworkError:
                self.sleep(wait)
        return ask()

    def _api(self) -> Any:
        import huggingface_hub

        from lmpm import __version__

        certificates = trust.context() if self.http.endpoint.startswith("https:") else None
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
        if refuse_endless not in session.event_hooks["response"]:
            hooks = session.event_hooks
            session.event_hooks = {**hooks, "response": [*hooks["response"], refuse_endless]}
        return huggingface_hub.HfApi(
            endpoint=self.http.endpoint,
            token=self.http.token or False,
            library_name="lmpm",
            library_version=__version__,
        )

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
        except errors.RepositoryNotFoundError as error:
            raise self._missing(repo) from error
        except errors.HFValidationError as error:
            raise NotFoundError(f"`{validate.printable(repo)}` is no name of a repository") from error
        except errors.OfflineModeIsEnabled as error:
            raise OfflineError(
                f"`{repo}` cannot be looked up: HF_HUB_OFFLINE is set", hint="Unset it, or use `--offline`"
            ) from error
        except errors.HfHubHTTPError as error:
            raise self._refused(repo, error) from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise NetworkError(
                f"`{self.host}` answered something that is no description of `{repo}`: "
                f"{validate.printable(str(error)[:120])}",
                hint="Check HF_ENDPOINT and your proxy",
            ) from error
        except OSError as error:  # and with it the errors of the HTTP client
            raise self._unreachable(error) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2"):
                raise
            raise self._unreachable(error) from error

    def _missing(self, repo: str) -> NotFoundError:
        return NotFoundError(
            f"`{repo}` is not at `{self.host}`, or it is private",
            hint="Check the name; for a private repository, `hf auth login`",
        )

    def _refused(self, repo: str, error: Any) -> LmpmError:
        """The error for an HTTP status that has no class of its own."""
        response = error.response
        status = response.status_code
        if status == 401 and not self.http.token:
            return self._missing(repo)  # the Hub answers so to strangers, also for what does not exist
        if status in (401, 403, 451):
            return NotPermittedError(
                f"`{self.host}` does not let you see `{repo}`: {status}",
                hint="Log in again with `hf auth login`, or check the rights of HF_TOKEN",
            )
        if status in (404, 410):
            return self._missing(repo)
        if status == 429:
            return self._limited(response.headers)
        return NetworkError(f"`{self.host}` answered {status} for `{repo}`", hint="Try again later")

    def _limited(self, headers: Mapping[str, Any]) -> RateLimitedError:
        wait = asked_wait_s(headers)
        when = f": try again in {duration(wait)}" if wait else ""
        return RateLimitedError(
            f"`{self.host}` limits requests{when}",
            retry_after_s=wait,
            hint="A token (`hf auth login`) raises the limit",
        )

    def _unreachable(self, error: Exception) -> NetworkError:
        return NetworkError(
            f"The Hub at `{self.http.endpoint}` cannot be reached: {explain(error)}",
            hint="Check HF_ENDPOINT and your proxy, or use what is on this machine with `--offline`",
        )

    def reach(self) -> str:
        """How quickly the Hub answers anything at all, in words. Raises NetworkError when it does not."""
        began = time.monotonic()
        try:
            with self.http.get(f"{self.http.endpoint}/api/whoami-v2") as response:
                status = response.status_code
        except transient_errors() as error:
            raise self._unreachable(error) from error
        took = duration(time.monotonic() - began)
        if self.http.token and status in (401, 403):
            raise NotPermittedError(f"`{self.host}` does not accept your token", hint="Run `hf auth login`")
        return f"answers in {took}"

    def header(self, repo: str, revision: str, file: ModelFile) -> Header:
        """The keys of a remote file's header: one request of 64 KiB for real files.

        Raises IntegrityError when the bytes are no GGUF, NetworkError when they cannot be had.
        """
        from lmpm import gguf_header

        read_at = self.reader(repo, revision, file)
        try:
            return gguf_header.read_header(read_at, size=file.size, name=file.path, tensors=False)
        except IntegrityError:
            if self.kept and file.sha256:
                self.kept.drop(file.sha256)
            raise

    def reader(self, repo: str, revision: str, file: ModelFile) -> ReadAt:
        """What reads pieces of a remote file, a request each unless it is kept. It raises as `header` does."""
        url = file_url(self.http.endpoint, repo, revision, file.path)

        def read_at(offset: int, length: int) -> bytes:
            return self._patiently(lambda: self._read(url, repo, file, offset, length))

        return self.kept.reader(file.sha256, read_at) if self.kept and file.sha256 else read_at

    def _read(self, url: str, repo: str, file: ModelFile, offset: int, length: int) -> bytes:
        """Bytes of a remote file, fewer only where it ends."""
        if self.offline:
            raise OfflineError(f"`{file.path}` cannot be read: the network is switched off")
        try:
            with self.http.get(url, start=offset, length=length) as response:
                self._check_bytes(response, repo, file, offset)
                return read_body(response, length)
        except transient_errors() as error:
            raise self._unreachable(error) from error

    def _check_bytes(self, response: requests.Response, repo: str, file: ModelFile, offset: int) -> None:
        """Refuse every answer whose body is not the file's bytes from `offset`."""
        status = response.status_code
        name = validate.printable(file.path)
        if status in (401, 403, 451):
            raise NotPermittedError(
                f"`{repo}` does not let you read its files: {status}",
                hint=f"Accept the terms at {self.http.endpoint}/{repo}, then `hf auth login`",
            )
        if status in (404, 410):
            raise NotFoundError(f"`{name}` is not in `{repo}` any more: {status}")
        if status == 429:
            raise self._limited(response.headers)
        from_offset = status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        if not from_offset and (status != 200 or offset):
            raise NetworkError(f"`{self.host}` answered {status} for `{name}`")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise NetworkError(f"`{self.host}` compresses `{name}`")


def _repository(info: Any) -> Repository:
    """Our record from huggingface_hub's, with everything checked that is used later.

    Files whose names could not be stored safely are left out, as are those without a sha256.
    """
    files = []
    for sibling in info.siblings or ():
        with contextlib.suppress(ValueError):
            path = validate.file_path(sibling.rfilename)
            digest = validate.sha256(sibling.lfs.sha256) if sibling.lfs else None
            size = _count(sibling.lfs.size) if sibling.lfs else None
            if digest and size and size <= limits.MAX_FILE_BYTES:
                files.append(ModelFile(path=path, size=size, sha256=digest, role=_role(path)))
    facts = info.gguf if isinstance(info.gguf, dict) else {}
    tags = [tag for tag in info.tags or () if isinstance(tag, str)]
    return Repository(
        id=validate.repo_id(info.id),
        revision=validate.revision(info.sha),
        files=tuple(sorted(files, key=lambda file: file.path)),
        license=_license(info, tags),
        gated=bool(info.gated),
        private=bool(info.private),
        base_models=tuple(tag.rpartition(":")[2] for tag in tags if tag.startswith("base_model:")),
        downloads=info.downloads if isinstance(info.downloads, int) else 0,
        likes=info.likes if isinstance(info.likes, int) else 0,
        parameters=_count(facts.get("total")),
        architecture=str(facts.get("architecture") or "")[:64],
        context_length=_count(facts.get("context_length")),
        has_chat_template=bool(facts.get("chat_template")),
        template=_digest(facts.get("chat_template")),
        identity=_identity(getattr(info, "_id", None)),
    )


def _license(info: Any, tags: list[str]) -> str:
    """The licence by its name; of one that the Hub has no name for, the name that its card gives."""
    name = licenses.normalise(next((tag[8:] for tag in tags if tag.startswith("license:")), ""))
    if name != "other":
        return name
    card = info.card_data.to_dict() if info.card_data else {}
    try:
        return licenses.normalise(validate.line(card.get("license_name"))) or name
    except ValueError:
        return name


def _digest(template: object) -> str | None:
    return hashlib.sha256(template.encode()).hexdigest() if isinstance(template, str) and template else None


def _identity(value: object) -> str | None:
    try:
        return validate.object_id(value)
    except ValueError:
        return None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _role(path: str) -> Any:
    """Projectors are named `mmproj...` by everyone who publishes them."""
    return "mmproj" if path.rpartition("/")[2].lower().startswith("mmproj") else "model"


def _is_commit(revision: str | None) -> bool:
    try:
        return bool(validate.revision(revision))
    except ValueError:
        return False

"""The errors of lmpm: a small tree, each with its fields, exit code and hint.

```
LmpmError                   1
├── SpecError               2  a value the user typed cannot be understood
├── ManifestError           2  lmpm.toml is broken
├── CasesError              2  a file of cases is broken
├── CatalogError            1  the catalog is broken
├── NotFoundError           3  unknown name, or nothing fits
├── IntegrityError          4  bytes are not what was promised
├── NetworkError            5  a retry may help
├── DiskError               6
├── LockError               7  missing, stale or broken lock
├── EngineError             8  llama.cpp or the smoke test
├── NotPermittedError       9  gated, private or against the policy
└── TransferInterruptedError  130
```

An exit code that a script does not know must be treated as a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def nearest(name: str, known: Iterable[str], *, most: int = 2, likeness: float = 0.6) -> list[str]:
    """The known names that a misspelt one is likely meant to be, nearest first; `likeness` from 0 to 1 is the least."""
    from difflib import get_close_matches  # only for those who misspell

    return get_close_matches(name, list(dict.fromkeys(known)), n=most, cutoff=likeness)


def did_you_mean(names: Sequence[str]) -> str:
    """The question for the names that may have been meant; empty without any."""
    return "Did you mean " + " or ".join(f"`{name}`" for name in names) + "?" if names else ""


class LmpmError(Exception):
    """The root of every error that lmpm raises on purpose.

    `kind` is a short stable word for programs, that of the class unless an error has its own: decisions and hints
    follow from it, never from a message. `place` says where the cause stands, such as a line of the manifest.
    """

    exit_code: ClassVar[int] = 1
    kind: str = "error"

    def __init__(
        self, message: str, *, hint: str | None = None, details: Sequence[str] = (), kind: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)
        self.place: str | None = None
        if kind is not None:
            self.kind = kind

    def __str__(self) -> str:
        return "\n".join((self.message, *(f"  {line}" for line in self.details)))

    def with_context(self, place: str) -> Self:
        """The same error, said of a place: the line of the manifest that asked, the file that was read."""
        return self._changed(message=f"{place}: {self.message}", place=place)

    def with_hint(self, hint: str | None) -> Self:
        """The same error with another hint."""
        return self._changed(hint=hint)

    def _changed(self, **changes: object) -> Self:
        """A copy of whatever class it is, without calling its `__init__`, whose parameters differ."""
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__, **changes)
        made.args = (made.message,)
        return made


class SpecError(LmpmError):
    """A value that the user typed cannot be understood: hardware, reference, size."""

    exit_code = 2
    kind = "usage"


class ManifestError(LmpmError):
    """`lmpm.toml` cannot be read or is not valid."""

    exit_code = 2
    kind = "manifest"


class CasesError(LmpmError):
    """A file of cases cannot be read or is not valid; `details` has a line for each mistake."""

    exit_code = 2
    kind = "cases"


class CatalogError(LmpmError):
    """A file of the catalog is not valid."""

    kind = "catalog"


class NotFoundError(LmpmError):
    """A name is unknown, or nothing fits the machine."""

    exit_code = 3
    kind = "not-found"


class UnknownNameError(NotFoundError):
    """No task, model, quant or entry has this name."""

    kind = "unknown-name"

    def __init__(self, noun: str, name: str, *, suggestions: Sequence[str] = (), listing: str = "") -> None:
        hint = " ".join(filter(None, (did_you_mean(suggestions), listing)))
        super().__init__(f"No {noun} is called `{name}`", hint=hint or None)
        self.noun = noun
        self.name = name
        self.suggestions = tuple(suggestions)


class AmbiguousNameError(NotFoundError):
    """Several models are as likely to be meant. `choices` are their keys, with what a user would read of each.

    `is_exact` is False where none of them has the very name that was typed.
    """

    kind = "ambiguous-name"

    def __init__(self, name: str, *, choices: Sequence[tuple[str, str]], is_exact: bool = True) -> None:
        exact = f"`{name}` may mean {len(choices)} models"
        super().__init__(
            exact if is_exact else f"No model is called `{name}` and nothing more; these have it in their names",
            details=[text for _, text in choices],
            hint="Type more of the name, or name a repository: `user/repo`",
        )
        self.name = name
        self.choices = tuple(choices)


class NothingFitsError(NotFoundError):
    """Every candidate was rejected; `details` lists the nearest of them."""

    kind = "nothing-fits"


class IntegrityError(LmpmError):
    """Bytes are not what the lock, the Hub or the catalog promised."""

    exit_code = 4
    kind = "integrity"


class HashMismatchError(IntegrityError):
    """The bytes of a file do not have the promised size and sha256."""

    kind = "hash-mismatch"

    def __init__(
        self, name: str, *, expected: tuple[str, int], computed: tuple[str, int], hint: str | None = None
    ) -> None:
        width = max(len(str(expected[1])), len(str(computed[1])))
        super().__init__(
            f"Hash mismatch for `{name}`",
            details=(
                f"expected  sha256:{expected[0]}  {expected[1]:>{width}} bytes",
                f"computed  sha256:{computed[0]}  {computed[1]:>{width}} bytes",
            ),
            hint=hint,
        )
        self.name = name
        self.expected = expected
        self.computed = computed


class MissingFilesError(IntegrityError):
    """Files that the lock names are not on this machine."""

    kind = "missing-files"


class NetworkError(LmpmError):
    """The network or a server failed in a way that may pass."""

    exit_code = 5
    kind = "network"


class OfflineError(NetworkError):
    """The network is needed but was switched off."""

    kind = "offline"


class RateLimitedError(NetworkError):
    """The server asked to wait longer than is reasonable to wait."""

    kind = "rate-limited"

    def __init__(self, message: str, *, retry_after_s: float | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class DiskError(LmpmError):
    """The disk is full, read-only or not permitted."""

    exit_code = 6
    kind = "disk"

    def __init__(
        self,
        message: str,
        *,
        path: Path | None = None,
        hint: str | None = None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.path = path


class NoSpaceError(DiskError):
    """The disk is too small for what is to be written. Sizes are bytes."""

    kind = "no-space"

    def __init__(
        self,
        message: str,
        *,
        path: Path,
        wanted: int,
        free: int,
        hint: str | None = None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(
            message,
            path=path,
            details=details,
            hint=hint or "Free some space, or move the store with `--store` or HF_HUB_CACHE",
        )
        self.wanted = wanted
        self.free = free


class LockError(LmpmError):
    """`lmpm.lock` is missing, stale or broken."""

    exit_code = 7
    kind = "lock"


TIMED_OUT: Final = "timed-out"  # the kind of an EngineError: an answer took longer than was allowed


class EngineError(LmpmError):
    """llama.cpp failed, or is missing."""

    exit_code = 8
    kind = "engine"


class ContextExceededError(EngineError):
    """A prompt has more tokens than the context that the model was loaded with.

    `is_least` says that it has `prompt_tokens` at least: nobody took it apart.
    """

    kind = "context-exceeded"

    def __init__(self, name: str, *, prompt_tokens: int, context: int, is_least: bool = False) -> None:
        more = " or more" if is_least else ""
        super().__init__(
            f"The prompt has {prompt_tokens:,}{more} tokens, the context of `{name}` {context:,}: "
            f"{prompt_tokens - context:,}{more} too many",
            hint="Shorten it, or load the model with a longer context",
        )
        self.prompt_tokens = prompt_tokens
        self.context = context
        self.is_least = is_least


class SmokeTestError(EngineError):
    """The model loaded, but its answer is not right for its task."""

    kind = "smoke-test"


class ExportError(LmpmError):
    """A target that cannot run the files that the lock pins, or of whose twin nothing is known."""

    exit_code = 3
    kind = "export"


class NotPermittedError(LmpmError):
    """A gated or private repository, or a licence that the policy forbids."""

    exit_code = 9
    kind = "not-permitted"


class TransferInterruptedError(LmpmError):
    """The user interrupted a download; what arrived is kept."""

    exit_code = 130
    kind = "interrupted"

    def __init__(self, name: str, *, kept: int, size: int, summary: str) -> None:
        super().__init__(summary, hint="Run the same command again to resume")
        self.name = name
        self.kept = kept
        self.size = size

"""The errors of lmpm: a small tree, each with its fields, exit code and hint.

```
LmpmError                   1
├── SpecError               2  a value the user typed cannot be understood
├── ManifestError           2  lmpm.toml is broken
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

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def nearest(name: str, known: Iterable[str], *, most: int = 2, likeness: float = 0.6) -> list[str]:
    """The known names that a misspelt one is likely meant to be, nearest first; `likeness` from 0 to 1 is the least."""
    from difflib import get_close_matches  # only for those who misspell

    return get_close_matches(name, list(known), n=most, cutoff=likeness)


def did_you_mean(names: Sequence[str]) -> str:
    """The question for the names that may have been meant; empty without any."""
    return "Did you mean " + " or ".join(f"`{name}`" for name in names) + "?" if names else ""


class LmpmError(Exception):
    """The root of every error that lmpm raises on purpose."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)

    def __str__(self) -> str:
        return "\n".join((self.message, *(f"  {line}" for line in self.details)))


class SpecError(LmpmError):
    """A value that the user typed cannot be understood: hardware, reference, size."""

    exit_code = 2


class ManifestError(LmpmError):
    """`lmpm.toml` cannot be read or is not valid."""

    exit_code = 2


class CatalogError(LmpmError):
    """A file of the catalog is not valid."""


class NotFoundError(LmpmError):
    """A name is unknown, or nothing fits the machine."""

    exit_code = 3


class UnknownNameError(NotFoundError):
    """No task, model, quant or entry has this name."""

    def __init__(self, kind: str, name: str, *, suggestions: Sequence[str] = (), listing: str = "") -> None:
        hint = " ".join(filter(None, (did_you_mean(suggestions), listing)))
        super().__init__(f"No {kind} is called `{name}`", hint=hint or None)
        self.kind = kind
        self.name = name
        self.suggestions = tuple(suggestions)


class AmbiguousNameError(NotFoundError):
    """Several models are as likely to be meant. `choices` are their keys, with what a user would read of each.

    `is_exact` is False where none of them has the very name that was typed.
    """

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


class IntegrityError(LmpmError):
    """Bytes are not what the lock, the Hub or the catalog promised."""

    exit_code = 4


class HashMismatchError(IntegrityError):
    """The bytes of a file do not have the promised size and sha256."""

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


class NetworkError(LmpmError):
    """The network or a server failed in a way that may pass."""

    exit_code = 5


class OfflineError(NetworkError):
    """The network is needed but was switched off."""


class RateLimitedError(NetworkError):
    """The server asked to wait longer than is reasonable to wait."""

    def __init__(self, message: str, *, retry_after_s: float | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class DiskError(LmpmError):
    """The disk is full, read-only or not permitted."""

    exit_code = 6

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


class EngineError(LmpmError):
    """llama.cpp failed, or is missing."""

    exit_code = 8


class SmokeTestError(EngineError):
    """The model loaded, but its answer is not right for its task."""


class NotPermittedError(LmpmError):
    """A gated or private repository, or a licence that the policy forbids."""

    exit_code = 9


class TransferInterruptedError(LmpmError):
    """The user interrupted a download; what arrived is kept."""

    exit_code = 130

    def __init__(self, name: str, *, kept: int, size: int, summary: str) -> None:
        super().__init__(summary, hint="Run the same command again to resume")
        self.name = name
        self.kept = kept
        self.size = size

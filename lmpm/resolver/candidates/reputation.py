"""The standing of a repository: how far it is trusted to hold the model it is named for, in points, with reasons.

Who publishes counts most; what people do with it, how complete it is and whether its facts agree with those
of the model decide among the rest. An account that only looks like a known one is never trusted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm import licenses
from lmpm.gguf import quant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.catalog import Catalog, Publisher
    from lmpm.hub import Repository, Row
    from lmpm.resolver.candidates.variants import Contents

# Points. Publishers are apart by more than everything else can add up to between two of a kind.
OWN_POINTS: Final = 60.0  # the account that made the model
KNOWN_POINTS: Final = 50.0  # a known account
RANK_POINTS: Final = 3.0  # less for each place in the list of known quantizers
DOWNLOADS_POINTS: Final = 3.0  # for each factor of ten of monthly downloads
LIKES_POINTS: Final = 2.0  # for each factor of ten of likes a year
IMATRIX_POINTS: Final = 4.0
COMPLETE_POINTS: Final = 8.0  # a set of all usual quants
LICENSE_POINTS: Final = -10.0  # another licence than that of the model
OUTDATED_POINTS: Final = -6.0  # made before the model was last mended
MISMATCH_POINTS: Final = -40.0  # its own metadata is that of another model
TRUSTED_POINTS: Final = 14.0  # from here on an account that is not known counts as trusted

MONTH_S: Final = 30 * 86400.0
YEAR_S: Final = 365 * 86400.0
MOST_SCALING: Final = 4.0  # by which the downloads of a young repository are scaled up to a month
MENDING_S: Final = 60 * 86400.0  # after its release a model's files are mended; later edits are of its card
USUAL_QUANTS: Final = ("Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")
PARAMETER_TOLERANCE: Final = 0.3  # tied tables may be stored twice

_LOOK_ALIKES: Final = str.maketrans(
    {"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "3": "e", "-": None, "_": None, ".": None}
)
_SHORT, _LONG = 6, 10  # characters of a name from which on one, and two, edits are an imitation


@dataclass(frozen=True, slots=True)
class Reputation:
    """Points of a repository, and the reasons for a reader, strongest first. `imitates` names a known account."""

    points: float
    reasons: tuple[str, ...]
    imitates: str | None = None
    is_known: bool = False

    @property
    def is_trusted(self) -> bool:
        """Whether it may be taken while a trusted one exists."""
        return self.imitates is None and (self.is_known or self.points >= TRUSTED_POINTS)


def imitated(account: str, publishers: Iterable[Publisher]) -> str | None:
    """The known account that a name only looks like: `bartowskii`, `unsIoth`, `ggml_org`."""
    plain = account.lower()
    names = [publisher.name for publisher in publishers]
    if plain in (name.lower() for name in names):
        return None
    for name in names:
        known = name.lower()
        if _skeleton(plain) == _skeleton(known):
            return name
        allowed = 2 if len(known) >= _LONG else 1 if len(known) >= _SHORT else 0
        if allowed and abs(len(plain) - len(known)) <= allowed and _edits(plain, known, allowed) <= allowed:
            return name
    return None


def of_row(row: Row, catalog: Catalog, *, owner: str, license_: str, mended: float, now: float) -> Reputation:
    """Standing of a row of a listing. `owner` made the model under `license_`; `mended` is when its files were last."""
    points, reasons = _publisher(row.publisher, catalog, owner)
    age = max(now - row.created, 1.0) if row.created else YEAR_S
    monthly = row.downloads * min(max(MONTH_S / age, 1.0), MOST_SCALING)
    points += DOWNLOADS_POINTS * math.log10(1 + monthly)
    points += LIKES_POINTS * math.log10(1 + row.likes * YEAR_S / max(age, MONTH_S))
    reasons.append(f"{_thousands(row.downloads)} downloads a month, {row.likes:,} likes")
    if _differs(row.license, license_):
        points += LICENSE_POINTS
        reasons.append(f"states the licence {row.license}, the model's is {license_}")
    if mended and row.modified and row.modified < mended:
        points += OUTDATED_POINTS
        reasons.append("made before the model was last mended")
    is_known = row.publisher.lower() in (owner.lower(), *catalog.publishers)
    return Reputation(points, tuple(reasons), imitated(row.publisher, catalog.publishers.values()), is_known)


def with_files(before: Reputation, repository: Repository, found: Contents, *, parameters: int | None) -> Reputation:
    """Standing once the files are known: how complete they are, and whether the metadata agrees with the name."""
    points, reasons = before.points, list(before.reasons)
    kinds = {quant.nearest(item.quant) for item in found.sets}
    points += COMPLETE_POINTS * sum(name in kinds for name in USUAL_QUANTS) / len(USUAL_QUANTS)
    reasons.append(f"{len(found.sets)} quants")
    if "imatrix" in found.beside or any(quant.has_importance_matrix(item.quant) for item in found.sets):
        points += IMATRIX_POINTS
        reasons.append("with an importance matrix")
    if found.incomplete:
        reasons.append(f"{len(found.incomplete)} incomplete sets")
    stated = repository.parameters
    if stated and parameters and abs(stated / parameters - 1) > PARAMETER_TOLERANCE:
        points += MISMATCH_POINTS
        reasons.insert(0, f"holds {stated / 1e9:.1f}B parameters, the model has {parameters / 1e9:.1f}B")
    return Reputation(points, tuple(reasons), before.imitates, before.is_known)


def _publisher(account: str, catalog: Catalog, owner: str) -> tuple[float, list[str]]:
    known = catalog.publishers.get(account.lower())
    if owner and account.lower() == owner.lower():
        return OWN_POINTS, ["the model's own publisher"]
    if known is None:
        return 0.0, ["an account that is not known"]
    return KNOWN_POINTS - RANK_POINTS * known.trust, ["a known publisher"]


def _differs(stated: str, original: str) -> bool:
    """Whether two licences are both named and not the same."""
    unnamed = ("unknown", "other", "")
    return (
        stated not in unnamed and original not in unnamed and licenses.normalise(stated) != licenses.normalise(original)
    )


def _skeleton(name: str) -> str:
    """A name with letters that look alike made the same, and doubled ones single."""
    plain = name.replace("rn", "m").replace("vv", "w").translate(_LOOK_ALIKES)
    return "".join(letter for place, letter in enumerate(plain) if not place or plain[place - 1] != letter)


def _edits(first: str, second: str, most: int) -> int:
    """Letters to insert, drop, replace or swap with their neighbour; more than `most` is not counted out."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for place, letter in enumerate(first, start=1):
        after = [place]
        for other, theirs in enumerate(second, start=1):
            cost = min(row[other] + 1, after[-1] + 1, row[other - 1] + (letter != theirs))
            if place > 1 and other > 1 and letter == second[other - 2] and first[place - 2] == theirs:
                cost = min(cost, before[other - 2] + 1)
            after.append(cost)
        if min(after) > most:
            return most + 1
        before, row = row, after
    return row[-1]


def _thousands(count: int) -> str:
    return f"{count / 1000:.0f}k" if count >= 10_000 else f"{count:,}"

"""Search for reading: the groups that words match, and what would be taken of the likeliest on a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import NetworkError, NotFoundError, NotPermittedError
from lmpm.gguf import model_name
from lmpm.resolver.candidates import by_model, variants as listing
from lmpm.resolver.select import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.catalog import CatalogModel
    from lmpm.hub import Row
    from lmpm.resolver.candidates.by_model import Group
    from lmpm.resolver.candidates.hub import HubFinder
    from lmpm.resolver.records import Candidate, Request
    from lmpm.types import Machine

LOOKED_AT: Final = 4  # groups whose best repository is looked at: a request each


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A model, its repositories with the most trusted first, and the candidate that would be taken of the first.

    `candidate` is None where nothing was looked at or nothing fits; `why_not` says which. `known` is the model's
    entry in the catalog.
    """

    group: Group
    rows: tuple[Row, ...]
    candidate: Candidate | None = None
    why_not: str = ""
    known: CatalogModel | None = None

    @property
    def is_derived(self) -> bool:
        """Whether it is made of a model that was asked for."""
        return self.group.tier == by_model.DERIVATIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What a search found. `age_s` is how old the Hub's answer is; None when it was not asked."""

    typed: str
    found: tuple[Match, ...]
    repositories: int
    is_complete: bool
    age_s: float | None


def search_models(finder: HubFinder, text: str, request: Request, machine: Machine) -> Matches:
    """Groups for words, the first of them looked at. Raises the errors of the Hub."""
    found, ranked = finder.search(text)
    matches = [_match(finder, group, request, machine, looks=place < LOOKED_AT) for place, group in enumerate(ranked)]
    keys = {match.known.name for match in matches if match.known}
    return Matches(
        typed=text,
        found=(*matches, *_of_catalog(finder, text, keys)),
        repositories=len(found.rows),
        is_complete=found.is_complete,
        age_s=found.age_s,
    )


def search_catalog(finder: HubFinder, text: str) -> Matches:
    """What the catalog alone has for words."""
    return Matches(typed=text, found=_of_catalog(finder, text, set()), repositories=0, is_complete=True, age_s=None)


def _of_catalog(finder: HubFinder, text: str, seen: set[str]) -> tuple[Match, ...]:
    """Models of the catalog that have every word."""
    wanted = model_name.words(text)
    matches = []
    for name in finder.catalog.model_names():
        own = model_name.words(name)
        if name not in seen and all(word in own for word in wanted):
            known = finder.catalog.model(name)
            matches.append(
                Match(group=by_model.Group(model_name.parse_model_name(name), None, ()), rows=(), known=known)
            )
    return tuple(matches)


def _match(finder: HubFinder, group: Group, request: Request, machine: Machine, *, looks: bool) -> Match:
    rows = _trusted_first(finder, group)
    known = finder.catalog.model(group.name) or finder.catalog.model(model_name.parse_model_name(group.name).text)
    candidate, why_not = None, ""
    if looks:
        candidate, why_not = _taken(finder, rows, group, request, machine)
    return Match(group=group, rows=rows, candidate=candidate, why_not=why_not, known=known)


def _trusted_first(finder: HubFinder, group: Group) -> tuple[Row, ...]:
    judged = [(finder.shortlist.judge_row(row, group), row) for row in group.rows]
    judged.sort(key=lambda item: (item[0].imitates is not None, item[1].gated, -item[0].points, item[1].id))
    return tuple(row for _, row in judged)


def _taken(
    finder: HubFinder, rows: Sequence[Row], group: Group, request: Request, machine: Machine
) -> tuple[Candidate | None, str]:
    """What would be taken of the first repository, one request."""
    row = rows[0]
    if row.gated and finder.hub.http.token is None:
        return None, "gated"
    try:
        repository = finder.hub.repository(row.id)
    except (NotFoundError, NotPermittedError, NetworkError) as error:
        return None, error.message
    variants = listing.variants(repository, listing.contents(repository), finder.catalog, model=group.name)
    choice = select(request, machine, variants)
    if choice.chosen is not None:
        return choice.chosen, ""
    nearest = choice.rejected[0].detail if choice.rejected else "holds no complete model that llama.cpp loads"
    return None, nearest

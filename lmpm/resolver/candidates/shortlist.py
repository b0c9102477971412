"""Which repositories of a model are worth a look, and what the best of them hold: at most a request each."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import NetworkError, NotFoundError, NotPermittedError
from lmpm.gguf import quant
from lmpm.resolver.candidates import reputation, variants
from lmpm.resolver.records import LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmpm.catalog import Catalog
    from lmpm.hub import Hub, Repository, Row
    from lmpm.resolver.candidates.by_model import Group
    from lmpm.resolver.candidates.reputation import Reputation
    from lmpm.types import Variant

LOOKS: Final = 3  # repositories of a model that are looked at
MOST_LOOKS: Final = 5  # where those hold nothing that was asked for
NEAR_QUANTS: Final = 3  # named where one that was asked for is not there


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Judges repositories by what the listing says of them, then the best by their files."""

    catalog: Catalog
    hub: Hub
    now: Callable[[], float] = time.time

    def judge_row(self, row: Row, group: Group) -> Reputation:
        """The standing of a repository by what the listing says of it alone."""
        return self.judged((row,), group, None)[0][1]

    def original(self, group: Group) -> Repository | None:
        """The repository of the model's own weights, where the Hub has it."""
        if group.base is None:
            return None
        try:
            return self.hub.repository(group.base)
        except (NotFoundError, NotPermittedError, NetworkError):
            return None

    def judged(self, rows: Sequence[Row], group: Group, original: Repository | None) -> list[tuple[Row, Reputation]]:
        """Each row with its standing, most trusted first; `original` tells the licence and when files were mended."""
        mended = min(original.modified, original.created + reputation.MENDING_S) if original else 0.0
        license_ = original.license if original else "unknown"
        now = self.now()
        judged = [
            (
                row,
                reputation.of_row(row, self.catalog, owner=group.publisher, license_=license_, mended=mended, now=now),
            )
            for row in rows
        ]
        return sorted(judged, key=lambda item: (-item[1].points, item[0].id))

    def sifted(self, judged: Sequence[tuple[Row, Reputation]]) -> tuple[list[LeftOut], list[tuple[Row, Reputation]]]:
        """What is left out for whose it is, and the rest; without one that is trusted the best known ones stay."""
        left, able = [], []
        has_trusted = any(points.is_trusted and self.opens(row) for row, points in judged)
        for row, points in judged:
            if points.imitates:
                left.append(LeftOut("untrusted", f"only looks like `{points.imitates}`", row.id))
            elif not self.opens(row):
                why = "it is private" if row.private else "its publisher asks for an account and an agreement"
                left.append(LeftOut("gated", why, row.id))
            elif has_trusted and not points.is_trusted:
                left.append(LeftOut("untrusted", "; ".join(points.reasons), row.id))
            else:
                able.append((row, points))
        return left, able

    def opens(self, row: Row) -> bool:
        """Whether its files may be had with the token that is here, as far as the listing tells."""
        return not (row.gated or row.private) or self.hub.http.token is not None

    def look(
        self,
        able: Sequence[tuple[Row, Reputation]],
        original: Repository | None,
        wanted: str | None,
        left: list[LeftOut],
    ) -> list[tuple[Repository, variants.Contents, Reputation]]:
        """The repositories that hold something usable, most trusted first; what has none is added to `left`."""
        looked: list[tuple[Repository, variants.Contents, Reputation]] = []
        parameters = original.full_parameters if original else None
        for number, (row, points) in enumerate(able[:MOST_LOOKS]):
            if number >= LOOKS and looked:
                break
            try:
                repository = self.hub.repository(row.id)
            except (NotFoundError, NotPermittedError) as error:
                left.append(LeftOut("unreadable", error.message, row.id))
                continue
            contents = variants.contents(repository)
            if not contents.sets:
                left.append(LeftOut("unreadable", "holds no complete model that llama.cpp loads", row.id))
            elif wanted and quant.pick(wanted, (item.quant for item in contents.sets)) is None:
                left.append(LeftOut("quant", f"has no {wanted}, but {_nearest_quants(contents, wanted)}", row.id))
            else:
                looked.append(
                    (repository, contents, reputation.with_files(points, repository, contents, parameters=parameters))
                )
        return sorted(looked, key=lambda item: (-item[2].points, item[0].id))

    def merged(
        self, model: str, looked: Sequence[tuple[Repository, variants.Contents, Reputation]], sees: bool
    ) -> tuple[tuple[Variant, ...], tuple[Variant, ...]]:
        """Each quant from the most trusted repository that has it, and what others have of them."""
        best: dict[str, Variant] = {}
        spare: list[Variant] = []
        for rank, (repository, contents, _) in enumerate(looked):
            for variant in variants.variants(repository, contents, self.catalog, model=model, sees=sees):
                gated = variant.gated and self.hub.http.token is None
                ranked = replace(variant, trust=rank, gated=gated)
                if best.setdefault(variant.quant, ranked) is not ranked:
                    spare.append(ranked)
        return tuple(sorted(best.values(), key=lambda variant: quant.order(variant.quant))), tuple(spare)


def _nearest_quants(contents: variants.Contents, wanted: str) -> str:
    """The quants that come nearest to one that is not there, coarsest first."""
    place = quant.order(wanted)[0]
    held = sorted((item.quant for item in contents.sets), key=lambda name: (abs(quant.order(name)[0] - place), name))
    return ", ".join(sorted(held[:NEAR_QUANTS], key=quant.order))

"""Candidates on the Hub for what is no name of the catalog: words of a model's name, or a repository.

Requests are few: the pages of one search, the model's own repository, and the repositories that are looked at.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm import licenses
from lmpm.errors import AmbiguousNameError, LmpmError, NotFoundError, NotPermittedError, OfflineError, UnknownNameError
from lmpm.gguf import BASE, model_name
from lmpm.hub import search
from lmpm.resolver.candidates import by_model, local, reputation, variants as listing
from lmpm.resolver.candidates.funnel import Found, Funnel, OtherModel
from lmpm.resolver.candidates.shortlist import Shortlist
from lmpm.resolver.records import LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmpm.catalog import Catalog
    from lmpm.hub import Hub, Listing, Repository, Row
    from lmpm.resolver.candidates.by_model import Group
    from lmpm.resolver.candidates.reputation import Reputation
    from lmpm.resolver.reference import HubReference
    from lmpm.store import Store

SHOWN_OTHERS: Final = 50
SHOWN_CHOICES: Final = 12
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_GLUED: Final = re.compile(r"(?<=[a-z]{3})(?=\d)")


@dataclass(frozen=True, slots=True)
class HubFinder:
    """Looks for models on the Hub. `now` tells the time in seconds since the epoch."""

    catalog: Catalog
    hub: Hub
    now: Callable[[], float] = time.time

    @property
    def shortlist(self) -> Shortlist:
        """What tells the repositories of one model apart."""
        return Shortlist(self.catalog, self.hub, self.now)

    def by_text(self, text: str, *, model: str | None = None, quant: str | None = None, sees: bool = False) -> Found:
        """The variants of the model that words mean; `model` is its key where the user has said which.

        Raises UnknownNameError when nothing matches, AmbiguousNameError when several models do as well,
        NotPermittedError when all is gated, and the errors of the Hub.
        """
        listing_, ranked = self.search(text)
        group = self._meant(text, ranked, model)
        return self._of_group(text, group, listing_, ranked, wanted=quant, sees=sees)

    def of_repository(
        self, reference: HubReference, store: Store, *, wanted: str | None = None, sees: bool = False
    ) -> Found:
        """The variants of one repository, as the Hub or, offline, the store has it.

        Raises NotFoundError when it holds no model, NotPermittedError when it is gated or imitates a known account,
        and the errors of the Hub.
        """
        if not _COMMIT.fullmatch(reference.revision or ""):
            self._require_genuine(reference.repo)
        repository = self._repository(reference, store)
        self.require_access(repository, offers_copy=True)
        contents = listing.contents(repository, path=reference.path)
        holds_nothing = not (contents.sets or repository.files or repository.pieces or repository.refused)
        if holds_nothing and not self.hub.offline:
            return self._copies_of(repository, wanted=wanted, sees=sees)
        if not contents.sets:
            raise _holds_nothing(repository, contents, reference)
        variants = listing.variants(repository, contents, self.catalog, sees=sees)
        gated = repository.gated and self.hub.http.token is None
        variants = tuple(replace(variant, gated=gated) for variant in variants)
        siblings = tuple(
            variant
            for title, sets in contents.others.items()
            for variant in listing.variants(repository, replace(contents, title=title, sets=sets), self.catalog)
        )
        return Found(contents.title, variants, notes=contents.remarks(), siblings=siblings, is_unproven=True)

    def _repository(self, reference: HubReference, store: Store) -> Repository:
        if not self.hub.offline:
            try:
                found = self.hub.repository(reference.repo, reference.revision)
            except NotFoundError as error:
                raise self._with_ending(reference, error) from None
            if found.id.lower() != reference.repo.lower():  # what is pinned is what was named
                raise NotFoundError(
                    f"`{reference.repo}` is called `{found.id}` now",
                    hint=f"If that is the one you want, name it so: `{found.id}`",
                )
            return found
        held = local.held_repository(store, reference.repo, reference.revision)
        if held is not None:
            return held
        try:
            return self.hub.repository(reference.repo, reference.revision)  # as it was kept
        except OfflineError:
            raise OfflineError(
                f"`{reference.repo}` is not on this machine, and the network is switched off",
                hint="Drop `--offline`",
            ) from None

    def _with_ending(self, reference: HubReference, error: NotFoundError) -> NotFoundError:
        """The error, with the repository that is meant where only the usual ending of its name is missing."""
        meant = f"{reference.repo}-GGUF"
        if reference.revision or "gguf" in reference.repo.lower():
            return error
        try:
            self.hub.repository(meant)
        except LmpmError:
            return error
        return NotFoundError(error.message, hint=f"Did you mean `{meant}`?")

    def require_access(self, repository: Repository, *, offers_copy: bool = False) -> None:
        """Raise NotPermittedError, with a copy that may be had, for a repository that takes a token to open it."""
        if self.shortlist.opens(repository):
            return
        if repository.private:
            raise NotPermittedError(
                f"`{repository.id}` is private", hint="Log in as somebody who may read it: `hf auth login`"
            )
        accept = f"Accept them at {self.hub.http.endpoint}/{repository.id}, then `hf auth login`"
        copy = self._ungated_copy(repository) if offers_copy and not self.hub.offline else None
        raise NotPermittedError(
            f"`{repository.id}` is gated: its publisher asks you to accept terms first",
            hint=f"Take the copy that is not: `{copy}`. Or: {accept[0].lower()}{accept[1:]}" if copy else accept,
        )

    def search(self, text: str) -> tuple[Listing, tuple[Group, ...]]:
        """What the Hub finds for words, and the groups that have all of them, likeliest first.

        A quantizer's account among the words narrows it down to what is theirs, if they have it.
        """
        account, rest = self._narrowed(text)
        if account:
            found, _ = self._search(rest)
            own = tuple(row for row in found.rows if row.publisher.lower() == account)
            theirs = by_model.ranked(by_model.grouped(own), rest)
            if theirs:
                return replace(found, rows=own), theirs
        return self._search(text)

    def _narrowed(self, text: str) -> tuple[str, str]:
        """A quantizer named at the beginning or the end, and the other words: `bartowski qwen2.5 coder 7b`."""
        said = text.split()
        for place, rest in ((0, said[1:]), (-1, said[:-1])):
            known = self.catalog.publishers.get(said[place].lower()) if rest else None
            if known and not known.is_official:
                return known.name.lower(), " ".join(rest)
        return "", text

    def _search(self, text: str) -> tuple[Listing, tuple[Group, ...]]:
        ranked: tuple[Group, ...] = ()
        found = None
        for query in _queries(text):
            again = search.search_hub(self.hub, query)
            ranked = by_model.ranked(by_model.grouped(again.rows), text)
            found = again if found is None or ranked else found
            if ranked:
                break
        if found is None:
            raise ValueError("nothing to search for")
        return found, ranked

    def _copies_of(self, repository: Repository, *, wanted: str | None, sees: bool = False) -> Found:
        """The variants of copies of a repository that holds no GGUF file itself: the original weights."""
        found = search.search_hub(self.hub, "", tag=f"base_model:quantized:{repository.id}")
        ranked = by_model.ranked(by_model.grouped(found.rows), repository.id.rpartition("/")[2])
        if not ranked:
            raise NotFoundError(
                f"`{repository.id}` holds no GGUF model", hint="Look for a repository whose name ends in `-GGUF`"
            )
        return self._of_group(repository.id, ranked[0], found, ranked, wanted=wanted, sees=sees)

    def _ungated_copy(self, repository: Row) -> str | None:
        """A trusted repository of the same model that asks for no agreement, where the licence allows copies."""
        name = model_name.parse_model_name(repository.name).text
        try:
            _, ranked = self.search(name)
        except LmpmError:
            return None  # that there is none is no news: the error is about the gate
        key = model_name.parse_model_name(repository.base_models[0] if repository.base_models else name).key
        group = next(
            (item for item in ranked if key in (item.title.key, model_name.parse_model_name(item.name).key)), None
        )
        if group is None:
            return None
        rows = [row for row in group.rows if not row.gated and not row.private and row.id != repository.id]
        judged = self.shortlist.judged(rows, group, None)
        allowed = [
            row
            for row, points in judged
            if points.is_trusted and (licenses.permits_commercial_use(row.license) or row.license == repository.license)
        ]
        return allowed[0].id if allowed else None

    def _require_genuine(self, repo: str) -> None:
        """Raise NotPermittedError for an account that only looks like a known one."""
        account, _, name = repo.partition("/")
        known = reputation.imitated(account, self.catalog.publishers.values())
        if known:
            raise NotPermittedError(
                f"`{account}` is not `{known}`, whose name it resembles: nothing was taken from it",
                hint=f"Did you mean `{known}/{name}`? If not, name the commit: `{repo}@<40 hex>`",
            )

    # -- from a group to variants ------------------------------------------------

    def _meant(self, text: str, ranked: Sequence[Group], model: str | None) -> Group:
        if model is not None:
            chosen = next((group for group in ranked if group.title.key == model), None)
            if chosen is not None:
                return chosen
        text = self._narrowed(text)[1] if ranked else text
        likely = by_model.best(ranked, text)
        if not likely:
            raise UnknownNameError("model on the Hub", text, listing="Look around with `lmpm search`")
        if len(likely) > 1 or not likely[0].is_meant:
            choices = [(group.title.key, _line(group)) for group in likely[:SHOWN_CHOICES]]
            raise AmbiguousNameError(text, choices=choices, is_exact=likely[0].is_meant)
        return likely[0]

    def _of_group(
        self, text: str, group: Group, found: Listing, ranked: Sequence[Group], *, wanted: str | None, sees: bool
    ) -> Found:
        """Look at the best trusted repositories of a model and put their variants together."""
        original = self.shortlist.original(group)
        judged = self.shortlist.judged(group.rows, group, original)
        left, able = self.shortlist.sifted(judged)
        looked = self.shortlist.look(able, original, wanted, left)
        if not looked and any(item.kind == "gated" for item in left):
            raise self._all_gated(group, judged)
        if not looked:
            raise NotFoundError(
                f"None of the {len(group.rows)} repositories of {group.name} holds a model that can be taken",
                details=[f"{item.repo}: {item.detail}" for item in left[:8]],
            )
        model = group.name
        merged, spare = self.shortlist.merged(model, looked, sees)
        seen = {repository.id for repository, _, _ in looked} | {item.repo for item in left}
        left += [
            LeftOut("less trusted", "; ".join(points.reasons), row.id) for row, points in able if row.id not in seen
        ]
        others = [item for item in ranked if item.title.key != group.title.key]
        left += [LeftOut("other model", item.name, row.id) for item in others for row in item.rows]
        taken_from = {variant.source.name for variant in merged}
        funnel = Funnel(
            typed=text,
            model=model,
            matches=len(found.rows),
            is_complete=found.is_complete,
            of_model=len(group.rows),
            trusted=len(able),
            looked_at=len(looked),
            variants=sum(len(contents.sets) for _, contents, _ in looked),
            taken=tuple((item.id, points.reasons) for item, _, points in looked if item.id in taken_from),
            left_out=tuple(left),
            others=tuple(
                OtherModel(item.name, len(item.rows), item.downloads, item.tier == by_model.DERIVATIVE)
                for item in others[:SHOWN_OTHERS]
            ),
            other_models=len(others),
            derived_models=sum(item.tier == by_model.DERIVATIVE for item in others),
            age_s=found.age_s,
        )
        notes = tuple(note for _, contents, _ in looked[:1] for note in contents.remarks())
        return Found(model, merged, funnel, notes, spare, is_unproven=True)

    def _all_gated(self, group: Group, judged: Sequence[tuple[Row, Reputation]]) -> NotPermittedError:
        row = next(row for row, points in judged if not self.shortlist.opens(row) and not points.imitates)
        if row.private:
            return NotPermittedError(
                f"`{row.id}` is private, and there is no trusted copy of {group.name} that is not",
                hint="Log in as somebody who may read it: `hf auth login`",
            )
        return NotPermittedError(
            f"`{row.id}` is gated, and there is no trusted copy of {group.name} that is not",
            hint=f"Accept its terms at {self.hub.http.endpoint}/{row.id}, then `hf auth login`",
        )


def _holds_nothing(repository: Repository, contents: listing.Contents, reference: HubReference) -> NotFoundError:
    """Why a repository with files has nothing to choose among."""
    details = list(contents.remarks())
    if contents.foreign:
        kinds = ", ".join(sorted({item.quant for item in contents.foreign})[:4])
        details.append(f"llama.cpp does not load {kinds}")
    for kind, paths in contents.beside.items():
        if kind not in ("refused", "unread"):  # among the remarks
            details.append(f"{len(paths)} of its files: {kind}")
    return NotFoundError(
        f"`{repository.id}` holds no GGUF model" + (f" at `{reference.path}`" if reference.path else ""),
        details=details,
        hint="Look for a repository whose name ends in `-GGUF`",
    )


def _queries(text: str) -> tuple[str, ...]:
    """What to ask the Hub's search: every word that a name must have, then the usual spelling.

    Numbers stand apart from what they are glued to, and words that some names leave out are left out.
    """
    said = [part for word in re.split(r"[ _-]+", text.lower()) for part in _GLUED.split(word) if part]
    told = [word for word in said if word not in by_model.PLAIN | BASE]
    return tuple(dict.fromkeys((" ".join(told or said), "-".join(text.lower().split()))))


def _line(group: Group) -> str:
    size = f", {group.title.parameters / 1e9:g}B" if group.title.parameters else ""
    return f"{group.name}{size}: {len(group.rows)} repositories, {group.downloads:,} downloads a month"

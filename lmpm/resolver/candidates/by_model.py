"""Matches of a search in groups, one for each model: 663 repositories read as a dozen.

A repository belongs to the model that its card names as the one that was quantized, as long as its own name
does not say that something else was made of it; without a card, to the model that it is named for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from lmpm.gguf import BASE, DERIVED, INSTRUCT, PACKING, ModelName, model_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmpm.hub import Row

EXACT, TUNED, WIDER, DERIVATIVE = range(4)  # how a group matches what was typed, best first
AS_LIKELY: Final = 1.5  # two groups whose downloads differ by less are equally likely to be meant
LEADS_BY: Final = 10.0  # a group of one more letter is meant when it is so much more downloaded than its rivals
NEWER_SHARE: Final = 0.1  # of the downloads of the most downloaded version, that a newer one must have
# Words that a group may have beyond those typed without being another model; typed or not, they change little.
OWNERS: Final = frozenset({"meta", "google", "microsoft", "ibm", "nvidia", "mistralai"})
PLAIN: Final = OWNERS | INSTRUCT


@dataclass(frozen=True)
class Group:
    """Repositories of one model. `base` is the repository of its original weights, where a card names it."""

    title: ModelName
    base: str | None
    rows: tuple[Row, ...]
    is_derived: bool = False  # by its card: a finetune, merge or adapter of the model that it names
    tier: int = WIDER
    extra: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The model's name as its publisher writes it."""
        return self.base.rpartition("/")[2] if self.base else self.title.text

    @cached_property
    def downloads(self) -> int:
        """Downloads of all its repositories in the last 30 days."""
        return sum(row.downloads for row in self.rows)

    @cached_property
    def released(self) -> float:
        """When the first of its repositories was made, in seconds since the epoch."""
        return min((row.created for row in self.rows if row.created), default=0.0)

    @cached_property
    def distance(self) -> int:
        """How many words it has that change which model it is, beyond those typed."""
        return sum(word not in PLAIN and not _is_version(word) for word in self.extra)

    @property
    def is_meant(self) -> bool:
        """Whether its name has nothing that would have been typed, had it been meant."""
        return self.tier < DERIVATIVE and not self.distance

    @cached_property
    def publisher(self) -> str:
        """The account that made the model; empty where nobody says."""
        return self.base.partition("/")[0] if self.base else ""


def grouped(rows: Iterable[Row]) -> tuple[Group, ...]:
    """Every row in its group; the order is that of the rows."""
    rows = tuple(rows)
    originals = _originals(rows)
    members: dict[str, list[Row]] = {}
    titles: dict[str, Counter[str]] = {}
    for row in rows:
        model, base = _model_of(row, originals)
        members.setdefault(model.key, []).append(row)
        counter = titles.setdefault(model.key, Counter())
        if base:
            counter[base] += 1 + row.downloads
    found = []
    for key, group in members.items():
        bases = titles[key].most_common(1)
        base = bases[0][0] if bases else None
        model = model_name.parse_model_name(base) if base else _model_of(group[0], originals)[0]
        derived = [row.relation in ("finetune", "merge", "adapter") for row in group]
        is_derived = base is None and all(derived)
        found.append(Group(ModelName(model.text, tuple(key.split())), base, tuple(group), is_derived))
    return tuple(found)


def ranked(groups: Sequence[Group], typed: str) -> tuple[Group, ...]:
    """The groups that have every word that was typed, the likeliest first."""
    wanted = model_name.parse_model_name(typed)
    fitting = [judged for group in groups if (judged := _judged(group, wanted)) is not None]
    if not any(group.is_meant for group in fitting):
        fitting = _with_what_goes_without_saying(fitting, wanted)
    return tuple(sorted(fitting, key=lambda group: (group.tier, group.distance, -group.downloads, group.title.key)))


def best(groups: Sequence[Group], typed: str) -> tuple[Group, ...]:
    """The group that is meant, or those that are as likely as it; empty when there is none.

    A group alone is meant only when `is_meant` says so: a derived model or one of another name never is.
    `groups` are ranked. The very name that was typed goes first; a model tuned for chat goes before the plain one
    of that name when more people use it; of several versions of one model the newest that is in use is meant.
    """
    wanted = model_name.parse_model_name(typed)
    if not groups:
        return ()
    top = [group for group in groups if group.tier <= TUNED] or [group for group in groups if group.is_meant]
    if not top:
        return tuple(groups)
    top = _newest_versions(top, wanted)
    exact = [group for group in top if group.tier == EXACT]
    if exact and exact[0].publisher:  # what a third party has tuned is not the model of that name
        top = [group for group in top if group.publisher in (exact[0].publisher, "")]
    rivals = sorted(top, key=lambda group: -group.downloads)
    if exact and (exact[0] is rivals[0] or exact[0].title.tuning is not None):
        return (exact[0],)
    likely = [group for group in rivals if group.downloads * AS_LIKELY >= rivals[0].downloads]
    return tuple(likely)


def _judged(group: Group, wanted: ModelName) -> Group | None:
    """The group with how well it matches, or None when a word that was typed is not in it."""
    words = Counter(group.title.words)
    lacking = Counter(wanted.words) - words
    ignored = PACKING | OWNERS | (INSTRUCT if set(words) & INSTRUCT else frozenset())
    if group.title.tuning is None and not group.is_derived:
        ignored |= BASE  # `qwen2.5 7b base` is called Qwen2.5-7B
    if any(word not in ignored for word in lacking):
        return None
    if wanted.sizes and not wanted.sizes <= group.title.sizes:
        return None
    extra = tuple((words - Counter(wanted.words)).elements())
    telling = tuple(word for word in extra if word not in PACKING)
    if not telling:
        tier = EXACT
    elif group.is_derived or any(word in DERIVED for word in telling):
        tier = DERIVATIVE
    elif all(_is_little(word, wanted) for word in telling):
        tier = TUNED
    else:
        tier = WIDER
    return Group(group.title, group.base, group.rows, group.is_derived, tier, telling)


def _with_what_goes_without_saying(groups: list[Group], wanted: ModelName) -> list[Group]:
    """The groups, of which those are meant that differ from what was typed by what nobody would type.

    That is the size, where the model has only one (`smollm3`), and a letter, where that model is used by far the most
    (`granite 4.0 tiny` is called granite-4.0-h-tiny).
    """
    own = [group for group in groups if group.tier < DERIVATIVE]
    sized = [
        group for group in own if all(model_name.is_size(word) or _is_little(word, wanted) for word in group.extra)
    ]
    if not wanted.sizes and len({group.title.sizes for group in sized}) == 1:
        return [replace(group, tier=TUNED, extra=()) if group in sized else group for group in groups]
    near = sorted((group for group in own if group.distance == 1), key=lambda group: -group.downloads)
    rest = sum(group.downloads for group in near[1:])
    if near and near[0].publisher and near[0].downloads >= LEADS_BY * rest and _has_one_letter_more(near[0], wanted):
        return [replace(group, tier=TUNED, extra=()) if group is near[0] else group for group in groups]
    return groups


def _is_little(word: str, wanted: ModelName) -> bool:
    """Whether a word changes little of which model it is."""
    return word in PLAIN or (not wanted.versions and _is_version(word))


def _has_one_letter_more(group: Group, wanted: ModelName) -> bool:
    return [len(word) for word in group.extra if not _is_little(word, wanted)] == [1]


def _newest_versions(groups: list[Group], wanted: ModelName) -> list[Group]:
    """Of groups that differ in their version alone the newest, unless nobody uses it or one was typed."""
    lines: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        line = tuple(
            word
            for word in group.title.words
            if word not in PACKING and (not _is_version(word) or word in wanted.versions)
        )
        lines.setdefault(line, []).append(group)
    chosen = []
    for versions in lines.values():
        most = max(group.downloads for group in versions)
        in_use = [group for group in versions if group.downloads >= NEWER_SHARE * most]
        plain = [group for group in in_use if group.tier == EXACT]
        chosen.append(plain[0] if plain else max(in_use, key=lambda group: (group.released, group.title.key)))
    return chosen


def _is_version(word: str) -> bool:
    return word.replace(".", "").isdigit()


def _originals(rows: Iterable[Row]) -> dict[str, str]:
    """The models that cards name, by their key: the one that most downloads are of."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        if row.relation in ("", "quantized"):
            for base in row.base_models:
                counts.setdefault(model_name.parse_model_name(base).key, Counter())[base] += 1 + row.downloads
    return {key: counter.most_common(1)[0][0] for key, counter in counts.items()}


def _model_of(row: Row, originals: dict[str, str]) -> tuple[ModelName, str | None]:
    """The model that a repository holds, and the repository of its weights where that is known."""
    own = model_name.parse_model_name(row.name)
    owners = frozenset(
        model_name.words(owner) for owner in (*(base.partition("/")[0] for base in row.base_models), row.publisher)
    )
    own = model_name.without_owner(own, owners)
    if len(row.base_models) == 1 and row.relation in ("", "quantized"):
        base = row.base_models[0]
        named = model_name.parse_model_name(base)
        if _is_same(own, named):
            return named, originals.get(named.key, base)
    if own.key in originals:
        return own, originals[own.key]
    # an account that stands before the name, where no card tells it: `google_gemma-3-4b-it`
    for mark in "_.":
        account, _, behind = own.text.partition(mark)
        rest = model_name.parse_model_name(behind)
        if rest.key in originals and model_name.words(account) == model_name.words(
            originals[rest.key].partition("/")[0]
        ):
            return rest, originals[rest.key]
    return own, None


def _is_same(own: ModelName, base: ModelName) -> bool:
    """Whether a repository's name can be that of the model that its card names."""
    mine, theirs = Counter(own.words), Counter(base.words)
    added, left_out = mine - theirs, theirs - mine
    if any(word not in PACKING and word not in OWNERS for word in added):
        return False
    return not any(
        word in DERIVED or model_name.is_size(word) or (word in INSTRUCT and own.tuning) for word in left_out
    )

"""The loop of choosing: what checks learn and refuse, and what a choice that falls on nothing says."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from lmpm.errors import EngineError, IntegrityError, LmpmError, NotFoundError, NothingFitsError, NotPermittedError
from lmpm.limits import GIB
from lmpm.resolver.choose import Learned, Refusal, choose
from lmpm.resolver.explain import OFFLINE, require_choice
from lmpm.resolver.records import Candidate, Choice, Kind, Rejected, Request, Verdict
from lmpm.types import HubSource, Machine, ModelFile, Variant

MACHINE: Final = Machine(name="m", accelerator="metal", memory=16 * GIB, budget=10 * GIB, bandwidth=10**11)
REQUEST: Final = Request(ref="qwen3 8b", task="chat", model="qwen3-8b", context=4096, min_context=1, min_speed=0.0)


def variant(repo: str, quant: str, *, score: float = 50.0, gib: float = 2.0) -> Variant:
    file = ModelFile(path=f"{quant}.gguf", size=int(gib * GIB))
    return Variant(
        model="qwen3-8b", title="Qwen3-8B", source=HubSource(repo), quant=quant, license="mit", files=(file,),
        context_length=0, architecture="qwen3", score=score,
    )  # fmt: skip


BEST, NEXT, OTHER = (
    variant("a/x", "Q8_0", score=90),
    variant("a/x", "Q4_K_M", score=80),
    variant("b/x", "Q4_K_S", score=70),
)


class Counting:
    """A check that refuses what it is told to, and counts its looks."""

    def __init__(self, refusals: dict[Variant, Refusal] | None = None) -> None:
        self.refusals = refusals or {}
        self.seen: list[Variant] = []

    def __call__(self, candidate: Candidate, *_: object) -> Learned | Refusal:
        self.seen.append(candidate.variant)
        return self.refusals.get(candidate.variant) or Learned(candidate)


def refusal(kind: Kind, scope: str = "file", error: LmpmError | None = None) -> Refusal:
    return Refusal(Verdict(kind, f"it is {kind}"), scope="repository" if scope == "repository" else "file", error=error)


def test_only_what_is_chosen_is_looked_at_and_by_each_check_in_turn() -> None:
    cheap, dear = Counting({BEST: refusal("contradiction")}), Counting()
    done = choose(REQUEST, MACHINE, [OTHER, NEXT, BEST], [cheap, dear])
    assert done.choice.chosen is not None and done.choice.chosen.variant is NEXT
    assert (cheap.seen, dear.seen) == ([BEST, NEXT], [NEXT])
    first = done.choice.rejected[0]
    assert (first.kind, first.candidate.variant) == ("contradiction", BEST)
    assert done.variants == (OTHER, NEXT) and done.remarks == ("a/x was passed over for its Q8_0: it is contradiction",)


def test_a_refused_repository_goes_with_all_its_quants_and_the_spare_ones_take_their_place() -> None:
    spare = [variant("c/x", "Q8_0", score=85), variant("a/x", "Q4_K_M", score=99)]
    check = Counting({BEST: refusal("untrusted", "repository")})
    done = choose(REQUEST, MACHINE, [BEST, NEXT, OTHER], [check], spare=spare)
    assert done.choice.chosen is not None and done.choice.chosen.variant is spare[0]
    assert done.variants == (OTHER, spare[0])


def test_what_is_learned_is_ranked_anew_and_no_check_looks_twice() -> None:
    def read(candidate: Candidate, *_: object) -> Learned | Refusal:
        larger = replace(candidate.variant, files=(ModelFile(path="Q8_0.gguf", size=20 * GIB),))
        return Learned(replace(candidate, variant=larger) if candidate.variant is BEST else candidate)

    later = Counting()
    done = choose(REQUEST, MACHINE, [BEST, NEXT], [read, later])
    assert done.choice.chosen is not None and done.choice.chosen.variant is NEXT and later.seen == [NEXT]
    assert any("it does not fit after all" in remark for remark in done.remarks)


def test_what_holds_for_the_whole_model_is_shared() -> None:
    def read(candidate: Candidate, *_: object) -> Learned | Refusal:
        return Learned(candidate, shared=lambda other: replace(other, context_length=7))

    done = choose(REQUEST, MACHINE, [BEST, NEXT], [read])
    assert [item.context_length for item in done.variants] == [7, 7]


def test_where_nothing_fits_the_nearest_is_looked_at_so_that_what_is_said_is_true() -> None:
    large = variant("a/x", "Q8_0", gib=30)
    check = Counting()
    assert choose(REQUEST, MACHINE, [large], [check], explains=True).choice.chosen is None
    assert check.seen == [large]
    check = Counting()
    choose(REQUEST, MACHINE, [large], [check])
    assert check.seen == []


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([NotFoundError("gone")], NotFoundError),
        ([EngineError("new architecture")], EngineError),
        ([NotFoundError("gone"), NotPermittedError("gated")], NotPermittedError),
        ([IntegrityError("no GGUF"), IntegrityError("no GGUF either")], IntegrityError),
    ],
)
def test_errors_are_raised_where_nothing_else_is_left(errors: list[LmpmError], raised: type[LmpmError]) -> None:
    variants = [variant(f"r{number}/x", "Q8_0") for number in range(len(errors))]
    check = Counting(
        {item: refusal("gated", "repository", error) for item, error in zip(variants, errors, strict=True)}
    )
    with pytest.raises(raised):
        choose(REQUEST, MACHINE, variants, [check])
    done = choose(REQUEST, MACHINE, [*variants, OTHER], [check])
    assert done.choice.chosen is not None and done.choice.chosen.variant is OTHER


def test_a_pool_of_lies_is_given_up() -> None:
    def lie(candidate: Candidate, *_: object) -> Learned | Refusal:
        return refusal("contradiction")

    many = [variant(f"r{number}/x", "Q8_0") for number in range(50)]
    choice = choose(REQUEST, MACHINE, many, [lie]).choice
    assert choice.chosen is None and sum(item.kind == "contradiction" for item in choice.rejected) < 10
    with pytest.raises(IntegrityError):
        require_choice(replace(choice, rejected=choice.rejected[:3]))


# -- a choice that fell on nothing -------------------------------------------


def nothing(*kinds: Kind, request: Request = REQUEST) -> Choice:
    one = choose(request, MACHINE, [BEST], []).choice.chosen
    assert one is not None
    rejected = tuple(Rejected(kind, f"it is {kind}", one) for kind in kinds)
    return Choice(request=request, machine=MACHINE, chosen=None, rejected=rejected)


@pytest.mark.parametrize(
    ("kinds", "error", "code"),
    [
        (("contradiction",), IntegrityError, 4),
        (("unreadable", "contradiction"), IntegrityError, 4),
        (("contradiction", "gated"), IntegrityError, 4),
        (("engine",), EngineError, 8),
        (("license", "gated"), NotPermittedError, 9),
        (("withdrawn",), NotPermittedError, 9),
        (("publisher",), NotPermittedError, 9),
        (("quant", "license"), NothingFitsError, 3),
        (("contradiction", "size"), NothingFitsError, 3),
        (("memory", "contradiction"), NothingFitsError, 3),
    ],
)
def test_error_and_exit_code_follow_from_the_kinds(kinds: tuple[Kind, ...], error: type[LmpmError], code: int) -> None:
    with pytest.raises(error) as caught:
        require_choice(nothing(*kinds))
    assert type(caught.value) is error and caught.value.exit_code == code
    assert "`qwen3 8b`" in caught.value.message and "chat" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "changes", "hint"),
    [
        ("contradiction", {}, "Look for another repository of it with `lmpm search`"),
        ("license", {}, "To take it with its licence, allow that: `--license mit`"),
        ("license", {"asked": frozenset({"license"})}, "Loosen what was asked for: `--license`"),
        (
            "license",
            {"asked": frozenset({"license"}), "policy": frozenset({"license"})},
            "Loosen what was asked for: [policy] of the manifest",
        ),
        ("publisher", {"policy": frozenset({"publisher"})}, "Loosen what was asked for: [policy] of the manifest"),
        ("size", {"asked": frozenset({"size", "context"})}, "Loosen what was asked for: `--max-size`"),
        (
            "quant",
            {"asked": frozenset({"quant"}), "asked_in": "manifest"},
            "Loosen what was asked for: `quant` in the manifest",
        ),
        ("withdrawn", {}, None),
    ],
)
def test_a_hint_names_only_what_was_really_asked(kind: Kind, changes: dict[str, object], hint: str | None) -> None:
    with pytest.raises(LmpmError) as caught:
        require_choice(nothing(kind, request=replace(REQUEST, **changes)))  # type: ignore[arg-type]
    assert caught.value.hint == hint


def test_with_nothing_here_a_task_is_called_a_task_and_a_name_by_itself() -> None:
    with pytest.raises(NothingFitsError, match="No `qwen3 8b` is on this machine") as caught:
        require_choice(nothing())
    assert caught.value.hint == OFFLINE
    with pytest.raises(NothingFitsError, match="No chat model is on this machine"):
        require_choice(nothing(request=replace(REQUEST, model=None)))

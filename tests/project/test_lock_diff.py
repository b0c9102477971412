"""The difference of two locks in words."""

from __future__ import annotations

from dataclasses import replace

from lmpm.limits import GIB
from lmpm.project.lock.diff import differences
from lmpm.project.lock.records import Lock, LockedModel
from lmpm.recipe import Input, Recipe
from lmpm.types import HubSource, Machine, ModelFile
from tests.lock_samples import small_model


def told(old: LockedModel, new: LockedModel) -> list[str]:
    return list(differences(Lock((old,)), Lock((new,))))


def test_a_target_that_moves_to_another_quant_is_told_in_one_line() -> None:
    gib = 1 << 30
    before = small_model("chat", quant="Q5_K_M", memory=int(9.1 * gib), targets=("m2-16gb",))
    file = ModelFile(path="chat-Q4_K_M.gguf", size=1000, sha256="4" * 64)
    after = small_model("chat", quant="Q4_K_M", memory=int(7.4 * gib), targets=("m2-16gb",), files=(file,))
    assert "chat, m2-16gb: Q5_K_M -> Q4_K_M, memory 9.1 -> 7.4 GiB" in told(before, after)


def test_models_that_come_and_go() -> None:
    a, b = small_model("a"), small_model("b")
    assert list(differences(Lock((a,)), Lock((b,)))) == ["a: removed, a Q4_K_M > a Q2_K", "b: added, b Q4_K_M > b Q2_K"]
    assert list(differences(Lock((a, b)), Lock((b, a)))) == []


def test_what_changes_of_a_rung_is_named() -> None:
    old = small_model("a", license="mit", template="a" * 64, identity="1" * 24)
    file = ModelFile(path="a-Q4_K_M.gguf", size=3 << 20, sha256="c" * 64)
    new = small_model(
        "a",
        license="gemma",
        template="b" * 64,
        identity="2" * 24,
        source=HubSource("org/a-GGUF", "2" * 40),
        files=(file,),
    )
    words = " / ".join(told(old, new))
    for expected in (
        "commit 1111111 -> 2222222",
        "ANOTHER REPOSITORY UNDER THE SAME NAME",
        "other files, 0.0 -> 3.0 MiB",
        "licence mit -> gemma",
        "chat template changed",
    ):
        assert f"a, a Q4_K_M: {expected}" in words, words


def test_other_bytes_under_one_commit_are_shouted() -> None:
    old = small_model("a")
    file = ModelFile(path="a-Q4_K_M.gguf", size=1000, sha256="d" * 64)
    assert any("OTHER BYTES UNDER THE SAME COMMIT" in line for line in told(old, small_model("a", files=(file,))))


def test_a_changed_request_and_order() -> None:
    old = small_model("a")
    new = replace(old, requested={"task": "chat", "context": 4096}, candidates=old.candidates[::-1])
    assert told(old, new) == ["a: asks for context none -> 4096", "a: its variants are in another order"]


def test_escapes_do_not_reach_the_terminal() -> None:
    lines = told(small_model("a"), small_model("a", model="\x1b[2J", quant="Q8_0"))
    assert all(line.isprintable() for line in lines)


def test_what_this_machine_takes_is_said_where_it_changes() -> None:
    machine = Machine(name="m", accelerator="metal", memory=16 * GIB, budget=10 * GIB, bandwidth=10**11)
    before = small_model("chat", score=50.0)
    file = ModelFile(path="better.gguf", size=1000, sha256="4" * 64)
    better = replace(before.candidates[0], model="Better", score=80.0, quant="Q8_0", files=(file,))
    after = replace(before, candidates=(better, *before.candidates))
    here = "chat, this machine: chat Q4_K_M -> Better Q8_0"
    assert here in list(differences(Lock((before,)), Lock((after,)), machine))
    assert here not in told(before, after)
    larger = replace(after, candidates=(replace(better, memory=30 * GIB), *before.candidates))
    assert not any("this machine" in line for line in differences(Lock((before,)), Lock((larger,)), machine))
    alone = replace(after, candidates=(replace(better, memory=30 * GIB),))
    lines = list(differences(Lock((before,)), Lock((alone,)), machine))
    assert "chat, this machine: chat Q4_K_M -> nothing that fits" in lines


def test_a_changed_recipe_is_told_once_for_all_and_for_each_that_differs() -> None:
    recipe = Recipe(kind="chat", inputs=(Input(name="prompt", main=True),), user="{prompt}", max_tokens=512)
    short, own = replace(recipe, max_tokens=256), replace(recipe, max_tokens=256, mode="thinking")

    def asked(base: Recipe | None, *rungs: Recipe | None) -> LockedModel:
        model = small_model("a")
        pairs = zip(model.candidates, rungs, strict=True)
        return replace(model, recipe=base, candidates=tuple(replace(rung, recipe=each) for rung, each in pairs))

    assert told(asked(recipe, recipe, recipe), asked(short, short, own)) == [
        "a: recipe: max_tokens 512 -> 256",
        'a, a Q2_K: recipe: mode none -> "thinking"',
    ]
    assert told(asked(None, None, None), asked(recipe, recipe, recipe)) == ["a: its recipe is pinned now"]

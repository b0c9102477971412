"""What holds for every lock whatever is in it: one text, read as it was written, merged without a conflict."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lmpm.errors import LockError
from lmpm.project import Lock, LockedCandidate, LockedModel, Training, differences, emit_lock, parse_lock
from lmpm.proof.tested import Tested
from lmpm.resolver import Waiting
from lmpm.types import FileSource, HubSource, ModelFile, Source, StarterSource, UrlSource

BYTES = st.integers(min_value=1, max_value=2**63 - 1)
SIZES = st.integers(1, 2**60)  # four of them are below the largest number of TOML
SPEEDS = st.floats(min_value=0, max_value=1e6, allow_nan=False)
NAMES = st.text("abcxyz019", min_size=1, max_size=6).map("m-".__add__)  # no name of a Windows device
LINES = st.text(st.sampled_from("abc XYZ0.9é名\"\\'#=[]{},"), min_size=1, max_size=12).map("x".__add__)


def hexes(length: int) -> st.SearchStrategy[str]:
    return st.integers(0, 16**length - 1).map(lambda number: f"{number:0{length}x}")


@st.composite
def candidates(draw: st.DrawFn, target_names: tuple[str, ...]) -> LockedCandidate:
    sources: list[st.SearchStrategy[Source]] = [
        st.builds(HubSource, st.just("org/").flatmap(lambda owner: NAMES.map(lambda name: owner + name)), hexes(40)),
        st.builds(StarterSource, NAMES),
        st.builds(UrlSource, NAMES.map(lambda name: f"https://example.org/{name}.gguf")),
        st.builds(FileSource, NAMES.map(lambda name: f"models/{name}.gguf")),
    ]
    source = draw(st.one_of(sources))
    stem = draw(NAMES)
    shards = draw(st.integers(1, 3))
    paths = [f"{stem}.gguf"] if shards == 1 else [f"{stem}-{n:05}-of-{shards:05}.gguf" for n in range(1, shards + 1)]
    files = tuple(ModelFile(path=path, size=draw(SIZES), sha256=draw(hexes(64))) for path in paths)
    if draw(st.booleans()):
        files += (ModelFile(path="mmproj.gguf", size=draw(SIZES), sha256=draw(hexes(64)), role="mmproj"),)
    speed = st.none() | SPEEDS
    tested = st.builds(
        Tested,
        engine=LINES,
        on=st.none() | NAMES,
        decode=speed,
        first_token_s=st.none() | st.floats(0, 86400),
    )
    checked = st.builds(Tested, engine=LINES, score=st.floats(0, 1), cases=st.integers(1, 20_000), checks=hexes(64))
    return LockedCandidate(
        source=source,
        model=draw(LINES),
        quant=draw(LINES),
        license=draw(LINES),
        score=draw(st.floats(0, 100)),
        mode=draw(st.sampled_from(["", "direct", "thinking"])),
        answer_tokens=draw(st.integers(0, 2**31)),
        thinking_tokens=draw(st.integers(0, 2**31)),
        is_native=draw(st.booleans()),
        memory=draw(st.integers(sum(file.size for file in files), 2**63 - 1)),
        bytes_per_token=draw(BYTES),
        layers=draw(st.integers(0, 2**31)),
        engine=draw(st.none() | st.integers(1, 2**31)),
        template=draw(st.none() | hexes(64)),
        identity=draw(st.none() | hexes(24)) if isinstance(source, HubSource) else None,
        tested=draw(st.none() | tested | checked),
        training=draw(st.none() | TRAININGS),
        targets=target_names,
        files=files,
    )


TRAININGS = st.builds(
    Training,
    data=hexes(64),
    examples=st.integers(1, 2**40),
    settings=hexes(64),
    base=st.just("") | LINES,
    commit=st.just("") | hexes(40),
    base_sha256=st.just("") | hexes(64),
)
SECONDS = st.tuples(st.floats(1e-3, 1e3), st.floats(1e3, 1e6))
WAITINGS = st.builds(
    Waiting,
    prompt_tokens=st.integers(1, 2**31),
    first_prompt_tokens=st.integers(0, 2**31),
    first_token=SECONDS,
    whole=SECONDS,
    shows_thinking=st.booleans(),
    bulk=st.booleans(),
)


@st.composite
def models(draw: st.DrawFn, name: str) -> LockedModel:
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    rungs = [draw(candidates((target,))) for target in names] or [draw(candidates(()))]
    scalars = (
        st.booleans() | st.integers(-(2**63), 2**63 - 1) | LINES | st.floats(allow_nan=False, allow_infinity=False)
    )
    requested = draw(st.dictionaries(st.text("ab_0", max_size=4).map("k".__add__), scalars, max_size=4))
    return LockedModel(
        name=name,
        requested=requested,
        candidates=tuple(rungs),
        context=draw(st.none() | st.integers(1, 2**31)),
        waiting=draw(st.none() | WAITINGS),
    )


@st.composite
def locks(draw: st.DrawFn, least: int = 0) -> Lock:
    names = draw(st.lists(NAMES, unique=True, min_size=least, max_size=4))
    return Lock(tuple(draw(models(name)) for name in names))


FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(locks())
def test_what_is_written_is_read_back_and_written_the_same(lock: Lock) -> None:
    text = emit_lock(lock)
    try:
        read = parse_lock(text)
    except LockError as error:  # two rungs may be drawn alike, and one file with two contents
        assert (
            "same as" in error.message or "another sha256" in error.message or "sha256 has elsewhere" in error.message
        )
        return
    assert read == lock
    assert emit_lock(read) == text
    assert list(differences(lock, read)) == []


@FEW
@given(locks(least=2), st.randoms())
def test_the_order_in_which_models_were_added_does_not_show(lock: Lock, random: object) -> None:
    shuffled = list(lock.models)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    added = Lock()
    for model in shuffled:
        added = added.with_model(model)
    assert emit_lock(added) == emit_lock(lock)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(locks(least=2), st.data())
def test_branches_that_change_different_models_merge(base: Lock, data: st.DataObject) -> None:
    first, second = data.draw(st.permutations(base.models))[:2]
    ours = base.with_model(data.draw(models(first.name)))
    theirs = base.with_model(data.draw(models(second.name)))
    both = ours.with_model(next(model for model in theirs.models if model.name == second.name))
    with TemporaryDirectory() as folder:
        for name, lock in (("base", base), ("ours", ours), ("theirs", theirs)):
            Path(folder, name).write_bytes(emit_lock(lock).encode())
        command = ["git", "merge-file", "-p", "ours", "base", "theirs"]
        merged = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert (merged.returncode, merged.stdout.decode()) == (0, emit_lock(both))


@FEW
@given(st.data())
def test_no_edit_of_the_text_ends_in_anything_but_a_lock_or_a_lock_error(data: st.DataObject) -> None:
    text = emit_lock(data.draw(locks(least=1)))
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 30)))
    edited = text[:start] + data.draw(st.text(max_size=12)) + text[stop:]
    try:
        lock = parse_lock(edited)
    except LockError as error:
        assert error.message.startswith("`lmpm.lock` ") and error.message.isprintable()
        return
    for model in lock.models:
        for rung in model.candidates:
            assert all(file.sha256 and len(file.sha256) == 64 and file.size > 0 for file in rung.files)

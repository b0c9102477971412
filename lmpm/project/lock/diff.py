"""The difference of two locks in words: what each model and each declared machine had, and has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import NothingFitsError
from lmpm.fs import printable
from lmpm.limits import GIB, MIB
from lmpm.project.lock import ladder
from lmpm.types import HubSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.cloud import Provider, Route
    from lmpm.project.lock.records import Lock, LockedCandidate, LockedModel
    from lmpm.recipe import Recipe
    from lmpm.types import Machine


def differences(old: Lock, new: Lock, machine: Machine | None = None) -> Iterator[str]:
    """A line for each thing that changed, by model; nothing when the locks mean the same.

    With a machine also what it took and takes now, where these are not the same.
    """
    for name in sorted({model.name for model in (*old.models, *new.models)}):
        before, after = old.get(name), new.get(name)
        if before is None and after is not None:
            yield f"{name}: added, {_ladder(after)}"
        elif before is not None and after is None:
            yield f"{name}: removed, {_ladder(before)}"
        elif before is not None and after is not None and before != after:
            yield from _model(before, after)
            if machine is not None:
                yield from _here(before, after, machine)
    yield from _routing(old, new)


def _routing(old: Lock, new: Lock) -> Iterator[str]:
    """Where requests may go, said in full wherever it changes."""
    for noun, before, after in (("provider", old.providers, new.providers), ("route", old.routes, new.routes)):
        was, now = {item.name: item for item in before}, {item.name: item for item in after}
        for name in sorted({*was, *now}):
            if was.get(name) == now.get(name):
                continue
            gone, come = was.get(name), now.get(name)
            if come is None:
                yield f"{noun} {name}: removed"
            elif gone is None:
                yield f"{noun} {name}: added, {_fields(come)}"
            else:
                left, right = gone.fields(), come.fields()
                for key in sorted({*left, *right}):
                    if left.get(key) != right.get(key):
                        yield f"{noun} {name}: {key} {_said(left.get(key))} -> {_said(right.get(key))}"
    went, goes = _reached(old), _reached(new)
    for place in sorted(goes - went):
        yield f"PROMPTS MAY NOW BE SENT TO {place}"
    for place in sorted(went - goes):
        yield f"prompts are no longer sent to {place}"


def _reached(lock: Lock) -> set[str]:
    """The providers that a route may send to."""
    providers = {item.name: item.base_url for item in lock.providers}
    return {printable(providers[name]) for route in lock.routes for name in route.providers if name in providers}


def _fields(item: Provider | Route) -> str:
    return ", ".join(f"{key} {_said(value)}" for key, value in item.fields().items())


def _said(value: object) -> str:
    if value is None:
        return "none"
    return printable(" > ".join(value) if isinstance(value, tuple) else str(value))


def _here(before: LockedModel, after: LockedModel, machine: Machine) -> Iterator[str]:
    """`chat, this machine: Qwen3.5-9B Q6_K -> Qwen3.5-4B Q8_0`."""
    old, new = _taken(before, machine), _taken(after, machine)
    if old is not None and new is None:
        yield f"{after.name}, this machine: {_title(old)} -> nothing that fits"
    elif new is not None and (old is None or _key(old) != _key(new)):
        was = f"{_title(old)} -> " if old else "takes "
        yield f"{after.name}, this machine: {was}{_title(new)}" + ("" if old else " now")


def _taken(model: LockedModel, machine: Machine) -> LockedCandidate | None:
    try:
        return ladder.take(model, machine).candidate
    except NothingFitsError:
        return None


def _model(before: LockedModel, after: LockedModel) -> Iterator[str]:
    name = after.name
    for key in sorted({*before.requested, *after.requested}):
        was, now = before.requested.get(key, "none"), after.requested.get(key, "none")
        if was != now:
            yield f"{name}: asks for {key} {printable(str(was))} -> {printable(str(now))}"
    if before.context != after.context:
        yield f"{name}: the context of its task {_known(before.context)} -> {_known(after.context)}"
    if before.waiting != after.waiting:
        yield f"{name}: how long people wait for its task has changed"
    if before.recipe is not None and after.recipe is not None:
        yield from (f"{name}: {change}" for change in _changes(before.recipe, after.recipe))
    elif before.recipe != after.recipe:
        yield f"{name}: its recipe is " + ("pinned now" if after.recipe else "pinned no more")
    yield from _targets(before, after)
    for twin in (*before.twins, *after.twins):
        if (twin in before.twins) != (twin in after.twins):
            yield f"{name}: twin {twin.form} {twin.source} " + ("is new" if twin in after.twins else "is gone")
    kept: list[LockedCandidate] = []
    for rung in after.candidates:
        same = next((item for item in before.candidates if _key(item) == _key(rung)), None)
        if same is None:
            yield f"{name}: new variant {_title(rung)}, memory {human(rung.memory)}"
        else:
            kept.append(same)
            yield from (f"{name}, {_title(rung)}: {change}" for change in _rung(same, rung))
            if same.recipe is not None and rung.recipe is not None:
                told = set(_changes(before.recipe, after.recipe))
                own = (change for change in _changes(same.recipe, rung.recipe) if change not in told)
                yield from (f"{name}, {_title(rung)}: {change}" for change in own)
    for rung in before.candidates:
        if not any(rung is item for item in kept):
            yield f"{name}: variant {_title(rung)} is gone"
    if len(kept) == len(after.candidates) == len(before.candidates) and kept != list(before.candidates):
        yield f"{name}: its variants are in another order"


def _targets(before: LockedModel, after: LockedModel) -> Iterator[str]:
    """`chat, m2-16gb: Q5_K_M -> Q4_K_M, memory 9.1 -> 7.4 GiB`."""
    was, now = _served(before), _served(after)
    for target in sorted({*was, *now}):
        old, new = was.get(target), now.get(target)
        if old is None and new is not None:
            yield f"{after.name}, {target}: takes {_title(new)} now"
        elif new is None:
            yield f"{after.name}, {target}: is not a target any more"
        elif old is not None and _key(old) != _key(new):
            names = (old.quant, new.quant) if old.model == new.model else (_title(old), _title(new))
            yield f"{after.name}, {target}: {names[0]} -> {names[1]}, memory {_sizes(old.memory, new.memory)}"


def _rung(old: LockedCandidate, new: LockedCandidate) -> Iterator[str]:
    """What changed of one quant of one repository."""
    if isinstance(old.source, HubSource) and isinstance(new.source, HubSource):
        if old.source.revision != new.source.revision:
            yield f"commit {(old.source.revision or '')[:7]} -> {(new.source.revision or '')[:7]}"
        elif old.files != new.files:
            yield "OTHER BYTES UNDER THE SAME COMMIT: no honest update does this"
    if None not in (old.identity, new.identity) and old.identity != new.identity:
        yield "ANOTHER REPOSITORY UNDER THE SAME NAME"
    if [file.sha256 for file in old.files] != [file.sha256 for file in new.files]:
        yield f"other files, {_sizes(old.size, new.size)}"
    yield from _adapters(old, new)
    for what, was, now in (
        ("licence", old.license, new.license),
        ("smallest llama.cpp build", _known(old.engine), _known(new.engine)),
        ("tested with", old.tested and old.tested.engine, new.tested and new.tested.engine),
    ):
        if was != now:
            yield f"{what} {was or 'none'} -> {now or 'none'}"
    if old.template != new.template:
        yield "chat template " + ("changed" if old.template and new.template else "added" if new.template else "gone")
    if old.memory != new.memory:
        yield f"memory {_sizes(old.memory, new.memory)}"
    if old.bytes_per_token != new.bytes_per_token:
        yield f"reads a token {_sizes(old.bytes_per_token, new.bytes_per_token)}"


def _adapters(old: LockedCandidate, new: LockedCandidate) -> Iterator[str]:
    """`adapter models/team-lora.gguf: other bytes`."""
    was, now = ({(item.source.name, item.file.path): item for item in rung.adapters} for rung in (old, new))
    for key in dict.fromkeys((*was, *now)):
        before, after = was.get(key), now.get(key)
        if before is None or after is None:
            yield f"adapter {printable(key[1])} " + ("is new" if before is None else "is gone")
        elif before.file.sha256 != after.file.sha256:
            yield f"adapter {printable(key[1])}: other bytes, {_sizes(before.size, after.size)}"
        elif before != after:
            yield f"adapter {printable(key[1])}: {before.source} -> {after.source}, licence {after.license}"


def _changes(old: Recipe | None, new: Recipe | None) -> Iterator[str]:
    """`recipe: max_tokens 512 -> 256`."""
    from lmpm.recipe import changes

    if old is not None and new is not None:
        yield from (f"recipe: {key} {was} -> {now}" for key, was, now in changes(old, new))


def _served(model: LockedModel) -> dict[str, LockedCandidate]:
    return {target: rung for rung in model.candidates for target in rung.targets}


def _key(rung: LockedCandidate) -> tuple[str, str, str]:
    """A rung stays the same one when only its commit changes."""
    return rung.source.name, rung.quant, rung.mode


def _title(rung: LockedCandidate) -> str:
    return f"{printable(rung.model)} {printable(rung.quant)}"


def _ladder(model: LockedModel) -> str:
    return " > ".join(_title(rung) for rung in model.candidates)


def _known(number: float | None) -> str:
    return "none" if number is None else f"{number:g}"


def _sizes(old: int, new: int) -> str:
    """`9.1 -> 7.4 GiB`, the unit once."""
    unit, name = (GIB, "GiB") if max(old, new) >= GIB else (MIB, "MiB")
    was, now = f"{old / unit:.1f}", f"{new / unit:.1f}"
    return f"{was} -> {now} {name}" if was != now else f"{old:,} -> {new:,} bytes"

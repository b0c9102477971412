"""Reads the text of `lmpm.lock`: every value is checked before anybody acts on it.

An error names the place (`model[0].candidate[1].files[0].sha256`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LockError
from lmpm.fs import DocumentError, Table, rules, toml
from lmpm.limits import MAX_CASES, MAX_FILE_BYTES, MAX_LOCK_BYTES
from lmpm.project.lock.adapters import read_adapters, with_adapters
from lmpm.project.lock.consistency import require_new_candidate, require_one_model, require_same_bytes
from lmpm.project.lock.records import REVISION, VERSION, Lock, LockedCandidate, LockedModel
from lmpm.project.lock.training import Training, read_training
from lmpm.project.lock.twins import read_twins
from lmpm.proof import Tested
from lmpm.resolver import Waiting
from lmpm.types import FileSource, HubSource, ModelFile, StarterSource, UrlSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lmpm.cloud import Provider, Route
    from lmpm.recipe import Recipe
    from lmpm.types import FileRole, Source

LOCK_NAME: Final = "lmpm.lock"
MAX_SPEED: Final = 1e6  # tokens per second
MAX_FIRST_TOKEN_S: Final = 86400.0
MAX_WAIT_S: Final = 1e6
MAX_SCORE: Final = 100.0

_KEY: Final = r"[a-z][a-z0-9_]*"


def parse_lock(text: str, *, name: str = LOCK_NAME) -> Lock:
    """The lock in `text`. Raises LockError naming the place of the first mistake."""
    try:
        document = Table(toml.parse(text, MAX_LOCK_BYTES))
        revision = _format(document, name)
        # a greater revision may add keys that change nothing for us
        return _lock(document, revision, strict=revision <= REVISION)
    except toml.ConflictError as error:
        hint = "Resolve it by taking either side, then run `lmpm lock`"
        raise LockError(toml.describe(error, name), hint=hint) from error
    except (ValueError, ArithmeticError) as error:
        raise broken_lock(error, name) from error


def broken_lock(error: Exception, name: str = LOCK_NAME) -> LockError:
    """The LockError for a mistake in the lock's text."""
    return LockError(
        toml.describe(error, name),
        hint=f"Take `{name}` from version control again, or delete it and run `lmpm lock`",
    )


def newer_lock(name: str, found: str) -> LockError:
    """The LockError for a format that this lmpm cannot read or write."""
    return LockError(
        f"`{name}` was made by a newer lmpm: {found}, this one knows version {VERSION} revision {REVISION}",
        hint="Upgrade lmpm, for instance with `pip install --upgrade lmpm`",
    )


def _format(document: Table, name: str) -> int:
    """Check the version, return the revision."""
    version = document.integer("version")
    if version > VERSION:
        raise newer_lock(name, f"version {version}")
    if version < VERSION:
        raise LockError(
            f"`{name}` has version {version}, this lmpm reads and writes version {VERSION}",
            hint="To choose anew, delete it and run `lmpm lock`",
        )
    return document.integer("revision")


def _lock(document: Table, revision: int, *, strict: bool) -> Lock:
    seen: dict[str, str] = {}
    models = []
    for index, row in enumerate(document.rows("model")):
        table = Table(row, f"model[{index}]")
        model = _model(table, row, strict=strict)
        if model.name in seen:
            raise table.fail("name", f"`{model.name}` is taken by {seen[model.name]}")
        seen[model.name] = table.place
        models.append(model)
    providers, routes = _routing(document, seen, strict=strict)
    _finish(document, strict=strict)
    require_same_bytes(models, document)
    return Lock(tuple(models), providers=tuple(providers), routes=tuple(routes), revision=revision)


def _routing(document: Table, models: Iterable[str], *, strict: bool) -> tuple[list[Provider], list[Route]]:
    """Where requests may go besides, checked as in the manifest: a lock that was edited opens no way out either."""
    if "providers" not in document and "routes" not in document:
        return [], []
    from lmpm.cloud import check_routes, read_provider, read_route

    clouds, named = document.table_or_empty("providers"), document.table_or_empty("routes")
    providers, routes = [], []
    for name in clouds:
        table = clouds.table(name)
        providers.append(read_provider(table, _named(clouds, name)))
        _finish(table, strict=strict)
    for name in named:
        table = named.table(name)
        routes.append(read_route(table, _named(named, name)))
        _finish(table, strict=strict)
    check_routes({route.name: route for route in routes}, [*models], [provider.name for provider in providers])
    return providers, routes


def _named(table: Table, name: str) -> str:
    try:
        return rules.model_name(name)
    except ValueError as error:
        raise table.fail(name, str(error)) from error


def _model(table: Table, row: Mapping[str, Any], *, strict: bool) -> LockedModel:
    name = rules.field(table, "name", rules.model_name)
    requested = _requested(table.table("requested"), row["requested"])
    context = table.integer("context", low=1) if "context" in table else None
    waiting = _waiting(table) if "prompt_tokens" in table else None
    recipe = _recipe(table, None, strict=strict)
    candidates: list[LockedCandidate] = []
    for rung in table.tables("candidate"):
        candidate = _candidate(rung, recipe, strict=strict)
        require_new_candidate(candidate, candidates, rung)
        candidates.append(candidate)
    if not candidates:
        raise table.fail("candidate", "is missing, expected at least one")
    adapters = read_adapters(table, candidates, strict=strict)
    candidates = list(with_adapters(candidates, adapters))
    if small := [item for item in candidates if item.memory < item.total_size]:
        raise table.fail("adapters", f"are more than the {small[0].memory} bytes of memory of `{small[0].model}`")
    twins = read_twins(table, candidates, strict=strict)
    _finish(table, strict=strict)
    return LockedModel(
        name=name,
        requested=requested,
        candidates=tuple(candidates),
        context=context,
        waiting=waiting,
        recipe=recipe,
        twins=twins,
    )


def _recipe(table: Table, base: Recipe | None, *, strict: bool) -> Recipe | None:
    """How a model is asked, where its table says so: a candidate's says what differs from `base`."""
    if "recipe" not in table:
        return base
    from lmpm.recipe import read_recipe

    inner = table.table("recipe")
    recipe = read_recipe(inner, base)
    _finish(inner, strict=strict)
    return recipe


def _waiting(table: Table) -> Waiting:
    """What one request takes, and the times that people wait."""
    return Waiting(
        prompt_tokens=table.integer("prompt_tokens", low=1),
        first_prompt_tokens=table.integer("first_prompt_tokens", low=1) if "first_prompt_tokens" in table else 0,
        first_token=_seconds(table, "first_token_s"),
        whole=_seconds(table, "whole_s"),
        shows_thinking=table.flag_or("shows_thinking", False),
        bulk=table.flag_or("bulk", False),
    )


def _seconds(table: Table, key: str) -> tuple[float, float]:
    """The comfortable time and the longest."""
    match table.rows(key):
        case [float() | int() as low, float() | int() as high] if not isinstance(low, bool) and not isinstance(
            high, bool
        ):
            if 0 < low <= high <= MAX_WAIT_S:
                return float(low), float(high)
    raise table.fail(key, f"expected two numbers of seconds, the comfortable one first, at most {MAX_WAIT_S:.0f}")


def _speed(table: Table, key: str) -> float | None:
    """Tokens per second, None where nothing is said."""
    if key not in table:
        return None
    speed = table.number(key)
    if not 0 <= speed <= MAX_SPEED:
        raise table.fail(key, f"expected tokens per second from 0 to {MAX_SPEED:.0f}")
    return speed


def _requested(table: Table, items: Mapping[str, object]) -> dict[str, toml.Scalar]:
    found: dict[str, toml.Scalar] = {}
    for key, item in items.items():
        if not re.fullmatch(_KEY, key):
            raise table.fail(key, "expected a key of lower-case letters, digits and `_`")
        if isinstance(item, bool):
            found[key] = item
        elif isinstance(item, int):
            found[key] = table.integer(key, low=-(2**63))
        elif isinstance(item, float):
            found[key] = table.number(key)
        else:
            found[key] = rules.field(table, key, rules.line)
    return found


def _candidate(table: Table, recipe: Recipe | None, *, strict: bool) -> LockedCandidate:
    source, identity = _source(table.table("source"), strict=strict)
    files = tuple(_file(row, strict=strict) for row in table.tables("files"))
    if isinstance(source, FileSource) and files:
        source = replace(source, first=files[0].sha256 or "")
    candidate = LockedCandidate(
        source=source,
        identity=identity,
        model=rules.field(table, "model", rules.line),
        quant=rules.field(table, "quant", rules.line),
        license=rules.field(table, "license", rules.line),
        score=_score(table),
        mode=table.choice_or("mode", ("direct", "thinking"), ""),
        answer_tokens=table.integer("answer_tokens", low=1) if "answer_tokens" in table else 0,
        thinking_tokens=table.integer("thinking_tokens", low=1) if "thinking_tokens" in table else 0,
        is_native=table.flag_or("native", False),
        memory=table.integer("memory", low=1),
        bytes_per_token=table.integer("bytes_per_token", low=1),
        layers=table.integer("layers"),
        architecture=rules.field(table, "architecture", rules.line) if "architecture" in table else "",
        parameters=table.integer("parameters") if "parameters" in table else 0,
        active_parameters=table.integer("active_parameters") if "active_parameters" in table else 0,
        engine=table.integer("engine", low=1) if "engine" in table else None,
        template=rules.field(table, "template", rules.sha256) if "template" in table else None,
        tested=_tested(table.table("tested"), strict=strict) if "tested" in table else None,
        targets=_targets(table),
        files=files,
        training=_training(table.table("training"), strict=strict) if "training" in table else None,
        recipe=_recipe(table, recipe, strict=strict),
    )
    require_one_model(candidate.files, table.at("files"))
    if candidate.memory < candidate.size:
        raise table.fail("memory", f"expected at least the {candidate.size} bytes of its files")
    _finish(table, strict=strict)
    return candidate


def _score(table: Table) -> float:
    """What is expected of a candidate, of 100."""
    score = table.number("score")
    if not 0 <= score <= MAX_SCORE:
        raise table.fail("score", f"expected a number from 0 to {MAX_SCORE:.0f}")
    return score


def _source(table: Table, *, strict: bool) -> tuple[Source, str | None]:
    """Where the files are from, and the Hub's own id of the repository where it was told."""
    source: Source
    identity = None
    if "starter" in table:
        source = StarterSource(rules.field(table, "starter", rules.model_name))
    elif "url" in table:
        source = UrlSource(rules.field(table, "url", rules.file_url))
    elif "file" in table:
        source = FileSource(rules.field(table, "file", rules.file_path))
    else:
        repo = rules.field(table, "hf", rules.repo_id)
        source = HubSource(repo, rules.field(table, "revision", rules.revision))
        identity = rules.field(table, "id", rules.object_id) if "id" in table else None
    _finish(table, strict=strict)
    return source, identity


def _tested(table: Table, *, strict: bool) -> Tested:
    first_token_s = table.number("first_token_s") if "first_token_s" in table else None
    if first_token_s is not None and not 0 <= first_token_s <= MAX_FIRST_TOKEN_S:
        raise table.fail("first_token_s", f"expected seconds from 0 to {MAX_FIRST_TOKEN_S:.0f}")
    given = [key for key in ("score", "cases", "checks") if key in table]
    if given and len(given) < 3:
        raise table.fail(given[0], "expected `score`, `cases` and `checks` together")
    tested = Tested(
        engine=rules.field(table, "engine", rules.line),
        on=rules.field(table, "on", rules.model_name) if "on" in table else None,
        decode=_speed(table, "decode"),
        first_token_s=first_token_s,
        score=_share(table, "score") if given else None,
        cases=table.integer("cases", low=1, high=MAX_CASES) if given else None,
        checks=rules.field(table, "checks", rules.sha256) if given else None,
    )
    _finish(table, strict=strict)
    return tested


def _training(table: Table, *, strict: bool) -> Training:
    training = read_training(table)
    _finish(table, strict=strict)
    return training


def _share(table: Table, key: str) -> float:
    share = table.number(key)
    if not 0 <= share <= 1:
        raise table.fail(key, "expected a share from 0 to 1")
    return share


def _targets(table: Table) -> tuple[str, ...]:
    targets = table.texts("targets")
    for index, target in enumerate(targets):
        place = f"{table.at('targets')}[{index}]"
        try:
            rules.model_name(target)
        except ValueError as error:
            raise DocumentError(place, str(error)) from error
        if target in targets[:index]:
            raise DocumentError(place, f"`{target}` is listed twice")
    return targets


def _file(table: Table, *, strict: bool) -> ModelFile:
    role: FileRole = "model"
    if "role" in table:
        if table.text("role") != "mmproj":
            raise table.fail("role", "expected `mmproj`, or no role for a file of the model itself")
        role = "mmproj"
    file = ModelFile(
        path=rules.field(table, "path", rules.file_path),
        size=table.integer("size", low=1, high=MAX_FILE_BYTES),
        sha256=rules.field(table, "sha256", rules.sha256),
        role=role,
    )
    _finish(table, strict=strict)
    return file


def _finish(table: Table, *, strict: bool) -> None:
    if strict:
        table.finish()

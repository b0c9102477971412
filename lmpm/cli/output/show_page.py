"""The page of `lmpm show`, of a locked model, of what the catalog takes here, or of a file."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.cli.output.console import put, put_raw
from lmpm.cli.output.json import speed_json
from lmpm.cli.output.words import speed_words
from lmpm.recipe import Recipe, write_recipe
from lmpm.runtime import example_inputs, example_request
from lmpm.types import HubSource, StarterSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.catalog import CatalogModel, Task
    from lmpm.project import LockedModel, Workspace
    from lmpm.types import Source, Speed

WIDTH: Final = 9  # of the words in the margin
SHOWN_SYSTEM: Final = 60  # characters of the system text
BASE_URL: Final = "http://127.0.0.1:8420/v1"  # of `lmpm serve`


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What there is to say. `standing` is where it comes from and whether it is here, `budget` is None for a file."""

    name: str
    title: str
    standing: tuple[str, ...]
    why: str
    source: str
    files: tuple[str, ...]
    size: int
    license: str
    need: int
    budget: int | None
    context: int
    speed: Speed | None
    measured: float | None  # tokens a second, here
    recipe: Recipe | None
    task: str | None
    use: Mapping[str, str]
    deeper: str
    is_here: bool
    adapters: tuple[str, ...] = ()


def of_lock(workspace: Workspace, model: LockedModel) -> Page:
    """A model of the lock, as this machine takes it."""
    from lmpm.project import context_of, global_directory, recipe_of, rung_for, task_of

    machine, rung = workspace.machine, rung_for(model, workspace.machine)
    candidate = rung.candidate
    paths = [workspace.store.find(candidate.source, file) for file in candidate.files]
    is_here = all(paths) and all(workspace.store.find(item.source, item.file) for item in candidate.adapters)
    task = task_of(model, workspace.catalog)
    recipe = recipe_of(candidate, task, workspace.catalog)
    tested = workspace.history.find(candidate.files[0], machine) if workspace.is_this_machine else None
    count = len(model.candidates)
    others = f"the best for this machine of {count} candidates in lmpm.lock" if count > 1 else "the one in lmpm.lock"
    expected = f"expected {candidate.score:.1f} of 100 at {task.name}, " if candidate.score and task else ""
    where = "pinned for all your projects" if workspace.directory == global_directory(workspace.environment) else ""
    return Page(
        name=model.name,
        title=f"{candidate.model} {candidate.quant}",
        standing=(where or "pinned in lmpm.lock", "installed" if is_here else "not downloaded: `lmpm sync`"),
        why=f"{expected}{others}",
        source=_source(candidate.source),
        files=tuple(str(path) if path else file.path for path, file in zip(paths, candidate.files, strict=True)),
        size=candidate.size,
        license=candidate.license,
        adapters=tuple(f"{item} · {human(item.size)} · {item.license}" for item in candidate.adapters),
        need=candidate.memory,
        budget=machine.budget + machine.host_budget,
        context=context_of(model),
        speed=rung.judged.speed,
        measured=tested.decode if tested else None,
        recipe=recipe,
        task=task.name if task else None,
        use=_use(model.name, recipe, task),
        deeper=f"lmpm why {model.name} · lmpm inspect {model.name}",
        is_here=is_here,
    )


def of_catalog(workspace: Workspace, name: str, task: Task | None, model: CatalogModel | None) -> Page:
    """What the catalog takes on this machine for a task or a model. Raises NothingFitsError."""
    from lmpm.catalog import recipe_for
    from lmpm.resolver import Constraints, describe_choice, require_choice

    resolution = workspace.resolver.resolve(name, workspace.machine, Constraints(), where="catalog")
    choice = resolution.choice
    require_choice(choice)
    chosen = choice.chosen
    if chosen is None:
        raise ValueError("a choice that was required is there")
    variant, task = chosen.variant, task or resolution.task
    recipe = recipe_for(task, workspace.catalog.model(variant.model), variant.mode) if task else None
    shown = task.name if task and model is None else name
    return Page(
        name=shown,
        title=f"{variant.title} {variant.quant}",
        standing=("not installed",),
        why=describe_choice(choice),
        source=_source(variant.source),
        files=tuple(file.path for file in variant.files),
        size=sum(file.size for file in variant.files),
        license=variant.license,
        need=chosen.memory.total,
        budget=choice.machine.budget + choice.machine.host_budget,
        context=choice.request.context,
        speed=chosen.speed,
        measured=None,
        recipe=recipe,
        task=task.name if task else None,
        use={"install": f"lmpm install {shown}", **_use(shown, recipe, task)},
        deeper=f"lmpm why {shown} · lmpm catalog show {shown}",
        is_here=False,
    )


def of_file(workspace: Workspace, name: str, task: str | None) -> Page:
    """A GGUF file. Raises NotFoundError and IntegrityError."""
    from pathlib import Path

    from lmpm.estimate import inspect
    from lmpm.resolver import parts_of
    from lmpm.runtime import of_file as subject_of

    subject = subject_of(workspace, Path(name).expanduser(), task=task)
    found = inspect(parts_of(workspace.resolver, str(subject.paths[0]), workspace.machine), workspace.machine)
    asked = workspace.catalog.task(subject.task or "chat")
    more = f', task="{task}"' if task else ""
    return Page(
        name=name,
        title=f"{subject.title} {found.quant}",
        standing=("a file of yours",),
        why=f"asked for {asked.name}: another task with `--task`" if asked and not task else "",
        source=str(subject.paths[0]),
        files=tuple(map(str, subject.paths)),
        size=subject.size,
        license="",
        need=found.memory.must_fit,
        budget=workspace.machine.budget + workspace.machine.host_budget,
        context=found.memory.context,
        speed=None,
        measured=None,
        recipe=subject.recipe if found.has_chat_template is not False else subject.recipe.without_template(),
        task=subject.task,
        use=_use(name, subject.recipe, asked, more=more),
        deeper=f"lmpm inspect {shlex.quote(name)}",
        is_here=True,
    )


def _source(source: Source) -> str:
    if isinstance(source, HubSource):
        return f"hf:{source.repo}" + (f" @ {source.revision[:7]}" if source.revision else "")
    return "built in" if isinstance(source, StarterSource) else source.name


def _use(name: str, recipe: Recipe | None, task: Task | None, *, more: str = "") -> dict[str, str]:
    """Lines that ask the model something of its task: in a shell, in Python, over HTTP."""
    if recipe is None:
        return {}
    given = example_inputs(recipe, task)
    python = f"lmpm.load({name!r}{more})" if "'" in name else f'lmpm.load("{name}"{more})'
    words: list[str] = []
    for item in recipe.inputs:
        if item.name in given and not item.main:
            value = given[item.name]
            words += [
                f"--{item.name.replace('_', '-')}",
                value if isinstance(value, str) else _joined(item.name, value),
            ]
    main = recipe.main
    last = given.get(main.name, "") if main else ""
    words += [last] if isinstance(last, str) else list(last)
    return {
        "shell": shlex.join(["lmpm", "run", name, *(word for word in words if word)]),
        "python": f"import lmpm; print({python}{_call(recipe, given)})",
        **({} if name.endswith(".gguf") else {"http": _curl(name, recipe, task)}),
    }


def _joined(name: str, values: tuple[str, ...]) -> str:
    return ("\n" if name == "documents" else ",").join(values)


def _call(recipe: Recipe, given: Mapping[str, str | tuple[str, ...]]) -> str:
    if recipe.kind == "embed":
        return f".embed({json.dumps(list(given['texts']), ensure_ascii=False)})"
    if recipe.kind == "rerank":
        documents = json.dumps(list(given["documents"]), ensure_ascii=False)
        return f".rerank({json.dumps(given['query'], ensure_ascii=False)}, {documents})"
    named = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items())
    return f"({', '.join(named)}).text"


def _curl(name: str, recipe: Recipe, task: Task | None) -> str:
    path, body = example_request(name, recipe, task)
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl {BASE_URL}{path} -H 'content-type: application/json' -d {data}"


def put_page(page: Page) -> None:
    """The page for people."""
    put(" · ".join((page.title, *page.standing)))
    _line("why", page.why)
    files = page.files[0] if page.is_here else f"{page.source}  {page.files[0]}"
    more = f" and {len(page.files) - 1} more" if len(page.files) > 1 else ""
    _line("files", f"{files}{more} · {human(page.size)}{' · ' + page.license if page.license else ''}")
    for number, line in enumerate(page.adapters):
        _line("" if number else "adapters", line)
    budget = f" of {human(page.budget)}" if page.budget is not None else ""
    speed = f"{page.measured:,.0f} tok/s, measured here" if page.measured else ""
    if not speed and page.speed is not None:
        speed = speed_words(page.speed, is_silent=bool(page.recipe and not page.recipe.writes))[0]
    _line("needs", f"{human(page.need)}{budget} at {page.context:,} tokens{' · ' + speed if speed else ''}")
    if page.recipe is not None:
        _line("asked", asked_words(page.recipe))
    for number, (_, line) in enumerate(page.use.items()):
        put_raw(f"{'use' if not number else '':<{WIDTH}}{line}")
    _line("deeper", page.deeper)


def _line(label: str, text: str) -> None:
    if text:
        put(f"{label:<{WIDTH}}{text}", hang=WIDTH)


def asked_words(recipe: Recipe) -> str:
    """How a model is asked, in one line: inputs and result, words, ends, chance, and what an answer is held to."""
    names = ", ".join(item.name if item.required else f"[{item.name}]" for item in recipe.inputs)
    words = [f"{names} -> {RESULTS.get(recipe.grammar) or RESULTS[recipe.kind]}"]
    if recipe.system:
        text = recipe.system.replace("\n", " ")
        words.append(f'system "{text[:SHOWN_SYSTEM]}{"…" if len(text) > SHOWN_SYSTEM else ""}"')
    words += ["as plain text"] if recipe.raw else []
    if recipe.stop:
        words.append("stop " + " ".join(json.dumps(stop, ensure_ascii=False) for stop in recipe.stop))
    if recipe.writes:
        sampling = recipe.sampling
        words.append("greedy" if sampling.is_greedy else f"temperature {sampling.temperature:g}")
        words += [{"direct": "without thinking", "thinking": "thinks first"}[recipe.mode]] if recipe.mode else []
        words.append(f"at most {recipe.longest:,} tokens")
    if recipe.grammar:
        words.append(f"held to {HELD[recipe.grammar]}")
    words += ["shown texts of the database"] if recipe.values else []
    for name, prefix in (("query", recipe.query_prefix), ("document", recipe.document_prefix)):
        words += [f"{name} after {json.dumps(prefix, ensure_ascii=False)}"] if prefix else []
    words += [f"pooling {recipe.pooling}"] if recipe.pooling and recipe.kind == "embed" else []
    return " · ".join(words)


RESULTS: Final = {
    "sql": "SQL", "json": "JSON", "labels": "a label", "complete": "text", "chat": "text", "infill": "code",
    "embed": "vectors", "rerank": "scores",
}  # fmt: skip
HELD: Final = {"sql": "the tables of the schema", "json": "the fields", "labels": "the labels"}


def as_json(page: Page) -> dict[str, Any]:
    """The page as programs read it."""
    data = {key: value for key, value in asdict(page).items() if key not in ("speed", "recipe", "deeper")}
    return {
        **data,
        "speed": speed_json(page.speed),
        "recipe": write_recipe(page.recipe) if page.recipe else None,
    }

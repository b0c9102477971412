"""Who takes part in an evaluation: the pinned model, other models and files, and the same model asked otherwise."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.cloud import CLOUD, CloudClient, require_provider
from lmpm.engine import Files
from lmpm.errors import OfflineError, SpecError, UnknownNameError
from lmpm.evaluation.cloud_contender import CloudContender
from lmpm.fs import DocumentError, Table, hash_one, toml
from lmpm.limits import MAX_MANIFEST_BYTES
from lmpm.project import actions, pinned_recipe, task_of
from lmpm.proof import SessionModel, ask_case, digest_of
from lmpm.recipe import read_recipe, write_recipe
from lmpm.resolver import Constraints
from lmpm.runtime import Subject, find_subject, of_file, open_model, usual_recipe
from lmpm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmpm.catalog import Task
    from lmpm.project import Plan, Step, Workspace
    from lmpm.proof import Case, CaseAnswer
    from lmpm.recipe import Recipe
    from lmpm.reporter import Reporter
    from lmpm.runtime import Model
    from lmpm.types import ModelFile

RECIPE: Final = "recipe:"


@dataclass(frozen=True, kw_only=True)
class LocalContender:
    """A model whose files are here, asked by a recipe. `label` and `quant` are how it is shown."""

    workspace: Workspace
    subject: Subject
    label: str
    quant: str
    identity: str
    build: str
    is_pinned: bool = False
    price: None = None

    @property
    def recipe(self) -> str:
        """A hash of how it is asked: of the recipe, and of this lmpm, which prepares questions."""
        return digest_of([write_recipe(self.subject.recipe), self.subject.context, __version__])

    def with_recipe(self, **changes: Any) -> LocalContender:
        """The same model, asked otherwise."""
        recipe = dataclasses.replace(self.subject.recipe, **changes)
        return dataclasses.replace(self, subject=dataclasses.replace(self.subject, recipe=recipe))

    @contextmanager
    def open(self) -> Iterator[LoadedModel]:
        """The loaded model. Raises EngineError, NothingFitsError."""
        with open_model(self.workspace, self.subject) as model:
            yield LoadedModel(model, self.subject.size)


AnyContender = LocalContender | CloudContender


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model of this machine that can be asked cases; `size` is that of its weights in bytes."""

    model: Model
    size: int

    @property
    def load_s(self) -> float:
        """Seconds that loading took."""
        return self.model.session.load_s

    def ask(self, case: Case) -> CaseAnswer:
        """Its answer."""
        return ask_case(SessionModel(session=self.model.session, recipe=self.model.recipe, size=self.size), case)

    def peak_memory(self) -> int | None:
        """The most memory that its process took."""
        return self.model.session.memory().peak


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """Who would be compared, and what has to come for that.

    `subject` is whose recipe and task hold for all, None where nothing of it is here yet; `plans` bring what is
    missing, by the reference that asks for it. `clouds` are the providers, by reference.
    """

    workspace: Workspace
    name: str
    task: Task | None
    subject: Subject | None
    plans: tuple[tuple[str, Plan], ...]
    against: tuple[str, ...]
    clouds: Mapping[str, CloudClient]

    @property
    def download_size(self) -> int:
        """Bytes that the network has to bring."""
        return sum(plan.download_size for _, plan in self.plans)

    @property
    def downloads(self) -> tuple[Step, ...]:
        """The models that have to come."""
        return tuple(step for _, plan in self.plans for step in plan.steps if step.downloads)


def line_up(
    workspace: Workspace,
    name: str,
    against: Sequence[str] = (),
    *,
    task: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Lineup:
    """Find whom `name` and the references `against` mean, and what is missing of them; nothing is fetched.

    `name` is a model of the lock, a GGUF file, or a task, of which the choice for this machine is taken. `environ` has
    the keys of providers. Raises UnknownNameError, SpecError, NothingFitsError, OfflineError, and the errors of the
    Hub.
    """
    catalog = workspace.catalog
    clouds = _clouds(workspace, against, environ or {})
    subject, plans = None, []
    known = catalog.task(task) if task else None
    if task and known is None:
        raise UnknownNameError("task", task, listing="All tasks: `lmpm catalog list`")
    if _is_file(name):
        subject = of_file(workspace, Path(name), task=task or "chat")
        known = known or catalog.task("chat")
    else:
        try:
            subject = find_subject(workspace, name, download=False)
            known = known or (task_of(subject.locked, catalog) if subject.locked else None)
        except UnknownNameError:
            known = known or catalog.task(name)
            if known is None:
                raise
            plans.append((name, _plan(workspace, name, known)))
    others = [ref for ref in against if not ref.startswith((RECIPE, CLOUD)) and not _is_file(ref)]
    plans += [(ref, _plan(workspace, ref, known)) for ref in others]
    return Lineup(
        workspace=workspace, name=name, task=known, subject=subject, plans=tuple(plans), against=tuple(against),
        clouds=clouds,
    )  # fmt: skip


def _clouds(workspace: Workspace, against: Sequence[str], environ: Mapping[str, str]) -> dict[str, CloudClient]:
    """The providers among the references. Raises SpecError for one that is not known or has no key, OfflineError."""
    wanted = [ref for ref in against if ref.startswith(CLOUD)]
    if wanted and workspace.offline:
        raise OfflineError(f"`{wanted[0]}` is asked over the network, which is switched off")
    providers = workspace.project.manifest().providers if wanted else {}
    return {ref: CloudClient(*require_provider(providers, ref.removeprefix(CLOUD), environ)) for ref in wanted}


def contenders_of(lineup: Lineup, reporter: Reporter) -> tuple[LocalContender, *tuple[AnyContender, ...]]:
    """Bring what is missing, and make everybody ready to be asked; the first is whom the others are compared with.

    Raises the errors of a transfer, SpecError, DiskError and EngineError.
    """
    brought = {ref: _bring(lineup, plan, reporter) for ref, plan in lineup.plans}
    files = {ref: plan.steps[0].files for ref, plan in lineup.plans}
    base = lineup.subject or brought[lineup.name]
    pinned = files.get(lineup.name, ())
    first = _contender(lineup.workspace, base, pinned, is_pinned=base.locked is not None)
    found: list[AnyContender] = []
    for ref in lineup.against:
        if (client := lineup.clouds.get(ref)) is not None:
            label = f"{client.provider.model} ({ref})"
            found.append(CloudContender(client=client, asked_as=base.recipe, label=label))
        elif ref.startswith(RECIPE):
            path = Path(ref.removeprefix(RECIPE)).expanduser()
            other = dataclasses.replace(base, recipe=_recipe_of_file(lineup.workspace.current / path, base.recipe))
            found.append(_contender(lineup.workspace, other, pinned, note=path.stem))
        elif _is_file(ref):
            subject = of_file(lineup.workspace, Path(ref), task=lineup.task.name if lineup.task else None)
            found.append(_contender(lineup.workspace, subject))
        else:
            found.append(_contender(lineup.workspace, brought[ref], files[ref]))
    return first, *found


def without_grammar(contender: LocalContender) -> LocalContender:
    """The same model, its answers held to nothing."""
    label = f"{contender.label} (no grammar)"
    return dataclasses.replace(contender.with_recipe(grammar=""), label=label, is_pinned=False)


def _is_file(ref: str) -> bool:
    return ref.endswith(".gguf") and Path(ref).expanduser().exists()


def _plan(workspace: Workspace, ref: str, task: Task | None) -> Plan:
    """How a reference is chosen and brought, without a word of it in the project's files."""
    named = task.name if task and workspace.catalog.task(ref) is None else None
    return actions.install.plan(workspace, [ref], Constraints(task=named), save=False, smoke=False)


def _bring(lineup: Lineup, plan: Plan, reporter: Reporter) -> Subject:
    """Fetch a model, and say how it is asked: by the recipe of the task, as its maker wants it."""
    workspace = lineup.workspace
    (step,) = plan.steps
    if step.chosen is None:  # the lock of the project has it
        return find_subject(workspace, step.name, download=True)
    paths = workspace.fetcher(reporter).fetch(step.source, step.files)
    pairs = list(zip(paths, step.files, strict=True))
    candidate = step.chosen.candidate
    task = lineup.task or step.chosen.resolution.task
    weights = tuple(path for path, file in pairs if file.role == "model")
    line = workspace.project.manifest().models.get(lineup.name)
    recipe = pinned_recipe(candidate.variant, task, workspace.catalog, line) if task else None
    return Subject(
        name=step.name,
        title=step.title,
        quant=step.quant,
        license=step.license,
        files=Files(weights[0], next((path for path, file in pairs if file.role == "mmproj"), None)),
        paths=weights,
        recipe=recipe or usual_recipe(workspace.catalog),
        task=task.name if task else None,
        context=candidate.memory.context,
        need=candidate.memory.total,
    )


def _contender(
    workspace: Workspace,
    subject: Subject,
    files: Sequence[ModelFile] = (),
    *,
    is_pinned: bool = False,
    note: str = "",
) -> LocalContender:
    info = workspace.engine.chosen.info
    title = subject.title if subject.quant else subject.name  # a file is known by its own name
    return LocalContender(
        workspace=workspace,
        subject=subject,
        label=f"{title} ({note})" if note else title,
        quant=subject.quant,
        identity=_identity(subject, files),
        build=info.build if info else "",
        is_pinned=is_pinned,
    )


def _identity(subject: Subject, files: Sequence[ModelFile]) -> str:
    """The SHA-256 of the file, or a hash over those of all files."""
    pins = subject.rung.candidate.pins if subject.rung is not None else ((None, files),)
    known = [file for _, pinned in pins for file in pinned]
    digests = [file.sha256 for file in known if file.sha256]
    if not digests or len(digests) < len(known):
        own = (*subject.paths, subject.files.mmproj, *subject.files.adapters)
        digests = [hash_one(path).sha256 for path in own if path]
    return digests[0] if len(digests) == 1 else digest_of(digests)


def _recipe_of_file(path: Path, base: Recipe) -> Recipe:
    """The recipe of a TOML file, which says what is otherwise than in that of the pinned model."""
    try:
        table = Table(toml.parse(toml.read_text(path, MAX_MANIFEST_BYTES), MAX_MANIFEST_BYTES))
        table = table.table("recipe") if "recipe" in table else table
        recipe = read_recipe(table, base)
        table.finish()
    except FileNotFoundError as error:
        raise SpecError(f"There is no recipe `{path}`") from error
    except DocumentError as error:
        raise SpecError(toml.describe(error, path.name)) from error
    return recipe

"""From examples to a pinned model that passed its gate: what is planned first, then done step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import SpecError, UnknownNameError, nearest
from lmpm.evaluation import markdown
from lmpm.fs import atomic, hash_one, rules, usable_cores
from lmpm.gguf import read_file, require_adapter_for
from lmpm.limits import DEFAULT_CONTEXT
from lmpm.project import Training, context_of, recipe_of, task_of
from lmpm.proof import Tested
from lmpm.runtime import open_model
from lmpm.tuner.base import USUAL, find_base
from lmpm.tuner.card import card
from lmpm.tuner.conversion.quantize import require_quantizer
from lmpm.tuner.costs import costs_of, require_room
from lmpm.tuner.examples import Example, examples_of, hold_out, read_examples
from lmpm.tuner.gate import HELD_OUT_FILE, cases_for, judge, subject_of
from lmpm.tuner.inspection import inspect
from lmpm.tuner.parity import require_parity
from lmpm.tuner.publish import Record, pin, placed
from lmpm.tuner.work import Job, encoder_of, perform, scratch_config, scratch_parameters

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.evaluation import Watcher as EvaluationWatcher
    from lmpm.project import Installed, Workspace
    from lmpm.proof import CaseSet
    from lmpm.recipe import Recipe
    from lmpm.reporter import Reporter as TransferReporter
    from lmpm.tuner.costs import Costs
    from lmpm.tuner.examples import Examples
    from lmpm.tuner.gate import Verdict
    from lmpm.tuner.inspection import Inspection
    from lmpm.tuner.parity import Parity
    from lmpm.tuner.settings import Settings
    from lmpm.tuner.training.encoding import Encoder
    from lmpm.tuner.training.loop import Watcher
    from lmpm.tuner.work import Trained

FOLDER: Final = "models"  # of the project, where the file and its card go


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for. Paths are as they were typed; `least` is a share from 0 to 1."""

    name: str
    data: str
    cases: str | None = None
    base: str | None = None
    task: str | None = None
    least: float | None = None
    data_license: str = ""
    quant: str = "Q8_0"
    merges: bool = True
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is learnt and what is asked, looked at. `is_held_out` says that a tenth of the examples is asked."""

    recipe: Recipe
    task: Task | None
    context: int
    train: Examples
    asked: Examples
    is_held_out: bool
    inspection: Inspection


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A training that could begin."""

    workspace: Workspace
    request: Request
    data: Data
    cases: CaseSet
    job: Job
    encoder: Encoder
    costs: Costs

    @property
    def checks(self) -> Path:
        """The file of the cases."""
        typed = self.request.cases
        return self.job.folder / HELD_OUT_FILE if typed is None else self.workspace.current / typed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was made: the file in the project, how it was judged, and what was pinned."""

    file: Path
    card: Path
    adapter: Path | None
    trained: Trained
    parity: Parity
    verdict: Verdict
    installed: Installed


def check(workspace: Workspace, request: Request) -> Data:
    """Look at the examples, without torch. Tokens are estimated. Raises CasesError, UnknownNameError, DiskError."""
    _require_name(request.name)
    recipe, task, context = asked_as(workspace, request)
    if not recipe.writes or recipe.kind == "infill":
        raise SpecError(f"A recipe of the kind `{recipe.kind}` cannot be tuned: only one whose model writes answers")
    found = read_examples(workspace.current / request.data, recipe, name=request.data)
    if request.cases is None:
        train, asked = hold_out(found)
    else:
        cases = cases_for(workspace, found, request.cases, recipe, task, workspace.home)
        train, asked = found, _as_examples(cases, recipe)
    inspection = inspect(train, asked, most_tokens=request.settings.max_tokens, length=None)
    return Data(
        recipe=recipe,
        task=task,
        context=context,
        train=train,
        asked=asked,
        is_held_out=request.cases is None,
        inspection=inspection,
    )


def plan(workspace: Workspace, request: Request, transfers: TransferReporter | None = None) -> Plan:
    """All that is known before the training begins; the base is brought. Raises the errors of `check` and of the base.

    Raises LmpmError where a package is missing or the machine is too small.
    """
    require_quantizer(request.quant)
    data, settings = check(workspace, request), request.settings
    base = find_base(workspace, request.base or USUAL, transfers) if settings.kind == "lora" else None
    job = Job(
        name=request.name,
        recipe=data.recipe,
        examples=data.train,
        settings=settings,
        base=base,
        home=workspace.home / "tune",
        quant=request.quant,
        merges=request.merges or base is None,
    )
    encoder = encoder_of(job)
    counted = inspect(
        data.train, data.asked, most_tokens=settings.max_tokens, length=lambda item: len(encoder.encode(item).ids)
    )
    data = replace(data, inspection=counted)
    costs = costs_of(
        settings,
        base.config if base else scratch_config(settings),
        base.parameters if base else scratch_parameters(settings),
        examples=counted.examples - len(counted.too_long),
        tokens=counted.tokens,
        longest=min(counted.longest, settings.max_tokens),
        cores=usable_cores(),
        quant=request.quant,
    )
    require_room(costs, job.home, workspace.engine.machine.memory or None)
    cases = cases_for(workspace, data.asked, request.cases, data.recipe, data.task, job.folder)
    return Plan(workspace=workspace, request=request, data=data, cases=cases, job=job, encoder=encoder, costs=costs)


class Reporter:
    """Told which part of the work begins. Every method does nothing here."""

    def trained(self, trained: Trained) -> None:
        """Called when the files are written, before llama.cpp is asked."""

    def compared(self, parity: Parity) -> None:
        """Called when llama.cpp reads and answers as what was trained."""


def apply(
    planned: Plan,
    watcher: Watcher,
    *,
    reporter: Reporter | None = None,
    asking: EvaluationWatcher | None = None,
) -> Outcome:
    """Train, compare, judge, and pin what passed.

    Raises KeyboardInterrupt with all kept; EngineError where llama.cpp answers otherwise; SmokeTestError for a model
    that did not pass, of which a report lies beside its files; DiskError. Nothing is pinned then.
    """
    told, workspace, job, request = reporter or Reporter(), planned.workspace, planned.job, planned.request
    trained, learner = perform(job, planned.encoder, watcher)
    told.trained(trained)
    subject = subject_of(workspace, trained.exact, planned.data.recipe, planned.data.task, trained.put_on)
    with open_model(workspace, subject, context=job.settings.max_tokens) as model:
        parity = require_parity(model.session, planned.encoder, learner, job.examples.examples)
    if trained.exact != trained.model:
        trained.exact.unlink()
    told.compared(parity)
    verdict = judge(
        workspace,
        request.name,
        trained,
        planned.cases,
        planned.data.recipe,
        planned.data.task,
        least=request.least,
        watcher=asking,
    )
    report = job.folder / "gate.md"
    atomic.write_text(report, markdown(verdict.evaluation))
    if not verdict.passed:
        raise verdict.error(str(report))
    return _publish(planned, trained, parity, verdict)


def _publish(planned: Plan, trained: Trained, parity: Parity, verdict: Verdict) -> Outcome:
    """Put the files and the card into the project, and pin: all of it or nothing."""
    workspace, job, request, data = planned.workspace, planned.job, planned.request, planned.data
    sha256 = hash_one(trained.model).sha256
    page = job.folder / f"{request.name}.md"
    if trained.adapter is not None and trained.base is not None:
        require_adapter_for(
            read_file(trained.adapter),
            [read_file(trained.base)],
            hash_one(trained.base).sha256,
            name=trained.adapter.name,
        )
    told = card(job, trained, data.inspection, verdict, parity, sha256=sha256, data_license=request.data_license)
    atomic.write_text(page, told)
    folder = workspace.directory / FOLDER
    made = {folder / path.name: path for path in (trained.model, page, trained.adapter) if path is not None}
    checks = planned.checks
    if data.is_held_out or not checks.is_relative_to(workspace.directory):
        copy = folder / f"{request.name}-cases{checks.suffix}"
        made[copy], checks = checks, copy
    score = verdict.evaluation.scores[0]
    record = Record(
        training=_training(planned),
        tested=Tested(engine=score.build, score=round(score.share, 4), cases=score.number, checks=planned.cases.sha256),
        checks=checks.relative_to(workspace.directory).as_posix(),
        least=request.least,
    )
    file = folder / trained.model.name
    if trained.put_on and file.is_file() and hash_one(file).sha256 == sha256:
        del made[file]  # the base of another adapter as well
    with placed(made):
        adapters = [str(folder / path.name) for path in trained.put_on]
        context = min(data.context, job.context)
        done = pin(workspace, request.name, file, data.task, context=context, record=record, adapters=adapters)
    return Outcome(
        file=file,
        card=folder / page.name,
        adapter=folder / trained.adapter.name if trained.adapter else None,
        trained=trained,
        parity=parity,
        verdict=verdict,
        installed=done,
    )


def _training(planned: Plan) -> Training:
    """The record of a training for the lock."""
    job = planned.job
    return Training(
        data=job.examples.sha256,
        examples=len(job.examples),
        settings=job.key,
        base=(job.base.repo or job.base.name) if job.base else "",
        commit=job.base.commit if job.base else "",
        base_sha256=job.base.sha256 if job.base else "",
    )


def asked_as(workspace: Workspace, request: Request) -> tuple[Recipe, Task | None, int]:
    """How the model will be asked: as what the project pins under its name, else as a task. Raises UnknownNameError."""
    catalog, name = workspace.catalog, request.task or request.name
    locked = workspace.project.lock().get(request.name)
    if locked is not None and request.task is None:
        task = task_of(locked, catalog)
        recipe = recipe_of(locked.candidates[0], task, catalog)
        if recipe is not None:
            return recipe, task, context_of(locked)
    found = catalog.task(name)
    if found is None:
        listing = "Name the task that it is for with `--task`; all tasks: `lmpm catalog list`"
        raise UnknownNameError("task", name, suggestions=nearest(name, catalog.task_names()), listing=listing)
    return found.recipe, found, min(found.context, max(DEFAULT_CONTEXT, request.settings.max_tokens))


def _require_name(name: str) -> None:
    try:
        rules.model_name(name)
    except ValueError as error:
        raise SpecError(f"`{rules.printable(name[:80])}` cannot be a name: {error}") from error


def _as_examples(cases: CaseSet, recipe: Recipe) -> Examples:
    """Cases as what is compared with examples: what they ask."""
    main = recipe.main.name if recipe.main else ""
    names = {item.name for item in recipe.inputs}
    return examples_of(
        cases.name,
        [
            Example(
                inputs={key: value for key, value in case.inputs.items() if key in names},
                answer="",
                line=int(case.place.rpartition(" ")[2]),
                main=main,
            )
            for case in cases.cases
        ],
    )

"""From what the user named to a choice: candidates of the catalog, the Hub or this machine, judged.

On the Hub the choice is confirmed: one request tells the commit, sizes and digests of its files, and
whether they may be had. With an exact_fit its header tells what it needs to the byte, and llama.cpp is asked.
A choice that cannot be had, or does not fit after all, is rejected and the next one taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lmpm.errors import NetworkError, SpecError, UnknownNameError, nearest
from lmpm.gguf import quant
from lmpm.limits import DEFAULT_CONTEXT
from lmpm.resolver.candidates.funnel import Found
from lmpm.resolver.checks import pins
from lmpm.resolver.choose import choose
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.records import Candidate, Choice, Request
from lmpm.resolver.reference import (
    FileReference,
    HubReference,
    NameReference,
    TextReference,
    UrlReference,
    parse_reference,
)
from lmpm.resolver.select import select
from lmpm.resolver.waiting import waiting_of
from lmpm.types import FileSource, StarterSource, UrlSource, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.catalog import Catalog, CatalogModel, Task
    from lmpm.hub import Hub
    from lmpm.resolver.candidates.funnel import Funnel
    from lmpm.resolver.candidates.hub import HubFinder
    from lmpm.resolver.checks.fit import ExactFit
    from lmpm.resolver.choose import Check
    from lmpm.resolver.reference import Reference
    from lmpm.store import Store
    from lmpm.types import Machine

MISSPELT: Final = 0.8  # likeness to a task's name from which on a word is taken for it, and not for a model's
ENCODERS: Final = frozenset(
    {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "modern-bert", "eurobert", "gemma-embedding"}
)

TALKED_TO: Final = frozenset({"text", "tool", "json", "label"})  # kinds of smoke tests whose tasks go through a chat
UNTALKED: Final = "its files hold no chat template: it goes on with a text rather than answers, as base models do"

Where = Literal["catalog", "hub", "here"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A choice and what stands behind it.

    `variants` are all candidates, for the other machines of a lock. `pinned` tells that commit and
    digests of the choice are known. `task` is None where a repository does no task of the catalog. `funnel`
    tells how a search came to the variants.
    """

    choice: Choice
    task: Task | None
    variants: tuple[Variant, ...]
    pinned: bool
    funnel: Funnel | None = None


def request_for(text: str, constraints: Constraints, task: Task | None, *, model: str | None) -> Request:
    """What the user wants, completed with the task's defaults; `model` is set where one was named."""
    usual = task.context if task else DEFAULT_CONTEXT
    context = constraints.context or usual
    least = task.min_context if task else 1
    # the usual context in a manifest, where `install` notes it, is no demand; one that is typed now is
    is_demand = context != usual or (constraints.context is not None and constraints.asked_in == "options")
    return Request(
        ref=text,
        task=task.name if task else None,
        context=context,
        min_context=context if is_demand else least,
        min_speed=constraints.min_speed or 0.0,
        max_wait=constraints.max_wait,
        waiting=waiting_of(task.time) if task else None,
        useful=task.time.useful if task else None,
        quant=constraints.quant,
        model=model,
        max_size=task.max_size if task and not model and constraints.max_size is None else constraints.max_size,
        licenses_allowed=constraints.licenses_allowed,
        licenses_denied=constraints.licenses_denied,
        publishers_allowed=constraints.publishers_allowed,
        publishers_denied=constraints.publishers_denied,
        capabilities=task.capabilities if task and model is None else frozenset(),
        prefer=constraints.prefer,
        asked=constraints.asked,
        asked_in=constraints.asked_in,
        policy=constraints.policy,
        embeddings=task is not None and task.is_silent,
    )


def _largest_that_fits(request: Request, machine: Machine, siblings: Iterable[Variant]) -> Candidate | None:
    """Of other models the largest that can be taken, in the quant that the rule takes; None without any."""
    models: dict[str, list[Variant]] = {}
    for variant in siblings:
        models.setdefault(variant.model, []).append(variant)
    taken = [select(replace(request, quant=None), machine, variants).chosen for variants in models.values()]
    return max((item for item in taken if item), key=lambda item: item.memory.must_fit, default=None)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Answers references with the catalog, the Hub and the store at hand."""

    catalog: Catalog
    hub: Hub
    store: Store
    directory: Path = Path()  # the project's: paths of local files start there

    def resolve(
        self, text: str, machine: Machine, constraints: Constraints, *, where: Where, exact_fit: ExactFit | None = None
    ) -> Resolution:
        """The choice for a reference on a machine; `choice.chosen` is None when nothing can be taken.

        `where` says who answers: the catalog's facts alone, the Hub (the choice is confirmed there), or
        what is on this machine already. An `exact_fit` looks closely at what is chosen.
        Raises UnknownNameError or SpecError for the reference, and the
        errors of `Hub.repository`.
        """
        request, task, found = self._candidates(text, constraints)
        variants = tuple(self._marked(variant) for variant in found.variants)
        is_named = any(isinstance(variant.source, UrlSource | FileSource | StarterSource) for variant in variants)
        if where == "here" and not is_named:
            variants = self._on_this_machine(variants, task)
        looks = found.is_unproven and where != "here" and not self.hub.offline
        checks: list[Check] = []
        if looks:
            from lmpm.resolver.checks.name import HeaderCheck

            checks.append(HeaderCheck(self.catalog, self.hub))
        if where == "hub" and not is_named:
            checks.append(pins.PinCheck(self.pin))
        if exact_fit and not is_named:
            checks += exact_fit.checks
        spare = tuple(self._marked(variant) for variant in found.spare) if looks else ()
        done = choose(request, machine, variants, checks, spare=spare, explains=looks)
        choice = replace(done.choice, notes=(*done.choice.notes, *done.remarks, *found.notes))
        if choice.chosen is None and found.siblings:
            choice = replace(choice, sibling=_largest_that_fits(request, machine, found.siblings))
        if choice.chosen and choice.chosen.variant.has_template is False and task and task.smoke_kind in TALKED_TO:
            choice = replace(choice, notes=(*choice.notes, UNTALKED))
        pinned = choice.chosen is not None and pins.is_pinned(choice.chosen.variant)
        return Resolution(choice=choice, task=task, variants=done.variants, pinned=pinned, funnel=found.funnel)

    def pin(self, variant: Variant) -> tuple[Variant, tuple[str, ...]]:
        """The variant with commit, sizes and digests as the Hub has them, and what differs from before.

        Raises NotFoundError when the repository or a file is gone, NotPermittedError when it is gated. Without
        a network only what is pinned already can be had.
        """
        pinned, notes = pins.pin(variant, self.hub, self.finder)
        return self._marked(pinned), notes

    def _candidates(self, text: str, constraints: Constraints) -> tuple[Request, Task | None, Found]:
        """The request in full, its task, and the variants that could answer it."""
        reference = self._task_in_words(parse_reference(text))
        if isinstance(reference, FileReference | UrlReference):
            return self._direct(reference, text, constraints)
        if isinstance(reference, HubReference):
            return self._of_repository(reference, text, constraints)
        constraints = replace(constraints, quant=constraints.quant or reference.quant)
        if isinstance(reference, TextReference):
            try:
                return self._searched(reference.text, text, constraints)
            except (NetworkError, UnknownNameError) as error:
                model = self.catalog.model("-".join(reference.text.split()))
                if model is None and isinstance(error, UnknownNameError):
                    raise self._unknown_words(error) from None
                if model is None:
                    raise
                reference = NameReference(model.name, reference.quant)
        if task := self.catalog.task(reference.name):
            if constraints.task:
                raise SpecError(
                    f"`{reference.name}` is a task itself, so `--task` says nothing",
                    hint="`--task` goes with a model or a repository",
                )
            variants = self.catalog.variants(task)
            return request_for(text, constraints, task, model=None), task, Found(task.name, variants)
        if model := self.catalog.model(reference.name):
            task = self._task_of(model, constraints)
            variants = self.catalog.variants_of(model, task)
            constraints = replace(constraints, quant=self._pick_quant(constraints, variants))
            return request_for(text, constraints, task, model=model.name), task, Found(model.name, variants)
        if shipped := self.catalog.starter_named(reference.name):
            task, starter = shipped
            constraints = replace(constraints, quant=self._pick_quant(constraints, (starter,)))
            return request_for(text, constraints, task, model=starter.model), task, Found(starter.model, (starter,))
        return self._named_nowhere(reference, text, constraints)

    def _task_in_words(self, reference: Reference) -> Reference:
        """Words that spell a task or a model of the catalog as its name: `text to sql`."""
        if not isinstance(reference, TextReference):
            return reference
        task = self.catalog.task("-".join(reference.text.split())) or self.catalog.task(reference.text)
        known = task.name if task else self._title_in_words(reference.text)
        return NameReference(known, reference.quant) if known else reference

    def _title_in_words(self, text: str) -> str | None:
        """The model of the catalog that words spell as its title: `qwen3 8b`."""
        from lmpm.gguf import model_name

        key = model_name.parse_model_name(text).key
        return next((name for name in self.catalog.model_names() if model_name.parse_model_name(name).key == key), None)

    def _named_nowhere(
        self, reference: NameReference, text: str, constraints: Constraints
    ) -> tuple[Request, Task | None, Found]:
        """A name that the catalog does not have: looked for on the Hub, unless it is a task misspelt."""
        unknown = self._unknown(reference)
        tasks = [alias for task in self.catalog.tasks for alias in (task.name, *task.aliases)]
        if self.hub.offline or nearest(reference.name.lower(), tasks, most=1, likeness=MISSPELT):
            raise unknown
        try:
            return self._searched(reference.name, text, constraints)
        except UnknownNameError:
            raise unknown from None
        except NetworkError:
            has_number = any(char.isdigit() for char in reference.name)  # as the names of models have
            if unknown.suggestions or not has_number:
                raise unknown from None
            raise

    def _searched(self, words: str, text: str, constraints: Constraints) -> tuple[Request, Task | None, Found]:
        """The variants of the model that the Hub has for words."""
        sees = bool(constraints.task) and "vision" in self._known_task(constraints.task or "").capabilities
        found = self.finder.by_text(words, model=constraints.model, quant=constraints.quant, sees=sees)
        return self._of_found(found, text, constraints)

    def _of_repository(
        self, reference: HubReference, text: str, constraints: Constraints
    ) -> tuple[Request, Task | None, Found]:
        constraints = replace(constraints, quant=constraints.quant or reference.quant)
        sees = bool(constraints.task) and "vision" in self._known_task(constraints.task or "").capabilities
        found = self.finder.of_repository(reference, self.store, wanted=constraints.quant, sees=sees)
        return self._of_found(found, text, constraints)

    def _of_found(self, found: Found, text: str, constraints: Constraints) -> tuple[Request, Task | None, Found]:
        constraints = replace(constraints, quant=self._pick_quant(constraints, found.variants))
        first = found.variants[0]
        default = "embeddings" if first.architecture in ENCODERS else "chat"
        task = self._known_task(constraints.task) if constraints.task else self.catalog.task(default)
        if task:
            found = replace(found, variants=self._rated(found.variants, task), spare=self._rated(found.spare, task))
        return request_for(text, constraints, task, model=first.model), task, found

    def _rated(self, variants: Iterable[Variant], task: Task) -> tuple[Variant, ...]:
        """The variants in each mode of their model, with what the catalog expects of it where it knows the model."""
        rated: list[Variant] = []
        for variant in variants:
            known = self.catalog.model(variant.model) or self.catalog.model(variant.title)
            found = (
                [self.catalog.rated(variant, known, item) for item in self.catalog.ratings(known, task)]
                if known
                else []
            )
            rated += found or [variant]
        return tuple(rated)

    def _direct(
        self, reference: FileReference | UrlReference, text: str, constraints: Constraints
    ) -> tuple[Request, Task | None, Found]:
        """A file that the user points at: there is nothing to choose, only to judge."""
        from lmpm.resolver.candidates import files

        if isinstance(reference, FileReference):
            path = self.directory / reference.path
            variant = files.of_file(path, self.store, directory=self.directory)
        else:
            variant = files.of_url(reference, self.hub.http, self.store, offline=self.hub.offline)
        request, task, found = self._of_found(Found(variant.title, (variant,)), text, constraints)
        # a task's contexts choose among models; a file that was named is taken as it is, for what it was trained for
        usual = min(request.context, variant.context_length or request.context)
        return replace(request, context=constraints.context or usual, min_context=constraints.context or 1), task, found

    def _marked(self, variant: Variant) -> Variant:
        """The variant with what is known against it."""
        why = self.catalog.withdrawn(variant.source, variant.files)
        return replace(variant, withdrawn=why) if why else variant

    @property
    def finder(self) -> HubFinder:
        """What looks for models on the Hub."""
        from lmpm.resolver.candidates.hub import HubFinder

        return HubFinder(self.catalog, self.hub)

    def _task_of(self, model: CatalogModel, constraints: Constraints) -> Task | None:
        """The task that a model is asked for: the one named, else the first it has a score for."""
        if constraints.task:
            return self._known_task(constraints.task)
        return next((self.catalog.task(score.task) for score in model.scores), None)

    def _known_task(self, name: str) -> Task:
        if task := self.catalog.task(name):
            return task
        raise UnknownNameError(
            "task",
            name,
            suggestions=nearest(name.lower(), self.catalog.task_names()),
            listing="All tasks: `lmpm catalog list`",
        )

    def _unknown(self, reference: NameReference) -> UnknownNameError:
        """Names near to a misspelt one: tasks first, their aliases, then models."""
        tasks = {alias: task.name for task in self.catalog.tasks for alias in (task.name, *task.aliases)}
        models = {model.name: model.name for model in self.catalog.models}
        near = nearest(reference.name.lower(), [*tasks, *models], most=3)
        suggestions = list(dict.fromkeys((tasks | models)[name] for name in near))
        return UnknownNameError(
            "task or model", reference.name, suggestions=suggestions, listing="All tasks: `lmpm catalog list`"
        )

    def _unknown_words(self, error: UnknownNameError) -> UnknownNameError:
        """The error with models of the catalog that words may have been meant for."""
        near = nearest("-".join(error.name.lower().split()), self.catalog.model_names(), likeness=MISSPELT)
        return UnknownNameError(error.noun, error.name, suggestions=near, listing="Look around with `lmpm search`")

    def _pick_quant(self, constraints: Constraints, variants: Iterable[Variant]) -> str | None:
        """The quant that is asked for, as the variants call it; None where it is left open."""
        held = list(dict.fromkeys(variant.quant for variant in variants))
        found = quant.pick(constraints.quant, held) if constraints.quant else None
        if constraints.quant and found is None:
            raise UnknownNameError(
                "quant of this model",
                constraints.quant,
                suggestions=nearest(constraints.quant, held),
                listing=f"There are: {', '.join(held)}",
            )
        return found

    def _on_this_machine(self, variants: Iterable[Variant], task: Task | None) -> tuple[Variant, ...]:
        """Those variants whose files are all here, and the task's starter."""
        from lmpm.resolver.candidates import local

        here = [held for variant in variants if (held := local.held(self.store, variant)) is not None]
        starter = self.catalog.starter(task) if task else None
        return (*here, starter) if starter else tuple(here)

"""From what the user named to a choice: candidates of the catalog, the Hub or this machine, judged.

On the Hub the choice is confirmed: one request tells the commit, sizes and digests of its files, and
whether they may be had. With an appraiser its header tells what it needs to the byte, and llama.cpp is asked.
A choice that cannot be had, or does not fit after all, is rejected and the next one taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lmpm import select
from lmpm.errors import (
    HashMismatchError,
    NotFoundError,
    NotPermittedError,
    OfflineError,
    SpecError,
    UnknownNameError,
)
from lmpm.limits import DEFAULT_CONTEXT, DEFAULT_MIN_SPEED
from lmpm.reference import FileReference, HubReference, NameReference, UrlReference, parse
from lmpm.settling import settle
from lmpm.size import human
from lmpm.types import Choice, FileSource, HubSource, Request, UrlSource, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.appraisal import Appraiser
    from lmpm.catalog import Catalog
    from lmpm.catalog.schema import CatalogModel, Task
    from lmpm.hub import Hub, Repository
    from lmpm.store import Store
    from lmpm.types import Machine, ModelFile

ROUNDED_SIZE_SHARE: Final = 0.05  # by which a size without a digest may be off
ENCODERS: Final = frozenset(
    {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "modern-bert", "eurobert", "gemma-embedding"}
)

Where = Literal["catalog", "hub", "here"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user asks beside the reference; None leaves it to the task."""

    task: str | None = None
    context: int | None = None
    quant: str | None = None
    min_speed: float | None = None
    max_size: int | None = None
    licenses_allowed: frozenset[str] | None = None
    licenses_denied: frozenset[str] = frozenset()
    publishers_allowed: frozenset[str] | None = None
    publishers_denied: frozenset[str] = frozenset()
    prefer: Literal["quality", "speed", "small"] = "quality"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A choice and what stands behind it.

    `variants` are all candidates, for the other machines of a lock. `pinned` tells that commit and
    digests of the choice are known. `task` is None where a repository does no task of the catalog.
    """

    choice: Choice
    task: Task | None
    variants: tuple[Variant, ...]
    pinned: bool


def request_for(text: str, wish: Wish, task: Task | None, *, model: str | None) -> Request:
    """What the user wants, completed with the task's defaults; `model` is set where one was named."""
    usual = task.context if task else DEFAULT_CONTEXT
    context = wish.context or usual
    least = task.min_context if task else 1
    default_speed = task.min_speed if task else DEFAULT_MIN_SPEED
    return Request(
        ref=text,
        task=task.name if task else None,
        context=context,
        min_context=least if context == usual else context,  # the usual context, as `install` notes it, is no demand
        min_speed=default_speed if wish.min_speed is None else wish.min_speed,
        speed_kind=task.speed_kind if task else "decode",
        typical_prompt=task.typical_prompt_tokens if task else 512,
        quant=wish.quant,
        model=model,
        max_size=task.max_size if task and not model and wish.max_size is None else wish.max_size,
        licenses_allowed=wish.licenses_allowed,
        licenses_denied=wish.licenses_denied,
        publishers_allowed=wish.publishers_allowed,
        publishers_denied=wish.publishers_denied,
        capabilities=task.capabilities if task and model is None else frozenset(),
        prefer=wish.prefer,
        embeddings=task is not None and task.smoke.silent,
    )


@dataclass(frozen=True, slots=True)
class Resolver:
    """Answers references with the catalog, the Hub and the store at hand."""

    catalog: Catalog
    hub: Hub
    store: Store
    directory: Path = Path()  # the project's: paths of local files start there

    def resolve(
        self, text: str, machine: Machine, wish: Wish, *, where: Where, appraiser: Appraiser | None = None
    ) -> Resolution:
        """The choice for a reference on a machine; `choice.chosen` is None when nothing can be taken.

        `where` says who answers: the catalog's facts alone, the Hub (the choice is confirmed there), or
        what is on this machine already. An `appraiser` looks closely at what is chosen.
        Raises UnknownNameError or SpecError for the reference, and the
        errors of `Hub.repository`.
        """
        request, task, variants = self._candidates(text, wish)
        variants = tuple(self._marked(variant) for variant in variants)
        named = any(isinstance(variant.source, UrlSource | FileSource) for variant in variants)
        if where == "here" and not named:
            variants = self._on_this_machine(variants, task)
        choice = select.select(request, machine, variants)
        if not named and (where == "hub" or appraiser):
            choice, variants = settle(self, choice, variants, appraiser, pins=where == "hub")
        pinned = choice.chosen is not None and is_pinned(choice.chosen.variant)
        return Resolution(choice=choice, task=task, variants=variants, pinned=pinned)

    def pin(self, variant: Variant) -> tuple[Variant, tuple[str, ...]]:
        """The variant with commit, sizes and digests as the Hub has them, and what differs from before.

        Raises NotFoundError when the repository or a file is gone, NotPermittedError when it is gated. Without
        a network only what is pinned already can be had.
        """
        if not isinstance(variant.source, HubSource) or (self.hub.offline and is_pinned(variant)):
            return variant, ()
        notes = []
        repo, revision = variant.source.repo, variant.source.revision
        try:
            found = self.hub.repository(repo, revision)
        except NotFoundError:
            if revision is None:
                raise
            found = self.hub.repository(repo)
            notes.append(f"`{self.hub.host}` does not have revision {revision[:7]} of the catalog: took its newest")
        self._require_access(found)
        files = []
        for file in variant.files:
            there = found.file(file.path)
            if there is None:
                raise NotFoundError(f"`{repo}` has no file `{file.path}` any more")
            if _differ(file, there):
                notes.append(_remark(file, there, same_commit=found.revision == revision))
            files.append(replace(there, role=file.role))
        if found.license not in ("unknown", "other", variant.license):
            notes.append(f"the Hub states the licence {found.license}, the catalog {variant.license}")
        pinned = replace(
            variant,
            source=HubSource(found.id, found.revision),
            files=tuple(files),
            template=found.template,
            identity=found.identity,
        )
        return self._marked(pinned), tuple(notes)

    def _candidates(self, text: str, wish: Wish) -> tuple[Request, Task | None, tuple[Variant, ...]]:
        """The request in full, its task, and the variants that could answer it."""
        reference = parse(text)
        if isinstance(reference, FileReference | UrlReference):
            return self._direct(reference, text, wish)
        if isinstance(reference, HubReference):
            return self._of_repository(reference, text, wish)
        wish = replace(wish, quant=wish.quant or reference.quant)
        if task := self.catalog.task(reference.name):
            if wish.task:
                raise SpecError(
                    f"`{reference.name}` is a task itself, so `--task` says nothing",
                    hint="`--task` goes with a model or a repository",
                )
            variants = self.catalog.variants(task)
            return request_for(text, wish, task, model=None), task, variants
        if model := self.catalog.model(reference.name):
            task = self._task_of(model, wish)
            variants = self.catalog.variants_of(model, task)
            self._check_quant(wish, variants)
            return request_for(text, wish, task, model=model.name), task, variants
        raise self._unknown(reference)

    def _of_repository(
        self, reference: HubReference, text: str, wish: Wish
    ) -> tuple[Request, Task | None, tuple[Variant, ...]]:
        from lmpm.listing import variants_of_repository

        wish = replace(wish, quant=wish.quant or reference.quant)
        if self.hub.offline:
            variants = self._held(reference)
        else:
            found = self.hub.repository(reference.repo, reference.revision)
            self._require_access(found)
            variants = variants_of_repository(
                found, self.catalog, self.hub, path=reference.path, quant_asked=wish.quant
            )
        if not variants:
            raise NotFoundError(
                f"`{reference.repo}` holds no GGUF model" + (f" at `{reference.path}`" if reference.path else ""),
                hint="Look for a repository whose name ends in `-GGUF`",
            )
        self._check_quant(wish, variants)
        default = "embeddings" if variants[0].architecture in ENCODERS else "chat"
        task = self._known_task(wish.task) if wish.task else self.catalog.task(default)
        return request_for(text, wish, task, model=variants[0].model), task, variants

    def _direct(
        self, reference: FileReference | UrlReference, text: str, wish: Wish
    ) -> tuple[Request, Task | None, tuple[Variant, ...]]:
        """A file that the user points at: there is nothing to choose, only to judge."""
        from lmpm import direct

        if isinstance(reference, FileReference):
            path = self.directory / reference.path
            variant = direct.of_file(path, self.store, directory=self.directory)
        else:
            variant = direct.of_url(reference, self.hub.http, self.store, offline=self.hub.offline)
        self._check_quant(wish, (variant,))
        default = "embeddings" if variant.architecture in ENCODERS else "chat"
        task = self._known_task(wish.task) if wish.task else self.catalog.task(default)
        request = request_for(text, wish, task, model=variant.model)
        # a task's least context chooses among models; a file that was named is taken as it is
        return replace(request, min_context=wish.context or 1), task, (variant,)

    def _marked(self, variant: Variant) -> Variant:
        """The variant with what is known against it."""
        why = self.catalog.withdrawn(variant.source, variant.files)
        return replace(variant, withdrawn=why) if why else variant

    def _require_access(self, repository: Repository) -> None:
        """Raise NotPermittedError for a gated repository without a token to open it."""
        if repository.gated and not self.hub.http.token:
            raise NotPermittedError(
                f"`{repository.id}` is gated: its publisher asks you to accept terms first",
                hint=f"Accept them at {self.hub.http.endpoint}/{repository.id}, then `hf auth login`",
            )

    def _held(self, reference: HubReference) -> tuple[Variant, ...]:
        """Variants of a repository as far as the store holds it."""
        from lmpm.listing import variants_of_repository

        found = self.store.repository(reference.repo, reference.revision)
        if found is None:
            raise OfflineError(
                f"`{reference.repo}` is not on this machine, and the network is switched off",
                hint="Drop `--offline`",
            )
        return variants_of_repository(found, self.catalog, None, path=reference.path)

    def _task_of(self, model: CatalogModel, wish: Wish) -> Task | None:
        """The task that a model is asked for: the one named, else the first it has a score for."""
        if wish.task:
            return self._known_task(wish.task)
        return next((self.catalog.task(score.task) for score in model.scores), None)

    def _known_task(self, name: str) -> Task:
        if task := self.catalog.task(name):
            return task
        raise UnknownNameError(
            "task",
            name,
            suggestions=_near(name.lower(), self.catalog.task_names(), n=2),
            listing="All tasks: `lmpm catalog list`",
        )

    def _unknown(self, reference: NameReference) -> UnknownNameError:
        """Names near to a misspelt one: tasks first, their aliases, then models."""
        tasks = {alias: task.name for task in self.catalog.tasks for alias in (task.name, *task.aliases)}
        models = {model.name: model.name for model in self.catalog.models}
        near = _near(reference.name.lower(), [*tasks, *models], n=3, cutoff=0.6)
        suggestions = list(dict.fromkeys((tasks | models)[name] for name in near))
        return UnknownNameError(
            "task or model", reference.name, suggestions=suggestions, listing="All tasks: `lmpm catalog list`"
        )

    def _check_quant(self, wish: Wish, variants: Iterable[Variant]) -> None:
        held = list(dict.fromkeys(variant.quant for variant in variants))
        if wish.quant and wish.quant.upper() not in (name.upper() for name in held):
            raise UnknownNameError(
                "quant of this model",
                wish.quant,
                suggestions=_near(wish.quant, held, n=2),
                listing=f"There are: {', '.join(held)}",
            )

    def _on_this_machine(self, variants: Iterable[Variant], task: Task | None) -> tuple[Variant, ...]:
        """Those variants whose files are all here, and the task's starter."""
        here = [held for variant in variants if (held := self.store.held(variant)) is not None]
        starter = self.catalog.starter(task) if task else None
        return (*here, starter) if starter else tuple(here)


def _differ(file: ModelFile, there: ModelFile) -> bool:
    """Whether the Hub has other bytes than the catalog says; without a digest the catalog's size is rounded."""
    if file.sha256:
        return there.sha256 != file.sha256
    return abs(there.size - file.size) > ROUNDED_SIZE_SHARE * file.size


def _remark(file: ModelFile, there: ModelFile, *, same_commit: bool) -> str:
    """A remark on a file that was uploaded again. Under one commit bytes cannot change: IntegrityError."""
    if same_commit and file.sha256:
        raise HashMismatchError(
            file.path,
            expected=(file.sha256, file.size),
            computed=(there.sha256 or "", there.size),
            hint="The catalog and the server disagree about one commit: do not trust the server or mirror",
        )
    sizes = "" if there.size == file.size else f": {human(there.size)} instead of {human(file.size)}"
    return f"`{file.path}` is not the one the catalog knows{sizes}"


def is_pinned(variant: Variant) -> bool:
    """True when commit and digests are known, so that the variant can enter a lock."""
    if isinstance(variant.source, HubSource) and not variant.source.revision:
        return False
    return all(file.sha256 for file in variant.files)


def _near(name: str, known: Iterable[str], *, n: int, cutoff: float = 0.6) -> list[str]:
    """The nearest names that are known; imported for a misspelt one only."""
    from difflib import get_close_matches

    return get_close_matches(name, list(known), n=n, cutoff=cutoff)

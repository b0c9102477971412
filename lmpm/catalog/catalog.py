"""The catalog as a whole: looking up tasks and models, and the variants that a task can take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.catalog.rating import modes_of, rate
from lmpm.gguf import quant as quants
from lmpm.types import HubSource, ModelFile, StarterSource, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from lmpm.catalog.files import RecordFiles
    from lmpm.catalog.rating import Rating
    from lmpm.catalog.schema.model import CatalogModel, Repo, RepoFile
    from lmpm.catalog.schema.tables import LossRule, Publisher, Quant
    from lmpm.catalog.schema.task import Task
    from lmpm.catalog.yanked import Yanked
    from lmpm.types import Shape, Source

GENERAL: Final = "chat"  # the task by which general abilities are judged
# Of models that do not publish how long they think, beside what is usual for the task: at low effort.
THINKING_TOKENS: Final = {"gpt-oss": 800}

STARTER: Final = "-starter"  # behind the name of a task, that of the small model that is shipped for it
SUCCESSION: Final = 0.25  # points: enough for the newer model of a maker to go before the one that it replaces


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Catalog:
    """Everything that the catalog's files say, in the order of their names."""

    directory: Path
    task_files: RecordFiles[Task]
    model_files: RecordFiles[CatalogModel]
    quants: Mapping[str, Quant]
    loss_rule: LossRule
    publishers: Mapping[str, Publisher]  # by account in lower case, most trusted first
    yanked: tuple[Yanked, ...] = ()

    def task(self, name: str) -> Task | None:
        """The task of this name or alias, in any case."""
        wanted = name.strip().lower()
        aliased = (task for task in self.task_files.mentioning(wanted) if wanted in task.aliases)
        return self.task_files.get(wanted) or next(aliased, None)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every task. Reads every file: `task` reads only what it needs."""
        return tuple(self.task_files)

    def task_names(self) -> tuple[str, ...]:
        """The names of all tasks, without aliases."""
        return self.task_files.names

    @property
    def models(self) -> tuple[CatalogModel, ...]:
        """Every model. Reads every file: `variants` and `model` read only what they need."""
        return tuple(self.model_files)

    def model_names(self) -> tuple[str, ...]:
        """The names of all models."""
        return self.model_files.names

    def model(self, name: str) -> CatalogModel | None:
        """The model of this name or title, in any case."""
        return self.model_files.get(slug(name))

    def ratings(self, model: CatalogModel, task: Task) -> tuple[Rating, ...]:
        """What is expected of a model at a task, in each mode that it is run in; none without a figure for it.

        Where nobody else measured it, it is taken for a quarter of a point better than the model that it succeeds, with
        a figure of its own or without.
        """
        own = rate(model, task, self.task_files.get(GENERAL))
        before = self.model_files.get(model.succeeds) if model.succeeds else None
        if before is None:
            return own
        if not own:
            modes, told = modes_of(model, task), f" (of {before.title}, which it succeeds)"
            return tuple(
                item._replace(value=item.value + SUCCESSION, kind="converted", source=item.source + told)
                for item in self.ratings(before, task)
                if item.mode in modes
            )
        least = {item.mode or "direct": item.value + SUCCESSION for item in self.ratings(before, task)}
        return tuple(
            item
            if item.kind == "measured"
            else item._replace(value=max(item.value, least.get(item.mode or "direct", 0.0)))
            for item in own
        )

    def _candidates(self, task: Task) -> Iterator[CatalogModel]:
        """The models that can have a rating for the task: by a figure of their own, or of one that they succeed."""
        found = {model.name: model for model in self.model_files.mentioning(task.name)}
        found |= {model.name: model for model in self.model_files.setting("succeeds")}
        return (found[name] for name in sorted(found))

    def variants(self, task: Task) -> tuple[Variant, ...]:
        """Every quant of every repository, in every mode, of every model with a score for the task."""
        return tuple(
            variant
            for model in self._candidates(task)
            for variant in self.variants_of(model, task)
            if variant.score is not None
        )

    def variants_of(self, model: CatalogModel, task: Task | None = None) -> tuple[Variant, ...]:
        """Every quant of every repository of a model, in every mode where a task is given that it is rated for."""
        ratings = self.ratings(model, task) if task else ()
        wants_vision = "vision" in (task.capabilities if task else model.capabilities)
        found = []
        for repo in model.repos:
            projector = tuple(file for file in repo.files if file.role == "mmproj")[:1] if wants_vision else ()
            for name, shards in _by_quant(repo).items():
                variant = Variant(
                    model=model.name,
                    title=model.title,
                    source=HubSource(repo.id, _revision(repo, shards)),
                    quant=name,
                    license=model.license,
                    files=tuple(_file(file) for file in (*shards, *projector)),
                    context_length=model.context_length,
                    architecture=model.architecture,
                    shape=_shape(model, repo),
                    capabilities=model.capabilities,
                    trust=self.trust(repo.id),
                    gated=repo.gated,
                    min_engine_build=model.min_engine_build,
                    is_native=name == (repo.native_quant or model.native_quant),
                    released=model.released,
                )
                found += [self.rated(variant, model, item, repo=repo) for item in ratings] or [variant]
        return tuple(found)

    def rated(self, variant: Variant, model: CatalogModel, rating: Rating, *, repo: Repo | None = None) -> Variant:
        """The variant of a model in a mode, with what is expected of it there, and the loss of its quant."""
        thinks = rating.mode == "thinking"
        return replace(
            variant,
            mode=rating.mode,
            score=rating.value,
            score_source=f"{rating.metric} {rating.published:g}, {rating.source}",
            score_kind=rating.kind,
            quant_loss=self._loss(model, repo, variant.quant, rating.value),
            answer_tokens=rating.answer_tokens or 0,
            thinking_tokens=(rating.thinking_tokens or THINKING_TOKENS.get(variant.architecture, 0)) if thinks else 0,
            is_native=variant.quant == (repo.native_quant if repo and repo.native_quant else model.native_quant),
            released=model.released,
        )

    def starter(self, task: Task) -> Variant | None:
        """The small model of the task that is shipped with lmpm."""
        starter = task.starter
        if starter is None:
            return None
        return Variant(
            model=f"{task.name}{STARTER}",
            title=starter.title,
            source=StarterSource(task.name),
            quant=starter.quant,
            license=starter.license,
            files=(ModelFile(path=starter.file, size=starter.size, sha256=starter.sha256),),
            context_length=starter.context_length,
            architecture=starter.architecture,
            shape=starter.shape,
            capabilities=task.capabilities,
        )

    def starter_named(self, name: str) -> tuple[Task, Variant] | None:
        """The starter of this name, `text-to-sql-starter`, and its task; None where none is called so."""
        task = self.task(name.lower().removesuffix(STARTER)) if name.lower().endswith(STARTER) else None
        starter = self.starter(task) if task else None
        return (task, starter) if task and starter else None

    def starter_file(self, task: Task) -> Path:
        """Where the file of the task's starter lies."""
        if task.starter is None:
            raise ValueError(f"{task.name} has no starter")
        return self.directory / "starter" / task.starter.file

    def trust(self, repo: str) -> int:
        """The rank of the repository's publisher: 0 is most trusted, an unknown one is last."""
        known = self.publisher(repo)
        return known.trust if known else len(self.publishers)

    def withdrawn(self, source: Source, files: Iterable[ModelFile]) -> str:
        """Why nobody should use these files any more; empty when nothing is known against them."""
        found = next((item for item in self.yanked if item.means(source, files)), None)
        return f"{found.reason} ({found.source})" if found else ""

    def publisher(self, repo: str) -> Publisher | None:
        """The account of a repository, where it is known."""
        return self.publishers.get(repo.partition("/")[0].lower())

    def quant_loss(self, quant: str, parameters: int, score: float, *, imatrix: bool = False) -> float:
        """Points of the score that the quant loses in a model of this size; a quant not known loses most.

        `imatrix` says that the file was made with an importance matrix, if its name does not.
        """
        known = self.quants.get(quants.base(quant)) or self.quants.get(quants.nearest(quant) or "")
        if known is None:
            return round(self.loss_rule.most * score, 2)
        imatrix = imatrix or quants.has_importance_matrix(quant)
        divergence = known.divergence_imatrix if imatrix else known.divergence
        return round(self.loss_rule.share(divergence, parameters) * score, 2)

    def _loss(self, model: CatalogModel, repo: Repo | None, quant: str, score: float) -> float:
        trained_in = (repo.native_quant if repo else "") or model.native_quant
        native = quants.bits_per_weight(trained_in) if trained_in else None
        if native is not None and (quants.bits_per_weight(quant) or 0.0) >= native:
            return 0.0  # the model was trained and measured in this precision
        publisher = self.publisher(repo.id) if repo else None
        imatrix = publisher is not None and publisher.importance_matrix
        return self.quant_loss(quant, model.parameters, score, imatrix=imatrix)


def slug(title: str) -> str:
    """The name that stands for a model's title: `Qwen3 Embedding 4B` is `qwen3-embedding-4b`."""
    return "-".join(title.strip().lower().replace("_", "-").split())


def _by_quant(repo: Repo) -> dict[str, list[RepoFile]]:
    """The weights of a repository by quant, each quant's shards in the order of loading."""
    found: dict[str, list[RepoFile]] = {}
    for file in sorted(repo.files, key=lambda file: file.path):
        if file.role == "model":
            found.setdefault(file.quant, []).append(file)
    return dict(sorted(found.items(), key=lambda item: quants.order(item[0])))


def _revision(repo: Repo, shards: list[RepoFile]) -> str | None:
    """The commit that is known to hold the files: of one without a digest it is not known."""
    return repo.revision if all(file.sha256 for file in shards) else None


def _file(file: RepoFile) -> ModelFile:
    return ModelFile(path=file.path, size=file.size, sha256=file.sha256, role=file.role)


def _shape(model: CatalogModel, repo: Repo) -> Shape | None:
    """The model's shape; a repository with more parameters holds the tied embeddings twice."""
    if model.shape is None or repo.parameters is None:
        return model.shape
    return replace(model.shape, parameters=repo.parameters, tied_embeddings=False)

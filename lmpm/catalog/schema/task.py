"""Tasks as their files hold them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from lmpm.catalog.schema.kinds import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.catalog.schema.kinds import SmokeKind
    from lmpm.catalog.schema.smoke import SmokeTest
    from lmpm.recipe import Recipe
    from lmpm.types import Shape

Seconds = tuple[float, float]  # the comfortable time, and the longest that is of use


class Metric(NamedTuple):
    """A public benchmark of a task and its line onto the task's quality: `slope * value + intercept`.

    The first metric of a task is the quality itself; of the others, `rule` says where the line is from.
    `fitted` are the least and the greatest figure that the line was fitted on, the greatest no more than where it
    reaches the best figure of those models: above, it says no more than at its end; below, it goes straight to zero,
    since an end, or the line itself, would lift the weakest. `largest_miss` is how far it was off at most, in points of
    the task's quality.
    An `indirect` one measures another ability: what it says of this one is an estimate.
    """

    id: str
    title: str
    why: str
    slope: float = 1.0
    intercept: float = 0.0
    rule: str = ""
    fitted: tuple[float, float] | None = None
    largest_miss: float | None = None
    indirect: bool = False


class Gap(NamedTuple):
    """A size of memory for which the catalog has no answer to a task, and why."""

    budget: int  # bytes


class Starter(NamedTuple):
    """The small model of a task that is shipped with lmpm."""

    file: str
    title: str
    quant: str
    license: str
    size: int
    sha256: str
    context_length: int
    architecture: str
    shape: Shape
    recipe: Recipe


class WritingTime(NamedTuple):
    """What one request reads and writes, and how long a user waits for it.

    `thinking_tokens` are for a model that does not publish its own; where thinking is `on` or `off`, a model that can
    do both is run so. `cold_prompt_tokens` are read once, before
    the engine keeps them. `bulk` work is done by the thousand, so no model is split between GPU and RAM for it.
    Below a quality of `useful` the best model there is does not help much.
    """

    prompt_tokens: int
    answer_tokens: int
    thinking_tokens: int
    first_token: Seconds
    answer: Seconds
    useful: float
    thinking: Literal["either", "on", "off"] = "either"
    shows_thinking: bool = False
    bulk: bool = False
    cold_prompt_tokens: int = 0


class VectorTime(NamedTuple):
    """How many tokens of text are made into vectors at once, then one query, and how long either may take."""

    text_tokens: int
    text: Seconds
    query_tokens: int
    query: Seconds
    useful: float


class RankingTime(NamedTuple):
    """A list of documents that is put in order for one query, and how long it may take."""

    documents: int
    document_tokens: int
    ranking: Seconds
    useful: float


class Expected(NamedTuple):
    """What the size and the date of a model let expect of its general abilities, where it has no figure of them.

    Quality is `intercept + per_doubling * log2(parameters in billions) + per_year * (released - year)`, of a mixture
    of experts the geometric mean of all and of the active parameters, and `thinking` more in that mode. `error` is the
    standard error on families that the fit did not see, in points. By `benchmarks/robust_scores.py`.
    """

    intercept: float
    per_doubling: float
    per_year: float
    thinking: float
    year: float
    error: float


class General(NamedTuple):
    """What general abilities let expect of a task: the line from the quality at chat, and its standard error in points.

    It goes no higher than `most`, the best that was measured on the task's own metric.

    By `benchmarks/robust_scores.py`.
    """

    slope: float
    intercept: float
    error: float
    most: float


TaskTime = WritingTime | VectorTime | RankingTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a user wants done, and how it is judged.

    `read_smoke` raises CatalogError.
    """

    name: str
    title: str
    summary: str
    aliases: tuple[str, ...]
    context: int
    min_context: int
    capabilities: frozenset[str]
    metrics: tuple[Metric, ...]
    time: TaskTime
    recipe: Recipe  # how it is put to a model that is not known to want it otherwise
    smoke_kind: SmokeKind
    read_smoke: Callable[[], SmokeTest] = field(compare=False, repr=False)
    expected: Expected | None = None
    general: General | None = None
    max_size: int | None = None  # bytes of all files together, where the task is for small machines
    gaps: tuple[Gap, ...] = ()
    starter: Starter | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the model writes nothing: it gives vectors or scores."""
        return self.smoke_kind in SILENT

    @property
    def smoke(self) -> SmokeTest:
        """The smoke test, read from the task's file when it is asked for. Raises CatalogError."""
        return self.read_smoke()

"""The records of the catalog, as its files hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.types import FileRole, Shape


@dataclass(frozen=True, slots=True)
class SqlCase:
    """A question about a small SQLite database and the rows that a right query returns."""

    schema: str  # CREATE TABLE statements
    rows: tuple[str, ...]  # INSERT statements
    question: str
    expected: tuple[tuple[object, ...], ...]
    ordered: bool  # whether the order of the rows counts
    reference: str = ""  # a query that returns the expected rows


@dataclass(frozen=True, slots=True)
class EmbeddingCase:
    """Three texts: `near` must come out closer to `anchor` than `far` does."""

    anchor: str
    near: str
    far: str


@dataclass(frozen=True, slots=True)
class TextCase:
    """A prompt and words of which one must appear in the answer, in any case; none: any answer will do."""

    prompt: str
    expect: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FimCase:
    """Python with a hole: what fills it must hold one of the words, and the whole must parse."""

    prefix: str
    suffix: str
    expect: tuple[str, ...]
    reference: str = ""  # what fills it well


@dataclass(frozen=True, slots=True)
class JsonCase:
    """A prompt whose answer is JSON with these values; texts are compared without case, the rest exactly.

    Fields that are not expected do not count; `fields` must be there, whatever their value.
    """

    prompt: str
    expected: Mapping[str, object]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCase:
    """A prompt that offers functions, and the one call that answers it."""

    prompt: str
    function: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class LabelCase:
    """A text to be given one of the labels: the first that the answer names counts."""

    prompt: str
    labels: tuple[str, ...]
    expected: str


@dataclass(frozen=True, slots=True)
class RankCase:
    """A query and two documents: `relevant` must score higher than `irrelevant`."""

    query: str
    relevant: str
    irrelevant: str


SmokeKind = Literal["sql", "embeddings", "text", "fim", "json", "tool", "label", "rerank"]
SmokeCase = SqlCase | EmbeddingCase | TextCase | FimCase | JsonCase | ToolCase | LabelCase | RankCase


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """A short real inference of a task: what is asked, how, and how many answers must be right.

    `prompt` is a template of a raw completion with `{schema}` and `{question}`, or `{prompt}`: a model's
    own chat template is code from a stranger. For embeddings, reranking and infilling it is empty: the
    file's own header says how texts are put together. `gap` says which part of the task is not tried.
    """

    kind: SmokeKind
    cases: tuple[SmokeCase, ...]
    prompt: str
    max_tokens: int
    stop: tuple[str, ...]
    pass_cases: int
    gap: str = ""

    @property
    def silent(self) -> bool:
        """Whether the model writes nothing: it gives vectors or scores."""
        return self.kind in ("embeddings", "rerank")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A public benchmark of a task and its line onto the task's quality: `slope * value + intercept`.

    The first metric of a task is the quality itself; of the others, `rule` says where the line is from.
    `fitted` are the least and the greatest figure that the line was fitted on, the greatest no more than where it
    reaches the best figure of those models: above, it says no more than at its end; below, it goes on, since an
    end would lift the weakest. `largest_miss` is how far it was off at most, in points of the task's quality.
    """

    id: str
    title: str
    why: str
    slope: float = 1.0
    intercept: float = 0.0
    rule: str = ""
    fitted: tuple[float, float] | None = None
    largest_miss: float | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """How the task is put to a model that was not told otherwise."""

    system: str
    user: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A size of memory for which the catalog has no answer to a task, and why."""

    budget: int  # bytes
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
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


Seconds = tuple[float, float]  # the comfortable time, and the longest that is of use


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingTime:
    """What one request reads and writes, and how long a user waits for it.

    `thinking_tokens` are for a model that does not publish its own. `cold_prompt_tokens` are read once, before
    the engine keeps them. `bulk` work is done by the thousand, so no model is split between GPU and RAM for it.
    Below a quality of `useful` the best model there is does not help much.
    """

    prompt_tokens: int
    answer_tokens: int
    thinking_tokens: int
    first_token: Seconds
    answer: Seconds
    useful: float
    shows_thinking: bool = False
    bulk: bool = False
    cold_prompt_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorTime:
    """How many tokens of text are made into vectors at once, then one query, and how long either may take."""

    text_tokens: int
    text: Seconds
    query_tokens: int
    query: Seconds
    useful: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingTime:
    """A list of documents that is put in order for one query, and how long it may take."""

    documents: int
    document_tokens: int
    ranking: Seconds
    useful: float


TaskTime = WritingTime | VectorTime | RankingTime
SpeedKind = Literal["decode", "prefill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a user wants done, and how it is judged.

    `min_speed` counts written tokens a second, or read ones where `speed_kind` is `prefill`. Where the user
    is not `patient`, no model is taken that always thinks before it answers.
    """

    name: str
    title: str
    summary: str
    aliases: tuple[str, ...]
    context: int
    min_context: int
    min_speed: float
    speed_kind: SpeedKind
    typical_prompt_tokens: int
    capabilities: frozenset[str]
    metrics: tuple[Metric, ...]
    time: TaskTime
    smoke: SmokeTest
    patient: bool = False
    max_size: int | None = None  # bytes of all files together, where the task is for small machines
    gaps: tuple[Gap, ...] = ()
    prompt: Prompt | None = None
    starter: Starter | None = None


Mode = Literal["", "direct", "thinking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A figure of a model on a metric of a task; `rule` says how an estimated one was made.

    `mode` is whether the model thought before it answered; empty for one that cannot. `by` is who ran it: the
    model's maker, or somebody else. The tokens are typical ones of the run, where its source tells them.
    """

    task: str
    metric: str
    value: float
    source: str
    date: str = ""
    estimated: bool = False
    rule: str = ""
    mode: Mode = ""
    by: Literal["independent", "maker"] = "independent"
    answer_tokens: int | None = None
    thinking_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoFile:
    """One file of a repository. Where `approximate`, the size is rounded and the Hub has the exact one."""

    quant: str
    path: str
    size: int
    source: str
    sha256: str | None = None
    role: FileRole = "model"
    approximate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """A repository that holds files of a model.

    `parameters` is there where its files count otherwise than the model does, such as with a second
    copy of tied embeddings. `native_quant` is the precision that its weights were trained for, where the model
    was trained on so that it loses nothing there (QAT).
    """

    id: str
    revision: str | None
    files: tuple[RepoFile, ...]
    parameters: int | None = None
    gated: bool = False
    native_quant: str = ""

    @property
    def publisher(self) -> str:
        """The account on the Hub."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """How texts are given to an embedding model, and how one vector comes out."""

    pooling: Literal["mean", "cls", "last"]
    dimensions: int
    source: str
    query_prefix: str = ""
    document_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What must be known to prompt a model. `thinking` empty: it answers at once."""

    thinking: Literal["", "optional", "always"]
    thinking_off: str  # what turns it off
    system_role: bool  # whether its chat template has one
    note: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogModel:
    """One set of weights at one size: what it is, how good it is, and where its files are."""

    name: str
    title: str
    family: str
    publisher: str  # who trained it, as the account on the Hub
    parameters: int
    active_parameters: int
    license: str
    architecture: str
    context_length: int
    capabilities: frozenset[str]
    scores: tuple[Score, ...]
    repos: tuple[Repo, ...]
    base_model: str = ""
    released: str = ""
    shape: Shape | None = None
    shape_source: str = ""
    embedding: Embedding | None = None
    quirks: Quirks | None = None
    min_engine_build: int | None = None
    native_quant: str = ""  # the precision it was trained in: that quant and finer ones lose nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Quant:
    """A quant, its size per weight and how far it moves a model from its full precision.

    `tensor_bits` is exact, of the type that most tensors have; `measured` are (parameters, bits per weight)
    of whole files, in ascending order. `divergence` is the mean KL divergence from the full-precision model,
    measured on one of 8 billion parameters; `divergence_imatrix` is that of a file made with an importance
    matrix. `perplexity` are (parameters, per cent that it rises). `note` says where the quant is slow.
    """

    name: str
    tensor_bits: float
    measured: tuple[tuple[int, float], ...]
    divergence: float
    divergence_imatrix: float
    perplexity: tuple[tuple[int, float], ...]
    source: str
    note: str = ""

    def bits_per_weight(self, parameters: int) -> float:
        """Bits per weight of a file of so many parameters, on the line between those measured."""
        below = max((item for item in self.measured if item[0] <= parameters), default=self.measured[0])
        above = min((item for item in self.measured if item[0] >= parameters), default=self.measured[-1])
        if below[0] >= above[0]:
            return below[1]
        share = math.log(parameters / below[0]) / math.log(above[0] / below[0])
        return below[1] + share * (above[1] - below[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRule:
    """From divergence and size to the share of the score that a quant loses."""

    per_divergence: float
    reference_parameters: int
    exponent: float
    least_factor: float
    most_factor: float
    most: float

    def share(self, divergence: float, parameters: int) -> float:
        """The share of the score that is lost, from 0 to `most`."""
        factor = float((self.reference_parameters / max(parameters, 1)) ** self.exponent)
        factor = min(max(factor, self.least_factor), self.most_factor)
        return min(self.per_divergence * divergence * factor, self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """An account on the Hub that is known. `kind` official: it trained the models that it publishes."""

    name: str
    kind: Literal["official", "quantizer"]
    reason: str
    trust: int  # 0 = most trusted
    importance_matrix: bool = False  # whether all its quants are made with one, whatever their names say

"""Models as their files hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.types import FileRole, Shape

Mode = Literal["", "direct", "thinking"]


class Score(NamedTuple):
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


class RepoFile(NamedTuple):
    """One file of a repository. Where `approximate`, the size is rounded and the Hub has the exact one."""

    quant: str
    path: str
    size: int
    sha256: str | None = None
    role: FileRole = "model"
    approximate: bool = False


class Repo(NamedTuple):
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


class Embedding(NamedTuple):
    """How texts are given to an embedding model, and how one vector comes out."""

    pooling: Literal["mean", "cls", "last"]
    query_prefix: str = ""
    document_prefix: str = ""


class Quirks(NamedTuple):
    """What must be known to prompt a model. `thinking` empty: it answers at once."""

    thinking: Literal["", "optional", "always"]
    thinking_off: str  # what turns it off
    system_role: bool  # whether its chat template has one
    note: str


class Wish(NamedTuple):
    """What the maker of a model asks of its recipe, over that of the task, where it can be quoted.

    For the named tasks, or all; in the mode of `when`, or both. `table` is what differs.
    """

    tasks: tuple[str, ...]
    when: Mode
    table: Mapping[str, Any]


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
    succeeds: str = ""  # the model that it replaces: by the same maker, of the same size and for the same uses
    made_for: frozenset[str] = frozenset()  # the tasks that it was trained for, where it is no general model
    released: str = ""
    shape: Shape | None = None
    embedding: Embedding | None = None
    quirks: Quirks | None = None
    wishes: tuple[Wish, ...] = ()
    min_engine_build: int | None = None
    native_quant: str = ""  # the precision it was trained in: that quant and finer ones lose nothing

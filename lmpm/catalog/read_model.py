"""From a model's table in `catalog/models/` to its record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from lmpm import limits
from lmpm.catalog.schema.model import CatalogModel, Embedding, Quirks, Repo, RepoFile, Score, Wish
from lmpm.types import Shape

if TYPE_CHECKING:
    from lmpm.fs import Table

_SHA256: Final = r"[0-9a-f]{64}"
_REVISION: Final = r"[0-9a-f]{40}"
_REPO: Final = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*"
_DATE: Final = r"\d{4}(-\d{2}(-\d{2})?)?"


def read_model(table: Table) -> CatalogModel:
    """A model; raises DocumentError at the first mistake."""
    parameters = table.integer("parameters", low=1)
    active = table.integer_or("active_parameters", parameters, low=1, high=parameters)
    shape = table.table("shape") if "shape" in table else None
    if shape:
        shape.text("source")
    return CatalogModel(
        name=table.text("name"),
        title=table.text("title"),
        family=table.text("family"),
        publisher=table.text("publisher"),
        parameters=parameters,
        active_parameters=active,
        license=table.text("license"),
        base_model=table.text_or("base_model"),
        succeeds=table.text_or("succeeds"),
        made_for=frozenset(table.texts("made_for")),
        architecture=table.text("architecture"),
        context_length=table.integer("context_length", low=1),
        capabilities=frozenset(table.texts("capabilities")),
        released=_date(table, "released"),
        min_engine_build=table.integer("min_engine_build", low=1) if "min_engine_build" in table else None,
        native_quant=table.text_or("native_quant"),
        shape=read_shape(shape, parameters=parameters, active_parameters=active) if shape else None,
        embedding=_embedding(table.table("embedding")) if "embedding" in table else None,
        quirks=_quirks(table.table("prompt")) if "prompt" in table else None,
        wishes=tuple(_wish(item) for item in table.tables("recipe")),
        scores=tuple(score for item in table.tables("score") for score in _scores(item)),
        repos=tuple(_repo(item) for item in table.tables("repo")),
    )


def read_shape(table: Table, *, parameters: int, active_parameters: int) -> Shape:
    """The sizes of a model's layers."""
    layers = table.integer("layers", low=1, high=limits.MAX_TENSORS)
    return Shape(
        layers=layers,
        embedding_length=table.integer("embedding_length", low=1),
        heads=table.integer("heads", low=1),
        kv_heads=table.integer("kv_heads", low=0),
        key_length=table.integer("key_length", low=1),
        value_length=table.integer("value_length", low=0),
        feed_forward_length=table.integer("feed_forward_length", low=0),
        vocabulary=table.integer("vocabulary", low=1),
        parameters=parameters,
        active_parameters=active_parameters,
        tied_embeddings=table.flag_or("tied_embeddings", False),
        causal=table.flag_or("causal", True),
        sliding_window=table.integer_or("sliding_window", 0),
        window_layers=table.integer_or("window_layers", 0, high=layers),
        recurrent_bytes=table.integer_or("recurrent_bytes", 0),
    )


def read_sha256(table: Table) -> str:
    """The digest of a file's bytes."""
    value = table.text("sha256")
    if not re.fullmatch(_SHA256, value):
        raise table.fail("sha256", "expected 64 lower-case hex digits")
    return value


def _scores(table: Table) -> list[Score]:
    """One figure, for each task that it counts for."""
    tasks = table.texts("tasks")
    if not tasks:
        raise table.missing("tasks", "the names of the tasks that it counts for")
    score = Score(
        task="",
        metric=table.text("metric"),
        value=table.number("value"),
        source=table.text("source"),
        date=_date(table, "date"),
        estimated=table.flag_or("estimated", False),
        rule=table.text_or("rule"),
        mode=table.choice_or("mode", ("direct", "thinking"), ""),
        by=table.choice_or("by", ("independent", "maker"), "independent"),
        answer_tokens=table.integer("answer_tokens", low=1) if "answer_tokens" in table else None,
        thinking_tokens=table.integer("thinking_tokens", low=1) if "thinking_tokens" in table else None,
    )
    if score.thinking_tokens is not None and score.mode != "thinking":
        raise table.fail("thinking_tokens", 'expected with `mode = "thinking"` alone')
    if not score.date:
        raise table.missing("date", "when the source was published or read")
    if score.estimated and not score.rule:
        raise table.missing("rule", "how the estimate was made")
    return [score._replace(task=task) for task in tasks]


def _quirks(table: Table) -> Quirks:
    thinking: Literal["", "optional", "always"] = table.choice_or("thinking", ("optional", "always"), "")
    table.text("source")
    return Quirks(
        thinking=thinking,
        thinking_off=table.text("thinking_off") if thinking == "optional" else "",
        system_role=table.flag_or("system_role", True),
        note=table.text_or("note"),
    )


def _wish(table: Table) -> Wish:
    """What the model's maker asks of a recipe; whether it goes with the task's is looked at where both are known."""
    table.text("source")
    about = {"tasks", "when", "source"}
    return Wish(
        tasks=table.texts("tasks"),
        when=table.choice_or("when", ("direct", "thinking"), ""),
        table={key: value for key, value in table.values().items() if key not in about},
    )


def _repo(table: Table) -> Repo:
    name = table.text("id")
    if not re.fullmatch(_REPO, name) or len(name) > limits.MAX_REPO_CHARS:
        raise table.fail("id", "expected `owner/name`")
    source = table.text_or("source")
    files = tuple(_file(item, source) for item in table.tables("file"))
    if not files:
        raise table.missing("file", "at least one file")
    return Repo(
        id=name,
        revision=_revision(table),
        parameters=table.integer("parameters", low=1) if "parameters" in table else None,
        gated=table.flag_or("gated", False),
        native_quant=table.text_or("native_quant"),
        files=files,
    )


def _revision(table: Table) -> str | None:
    value = table.text_or("revision")
    if value and not re.fullmatch(_REVISION, value):
        raise table.fail("revision", "expected 40 lower-case hex digits")
    return value or None


def _file(table: Table, source: str) -> RepoFile:
    if not source:
        table.text("source")
    else:
        table.text_or("source")
    return RepoFile(
        quant=table.text("quant"),
        path=_path(table),
        size=table.integer("size", low=1, high=limits.MAX_FILE_BYTES),
        sha256=read_sha256(table) if "sha256" in table else None,
        role=table.choice_or("role", ("model", "mmproj"), "model"),
        approximate=table.flag_or("approximate", False),
    )


def _path(table: Table) -> str:
    """A path inside the repository: relative, with forward slashes, that stays inside."""
    value = table.text("path")
    parts = value.split("/")
    if "\\" in value or any(part in {"", ".", ".."} for part in parts) or len(value) > limits.MAX_PATH_CHARS:
        raise table.fail("path", "expected a path inside the repository")
    return value


def _embedding(table: Table) -> Embedding:
    table.text("source")
    table.integer("dimensions", low=1)
    return Embedding(
        pooling=table.choice("pooling", ("mean", "cls", "last")),
        query_prefix=table.text_or("query_prefix"),
        document_prefix=table.text_or("document_prefix"),
    )


def _date(table: Table, key: str) -> str:
    value = table.text_or(key)
    if value and not re.fullmatch(_DATE, value):
        raise table.fail(key, "expected a year, year-month or year-month-day")
    return value

"""What a model's file must agree on with itself, with the tasks, and with the sizes of its quants."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from lmpm import licenses
from lmpm.gguf import parse_shard, quant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.catalog.catalog import Catalog
    from lmpm.catalog.schema.model import CatalogModel, Repo, RepoFile

CAPABILITIES: Final = frozenset(
    {"text", "chat", "code", "fim", "tools", "thinking", "vision", "embedding", "rerank", "multilingual"}
)
# What people make of a model after it was released: its scores are no longer those of its maker.
DERIVATIVES: Final = re.compile(
    r"abliterat|uncensor|heretic|derestrict|\bmerged?\b|frankenmerge|role-?play|\brp\b|\bnsfw\b", re.IGNORECASE
)
# A whole file against parameters x bits per weight. The share of embeddings and output, which are finer, differs
# between models of one size, and most in small ones.
LEAST_SIZE: Final = 0.80
MOST_SIZE: Final = 1.35
MOST_SIZE_SMALL: Final = 1.60
SMALL: Final = 1_200_000_000  # parameters


def model_problems(catalog: Catalog, model: CatalogModel, broken: frozenset[str]) -> Iterator[str]:
    """Every problem of a model's file; tasks of the files in `broken` are not known, so nothing is said of them."""
    place = f"models/{model.name}.toml"
    if model.license not in licenses.LICENSES:
        yield f"{place}: license: `{model.license}` is not known"
    if model.native_quant and model.native_quant not in quant.BITS:
        yield f"{place}: native_quant: `{model.native_quant}` is not known"
    if DERIVATIVES.search(f"{model.name} {model.title}"):
        yield f"{place}: name: a derivative of another model has no place here"
    if model.shape is None:
        yield f"{place}: shape: is missing, expected the sizes that memory is estimated from"
    yield from _capabilities(place, model)
    yield from _scores(place, catalog, model, broken)
    ranks = [catalog.trust(repo.id) for repo in model.repos]
    if ranks != sorted(ranks):
        yield f"{place}: repo: expected the most trusted publisher first, as in publishers.toml"
    if not model.repos:
        yield f"{place}: repo: is missing, expected at least one repository"
    for index, repo in enumerate(model.repos):
        yield from _repo(f"{place}: repo[{index}]", repo, catalog, repo.parameters or model.parameters)


def _capabilities(place: str, model: CatalogModel) -> Iterator[str]:
    able = model.capabilities
    for name in sorted(able - CAPABILITIES):
        yield f"{place}: capabilities: `{name}` is not known"
    if ("embedding" in able) != (model.embedding is not None):
        yield f"{place}: embedding: expected the table exactly where `embedding` is among the capabilities"
    if ("thinking" in able) != bool(model.quirks and model.quirks.thinking):
        yield f"{place}: prompt.thinking: expected exactly where `thinking` is among the capabilities"
    if "chat" in able and "text" not in able:
        yield f"{place}: capabilities: what chats writes `text` as well"
    has_projector = any(file.role == "mmproj" for repo in model.repos for file in repo.files)
    if ("vision" in able) != has_projector:
        yield f"{place}: repo.file: expected an mmproj exactly where `vision` is among the capabilities"


def _scores(place: str, catalog: Catalog, model: CatalogModel, broken: frozenset[str]) -> Iterator[str]:
    thinking = model.quirks.thinking if model.quirks else ""
    for score in model.scores:
        task = catalog.task(score.task)
        if f"tasks/{score.task}.toml" in broken:
            continue
        at = f"{place}: score"
        if score.mode == "thinking" and not thinking:
            yield f"{at}.mode: {score.metric}: a model that does not think was measured without"
        elif thinking and score.mode != "thinking" and (thinking == "always" or not score.mode):
            expected = "`thinking`" if thinking == "always" else "`direct` or `thinking`"
            yield f"{at}.mode: {score.metric}: expected {expected}, since the model can think"
        if task is None or task.name != score.task:
            yield f"{at}.tasks: `{score.task}` is no task"
            continue
        if score.metric not in {metric.id for metric in task.metrics}:
            yield f"{at}.metric: `{score.metric}` is no metric of {score.task}"
        missing = task.capabilities - model.capabilities
        if missing:
            yield f"{at}.tasks: {score.task} needs {', '.join(sorted(missing))}, which the model cannot do"
        if model.context_length < task.min_context:
            yield f"{at}.tasks: {score.task} needs {task.min_context:,} tokens, the model has {model.context_length:,}"
    figures = Counter((item.task, item.metric, item.mode) for item in model.scores)
    for (task_name, metric, mode), count in figures.items():
        if count > 1:
            yield f"{place}: score: {task_name} has `{metric}` {count} times{f' ({mode})' if mode else ''}"


def _repo(place: str, repo: Repo, catalog: Catalog, parameters: int) -> Iterator[str]:
    if catalog.publisher(repo.id) is None:
        yield f"{place}.id: `{repo.publisher}` is no publisher of publishers.toml"
    if repo.native_quant and repo.native_quant not in quant.BITS:
        yield f"{place}.native_quant: `{repo.native_quant}` is not known"
    if DERIVATIVES.search(repo.id):
        yield f"{place}.id: a derivative of another model has no place here"
    quants: dict[str, list[RepoFile]] = {}
    for index, file in enumerate(repo.files):
        at = f"{place}.file[{index}]"
        if file.approximate and file.sha256:
            yield f"{at}.approximate: a file whose sha256 is known has an exact size"
        if file.role == "mmproj":
            continue
        if quant.base(file.quant) not in catalog.quants:
            yield f"{at}.quant: `{file.quant}` is no quant of quants.toml"
        named = quant.from_filename(file.path)
        if named is not None and quant.base(named) != quant.base(file.quant):
            yield f"{at}.quant: expected `{named}`, as its path says, found `{file.quant}`"
        quants.setdefault(file.quant, []).append(file)
    for name, files in quants.items():
        parts = [_number(file.path) for file in files]
        count = parts[0][1]
        if sorted(parts) != [(number, count) for number in range(1, count + 1)]:
            yield f"{place}.file: {name}: expected one whole file, or every shard once"
            continue
        yield from _size(f"{place}.file: {name}", catalog, name, sum(file.size for file in files), parameters)


def _number(path: str) -> tuple[int, int]:
    """Which shard of how many a file is; a whole one is the only one."""
    shard = parse_shard(path)
    return (shard.number, shard.count) if shard else (1, 1)


def _size(place: str, catalog: Catalog, name: str, size: int, parameters: int) -> Iterator[str]:
    """A size that no file of so many parameters has is a slip of the pen, or of another model."""
    known = catalog.quants.get(quant.base(name))
    if known is None:
        return
    bits = known.bits_per_weight(parameters)
    most = MOST_SIZE_SMALL if parameters < SMALL else MOST_SIZE
    if not LEAST_SIZE <= size * 8 / (parameters * bits) <= most:
        yield (
            f"{place}: expected about {parameters * bits / 8:,.0f} bytes, "
            f"{parameters / 1e9:.2f}B parameters of {bits:.2f} bits, found {size:,}"
        )

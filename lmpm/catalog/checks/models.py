"""What a model's file must agree on with itself, with the tasks, and with the sizes of its quants."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from lmpm import licenses
from lmpm.catalog.problem import Problem
from lmpm.catalog.recipes import recipe_for
from lmpm.errors import CatalogError
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
MOST_GROWTH: Final = 1.20  # of the parameters, from a model to the one that replaces it


def model_problems(catalog: Catalog, model: CatalogModel, broken: frozenset[str]) -> Iterator[Problem]:
    """Every problem of a model's file; tasks of the files in `broken` are not known, so nothing is said of them."""
    file = f"models/{model.name}.toml"
    if model.license not in licenses.LICENSES:
        yield Problem(file, "license", f"`{model.license}` is not known", "unknown")
    if model.native_quant and model.native_quant not in quant.BITS:
        yield Problem(file, "native_quant", f"`{model.native_quant}` is not known", "unknown")
    if DERIVATIVES.search(f"{model.name} {model.title}"):
        yield Problem(file, "name", "a derivative of another model has no place here")
    if model.shape is None:
        yield Problem(file, "shape", "is missing, expected the sizes that memory is estimated from", "missing")
    yield from _capabilities(file, model)
    yield from _lineage(file, catalog, model)
    yield from _scores(file, catalog, model, broken)
    yield from _recipes(file, catalog, model, broken)
    ranks = [catalog.trust(repo.id) for repo in model.repos]
    if ranks != sorted(ranks):
        yield Problem(file, "repo", "expected the most trusted publisher first, as in publishers.toml")
    if not model.repos:
        yield Problem(file, "repo", "is missing, expected at least one repository", "missing")
    for index, repo in enumerate(model.repos):
        yield from _repo(file, f"repo[{index}]", repo, catalog, repo.parameters or model.parameters)


def _lineage(file: str, catalog: Catalog, model: CatalogModel) -> Iterator[Problem]:
    """What it replaces is older, by the same maker and of about its size; what it was made for are tasks."""
    for name in sorted(model.made_for.difference(catalog.task_names())):
        yield Problem(file, "made_for", f"`{name}` is not a task", "unknown")
    if not model.succeeds:
        return
    before = catalog.model(model.succeeds)
    if before is None:
        yield Problem(file, "succeeds", f"`{model.succeeds}` is not a model of the catalog", "unknown")
    elif before.publisher != model.publisher or before.released >= model.released:
        yield Problem(file, "succeeds", f"`{before.name}` is not an earlier model of {model.publisher}")
    elif not 1 / MOST_GROWTH <= model.parameters / before.parameters <= MOST_GROWTH:
        yield Problem(file, "succeeds", f"`{before.name}` is of another size")


def _capabilities(file: str, model: CatalogModel) -> Iterator[Problem]:
    able = model.capabilities
    for name in sorted(able - CAPABILITIES):
        yield Problem(file, "capabilities", f"`{name}` is not known", "unknown")
    if ("embedding" in able) != (model.embedding is not None):
        yield Problem(file, "embedding", "expected the table exactly where `embedding` is among the capabilities")
    if ("thinking" in able) != bool(model.quirks and model.quirks.thinking):
        yield Problem(file, "prompt.thinking", "expected exactly where `thinking` is among the capabilities")
    if "chat" in able and "text" not in able:
        yield Problem(file, "capabilities", "what chats writes `text` as well")
    has_projector = any(file.role == "mmproj" for repo in model.repos for file in repo.files)
    if ("vision" in able) != has_projector:
        yield Problem(file, "repo.file", "expected an mmproj exactly where `vision` is among the capabilities")


def _scores(file: str, catalog: Catalog, model: CatalogModel, broken: frozenset[str]) -> Iterator[Problem]:
    thinking = model.quirks.thinking if model.quirks else ""
    for score in model.scores:
        task = catalog.task(score.task)
        if f"tasks/{score.task}.toml" in broken:
            continue
        if score.mode == "thinking" and not thinking:
            yield Problem(file, "score.mode", f"{score.metric}: a model that does not think was measured without")
        elif thinking and score.mode != "thinking" and (thinking == "always" or not score.mode):
            expected = "`thinking`" if thinking == "always" else "`direct` or `thinking`"
            yield Problem(file, "score.mode", f"{score.metric}: expected {expected}, since the model can think")
        if task is None or task.name != score.task:
            yield Problem(file, "score.tasks", f"`{score.task}` is not a task", "unknown")
            continue
        if score.metric not in {metric.id for metric in task.metrics}:
            yield Problem(file, "score.metric", f"`{score.metric}` is not a metric of {score.task}", "unknown")
        missing = task.capabilities - model.capabilities
        if missing:
            needs = ", ".join(sorted(missing))
            yield Problem(file, "score.tasks", f"{score.task} needs {needs}, which the model cannot do")
        if model.context_length < task.min_context:
            needs = f"{task.min_context:,} tokens, the model has {model.context_length:,}"
            yield Problem(file, "score.tasks", f"{score.task} needs {needs}")
    figures = Counter((item.task, item.metric, item.mode) for item in model.scores)
    for (task_name, metric, mode), count in figures.items():
        if count > 1:
            yield Problem(file, "score", f"{task_name} has `{metric}` {count} times{f' ({mode})' if mode else ''}")


def _recipes(file: str, catalog: Catalog, model: CatalogModel, broken: frozenset[str]) -> Iterator[Problem]:
    """What the maker asks goes with the recipe of each task that the model is rated for."""
    for name in sorted({score.task for score in model.scores}):
        task = catalog.task(name)
        if task is None or f"tasks/{name}.toml" in broken:
            continue
        for mode in ("", "direct", "thinking"):
            try:
                recipe_for(task, model, mode)
            except CatalogError as error:
                yield Problem(file, "recipe", f"does not go with {name}: {error.message}")
                break


def _repo(file: str, place: str, repo: Repo, catalog: Catalog, parameters: int) -> Iterator[Problem]:
    if catalog.publisher(repo.id) is None:
        yield Problem(file, f"{place}.id", f"`{repo.publisher}` is not a publisher of publishers.toml", "unknown")
    if repo.native_quant and repo.native_quant not in quant.BITS:
        yield Problem(file, f"{place}.native_quant", f"`{repo.native_quant}` is not known", "unknown")
    if DERIVATIVES.search(repo.id):
        yield Problem(file, f"{place}.id", "a derivative of another model has no place here")
    quants: dict[str, list[RepoFile]] = {}
    for index, item in enumerate(repo.files):
        at = f"{place}.file[{index}]"
        if item.sha256 and item.approximate and repo.revision:
            yield Problem(file, f"{at}.approximate", "a file whose commit is known has an exact size")
        if item.role == "mmproj":
            continue
        if quant.base(item.quant) not in catalog.quants:
            yield Problem(file, f"{at}.quant", f"`{item.quant}` is not a quant of quants.toml", "unknown")
        named = quant.from_filename(item.path)
        if named is not None and quant.base(named) != quant.base(item.quant):
            yield Problem(file, f"{at}.quant", f"expected `{named}`, as its path says, found `{item.quant}`")
        quants.setdefault(item.quant, []).append(item)
    for name, files in quants.items():
        parts = [_number(item.path) for item in files]
        count = parts[0][1]
        if sorted(parts) != [(number, count) for number in range(1, count + 1)]:
            yield Problem(file, f"{place}.file", f"{name}: expected one whole file, or every shard once")
            continue
        yield from _size(file, f"{place}.file", catalog, name, sum(item.size for item in files), parameters)


def _number(path: str) -> tuple[int, int]:
    """Which shard of how many a file is; a whole one is the only one."""
    shard = parse_shard(path)
    return (shard.number, shard.count) if shard else (1, 1)


def _size(file: str, place: str, catalog: Catalog, name: str, size: int, parameters: int) -> Iterator[Problem]:
    """A size that no file of so many parameters has is a slip of the pen, or of another model."""
    known = catalog.quants.get(quant.base(name))
    if known is None:
        return
    bits = known.bits_per_weight(parameters)
    most = MOST_SIZE_SMALL if parameters < SMALL else MOST_SIZE
    if not LEAST_SIZE <= size * 8 / (parameters * bits) <= most:
        text = (
            f"{name}: expected about {parameters * bits / 8:,.0f} bytes, "
            f"{parameters / 1e9:.2f}B parameters of {bits:.2f} bits, found {size:,}"
        )
        yield Problem(file, place, text)

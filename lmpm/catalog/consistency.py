"""What the catalog's files must agree on with each other and with the files shipped beside them."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from lmpm import license as licenses
from lmpm import quant
from lmpm.catalog.catalog import slug

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lmpm.catalog.catalog import Catalog
    from lmpm.catalog.schema import CatalogModel, Repo, Starter, Task


def inconsistencies(catalog: Catalog, models: tuple[CatalogModel, ...]) -> list[str]:
    """Every problem, in the order of the files."""
    return [
        *_names(catalog, models),
        *(problem for task in catalog.tasks for problem in _task(catalog, task)),
        *(problem for model in models for problem in _model(catalog, model)),
    ]


def _names(catalog: Catalog, models: tuple[CatalogModel, ...]) -> Iterator[str]:
    """A name must lead to one thing, and be where it is looked for."""
    names = Counter(name for task in catalog.tasks for name in {task.name, *task.aliases})
    names.update(model.name for model in models)
    for name, count in sorted(names.items()):
        if count > 1:
            yield f"`{name}` names {count} tasks or models"
        if name != name.lower():
            yield f"`{name}` is not in lower case"
    files = {path.stem for path in (catalog.directory / "tasks").glob("*.toml")}
    for name in sorted(files.symmetric_difference(catalog.task_names())):
        yield f"tasks/{name}.toml: name: expected the name of the file"
    for name in catalog.model_names():
        model = catalog.model(name)
        if model is None or model.name != name:
            yield f"models/{name}.toml: name: expected the name of the file"
        elif slug(model.title) != name:
            yield f"models/{name}.toml: title: expected one that is `{name}` in lower case"


def _task(catalog: Catalog, task: Task) -> Iterator[str]:
    place = f"tasks/{task.name}.toml"
    for name, count in Counter(metric.id for metric in task.metrics).items():
        if count > 1:
            yield f"{place}: metric: `{name}` is there {count} times"
    if task.starter:
        yield from _starter(f"{place}: starter", task.starter, catalog.starter_file(task))


def _starter(place: str, starter: Starter, file: Path) -> Iterator[str]:
    """The shipped bytes are those that the task promises."""
    if starter.quant not in quant.BITS:
        yield f"{place}.quant: `{starter.quant}` is not known"
    if starter.license not in licenses.LICENSES:
        yield f"{place}.license: `{starter.license}` is not known"
    if not file.is_file():
        yield f"{place}.file: starter/{starter.file} is not there"
        return
    data = file.read_bytes()
    if len(data) != starter.size:
        yield f"{place}.size: expected {len(data)}, found {starter.size}"
    digest = hashlib.sha256(data).hexdigest()
    if digest != starter.sha256:
        yield f"{place}.sha256: expected {digest}, found {starter.sha256}"


def _model(catalog: Catalog, model: CatalogModel) -> Iterator[str]:
    place = f"models/{model.name}.toml"
    if model.license not in licenses.LICENSES:
        yield f"{place}: license: `{model.license}` is not known"
    if model.native_quant and model.native_quant not in quant.BITS:
        yield f"{place}: native_quant: `{model.native_quant}` is not known"
    for index, score in enumerate(model.scores):
        at = f"{place}: score[{index}]"
        task = catalog.task(score.task)
        if task is None or task.name != score.task:
            yield f"{at}.task: `{score.task}` is no task"
        elif score.metric not in {metric.id for metric in task.metrics}:
            yield f"{at}.metric: `{score.metric}` is no metric of {score.task}"
    for (task_name, metric), count in Counter((item.task, item.metric) for item in model.scores).items():
        if count > 1:
            yield f"{place}: score: {task_name} has `{metric}` {count} times"
    for index, repo in enumerate(model.repos):
        yield from _repo(f"{place}: repo[{index}]", repo, catalog)


def _repo(place: str, repo: Repo, catalog: Catalog) -> Iterator[str]:
    if repo.publisher.lower() not in {publisher.name.lower() for publisher in catalog.publishers}:
        yield f"{place}.id: `{repo.publisher}` is no publisher of publishers.toml"
    shards: dict[str, list[tuple[int, int]]] = {}
    for index, file in enumerate(repo.files):
        at = f"{place}.file[{index}]"
        if file.role == "mmproj":
            continue
        if quant.base(file.quant) not in catalog.quants:
            yield f"{at}.quant: `{file.quant}` is no quant of quants.toml"
        named = quant.from_filename(file.path)
        if named is not None and quant.base(named) != quant.base(file.quant):
            yield f"{at}.quant: expected `{named}`, as its path says, found `{file.quant}`"
        if file.approximate and file.sha256:
            yield f"{at}.approximate: a file whose sha256 is known has an exact size"
        shards.setdefault(file.quant, []).append(quant.shard(file.path) or (1, 1))
    for name, parts in shards.items():
        count = parts[0][1]
        if sorted(parts) != [(number, count) for number in range(1, count + 1)]:
            yield f"{place}.file: {name}: expected one whole file, or every shard once"

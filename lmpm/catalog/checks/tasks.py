"""What the catalog's files must agree on with each other and with the files shipped beside them."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from lmpm import licenses
from lmpm.catalog.catalog import slug
from lmpm.catalog.checks.coverage import ladder_problems
from lmpm.catalog.checks.demand import demand_problems
from lmpm.catalog.checks.models import CAPABILITIES, model_problems
from lmpm.gguf import quant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from lmpm.catalog.catalog import Catalog
    from lmpm.catalog.schema.model import CatalogModel
    from lmpm.catalog.schema.task import Starter, Task


def inconsistencies(catalog: Catalog, models: tuple[CatalogModel, ...], broken: Collection[str]) -> list[str]:
    """Every problem, in the order of the files. Nothing is held against the files in `broken`, which did not read."""
    unread = frozenset(broken)
    problems = [
        *_names(catalog, models, unread),
        *(problem for task in catalog.tasks for problem in _task(catalog, task)),
        *(problem for model in models for problem in model_problems(catalog, model, unread)),
    ]
    problems += demand_problems(catalog)
    if not unread:  # what could not be read might have been the answer
        problems += (problem for task in catalog.tasks for problem in ladder_problems(catalog, task))
    return problems


def _names(catalog: Catalog, models: tuple[CatalogModel, ...], broken: frozenset[str]) -> Iterator[str]:
    """A name must lead to one thing, and be where it is looked for."""
    names = Counter(name for task in catalog.tasks for name in (task.name, *task.aliases))
    names.update(model.name for model in models)
    for name, count in sorted(names.items()):
        if count > 1:
            yield f"`{name}` names {count} tasks or models"
        if name != name.lower():
            yield f"`{name}` is not in lower case"
    files = {path.stem for path in (catalog.directory / "tasks").glob("*.toml")}
    for name in sorted(files.symmetric_difference(task.name for task in catalog.tasks)):
        if f"tasks/{name}.toml" in broken:
            continue
        yield f"tasks/{name}.toml: name: expected the name of the file"
    for name in catalog.model_names():
        if f"models/{name}.toml" in broken:
            continue
        model = catalog.model(name)
        if model is None or model.name != name:
            yield f"models/{name}.toml: name: expected the name of the file"
        elif slug(model.title) != name:
            yield f"models/{name}.toml: title: expected one that is `{name}` in lower case"


def _task(catalog: Catalog, task: Task) -> Iterator[str]:
    place = f"tasks/{task.name}.toml"
    for name in sorted(task.capabilities - CAPABILITIES):
        yield f"{place}: capabilities: `{name}` is not known"
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

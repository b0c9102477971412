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
from lmpm.catalog.problem import Problem
from lmpm.gguf import quant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from lmpm.catalog.catalog import Catalog
    from lmpm.catalog.schema.model import CatalogModel
    from lmpm.catalog.schema.task import Starter, Task


def inconsistencies(catalog: Catalog, models: tuple[CatalogModel, ...], broken: Collection[str]) -> list[Problem]:
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


def _names(catalog: Catalog, models: tuple[CatalogModel, ...], broken: frozenset[str]) -> Iterator[Problem]:
    """A name must lead to one thing, and be where it is looked for."""
    names = Counter(name for task in catalog.tasks for name in (task.name, *task.aliases))
    names.update(model.name for model in models)
    for name, count in sorted(names.items()):
        if count > 1:
            yield Problem("", name, f"names {count} tasks or models")
        if name != name.lower():
            yield Problem("", name, "is not in lower case", "invalid")
    files = {path.stem for path in (catalog.directory / "tasks").glob("*.toml")}
    for name in sorted(files.symmetric_difference(task.name for task in catalog.tasks)):
        if f"tasks/{name}.toml" in broken:
            continue
        yield Problem(f"tasks/{name}.toml", "name", "expected the name of the file")
    for name in catalog.model_names():
        if f"models/{name}.toml" in broken:
            continue
        model = catalog.model(name)
        if model is None or model.name != name:
            yield Problem(f"models/{name}.toml", "name", "expected the name of the file")
        elif slug(model.title) != name:
            yield Problem(f"models/{name}.toml", "title", f"expected one that is `{name}` in lower case")


def _task(catalog: Catalog, task: Task) -> Iterator[Problem]:
    file = f"tasks/{task.name}.toml"
    for name in sorted(task.capabilities - CAPABILITIES):
        yield Problem(file, "capabilities", f"`{name}` is not known", "unknown")
    for name, count in Counter(metric.id for metric in task.metrics).items():
        if count > 1:
            yield Problem(file, "metric", f"`{name}` is there {count} times")
    if task.starter:
        yield from _starter(file, task.starter, catalog.starter_file(task))


def _starter(file: str, starter: Starter, shipped: Path) -> Iterator[Problem]:
    """The shipped bytes are those that the task promises."""
    if starter.quant not in quant.BITS:
        yield Problem(file, "starter.quant", f"`{starter.quant}` is not known", "unknown")
    if starter.license not in licenses.LICENSES:
        yield Problem(file, "starter.license", f"`{starter.license}` is not known", "unknown")
    if not shipped.is_file():
        yield Problem(file, "starter.file", f"starter/{starter.file} is not there", "missing")
        return
    data = shipped.read_bytes()
    if len(data) != starter.size:
        yield Problem(file, "starter.size", f"expected {len(data)}, found {starter.size}")
    digest = hashlib.sha256(data).hexdigest()
    if digest != starter.sha256:
        yield Problem(file, "starter.sha256", f"expected {digest}, found {starter.sha256}")

"""Whether every task has an answer at every size of memory, or says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.catalog.problem import Problem
from lmpm.estimate import estimate_memory
from lmpm.licenses import permits_commercial_use
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.catalog.catalog import Catalog
    from lmpm.catalog.schema.task import Task

GB: Final = 10**9
BUDGETS: Final = tuple(size * GB for size in (1, 2, 4, 8, 16, 24, 48))  # what machines give to a model


def ladder_problems(catalog: Catalog, task: Task) -> Iterator[Problem]:
    """Each budget where the task has no answer and no reason for it, or a reason and yet an answer.

    An answer is what `lmpm install` could take by default: it fits at the task's usual context, can do the
    task, is not gated and may be used commercially.
    """
    file, place = f"tasks/{task.name}.toml", "gap"
    stated = {gap.budget for gap in task.gaps}
    for budget in sorted(stated.difference(BUDGETS)):
        yield Problem(
            file,
            place,
            f"expected a budget of {', '.join(str(size // GB) for size in BUDGETS)} GB, found {budget // GB}",
        )
    least = smallest_need(catalog, task)
    for budget in BUDGETS:
        if least is None or least > budget:
            if budget not in stated:
                need = "no model does the task" if least is None else f"the smallest needs {human(least)}"
                text = f"{budget // GB} GB has no answer ({need}): expected one, or a reason"
                yield Problem(file, place, text, "missing")
        elif budget in stated:
            yield Problem(
                file, place, f"{budget // GB} GB has an answer of {human(least)}: expected no reason for none"
            )


def smallest_need(catalog: Catalog, task: Task) -> int | None:
    """Bytes of the smallest variant that may be taken for the task by default, None when there is none."""
    needs = (
        estimate_memory(variant, task.context).total
        for variant in catalog.variants(task)
        if not variant.gated
        and permits_commercial_use(variant.license)
        and task.capabilities <= variant.capabilities
        and variant.context_length >= task.min_context
        and (task.max_size is None or variant.size <= task.max_size)
    )
    return min(needs, default=None)

"""The recipe: how a model is asked for a task, in one record that the catalog, the lock and a manifest can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.recipe.constraint import Constraint as Constraint, constraint_of as constraint_of
    from lmpm.recipe.record import (
        Grammar as Grammar,
        Input as Input,
        Inputs as Inputs,
        Kind as Kind,
        Recipe as Recipe,
        Sampling as Sampling,
    )
    from lmpm.recipe.table import (
        changes as changes,
        check_changes as check_changes,
        read_recipe as read_recipe,
        write_recipe as write_recipe,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "constraint": "Constraint constraint_of",
            "record": "Grammar Input Inputs Kind Recipe Sampling",
            "table": "changes check_changes read_recipe write_recipe",
        },
    )

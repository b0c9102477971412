"""Models at work in a program: found in its project, verified, loaded once, and asked by their recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.runtime.example import example_inputs as example_inputs, example_request as example_request
    from lmpm.runtime.model import Model as Model
    from lmpm.runtime.opening import open_model as open_model, plan_of as plan_of
    from lmpm.runtime.subject import (
        Subject as Subject,
        find_locked as find_locked,
        find_subject as find_subject,
        of_file as of_file,
        subject_of as subject_of,
        usual_recipe as usual_recipe,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "example": "example_inputs example_request",
            "model": "Model",
            "opening": "open_model plan_of",
            "subject": "Subject find_locked find_subject of_file subject_of usual_recipe",
        },
    )

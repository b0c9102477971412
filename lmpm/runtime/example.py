"""An example of what a model is asked, and how it is asked it over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.catalog import Task
    from lmpm.recipe import Recipe

Given = dict[str, str | tuple[str, ...]]
PATHS: Final[Mapping[str, str]] = {"embed": "/embeddings", "rerank": "/rerank", "infill": "/completions"}
PICTURE: Final = "picture.png"


def example_inputs(recipe: Recipe, task: Task | None) -> Given:
    """Inputs that can be asked: those of the task's first smoke case."""
    case = task.smoke.cases[0]._asdict() if task and task.recipe.kind == recipe.kind else {}
    found: dict[str, Any] = {**case, **dict(case.get("inputs", {}))}
    found |= {"texts": (case["anchor"],)} if "anchor" in case else {}
    found |= {"documents": (case["relevant"], case["irrelevant"])} if "relevant" in case else {}
    shown: Given = {}
    for item in recipe.inputs:
        if item.is_image:
            shown[item.name] = (PICTURE,) if item.is_list else PICTURE
        elif item.name in found:
            value = found[item.name]
            shown[item.name] = value if isinstance(value, str) else tuple(value)
        elif item.required:
            shown[item.name] = ("…",) if item.is_list else "…"
    return shown


def example_request(name: str, recipe: Recipe, task: Task | None) -> tuple[str, dict[str, Any]]:
    """Path below the base URL of `lmpm serve`, and body, of a request of the example to the model `name`."""
    given = example_inputs(recipe, task)
    body: dict[str, Any] = {"model": name}
    if recipe.kind == "embed":
        body["input"] = list(given["texts"])
    elif recipe.kind == "rerank":
        body |= {"query": given["query"], "documents": list(given["documents"])}
    elif recipe.kind == "infill":
        body |= {"prompt": given["prefix"], "suffix": given.get("suffix", "")}
    elif [item.name for item in recipe.inputs if item.name in given] == ["prompt"]:
        body["messages"] = [{"role": "user", "content": given["prompt"]}]
    else:
        body["lmpm"] = given
    return PATHS.get(recipe.kind, "/chat/completions"), body

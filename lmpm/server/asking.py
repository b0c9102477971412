"""What the recipe of a model adds to a request: what its client leaves out, never what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LmpmError
from lmpm.recipe import constraint_of
from lmpm.server import raw
from lmpm.server.problem import invalid
from lmpm.server.wire import CHAT, COMPLETIONS, EMBEDDINGS, INFILL, MESSAGES, RESPONSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.recipe import Recipe

SAMPLERS: Final = ("temperature", "top_p", "top_k", "min_p")
LIMITS: Final = {
    CHAT.path: ("max_tokens", "max_completion_tokens", "n_predict"),
    COMPLETIONS.path: ("max_tokens", "n_predict"),
    RESPONSES.path: ("max_output_tokens",),
    INFILL.path: ("n_predict", "max_tokens"),
}
STOPS: Final = {CHAT.path: "stop", COMPLETIONS.path: "stop", INFILL.path: "stop", MESSAGES.path: "stop_sequences"}
TEMPLATED: Final = frozenset({CHAT.path, MESSAGES.path, RESPONSES.path})
HELD: Final = ("grammar", "json_schema", "response_format", "tools")  # what holds an answer to something


def adapted(recipe: Recipe, path: str, body: dict[str, Any], *, plain: bool = True) -> dict[str, Any]:
    """The body with messages of the inputs, system text, limits, stop strings and sampling of the recipe.

    Of a recipe without a chat template the messages become a `prompt`, unless `plain` says that another model is asked.
    Raises ApiError for inputs that the recipe does not have.
    """
    asked = dict(body)
    inputs = asked.pop("lmpm", None)
    if (thinks := thoughts_asked(asked)) is not None and not recipe.raw:
        recipe = replace(recipe, mode="thinking" if thinks else "direct")
    if path == CHAT.path:
        _converse(recipe, asked, inputs, plain=plain)
    elif path == EMBEDDINGS.path:
        _prefix(recipe, asked, inputs)
    elif recipe.raw and path in (MESSAGES.path, RESPONSES.path):
        raise invalid(f"This model has no chat template: ask it at {CHAT.path}", "model", "unsupported")
    elif path == MESSAGES.path and "system" not in asked:
        _lead(recipe, asked, "system")
    elif path == RESPONSES.path and "instructions" not in asked:
        _lead(recipe, asked, "instructions")
    if path in LIMITS and not any(name in asked for name in LIMITS[path]):
        asked[LIMITS[path][0]] = recipe.longest
    if path in STOPS and recipe.stop and STOPS[path] not in asked:
        asked[STOPS[path]] = list(recipe.stop)
    if path in STOPS and recipe.writes and not any(name in asked for name in SAMPLERS):
        found = {name: getattr(recipe.sampling, name) for name in SAMPLERS}
        asked |= {name: value for name, value in found.items() if value is not None}
    if path in TEMPLATED and recipe.mode and not recipe.raw:
        asked.setdefault("chat_template_kwargs", {"enable_thinking": recipe.mode == "thinking"})
    return asked


def thoughts_asked(body: Mapping[str, Any]) -> bool | None:
    """Whether a request wants the model to think before it answers, in the words of its API; None: it does not say."""
    thinking, reasoning = body.get("thinking"), body.get("reasoning")
    if isinstance(thinking, dict):  # Anthropic's: enabled, adaptive, disabled
        return thinking.get("type") != "disabled"
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else body.get("reasoning_effort")
    return None if effort is None else effort != "none"


def _converse(recipe: Recipe, asked: dict[str, Any], inputs: Any, *, plain: bool) -> None:
    is_raw = recipe.raw and plain
    if inputs is None:
        if is_raw:
            asked["prompt"] = raw.text_of(asked.pop("messages"))
        else:
            asked["messages"] = recipe.with_system(asked["messages"])
        return
    if "messages" in asked:
        raise invalid("Send `messages`, or the inputs of the recipe in `lmpm`, not both", "lmpm")
    try:
        held = constraint_of(recipe, inputs)
        if is_raw:
            asked["prompt"] = recipe.prompt(inputs)
        else:
            asked["messages"] = recipe.messages(inputs)
    except LmpmError as error:
        raise invalid(" ".join(filter(None, (error.message, error.hint))), "lmpm", "invalid_inputs") from error
    if not any(name in asked for name in HELD):
        asked |= {"grammar": held.grammar} if held.grammar else {}
        asked |= {"json_schema": dict(held.schema)} if held.schema else {}


def _lead(recipe: Recipe, asked: dict[str, Any], name: str) -> None:
    """What the recipe's system says, where it names no input."""
    leading = recipe.with_system([{"role": "user", "content": ""}])[0]
    if leading["role"] == "system":
        asked[name] = leading["content"]


def _prefix(recipe: Recipe, asked: dict[str, Any], inputs: Any) -> None:
    """Queries and documents as the model tells them apart: `"lmpm": {"kind": "query"}`."""
    if inputs is None:
        return
    prefixes = {"query": recipe.query_prefix, "document": recipe.document_prefix}
    kind = inputs.get("kind")
    if set(inputs) != {"kind"} or kind not in prefixes:
        raise invalid("`lmpm` of embeddings has a `kind`: `query` or `document`", "lmpm", "invalid_inputs")
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    if not all(isinstance(text, str) for text in texts):
        raise invalid("`lmpm` of embeddings goes with texts", "input", "invalid_type")
    asked["input"] = [prefixes[kind] + text for text in texts]

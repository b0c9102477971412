"""The fields of requests: what each must be, and which nobody knows.

llama-server ignores what it does not know, so that a misspelt field would do nothing without a word. OpenAI refuses it,
and so does lmpm. A field that cannot be honoured here is refused too, unless it asks for what happens anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import did_you_mean, nearest
from lmpm.server.problem import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.server.wire import Wire

KINDS: Final = {
    "number": ((int, float), "a number"),
    "integer": ((int,), "a whole number"),
    "flag": ((bool,), "true or false"),
    "text": ((str,), "a string"),
    "list": ((list,), "a list"),
    "object": ((dict,), "an object"),
    "stop": ((str, list), "a string or a list of strings"),
    "prompt": ((str, list), "a string or a list"),
    "logprobs": ((bool, int), "true, false or a whole number"),
    "any": ((object,), ""),
}


def _table(**fields: str) -> dict[str, str]:
    return {name: kind for kind, names in fields.items() for name in names.split()}


# llama.cpp's own, which clients send as extras: tools/server/README.md, `/completion`.
LLAMA: Final = _table(
    number="min_p top_n_sigma xtc_probability xtc_threshold typical_p repeat_penalty dynatemp_range dynatemp_exponent "
    "dry_multiplier dry_base mirostat_tau mirostat_eta",
    integer="top_k repeat_last_n dry_allowed_length dry_penalty_last_n mirostat min_keep n_predict n_keep n_probs "
    "t_max_predict_ms n_indent",
    flag="ignore_eos cache_prompt timings_per_token post_sampling_probs return_tokens return_progress",
    text="grammar reasoning_format",
    list="samplers dry_sequence_breakers",
    object="json_schema chat_template_kwargs",
)
SAMPLING: Final = _table(
    number="temperature top_p frequency_penalty presence_penalty",
    integer="seed n",
    stop="stop",
    flag="stream",
    object="stream_options",
    any="logit_bias",
    text="user model",
)
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "/v1/chat/completions": LLAMA
    | SAMPLING
    | _table(
        list="messages tools modalities",
        integer="max_tokens max_completion_tokens top_logprobs",
        logprobs="logprobs",
        any="tool_choice prediction",
        object="response_format metadata lmpm",
        flag="parallel_tool_calls store",
        text="reasoning_effort service_tier verbosity safety_identifier prompt_cache_key prompt_cache_retention",
    ),
    "/v1/completions": LLAMA
    | SAMPLING
    | _table(prompt="prompt", integer="max_tokens best_of", logprobs="logprobs", flag="echo", any="suffix"),
    "/v1/responses": _table(
        prompt="input",
        list="tools include",
        number="temperature top_p",
        integer="max_output_tokens top_logprobs",
        any="tool_choice instructions previous_response_id conversation prompt reasoning",
        object="text metadata stream_options",
        flag="stream store parallel_tool_calls background",
        text="model user truncation service_tier safety_identifier prompt_cache_key prompt_cache_retention",
    )
    | LLAMA,
    "/v1/messages": _table(
        list="messages tools stop_sequences",
        number="temperature top_p",
        integer="max_tokens top_k",
        any="tool_choice system",
        object="metadata thinking output_config",
        flag="stream",
        text="model service_tier",
    ),
    "/v1/messages/count_tokens": _table(list="messages tools", any="system tool_choice thinking", text="model"),
    "/v1/embeddings": _table(prompt="input", text="model encoding_format user", integer="dimensions", object="lmpm"),
    "/v1/rerank": _table(text="model query", list="documents", integer="top_n", flag="return_text return_documents"),
    "/infill": LLAMA
    | SAMPLING
    | _table(text="input_prefix input_suffix prompt", list="input_extra", integer="max_tokens"),
    "/tokenize": _table(any="content", text="model", flag="add_special parse_special with_pieces"),
}
# What would change the answer and is not done here; the values beside it ask for what happens anyway.
WITHOUT: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    "/v1/chat/completions": {"modalities": (["text"],), "store": (False,)},
    "/v1/completions": {"echo": (False,), "suffix": ("",), "best_of": (1,)},
    "/v1/responses": {
        "previous_response_id": (), "conversation": (), "prompt": (), "background": (False,), "include": ([],),
        "truncation": ("disabled", "auto"),
    },
    "/v1/messages": {},
    "/v1/embeddings": {"dimensions": ()},
    "/v1/rerank": {"return_documents": (False,)},
}  # fmt: skip
COUNTS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "top_n")
MOST_CHOICES: Final = 16  # of one request; each takes a slot


def check(wire: Wire, body: Mapping[str, Any]) -> None:
    """Raise ApiError, a 400, for a field that is missing, unknown, of the wrong type, or not honoured here."""
    known = FIELDS[wire.path]
    for name, value in body.items():
        if name not in known:
            meant = did_you_mean(nearest(name, known, most=1))
            raise invalid(f"Unrecognized request argument supplied: {name}. {meant}".strip(), name, "unknown_parameter")
        kinds, wanted = KINDS[known[name]]
        is_wrong = not isinstance(value, kinds) or (
            isinstance(value, bool) and bool not in kinds and object not in kinds
        )
        if value is not None and is_wrong:
            raise invalid(f"`{name}` must be {wanted}", name, "invalid_type")
    for name in wire.required:
        if body.get(name) is None and not (name == "messages" and "lmpm" in body):
            raise invalid(f"Missing required parameter: `{name}`", name, "missing_required_parameter")
    for name in COUNTS:
        if body.get(name) is not None and body[name] < 1:
            raise invalid(f"`{name}` must be at least 1", name, "integer_below_min_value")
    if (body.get("n") or 1) > MOST_CHOICES:
        raise invalid(f"`n` must be at most {MOST_CHOICES}", "n", "integer_above_max_value")
    for name, harmless in WITHOUT.get(wire.path, {}).items():
        if body.get(name) is not None and body[name] not in harmless:
            raise invalid(f"`{name}` is not supported here", name, "unsupported_parameter")
    _check_messages(body.get("messages"))


def _check_messages(messages: Any) -> None:
    if messages is None:
        return
    if not messages:
        raise invalid("`messages` is empty", "messages", "empty_array")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise invalid(
                f"`messages[{number}]` must be an object with a `role`", f"messages[{number}]", "invalid_type"
            )


PICTURES: Final = frozenset({"image_url", "input_image", "image"})
SOUNDS: Final = frozenset({"input_audio", "audio"})


def media_in(body: Mapping[str, Any]) -> frozenset[str]:
    """What of pictures and sounds a request holds: `vision`, `audio`."""
    found: set[str] = set()
    messages = body.get("messages") or body.get("input") or ()
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            found |= {"vision"} if kind in PICTURES else {"audio"} if kind in SOUNDS else set()
    return frozenset(found)

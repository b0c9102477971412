"""The endpoints on the real starter: what OpenAI's and Anthropic's clients rely on, and what is enforced or refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lmpm.recipe import Recipe
from lmpm.server.asking import adapted
from tests.gguf_files import write_bert, write_llama
from tests.server.deployments import Real
from tests.server.fronts import Client, front

Ask = Callable[[Client], Awaitable[None]]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


def with_starter(tmp_path: Path, ask: Ask) -> None:
    async def main() -> None:
        async with front(tmp_path, Real("sql", task="text-to-sql", context=512)) as client:
            await ask(client)

    asyncio.run(main())


def test_chat_whole_and_streamed(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        whole = await client.chat("sql", temperature=0)
        assert whole.status == 200
        assert whole.json["model"] == "sql", "an answer names no file of this machine"
        assert whole.json["usage"]["completion_tokens"] <= 8
        streamed = await client.chat("sql", temperature=0, stream=True, stream_options={"include_usage": True})
        assert streamed.headers["Content-Type"].startswith("text/event-stream")
        assert streamed.is_whole
        assert streamed.text == whole.text
        assert streamed.events[-1]["usage"] == whole.json["usage"] | {
            "prompt_tokens_details": streamed.events[-1]["usage"]["prompt_tokens_details"]
        }
        for answer in (whole, streamed):
            assert answer.headers["x-lmpm-model"] == "sql"
            assert answer.headers["x-lmpm-target"] == "local"
        counted = (await client.get("/metrics")).data.decode()
        assert 'lmpm_requests_total{model="sql",status="200",target="local"} 2' in counted
        tokens = whole.json["usage"]["completion_tokens"]
        assert f'lmpm_completion_tokens_total{{model="sql",target="local"}} {2 * tokens}' in counted

    with_starter(tmp_path, ask)


def test_the_other_endpoints_that_write(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        messages = [{"role": "user", "content": "hi"}]
        said = await client.post("/v1/messages", {"model": "sql", "messages": messages, "max_tokens": 4})
        assert said.json["content"][0]["type"] == "text"
        said = await client.post(
            "/v1/messages", {"model": "sql", "messages": messages, "max_tokens": 4, "stream": True}
        )
        assert said.events[-1]["type"] == "message_stop"
        assert said.events[-1]["type"] != "error"
        said = await client.post("/v1/messages/count_tokens", {"model": "sql", "messages": messages})
        assert said.json["input_tokens"] > 0
        said = await client.post("/v1/responses", {"model": "sql", "input": "hi", "max_output_tokens": 4})
        assert said.json["object"] == "response"
        said = await client.post(
            "/v1/responses", {"model": "sql", "input": "hi", "max_output_tokens": 4, "stream": True}
        )
        assert said.events[-1]["type"] == "response.completed"
        said = await client.post(
            "/v1/completions", {"model": "sql", "prompt": "SELECT", "max_tokens": 4, "stream": True}
        )
        assert said.is_whole
        said = await client.post("/tokenize", {"model": "sql", "content": "SELECT"})
        assert said.json["tokens"]

    with_starter(tmp_path, ask)


def test_models_say_their_state(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        assert await client.state("sql") == "unloaded"
        await client.chat("sql")
        listed = (await client.get("/v1/models")).json
        assert [row["id"] for row in listed["data"]] == ["sql"]
        assert listed["data"][0]["object"] == "model"
        assert listed["data"][0]["lmpm"]["state"] == "ready"
        assert (await client.get("/v1/models/nothing")).status == 404

    with_starter(tmp_path, ask)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "allowed"),
    [
        ("required", {"weather", "clock"}),
        ({"type": "function", "function": {"name": "weather"}}, {"weather"}),
        ({"type": "function", "function": {"name": "clock"}}, {"clock"}),
    ],
)
def test_a_demanded_call_is_a_call(tmp_path: Path, choice: Any, allowed: set[str], stream: bool) -> None:
    async def ask(client: Client) -> None:
        said = await client.chat(
            "sql", "Weather in Oslo?", tools=[WEATHER, CLOCK], tool_choice=choice, stream=stream, max_tokens=100
        )
        assert said.status == 200, said.data
        if stream:
            calls = [
                call for event in said.events for c in event["choices"] for call in c["delta"].get("tool_calls", ())
            ]
            reason = said.events[-1]["choices"][0]["finish_reason"]
            assert said.is_whole
        else:
            calls = said.json["choices"][0]["message"]["tool_calls"]
            reason = said.json["choices"][0]["finish_reason"]
        assert len(calls) == 1
        assert calls[0]["function"]["name"] in allowed
        if reason == "tool_calls":
            arguments = json.loads(calls[0]["function"]["arguments"])
            if calls[0]["function"]["name"] == "weather":
                assert isinstance(arguments["city"], str)
        else:
            assert reason == "length"

    with_starter(tmp_path, ask)


PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]
HELLO = [{"role": "user", "content": "hi"}]
REFUSED: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("/v1/chat/completions", {"messages": HELLO, "temprature": 1}, "temprature", "unknown_parameter"),
    ("/v1/chat/completions", {"messages": HELLO, "temperature": "hot"}, "temperature", "invalid_type"),
    ("/v1/chat/completions", {"messages": HELLO, "stream": "yes"}, "stream", "invalid_type"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": True}, "max_tokens", "invalid_type"),
    ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ("/v1/chat/completions", {"messages": HELLO, "n": 1000}, "n", "integer_above_max_value"),
    ("/v1/chat/completions", {"messages": []}, "messages", "empty_array"),
    ("/v1/chat/completions", {"messages": ["hi"]}, "messages[0]", "invalid_type"),
    ("/v1/chat/completions", {}, "messages", "missing_required_parameter"),
    ("/v1/chat/completions", {"messages": HELLO, "modalities": ["audio"]}, "modalities", "unsupported_parameter"),
    ("/v1/chat/completions", {"messages": HELLO, "tool_choice": "required"}, "tool_choice", "invalid_value"),
    (
        "/v1/chat/completions",
        {"messages": HELLO, "tools": [WEATHER], "tool_choice": "must"},
        "tool_choice",
        "invalid_value",
    ),
    (
        "/v1/chat/completions",
        {"messages": HELLO, "tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        "tool_choice",
        "invalid_value",
    ),
    (
        "/v1/chat/completions",
        {"messages": HELLO, "tools": [WEATHER], "tool_choice": "required", "n": 2},
        "n",
        "unsupported",
    ),
    ("/v1/messages", {"messages": HELLO, "max_tokens": 4, "tool_choice": {"type": "any"}}, "", ""),
    ("/v1/messages", {"messages": HELLO, "max_tokens": 4, "grammar": "root ::= []"}, "", ""),
    ("/v1/responses", {"input": "hi", "tool_choice": "required"}, "tool_choice", "unsupported"),
    ("/v1/responses", {"input": "hi", "previous_response_id": "x"}, "previous_response_id", "unsupported_parameter"),
    ("/v1/chat/completions", {"messages": PICTURE}, "messages", "unsupported"),
    ("/v1/completions", {"prompt": "a", "echo": True}, "echo", "unsupported_parameter"),
    ("/v1/embeddings", {"input": "a"}, "model", "unsupported"),
    ("/v1/rerank", {"query": "a", "documents": ["b"]}, "model", "unsupported"),
    ("/infill", {"input_prefix": "a", "input_suffix": "b"}, None, "unsupported"),
]  # fmt: skip


def test_what_is_not_honoured_is_refused(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        for path, body, param, code in REFUSED:
            said = await client.post(path, {"model": "sql", **body})
            assert said.status == 400, (path, body, said.data)
            if path == "/v1/messages":
                assert said.json["type"] == "error"
                assert said.error["type"] == "invalid_request_error"
            else:
                assert (said.error["param"], said.error["code"]) == (param, code), (path, body)

    with_starter(tmp_path, ask)


def test_a_context_that_is_exceeded_says_by_how_much(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        long = "word " * 2000
        count = len((await client.post("/tokenize", {"content": long})).json["tokens"])
        said = await client.post("/v1/completions", {"prompt": long, "max_tokens": 1})
        assert said.status == 400
        assert said.error["code"] == "context_length_exceeded"
        assert f"{count:,} tokens" in said.error["message"] or f"{count + 1:,} tokens" in said.error["message"]
        assert "512" in said.error["message"]

    with_starter(tmp_path, ask)


@pytest.mark.parametrize("stream", [False, True])
def test_chances_of_completions_have_their_own_shape(tmp_path: Path, stream: bool) -> None:
    async def ask(client: Client) -> None:
        body = {"prompt": "SELECT", "max_tokens": 4, "logprobs": 2, "stream": stream}
        said = await client.post("/v1/completions", body)
        choices = [event["choices"][0] for event in said.events] if stream else [said.json["choices"][0]]
        shapes = [choice["logprobs"] for choice in choices if choice.get("logprobs")]
        assert shapes
        for shape in shapes:
            assert len(shape["tokens"]) == len(shape["token_logprobs"]) == len(shape["text_offset"])
            assert all(len(top) == 2 for top in shape["top_logprobs"])
        offsets = [place for shape in shapes for place in shape["text_offset"]]
        assert offsets == sorted(offsets)
        tokens = "".join(token for shape in shapes for token in shape["tokens"])
        assert tokens == "".join(choice["text"] for choice in choices)

    with_starter(tmp_path, ask)


def test_a_model_for_vectors_does_not_chat(tmp_path: Path) -> None:
    file = write_bert(tmp_path / "bert.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])

    async def main() -> None:
        vectors = Real("vectors", file, task="embeddings", kind="embeddings", embeddings=True, context=64, slots=1)
        async with front(tmp_path, vectors) as client:
            said = await client.post("/v1/embeddings", {"model": "vectors", "input": ["cat", "car"]})
            assert [row["index"] for row in said.json["data"]] == [0, 1]
            encoded = await client.post(
                "/v1/embeddings", {"model": "embeddings", "input": "cat", "encoding_format": "base64"}
            )
            assert isinstance(encoded.json["data"][0]["embedding"], str), "a task names the one model that does it"
            refused = await client.chat("vectors")
            assert (refused.status, refused.error["param"]) == (400, "model")
            narrowed = await client.post("/v1/embeddings", {"model": "vectors", "input": "cat", "dimensions": 2})
            assert narrowed.error["param"] == "dimensions"

    asyncio.run(main())


def test_a_grammar_and_a_schema_are_held_to(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        schema = {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": False,
        }
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        said = await client.chat("sql", response_format=form, max_tokens=64)
        if said.json["choices"][0]["finish_reason"] == "stop":
            assert isinstance(json.loads(said.text)["a"], int)
        said = await client.chat("sql", grammar='root ::= "yes" | "no"')
        assert said.text in ("yes", "no")
        bad = await client.chat("sql", grammar="root ::= (")
        assert bad.status == 400

    with_starter(tmp_path, ask)


def test_a_model_that_ranks(tmp_path: Path) -> None:
    """The same scores as the engine gives, whatever `top_n` leaves of them."""
    file = write_bert(tmp_path / "bert.gguf", meanings=[["cat", "kitten"], ["car", "truck"]], classifier=True)
    documents = ["a kitten", "a truck", "a car"]

    async def main() -> None:
        ranks = Real(
            "ranks", file, task="reranking", kind="rerank", embeddings=True, pooling="rank", context=64, slots=1
        )
        async with front(tmp_path, ranks) as client:
            body = {"model": "ranks", "query": "a cat", "documents": documents}
            said = await client.post("/v1/rerank", body)
            scores = {row["index"]: row["relevance_score"] for row in said.json["results"]}
            expected = ranks.running[-1].session.rerank("a cat", documents)
            assert scores == pytest.approx(dict(enumerate(expected)), abs=1e-4)
            best = max(scores, key=lambda index: scores[index])
            said = await client.post("/v1/rerank", body | {"top_n": 1})
            assert [row["index"] for row in said.json["results"]] == [best]
            assert (await client.chat("ranks")).status == 400

    asyncio.run(main())


FIM = {f"tokenizer.ggml.fim_{kind}_token_id": 310 + number for number, kind in enumerate(("pre", "suf", "mid"))}


def test_a_model_that_fills_holes(tmp_path: Path) -> None:
    file = write_llama(tmp_path / "code.gguf", extra=FIM)[0]

    async def main() -> None:
        async with front(tmp_path, Real("code", file, task="code-completion")) as client:
            body = {"model": "code", "input_prefix": "def f(", "input_suffix": "):", "n_predict": 6, "temperature": 0}
            whole = await client.post("/infill", body)
            assert whole.status == 200 and whole.json["tokens_predicted"] <= 6
            streamed = await client.post("/infill", body | {"stream": True})
            assert streamed.events[-1]["stop"]
            assert "".join(event["content"] for event in streamed.events) == whole.json["content"]

    asyncio.run(main())


def test_an_answer_is_opened_once(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        body = {"model": "sql", "max_tokens": 6, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        kinds = [event["type"] for event in (await client.post("/v1/messages", body)).events]
        assert kinds[0] == "message_start" and kinds.count("message_start") == kinds.count("message_stop") == 1
        assert kinds.count("content_block_start") == kinds.count("content_block_stop") >= 1
        body = {"model": "sql", "max_output_tokens": 6, "stream": True, "input": "hi"}
        kinds = [event["type"] for event in (await client.post("/v1/responses", body)).events]
        assert kinds[0] == "response.created" and kinds.count("response.created") == 1
        assert kinds.count("response.completed") == 1

    with_starter(tmp_path, ask)


def test_what_llama_server_calls_its_own(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        body = {"model": "sql", "prompt": "SELECT", "n_predict": 5, "temperature": 0, "stop": []}
        whole = await client.post("/completion", body)
        assert whole.json["tokens_predicted"] == 5
        streamed = await client.post("/completion", body | {"stream": True})
        assert "".join(event["content"] for event in streamed.events) == whole.json["content"]
        shown = await client.post(
            "/apply-template", {"model": "sql", "messages": [{"role": "user", "content": "what I say"}]}
        )
        assert "what I say" in shown.json["prompt"]
        refused = await client.post("/completion", body | {"promt": "x"})
        assert (refused.status, refused.error["param"]) == (400, "promt")
        missing = await client.post("/completion", {"model": "sql"})
        assert missing.error["param"] == "prompt"

    with_starter(tmp_path, ask)


THINKS = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% if enable_thinking %}think{% else %}direct{% endif %}{% endif %}"
)


class Thinker(Real):
    """A model that can think, whose recipe answers directly."""

    def adapt(self, path: str, body: dict[str, Any], *, plain: bool = True) -> dict[str, Any]:
        return adapted(Recipe(kind="chat", mode="direct"), path, body, plain=plain)


def test_thoughts_are_asked_for_in_the_words_of_each_api(tmp_path: Path) -> None:
    """What llama-server takes and passes over. The prompt ends in a word of five letters or six, each a token."""
    file = write_llama(tmp_path / "thinks.gguf", chat_template=THINKS)[0]
    ways: dict[str, tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]] = {
        "/v1/messages": (
            {"messages": HELLO, "max_tokens": 2},
            [{"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"thinking": {"type": "adaptive"}}],
            [{}, {"thinking": {"type": "disabled"}}],
        ),
        "/v1/chat/completions": (
            {"messages": HELLO, "max_tokens": 2},
            [{"reasoning_effort": "low"}],
            [{}, {"reasoning_effort": "none"}],
        ),
        "/v1/responses": (
            {"input": "hi", "max_output_tokens": 2},
            [{"reasoning": {"effort": "high"}}],
            [{}, {"reasoning": {"effort": "none"}}],
        ),
    }

    async def main() -> None:
        async with front(tmp_path, Thinker("t", file)) as client:

            async def read(path: str, body: dict[str, Any]) -> int:
                usage = (await client.post(path, {"model": "t", **body})).json["usage"]
                return sum(usage.get(name, 0) for name in ("prompt_tokens", "input_tokens", "cache_read_input_tokens"))

            for path, (body, thinking, direct) in ways.items():
                thought = {await read(path, body | more) for more in thinking}
                answered = {await read(path, body | more) for more in direct}
                assert {number + 1 for number in thought} == answered and len(answered) == 1, path

    asyncio.run(main())


def test_who_cannot_think_says_so(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        for path, body, field in (
            ("/v1/messages", {"messages": HELLO, "max_tokens": 4, "thinking": {"type": "enabled"}}, "thinking"),
            ("/v1/chat/completions", {"messages": HELLO, "reasoning_effort": "low"}, "reasoning_effort"),
            ("/v1/responses", {"input": "hi", "reasoning": {"effort": "low"}}, "reasoning"),
        ):
            said = await client.post(path, {"model": "sql", **body})
            assert said.status == 400 and "does not think" in said.error["message"], path
            assert path == "/v1/messages" or said.error["param"] == field
        quiet = {"messages": HELLO, "max_tokens": 4, "thinking": {"type": "disabled"}}
        assert (await client.post("/v1/messages", quiet)).status == 200

    with_starter(tmp_path, ask)


def test_events_of_responses_say_where_they_belong(tmp_path: Path) -> None:
    async def ask(client: Client) -> None:
        body = {"model": "sql", "max_output_tokens": 6, "stream": True, "input": "hi"}
        events = (await client.post("/v1/responses", body)).events
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        deltas = [event for event in events if event["type"] == "response.output_text.delta"]
        assert deltas and all((event["output_index"], event["content_index"]) == (0, 0) for event in deltas)

    with_starter(tmp_path, ask)

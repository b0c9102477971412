"""Snippets: how other programs are told of a model that `lmpm serve`, or anything OpenAI-compatible, answers for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from lmpm.export.record import Export

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Task

NAME: Final = "snippets"
SUMMARY: Final = "Lines for curl, the OpenAI SDK, llm, Continue and Zed"
OPTIONS: Final[Mapping[str, str]] = {"url": "the base URL, http://127.0.0.1:8420/v1 unless said"}
URL: Final = "http://127.0.0.1:8420/v1"  # of `lmpm serve`


def plan(task: Task) -> Export:
    """Words on stdout alone."""
    url = task.options.get("url") or URL
    parts = [("curl", _curl(task, url)), ("Python, the OpenAI SDK", _python(task, url))]
    if task.subject.recipe.kind == "chat" or not task.subject.recipe.raw:
        parts += [("llm: ~/.config/io.datasette.llm/extra-openai-models.yaml", _llm(task, url)),
                  ("Continue: ~/.continue/config.yaml", _continue(task, url)),
                  ("Zed: settings.json", _zed(task, url))]  # fmt: skip
    shown = "\n\n".join(f"# {title}\n{text}" for title, text in parts)
    return Export(target=NAME, name=task.name, place=task.current, shown=shown)


def _body(task: Task) -> tuple[str, dict[str, object]]:
    kind = task.subject.recipe.kind
    if kind == "embed":
        return "embeddings", {"model": task.name, "input": ["a text"]}
    if kind == "rerank":
        return "rerank", {"model": task.name, "query": "a question", "documents": ["a text", "another"]}
    return "chat/completions", {"model": task.name, "messages": [{"role": "user", "content": "Hello"}]}


def _curl(task: Task, url: str) -> str:
    path, body = _body(task)
    return f"curl {url}/{path} -H 'content-type: application/json' -d '{json.dumps(body)}'"


def _python(task: Task, url: str) -> str:
    path, body = _body(task)
    start = f'from openai import OpenAI\n\nclient = OpenAI(base_url={url!r}, api_key="none")\n'
    if path == "embeddings":
        return start + f"print(client.embeddings.create(model={task.name!r}, input=['a text']).data[0].embedding[:3])"
    if path == "rerank":
        return start + f"print(client.post('/rerank', body={body!r}, cast_to=object))"
    call = f"client.chat.completions.create(model={task.name!r}, messages={body['messages']!r})"
    return start + f"print({call}.choices[0].message.content)"


def _llm(task: Task, url: str) -> str:
    return f"- model_id: {json.dumps(task.name)}\n  model_name: {json.dumps(task.name)}\n  api_base: {json.dumps(url)}"


def _continue(task: Task, url: str) -> str:
    roles = {"embed": "embed", "rerank": "rerank", "infill": "autocomplete"}
    role = roles.get(task.subject.recipe.kind, "chat")
    return (
        f"models:\n  - name: {json.dumps(task.name)}\n    provider: openai\n    model: {json.dumps(task.name)}\n"
        f"    apiBase: {json.dumps(url)}\n    roles: [{role}]"
    )


def _zed(task: Task, url: str) -> str:
    model = {"name": task.name, "display_name": task.name, "max_tokens": task.config.context}
    provider = {"lmpm": {"api_url": url, "available_models": [model]}}
    return json.dumps({"language_models": {"openai_compatible": provider}}, indent=2)

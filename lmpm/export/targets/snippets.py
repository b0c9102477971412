"""Snippets: how other programs are told of a model that `lmpm serve`, or anything OpenAI-compatible, answers for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from lmpm.export.record import URL as URL_FORM, Export

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "snippets"
SUMMARY: Final = "Lines for curl, the OpenAI SDK, llm, Continue and Zed"
OPTIONS: Final[Mapping[str, str]] = {"url": "the base URL, http://127.0.0.1:8420/v1 unless said"}
URL: Final = "http://127.0.0.1:8420/v1"  # of `lmpm serve`


def plan(job: Job) -> Export:
    """Words on stdout alone."""
    url = job.option("url", URL, URL_FORM, "the base URL of a server, such as http://127.0.0.1:8420/v1").rstrip("/")
    parts = [("curl", _curl(job, url)), ("Python, the OpenAI SDK", _python(job, url))]
    if job.subject.recipe.kind == "chat" or not job.subject.recipe.raw:
        parts += [("llm: ~/.config/io.datasette.llm/extra-openai-models.yaml", _llm(job, url)),
                  ("Continue: ~/.continue/config.yaml", _continue(job, url)),
                  ("Zed: settings.json", _zed(job, url))]  # fmt: skip
    shown = "\n\n".join(f"# {title}\n{text}" for title, text in parts)
    return Export(target=NAME, name=job.name, place=job.current, shown=shown)


def _body(job: Job) -> tuple[str, dict[str, object]]:
    kind = job.subject.recipe.kind
    if kind == "embed":
        return "embeddings", {"model": job.name, "input": ["a text"]}
    if kind == "rerank":
        return "rerank", {"model": job.name, "query": "a question", "documents": ["a text", "another"]}
    return "chat/completions", {"model": job.name, "messages": [{"role": "user", "content": "Hello"}]}


def _curl(job: Job, url: str) -> str:
    path, body = _body(job)
    return f"curl {url}/{path} -H 'content-type: application/json' -d '{json.dumps(body)}'"


def _python(job: Job, url: str) -> str:
    path, body = _body(job)
    start = f'from openai import OpenAI\n\nclient = OpenAI(base_url={url!r}, api_key="none")\n'
    if path == "embeddings":
        return start + f"print(client.embeddings.create(model={job.name!r}, input=['a text']).data[0].embedding[:3])"
    if path == "rerank":
        return start + f"print(client.post('/rerank', body={body!r}, cast_to=object))"
    call = f"client.chat.completions.create(model={job.name!r}, messages={body['messages']!r})"
    return start + f"print({call}.choices[0].message.content)"


def _llm(job: Job, url: str) -> str:
    return f"- model_id: {json.dumps(job.name)}\n  model_name: {json.dumps(job.name)}\n  api_base: {json.dumps(url)}"


def _continue(job: Job, url: str) -> str:
    roles = {"embed": "embed", "rerank": "rerank", "infill": "autocomplete"}
    role = roles.get(job.subject.recipe.kind, "chat")
    return (
        f"models:\n  - name: {json.dumps(job.name)}\n    provider: openai\n    model: {json.dumps(job.name)}\n"
        f"    apiBase: {json.dumps(url)}\n    roles: [{role}]"
    )


def _zed(job: Job, url: str) -> str:
    model = {"name": job.name, "display_name": job.name, "max_tokens": job.config.context}
    provider = {"lmpm": {"api_url": url, "available_models": [model]}}
    return json.dumps({"language_models": {"openai_compatible": provider}}, indent=2)

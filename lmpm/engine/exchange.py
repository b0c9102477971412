"""What llama-server is asked for, and its answers as records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Required, TypedDict

from lmpm.engine.protocol import GREEDY, Generation, Sampling

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


class Writing(TypedDict, total=False):
    """How a text is continued: at most so many tokens, up to a text of `stop`, held to GBNF or to a JSON schema."""

    max_tokens: Required[int]
    stop: Sequence[str]
    sampling: Sampling
    grammar: str | None
    schema: Mapping[str, Any] | None


def text_request(prompt: str | Sequence[int | str], writing: Writing) -> dict[str, Any]:
    """The request of a text, as llama-server reads it."""
    body: dict[str, Any] = {"prompt": prompt, "n_predict": writing["max_tokens"], "stop": list(writing.get("stop", ()))}
    held = {"grammar": writing.get("grammar"), "json_schema": writing.get("schema")}
    body |= {name: value for name, value in held.items() if value is not None}
    return {**body, **sampling_request(writing.get("sampling", GREEDY))}


def sampling_request(sampling: Sampling) -> dict[str, Any]:
    """How tokens are taken, as a request says it."""
    steps = {"top_k": sampling.top_k, "top_p": sampling.top_p, "min_p": sampling.min_p}
    if sampling.temperature <= 0:
        steps = {"top_k": 1, "top_p": None, "min_p": None}
    taken = {name: value for name, value in steps.items() if value is not None}
    order = [*taken, "temperature"]
    return {"seed": sampling.seed, "temperature": sampling.temperature, **taken, "samplers": order}


class Stream:
    """The pieces of an answer's text; `result` is the whole of it once they are all taken. Closing it ends it there."""

    def __init__(self, events: Generator[Any, None, None]) -> None:
        self._events = events
        self._text = ""
        self.result: Generation | None = None

    def __iter__(self) -> Iterator[str]:
        for event in self._events:
            text = str(event.get("content", ""))
            self._text += text
            if event.get("stop"):
                self.result = dataclasses.replace(completed(event), text=self._text)
            if text:
                yield text

    def close(self) -> None:
        """End the answer."""
        self._events.close()


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What a model said: the message as OpenAI's API has it, why it ended, and the figures of the answer."""

    message: Mapping[str, Any]
    finish_reason: str
    figures: Generation

    @property
    def text(self) -> str:
        """The words of the message."""
        return str(self.message.get("content") or "")


def completed(said: Mapping[str, Any]) -> Generation:
    """An answer of `/completion`."""
    tokens = int(said.get("tokens_predicted", 0))
    chances = said.get("completion_probabilities") or ()
    return dataclasses.replace(
        timed(said.get("timings", {}), said),
        text=str(said.get("content", "")),
        prompt_tokens=int(said.get("tokens_evaluated", 0)),
        tokens=tokens,
        finite=all(item.get("logprob") is not None for item in chances),
        ended_by="length" if said.get("stop_type") == "limit" else "stop",
    )


def timed(timings: Mapping[str, Any], said: Mapping[str, Any]) -> Generation:
    """The figures of an answer, without its text."""
    prompt, predicted = int(timings.get("prompt_n", 0)), int(timings.get("predicted_n", 0))
    cached = int(timings.get("cache_n", 0))
    choices: Sequence[Mapping[str, Any]] = said.get("choices") or ({},)
    return Generation(
        text="",
        prompt_tokens=prompt + cached,
        tokens=predicted,
        first_token_s=timings["prompt_ms"] / 1000 if "prompt_ms" in timings and predicted else None,
        decode=float(timings["predicted_per_second"]) if predicted > 1 and timings.get("predicted_ms") else None,
        prefill=float(timings["prompt_per_second"]) if timings.get("prompt_ms") else None,
        cached_tokens=cached,
        drafted_tokens=int(timings.get("draft_n", 0)),
        ended_by="length" if choices[0].get("finish_reason") == "length" else "stop",
    )

"""A model that stays loaded in a child process: asked over and over, shared within a process, gone at its end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

from lmpm.engine.exchange import ChatAnswer, Stream, completed, sampling_request, text_request, timed
from lmpm.engine.http.client import RefusedError
from lmpm.engine.protocol import SessionMemory
from lmpm.engine.sharing import acquire, release
from lmpm.errors import TIMED_OUT, ContextExceededError, EngineError
from lmpm.fs import printable
from lmpm.units import duration

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping, Sequence
    from typing import Unpack

    from lmpm.engine.exchange import Writing
    from lmpm.engine.http.client import Client
    from lmpm.engine.protocol import EngineLimits, Files, Generation, Sampling, Service
    from lmpm.engine.server_process import ServerProcess
    from lmpm.run_config import RunConfig

Progress = Callable[[int, int], None]  # tokens of a prompt that are read, and of how many

TOO_LONG: Final = "exceed_context_size_error"
LONGEST_TOKEN: Final = 256  # characters of the longest tokens of vocabularies: runs of blanks, of `=` and the like
BROKEN: Final = (OSError, http.client.HTTPException, ValueError)  # of a connection whose server went away


class Session:
    """A loaded model. Its methods raise EngineError; it may be used from several threads and after a fork.

    A crash ends this session and all that share its child; the next one that is opened starts another.
    """

    def __init__(
        self,
        key: Hashable,
        start: Callable[[], ServerProcess],
        *,
        files: Files,
        config: RunConfig,
        limits: EngineLimits,
        service: Service,
        has_template: bool = True,
    ) -> None:
        self.config, self.limits = config, limits
        self.has_template = has_template  # of conversations, in the file
        self._files, self._service = files, service
        self._key, self._start = key, start
        self._error: EngineError | None = None
        self._pid = os.getpid()
        self._process: ServerProcess | None = acquire(key, start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the model back; its child ends with the last session that uses it."""
        process, self._process = self._process, None
        if process is not None and self._pid == os.getpid():
            release(self._key)

    @property
    def process(self) -> ServerProcess:
        """The child, this process's own."""
        if self._error is not None:
            raise self._error
        if self._process is None:
            raise EngineError(f"The session with `{printable(self._files.model.name)}` is closed")
        if self._pid != os.getpid():
            self._process, self._pid = acquire(self._key, self._start), os.getpid()
        return self._process

    @property
    def client(self) -> Client:
        """Where the child listens and its key, for those who speak to it in their own way."""
        return self.process.client

    @property
    def build(self) -> str:
        """The build of llama.cpp that answers."""
        return self.process.build

    @property
    def load_s(self) -> float:
        """Seconds from the start of the child until it could be asked."""
        return self.process.load_s

    @property
    def confined(self) -> tuple[str, ...]:
        """What holds the child, in a few words each; empty where there are limits alone."""
        return self.process.confined

    def memory(self) -> SessionMemory:
        """What the model takes so far."""
        return SessionMemory(peak=self.process.peak_memory(), buffers=self.process.buffers)

    def complete(
        self,
        prompt: str | Sequence[int | str],
        *,
        reuse: bool = True,
        checked: bool = False,
        time_s: float | None = None,
        **writing: Unpack[Writing],
    ) -> Generation:
        """Continue a text. `reuse` takes from the cache what the last prompt had in common with this one.

        `checked` looks at the probability of every token, for values that are no numbers; that takes time.
        """
        self._require_room(_words(prompt))
        body = text_request(prompt, writing)
        body |= {"cache_prompt": reuse, **({"n_probs": 1} if checked else {})}
        found = completed(self._ask("/completion", body, time_s))
        if writing.get("schema") is not None and found.ended_by == "stop" and not _is_json(found.text):
            raise EngineError(f"llama.cpp did not hold `{printable(self._files.model.name)}` to the schema")
        return found

    def stream(
        self,
        prompt: str | Sequence[int | str],
        *,
        progress: Progress | None = None,
        time_s: float | None = None,
        **writing: Unpack[Writing],
    ) -> Stream:
        """Continue a text, piece by piece. `progress` hears of each batch of the prompt that is read."""
        self._require_room(_words(prompt))
        return Stream(self._stream("/completion", text_request(prompt, writing), time_s, progress))

    def chat(self, messages: Sequence[Mapping[str, Any]], *, time_s: float | None = None, **options: Any) -> ChatAnswer:
        """Answer a conversation in the chat template of the file. `options` are those of OpenAI's API."""
        self._require_chats(messages)
        said = self._ask("/v1/chat/completions", {"messages": list(messages), **options}, time_s)
        choice = said["choices"][0]
        return ChatAnswer(choice["message"], str(choice.get("finish_reason")), timed(said.get("timings", {}), said))

    def stream_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        sampling: Sampling | None = None,
        progress: Progress | None = None,
        time_s: float | None = None,
        **options: Any,
    ) -> Iterator[Mapping[str, Any]]:
        """The events of an answer as OpenAI's API has them; closing the iterator ends the answer."""
        self._require_chats(messages)
        self._require_room(_texts(messages))
        body = {"messages": list(messages), **(sampling_request(sampling) if sampling else {}), **options}
        return self._stream("/v1/chat/completions", body, time_s, progress)

    def embed(self, texts: Sequence[str], *, time_s: float | None = None) -> list[tuple[float, ...]]:
        """One vector for each text, not normalized: pooled as planned, or the last token's where nothing pools."""
        self._require_room(texts)
        answer = self._ask("/embeddings", {"content": list(texts), "embd_normalize": -1}, time_s)
        ordered = sorted(answer, key=lambda item: item["index"])
        return [tuple(_number(value) for value in item["embedding"][-1]) for item in ordered]

    def rerank(self, query: str, documents: Sequence[str], *, time_s: float | None = None) -> list[float]:
        """How well each document answers a query; more is better."""
        self._require_room([query, *documents])
        answer = self._ask("/rerank", {"query": query, "documents": list(documents)}, time_s)
        scores = {item["index"]: _number(item["relevance_score"]) for item in answer["results"]}
        return [scores[index] for index in range(len(documents))]

    def infill(
        self, prefix: str, suffix: str, *, time_s: float | None = None, **writing: Unpack[Writing]
    ) -> Generation:
        """Write what stands between two pieces of code, in the form that the file's header gives."""
        self._require_room([prefix, suffix])
        body = text_request("", writing)
        body |= {"input_prefix": prefix, "input_suffix": suffix, "cache_prompt": False}
        return completed(self._ask("/infill", body, time_s))

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text; `special`: as a whole prompt, with control tokens understood."""
        self._require_room([text])
        body = {"content": text, "add_special": special, "parse_special": special}
        return list(self._ask("/tokenize", body, None)["tokens"])

    def likeliest(self, prompt: str | Sequence[int | str], number: int) -> list[tuple[int, float]]:
        """The likeliest next tokens after a prompt, each with the logarithm of its probability."""
        self._require_room(_words(prompt))
        body = text_request(prompt, {"max_tokens": 1})
        # An end of text and half of a character are written without their chances, so a letter is made to be written.
        # The chances are those before that (llama.cpp, tools/server/server-context.cpp, populate_token_probs).
        letter = self.tokenize("a", special=False)[-1]
        body |= {"n_probs": number, "cache_prompt": False, "logit_bias": [[letter, 1e6]]}
        (first,) = self._ask("/completion", body, None)["completion_probabilities"]
        return [(int(item["id"]), _number(item["logprob"])) for item in first["top_logprobs"]]

    def apply_template(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> str:
        """The prompt that the chat template of the file makes of a conversation."""
        self._require_chats(messages)
        self._require_room(_texts(messages))
        return str(self._ask("/apply-template", {"messages": list(messages), **options}, None)["prompt"])

    def properties(self) -> Mapping[str, Any]:
        """What the server says of itself: slots, modalities, the chat template."""
        found: Mapping[str, Any] = self._ask("/props", None, None)
        return found

    def _require_room(self, texts: Iterable[str]) -> None:
        """Refuse a text that is too long whatever its tokens are: to take it apart costs memory beyond the limits."""
        most = self.config.context * LONGEST_TOKEN
        for text in texts:
            if len(text) > most:
                least = -(-len(text) // LONGEST_TOKEN)
                name = printable(self._files.model.name)
                raise ContextExceededError(name, prompt_tokens=least, context=self.config.context, is_least=True)

    def _require_chats(self, messages: Sequence[Mapping[str, Any]]) -> None:
        name = printable(self._files.model.name)
        if not self._service.chats:
            raise EngineError(f"`{name}` was opened without its chat template")
        if not self.has_template:  # llama.cpp would take that of ChatML and say nothing
            raise EngineError(
                f"`{name}` holds no chat template, so it cannot be given a conversation",
                hint="Ask it for a text: `raw = true` in the recipe of the model",
                kind="no-chat-template",
            )
        if self._files.mmproj is None and _show_pictures(messages):
            raise EngineError(
                f"`{name}` cannot look at pictures: it came without an encoder of them (mmproj)",
                hint="Take a model for pictures: `lmpm install vision`",
                kind="no-vision",
            )

    def _ask(self, path: str, body: Mapping[str, Any] | None, time_s: float | None) -> Any:
        with self._failures(time_s):
            return self.client.ask(path, body, time_s or self.limits.time_s)

    def _stream(
        self, path: str, body: Mapping[str, Any], time_s: float | None, progress: Progress | None = None
    ) -> Generator[Any, None, None]:
        asked = {**body, "return_progress": True} if progress else body
        with self._failures(time_s):
            for event in self.client.stream(path, asked, time_s or self.limits.time_s):
                read = event.get("prompt_progress") if progress else None
                if progress and isinstance(read, dict):
                    progress(int(read.get("processed", 0)), int(read.get("total", 0)))
                yield event

    @contextlib.contextmanager
    def _failures(self, time_s: float | None) -> Iterator[None]:
        """Say what went wrong: the request, the time, or the child."""
        name = printable(self._files.model.name)
        try:
            yield
        except RefusedError as error:
            if error.type == TOO_LONG or error.error.get("code") == "context_length_exceeded":
                tokens, room = int(error.error.get("n_prompt_tokens", 0)), int(error.error.get("n_ctx", 0))
                raise ContextExceededError(name, prompt_tokens=tokens, context=room) from error
            said = printable(str(error)) or f"status {error.status}"
            raise EngineError(f"llama.cpp failed on `{name}`: {said}") from error
        except TimeoutError as error:
            waited = duration(time_s or self.limits.time_s)
            raise EngineError(
                f"llama.cpp was stopped after {waited} while running `{name}`",
                hint="The machine may be too busy or too slow for this model: try again, or choose a smaller one",
                kind=TIMED_OUT,
            ) from error
        except BROKEN as error:
            raise self._gone() from error

    def _gone(self) -> EngineError:
        """Why its server does not answer any more."""
        if self._process is None:  # closed from another thread
            return EngineError(f"The session with `{printable(self._files.model.name)}` was closed")
        self._error = self._process.failure()
        return self._error


def _is_json(text: str) -> bool:
    """Whether an answer is what a schema promises at least; a parser that fails lets the rest of an answer go free."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _number(value: float | None) -> float:
    """A number of an answer; JSON has null for one that is none."""
    return float("nan") if value is None else float(value)


def _words(prompt: str | Sequence[int | str]) -> list[str]:
    """What of a prompt is still to be taken apart."""
    return [prompt] if isinstance(prompt, str) else [part for part in prompt if isinstance(part, str)]


def _texts(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is said in a conversation, without its pictures."""
    for content in (message.get("content") for message in messages):
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (str(part.get("text", "")) for part in content if isinstance(part, dict))


def _show_pictures(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a message of a conversation holds a picture."""
    contents = (message.get("content") for message in messages)
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return any(isinstance(part, dict) and part.get("type") in ("image_url", "input_image") for part in parts)

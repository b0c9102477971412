"""Asking a provider, one request at a time: tried again while that may help, and nothing of it is logged.

No redirect is followed, so that the key and the prompt reach nobody but the provider. A login of `.netrc` is not used.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LmpmError, NetworkError, NotPermittedError, RateLimitedError, SpecError
from lmpm.fs import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    import requests

    from lmpm.cloud.provider import Provider

ATTEMPTS: Final = 5
FIRST_WAIT_S, MOST_WAIT_S = 1.0, 60.0  # between attempts, twice as long each time, or as long as it asks for
CONNECT_S: Final = 10.0
SILENCE_S: Final = 120.0
PASSING: Final = frozenset({408, 409, 425, 429})  # beside those of 500 and above
KEY_REFUSED: Final = frozenset({401, 402, 403})
MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
SHOWN_CHARS: Final = 300  # of what a provider says of an error


@dataclass(frozen=True, slots=True)
class CloudClient:
    """A provider and its key. `pause` waits between attempts, in seconds.

    The methods raise NotPermittedError for a key that it does not accept, RateLimitedError, SpecError for a request
    that it refuses, and NetworkError for what may pass.
    """

    provider: Provider
    key: str = field(repr=False)
    pause: Callable[[float], None] = time.sleep

    def stream(self, path: str, body: Mapping[str, Any]) -> Generator[Mapping[str, Any], None, None]:
        """The events of an answer as they come; the model is the provider's. Closing the iterator ends the answer.

        An answer that breaks off is an error: what was heard of it is not asked for again.
        """
        import requests

        asked = {**body, "model": self.provider.model, "stream": True, "stream_options": {"include_usage": True}}
        response = self._begun(path, asked)
        try:
            yield from self._events(response)
        except requests.RequestException as error:
            raise NetworkError(f"{self._name} broke off its answer") from error
        finally:
            response.close()

    def ask(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The whole answer, a JSON object."""
        import requests

        response = self._begun(path, {**body, "model": self.provider.model})
        try:
            found = json.loads(_read(response, MAX_ANSWER_BYTES))
        except (requests.RequestException, ValueError) as error:
            raise NetworkError(f"{self._name} answered with what is not JSON") from error
        finally:
            response.close()
        if not isinstance(found, dict):
            raise NetworkError(f"{self._name} answered with what is not an object")
        return found

    @property
    def _name(self) -> str:
        return f"`cloud:{self.provider.name}`"

    def _begun(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        """The answer of the first attempt that has one."""
        wait = FIRST_WAIT_S
        for attempt in range(1, ATTEMPTS + 1):
            response, error = self._sent(path, body)
            if response is not None and response.status_code == 200:
                return response
            if response is not None:
                error = self._refused(response)
                response.close()
            asked = error.retry_after_s if isinstance(error, RateLimitedError) else None
            passes = isinstance(error, NetworkError) and (asked or 0.0) <= MOST_WAIT_S
            if attempt == ATTEMPTS or not passes:
                raise error or NetworkError(f"{self._name} does not answer")
            self.pause(asked if asked is not None else wait)
            wait = min(wait * 2, MOST_WAIT_S)
        raise AssertionError("the last attempt returns or raises")

    def _sent(self, path: str, body: Mapping[str, Any]) -> tuple[requests.Response | None, LmpmError | None]:
        import requests

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {self.key}"
            return request

        try:
            return requests.post(
                f"{self.provider.base_url}/{path}", json=body, auth=sign, stream=True, allow_redirects=False,
                timeout=(CONNECT_S, SILENCE_S),
            ), None  # fmt: skip
        except requests.RequestException as error:
            why = "said nothing in time" if isinstance(error, requests.Timeout) else "cannot be reached"
            return None, NetworkError(f"{self._name} {why}: {type(error).__name__}", hint=self.provider.base_url)

    def _refused(self, response: requests.Response) -> LmpmError:
        """What an answer with another status means; only what the provider says in its error is shown of it."""
        status = response.status_code
        said = _message(response)
        words = f"{self._name} answered with status {status}{f': {said}' if said else ''}"
        if status in KEY_REFUSED:
            return NotPermittedError(words, hint=f"Does {self.provider.api_key_env} hold a valid key?")
        if status == 429:
            return RateLimitedError(words, retry_after_s=_retry_after(response))
        if status in PASSING or status >= 500 or status < 400:
            return NetworkError(words)
        return SpecError(words)

    def _events(self, response: requests.Response) -> Iterator[Mapping[str, Any]]:
        if response.headers.get("Content-Type", "").partition(";")[0].strip() != "text/event-stream":
            raise NetworkError(f"{self._name} answered with what is not a stream")
        for line in _lines(response):
            kind, _, data = line.partition(b":")
            if kind != b"data":
                continue
            if data.strip() == b"[DONE]":
                return
            try:
                event = json.loads(data)
            except ValueError as error:
                raise NetworkError(f"{self._name} answered with what is not JSON") from error
            if isinstance(event, dict):
                if event.get("error"):
                    raise NetworkError(f"{self._name} broke off its answer with an error")
                yield event
        raise NetworkError(f"{self._name} broke off its answer")


def _lines(response: requests.Response) -> Iterator[bytes]:
    """The lines of a stream as they come; `iter_lines` of requests holds back what arrived until a buffer is full."""
    pending = b""
    for chunk in response.iter_content(None if response.raw.chunked else 1):
        *whole, pending = (pending + chunk).split(b"\n")
        yield from (line.rstrip(b"\r") for line in whole)
        if len(pending) > MAX_EVENT_BYTES:
            raise NetworkError("An event of a provider is longer than lmpm takes")


def _read(response: requests.Response, most: int) -> bytes:
    data = b""
    for chunk in response.iter_content(65536):
        data += chunk
        if len(data) > most:
            raise NetworkError("A provider answered with more than lmpm takes")
    return data


def _message(response: requests.Response) -> str:
    """What the error of an answer says, whatever its shape; empty where it says nothing."""
    import requests

    try:
        error = json.loads(_read(response, MAX_EVENT_BYTES))["error"]
    except (requests.RequestException, NetworkError, ValueError, LookupError, TypeError):
        return ""
    said = error.get("message") if isinstance(error, dict) else error
    return printable(" ".join(str(said or "").split())[:SHOWN_CHARS])


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that it asks to wait; a date is left to the usual wait."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() and len(said) < 6 else None


def require_provider(
    providers: Mapping[str, Provider], name: str, environment: Mapping[str, str]
) -> tuple[Provider, str]:
    """A provider of the manifest and its key. Raises SpecError where either is lacking."""
    provider = providers.get(name)
    if provider is None:
        listed = ", ".join(f"`cloud:{known}`" for known in providers) or "none: declare one as [cloud.NAME]"
        raise SpecError(f"No provider is called `{name}`", hint=f"In lmpm.toml: {listed}")
    key = provider.key_in(environment)
    if key is None:
        raise SpecError(f"`{provider.api_key_env}` is not set, which holds the key of `cloud:{name}`")
    return provider, key

"""GET over requests, as bytes of models need it: ranges, safe redirects, the token to the Hub alone."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urljoin, urlsplit

from lmpm import limits
from lmpm.errors import NetworkError, NotFoundError, NotPermittedError, RateLimitedError
from lmpm.fs import printable
from lmpm.units import duration, human

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from lmpm.endpoint import Secret
    from lmpm.errors import LmpmError
    from lmpm.hub.tls import Bundle

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
FORBIDDEN: Final = frozenset({401, 403, 451})
GONE: Final = frozenset({404, 410})
_NOT_SHOWN: Final = r"(?s)(?<=//)[^/?#]*@|[?#].*"  # a login, a signature
_NUMBER: Final = r"[0-9]{1,18}"
_RATE_LIMIT: Final = r"(?:^|;)\s*t=([0-9]{1,9})\b"  # `"api";r=0;t=55`: the window ends in 55 s


@dataclass(slots=True)
class Http:
    """A client of the Hub at `endpoint`; proxy variables are honoured by requests itself.

    `token` is sent to its own host alone, as is `login`, the `user:password` of a mirror, where there is no token.
    `silence_s` is how long it may say nothing, or next to nothing. `bundle` are the certificates to believe instead
    of the system's.
    """

    endpoint: str
    token: str | None = field(default=None, repr=False)
    login: Secret | None = None
    user_agent: str = "lmpm"
    connect_timeout_s: float = limits.CONNECT_TIMEOUT_S
    silence_s: float = limits.SILENCE_S
    bundle: Bundle | None = None
    _session: requests.Session | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.endpoint).netloc:
            raise ValueError("the login belongs apart from the URL: see Endpoint.parse")

    def get(self, url: str, *, start: int = 0, length: int | None = None) -> requests.Response:
        """The answer to a GET of the bytes from `start`, its body still unread.

        Redirects are followed by hand: the token goes to the Hub's own host only, and only `https` is
        followed, or `http` where the Hub's own URL is `http`.
        Raises NetworkError for a redirect that may not be followed or a certificate that is not trusted;
        `transient_errors()` pass through.
        """
        headers = {"Accept-Encoding": "identity"}
        if start or length is not None:
            end = "" if length is None else start + length - 1
            headers["Range"] = f"bytes={start}-{end}"
        hub = urlsplit(self.endpoint)
        url = follow(self.endpoint, url, "")
        for _ in range(limits.MAX_REDIRECTS):
            target = urlsplit(url)
            at_hub = (target.scheme, target.netloc) == (hub.scheme, hub.netloc)
            response = self._send(url, headers, self.authorization if at_hub else None)
            if response.status_code not in REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            url = follow(self.endpoint, url, response.headers["Location"])
        raise NetworkError(f"`{self.host}` redirects in a loop")

    @property
    def authorization(self) -> str | None:
        """The header that says who asks."""
        if self.token:
            return f"Bearer {self.token}"
        if self.login:
            return "Basic " + b64encode(self.login.reveal().encode()).decode("ascii")
        return None

    @property
    def host(self) -> str:
        """The Hub's name for messages, without what a URL may hold before an `@`."""
        return _host(self.endpoint)

    def read_body(self, response: requests.Response, most: int) -> bytes:
        """The body, or its first `most` bytes. Raises `transient_errors()`, also where next to nothing comes."""
        stall = StallWatch(self.silence_s)
        data = b""
        while len(data) < most:
            # read1 returns on every arrival, so that a trickle is seen as one
            piece = response.raw.read1(most - len(data))
            if not piece:
                break
            data += piece
            stall.note(len(piece))
        return data

    def _send(self, url: str, headers: dict[str, str], authorization: str | None) -> requests.Response:
        import requests

        try:
            response = self._connected(url).get(
                url,
                headers=headers,
                # an auth object, even one that does nothing, keeps requests from taking ~/.netrc instead
                auth=_Authorization(authorization),
                stream=True,
                allow_redirects=False,
                timeout=(self.connect_timeout_s, self.silence_s),
            )
        except requests.exceptions.SSLError as error:
            if "certificate" not in str(error).lower():
                raise  # a handshake that was cut off: it may pass
            raise NetworkError(
                f"The certificate of `{urlsplit(url).hostname}` is not trusted",
                hint="Behind a company proxy, point SSL_CERT_FILE at its certificate",
            ) from error
        except requests.exceptions.InvalidSchema as error:
            if "SOCKS" in str(error):
                raise no_socks() from error
            raise _not_a_url(url) from error
        except ValueError as error:  # also from requests' own look at the Location of an answer
            raise _not_a_url(url) from error
        log_answer("GET", url, response.status_code, headers.get("Range", ""))
        return response

    def _connected(self, url: str) -> requests.Session:
        import requests

        from lmpm.hub import tls

        with self._lock:
            if self._session is None:
                self._session = requests.Session()
                self._session.headers["User-Agent"] = self.user_agent
                self._session.adapters.clear()
            scheme = "https://" if url.startswith("https:") else "http://"
            if scheme not in self._session.adapters:  # for http none, since reading certificates takes a while
                trust = tls.context(self.bundle) if scheme == "https://" else None
                self._session.mount(scheme, tls.adapter(trust, self.silence_s))
            return self._session


def follow(endpoint: str, url: str, location: str) -> str:
    """The URL that a redirect from `url` leads to: the one rule for metadata and bytes.

    Only `https` is followed, or `http` where the Hub's own URL is `http`. Raises NetworkError.
    """
    try:
        found = urljoin(url, location)
        scheme = urlsplit(found).scheme
    except ValueError as error:
        raise _not_a_url(location or url) from error
    if scheme != "https" and (scheme, urlsplit(endpoint).scheme) != ("http", "http"):
        raise NetworkError(f"`{_host(url)}` redirects to `{printable(scheme)}:`, which is not safe")
    return found


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or url


def no_socks() -> NetworkError:
    """The error for a proxy that would need libraries which lmpm does not bring."""
    return NetworkError(
        "A proxy variable names a SOCKS proxy, and what speaks SOCKS is not installed",
        hint="Set HTTPS_PROXY to an HTTP proxy, or `pip install socksio PySocks` beside lmpm",
    )


def _not_a_url(text: str) -> NetworkError:
    shown = re.sub(_NOT_SHOWN, "", text)
    return NetworkError(f"`{printable(shown[:120])}` is not a URL that can be fetched")


class _Authorization:
    """Sets the header, or nothing, as requests' auth object."""

    def __init__(self, value: str | None) -> None:
        self.value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.value:
            request.headers["Authorization"] = self.value
        return request


class StallWatch:
    """Raises TimeoutError when less than the least rate arrived over the whole window."""

    def __init__(self, window_s: float = limits.SILENCE_S) -> None:
        self.window_s = window_s
        self.seconds: deque[list[float]] = deque()  # [when it began, bytes], a row for each second
        self.began = time.monotonic()

    def note(self, count: int) -> None:
        """Count what has just arrived."""
        now = time.monotonic()
        if self.seconds and now - self.seconds[-1][0] < 1.0:
            self.seconds[-1][1] += count
            return
        self.seconds.append([now, count])
        while now - self.seconds[0][0] > self.window_s:
            self.seconds.popleft()
        arrived = sum(row[1] for row in self.seconds)
        if now - self.began > self.window_s and arrived < limits.STALL_BYTES_PER_S * self.window_s:
            raise TimeoutError(f"only {human(int(arrived))} in {self.window_s:g} s")


def log_answer(method: str, url: str, status: int, wanted: str = "") -> None:
    """Log a request, without the parts of its URL that may hold a secret."""
    import logging  # requests has it already

    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    logging.getLogger("lmpm").debug("%s %s%s: %s", method, place, f" {wanted}" if wanted else "", status)


def header_number(text: str | None) -> int | None:
    """A number in a header; None for everything else that a server may write there."""
    return int(text) if text and re.fullmatch(_NUMBER, text) else None


def asked_wait_s(headers: Mapping[str, Any]) -> float | None:
    """Seconds that the server asks to wait, by `Retry-After` or the Hub's `RateLimit`; None where it does not."""
    import urllib3

    after = headers.get("Retry-After") or ""
    if 0 < len(after) <= limits.MAX_RETRY_AFTER_CHARS:
        with contextlib.suppress(urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            return float(urllib3.Retry().parse_retry_after(after))  # a number of seconds, or a date
    found = re.search(_RATE_LIMIT, headers.get("RateLimit") or "")
    return float(found[1]) + 1 if found else None


def status_error(response: Any, what: str, *, host: str, terms: str = "", gone: str = "") -> LmpmError:
    """The error for an answer whose HTTP status says that it brings nothing of `what`.

    `response` is one of requests or of httpx. `host` names the server; `terms` is what to do where it does not let us
    in, `gone` where the thing is not there.
    """
    status = response.status_code
    if status in FORBIDDEN:
        return NotPermittedError(f"`{host}` does not let you have `{what}`: {status}", hint=terms or None)
    if status in GONE:
        return NotFoundError(f"`{what}` is not at `{host}`: {status}", hint=gone or None)
    if status == 429:
        wait = asked_wait_s(response.headers)
        return RateLimitedError(
            f"`{host}` limits requests" + (f": try again in {duration(wait)}" if wait else ""),
            retry_after_s=wait,
            hint="Wait and run it again, or log in with `hf auth login`: a token raises the limit",
        )
    return NetworkError(
        f"`{host}` answered {status} for `{what}`",
        hint="Try again later" if status >= 500 else "Check HF_ENDPOINT and your proxy",
    )


def transient_errors() -> tuple[type[Exception], ...]:
    """What requests and urllib3 raise for a connection that failed: a retry may help."""
    import http.client

    import requests
    import urllib3

    return (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        ConnectionError,
        TimeoutError,
    )


def file_url(endpoint: str, repo: str, revision: str, path: str) -> str:
    """`{endpoint}/{repo}/resolve/{revision}/{path}`, quoted as huggingface_hub does."""
    return f"{endpoint.rstrip('/')}/{repo}/resolve/{quote(revision, safe='')}/{quote(path)}"


def explain(error: BaseException) -> str:
    """What went wrong in a few words, without the addresses of objects that the libraries print."""
    text = str(error)
    if isinstance(error, json.JSONDecodeError):
        return "its answer is not JSON"
    for sign, words in (
        ("refused", "connection refused"),
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
        ("Name or service not known", "the name is not known"),
        ("nodename nor servname", "the name is not known"),
        ("Temporary failure in name resolution", "the name cannot be looked up"),
        ("unreachable", "the network is unreachable"),
        ("No route to host", "no route to the host"),
        ("timed out", "no answer in time"),
        ("reset", "the connection was reset"),
        ("IncompleteRead", "the connection closed early"),
        ("disconnected", "the connection was cut"),
        ("Connection aborted", "the connection was cut"),
    ):
        if sign in text:
            return words
    if not text or " object at 0x" in text or "Pool(" in text:  # nothing in it is meant for people
        return type(error).__name__
    return printable(text.splitlines()[0][:160])

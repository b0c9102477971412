"""GET over requests, as bytes of models need it: ranges, safe redirects, the token to the Hub alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit

from lmpm import limits
from lmpm.errors import NetworkError
from lmpm.validate import printable

if TYPE_CHECKING:
    import requests

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(slots=True)
class Http:
    """A client of the Hub at `endpoint`; proxy and CA variables are honoured by requests itself."""

    endpoint: str
    token: str | None = None
    user_agent: str = "lmpm"
    connect_timeout_s: float = limits.CONNECT_TIMEOUT_S
    read_timeout_s: float = limits.READ_TIMEOUT_S
    _session: requests.Session | None = None

    def get(self, url: str, *, start: int = 0, length: int | None = None) -> requests.Response:
        """The answer to a GET of the bytes from `start`, its body still unread.

        Redirects are followed by hand: the token goes to the Hub's own host only, and only `https` is
        followed (`http` where the Hub itself is `http`, or to this machine).
        Raises NetworkError for a redirect that may not be followed or a certificate that is not trusted;
        `transient_errors()` pass through.
        """
        headers = {"Accept-Encoding": "identity"}
        if start or length is not None:
            end = "" if length is None else start + length - 1
            headers["Range"] = f"bytes={start}-{end}"
        hub = urlsplit(self.endpoint)
        for _ in range(limits.MAX_REDIRECTS):
            target = urlsplit(url)
            plain_is_fine = hub.scheme == "http" or target.hostname in LOOPBACK
            if target.scheme != "https" and not (target.scheme == "http" and plain_is_fine):
                raise NetworkError(f"`{hub.netloc}` redirects to `{printable(target.scheme)}:`, which is not safe")
            at_hub = (target.scheme, target.netloc) == (hub.scheme, hub.netloc)
            response = self._send(url, headers, self.token if at_hub else None)
            if response.status_code not in REDIRECTS or "Location" not in response.headers:
                return response
            url = urljoin(url, response.headers["Location"])
            response.close()
        raise NetworkError(f"`{hub.netloc}` redirects in a loop")

    def _send(self, url: str, headers: dict[str, str], token: str | None) -> requests.Response:
        import requests

        if self._session is None:
            self._session = requests.Session()
            self._session.headers["User-Agent"] = self.user_agent
        try:
            return self._session.get(
                url,
                headers=headers,
                # an auth object, even one that does nothing, keeps requests from taking ~/.netrc instead
                auth=_Bearer(token),
                stream=True,
                allow_redirects=False,
                timeout=(self.connect_timeout_s, self.read_timeout_s),
            )
        except requests.exceptions.SSLError as error:
            raise NetworkError(
                f"The certificate of `{urlsplit(url).netloc}` is not trusted",
                hint="Behind a company proxy, point REQUESTS_CA_BUNDLE at its certificate",
            ) from error
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
            raise NetworkError(f"`{printable(url[:120])}` is not an address that can be fetched") from error


class _Bearer:
    """Sets the token, or nothing, as requests' auth object."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


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
    """What went wrong in a few words, without the object addresses that the libraries print."""
    text = str(error)
    for sign, words in (
        ("refused", "connection refused"),
        ("Name or service not known", "the name is not known"),
        ("nodename nor servname", "the name is not known"),
        ("Temporary failure in name resolution", "the name cannot be looked up"),
        ("timed out", "no answer in time"),
        ("reset", "the connection was reset"),
        ("IncompleteRead", "the connection closed early"),
        ("disconnected", "the connection was cut"),
        ("Connection aborted", "the connection was cut"),
    ):
        if sign in text:
            return words
    return printable(text.splitlines()[0][:160]) if text else type(error).__name__

"""A password in a URL, or a token: sent to whom it is for, and shown or written nowhere."""

from __future__ import annotations

import traceback
from base64 import b64encode
from pathlib import Path

import pytest

from lmpm.endpoint import Endpoint, Secret
from lmpm.hub import Http
from lmpm.types import UrlSource
from tests.conftest import Cli
from tests.loopback import LoopbackHub, faults

REPO = "maker/tiny-GGUF"
PASSWORD = "s3cret-Pa55"
TOKEN = "hf_" + "t0ken" * 8


@pytest.fixture
def mirror(cli: Cli, hub: LoopbackHub) -> LoopbackHub:
    """A mirror whose URL holds a password."""
    hub.add_repo(REPO, {"tiny-Q8_0.gguf": b"GGUF and no more"}, card_data={"license": "mit"})
    cli.environment["HF_ENDPOINT"] = hub.endpoint.replace("://", f"://robot:{PASSWORD}@")
    return hub


def written(place: Path) -> bytes:
    return b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file() and not path.is_symlink())


COMMANDS = [
    ("doctor",), ("doctor", "--json"), ("resolve", REPO), ("install", REPO, "--no-smoke"), ("search", "tiny"),
    ("inspect", REPO), ("resolve", "maker/none-GGUF"), ("why", REPO), ("-v", "resolve", REPO),
]  # fmt: skip
TROUBLE = [
    None, faults.Status(403), faults.Status(403, code="GatedRepo"), faults.Status(418), faults.Status(500),
    faults.NoAnswer("reset"), faults.Redirect("file:///etc/passwd"), faults.HTML_PAGE, faults.REDIRECT_LOOP,
]  # fmt: skip


@pytest.mark.parametrize("fault", TROUBLE)
def test_the_password_of_the_mirror_is_never_shown(cli: Cli, mirror: LoopbackHub, fault: faults.Fault | None) -> None:
    if fault is not None:
        mirror.faults.add(fault, "*")
    for command in COMMANDS:
        shown = cli.call(*command, LMPM_LOG="debug")
        assert PASSWORD not in shown.out + shown.err, command
    assert PASSWORD.encode() not in written(cli.directory) + written(Path(cli.environment["LMPM_HOME"]))


def test_a_mirror_that_is_gone(cli: Cli) -> None:
    cli.environment["HF_ENDPOINT"] = f"http://robot:{PASSWORD}@127.0.0.1:9"
    for command in COMMANDS:
        shown = cli.call(*command, LMPM_LOG="debug")
        assert PASSWORD not in shown.out + shown.err, command


def test_the_mirror_hears_it(cli: Cli, mirror: LoopbackHub) -> None:
    cli.call("install", REPO, "--no-smoke")
    basic = "Basic " + b64encode(f"robot:{PASSWORD}".encode()).decode()
    asked = [request for request in mirror.requests if REPO in request.path]
    assert asked and {request.authorization for request in asked} == {basic}


@pytest.mark.parametrize("text", ["robot:{}@host", "ftp://robot:{}@host", "https://robot:{}@", "//robot:{}@host"])
def test_an_endpoint_that_is_none_is_refused_without_a_quote(cli: Cli, text: str) -> None:
    cli.environment["HF_ENDPOINT"] = text.format(PASSWORD)
    shown = cli.call("doctor").failed(2, "HF_ENDPOINT")
    assert PASSWORD not in shown.out + shown.err


@pytest.mark.parametrize(
    "url",
    [
        f"https://robot:{PASSWORD}@huggingface.co/{REPO}",
        f"https://{PASSWORD}@huggingface.co/{REPO}/resolve/main/tiny-Q8_0.gguf",
        f"https://huggingface.co/{REPO}/resolve/main/tiny-Q8_0.gguf?token={PASSWORD}",
        f"https://robot:{PASSWORD}@example.org/m.gguf#sha256={'a' * 64}",
        f"https://example.org/m.gguf?token={PASSWORD}#sha256={'a' * 64}",
        f"https://robot:{PASSWORD}@example.org/m.gguf",
        f"http://robot:{PASSWORD}@[::1/m.gguf",
    ],
)
def test_a_url_with_a_secret_is_refused_before_it_is_written(cli: Cli, url: str) -> None:
    for command in ("install", "resolve", "inspect"):
        shown = cli.call(command, url).failed(2)
        assert PASSWORD not in shown.out + shown.err
    assert not cli.manifest.exists() and not cli.lock.exists()


class TestTypes:
    def test_a_secret_is_shown_by_nothing(self) -> None:
        secret = Secret(PASSWORD)
        for shown in (str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{[secret]}", f"{secret:>40}".strip()):
            assert shown.strip("[]") == "***"
        assert secret.reveal() == PASSWORD and secret == Secret(PASSWORD) != Secret("other")

    def test_an_endpoint_keeps_it_apart(self) -> None:
        endpoint = Endpoint.parse(f"https://robot:{PASSWORD}@mirror.example:8443/hub/")
        assert str(endpoint) == endpoint.url == "https://mirror.example:8443/hub"
        assert endpoint.login is not None and endpoint.login.reveal() == f"robot:{PASSWORD}"
        assert PASSWORD not in repr(endpoint)
        assert Endpoint.parse("http://[::1]:8080").url == "http://[::1]:8080"

    def test_a_client_shows_neither_login_nor_token(self) -> None:
        http = Http("https://mirror.example", token=TOKEN, login=Secret(PASSWORD))
        assert TOKEN not in repr(http) and PASSWORD not in repr(http)

    @pytest.mark.parametrize("make", [Http, UrlSource])
    def test_what_would_show_it_does_not_take_it(self, make: type) -> None:
        with pytest.raises(ValueError, match=r"\w") as caught:
            make(f"https://robot:{PASSWORD}@host/m.gguf")
        assert PASSWORD not in "".join(traceback.format_exception_only(caught.value))

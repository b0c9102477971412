"""Networks of companies: their own certificates, their proxy, for metadata and bytes alike."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from lmpm.errors import NetworkError
from lmpm.hub import tls
from lmpm.hub.client import Hub
from lmpm.hub.http import Http
from lmpm.hub.patience import Patience
from lmpm.hub.search import search_hub
from lmpm.types import ModelFile
from tests.conftest import Cli
from tests.gguf_files import write_bert
from tests.loopback import LoopbackHub, faults
from tests.loopback.demo import _meanings
from tests.network import ConnectProxy, TlsFront

REPO = "maker/tiny-embed-GGUF"
INSTALL = ("install", REPO, "--task", "embeddings", "--no-smoke")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def front(authority: trustme.CA, cli: Cli, tmp_path: Path) -> Iterator[TlsFront]:
    """The Hub behind TLS that only the company's own authority vouches for; `cli` asks it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    data = write_bert(tmp_path / "tiny-embed-Q8_0.gguf", quant="Q8_0", meanings=_meanings()).read_bytes()
    with LoopbackHub() as hub:
        hub.add_repo(REPO, {"tiny-embed-Q8_0.gguf": data}, card_data={"license": "mit"})
        with TlsFront(context, urlsplit(hub.endpoint).port or 0) as front:
            cli.environment["HF_ENDPOINT"] = front.endpoint
            yield front


@pytest.fixture
def proxy(cli: Cli) -> Iterator[ConnectProxy]:
    with ConnectProxy() as proxy:
        cli.environment["HTTPS_PROXY"] = proxy.address
        yield proxy


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_bundle_that_the_environment_names_is_believed(
    cli: Cli, front: TlsFront, bundle: Path, variable: str
) -> None:
    cli.environment[variable] = str(bundle)
    cli.run(*INSTALL).passed()
    assert len(cli.blobs()) == 1 and front.refused == 0


def test_a_certificate_that_nobody_vouches_for_is_not(cli: Cli, front: TlsFront) -> None:
    shown = cli.run(*INSTALL).failed(5)
    assert "certificate" in shown.err.lower()
    assert not cli.blobs() and front.refused


def test_everything_goes_through_the_proxy(cli: Cli, front: TlsFront, bundle: Path, proxy: ConnectProxy) -> None:
    cli.run(*INSTALL, SSL_CERT_FILE=str(bundle)).passed()
    assert set(proxy.asked) == {f"localhost:{front.port}"}
    assert len(proxy.asked) >= 2  # one client for metadata, one for bytes
    assert front.connections == len(proxy.asked)


def test_a_host_that_needs_no_proxy_gets_none(cli: Cli, front: TlsFront, bundle: Path, proxy: ConnectProxy) -> None:
    cli.run(*INSTALL, REQUESTS_CA_BUNDLE=str(bundle), NO_PROXY="localhost").passed()
    assert proxy.asked == []


def test_a_proxy_that_is_gone_is_an_error_of_the_network(cli: Cli, front: TlsFront, bundle: Path) -> None:
    shown = cli.run(*INSTALL, SSL_CERT_FILE=str(bundle), HTTPS_PROXY="http://127.0.0.1:9")
    shown.failed(5)
    assert front.connections == 0


def test_the_store_of_the_system_is_believed(cli: Cli, front: TlsFront, bundle: Path, tmp_path: Path) -> None:
    """The company's authority where the system keeps its own, in a mount namespace of this one call."""
    place = Path(ssl.get_default_verify_paths().openssl_capath)
    if not place.is_dir() or not shutil.which("openssl") or not shutil.which("unshare"):
        pytest.skip("needs a folder of certificates, openssl and unshare")
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(bundle)], capture_output=True, text=True, check=True
    ).stdout.strip()
    folder = tmp_path / "certificates"
    folder.mkdir()
    shutil.copy(bundle, folder / f"{name}.0")
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(folder), str(place.resolve()), *cli.command(*INSTALL)],
        cwd=cli.directory, env=cli.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("namespaces are not to be had here")
    assert done.returncode == 0, done.stderr
    assert len(cli.blobs()) == 1


@pytest.mark.parametrize("damage", ["missing", "no certificate"])
def test_a_bundle_that_is_none_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "bundle.pem"
    if damage != "missing":
        path.write_text("nothing of the kind")
    with pytest.raises(NetworkError, match="SSL_CERT_FILE names"):
        tls.context(tls.Bundle(str(path), "SSL_CERT_FILE"))


def test_a_socks_proxy_that_nothing_here_can_speak_to_is_named(cli: Cli, front: TlsFront, bundle: Path) -> None:
    cli.run(*INSTALL, SSL_CERT_FILE=str(bundle), ALL_PROXY="socks5://127.0.0.1:9").failed(
        5, "SOCKS proxy", "HTTPS_PROXY"
    )
    assert front.connections == 0


def test_nor_do_bytes_alone_go_through_it(front: TlsFront, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(NetworkError, match="SOCKS"):
        Http(front.endpoint, bundle=tls.Bundle(str(bundle), "SSL_CERT_FILE")).get(f"{front.endpoint}/file")


class TestRedirects:
    """One rule for metadata and bytes: what began as https stays https."""

    @pytest.fixture
    def https(self, authority: trustme.CA, bundle: Path) -> Iterator[tuple[LoopbackHub, Http]]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        with LoopbackHub() as hub:
            hub.add_repo(REPO, {"tiny-embed-Q8_0.gguf": b"GGUF"})
            with TlsFront(context, urlsplit(hub.endpoint).port or 0) as front:
                yield hub, Http(front.endpoint, bundle=tls.Bundle(str(bundle), "SSL_CERT_FILE"))

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_metadata_does_not_go_from_https_to_http(self, https: tuple[LoopbackHub, Http], status: int) -> None:
        hub, http = https
        hub.faults.add(faults.Redirect(f"{hub.endpoint}/elsewhere{{target}}", status), "/api/models/*")
        with pytest.raises(NetworkError, match="redirects to `http:`, which is not safe"):
            Hub(http, patience=Patience(attempts=1)).repository(REPO)
        assert not [request for request in hub.requests if "elsewhere" in request.path]

    @pytest.mark.parametrize("target", ["http://localhost:9/x", "file:///etc/passwd", "ftp://localhost/x", "//[x"])
    def test_neither_do_bytes_nor_a_search(self, https: tuple[LoopbackHub, Http], target: str) -> None:
        hub, http = https
        hub.faults.add(faults.Redirect(target), "*")
        asked = Hub(http, patience=Patience(attempts=1))
        file = ModelFile(path="tiny-embed-Q8_0.gguf", size=4)
        for ask in (
            lambda: asked.repository(REPO),
            lambda: search_hub(asked, "tiny"),
            lambda: asked.header(REPO, "1" * 40, file),
        ):
            with pytest.raises(NetworkError, match=r"not safe|not a URL"):
                ask()

    def test_a_redirect_that_stays_safe_is_followed(self, https: tuple[LoopbackHub, Http]) -> None:
        hub, http = https
        hub.faults.add(faults.Redirect("{target}", 307), "/api/models/*", times=1)
        assert Hub(http).repository(REPO).id == REPO

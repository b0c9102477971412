"""Asking a provider that is well, busy, broken or wrong; what it is sent, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmpm.cloud import CloudClient, Provider, require_provider
from lmpm.engine import asking
from lmpm.errors import LmpmError, NetworkError, NotPermittedError, RateLimitedError, SpecError
from tests.server.provider import KEY, LoopbackProvider, Mood, provider_thread

ASKED = {"messages": [{"role": "user", "content": "a secret question"}]}


@pytest.fixture
def loopback() -> Iterator[LoopbackProvider]:
    with provider_thread() as found:
        yield found


def client(loopback: LoopbackProvider, waits: list[float] | None = None) -> CloudClient:
    return CloudClient(loopback.record, KEY, pause=(waits if waits is not None else []).append)


def said(asked: CloudClient) -> str:
    return asking.answer_of(asked.stream("chat/completions", ASKED)).text


def test_an_answer(loopback: LoopbackProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the provider is sent, and no login that somebody keeps for its host."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert said(client(loopback)) == "from the cloud"
    (body,) = loopback.asked
    assert body["model"] == "gpt-4o-mini" and body["stream"] and body["messages"] == ASKED["messages"]
    assert loopback.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("mood", "kind", "asked"),
    [
        ("429", RateLimitedError, 5), ("500", NetworkError, 5), ("401", NotPermittedError, 1), ("400", SpecError, 1),
        ("cut", NetworkError, 1), ("cut-early", NetworkError, 1), ("garbage", NetworkError, 1),
        ("html", NetworkError, 1), ("redirect", NetworkError, 5), ("error-event", NetworkError, 1),
        ("mute", NetworkError, 1),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again(
    loopback: LoopbackProvider, mood: Mood, kind: type[LmpmError], asked: int, caplog: pytest.LogCaptureFixture
) -> None:
    loopback.mood, waits = mood, list[float]()
    with caplog.at_level("DEBUG"), pytest.raises(kind) as failed:
        said(client(loopback, waits))
    assert type(failed.value) is kind
    assert len(loopback.asked) == asked
    assert waits == [1.0, 2.0, 4.0, 8.0][: asked - 1]
    words = f"{failed.value.message} {failed.value.hint} {client(loopback)!r} {caplog.text}"
    assert KEY not in words and "secret question" not in words


def test_it_waits_as_long_as_it_is_asked_to(loopback: LoopbackProvider) -> None:
    loopback.mood, loopback.retry_after = "429", "7"
    waits: list[float] = []

    def recover(seconds: float) -> None:
        waits.append(seconds)
        loopback.mood = "well"

    assert said(CloudClient(loopback.record, KEY, pause=recover)) == "from the cloud" and waits == [7.0]
    loopback.mood, loopback.retry_after = "429", "3600"
    with pytest.raises(RateLimitedError) as failed:
        said(client(loopback))
    assert failed.value.retry_after_s == 3600.0 and len(loopback.asked) == 3


def test_nobody_listens() -> None:
    gone = Provider(name="big", base_url="http://127.0.0.1:9/v1", model="m", api_key_env="K")
    with pytest.raises(NetworkError, match="cannot be reached"):
        said(CloudClient(gone, KEY, pause=lambda _: None))


def test_a_provider_and_its_key_are_needed(loopback: LoopbackProvider) -> None:
    known = {"big": loopback.record}
    assert require_provider(known, "big", {"OPENAI_API_KEY": KEY}) == (loopback.record, KEY)
    with pytest.raises(SpecError, match="No provider is called `bigg`"):
        require_provider(known, "bigg", {"OPENAI_API_KEY": KEY})
    with pytest.raises(SpecError, match="OPENAI_API_KEY"):
        require_provider(known, "big", {})

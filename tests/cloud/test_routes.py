"""Providers and routes: privacy fails closed at every door, and no key is written anywhere."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace

import pytest

from lmpm.cloud import Provider, Route, check_bridges, tightest
from lmpm.errors import LockError, ManifestError
from lmpm.fs import DocumentError
from lmpm.project import audit_lock, differences, emit_lock, parse_lock
from lmpm.project.manifest import Policy, parse_manifest
from lmpm.project.staleness import stale_reasons
from tests.conftest import Cli
from tests.lock_samples import ROUTED

MANIFEST = """\
[models]
chat = { task = "chat" }

[cloud.big]
base_url = "https://api.openai.com/v1/"
model = "gpt-4o-mini"
api_key_env = "OPENAI_API_KEY"

[routes.assistant]
targets = ["chat", "cloud:big"]
privacy = "local-first"
bridge = ["cloud:big"]
first_token_timeout = "20s"
max_requests_per_day = 200
"""


def test_the_documented_example() -> None:
    manifest = parse_manifest(MANIFEST)
    assert manifest.providers == {
        "big": Provider(
            name="big", base_url="https://api.openai.com/v1", model="gpt-4o-mini", api_key_env="OPENAI_API_KEY"
        )
    }
    assert manifest.routes["assistant"] == Route(
        name="assistant",
        targets=("chat", "cloud:big"),
        privacy="local-first",
        bridge=("cloud:big",),
        first_token_timeout=20.0,
        max_requests_per_day=200,
    )


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('privacy = "local-first"\n', "", "routes.assistant.targets[1]"),
        ('privacy = "local-first"', 'privacy = "local-only"', "routes.assistant.targets[1]"),
        (
            'targets = ["chat", "cloud:big"]\nprivacy = "local-first"',
            'targets = ["chat"]',
            "routes.assistant.bridge[0]",
        ),
        ('privacy = "local-first"', 'privacy = "cloud"', "routes.assistant.privacy"),
        ('"cloud:big"]\nprivacy', '"cloud:huge"]\nprivacy', "routes.assistant.targets[1]"),
        ('["chat", ', '["talk", ', "routes.assistant.targets[0]"),
        ('["chat", ', '["starter", ', "routes.assistant.targets[0]"),
        ("[routes.assistant]", "[routes.chat]", "routes.chat"),
        ("OPENAI_API_KEY", "sk-proj-0123456789abcdef", "cloud.big.api_key_env"),
        ("https://api", "http://api", "cloud.big.base_url"),
        ("https://api", "https://user:sk-secret@api", "cloud.big.base_url"),
        ("openai.com/v1/", "openai.com/v1?key=sk-secret", "cloud.big.base_url"),
        ('api_key_env = "OPENAI_API_KEY"', 'api_key = "sk-secret"', "cloud.big.api_key"),
        ("[routes.assistant]", "price = 3\n[routes.assistant]", "cloud.big.price"),
        ("[routes.assistant]", "price = { input = 1 }\n[routes.assistant]", "cloud.big.price.output"),
        ("[routes.assistant]", "price = { input = 1, output = -1 }\n[routes.assistant]", "cloud.big.price.output"),
        ("[routes.assistant]", "price = { input = 1, output = 1, per = 1 }\n[routes.assistant]", "cloud.big.price.per"),
        ('"20s"', '"soon"', "routes.assistant.first_token_timeout"),
        ("200", "0", "routes.assistant.max_requests_per_day"),
        ("bridge", "bridges", "routes.assistant.bridges"),
    ],
)
def test_a_mistake_is_an_error_with_its_place_and_without_its_secret(old: str, new: str, place: str) -> None:
    assert old in MANIFEST
    with pytest.raises(ManifestError) as caught:
        parse_manifest(MANIFEST.replace(old, new))
    assert f"`{place}`" in str(caught.value)
    assert "sk-" not in str(caught.value)


def test_a_bridge_is_another_model_of_the_same_task() -> None:
    tasks = {"chat": "chat", "talk": "chat", "sql": "text-to-sql"}
    for bridge, is_good in (("talk", True), ("chat", False), ("sql", False), ("starter", False), ("smaller", True)):
        route = Route(name="assistant", targets=("chat",), bridge=(bridge,))
        with contextlib.nullcontext() if is_good else pytest.raises(DocumentError, match=re.escape("bridge[0]")):
            check_bridges({"assistant": route}, tasks)


def test_a_price_is_of_the_manifest_alone() -> None:
    """It is of a million tokens; no lock becomes stale where it changes, and none has it."""
    priced = parse_manifest(MANIFEST.replace("[routes.", "price = { input = 0.15, output = 0.6 }\n[routes."))
    plain = parse_manifest(MANIFEST)
    price = priced.providers["big"].price
    assert price is not None and price.of(2_000_000, 500_000) == pytest.approx(0.6)
    assert plain.providers["big"].price is None and priced.providers == plain.providers
    lock = parse_lock(ROUTED)
    assert emit_lock(lock.routed_as(priced)) == emit_lock(lock.routed_as(plain))
    with pytest.raises(LockError):
        parse_lock(ROUTED.replace("[routes.", "price = { input = 1, output = 1 }\n[routes."))


def test_a_request_can_only_tighten() -> None:
    assert tightest("cloud-ok", "local-first") == "local-first"
    assert tightest("local-only", "cloud-ok") == "local-only"


def test_the_lock_keeps_them_and_opens_no_way_when_edited() -> None:
    lock = parse_lock(ROUTED)
    assert emit_lock(lock) == re.sub("revision = .*", "revision = 1", ROUTED, count=1)
    assert [route.providers for route in lock.routes] == [("big",)]
    with pytest.raises(LockError):
        parse_lock(ROUTED.replace("local-first", "local-only"))


def test_a_change_of_where_data_may_go_is_said_aloud() -> None:
    lock = parse_lock(ROUTED)
    closed = replace(lock, routes=(), providers=())
    opened = "\n".join(differences(closed, lock))
    assert "PROMPTS MAY NOW BE SENT TO https://api.openai.com/v1" in opened
    assert "prompts are no longer sent to https://api.openai.com/v1" in "\n".join(differences(lock, closed))
    moved = replace(lock, providers=(replace(lock.providers[0], base_url="https://other.example/v1"),))
    said = "\n".join(differences(lock, moved))
    assert "PROMPTS MAY NOW BE SENT TO https://other.example/v1" in said
    looser = replace(lock, routes=(replace(lock.routes[0], privacy="cloud-ok"),))
    assert list(differences(lock, looser)) == ["route assistant: privacy local-first -> cloud-ok"]
    assert list(differences(lock, lock)) == []


def test_a_route_that_the_lock_has_otherwise_makes_it_stale() -> None:
    manifest = parse_manifest(MANIFEST)
    lock = parse_lock(ROUTED)
    reasons = stale_reasons(manifest, replace(lock, models=()))
    assert any("`assistant`" in reason for reason in reasons)  # its bridge differs
    assert not any("`assistant`" in r or "`big`" in r for r in stale_reasons(manifest, lock.routed_as(manifest)))


def test_audit_shows_where_prompts_may_go() -> None:
    from lmpm import catalog
    from lmpm.catalog import directory

    findings = audit_lock(parse_lock(ROUTED), Policy(), catalog.load(directory()), None)
    found = [finding for finding in findings if finding.rule.id == "leaves-machine"]
    assert [(finding.model, finding.title) for finding in found] == [("assistant", "cloud:big")]
    assert "https://api.openai.com/v1" in found[0].detail


def test_the_commands_follow(cli: Cli) -> None:
    """`lock` records a route, `diff` and `lock --check` see it change, and a way out that is forbidden is an error."""
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    text = cli.manifest.read_text("utf-8")
    routed = text + MANIFEST[MANIFEST.index("\n[cloud") :].replace('"chat"', '"text-to-sql"')
    before = cli.lock.read_text("utf-8")
    (cli.directory / "old.lock").write_text(before, "utf-8")
    cli.manifest.write_text(routed, "utf-8")
    assert cli.call("lock", "--check").code == 7
    cli.call("lock", "--offline").passed()
    cli.call("lock", "--check").passed()
    after = cli.lock.read_text("utf-8")
    assert '[routes."assistant"]' in after
    said = cli.call("diff", "old.lock", "lmpm.lock").passed()
    assert "PROMPTS MAY NOW BE SENT TO https://api.openai.com/v1" in said.out
    cli.manifest.write_text(routed.replace('privacy = "local-first"\n', ""), "utf-8")
    refused = cli.call("lock", "--offline")
    assert refused.code == 2
    assert "local-only" in refused.err
    assert cli.lock.read_text("utf-8") == after
    cli.manifest.write_text(text, "utf-8")
    cli.call("install", "--offline", "--no-smoke").passed()
    assert cli.lock.read_text("utf-8") == before

"""Hints follow from the kind of an error and name only what the user really set."""

from __future__ import annotations

import inspect
import re

import pytest

from lmpm import errors
from lmpm.errors import HashMismatchError, LmpmError, UnknownNameError
from tests.conftest import Cli
from tests.loopback import LoopbackHub

WAYS = [
    ((), {"LMPM_OFFLINE": "1"}, "Unset LMPM_OFFLINE"),
    ((), {"HF_HUB_OFFLINE": "1"}, "Unset HF_HUB_OFFLINE"),
    (("--offline",), {}, "Drop `--offline`"),
    (("--offline",), {"LMPM_OFFLINE": "1"}, "Drop `--offline`"),
]
ASKED = [
    ("install", "embeddings"),
    ("install", "qwen3 8b"),
    ("install", "nobody/none-GGUF"),
    ("install", "https://example.org/a.gguf#sha256=" + "0" * 64),
    ("resolve", "nobody/none-GGUF"),
    ("search", "no such model at all"),
]


@pytest.mark.parametrize(("flags", "variables", "hint"), WAYS)
@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_the_network_is_switched_on_where_it_was_switched_off(
    cli: Cli, words: tuple[str, ...], flags: tuple[str, ...], variables: dict[str, str], hint: str
) -> None:
    failed = cli.call(*words, *flags, **variables)
    assert failed.code in (3, 5) and "Traceback" not in failed.err
    said = failed.err.partition("hint:")[2]
    assert hint in said
    if not flags:
        assert "--offline" not in failed.err
    others = {"LMPM_OFFLINE", "HF_HUB_OFFLINE"} - {*variables}
    assert not any(name in failed.err for name in others)


def test_outdated_names_the_variable(cli: Cli) -> None:
    cli.call("outdated", HF_HUB_OFFLINE="1").failed(5, "Unset HF_HUB_OFFLINE")


@pytest.mark.parametrize("word", ["update", "outdated"])
def test_offline_is_no_advice_for_learning_what_is_new(cli: Cli, hub: LoopbackHub, word: str) -> None:
    cli.call("install", "embeddings", "--no-smoke").passed()
    cli.call(word, HF_ENDPOINT="http://127.0.0.1:9").failed(5, "can only be asked over the network")
    assert "--offline" not in cli.call(word, HF_ENDPOINT="http://127.0.0.1:9").err
    cli.call("install", "hf:nobody/none", HF_ENDPOINT="http://127.0.0.1:9").failed(5, "with `--offline`")


def test_a_starter_names_the_way_back_to_the_network(cli: Cli) -> None:
    by_variable = cli.call("install", "text-to-sql", "--no-smoke", "--dry-run", LMPM_OFFLINE="1").passed().err
    assert "unset LMPM_OFFLINE" in by_variable and "--offline" not in by_variable
    assert "drop `--offline`" in cli.call("install", "text-to-sql", "--dry-run", "--offline").passed().err


class TestErrors:
    def test_each_class_has_a_kind_of_its_own(self) -> None:
        classes = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, LmpmError)]
        kinds = [each.kind for each in classes]
        assert len({*kinds}) == len(kinds) > 15
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind) for kind in kinds)

    @pytest.mark.parametrize(
        "error",
        [
            LmpmError("x", hint="h", details=["d"], kind="own"),
            UnknownNameError("task", "x", suggestions=["y"]),
            HashMismatchError("x", expected=("a", 1), computed=("b", 2)),
        ],
    )
    def test_context_and_hint_make_another_error_of_the_same_class(self, error: LmpmError) -> None:
        before = (error.message, error.hint, error.place, str(error))
        made = error.with_context("`mine` in lmpm.toml").with_hint("other")
        assert type(made) is type(error) and made.kind == error.kind and made.details == error.details
        assert made.message == f"`mine` in lmpm.toml: {error.message}" and made.place == "`mine` in lmpm.toml"
        assert made.args == (made.message,) and made.hint == "other" and made.message in str(made)
        assert (error.message, error.hint, error.place, str(error)) == before
        assert vars(made).keys() == vars(error).keys()

    def test_a_report_says_the_kind(self, cli: Cli) -> None:
        cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
        error = cli.clone().call("verify", "--json").json["models"][0]["error"]
        assert error["kind"] == "missing-files" and error["code"] == 4
        assert set(error) == {"kind", "code", "message", "hint", "place"}


@pytest.mark.parametrize(
    "words", [("list",), ("verify", "--no-smoke"), ("why", "text-to-sql"), ("install",), ("sync",)]
)
def test_no_rung_or_floor_is_spoken_of(cli: Cli, words: tuple[str, ...]) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    said = cli.call(*words).passed()
    assert not re.search(r"\b(rungs?|bring|brought|prove[sd]?)\b", said.out + said.err)

"""Answers of the Hub that are kept: young ones stand for asking again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lmpm.fs import JsonCache
from lmpm.hub import ResponseCache, identity_of
from lmpm.limits import FRESH_ANSWER_S


def test_an_answer_comes_back_with_its_age(tmp_path: Path) -> None:
    clock = [1000.0]
    cache = ResponseCache(tmp_path, now=lambda: clock[0])
    assert cache.get("search", "x") is None
    cache.put({"rows": [1]}, "search", "x")
    clock[0] += FRESH_ANSWER_S
    kept = cache.get("search", "x")
    assert kept is not None and kept.data == {"rows": [1]} and kept.age_s == FRESH_ANSWER_S and kept.is_fresh
    clock[0] += 1
    stale = cache.get("search", "x")
    assert stale is not None and not stale.is_fresh
    clock[0] = 0.0  # set back
    assert cache.get("search", "x") is None


def test_who_asked_whom_is_told_apart_without_the_token_on_disk(tmp_path: Path) -> None:
    mine = ResponseCache(tmp_path, identity_of("https://hub", "hf_secret"))
    mine.put("private", "repository", "a/b")
    assert ResponseCache(tmp_path, identity_of("https://hub", None)).get("repository", "a/b") is None
    assert ResponseCache(tmp_path, identity_of("https://mirror", "hf_secret")).get("repository", "a/b") is None
    assert all(b"hf_secret" not in path.read_bytes() and "secret" not in path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("document", [1, [], {}, {"data": 1}, {"at": "soon", "data": 1}, {"at": None, "data": 1}])
def test_a_note_of_another_form_is_none(tmp_path: Path, document: object) -> None:
    cache = ResponseCache(tmp_path, "me")
    JsonCache(tmp_path).put(document, "me", "x")
    assert cache.get("x") is None
    JsonCache(tmp_path).put({"at": time.time() - 1, "data": 1}, "me", "x")
    assert cache.get("x") is not None


def test_who_asks_anew_takes_no_kept_answer_for_fresh_and_keeps_the_new_one(tmp_path: Path) -> None:
    ResponseCache(tmp_path).put("old", "x")
    anew = ResponseCache(tmp_path, asks_anew=True)
    kept = anew.get("x")
    assert kept is not None and not kept.is_fresh  # offline it still serves
    anew.put("new", "x")
    after = ResponseCache(tmp_path).get("x")
    assert after is not None and after.is_fresh and after.data == "new"

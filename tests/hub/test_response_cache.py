"""Answers of the Hub that are kept: young ones stand for asking, broken ones are none, and there is a bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmpm.hub import response_cache
from lmpm.hub.response_cache import FRESH_S, ResponseCache, identity_of


def test_an_answer_comes_back_with_its_age(tmp_path: Path) -> None:
    clock = [1000.0]
    cache = ResponseCache(tmp_path, now=lambda: clock[0])
    assert cache.get("search", "x") is None
    cache.put({"rows": [1]}, "search", "x")
    clock[0] += FRESH_S
    kept = cache.get("search", "x")
    assert kept is not None and kept.data == {"rows": [1]} and kept.age_s == FRESH_S and kept.is_fresh
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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"asked": ["x"], "data": 1}', "[" * 100_000, '{"at": "soon"}'])
def test_a_broken_answer_is_none(tmp_path: Path, text: str) -> None:
    cache = ResponseCache(tmp_path)
    cache.put(1, "x")
    (kept,) = tmp_path.iterdir()
    kept.write_text(text)
    assert cache.get("x") is None


def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_cache, "MAX_ANSWERS", 8)
    cache = ResponseCache(tmp_path)
    for number in range(30):
        cache.put(number, str(number))
        assert len(list(tmp_path.iterdir())) <= 8
    assert cache.get("29") is not None and cache.get("0") is None


def test_what_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_cache, "MAX_ANSWER_BYTES", 100)
    cache = ResponseCache(tmp_path)
    cache.put("x" * 200, "x")
    assert cache.get("x") is None and list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ResponseCache(tmp_path / "file")
    cache.put(1, "x")
    assert cache.get("x") is None


def test_who_asks_anew_takes_no_kept_answer_for_fresh_and_keeps_the_new_one(tmp_path: Path) -> None:
    ResponseCache(tmp_path).put("old", "x")
    anew = ResponseCache(tmp_path, asks_anew=True)
    kept = anew.get("x")
    assert kept is not None and not kept.is_fresh  # offline it still serves
    anew.put("new", "x")
    after = ResponseCache(tmp_path).get("x")
    assert after is not None and after.is_fresh and after.data == "new"

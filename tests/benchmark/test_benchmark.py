"""Measuring: the clock against a server of known times, the figures by hand, records and their comparison."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from lmpm.benchmark import (
    Sample,
    Settings,
    Spread,
    Target,
    ask_all,
    busy_share,
    can_plot,
    compare,
    make_prompts,
    make_record,
    measure,
    parse_rule,
    parse_url,
    plot_speed,
    read_record,
    report,
    summarize,
    what_differs,
)
from lmpm.benchmark.served import served_digest
from lmpm.cloud import Price
from lmpm.errors import NetworkError, SpecError
from lmpm.types import Machine
from tests.benchmark.paced import Pace, serving

MACHINE = Machine(name="a machine", accelerator="cpu", memory=2**34, budget=2**33)


def target(url: str, label: str = "stand-in", **more: object) -> Target:
    return replace(Target(label=label, kind="url", base_url=url, model="m"), **more)  # type: ignore[arg-type]


class TestClock:
    def test_gives_back_known_times(self) -> None:
        pace = Pace(first_s=0.4, gap_s=0.1, tokens=11)
        with serving(pace) as url:
            samples = ask_all(target(url), ["hello"] * 3, concurrency=1, max_tokens=11)
        figures = summarize(samples, 1)
        assert figures.ttft and figures.tpot and figures.itl and figures.e2el
        # against when the pieces really went out: a busy machine is late with them
        first = median(times[0] - sample.sent_s for times, sample in zip(pace.times, samples, strict=True))
        gap = median((times[-1] - times[0]) / 10 for times in pace.times)
        assert first >= 0.4 and figures.ttft.median == pytest.approx(first * 1000, rel=0.05, abs=20)
        assert figures.tpot.median == pytest.approx(gap * 1000, rel=0.05, abs=5)
        assert figures.itl.median == pytest.approx(100, rel=0.2)
        assert figures.e2el.median >= figures.ttft.median + 10 * figures.tpot.median * 0.99
        assert figures.decode == pytest.approx(1 / gap, rel=0.05)
        assert figures.prefill == pytest.approx(80 / 0.4) and figures.server_decode == pytest.approx(10)
        assert figures.tokens == 33 and figures.prompt_tokens == 300 and figures.completed == 3

    def test_so_many_at_once(self) -> None:
        pace = Pace(first_s=0.1, gap_s=0.01, tokens=5)
        with serving(pace) as url:
            samples = ask_all(target(url), ["x"] * 12, concurrency=4, max_tokens=5)
        assert pace.most_at_once == 4
        assert summarize(samples, 4).completed == 12

    def test_faults_are_counted_apart(self) -> None:
        pace = Pace(first_s=0.02, gap_s=0.005, tokens=5, faults={1: "500", 2: "cut", 3: "429", 4: "empty"})
        with serving(pace) as url:
            samples = ask_all(target(url), ["x"] * 6, concurrency=1, max_tokens=5)
        figures = summarize(samples, 1)
        assert (figures.completed, figures.failed) == (2, 4)
        assert sorted(error.split(":")[0] for error in figures.errors) == [
            "ClientPayloadError", "an empty answer", "status 429", "status 500",
        ] or "the stream was cut off" in figures.errors  # fmt: skip
        assert any("busy just now" in error for error in figures.errors)
        gone = summarize(ask_all(target("http://127.0.0.1:9/v1"), ["x"], concurrency=1, max_tokens=1), 1)
        assert (gone.completed, gone.failed) == (0, 1) and gone.ttft is None

    def test_a_server_without_its_own_figures(self) -> None:
        with serving(Pace(first_s=0.02, gap_s=0.01, tokens=4, says_timings=False, says_usage=False)) as url:
            figures = summarize(ask_all(target(url), ["x"], concurrency=1, max_tokens=4), 1)
        assert figures.prefill is None and figures.server_decode is None
        assert (figures.tokens, figures.uncounted) == (4, 1)

    @pytest.mark.parametrize("says_timings", [True, False])
    def test_what_is_sent_at_once_has_no_speed_of_its_own(self, says_timings: bool) -> None:
        """A server that keeps its answer until it is whole: only it knows how fast that was written."""
        pace = Pace(first_s=0.05, gap_s=0.01, tokens=21, together=21, says_timings=says_timings)
        with serving(pace) as url:
            figures = summarize(ask_all(target(url), ["x"] * 3, concurrency=1, max_tokens=21), 1)
        assert figures.tpot is None and figures.itl is None and figures.ttft and figures.ttft.median >= 250
        assert figures.decode == (pytest.approx(100) if says_timings else None)
        assert figures.decode_from_server == (3 if says_timings else 0)

    def test_pairs_of_tokens_do_not_count_twice(self) -> None:
        pace = Pace(first_s=0.05, gap_s=0.05, tokens=12, together=2)
        with serving(pace) as url:
            figures = summarize(ask_all(target(url), ["x"] * 2, concurrency=1, max_tokens=12), 1)
        gap = median((times[-1] - times[0]) / 10 for times in pace.times)  # ten tokens came after the first pair
        assert figures.tpot and figures.tpot.median == pytest.approx(gap * 1000, rel=0.05)
        assert figures.decode == pytest.approx(1 / gap, rel=0.05) and figures.decode_from_server == 0

    def test_no_further_prompt_after_a_time(self) -> None:
        pace = Pace(first_s=0.1, gap_s=0.01, tokens=11)
        with serving(pace) as url:
            samples = ask_all(target(url), ["x"] * 50, concurrency=2, max_tokens=11, most_s=0.3)
        assert 2 <= len(samples) < 20 and not any(sample.error for sample in samples)


class TestFigures:
    def sample(self, first: float = 0.1, gap: float = 0.01, tokens: int = 11, **more: object) -> Sample:
        deltas = tuple(first + gap * number for number in range(tokens))
        made = Sample(sent_s=0.0, ended_s=deltas[-1], deltas=deltas, tokens=tokens, prompt_tokens=50)
        return replace(made, **more)  # type: ignore[arg-type]

    def test_percentiles_are_numpys(self) -> None:
        numpy = pytest.importorskip("numpy")
        values = [0.31, 0.02, 0.17, 0.5, 0.11] * 5
        spread = Spread.of(values)
        assert spread and spread.p95 and spread.p99
        found = [value * 1000 for value in values]
        for mine, share in ((spread.median, 50), (spread.p95, 95), (spread.p99, 99)):
            assert mine == pytest.approx(numpy.percentile(found, share))
        assert spread.mean == pytest.approx(numpy.mean(found)) and spread.std == pytest.approx(numpy.std(found))

    def test_no_tail_below_twenty(self) -> None:
        few, enough = Spread.of([0.1] * 19), Spread.of([0.1] * 20)
        assert few and few.p95 is None and "p95_ttft_ms" not in few.as_json("ttft")
        assert enough and enough.p95 == pytest.approx(100)
        assert Spread.of([]) is None

    def test_goodput_keeps_every_limit(self) -> None:
        samples = [self.sample(), self.sample(first=0.5), self.sample(gap=0.1), self.sample(error="gone")]
        figures = summarize(samples, 1, {"ttft": 200, "tpot": 50})
        assert figures.goodput == pytest.approx(1 / figures.duration_s)
        assert summarize(samples, 1).goodput is None

    @pytest.mark.parametrize(
        "deltas",
        [
            (0.1,) * 20,  # one read of the network
            tuple(0.1 + 3e-5 * number for number in range(20)),  # as fast as a whole answer can be sent
            (0.1,) * 10 + (0.2,) * 10,  # two pieces, whose first tells nothing of when it was begun
            (0.0,) * 19 + (0.3,),
        ],
    )
    def test_what_came_at_once_is_given_no_speed(self, deltas: tuple[float, ...]) -> None:
        made = Sample(sent_s=0, ended_s=deltas[-1], deltas=deltas, tokens=20, prompt_tokens=50)
        assert made.token_s is None and made.decode is None
        found = summarize([made], 1).as_json()
        assert found["decode_tok_s"] is None and not {"median_tpot_ms", "median_itl_ms"} & found.keys()
        told = replace(made, server_decode_ms=190.0)
        assert told.decode == pytest.approx(100)
        assert summarize([told, told], 1).decode_from_server == 2

    def test_a_speed_is_of_what_came_after_the_first_arrival(self) -> None:
        deltas = (0.1, 0.1, 0.1, *(0.11 + 0.01 * number for number in range(8)))  # three tokens first, then one each
        made = Sample(sent_s=0, ended_s=0.2, deltas=deltas, tokens=11)
        assert made.decode == pytest.approx(100)
        assert replace(made, tokens=22).decode == pytest.approx(200)  # a delta may hold two

    @pytest.mark.parametrize(("cached", "shown"), [(0, 100.0), (40, 60.0), (50, None), (99, None), (100, None)])
    def test_a_prompt_that_was_kept_says_nothing_of_prefill(self, cached: int, shown: float | None) -> None:
        made = self.sample(prompt_tokens=100, cached_tokens=cached, server_prompt_ms=1000.0)
        assert made.prefill == (None if shown is None else pytest.approx(shown))

    def test_one_token_has_no_speed(self) -> None:
        figures = summarize([self.sample(tokens=1)], 1)
        assert figures.tpot is None and figures.decode is None and figures.ttft is not None


class TestRuns:
    def test_in_turns_with_new_prompts(self) -> None:
        one, two = Pace(first_s=0.01, gap_s=0.002, tokens=3), Pace(first_s=0.03, gap_s=0.002, tokens=3)
        settings = Settings(prompt_tokens=30, answer_tokens=3, rounds=2, requests=4, concurrencies=(1, 2))
        with serving(one) as first, serving(two) as second:
            found = measure([target(first, "one"), target(second, "two")], settings)
        assert {(item.target.label, item.phase, item.figures.concurrency) for item in found} == {
            (label, phase, clients) for label in ("one", "two") for phase in ("warm", "hot") for clients in (1, 2)
        }
        assert all(item.figures.completed == 8 for item in found)
        asked = [body["messages"][0]["content"] for body in one.bodies[1:]]  # the first one is not counted
        assert asked == [body["messages"][0]["content"] for body in two.bodies[1:]]  # the same to each
        warm = [text for text in asked if text[0].isdecimal()]
        assert len(warm) == len(set(warm)) == 16
        by_label = {(item.target.label, item.phase): item.figures for item in found if item.figures.concurrency == 1}
        slower = by_label["two", "warm"].ttft
        faster = by_label["one", "warm"].ttft
        assert slower and faster and slower.median > faster.median
        # the pauses in which the other target was asked are not counted: one client is busy all the time
        busy = by_label["one", "warm"].e2el
        assert busy and by_label["one", "warm"].duration_s == pytest.approx(8 * busy.mean / 1000, rel=0.5)

    def test_what_a_provider_would_cost(self) -> None:
        one = Pace(first_s=0.01, gap_s=0.001, tokens=3)
        settings = Settings(prompt_tokens=30, answer_tokens=3, rounds=2, requests=4, concurrencies=(1, 2))
        with serving(one) as url:
            measure([target(url)], settings)
        assert len(one.bodies) == settings.cost(None).requests
        assert sum(body["max_tokens"] for body in one.bodies) == settings.cost(None).written
        cost = settings.cost(Price(input=1.0, output=10.0))
        assert (
            cost.dollars == pytest.approx((cost.read + 10 * cost.written) / 1e6) and settings.cost(None).dollars is None
        )

    @pytest.mark.parametrize("fault", ["404", "gone"])
    def test_a_target_that_is_not_there_is_found_before_the_others_are_measured(self, fault: str) -> None:
        one, two = Pace(first_s=0.01, gap_s=0.001, tokens=3), Pace(faults={0: "404"})
        settings = Settings(prompt_tokens=30, answer_tokens=3, rounds=2, requests=4)
        with serving(one) as first, serving(two) as second, pytest.raises(NetworkError, match="other does not answer"):
            measure([target(first), target(second if fault == "404" else "http://127.0.0.1:9/v1", "other")], settings)
        assert len(one.bodies) == 1

    def test_prompts(self) -> None:
        new, shared = make_prompts(5, 200, seed="a"), make_prompts(5, 200, seed="a", same_prefix=True)
        assert len({text[:8] for text in new}) == 5 and len({text[:800] for text in shared}) == 1
        assert len(set(shared)) == 5
        assert make_prompts(5, 200, seed="a") == new != make_prompts(5, 200, seed="b")
        assert all(180 <= len(text.split()) <= 220 for text in new)


class TestRecords:
    def record(self, first_s: float, tmp_path: Path, name: str = "r.json") -> Path:
        with serving(Pace(first_s=first_s, gap_s=0.002, tokens=3)) as url:
            settings = Settings(prompt_tokens=10, answer_tokens=3, rounds=1, requests=4, phases=("warm",))
            found = measure([target(url, "here", sha256="a" * 64), target(url, "there")], settings)
        made = make_record("chat", found, settings, MACHINE, engine="llama.cpp b1", sha256="a" * 64)
        (tmp_path / name).write_text(json.dumps({"schema": 1, **made}), "utf-8")
        return tmp_path / name

    def test_what_became_slower(self, tmp_path: Path) -> None:
        before = read_record(self.record(0.02, tmp_path, "before.json"))
        now = json.loads(self.record(0.2, tmp_path, "now.json").read_text("utf-8"))
        assert [row["bytes"] for row in now["results"]] == ["same", "other"]
        assert what_differs(now, before) == []
        later = {**now, "engine": "llama.cpp b2", "settings": {**now["settings"], "answer_tokens": 9}}
        assert what_differs(now, later) == ["engine", "length"] and len(what_differs(now, {})) == 4
        (broken, other) = compare(now, before, [parse_rule("ttft_p50>1.2x")])
        assert broken.startswith("here warm 1: median_ttft_ms") and "was" in broken and other.startswith("there")
        assert compare(now, before, [parse_rule("ttft_p50>100x"), parse_rule("tps<0.1")]) == []
        assert len(compare(now, before, [parse_rule("median_ttft_ms>100")])) == 2
        with pytest.raises(SpecError, match="speed_of_light"):
            compare(now, before, [parse_rule("speed_of_light<1")])

    @pytest.mark.parametrize("text", ["", "ttft", "ttft>", "ttft=2", "ttft>x", "ttft>1.2.3", "ttft>1y", "> 2"])
    def test_rules_that_are_none(self, text: str) -> None:
        with pytest.raises(SpecError):
            parse_rule(text)

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"results": 3}', '{"results": [{}]}', "[" * 100_000])
    def test_records_that_are_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "bad.json").write_text(text, "utf-8")
        with pytest.raises(SpecError, match=r"bad\.json"):
            read_record(tmp_path / "bad.json")

    def test_pages_and_pictures(self, tmp_path: Path) -> None:
        record = json.loads(self.record(0.02, tmp_path).read_text("utf-8"))
        page = report.markdown(record, picture="x.png")
        assert "| here | warm | 1 |" in page and "other bytes" in page and "![" in page
        assert any("█" in line for line in report.shown(record))
        if can_plot():
            record["results"][1]["decode_tok_s"] = None  # nobody knows it, and no bar of 0 is drawn for it
            plot_speed(record, tmp_path / "x.png")
            assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"

    def test_other_work_is_a_share_of_the_machine(self) -> None:
        shares = [share for _ in range(3) if (share := busy_share()) is not None]
        assert all(0 <= share <= 1 for share in shares) and (shares or sys.platform != "linux")
        made = make_record("x", [], Settings(prompt_tokens=1, answer_tokens=1), MACHINE, engine="e", sha256="",
                           busy=[0.0, 0.5, 0.01])  # fmt: skip
        assert report.busy_words(made) == "; other work took 1 % of the machine, at most 50 %"
        plain = make_record("x", [], Settings(prompt_tokens=1, answer_tokens=1), MACHINE, engine="e", sha256="")
        assert report.busy_words(plain) == ""


class TestTargets:
    def test_presets_and_urls(self) -> None:
        assert parse_url("ollama#qwen3:8b").base_url == "http://127.0.0.1:11434/v1"
        assert parse_url("ollama#qwen3:8b").model == "qwen3:8b"
        assert parse_url("http://h:1/v1/", "m") == Target(label="h:1", kind="url", base_url="http://h:1/v1", model="m")
        named = parse_url("my box (a test)=http://h:1/v1?a=b#m")
        assert (named.label, named.model) == ("my box (a test)", "m") and named.base_url.startswith("http://h:1/v1")

    def test_the_same_bytes_by_what_a_server_says(self, tmp_path: Path) -> None:
        (tmp_path / "model.gguf").write_bytes(b"GGUF and so on")
        sha256 = hashlib.sha256(b"GGUF and so on").hexdigest()
        for said, found in ((str(tmp_path / "model.gguf"), sha256), (str(tmp_path / "gone.gguf"), ""), ("alias", "")):
            with serving(Pace(models=said)) as url:
                assert served_digest(target(url), 14) == found
                assert served_digest(target(url), 15) == ""
        for url in ("http://192.0.2.1/v1", "http://127.0.0.1:9/v1"):
            assert served_digest(target(url), 14) == ""

    @pytest.mark.parametrize("text", ["", "olama", "ftp://x", "http://", "http://u:p@h/v1", "h:1"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(SpecError, match="measure against"):
            parse_url(text)

    def test_a_key_is_not_shown(self) -> None:
        assert "s3cret" not in repr(target("http://h/v1", key="s3cret"))

"""What is expected of a model at a task: discounts, modes, ceilings, and how much one source is believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from lmpm import catalog
from lmpm.catalog import CatalogModel, Metric, Score, Task, rating
from lmpm.catalog.schema.model import Quirks
from lmpm.catalog.schema.task import Expected, General, WritingTime

OWN: Final = Metric("own", "Own", "why")
LINE: Final = Metric("other", "Other", "why", slope=0.5, intercept=40.0, fitted=(20.0, 80.0), largest_miss=8.0)
ABILITY: Final = Metric("ability", "Ability", "why", slope=0.5, intercept=40.0, fitted=(20.0, 80.0), indirect=True)
LOOSE: Final = Metric("loose", "Loose", "why", slope=1.0, intercept=0.0)
SHIPPED: Final = catalog.load(catalog.directory())


def task(**changes: Any) -> Task:
    made = SHIPPED.task("text-to-sql")
    assert made is not None
    return replace(made, name="t", metrics=(OWN, LINE, ABILITY, LOOSE), general=None, **changes)


def score(value: float, metric: str = "own", **changes: Any) -> Score:
    return Score(task="t", metric=metric, value=value, source=changes.pop("source", "paper A"), **changes)


def model(*scores: Score, thinking: str = "", parameters: int = 7_000_000_000) -> CatalogModel:
    made = SHIPPED.model("qwen2.5-coder-7b-instruct")
    assert made is not None
    quirks = Quirks(thinking, "", True, "") if thinking else None  # type: ignore[arg-type]
    return replace(made, scores=scores, quirks=quirks, parameters=parameters, active_parameters=parameters)


def value(made: CatalogModel, of: Task | None = None, mode: str | None = None) -> float:
    found = rating.rate(made, of or task())
    return next(item.value for item in found if mode in (None, item.mode))


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (score(60), 60.0),
        (score(60, by="maker"), 60 * 0.98),
        (score(60, estimated=True, rule="a guess"), 60 * 0.9),
        (score(60, "other"), 70 - 4),  # half of its line's largest miss
        (score(99, "other"), 80 - 4),  # above what it was fitted on: its end
        (score(10, "other"), 50 / 2 - 4),  # below: half of its beginning, and not the 45 of the line
        (score(0, "other"), 0.0),
        (score(60, "ability"), (70 - 6) * 0.9),  # what measures another ability is an estimate
        (score(60, "loose"), 60 - 6),  # a line that nobody fitted
        (score(60, "other", by="maker"), 66 * 0.98),
        (score(1000), 100.0),  # a quality stays on the scale
    ],
)
def test_discounts(figure: Score, expected: float) -> None:
    assert value(model(figure)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("parameters", "share"), [(5_999_999_999, 0.12), (6_000_000_000, 0.08), (20_000_000_000, 0.05)]
)
def test_a_figure_of_the_other_mode_counts_less_the_smaller_the_model(parameters: int, share: float) -> None:
    thinks = model(score(60, mode="thinking"), thinking="optional", parameters=parameters)
    assert value(thinks, mode="thinking") == 60 and value(thinks, mode="direct") == pytest.approx(60 * (1 - share))


def test_own_figures_of_a_mode_go_before_those_of_the_other() -> None:
    both = model(score(60, mode="thinking"), score(40, mode="direct"), thinking="optional")
    assert (value(both, mode="thinking"), value(both, mode="direct")) == (60, 40)


@pytest.mark.parametrize(
    ("wanted", "thinking", "modes"),
    [
        ("either", "optional", ["direct", "thinking"]),
        ("on", "optional", ["thinking"]),
        ("off", "optional", ["direct"]),
        ("off", "always", ["thinking"]),
        ("on", "", [""]),
    ],
)
def test_a_model_is_run_in_the_mode_that_the_task_wants(wanted: str, thinking: str, modes: list[str]) -> None:
    time = task().time
    assert isinstance(time, WritingTime)
    made = task(time=time._replace(thinking=wanted))  # type: ignore[arg-type]
    found = rating.rate(model(score(60, mode="thinking"), thinking=thinking), made)
    assert [item.mode for item in found] == modes
    if (wanted, thinking) == ("off", "optional"):
        assert found[0].value == 60, "thinking is no advantage there"


def test_of_several_sources_the_mean_counts_and_the_surer_one_more() -> None:
    two = model(score(60), score(80, source="paper B"))
    assert value(two) == pytest.approx(70)
    assert 60 < value(model(score(60), score(80, by="maker", source="card"))) < 69
    same = model(score(60), score(70, "other"))
    assert value(same) == pytest.approx((60 / 4 + 71 / 16) / (1 / 4 + 1 / 16)), "one source shares its error"


class TestExpectation:
    """General abilities: a task `g`, whose quality is expected here as it is."""

    @staticmethod
    def rated(*scores: Score, error: float = 5.0, expected: Expected | None = None) -> float:
        general = replace(task(expected=expected), name="g")
        made = replace(task(), general=General(1.0, 0.0, error, 100.0))
        found = rating.rate(model(*scores), made, general)
        return found[0].value

    def test_one_source_is_drawn_towards_it_and_several_less(self) -> None:
        ability = Score(task="g", metric="own", value=40.0, source="paper C")
        one = self.rated(score(80), ability)
        three = self.rated(score(80), score(80, source="paper B"), score(80, source="paper D"), ability)
        assert 55 < one < three < 78
        assert self.rated(score(80), ability, error=50.0) > 79, "a loose expectation says little"

    def test_a_maker_is_believed_less_than_somebody_else(self) -> None:
        ability = Score(task="g", metric="own", value=40.0, source="paper C")
        assert self.rated(score(80, by="maker"), ability) < self.rated(score(80), ability) - 5

    def test_near_the_ceiling_a_figure_says_less(self) -> None:
        ability = Score(task="g", metric="own", value=40.0, source="paper C")
        pull = [figure - self.rated(score(figure), ability) for figure in (84.0, 86.0)]
        assert pull[1] > pull[0] + 5

    def test_without_general_figures_size_and_date_are_what_is_known(self) -> None:
        by_size = Expected(intercept=20, per_doubling=5, per_year=0, thinking=0, year=2026, error=5)
        assert 50 < self.rated(score(80), expected=by_size) < 75
        assert self.rated(score(80)) == pytest.approx(80, abs=0.01), "nothing is known, nothing is drawn"


def test_dates_are_years() -> None:
    assert [rating.year_of(date) for date in ("2026-07", "2026-01-31", "2026", "")] == [2026.5, 2026.0, 2026.5, 2025.0]


def test_the_fits_stand_in_the_files() -> None:
    chat = SHIPPED.task("chat")
    assert chat is not None and chat.expected is not None and chat.expected.per_doubling > 0
    assert all(item.general.slope > 0 for item in SHIPPED.tasks if item.general)
    assert sum(item.general is not None for item in SHIPPED.tasks) >= 8


def test_what_it_was_made_for_is_not_drawn_towards_general_abilities() -> None:
    of = replace(task(), general=General(slope=1.0, intercept=0.0, error=5.0, most=100.0))
    general, weak = SHIPPED.task("chat"), model(score(80, by="maker"))
    assert general is not None and general.expected is not None
    drawn = rating.rate(weak, of, general)[0].value
    made = rating.rate(replace(weak, made_for=frozenset({"t"})), of, general)[0].value
    assert drawn < made == pytest.approx(80 * 0.98, abs=0.01)


@pytest.mark.parametrize("name", ["qwen3.8-27b", "qwen3-4b-thinking-2507", "qwen3.6-35b-a3b"])
def test_a_successor_is_taken_for_no_worse_unless_it_was_measured(name: str) -> None:
    made = SHIPPED.model(name)
    before = made and SHIPPED.model(made.succeeds)
    assert made is not None and before is not None
    compared = 0
    for of in SHIPPED.tasks:
        least = {item.mode: item.value for item in SHIPPED.ratings(before, of)}
        for item in SHIPPED.ratings(made, of):
            if item.kind != "measured" and item.mode in least:
                assert item.value >= least[item.mode]
                compared += 1
    assert compared >= 2


def test_a_figure_near_the_ceiling_is_believed_no_less_beside_another_of_its_source() -> None:
    beside = score(40, "other")
    below, above = value(model(score(84.9), beside)), value(model(score(85.1), beside))
    assert above == pytest.approx(below, abs=0.5)


def test_without_a_figure_of_its_own_a_successor_counts_a_little_more() -> None:
    made, tools = SHIPPED.model("qwen3.8-27b"), SHIPPED.task("tool-calling")
    before = made and SHIPPED.model(made.succeeds)
    assert made and before and tools and not [item for item in made.scores if item.task == tools.name]
    own, least = SHIPPED.ratings(made, tools), SHIPPED.ratings(before, tools)
    assert own and [item.value - other.value for item, other in zip(own, least, strict=True)] == pytest.approx(
        [0.25, 0.25]
    )
    assert all("which it succeeds" in item.source for item in own)
    assert made.name in {variant.model for variant in SHIPPED.variants(tools)}

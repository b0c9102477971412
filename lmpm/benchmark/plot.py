"""Pictures of a run, with matplotlib where it is installed (`lmpm[plot]`)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from lmpm.benchmark.report import alone, figure_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DOTS: Final = 144  # an inch
FIRST, OTHERS = "#1f6feb", "#8b949e"
# One colour a target, told apart also without seeing colours, by the marks (Okabe and Ito, Color Universal Design).
LINES: Final = (FIRST, "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKS: Final = "osD^vP"
BARS: Final = (("median_ttft_ms", "TTFT, median in ms: less is better"),
               ("decode_tok_s", "tokens a second of one answer: more is better"))  # fmt: skip


def can_plot() -> bool:
    """Whether matplotlib is here (`pip install 'lmpm[plot]'`)."""
    return find_spec("matplotlib") is not None


def plot_speed(record: Mapping[str, Any], path: Path) -> None:
    """TTFT and tokens a second of each target as bars, and beside them TTFT against concurrency.

    `path` ends in `.png` or `.svg`. Raises ImportError without matplotlib, OSError.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    single = alone(record)
    many = len({row["max_concurrency"] for row in record["results"]}) > 1
    figure = Figure(figsize=(15 if many else 11, 1.4 + 0.5 * max(len(single), 4)), layout="constrained")
    axes = figure.subplots(1, 3 if many else 2)
    for number, (field, title) in enumerate(BARS):
        _bars(axes[number], single, field, title, is_named=number == 0)
    if many:
        _lines(axes[2], record)
    phase = f"{single[0]['phase']} prompts, one client" if single else ""
    figure.suptitle(f"{record['name']} on {record['machine']['name']}: {phase}, {record['engine']}", fontsize=11)
    with mpl.rc_context({"svg.hashsalt": "lmpm"}):  # the same picture of the same record
        figure.savefig(path, dpi=DOTS, metadata={"Date": None} if path.suffix == ".svg" else None)


def _bars(axes: Any, rows: list[Mapping[str, Any]], field: str, title: str, *, is_named: bool) -> None:
    values = [row.get(field) for row in rows]
    places = list(range(len(rows)))
    bars = axes.barh(places, [value or 0 for value in values], color=[FIRST, *[OTHERS] * len(rows)][: len(rows)])
    axes.bar_label(bars, ["not known" if value is None else figure_words(value) for value in values], padding=3)
    axes.set_yticks(places, [row["target"] for row in rows] if is_named else [""] * len(rows))
    axes.set_title(title, fontsize=10)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.xaxis.set_major_locator(_few_ticks())
    axes.xaxis.set_major_formatter(lambda value, _: figure_words(value))
    axes.spines[["top", "right"]].set_visible(False)


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4)


def _lines(axes: Any, record: Mapping[str, Any]) -> None:
    phase = alone(record)[0]["phase"]
    rows = [row for row in record["results"] if row["phase"] == phase and "median_ttft_ms" in row]
    for number, target in enumerate(dict.fromkeys(row["target"] for row in rows)):
        points = sorted((row["max_concurrency"], row["median_ttft_ms"]) for row in rows if row["target"] == target)
        look = {"color": LINES[number % len(LINES)], "marker": MARKS[number % len(MARKS)]}
        axes.plot([at for at, _ in points], [value for _, value in points], label=target, **look)
    clients = sorted({row["max_concurrency"] for row in rows})
    axes.set_title("TTFT, median in ms, by clients at once", fontsize=10)
    axes.set_xscale("log", base=2)
    axes.set_xticks(clients, [str(number) for number in clients])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: figure_words(value))
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)

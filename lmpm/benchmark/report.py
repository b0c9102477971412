"""What a run showed, for people: a table, bars of characters, a page, pictures."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

BAR: Final = 28  # characters of the longest bar
DOTS: Final = 144  # an inch


def rows(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The cells of a table, by `HEADS`: `n` answers of `out` tokens each; ratios are to the first target."""
    first = {(row["phase"], row["max_concurrency"]): row for row in reversed(record["results"])
             if row["target"] == record["results"][0]["target"]}  # fmt: skip
    return [_cells(row, first.get((row["phase"], row["max_concurrency"]))) for row in record["results"]]


HEADS: Final = ("target", "", "clients", "n", "TTFT p50", "p95", "decode tok/s", "together tok/s", "out", "")


def _cells(row: Mapping[str, Any], first: Mapping[str, Any] | None) -> tuple[str, ...]:
    same = first is row
    notes = []
    if row["bytes"] != "same" and row["kind"] in ("url", "cloud"):
        notes.append("other bytes")
    if row["failed"]:
        notes.append(f"{row['failed']} failed")
    if row.get("decode_from_server"):
        notes.append("decode by its own clock")
    if row.get("uncounted"):
        notes.append("pieces counted as tokens")
    return (
        row["target"],
        row["phase"],
        str(row["max_concurrency"]),
        str(row["completed"]),
        _ms(row.get("median_ttft_ms")) + ("" if same else _ratio(row, first, "median_ttft_ms")),
        _ms(row.get("p95_ttft_ms")),
        _speed(row.get("decode_tok_s")) + ("" if same else _ratio(row, first, "decode_tok_s")),
        _speed(row.get("output_throughput")) + ("" if same else _ratio(row, first, "output_throughput")),
        _tokens(row),
        ", ".join(notes),
    )


def _tokens(row: Mapping[str, Any]) -> str:
    found = row.get("median_answer_tokens")
    return "-" if found is None else f"{found:.0f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _speed(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _ratio(row: Mapping[str, Any], first: Mapping[str, Any] | None, field: str) -> str:
    old, new = (first or {}).get(field), row.get(field)
    return f" ({new / old:.2f}x)" if old and new else ""


def bars(record: Mapping[str, Any], field: str, unit: str) -> list[str]:
    """A bar for each target at one client, in the phase `warm`."""
    found = [(row["target"], row.get(field)) for row in _single(record)]
    values = [value for _, value in found if value]
    if not values:
        return []
    width = max(len(label) for label, _ in found)
    return [
        f"{label:<{width}}  {'█' * max(round(BAR * value / max(values)), 1)} {value:,.1f} {unit}"
        for label, value in found
        if value
    ]


def _single(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    least = min((row["max_concurrency"] for row in record["results"]), default=1)
    phases = [row["phase"] for row in record["results"]]
    phase = "warm" if "warm" in phases else phases[0] if phases else ""
    return [row for row in record["results"] if (row["max_concurrency"], row["phase"]) == (least, phase)]


def can_plot() -> bool:
    """Whether matplotlib is here (`pip install 'lmpm[plot]'`)."""
    return find_spec("matplotlib") is not None


def plot(record: Mapping[str, Any], path: Path) -> None:
    """TTFT and tokens a second of each target as bars, and beside them latency against concurrency.

    `path` ends in `.png` or `.svg`. Raises ImportError without matplotlib, OSError.
    """
    from matplotlib.figure import Figure

    single = _single(record)
    many = len({row["max_concurrency"] for row in record["results"]}) > 1
    figure = Figure(figsize=(12 if many else 8, 1.4 + 0.6 * max(len(single), 3)), layout="constrained")
    axes = figure.subplots(1, 3 if many else 2)
    labels = [row["target"] for row in single]
    for place, (field, title) in enumerate(
        (("median_ttft_ms", "TTFT, ms (median; less is better)"), ("decode_tok_s", "tokens a second (more is better)"))
    ):
        values = [row.get(field) for row in single]
        bars = axes[place].barh(
            labels, [value or 0 for value in values], color=["#1f6feb", *["#8b949e"] * len(labels)][: len(labels)]
        )
        axes[place].bar_label(bars, ["not known" if value is None else f"{value:,.4g}" for value in values], padding=3)
        axes[place].set_title(title, fontsize=10)
        axes[place].invert_yaxis()
        axes[place].spines[["top", "right"]].set_visible(False)
        axes[place].margins(x=0.18)
    if many:
        _lines(axes[2], record)
    figure.suptitle(f"{record['name']} on {record['machine']['name']}, {record['engine']}", fontsize=11)
    figure.savefig(path, dpi=DOTS)


def _lines(axes: Any, record: Mapping[str, Any]) -> None:
    for target in dict.fromkeys(row["target"] for row in record["results"]):
        points = sorted(
            (row["max_concurrency"], row["median_ttft_ms"])
            for row in record["results"]
            if row["target"] == target and row["phase"] == _single(record)[0]["phase"] and "median_ttft_ms" in row
        )
        axes.plot([at for at, _ in points], [value for _, value in points], "o-", label=target)
    axes.set_title("TTFT, ms, against clients at once", fontsize=10)
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def markdown(record: Mapping[str, Any], *, picture: str = "") -> str:
    """A page: machine, versions, settings, table, and the picture where there is one."""
    settings, system = record["settings"], record["system"]
    lines = [
        f"# {record['name']}: speed",
        "",
        f"{record['machine']['name']} · {record['engine']} · lmpm {record['lmpm']} · {record['date']}",
        "",
        f"About {settings['prompt_tokens']} tokens in, {settings['answer_tokens']} out, greedy; "
        f"{settings['rounds']} rounds in turns; load {system['load']}, power {system['power']}. "
        "`warm`: every prompt is new; `hot`: they all begin alike. TTFT is from sending to the first text, decode that "
        "of one answer, together all answers.",
        "",
        f"sha256 `{record['sha256']}`",
        "",
        *([f"![TTFT and speed]({picture})", ""] if picture else []),
        "| " + " | ".join(head or "·" for head in HEADS) + " |",
        "|" + "---|" * len(HEADS),
        *("| " + " | ".join(cells) + " |" for cells in rows(record)),
        *(["", "Failed: " + "; ".join(failures(record)) + "."] if failures(record) else []),
    ]
    return "\n".join(lines) + "\n"


def failures(record: Mapping[str, Any]) -> list[str]:
    """Why requests failed, how often at each target."""
    found: dict[tuple[str, str], int] = {}
    for row in record["results"]:
        for why, number in row["errors"].items():
            found[row["target"], why] = found.get((row["target"], why), 0) + number
    return [f"{target}: {why} ({number})" for (target, why), number in found.items()]


def shown(record: Mapping[str, Any]) -> Sequence[str]:
    """Both bar charts, as lines."""
    first, speed = bars(record, "median_ttft_ms", "ms"), bars(record, "decode_tok_s", "tok/s")
    return [*(["TTFT, median", *first] if first else []), *(["", "tokens a second", *speed] if speed else [])]

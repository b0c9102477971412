"""What a run showed, for people: a table, bars of characters, a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lmpm.units import count, dollars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BAR: Final = 28  # characters of the longest bar


def rows(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The cells of a table, by `HEADS`: `n` answers of `out` tokens each; ratios are to the first target."""
    first = {(row["phase"], row["max_concurrency"]): row for row in reversed(record["results"])
             if row["target"] == record["results"][0]["target"]}  # fmt: skip
    return [_cells(row, first.get((row["phase"], row["max_concurrency"]))) for row in record["results"]]


HEADS: Final = (
    "target",
    "",
    "clients",
    "n",
    "TTFT p50",
    "p95",
    "decode tok/s",
    "together tok/s",
    "out",
    "goodput/s",
    "",
)


def _cells(row: Mapping[str, Any], first: Mapping[str, Any] | None) -> tuple[str, ...]:
    same = first is row
    notes = []
    if row["bytes"] != "same" and row["kind"] in ("url", "cloud"):
        notes.append("other bytes")
    if row["failed"]:
        notes.append(f"{row['failed']} failed")
    if row.get("cost_usd") is not None:
        notes.append(dollars(row["cost_usd"]))
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
        "" if row.get("request_goodput") is None else figure_words(row["request_goodput"]),
        ", ".join(notes),
    )


def _tokens(row: Mapping[str, Any]) -> str:
    found = row.get("median_answer_tokens")
    return "-" if found is None else f"{found:.0f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{figure_words(value)} ms"


def _speed(value: float | None) -> str:
    return "-" if value is None else figure_words(value)


def figure_words(value: float) -> str:
    """`2,408`, `97.3`, `2.05`, `0`: three digits, and no more after the point than are known."""
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _ratio(row: Mapping[str, Any], first: Mapping[str, Any] | None, field: str) -> str:
    old, new = (first or {}).get(field), row.get(field)
    return f" ({new / old:.2f}x)" if old and new else ""


def bars(record: Mapping[str, Any], field: str, unit: str) -> list[str]:
    """A bar for each target at one client, in the phase `warm`."""
    found = [(row["target"], row.get(field)) for row in alone(record)]
    values = [value for _, value in found if value]
    if not values:
        return []
    width = max(len(label) for label, _ in found)
    return [
        f"{label:<{width}}  {'█' * max(round(BAR * value / max(values)), 1)} {figure_words(value)} {unit}"
        for label, value in found
        if value
    ]


def alone(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of the fewest clients, of new prompts where there are any."""
    least = min((row["max_concurrency"] for row in record["results"]), default=1)
    phases = [row["phase"] for row in record["results"]]
    phase = "warm" if "warm" in phases else phases[0] if phases else ""
    return [row for row in record["results"] if (row["max_concurrency"], row["phase"]) == (least, phase)]


def markdown(record: Mapping[str, Any], *, picture: str = "", level: int = 1) -> str:
    """A page: machine, versions, settings, table, and the picture where there is one; its title is of a level."""
    settings, system = record["settings"], record["system"]
    cold = "" if record.get("cold_s") is None else f"Cold start to the first token: {record['cold_s']:.2f} s. "
    power = "" if system["power"] == "unknown" else f", on {system['power']}"
    lines = [
        f"{'#' * level} {record['name']}",
        "",
        f"{record['machine']['name']}{power} · {record['engine']} · lmpm {record['lmpm']} · {record['date'][:10]}",
        "",
        f"About {settings['prompt_tokens']} tokens in, {settings['answer_tokens']} out, greedy; "
        f"{settings['rounds']} rounds in turns{busy_words(record)}. {cold}sha256 `{record['sha256']}`.",
        "",
        *([f"![TTFT and tokens a second]({picture})", ""] if picture else []),
        *_table(rows(record)),
    ]
    for line in (*not_run(record), *failures(record)):
        lines += ["", line]
    return "\n".join(lines) + "\n"


def _table(lines: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, without columns that are empty."""
    shown = [column for column in range(len(HEADS)) if any(line[column] for line in lines)]
    return [
        "| " + " | ".join(HEADS[column] or "·" for column in shown) + " |",
        "|" + "---|" * len(shown),
        *("| " + " | ".join(line[column] for column in shown) + " |" for line in lines),
    ]


def busy_words(record: Mapping[str, Any]) -> str:
    """`; other work took 3 % of the machine, at most 12 %`; else the load before, empty where nobody knows it."""
    system = record["system"]
    if system.get("busy") is None:
        return "" if system["load"] is None else f"; system load before {system['load']:g}"
    shares = [f"{system[key]:.0%}".replace("%", " %") for key in ("usually_busy", "busy")]
    return f"; other work took {shares[0]} of the machine, at most {shares[1]}"


def not_run(record: Mapping[str, Any]) -> list[str]:
    """What was not measured, and why."""
    return [f"{target}: not run here: {why}" for target, why in record.get("not_run", {}).items()]


def failures(record: Mapping[str, Any]) -> list[str]:
    """Why requests failed, how often at each target."""
    found: dict[tuple[str, str], int] = {}
    for row in record["results"]:
        for why, number in row["errors"].items():
            found[row["target"], why] = found.get((row["target"], why), 0) + number
    return [f"{target}: {count(number, 'request')} failed: {why}" for (target, why), number in found.items()]


def shown(record: Mapping[str, Any]) -> Sequence[str]:
    """Both bar charts, as lines."""
    first, speed = bars(record, "median_ttft_ms", "ms"), bars(record, "decode_tok_s", "tok/s")
    return [*(["TTFT, median", *first] if first else []), *(["", "tokens a second", *speed] if speed else [])]

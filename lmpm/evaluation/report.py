"""An evaluation as a Markdown page, as JUnit XML, and as JSON values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape, quoteattr

from lmpm.evaluation.chart import bars, percents, title_of
from lmpm.fs import printable
from lmpm.units import count, dollars, duration, human

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.evaluation.records import Comparison, Evaluation, Result, Score

SHOWN_CHARS: Final = 160  # of an answer in a table
STANDINGS: Final = {"better": "better", "worse": "worse", "close": "too close to call"}
SHOWN_LOST: Final = 40


def standing_words(comparison: Comparison) -> str:
    """`worse (31 lost, 6 won)`, or `too close to call (3 lost, 4 won)`."""
    return f"{STANDINGS[comparison.standing]} ({len(comparison.lost)} lost, {len(comparison.won)} won)"


def points_of(comparison: Comparison) -> str:
    """`-31 points (-42 to -20)`: how many more in a hundred are right, and where that lies at 95 %."""
    low, high = (end * 100 for end in comparison.interval)
    points = f"{comparison.difference * 100:+.0f} points"
    return (
        f"{points} ({low:+.0f} to {high:+.0f})" if low < high else points
    )  # resampling says nothing where none differs


def one_line(text: str, most: int = SHOWN_CHARS) -> str:
    """A text in one line of at most so many characters."""
    text = printable(" ".join(text.split()))
    return text if len(text) <= most else text[: most - 1] + "…"


def markdown(evaluation: Evaluation, *, pictures: Sequence[str] = ()) -> str:
    """The page. `pictures` are names of files beside it; without any there are bars of characters."""
    return "\n".join(_page(evaluation, pictures)) + "\n"


def _page(evaluation: Evaluation, pictures: Sequence[str]) -> Iterator[str]:
    first = evaluation.scores[0]
    yield from (f"# {evaluation.name}: {count(len(evaluation.cases), 'case')} of {evaluation.cases.name}", "")
    yield f"On {evaluation.machine}, {first.build}. Intervals are of 95 %: of a share by Wilson, of a difference by"
    yield "resampling the pairs. A difference is too close to call where its chance between two equally good models, by"
    yield "McNemar's exact test, is 5 % or more (p)."
    yield ""
    heads = ["model", "quant", "right", "share", "difference", "p", ""]
    heads += ["first token", "answer", "tokens", "memory"]
    if any(score.cost is not None for score in evaluation.scores):
        heads.append("cost")
    graded = any(score.is_graded for score in evaluation.scores)
    if graded:
        heads.insert(4, "score")
    yield from _table(heads, [_row(evaluation, number, graded=graded) for number in range(len(evaluation.scores))])
    yield ""
    if pictures:
        yield from (f"![Right answers and times]({name})" for name in pictures)
    else:
        yield from ("```", *bars(evaluation), "```")
    if tags := tags_of(evaluation):
        yield from ("", "## By tag", "")
        yield from _table(
            ["tag", *map(title_of, evaluation.scores)],
            [[tag, *(f"{right} of {number}" for right, number in cells)] for tag, cells in tags],
        )
    for comparison in evaluation.comparisons:
        yield from _differences(comparison)
    if evaluation.left_out:
        yield from ("", f"{count(evaluation.left_out, 'case')} left out: code is run with `--run-code` alone.")
    yield from ("", f"Cases: sha256 `{evaluation.cases.sha256}`.")
    for score in evaluation.scores:
        what = f"sha256 `{score.sha256}`" if score.sha256 is not None else f"at `{score.identity}`"
        yield f"{title_of(score)}: {', '.join(filter(None, (what, f'recipe `{score.recipe[:12]}`', score.build)))}."


def _row(evaluation: Evaluation, number: int, *, graded: bool) -> list[str]:
    score = evaluation.scores[number]
    cells = [score.label, score.quant, f"{score.right} of {score.number}", percents(score)]
    if graded:
        low, high = score.mean_interval
        cells.append(f"{score.mean:.3f} ({low:.3f}-{high:.3f})")
    if number:
        comparison = evaluation.comparisons[number - 1]
        cells += [points_of(comparison), f"{comparison.chance:.2g}"]
        cells.append(standing_words(comparison))
    else:
        cells += ["", "", "compared with"]
    cells += [*map(_seconds, (score.first_token_s, score.took_s)), _tokens(score), _memory(score)]
    if any(other.cost is not None for other in evaluation.scores):
        cells.append("" if score.cost is None else dollars(score.cost))
    return cells


def _seconds(value: float | None) -> str:
    return "" if value is None else duration(value)


def _tokens(score: Score) -> str:
    return "" if score.tokens is None else f"{score.tokens:.0f}"


def _memory(score: Score) -> str:
    return "" if score.peak_memory is None else human(score.peak_memory)


def tags_of(evaluation: Evaluation) -> list[tuple[str, list[tuple[int, int]]]]:
    """For each tag of two cases or more, how many each contender got right, and of how many."""
    numbers = Counter(tag for case in evaluation.cases.cases for tag in case.tags)
    tags = [tag for tag, number in numbers.most_common() if number > 1]
    return [(tag, [_tagged(score, tag) for score in evaluation.scores]) for tag in tags]


def _tagged(score: Score, tag: str) -> tuple[int, int]:
    found = [result.verdict.passed for result in score.results if tag in result.case.tags]
    return sum(found), len(found)


def _differences(comparison: Comparison) -> Iterator[str]:
    base, other = title_of(comparison.base), title_of(comparison.other)
    for word, pairs in (("Lost", comparison.lost), ("Won", comparison.won)):
        if not pairs:
            continue
        yield from ("", f"## {word} by {other}", "")
        rows = [
            [old.case.id, one_line(old.case.title), one_line(old.verdict.answer), one_line(new.verdict.answer), ""]
            for old, new in pairs[:SHOWN_LOST]
        ]
        for row, (old, new) in zip(rows, pairs, strict=False):
            row[-1] = one_line((new if word == "Lost" else old).verdict.detail)
        yield from _table(["case", "asked", base, other, "why not"], rows)
        if more := len(pairs) - SHOWN_LOST:
            yield from ("", f"And {more} more.") if more > 0 else ()


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def junit(evaluation: Evaluation, least: float | None = None) -> str:
    """JUnit XML: a suite for each contender, a test case for each case. `least` is the share that is needed."""
    suites = [line for score in evaluation.scores for line in _suite(evaluation, score, least)]
    tests = sum(score.number for score in evaluation.scores)
    failed = sum(score.number - score.right for score in evaluation.scores)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="lmpm eval" tests="{tests}" failures="{failed}" errors="0">',
        *suites,
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _suite(evaluation: Evaluation, score: Score, least: float | None) -> Iterator[str]:
    failed = score.number - score.right
    name = quoteattr(printable(f"{evaluation.name}: {title_of(score)}"))
    yield f'  <testsuite name={name} tests="{score.number}" failures="{failed}" errors="0" skipped="0">'
    low, high = score.interval
    facts = {"share": f"{score.share:.4f}", "low": f"{low:.4f}", "high": f"{high:.4f}", "sha256": score.sha256 or ""}
    if least is not None:
        facts["needed"] = f"{least:g}"
    yield "    <properties>"
    yield from (f"      <property name={quoteattr(key)} value={quoteattr(value)}/>" for key, value in facts.items())
    yield "    </properties>"
    for result in score.results:
        yield from _case(evaluation, result)
    yield "  </testsuite>"


def _case(evaluation: Evaluation, result: Result) -> Iterator[str]:
    name, where = quoteattr(printable(result.case.id)), quoteattr(printable(evaluation.cases.name))
    opening = f'    <testcase classname={where} name={name} time="{result.answer.took_s or 0:.3f}"'
    if result.verdict.passed:
        yield f"{opening}/>"
        return
    yield f"{opening}>"
    message = quoteattr(one_line(result.verdict.detail))
    yield f'      <failure type="wrong" message={message}>{escape(one_line(result.verdict.answer, 1000))}</failure>'
    yield "    </testcase>"


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as programs read it."""
    return {
        "name": evaluation.name,
        "cases": {"name": evaluation.cases.name, "count": len(evaluation.cases), "sha256": evaluation.cases.sha256},
        "machine": evaluation.machine,
        "left_out": evaluation.left_out,
        "complete": not evaluation.is_cut_short,
        "scores": [_score_json(score) for score in evaluation.scores],
        "comparisons": [_comparison_json(comparison) for comparison in evaluation.comparisons],
    }


def _score_json(score: Score) -> dict[str, Any]:
    return {
        "model": score.label,
        "quant": score.quant,
        "sha256": score.sha256,
        "url": score.identity if score.sha256 is None else None,
        "recipe": score.recipe,
        "engine": score.build,
        "asked": score.number,
        "right": score.right,
        "share": round(score.share, 4),
        "interval": [round(end, 4) for end in score.interval],
        "score": round(score.mean, 4),
        "first_token_s": score.first_token_s,
        "answer_s": score.took_s,
        "tokens": score.tokens,
        "peak_memory": score.peak_memory,
        "load_s": score.load_s,
        "cost_usd": score.cost,
        "failures": score.failures,
        "results": [_result_json(result) for result in score.results],
    }


def _result_json(result: Result) -> dict[str, Any]:
    return {
        "id": result.case.id,
        "passed": result.verdict.passed,
        "score": round(result.verdict.value, 4),
        "detail": result.verdict.detail,
        "answer": result.answer.text,
        "first_token_s": result.answer.first_token_s,
        "answer_s": result.answer.took_s,
        "tokens": result.answer.tokens,
        "kept": result.is_kept,
    }


def _comparison_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "base": title_of(comparison.base),
        "other": title_of(comparison.other),
        "won": [new.case.id for _, new in comparison.won],
        "lost": [new.case.id for _, new in comparison.lost],
        "difference": round(comparison.difference, 4),
        "interval": [round(end, 4) for end in comparison.interval],
        "p": comparison.chance,
        "standing": comparison.standing,
    }

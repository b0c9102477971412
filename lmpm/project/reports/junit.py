"""What verifying found as JUnit XML, which every continuous integration shows."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from lmpm.fs import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.project.actions.verify import Report


def junit_xml(reports: Sequence[Report]) -> str:
    """One test suite, a test case for each model."""
    failed = sum(report.error is not None for report in reports)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="lmpm verify" tests="{len(reports)}" failures="{failed}" errors="0">',
        f'  <testsuite name="lmpm.lock" tests="{len(reports)}" failures="{failed}" errors="0" skipped="0">',
        *(line for report in reports for line in _case(report)),
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _case(report: Report) -> Iterator[str]:
    opening = f'    <testcase classname="lmpm.lock" name={quoteattr(printable(report.name))} time="{report.took_s:.3f}"'
    if report.error is None:
        yield f"{opening}/>"
        return
    error = report.error
    kind = type(error).__name__.removesuffix("Error")
    yield f"{opening}>"
    message = quoteattr(printable(error.message))
    yield f'      <failure type="{kind}" message={message}>exit code {error.exit_code}'
    yield from (escape(printable(line)) for line in error.details)
    if error.hint:
        yield escape(printable(f"hint: {error.hint}"))
    yield "</failure>"
    yield "    </testcase>"

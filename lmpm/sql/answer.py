"""The SQL in what a model says."""

from __future__ import annotations

import re
from typing import Final

from lmpm.sql.schema import statements

MAX_ANSWER_CHARS: Final = 16 * 1024
FENCE: Final = re.compile(r"```[ \t]*(?:sql(?:ite3?)?\b|[\w+-]*[ \t]*(?=\r?\n|$))?", re.IGNORECASE)
LABEL: Final = re.compile(
    r"\s*(?:\*\*)?(?:sql(?:ite)?(?: query)?|query|answer)(?:\*\*)?\s*:(?:\*\*)?\s*", re.IGNORECASE
)
THOUGHT: Final = re.compile(r".*(?:</think>|\[/THINK\])", re.DOTALL | re.IGNORECASE)
TAG: Final = re.compile(r"</?(?:answer|sql)>", re.IGNORECASE)
STARTS_SQL: Final = re.compile(r"\s*(?:--[^\n]*\n\s*)*(?:select|with|values)\b", re.IGNORECASE)


def extract_sql(answer: str) -> str:
    """The first SQL statement of an answer, without fences, labels and what follows; empty: there is none."""
    text = TAG.sub("", THOUGHT.sub("", answer[:MAX_ANSWER_CHARS], count=1))
    before, *fenced = FENCE.split(text)
    if fenced and not STARTS_SQL.match(LABEL.sub("", before, count=1)):
        before = fenced[0]
    label = LABEL.match(before)
    text = before[label.end() :] if label else before
    first = next(statements(text), text).strip()
    return first.removesuffix(";").rstrip()

"""Findings of an audit as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of the lock."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from lmpm.fs import printable
from lmpm.project.audit import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.project.audit import Finding

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif_log(findings: Sequence[Finding], lock_text: str, *, version: str) -> dict[str, Any]:
    """The log of one run; every result points at its rung's first line in `lmpm.lock`."""
    lines = _rung_lines(lock_text)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "lmpm",
                        "version": version,
                        "rules": [
                            {
                                "id": rule.id,
                                "shortDescription": {"text": rule.title},
                                "defaultConfiguration": {"level": rule.level},
                            }
                            for rule in RULES.values()
                        ],
                    }
                },
                "results": [_result(finding, lines) for finding in findings],
            }
        ],
    }


def _result(finding: Finding, lines: dict[tuple[str, int], int]) -> dict[str, Any]:
    identity = f"{finding.rule.id} {finding.model} {finding.title}"
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": list(RULES).index(finding.rule.id),
        "level": finding.rule.level,
        "message": {"text": printable(f"{finding.model}, variant {finding.rung}, {finding.title}: {finding.detail}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "lmpm.lock"},
                    "region": {"startLine": lines.get((finding.model, finding.rung), 1)},
                }
            }
        ],
        "partialFingerprints": {"finding/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }


def _rung_lines(text: str) -> dict[tuple[str, int], int]:
    """The line, from 1, at which each rung of each model begins in the text of a lock."""
    found: dict[tuple[str, int], int] = {}
    name, rung = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line == "[[model]]":
            name, rung = "", 0
        elif line == "[[model.candidate]]":
            rung += 1
            found[name, rung] = number
        elif not name and (match := re.fullmatch(r'name = (".*")', line)):
            name = json.loads(match[1])
    return found

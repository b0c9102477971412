"""Whether a model does its task: the smoke test and what it showed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.proof.cases.ask import (
        Askable as Askable,
        CaseAnswer as CaseAnswer,
        SessionModel as SessionModel,
        ask_case as ask_case,
        judge_case as judge_case,
    )
    from lmpm.proof.cases.files import Mistake as Mistake, Row as Row, read_rows as read_rows
    from lmpm.proof.cases.read import Wanted as Wanted, read_cases as read_cases, wanted_for as wanted_for
    from lmpm.proof.cases.records import Case as Case, CaseSet as CaseSet, digest_of as digest_of
    from lmpm.proof.checked import Checked as Checked, run_checks as run_checks
    from lmpm.proof.checks.code import Code as Code
    from lmpm.proof.checks.ranking import Ranking as Ranking
    from lmpm.proof.checks.read import Check as Check, CheckKind as CheckKind
    from lmpm.proof.history import History as History
    from lmpm.proof.judge import Verdict as Verdict
    from lmpm.proof.pictures import picture_url as picture_url, read_picture as read_picture
    from lmpm.proof.result import MemoryCheck as MemoryCheck, SmokeResult as SmokeResult
    from lmpm.proof.smoke import run_smoke as run_smoke
    from lmpm.proof.tested import Tested as Tested
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "cases.ask": "Askable CaseAnswer SessionModel ask_case judge_case",
            "cases.files": "Mistake Row read_rows",
            "cases.read": "Wanted read_cases wanted_for",
            "cases.records": "Case CaseSet digest_of",
            "checked": "Checked run_checks",
            "checks.code": "Code",
            "checks.ranking": "Ranking",
            "checks.read": "Check CheckKind",
            "history": "History",
            "judge": "Verdict",
            "pictures": "picture_url read_picture",
            "result": "MemoryCheck SmokeResult",
            "smoke": "run_smoke",
            "tested": "Tested",
        },
    )

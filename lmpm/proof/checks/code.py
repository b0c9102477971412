"""The check of Python that a model wrote: it is run, together with its test, in a confined process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from lmpm.engine import run_code
from lmpm.proof.judge import Verdict

FENCE: Final = re.compile(r"```[ \t]*(?:python3?|py)?[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
MAX_CHARS: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What stands before, the answer, what stands after and the test run to their end as one program."""

    kind: ClassVar = "code"
    test: str
    prefix: str = ""
    suffix: str = ""

    def judge(self, answer: str) -> Verdict:
        """Run it. Raises EngineError where this system cannot confine code."""
        code = self.completed(answer[:MAX_CHARS])
        found = run_code(f"{self.prefix}{code}{self.suffix}\n{self.test}\n")
        return Verdict(found.passed, found.detail, answer=code)

    def completed(self, answer: str) -> str:
        """The code of an answer: what fills a hole as it is, else the first block of code."""
        if self.prefix or self.suffix:
            return answer
        block = FENCE.search(answer)
        return block[1] if block else answer

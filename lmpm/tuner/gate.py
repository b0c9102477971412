"""The gate: a tuned model is asked the cases it never saw, beside its base and what is pinned now, before it is pinned.

The file that would be installed is asked, through llama.cpp, with the recipe that will be used.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import MissingFilesError, SmokeTestError, SpecError
from lmpm.evaluation import LocalContender, evaluate, title_of
from lmpm.fs import atomic, hash_one
from lmpm.gguf import read_file
from lmpm.machine import describe
from lmpm.proof import read_cases, wanted_for
from lmpm.runtime import find_subject, of_file

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.evaluation import Comparison, Evaluation, Watcher
    from lmpm.project import Workspace
    from lmpm.proof import CaseSet
    from lmpm.recipe import Recipe
    from lmpm.runtime import Subject
    from lmpm.tuner.examples import Examples
    from lmpm.tuner.work import Trained

SHOWN: Final = 10
HELD_OUT_FILE: Final = "held-out.jsonl"
KEY_OF: Final = {"sql": "reference"}  # where a case of a check has the answer; elsewhere `expected`
NEEDS_TEXT: Final = "exact"  # the check of a task that has none of its own


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate found. `worse_than` are those that the tuned model must not be behind and is."""

    evaluation: Evaluation
    least: float | None
    worse_than: tuple[Comparison, ...]

    @property
    def passed(self) -> bool:
        """Whether the model may be pinned."""
        return not self.worse_than and not self.is_below

    @property
    def is_below(self) -> bool:
        """Whether fewer cases are right than must be."""
        return self.least is not None and self.evaluation.scores[0].share < self.least

    def error(self, report: str) -> SmokeTestError:
        """The error for a model that did not pass; `report` names the file that says which cases."""
        score = self.evaluation.scores[0]
        reasons = []
        if self.is_below:
            reasons.append(f"{score.right} of {score.number} are right, {(self.least or 0) * 100:g} % are needed")
        for item in self.worse_than:
            low, high = (-end * 100 for end in reversed(item.interval))
            reasons.append(
                f"{title_of(item.other)} has {item.other.right} of {item.other.number} right: the tuned one is "
                f"{-item.difference * 100:+.0f} points ({low:+.0f} to {high:+.0f}) to it"
            )
        wrong = [result.case.id for result in score.results if not result.verdict.passed]
        shown = ", ".join(wrong[:SHOWN]) + (f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else "")
        return SmokeTestError(
            "The tuned model did not pass its gate; nothing is pinned",
            details=[*reasons, *([f"wrong: {shown}"] if wrong else [])],
            hint=f"See `{report}` for each answer. The files are kept: more examples or `--epochs` may help",
            kind="gate",
        )


def cases_for(
    workspace: Workspace, asked: Examples, file: str | None, recipe: Recipe, task: Task | None, folder: Path
) -> CaseSet:
    """The cases of the user's file, else what was held out, written as cases to `folder`. Raises CasesError."""
    wanted = wanted_for(recipe, task.smoke_kind if task else None)
    if file is not None:
        return read_cases(workspace.current / file, wanted, name=file)
    if not len(asked):
        raise SpecError(
            "No example is left to be asked: a tenth is held out, and there are too few",
            hint="Give more examples, or cases of your own with `--eval FILE`",
        )
    check = wanted.check or NEEDS_TEXT
    path = folder / HELD_OUT_FILE
    key = KEY_OF.get(check, "expected")
    lines = []
    for item in asked:
        told: dict[str, Any] = {name: value for name, value in item.told.items() if name != "answer"} or dict(
            item.inputs
        )
        told.setdefault("id", f"line {item.line}")
        told.setdefault("check", check)
        if not {"expected", "reference"} & told.keys():
            told[key] = _parsed(item.answer) if told["check"] == "json" else item.answer
        lines.append(json.dumps(told, ensure_ascii=False))
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, "\n".join(lines) + "\n")
    return read_cases(path, wanted, name=f"a tenth of {asked.name}")


def judge(
    workspace: Workspace,
    name: str,
    trained: Trained,
    cases: CaseSet,
    recipe: Recipe,
    task: Task | None,
    *,
    least: float | None,
    watcher: Watcher | None = None,
) -> Verdict:
    """Ask the tuned model, its base and what `name` pins now. Raises EngineError; KeyboardInterrupt with answers kept.

    It must not be behind its base at all, nor behind the present pin by more than chance: a little noise between two
    trainings is no reason to stay with the older one.
    """
    tuned = _contender(workspace, subject_of(workspace, trained.model, recipe, task, trained.put_on), "tuned")
    others = []
    if trained.base is not None:
        others.append(_contender(workspace, subject_of(workspace, trained.base, recipe, task), "base"))
    pinned = _pinned(workspace, name)
    if pinned is not None:
        others.append(_contender(workspace, pinned, "pinned now"))
    found = evaluate(
        name,
        cases,
        [tuned, *others],
        kept=workspace.home / "answers",
        machine=describe(workspace.engine.machine),
        watcher=watcher,
    )
    if found.is_cut_short:
        raise KeyboardInterrupt
    worse = [
        item
        for item, other in zip(found.comparisons, others, strict=True)
        if (item.standing == "better" if other.is_pinned else item.difference > 0)
    ]
    return Verdict(evaluation=found, least=least, worse_than=tuple(worse))


def subject_of(
    workspace: Workspace, path: Path, recipe: Recipe, task: Task | None, adapters: tuple[Path, ...] = ()
) -> Subject:
    """A file with LoRAs on it, asked by a recipe."""
    subject = of_file(workspace, path, task=task.name if task else None)
    files = dataclasses.replace(subject.files, adapters=adapters)
    return dataclasses.replace(subject, recipe=recipe, files=files, need=subject.need + files.adapter_bytes)


def _pinned(workspace: Workspace, name: str) -> Subject | None:
    """What the project pins under the name now; None where nothing, or where its files are not here."""
    if workspace.project.lock().get(name) is None:
        return None
    try:
        return find_subject(workspace, name, download=False)
    except MissingFilesError:
        workspace.note(f"what `{name}` pins now is not on this machine, and is not compared with")
        return None


def _contender(workspace: Workspace, subject: Subject, note: str) -> LocalContender:
    info = workspace.engine.chosen.info
    return LocalContender(
        workspace=workspace,
        subject=subject,
        label=f"{subject.title} ({note})",
        quant=subject.quant or read_file(subject.paths[0]).quant() or "",
        identity="+".join(hash_one(path).sha256 for path in (subject.paths[0], *subject.files.adapters)),
        build=info.build if info else "",
        is_pinned=note == "pinned now",
    )


def _parsed(answer: str) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return answer

"""The model card: what was learnt, from what, and how it did, as Markdown with the front matter that the Hub reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lmpm.evaluation import percents, standing_words, title_of
from lmpm.fs import hash_one, printable
from lmpm.tuner.conversion.quantize import types_of

if TYPE_CHECKING:
    from lmpm.tuner.gate import Verdict
    from lmpm.tuner.inspection import Inspection
    from lmpm.tuner.parity import Parity
    from lmpm.tuner.work import Job, Trained


def card(
    job: Job,
    trained: Trained,
    inspection: Inspection,
    verdict: Verdict,
    parity: Parity,
    *,
    sha256: str,
    data_license: str,
) -> str:
    """The card of a model that passed its gate."""
    base, cases = job.base, verdict.evaluation.cases
    front = ["---", "library_name: gguf"]
    if base and base.license:
        front.append(f"license: {base.license}")
    if base and base.repo:
        front += [f"base_model: {base.repo}", "base_model_relation: finetune"]
    lines = [
        *front,
        "---",
        f"# {printable(job.name)}",
        "",
        f"Trained by `lmpm tune` {'from nothing' if base is None else f'on {base.repo or base.name}'}, as {job.quant}.",
        "",
        "| | |",
        "|---|---|",
        f"| file | `{trained.model.name}`, sha256 `{sha256}` |",
        f"| weights | {types_of(trained.model)} |",
        *(f"| adapter | `{path.name}`, sha256 `{hash_one(path).sha256}` |" for path in trained.put_on),
        f"| examples | {inspection.examples:,} of `{printable(job.examples.name)}`, sha256 `{job.examples.sha256}` |",
        f"| licence of the examples | {printable(data_license) or 'not stated'} |",
    ]
    if base:
        commit = f" at `{base.commit}`" if base.commit else ""
        lines.append(f"| base | {base.repo or base.name}{commit}, sha256 of its files `{base.sha256}` |")
        lines.append(f"| licence of the base | {base.license or 'not stated'} |")
    lines += [
        f"| settings | `{json.dumps(job.settings.as_json(), sort_keys=True)}` |",
        f"| made with | {job.facts['training.packages']} |",
        f"| loss at the end | {trained.loss:.4f} a learnt token |",
        f"| left out | {trained.left_out:,} examples that were too long |",
        f"| read by llama.cpp as learnt | {parity.prompts} prompts, token by token; {parity.drift:.3f} nats apart |",
        "",
        f"## Scores on {printable(cases.name)}",
        "",
        f"{len(cases):,} cases, none of them learnt; sha256 `{cases.sha256}`. Answers are greedy.",
        "",
        "| model | right | | |",
        "|---|---|---|---|",
    ]
    scores = verdict.evaluation.scores
    for number, score in enumerate(scores):
        beside = standing_words(verdict.evaluation.comparisons[number - 1]) if number else ""
        lines.append(f"| {title_of(score)} | {score.right} of {score.number} | {percents(score)} | {beside} |")
    lines += [
        "",
        f"It must not be used for more than these cases show: it knows what {inspection.examples:,} examples say.",
    ]
    return "\n".join(lines) + "\n"

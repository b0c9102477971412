"""Evaluation: score a GGUF file in llama.cpp on the held-out tests, with and without the grammar."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from llama_cpp import Llama, LlamaGrammar

from catalog.starter.train import heldout
from catalog.starter.train.heldout import Case
from lmpm.sql import gbnf, read_ddl

MAX_TOKENS = 256
Answer = Callable[[Case], str]


def open_model(path: Path, threads: int) -> Llama:
    """Load the model on the CPU."""
    return Llama(model_path=str(path), n_ctx=1024, n_threads=threads, n_threads_batch=threads, verbose=False)


def answerer(model: Llama, constrained: bool) -> Answer:
    """Return greedy completion, within the schema's grammar if asked; nothing for a prompt that is too long."""

    def answer(case: Case) -> str:
        rules = LlamaGrammar.from_string(gbnf(read_ddl(case.statements)), verbose=False) if constrained else None
        asked = model.tokenize(case.prompt.encode(), add_bos=False)
        room = model.n_ctx() - len(asked)
        if room < 1:
            return ""
        made = model.create_completion(asked, max_tokens=min(MAX_TOKENS, room), temperature=0.0, grammar=rules)
        return str(made["choices"][0]["text"])

    return answer


def score(cases: list[Case], answer: Answer) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Run the cases; return the summary and the failures."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    exact = 0
    failures: list[dict[str, object]] = []
    for case in cases:
        got = answer(case).strip()
        kind = case.question.kind
        total[kind] += 1
        exact += got == case.question.sql
        if case.accepts(got):
            right[kind] += 1
        else:
            failures.append({"kind": kind, "conditions": case.question.conditions, "schema": case.schema.text,
                             "question": case.question.text, "expected": case.question.sql, "got": got})  # fmt: skip
    count = sum(total.values())
    summary: dict[str, object] = {
        "count": count,
        "execution": round(sum(right.values()) / count, 4),
        "exact": round(exact / count, 4),
        "wrong_by_kind": {
            kind: f"{total[kind] - right[kind]}/{total[kind]}" for kind in sorted(total) if total[kind] > right[kind]
        },
    }
    return summary, failures


def main() -> None:
    """Read the options and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--splits", nargs="+", default=list(heldout.SPLITS))
    parser.add_argument("--grammar", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--failures", type=Path, help="write every failure to this file, one JSON object a line")
    options = parser.parse_args()
    answer = answerer(open_model(options.model, options.threads), options.grammar)
    wrong: list[dict[str, object]] = []
    for split in options.splits:
        summary, failures = score(heldout.cases(split, options.count, options.seed), answer)
        wrong += [{"split": split, **failure} for failure in failures]
        print(json.dumps({"split": split, "grammar": options.grammar, **summary}), flush=True)
    if options.failures:
        options.failures.write_text("".join(json.dumps(failure) + "\n" for failure in wrong), encoding="utf-8")


if __name__ == "__main__":
    main()

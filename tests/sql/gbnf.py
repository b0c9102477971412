"""GBNF as llama.cpp reads it (its grammars/README.md), as far as lmpm writes it: sentences are drawn at random."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r'\s+|::=|[()|*+?]|\{\d+,\d+\}|"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|[a-zA-Z0-9-]+')
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
TEXTS = ["Berlin", "it''s", "%a%", "2026-05-%", "%Y-%m", "now", ""]


@dataclass
class Grammar:
    """The rules of a grammar, each as nested (kind, value) pairs. `depth` is how far a sentence may nest freely."""

    text: str
    depth: int = 12
    rules: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tokens = [found for found in TOKEN.findall(self.text) if not found.isspace()]
        assert "".join(tokens) == re.sub(r'("(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\])|\s+', r"\1", self.text)
        at = 0
        while at < len(tokens):
            assert tokens[at + 1] == "::=", tokens[at : at + 3]
            self.rules[tokens[at]], at = self._alternatives(tokens, at + 2)
        self.least: dict[str, int] = {}
        for _ in self.rules:
            before = dict(self.least)
            for name, rule in self.rules.items():
                cost = self._cost(rule)
                if cost is not None:
                    self.least[name] = min(self.least.get(name, cost), cost)
            if before == self.least:
                break
        assert self.least.keys() == self.rules.keys(), "a rule has no end"

    def _alternatives(self, tokens: list[str], at: int) -> tuple[Any, int]:
        found: list[Any] = []
        sequence: list[Any] = []
        while at < len(tokens) and tokens[at] != ")" and not (at + 1 < len(tokens) and tokens[at + 1] == "::="):
            token = tokens[at]
            at += 1
            if token == "|":
                found.append(sequence)
                sequence = []
            elif token in "*+?" or token[0] == "{":  # at most so often: drawn as seldom as without a bound
                sequence[-1] = ({"{0": "*", "{1": "+"}.get(token[:2], token), sequence[-1])
            elif token == "(":
                inner, at = self._alternatives(tokens, at)
                assert tokens[at] == ")"
                at += 1
                sequence.append(inner)
            elif token[0] == '"':
                sequence.append(("text", re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), token[1:-1])))
            elif token[0] == "[":
                sequence.append(("class", token))
            else:
                sequence.append(("rule", token))
        return ("or", [*found, sequence]), at

    def _cost(self, node: Any) -> int | None:
        """The least depth of a derivation; None while it is not known."""
        kind, value = node
        if kind == "or":
            costs = [[self._cost(item) for item in sequence] for sequence in value]
            known = [max([0, *(cost for cost in each if cost is not None)]) for each in costs if None not in each]
            return min(known) if known else None
        if kind == "rule":
            return None if value not in self.least else self.least[value] + 1
        return self._cost(value) if kind == "+" else 0

    def draw(self, source: random.Random, start: str = "root") -> str:
        """One sentence."""
        return self._write(self.rules[start], source, self.depth)

    def _write(self, node: Any, source: random.Random, depth: int) -> str:
        kind, value = node
        if kind == "text":
            return str(value)
        if kind == "class":
            return source.choice("0123456789" if "0-9" in value else "123456789" if "1-9" in value else "abcxyz")
        if kind == "rule":
            if value == "text":
                return f"'{source.choice(TEXTS)}'"
            return self._write(self.rules[value], source, depth - 1)
        if kind == "or":
            fits = [each for each in value if all((self._cost(item) or 0) <= max(depth, 0) for item in each)]
            if not fits:
                least = min(max([0, *((self._cost(item) or 0) for item in each)]) for each in value)
                fits = [each for each in value if max([0, *((self._cost(i) or 0) for i in each)]) == least]
            return "".join(self._write(item, source, depth) for item in source.choice(fits))
        times = {"?": source.choice((0, 1)), "*": source.choice((0, 0, 1, 2)), "+": source.choice((1, 1, 2))}[kind]
        if depth <= 0 and kind != "+":
            times = 0
        return "".join(self._write(value, source, depth) for _ in range(times))

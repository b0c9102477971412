"""Writes `catalog/evals/long-context.jsonl`: logbooks of a harbour of some 8,000 tokens, and questions about them.

    python benchmarks/long_context_cases.py

The same seed gives the same file. A question asks for one entry, for one of several that differ in a detail, or for
something that two entries tell together.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

SEED = 4_711
ENTRIES = 230  # of one logbook
OUT = Path(__file__).parents[1] / "catalog" / "evals" / "long-context.jsonl"
SHIPS = [
    *("Albatross", "Borealis", "Cormorant", "Dunlin", "Estuary", "Fulmar", "Gannet", "Heron", "Isabella", "Juno"),
    *("Kestrel", "Lodestar", "Marigold", "Narwhal", "Osprey", "Petrel", "Quill", "Razorbill", "Sandpiper", "Tern"),
]
GOODS = ["timber", "salt", "barley", "coal", "slate", "wool", "copper", "tiles", "herring", "cement", "paper", "glass"]
PORTS = [
    *("Bergen", "Calais", "Danzig", "Esbjerg", "Faro", "Ghent"),
    *("Hull", "Inverness", "Jersey", "Kiel", "Leith", "Malmo"),
]
PEOPLE = [
    *("Adeyemi", "Brandt", "Castro", "Dubois", "Eriksen", "Farouk"),
    *("Greco", "Haas", "Ivanov", "Jensen", "Kowalski", "Lopes"),
]


def logbook(draw: random.Random) -> tuple[str, list[tuple[str, str]]]:
    """A logbook, and questions with their answers."""
    lines, entries = [], []
    for number in range(1, ENTRIES + 1):
        entry = {
            "ship": draw.choice(SHIPS),
            "goods": draw.choice(GOODS),
            "port": draw.choice(PORTS),
            "pilot": draw.choice(PEOPLE),
            "berth": str(draw.randint(1, 40)),
            "tons": str(draw.randint(20, 900)),
        }
        entries.append(entry)
        lines.append(
            f"Entry {number}: the {entry['ship']} came from {entry['port']} with {entry['tons']} tons of "
            f"{entry['goods']} and lay at berth {entry['berth']}; pilot {entry['pilot']}."
        )
    questions = []
    for place in draw.sample(range(ENTRIES), 4):
        key, words = draw.choice([("ship", "Which ship came"), ("port", "From which port did the ship come")])
        questions.append((f"{words} in entry {place + 1}?", entries[place][key]))
    told = [tuple(entry[key] for key in ("ship", "port", "goods")) for entry in entries]
    alone = [place for place, what in enumerate(told) if told.count(what) == 1]
    for place in draw.sample(alone, 4):
        ship, port, goods = told[place]
        asked = f"How many tons did the {ship} bring when it came from {port} with {goods}? Answer with the number."
        questions.append((asked, entries[place]["tons"]))
    for place in draw.sample(range(ENTRIES - 1), 2):
        asked = f"Which pilot is named in the entry right after entry {place + 1}?"
        questions.append((asked, entries[place + 1]["pilot"]))
    return "\n".join(lines), questions


def main() -> None:
    """Write the file."""
    draw = random.Random(SEED)
    rows: list[dict[str, object]] = []
    for book in range(1, 4):
        text, questions = logbook(draw)
        rows.append({"defaults": {"check": "facts", "text": text}})
        kinds = ["number"] * 4 + ["detail"] * 4 + ["next"] * 2
        rows += [
            {"id": f"long-{book}-{number:02}", "question": question, "must": [[answer]], "tags": [kind]}
            for number, ((question, answer), kind) in enumerate(zip(questions, kinds, strict=True), start=1)
        ]
    OUT.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8", newline="\n")


if __name__ == "__main__":
    main()

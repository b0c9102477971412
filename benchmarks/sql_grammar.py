"""What the grammar of a schema, its narrowing and the repair of values gain: questions of people, answers executed.

    python benchmarks/sql_grammar.py CASES.jsonl [--model FILE.gguf] [--style raw|chat] [--difficulty easy medium]

A case has `schema`, `rows`, `question`, `gold`, `ordered`, `also`, `difficulty`. An answer is right where it gives the
rows of the gold query, or of another reading, on the written rows and on three databases made of them: every third row
deleted; the values of each column that is no key moved by a row; in every second row dates nine years back and numbers
changed. Gold queries with LIMIT are compared on the written rows alone, where ties cannot be broken in two ways.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import time
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, Final

from lmpm.engine import EngineLimits, Files, Service, Session, default_engine
from lmpm.errors import EngineError
from lmpm.run_config import RunConfig
from lmpm.sql import (
    QueryError,
    QueryLimits,
    check_values,
    count_texts,
    extract_sql,
    gbnf,
    narrow,
    read_ddl,
    run_query,
    with_values,
)

STARTER: Final = Path(__file__).resolve().parents[1] / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"
PROMPT: Final = "{schema}\n\nQuestion: {question}\nSQL:"
CHAT: Final = (
    "{schema}\n\nWrite one SQLite SELECT statement that answers this question. Answer with the SQL only.\n"
    "Question: {question}"
)
LIMITS: Final = QueryLimits(rows=10_000)
DATE: Final = re.compile(r"^(\d{4})(-\d\d-\d\d.*)$", re.DOTALL)
MAX_TOKENS: Final = 120


def score(case: dict[str, Any], sql: str) -> str:
    """`right`, `lucky` (on the written rows alone), `wrong`, or `error`."""
    written, *derived = databases(case["schema"], case["rows"])
    readings = [case["gold"].rstrip(";"), *(other["sql"].rstrip(";") for other in case.get("also", []))]
    try:
        found = rows(written, sql, case["ordered"])
    except QueryError:
        return "error"
    fitting = [reading for reading in readings if rows(written, reading, case["ordered"]) == found]
    for reading in fitting:
        try:
            if " LIMIT " in reading or all(
                rows(other, sql, case["ordered"]) == rows(other, reading, case["ordered"]) for other in derived
            ):
                return "right"
        except QueryError:
            continue
    return "lucky" if fitting else "wrong"


def rows(connection: sqlite3.Connection, sql: str, ordered: bool) -> list[tuple[object, ...]]:
    """The rows of a query, floats rounded; sorted where the question asks for no order."""
    found = [
        tuple(round(value, 4) if isinstance(value, float) else value for value in row)
        for row in run_query(connection, sql, LIMITS).rows
    ]
    return found if ordered else sorted(found, key=repr)


@lru_cache(maxsize=64)
def databases(schema: str, inserts: str) -> tuple[sqlite3.Connection, ...]:
    """The written database and the three made of it."""
    base = sqlite3.connect(":memory:", check_same_thread=False)
    base.executescript(schema)
    base.executescript(inserts)
    return (base, *(_derived(base, schema, kind) for kind in ("delete", "rotate", "change")))


def _derived(base: sqlite3.Connection, schema: str, kind: str) -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", check_same_thread=False)
    made.executescript(schema)
    for place, table in enumerate(read_ddl(schema).tables):
        fixed = {column.name for column in table.columns if column.is_key} | {key.column for key in table.keys}
        data = [list(row) for row in base.execute(f'SELECT * FROM "{table.name}"')]
        for number, column in enumerate(table.columns):
            if column.name in fixed or re.search(rf"\b{column.name}\s+\w+\s+UNIQUE", schema, re.IGNORECASE):
                continue
            values = [row[number] for row in data]
            if kind == "rotate":
                values = values[-1:] + values[:-1]
            elif kind == "change" and not set(values) <= {0, 1, None}:
                values[place % 2 :: 2] = [_changed(value) for value in values[place % 2 :: 2]]
            for row, value in zip(data, values, strict=True):
                row[number] = value
        if kind == "delete":
            data = [row for number, row in enumerate(data) if number % 3 != 1]
        made.executemany(f'INSERT INTO "{table.name}" VALUES ({", ".join("?" * len(table.columns))})', data)
    made.commit()
    return made


def _changed(value: object) -> object:
    if isinstance(value, str) and (found := DATE.match(value)):
        return f"{int(found[1]) - 9}{found[2]}"
    return value * 2 + 3 if isinstance(value, int | float) else value


def ask(session: Session, style: str, schema: str, question: str, grammar: str | None) -> str:
    """The SQL that the model writes, greedily."""
    text = (CHAT if style == "chat" else PROMPT).format(schema=schema, question=question)
    if style == "chat":
        options: dict[str, Any] = {"grammar": grammar} if grammar else {}
        messages = [{"role": "user", "content": text}]
        answer = session.chat(messages, max_tokens=MAX_TOKENS, temperature=0, **options).text
    else:
        answer = session.complete(text, max_tokens=MAX_TOKENS, grammar=grammar, stop=[";\n", "\n\n"]).text
    return extract_sql(answer)


def main() -> None:
    """Print how many answers are right in each way of asking."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--model", type=Path, default=STARTER)
    parser.add_argument("--style", choices=["raw", "chat"], default="raw")
    parser.add_argument("--difficulty", nargs="+", default=["easy"])
    parser.add_argument("--ways", nargs="+", default=["whole", "cut"], choices=["whole", "cut", "needed"])
    parser.add_argument("--most", type=int, default=1, help="tables that are left")
    parser.add_argument("--values", action="store_true", help="show texts of the database behind each table")
    parser.add_argument("--every", type=int, default=1, help="ask each so many-th question alone")
    parser.add_argument("--answers", type=Path, help="write each answer here")
    asked = parser.parse_args()
    cases = [case for line in asked.cases.read_text("utf-8").splitlines() if line for case in [json.loads(line)]]
    cases = [case for case in cases if case["difficulty"] in asked.difficulty][:: asked.every]
    counts: Counter[tuple[str, bool, bool]] = Counter()
    kept: Counter[str] = Counter()
    seconds: defaultdict[tuple[str, bool], float] = defaultdict(float)
    service = Service(chats=asked.style == "chat")
    config = RunConfig(context=1024 if "starter" in asked.model.name else 2048)
    kept_answers = asked.answers.open("w", encoding="utf-8") if asked.answers else None
    with default_engine().open(Files(asked.model), config, EngineLimits(time_s=120), service) as session:
        for case, way, with_grammar in product(cases, asked.ways, (False, True)):
            schema = read_ddl(case["schema"])
            connection = databases(case["schema"], case["rows"])[0]
            needed = frozenset(re.findall(r"(?:FROM|JOIN)\s+(\w+)", case["gold"]))
            if way == "needed":
                schema = schema.only(needed)
            elif way == "cut":
                found = count_texts(connection, schema, case["question"])
                schema = narrow(schema, case["question"], most=asked.most, found=found)
            kept[way] += needed <= {table.name for table in schema.tables}
            started = time.perf_counter()
            try:
                text = with_values(connection, schema, case["question"]) if asked.values else schema.ddl
                sql = ask(session, asked.style, text, case["question"], gbnf(schema) if with_grammar else None)
            except EngineError as error:
                counts[error.message[-60:], False, False] += 1
                continue
            seconds[way, with_grammar] += time.perf_counter() - started
            verdicts = []
            for repaired in (False, True):
                last = check_values(connection, read_ddl(case["schema"]), sql).sql if repaired else sql
                verdicts.append(score(case, last))
                counts[way, with_grammar, repaired] += verdicts[-1] == "right"
            if kept_answers:
                answer = {"id": case["id"], "way": way, "grammar": with_grammar, "sql": sql, "verdicts": verdicts}
                print(json.dumps(answer), file=kept_answers, flush=True)
    print(f"{asked.model.name}: {len(cases)} questions, {' '.join(asked.difficulty)}; right of them")
    print(
        f"{'schema':8}{'plain':>8}{'repair':>8}{'grammar':>9}{'both':>6}   needed tables kept, seconds without and with"
    )
    for way in asked.ways:
        figures = [counts[way, grammar, repair] for grammar in (False, True) for repair in (False, True)]
        plain, repair, grammar, both = figures
        print(
            f"{way:8}{plain:8}{repair:8}{grammar:9}{both:6}   "
            f"{kept[way] // 2} of {len(cases)}, {seconds[way, False]:.0f} s, {seconds[way, True]:.0f} s"
        )
    for key, number in counts.items():
        if key[0] not in asked.ways:
            print(f"failed {number}: ...{key[0]}")


if __name__ == "__main__":
    main()

"""How `lmpm run` asks about a database: which part of it is shown, what is done with the SQL, and what is doubted."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.cli.asking import answer_json
from lmpm.cli.output.answer import Writer, speed_words
from lmpm.cli.output.console import put_json, put_raw
from lmpm.cli.output.rows import RowFormat, put_rows, records
from lmpm.errors import ContextExceededError, EngineError, SpecError
from lmpm.sql import (
    QUESTIONS,
    SMALL_BYTES,
    Checked,
    QueryError,
    QueryLimits,
    Schema,
    check_values,
    connect,
    extract_sql,
    make_demo,
    prepare,
    prepare_text,
    read_database,
    read_ddl,
    run_query,
)

if TYPE_CHECKING:
    import sqlite3

    from lmpm.cli.asking import Asker
    from lmpm.cli.inputs import Given
    from lmpm.engine import Answer
    from lmpm.sql import Asking, Rows

ROOM_FOR_ANSWER: Final = 0.25  # of the context at most, where a recipe allows a longer one
DEMO: Final = "demo.sqlite"
ADDRESS: Final = re.compile(r"^([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
DIALECTS: Final = {"postgres": "PostgreSQL", "postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MySQL"}
EXECUTION: Final = QueryLimits(rows=1_000, time_s=10.0, steps=None, value_bytes=1 << 20, total_bytes=64 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlOptions:
    """What was asked for on the command line beside the question."""

    db: str | None = None
    demo: bool = False
    tables: tuple[str, ...] = ()
    dialect: str = "sqlite"
    execute: bool = False
    form: RowFormat = "table"
    most_rows: int = 100
    constrained: bool = True

    @property
    def is_set(self) -> bool:
        """Whether any of it was given."""
        return self != SqlOptions()


def demo_path(home: Path) -> Path:
    """Where the database to try stands: with lmpm's own notes, not in the directory of whoever tries it."""
    return home / DEMO


def database_path(options: SqlOptions, home: Path) -> Path | None:
    """The SQLite file that is asked about; the demo is made in `home`. Raises SpecError for a server's URL."""
    if options.demo:
        if options.db:
            raise SpecError("`--demo` makes a database of its own: leave out `--db`")
        path = demo_path(home)
        if not path.exists():
            make_demo(path)
        return path
    if options.db is None:
        return None
    if found := ADDRESS.match(options.db):
        known = DIALECTS.get(found[1].lower().partition("+")[0])
        dialect = "mysql" if known == "MySQL" else "postgres"
        dump = "mysqldump --no-data" if known == "MySQL" else "pg_dump --schema-only"
        raise SpecError(
            f"lmpm does not connect to servers: `{found[0]}...` is not a SQLite file",
            hint=f"Give the schema instead: `{dump} ... > schema.sql`, then `--dialect {dialect} --schema schema.sql`",
        )
    return Path(options.db).expanduser()


def ask_database(asker: Asker, given: Given, options: SqlOptions) -> None:
    """Ask for SQL, mend its texts from the database, show it, and run it where that is wanted."""
    path = database_path(options, asker.app.workspace.home)
    with ExitStack() as stack:
        connection = stack.enter_context(closing(connect(path))) if path else None
        schema = _schema(given, options, path)
        if "question" not in given:
            given = {**given, "question": _first_question(asker, options)}
        asking = _asking(asker, schema, str(given["question"]), options, connection)
        _remark_tables(asker, asking)
        answer = _answer(asker, {**given, "schema": asking.schema}, asking)
        sql = extract_sql(answer.text) or answer.text.strip()
        is_known = isinstance(schema, Schema) and connection is not None
        checked = check_values(connection, schema, sql) if is_known else Checked(sql)  # type: ignore[arg-type]
        rows = problem = None
        if options.execute and connection is not None:
            limits = replace(EXECUTION, rows=min(options.most_rows, EXECUTION.rows))
            try:
                rows = run_query(connection, checked.sql, limits)
            except QueryError as error:
                problem = SpecError(f"The SQL fails: {error}", kind="query")
    if asker.app.as_json:
        data = _json(asker, answer, asking, checked, rows)
        if problem is not None:
            raise asker.app.answered(problem, data)
        put_json(data)
        return
    _show(asker, answer, checked, rows, options, str(given["question"]))
    if problem is not None:
        raise problem


def _schema(given: Given, options: SqlOptions, path: Path | None) -> Schema | str:
    """The schema as records, or of another dialect as it is written."""
    if options.dialect != "sqlite":
        if path is not None:
            raise SpecError(f"`--dialect {options.dialect}` is for a schema: a SQLite file speaks SQLite")
        if "schema" not in given:
            raise SpecError(f"`--dialect {options.dialect}` needs `--schema FILE`")
        return str(given["schema"])
    if options.execute and path is None:
        raise SpecError("`--execute` needs a database: `--db FILE`")
    if path is not None and "schema" in given:
        raise SpecError("`--db` and `--schema` are both given: the database has its schema in it")
    if path is not None:
        return read_database(path)
    if "schema" in given:
        return read_ddl(str(given["schema"]))
    raise SpecError(
        "Which database is asked about?", hint="`--db FILE` for SQLite, `--schema FILE` for statements, or try `--demo`"
    )


def _first_question(asker: Asker, options: SqlOptions) -> str:
    if not options.demo:
        raise SpecError("There is no question", hint='`lmpm run text-to-sql --db FILE "How many ...?"`')
    asker.app.console.say("Asked", QUESTIONS[0])
    return QUESTIONS[0]


def _asking(
    asker: Asker, schema: Schema | str, question: str, options: SqlOptions, connection: sqlite3.Connection | None
) -> Asking:
    if isinstance(schema, str):
        return prepare_text(schema, tables=options.tables)
    return prepare(
        schema,
        question,
        tables=options.tables,
        is_small=asker.subject.size < SMALL_BYTES,
        constrained=options.constrained,
        fits=lambda text: _fits(asker, text, question),
        connection=connection,
        values=asker.model.recipe.values,
    )


def _fits(asker: Asker, schema: str, question: str) -> bool:
    """Whether a schema leaves room for an answer."""
    model = asker.model
    room = min(model.recipe.max_tokens, int(model.context * ROOM_FOR_ANSWER))
    try:
        return model.count_tokens(schema=schema, question=question) + room <= model.context
    except ContextExceededError:
        return False


def _remark_tables(asker: Asker, asking: Asking) -> None:
    if asking.left_out:
        shown = ", ".join(asking.tables)
        asker.app.console.detail(f"shown: {shown}; left out: {', '.join(asking.left_out)}")


def _answer(asker: Asker, given: Given, asking: Asking) -> Answer:
    writer = Writer(asker.app.console)
    stream = asker.stream(given, writer, asking.grammar or "")
    try:
        for kind, piece in stream.pieces():
            if kind == "thinking":
                writer.think(piece)
    finally:
        stream.close()
        writer.end()
    if stream.answer is None:
        raise EngineError("The answer ended before it was whole")
    return stream.answer


def _next_question(asked: str) -> str:
    """Another question that the demo can answer."""
    return QUESTIONS[(QUESTIONS.index(asked) + 1) % len(QUESTIONS) if asked in QUESTIONS else 0]


def _show(
    asker: Asker, answer: Answer, checked: Checked, rows: Rows | None, options: SqlOptions, question: str
) -> None:
    console = asker.app.console
    if rows is None or options.form == "table":
        for line in checked.sql.splitlines() or [""]:
            if rows is None:
                put_raw(line)
            else:
                console.aside(line)
    for change in checked.changes:
        spelt = f" as '{change.new_text}'" if change.new_text != change.text else ""
        console.note(
            f"'{change.text}' is in no row of {change.column}, but in {change.new_column}{spelt}: looked there"
        )
    for column, text in checked.doubts:
        console.note(f"'{text}' is in no row of {column}: the answer may be wrong")
    if rows is not None:
        put_rows(rows, options.form)
        more = "+" if rows.is_cut else ""
        time_words = speed_words(answer.first_token_s, None)
        words = [f"{len(rows.rows):,}{more} {'row' if len(rows.rows) == 1 else 'rows'}", time_words, asker.model.title]
        console.aside(" · ".join(filter(None, words)))
        if rows.is_cut:
            console.note(f"there are more rows than {len(rows.rows):,}: `--rows` shows more, up to {EXECUTION.rows:,}")
    asker.remark(answer)
    if options.demo:
        console.blank()
        console.say("next", f'lmpm run {asker.subject.name} --demo "{_next_question(question)}"')
        console.say("Database", str(demo_path(asker.app.workspace.home)))


def _json(asker: Asker, answer: Answer, asking: Asking, checked: Checked, rows: Rows | None) -> dict[str, Any]:
    data = {
        **answer_json(asker.model, answer),
        "sql": checked.sql,
        "tables": list(asking.tables),
        "changes": [
            {"text": item.text, "column": item.column, "new_text": item.new_text, "new_column": item.new_column}
            for item in checked.changes
        ],
        "doubts": [{"column": column, "text": text} for column, text in checked.doubts],
    }
    if rows is not None:
        data |= {"columns": list(rows.columns), "rows": records(rows), "rows_cut": rows.is_cut}
    return data

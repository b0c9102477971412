"""Databases as a text-to-SQL model meets them: schemas, the grammar of what can be asked, values, and queries run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.sql.answer import extract_sql as extract_sql
    from lmpm.sql.asking import (
        SMALL_BYTES as SMALL_BYTES,
        Asking as Asking,
        prepare as prepare,
        prepare_text as prepare_text,
    )
    from lmpm.sql.demo import QUESTIONS as QUESTIONS, fill as fill, make_demo as make_demo
    from lmpm.sql.grammar import gbnf as gbnf
    from lmpm.sql.narrowing import narrow as narrow, rank as rank
    from lmpm.sql.query import (
        QueryError as QueryError,
        QueryLimits as QueryLimits,
        Row as Row,
        Rows as Rows,
        run_query as run_query,
    )
    from lmpm.sql.samples import with_values as with_values
    from lmpm.sql.schema import (
        Column as Column,
        Schema as Schema,
        Table as Table,
        connect as connect,
        quoted as quoted,
        read_database as read_database,
        read_ddl as read_ddl,
        statements as statements,
    )
    from lmpm.sql.values import (
        Change as Change,
        Checked as Checked,
        check_values as check_values,
        count_texts as count_texts,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "answer": "extract_sql",
            "asking": "SMALL_BYTES Asking prepare prepare_text",
            "demo": "QUESTIONS fill make_demo",
            "grammar": "gbnf",
            "narrowing": "narrow rank",
            "query": "QueryError QueryLimits Row Rows run_query",
            "samples": "with_values",
            "schema": "Column Schema Table connect quoted read_database read_ddl statements",
            "values": "Change Checked check_values count_texts",
        },
    )

"""The grammar of a schema: what it derives SQLite prepares, and what people ask of a database it admits."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lmpm.engine import EngineLimits, Files, Sampling, default_engine
from lmpm.run_config import RunConfig
from lmpm.sql import fill, gbnf, read_ddl
from lmpm.sql.demo import SCHEMA as DEMO
from tests.sql.acceptance import STARTER, Acceptance
from tests.sql.gbnf import Grammar
from tests.sql.test_schema import ODD

UNDECLARED = (
    "CREATE TABLE Book (BookID INT PRIMARY KEY, T TEXT); CREATE TABLE Loan (LoanID INT PRIMARY KEY, BookID INT);"
)
LETTERS = "CREATE TABLE c (id INTEGER PRIMARY KEY, c TEXT); CREATE TABLE customers (id INTEGER PRIMARY KEY, c_id INT);"
SCHEMAS = {"demo": DEMO, "odd": ODD, "undeclared keys": UNDECLARED, "a table called like an alias": LETTERS}

ADMITTED = """
SELECT COUNT(*) FROM customers;
SELECT DISTINCT country FROM customers
SELECT name, price FROM products ORDER BY price DESC LIMIT 3
SELECT * FROM orders WHERE order_date LIKE '2025-%'
SELECT name FROM customers WHERE email IS NULL AND LOWER(city) = 'it''s'
SELECT COUNT(*) FROM orders WHERE order_date BETWEEN '2025-05-01' AND '2025-12-31'
SELECT strftime('%Y-%m', order_date), COUNT(*) AS total FROM orders GROUP BY strftime('%Y-%m', order_date)
SELECT category_id FROM products GROUP BY category_id HAVING COUNT(*) > 2 ORDER BY COUNT(*) DESC, category_id
SELECT c.name FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.id IS NULL
SELECT customers.name, COUNT(*) FROM customers JOIN orders ON customers.id = orders.customer_id GROUP BY customers.id
SELECT SUM(oi.quantity * oi.unit_price) FROM order_items AS oi JOIN orders AS o ON o.id = oi.order_id
SELECT name, salary FROM employees WHERE salary > (SELECT AVG(salary) FROM employees)
SELECT name FROM products WHERE id NOT IN (SELECT product_id FROM order_items)
SELECT name FROM customers WHERE NOT EXISTS (SELECT 1 FROM orders WHERE orders.customer_id = customers.id)
SELECT e.name, m.name FROM employees e JOIN employees m ON m.id = e.manager_id
SELECT 100.0 * SUM(status IN ('cancelled','returned')) / COUNT(*) FROM orders
SELECT SUM(CASE WHEN stock = 0 THEN 1 ELSE 0 END) FROM products
SELECT MAX(julianday(delivered_on) - julianday(shipped_on)) FROM shipments WHERE delivered_on IS NOT NULL
SELECT ROUND(AVG(price), 2), MIN(price), MAX(price) FROM products WHERE stock <> -1 OR NOT (stock > 2)
""".strip().splitlines()

REFUSED = """
SELECT COUNT(*) FROM clients
SELECT surname FROM customers
SELECT price FROM customers
SELECT name FROM customers WHERE status = 'shipped'
SELECT o.name FROM customers c JOIN orders o ON o.customer_id = c.id
SELECT name FROM customers ORDER BY 2
SELECT name FROM customers WHERE COUNT(*) > 1
SELECT name FROM customers GROUP BY COUNT(*)
DELETE FROM customers
SELECT 1; DROP TABLE customers
SELECT name FROM customers JOIN payments ON customers.id = payments.id
SELECT name FROM customers WHERE city = Dublin
""".strip().splitlines()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_sentence_is_a_query_of_the_schema(name: str) -> None:
    draw, grammar = random.Random(20260501), Grammar(gbnf(read_ddl(SCHEMAS[name])))
    drawn = set()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMAS[name])
        for _ in range(200):
            sql = grammar.draw(draw)
            connection.execute(f"EXPLAIN {sql}")  # raises where a table, a column or the syntax is wrong
            drawn.add(sql)
    assert len(drawn) > 180
    for word in (
        "JOIN",
        "GROUP BY",
        "HAVING",
        "EXISTS (",
        "(SELECT ",
        "CASE",
        "DISTINCT",
        "LIMIT",
        "OFFSET",
        "BETWEEN",
    ):
        assert any(word in sql for sql in drawn), word


@pytest.fixture(scope="module")
def acceptance() -> Iterator[Acceptance]:
    pytest.importorskip("llama_cpp")
    with Acceptance() as opened:
        yield opened


@pytest.fixture(scope="module")
def demo() -> str:
    return gbnf(read_ddl(DEMO))


def test_a_schema_that_names_no_key_is_joined_by_the_names(acceptance: Acceptance) -> None:
    """As people write one down: `id` is what `customer_id` means."""
    grammar = gbnf(
        read_ddl("CREATE TABLE customers (id INT, name TEXT); CREATE TABLE orders (id INT, customer_id INT);")
    )
    joined = "SELECT name FROM orders JOIN customers ON orders.customer_id = customers.id"
    assert acceptance.takes(grammar, joined) is None
    assert acceptance.takes(grammar, joined.replace("customer_id", "id", 1)) is not None
    books = gbnf(read_ddl("CREATE TABLE loans (id INT, book_id INT); CREATE TABLE books (book_id INT, title TEXT);"))
    assert acceptance.takes(books, "SELECT title FROM loans JOIN books ON loans.book_id = books.book_id") is None


@pytest.mark.parametrize("sql", ADMITTED)
def test_llama_cpp_admits_what_people_ask(acceptance: Acceptance, demo: str, sql: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        fill(connection)
        connection.execute(sql)
    assert acceptance.takes(demo, sql) is None


@pytest.mark.parametrize("sql", REFUSED)
def test_llama_cpp_refuses_what_the_schema_has_not(acceptance: Acceptance, demo: str, sql: str) -> None:
    assert acceptance.takes(demo, sql) is not None


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_hot_model_can_only_write_queries(name: str) -> None:
    """The real engine, drawing nearly at random: the grammar alone holds it."""
    grammar = gbnf(read_ddl(SCHEMAS[name]))
    ended = 0
    limits = EngineLimits(time_s=120)
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        default_engine().open(Files(Path(STARTER)), RunConfig(context=1024, threads=1), limits) as session,
    ):
        connection.executescript(SCHEMAS[name])
        for seed in range(1, 9):
            answer = session.complete(
                "SQL:", max_tokens=160, grammar=grammar, sampling=Sampling(temperature=1.6, seed=seed)
            )
            if answer.ended_by == "stop":
                connection.execute(f"EXPLAIN {answer.text}")
                ended += 1
    assert ended >= 2

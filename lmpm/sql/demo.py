"""A database to try questions on: a shop of ten tables, the same on every machine."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import SpecError
from lmpm.fs import atomic, disk_errors

if TYPE_CHECKING:
    from pathlib import Path

SEED: Final = 20260501
FIRST_DAY: Final = date(2025, 1, 1)
QUESTIONS: Final = (
    "How many customers are there?",
    "What is the average price of products?",
    "How many orders are there whose status is 'shipped'?",
    "List the names of the 3 products with the highest price.",
    "Which customers live in Dublin?",
)
SCHEMA: Final = """\
CREATE TABLE customers (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, city TEXT, country TEXT, signup_date DATE
);
CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE suppliers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT);
CREATE TABLE products (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, category_id INTEGER REFERENCES categories(id),
  supplier_id INTEGER REFERENCES suppliers(id), price REAL, stock INTEGER
);
CREATE TABLE employees (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, job_title TEXT, salary INTEGER, hire_date DATE,
  manager_id INTEGER REFERENCES employees(id)
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), employee_id INTEGER REFERENCES employees(id),
  order_date DATE, status TEXT
);
CREATE TABLE order_items (
  order_id INTEGER REFERENCES orders(id), product_id INTEGER REFERENCES products(id), quantity INTEGER,
  unit_price REAL, PRIMARY KEY (order_id, product_id)
);
CREATE TABLE payments (
  id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders(id), method TEXT, amount REAL, paid_on DATE
);
CREATE TABLE shipments (
  id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders(id), carrier TEXT, shipped_on DATE, delivered_on DATE
);
CREATE TABLE reviews (
  id INTEGER PRIMARY KEY, product_id INTEGER REFERENCES products(id), customer_id INTEGER REFERENCES customers(id),
  rating INTEGER, comment TEXT, written_on DATE
);
"""
FIRST: Final = (
    "Ada", "Ben", "Chiara", "Dmitri", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Keiko", "Leo", "Mohsen",
    "Nadia", "Oskar", "Priya", "Rosa", "Sam", "Tove", "Wei",
)  # fmt: skip
LAST: Final = (
    "Okafor", "Lindqvist", "Moretti", "Tanaka", "Schmidt", "Novak", "Byrne", "Costa", "Haddad", "Ivanova", "Jensen",
    "Kumar", "Laurent", "Petrov",
)  # fmt: skip
CITIES: Final = (
    ("Dublin", "Ireland"), ("Porto", "Portugal"), ("Osaka", "Japan"), ("Berlin", "Germany"), ("Lagos", "Nigeria"),
    ("Turin", "Italy"), ("Oslo", "Norway"), ("Lyon", "France"),
)  # fmt: skip
CATEGORIES: Final = ("Furniture", "Lighting", "Electronics", "Kitchen", "Garden", "Toys")
SUPPLIERS: Final = (("Nordwood", "Norway"), ("Lumen Works", "Germany"), ("Kansai Parts", "Japan"), ("Verde", "Italy"))
PRODUCTS: Final = (
    ("Oak Desk", 1, 349.0), ("Bookshelf", 1, 129.0), ("Office Chair", 1, 189.0), ("Stool", 1, 45.0),
    ("Desk Lamp", 2, 39.5), ("Floor Lamp", 2, 79.0), ("Lantern", 2, 24.0), ("USB Hub", 3, 24.9),
    ("Monitor Arm", 3, 89.0), ("Webcam", 3, 59.0), ("Headphones", 3, 119.0), ("Kettle", 4, 34.0),
    ("Toaster", 4, 42.0), ("Chef Knife", 4, 64.0), ("Teapot", 4, 28.0), ("Watering Can", 5, 19.5),
    ("Spade", 5, 27.0), ("Garden Bench", 5, 149.0), ("Wooden Train", 6, 32.0), ("Puzzle", 6, 18.0),
)  # fmt: skip
JOBS: Final = ("Manager", "Sales Assistant", "Sales Assistant", "Warehouse Worker", "Accountant", "Support Agent")
STATUSES: Final = ("shipped", "shipped", "shipped", "pending", "cancelled", "returned")
COMMENTS: Final = ("Just right", "Arrived late", "Would buy again", "Smaller than I thought", None)


def make_demo(path: Path) -> None:
    """Write the database to a file that must not be there yet, whole or not at all. Raises DiskError and SpecError."""
    if path.exists():
        raise SpecError(f"`{path}` is there already", hint="Remove it, or name the database with `--db`", kind="exists")
    with closing(sqlite3.connect(":memory:")) as connection:
        with connection:
            fill(connection)
        data = connection.serialize()
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, data)


def fill(connection: sqlite3.Connection) -> None:
    """Make the tables and their rows."""
    connection.executescript(SCHEMA)
    for table, rows in _rows(random.Random(SEED)).items():  # noqa: S311 - the same rows everywhere
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608


def _rows(draw: random.Random) -> dict[str, list[tuple[Any, ...]]]:
    customers: list[tuple[Any, ...]] = []
    for number in range(1, 41):
        name = f"{FIRST[number % len(FIRST)]} {draw.choice(LAST)}"
        email = None if number % 9 == 0 else f"{name.lower().replace(' ', '.')}{number}@mail.example"
        customers.append((number, name, email, *draw.choice(CITIES), _day(draw, 0, 500)))
    employees = [
        (number, f"{draw.choice(FIRST)} {draw.choice(LAST)}", JOBS[(number - 1) % len(JOBS)],
         draw.randrange(28, 75) * 1000, _day(draw, -2000, 300), None if number == 1 else 1 + number // 7)
        for number in range(1, 13)
    ]  # fmt: skip
    products = [
        (number, name, category, draw.randint(1, len(SUPPLIERS)), price, draw.choice((0, 3, 8, 12, 25, 60)))
        for number, (name, category, price) in enumerate(PRODUCTS, start=1)
    ]
    tables: dict[str, list[tuple[Any, ...]]] = {
        "customers": customers,
        "categories": [*enumerate(CATEGORIES, start=1)],
        "suppliers": [(number, *supplier) for number, supplier in enumerate(SUPPLIERS, start=1)],
        "products": products,
        "employees": employees,
        **{name: [] for name in ("orders", "order_items", "payments", "shipments", "reviews")},
    }
    for number in range(1, 121):
        _order(draw, number, tables)
    for number in range(1, 61):
        tables["reviews"].append(
            (number, draw.randint(1, len(PRODUCTS)), draw.randint(1, 36), draw.randint(1, 5),
             draw.choice(COMMENTS), _day(draw, 60, 500))
        )  # fmt: skip
    return tables


def _order(draw: random.Random, number: int, tables: dict[str, list[tuple[Any, ...]]]) -> None:
    """One order with its items, and what was paid and sent of it; the last four customers never order."""
    day, status = draw.randrange(30, 500), draw.choice(STATUSES)
    tables["orders"].append((number, draw.randint(1, 36), draw.randint(1, 12), _on(day), status))
    total = 0.0
    for product in sorted(draw.sample(range(1, len(PRODUCTS) + 1), draw.randint(1, 4))):
        quantity, price = draw.randint(1, 5), PRODUCTS[product - 1][2]
        total += quantity * price
        tables["order_items"].append((number, product, quantity, price))
    if status in ("shipped", "returned"):
        method = draw.choice(("card", "card", "invoice", "voucher"))
        tables["payments"].append((len(tables["payments"]) + 1, number, method, round(total, 2), _on(day + 1)))
        arrived = None if number % 11 == 0 else _on(day + draw.randint(3, 12))
        carrier = draw.choice(("Swift Post", "Blue Van", "Parcel One"))
        tables["shipments"].append((len(tables["shipments"]) + 1, number, carrier, _on(day + 2), arrived))


def _day(draw: random.Random, first: int, last: int) -> str:
    return _on(draw.randrange(first, last))


def _on(day: int) -> str:
    return (FIRST_DAY + timedelta(days=day)).isoformat()

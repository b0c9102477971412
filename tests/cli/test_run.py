"""`lmpm run`: the real starter, real files, and a real terminal."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from lmpm.catalog import directory, load
from lmpm.sql import make_demo
from tests.cli.test_width import WIDTHS, check_fits, shown
from tests.conftest import Cli, Result
from tests.gguf_files import CHAT_TEMPLATE, write_bert, write_llama

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")


@pytest.fixture
def starter(cli: Cli) -> Cli:
    """A project with the starter, and the demo database in it."""
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    make_demo(cli.directory / "shop.sqlite")
    return cli


def piped(cli: Cli, text: str, *arguments: object) -> Result:
    done = subprocess.run(
        cli.command(*arguments), cwd=cli.directory, env=cli.environment, input=text, capture_output=True, text=True
    )
    return Result(done.returncode, done.stdout, done.stderr)


def listing(cli: Cli) -> set[str]:
    return {path.name for path in cli.directory.iterdir()}


# SQL


def test_a_question_is_answered_with_sql_alone(starter: Cli) -> None:
    asked = starter.run("run", "text-to-sql", "--db", "shop.sqlite", "How many customers are there?").passed()
    assert asked.out == "SELECT COUNT(*) FROM customers\n" and asked.err == ""


def test_rows_as_a_table_csv_and_json(starter: Cli) -> None:
    words = ["run", "text-to-sql", "--db", "shop.sqlite", "--execute"]
    question = "List the names of the 3 products with the highest price."
    table = starter.run(*words, question).passed()
    assert [line.strip() for line in table.out.splitlines()] == [
        "name",
        "------------",
        "Oak Desk",
        "Office Chair",
        "Garden Bench",
    ]
    assert "SELECT name FROM products ORDER BY price DESC LIMIT 3" in table.err and "3 rows" in table.err
    rows = [*csv.reader(io.StringIO(starter.run(*words, "--format", "csv", question).passed().out))]
    assert rows == [["name"], ["Oak Desk"], ["Office Chair"], ["Garden Bench"]]
    lines = starter.run(*words, "--format", "json", "--rows", "2", question).passed()
    assert [json.loads(line) for line in lines.out.splitlines()] == [{"name": "Oak Desk"}, {"name": "Office Chair"}]
    assert "there are more rows than 2" in lines.err


def test_one_object_for_programs(starter: Cli) -> None:
    data = starter.run(
        "run", "text-to-sql", "--db=shop.sqlite", "--execute", "--json", "How many orders are there?"
    ).json
    assert data["sql"] == "SELECT COUNT(*) FROM orders" and data["rows"] == [{"COUNT(*)": 120}]
    assert data["finish_reason"] == "stop" and data["usage"]["completion_tokens"] > 3
    assert data["first_token_s"] > 0 and data["tokens_per_second"] > 0
    assert data["tables"] == ["orders"] and data["changes"] == [] and data["doubts"] == []


def test_a_text_is_looked_up_and_moved_or_doubted(starter: Cli) -> None:
    words = ["run", "text-to-sql", "--db", "shop.sqlite", "--execute", "--json"]
    moved = starter.run(*words, "Which customers live in Dublin?").json
    assert moved["sql"] == "SELECT name FROM customers WHERE city = 'Dublin'" and moved["rows"]
    assert [(change["text"], change["new_column"]) for change in moved["changes"]] == [("Dublin", "city")]
    told = starter.run(*words[:-1], "Which customers live in Dublin?").passed()
    assert "'Dublin' is in no row of" in told.err and "but in city: looked there" in told.err
    doubted = starter.run(*words[:-1], "Which customers live in Paris?").passed()
    assert "'Paris' is in no row of customers." in doubted.err and "may be wrong" in doubted.err


def test_texts_of_the_database_are_shown_where_the_recipe_wants_them(starter: Cli) -> None:
    words = ["run", "text-to-sql", "--db", "shop.sqlite", "--tables", "customers", "--json", "Who lives in Dublin?"]
    shown = starter.run(*words).json["usage"]["prompt_tokens"]
    manifest = starter.manifest.read_text("utf-8")
    line = '[models.text-to-sql]\ntask = "text-to-sql"\n[models.text-to-sql.recipe]\nvalues = false\n'
    starter.manifest.write_text(re.sub(r"\[models\]\n.*", line, manifest), "utf-8")
    starter.call("lock", "--offline").passed()
    assert shown > starter.run(*words).json["usage"]["prompt_tokens"] + 20


def test_the_question_and_the_schema_come_from_a_pipe_or_a_file(starter: Cli) -> None:
    (starter.directory / "schema.sql").write_text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);")
    (starter.directory / "question.txt").write_text("How many users are there?\n")
    wanted = "SELECT COUNT(*) FROM users\n"
    assert piped(starter, "How many users are there?\n", "run", "text-to-sql", "--schema", "schema.sql").out == wanted
    assert starter.run("run", "text-to-sql", "@question.txt", "--schema=@schema.sql").out == wanted
    piped_schema = piped(
        starter, "CREATE TABLE users (id INT);", "run", "text-to-sql", "How many users are there?", "--schema", "-"
    )
    assert piped_schema.out == wanted


def test_another_dialect_has_a_schema_and_no_grammar(starter: Cli) -> None:
    ddl = "CREATE TABLE users (id SERIAL PRIMARY KEY, at TIMESTAMP DEFAULT now());"
    asked = starter.run("run", "text-to-sql", "--dialect", "postgres", "--schema", ddl, "How many users are there?")
    assert asked.passed().out == "SELECT COUNT(*) FROM users\n"
    starter.run("run", "text-to-sql", "--schema", ddl, "How many?").failed(
        2, "SQLite cannot read", "--dialect postgres"
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--db", "postgres://me:secret@host/shop", "x"], 2, ["does not connect", "pg_dump", "--dialect postgres"]),
        (["--db", "mysql+pymysql://host/shop", "x"], 2, ["does not connect", "--dialect mysql"]),
        (["--db", "nowhere.sqlite", "x"], 2, ["There is no database"]),
        (["--db", "lmpm.toml", "x"], 2, ["cannot be read as a SQLite database"]),
        (["--db", "shop.sqlite", "--tables", "orders,clients", "x"], 3, ["No table is called `clients`", "customers"]),
        (["x"], 2, ["Which database", "--demo"]),
        (["--db", "shop.sqlite"], 2, ["no question"]),
        (["--db", "shop.sqlite", "a", "b"], 2, ["more than one text", "quotes"]),
        (["--scheme", "a", "b"], 2, ["no option `--scheme`", "--schema"]),
        (["--schema"], 2, ["`--schema` needs a value"]),
        (["--schema", "missing.sql", "x"], 2, ["There is no file `missing.sql`"]),
        (["--execute", "--schema", "CREATE TABLE a (b);", "x"], 2, ["`--execute` needs a database"]),
        (["--kind", "query", "--db", "shop.sqlite", "x"], 2, ["`--kind` is for embeddings"]),
        (["--image", "a.png", "--db", "shop.sqlite", "x"], 2, ["not asked about pictures"]),
    ],
)
def test_what_cannot_be_asked(starter: Cli, words: list[str], code: int, says: list[str]) -> None:
    before = listing(starter)
    failed = starter.run("run", "text-to-sql", *words).failed(code, *says)
    assert failed.out == "" and "secret" not in failed.err
    assert listing(starter) == before


def test_the_database_is_never_written(starter: Cli) -> None:
    path = starter.directory / "shop.sqlite"
    before = path.read_bytes()
    starter.run("run", "text-to-sql", "--db", "shop.sqlite", "--execute", "Delete all customers").passed()
    assert path.read_bytes() == before and "shop.sqlite-journal" not in listing(starter)


def test_the_demo_is_made_once_and_kept(starter: Cli) -> None:
    first = starter.run("run", "text-to-sql", "--demo").passed()
    assert re.search(r"^ +40$", first.out, re.MULTILINE) and '--demo "What is the average' in first.err
    demo = Path(starter.environment["LMPM_HOME"]) / "demo.sqlite"
    assert str(demo) in first.err.replace("\n", "").replace(" ", "") and "demo.sqlite" not in listing(starter)
    with closing(sqlite3.connect(demo)) as connection, connection:
        connection.execute("DELETE FROM customers WHERE id > 10")
    again = starter.run("run", "text-to-sql", "--demo", "How many customers are there?").passed()
    assert re.search(r"^ +10$", again.out, re.MULTILINE)


# What is not installed


def test_off_a_terminal_nothing_is_brought_unasked(cli: Cli) -> None:
    path = write_llama(cli.directory / "m.gguf", chat_template=CHAT_TEMPLATE)[0]
    cli.call("install", "./m.gguf", "--offline", "--no-smoke").passed()
    path.unlink()
    cli.call("run", "m", "hello", "--offline").failed(4)
    before = listing(cli)
    cli.call("run", "embeddings", "hello", "--offline").failed(3, "No embeddings model is on this machine")
    assert listing(cli) == before


def test_a_task_that_is_not_installed_is_brought_for_all_projects(cli: Cli) -> None:
    asked = cli.run("run", "text-to-sql", "--offline", "--yes", "--demo", "How many orders are there?").passed()
    assert re.search(r"^ +120$", asked.out, re.MULTILINE) and "for all your projects" in asked.err
    assert listing(cli) == set()  # no lmpm.toml, no lmpm.lock, no database
    again = cli.beside("other").run("run", "text-to-sql", "--offline", "--demo").passed()
    assert "Chosen" not in again.err and re.search(r"^ +40$", again.out, re.MULTILINE)


def test_a_download_is_offered_and_refused_off_a_terminal(cli: Cli, hub: object) -> None:
    refused = cli.run("run", "embeddings", "hello").failed(4, "is not installed", "to download", "--yes")
    assert refused.out == "" and cli.blobs() == [] and listing(cli) == set()
    done = cli.run("run", "embeddings", "hello", "--yes").passed()
    (line,) = done.out.splitlines()
    assert json.loads(line)["text"] == "hello" and listing(cli) == set()


def test_what_the_lock_pins_is_brought_when_that_was_agreed(cli: Cli, hub: object) -> None:
    cli.call("install", "embeddings", "--no-smoke").passed()
    other = cli.beside("other", empty_store=True)
    for name in ("lmpm.toml", "lmpm.lock"):
        (other.directory / name).write_bytes((cli.directory / name).read_bytes())
    before = (other.directory / "lmpm.lock").read_bytes()
    other.run("run", "embeddings", "hello").failed(4, "is not on this machine", "lmpm sync")
    assert other.blobs() == []
    assert len(other.run("run", "embeddings", "hello", "--yes").passed().out.splitlines()) == 1
    assert (other.directory / "lmpm.lock").read_bytes() == before


def test_a_file_without_a_chat_template_is_asked_in_plain_text_and_told_so(cli: Cli) -> None:
    write_llama(cli.directory / "m.gguf")
    asked = cli.run("run", "./m.gguf", "hello", "--max-tokens", "4", "--offline").passed()
    assert "holds no chat template" in asked.err and "plain text" in asked.err


# Files, lines and conversations


def test_vectors_of_lines(cli: Cli) -> None:
    write_bert(cli.directory / "bert.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])
    found = piped(cli, "cat\n\nkitten\ncar\n", "run", "./bert.gguf", "--task", "embeddings", "--offline").passed()
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert [row["text"] for row in rows] == ["cat", "kitten", "car"]
    cat, kitten, car = (row["embedding"] for row in rows)
    assert sum(a * a for a in cat) == pytest.approx(1, abs=1e-4)
    assert sum(a * b for a, b in zip(cat, kitten, strict=True)) > sum(a * b for a, b in zip(cat, car, strict=True))


def test_a_text_of_more_than_a_batch_has_a_vector(cli: Cli) -> None:
    write_bert(cli.directory / "bert.gguf", meanings=[["cat", "kitten"]], context=2048)
    (cli.directory / "long.txt").write_text("cat " * 1500)
    words = ("run", "./bert.gguf", "--task", "embeddings", "--offline")
    vector = json.loads(cli.run(*words, "-c", "2048", "@long.txt").passed().out)["embedding"]
    assert len(vector) == 64 and sum(value * value for value in vector) == pytest.approx(1, abs=1e-4)
    cli.run(*words, "-c", "4096", "cat").failed(2, "was trained for 2,048 tokens, 4,096 are asked for")


def test_documents_are_ranked_from_a_file_or_a_pipe(cli: Cli) -> None:
    write_bert(cli.directory / "m.gguf", meanings=[["cat", "kitten"], ["car", "truck"]], classifier=True)
    (cli.directory / "docs.txt").write_text("a kitten\n\na truck\n")
    words = ("run", "./m.gguf", "--task", "reranking", "--offline")
    ranked = cli.run(*words, "a cat", "--documents", "docs.txt").passed().out.splitlines()
    assert sorted(line.split("  ")[-1] for line in ranked) == ["a kitten", "a truck"]
    scores = [float(line.split()[0]) for line in ranked]
    assert scores == sorted(scores, reverse=True)
    found = json.loads(piped(cli, "a kitten\na truck\n", *words, "a cat", "--documents", "-", "--json").passed().out)
    assert [item["document"] for item in found["results"]] == [line.split("  ")[-1] for line in ranked]
    assert {item["index"] for item in found["results"]} == {0, 1} and found["query"] == "a cat"
    cli.run(*words, "a cat").failed(2, "`--documents` is missing", "--documents FILE QUERY")
    cli.run(*words, "a cat", "--documents", "a kitten,a truck").failed(2, "There is no file")


FIM = {f"tokenizer.ggml.{name}_token_id": number for name, number in
       (("fim_pre", 261), ("fim_suf", 262), ("fim_mid", 263))}  # fmt: skip


def test_a_hole_in_code_is_filled(cli: Cli) -> None:
    write_llama(cli.directory / "m.gguf", extra=FIM)
    write_llama(cli.directory / "none.gguf")
    words = ("--task", "code-completion", "--max-tokens", "5", "--offline", "--json")
    found = json.loads(cli.run("run", "./m.gguf", *words, "def f(", "--suffix", "return 1").passed().out)
    assert found["usage"]["completion_tokens"] == 5 and found["text"]
    cli.run("run", "./none.gguf", *words, "def f(").failed(8)


@pytest.mark.parametrize(("name", "says"), [("directory", "is a directory"), ("/dev/zero", "is a device")])
def test_what_is_no_text_is_refused_by_name(starter: Cli, name: str, says: str) -> None:
    (starter.directory / "directory").mkdir()
    for value in (name, f"@{name}"):
        starter.run("run", "text-to-sql", "--schema", value, "x").failed(2, says)


@posix_only
def test_a_schema_comes_from_a_pipe_of_the_shell(starter: Cli) -> None:
    os.mkfifo(starter.directory / "pipe")
    ddl = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"
    writer = subprocess.Popen(["sh", "-c", f"echo '{ddl}' > pipe"], cwd=starter.directory)
    asked = starter.run("run", "text-to-sql", "--schema", "pipe", "How many users are there?").passed()
    assert writer.wait() == 0 and asked.out.strip() == "SELECT COUNT(*) FROM users"


def test_what_is_too_long_or_no_text_is_refused_before_it_costs_memory(starter: Cli) -> None:
    words = ("run", "text-to-sql", "--schema", "CREATE TABLE users (name TEXT)")
    piped(starter, "a" * 3_000_000, *words).failed(8, "or more tokens", "too many")
    piped(starter, "how\0many", *words).failed(2, "zero byte")
    starter.run(*words[:3], "", "x").failed(2, "`--schema` is empty")


def test_the_help_lists_what_a_task_is_given(cli: Cli) -> None:
    every = cli.run("run", "--help").passed().out
    assert re.search(r"text-to-sql +--schema FILE QUESTION", every) and re.search(r"rerank\w+ +--documents FILE", every)
    one = cli.run("run", "classification", "--help").passed().out
    assert "--labels A,B TEXT" in one and "--documents FILE" not in one


def test_labels_of_lines_and_an_object_of_fields(cli: Cli) -> None:
    write_llama(cli.directory / "m.gguf", chat_template=CHAT_TEMPLATE)
    words = ["run", "./m.gguf", "--task", "classification", "--labels", "good, bad", "--offline"]
    rows = [json.loads(line) for line in piped(cli, "one\ntwo\nthree\n", *words).passed().out.splitlines()]
    assert [row["text"] for row in rows] == ["good" if row["label"] == "good" else "bad" for row in rows]
    assert len(rows) == 3
    one = piped(cli, "one\n", *words).passed()
    assert one.out.strip() in {"good", "bad"}
    cli.run(*words[:-3], "--offline", "x").failed(2, "`--labels`")


def test_an_answer_is_streamed_cut_and_told_so(cli: Cli) -> None:
    write_llama(cli.directory / "m.gguf", chat_template=CHAT_TEMPLATE)
    cut = cli.run("run", "./m.gguf", "hello", "--max-tokens", "4", "--offline").passed()
    assert "cut at 4 tokens" in cut.err and cut.out.endswith("\n")
    data = cli.run("run", "./m.gguf", "hello", "--max-tokens", "4", "--json", "--offline").passed().json
    assert data["finish_reason"] == "length" and data["usage"]["completion_tokens"] == 4
    same = [cli.run("run", "./m.gguf", "hi", "--seed", "7", "--max-tokens", "8", "--offline").out for _ in range(2)]
    assert same[0] == same[1]


def test_a_prompt_beyond_the_context_says_by_how_much(cli: Cli) -> None:
    write_llama(cli.directory / "m.gguf", chat_template=CHAT_TEMPLATE)
    failed = piped(cli, "word " * 600, "run", "./m.gguf", "--context", "256", "--offline").failed(8, "too many")
    tokens, context, more = re.findall(r"\d+", failed.err.replace(",", "").replace("m.gguf", ""))[:3]
    assert int(tokens) - int(context) == int(more)


@posix_only
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_terminal(starter: Cli, width: int) -> None:
    for words in (
        "run --help",
        "run text-to-sql --db shop.sqlite --execute Show-all-customers --offline",
        "run text-to-sql --db postgres://localhost/shop x",
        "run text-to-sql --tables clients --db shop.sqlite x",
        "run text-to-sql --labels a x",
        "run nothing-of-this-name x --offline",
    ):
        check_fits(shown(starter, width, words), width)


class Terminal:
    """A process on a real pseudo-terminal."""

    def __init__(self, cli: Cli, *words: str) -> None:
        import fcntl
        import pty
        import termios

        self.pid, self.file = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.chdir(cli.directory)
            os.execve(sys.executable, cli.command(*words), {**cli.environment, "TERM": "xterm"})
        self.seen = ""

    def until(self, pattern: str, seconds: float = 60) -> None:
        """Read until this is shown, and forget it."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < end, f"{pattern!r} was not shown: {self.seen[-500:]!r}"
            if select.select([self.file], [], [], 0.2)[0]:
                data = os.read(self.file, 65536)
                if b"\x1b[6n" in data:  # where the cursor is
                    os.write(self.file, b"\x1b[1;1R")
                self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))
        self.seen = self.seen[found.end() :]

    def type(self, text: str) -> None:
        os.write(self.file, text.encode())

    def end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self.file)
        return os.waitstatus_to_exitcode(status)


@posix_only
def test_a_conversation(cli: Cli) -> None:
    write_llama(cli.directory / "m.gguf", chat_template=CHAT_TEMPLATE, context=65536)
    endless = ("--context", "60000", "--max-tokens", "50000", "--temperature", "0")  # it goes in a circle
    terminal = Terminal(cli, "run", "./m.gguf", *endless, "--offline")
    terminal.until("context .*/help")
    terminal.type("/help\r")
    terminal.until("forget what was said")
    terminal.type("write without end\r")
    terminal.until(r"(?s)(w\d+.*){4}")  # words of its vocabulary: the answer is on its way
    terminal.type("\x03")  # ends the answer, and not the conversation
    terminal.until("stopped")
    terminal.type("/reset\r")
    terminal.until("Forgotten")
    terminal.type("/nothing\r")
    terminal.until("There is no `/nothing`")
    terminal.type("half")
    terminal.until("half")
    terminal.type("\x03")  # drops what was typed
    terminal.until(r">\W*$")
    terminal.type("\x04")
    assert terminal.end() == 0
    history = Path(cli.environment["LMPM_HOME"]) / "history" / "run"
    assert "write without end" in history.read_text() and history.stat().st_mode & 0o077 == 0


@posix_only
def test_a_terminal_is_asked_before_a_download(cli: Cli, hub: object) -> None:
    terminal = Terminal(cli, "run", "embeddings", "hello")
    # where the speed of the memory is a guess, it is asked first whether to measure it
    terminal.until(r"(Measure|use it for all your projects\?).*\[Y/n\]")
    terminal.type("n\r")
    with contextlib.suppress(AssertionError, OSError):
        terminal.until(r"use it for all your projects\? \[Y/n\]", 20)
        terminal.type("n\r")
    assert terminal.end() != 0
    assert cli.blobs() == []


@posix_only
def test_an_answer_can_be_interrupted(cli: Cli) -> None:
    write_llama(cli.directory / "m.gguf", chat_template=CHAT_TEMPLATE, context=65536)
    endless = ("--context", "60000", "--max-tokens", "50000", "--temperature", "0")
    words = ("run", "./m.gguf", "hello", *endless, "--offline")
    process = cli.start(*words)
    assert process.stdout is not None
    process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err


def test_the_inputs_that_the_help_names_are_those_of_the_tasks(cli: Cli) -> None:
    page = cli.call("run", "--help").passed().out
    listed = re.findall(r"^  ([a-z-]+)  +(--.*)$", page.partition("Options:")[0], re.MULTILINE)
    assert len(listed) >= 5
    for name, words in listed:
        task = load(directory()).task(name)
        assert task is not None, name
        known = {item.name for item in task.recipe.inputs} | {"db"}
        assert set(re.findall(r"--([a-z-]+)", words)) <= known, name

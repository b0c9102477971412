"""Files of cases: three forms, one meaning; every mistake with its line."""
# ruff: noqa: E501 - a table of mistakes, one a line

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest

from lmpm.errors import CasesError
from lmpm.proof import CaseSet, Wanted, read_cases
from lmpm.proof.checks.rows import Rows

SQL = Wanted(inputs=("schema", "question"), required=("schema", "question"), check="sql")
LABELS = Wanted(inputs=("text", "labels"), required=("text", "labels"), lists=("labels",), check="label")
PROMPT = Wanted(inputs=("prompt",), required=("prompt",))
SCHEMA = "CREATE TABLE t (a INTEGER, b TEXT)"
ROWS = ["INSERT INTO t VALUES (1, 'x')", "INSERT INTO t VALUES (2, NULL)"]
DEFAULTS = json.dumps({"defaults": {"schema": SCHEMA, "rows": ROWS}})


def read(folder: Path, name: str, text: str, wanted: Wanted = PROMPT) -> CaseSet:
    (folder / name).write_bytes(text.encode())
    return read_cases(folder / name, wanted, name=f"evals/{name}")


FORMS = {
    "cases.jsonl": '{"id": "one", "text": "Cold food", "labels": ["good", "bad"], "expected": "bad", "tags": ["x"]}\n',
    "cases.csv": 'id,text,labels,expected,tags\none,Cold food,"good, bad",bad,"[""x""]"\n',
    "cases.toml": '[[case]]\nid = "one"\ntext = "Cold food"\nlabels = ["good", "bad"]\nexpected = "bad"\ntags = ["x"]\n',
}


@pytest.mark.parametrize("name", FORMS)
def test_the_three_forms_say_the_same(tmp_path: Path, name: str) -> None:
    (case,) = read(tmp_path, name, FORMS[name], LABELS).cases
    assert (case.id, case.title, case.tags) == ("one", "Cold food", ("x",))
    assert case.check.judge("BAD")  # type: ignore[arg-type]
    assert [case.check.judge(text).passed for text in ("Bad.", "good, not bad")] == [True, False]  # type: ignore[arg-type]


def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    for name, text in FORMS.items():
        plain = read(tmp_path, name, text, LABELS)
        other = read(tmp_path, name, "\ufeff" + text.replace("\n", "\r\n"), LABELS)
        assert [case.digest for case in other.cases] == [case.digest for case in plain.cases]
        assert read(tmp_path, name, text.replace("\n", "\r\n"), LABELS).sha256 == plain.sha256


MISTAKES = [
    # file, text, wanted, line, words
    ("a.jsonl", "{}\n", PROMPT, 1, "`check` is missing"),
    ("a.jsonl", '\n\n{"check": "exact", "prompt": "x", "expected": "y"}\n{"prompt": \n', PROMPT, 4, "is not JSON"),
    ("a.jsonl", "[1]\n", PROMPT, 1, "expected an object"),
    ("a.jsonl", '{"check": "exact", "expected": "y"}\n', PROMPT, 1, "`prompt` is missing, expected an input"),
    ("a.jsonl", '{"check": "exact", "prompt": 5, "expected": "y"}', PROMPT, 1, "`prompt` expected a string"),
    ("a.jsonl", '{"check": "exakt", "prompt": "x", "expected": "y"}', PROMPT, 1, "`check` expected one of"),
    ("a.jsonl", '{"check": "exact", "prompt": "x", "expect": "y"}', PROMPT, 1, "`expected` is missing"),
    ("a.jsonl", '{"check": "exact", "prompt": "x", "expected": "y", "promt": "z"}', PROMPT, 1, "did you mean `prompt`?"),
    ("a.jsonl", '{"check": "regex", "prompt": "x", "expected": "("}', PROMPT, 1, "is not a regular expression"),
    ("a.jsonl", '{"check": "number", "prompt": "x", "expected": "5"}', PROMPT, 1, "`expected` expected a number"),
    ("a.jsonl", '{"check": "number", "prompt": "x", "expected": NaN}', PROMPT, 1, "`NaN` is not a number of JSON"),
    ("a.jsonl", '{"check": "number", "prompt": "x", "expected": 5, "tolerance": -1}', PROMPT, 1, "`tolerance` expected"),
    ("a.jsonl", '{"check": "chrf", "prompt": "x", "expected": "y", "least": 101}', PROMPT, 1, "`least` expected a number"),
    ("a.jsonl", '{"check": "facts", "prompt": "x", "must": [[]]}', PROMPT, 1, "`must[0]` expected a string, or a list"),
    ("a.jsonl", '{"check": "facts", "prompt": "x"}', PROMPT, 1, "`must` is missing, expected at least one fact"),
    ("a.jsonl", '{"check": "json", "prompt": "x"}', PROMPT, 1, "`expected` is missing, expected a table of values"),
    ("a.jsonl", '{"check": "tool", "prompt": "x", "expected": {"arguments": {}}}', PROMPT, 1, "`expected.name` is missing"),
    ("a.jsonl", '{"check": "code", "prompt": "x", "test": "assert ("}', PROMPT, 1, "`test` is not Python"),
    ("a.jsonl", '{"text": "x", "labels": ["a", "b"], "expected": "c"}', LABELS, 1, "`expected` expected `a` or `b`"),
    ("a.jsonl", '{"text": "x", "labels": ["a"], "expected": "a"}', LABELS, 1, "a list of two labels or more"),
    ("a.jsonl", '{"id": "a", "check": "exact", "prompt": "x", "expected": "y"}\n' * 2, PROMPT, 2, "`id` is that of line 1"),
    ("a.jsonl", "\n", PROMPT, 1, "has no cases"),
    ("a.jsonl", f'{DEFAULTS}\n{{"question": "?"}}', SQL, 2, "`expected` is missing, expected the rows"),
    ("a.jsonl", f'{DEFAULTS}\n{{"question": "?", "reference": "SELECT c FROM t"}}', SQL, 2, "no such column: c"),
    ("a.jsonl", f'{DEFAULTS}\n{{"question": "?", "reference": "DELETE FROM t"}}', SQL, 2, "is not a query that runs"),
    ("a.jsonl", f'{DEFAULTS}\n{{"question": "?", "reference": "SELECT 1", "expected": [[2]]}}', SQL, 2, "is not what the"),
    ("a.jsonl", f'{DEFAULTS}\n{{"question": "?", "expected": [[2], 3]}}', SQL, 2, "`expected[1]` expected a list of values"),
    ("a.jsonl", '{"question": "?", "schema": "CREATE TABEL t", "reference": "SELECT 1"}', SQL, 1, "`schema` cannot be made"),
    ("a.jsonl", '{"question": "?", "database": "no.sqlite", "reference": "SELECT 1"}', SQL, 1, "there is no file"),
    ("a.csv", "prompt,check,expected\nx,exact\n", PROMPT, 2, "expected 3 cells, found 2"),
    ("a.csv", 'prompt,check,must\n"two\nlines",facts,[\n', PROMPT, 2, "`must`: expected JSON"),
    ("a.csv", "prompt,prompt\n", PROMPT, 1, "expected the names of the columns, each once"),
    ("a.csv", 'prompt,check,expected\nx,exact,"y\n', PROMPT, 2, "is not CSV"),
    ("a.toml", '[[case]]\nprompt = "x"\ncheck = "exact"\nexpected = "y"\n\n[[case]]\nprompt = "z"\ncheck = "exakt"\n', PROMPT, 8,
     "`check` expected one of"),
    ("a.toml", 'top = 1\n\n[[case]]\nprompt = "x"\ncheck = "exact"\nexpected = "y"\n', PROMPT, 1, "`top` is not known here"),
    ("a.toml", "[[case]]\nprompt = \n", PROMPT, 2, "invalid value"),
    ("a.toml", '[[case]]\nprompt = """\n[[case]]\n"""\ncheck = "exact"\nexpected = "y"\nx = 1\n', PROMPT, 7, "`x` is not known"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "wanted", "line", "words"), MISTAKES)
def test_a_mistake_is_named_with_its_file_and_line(
    tmp_path: Path, name: str, text: str, wanted: Wanted, line: int, words: str
) -> None:
    with pytest.raises(CasesError) as caught:
        read(tmp_path, name, text, wanted)
    (detail,) = caught.value.details
    assert detail.startswith(f"evals/{name}, line {line}: ")
    assert words in detail
    assert caught.value.exit_code == 2


def test_all_mistakes_are_found_in_one_reading_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = '{"prompt": 1}\n{"check": "exact", "prompt": "x", "expected": "y"}\nnot json\n{"check": "regex", "prompt": "x"}\n'
    with pytest.raises(CasesError, match="has 3 mistakes") as caught:
        read(tmp_path, "a.jsonl", text)
    assert [detail.split(":")[0] for detail in caught.value.details] == [
        f"evals/a.jsonl, line {line}" for line in (1, 3, 4)
    ]


@pytest.mark.parametrize(("name", "words"), [("gone.jsonl", "There is no file"), ("cases.txt", "ends in none of")])
def test_what_is_no_file_of_cases(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "cases.txt").write_text("x")
    with pytest.raises(CasesError, match=words):
        read_cases(tmp_path / name, PROMPT)


def test_defaults_hold_for_the_lines_below_until_the_next(tmp_path: Path) -> None:
    other = json.dumps({"defaults": {"schema": "CREATE TABLE u (c)", "rows": ["INSERT INTO u VALUES (7)"]}})
    one = '{"question": "a?", "reference": "SELECT a FROM t"}'
    two = '{"question": "c?", "reference": "SELECT c FROM u"}'
    cases = read(tmp_path, "a.jsonl", "\n".join((DEFAULTS, one, other, two)), SQL).cases
    assert [case.inputs["schema"] for case in cases] == [SCHEMA, "CREATE TABLE u (c)"]
    assert [case.check.judge("SELECT c FROM u").passed for case in cases] == [False, True]  # type: ignore[arg-type]


def test_a_database_gives_the_schema_and_the_rows(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as database:
        database.executescript(f"{SCHEMA};" + ";".join(ROWS))
    text = '{"question": "how many?", "database": "shop.sqlite", "reference": "SELECT COUNT(*) FROM t"}'
    cases = read(tmp_path, "a.jsonl", text, SQL)
    (case,) = cases.cases
    assert case.inputs["schema"] == f"{SCHEMA};"
    assert isinstance(case.check, Rows)
    assert case.check.judge("SELECT COUNT(*) FROM t").passed
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as database:
        database.execute("DELETE FROM t")
        database.commit()
    (other,) = read(tmp_path, "a.jsonl", text, SQL).cases
    assert other.digest != case.digest  # other rows are another case


def test_a_sample_is_the_same_whatever_the_order_of_the_lines(tmp_path: Path) -> None:
    lines = [json.dumps({"id": f"c{n}", "check": "exact", "prompt": f"{n}?", "expected": str(n)}) for n in range(50)]
    there = read(tmp_path, "a.jsonl", "\n".join(lines)).sample(10)
    back = read(tmp_path, "b.jsonl", "\n".join(reversed(lines))).sample(10)
    more = read(tmp_path, "c.jsonl", "\n".join([*lines, lines[0].replace("c0", "new").replace("0?", "new?")])).sample(
        10
    )
    ids = [case.id for case in there.cases]
    assert ids == [case.id for case in back.cases]
    assert ids != [f"c{n}" for n in range(10)]
    assert len(set(ids) - {case.id for case in more.cases}) <= 1


def test_what_is_asked_has_a_hash_of_its_own(tmp_path: Path) -> None:
    first, second = (
        read(tmp_path, "a.jsonl", json.dumps({"check": "exact", "prompt": "x", "expected": text})).cases[0]
        for text in ("y", "z")
    )
    assert first.asked == second.asked
    assert first.digest != second.digest


PNG = b"\x89PNG and so on"
PICTURES = Wanted(
    inputs=("prompt", "image"), required=("prompt",), lists=("image",), pictures=("image",), check="exact"
)


def test_pictures_stand_beside_the_file_and_count_by_their_bytes(tmp_path: Path) -> None:
    line = json.dumps({"prompt": "x", "image": ["shown/a.png"], "expected": "y"})
    (tmp_path / "shown").mkdir()
    found = []
    for data in (PNG, PNG + b"!"):
        (tmp_path / "shown" / "a.png").write_bytes(data)
        (case,) = read(tmp_path, "a.jsonl", line, PICTURES).cases
        assert case.inputs["image"] == [f"data:image/png;base64,{b64encode(data).decode()}"] and case.title == "x"
        found.append((case.digest, case.asked))
    assert found[0][0] != found[1][0] and found[0][1] != found[1][1]
    (one,) = read(tmp_path, "b.jsonl", line.replace('["shown/a.png"]', '"shown/a.png"'), PICTURES).cases
    assert one.inputs["image"] == case.inputs["image"][0]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("gone.png", "gone.png` is not there"),
        ("text.png", "are not a picture"),
        (5, "`image` expected a list of strings"),
    ],
)
def test_pictures_that_cannot_be_shown(tmp_path: Path, image: object, words: str) -> None:
    (tmp_path / "text.png").write_text("hello")
    text = "\n" + json.dumps({"prompt": "x", "image": image, "expected": "y"})
    with pytest.raises(CasesError) as caught:
        read(tmp_path, "a.jsonl", text, PICTURES)
    (told,) = caught.value.details
    assert told.startswith("evals/a.jsonl, line 2: `image`") and words in told

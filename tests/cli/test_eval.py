"""`lmpm eval`, and the checks of a project where models are installed and verified: with the starter, really run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli
from tests.loopback import LoopbackHub
from tests.runtime.test_pictures import seeing
from tests.server.provider import KEY, provider_thread

SET = (ROOT / "catalog" / "evals" / "text-to-sql.jsonl").read_text("utf-8").splitlines()
SMALL = {"defaults": {"schema": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, signup_date DATE);",
                      "rows": "INSERT INTO users VALUES (1,'Ada','2026-05-03'),(2,'Ben','2026-06-19');"}}  # fmt: skip
EASY = {"id": "easy", "question": "How many users are there?", "reference": "SELECT COUNT(*) FROM users"}
MAY = {
    "id": "may",
    "question": "How many users signed up in May 2026?",
    "reference": "SELECT COUNT(*) FROM users WHERE signup_date LIKE '2026-05-%'",
}
HARD = {"id": "hard", "question": "Which names are palindromes?", "reference": "SELECT 'none' WHERE 0"}


def write(cli: Cli, name: str, *lines: Mapping[str, object]) -> Path:
    path = cli.directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(map(json.dumps, (SMALL, *lines))))
    return path


@pytest.fixture
def installed(cli: Cli) -> Cli:
    cli.call("install", "text-to-sql", "--offline", "--no-test").passed()
    return cli


def line(cli: Cli, more: str) -> None:
    """Add to the line of the model in lmpm.toml."""
    path = cli.directory / "lmpm.toml"
    path.write_text(re.sub(r"\{ (task = \"text-to-sql\").*\}", rf"{{ \1{more} }}", path.read_text()))


def test_a_model_of_a_provider(installed: Cli) -> None:
    """It is asked what the pinned model is asked, once the money is agreed to; its answers are kept, its key is not."""
    write(installed, "sql.jsonl", EASY, MAY)
    arguments = ("eval", "text-to-sql", "--cases", "sql.jsonl", "--against", "cloud:big")
    with provider_thread() as cloud:
        cloud.words = ("SELECT COUNT(*)", " FROM users")
        table = f'base_url = "{cloud.record.base_url}"\nmodel = "gpt-4o-mini"\napi_key_env = "BIG_KEY"\n'
        path = installed.directory / "lmpm.toml"
        path.write_text(f"{path.read_text()}\n[cloud.big]\n{table}")
        installed.call(*arguments).failed(2, "BIG_KEY")
        installed.environment["BIG_KEY"] = KEY
        installed.call(*arguments).failed(2, "costs money", "2 requests", "--yes")
        installed.call(*arguments, "--offline").failed(5, "switched off")
        assert not cloud.asked
        plain = path.read_text()
        installed.call(*arguments).failed(2, "costs money", "states no price")
        path.write_text(plain.replace("[cloud.big]", "[cloud.big]\nprice = { input = 1000.0, output = 2000.0 }"))
        installed.call(*arguments).failed(2, "costs money", "about $")
        cloud.usage = {"prompt_tokens": 100, "completion_tokens": 10}
        done = installed.call(*arguments, "--yes", "--json").passed()
        own, other = done.json["scores"]
        assert (other["right"], other["asked"]) == (1, 2) and "gpt-4o-mini" in other["model"]
        assert other["cost_usd"] == pytest.approx(2 * (100 * 1000 + 10 * 2000) / 1e6) and own["cost_usd"] is None
        assert other["sha256"] is None and other["url"] == f"{cloud.record.base_url}#gpt-4o-mini"
        assert own["asked"] == 2 and own["url"] is None and other["results"][0]["first_token_s"] > 0
        bodies = cloud.asked
        assert len(bodies) == 2 and set(cloud.keys) == {f"Bearer {KEY}"}
        assert all(body["model"] == "gpt-4o-mini" and "grammar" not in body for body in bodies)
        assert "CREATE TABLE users" in json.dumps(bodies[0]) and EASY["question"] in json.dumps(bodies[0])
        assert "-- users." not in json.dumps(bodies), "texts of a database go to no provider"
        again = installed.call(*arguments, "-v").passed()  # all is known: nobody is paid, and nobody asked
        assert len(cloud.asked) == 2 and KEY not in again.out + again.err + done.out + done.err
        cloud.mood = "401"
        write(installed, "sql.jsonl", EASY, MAY, HARD)
        installed.call(*arguments, "--yes").failed(9, "status 401", "BIG_KEY")
    home = Path(installed.environment["LMPM_HOME"])
    kept = [path for folder in (home, installed.directory) for path in folder.rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if KEY.encode() in path.read_bytes()]


def test_lmpms_own_set_without_a_word_of_cases(installed: Cli) -> None:
    found = installed.call("eval", "text-to-sql", "--offline", "--limit", "6", "--json").passed().json
    (score,) = found["scores"]
    assert (score["asked"], found["cases"]["count"], found["complete"]) == (6, 6, True)
    assert score["sha256"].startswith("3a1eefef")
    assert score["peak_memory"] > 1 << 20
    again = installed.call("eval", "text-to-sql", "--offline", "--limit", "6", "--json").passed().json
    assert [item["kept"] for item in again["scores"][0]["results"]] == [True] * 6
    assert again["scores"][0]["right"] == score["right"]


def test_a_task_that_is_not_installed(cli: Cli) -> None:
    found = cli.run("eval", "text-to-sql", "--offline", "--limit", "3")
    assert "3 cases of lmpm's set for text-to-sql" in found.passed().err
    assert not (cli.directory / "lmpm.lock").exists()  # nothing is pinned by it


def test_cases_of_ones_own_a_recipe_and_reports(installed: Cli) -> None:
    write(installed, "evals/sql.jsonl", EASY, MAY, HARD)
    (installed.directory / "short.toml").write_text("max_tokens = 3\n")
    found = installed.call(
        "eval", "text-to-sql", "--cases", "evals/sql.jsonl", "--offline", "--against", "recipe:short.toml",
        "--report", "page.md", "--junit", "eval.xml", "--show", "lost",
    ).passed()  # fmt: skip
    assert re.search(r"text-to-sql starter +Q8_0 +2 of 3 +67 % \(21-94\)", found.out), found
    assert re.search(r"text-to-sql starter \(short\) +Q8_0 +0 of 3", found.out)
    assert "too close to call (2 lost, 0 won)" in found.out
    assert "2 lost by text-to-sql starter (short)" in found.out
    assert "SELECT COUNT(*) FROM users WHERE signup_date LIKE '2026-05-%'" in found.out
    assert "## Lost by text-to-sql starter (short) Q8_0" in (installed.directory / "page.md").read_text()
    assert (installed.directory / "eval.xml").read_text().count("<testcase") == 6


def test_a_share_that_is_needed(installed: Cli) -> None:
    write(installed, "sql.jsonl", EASY, MAY, HARD)
    arguments = ("eval", "text-to-sql", "--cases", "sql.jsonl", "--offline", "--pass")
    installed.call(*arguments, "0.6").passed()
    installed.call(*arguments, "0.7").failed(8, "2 of 3 are right, 70 % are needed")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("text-to-sq",), 3, ("text-to-sq",)),
        (("text-to-sql", "--cases", "gone.jsonl"), 2, ("There is no file of cases",)),
        (("text-to-sql", "--against", "recipe:gone.toml", "--limit", "1"), 2, ("There is no recipe",)),
        (("text-to-sql", "--against", "cloud:big", "--limit", "1"), 5, ("cloud:big", "switched off")),
        (("text-to-sql", "--tag", "nope"), 2, ("No case has the tag `nope`", "easy")),
        (("text-to-sql", "--report", "no/page.md"), 6, ("There is no directory",)),
        (("text-to-sql", "--limit", "0"), 2, ("limit",)),
    ],
)
def test_what_cannot_be_meant(installed: Cli, arguments: tuple[str, ...], code: int, words: tuple[str, ...]) -> None:
    installed.call("eval", *arguments, "--offline").failed(code, *words)


def test_a_broken_file_of_cases_is_told_line_by_line(installed: Cli) -> None:
    write(installed, "sql.jsonl", EASY, {**MAY, "reference": "SELECT nothing"}, {"id": "x"})
    found = installed.call("eval", "text-to-sql", "--cases", "sql.jsonl", "--offline").failed(2, "has 2 mistakes")
    assert "sql.jsonl, line 3: `reference` is not a query that runs" in found.err
    assert "sql.jsonl, line 4: " in found.err


def test_install_asks_the_checks_and_pins_their_score(installed: Cli) -> None:
    write(installed, "evals/sql.jsonl", EASY, MAY, HARD)
    line(installed, ', checks = "evals/sql.jsonl", pass = 0.6')
    found = installed.call("install", "--offline").passed()
    assert "2 of 3 checks right, 60 % needed" in found.err
    lock = (installed.directory / "lmpm.lock").read_text()
    assert 'checks = "evals/sql.jsonl", pass = 0.6' in lock
    assert re.search(r"tested = \{ .*score = 0\.6667, cases = 3, checks = \"[0-9a-f]{64}\" \}", lock), lock
    shown = installed.call("verify", "--json").passed().json["models"][0]["checks"]
    assert (shown["right"], shown["cases"], shown["wrong"], shown["passed"]) == (2, 3, ["hard"], True)


def test_verify_asks_ten_unless_all_are_wanted_and_remarks_on_other_checks(installed: Cli) -> None:
    more = [{**EASY, "id": f"easy-{number}"} for number in range(14)]
    path = write(installed, "sql.jsonl", *({**item, "question": f"{item['question']} {item['id']}"} for item in more))
    line(installed, ', checks = "sql.jsonl"')
    installed.call("install", "--offline").passed()
    few = installed.call("verify", "--json").passed().json["models"][0]
    full = installed.call("verify", "--full", "--json").passed().json["models"][0]
    assert (few["checks"]["cases"], full["checks"]["cases"]) == (10, 14)
    path.write_text(path.read_text() + "\n" + json.dumps(MAY))
    notes = installed.call("verify", "--json").passed().json["models"][0]["notes"]
    assert "the checks are not those that it was pinned with" in notes


def test_too_few_right_checks_keep_a_model_from_being_pinned(installed: Cli) -> None:
    before = (installed.directory / "lmpm.lock").read_text()
    write(installed, "sql.jsonl", EASY, HARD)
    line(installed, ', checks = "sql.jsonl", pass = 0.9')
    found = installed.call("install", "--offline").failed(8, "1 of 2 checks right, 90 % needed", "wrong: hard")
    assert "lower `pass`" in found.err
    assert (installed.directory / "lmpm.lock").read_text() == before


def test_broken_checks_are_found_before_anything_is_done(installed: Cli) -> None:
    write(installed, "sql.jsonl", {"id": "x", "question": "?"})
    line(installed, ', checks = "sql.jsonl"')
    found = installed.call("install", "--offline").failed(2, "sql.jsonl, line 2: `expected` is missing")
    assert "Test" not in found.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (", pass = 0.5", "is the share of the `checks` that must be right, and there are none"),
        (', checks = "a.jsonl", pass = 2', "expected a share from 0 to 1"),
        (', checks = "../a.jsonl"', "expected a path inside the project, found `..` in it"),
        (', checks = "/a.jsonl"', "expected a path inside the project, found an absolute one"),
    ],
)
def test_what_a_manifest_may_not_say(installed: Cli, more: str, words: str) -> None:
    line(installed, more)
    installed.call("verify").failed(2, words)


def test_a_new_choice_leaves_the_checks_in_the_manifest(installed: Cli) -> None:
    write(installed, "sql.jsonl", EASY)
    line(installed, ', checks = "sql.jsonl", pass = 0.5')
    installed.call("install", "text-to-sql", "--offline", "--context", "1024").passed()
    assert 'checks = "sql.jsonl", pass = 0.5' in (installed.directory / "lmpm.toml").read_text()


def test_another_model_is_downloaded_once_that_is_agreed_to(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-test").passed()
    arguments = ("eval", "text-to-sql", "--limit", "2", "--against", "qwen2.5-coder-0.5b-instruct:Q8_0")
    found = cli.call(*arguments).failed(4, "would have to be downloaded")
    assert "Qwen2.5-Coder-0.5B-Instruct Q8_0" in found.err
    assert "--yes" in found.err
    shown = cli.call(*arguments, "--yes", "--json").passed().json
    assert [(score["model"], score["quant"], score["asked"]) for score in shown["scores"]] == [
        ("text-to-sql starter", "Q8_0", 2),
        ("Qwen2.5-Coder-0.5B-Instruct", "Q8_0", 2),
    ]
    assert "qwen" not in cli.lock.read_text().lower()  # nothing is pinned by it
    assert "qwen" not in cli.manifest.read_text().lower()


def test_a_lock_names_no_checks_outside_of_the_project(installed: Cli) -> None:
    write(installed, "sql.jsonl", EASY)
    line(installed, ', checks = "sql.jsonl"')
    installed.call("install", "--offline").passed()
    installed.lock.write_text(installed.lock.read_text().replace('checks = "sql.jsonl"', 'checks = "../sql.jsonl"'))
    (report,) = installed.call("verify", "--json").json["models"]
    assert report["error"]["kind"] == "cases"
    assert "inside the project" in report["error"]["message"]


@pytest.mark.parametrize("task", ["vision", "ocr"])
def test_pictures_are_shown_to_a_model_with_eyes_and_to_no_other(cli: Cli, tmp_path: Path, task: str) -> None:
    """Random weights see nothing; that they were shown something is in what the answers took, and in no error."""
    seeing(tmp_path)
    arguments = ("--task", task, "--limit", "2", "--max-tokens", "4", "--offline")
    found = cli.call("eval", tmp_path / "model.gguf", *arguments, "--json").passed().json
    (score,) = found["scores"]
    assert (score["asked"], score["failures"]) == (2, 0) and found["cases"]["count"] == 2
    assert all(item["tokens"] for item in score["results"])
    (tmp_path / "mmproj-F16.gguf").unlink()
    cli.call("eval", tmp_path / "model.gguf", *arguments, "--limit", "3").failed(8, "cannot look at pictures")

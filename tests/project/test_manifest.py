"""The manifest: read strictly, edited without touching what people wrote."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lmpm.errors import ManifestError, UnknownNameError
from lmpm.limits import GIB, MAX_MANIFEST_BYTES
from lmpm.project.manifest import Manifest, ManifestModel, Policy, Rule, Target, load_manifest, parse_manifest
from lmpm.project.manifest_edit import add_model, remove_model

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# what our team runs
[models]
# the bot
chat = { task = "chat", context = 8192 } # since May
code = { ref = "hf:Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M", min_speed = 20, max_size = "5GB" }
"qwen2.5" = { task = "code-completion", ref = "qwen2.5-coder-7b", license = "apache-2.0", prefer = "speed" }

# the machines
[targets]
m2-16gb = { hardware = "M2, 16GB" }

[policy]
licenses = { allow = ["apache-2.0", "mit"], deny = ["other"] }
publishers = { deny = ["someone"] }
max_size = 10_000_000_000
"""

CHAT = ManifestModel(name="chat", task="chat", context=8192)
SQL = ManifestModel(name="text-to-sql", task="text-to-sql", context=8192)
SQL_LINE = 'text-to-sql = { task = "text-to-sql", context = 8192 }\n'


def test_reads_everything() -> None:
    assert parse_manifest(TEXT) == Manifest(
        models={
            "chat": CHAT,
            "code": ManifestModel(
                name="code",
                ref="hf:Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M",
                min_speed=20,
                max_size=5 * GIB,
            ),
            "qwen2.5": ManifestModel(
                name="qwen2.5",
                task="code-completion",
                ref="qwen2.5-coder-7b",
                license="apache-2.0",
                prefer="speed",
            ),
        },
        targets={"m2-16gb": Target(name="m2-16gb", hardware="M2, 16GB")},
        policy=Policy(
            licenses=Rule(allow=frozenset({"apache-2.0", "mit"}), deny=frozenset({"other"})),
            publishers=Rule(deny=frozenset({"someone"})),
            max_size=10_000_000_000,
        ),
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[models]\n[targets]\n[policy]\n", "\ufeff\r\n"])
def test_everything_is_optional(text: str) -> None:
    assert parse_manifest(text) == Manifest()


def test_requested_is_what_the_line_says() -> None:
    assert CHAT.requested() == {"task": "chat", "context": 8192}
    assert parse_manifest(TEXT).models["code"].requested() == {
        "ref": "hf:Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M",
        "min_speed": 20,
        "max_size": 5 * GIB,
    }


HOSTILE = [
    ("[models]", "[model]", "`model` is not known here; did you mean `models`?"),
    ("context = 8192", "contxt = 8192", "`models.chat.contxt` is not known here; did you mean `context`?"),
    ("[models]", "[clouds]\n[models]", "`clouds` is not known here; did you mean `cloud`?"),
    ("[models]", "[engine]\nname = 'x'\n[models]", "`engine.name` is not known here"),
    ("[models]", "[engine]\nprefer = 1\n[models]", "`engine.prefer` expected a string"),
    ("[models]", "models = 1\n[x]", "`models` expected a table, found a whole number"),
    ("[models]", "[[models]]", "`models` expected a table, found a list"),
    ("chat = {", "chat = [] #", "`models.chat` expected a table, found a list"),
    ("chat = {", '"../x" = {', "`models.../x` expected a name"),
    ("chat = {", '"\\u001b[2J" = {', "`models.\\x1b[2J` expected a name"),
    ("chat = {", "con = {", "`models.con` expected a name"),
    ('"qwen2.5" = {', "qwen2.5 = {", '`models.qwen2.5` is a table; a name with a dot needs quotes: `"qwen2.5"`'),
    ('task = "chat", ', "", "`models.chat` expected a `task` or a `ref`"),
    ('task = "chat"', "task = 1", "`models.chat.task` expected a string"),
    ('task = "chat"', 'task = "a b"', "`models.chat.task` expected a name"),
    ('task = "chat"', 'tusk = "chat"', "`models.chat.tusk` is not known here"),
    ("context = 8192", 'context = "8k"', "`models.chat.context` expected a whole number, found a string"),
    ("context = 8192", "context = 0", "`models.chat.context` expected a whole number from 1"),
    ("context = 8192", "context = true", "`models.chat.context` expected a whole number, found true or false"),
    ("context = 8192", "context = 8192.0", "`models.chat.context` expected a whole number"),
    ("context = 8192", 'quant = ""', "`models.chat.quant` is empty"),
    ("context = 8192", 'quant = "Q4\\nK"', "`models.chat.quant` expected one line of printable text"),
    ("min_speed = 20", "min_speed = -1", "`models.code.min_speed` expected tokens per second"),
    ("min_speed = 20", "max_wait = -1", "`models.code.max_wait` expected seconds"),
    ("min_speed = 20", 'max_wait = "5 s"', "`models.code.max_wait` expected a number"),
    ("min_speed = 20", "min_speed = nan", "`models.code.min_speed` expected a finite number"),
    ("min_speed = 20", "min_speed = 0x" + "f" * 400, "is not valid"),
    ('max_size = "5GB"', 'max_size = "big"', "`models.code.max_size` expected a size like `8GB`"),
    ('max_size = "5GB"', "max_size = 0", "`models.code.max_size` expected a whole number from 1"),
    ('max_size = "5GB"', "max_size = 1.5", "`models.code.max_size` expected a whole number"),
    ('prefer = "speed"', 'prefer = "cheap"', "`models.qwen2.5.prefer` expected `quality`, `speed` or `small`"),
    ('{ hardware = "M2, 16GB" }', '"M2, 16GB"', "`targets.m2-16gb` expected a table, found a string"),
    ('{ hardware = "M2, 16GB" }', "{}", "`targets.m2-16gb.hardware` is missing"),
    ('{ hardware = "M2, 16GB" }', '{ hardware = "M2", gpu = 1 }', "`targets.m2-16gb.gpu` is not known here"),
    ('allow = ["apache-2.0", "mit"]', 'allow = "mit"', "`policy.licenses.allow` expected a list of strings"),
    ('allow = ["apache-2.0", "mit"]', "allow = [1]", "`policy.licenses.allow[0]` expected a string"),
    ('deny = ["other"]', 'forbid = ["other"]', "`policy.licenses.forbid` is not known here"),
    ("max_size = 10_000_000_000", "max_price = 1", "`policy.max_price` is not known here"),
    ("[policy]", "[policy", "is not valid at line 12, column 8: "),
    ("[policy]", "[targets]", "is not valid at line 12, column 9: "),
    ("# the bot", "# the \x00 bot", "is not valid at line 3: holds a NUL character"),
    ("# the bot", "<<<<<<< HEAD", "is not valid at line 3: holds the markers of a merge conflict"),
    ("# the bot", "x" * MAX_MANIFEST_BYTES, "is larger than 1048576 bytes"),
    ("# the bot", "a." * 100_000 + "b = 1", "is not valid at line 3: holds a key of too many parts"),
    ("# the bot", "x = " + "{a=" * 5000, "is not valid"),
]


@pytest.mark.parametrize(("old", "new", "expected"), HOSTILE, ids=range(len(HOSTILE)))
def test_refuses_a_mistake_with_its_place(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    with pytest.raises(ManifestError) as caught:
        parse_manifest(TEXT.replace(old, new, 1))
    message = caught.value.message
    assert expected in message
    assert message.startswith("`lmpm.toml` is not valid")
    assert message.isprintable()
    assert len(message) < 600


def test_loads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "lmpm.toml"
    with pytest.raises(ManifestError, match=r"No `lmpm\.toml` is here"):
        load_manifest(path)
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load_manifest(path) == parse_manifest(TEXT)
    path.write_bytes(b"[models]\n# caf\xe9\n")
    with pytest.raises(ManifestError, match="is not valid at line 2: is not UTF-8 text"):
        load_manifest(path)


def test_a_new_manifest_has_a_header_and_a_minimal_line() -> None:
    text = add_model("", SQL)
    header, blank, table, line = text.splitlines(keepends=True)
    assert header.startswith("# ")
    assert blank + table + line == f"\n[models]\n{SQL_LINE}"


# a manifest, and where the new line stands in it: at the mark
PLACES = [
    '[models]\n# c\nchat = { task = "chat" } # keep\n@\n# the machines\n[targets]\n',
    '[models]\nchat = {task="chat"}\n@# commented = {}\n\n\n[targets]\n',
    "[models]\n@\n[targets]\n",
    "[models] # mine\n@# the machines\n[targets]\n",
    '[targets]\nm2 = { hardware = "M2" }\n\n[models]\n@',
    '# only a comment\n\n[models]\n@',
    '[models]\nchat = { task = "chat" }\n@',
    'models.chat = { task = "chat" }\n@\n[targets]\n',
    '[targets]\n[models]\nb = { task = "b" }\na = { task = "a" }\n@[policy]\n',
    '[models]\nchat = { task = "chat" }\n@# of the search\nvectors = { task = "embeddings" }\n',
    '[models]\n\n@# of the search\nvectors = { task = "embeddings" }\n',
    '[models]\na = { task = "a" }\n\nb = { task = "b" }\n@\n# later\nz = { task = "z" }\n',
]  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("marked", PLACES)
def test_adds_one_line_and_keeps_every_other(marked: str, newline: str) -> None:
    marked = marked.replace("\n", newline)
    before = marked.replace("@", "")
    line = SQL_LINE.replace("\n", newline)
    if before.startswith("models.chat"):
        line = f"models.{line}"
    after = add_model(before, SQL)
    assert after == marked.replace("@", line)
    assert add_model(after, SQL) == after
    assert remove_model(after, "text-to-sql") == before


def test_adds_behind_a_last_line_that_has_no_end() -> None:
    assert add_model('[models]\nchat = { task = "chat" }', SQL) == f'[models]\nchat = {{ task = "chat" }}\n{SQL_LINE}'


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("names", [("embeddings", "zoo"), ("alpha", "zoo"), ("alpha", "embeddings"), ("q", "alpha")])
def test_two_branches_that_each_add_a_model_merge(tmp_path: Path, names: tuple[str, str]) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    path, base = tmp_path / "lmpm.toml", '[models]\nchat = { task = "chat" }\nrerank = { task = "reranking" }\n'
    git("init", "-q", "-b", "main", ".")
    path.write_text(base)
    git("add", ".")
    git("commit", "-qm", "base")
    added = [ManifestModel(name=name, task="chat") for name in names]
    for model in added:
        git("checkout", "-q", "-b", model.name, "main")
        path.write_text(add_model(base, model))
        git("commit", "-qam", model.name)
    git("merge", "-q", names[0])
    merged = path.read_text()
    assert set(parse_manifest(merged).models) == {"chat", "rerank", *names}
    keys = [line.split(" ")[0] for line in merged.splitlines()[1:]]
    assert keys == sorted(keys)


def test_adds_the_table_where_there_is_none() -> None:
    assert add_model('[targets]\nm2 = { hardware = "M2" }', SQL) == (
        f'[targets]\nm2 = {{ hardware = "M2" }}\n\n[models]\n{SQL_LINE}'
    )
    assert add_model("\ufeff# mine\n", SQL) == f"\ufeff# mine\n\n[models]\n{SQL_LINE}"


def test_replaces_a_model_and_keeps_its_comment() -> None:
    after = add_model(TEXT, ManifestModel(name="chat", ref="hf:a/b", min_speed=15.0, max_size=8 * GIB))
    old = 'chat = { task = "chat", context = 8192 } # since May'
    new = 'chat = { ref = "hf:a/b", min_speed = 15, max_size = "8 GiB" } # since May'
    assert after == TEXT.replace(old, new)


def test_replaces_the_keys_of_a_table_on_lines_of_its_own() -> None:
    before = '[models.chat] # a\n# b\ntask = "x" # c\nquant = "Q4_0" # d\n# e\n\n[targets]\n'
    assert add_model(before, CHAT) == ('[models.chat] # a\n# b\ntask = "chat" # c\ncontext = 8192\n# e\n\n[targets]\n')


def test_quotes_a_name_with_a_dot() -> None:
    model = ManifestModel(name="qwen3-0.6b", ref="qwen3-0.6b", min_speed=7.5, max_size=1000)
    after = add_model(TEXT, model)
    line = '"qwen3-0.6b" = { ref = "qwen3-0.6b", min_speed = 7.5, max_size = 1000 }\n'
    assert after == TEXT.replace("\n# the machines", f"{line}\n# the machines")
    assert parse_manifest(after).models["qwen3-0.6b"] == model


def test_removes_one_line() -> None:
    after = remove_model(TEXT, "chat")
    assert after == TEXT.replace('chat = { task = "chat", context = 8192 } # since May\n', "")
    inline = 'models = { a = { task = "a" }, chat = { task = "chat", context = 8192 } }\n'
    assert parse_manifest(remove_model(inline, "a")).models == {"chat": CHAT}


def test_removing_an_unknown_model_suggests_one() -> None:
    with pytest.raises(UnknownNameError) as caught:
        remove_model(TEXT, "chats")
    assert caught.value.suggestions == ("chat",)
    assert caught.value.hint == "Did you mean `chat`? In the manifest: `chat`, `code`, `qwen2.5`"


def test_a_broken_manifest_is_not_edited() -> None:
    for broken in ("[models]\nchat = 1\n", "<<<<<<< HEAD\n", "[models\n"):
        with pytest.raises(ManifestError):
            add_model(broken, SQL)
        with pytest.raises(ManifestError):
            remove_model(broken, "chat")


def test_an_invalid_model_is_not_added() -> None:
    for model in (
        ManifestModel(name="chat"),
        ManifestModel(name="x", task="a\nb"),
        ManifestModel(name="x", task="a", context=0),
        ManifestModel(name="a.b]", task="a"),
    ):
        with pytest.raises(ManifestError):
            add_model(TEXT, model)


def test_reading_needs_no_editor_and_no_network() -> None:
    script = (
        "import sys, lmpm.project.directory, lmpm.project.lock.file, lmpm.project.manifest\n"
        "heavy = {'tomlkit', 'filelock', 'requests', 'click', 'huggingface_hub', 'llama_cpp', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_manifest_names_its_engine() -> None:
    assert parse_manifest('[engine]\nprefer = "llama-server"\n').engine == "llama-server"
    assert parse_manifest("").engine is None


def test_a_recipe_is_read_strictly_and_kept_in_what_is_asked() -> None:
    text = '[models.sql]\ntask = "text-to-sql"\n[models.sql.recipe]\nsystem = "One query."\nmax_tokens = 64\n'
    model = parse_manifest(text).models["sql"]
    assert model.recipe == {"system": "One query.", "max_tokens": 64}
    assert model.requested()["recipe"] == '{"max_tokens": 64, "system": "One query."}'
    for wrong, place in (("max_tokens = 0", "max_tokens"), ('sytem = "x"', "sytem"), ('stop = "x"', "stop")):
        with pytest.raises(ManifestError, match=f"models.sql.recipe.{place}"):
            parse_manifest(f"{text}{wrong}\n".replace("max_tokens = 64\n", ""))


def test_a_recipe_below_a_line_says_what_to_do() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest('[models]\nsql = { task = "text-to-sql" }\n[models.sql.recipe]\nsystem = "x"\n')
    assert "below a `[models.sql]`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        '[models.sql]\ntask = "text-to-sql"\n\n[models.sql.recipe]\nsystem = "x"\n',
        '[models]\nsql = { task = "text-to-sql", recipe = { system = "x" } }\n',
        '[models]\nsql.task = "text-to-sql"\nsql.recipe.system = "x"\n',
    ],
)
def test_a_recipe_stays_when_its_line_is_edited(text: str) -> None:
    line = replace(parse_manifest(text).models["sql"], context=2048)
    edited = add_model(text, line)
    found = parse_manifest(edited).models["sql"]
    assert found == line and found.recipe == {"system": "x"} and found.context == 2048

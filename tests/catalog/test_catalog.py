"""The catalog: what its reader refuses, what it makes of its files, and the data that is shipped."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.catalog.problem import ProblemKind
from lmpm.catalog.schema.smoke import SqlCase, TextCase
from lmpm.errors import CatalogError
from lmpm.proof.judge import judge_text
from lmpm.types import HubSource, ModelFile, StarterSource

SHIPPED = Path(__file__).resolve().parents[2] / "catalog"
CODER = "models/qwen2.5-coder-7b-instruct.toml"
ARCTIC = "models/arctic-text2sql-r1-7b.toml"
SQL = "tasks/text-to-sql.toml"

# what is replaced in a file, by what, where the mistake is found, and of which kind it is
BROKEN: dict[str, list[tuple[str, str, str, ProblemKind]]] = {
    CODER: [
        ('sha256 = "5092', 'sha256 = "X092', "repo[0].file[1].sha256", "invalid"),
        ('revision = "13', 'revision = "1', "repo[0].revision", "invalid"),
        ("size = 4_683_073_536", "size = 0", "repo[0].file[1].size", "invalid"),
        ("size = 4_683_073_536", 'size = "4"', "repo[0].file[1].size", "invalid"),
        ('path = "qwen', 'path = "../qwen', "repo[0].file[0].path", "invalid"),
        ('"Q4_K_M"', '"Q5_K_S"', "repo[0].file[1].quant", "conflict"),
        ('"Q4_K_M", path = "', '"IQ4_KS", path = "', "repo[0].file[1].quant", "unknown"),
        ('id = "Qwen/', 'id = "', "repo[0].id", "invalid"),
        ('id = "Qwen/', 'id = "nobody/', "repo[0].id", "unknown"),
        ('license = "apache-2.0"', 'license = "apache"', "license", "unknown"),
        ("value = 50.9", 'value = "50.9"', "score[0].value", "invalid"),
        ('tasks = ["text-to-sql"]', 'tasks = ["sql"]', "score.tasks", "unknown"),
        ('tasks = ["text-to-sql"]', "tasks = []", "score[0].tasks", "missing"),
        ('tasks = ["text-to-sql"]', 'tasks = ["vision"]', "score.tasks", "conflict"),
        ('metric = "bird-dev"', 'metric = "bird"', "score.metric", "unknown"),
        ('date = "2025-03"', "", "score[0].date", "missing"),
        ('date = "2025-03"', 'date = "March"', "score[0].date", "invalid"),
        ('metric = "spider-test"', 'metric = "bird-dev"', "score", "conflict"),
        ("value = 50.9", "value = 50.9\nestimated = true", "score[0].rule", "missing"),
        ("value = 50.9", 'value = 50.9\nmode = "slow"', "score[0].mode", "invalid"),
        ("value = 50.9", 'value = 50.9\nmode = "thinking"', "score.mode", "conflict"),
        ("value = 50.9", 'value = 50.9\nby = "me"', "score[0].by", "invalid"),
        ("value = 50.9", "value = 50.9\nthinking_tokens = 9", "score[0].thinking_tokens", "invalid"),
        ("value = 50.9", "value = 50.9\nanswer_tokens = 0", "score[0].answer_tokens", "invalid"),
        (
            "[shape]",
            '[prompt]\nthinking = "optional"\nthinking_off = "x"\nsource = "x"\n[shape]',
            "score.mode",
            "conflict",
        ),
        ("[shape]", '[prompt]\nthinking = "always"\nsource = "x"\n[shape]', "score.mode", "conflict"),
        ('id = "Qwen/', 'native_quant = "Q4"\nid = "Qwen/', "repo[0].native_quant", "unknown"),
        ("kv_heads = 4", "kv_head = 4", "shape.kv_heads", "missing"),
        ("kv_heads = 4", "kv_heads = 4\nkv_head = 4", "shape.kv_head", "unknown"),
        ("[shape]", "[prompt]", "prompt.layers", "unknown"),
        ("[shape]", "[prompt]", "shape", "missing"),
        ("[shape]", '[prompt]\nthinking = "no"\nsource = "x"\n[shape]', "prompt.thinking", "invalid"),
        ("[shape]", '[prompt]\nthinking = "optional"\nsource = "x"\n[shape]', "prompt.thinking_off", "missing"),
        ("[shape]", '[prompt]\nthinking = "always"\nsource = "x"\n[shape]', "prompt.thinking", "conflict"),
        ('"text", "chat"', '"chat"', "capabilities", "conflict"),
        ('"text", "chat"', '"text", "chat", "telepathy"', "capabilities", "unknown"),
        ('"text", "chat"', '"text", "chat", "embedding"', "embedding", "conflict"),
        ('"text", "chat"', '"text", "chat", "vision"', "repo.file", "conflict"),
        ('id = "bartowski/Qwen', 'id = "bartowski/Abliterated-Qwen', "repo[1].id", "conflict"),
        ('id = "Qwen/', 'id = "mradermacher/', "repo", "conflict"),
        ("size = 3_758_096_384", "size = 375_809_638", "repo[0].file", "conflict"),
        ("context_length = 32_768", "context_length = 512", "score.tasks", "conflict"),
        ("parameters = 7", "active_parameters = 9_000_000_000\nparameters = 7", "active_parameters", "invalid"),
        ('title = "Qwen2.5', 'title = "Qwen 2.5', "title", "conflict"),
        ('name = "qwen2.5-coder-7b', 'name = "qwen-coder-7b', "name", "conflict"),
        ('name = "', "name = ", "line 1, column 8", "invalid"),
    ],
    ARCTIC: [
        ('R1-7B.Q4_K_M.gguf"', 'R1-7B.Q4_K_M-00002-of-00002.gguf"', "repo[0].file", "conflict"),
    ],
    SQL: [
        ('kind = "sql"', 'kind = "sqlite"', "smoke.kind", "invalid"),
        ("max_tokens = 96", "max_tokens = 9600", "smoke.max_tokens", "invalid"),
        ('stop = [";\\n"', 'stop = [""', "recipe.stop[0]", "invalid"),
        ("pass_cases = 2", "pass_cases = 4", "smoke.pass_cases", "invalid"),
        ("expected = [[3]]", "expected = [3]", "smoke.case[0].expected[0]", "invalid"),
        ('id = "bird-dev"', 'id = "bird-dev"\nslope = 2.0', "metric[0].slope", "invalid"),
        ("[time]", "[times]", "time", "missing"),
        ("useful = 45", "useful = 450", "time.useful", "invalid"),
        ("first_token = [8.0, 40.0]", "first_token = [40.0, 8.0]", "time.first_token", "invalid"),
        ("first_token = [8.0, 40.0]", "first_token = [0, 8.0]", "time.first_token", "invalid"),
        ("thinking_tokens = 2_500", "", "time.thinking_tokens", "missing"),
        ("useful = 45", "useful = 45\ndocuments = 20", "time.documents", "unknown"),
        ("fitted = [64.9, 88.8]", "fitted = [64.9]", "metric[1].fitted", "invalid"),
        ("min_context = 1024", "min_context = 9000", "min_context", "invalid"),
        ('capabilities = ["text"]', 'capabilities = ["txt"]', "capabilities", "unknown"),
    ],
    "tasks/classification.toml": [
        ('expected = "negative"', 'expected = "bad"', "smoke.case[0].expected", "invalid"),
    ],
    "tasks/code-completion.toml": [
        ('expect = ["a + b"', 'expects = ["a + b"', "smoke.case[0].expect", "missing"),
    ],
    "tasks/json-extraction.toml": [
        ('{ name = "Ada", age = 36, city = "London" }', "{}", "smoke.case[0].expected", "invalid"),
    ],
    "quants.toml": [
        ('name = "Q6_K"', 'name = "Q6K"', "quant[5].name", "invalid"),
        ('like = "Q6_K"', 'like = "Q1_0"', "quant[6].like", "invalid"),
        ('tensor = "Q8_0"', 'tensor = "Q9_0"', "quant[3].tensor", "invalid"),
        ("measured = [[136_000_000, 8.67]", "measured = [[136_000_000]", "quant[3].measured[0]", "invalid"),
        ("[136_000_000, 8.67]", "[999_000_000, 8.67]", "quant[3].measured", "invalid"),
    ],
    "catalog.toml": [
        ("format = 1", 'format = "1"', "format", "invalid"),
    ],
    "publishers.toml": [
        ('reason = "Meta', 'reasons = "Meta', "official[2].reason", "missing"),
    ],
}
MISTAKES: list[tuple[str, str, str, str, ProblemKind]] = [
    (file, *mistake) for file, mistakes in BROKEN.items() for mistake in mistakes
]


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalog.load(SHIPPED)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped catalog with two of its models, to be broken."""
    shutil.copytree(SHIPPED / "tasks", tmp_path / "tasks")
    (tmp_path / "models").mkdir()
    for name in (CODER, ARCTIC, "catalog.toml", "quants.toml", "publishers.toml"):
        shutil.copyfile(SHIPPED / name, tmp_path / name)
    task = tmp_path / SQL
    task.write_text(task.read_text(encoding="utf-8").partition("[starter]")[0], encoding="utf-8")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "kind"),
    MISTAKES,
    ids=[case[3] for case in MISTAKES],
)
def test_a_mistake_is_found_at_its_place(
    copy: Path, file: str, old: str, new: str, place: str, kind: ProblemKind
) -> None:
    before = set(catalog.check(copy))
    edit(copy / file, old, new)
    new_ones = [(item.file, item.place, item.kind) for item in catalog.check(copy) if item not in before]
    assert (file, place, kind) in new_ones


def test_the_list_of_files_that_nobody_should_use(copy: Path) -> None:
    listed = copy / "yanked.toml"
    digest = "a" * 64
    row = 'reason = "r"\nsource = "https://example.org"\n'
    listed.write_text(f'[[yanked]]\nrepo = "Org/Bad"\n{row}[[yanked]]\nsha256 = "{digest}"\n{row}')
    known = catalog.load(copy)
    file = ModelFile(path="x.gguf", size=1, sha256="b" * 64)
    assert known.withdrawn(HubSource("org/bad", "1" * 40), [file]) == "r (https://example.org)"
    assert known.withdrawn(HubSource("org/good", "1" * 40), [file]) == ""
    assert known.withdrawn(StarterSource("chat"), [replace(file, sha256=digest)])
    for wrong, place, kind in (
        (f"[[yanked]]\n{row}", "yanked[0].repo", "invalid"),
        (f'[[yanked]]\nsha256 = "{digest}"\nrevision = "{"1" * 40}"\n{row}', "yanked[0].revision", "invalid"),
        (f'[[yanked]]\nrepo = "x"\n{row}', "yanked[0].repo", "invalid"),
        (f'[[yanked]]\nrepo = "o/x"\n{row}why = 1\n', "yanked[0].why", "unknown"),
    ):
        listed.write_text(wrong)
        found = {(item.place, item.kind) for item in catalog.check(copy) if item.file == "yanked.toml"}
        assert found == {(place, kind)}, wrong


@pytest.mark.parametrize(("alias", "kind"), [("chat", "conflict"), ("SQL", "invalid")])
def test_aliases_lead_to_one_task(copy: Path, alias: str, kind: ProblemKind) -> None:
    edit(copy / SQL, '"sql",', f'"{alias}",')
    assert ("", alias, kind) in [(item.file, item.place, item.kind) for item in catalog.check(copy)]


def test_all_mistakes_are_told_at_once(copy: Path) -> None:
    edit(copy / CODER, "size = 4_683_073_536", "size = 0")
    edit(copy / ARCTIC, "layers = 28", "layers = 0")
    assert [(item.file, item.place) for item in catalog.check(copy)] == [
        (ARCTIC, "shape.layers"), (CODER, "repo[0].file[1].size")
    ]  # fmt: skip


def test_a_mistake_stops_a_command_when_its_file_is_needed(copy: Path) -> None:
    edit(copy / CODER, "size = 4_683_073_536", "size = 0")
    found = catalog.load(copy)
    assert found.model("arctic-text2sql-r1-7b")
    with pytest.raises(CatalogError, match=r"models/qwen2.5-coder-7b-instruct.toml: repo\[0\].file\[1\].size"):
        found.model("qwen2.5-coder-7b-instruct")


def test_unknown_keys_are_left_to_newer_versions_with_a_note(copy: Path) -> None:
    edit(copy / CODER, "[shape]", "[shape]\nnew_in_2030 = true")
    notes: list[str] = []
    assert catalog.load(copy, note=notes.append).model("qwen2.5-coder-7b-instruct")
    assert notes == [f"ignored what is not known here: `shape.new_in_2030` in {CODER}"]


def test_a_newer_catalog_is_refused_politely(copy: Path) -> None:
    edit(copy / "catalog.toml", "format = 1", "format = 2")
    with pytest.raises(
        CatalogError, match=r"newer than this lmpm: catalog.toml: format: expected 1 or less, found 2"
    ) as caught:
        catalog.load(copy)
    assert "Upgrade lmpm" in str(caught.value.hint)
    with pytest.raises(CatalogError) as checked:
        catalog.check(copy)
    assert checked.value.message == caught.value.message


def test_problems_of_one_file_do_not_hide_those_of_another(copy: Path) -> None:
    edit(copy / SQL, "context = 8192", "context = 0")
    edit(copy / CODER, 'license = "apache-2.0"', 'license = "apache"')
    problems = catalog.check(copy)
    assert [(item.file, item.place, item.kind) for item in problems] == [
        (SQL, "context", "invalid"),
        (CODER, "license", "unknown"),  # and nothing of the task that did not read
    ]


def test_a_task_without_an_answer_for_a_size_of_memory_says_why(copy: Path) -> None:
    def found() -> list[tuple[str, str]]:
        return [(item.kind, item.text[:4]) for item in catalog.check(copy) if (item.file, item.place) == (SQL, "gap")]

    assert found() == [("missing", f"{size} GB") for size in (1, 2, 4)]
    task = copy / SQL
    gaps = "".join(f'\n[[gap]]\nbudget_gb = {size}\nreason = "none so small"\n' for size in (1, 2, 4, 8))
    task.write_text(task.read_text(encoding="utf-8") + gaps, encoding="utf-8")
    assert found() == [("conflict", "8 GB")]


def test_a_license_without_commercial_use_is_no_answer(copy: Path) -> None:
    for file in (CODER, ARCTIC):
        edit(copy / file, 'license = "apache-2.0"', 'license = "qwen-research"')
    found = [item.text[:5] for item in catalog.check(copy) if (item.place, item.kind) == ("gap", "missing")]
    assert "48 GB" in found


def test_a_publisher_may_use_an_importance_matrix_for_all(copy: Path) -> None:
    edit(copy / CODER, '"IQ4_XS", path', '"Q4_K_M", path')
    edit(copy / CODER, "Instruct-IQ4_XS.gguf", "Instruct-Q4_K_M.gguf")
    found = catalog.load(copy)
    model, task = found.model("qwen2.5-coder-7b-instruct"), found.task("sql")
    assert model and task
    losses = {v.publisher: v.quant_loss for v in found.variants_of(model, task) if v.quant == "Q4_K_M"}
    assert 0 < losses["bartowski"] < losses["Qwen"]


def test_a_missing_file_is_told(copy: Path) -> None:
    (copy / "quants.toml").unlink()
    with pytest.raises(CatalogError, match=r"quants.toml: cannot be read"):
        catalog.load(copy)


def test_the_starter_is_checked_against_its_file(copy: Path) -> None:
    data = b"GGUF" * 100
    (copy / "starter").mkdir()
    (copy / "starter" / "small-Q8_0.gguf").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    with (copy / SQL).open("a", encoding="utf-8") as file:
        file.write(
            '[starter]\nfile = "small-Q8_0.gguf"\ntitle = "small"\nquant = "Q8_0"\nlicense = "apache-2.0"\n'
            f'size = {len(data)}\nsha256 = "{digest}"\nparameters = 2_700_000\ncontext_length = 1024\n'
            'architecture = "llama"\n[starter.shape]\nlayers = 6\nembedding_length = 192\nheads = 6\n'
            "kv_heads = 6\nkey_length = 32\nvalue_length = 32\nfeed_forward_length = 512\nvocabulary = 1024\n"
        )

    def problems() -> list[tuple[str, str]]:
        return [(item.place, item.kind) for item in catalog.check(copy) if item.place.startswith("starter")]

    found = catalog.load(copy)
    task = found.task("sql")
    assert task
    starter = found.starter(task)
    assert starter
    assert starter.source == StarterSource("text-to-sql")
    assert (starter.size, starter.files[0].sha256) == (len(data), digest)
    assert found.starter_file(task).read_bytes() == data
    assert not problems()

    found.starter_file(task).write_bytes(data + b"!")
    assert problems() == [("starter.size", "conflict"), ("starter.sha256", "conflict")]
    found.starter_file(task).unlink()
    assert problems() == [("starter.file", "missing")]


def test_shards_come_in_the_order_of_loading(copy: Path) -> None:
    edit(
        copy / CODER,
        "file = [",
        "file = [\n"
        '  { quant = "F16", path = "f16-00002-of-00002.gguf", size = 2 },\n'
        '  { quant = "F16", path = "f16-00001-of-00002.gguf", size = 1 },\n'
        '  { quant = "F16", path = "mmproj-f16.gguf", size = 3, role = "mmproj" },',
    )
    edit(copy / CODER, '"chat", ', '"chat", "vision", ')
    found = catalog.load(copy)
    model, task = found.model("qwen2.5-coder-7b-instruct"), found.task("text-to-sql")
    assert model
    assert task
    seen = next(item for item in found.variants_of(model) if item.quant == "F16")
    assert [(file.size, file.role) for file in seen.files] == [(1, "model"), (2, "model"), (3, "mmproj")]
    text = next(item for item in found.variants_of(model, task) if item.quant == "F16")
    assert [file.size for file in text.files] == [1, 2]


def test_the_precision_of_the_training_loses_nothing(copy: Path) -> None:
    edit(copy / CODER, "context_length", 'native_quant = "Q4_K_M"\ncontext_length')
    found = catalog.load(copy)
    model, task = found.model("qwen2.5-coder-7b-instruct"), found.task("text-to-sql")
    assert model
    assert task
    losses = {variant.quant: variant.quant_loss for variant in found.variants_of(model, task)}
    assert losses["Q4_K_M"] == losses["Q8_0"] == 0
    assert losses["Q3_K_M"] > 0


def test_a_revision_is_claimed_for_files_with_a_digest_alone(shipped: Catalog) -> None:
    model = shipped.model("qwen2.5-coder-7b-instruct")
    assert model
    official = [item for item in shipped.variants_of(model) if str(item.source).startswith("Qwen/")]
    pinned = {item.quant for item in official if isinstance(item.source, HubSource) and item.source.revision}
    assert pinned == {item.quant for item in official if item.files[0].sha256} == {"Q4_K_M", "Q6_K"}


# The data that is shipped


def test_the_shipped_catalog_has_no_problem() -> None:
    assert catalog.check(SHIPPED) == []


def test_names_are_found_in_any_case(shipped: Catalog) -> None:
    assert {"text-to-sql", "chat", "embeddings"} <= set(shipped.task_names())
    for task in shipped.tasks:
        for name in (task.name, task.name.upper(), *task.aliases):
            assert shipped.task(name) is task
    for model in shipped.models:
        assert shipped.model(model.name) is shipped.model(model.title) is model
    assert shipped.task("text-to-sq") is None
    assert shipped.model("../tasks/chat") is None


def test_the_tasks_that_people_ask_for_are_there(shipped: Catalog) -> None:
    asked = """text-to-sql code-completion code-chat chat reasoning math summarization translation tool-calling
        json-extraction classification embeddings code-embeddings reranking vision ocr long-context edge
        sql nl2sql text2sql autocomplete fim function-calling rag tiny maths rerank code-search"""
    assert [name for name in asked.split() if shipped.task(name) is None] == []
    assert len(shipped.tasks) >= 16
    assert len(shipped.models) >= 60


def test_every_figure_has_a_source_and_a_date(shipped: Catalog) -> None:
    for model in shipped.models:
        for score in model.scores:
            assert score.source.strip() and score.date
            assert bool(score.rule) == score.estimated, (model.name, score.metric)


def test_what_chats_is_asked_for_where_instructions_are_given(shipped: Catalog) -> None:
    for task in shipped.tasks:
        if not task.capabilities & {"text", "fim", "embedding", "rerank", "vision"}:
            assert "chat" in task.capabilities


def test_every_variant_is_complete(shipped: Catalog) -> None:
    for task in shipped.tasks:
        for variant in shipped.variants(task):
            assert isinstance(variant.source, HubSource)
            assert variant.score is not None
            assert variant.score_source
            assert 0 <= variant.quant_loss <= variant.score
            assert 0 <= variant.quality <= 100
            assert variant.context_length >= task.min_context
            assert task.capabilities <= variant.capabilities


def test_bits_lie_between_those_measured(shipped: Catalog) -> None:
    known = shipped.quants["Q4_K_M"]
    counts = [int(10**exponent) for exponent in (7, 8.5, 9, 9.5, 10, 10.5, 11, 12)]
    bits = [known.bits_per_weight(count) for count in counts]
    assert all(known.tensor_bits <= item < 7.5 for item in bits)
    for parameters, measured in known.measured:
        assert known.bits_per_weight(parameters) == pytest.approx(measured)
    assert known.bits_per_weight(10) == known.measured[0][1]
    assert known.bits_per_weight(10**13) == known.measured[-1][1]
    for item in shipped.quants.values():
        assert item.tensor_bits <= item.bits_per_weight(8_000_000_000) + 0.01, item.name


def test_perplexity_agrees_with_divergence_on_the_order_of_the_quants(shipped: Catalog) -> None:
    measured = [item for item in shipped.quants.values() if item.perplexity]
    assert len(measured) > 20
    for size in (0, -1):  # of the 8B, and of the 70B
        by_perplexity = sorted(measured, key=lambda item: item.perplexity[size][1])
        coarse, fine = by_perplexity[len(measured) // 2 :], by_perplexity[: len(measured) // 2]
        assert max(item.divergence_imatrix for item in fine) <= min(item.divergence for item in coarse) * 2


def test_every_embedding_model_says_how_it_is_used(shipped: Catalog) -> None:
    for model in shipped.models:
        assert (model.embedding is not None) == ("embedding" in model.capabilities)


def test_estimates_lie_below_the_larger_models_of_the_family(shipped: Catalog) -> None:
    task = shipped.task("text-to-sql")
    assert task
    names = [f"qwen2.5-coder-{size}-instruct" for size in ("0.5b", "1.5b", "3b", "7b", "14b", "32b")]
    ratings = [rating for name in names if (model := shipped.model(name)) for rating in shipped.ratings(model, task)]
    values = [rating.value for rating in ratings]
    assert values == sorted(values)
    assert len(values) == len(names)
    assert [rating.kind == "estimated" for rating in ratings] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("name", "parameters", "low", "high"),
    [
        ("F16", 7e9, 0, 0.1),
        ("Q8_0", 7e9, 0, 0.2),
        ("Q4_K_M", 7e9, 1, 2),
        ("UD-Q4_K_XL", 7e9, 1, 1.6),
        ("Q4_K_M", 0.5e9, 3, 5),
        ("Q2_K", 7e9, 15, 30),
        ("i1-IQ1_S", 7e9, 90, 100),
        ("no-such-quant", 7e9, 90, 100),
    ],
)
def test_a_quant_costs_its_share(shipped: Catalog, name: str, parameters: float, low: float, high: float) -> None:
    assert low <= shipped.quant_loss(name, int(parameters), 100.0) <= high


def test_finer_quants_cost_less(shipped: Catalog) -> None:
    names = ["Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16"]
    losses = [shipped.quant_loss(name, 8_000_000_000, 60.0) for name in names]
    assert losses == sorted(losses, reverse=True)


def test_makers_are_trusted_most(shipped: Catalog) -> None:
    repos = ("Qwen/a", "ggml-org/a", "bartowski/a", "mradermacher/a", "nobody/a")
    ranks = [shipped.trust(repo) for repo in repos]
    assert ranks == sorted(set(ranks))
    assert ranks[0] == 0


def test_smoke_questions_have_the_expected_answers(shipped: Catalog) -> None:
    cases = [case for task in shipped.tasks for case in task.smoke.cases if isinstance(case, SqlCase)]
    assert cases
    for case in cases:
        database = sqlite3.connect(":memory:")
        database.executescript(case.schema)
        for row in case.rows:
            database.execute(row)
        found = database.execute(case.reference).fetchall()
        assert found == list(case.expected), case.question
        database.close()


def test_smoke_prompts_do_not_give_the_answer_away(shipped: Catalog) -> None:
    from_the_text = {"rag", "long-context", "summarization"}  # whose job it is to find it there
    for task in shipped.tasks:
        if task.name in from_the_text:
            continue
        for case in task.smoke.cases:
            if isinstance(case, TextCase) and case.expect:
                shown = {it.name for it in task.recipe.inputs if it.is_image}  # the model sees it, not its name
                words = [value for name, value in case.inputs.items() if name not in shown]
                told = " ".join(value if isinstance(value, str) else " ".join(value) for value in words)
                assert not judge_text(case, told).passed, told


def test_text_to_sql_asks_as_its_starter_was_trained(shipped: Catalog) -> None:
    task = shipped.task("text-to-sql")
    assert task and task.starter
    recipe = task.starter.recipe
    assert recipe.raw and not recipe.system
    assert recipe.prompt({"schema": "CREATE ..", "question": "?"}) == "CREATE ..\n\nQuestion: ?\nSQL:"

"""How a model is asked: templates filled, inputs checked, tables read and written, answers held."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lmpm import catalog
from lmpm.catalog import directory, recipe_for
from lmpm.errors import SpecError
from lmpm.fs import DocumentError, Table, toml
from lmpm.recipe import Input, Recipe, Sampling, changes, constraint_of, read_recipe, write_recipe

SHIPPED = catalog.load(directory())
SQL = Recipe(
    kind="complete",
    inputs=(Input(name="question", main=True), Input(name="schema")),
    system="One query.",
    user="{schema}\n{question}",
)
RAG = Recipe(
    kind="complete",
    inputs=(Input(name="question", main=True), Input(name="documents", is_list=True, separator="\n\n")),
    user="{documents}\n{question}",
)
PICTURE = Recipe(
    kind="chat",
    inputs=(Input(name="prompt", main=True), Input(name="image", is_list=True, is_image=True, required=False)),
    user="{prompt}",
)


def test_messages_are_filled_once() -> None:
    asked = SQL.messages({"schema": "CREATE {question}", "question": "{schema}?"})
    assert asked == [
        {"role": "system", "content": "One query."},
        {"role": "user", "content": "CREATE {question}\n{schema}?"},
    ]


def test_a_raw_prompt_is_the_same_words_without_a_template() -> None:
    assert SQL.without_template().prompt({"schema": "s", "question": "q"}) == "One query.\n\ns\nq"


def test_a_model_without_a_system_role_gets_the_words_first() -> None:
    (asked,) = replace(SQL, system_role=False).messages({"schema": "s", "question": "q"})
    assert asked == {"role": "user", "content": "One query.\n\ns\nq"}


def test_a_conversation_keeps_a_system_message_of_its_own() -> None:
    own = [{"role": "system", "content": "mine"}, {"role": "user", "content": "hi"}]
    assert SQL.with_system(own) == own
    assert SQL.with_system(own[1:])[0] == {"role": "system", "content": "One query."}
    assert replace(SQL, system_role=False).with_system(own) == [{"role": "user", "content": "mine\n\nhi"}]


def test_the_items_of_a_list_stand_apart() -> None:
    (asked,) = RAG.messages({"documents": ["a", "b"], "question": "?"})
    assert asked["content"] == "a\n\nb\n?"
    assert RAG.messages({"documents": "a", "question": "?"})[0]["content"] == "a\n?"


def test_pictures_stand_before_the_words() -> None:
    (asked,) = PICTURE.messages({"prompt": "what?", "image": ["data:image/png;base64,AA"]})
    assert [part["type"] for part in asked["content"]] == ["image_url", "text"]
    assert PICTURE.messages({"prompt": "what?"})[0]["content"] == "what?"
    with pytest.raises(SpecError, match="takes no image"):
        replace(PICTURE, raw=True).prompt({"prompt": "what?", "image": "data:"})


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"question": "?"}, "needs `schema`"),
        ({}, "needs `question`, `schema`"),
        ({"question": "?", "schema": "s", "shema": "x"}, "no input `shema`"),
        ({"question": ["?"], "schema": "s"}, "`question` is one text"),
    ],
)
def test_wrong_inputs_are_named(inputs: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        SQL.messages(inputs)
    assert caught.value.hint


def read(text: str, base: Recipe | None = None) -> Recipe:
    table = Table(toml.parse(text, 10_000), "recipe")
    found = read_recipe(table, base)
    table.finish()
    return found


@pytest.mark.parametrize("recipe", [SQL, RAG, PICTURE, *(task.recipe for task in SHIPPED.tasks)])
def test_what_is_written_reads_back(recipe: Recipe) -> None:
    text = "\n".join(f"{key} = {toml.nested(value)}" for key, value in write_recipe(recipe).items())
    assert read(text) == recipe
    assert json.loads(json.dumps(write_recipe(recipe))) == write_recipe(recipe)


def test_a_table_over_a_base_says_only_what_differs() -> None:
    base = replace(SQL, stop=(";",), sampling=Sampling(temperature=0.5, top_k=4))
    other = replace(base, system="", raw=True, stop=(), mode="thinking", sampling=Sampling())
    table = write_recipe(other, base)
    assert table == {
        "system": "",
        "raw": True,
        "stop": [],
        "mode": "thinking",
        "sampling": {"temperature": 0.0},
    }
    assert read("\n".join(f"{key} = {toml.nested(value)}" for key, value in table.items()), base) == other
    assert [key for key, _, _ in changes(base, other)] == ["system", "raw", "stop", "mode", "sampling"]
    assert write_recipe(base, base) == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "recipe.kind"),
        ('kind = "talk"', "recipe.kind"),
        ('kind = "complete"\nuser = "{a}"', "recipe.inputs"),
        ('kind = "chat"\ninputs = [{ name = "a" }]\nuser = "{a}"', "recipe.inputs"),
        ('kind = "chat"\ninputs = [{ name = "A", main = true }]\nuser = "{a}"', "recipe.inputs[0].name"),
        ('kind = "chat"\ninputs = [{ name = "a", main = true }]\nuser = "{b}"', "recipe.user"),
        ('kind = "chat"\ninputs = [{ name = "a", main = true }]\nuser = "x"', "recipe.user"),
        ('kind = "embed"\nmax_tokens = 0', "recipe.max_tokens"),
        ('kind = "embed"\nstop = [""]', "recipe.stop[0]"),
        ('kind = "embed"\nsampling = { temperature = 9.0 }', "recipe.sampling.temperature"),
        ('kind = "embed"\nsampling = { temperature = 1.0, top = 1 }', "recipe.sampling.top"),
        ('kind = "embed"\npoling = "cls"', "recipe.poling"),
        ('kind = "rerank"\ninputs = [{ name = "a", main = true }]', "recipe.inputs"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert caught.value.place == place


def test_answers_are_held_to_labels_and_fields() -> None:
    labels = SHIPPED.task("classification")
    fields = SHIPPED.task("json-extraction")
    assert labels and fields
    held = constraint_of(labels.recipe, {"text": "x", "labels": ["a", 'say "b"', "a"]})
    assert held.grammar == r'root ::= "a" | "say \"b\""'
    schema = constraint_of(fields.recipe, {"text": "x", "fields": ["name", "age"]}).schema
    assert schema and schema["required"] == ["name", "age"]
    with pytest.raises(SpecError, match="none that is empty"):
        constraint_of(labels.recipe, {"text": "x", "labels": ["a", " "]})


def test_every_task_can_be_put() -> None:
    for task in SHIPPED.tasks:
        recipe = task.recipe
        assert recipe.main is not None, task.name
        if recipe.kind in ("complete", "chat"):
            inputs = {item.name: ("x",) if item.is_list else "x" for item in recipe.inputs}
            assert "x" in str(recipe.messages(inputs)[-1]), task.name


def test_every_model_has_a_recipe_for_what_it_is_rated_for() -> None:
    for model in SHIPPED.models:
        for name in {score.task for score in model.scores}:
            task = SHIPPED.task(name)
            assert task
            recipe = recipe_for(task, model)
            thinking = model.quirks.thinking if model.quirks else ""
            if recipe.writes and thinking == "always":
                assert recipe.mode == "thinking"
            if recipe.kind == "embed":
                assert recipe.pooling, model.name


def test_makers_wishes_count_where_there_is_room_for_chance() -> None:
    model, chat, sql = SHIPPED.model("qwen3-8b"), SHIPPED.task("chat"), SHIPPED.task("text-to-sql")
    assert model and chat and sql
    assert recipe_for(chat, model, "direct").sampling == Sampling(temperature=0.7, top_p=0.8, top_k=20, min_p=0.0)
    assert recipe_for(sql, model, "direct").sampling.is_greedy
    assert recipe_for(sql, model, "thinking").sampling == Sampling(temperature=0.6, top_p=0.95, top_k=20, min_p=0.0)

"""A recipe as a table of TOML: of a task's file, of a manifest, or of a lock.

A table that is read over a base says only what differs from it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final, get_args

from lmpm.fs import DocumentError, Table
from lmpm.recipe.record import FIXED, NAMED, WRITING, Grammar, Input, Kind, Mode, Pooling, Recipe, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_TEMPLATE_CHARS: Final = 16 * 1024
MAX_STOPS: Final = 16
MAX_STOP_CHARS: Final = 256
MAX_INPUTS: Final = 16
MAX_TOKENS: Final = 1_000_000
MAX_TEMPERATURE: Final = 5.0
MAX_TOP_K: Final = 1_000_000


def read_recipe(table: Table, base: Recipe | None = None) -> Recipe:
    """The recipe of a table, which says what differs from `base`; the caller finishes it. Raises DocumentError."""
    kind: Kind = table.choice("kind", get_args(Kind)) if base is None or "kind" in table else base.kind
    known = base or Recipe(kind=kind)
    made = replace(known, kind=kind, **{name: read(table, name) for name, read in _READERS.items() if name in table})
    if base is not None and made.kind != base.kind and "inputs" not in table:
        made = replace(made, inputs=FIXED.get(kind, ()))
    _check(table, made)
    return made


def check_changes(table: Table) -> None:
    """Refuse what no recipe may say, whatever it is laid over. Raises DocumentError."""
    if "kind" in table:
        table.choice("kind", get_args(Kind))
    for name, read in _READERS.items():
        if name in table:
            read(table, name)
    table.finish()


def write_recipe(recipe: Recipe, base: Recipe | None = None) -> dict[str, Any]:
    """The table that reads back as the recipe over `base`, as values of TOML."""
    known = base or Recipe(kind=recipe.kind)
    table: dict[str, Any] = {} if base is not None and base.kind == recipe.kind else {"kind": recipe.kind}
    if base is not None and base.kind != recipe.kind:
        known = replace(known, inputs=FIXED.get(recipe.kind, ()))
    for field in fields(Recipe):
        value = getattr(recipe, field.name)
        if field.name != "kind" and value != getattr(known, field.name):
            table[field.name] = _plain(value)
    return table


def changes(old: Recipe, new: Recipe) -> Iterator[tuple[str, str, str]]:
    """Each key in which two recipes differ, with what it was and what it is, as one line each."""
    for field in fields(Recipe):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if was != now:
            yield field.name, _shown(was), _shown(now)


def _shown(value: object) -> str:
    import json

    return "none" if value in ("", ()) else json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: object) -> Any:
    """A value of a recipe as TOML has it."""
    if isinstance(value, Sampling):
        steps = {name: getattr(value, name) for name in ("temperature", "top_p", "top_k", "min_p")}
        return {name: step for name, step in steps.items() if step is not None}
    if isinstance(value, Input):
        table: dict[str, Any] = {"name": value.name}
        table |= {"required": False} if not value.required else {}
        table |= {name: True for name, flag in (("list", value.is_list), ("image", value.is_image)) if flag}
        table |= {"main": True} if value.main else {}
        return table | ({"separator": value.separator} if value.separator != Input(name="").separator else {})
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _template(table: Table, key: str) -> str:
    text = table.string(key)
    if len(text) > MAX_TEMPLATE_CHARS:
        raise table.fail(key, f"is longer than {MAX_TEMPLATE_CHARS:,} characters")
    return text


def _stops(table: Table, key: str) -> tuple[str, ...]:
    """A list of strings, where one of nothing but line ends is a stop as well."""
    values = table.rows(key)
    if len(values) > MAX_STOPS:
        raise table.fail(key, f"expected at most {MAX_STOPS} strings")
    for index, value in enumerate(values):
        if not isinstance(value, str) or not 0 < len(value) <= MAX_STOP_CHARS:
            raise DocumentError(f"{table.at(key)}[{index}]", f"expected a string of 1 to {MAX_STOP_CHARS} characters")
    return tuple(values)


def _tokens(table: Table, key: str) -> int:
    return table.integer(key, low=1, high=MAX_TOKENS)


def _flag(table: Table, key: str) -> bool:
    return table.flag_or(key, False)


def _word(known: object) -> Callable[[Table, str], Any]:
    """A reader of one of the words of a Literal; the empty string where that is one of them."""
    words = get_args(known)

    def read(table: Table, key: str) -> Any:
        return "" if "" in words and table.string(key) == "" else table.choice(key, tuple(filter(None, words)))

    return read


def _sampling(table: Table, key: str) -> Sampling:
    inner = table.table(key)
    sampling = Sampling(
        temperature=_between(inner, "temperature", 0.0, MAX_TEMPERATURE),
        top_p=_between(inner, "top_p", 0.0, 1.0) if "top_p" in inner else None,
        top_k=inner.integer("top_k", high=MAX_TOP_K) if "top_k" in inner else None,
        min_p=_between(inner, "min_p", 0.0, 1.0) if "min_p" in inner else None,
    )
    inner.finish()
    return sampling


def _between(table: Table, key: str, low: float, high: float) -> float:
    value = table.number(key)
    if not low <= value <= high:
        raise table.fail(key, f"expected a number from {low:g} to {high:g}")
    return value


def _inputs(table: Table, key: str) -> tuple[Input, ...]:
    items = table.tables(key)
    if not 0 < len(items) <= MAX_INPUTS:
        raise table.fail(key, f"expected 1 to {MAX_INPUTS} inputs")
    found: list[Input] = []
    for item in items:
        name = item.text("name")
        if not NAMED.fullmatch(f"{{{name}}}"):
            raise item.fail("name", "expected a word of lower-case letters, digits and `_`")
        if any(name == other.name for other in found):
            raise item.fail("name", f"`{name}` is there twice")
        found.append(
            Input(
                name=name,
                required=item.flag_or("required", True),
                is_list=item.flag_or("list", False),
                is_image=item.flag_or("image", False),
                main=item.flag_or("main", False),
                separator=item.string("separator") if "separator" in item else Input(name="").separator,
            )
        )
        item.finish()
    if sum(item.main for item in found) != 1:
        raise table.fail(key, "expected one input that is the `main` one")
    return tuple(found)


_READERS: Final[Mapping[str, Callable[[Table, str], Any]]] = {
    "inputs": _inputs,
    "system": _template,
    "user": _template,
    "raw": _flag,
    "system_role": _flag,
    "stop": _stops,
    "mode": _word(Mode),
    "sampling": _sampling,
    "max_tokens": _tokens,
    "thinking_tokens": _tokens,
    "grammar": _word(Grammar),
    "values": _flag,
    "query_prefix": _template,
    "document_prefix": _template,
    "pooling": _word(Pooling),
    "normalize": _flag,
}


def _check(table: Table, recipe: Recipe) -> None:
    """Refuse a template that does not go with the inputs."""
    if recipe.kind not in WRITING:
        if recipe.inputs != FIXED[recipe.kind]:
            raise table.fail("inputs", f"a recipe of the kind `{recipe.kind}` has those of its kind")
        return
    if not recipe.inputs:
        raise table.missing("inputs", "what the recipe is given")
    texts = {item.name for item in recipe.inputs if not item.is_image}
    for key, template in (("system", recipe.system), ("user", recipe.user)):
        if strange := [name for name in NAMED.findall(template) if name not in texts]:
            raise table.fail(key, f"`{{{strange[0]}}}` is not one of its inputs: {', '.join(sorted(texts))}")
    used = set(NAMED.findall(recipe.system + recipe.user))
    if unused := [
        item.name for item in recipe.inputs if item.name in texts and item.required and item.name not in used
    ]:
        raise table.fail("user", f"expected `{{{unused[0]}}}` in it")

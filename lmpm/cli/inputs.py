"""The inputs of a recipe as options of a command: by their own names, from files, from a pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.errors import SpecError, did_you_mean, nearest
from lmpm.fs import disk_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.recipe import Input, Recipe

FILES: Final = frozenset({"schema", "documents"})  # inputs whose option names a file
MAX_INPUT_BYTES: Final = 64 * 1024 * 1024

Given = dict[str, str | tuple[str, ...]]


def parse(words: Sequence[str], recipe: Recipe, *, others: Sequence[str] = ()) -> Given:
    """The inputs among the words of a command line: `--name value`, `--name=value`, and the main one bare.

    Raises SpecError for an option that is neither an input nor one of `others`, which the command itself has.
    """
    given: Given = {}
    main: list[str] = []
    rest = [*words]
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == "--":
            main.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        item = recipe.input(name.replace("-", "_"))
        if item is None:
            raise _unknown(name, recipe, others)
        if not equals:
            if not rest:
                raise SpecError(f"`--{name}` needs a value")
            value = rest.pop(0)
        given[item.name] = read(item, value)
    if main and recipe.main is None:
        raise SpecError(f"`{main[0]}` is not an option of this model", hint=_listing(recipe))
    if main and recipe.main:
        if len(main) > 1 and not recipe.main.is_list:
            raise SpecError(
                f"There is more than one text: `{main[0]}` and `{main[1]}`", hint="Put quotes around a text with spaces"
            )
        found = [read(recipe.main, word) for word in main]
        texts = [text for one in found for text in ([one] if isinstance(one, str) else one)]
        given[recipe.main.name] = tuple(texts) if recipe.main.is_list else texts[0]
    return given


def read(item: Input, value: str) -> str | tuple[str, ...]:
    """The value of an input: `@file` and the inputs of FILES are read, `-` is stdin, lists are split."""
    if value == "-":
        text, is_file = read_stdin(), True
    elif value.startswith("@") and len(value) > 1:
        text, is_file = _file(Path(value[1:])), True
    elif item.name in FILES and not _is_text(value):
        text, is_file = _file(Path(value)), True
    else:
        text, is_file = value, False
    if not item.is_list:
        return text if item.name == "schema" else text.rstrip("\n") if is_file else text
    if is_file:
        return tuple(line for line in text.splitlines() if line.strip())
    return (text,) if item.main else tuple(part.strip() for part in text.split(",") if part.strip())


def read_stdin() -> str:
    """What is piped in, whole. Raises SpecError where it is not text."""
    if sys.stdin is None:
        raise SpecError("There is nothing to read: stdin is closed")
    try:
        return sys.stdin.buffer.read(MAX_INPUT_BYTES).decode()
    except UnicodeDecodeError as error:
        raise SpecError("What is piped in is not UTF-8 text") from error


def is_piped() -> bool:
    """Whether something is piped in."""
    return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()


def _is_text(value: str) -> bool:
    """Whether a value that may name a file is rather the text itself: a statement, or several lines."""
    return "\n" in value or value.lstrip().lower().startswith("create ")


def _file(path: Path) -> str:
    path = path.expanduser()
    if not path.is_file():
        raise SpecError(f"There is no file `{path}`")
    with disk_errors(path):
        if path.stat().st_size > MAX_INPUT_BYTES:
            raise SpecError(f"`{path}` is too long to be asked about")
        try:
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise SpecError(f"`{path}` is not UTF-8 text") from error


def _unknown(name: str, recipe: Recipe, others: Sequence[str]) -> SpecError:
    near = nearest(name, [*(item.name for item in recipe.inputs), *others], most=1)
    hint = " ".join(filter(None, (did_you_mean([f"--{one}" for one in near]), _listing(recipe))))
    return SpecError(f"There is no option `--{name}`", hint=hint)


def _listing(recipe: Recipe) -> str:
    named = [f"`--{item.name}`" for item in recipe.inputs if not item.main]
    return f"This model is asked by {', '.join(['a text', *named]) if recipe.main else ', '.join(named)}"

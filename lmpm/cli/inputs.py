"""The inputs of a recipe as options of a command: by their own names, from files, from a pipe."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from lmpm.errors import SpecError, did_you_mean, nearest
from lmpm.fs import disk_errors
from lmpm.units import human

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


def usage(recipe: Recipe) -> str:
    """What a recipe is given, as it is typed: `--schema FILE QUESTION`."""
    words = [_option(item) for item in recipe.inputs if not item.main]
    main = recipe.main
    return " ".join([*words, f"{main.name.upper()}{'...' if main.is_list else ''}"] if main else words)


def _option(item: Input) -> str:
    value = "FILE" if item.name in FILES or item.is_image else "A,B" if item.is_list else "TEXT"
    text = f"--{item.name.replace('_', '-')} {value}"
    return text if item.required else f"[{text}]"


def require(recipe: Recipe, given: Given) -> None:
    """Refuse to ask without what a recipe needs, before anything is loaded. Raises SpecError."""
    lacking = [item for item in recipe.inputs if item.required and not item.main and item.name not in given]
    if lacking:
        raise SpecError(f"`--{lacking[0].name}` is missing", hint=f"This model is asked by {usage(recipe)}")


def read(item: Input, value: str) -> str | tuple[str, ...]:
    """The value of an input: `@file` and the inputs of FILES are read, `-` is stdin, lists are split."""
    if not value.strip() and not item.main:
        raise SpecError(f"`--{item.name}` is empty")
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
    """What is piped in, whole. Raises SpecError where it is not text, or too long."""
    if sys.stdin is None:
        raise SpecError("There is nothing to read: stdin is closed")
    return _text(sys.stdin.buffer, "What is piped in")


def is_piped() -> bool:
    """Whether something is piped in."""
    return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()


def _is_text(value: str) -> bool:
    """Whether a value that may name a file is rather the text itself: a statement, or several lines."""
    return "\n" in value or value.lstrip().lower().startswith("create ")


def _file(path: Path) -> str:
    """The text of a file, or of a pipe such as a shell makes of `<(pg_dump ...)`."""
    path = path.expanduser()
    with disk_errors(path, "read"):
        if not path.exists():
            raise SpecError(f"There is no file `{path}`")
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise SpecError(f"`{path}` is a {'directory' if stat.S_ISDIR(mode) else 'device'}, expected a text file")
        with path.open("rb") as file:
            return _text(file, f"`{path}`")


def _text(file: BinaryIO, what: str) -> str:
    """What there is to read, whole. Raises SpecError where it is not text, or too long."""
    data = file.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise SpecError(f"{what} is too long to be asked about: more than {human(MAX_INPUT_BYTES)}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"{what} is not UTF-8 text") from error
    if "\0" in text:
        raise SpecError(f"{what} is not text: it has a zero byte in it")
    return text


def _unknown(name: str, recipe: Recipe, others: Sequence[str]) -> SpecError:
    near = nearest(name, [*(item.name for item in recipe.inputs), *others], most=1)
    hint = " ".join(filter(None, (did_you_mean([f"--{one}" for one in near]), _listing(recipe))))
    return SpecError(f"There is no option `--{name}`", hint=hint)


def _listing(recipe: Recipe) -> str:
    named = [f"`--{item.name}`" for item in recipe.inputs if not item.main]
    return f"This model is asked by {', '.join(['a text', *named]) if recipe.main else ', '.join(named)}"

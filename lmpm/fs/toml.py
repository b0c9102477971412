"""Reads TOML files within limits, every mistake with its line, and writes TOML values on one line."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import DiskError
from lmpm.fs.atomic import disk_error
from lmpm.fs.document import DocumentError
from lmpm.fs.rules import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Scalar = str | int | float | bool

_MARKER: Final = r"(?m)^(?:<{7}|\|{7}|={7}|>{7})(?: |\r?$)"
_POSITION: Final = r" \(at (?:line (\d+), column (\d+)|end of document)\)$"
_TWICE: Final = r"cannot overwrite a value|cannot declare \(.*\) twice|duplicate inline table key"
# tomllib takes quadratic time for a.a.a.a...: 10 s for 1 MiB of keys with 500 parts
# converting a float of 3 MB takes 11 s, matching an integer of 3 MB takes 370 MB
_LONG_NUMBER: Final = r"(?<![\w.])[0-9][0-9a-fA-Fxob_.]{399}"
_DEEP_KEY: Final = r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')\s*+\.\s*+){24}"""


class ConflictError(DocumentError):
    """The text holds the markers of a merge conflict."""


def read_text(path: Path, limit: int) -> str:
    """The UTF-8 text of a regular file of at most `limit` bytes, its line ends as they are.

    Raises FileNotFoundError, DocumentError when the content is not such text, and DiskError.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for its writer
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise DiskError(f"`{printable(str(path))}` is not a regular file", path=path)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise disk_error(error, path, "read") from error
    if len(data) > limit:
        raise DocumentError("", f"is larger than {limit} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError(f"line {line}", "is not UTF-8 text") from None


def parse(text: str, limit: int) -> dict[str, Any]:
    """The document in `text`. A byte order mark and CRLF are let pass. Raises DocumentError."""
    text = text.removeprefix("\ufeff")
    if len(text) > limit:
        raise DocumentError("", f"is larger than {limit} bytes")
    if "\0" in text:
        raise DocumentError(_line(text, text.index("\0")), "holds a NUL character, expected text")
    if deep := re.search(_DEEP_KEY, text):
        raise DocumentError(_line(text, deep.start()), "holds a key of too many parts")
    if long := re.search(_LONG_NUMBER, text):
        raise DocumentError(_line(text, long.start()), "holds a number of too many digits")
    if not text:
        return {}
    import tomllib  # not needed where there is no file yet

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise DocumentError("", "is nested too deeply") from None
    except ValueError as error:
        if marker := re.search(_MARKER, text):
            raise ConflictError(_line(text, marker.start()), "holds the markers of a merge conflict") from None
        raise _syntax_error(str(error)) from None


def describe(error: Exception, name: str) -> str:
    """What is wrong with the document `name`, and where, in one line."""
    place, problem = (error.place, error.problem) if isinstance(error, DocumentError) else ("", str(error))
    place, problem = printable(place)[:200], printable(problem)[:300]
    if not place:
        return f"`{name}` is not valid: {problem}"
    if place.startswith(("line ", "end of file")):
        return f"`{name}` is not valid at {place}: {problem}"
    return f"`{name}` is not valid: `{place}` {problem}"


def value(item: Scalar) -> str:
    """A string, number, or truth value as TOML writes it."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, str):
        # a JSON string is a basic string of TOML, except for DEL
        return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007F")
    return repr(item)


def inline_table(items: Mapping[str, Scalar]) -> str:
    """`{ context = 8192, task = "text-to-sql" }`, in the order of `items`. Keys must be bare."""
    return "{ " + ", ".join(f"{key} = {value(item)}" for key, item in items.items()) + " }"


def nested(item: Any) -> str:
    """A value that may be a list or a table, in one line. Keys must be bare."""
    if isinstance(item, dict):
        return "{ " + ", ".join(f"{key} = {nested(inner)}" for key, inner in item.items()) + " }"
    if isinstance(item, (list, tuple)):
        return f"[{', '.join(map(nested, item))}]"
    return value(item)


def _line(text: str, offset: int) -> str:
    return f"line {text.count(chr(10), 0, offset) + 1}"


def _syntax_error(message: str) -> DocumentError:
    found = re.search(_POSITION, message)
    problem = printable(re.sub(_POSITION, "", message))[:200]
    problem = problem[:1].lower() + problem[1:]
    if re.match(_TWICE, problem):
        problem = "gives a key a second time"
    if found is None:
        return DocumentError("", problem)
    place = f"line {found[1]}, column {found[2]}" if found[1] else "end of file"
    return DocumentError(place, problem)

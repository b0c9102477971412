"""What a name, path, commit or digest may look like: one set of rules for every boundary and every system.

A value is refused, never repaired. The errors say what was expected and never quote the value, which may
be a URL with a token in it. Paths obey the rules of POSIX and of Windows everywhere, so that a lock
which works here works on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from lmpm.limits import MAX_NAME_CHARS, MAX_PATH_CHARS, MAX_REPO_CHARS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.fs.document import Table

MAX_LINE_CHARS: Final = 1024
MAX_URL_CHARS: Final = 2048
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_PART_BYTES: Final = 255  # of one directory or file name, on every file system in use

_REPO: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*"
_REVISION: Final = r"[0-9a-f]{40}"
_OBJECT_ID: Final = r"[0-9a-f]{24}"
_URL: Final = r"https?://[!$->@-~]+"  # printable ASCII without `"`, `#` and `?`
_NO_HEX: Final = r"[^0-9a-f]"
_SHA256: Final = r"[0-9a-f]{64}"
_NAME: Final = r"[^\W_][\w.-]*"
_NOT_IN_PATHS: Final = frozenset('\\:*?"<>|')
_DEVICE: Final = r"(?i)(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])"
# control, format (bidi marks, zero-width), surrogate, line separator, paragraph separator
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def repo_id(text: object) -> str:
    """A repository on the Hub: `org/name`."""
    value = _text(text, "a repository like `org/name`", MAX_REPO_CHARS)
    if not re.fullmatch(_REPO, value) or "--" in value or ".." in value:
        raise ValueError("expected a repository like `org/name` of letters, digits, `-`, `_` and `.`")
    if any(part.endswith((".", "-", ".git")) for part in value.split("/")):
        raise ValueError("expected a repository like `org/name`, which ends with a letter or a digit")
    return value


def file_path(text: object) -> str:
    """The path of a model file inside its repository, with `/` between its parts."""
    value = repository_path(text)
    if not value.lower().endswith(".gguf"):
        raise ValueError("expected the path of a `.gguf` file")
    return value


def repository_path(text: object) -> str:
    """The path of any file inside its repository, with `/` between its parts."""
    value = _text(text, "the path of a file", MAX_PATH_CHARS)
    _check_path(value, "repository")
    return value


def project_path(text: object) -> str:
    """The path of a file of the project, from its directory, with `/` between its parts."""
    value = _text(text, "the path of a file in the project", MAX_PATH_CHARS)
    _check_path(value, "project")
    return value


def _check_path(value: str, room: str) -> None:
    """Raise ValueError unless a path is one on every system, and stays inside of what it begins in."""
    if any(_is_hidden(char) for char in value):
        raise ValueError("expected a path of printable characters")
    if refused := sorted(_NOT_IN_PATHS.intersection(value)):
        raise ValueError(f"expected a path without `{refused[0]}`")
    if value.startswith("/"):
        raise ValueError(f"expected a path inside the {room}, found an absolute one")
    for part in value.split("/"):
        _check_part(part, room)


def _check_part(part: str, room: str) -> None:
    if part in ("", ".", ".."):
        found = f"`{part}`" if part else "an empty name"
        raise ValueError(f"expected a path inside the {room}, found {found} in it")
    if part != part.strip(" ") or part.endswith("."):
        raise ValueError("expected names that neither end with `.` nor begin or end with a space")
    if len(part.encode()) > MAX_PART_BYTES:
        raise ValueError(f"expected names of at most {MAX_PART_BYTES} bytes")
    if re.fullmatch(_DEVICE, part.split(".")[0].rstrip(" ")):
        raise ValueError("expected a file name, found the name of a Windows device such as `CON` or `NUL`")


def revision(text: object) -> str:
    """A commit of a repository: 40 lower-case hex digits. A branch or a tag may move, so neither is one."""
    return _digest(text, _REVISION, "a commit of 40 lower-case hex digits")


def sha256(text: object) -> str:
    """A SHA-256 as 64 lower-case hex digits, without a prefix."""
    return _digest(text, _SHA256, "64 lower-case hex digits")


def object_id(text: object) -> str:
    """What the Hub calls a repository whatever its name: 24 lower-case hex digits."""
    return _digest(text, _OBJECT_ID, "24 lower-case hex digits")


def file_url(text: object) -> str:
    """The URL of a file: `https`, or `http` on this machine; without user name, password, query or fragment."""
    from urllib.parse import unquote, urlsplit  # not needed by most commands

    value = _text(text, "an https URL of a file", MAX_URL_CHARS)
    if not re.fullmatch(_URL, value):
        raise ValueError("expected an https URL of a file, without a password, `?` or `#` in it")
    url = urlsplit(value)
    if url.scheme != "https" and url.hostname not in LOOPBACK:
        raise ValueError("expected an `https` URL")
    if not url.hostname or "@" in url.netloc:
        raise ValueError("expected an https URL of a file, without a user name or password in it")
    file_path(unquote(url.path.rpartition("/")[2]))
    return value


def model_name(text: object) -> str:
    """The name of a model or target in `lmpm.toml`, or of a task. Letters may be those of any language."""
    expected = "a name of letters, digits, `-`, `_` and `.`, which begins with a letter or digit and ends without `.`"
    value = _text(text, expected, MAX_NAME_CHARS)
    if re.fullmatch(_DEVICE, value.split(".")[0]):
        raise ValueError("expected a name other than those of Windows devices, such as `con` or `nul`")
    if not re.fullmatch(_NAME, value) or value.endswith(".") or not unicodedata.is_normalized("NFC", value):
        raise ValueError(f"expected {expected}")
    return value


def line(text: object) -> str:
    """One line of printable text: a title, a quant, a licence."""
    value = _text(text, "one line of text", MAX_LINE_CHARS)
    if not value.strip() or any(_is_hidden(char) for char in value):
        raise ValueError("expected one line of printable text")
    return value


def field(table: Table, key: str, rule: Callable[[object], str]) -> str:
    """The string at `key` of a document, checked by one of the rules above; an error names its place."""
    value = table.text(key)
    try:
        return rule(value)
    except ValueError as error:
        raise table.fail(key, str(error)) from error


def printable(text: str) -> str:
    """The text with control, escape, bidi and other hidden characters shown as escapes.

    For everything on its way to a terminal that came from the network, a file or the user. A line break
    is hidden too: text of several lines is split first.
    """
    if text.isprintable():
        return text
    return "".join(char.encode("unicode_escape").decode("ascii") if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN


def _text(value: object, expected: str, limit: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected {expected}, found no text")  # noqa: TRY004 - one error for every refusal
    if not value:
        raise ValueError(f"expected {expected}, found nothing")
    if len(value) > limit:
        raise ValueError(f"expected {expected}, found {len(value)} characters of at most {limit}")
    return value


def _digest(value: object, form: str, expected: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(form, value):
        found = f"{len(value)} characters" if isinstance(value, str) else "no text"
        if isinstance(value, str) and re.fullmatch(form, value.lower()):
            found = "upper-case letters"
        elif isinstance(value, str) and re.fullmatch(form, re.sub(_NO_HEX, "0", value)):
            found = f"`{printable(re.findall(_NO_HEX, value)[0])}` among them"
        raise ValueError(f"expected {expected}, found {found}")
    return value

"""What a chat template may do to whoever renders it, told from its syntax tree. It is never rendered.

Every runtime that is given the file renders its template: in a sandbox where it is careful, without one where it is
not. A template that reaches for the inside of Python is an attempt to run code (CVE-2024-34359 of llama-cpp-python).
One that looks for words in what a user writes, and then says something of its own, puts words in the user's mouth.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lmpm.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import nodes

Kind = Literal["missing", "syntax", "code", "branch", "order", "hidden", "differs"]
Severity = Literal["error", "warning"]

SEVERITY: Final[dict[Kind, Severity]] = {
    "code": "error",  # reaches for what code can be run with
    "branch": "warning",  # has orders or links of its own for messages that hold certain words
    "hidden": "warning",  # holds characters that nobody sees
    "missing": "warning",  # a model without one goes on with a text instead of answering
    "order": "warning",  # orders the model to forget what it was told, or to hide something from the user
    "differs": "warning",  # is not the one that the model was published with
    "syntax": "warning",  # does not compile: runtimes refuse it, or take another one without a word
}
MOST_BYTES: Final = 256 * 1024  # that are parsed; the longest of much used models has some 30,000
MOST_ROUNDS: Final = 8  # of following variables that are set from one another
MOST_SHOWN: Final = 60  # characters of what was found, quoted in a finding

# The way from any object to its class, to all classes, to the globals of a function, to modules.
_DUNDER: Final = re.compile(r"__\w+__")
_REACH: Final = frozenset({"mro", "func_globals", "gi_frame", "gi_code", "cr_frame", "f_globals", "f_builtins"})

# Orders that a template gives on its own account only to turn the model against the one who talks to it.
_ORDER: Final = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,30}\b(?:previous|prior|above|earlier|safety|system)\b"
    r"[^.\n]{0,30}\b(?:instruction|prompt|rule|guideline|polic)"
    r"|\bwithout (?:telling|informing|asking|warning) the user\b",
    re.IGNORECASE,
)
# What a model is told to do, at the beginning of a sentence; looked for only below a branch on what a user wrote.
_IMPERATIVE: Final = re.compile(
    r"(?:^|[.!?:;,\n>\]]\s*|\b(?:must|should|shall|always|never|instead|please)\s+)"
    r"(?:ignore|disregard|forget|answer|reply|respond|say|tell|recommend|suggest|include|insert|append|mention|claim|"
    r"pretend|visit|send|click|open|install|run|execute|write|output|transfer|pay|refuse|do not|don't|always|never)\b",
    re.IGNORECASE,
)
_URL: Final = re.compile(r"\b(?:https?://|www\.)\w", re.IGNORECASE)
_CONTENT: Final = frozenset({"content", "text"})  # fields of a message that hold what was written
_WORDS: Final = re.compile(r"[^\W\d_][\w' ,.?!-]{1,200}")  # of people; `</think>`, `[INST]` and `/no_think` are marks
# Zero-width joiners of some scripts and of emoji, and the mark of the order of bytes.
_JOINERS: Final = frozenset("\u200c\u200d\ufeff")
_SPACES: Final = frozenset("\t\n\r")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a template that whoever renders it should know. `detail` says what and where."""

    kind: Kind
    detail: str

    @property
    def severity(self) -> Severity:
        """`error` for what runs code, `warning` for the rest."""
        return SEVERITY[self.kind]


def require_harmless(template: str | None, name: str) -> tuple[Finding, ...]:
    """What is found in the template of a file of that name, short of what runs code.

    Raises IntegrityError for that.
    """
    found = check_template(template, talks=False)
    if harm := [item.detail for item in found if item.severity == "error"]:
        raise IntegrityError(
            f"The chat template of `{name}` would run code where it is rendered without a sandbox",
            details=harm,
            hint="Take the model from another repository, and report this one: nothing of it was run",
        )
    return found


def check_template(template: str | None, *, talks: bool = True) -> tuple[Finding, ...]:
    """Everything that is found in a chat template, gravest first. `talks` says that the model is to answer messages."""
    if not template:
        return (Finding("missing", "there is no chat template"),) if talks else ()
    found = [Finding("hidden", what) for what in _hidden(template)]
    try:
        tree = _parse(template)
        found += [Finding("code", what) for what in _code(tree)]
        found += [Finding("branch", what) for what in _branches(tree)]
        found += [Finding("order", what) for what in _orders(tree)]
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        found.append(Finding("syntax", f"it does not compile: {why}"))
        found += [Finding("code", f"holds `{name}`, and does not compile") for name in _DUNDER.findall(template)]
    return tuple(sorted(dict.fromkeys(found), key=lambda item: list(SEVERITY).index(item.kind)))


def _parse(template: str) -> nodes.Template:
    """The syntax tree, in the dialect of transformers. Raises ValueError where there is none."""
    from jinja2 import Environment, TemplateError, nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        """`{% generation %}...{% endgeneration %}` around what the assistant says."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    if len(template) > MOST_BYTES:
        raise ValueError(f"it has {len(template):,} characters")
    environment = Environment(  # noqa: S701 - nothing is rendered
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", Generation]
    )
    try:
        return environment.parse(template)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise ValueError(f"{f'line {line}: ' if line else ''}{_quoted(error.message or '')}") from error


def _code(tree: nodes.Template) -> Iterator[str]:
    """Access to what is inside Python, by attribute, by item, by a name in a string, and to other files."""
    from jinja2 import nodes

    for node in tree.find_all(nodes.Expr):
        if isinstance(node, nodes.Getattr):
            text = node.attr
        else:
            text = node.name if isinstance(node, nodes.Name) else _constant(node) or ""
        if _DUNDER.search(text) or (text in _REACH and isinstance(node, nodes.Getattr)):
            yield _at(node, f"reaches for {_quoted(text)}")
        if isinstance(node, nodes.Filter) and node.name == "attr" and not (node.args and _constant(node.args[0])):
            yield _at(node, "takes an attribute that it does not name")
    for outside in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        yield _at(outside, "takes in another file")


def _constant(node: nodes.Node) -> str | None:
    """The text that an expression stands for, also one that is put together: `'__cla' ~ 'ss__'`."""
    from jinja2 import nodes

    if isinstance(node, nodes.Const):
        return node.value if isinstance(node.value, str) else None
    parts = [node.left, node.right] if isinstance(node, nodes.Add) else []
    parts = node.nodes if isinstance(node, nodes.Concat) else parts
    texts = [_constant(part) for part in parts]
    return "".join(text for text in texts if text) if parts and None not in texts else None


def _branches(tree: nodes.Template) -> Iterator[str]:
    """Branches on words in what was written, below which the template has orders or links of its own."""
    from jinja2 import nodes

    written = _variables_of_content(tree)
    branches: list[nodes.If | nodes.CondExpr] = [*tree.find_all(nodes.If), *tree.find_all(nodes.CondExpr)]
    for branch in branches:
        words = _looks_for(branch.test, written)
        if words is None:
            continue
        bodies = (
            [*branch.body, *branch.else_] if isinstance(branch, nodes.If) else [branch.expr1, branch.expr2 or branch]
        )
        said = next((text for text in _texts(bodies) if _turns(text)), None)
        if said is not None:
            yield _at(branch, f"looks for {_quoted(words)} in a message, and then says {_quoted(said)}")
    changes: list[nodes.Filter | nodes.Call] = [*tree.find_all(nodes.Filter), *tree.find_all(nodes.Call)]
    for change in changes:
        if said := _replaces(change, written):
            yield _at(change, f"puts {_quoted(said)} into a message")


def _turns(text: str) -> bool:
    return bool(_IMPERATIVE.search(text.strip()) or _URL.search(text) or _ORDER.search(text))


def _replaces(node: nodes.Filter | nodes.Call, written: frozenset[str]) -> str | None:
    """The order or link that a `replace` puts in the place of words of a message."""
    from jinja2 import nodes

    if isinstance(node, nodes.Filter):
        is_one, source = node.name == "replace", node.node
    else:
        called = node.node
        is_one = isinstance(called, nodes.Getattr) and called.attr == "replace"
        source = called.node if isinstance(called, nodes.Getattr) else None
    if not is_one or source is None or not _is_content(source, written):
        return None
    return next((text for argument in node.args[1:] if (text := _constant(argument)) and _turns(text)), None)


def _variables_of_content(tree: nodes.Template) -> frozenset[str]:
    """Variables that are set from what a message says, directly or through one another; `ns.name` in a namespace."""
    from jinja2 import nodes

    found: set[str] = set()
    for _ in range(MOST_ROUNDS):
        before = len(found)
        for node in tree.find_all((nodes.Assign, nodes.For)):
            known = frozenset(found)
            if isinstance(node, nodes.Assign) and _is_content(node.node, known):
                found |= set(_names(node.target))
            elif isinstance(node, nodes.For) and not _is_field(node.iter) and _is_content(node.iter, known):
                found |= set(_names(node.target))  # lines of a text; the parts of a message name their `text`
        if len(found) == before:
            break
    return frozenset(found)


def _names(target: nodes.Node) -> Iterator[str]:
    from jinja2 import nodes

    for node in (target, *target.find_all((nodes.Name, nodes.NSRef))):
        if isinstance(node, nodes.NSRef):
            yield f"{node.name}.{node.attr}"
        elif isinstance(node, nodes.Name):
            yield node.name


def _is_field(node: nodes.Node) -> bool:
    """`message.content`, `message['content']`."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getattr):
        return node.attr in _CONTENT
    return isinstance(node, nodes.Getitem) and _constant(node.arg) in _CONTENT


def _is_content(node: nodes.Node, written: frozenset[str]) -> bool:
    """Whether an expression is taken from what a message says."""
    from jinja2 import nodes

    for item in (node, *node.find_all(nodes.Expr)):
        if _is_field(item) or (isinstance(item, nodes.Name) and item.name in written):
            return True
        if isinstance(item, nodes.Filter) and _is_whole_talk(item):
            return True
        if isinstance(item, nodes.Getattr) and f"{getattr(item.node, 'name', '')}.{item.attr}" in written:
            return True
    return False


def _is_whole_talk(node: nodes.Filter) -> bool:
    """`messages | tojson`, `messages | map(attribute='content')`."""
    from jinja2 import nodes

    if node.name in ("tojson", "string"):
        return isinstance(node.node, nodes.Name) and node.node.name == "messages"
    return node.name == "map" and any(_constant(item.value) in _CONTENT for item in node.kwargs)


def _looks_for(test: nodes.Node, written: frozenset[str]) -> str | None:
    """Words of people that a condition looks for in what was written; None where it does not."""
    from jinja2 import nodes

    for item in (test, *test.find_all((nodes.Compare, nodes.Call, nodes.Test))):
        if not isinstance(item, nodes.Compare | nodes.Call | nodes.Test) or not _is_content(item, written):
            continue
        for constant in item.find_all(nodes.Const):
            if isinstance(constant.value, str) and constant.value not in _CONTENT and _WORDS.fullmatch(constant.value):
                return constant.value
    return None


def _texts(body: Iterable[nodes.Node]) -> Iterator[str]:
    """What a block says: its text, and its strings."""
    from jinja2 import nodes

    for node in body:
        for item in (node, *node.find_all((nodes.TemplateData, nodes.Const))):
            if isinstance(item, nodes.TemplateData):
                yield item.data
            elif isinstance(item, nodes.Const) and isinstance(item.value, str):
                yield item.value


def _orders(tree: nodes.Template) -> Iterator[str]:
    """Orders to forget what was asked, or to hide something, wherever they stand."""
    for text in _texts(tree.body):
        if match := _ORDER.search(text):
            yield f"says {_quoted(match.group())}"


def _hidden(template: str) -> Iterator[str]:
    """The first character that is not seen, or that turns the direction of what is."""
    for place, letter in enumerate(template):
        is_format = unicodedata.category(letter) in ("Cf", "Cc") and letter not in _JOINERS | _SPACES
        if is_format or 0xE0100 <= ord(letter) <= 0xE01EF:  # variation selectors that no letter has
            name = unicodedata.name(letter, "a control character")
            yield f"line {template.count(chr(10), 0, place) + 1} holds U+{ord(letter):04X}, {name.lower()}"
            return


def _at(node: nodes.Node, what: str) -> str:
    return f"line {node.lineno} {what}"


def _quoted(text: str) -> str:
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()).replace("`", "'")
    return f"`{plain[:MOST_SHOWN]}{'…' if len(plain) > MOST_SHOWN else ''}`"

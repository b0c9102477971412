"""Edits `lmpm.toml`, or `[tool.lmpm]` of `pyproject.toml`, and leaves everything else as people wrote it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from lmpm.errors import ManifestError
from lmpm.fs import toml
from lmpm.limits import GIB, MAX_MANIFEST_BYTES, MIB
from lmpm.project.manifest import MANIFEST_NAME, PYPROJECT, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.project.manifest import Manifest, ManifestModel

MANIFEST_HEADER: Final = """\
# The models of this project. `lmpm install` adds a line and pins it in `lmpm.lock`: commit both files.
"""


def add_model(text: str, model: ManifestModel, *, file: str = MANIFEST_NAME) -> str:
    """The text of the manifest `file` with `model` added or replaced, everything else as people wrote it.

    An empty text becomes a new manifest. Raises ManifestError.
    """
    before = parse_manifest(text, name=file)
    if before.models.get(model.name) == model:
        return text
    edited = _edit(text, lambda body: _with_model(body, model, file), file)
    return _checked(edited, replace(before, models={**before.models, model.name: model}), text, file)


def remove_model(text: str, name: str, *, file: str = MANIFEST_NAME) -> str:
    """The text of a manifest without the model `name`. Raises UnknownNameError and ManifestError."""
    before = parse_manifest(text, name=file)
    before.find(name)
    edited = _edit(text, lambda body: _without_model(body, name, file), file)
    rest = {known: model for known, model in before.models.items() if known != name}
    return _checked(edited, replace(before, models=rest), text, file)


def model_line(model: ManifestModel) -> str:
    """The line of `[models]` for `model`: `text-to-sql = { task = "text-to-sql", context = 8192 }`."""
    items: dict[str, Any] = {
        key: item
        for key, item in model.requested().items()
        if key != "recipe"  # that is a table of its own
    }
    if model.adapters:
        items["adapters"] = list(model.adapters)
    for key, amount in (("min_speed", model.min_speed), ("max_wait", model.max_wait)):
        if amount is not None and amount.is_integer():
            items[key] = int(amount)
    if model.max_size is not None and model.max_size % MIB == 0:
        unit, name = (GIB, "GiB") if model.max_size % GIB == 0 else (MIB, "MiB")
        items["max_size"] = f"{model.max_size // unit} {name}"
    is_bare = model.name.isascii() and "." not in model.name
    key = model.name if is_bare else toml.value(model.name)
    return f"{key} = {toml.nested(items)}"


def _edit(text: str, change: Callable[[str], str], file: str) -> str:
    """Apply `change` to the text with plain line ends and no byte order mark, and put both back."""
    from tomlkit.exceptions import TOMLKitError

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    try:
        body = change(text.removeprefix(mark).replace("\r\n", "\n"))
    except TOMLKitError as error:
        raise _cannot_be_edited(file) from error
    return mark + (body.replace("\n", "\r\n") if "\r\n" in text else body)


def _own_tables(document: Any, file: str) -> Any:
    """The table that holds `models`: the document itself, or `tool.lmpm` of a `pyproject.toml`."""
    return document["tool"]["lmpm"] if file == PYPROJECT else document


def _with_model(body: str, model: ManifestModel, file: str) -> str:
    import tomlkit
    from tomlkit.items import Table as EditedTable

    if not body.strip():
        return f"{MANIFEST_HEADER}\n[models]\n{model_line(model)}\n"
    document = tomlkit.parse(body if body.endswith("\n") else f"{body}\n")
    models = cast("Any", _own_tables(document, file).get("models"))
    if models is None:
        heading = "[tool.lmpm.models]" if file == PYPROJECT else "[models]"
        return f"{body.rstrip()}\n\n{heading}\n{model_line(model)}\n"
    line = tomlkit.parse(f"{model_line(model)}\n")
    new = cast("Any", line[model.name])
    old = models.get(model.name)
    if isinstance(old, EditedTable) or (old is not None and "recipe" in old):
        _update(old, new)  # [models.chat], its keys on lines of their own, or a line with a recipe in it
    elif model.name not in models and isinstance(models, EditedTable):
        lines = models.value.body
        lines.insert(_place(lines, model.name), line.body[0])
    else:
        models[model.name] = new
    return tomlkit.dumps(document)


def _place(lines: list[Any], name: str) -> int:
    """Where a new key goes: sorted where the others are, so that two branches which each add one merge; else last.

    Comments and blank lines above a key belong to it, those at the end of the table to what follows.
    """
    from tomlkit.items import Comment, Table as EditedTable

    places = [(key.key, at) for at, (key, item) in enumerate(lines) if key and not isinstance(item, EditedTable)]
    names = [key for key, _ in places]
    before = [at for key, at in places if key < name or names != sorted(names)]
    if before:
        return before[-1] + 1
    at = places[0][1] if places else 0
    while at and isinstance(lines[at - 1][1], Comment):
        at -= 1
    return at


def _append(table: Any, key: str, item: Any) -> None:
    """Add after the last key: comments and blank lines at the end of a table belong to what follows it."""
    lines = getattr(table.value, "body", None)
    if lines is None:  # of dotted keys: there is nothing at its end
        table[key] = item
        return
    last = max((index for index, (name, _) in enumerate(lines) if name is not None), default=-1)
    tail = lines[last + 1 :]
    del lines[last + 1 :]
    table[key] = item
    lines.extend(tail)


def _update(table: Any, new: Any) -> None:
    for key in [key for key in table if key not in new and key != "recipe"]:
        del table[key]
    for key, item in new.items():
        if key not in table:
            item.trivia.trail = "\n"
            _append(table, key, item)
        elif table[key] != item:
            table[key] = item


def _without_model(body: str, name: str, file: str) -> str:
    import tomlkit

    document = tomlkit.parse(body)
    del _own_tables(document, file)["models"][name]
    return tomlkit.dumps(document)


def _checked(edited: str, expected: Manifest, before: str, file: str) -> str:
    """The edited text, once it is certain that it says what it should and nothing else changed."""
    try:
        found = parse_manifest(edited, name=file)
    except ManifestError as error:
        raise _cannot_be_edited(file) from error
    if found != expected or (file == PYPROJECT and _others(edited) != _others(before)):
        raise _cannot_be_edited(file)
    return edited


def _others(text: str) -> dict[str, Any]:
    """What a `pyproject.toml` says to everybody else."""
    data = toml.parse(text, MAX_MANIFEST_BYTES)
    tools = {name: table for name, table in data.get("tool", {}).items() if name != "lmpm"}
    return {**data, "tool": tools}


def _cannot_be_edited(file: str) -> ManifestError:
    heading = "[tool.lmpm.models]" if file == PYPROJECT else "[models]"
    return ManifestError(
        f"`{file}` is written in a way that cannot be edited automatically",
        hint=f"Put each model on a line of its own under `{heading}`, or edit the file yourself",
    )

"""`lmpm.toml`: what people want, read strictly, and edited without touching their comments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from lmpm import size, toml_file, validate
from lmpm.document import DocumentError, Table
from lmpm.errors import ManifestError, SpecError, UnknownNameError
from lmpm.limits import GIB, MAX_MANIFEST_BYTES, MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Prefer = Literal["quality", "speed", "small"]

NAME: Final = "lmpm.toml"
HEADER: Final = """\
# The models of this project. `lmpm install` adds a line and pins it in `lmpm.lock`: commit both files.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestModel:
    """One line of `[models]`: a task, or a reference, and what is asked of it."""

    name: str
    task: str | None = None
    ref: str | None = None
    context: int | None = None
    quant: str | None = None
    min_speed: float | None = None  # tokens per second
    max_size: int | None = None  # bytes to download
    license: str | None = None
    prefer: Prefer | None = None

    def requested(self) -> dict[str, toml_file.Scalar]:
        """What is asked for, without the name, as the lock keeps it."""
        fields: dict[str, toml_file.Scalar | None] = {
            "task": self.task,
            "ref": self.ref,
            "context": self.context,
            "quant": self.quant,
            "min_speed": self.min_speed,
            "max_size": self.max_size,
            "license": self.license,
            "prefer": self.prefer,
        }
        return {key: item for key, item in fields.items() if item is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A machine that must have an answer, as `--hardware` takes it."""

    name: str
    hardware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Names that are allowed (None: all) and denied."""

    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for every model of the project."""

    licenses: Rule = Rule()
    publishers: Rule = Rule()
    max_size: int | None = None  # bytes to download for one model


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole of `lmpm.toml`."""

    models: Mapping[str, ManifestModel] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    policy: Policy = Policy()


def load_manifest(path: Path) -> Manifest:
    """The manifest at `path`. Raises ManifestError when it is missing or broken."""
    return parse_manifest(load_text(path), name=path.name)


def load_text(path: Path) -> str:
    """The text of the manifest at `path`, to be edited. Raises ManifestError."""
    try:
        return toml_file.read_text(path, MAX_MANIFEST_BYTES)
    except FileNotFoundError as error:
        hint = "To make one, run for instance `lmpm install text-to-sql`"
        raise ManifestError(f"No `{path.name}` is here", hint=hint) from error
    except DocumentError as error:
        raise ManifestError(toml_file.describe(error, path.name)) from error


def parse_manifest(text: str, *, name: str = NAME) -> Manifest:
    """The manifest in `text`. Raises ManifestError naming the line or place of the first mistake."""
    try:
        return _manifest(toml_file.parse(text, MAX_MANIFEST_BYTES))
    except toml_file.ConflictError as error:
        hint = "Edit the file and keep the lines that you want"
        raise ManifestError(toml_file.describe(error, name), hint=hint) from error
    except (ValueError, ArithmeticError) as error:
        raise ManifestError(toml_file.describe(error, name)) from error


def _manifest(data: dict[str, Any]) -> Manifest:
    document = Table(data)
    models, targets = document.table_or_empty("models"), document.table_or_empty("targets")
    manifest = Manifest(
        models={name: _model(models, name, data["models"][name]) for name in models},
        targets={name: _target(targets, name) for name in targets},
        policy=_policy(document.table_or_empty("policy"), data.get("policy", {})),
    )
    document.finish()
    return manifest


def _model(models: Table, name: str, row: Mapping[str, object]) -> ManifestModel:
    _check_name(models, name)
    table = models.table(name)
    model = ManifestModel(
        name=name,
        task=validate.field(table, "task", validate.model_name) if "task" in table else None,
        ref=_line(table, "ref"),
        context=table.integer("context", low=1) if "context" in table else None,
        quant=_line(table, "quant"),
        min_speed=_speed(table),
        max_size=_size(table, row),
        license=_line(table, "license"),
        prefer=_prefer(table),
    )
    for place in table.unknown_keys():
        key = place.removeprefix(f"{table.place}.")
        if isinstance(row[key], dict):
            raise DocumentError(place, f'is a table; a name with a dot needs quotes: `"{name}.{key}"`')
    table.finish()
    if model.task is None and model.ref is None:
        raise models.fail(name, "expected a `task` or a `ref`")
    return model


def _target(targets: Table, name: str) -> Target:
    _check_name(targets, name)
    table = targets.table(name)
    target = Target(name=name, hardware=validate.field(table, "hardware", validate.line))
    table.finish()
    return target


def _policy(table: Table, row: Mapping[str, object]) -> Policy:
    policy = Policy(
        licenses=_rule(table.table_or_empty("licenses")),
        publishers=_rule(table.table_or_empty("publishers")),
        max_size=_size(table, row),
    )
    table.finish()
    return policy


def _rule(table: Table) -> Rule:
    allow, deny = table.texts("allow"), table.texts("deny")
    table.finish()
    return Rule(allow=frozenset(allow) if "allow" in table else None, deny=frozenset(deny))


def _check_name(table: Table, name: str) -> None:
    try:
        validate.model_name(name)
    except ValueError as error:
        raise table.fail(name, str(error)) from error


def _line(table: Table, key: str) -> str | None:
    return validate.field(table, key, validate.line) if key in table else None


def _speed(table: Table) -> float | None:
    if "min_speed" not in table:
        return None
    speed = table.number("min_speed")
    if speed < 0:
        raise table.fail("min_speed", "expected tokens per second, found a negative number")
    return speed


def _prefer(table: Table) -> Prefer | None:
    if "prefer" not in table:
        return None
    text = table.text("prefer")
    if text not in get_args(Prefer):
        raise table.fail("prefer", "expected `quality`, `speed` or `small`")
    return cast("Prefer", text)


def _size(table: Table, row: Mapping[str, object]) -> int | None:
    """Bytes, written as a number of them or like `8GB`."""
    if "max_size" not in table:
        return None
    if not isinstance(row["max_size"], str):
        return table.integer("max_size", low=1)
    try:
        return size.parse(table.text("max_size"))
    except SpecError as error:
        raise table.fail("max_size", "expected a size like `8GB`") from error


def add_model(text: str, model: ManifestModel) -> str:
    """The text of a manifest with `model` added or replaced, everything else as people wrote it.

    An empty text becomes a new manifest. Raises ManifestError.
    """
    before = parse_manifest(text)
    if before.models.get(model.name) == model:
        return text
    edited = _edit(text, lambda body: _with_model(body, model))
    return _checked(edited, replace(before, models={**before.models, model.name: model}))


def remove_model(text: str, name: str) -> str:
    """The text of a manifest without the model `name`. Raises UnknownNameError and ManifestError."""
    before = parse_manifest(text)
    if name not in before.models:
        from difflib import get_close_matches

        near = get_close_matches(name, before.models, n=2)
        listing = "In the manifest: " + ", ".join(f"`{known}`" for known in before.models)
        raise UnknownNameError("model", name, suggestions=near, listing=listing if before.models else "")
    edited = _edit(text, lambda body: _without_model(body, name))
    rest = {known: model for known, model in before.models.items() if known != name}
    return _checked(edited, replace(before, models=rest))


def model_line(model: ManifestModel) -> str:
    """The line of `[models]` for `model`: `text-to-sql = { task = "text-to-sql", context = 8192 }`."""
    items = model.requested()
    if model.min_speed is not None and model.min_speed.is_integer():
        items["min_speed"] = int(model.min_speed)
    if model.max_size is not None and model.max_size % MIB == 0:
        unit, name = (GIB, "GiB") if model.max_size % GIB == 0 else (MIB, "MiB")
        items["max_size"] = f"{model.max_size // unit} {name}"
    key = toml_file.value(model.name) if "." in model.name else model.name
    return f"{key} = {toml_file.inline_table(items)}"


def _edit(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` to the text with plain line ends and no byte order mark, and put both back."""
    from tomlkit.exceptions import TOMLKitError

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    try:
        body = change(text.removeprefix(mark).replace("\r\n", "\n"))
    except TOMLKitError as error:
        raise _cannot_be_edited() from error
    return mark + (body.replace("\n", "\r\n") if "\r\n" in text else body)


def _with_model(body: str, model: ManifestModel) -> str:
    import tomlkit
    from tomlkit.items import Table as EditedTable

    if not body.strip():
        return f"{HEADER}\n[models]\n{model_line(model)}\n"
    document = tomlkit.parse(body)
    models = cast("Any", document.get("models"))
    if models is None:
        return f"{body.rstrip()}\n\n[models]\n{model_line(model)}\n"
    new = cast("Any", tomlkit.parse(f"{model_line(model)}\n")[model.name])
    if isinstance(models.get(model.name), EditedTable):  # [models.chat], its keys on lines of their own
        _update(models[model.name], new)
    elif model.name not in models and isinstance(models, EditedTable):
        _append(models, model.name, new)
    else:
        models[model.name] = new
    return tomlkit.dumps(document)


def _append(table: Any, key: str, item: Any) -> None:
    """Add after the last key: comments and blank lines at the end of a table belong to what follows it."""
    lines = table.value.body
    last = max((index for index, (name, _) in enumerate(lines) if name is not None), default=-1)
    tail = lines[last + 1 :]
    del lines[last + 1 :]
    table[key] = item
    lines.extend(tail)


def _update(table: Any, new: Any) -> None:
    for key in [key for key in table if key not in new]:
        del table[key]
    for key, item in new.items():
        if key not in table:
            item.trivia.trail = "\n"
            _append(table, key, item)
        elif table[key] != item:
            table[key] = item


def _without_model(body: str, name: str) -> str:
    import tomlkit

    document = tomlkit.parse(body)
    del cast("Any", document["models"])[name]
    return tomlkit.dumps(document)


def _checked(edited: str, expected: Manifest) -> str:
    """The edited text, once it is certain that it says what it should and nothing else changed."""
    try:
        found = parse_manifest(edited)
    except ManifestError as error:
        raise _cannot_be_edited() from error
    if found != expected:
        raise _cannot_be_edited()
    return edited


def _cannot_be_edited() -> ManifestError:
    return ManifestError(
        f"`{NAME}` is written in a way that cannot be edited automatically",
        hint="Put each model on a line of its own under `[models]`, or edit the file yourself",
    )

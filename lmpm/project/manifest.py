"""`lmpm.toml`, or `[tool.lmpm]` of `pyproject.toml`: what people want, read strictly."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from lmpm import units
from lmpm.errors import ManifestError, SpecError, UnknownNameError, nearest
from lmpm.fs import DocumentError, Table, rules, toml
from lmpm.limits import MAX_MANIFEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lmpm.cloud import Provider, Route

Prefer = Literal["quality", "speed", "small"]

MANIFEST_NAME: Final = "lmpm.toml"
MOST_ADAPTERS: Final = 16
_RECIPE_TABLE: Final = re.compile(r"^[ \t]*\[(?:tool\.lmpm\.)?models\.([^\]]+)\.recipe\]", re.MULTILINE)
PYPROJECT: Final = "pyproject.toml"  # where a project may keep the same tables, below `tool.lmpm`


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestModel:
    """One line of `[models]`: a task, or a reference, and what is asked of it."""

    name: str
    task: str | None = None
    ref: str | None = None
    context: int | None = None
    quant: str | None = None
    min_speed: float | None = None  # tokens per second
    max_wait: float | None = None  # seconds to the first token
    max_size: int | None = None  # bytes to download
    license: str | None = None
    prefer: Prefer | None = None
    checks: str | None = None  # a file of cases in the project, which the model is asked
    pass_share: float | None = None  # of them that must be right; None: any
    recipe: Mapping[str, Any] | None = None  # how it is asked otherwise than its task says
    adapters: tuple[str, ...] = ()  # LoRAs that are put on it: files of the project, or of repositories

    def requested(self) -> dict[str, toml.Scalar]:
        """What is asked for, without the name, as the lock keeps it: recipe and adapters as JSON."""
        fields: dict[str, toml.Scalar | None] = {
            "task": self.task,
            "ref": self.ref,
            "context": self.context,
            "quant": self.quant,
            "min_speed": self.min_speed,
            "max_wait": self.max_wait,
            "max_size": self.max_size,
            "license": self.license,
            "prefer": self.prefer,
            "checks": self.checks,
            "pass": self.pass_share,
            "recipe": None if self.recipe is None else json.dumps(self.recipe, ensure_ascii=False, sort_keys=True),
            "adapters": json.dumps(self.adapters, ensure_ascii=False) if self.adapters else None,
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
    """The whole of a manifest. `file` is the name of the file that it stands in."""

    file: str = MANIFEST_NAME
    models: Mapping[str, ManifestModel] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    policy: Policy = Policy()
    providers: Mapping[str, Provider] = field(default_factory=dict)  # [cloud]
    routes: Mapping[str, Route] = field(default_factory=dict)
    engine: str | None = None  # that runs the models, by its name

    def find(self, name: str) -> ManifestModel:
        """The line of this name. Raises UnknownNameError."""
        if name not in self.models:
            listing = "In the manifest: " + ", ".join(f"`{known}`" for known in self.models)
            raise UnknownNameError(
                "model of this project",
                name,
                suggestions=nearest(name, self.models),
                listing=listing if self.models else f"{self.file} names no models",
            )
        return self.models[name]


def load_manifest(path: Path) -> Manifest:
    """The manifest at `path`. Raises ManifestError when it is missing or broken."""
    return parse_manifest(load_text(path), name=path.name)


def load_text(path: Path) -> str:
    """The text of the manifest at `path`, to be edited. Raises ManifestError."""
    try:
        return toml.read_text(path, MAX_MANIFEST_BYTES)
    except FileNotFoundError as error:
        hint = "To make one, run for instance `lmpm install text-to-sql`"
        raise ManifestError(f"No `{path.name}` is here", hint=hint) from error
    except DocumentError as error:
        raise ManifestError(toml.describe(error, path.name)) from error


def parse_manifest(text: str, *, name: str = MANIFEST_NAME) -> Manifest:
    """The manifest in `text`, of a `pyproject.toml` where `name` says so.

    Raises ManifestError naming the line or place of the first mistake.
    """
    try:
        document = Table(toml.parse(text, MAX_MANIFEST_BYTES))
        if name == PYPROJECT:
            document = document.table_or_empty("tool").table_or_empty("lmpm")
        return _manifest(document, name)
    except toml.ConflictError as error:
        hint = "Edit the file and keep the lines that you want"
        raise ManifestError(toml.describe(error, name), hint=hint) from error
    except (ValueError, ArithmeticError) as error:
        raise ManifestError(toml.describe(error, name), hint=_hint_on_tables(text)) from error


def _hint_on_tables(text: str) -> str | None:
    """What to do where a recipe is given to a model that stands in one line, which TOML does not let grow."""
    for found in _RECIPE_TABLE.finditer(text):
        if re.search(rf"^[ \t]*{re.escape(found[1])}[ \t]*=[ \t]*\{{", text, re.MULTILINE):
            table = f"[models.{found[1]}]"
            return f"TOML lets no table grow that stands in one line: put the keys of `{found[1]}` below a `{table}`"
    return None


def _manifest(document: Table, name: str) -> Manifest:
    models, targets = document.table_or_empty("models"), document.table_or_empty("targets")
    providers, routes = _routing(document, models)
    manifest = Manifest(
        file=name,
        models={name: _model(models, name) for name in models},
        targets={name: _target(targets, name) for name in targets},
        policy=_policy(document.table_or_empty("policy")),
        providers=providers,
        routes=routes,
        engine=_engine(document.table_or_empty("engine")),
    )
    document.finish()
    return manifest


def _model(models: Table, name: str) -> ManifestModel:
    _check_name(models, name)
    table = models.table(name)
    model = ManifestModel(
        name=name,
        task=rules.field(table, "task", rules.model_name) if "task" in table else None,
        ref=_line(table, "ref"),
        context=table.integer("context", low=1) if "context" in table else None,
        quant=_line(table, "quant"),
        min_speed=_amount(table, "min_speed", "tokens per second"),
        max_wait=_amount(table, "max_wait", "seconds"),
        max_size=_size(table),
        license=_line(table, "license"),
        prefer=table.choice("prefer", get_args(Prefer)) if "prefer" in table else None,
        checks=rules.field(table, "checks", rules.project_path) if "checks" in table else None,
        pass_share=_share(table),
        recipe=_recipe(table.table("recipe")) if "recipe" in table else None,
        adapters=_adapters(table),
    )
    for place in table.unknown_keys():
        key = place.removeprefix(f"{table.place}.")
        if table.is_table(key):
            raise DocumentError(place, f'is a table; a name with a dot needs quotes: `"{name}.{key}"`')
    table.finish()
    if model.task is None and model.ref is None:
        raise models.fail(name, "expected a `task` or a `ref`")
    return model


def _routing(document: Table, models: Table) -> tuple[dict[str, Provider], dict[str, Route]]:
    """Where requests may go besides. Privacy fails closed: what a route may not do is an error here already."""
    clouds, routes = document.table_or_empty("cloud"), document.table_or_empty("routes")
    if not [*clouds, *routes]:
        return {}, {}
    from lmpm.cloud import check_routes, read_price, read_provider, read_route  # few manifests have any

    for names in (clouds, routes):
        for name in names:
            _check_name(names, name)
    tables = [(name, clouds.table(name)) for name in clouds], [(name, routes.table(name)) for name in routes]
    providers = {name: replace(read_provider(table, name), price=read_price(table)) for name, table in tables[0]}
    found = {name: read_route(table, name) for name, table in tables[1]}
    for _, table in (*tables[0], *tables[1]):
        table.finish()
    check_routes(found, [*models], providers)
    return providers, found


def _recipe(table: Table) -> dict[str, Any]:
    """What a line says of how its model is asked; whether it goes with the task is known where that is."""
    from lmpm.recipe import check_changes  # few lines say any

    check_changes(table)
    return table.values()


def _adapters(table: Table) -> tuple[str, ...]:
    names = table.texts("adapters")
    for number, name in enumerate(names):
        try:
            rules.line(name)
        except ValueError as error:
            raise DocumentError(f"{table.at('adapters')}[{number}]", str(error)) from error
        if name in names[:number]:
            raise DocumentError(f"{table.at('adapters')}[{number}]", f"`{name}` is listed twice")
    if len(names) > MOST_ADAPTERS:
        raise table.fail("adapters", f"names {len(names)} files, at most {MOST_ADAPTERS} are put on a model")
    return names


def _target(targets: Table, name: str) -> Target:
    _check_name(targets, name)
    table = targets.table(name)
    target = Target(name=name, hardware=rules.field(table, "hardware", rules.line))
    table.finish()
    return target


def _policy(table: Table) -> Policy:
    policy = Policy(
        licenses=_rule(table.table_or_empty("licenses"), _one_license),
        publishers=_rule(table.table_or_empty("publishers"), str.lower),  # as the Hub tells accounts apart
        max_size=_size(table),
    )
    table.finish()
    return policy


def _engine(table: Table) -> str | None:
    name = _line(table, "prefer")
    table.finish()
    return name


def _rule(table: Table, spelled: Callable[[str], str]) -> Rule:
    """A rule, its names in the one spelling that they are compared in."""
    allow, deny = frozenset(map(spelled, table.texts("allow"))), frozenset(map(spelled, table.texts("deny")))
    table.finish()
    return Rule(allow=allow if "allow" in table else None, deny=deny)


def _one_license(name: str) -> str:
    from lmpm.licenses import normalise  # few manifests have a policy

    return normalise(name)


def _check_name(table: Table, name: str) -> None:
    try:
        rules.model_name(name)
    except ValueError as error:
        raise table.fail(name, str(error)) from error


def _line(table: Table, key: str) -> str | None:
    return rules.field(table, key, rules.line) if key in table else None


def _amount(table: Table, key: str, unit: str) -> float | None:
    if key not in table:
        return None
    amount = table.number(key)
    if amount < 0:
        raise table.fail(key, f"expected {unit}, found a negative number")
    return amount


def _share(table: Table) -> float | None:
    """What part of the checks must be right, from 0 to 1."""
    if "pass" not in table:
        return None
    share = table.number("pass")
    if not 0 <= share <= 1:
        raise table.fail("pass", "expected a share from 0 to 1, such as 0.8")
    if "checks" not in table:
        raise table.fail("pass", "is the share of the `checks` that must be right, and there are none")
    return share


def _size(table: Table) -> int | None:
    """Bytes, written as a number of them or like `8GB`."""
    if "max_size" not in table:
        return None
    if not table.is_text("max_size"):
        return table.integer("max_size", low=1)
    try:
        return units.parse(table.text("max_size"))
    except SpecError as error:
        raise table.fail("max_size", "expected a size like `8GB`") from error

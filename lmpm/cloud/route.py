"""A route: the models that may answer under one name, in order, and how far prompts may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from lmpm.fs import DocumentError, rules
from lmpm.units import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from lmpm.fs import Table, toml

Privacy = Literal["local-only", "local-first", "cloud-ok"]
PRIVACIES: Final[tuple[Privacy, ...]] = get_args(Privacy)  # the tightest first
CLOUD: Final = "cloud:"  # before the name of a provider
STARTER: Final = "starter"  # as a bridge: the small model that comes with lmpm
SMALLER: Final = "smaller"  # as a bridge: a smaller candidate of the same model
STARTER_TASK: Final = "text-to-sql"
MOST_PER_DAY: Final = 1_000_000


def tightest(*privacies: Privacy) -> Privacy:
    """The one that lets prompts go least far."""
    return min(privacies, key=PRIVACIES.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One name for several targets: models of the lock, and `cloud:NAME` for providers.

    `bridge` answers while the first model is brought or loaded. `first_token_timeout` is in seconds; None: only
    errors pass a request on. `max_requests_per_day` bounds what is sent to providers.
    """

    name: str
    targets: tuple[str, ...]
    privacy: Privacy = "local-only"
    bridge: tuple[str, ...] = ()
    first_token_timeout: float | None = None
    max_requests_per_day: int | None = None

    def fields(self) -> dict[str, toml.Scalar | tuple[str, ...]]:
        """What is written of it, beside its name."""
        found: dict[str, toml.Scalar | tuple[str, ...] | None] = {
            "targets": self.targets,
            "privacy": self.privacy,
            "bridge": self.bridge or None,
            "first_token_timeout": self.first_token_timeout,
            "max_requests_per_day": self.max_requests_per_day,
        }
        return {key: item for key, item in found.items() if item is not None}

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers that it may send to, each once."""
        names = (item.removeprefix(CLOUD) for item in (*self.targets, *self.bridge) if item.startswith(CLOUD))
        return tuple(dict.fromkeys(names))


def read_route(table: Table, name: str) -> Route:
    """The route in a table. Raises DocumentError naming the place of the first mistake.

    Privacy fails closed: without a word prompts stay here, and a provider under `local-only` is a mistake.
    """
    route = Route(
        name=name,
        targets=_names(table, "targets"),
        privacy=table.choice_or("privacy", PRIVACIES, "local-only"),
        bridge=_names(table, "bridge"),
        first_token_timeout=_timeout(table),
        max_requests_per_day=(
            table.integer("max_requests_per_day", low=1, high=MOST_PER_DAY) if "max_requests_per_day" in table else None
        ),
    )
    if not route.targets:
        raise table.missing("targets", "at least one model or `cloud:NAME`")
    if route.privacy == "local-only":
        for key, names in (("targets", route.targets), ("bridge", route.bridge)):
            for number, item in enumerate(names):
                if item.startswith(CLOUD):
                    raise DocumentError(
                        f"{table.at(key)}[{number}]",
                        'sends prompts to a provider, which `local-only` forbids; say `privacy = "local-first"`'
                        " or take it out",
                    )
    return route


def _names(table: Table, key: str) -> tuple[str, ...]:
    names = table.texts(key)
    for number, name in enumerate(names):
        place = f"{table.at(key)}[{number}]"
        try:
            rules.model_name(name.removeprefix(CLOUD))
        except ValueError as error:
            raise DocumentError(place, f"expected a model of [models] or `cloud:NAME`: {error}") from error
        if name in names[:number]:
            raise DocumentError(place, f"`{name}` is listed twice")
    return names


def _timeout(table: Table) -> float | None:
    """Seconds, written as a number of them or like `20s`."""
    key = "first_token_timeout"
    if key not in table:
        return None
    found = seconds(table.text(key)) if table.is_text(key) else table.number(key)
    if found is None or not 0 < found <= 3600:
        raise table.fail(key, "expected a time like `20s`, at most an hour")
    return found


def check_bridges(
    routes: Mapping[str, Route], tasks: Mapping[str, str | None], place: Callable[[str], str] = "routes.{}".format
) -> None:
    """Raise DocumentError for a bridge that does another task than the model that it stands in for.

    `tasks` are those of the models by name; the starter does text-to-SQL alone.
    """
    for name, route in routes.items():
        first = route.targets[0]
        for number, item in enumerate(route.bridge):
            at = f"{place(name)}.bridge[{number}]"
            if item.startswith(CLOUD):
                continue
            if first not in tasks:
                raise DocumentError(at, f"stands in for a model, and `{first}` is none")
            if item == first:
                raise DocumentError(at, f"`{item}` cannot stand in for itself")
            if item not in tasks:
                if item == STARTER and tasks[first] != STARTER_TASK:
                    raise DocumentError(at, f"is for {STARTER_TASK}, `{first}` is for {tasks[first]}")
            elif tasks[item] != tasks[first]:
                raise DocumentError(at, f"`{item}` is for {tasks[item]}, `{first}` for {tasks[first]}")


def check_routes(
    routes: Mapping[str, Route],
    models: Collection[str],
    providers: Collection[str],
    place: Callable[[str], str] = "routes.{}".format,
) -> None:
    """Raise DocumentError for a route that names what is not there, or takes the name of a model."""
    for name, route in routes.items():
        if name in models:
            raise DocumentError(place(name), "has the name of a model")
        for key, names in (("targets", route.targets), ("bridge", route.bridge)):
            for number, item in enumerate(names):
                at = f"{place(name)}.{key}[{number}]"
                if item.startswith(CLOUD):
                    if item.removeprefix(CLOUD) not in providers:
                        raise DocumentError(at, f"`{item.removeprefix(CLOUD)}` is not in [cloud]")
                elif item not in models and not (key == "bridge" and item in (STARTER, SMALLER)):
                    raise DocumentError(at, f"`{item}` is not in [models]")

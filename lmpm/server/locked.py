"""Models of a lock as the front serves them: what this machine takes, with slots and kept prompts in the plan."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine import EngineLimits, Service
from lmpm.errors import LmpmError, MissingFilesError
from lmpm.limits import ENGINE_EXTRA_MEMORY_BYTES, MIB
from lmpm.project import actions
from lmpm.reporter import Reporter
from lmpm.runtime import Subject, plan_of, subject_of
from lmpm.server.asking import adapted
from lmpm.server.running import SessionRunning

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from lmpm.project import LockedCandidate, LockedModel, Rung, Workspace
    from lmpm.recipe import Recipe
    from lmpm.run_config import RunConfig
    from lmpm.server.deployment import Running
    from lmpm.server.wire import Kind

DEFAULT_SLOTS: Final = 2
HISTORY_BYTES: Final = 256 * MIB  # of prompts that are kept to be continued, at most
HISTORY_SHARE: Final = 0.05  # of the budget, at most
CHECKPOINTS: Final = 4  # of a slot, where a cache cannot be cut: windows and recurrent layers
LOAD_S: Final = 600.0
WORKING_MEMORY_SHARE: Final = 1.25  # of the planned need, before the engine's child is stopped
KINDS: Final[Mapping[str, Kind]] = {"embed": "embeddings", "rerank": "rerank"}

log = logging.getLogger("lmpm.server")


class LockedDeployment:
    """A model of the lock. `slots` are as many of the wanted as fit the budget; `spare_for` is whom it stands in for.

    Its files are looked at, and its memory is planned, when that is first asked for.
    """

    def __init__(
        self, workspace: Workspace, model: LockedModel, rung: Rung, recipe: Recipe, task: str | None, context: int,
        *, slots: int, budget: int,
    ) -> None:  # fmt: skip
        self.name, self.task, self.context = model.name, task, context
        self.is_spare = False
        self.kind: Kind = KINDS.get(recipe.kind, "text")
        self._workspace, self._model, self._rung, self.recipe = workspace, model, rung, recipe
        self._wanted, self._budget = (1 if self.kind != "text" else slots), budget

    @property
    def _candidate(self) -> LockedCandidate:
        return self._rung.candidate

    @property
    def title(self) -> str:
        """Model and quant."""
        return f"{self._candidate.model} {self._candidate.quant}"

    @property
    def identity(self) -> Hashable:
        """What is run and how: a change of anything else leaves it loaded."""
        files = tuple(file.sha256 for _, pinned in self._candidate.pins for file in pinned)
        return (self.name, files, self.recipe, self.context, self._wanted, self._budget)

    def facts(self) -> Mapping[str, Any]:
        """What people want to know of it."""
        return facts_of(self.recipe) | {
            "files": [file.sha256 for _, files in self._candidate.pins for file in files],
            "license": self._candidate.license,
            "quant": self._candidate.quant,
            "size": self._candidate.size,
            "speed": self._rung.speed,
            "passed_over": list(self._rung.passed_over),
        }

    def adapt(self, path: str, body: dict[str, Any], *, plain: bool = True) -> dict[str, Any]:
        """The body with what the recipe adds."""
        return adapted(self.recipe, path, body, plain=plain)

    def is_here(self) -> bool:
        """Whether every file is in the store."""
        store = self._workspace.store
        return all(store.find(source, file) is not None for source, files in self._candidate.pins for file in files)

    def bring(self, progress: Callable[[int, int], None]) -> None:
        """Download what the lock pins, verified as by `lmpm sync`."""
        plan = actions.sync.plan(self._workspace, [self.name], smoke=False)
        actions.sync.apply(plan, _told(progress))

    # -- memory ------------------------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """How many requests it answers at once."""
        return self._plan[0] if self._plan else self._wanted

    @property
    def need(self) -> int:
        """Bytes with all slots and kept prompts; of files that are not here, what the lock says."""
        return self._plan[2] if self._plan else self._candidate.memory + self._service.history_bytes

    @property
    def _service(self) -> Service:
        """What its process is for; all that it keeps is in the plan."""
        if self.kind != "text":
            return Service(alias=self.name)
        history = min(HISTORY_BYTES, int(self._budget * HISTORY_SHARE)) // MIB * MIB
        return Service(history_bytes=history, checkpoints=CHECKPOINTS, chats=not self.recipe.raw, alias=self.name)

    @property
    def _plan(self) -> tuple[int, RunConfig, int] | None:
        """Slots, settings and bytes; None while the files are not here."""
        if "_planned" not in self.__dict__ and not self.is_here():
            return None
        return self._planned

    @cached_property
    def _planned(self) -> tuple[int, RunConfig, int] | None:
        try:
            subject = self._subject()
            return fitting_plan(self._workspace, subject, self._wanted, self._budget, self._service)
        except LmpmError as error:
            log.info("%s is not planned: %s", self.name, error.message)
            return None

    def _subject(self) -> Subject:
        return subject_of(self._workspace, self._model)

    def open(self) -> Running:
        """Verify by stamp, and load."""
        subject = self._subject()
        self.__dict__.pop("_planned", None)
        slots, config, need = fitting_plan(self._workspace, subject, self._wanted, self._budget, self._service)
        self.__dict__["_planned"] = (slots, config, need)
        running, self.recipe = opened(self._workspace, subject, config, need, self._service)
        return running


class FileDeployment:
    """A model that only stands in for another: the starter, or a smaller candidate whose files are here."""

    def __init__(self, workspace: Workspace, subject: Subject, *, budget: int) -> None:
        self.name, self.task, self.context = subject.name, subject.task, subject.context
        self.is_spare = True
        self.kind: Kind = "text"
        self.recipe = subject.recipe
        self.title = f"{subject.title} {subject.quant}".strip()
        self.identity: Hashable = (subject.name, subject.paths)
        self._workspace, self._subject = workspace, subject
        self._service = Service(chats=subject.recipe.writes and not subject.recipe.raw, alias=self.name)
        self.slots, self._config, self.need = fitting_plan(workspace, subject, 1, budget, self._service)

    def facts(self) -> Mapping[str, Any]:
        """What people want to know of it."""
        return facts_of(self.recipe) | {"license": self._subject.license, "quant": self._subject.quant}

    def adapt(self, path: str, body: dict[str, Any], *, plain: bool = True) -> dict[str, Any]:
        """The body with what the recipe adds."""
        return adapted(self.recipe, path, body, plain=plain)

    def is_here(self) -> bool:
        """It is served for no other reason."""
        return True

    def bring(self, progress: Callable[[int, int], None]) -> None:  # noqa: ARG002
        """There is nothing to bring. Raises MissingFilesError: its files were here a moment ago."""
        raise MissingFilesError(f"`{self.name}` is gone from this machine")

    def open(self) -> Running:
        """Load it."""
        return opened(self._workspace, self._subject, self._config, self.need, self._service)[0]


def facts_of(recipe: Recipe) -> dict[str, Any]:
    """The inputs that may be sent instead of messages."""
    inputs = [
        {"name": item.name, "required": item.required, "main": item.main, "list": item.is_list, "image": item.is_image}
        for item in recipe.inputs
    ]
    return {"inputs": inputs, "recipe": recipe.kind}


def fitting_plan(
    workspace: Workspace, subject: Subject, slots: int, budget: int, service: Service
) -> tuple[int, RunConfig, int]:
    """The greatest number of slots that fits a budget, the settings for it and what it needs, in bytes.

    One slot is planned whether it fits or not: who has no room for it says so. Raises EngineError.
    """
    from lmpm.estimate import HParams, exact_memory, gpus_of
    from lmpm.gguf import local_part, read_part

    engine = workspace.engine
    model = HParams(*(read_part(local_part(path, path.name, None)) for path in subject.paths))
    encoder = subject.files.mmproj
    pictures = read_part(local_part(encoder, encoder.name, None)) if encoder else None
    for number in range(slots, 0, -1):
        config = plan_of(subject, engine, slots=number)
        try:
            gpus = gpus_of(engine.machine)
            need = exact_memory(model, config, gpus, mmproj=pictures, service=service).total
            need += subject.files.adapter_bytes
        except ValueError:
            need = subject.need * number + service.history_bytes  # no less than it can be
        if need <= budget or number == 1:
            return number, config, max(need, 1)
    raise AssertionError("there is at least one slot")


def opened(
    workspace: Workspace, subject: Subject, config: RunConfig, need: int, service: Service
) -> tuple[SessionRunning, Recipe]:
    """The loaded model, and how it is asked: in plain text where the file holds no chat template."""
    recipe = subject.recipe
    allowed = int(need * WORKING_MEMORY_SHARE) + ENGINE_EXTRA_MEMORY_BYTES
    session = workspace.engine.open(subject.files, config, EngineLimits(time_s=LOAD_S, memory_bytes=allowed), service)
    if recipe.writes and not session.has_template:
        recipe = recipe.without_template()
    return SessionRunning(session), recipe


class _Progress(Reporter):
    """How far all files of a model are together."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self._tell, self._size, self._done = tell, 0, 0

    def planned(self, files: int, size: int) -> None:  # noqa: ARG002
        self._size = size

    def started(self, name: str, size: int, kept: int) -> None:  # noqa: ARG002
        self._add(kept)

    def advanced(self, name: str, count: int) -> None:  # noqa: ARG002
        self._add(count)

    def _add(self, count: int) -> None:
        self._done += count
        self._tell(max(0, min(self._done, self._size)), self._size)


def _told(tell: Callable[[int, int], None]) -> Any:
    from lmpm.project import ActionReporter

    return ActionReporter(_Progress(tell))

"""What a variant needs to the byte before it is downloaded: by its own header, and as llama.cpp here plans it.

Candidates are ranked by what the catalog knows of them. The header is read for the few that matter, and the
last word has the engine that will run the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from lmpm import licenses
from lmpm.errors import EngineError, IntegrityError, NotFoundError
from lmpm.gguf import read_at_hand, read_part, require_loadable
from lmpm.limits import MIB
from lmpm.resolver.choose import Learned, Refusal
from lmpm.resolver.records import Verdict
from lmpm.types import HubSource
from lmpm.units import human

if TYPE_CHECKING:
    from lmpm.engine import LocalEngine
    from lmpm.estimate import HParams
    from lmpm.gguf import Contradiction, Header, Parts
    from lmpm.resolver.choose import Check
    from lmpm.resolver.locate import FileLocator
    from lmpm.resolver.records import Candidate, Request
    from lmpm.types import Machine, Variant

# Which headers are read: of every variant that is chosen, of those whose estimate may be on the wrong side of
# the budget, or only of those that are on this machine.
Reach = Literal["chosen", "doubtful", "at hand"]

LEAST_BYTES: Final = 32 * MIB  # of a remote variant: the header of a smaller one is not much less than all of it
# By which the estimate from the catalog's facts may be off, of the need: 9 in 10 of the catalog's models are nearer.
ESTIMATE_ERROR: Final = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactFit:
    """Reads headers and, for the machine that it runs on, asks llama.cpp.

    `local_engine` is where that runs; None for another machine.
    """

    locator: FileLocator
    reach: Reach
    local_engine: LocalEngine | None = None
    _read: dict[tuple[str | None, ...], list[Header]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def checks(self) -> tuple[Check, ...]:
        """By its own header first, then as llama.cpp plans it."""
        return self.read_header, self.plan_with_engine

    def read_header(self, candidate: Candidate, request: Request, machine: Machine) -> Learned | Refusal:
        """Check the candidate against its own header, and learn what it needs where that can be read cheaply.

        Raises the errors of the Hub.
        """
        try:
            variant = self._with_header(candidate.variant, request, machine)
        except IntegrityError as error:
            return Refusal(Verdict("unreadable", error.message))
        found = self._contradiction(variant)
        if found is not None:
            return Refusal(Verdict("engine" if found.kind == "engine" else "contradiction", found.detail))
        return Learned(replace(candidate, variant=variant) if variant is not candidate.variant else candidate)

    def _with_header(self, variant: Variant, request: Request, machine: Machine) -> Variant:
        """The variant with what its header says; as it was where that cannot be read cheaply.

        Raises IntegrityError when the header is none or llama.cpp would refuse it, and the errors of the Hub.
        """
        parts = self._parts(variant)
        headers = self._headers(parts, variant, request, machine) if parts else None
        if not parts or not headers:
            return variant
        from lmpm.estimate import exact_shape, memory_by_header, trained
        from lmpm.run_config import RunConfig

        require_loadable(headers[: len(parts.files)], [part.name for part in parts.files])
        pictures = headers[-1] if parts.mmproj else None
        model = _model(headers[: len(parts.files)], variant)
        settings = RunConfig(context=trained(variant, request.context), embeddings=request.embeddings)
        try:
            memory = memory_by_header(model, settings, pictures)
        except ValueError as error:
            raise _unusable(variant, error) from error
        return replace(
            variant,
            memory=memory,
            shape=exact_shape(model) or variant.shape,
            architecture=model.header.architecture or variant.architecture,
            has_template="tokenizer.chat_template" in model.header.metadata,
            license=licenses.stated(model.header.text("general.license")) or variant.license,
        )

    def _contradiction(self, variant: Variant) -> Contradiction | None:
        """What the header that was read says against the variant's name; None when nothing does."""
        parts = self._parts(variant)
        headers = self._read.get(_key(parts)) if parts else None
        if parts is None or headers is None:
            return None
        from lmpm.gguf import check
        from lmpm.resolver.checks.name import engine_version, expected_by_name

        said = replace(expected_by_name(variant, self.locator.catalog), architecture="")
        header = check.together(headers[: len(parts.files)])
        if said.is_exact and header.architecture not in check.KNOWN_SIZE_KEYS:
            said = replace(said, is_exact=False)  # what else such files hold is counted in one place and not in another
        size = sum(part.size for part in parts.files)
        pictures = check.of_projector(header, headers[-1]) if parts.mmproj else None
        return check.contradiction(said, header, size, engine=engine_version) or pictures

    def plan_with_engine(self, candidate: Candidate, request: Request, machine: Machine) -> Learned | Refusal:
        """Check that the candidate has room as llama.cpp here plans it, and learn that plan."""
        variant = candidate.variant
        parts = self._parts(variant)
        headers = self._read.get(_key(parts)) if parts else None
        if variant.memory is None or parts is None or headers is None or self.local_engine is None:
            return Learned(candidate)
        local_engine = self.local_engine
        if local_engine.planner is None:
            return Learned(candidate, ("llama.cpp cannot be asked here: memory is computed from the header",))
        from lmpm.estimate import complete_plan, fits, settings_for

        model = _model(headers[: len(parts.files)], variant)
        settings = settings_for(
            model, request.context, embeddings=request.embeddings, repack=local_engine.repack, machine=machine
        )
        try:
            plan = local_engine.planner.ask(parts.files, settings)
        except EngineError as error:
            return Learned(candidate, (f"llama.cpp cannot plan it, memory is computed: {error.message}",))
        planned = replace(candidate, memory=complete_plan(plan, variant.memory))
        if fits(planned.memory, machine):
            return Learned(planned)
        budget = human(machine.budget + machine.host_budget)
        return Refusal(Verdict("memory", f"llama.cpp here plans {human(planned.memory.total)}, budget {budget}"))

    def _parts(self, variant: Variant) -> Parts | None:
        if isinstance(variant.source, HubSource) and variant.size < LEAST_BYTES:
            return None
        try:
            return self.locator.parts(variant)
        except NotFoundError:
            return None

    def _headers(self, parts: Parts, variant: Variant, request: Request, machine: Machine) -> list[Header] | None:
        """The headers of all files, where they are at hand or worth fetching."""
        if known := self._read.get(_key(parts)):
            return known
        found = [header for part in parts.every if (header := read_at_hand(part)) is not None]
        if len(found) < len(parts.every):
            if self.reach == "at hand" or (self.reach == "doubtful" and not _is_doubtful(variant, request, machine)):
                return None
            found = [read_part(part) for part in parts.every]
        self._read[_key(parts)] = found
        return found


def _key(parts: Parts | None) -> tuple[str | None, ...]:
    return tuple(part.sha256 for part in parts.every) if parts else ()


def _model(headers: list[Header], variant: Variant) -> HParams:
    from lmpm.estimate import HParams

    try:
        return HParams(*headers)
    except ValueError as error:
        raise _unusable(variant, error) from error


def _unusable(variant: Variant, error: ValueError) -> IntegrityError:
    return IntegrityError(f"`{variant.files[0].path}` is not a usable GGUF file: {error}")


def _is_doubtful(variant: Variant, request: Request, machine: Machine) -> bool:
    """Whether the truth may lie on the other side of a budget than the estimate."""
    from lmpm.estimate import estimate_memory

    total = estimate_memory(variant, request.context).total
    limits = {machine.budget, machine.budget + machine.host_budget}
    return any(abs(total - limit) <= ESTIMATE_ERROR * total for limit in limits)

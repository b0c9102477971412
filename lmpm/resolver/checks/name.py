"""What the headers of remote files say of candidates: the shape to plan with, and whether a name is true."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import EngineError, IntegrityError, NetworkError, NotFoundError, NotPermittedError
from lmpm.estimate import shape_of
from lmpm.gguf import Expectation, check, model_name, quant
from lmpm.resolver import rule
from lmpm.resolver.records import Reason, Rejected
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.catalog import Catalog
    from lmpm.gguf import Header
    from lmpm.hub import Hub, Repository
    from lmpm.resolver.records import Choice, Request
    from lmpm.types import Machine, ModelFile, Variant

ELSEWHERE: Final = "Take the model from another repository"
NEWER: Final = "A newer llama.cpp may run it: `pip install -U llama-cpp-python`"
READS: Final = 6  # headers that are read before the rest is left as it is named


@dataclass(frozen=True, slots=True)
class HeaderCheck:
    """Reads the first 64 KiB of files on the Hub, once for each."""

    catalog: Catalog
    hub: Hub
    _headers: dict[str, Header] = field(default_factory=dict)

    def proved(
        self, request: Request, machine: Machine, variants: Sequence[Variant], spare: Sequence[Variant] = ()
    ) -> tuple[tuple[Variant, ...], tuple[Rejected, ...]]:
        """The variants with their shape, without those that the winner's header shows to be something else.

        A quant that is not what it is called is left out alone; a model that is another, with its repository. What
        is left out is replaced from `spare`.
        """
        untrue: list[Rejected] = []
        left = tuple(variants)
        for _ in range(READS):
            choice = rule.select(request, machine, left)
            likely = choice.chosen.variant if choice.chosen else _nearest(choice)
            if likely is None:
                break
            reason: Reason = "untrusted"
            try:
                why = self.contradiction(likely)
                if why is None:
                    shaped = self.shaped(left, likely)
                    again = rule.select(request, machine, shaped).chosen
                    if again is None or _is_read(again.variant, likely):
                        return shaped, tuple(untrue)
                    likely, why = again.variant, self.contradiction(again.variant)
                    if why is None:
                        return shaped, tuple(untrue)
            # the bytes of a gated one may ask for more than a token
            except (IntegrityError, NotPermittedError) as error:
                if not _others((*left, *spare), likely):
                    raise
                why, reason = error.message, "gated" if isinstance(error, NotPermittedError) else "untrusted"
            unknown = why.startswith("llama.cpp does not run")
            if unknown and not _others((*left, *spare), likely):
                raise EngineError(f"`{_first(likely).path}` cannot be run: {why}", hint=NEWER)
            judged = rule.judge(request, machine, likely)
            untrue.append(Rejected(judged, "engine" if unknown else reason, why))
            about_quant = why.startswith("it is called")
            out = [item for item in left if _is_read(item, likely) or (not about_quant and _shares(item, likely))]
            left = tuple(item for item in left if item not in out)
            spare = [item for item in spare if about_quant or not _shares(item, likely)]
            for quant_lost in [item.quant for item in out]:
                heir = next((item for item in spare if item.quant == quant_lost), None)
                if heir is not None:
                    left, spare = (*left, heir), [item for item in spare if item is not heir]
        return left, tuple(untrue)

    def shaped(self, variants: Sequence[Variant], likely: Variant) -> tuple[Variant, ...]:
        """The variants with the shape of their model, read from the header of the one that is likely taken."""
        header = self._header(likely)
        parameters = self._parameters(likely, header)
        shape = shape_of(header, parameters=parameters)
        active = model_name.parse_model_name(likely.title).active_parameters
        if shape is not None and active and active < parameters:
            shape = replace(shape, active_parameters=active)
        stated = header.quant()
        return tuple(
            replace(
                variant,
                quant=stated if stated and variant.quant == quant.UNKNOWN else variant.quant,
                shape=shape or variant.shape,
                architecture=header.architecture or variant.architecture,
                context_length=header.integer("context_length", variant.context_length),
            )
            for variant in variants
        )

    def contradiction(self, variant: Variant) -> str | None:
        """What the file's own header says against its name, in words; None when nothing does.

        Raises IntegrityError when it is no GGUF that llama.cpp loads or its template runs code, and the errors of the
        Hub.
        """
        header = self._header(variant)
        size = sum(file.size for file in variant.files if file.role == "model")
        found = check.contradiction(self._claim(variant), header, size, engine=engine_version)
        if found and found.kind in ("refused", "code"):
            raise IntegrityError(f"`{_first(variant).path}` cannot be taken: {found.detail}", hint=ELSEWHERE)
        return found.detail if found else None

    def _claim(self, variant: Variant) -> check.Expectation:
        """What the name, the catalog or the original weights say of a variant."""
        said = expected_by_name(variant, self.catalog)
        if said.is_exact:
            return said
        repository = self._repository_of(variant)
        for base in repository.base_models if repository else ():
            original = (
                self._original(base)
                if model_name.parse_model_name(base).key == model_name.parse_model_name(variant.title).key
                else None
            )
            if original and original.full_parameters:
                return replace(said, parameters=original.full_parameters, is_exact=True, said_by=f"`{base}`")
        return said

    def _header(self, variant: Variant) -> Header:
        repo, revision = _source(variant)
        file = _first(variant)
        name = file.sha256 or f"{repo}/{file.path}"
        if name not in self._headers:
            self._headers[name] = check.read_start(self.hub.reader(repo, revision, file), file)
        return self._headers[name]

    def _parameters(self, variant: Variant, header: Header) -> int:
        counted = check.parameters_of(header)
        if counted and counted[0] == counted[1]:
            return counted[0]
        repository = self._repository_of(variant)
        if repository and repository.parameters:
            return repository.parameters
        bits = quant.bits_per_weight(variant.quant) or 8.0
        return counted[1] if counted else int(8 * variant.size / bits)

    def _repository_of(self, variant: Variant) -> Repository | None:
        repo, revision = _source(variant)
        try:
            return self.hub.repository(repo, revision)
        except NotFoundError:
            return None

    def _original(self, base: str) -> Repository | None:
        try:
            return self.hub.repository(base)
        except (NotFoundError, NotPermittedError, NetworkError):
            return None


def _nearest(choice: Choice) -> Variant | None:
    """The variant that lacks least, so that what is said of it rests on its header."""
    near = next((item for item in choice.rejected if item.reason in ("memory", "speed", "worse")), None)
    return near.candidate.variant if near else None


def _others(left: Sequence[Variant], likely: Variant) -> bool:
    """Whether another repository is there to take its place."""
    return any(not _shares(item, likely) for item in left)


def _is_read(one: Variant, other: Variant) -> bool:
    return one.source == other.source and one.files == other.files


def _shares(one: Variant, other: Variant) -> bool:
    return one.source == other.source


def _first(variant: Variant) -> ModelFile:
    return next(file for file in variant.files if file.role == "model")


def _source(variant: Variant) -> tuple[str, str]:
    if not isinstance(variant.source, HubSource):
        raise TypeError("a starter is no repository")
    return variant.source.repo, variant.source.revision or "main"


def expected_by_name(variant: Variant, catalog: Catalog) -> Expectation:
    """What the catalog, else the model's name, says of a variant."""
    known = catalog.model(variant.title)
    if known is None:
        return Expectation(quant=variant.quant, parameters=model_name.parse_model_name(variant.title).parameters)
    return Expectation(
        quant=variant.quant, parameters=known.parameters, is_exact=True, said_by="the catalog",
        architecture=known.architecture,
    )  # fmt: skip


def engine_version() -> tuple[int, ...] | None:
    """The version of the installed llama-cpp-python."""
    from lmpm.engine import version

    return version()

"""What the headers of remote files say of candidates: the shape to plan with, and whether a name is true."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from lmpm import licenses
from lmpm.errors import EngineError, IntegrityError, NetworkError, NotFoundError, NotPermittedError
from lmpm.estimate import shape_of
from lmpm.gguf import Expectation, check, model_name, quant, require_loadable
from lmpm.resolver.choose import Learned, Refusal
from lmpm.resolver.records import Verdict
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.catalog import Catalog
    from lmpm.gguf import Contradiction, Header
    from lmpm.hub import Hub, Repository
    from lmpm.resolver.records import Candidate
    from lmpm.types import ModelFile, Variant

ELSEWHERE: Final = "Take the model from another repository"
NEWER: Final = "A newer llama.cpp may run it: `pip install -U xllamacpp`"


@dataclass(frozen=True, slots=True)
class HeaderCheck:
    """Reads the first 64 KiB of files on the Hub, once for each."""

    catalog: Catalog
    hub: Hub
    _headers: dict[str, Header] = field(default_factory=dict)

    def __call__(self, candidate: Candidate, *_: object) -> Learned | Refusal:
        """Check the candidate against its own header, and learn the shape of its model, which all its quants share.

        A quant that is not what it is called is refused alone; a model that is another, with its repository.
        """
        variant = candidate.variant
        try:
            found = self._contradiction(variant)
        except IntegrityError as error:
            return Refusal(Verdict("unreadable", error.message), scope="repository", error=error)
        except NotPermittedError as error:  # the bytes of a gated one may ask for more than a token
            return Refusal(Verdict("gated", error.message), scope="repository", error=error)
        if found is None:
            return Learned(candidate, shared=self._shape(variant))
        if found.kind == "engine":
            unknown = EngineError(f"`{_first(variant).path}` cannot be run: {found.detail}", hint=NEWER)
            return Refusal(Verdict("engine", found.detail), scope="repository", error=unknown)
        scope: Literal["file", "repository"] = "repository" if found.kind == "model" else "file"
        return Refusal(Verdict("contradiction", found.detail), scope=scope)

    def _shape(self, variant: Variant) -> Callable[[Variant], Variant]:
        """What gives every quant of a model the shape that the header of one of them says."""
        header = self._header(variant)
        parameters = self._parameters(variant, header)
        shape = shape_of(header, parameters=parameters)
        active = model_name.parse_model_name(variant.title).active_parameters
        if shape is not None and active and active < parameters:
            shape = replace(shape, active_parameters=active)
        stated, license_ = header.quant(), licenses.stated(header.text("general.license"))

        def shaped(other: Variant) -> Variant:
            return replace(
                other,
                quant=stated if stated and other.quant == quant.UNKNOWN else other.quant,
                shape=shape or other.shape,
                license=license_ or other.license,
                architecture=header.architecture or other.architecture,
                context_length=header.integer("context_length", other.context_length),
            )

        return shaped

    def _contradiction(self, variant: Variant) -> Contradiction | None:
        """What the file's own header says against its name; None when nothing does.

        Raises IntegrityError when it is not a GGUF file that llama.cpp loads, or its template runs code, and the errors
        of the Hub.
        """
        header = self._header(variant)
        files = [file for file in variant.files if file.role == "model"]
        require_loadable([header], [file.path for file in files])
        size = sum(file.size for file in files)
        found = check.contradiction(self._claim(variant), header, size, engine=engine_version)
        if found and found.kind == "code":
            raise IntegrityError(f"`{_first(variant).path}` cannot be taken: {found.detail}", hint=ELSEWHERE)
        return found

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
    """The release of llama-cpp-python that the engine here counts as."""
    from lmpm.engine import version

    return version()

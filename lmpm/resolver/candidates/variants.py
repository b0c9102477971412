"""The variants that a repository holds, told from the names of its files.

Shards are one variant; sets that lack a shard, files that belong to a model (projectors, drafts, adapters) and
quants that llama.cpp does not load are told apart from what can be run, and named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.gguf import file_name, model_name, quant
from lmpm.types import HubSource, ModelFile, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.catalog import Catalog
    from lmpm.gguf import FileName
    from lmpm.hub import Repository
    from lmpm.types import Shape

LEAST_BITS, MOST_BITS = 1.0, 40.0  # per weight, of any file there is
FULL_SCORE: Final = 100.0  # a model named by the user is compared with its own quants only
NEAR_BITS: Final = 0.1  # by which a file's bits per weight may differ from those of the quant that it is taken for
WHOLE_BITS: Final = 4.0  # per weight of the model, from which on a file is no adapter of it: those have a few per cent
SIGHT: Final = frozenset({"vision"})
COMMON: Final = ("Q2_K", "Q3_K_M", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16", "F32")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """The files of one quant of one model, shards in load order. `missing` are the numbers of absent shards.

    `like` is the known quant that it is about as good as, where it is not a known one itself.
    """

    model: str
    quant: str
    files: tuple[ModelFile, ...]
    missing: tuple[int, ...] = ()
    like: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def can_run(self) -> bool:
        """Whether it is whole, and of a kind that llama.cpp loads."""
        return not self.missing and (quant.is_loadable(self.quant) or bool(self.like))

    @property
    def is_split(self) -> bool:
        """Whether it is named as shards, be it a single one."""
        return any(file_name.parse_file_name(file.path).shard for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a repository holds.

    `sets` are the complete quants of its main model, coarsest first; `others` those of further models by name;
    `incomplete` lack a shard; `foreign` are not loaded by llama.cpp; `beside` are files that are no model of
    their own, by kind.
    """

    title: str
    sets: tuple[FileSet, ...]
    others: dict[str, tuple[FileSet, ...]]
    incomplete: tuple[FileSet, ...]
    foreign: tuple[FileSet, ...]
    beside: dict[str, tuple[str, ...]]

    def remarks(self) -> tuple[str, ...]:
        """What a user should know of what was left out."""
        said = []
        if self.others:
            names = ", ".join(f"`{name}`" for name in list(self.others)[:3])
            said.append(f"the repository also holds {names}: name one by its file to take it")
        said += [
            f"{item.quant} is incomplete: of its shards {_numbers(item.missing)} missing" for item in self.incomplete
        ]
        if pieces := self.beside.get("piece"):
            said.append(f"{len(pieces)} files are pieces of cut files, which must be put together by hand")
        return tuple(said)


def contents(repository: Repository, *, path: str | None = None) -> Contents:
    """Sort the files of a repository. With `path` the model that this file belongs to is the main one."""
    named = [(file, file_name.parse_file_name(file.path, repository=repository.id)) for file in repository.files]
    merged = {name.model for _, name in named if name.kind == "model"}
    stated = model_name.parse_model_name(repository.name).parameters
    beside: dict[str, list[str]] = {"piece": list(repository.pieces)} if repository.pieces else {}
    groups: dict[tuple[str, str, str], list[tuple[ModelFile, FileName]]] = {}
    for file, name in named:
        # an adapter in F16 beside the same name in Q4_K_M has been merged: it is the model; so has one of its size
        is_whole = name.model in merged or (stated and 8 * file.size >= WHOLE_BITS * stated)
        if name.kind == "model" or (name.kind == "adapter" and is_whole):
            label = name.quant or _by_size(repository, file.size)
            groups.setdefault((_model_key(name, repository), label, name.together), []).append((file, name))
        else:
            beside.setdefault(name.kind, []).append(file.path)
    sets = [_file_set(model, label, members, repository) for (model, label, _), members in groups.items()]
    main = _main_model(sets, repository, path)
    usable = [item for item in sets if item.can_run]
    if path:
        usable = [item for item in usable if any(file.path == path for file in item.files)]
    return Contents(
        title=_title(repository),
        sets=_one_of_each(item for item in usable if item.model == main),
        others={
            _spelled(model, named): _one_of_each(item for item in usable if item.model == model)
            for model in dict.fromkeys(item.model for item in usable if item.model != main)
        },
        incomplete=tuple(item for item in sets if item.missing),
        foreign=tuple(item for item in sets if not item.missing and not item.can_run),
        beside={kind: tuple(paths) for kind, paths in beside.items()},
    )


def variants(
    repository: Repository,
    found: Contents,
    catalog: Catalog,
    *,
    shape: Shape | None = None,
    model: str | None = None,
    sees: bool = False,
) -> tuple[Variant, ...]:
    """Every usable quant of the main model as a candidate, with its projector where it is to see.

    `model` names it where it is known better.
    """
    named = model or found.title
    known = catalog.model(named) or catalog.model(found.title)
    if not found.sets:
        return ()
    smallest = min(found.sets, key=lambda item: item.size)
    parameters = parameters_of(repository, smallest)
    projector = _projector(repository, found) if sees else ()
    bare = Variant(
        model=named.lower().replace(" ", "-"),
        title=named,
        source=HubSource(repository.id, repository.revision),
        quant="",
        license=repository.license if repository.license != "unknown" or not known else known.license,
        files=(),
        context_length=repository.context_length or (known.context_length if known else 0),
        architecture=repository.architecture,
        shape=shape or (known.shape if known else None),
        capabilities=(known.capabilities if known else frozenset()) | (SIGHT if projector else frozenset()),
        trust=catalog.trust(repository.id),
        gated=repository.gated,
        has_template=repository.has_template,
        score=FULL_SCORE,
        score_source="named by you",
    )
    return tuple(
        replace(
            bare,
            quant=item.quant,
            files=(*item.files, *projector),
            quant_loss=catalog.quant_loss(item.like or item.quant, parameters, FULL_SCORE),
        )
        for item in found.sets
    )


def parameters_of(repository: Repository, item: FileSet) -> int:
    """Parameters as the Hub states them, where the size of the files allows it; else from the quant's bits."""
    bits = 8 * item.size
    if repository.parameters and LEAST_BITS <= bits / repository.parameters <= MOST_BITS:
        return repository.parameters
    return int(bits / (quant.bits_per_weight(item.like or item.quant) or 8.0))


def _projector(repository: Repository, found: Contents) -> tuple[ModelFile, ...]:
    """The one projector to load with a model that sees: F16 is read everywhere, then the smallest."""
    files = [file for path in found.beside.get("mmproj", ()) if (file := repository.file(path))]
    ranked = sorted(files, key=lambda file: (quant.from_filename(file.path) != "F16", file.size, file.path))
    return tuple(replace(file, role="mmproj") for file in ranked[:1])


def _title(repository: Repository) -> str:
    """The repository's name without what only says how it is packed."""
    return model_name.parse_model_name(repository.name).text or repository.name


def _model_key(name: FileName, repository: Repository) -> str:
    """Which model of the repository a file belongs to: the same for every spelling of its name."""
    own = model_name.parse_model_name(repository.name)
    if not name.model:
        return own.key
    key = model_name.parse_model_name(name.model).key
    # `bartowski/google_gemma-3-4b-it` holds `google_gemma-3-4b-it-Q4_K_M`, `tensorblock/org_Model` holds `Model-Q4_K_M`
    return own.key if key == own.key or own.key.endswith(f" {key}") or key.endswith(f" {own.key}") else key


def _main_model(sets: list[FileSet], repository: Repository, path: str | None) -> str:
    """The model that the repository is named for, else the one with most quants; or the one that `path` is of."""
    if path and (found := next((item for item in sets if any(file.path == path for file in item.files)), None)):
        return found.model
    own = set(model_name.parse_model_name(repository.name).words)

    def rank(model: str) -> tuple[int, int, str]:
        words = set(model.split())
        return len(own ^ words), -sum(item.model == model for item in sets), model

    return min({item.model for item in sets}, key=rank, default="")


def _spelled(model: str, named: list[tuple[ModelFile, FileName]]) -> str:
    """A model's name as its files write it."""
    return next((name.model for _, name in named if model_name.parse_model_name(name.model).key == model), model)


def _file_set(model: str, label: str, members: list[tuple[ModelFile, FileName]], repository: Repository) -> FileSet:
    shards = [name.shard for _, name in members if name.shard]
    total = max((shard[1] for shard in shards), default=0)
    missing = sorted(set(range(1, total + 1)) - {shard[0] for shard in shards})
    files = tuple(sorted((file for file, _ in members), key=lambda file: file.path))
    known = _by_size(repository, sum(file.size for file in files)) if quant.is_mixture(label) else quant.UNKNOWN
    like = "" if known == quant.UNKNOWN else known
    return FileSet(model=model, quant=label, files=files, missing=tuple(missing), like=like)


def _one_of_each(sets: Iterable[FileSet]) -> tuple[FileSet, ...]:
    """One set for each quant: a whole file before its split twin, then the first by name."""
    best: dict[str, FileSet] = {}
    for item in sorted(sets, key=lambda item: (item.is_split, len(item.files), item.files[0].path)):
        best.setdefault(item.quant, item)
    return tuple(sorted(best.values(), key=lambda item: quant.order(item.quant)))


def _by_size(repository: Repository, size: int) -> str:
    """The quant of files whose name says none, from its bits per weight; `unknown` where they are nobody's."""
    if not repository.parameters:
        return quant.UNKNOWN
    bits = 8 * size / repository.parameters
    nearest = min(COMMON, key=lambda name: abs(quant.BITS[name] - bits))
    return nearest if abs(quant.BITS[nearest] - bits) <= NEAR_BITS * bits else quant.UNKNOWN


def _numbers(missing: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return f"{shown} {'is' if len(missing) == 1 else 'are'}"

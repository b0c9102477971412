"""The variants that a repository holds, told from the names of its files.

Shards are one variant; sets that lack a shard, files that belong to a model (projectors, drafts, adapters) and
quants that llama.cpp does not load are told apart from what can be run, and named.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.gguf import file_name, missing_shards, model_name, parse_shard, quant, without_number
from lmpm.limits import MAX_GGUF_NAMES
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
SHOWN: Final = 3  # names in a remark
# Folders that say nothing of the model in them.
_STORAGE: Final = frozenset(
    {"gguf", "ggml", "models", "model", "weights", "files", "quants", "quantized", "main", "split"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """The files of one quant of one model, shards in load order. `missing` are the numbers of absent shards.

    `detail` tells it from others of its quant. `like` is the known quant that it is about as good as, where it is not
    a known one itself.
    """

    model: str
    quant: str
    files: tuple[ModelFile, ...]
    detail: str = ""
    missing: tuple[int, ...] = ()
    like: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def can_run(self) -> bool:
        """Whether it is whole, and may be of a kind that llama.cpp loads; in the end its header says."""
        return not self.missing and quant.is_loadable(self.quant)

    @property
    def plainness(self) -> tuple[bool, int, bool, int, int, str]:
        """A sort key: the plainest name of several first, one file before shards, the root before folders."""
        folders, _, name = self.files[0].path.rpartition("/")
        depth = sum(quant.find(folder) is None for folder in folders.split("/")) if folders else 0
        is_split = parse_shard(name) is not None
        return bool(self.detail), depth, is_split, len(self.files), len(name), self.files[0].path


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a repository holds.

    `sets` are the complete quants of its main model, coarsest first, each under a label of its own; `others` those of
    further models by name; `further` are of a quant that another set has the label of, and can be taken by the name
    of their file; `twins` hold the very bytes of another set; `incomplete` lack a shard; `foreign` are not loaded by
    llama.cpp; `beside` are files that are no model of their own, by kind.
    """

    title: str
    sets: tuple[FileSet, ...]
    others: dict[str, tuple[FileSet, ...]]
    further: tuple[FileSet, ...]
    twins: tuple[FileSet, ...]
    incomplete: tuple[FileSet, ...]
    foreign: tuple[FileSet, ...]
    beside: dict[str, tuple[str, ...]]

    def remarks(self) -> tuple[str, ...]:
        """What a user should know of what was left out."""
        said = []
        if self.others:
            names = [f"`{name}`" for name in self.others]
            said.append(f"the repository also holds {_some(names)}: name one by its file to take it")
        if self.further:
            names = [f"{item.quant} as `{item.files[0].path}`" for item in self.further]
            said.append(f"the repository also holds {_some(names)}: name the file to take it")
        said += [
            f"{item.quant} is incomplete: of its shards {_numbers(item.missing)} missing" for item in self.incomplete
        ]
        if unread := self.beside.get("unread"):
            said.append(f"{len(unread):,} more files were not looked at: to take one, name it, as `repo/path.gguf`")
        if refused := self.beside.get("refused"):
            said.append(f"left out for a name that cannot be stored safely: {_some([f'`{name}`' for name in refused])}")
        if pieces := self.beside.get("piece"):
            said.append(f"{len(pieces)} files are pieces of cut files, which must be put together by hand")
        return tuple(said)


def contents(repository: Repository, *, path: str | None = None) -> Contents:
    """Sort the files of a repository. With `path` the model that this file belongs to is the main one."""
    files, unread = _looked_at(repository.files, path)
    named = [(file, file_name.parse_file_name(file.path, repository=repository.id)) for file in files]
    models, beside = _models_and_others(named, repository)
    sets = _sets(models, repository)
    main = _main_model(sets, repository, path)
    usable: dict[str, list[FileSet]] = {main: []}
    for item in sets:
        if item.can_run and (not path or any(file.path == path for file in item.files)):
            usable.setdefault(item.model, []).append(item)
    by_model = {model: _labelled(items) for model, items in usable.items()}
    spelled = {model_name.parse_model_name(name.model).key: name.model for _, name in reversed(named)}
    return Contents(
        title=_title(repository),
        sets=by_model[main].offered,
        others={spelled.get(model, model): found.offered for model, found in by_model.items() if model != main},
        further=tuple(item for found in by_model.values() for item in found.further),
        twins=tuple(item for found in by_model.values() for item in found.twins),
        incomplete=tuple(item for item in sets if item.missing),
        foreign=tuple(item for item in sets if not item.missing and not item.can_run),
        beside=beside | {kind: paths for kind, paths in (("unread", unread), ("refused", repository.refused)) if paths},
    )


def _looked_at(files: tuple[ModelFile, ...], path: str | None) -> tuple[tuple[ModelFile, ...], tuple[str, ...]]:
    """The files whose names are taken apart, and the paths of the rest where there are too many.

    Those of the folder of `path` come first, then the root, then other folders; no set of shards is cut.
    """
    if len(files) <= MAX_GGUF_NAMES:
        return files, ()
    folder, own = (path.rpartition("/")[0], without_number(path)) if path else ("", "")

    def rank(file: ModelFile) -> tuple[bool, bool, int, str]:
        return without_number(file.path) != own, file.path.rpartition("/")[0] != folder, file.path.count("/"), file.path

    ordered = sorted(files, key=rank)
    cut = without_number(ordered[MAX_GGUF_NAMES].path)
    looked = tuple(file for file in ordered[:MAX_GGUF_NAMES] if without_number(file.path) != cut)
    seen = {file.path for file in looked}
    return looked, tuple(file.path for file in ordered if file.path not in seen)


_Named = tuple[ModelFile, "FileName"]


def _models_and_others(
    named: Iterable[_Named], repository: Repository
) -> tuple[list[_Named], dict[str, tuple[str, ...]]]:
    """The files that are of a model, and the paths of the others by their kind."""
    named = list(named)
    merged = {name.model for _, name in named if name.kind == "model"}
    stated = model_name.parse_model_name(repository.name).parameters
    models: list[_Named] = []
    beside: dict[str, list[str]] = {"piece": list(repository.pieces)} if repository.pieces else {}
    for file, name in named:
        # an adapter in F16 beside the same name in Q4_K_M has been merged: it is the model; so has one of its size
        is_whole = name.model in merged or (stated and 8 * file.size >= WHOLE_BITS * stated)
        if name.kind == "model" or (name.kind == "adapter" and is_whole):
            models.append((file, name))
        else:
            beside.setdefault(name.kind, []).append(file.path)
    return models, {kind: tuple(paths) for kind, paths in beside.items()}


def _sets(models: Iterable[_Named], repository: Repository) -> list[FileSet]:
    """Files by model, quant and set."""
    groups: dict[tuple[str, str], list[_Named]] = {}
    for file, name in models:
        own = name.together if name.shard else file.path
        groups.setdefault((_model_key(name, repository), own), []).append((file, name))
    return [_file_set(model, members, repository) for (model, _), members in groups.items()]


@dataclass(frozen=True, slots=True)
class _Labelled:
    """The sets of one model: those that have a label of their own, and those that do not."""

    offered: tuple[FileSet, ...]
    further: tuple[FileSet, ...]
    twins: tuple[FileSet, ...]


def _labelled(sets: Iterable[FileSet]) -> _Labelled:
    """Give every set a label that no other has: its quant for the plainest name, with its detail for the others."""
    offered: dict[str, FileSet] = {}
    known: set[tuple[str | None, ...]] = set()  # the digests of what is offered
    further, twins = [], []
    for item in sorted(sets, key=lambda item: item.plainness):
        detailed = f"{item.quant}-{item.detail}" if item.detail else item.quant
        label = next((label for label in (item.quant, detailed) if label not in offered), None)
        digests = tuple(file.sha256 for file in item.files)
        if digests in known:
            twins.append(item)
        elif label is None:
            further.append(item)
        else:
            offered[label] = replace(item, quant=label)
            known |= {digests} if None not in digests else set()
    ordered = sorted(offered.values(), key=lambda item: quant.order(item.quant))
    return _Labelled(tuple(ordered), tuple(further), tuple(twins))


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
    """The one projector to load with a vision model: that of its folder, then of its name; F16 is read everywhere."""
    folder, _, name = found.sets[0].files[0].path.rpartition("/")
    wanted = model_name.parse_model_name(name)

    def rank(file: ModelFile) -> tuple[bool, bool, int, bool, int, str]:
        place, _, own = file.path.rpartition("/")
        said = model_name.parse_model_name(own)
        is_of_another_size = bool(said.sizes) and said.sizes.isdisjoint(wanted.sizes)
        shared = len(set(said.words) & set(wanted.words))
        is_f16 = quant.from_filename(file.path) == "F16"
        return place != folder, is_of_another_size, -shared, not is_f16, file.size, file.path

    files = [file for path in found.beside.get("mmproj", ()) if (file := repository.file(path))]
    return tuple(replace(file, role="mmproj") for file in sorted(files, key=rank)[:1])


def _title(repository: Repository) -> str:
    """The repository's name without what only says how it is packed."""
    return model_name.parse_model_name(repository.name).text or repository.name


def _model_key(name: FileName, repository: Repository) -> str:
    """Which model of the repository a file belongs to: the same for every spelling of its name.

    Where its own name is none, or leaves out the size that its folder says, the folder tells.
    """
    own = model_name.parse_model_name(repository.name)
    folder = _folder_name(name.path)
    said = model_name.parse_model_name(name.model)
    if folder and (not name.model or not folder.sizes <= said.sizes):
        said = folder if not name.model else model_name.ModelName(said.text, (*said.words, *sorted(folder.sizes)))
    if not said.words:
        return own.key
    key = said.key
    # `bartowski/google_gemma-3-4b-it` holds `google_gemma-3-4b-it-Q4_K_M`, `tensorblock/org_Model` holds `Model-Q4_K_M`
    return own.key if key == own.key or own.key.endswith(f" {key}") or key.endswith(f" {own.key}") else key


def _folder_name(path: str) -> model_name.ModelName | None:
    """The model that the nearest folder names which names one: not a quant, nor a place to put files."""
    for folder in reversed(path.split("/")[:-1]):
        said = model_name.parse_model_name(folder)
        if said.words and not set(said.words) <= _STORAGE and not quant.find(folder):
            return said
    return None


def _main_model(sets: list[FileSet], repository: Repository, path: str | None) -> str:
    """The model that the repository is named for, else the one with most quants; or the one that `path` is of."""
    if path and (found := next((item for item in sets if any(file.path == path for file in item.files)), None)):
        return found.model
    own = set(model_name.parse_model_name(repository.name).words)
    counts = Counter(item.model for item in sets)

    def rank(model: str) -> tuple[int, int, str]:
        return len(own ^ set(model.split())), -counts[model], model

    return min(counts, key=rank, default="")


def _file_set(model: str, members: list[_Named], repository: Repository) -> FileSet:
    files = tuple(sorted((file for file, _ in members), key=lambda file: file.path))
    name, size = members[0][1], sum(file.size for file in files)
    label = name.quant or _by_size(repository, size)
    like = _likeness(repository, size) if quant.is_mixture(label) else ""
    if bits := quant.stated_bits(label):
        like = min(quant.BITS, key=lambda known: abs(quant.BITS[known] - bits))
    missing = missing_shards([file.path for file in files])
    return FileSet(model=model, quant=label, files=files, detail=name.detail, missing=missing, like=like)


def _by_size(repository: Repository, size: int) -> str:
    """The quant of files whose name says none; `unknown` where their size is nobody's, or that of several quants."""
    near = _near_quants(repository.parameters, size)
    return near[0] if len(near) == 1 else quant.UNKNOWN


def _likeness(repository: Repository, size: int) -> str:
    """The known quant that a maker's own mixture is nearest to, by its bits per weight."""
    stated = repository.parameters or model_name.parse_model_name(repository.name).parameters
    return next(iter(_near_quants(stated, size)), "")


def _near_quants(parameters: int | None, size: int) -> list[str]:
    """The usual quants whose bits per weight are about those of a file, nearest first."""
    bits = 8 * size / parameters if parameters else 0.0
    near = [name for name in COMMON if abs(quant.BITS[name] - bits) <= NEAR_BITS * bits]
    return sorted(near, key=lambda name: abs(quant.BITS[name] - bits))


def _some(names: list[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _numbers(missing: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return f"{shown} {'is' if len(missing) == 1 else 'are'}"

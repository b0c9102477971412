"""The variants that a repository holds, told from the names of its files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm import memory, quant
from lmpm.types import HubSource, ModelFile, Variant

if TYPE_CHECKING:
    from lmpm.catalog import Catalog
    from lmpm.hub import Hub, Repository

# Files that are no model of their own; the names are those that quantizers use on the Hub.
NOT_A_MODEL: Final = re.compile(r"(^|[-_./])(mmproj|imatrix|lora|adapter|mtp|eagle3?|vocab)([-_.]|$)", re.IGNORECASE)
LEAST_BITS, MOST_BITS = 1.0, 40.0  # per weight, of any file there is
FULL_SCORE: Final = 100.0  # a model named by the user is compared with its own quants only


def variants_of_repository(
    repository: Repository,
    catalog: Catalog,
    hub: Hub | None,
    *,
    path: str | None = None,
    quant_asked: str | None = None,
) -> tuple[Variant, ...]:
    """Every complete quant of the model in a repository, or the one that `path` belongs to.

    With a `hub` the header of one file is read (64 KiB) for the shape, which all quants share: of the one
    that was asked for, else of the smallest.
    Sets of shards that are not complete are left out.
    """
    groups = _groups(repository.files)
    if path:
        groups = {name: files for name, files in groups.items() if any(file.path == path for file in files)}
    if not groups:
        return ()
    name = repository.id.rpartition("/")[2]
    title = re.sub(r"[-_.]?gguf$", "", name, flags=re.IGNORECASE)
    smallest = min(groups.items(), key=lambda item: sum(file.size for file in item[1]))
    parameters = _parameters(repository.parameters, *smallest)
    known = catalog.model(title)
    bare = Variant(
        model=title.lower(),
        title=title,
        source=HubSource(repository.id, repository.revision),
        quant="",
        license=repository.license if repository.license != "unknown" or not known else known.license,
        files=(),
        context_length=repository.context_length or (known.context_length if known else 0),
        architecture=repository.architecture,
        shape=known.shape if known else None,
        trust=catalog.trust(repository.id),
        gated=repository.gated and not (hub and hub.http.token),
        score=FULL_SCORE,
        score_source="named by you",
    )
    if hub is not None and not bare.gated:
        asked = next((files for label, files in groups.items() if label.upper() == (quant_asked or "").upper()), None)
        header = hub.header(repository.id, repository.revision, (asked or smallest[1])[0])
        shape = memory.shape_of(header, parameters=parameters)
        bare = replace(
            bare,
            architecture=header.architecture or bare.architecture,
            context_length=header.integer("context_length", bare.context_length),
            shape=shape or bare.shape,
        )
    return tuple(
        replace(bare, quant=label, files=files, quant_loss=catalog.quant_loss(label, parameters, FULL_SCORE))
        for label, files in sorted(groups.items(), key=lambda item: quant.order(item[0]))
    )


def _groups(files: tuple[ModelFile, ...]) -> dict[str, tuple[ModelFile, ...]]:
    """Files by quant, shards in load order; a quant that stands twice keeps its first complete set."""
    sets: dict[tuple[str, str], list[ModelFile]] = {}
    for file in files:
        label = quant.from_filename(file.path)
        if file.role == "model" and label and not NOT_A_MODEL.search(file.path):
            stem = re.sub(r"-\d{5}-of-\d{5}\.gguf$", "", file.path, flags=re.IGNORECASE)
            sets.setdefault((label, stem), []).append(file)
    found: dict[str, tuple[ModelFile, ...]] = {}
    for (label, _), members in sets.items():
        if label not in found and _complete(members):
            found[label] = tuple(sorted(members, key=lambda file: file.path))
    return found


def _complete(members: list[ModelFile]) -> bool:
    """Whether a whole file, or every shard that its name promises, is there."""
    parts = [quant.shard(file.path) for file in members]
    numbers = sorted(part[0] for part in parts if part)
    if not numbers:
        return len(members) == 1
    total = next(part[1] for part in parts if part)
    return numbers == list(range(1, total + 1))


def _parameters(stated: int | None, label: str, files: tuple[ModelFile, ...]) -> int:
    """Parameters as the Hub states them, where the size of the files allows it; else from the quant's bits."""
    bits = 8 * sum(file.size for file in files)
    if stated and LEAST_BITS <= bits / stated <= MOST_BITS:
        return stated
    return int(bits / (quant.bits_per_weight(label) or 8.0))

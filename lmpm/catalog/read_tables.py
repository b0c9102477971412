"""From `catalog.toml`, `quants.toml` and `publishers.toml` to their records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.catalog.schema.tables import LossRule, Publisher, Quant
from lmpm.fs import DocumentError
from lmpm.gguf import quant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.fs import Table

FORMAT: Final = 1  # of the catalog's files: what this program reads
TYPICAL_PARAMETERS: Final = 8_030_261_248  # Llama-3.1-8B, which `quant.BITS` was measured on


class NewerFormatError(DocumentError):
    """The catalog was written for a later lmpm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantTable:
    """The quants by name, and the rule from divergence to lost points."""

    quants: Mapping[str, Quant]
    rule: LossRule


NO_QUANTS: Final = QuantTable(
    quants={},
    rule=LossRule(
        per_divergence=0.0, reference_parameters=1, exponent=0.0, least_factor=1.0, most_factor=1.0, most=1.0
    ),
)


def read_format(table: Table) -> int:
    """The format of the catalog; raises NewerFormatError for one that this program cannot know."""
    found = table.integer("format", low=1)
    if found > FORMAT:
        raise NewerFormatError("format", f"expected {FORMAT} or less, found {found}")
    return found


def read_quants(table: Table) -> QuantTable:
    """Every quant with its bits and losses; raises DocumentError at the first mistake."""
    rule = table.table("rule")
    loss_rule = LossRule(
        per_divergence=rule.number("per_divergence"),
        reference_parameters=rule.integer("reference_parameters", low=1),
        exponent=rule.number("exponent"),
        least_factor=rule.number("least_factor"),
        most_factor=rule.number("most_factor"),
        most=rule.number("most"),
    )
    tensors = table.table("tensor")
    tensors.text("source")
    table.text("source")
    found: dict[str, Quant] = {}
    for row in table.tables("quant"):
        item = _quant(row, found, tensors)
        found[item.name] = item
    return QuantTable(quants=found, rule=loss_rule)


def _quant(row: Table, found: Mapping[str, Quant], tensors: Table) -> Quant:
    name = row.text("name")
    bits = quant.BITS.get(name)
    if bits is None:
        raise row.fail("name", "expected a quant that llama.cpp loads, in its usual spelling")
    tensor = row.text("tensor")
    if tensor not in tensors:
        raise row.fail("tensor", "expected a type that `tensor` gives the bits of")
    like = row.text_or("like")
    if like and like not in found:
        raise row.fail("like", "expected a quant that stands above this one")
    if like:
        divergence, imatrix = found[like].divergence, found[like].divergence_imatrix
    else:
        divergence = row.number("divergence")
        imatrix = row.number_or("divergence_imatrix", divergence)
    row.text_or("source")
    row.text_or("note")
    return Quant(
        name=name,
        tensor_bits=tensors.number(tensor),
        measured=_points(row, "measured") or ((TYPICAL_PARAMETERS, bits),),
        divergence=divergence,
        divergence_imatrix=imatrix,
        perplexity=_points(row, "perplexity"),
    )


def _points(row: Table, key: str) -> tuple[tuple[int, float], ...]:
    """Pairs of a parameter count and a figure, in ascending order."""
    points = [_point(row, key, index, item) for index, item in enumerate(row.rows(key))]
    if [point[0] for point in points] != sorted({point[0] for point in points}):
        raise row.fail(key, "expected parameter counts in ascending order")
    return tuple(points)


def _point(row: Table, key: str, index: int, item: Any) -> tuple[int, float]:
    match item:
        case [int(parameters), int() | float() as value] if parameters > 0:
            return parameters, float(value)
    raise DocumentError(f"{row.at(key)}[{index}]", "expected a parameter count and a number")


def read_publishers(table: Table) -> dict[str, Publisher]:
    """The accounts by name in lower case, most trusted first; raises DocumentError at the first mistake."""
    official = (_publisher(row, trust=0) for row in table.tables("official"))
    quantizers = (_publisher(row, trust=rank) for rank, row in enumerate(table.tables("quantizer"), start=1))
    return {publisher.name.lower(): publisher for publisher in (*official, *quantizers)}


def _publisher(row: Table, *, trust: int) -> Publisher:
    row.text("reason")
    imatrix = row.flag_or("importance_matrix", False) if trust else False  # who trained a model makes its own files
    return Publisher(name=row.text("name"), trust=trust, importance_matrix=imatrix)

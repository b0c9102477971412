"""The measured speeds in `benchmarks/data`, read and cleaned by stated rules."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, get_args

from lmpm.estimate import speed
from lmpm.estimate.speed import Kind, Part
from lmpm.limits import GIB
from lmpm.machine.budget import gpu_budget
from lmpm.machine.chip import Chip, pick
from lmpm.machine.chips import Chips
from lmpm.types import Machine, Processor

DATA: Final = Path(__file__).resolve().parent / "data"

# Rules that clean the community rows. What a table publishes is taken as it is.
MOST_PROMPT: Final = 1024  # tokens: beyond, the cache counts as well
MOST_OF_VRAM: Final = 0.88  # a larger file was split over GPU and host, or spilled
LEAST_OF_ROOFLINE: Final = 0.2  # slower rows ran elsewhere than they say
MOST_OF_ROOFLINE: Final = 1.0  # faster ones guessed several tokens at once

# Rules for what is compared beside the fit.
LEAST_PROMPT: Final = 256  # tokens: shorter prompts measure the start more than the reading
LEAST_PARAMETERS: Final = 1.5e9  # the matrices of smaller models do not fill a GPU
SPLIT_NEED: Final = GIB  # beside the file: cache and buffers at the settings that the split rows do not tell


class Row(NamedTuple):
    """One measurement, and the part of a computer that it was made on."""

    table: str
    chip: str
    model: str
    quant: str
    part: Part
    kind: Kind
    sparse: bool
    touched: float  # bytes of weights
    size: float
    layers: int
    measured: float  # tokens a second


class Comparison(NamedTuple):
    """A prediction of the shipped model beside a measurement that it was not fitted on."""

    name: str
    predicted: float
    measured: float


def published(chips: Chips) -> list[Row]:
    """The rows of the published tables."""
    return [row for row, _ in _rows("tps_published", chips)]


def community(chips: Chips) -> list[Row]:
    """The community rows that stay after cleaning, the median of each chip, model and quant."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row, fields in _rows("tps_community", chips):
        roofline = row.part.bandwidth / row.touched
        if (
            _ran_whole(row, fields, chips)
            and float(fields["prompt"] or 0) <= MOST_PROMPT
            and LEAST_OF_ROOFLINE * roofline <= row.measured <= MOST_OF_ROOFLINE * roofline
        ):
            groups[row.chip, row.model, row.quant].append(row)
    return [rows[0]._replace(measured=statistics.median(row.measured for row in rows)) for rows in groups.values()]


def on_cpus(chips: Chips) -> list[tuple[Row, float, float]]:
    """The rows of CPUs, with the parameters and the prompt speed of the model, each 0 where it is not told."""
    kept = {(row.chip, row.model, row.quant): row for row in published(chips) + community(chips)}
    found = {}
    for table in ("tps_published", "tps_community"):
        for row, fields in _rows(table, chips):
            key = row.chip, row.model, row.quant
            if row.part.accelerator == "cpu" and key in kept:
                told = LEAST_PROMPT <= float(fields["prompt"] or 0) <= MOST_PROMPT
                prompt = float(fields["prefill_tok_s"] or 0) if told else 0.0
                if key not in found or prompt:
                    found[key] = (kept[key], float(fields["params"] or 0), prompt)
    return list(found.values())


def deep(chips: Chips) -> list[Comparison]:
    """Decode speed behind long prompts, where each token reads the cache too."""
    found = []
    for row, fields in _rows("tps_community", chips):
        if fields["kv_bytes"] and float(fields["prompt"] or 0) > MOST_PROMPT and _ran_whole(row, fields, chips):
            cache = float(fields["prompt"]) * float(fields["kv_bytes"])
            steps = speed.layer_steps(speed.FITTED, row.layers, row.kind, sparse=row.sparse)
            seconds = speed.decode_seconds(
                speed.FITTED, row.part, touched=row.touched + cache, steps=steps, quant=row.quant
            )
            name = f"{row.chip} {row.model} {row.quant} behind {fields['prompt']} tokens"
            found.append(Comparison(name, 1 / seconds, row.measured))
    return found


def splits(chips: Chips) -> list[Comparison]:
    """Models larger than the card, on computers whose memory is known."""
    found = []
    for row, fields in _rows("tps_community", chips):
        vram = _vram(row, chips)
        if not fields["host_gbs"] or row.size <= MOST_OF_VRAM * vram:
            continue
        machine = Machine(
            name=row.chip,
            accelerator=row.part.accelerator,
            memory=64 * GIB,
            budget=gpu_budget(vram)[0],
            bandwidth=row.part.bandwidth,
            vram=vram,
            gpus=1,
            host_budget=48 * GIB,
            host_bandwidth=round(float(fields["host_gbs"]) * 1e9),
            compute=row.part.compute,
        )
        work = speed.Workload(
            need=round(row.size) + SPLIT_NEED,
            touched=round(row.touched),
            layers=row.layers,
            sparse=row.sparse,
            kind=row.kind,
            quant=row.quant,
        )
        seconds = speed.seconds_per_token(machine, work)
        if seconds:
            found.append(Comparison(f"{row.chip} {row.model} {row.quant}", 1 / seconds, row.measured))
    return found


def prefill(chips: Chips, *, sparse: bool = False) -> list[Comparison]:
    """Prompt speed on GPUs by the compute of the chip, of plain models or of those of experts."""
    return [
        Comparison(
            f"{row.chip} {row.model} {row.quant}",
            row.part.compute
            * (speed.prefill_share(row.part.accelerator) if sparse else 1.0)
            / (2 * float(fields["active" if sparse else "params"])),
            float(fields["prefill_tok_s"]),
        )
        for row, fields in _rows("tps_community", chips)
        if fields["prefill_tok_s"]
        and row.part.compute
        and row.sparse == sparse
        and LEAST_PROMPT <= float(fields["prompt"] or 0) <= MOST_PROMPT
        and float(fields["params"]) >= LEAST_PARAMETERS
        and _ran_whole(row, fields, chips)
    ]


def _part(chip: Chip) -> Part:
    processor = Processor(simd=chip.simd, server=chip.server)
    shared = chip.accelerator == "cuda" and chip.unified
    return Part(chip.accelerator, chip.bandwidth, chip.compute, chip.cores, processor, shared)


def _ran_whole(row: Row, fields: dict[str, str], chips: Chips) -> bool:
    """Whether one processor had all of the model."""
    return fields["gpus"] == "1" and (row.part.accelerator == "cpu" or row.size <= MOST_OF_VRAM * _vram(row, chips))


def _vram(row: Row, chips: Chips) -> int:
    return max((size for chip in chips.named(row.chip) for size in chip.memory), default=0)


def _rows(table: str, chips: Chips) -> Iterator[tuple[Row, dict[str, str]]]:
    """Each row of a table, with its fields as they are written."""
    with (DATA / f"{table}.tsv").open(newline="") as file:
        for fields in csv.DictReader(file, delimiter="\t"):
            memory = int(fields["memory_gb"]) * GIB if fields["memory_gb"] else None
            cores = int(fields["gpu_cores"]) if fields["gpu_cores"] else None
            chip = pick(chips.named(fields["chip"]), memory=memory, gpu_cores=cores).chip
            touched = float(fields["bytes_gb"]) * 1e9
            first = fields["kind"].partition("-")[0]
            kind: Kind = first if first in get_args(Kind) else "dense"  # type: ignore[assignment]
            row = Row(
                table=table,
                chip=fields["chip"],
                model=fields["model"],
                quant=fields["quant"],
                part=_part(chip),
                kind=kind,
                sparse=fields["kind"].endswith("experts"),
                touched=touched,
                size=float(fields["file_gb"] or 0) * 1e9 or touched,
                layers=int(fields["layers"]),
                measured=float(fields["tok_s"]),
            )
            yield row, fields

"""What holds for every real listing: each of its GGUF files can be had, or is named as left out for a reason."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmpm.errors import SpecError
from lmpm.gguf import quant
from lmpm.hub.repository import Repository
from lmpm.limits import MAX_GGUF_NAMES
from lmpm.resolver.candidates.variants import Contents, FileSet, contents
from lmpm.resolver.reference import HubReference, parse_quant, parse_reference
from lmpm.types import ModelFile
from tests.loopback.families import listings

DATA = Path(__file__).parents[1] / "data" / "crowded_listings.tsv"
EVERY = Path(__file__).parents[3] / "shared" / "hub" / "listings_dev.jsonl"  # thousands, where somebody has them
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def repository(name: str, sizes: dict[str, int]) -> Repository:
    """A listing as the Hub gives it: files of unlike contents."""
    files = tuple(
        ModelFile(path=path, size=size or 1000, sha256=f"{number:064x}")
        for number, (path, size) in enumerate(sorted(sizes.items()), start=1)
    )
    return Repository(id=name, revision="1" * 40, files=files)


def size_of(text: str) -> int:
    """`14.5GiB` in bytes, 0 for what is not known."""
    found = re.fullmatch(r"([\d.]+) ?([KMGT]?i?B)", text)
    return int(float(found[1]) * UNITS[found[2]]) if found else 0


def crowded() -> Iterator[tuple[str, dict[str, int]]]:
    for line in DATA.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            name, _, files = line.partition("\t")
            yield name, {path: size_of(size) for path, _, size in (item.rpartition("=") for item in files.split("|"))}


def real() -> Iterator[tuple[str, dict[str, int]]]:
    yield from crowded()
    for item in listings():
        yield item.id, {path: size for path, size in item.files.items() if path.lower().endswith(".gguf")}


def sets_of(found: Contents) -> list[tuple[str, tuple[FileSet, ...]]]:
    """The sets that can be had by their label, by model."""
    return [(found.title, found.sets), *found.others.items()]


def check(name: str, sizes: dict[str, int]) -> Counter[str]:
    """Assert what holds for a listing; how many files are offered, and left out for which reason."""
    found = contents(repository(name, sizes))
    counts: Counter[str] = Counter()
    places: Counter[str] = Counter()
    reasons = {"further": found.further, "twin": found.twins, "incomplete": found.incomplete, "foreign": found.foreign}
    for reason, items in {"offered": [item for _, sets in sets_of(found) for item in sets], **reasons}.items():
        paths = [file.path for item in items for file in item.files]
        counts[reason] += len(paths)
        places.update(paths)
    for kind, beside in found.beside.items():
        counts[kind] += len(beside)
        places.update(beside)
    assert set(places) == set(sizes), f"{name}: {set(sizes) - set(places)} are neither offered nor named"
    assert set(places.values()) <= {1}, f"{name}: {places.most_common(2)}"
    for model, sets in sets_of(found):
        labels = [item.quant for item in sets]
        assert len(labels) == len(set(labels)), f"{name}, {model}: {labels}"
        for item in found.further:
            holder = next((other for other in sets if other.quant == item.quant and other.model == item.model), None)
            assert holder is None or holder.plainness <= item.plainness, f"{name}: {item.files[0].path}"
    remarks = "\n".join(found.remarks())
    assert not found.further or found.further[0].files[0].path in remarks
    return counts


@pytest.mark.parametrize(("name", "sizes"), [pytest.param(*item, id=item[0]) for item in crowded()])
def test_a_crowded_listing(name: str, sizes: dict[str, int]) -> None:
    assert check(name, sizes)["offered"] or name == "AmpereComputing/afm-4.5b-gguf"  # which is of another runtime


def test_every_listing_of_the_tests() -> None:
    counts: Counter[str] = Counter()
    for name, sizes in real():
        counts += check(name, sizes)
    assert counts["offered"] > 0.8 * counts.total()


@pytest.mark.skipif(not EVERY.is_file(), reason="needs the listings that are not part of the project")
def test_every_listing_there_is() -> None:
    counts: Counter[str] = Counter()
    for number, row in enumerate(map(json.loads, EVERY.read_text("utf-8").splitlines()), start=1):  # noqa: B007
        known = row.get("sizes") or {}
        paths = [path for path in row["files"] if path.lower().endswith(".gguf")]
        counts += check(row["repo_id"], {path: size_of(known.get(path) or "") for path in paths})
    print(f"{number:,} repositories, {counts.total():,} files: {dict(counts.most_common())}")
    assert counts["offered"] > 0.9 * counts.total()


@pytest.mark.parametrize("name", ["f{}/m-Q4_K_M.gguf", "m{}-Q4_K_M.gguf", "m{}/M-Q4_K_M-00001-of-00001.gguf"])
def test_of_more_names_than_any_repository_has_the_first_are_offered_and_each_can_be_named(name: str) -> None:
    sizes = {name.format(number): number for number in range(1, 5000)} | {"M-Q8_0.gguf": 9}
    counts = check("maker/M-GGUF", sizes)
    assert counts["unread"] == 5000 - MAX_GGUF_NAMES
    listing, last = repository("maker/M-GGUF", sizes), name.format(4999)
    found = contents(listing)
    assert any(item.files[0].path == "M-Q8_0.gguf" for item in found.sets), "the root before folders"
    assert any("4,000 more files were not looked at" in remark for remark in found.remarks())
    (taken,) = contents(listing, path=last).sets
    assert [file.path for file in taken.files] == [last]


def test_no_set_of_shards_is_cut_by_the_budget() -> None:
    sizes = {f"a{number}-Q4_K_M.gguf": number for number in range(1, MAX_GGUF_NAMES)}
    sizes |= {f"z-Q8_0-{number:05}-of-00003.gguf": number for number in (1, 2, 3)}
    found = contents(repository("maker/M-GGUF", sizes))
    assert not found.incomplete and len(found.beside["unread"]) == 3
    (taken,) = contents(repository("maker/M-GGUF", sizes), path="z-Q8_0-00001-of-00003.gguf").sets
    assert len(taken.files) == 3


def test_a_label_can_be_typed() -> None:
    """`repo:LABEL` is understood as that very label, for all that are offered."""
    for name, sizes in real():
        for item in contents(repository(name, sizes)).sets:
            if item.quant in quant.VAGUE or item.quant == quant.UNKNOWN:
                continue
            reference = parse_reference(f"{name}:{item.quant}")
            assert isinstance(reference, HubReference) and reference.quant == item.quant, f"{name}:{item.quant}"


def test_what_is_no_label_is_refused() -> None:
    for label in ("Q4_K_M-fast", "Q4_K_4", "IQ4_KS-", "Q99"):
        with pytest.raises(SpecError):
            parse_quant(label)


@pytest.mark.parametrize(
    "name",
    [
        "model{0}-{0}B-Q4_K_M.gguf",  # a model each
        "M-IQ3_S-{1}.{2:02}bpw.gguf",  # a label each
        "{0}/M-Q4_K_M.gguf",  # all of one label
        "M-Q4_K_M-{0:05}-of-09999.gguf",  # one set
        "{0}" + "-" * 200 + ".gguf",
        "{0}" + "_." * 100 + "-imat.gguf",
    ],
)
def test_the_work_grows_with_the_number_of_files(name: str) -> None:
    """Four times the files take about four times the calls of functions, not sixteen times."""

    def calls(count: int) -> int:
        made = 0

        def counted(*_: object) -> None:
            nonlocal made
            made += 1

        sizes = {name.format(number, number // 100, number % 100): number for number in range(1, count)}
        listing = repository("maker/M-GGUF", sizes)
        sys.setprofile(counted)
        try:
            found = contents(listing)
        finally:
            sys.setprofile(None)
        assert (
            sum(len(sets) for _, sets in sets_of(found))
            + len(found.further)
            + len(found.incomplete)
            + len(found.beside)
            > 0
        )
        return made

    assert calls(2000) < 6 * calls(500)

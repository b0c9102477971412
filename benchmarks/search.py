"""What finding a model costs: `python benchmarks/search.py [--matches 700]`, against the loopback Hub of the tests.

It prints the share of typed references that end as the table of the tests says, the requests and bytes of each kind
of resolve, and the time of one with hundreds of matches, the wall's and the processor's: the server runs in the same
process, so both contain it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lmpm import catalog, machine
from lmpm.catalog.catalog import Catalog
from lmpm.errors import LmpmError
from lmpm.hub.client import Hub
from lmpm.hub.header_cache import HeaderCache
from lmpm.hub.http import Http
from lmpm.hub.response_cache import ResponseCache
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.resolver import Resolver
from lmpm.store.cache import Store
from lmpm.types import HubSource, Machine
from tests.loopback import LoopbackHub
from tests.loopback.demo import add_demo_repositories
from tests.loopback.families import add_listed, add_story, listings, small_catalog

CASES = Path(__file__).parents[1] / "tests" / "data" / "references.psv"


def main() -> None:
    """Run the three measurements and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matches", type=int, default=700)
    options = parser.parse_args()
    known = catalog.load(catalog.directory())
    with tempfile.TemporaryDirectory() as folder:
        print_crowd(known, Path(folder), options.matches)
        print_catalog(known, Path(folder))
        print_cases(small_catalog(Path(folder, "models")))


def print_crowd(known: Catalog, place: Path, matches: int) -> None:
    """One reference with hundreds of matches, first and second time."""
    with LoopbackHub() as hub:
        add_story(hub, matches)
        here = machine.parse_spec("M2, 16GB", machine.load_chips(known.directory))
        for time_of in ("first", "second"):
            taken = _measured(known, place, hub, here, "deepseek r1 distill qwen 7b")
            print(f"{matches} matches, {time_of} time: {taken}")
        ref = "bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF:Q4_K_M"
        print(f"a repository: {_measured(known, place / 'other', hub, here, ref)}")


def print_catalog(known: Catalog, place: Path) -> None:
    """A task of the catalog."""
    with LoopbackHub() as hub:
        add_demo_repositories(hub)
        here = machine.parse_spec("M2, 16GB", machine.load_chips(known.directory))
        print(f"a task of the catalog: {_measured(known, place, hub, here, 'text-to-sql')}")


def print_cases(known: Catalog) -> None:
    """The table of typed references."""
    rows = [line.split("|") for line in CASES.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    chips = machine.load_chips(known.directory)
    right, requests, sizes = 0, [], []
    with LoopbackHub() as hub:
        for item in listings():
            add_listed(hub, item)
        for text, spec, expected in rows:
            hub.reset_log()
            with tempfile.TemporaryDirectory() as fresh:
                result = _result(_resolver(known, Path(fresh), hub), text, machine.parse_spec(spec, chips))
            right += result == expected
            if " " in text:
                requests.append(len(hub.requests))
                sizes.append(hub.bytes_sent())
    print(f"{right} of {len(rows)} references end as expected: {right / len(rows):.1%}")
    print(
        f"words, nothing kept: {max(requests)} requests and {max(sizes):,} bytes at most, "
        f"{sorted(requests)[len(requests) // 2]} and {sorted(sizes)[len(sizes) // 2]:,} in the middle"
    )


def _measured(known: Catalog, place: Path, hub: LoopbackHub, here: Machine, ref: str) -> str:
    hub.reset_log()
    wall, cpu = time.perf_counter(), time.process_time()
    result = _result(_resolver(known, place, hub), ref, here)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return f"{result}, {len(hub.requests)} requests, {hub.bytes_sent():,} bytes, {wall:.2f} s, {cpu:.2f} s of processor"


def _resolver(known: Catalog, place: Path, hub: LoopbackHub) -> Resolver:
    return Resolver(
        known,
        Hub(Http(hub.endpoint), cache=ResponseCache(place / "hub"), kept=HeaderCache(place / "headers")),
        Store(place / "store", place / "home"),
    )


def _result(resolver: Resolver, text: str, here: Machine) -> str:
    try:
        found = resolver.resolve(text, here, Constraints(), where="hub")
    except LmpmError as error:
        return f"{type(error).__name__} {error.exit_code}"
    chosen = found.choice.chosen
    if chosen is None:
        return f"nothing fits {found.choice.request.model}"
    source = chosen.variant.source
    return f"{source.repo if isinstance(source, HubSource) else source}:{chosen.variant.quant}"


if __name__ == "__main__":
    main()

"""Whether a file is what it is called: what its header says against its name, and what becomes of the choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lmpm import catalog
from lmpm.gguf import check
from lmpm.gguf.check import Expectation
from lmpm.gguf.header import Header, read_file
from lmpm.gguf.tensor_types import FILE_TYPES
from lmpm.hub.client import Hub
from lmpm.hub.header_cache import HeaderCache
from lmpm.hub.http import Http
from lmpm.hub.patience import Patience
from lmpm.machine.chips import load_chips
from lmpm.machine.spec import parse_spec
from lmpm.resolver.checks.fit import ExactFit
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.locate import FileLocator
from lmpm.resolver.resolver import UNTALKED, Resolution, Resolver
from lmpm.store.cache import Store
from tests.conftest import ROOT
from tests.loopback import LoopbackHub
from tests.remote import served
from tests.shapes import MODELS, write

FILE_TYPE = {name: number for number, name in FILE_TYPES.items()}


def header(tmp_path: Path, name: str, tensors: str, *, states: str | None = None) -> Header:
    """The full header of a model whose tensors have a type and which states a quant."""
    shape = MODELS[name]()
    keys = {**shape.keys, "general.file_type": FILE_TYPE[states]} if states else shape.keys
    return read_file(write(tmp_path / "model.gguf", replace(shape, keys=keys), tensors))


@pytest.mark.parametrize(
    ("name", "called", "tensors", "states", "says"),
    [
        ("Qwen3-8B", "Q4_K_M", "Q4_K", "Q4_K_M", None),
        ("Qwen3-8B", "Q4_K_M", "Q4_K", None, None),
        ("Qwen3-8B", "Q4_K_M", "Q4_0", "Q4_0", "its tensors are Q4_0"),
        ("Qwen3-8B", "Q4_K_M", "Q4_0", "Q4_K_M", "its tensors are Q4_0"),  # whoever forges the one, forgets the other
        ("Qwen3-8B", "Q4_0", "Q4_K", "Q4_K_M", "its tensors are Q4_K"),
        ("Qwen3-8B", "Q5_K_M", "Q4_K", "Q4_K_M", "its tensors are Q4_K"),
        ("Qwen3-8B", "Q5_K_M", "Q4_K", "Q5_K_M", None),  # a recipe of its maker, who says what it is
        ("Qwen3-8B", "Q8_0", "Q4_0", "Q4_0", "its tensors are Q4_0"),
        ("Qwen3-8B", "F16", "Q8_0", "Q8_0", "its tensors are Q8_0"),
        ("Qwen3-8B", "Q8_K_XL", "Q8_0", "Q8_0", None),
        ("Qwen3-8B", "UD-Q4_K_XL", "Q4_0", "Q4_0", None),  # dynamic: every tensor has its own type
        ("Qwen3-8B", "AD-Q4_K_M-IQ4_XS", "Q4_K", "Q4_K_M", None),
        ("Qwen3-8B", "i1-Q4_K_M", "Q4_0", "Q4_0", "its tensors are Q4_0"),
        ("Qwen3-8B", "Q4", "Q4_K", "Q4_K_M", None),  # a width, no type
        ("Qwen3-8B", "IQ4_XS", "Q4_K", "IQ4_XS", None),
        ("Qwen2.5-0.5B", "Q4_K_M", "Q4_K", "Q4_K_M", None),  # its rows fit no K-quant
        ("gpt-oss-20b", "Q8_0", "MXFP4", "Q8_0", None),  # trained in MXFP4, and kept in it
        ("gpt-oss-20b", "F16", "MXFP4", "F16", None),
        ("Gemma-3n-E4B", "Q4_0", "Q4_0", "Q4_0", None),
    ],
)
def test_a_quant_against_its_tensors(
    tmp_path: Path, name: str, called: str, tensors: str, states: str | None, says: str | None
) -> None:
    found = check.contradiction(
        Expectation(quant=called), header(tmp_path, name, tensors, states=states), 2**33, engine=lambda: None
    )
    assert (None if found is None else found.kind) == (None if says is None else "quant")
    assert found is None or (says or "") in found.detail


@pytest.mark.parametrize(
    ("engine", "refused"), [(None, True), ((0, 3, 35), True), ((0, 3, 36), True), ((0, 3, 37), False), ((0, 4), False)]
)
def test_what_a_newer_llama_cpp_runs_is_left_to_it(
    tmp_path: Path, engine: tuple[int, ...] | None, refused: bool
) -> None:
    known = header(tmp_path, "Qwen3-8B", "Q4_K", states="Q4_K_M")
    unknown = replace(known, metadata={**known.metadata, "general.architecture": "qwen9"})
    found = check.contradiction(Expectation(quant="Q4_K_M"), unknown, 2**33, engine=lambda: engine)
    assert (found is not None and found.kind == "engine" and "`qwen9`" in found.detail) == refused


@pytest.mark.parametrize(
    ("keys", "is_another"),
    [
        ({"general.type": "mmproj", "clip.vision.projection_dim": 4096}, False),
        ({"general.type": "mmproj", "clip.vision.projection_dim": 2048}, True),
        ({"general.type": "mmproj", "clip.audio.projection_dim": 2048}, True),
        ({"general.type": "mmproj", "clip.vision.projection_dim": 4096, "clip.audio.projection_dim": 512}, False),
        ({"clip.vision.projection_dim": 768}, False),  # of an old converter: the width of its encoder
        ({"general.type": "mmproj"}, False),
    ],
)
def test_a_projector_of_another_model(tmp_path: Path, keys: dict[str, str | int], is_another: bool) -> None:
    projector = Header(version=3, tensor_count=0, metadata=keys, array_lengths={})
    found = check.of_projector(header(tmp_path, "Qwen3-8B", "Q4_K"), projector)
    assert (found is not None and found.kind == "model" and "the model has 4,096" in found.detail) is is_another


@pytest.mark.parametrize("name", MODELS)
def test_an_honest_file_of_every_architecture_is_believed(tmp_path: Path, name: str) -> None:
    if name in ("BGE-large", "nomic-embed-v1.5"):
        return
    for called, tensors in (("Q4_K_M", "Q4_K"), ("Q8_0", "Q8_0"), ("Q4_0", "Q4_0"), ("F16", "F16")):
        told = header(tmp_path, name, tensors, states=called)
        count = sum(tensor.elements for tensor in told.tensors)
        assert (
            check.contradiction(Expectation(quant=called, parameters=count), told, count, engine=lambda: None) is None
        ), called


@pytest.mark.parametrize(
    ("called", "bits", "is_lie"),
    [("Q4_K_M", 4.9, False), ("Q4_K_M", 4.0, True), ("Q5_K_M", 4.9, True), ("Q8_0", 8.5, False), ("Q8_0", 4.7, True),
     ("Q4_K_M", 6.0, False), ("Q4_K_M", 8.5, True), ("IQ1_S", 1.7, False)],
)  # fmt: skip
def test_a_quant_against_the_size_of_its_file(tmp_path: Path, called: str, bits: float, is_lie: bool) -> None:
    keys = replace(header(tmp_path, "Qwen3-8B", "Q4_K"), tensors=(), array_lengths={"tokenizer.ggml.tokens": 151936})
    size = int(8_190_735_360 * bits / 8)
    told = Expectation(quant=called, parameters=8_190_735_360, is_exact=True)
    assert bool(check.contradiction(told, keys, size, engine=lambda: None)) is is_lie
    assert check.contradiction(replace(told, quant=f"UD-{called}"), keys, size, engine=lambda: None) is None


@pytest.mark.parametrize(
    ("name", "called", "size"),
    [  # as they are on the Hub: sizes that no file of these quants has elsewhere
        ("gpt-oss-20b", "Q8_0", 12_109_566_560),
        ("gpt-oss-20b", "F16", 13_792_639_168),
        ("Gemma-4-E2B", "Q2_K", 3_000_000_000),
    ],
)
def test_sizes_that_do_not_follow_from_the_keys_say_nothing(tmp_path: Path, name: str, called: str, size: int) -> None:
    whole = header(tmp_path, name, "Q4_K")
    count = sum(tensor.elements for tensor in whole.tensors)
    told = Expectation(quant=called, parameters=count, is_exact=True)
    assert check.contradiction(told, replace(whole, tensors=()), size, engine=lambda: None) is None


class Desk:
    """What `lmpm install` chooses with: it reads whole headers."""

    def __init__(self, hub: LoopbackHub, home: Path) -> None:
        store, known = Store(home / "store", home), catalog.load(ROOT / "catalog")
        self.hub = hub
        self.client = Hub(Http(hub.endpoint), kept=HeaderCache(home / "headers"), patience=Patience(backoff_s=0))
        self.resolver = Resolver(known, self.client, store)
        self.shelf = FileLocator(store=store, hub=self.client, catalog=known)

    def add(
        self, repo: str, tensors: str, *, called: str = "Q4_K_M", states: str | None = None, template: str = ""
    ) -> None:
        keys: tuple[tuple[str, str | int], ...] = (("tokenizer.chat_template", template),) if template else ()
        keys += (("general.file_type", FILE_TYPE[states]),) if states else ()
        path = f"Luna-3B-Instruct-{called}.gguf"
        content, header_bytes = served("Granite-3.1-3B-A800M", tensors, file=path, tokens=20_000, keys=keys)
        assert header_bytes > 2**18, "the table of tensors has to lie far behind the first 64 KiB"
        self.hub.add_repo(
            repo, {path: content}, card_data={"base_model": ["maker/Luna-3B-Instruct"], "license": "mit"},
            gguf={"total": 3_300_000_000, "architecture": "granitemoe", "context_length": 32768},
            downloads=9_000 if repo.startswith("bartowski") else 500,
        )  # fmt: skip

    def choose(self, ref: str) -> Resolution:
        exact_fit = ExactFit(locator=self.shelf, reach="chosen")
        box = parse_spec("M2, 16GB", load_chips(ROOT / "catalog"))
        return self.resolver.resolve(ref, box, Constraints(), where="hub", exact_fit=exact_fit)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with LoopbackHub() as hub:
        yield Desk(hub, tmp_path)


LUNA, SECOND = "bartowski/Luna-3B-Instruct-GGUF", "unsloth/Luna-3B-Instruct-GGUF"


def test_a_q4_0_called_q4_k_m_is_passed_over_before_the_download(desk: Desk) -> None:
    desk.add(LUNA, "Q4_0", states="Q4_0")
    desk.add(SECOND, "Q4_K", called="Q4_K_S", states="Q4_K_S")
    found = desk.choose("luna 3b instruct").choice
    assert found.chosen and found.chosen.variant.quant == "Q4_K_S"
    [lie] = [item for item in found.rejected if item.reason == "untrusted"]
    assert lie.detail == "it is called Q4_K_M, its tensors are Q4_0"
    assert any(note == f"{LUNA} was passed over for its Q4_K_M: {lie.detail}" for note in found.notes)


def test_an_honest_one_is_taken(desk: Desk) -> None:
    desk.add(LUNA, "Q4_K", states="Q4_K_M", template="{{ messages }}")
    found = desk.choose(LUNA).choice
    assert found.chosen and found.chosen.variant.quant == "Q4_K_M"
    assert found.chosen.variant.has_template is True and UNTALKED not in found.notes


def test_a_model_to_talk_to_without_a_chat_template_is_reported(desk: Desk) -> None:
    desk.add(LUNA, "Q4_K", states="Q4_K_M")
    found = desk.choose("luna 3b instruct")
    assert found.task and found.task.name == "chat"
    assert found.choice.chosen and found.choice.chosen.variant.has_template is False
    assert UNTALKED in found.choice.notes

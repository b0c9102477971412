"""The exact need before the download: by the header, by llama.cpp's plan, and what it changes in a choice."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from lmpm import catalog, engine, machine as machines
from lmpm.engine.adapters.xllamacpp import XLlamaCpp
from lmpm.engine.local import LocalEngine
from lmpm.estimate.memory.bytes_per_token import bytes_per_token
from lmpm.estimate.memory.exact import exact_memory, exact_shape, memory_by_header
from lmpm.estimate.memory.fit import fits, gpus_of, placed
from lmpm.estimate.memory.from_keys import SKETCH_ERROR, sketch
from lmpm.estimate.memory.hparams import HParams
from lmpm.estimate.memory.quick import estimate_memory
from lmpm.estimate.memory.shape import shape_of
from lmpm.gguf.header import read_file
from lmpm.hub.client import Hub
from lmpm.hub.header_cache import HeaderCache
from lmpm.hub.http import Http
from lmpm.hub.patience import Patience
from lmpm.machine.chips import load_chips
from lmpm.machine.spec import parse_spec
from lmpm.project.lock import build, ladder
from lmpm.project.lock.entry import prove
from lmpm.project.lock.records import LockedCandidate
from lmpm.project.manifest import ManifestModel
from lmpm.proof.result import MemoryCheck
from lmpm.resolver.checks.fit import ESTIMATE_ERROR, ExactFit
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.locate import FileLocator
from lmpm.resolver.resolver import Resolution, Resolver
from lmpm.run_config import RunConfig
from lmpm.store.cache import Store
from lmpm.types import HubSource, Machine, ModelFile, Variant
from tests.conftest import ROOT, Cli
from tests.gguf_files import write_llama
from tests.lock_samples import small_model
from tests.loopback import LoopbackHub
from tests.remote import served
from tests.shapes import MODELS, write

REPO = "maker/granite-3.1-3b-a800m-instruct-GGUF"
NAME = "Granite-3.1-3B-A800M"
CATALOG = ROOT / "catalog"
CONTEXT = 8192
SAME = {  # models of the catalog whose shapes the tests hold, too
    "llama-3.1-8b-instruct": "Llama-3.1-8B",
    "llama-3.2-1b-instruct": "Llama-3.2-1B",
    "qwen2.5-coder-7b-instruct": "Qwen2.5-Coder-7B",
    "qwen2.5-coder-0.5b-instruct": "Qwen2.5-0.5B",
    "embeddinggemma-300m": "EmbeddingGemma",
    "nomic-embed-text-v1.5": "nomic-embed-v1.5",
    "granite-4.0-h-tiny": "Granite-4-Tiny",
    "qwen3.5-4b": "Qwen3.5-4B",
    "qwen3-embedding-0.6b": "Qwen3-0.6B",
}


def machine(spec: str, **changes: Any) -> Machine:
    return replace(parse_spec(spec, load_chips(CATALOG)), **changes)


def model_of(tmp_path: Path, name: str, quant: str = "Q4_K") -> HParams:
    return HParams(read_file(write(tmp_path / "model.gguf", MODELS[name](), quant)))


class Desk:
    """What `lmpm install` chooses with, at a Hub with one repository of two quants."""

    def __init__(self, hub: LoopbackHub, home: Path) -> None:
        self.hub = hub
        self.home = home
        store = Store(home / "store", home)
        known = catalog.load(CATALOG)
        client = Hub(
            Http(hub.endpoint, token=None, user_agent="test"),
            kept=HeaderCache(home / "headers"),
            patience=Patience(backoff_s=0),
        )
        self.resolver = Resolver(known, client, store)
        self.shelf = FileLocator(store=store, hub=client, catalog=known)

    def choose(
        self, box: Machine, local_engine: LocalEngine | None = None, *, appraised: bool = True, quant: str | None = None
    ) -> Resolution:
        exact_fit = ExactFit(locator=self.shelf, reach="chosen", local_engine=local_engine) if appraised else None
        constraints = Constraints(context=CONTEXT, quant=quant)
        return self.resolver.resolve(f"hf:{REPO}", box, constraints, where="hub", exact_fit=exact_fit)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with LoopbackHub() as hub:
        files = {f"granite-{label}.gguf": (label, quant) for label, quant in (("Q8_0", "Q8_0"), ("Q4_K_M", "Q4_K"))}
        content = {path: served(NAME, quant, file=path)[0] for path, (_, quant) in files.items()}
        hub.add_repo(REPO, content)
        yield Desk(hub, tmp_path)


def test_the_header_says_what_the_estimate_did_not(desk: Desk) -> None:
    roomy = machine("M3 Max, 64GB")
    estimated = desk.choose(roomy, appraised=False).choice.chosen
    chosen = desk.choose(roomy).choice.chosen
    assert estimated and chosen and chosen.variant.quant == estimated.variant.quant == "Q8_0"
    assert (estimated.memory.source, chosen.memory.source) == ("estimated", "header")
    assert chosen.memory.total > estimated.memory.total
    between = machine("M3 Max, 64GB", budget=(chosen.memory.total + estimated.memory.total) // 2)
    guessed = desk.choose(between, appraised=False, quant="Q8_0").choice.chosen
    assert guessed is not None and guessed.variant == estimated.variant, "the estimate fits"
    choice = desk.choose(between, quant="Q8_0").choice
    assert choice.chosen is None
    passed_over = next(item for item in choice.rejected if item.candidate.variant.quant == "Q8_0")
    assert passed_over.reason == "memory" and passed_over.candidate.memory.total == chosen.memory.total
    other = desk.choose(between).choice.chosen
    assert other is not None and other.variant.quant == "Q4_K_M"


def test_llama_cpp_has_the_last_word(desk: Desk) -> None:
    local_engine = LocalEngine(machine("CPU, 8 cores, 64GB"), desk.home)
    first = desk.choose(local_engine.machine, local_engine).choice.chosen
    assert first and first.memory.source == "dry-run"
    told = first.variant.memory
    assert told is not None and first.memory.total == pytest.approx(told.total, rel=0.15)
    tight = replace(local_engine.machine, budget=first.memory.total - 1)
    if told.total <= tight.budget:  # else the header already says no
        choice = desk.choose(tight, local_engine, quant=first.variant.quant).choice
        assert choice.chosen is None
        assert "llama.cpp here plans" in choice.rejected[0].detail


def test_a_plan_is_asked_for_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    local_engine = LocalEngine(machine("CPU, 8 cores, 64GB"), desk.home)
    first = desk.choose(local_engine.machine, local_engine).choice.chosen
    desk.hub.reset_log()
    monkeypatch.setattr(XLlamaCpp, "plan", lambda *_, **__: pytest.fail("llama.cpp was asked again"))
    assert desk.choose(local_engine.machine, LocalEngine(local_engine.computer, desk.home)).choice.chosen == first
    assert desk.hub.bytes_sent(".gguf") == 0, "the headers are kept"


def test_without_an_engine_the_formula_answers_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmpm.engine.engines.Engines.candidates", ())
    local_engine = LocalEngine(machine("CPU, 8 cores, 64GB"), desk.home)
    choice = desk.choose(local_engine.machine, local_engine).choice
    assert choice.chosen and choice.chosen.memory.source == "header"
    assert any("llama.cpp cannot be asked here" in note for note in choice.notes)


def test_what_is_locked_does_not_depend_on_who_locks(desk: Desk) -> None:
    local_engine = LocalEngine(machine("CPU, 8 cores, 64GB"), desk.home)
    line = ManifestModel(name="x", ref=f"hf:{REPO}")
    seen = desk.choose(local_engine.machine, local_engine, quant="Q8_0"), desk.choose(machine("RTX 4090, 64GB"))
    here, there = (build.lock_model(item, line, desk.resolver, {})[1].candidates[0] for item in seen)
    assert (here.memory, here.bytes_per_token, here.files) == (there.memory, there.bytes_per_token, there.files)
    assert here.architecture == "granitemoe"
    assert 0 < here.active_parameters < here.parameters / 3


def test_a_header_that_is_none_is_a_reason(desk: Desk) -> None:
    broken = served(NAME, "Q8_0", file="granite-Q8_0.gguf")[0]
    head = broken.head[:-4000] + bytes(4000)  # the end of its tensor table
    desk.hub.add_repo(REPO, {"granite-Q8_0.gguf": type(broken)(broken.size, head, sha256="ab" * 32)})
    choice = desk.choose(machine("CPU, 8 cores, 64GB")).choice
    assert choice.chosen is None
    assert choice.rejected[0].reason == "unreadable" and "not a usable GGUF" in choice.rejected[0].detail


# The formula's other uses


def test_estimates_are_as_honest_as_they_say(tmp_path: Path) -> None:
    known = catalog.load(CATALOG)
    back = {shape: name for name, shape in SAME.items()}
    sketched, estimated, touched = [], [], []
    for name in MODELS:
        path = write(tmp_path / "model.gguf", MODELS[name]())
        model, keys = HParams(read_file(path)), read_file(path, tensors=False)
        settings = RunConfig(context=min(CONTEXT, model.context_length or CONTEXT))
        told = memory_by_header(model, settings)
        size = path.stat().st_size
        if not model.architecture.tied_twice:
            near = sketch(keys, settings, size=size + 25 * model.vocabulary)  # these files have no vocabulary
            sketched.append(abs(near.must_fit / told.total - 1))
        shape = shape_of(keys, parameters=sum(tensor.elements for tensor in model.tensors.values()))
        if name in back:
            entry = known.model(back[name])
            assert entry is not None
            shape = entry.shape
        bare = Variant(
            model="m", title="m", source=HubSource("a/b"), quant="Q4_K_M", license="", architecture="llama",
            files=(ModelFile(path="m.gguf", size=size),), context_length=model.context_length, shape=shape,
        )  # fmt: skip
        if shape is not None:
            estimated.append(abs(estimate_memory(bare, settings.context).total / told.total - 1))
            touched.append(abs(estimate_memory(bare, settings.context).bytes_per_token / told.bytes_per_token - 1))
    assert ninth(sketched) <= SKETCH_ERROR and statistics.median(sketched) <= 0.003
    assert ninth(estimated) <= ESTIMATE_ERROR and statistics.median(estimated) <= 0.005
    assert statistics.median(touched) <= 0.10


def ninth(errors: list[float]) -> float:
    """The error that nine in ten stay below."""
    return sorted(errors)[math.ceil(len(errors) * 0.9) - 1]


def test_a_token_reads_only_what_it_goes_through(tmp_path: Path) -> None:
    model = model_of(tmp_path, "Qwen3-30B-A3B")
    shape = exact_shape(model)
    assert shape is not None
    assert shape.parameters == pytest.approx(30.5e9, rel=0.01)  # as its card says: 30.5B, 3.3B activated
    assert shape.active_parameters == pytest.approx(3.3e9, rel=0.03)
    settings = RunConfig(context=2)
    idle = sum(tensor.nbytes for name, tensor in model.tensors.items() if "_exps" in name) * 120 // 128
    table = model.tensors["token_embd.weight"].nbytes
    weights = sum(tensor.nbytes for tensor in model.tensors.values())
    cells = exact_memory(model, settings).parts.kv_cache
    assert bytes_per_token(model, settings) == weights - idle - table + cells


def test_tied_embeddings_are_read_as_the_output(tmp_path: Path) -> None:
    model = model_of(tmp_path, "Llama-3.2-1B")
    weights = sum(tensor.nbytes for tensor in model.tensors.values())
    settings = RunConfig(context=2)
    assert bytes_per_token(model, settings) == weights + exact_memory(model, settings).parts.kv_cache
    gemma = model_of(tmp_path, "Gemma-4-E2B")
    rows = gemma.tensors["per_layer_token_embd.weight"].nbytes
    weights = sum(tensor.nbytes for tensor in gemma.tensors.values())
    assert bytes_per_token(gemma, settings) == weights - rows + exact_memory(gemma, settings).parts.kv_cache


def test_as_many_layers_on_the_gpu_as_fit(tmp_path: Path) -> None:
    model = model_of(tmp_path, "Qwen3-30B-A3B")
    settings = RunConfig(context=CONTEXT)
    card = machine("RTX 3060 12GB, 64GB")
    split = placed(model, settings, card)
    assert split.gpu_layers is not None and 0 < split.gpu_layers < model.all_layers
    assert fits(exact_memory(model, split, gpus_of(card)), card)
    one_more = replace(split, gpu_layers=split.gpu_layers + 1)
    assert not fits(exact_memory(model, one_more, gpus_of(card)), card)
    for whole in ("RTX 4090, 64GB", "M2 Max, 64GB", "CPU, 8 cores, 64GB"):
        assert placed(model, settings, machine(whole)) == settings
    assert placed(model, replace(settings, gpu_layers=3), card).gpu_layers == 3, "as the user says"


def test_the_planned_layers_reach_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_llama(tmp_path / "m.gguf", layers=6, dim=256, vocab=2000, context=512)[0]
    model = HParams(read_file(path))
    whole = exact_memory(model, RunConfig(context=512), gpus_of(machine("RTX 4090, 64GB"))).devices[0].parts
    budget = whole.weights // 2 + whole.compute + whole.kv_cache
    card = machine("RTX 4090, 64GB", budget=budget)
    expected = placed(model, RunConfig(context=512), card).gpu_layers
    assert expected is not None and 0 < expected < 7
    plans: list[RunConfig] = []
    open_session = XLlamaCpp.open

    def watched(
        self: XLlamaCpp,
        files: engine.Files,
        config: RunConfig,
        limits: engine.EngineLimits,
        service: engine.Service = engine.Service(),  # noqa: B008
    ) -> engine.Session:
        plans.append(config)
        return open_session(self, files, config, limits, service)

    monkeypatch.setattr(XLlamaCpp, "open", watched)
    local_engine = LocalEngine(card, tmp_path)
    local_engine.machine = card  # as with a build that can use it
    prove([path], catalog.load(CATALOG).task("text-to-sql"), context=512, need=0, local_engine=local_engine)
    assert plans[-1].gpu_layers == expected


def test_a_rung_knows_that_it_is_a_mixture_of_experts() -> None:
    card = machine("RTX 4090, 64GB")
    dense = replace(small_model("m").candidates[0], bytes_per_token=2 * 10**9, memory=5 * 10**9, layers=48)
    known = replace(dense, parameters=8 * 10**9, active_parameters=8 * 10**9)
    sparse = replace(known, active_parameters=10**9)

    def speed(rung: LockedCandidate, kind: Literal["decode", "prefill"] = "decode") -> float:
        taken = ladder.take(replace(small_model("m"), candidates=(rung,)), card).judged.speed
        assert taken
        return taken.decode if kind == "decode" else taken.prefill

    assert speed(dense) == speed(known)
    assert speed(sparse) < speed(known), "its layers have more steps"
    assert speed(sparse, "prefill") > speed(known, "prefill")


# The engine and the machine


def test_a_gpu_that_the_engine_cannot_use(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if LocalEngine(machine("CPU, 8 cores, 64GB"), tmp_path).info.gpu_offload:  # type: ignore[union-attr]
        pytest.skip("the engine here can use a GPU")
    card = machine("RTX 4090, 64GB")
    monkeypatch.setattr(machines, "detect", lambda chips: card)
    found = cli.call("hardware", "--json").passed().json["machine"]
    assert found["accelerator"] == "cpu" and found["budget"] == card.host_budget and not found["vram"]
    choice = cli.call("resolve", "text-to-sql", "--offline", "--json").passed().json
    assert choice["machine"]["accelerator"] == "cpu"
    assert any("RTX 4090 is not used" in note for note in choice["notes"])
    doctor = cli.call("doctor", "--offline", "--json")
    checks = {check["name"]: check for check in doctor.json["checks"]}
    assert doctor.code == 1 and not checks["engine"]["ok"]
    assert "CPU only, but this machine has a GPU" in checks["engine"]["found"]
    assert "GGML_CUDA=on" in checks["engine"]["hint"] and "llama-cpp-python" in checks["engine"]["hint"]
    assert checks["machine"]["sources"]["budget"] == str(card.source_of("budget"))
    other = cli.call("resolve", "text-to-sql", "--offline", "--json", "--hardware", "RTX 4090, 64GB").passed().json
    assert other["machine"]["accelerator"] == "cuda" and not any("not used" in note for note in other["notes"])


def test_a_surprise_in_memory_is_told() -> None:
    check = MemoryCheck(estimated=100 * 2**20, planned=110 * 2**20, measured=110 * 2**20)
    assert check.difference == pytest.approx(-0.0909, abs=1e-3) and check.is_notable
    assert not replace(check, estimated=109 * 2**20).is_notable
    assert not MemoryCheck(estimated=None, planned=None, measured=1).is_notable
    assert not MemoryCheck(estimated=1000, planned=1100, measured=1200).is_notable, "llama.cpp rounds more"


def test_a_smoke_test_measures_what_was_planned(cli: Cli) -> None:
    found = cli.run("install", "text-to-sql", "--offline", "--json").passed().json["models"][0]
    assert found["choice"]["memory"]["source"] == "dry-run"
    assert found["choice"]["memory"]["estimated"] == pytest.approx(found["choice"]["memory"]["total"], rel=0.02)
    check = found["smoke"]["memory"]
    assert 0 < check["measured"] < 64 * 2**20
    assert abs(check["difference"]) <= 0.02
    assert None not in (check["estimated"], check["planned"])


def test_what_a_proxy_says_is_not_kept(tmp_path: Path) -> None:
    kept = HeaderCache(tmp_path)
    answers = [b"<html>please log in</html>", b"GGUF and the rest of it"]
    read_at = kept.reader("ab" * 32, lambda offset, length: answers[0][offset : offset + length])
    assert read_at(0, 10) == answers[0][:10]
    answers.pop(0)
    assert read_at(0, 4) == b"GGUF" and read_at(2, 8) == answers[0][2:10]
    only = kept.only("ab" * 32)
    assert only(0, 10) == answers[0][:10]
    with pytest.raises(LookupError):
        only(0, 11)
    kept.drop("ab" * 32)
    with pytest.raises(LookupError):
        kept.only("ab" * 32)(0, 4)

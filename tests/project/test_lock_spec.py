"""`docs/lockfile.md` is enough: a reader that was written from that page alone takes the rungs that lmpm takes."""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmpm.errors import LockError, NothingFitsError
from lmpm.project import Lock, emit_lock, parse_lock, rung_for
from lmpm.types import Machine, Processor
from tests.conftest import ROOT
from tests.lock_samples import ROUTED as TEXT, random_lock, some_machine

# -- the reader: standard library only, each rule from the page ---------------

GIB = 2**30
HYBRID = {"qwen35", "qwen35moe", "qwen3next", "nemotron_h", "nemotron_h_moe", "granitehybrid", "falcon-h1", "jamba"}
SPEED = {  # accelerator: share of the bandwidth, seconds a layer, operations to read with a byte a second
    "metal": (0.883, 130.5e-6, 18), "cuda": (0.879, 52.6e-6, 55), "rocm": (0.848, 63.8e-6, 35),
    "vulkan": (0.848, 63.8e-6, 25), "sycl": (0.652, 95.5e-6, 20),
}  # fmt: skip
SIMD = {  # rate of a core, operations of the first core
    "sse": (5.38e9, 42.3e9), "": (5.96e9, 88.5e9), "avx2": (5.96e9, 88.5e9), "avx-vnni": (6.90e9, 56.2e9),
    "avx512": (4.69e9, 71.5e9), "avx512-vnni": (6.28e9, 90.5e9), "avx512-bf16": (9.58e9, 126e9),
    "avx512-full": (12.8e9, 180e9), "amx": (7.70e9, 227e9), "neon": (2.0e9, 20e9), "dotprod": (3.80e9, 55.5e9),
    "i8mm": (7.06e9, 67.7e9),
}  # fmt: skip
FORMS = {"safetensors", "litert", "mlc"}
HEX64, HEX40 = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")


def read(text: str) -> dict[str, dict[str, Any]]:
    """The models of a lock by name. Raises ValueError for what the page calls an error."""
    document = tomllib.loads(text.removeprefix("\ufeff"))
    if type(document["version"]) is not int or document["version"] != 2:
        raise ValueError("version")
    models: dict[str, dict[str, Any]] = {}
    for model in document.get("model", []):
        if model["name"] in models or not model["candidate"]:
            raise ValueError(model["name"])
        models[model["name"]] = model
        for rung in model["candidate"]:
            if "hf" in rung["source"] and not HEX40.fullmatch(rung["source"]["revision"]):
                raise ValueError("revision")
            for number in (rung["memory"], rung["bytes_per_token"], *(file["size"] for file in rung["files"])):
                if type(number) is not int or not 1 <= number < 2**63:
                    raise ValueError("size")
            told = rung.get("tested", {})
            figures = [told[key] for key in ("score", "cases", "checks") if key in told]
            if figures and not (0 <= figures[0] <= 1 and figures[1] >= 1 and HEX64.fullmatch(figures[2])):
                raise ValueError("checks")
            if rung["memory"] < sum(file["size"] for file in rung["files"]):
                raise ValueError("memory")
            for file in rung["files"]:
                if not HEX64.fullmatch(file["sha256"]) or not file["path"].endswith(".gguf") or ".." in file["path"]:
                    raise ValueError("file")
        firsts = {rung["files"][0]["sha256"] for rung in model["candidate"]}
        pairs = [(twin["form"], twin["of"]) for twin in model.get("twins", [])]
        if any(form not in FORMS or of not in firsts for form, of in pairs) or len(set(pairs)) < len(pairs):
            raise ValueError("twins")
        for twin in model.get("twins", []):
            paths = [file["path"] for file in twin["files"]]
            sound = all(HEX64.fullmatch(file["sha256"]) and file["size"] > 0 for file in twin["files"])
            if not sound or not paths or any(".." in path or path.startswith("/") for path in paths):
                raise ValueError("twin's file")
            if not HEX40.fullmatch(twin["source"]["revision"]) or not re.fullmatch(
                "[^/]+/[^/]+", twin["evidence"]["base_model"]
            ):
                raise ValueError("twin")
        check_adapters(model)
    check_routes(document, models)
    return models


def check_adapters(model: dict[str, Any]) -> None:
    """Adapters: one base each, as many for each candidate, memory that holds them."""
    adapters = model.get("adapters", [])
    of = [(item["base"]["sha256"], item["file"]["sha256"]) for item in adapters]
    if len(set(of)) < len(of):
        raise ValueError("twice")
    for item in adapters:
        file, source = item["file"], item["source"]
        if not HEX64.fullmatch(file["sha256"]) or not file["path"].endswith(".gguf") or file["size"] < 1:
            raise ValueError("file")
        if ".." in file["path"] or ("hf" in source and not HEX40.fullmatch(source["revision"])):
            raise ValueError("source")
        if item["license"] != item["license"].strip():
            raise ValueError("license")
    counts = []
    for rung in model["candidate"]:
        own = [item for item in adapters if item["base"]["sha256"] == rung["files"][0]["sha256"]]
        counts.append(len(own))
        if rung["memory"] < sum(file["size"] for file in (*rung["files"], *(item["file"] for item in own))):
            raise ValueError("memory")
    if len(set(counts)) > 1 or (adapters and not counts[0]) or counts[0] > 16:
        raise ValueError("adapters")
    if {base for base, _ in of} - {rung["files"][0]["sha256"] for rung in model["candidate"]}:
        raise ValueError("base")


def check_routes(document: dict[str, Any], models: dict[str, Any]) -> None:
    """Providers and routes."""
    providers = document.get("providers", {})
    for provider in providers.values():
        if not re.fullmatch(r"https://[^@?#\s]+|http://(127\.0\.0\.1|localhost)[^@?#\s]*", provider["base_url"]):
            raise ValueError("base_url")
        if not re.fullmatch("[A-Z_][A-Z0-9_]*", provider["api_key_env"]) or not provider["model"]:
            raise ValueError("api_key_env")
    for name, route in document.get("routes", {}).items():
        if name in models or route["privacy"] not in ("local-only", "local-first", "cloud-ok") or not route["targets"]:
            raise ValueError(name)
        for item in (*route["targets"], *route.get("bridge", [])):
            cloud = item.removeprefix("cloud:") if item.startswith("cloud:") else None
            if cloud is not None and (cloud not in providers or route["privacy"] == "local-only"):
                raise ValueError(item)
            if (
                cloud is None
                and item not in models
                and not (item in ("starter", "smaller") and item in route["bridge"])
            ):
                raise ValueError(item)


def bits_of_page() -> dict[str, float]:
    """The table of bits per weight."""
    rows = re.findall(r"^\| ((?:`[A-Z0-9_]+`(?:, )?)+) \| (\d+\.\d+) \|$", PAGE, re.MULTILINE)
    return {name: float(bits) for names, bits in rows for name in re.findall("`(.+?)`", names)}


PAGE = Path(ROOT / "docs" / "lockfile.md").read_text("utf-8")
BITS = bits_of_page()


# The defaults of the page.
DEFAULTS: dict[str, Any] = {
    "system": "", "user": "", "raw": False, "system_role": True, "stop": [], "mode": "",
    "sampling": {"temperature": 0.0}, "max_tokens": 1024, "thinking_tokens": 8192, "grammar": "", "values": False,
    "query_prefix": "", "document_prefix": "", "pooling": "", "normalize": True,
}  # fmt: skip


def asked(model: dict[str, Any], rung: dict[str, Any]) -> dict[str, Any] | None:
    """How a candidate is asked; None where the lock does not say."""
    if "recipe" not in model and "recipe" not in rung:
        return None
    return {**DEFAULTS, **model.get("recipe", {}), **rung.get("recipe", {})}


def bits(rung: dict[str, Any]) -> float:
    return BITS.get(re.sub("^(UD|i1)-", "", rung["quant"]), BITS["Q4_K_M"])


def take(model: dict[str, Any], machine: Machine) -> int | None:
    """The number, from 1, of the candidate that a machine takes; None when there is none."""
    found = [worth(number, rung, model, machine) for number, rung in enumerate(model["candidate"], start=1)]
    settled: dict[Any, list[dict[str, Any]]] = {}
    for item in found:
        if item is not None:
            settled.setdefault((item["rung"]["model"], item["rung"].get("mode"), item["tier"]), []).append(item)
    left = [settle(items) for items in settled.values()]
    taken = None
    for tier in range(4):
        inside = [item for item in left if item["tier"] == tier]
        if inside:
            prefer = model["requested"].get("prefer", "quality")
            best = best_of(inside, prefer)
            if taken is None or (prefer == "quality" and tier < 3 and best["value"] > 1.25 * taken["value"]):
                taken = best
    return taken["number"] if taken else None


def worth(number: int, rung: dict[str, Any], model: dict[str, Any], machine: Machine) -> dict[str, Any] | None:
    """Steps 1 to 3."""
    need, budget, host = rung["memory"], machine.budget, machine.host_budget
    if need > budget + host:
        return None
    writing, reading = (predict(rung, machine, reading=kind) for kind in (False, True))
    least = model["requested"].get("min_speed")
    speed = writing if rung.get("answer_tokens") else reading
    if speed and isinstance(least, (int, float)) and speed < least:
        return None
    whole, x, y, total, haste = need <= budget, 1.0, 1.0, 0.0, 0.0
    if writing and reading and "prompt_tokens" in model:
        thinking = rung.get("thinking_tokens", 0) if rung.get("mode") == "thinking" else 0
        prompt, answer = model["prompt_tokens"], rung.get("answer_tokens", 0)
        first = model.get("first_prompt_tokens", prompt) / reading
        first += 0 if model.get("shows_thinking") else thinking / writing
        total = prompt / reading + (thinking + answer) / writing
        (comfort_f, longest_f), (comfort_t, longest_t) = model["first_token_s"], model["whole_s"]
        longest = model["requested"].get("max_wait")
        if isinstance(longest, (int, float)) and first > longest:
            return None
        haste = max(first / comfort_f, total / comfort_t)
        x = max(1, haste)
        y = max(1, first / longest_f, total / longest_t, 5 / writing if answer else 1)
    reserve = min((0.08 if machine.vram else 0.1) * budget, 2 * GIB) if whole else 0.08 * budget + host / 5
    free = (budget if whole else budget + host) - need
    coarse = bits(rung) < 4.25 or re.match("(UD-|i1-)?Q[23]", rung["quant"])
    tier = 1 if coarse and not rung.get("native") else 0
    tier = 2 if free < max(reserve * (0.85 if rung.get("native") else 1), GIB / 2) else tier
    tier = 3 if model.get("bulk") and not whole and "prompt_tokens" in model else tier
    split = 0.8 if model.get("prompt_tokens", 0) >= 1000 else 0.95
    value = rung["score"] * (1 if whole else split) * x**-0.09 / y
    able = whole and (x == 1 or not rung.get("answer_tokens"))
    size = sum(file["size"] for file in rung["files"])
    most = BITS["Q5_K_M"] if machine.accelerator == "cpu" and rung.get("answer_tokens") and size > 2.5e9 else 8.5
    most = 8.5 if machine.vram else BITS["Q4_K_M"] if need > 0.75 * budget else most
    few = bits(rung) <= most
    item = {"number": number, "rung": rung, "value": value, "tier": tier, "T": total, "whole": whole}
    item["felt"] = max(haste, 1 / 2)
    return {**item, "able": able, "few": few}


def alike(item: dict[str, Any]) -> tuple[int, str]:
    """Step 6."""
    source, quant = item["rung"]["source"], item["rung"]["quant"]
    if "hf" in source:
        name = f"{source['hf']} @ {source['revision'][:7]}"
    else:
        name = source.get("url") or source.get("file") or "built in"
    return item["rung"]["memory"], f"{name} {quant}"


def settle(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Step 4."""
    kinds = ["IQ4", ("Q4_0", "Q4_1", "Q5_0", "Q5_1"), ("F16", "BF16", "F32")]

    def kind(item: dict[str, Any]) -> int:
        plain = re.sub("^(UD|i1)-", "", item["rung"]["quant"])
        if item["rung"].get("native"):
            return 0
        return next((place for place, names in enumerate(kinds, start=2) if plain.startswith(names)), 1)  # type: ignore[arg-type]

    items = [item for item in items if item["whole"]] or items
    items = [item for item in items if kind(item) == min(map(kind, items))]
    good = [item for item in items if item["able"]]
    if good:
        fine = [item for item in good if bits(item["rung"]) <= 8.5] or good
        fine = [item for item in fine if item["few"]] or fine
        return min(fine, key=lambda item: (-bits(item["rung"]), alike(item)[1]))
    usual = BITS["Q4_K_M"]
    return min(items, key=lambda i: (bits(i["rung"]) < usual, abs(bits(i["rung"]) - usual), alike(i)[1]))


def best_of(items: list[dict[str, Any]], prefer: object) -> dict[str, Any]:
    """Step 5."""

    def by_value(item: dict[str, Any]) -> tuple[Any, ...]:
        return (-item["value"], *alike(item))

    if prefer == "speed":
        return min(items, key=lambda item: (item["T"], *by_value(item)))
    if prefer == "small":
        return min(items, key=lambda item: (sum(f["size"] for f in item["rung"]["files"]), *by_value(item)))
    top = min(items, key=by_value)
    close = [item for item in items if item["value"] >= 0.985 * top["value"]]
    least = min(item["felt"] for item in close)
    return min((i for i in close if i["felt"] < 1.1 * least), key=by_value) if least * 1.1 < top["felt"] else top


def predict(rung: dict[str, Any], machine: Machine, *, reading: bool) -> float | None:
    """Tokens a second, None where the bandwidth is not known."""
    need, parameters = rung["memory"], rung.get("parameters", 0)
    share = 1.0 if need <= machine.budget else max(0, machine.budget - GIB * max(1, machine.gpus)) / need
    if not machine.bandwidth or (share < 1 and not machine.host_bandwidth):
        return None
    named_mixture = 0 < rung.get("active_parameters", 0) < parameters
    mixture = named_mixture if parameters else rung["bytes_per_token"] <= need / 3
    low_bit = bool(re.match("(UD-|i1-)?IQ[123]", rung["quant"]))
    cores, cpu = machine.cores or 4, machine.processor
    if reading:
        if machine.compute:
            operations = machine.compute
        elif machine.accelerator == "cpu":
            operations = SIMD[cpu.simd][1] * cores**0.774 * (1 if cpu.server else 1.60)
            operations *= (0.864 if cpu.sockets > 1 else 1) * (0.470 if low_bit else 1)
        else:
            operations = machine.bandwidth * SPEED[machine.accelerator][2]
        of_experts = 0.6 if machine.accelerator == "metal" else 0.33
        operations = max(operations * (of_experts if mixture else 1), 1e9)
        weights = rung.get("active_parameters") or parameters
        weights = weights or 2 * sum(file["size"] for file in rung["files"] if "role" not in file)
        copied = (1 - share) * sum(file["size"] for file in rung["files"]) / (512 * 12e9)
        return float(1 / (2 * weights / operations + copied))
    kind = rung.get("architecture", "")
    steps = rung["layers"] * (1.64 if kind.startswith("gemma") else 1.36 if kind in HYBRID else 1)
    steps *= 1.41 if mixture else 1

    def seconds(part: float, accelerator: str, bandwidth: float) -> float:
        if accelerator == "cpu":
            unpacked = cores * SIMD[cpu.simd][0] * (1 if cpu.server else 2.72) * (0.276 if low_bit else 1)
            read = bandwidth * (0.791 if cpu.server else 0.648) * (0.629 if cpu.sockets > 1 else 1)
            read *= 0.679 if low_bit else 1
            reached, layer = (unpacked**-2 + read**-2) ** -0.5, 57.4e-6 + 2.95e-6 * cores
        else:
            of_bandwidth, layer, _ = SPEED[accelerator]
            reached = bandwidth * of_bandwidth
            if accelerator == "cuda" and not machine.vram:
                reached *= 0.895
            if low_bit:
                reached *= 0.5 if accelerator == "metal" else 0.679
            if accelerator == "cuda" and machine.compute:
                reached = min(reached, machine.compute / 53.1)
        return float(part * rung["bytes_per_token"] / reached + part * steps * layer)

    total = seconds(share, machine.accelerator, machine.bandwidth)
    return 1 / (total + (seconds(1 - share, "cpu", machine.host_bandwidth or 0) if share < 1 else 0))


# -- it agrees with lmpm ------------------------------------------------------


def some_lock(rng: random.Random) -> Lock:
    """A lock whose figures are such that machines differ about it."""
    lock = random_lock(rng)
    sizes: dict[str | None, int] = {}  # a digest has one size, wherever it is
    for model in lock.models:
        rungs = []
        for rung in model.candidates:
            memory = rng.choice([1, 2, 4, 8, 16]) * GIB + rng.randrange(GIB)
            parameters = rng.choice([0, memory, 3 * memory])
            files = tuple(
                replace(file, size=sizes.setdefault(file.sha256, memory // len(rung.files))) for file in rung.files
            )
            memory = max(memory, sum(file.size for file in files) + sum(item.size for item in rung.adapters))
            rungs.append(
                replace(
                    rung,
                    model=rng.choice(["A", "A", "B"]),
                    score=rng.choice([50.0, 50.5, 60.0, 80.0]),
                    memory=memory,
                    bytes_per_token=max(1, int(memory * rng.choice([1, 0.6, 0.2, 0.05]))),
                    layers=rng.choice([0, 16, 64]),
                    quant=rng.choice(
                        ["Q8_0", "Q6_K", "Q4_K_M", "UD-Q4_K_XL", "UD-IQ2_M", "i1-IQ1_S", "IQ4_XS", "Q5_0", "BF16"]
                    ),
                    architecture=rng.choice(["", "llama", "gemma3", "qwen35moe", "jamba"]),
                    parameters=parameters,
                    active_parameters=rng.choice([0, parameters, parameters // 8]),
                    files=files,
                )
            )
        asked = {**model.requested, **({"min_speed": rng.choice([3, 40.0])} if rng.random() < 0.3 else {})}
        if rng.random() < 0.1:
            asked["max_wait"] = rng.choice([0.5, 20])
        if rng.random() < 0.3:
            asked["prefer"] = rng.choice(["quality", "speed", "small"])
        lock = lock.with_model(replace(model, candidates=tuple(rungs), requested=asked))
    return lock


PROCESSORS = (
    Processor(),
    Processor(simd="avx512-full"),
    Processor(simd="i8mm", server=True),
    Processor(simd="amx", server=True, sockets=2),
)


@pytest.mark.parametrize("seed", range(40))
def test_it_takes_the_rung_that_lmpm_takes(seed: int) -> None:
    rng = random.Random(seed)
    text = emit_lock(some_lock(rng))
    ours, theirs = parse_lock(text), read(text)
    assert sorted(theirs) == [model.name for model in ours.models]
    for model in ours.models:
        for _ in range(60):
            machine = replace(some_machine(rng), processor=rng.choice(PROCESSORS))
            try:
                expected = rung_for(model, machine).number
            except NothingFitsError:
                expected = None
            assert take(theirs[model.name], machine) == expected, (machine, model)


def test_the_draws_are_worth_something() -> None:
    rng, seen = random.Random(0), set()
    for _ in range(150):
        for model in parse_lock(emit_lock(some_lock(rng))).models:
            if len(model.candidates) > 1:
                for _ in range(20):
                    try:
                        rung = rung_for(model, some_machine(rng))
                        seen.add((rung.number, rung.judged.is_slow, rung.judged.tier))
                    except NothingFitsError:
                        seen.add((0, False, 0))
    assert {(number, slow, tier) for number in (1, 2, 3) for slow in (True, False) for tier in (0, 1, 2)} <= seen
    assert (0, False, 0) in seen and 3 in {tier for _, _, tier in seen}


HEX = "d" * 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 2", "version = 3"),
        ("version = 2", "version = 1"),
        ("version = 2", "version = true"),
        (f', sha256 = "{HEX}"', ""),
        (HEX, HEX.upper()),
        ("1" * 40, "main"),
        ("size = 2147483648", "size = 0"),
        ("memory = 2899102924", "memory = 1e9"),
        ("memory = 2899102924", "memory = 1"),
        ("small-Q4_K_M.gguf", "../small.gguf"),
        ('name = "text-to-sql"', 'name = "chat"'),
        ('privacy = "local-first"', 'privacy = "local-only"'),
        ('privacy = "local-first"', 'privacy = "anywhere"'),
        ('privacy = "local-first"\n', ""),
        ('targets = ["chat", "cloud:big"]', 'targets = ["chat", "cloud:other"]'),
        ('targets = ["chat", "cloud:big"]', 'targets = ["gone"]'),
        ('targets = ["chat", "cloud:big"]', "targets = []"),
        ('[routes."assistant"]', '[routes."chat"]'),
        ('base_url = "https://', 'base_url = "http://'),
        ('base_url = "https://', 'base_url = "https://me:secret@'),
        ('"OPENAI_API_KEY"', '"sk-abcdef"'),
    ],
)
def test_it_refuses_what_lmpm_refuses(old: str, new: str) -> None:
    assert read(TEXT) and old in TEXT
    broken = TEXT.replace(old, new, 1)
    with pytest.raises((ValueError, KeyError)):
        read(broken)
    with pytest.raises(LockError):
        parse_lock(broken)


TWIN = f"""
[[model.twins]]
form = "safetensors"
of = "{HEX}"
evidence = {{ base_model = "org/small-3b" }}
source = {{ hf = "org/small-3b", revision = "{"3" * 40}" }}
license = "mit"
files = [
    {{ path = "config.json", size = 700, sha256 = "{"0" * 64}" }},
    {{ path = "model.safetensors", size = 6000, sha256 = "{"9" * 64}" }},
]
"""
TWINNED = TEXT.replace("revision = 0", "revision = 1", 1).replace(
    '\n[[model]]\nname = "text', f'{TWIN}\n[[model]]\nname = "text'
)


def test_twins_are_read_and_written() -> None:
    (twin,) = parse_lock(TWINNED).models[0].twins
    assert emit_lock(parse_lock(TWINNED)) == TWINNED
    (theirs,) = read(TWINNED)["chat"]["twins"]
    assert [file["path"] for file in theirs["files"]] == [file.path for file in twin.files]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'of = "{HEX}"', f'of = "{"8" * 64}"'),
        ('form = "safetensors"', 'form = "pickle"'),
        ("3" * 40, "main"),
        ("model.safetensors", "../model.safetensors"),
        ("model.safetensors", "/model.safetensors"),
        (f', sha256 = "{"9" * 64}"', ""),
        ("size = 6000", "size = 0"),
        ('evidence = { base_model = "org/small-3b" }\n', ""),
        (TWIN, TWIN + TWIN),
    ],
)
def test_it_refuses_twins_that_lmpm_refuses(old: str, new: str) -> None:
    assert old in TWINNED
    with pytest.raises((ValueError, KeyError)):
        read(TWINNED.replace(old, new, 1))
    with pytest.raises(LockError):
        parse_lock(TWINNED.replace(old, new, 1))


ADAPTER = f"""
[[model.adapters]]
source = {{ hf = "org/team-lora", revision = "{"4" * 40}" }}
base = {{ sha256 = "{"e" * 64}", repo = "org/base", commit = "{"5" * 40}" }}
license = "mit"
file = {{ path = "team.gguf", size = 4000, sha256 = "{"6" * 64}" }}
"""
ADAPTED = TEXT.replace("revision = 0", "revision = 2", 1).replace(
    '\n[providers."big"]', f'{ADAPTER}\n[providers."big"]'
)


def test_adapters_are_read_and_written() -> None:
    ((adapter,),) = (rung.adapters for rung in parse_lock(ADAPTED).models[1].candidates)
    assert emit_lock(parse_lock(ADAPTED)) == ADAPTED
    (theirs,) = read(ADAPTED)["text-to-sql"]["adapters"]
    assert theirs["file"]["sha256"] == adapter.file.sha256 and theirs["base"]["sha256"] == adapter.base.sha256
    assert theirs["base"]["commit"] == adapter.base.commit


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'base = {{ sha256 = "{"e" * 64}"', f'base = {{ sha256 = "{"8" * 64}"'),
        (f', sha256 = "{"6" * 64}"', ""),
        ("4" * 40, "main"),
        ('"team.gguf"', '"../team.gguf"'),
        ('"team.gguf"', '"team.bin"'),
        ("size = 4000", "size = 0"),
        ("size = 4000", "size = 9000000"),
        ('license = "mit"\nfile', "file"),
        (ADAPTER, ADAPTER + ADAPTER),
    ],
)
def test_it_refuses_adapters_that_lmpm_refuses(old: str, new: str) -> None:
    assert old in ADAPTED
    with pytest.raises((ValueError, KeyError)):
        read(ADAPTED.replace(old, new, 1))
    with pytest.raises(LockError):
        parse_lock(ADAPTED.replace(old, new, 1))


def test_the_page_has_these_figures() -> None:
    from lmpm.gguf import quant

    assert quant.BITS == BITS
    for name, (share, layer, operations) in SPEED.items():
        assert f"| `{name}` | {share} | {layer * 1e6:.1f} | {operations} |" in PAGE
    assert all(f"`{name}`" in PAGE for name in HYBRID)


def test_the_example_of_the_page_is_a_lock() -> None:
    example = "\n".join(part.split("```")[0] for part in PAGE.split("```toml\n")[1:3])
    for length in (24, 40, 64):
        example = example.replace(f"<{length} hex>", "a" * length)
    assert emit_lock(parse_lock(example)) == example, "in the one form, too"
    assert list(read(example)) == ["chat"]


def test_a_candidate_is_asked_as_the_page_says() -> None:
    seen = 0
    for seed in range(200):
        lock = random_lock(random.Random(seed))
        text = emit_lock(lock)
        adapted = any(rung.adapters for model in lock.models for rung in model.candidates)
        needed = 2 if adapted else int(any(model.recipe or model.twins for model in lock.models))
        assert tomllib.loads(text)["revision"] == needed
        models = read(text)
        for model in lock.models:
            for rung, row in zip(model.candidates, models[model.name]["candidate"], strict=True):
                found = asked(models[model.name], row)
                assert (found is None) == (rung.recipe is None)
                if found is None or rung.recipe is None:
                    continue
                seen += 1
                sampling = rung.recipe.sampling
                assert found["sampling"].get("temperature") == sampling.temperature
                assert found["sampling"].get("top_k") == sampling.top_k
                assert list(rung.recipe.stop) == found["stop"]
                plain = [key for key in DEFAULTS if key not in ("sampling", "stop")]
                assert {key: getattr(rung.recipe, key) for key in plain} == {key: found[key] for key in plain}
                if rung.recipe.kind == "complete":
                    inputs = [(item["name"], item.get("list", False)) for item in found["inputs"]]
                    assert [(item.name, item.is_list) for item in rung.recipe.inputs] == inputs
    assert seen > 100

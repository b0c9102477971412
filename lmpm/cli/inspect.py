"""`lmpm inspect`: what a GGUF is, how much memory it takes, and how fast it would be."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import render
from lmpm.cli.console import Console, put, put_json
from lmpm.cli.settings import App, common, hardware_option, json_option, offline_option
from lmpm.errors import EngineError, SpecError
from lmpm.size import duration, human

if TYPE_CHECKING:
    from lmpm.engine import DryRun
    from lmpm.inspection import Inspection
    from lmpm.memory.ggml.backend import Repacking
    from lmpm.types import Machine

BAR_CELLS = 40  # of the widest part
PARTS = ("weights", "repack", "kv_cache", "recurrent", "compute", "output", "mmproj", "tokenizer", "overhead")
WORDS = {"kv_cache": "KV cache", "repack": "repacked", "recurrent": "state"}


@click.command(epilog="Example: `lmpm inspect hf:Qwen/Qwen3-8B-GGUF:Q4_K_M --context 32768`")
@click.argument("ref", metavar="REF|FILE")
@click.option("-c", "--context", type=click.IntRange(1, 2**24), help="Tokens; else what the model was trained for.")
@click.option("--preset", type=click.Choice(["lmpm", "llama-server"]), default="lmpm", show_default=True)
@click.option("--kv-type", help="Type of the cache: f16, q8_0, q4_0, ...")
@click.option("--flash-attn", type=click.Choice(["on", "off", "auto"]))
@click.option("--batch", type=click.IntRange(1))
@click.option("--ubatch", type=click.IntRange(1))
@click.option("--parallel", type=click.IntRange(1, 256), help="Sequences at once.")
@click.option("--kv-unified/--no-kv-unified", default=None, help="One cache for all sequences.")
@click.option("--outputs", type=click.IntRange(0), help="Rows of logits of a batch; 0 for every token.")
@click.option("--swa-full", is_flag=True, default=None, help="Keep the whole context in window layers, too.")
@click.option("--gpu-layers", type=click.IntRange(0), help="Layers on the GPU; else all.")
@click.option("--cpu-moe", is_flag=True, help="Keep the experts in host memory.")
@click.option("--exact", is_flag=True, help="Ask llama.cpp itself; nothing is downloaded but the header.")
@hardware_option
@offline_option
@json_option
@common
def command(ref: str, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Show what a GGUF is, needs and does, from its header alone.

    REF is a task, a model, a repository with a quant, or a file.
    """
    from lmpm.headers import parts_of
    from lmpm.inspection import inspect

    app = App(Console(quiet, verbose), offline=options["offline"], hardware=options["hardware"])
    if options["exact"] and not app.is_this_machine:
        raise SpecError("`--exact` asks llama.cpp on this machine, `--hardware` is about another one", hint="Drop one")
    parts, mmproj = parts_of(app.resolver, ref, app.machine, app.settings.home)
    settings = replace(_settings(options), repack=_repacking(app))
    found = inspect(parts, app.machine, settings, mmproj=mmproj)
    exact = _ask(parts, settings, found) if options["exact"] else None
    if as_json:
        put_json(_json(found, exact))
    else:
        _show(found, exact, app.machine)


def _repacking(app: App) -> Repacking:
    """Which weights the CPU backend keeps in another order: here the engine tells, elsewhere a usual x86 core."""
    from lmpm.engine import probe
    from lmpm.memory.ggml.backend import repacking

    if not app.is_this_machine:
        return "neon" if "ARM" in app.machine.name or app.machine.accelerator == "metal" else "avx2"
    try:
        return repacking(probe().system_info)
    except EngineError:
        return "avx2"


def _ask(parts: Any, settings: Any, found: Inspection) -> DryRun:
    """llama.cpp's own plan. Raises EngineError when it is missing or cannot plan."""
    from lmpm.dryrun import dry_run, load_plan

    return dry_run(parts, load_plan(replace(settings, context=found.need.context)))


def _settings(options: dict[str, Any]) -> Any:
    """The preset with what the user changed."""
    from lmpm.memory import PRESETS

    changes = {
        "context": options["context"],
        "kv_type": options["kv_type"],
        "flash_attention": options["flash_attn"],
        "batch": options["batch"],
        "ubatch": options["ubatch"],
        "sequences": options["parallel"],
        "unified": options["kv_unified"],
        "outputs": options["outputs"],
        "swa_full": options["swa_full"],
        "gpu_layers": options["gpu_layers"],
    }
    chosen = {name: value for name, value in changes.items() if value is not None}
    if options["cpu_moe"]:
        chosen["expert_layers_on_cpu"] = None
    try:
        return replace(PRESETS[options["preset"]], **chosen)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _show(found: Inspection, exact: DryRun | None, machine: Machine) -> None:
    """Facts, a small picture of the memory, and the speed."""
    from lmpm.machine import describe

    template = "yes" if found.has_chat_template else "no"
    facts = (
        found.title,
        found.architecture,
        f"{found.parameters / 1e9:.1f}B" if found.parameters >= 1e8 else f"{found.parameters / 1e6:.1f}M",
        found.quant,
        f"{found.layers} layers",
        f"trained for {found.context_length:,} tokens",
        f"chat template: {template}",
    )
    put(" · ".join(facts))
    put(f"Memory at {found.need.context:,} tokens on {describe(machine)}")
    widest = max(getattr(found.need, part) for part in PARTS)
    for part in PARTS:
        size = getattr(found.need, part)
        if size:
            bar = "█" * round(BAR_CELLS * size / widest) if sys.stdout.isatty() else ""
            put(f"  {WORDS.get(part, part):<10} {human(size):>10}  {bar}".rstrip())
    if len(found.need.devices) > 1:
        for device in found.need.devices:
            put(f"  {'on ' + device.name:<10} {human(device.total):>10}")
    verdict = "fits" if found.fits else "does not fit"
    bound = " (upper bound: an architecture that lmpm does not know)" if found.need.is_bound else ""
    largest = f"Largest context that fits: {found.max_context:,}" if found.max_context else "No context fits"
    total = human(found.need.must_fit)
    put(f"  {'total':<10} {total:>10}  of {human(machine.budget)}: {verdict}{bound}. {largest}")
    if exact is not None:
        off = 100 * (planned(found) - exact.total) / exact.total
        asked = f"by the plan of {exact.build}: the estimate is {off:+.2f} % off"
        put(f"  {'asked':<10} {human(exact.total):>10}  {asked}")
    if found.speed is None:
        put("Speed       it would thrash" if not found.fits else "Speed       unknown: the bandwidth is not known")
        return
    first = duration(found.speed.first_token_s)
    put(f"Speed       {render.tok_range(found.speed)} at half context · first token of 1,000 tokens about {first}")


def planned(found: Inspection) -> int:
    """What of the estimate llama.cpp accounts for, too: not the tokenizer's tables, nor what is around it."""
    return found.need.total - found.need.tokenizer - found.need.overhead


def _json(found: Inspection, exact: DryRun | None) -> dict[str, Any]:
    speed = found.speed
    return {
        "file": {"path": found.path, "size": found.size, "shards": found.shards},
        "architecture": found.architecture,
        "parameters": found.parameters,
        "quant": found.quant,
        "layers": found.layers,
        "context_length": found.context_length,
        "memory": {
            "context": found.need.context,
            "total": found.need.total,
            "must_fit": found.need.must_fit,
            "source": "upper bound" if found.need.is_bound else "estimated",
            "parts": {part: getattr(found.need, part) for part in PARTS},
            "devices": [{**asdict(device), "total": device.total} for device in found.need.devices],
            "exact": {"total": exact.total, "estimated": planned(found), "build": exact.build} if exact else None,
        },
        "speed": {
            "decode": [round(speed.decode_low, 2), round(speed.decode_high, 2)],
            "prefill": [round(speed.prefill * 0.75, 1), round(speed.prefill * 1.15, 1)],
            "first_token_s": round(speed.first_token_s, 2),
            "unit": "tok/s",
            "confidence": "normal" if speed.confident else "low",
        }
        if speed
        else None,
        "fits": found.fits,
        "max_context": found.max_context,
    }

"""`lmpm inspect`: what a GGUF is, how much memory it takes, and how fast it would be."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import Tokens, engine_option, hardware_option, json_option, offline_option, pass_app
from lmpm.cli.output.console import put, put_json
from lmpm.cli.output.words import about, tok_range
from lmpm.errors import EngineError, SpecError
from lmpm.units import count, human, parameters

if TYPE_CHECKING:
    from lmpm.estimate import Inspection
    from lmpm.gguf import Finding, Parts
    from lmpm.run_config import RunConfig
    from lmpm.types import DeviceMemory, Machine, MemoryPlan

BAR_CELLS = 40  # of the widest part
WORDS = {"kv_cache": "KV cache", "repack": "repacked", "recurrent": "state"}


@click.command(epilog="Example: `lmpm inspect hf:Qwen/Qwen3-8B-GGUF:Q4_K_M --context 32768`")
@click.argument("ref", metavar="REF|FILE", shell_complete=complete.references)
@click.option("-c", "--context", type=Tokens(), metavar="N", help="Tokens; else what the model was trained for.")
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
@click.option("--exact", is_flag=True, help="Read the whole header and ask llama.cpp itself; no weights are fetched.")
@engine_option
@hardware_option
@offline_option
@json_option
@pass_app()
def command(app: App, ref: str, **options: Any) -> None:
    """Show what a GGUF is and needs, from its header alone.

    REF is a name in the lock, of which what the machine takes is shown, a task, a model, a repository with a quant,
    or a file. `lmpm show` says in a page how it is asked.
    """
    from lmpm.estimate import BUILD, as_planned, inspect, is_followed

    workspace = app.workspace
    if options["exact"] and not workspace.is_this_machine:
        raise SpecError("`--exact` asks llama.cpp on this machine, `--hardware` is about another one", hint="Drop one")
    parts = _parts(app, ref)
    settings = replace(_settings(options), repack=workspace.repack)
    found = computed = inspect(parts, workspace.machine, settings, table=options["exact"])
    exact = _ask(app, parts, found) if options["exact"] else _ask_about_unknown(app, parts, found)
    if exact:
        found = as_planned(computed, exact, workspace.machine)
    elif options["exact"]:
        app.console.note("llama.cpp cannot be asked here: memory is computed from the header")
    info = workspace.engine.info if workspace.is_this_machine else None
    if found.memory.source in ("header", "keys") and info and not is_followed(info.build):
        app.console.note(f"memory is that of {BUILD}; scratch may differ by a few MiB in {info.build}, which is here")
    if computed.memory.source != "keys":  # the whole header is at hand, and with it the template
        found = replace(found, template_findings=(*found.template_findings, *_of_another_template(app, parts)))
    if app.as_json:
        put_json(_json(found, computed, exact))
    else:
        _show(found, computed, exact, workspace.machine)


def _parts(app: App, ref: str) -> Parts:
    """The files of what the lock pins under this name, else of what the reference names."""
    from lmpm.resolver import on_hub, parts_of

    locked = app.project.lock().get(ref)
    if locked is None:
        ref = on_hub(ref, str(app.workspace.environment.endpoint))
        return parts_of(app.workspace.resolver, ref, app.workspace.machine)
    from lmpm.project import rung_for, variant_of

    rung = rung_for(locked, app.workspace.machine)
    title = f"{rung.candidate.model} {rung.candidate.quant}"
    app.console.note(f"this is what lmpm.lock pins for this machine: {title}")
    return app.workspace.locator.parts(variant_of(rung.candidate))


def _of_another_template(app: App, parts: Parts) -> tuple[Finding, ...]:
    """That the chat template is not the one that the model was published with, where the Hub says so."""
    from lmpm.gguf import Finding, read_part
    from lmpm.resolver import foreign_template

    if parts.variant is None:
        return ()
    other = foreign_template(parts.variant.source, read_part(parts.files[0]).template, app.workspace.hub)
    return (Finding("differs", other),) if other else ()


def _ask(app: App, parts: Parts, found: Inspection) -> MemoryPlan | None:
    """llama.cpp's own plan, None where it cannot be asked. Raises EngineError when it cannot plan."""
    planner = app.workspace.engine.planner
    return planner.ask(parts.files, found.settings) if planner else None


def _ask_about_unknown(app: App, parts: Parts, found: Inspection) -> MemoryPlan | None:
    """llama.cpp's own plan for an architecture that only it may know."""
    if found.memory.source != "at least" or not app.workspace.is_this_machine:
        return None
    with suppress(EngineError):  # it does not know it either
        return _ask(app, parts, found)
    return None


def _settings(options: dict[str, Any]) -> RunConfig:
    """The preset with what the user changed."""
    from lmpm.estimate import PRESETS

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


def _show(found: Inspection, computed: Inspection, exact: MemoryPlan | None, machine: Machine) -> None:
    """Facts, a small picture of the memory, and the speed."""
    from lmpm.engine import version as engine_version
    from lmpm.gguf import check
    from lmpm.machine import describe

    facts = [
        found.title,
        found.architecture,
        parameters(found.parameters),
        found.quant,
        count(found.layers, "layer"),
        f"trained for {found.context_length:,} tokens",
    ]
    if found.has_chat_template is not None:
        facts.append(f"chat template: {'yes' if found.has_chat_template else 'no'}")
    put(" · ".join(facts))
    if not check.may_run(found.architecture, engine_version):
        put(f"{'Warning':<11} llama.cpp here does not run the architecture `{found.architecture[:40]}`")
    for item in found.template_findings:
        put(f"{'Danger' if item.severity == 'error' else 'Warning':<11} chat template: {item.detail}")
    put(f"Memory at {found.memory.context:,} tokens on {describe(machine)} ({_source_words(found)})")
    parts = found.memory.parts
    for part, size in parts._asdict().items():
        if size:
            bar = "█" * round(BAR_CELLS * size / max(parts)) if sys.stdout.isatty() else ""
            put(f"  {WORDS.get(part, part):<10} {human(size):>10}  {bar}".rstrip())
    if len(found.memory.devices) > 1:
        for device in found.memory.devices:
            put(f"  {'on ' + device.name:<10} {human(device.total):>10}")
    verdict = "fits" if found.fits else "does not fit"
    largest = f"Largest context that fits: {found.max_context:,}" if found.max_context else "No context fits"
    if 0 < found.context_length < found.memory.context:
        largest = f"But it was trained for {found.context_length:,} tokens, and what it does beyond is anyone's guess"
    total = human(found.memory.must_fit)
    put(f"  {'total':<10} {total:>10}  of {human(machine.budget)}: {verdict}. {largest}")
    if exact is not None:
        off = 100 * (planned(computed) - planned(found)) / planned(found)
        put(f"  {'computed':<10} {human(computed.memory.must_fit):>10}  from the header: {off:+.2f} % of {exact.build}")
    if found.speed is None:
        put("Speed       it would thrash" if not found.fits else "Speed       unknown: the bandwidth is not known")
        return
    first = about(found.speed.first_token_s)
    put(f"Speed       {tok_range(found.speed)} at half context · first token of 1,000 tokens {first}")


def _source_words(found: Inspection) -> str:
    """How the figures are known."""
    if found.memory.source == "dry-run":
        return "llama.cpp asked, nothing loaded"
    if found.memory.source == "at least":
        keys = ", ".join(f"`{key}`" for key in found.memory.unknown_keys)
        return "at least: lmpm does not know this architecture" + (f", nor what {keys} take" if keys else "")
    if found.memory.source == "keys":
        from lmpm.estimate import SKETCH_ERROR

        return f"from the first keys and the size, within about {SKETCH_ERROR:.0%}; `--exact` reads the whole header"
    if found.settings.gpu_layers is not None and len(found.memory.devices) > 1:
        return f"from its header, {found.settings.gpu_layers} of {found.layers + 1} layers on the GPU"
    return "from its header"


def planned(found: Inspection) -> int:
    """What llama.cpp plans for, too, without mapping the file: not the tokenizer's tables, nor what is around it."""
    return found.memory.parts.buffers - found.memory.reclaimable


def _finding(item: Finding) -> dict[str, str]:
    return {"kind": item.kind, "severity": item.severity, "detail": item.detail}


def _json(found: Inspection, computed: Inspection, exact: MemoryPlan | None) -> dict[str, Any]:
    speed = found.speed
    return {
        "file": {"path": found.path, "size": found.size, "shards": found.shards},
        "architecture": found.architecture,
        "parameters": found.parameters,
        "quant": found.quant,
        "layers": found.layers,
        "context_length": found.context_length,
        "template": None
        if found.has_chat_template is None
        else {"present": found.has_chat_template, "findings": [_finding(item) for item in found.template_findings]},
        "memory": {
            "context": found.memory.context,
            "total": found.memory.total,
            "must_fit": found.memory.must_fit,
            "source": "estimated" if found.memory.source == "header" else found.memory.source,
            "unknown_keys": list(found.memory.unknown_keys),
            "build": found.memory.build,
            "parts": found.memory.parts._asdict(),
            "devices": [_device_json(device) for device in found.memory.devices],
            "gpu_layers": found.settings.gpu_layers,
            "exact": _exact_json(found, computed) if exact else None,
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


def _device_json(device: DeviceMemory) -> dict[str, Any]:
    parts = device.parts
    return {
        "name": device.name,
        "weights": parts.weights + parts.repack,
        "cache": parts.kv_cache + parts.recurrent,
        "compute": parts.compute,
        "other": parts.output + parts.mmproj + parts.tokenizer + parts.overhead,
        "total": device.total,
    }


def _exact_json(found: Inspection, computed: Inspection) -> dict[str, Any]:
    return {"total": planned(found), "estimated": planned(computed), "build": found.memory.build}

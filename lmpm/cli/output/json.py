"""Choices, machines, proofs and errors as JSON for programs; the forms are documented in `docs/json.md`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lmpm.types import HubSource

if TYPE_CHECKING:
    from lmpm.errors import LmpmError
    from lmpm.project import Rung
    from lmpm.proof import Checked, SmokeResult
    from lmpm.resolver import Candidate, Choice
    from lmpm.types import Machine, MemoryPlan, Speed


def machine_json(machine: Machine) -> dict[str, Any]:
    """A machine as programs read it."""
    return {
        "name": machine.name,
        "accelerator": machine.accelerator,
        "memory": machine.memory,
        "vram": machine.vram,
        "gpus": machine.gpus,
        "cores": machine.cores,
        "budget": machine.budget,
        "host_budget": machine.host_budget,
        "bandwidth": machine.bandwidth,
        "host_bandwidth": machine.host_bandwidth,
    }


def choice_json(choice: Choice) -> dict[str, Any]:
    """A choice as programs read it."""
    request = choice.request
    return {
        "request": {"ref": request.ref, "task": request.task, "context": request.context},
        "machine": machine_json(choice.machine),
        "choice": candidate_json(choice.chosen) if choice.chosen else None,
        "considered": choice.considered,
        "rejected": [
            {
                "model": item.candidate.variant.title,
                "repo": item.candidate.variant.source.name,
                "quant": item.candidate.variant.quant,
                "reason": item.reason,
                "detail": item.detail,
            }
            for item in choice.rejected
        ],
        "notes": list(choice.notes),
    }


def candidate_json(candidate: Candidate) -> dict[str, Any]:
    """A candidate as programs read it; `memory.estimated` is the formula's figure beside llama.cpp's own."""
    from lmpm.estimate import estimate_memory

    variant = candidate.variant
    return {
        "model": variant.title,
        "repo": variant.source.name,
        "revision": variant.source.revision if isinstance(variant.source, HubSource) else None,
        "quant": variant.quant,
        "mode": variant.mode or None,
        "license": variant.license,
        "files": [
            {"path": file.path, "size": file.size, "sha256": file.sha256, "role": file.role} for file in variant.files
        ],
        "memory": memory_json(candidate.memory)
        | {"estimated": estimate_memory(variant, candidate.memory.context).total},
        "speed": speed_json(candidate.speed),
        "quality": round(variant.quality, 2),
    }


def memory_json(memory: MemoryPlan) -> dict[str, Any]:
    """Bytes by part."""
    parts = memory.parts
    return {
        "total": memory.must_fit,
        "context": memory.context,
        "weights": parts.weights + parts.repack - memory.reclaimable,
        "kv_cache": parts.kv_cache,
        "recurrent": parts.recurrent,
        "compute": parts.compute,
        "output": parts.output,
        "mmproj": parts.mmproj,
        "overhead": parts.tokenizer + parts.overhead + parts.history,
        "source": memory.source,
    }


def speed_json(speed: Speed | None) -> dict[str, Any] | None:
    """Tokens per second."""
    if speed is None:
        return None
    return {
        "decode": round(speed.decode, 2),
        "decode_range": [round(speed.decode_low, 2), round(speed.decode_high, 2)],
        "prefill": round(speed.prefill, 1),
        "first_token_s": round(speed.first_token_s, 2),
        "placement": speed.placement,
        "unit": "tok/s",
    }


def smoke_json(result: SmokeResult | None) -> dict[str, Any] | None:
    """A test as programs read it."""
    if result is None:
        return None
    check = result.memory
    memory = {**asdict(check), "difference": round(check.difference, 4)} if check else None
    return {**asdict(result), "memory": memory}


def checked_json(checked: Checked | None) -> dict[str, Any] | None:
    """What a project's own checks showed, as programs read it."""
    if checked is None:
        return None
    return {
        "score": round(checked.score, 4),
        "right": checked.right,
        "cases": checked.cases,
        "needed": checked.needed,
        "passed": checked.passed,
        "sha256": checked.sha256,
        "wrong": list(checked.wrong),
        "late": checked.late,
        "left_out": checked.left_out,
    }


def rung_json(rung: Rung, variants: int) -> dict[str, Any]:
    """What a machine takes from the lock, as programs read it: which one of how many variants, and its facts."""
    candidate = rung.candidate
    return {
        "variant": rung.number,
        "variants": variants,
        "model": candidate.model,
        "repo": candidate.source.name,
        "revision": candidate.source.revision if isinstance(candidate.source, HubSource) else None,
        "quant": candidate.quant,
        "mode": candidate.mode or None,
        "license": candidate.license,
        "memory": candidate.memory,
        "speed": round(rung.speed, 2) if rung.speed else None,
        "files": [
            {"path": file.path, "size": file.size, "sha256": file.sha256, "role": file.role} for file in candidate.files
        ],
        "adapters": [
            {
                "source": item.source.name,
                "revision": item.source.revision if isinstance(item.source, HubSource) else None,
                "path": item.file.path,
                "size": item.size,
                "sha256": item.file.sha256,
                "license": item.license,
                "base": item.base.sha256,
            }
            for item in candidate.adapters
        ],
    }


def error_json(error: LmpmError) -> dict[str, Any]:
    """An error as programs read it: decisions follow from `kind` and `code`, never from the message."""
    return {
        "kind": error.kind,
        "code": error.exit_code,
        "message": str(error),
        "hint": error.hint,
        "place": error.place,
    }

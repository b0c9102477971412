"""How llama-server is told to run a model as planned, in one table for its C++ parameters and for its flags.

Its own defaults would break a plan: it fits parameters to what memory is free now, keeps up to 8 GiB of old
prompts and 32 states of a slot, warms up, and listens to any web page without a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lmpm.limits import MIB
from lmpm.machine import default_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.engine.protocol import Files, Service
    from lmpm.run_config import RunConfig

ALL_LAYERS: Final = -1  # with `fit_params` off: all that the build can offload
LOAD_MODES: Final = {False: 0, True: -1}  # llama.h, llama_load_mode: NONE and AUTO, which maps the file
POOLING: Final = {None: -1, "none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
FLASH_ATTENTION: Final = {"auto": -1, "off": 0, "on": 1}
CACHE_TYPES: Final = {  # ggml.h
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30,
}  # fmt: skip
EXPERTS: Final = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"
BUFFER_LINES: Final = 4  # the verbosity at which buffers are named in the log
DRAFT_SIMPLE: Final = 1  # common.h, COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE
PLAIN_TEMPLATE: Final = "chatml"  # built in: a file's own template is parsed and rendered once when it is loaded


def server_settings(files: Files, config: RunConfig, service: Service) -> dict[str, Any]:
    """The parameters of llama-server by their names in `common.h`; those of other records are dotted.

    The context must not be longer than the model was trained for: the server would reserve it all and cap it.
    """
    threads = config.threads or default_threads(files.model.stat().st_size)
    batch, ubatch = min(config.context, config.batch), min(config.context, config.ubatch)
    settings: dict[str, Any] = {
        "model.path": str(files.model),
        "n_ctx": config.context,
        "n_batch": ubatch if config.embeddings else batch,  # an encoder sees a text at once
        "n_ubatch": ubatch,
        "n_parallel": config.sequences,
        "kv_unified": config.unified,
        "n_outputs_max": max(config.outputs, config.sequences) if config.outputs and not config.embeddings else 0,
        "cache_type_k": CACHE_TYPES[config.kv_type.lower()],
        "cache_type_v": CACHE_TYPES[(config.value_type or config.kv_type).lower()],
        "flash_attn_type": FLASH_ATTENTION[config.flash_attention],
        "swa_full": config.swa_full,
        "n_gpu_layers": ALL_LAYERS if config.gpu_layers is None else config.gpu_layers,
        "tensor_buft_overrides": experts_on_host(config.expert_layers_on_cpu),
        "load_mode": LOAD_MODES[config.mmap],
        "no_extra_bufts": config.repack == "none",
        "embedding": config.embeddings,
        "pooling_type": POOLING[config.pooling],
        "cpuparams.n_threads": threads,
        "cpuparams_batch.n_threads": threads,
        "n_threads_http": 2 + config.sequences,
        "fit_params": False,
        "cache_ram_mib": service.history_bytes // MIB,
        "n_ctx_checkpoints": service.checkpoints,
        "warmup": False,
        "ui": False,
        "endpoint_slots": True,
        "endpoint_metrics": True,
        "sse_ping_interval": 1,
        "verbosity": BUFFER_LINES,
    }
    if files.mmproj is not None:
        settings["mmproj.path"] = str(files.mmproj)
    if files.draft is not None:
        settings["speculative.draft.mparams.path"] = str(files.draft)
        settings["speculative.draft.cpuparams.n_threads"] = threads
        settings["speculative.draft.cpuparams_batch.n_threads"] = threads
        settings["speculative.types"] = [DRAFT_SIMPLE]
    if files.adapters:
        settings["lora_adapters"] = list(map(str, files.adapters))
    if not service.chats:
        settings["chat_template"] = PLAIN_TEMPLATE
    if service.alias:
        settings["model_alias"] = [service.alias]
    return settings


def experts_on_host(layers: int | None) -> str:
    """The override that keeps the experts of the first layers (None: of all) in host memory; empty for none."""
    if layers is None:
        return f"{EXPERTS}=CPU"
    return ",".join(rf"blk\.{layer}{EXPERTS}=CPU" for layer in range(layers))


_CACHE_NAMES: Final = {number: name for name, number in CACHE_TYPES.items()}
_POOLING_NAMES: Final = {number: name for name, number in POOLING.items() if name}
_FLASH_NAMES: Final = {number: name for name, number in FLASH_ATTENTION.items()}
VALUE_FLAGS: Final = {
    "model.path": "--model", "mmproj.path": "--mmproj", "n_ctx": "--ctx-size", "n_batch": "--batch-size",
    "n_ubatch": "--ubatch-size", "n_parallel": "--parallel", "cpuparams.n_threads": "--threads",
    "cpuparams_batch.n_threads": "--threads-batch", "n_threads_http": "--threads-http",
    "cache_ram_mib": "--cache-ram", "n_ctx_checkpoints": "--ctx-checkpoints",
    "sse_ping_interval": "--sse-ping-interval", "verbosity": "--verbosity", "chat_template": "--chat-template",
    "speculative.draft.mparams.path": "--spec-draft-model",
    "speculative.draft.cpuparams.n_threads": "--threads-draft",
    "speculative.draft.cpuparams_batch.n_threads": "--threads-batch-draft",
}  # fmt: skip


def arguments(settings: Mapping[str, Any]) -> list[str]:
    """The same settings as flags of a `llama-server` binary; what is its default is left out."""
    found: list[str] = []
    for name, flag in VALUE_FLAGS.items():
        if name in settings:
            found += [flag, str(settings[name])]
    found += ["--alias", *settings["model_alias"]] if "model_alias" in settings else []
    found += ["--lora", csv_row(settings["lora_adapters"])] if "lora_adapters" in settings else []
    found += ["--fit", "off", "--no-warmup", "--no-webui", "--metrics", "--slots"]
    found += ["--cache-type-k", _CACHE_NAMES[settings["cache_type_k"]]]
    found += ["--cache-type-v", _CACHE_NAMES[settings["cache_type_v"]]]
    found += ["--flash-attn", _FLASH_NAMES[settings["flash_attn_type"]]]
    found += ["--kv-unified" if settings["kv_unified"] else "--no-kv-unified"]
    found += ["--spec-type", "draft-simple"] if "speculative.types" in settings else []
    found += ["--swa-full"] if settings["swa_full"] else []
    found += ["--no-repack"] if settings["no_extra_bufts"] else []
    found += ["--load-mode", "none"] if settings["load_mode"] == LOAD_MODES[False] else []
    layers = settings["n_gpu_layers"]
    found += ["--gpu-layers", "all" if layers == ALL_LAYERS else str(layers)]
    if settings["tensor_buft_overrides"]:
        found += ["--override-tensor", settings["tensor_buft_overrides"]]
    if settings["embedding"]:
        found += ["--embeddings"]
        found += ["--reranking"] if settings["pooling_type"] == POOLING["rank"] else []
        pooling = _POOLING_NAMES.get(settings["pooling_type"])
        found += ["--pooling", pooling] if pooling else []
    return found


def csv_row(paths: Sequence[str]) -> str:
    """Several values of one flag: a second `--lora` would take the place of the first (common/arg.cpp)."""
    quoted = ('"{}"'.format(path.replace('"', '""')) if "," in path or path.startswith('"') else path for path in paths)
    return ",".join(quoted)

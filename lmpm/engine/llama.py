"""Thin use of llama.cpp's C interface: load, greedy decoding, embeddings. Runs in the child only.

The low-level bindings on purpose: no chat template is compiled or rendered, and what memory is
reserved follows the plan, not the defaults of a binding.
"""

from __future__ import annotations

import codecs
import ctypes
import importlib
import importlib.util
import math
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.memory_breakdown import NoBreakdownError, breakdown, by_device
from lmpm.engine.protocol import Generation
from lmpm.machine import default_threads
from lmpm.types import MemoryPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.run_config import RunConfig

PIECE_BYTES: Final = 256  # of one token's text, to begin with
MAX_TEXT_BYTES: Final = 256 * 1024  # of one answer
MAX_BUFFERS: Final = 64

POOLING: Final = {None: -1, "none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
FLASH_ATTENTION: Final = {"auto": -1, "off": 0, "on": 1}
CACHE_TYPES: Final = {  # ggml.h
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30,
}  # fmt: skip
ALL_LAYERS: Final = -1
LOAD_MODE_NONE: Final = 0  # no mmap, as planning without weights asks for
EXPERTS: Final = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"

LOG_INFO, LOG_WARN, LOG_ERROR, LOG_CONTINUED = 2, 3, 4, 5  # ggml.h
BUFFER_LINE: Final = re.compile(r"(\S+) +(?:(\S+) +)?buffer size = +([0-9.]+) MiB")


class LlamaError(Exception):
    """llama.cpp refused; `kind` tells the parent at which door."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Llama:
    """The library: loaded once, its warnings and errors on stderr, its buffer sizes remembered."""

    def __init__(self) -> None:
        self.c = _bindings()
        self.buffers: list[tuple[str, int]] = []
        self._level = LOG_INFO
        self._callback = self.c.llama_log_callback(self._log)  # kept: C holds no reference
        self.c.llama_log_set(self._callback, None)
        self.c.llama_backend_init()

    def _log(self, level: int, text: bytes, _: object) -> None:
        if level != LOG_CONTINUED:
            self._level = level
        if self._level in (LOG_WARN, LOG_ERROR):
            os.write(2, text)
        elif len(self.buffers) < MAX_BUFFERS:
            found = BUFFER_LINE.search(text.decode("utf-8", "replace"))
            if found:
                name = " ".join(filter(None, found.group(1, 2)))
                self.buffers.append((name, int(float(found[3]) * 1024 * 1024)))

    @property
    def build(self) -> str:
        """Version and commit: `llama.cpp 0.5.0 (0c1e570)`."""
        version = self.c.llama_version().decode("utf-8", "replace")
        try:
            commit = self.c._lib.ggml_commit  # not bound, but every build has it
        except AttributeError:
            return f"llama.cpp {version}"
        commit.restype = ctypes.c_char_p
        return f"llama.cpp {version} ({commit().decode('utf-8', 'replace')})"

    @property
    def gpu_offload(self) -> bool:
        """Whether this build can use an accelerator."""
        return bool(self.c.llama_supports_gpu_offload())

    @property
    def system_info(self) -> str:
        """The backends and what the processor offers, in llama.cpp's words."""
        return str(self.c.llama_print_system_info().decode("utf-8", "replace")).strip(" |\n")


def _bindings() -> Any:
    """The ctypes bindings alone: the package's `__init__` would import numpy, jinja2 and chat formats."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None:
        raise LlamaError("missing", "llama-cpp-python is not installed")
    sys.modules["llama_cpp"] = importlib.util.module_from_spec(spec)
    return importlib.import_module("llama_cpp.llama_cpp")


class Override(ctypes.Structure):
    """Tensors whose names match go to a kind of buffer; llama.h, llama_model_tensor_buft_override."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer", ctypes.c_void_p))


class Model:
    """One loaded file and its vocabulary; with `dry` nothing of its weights is read or reserved."""

    def __init__(self, llama: Llama, path: str, plan: RunConfig, *, dry: bool = False) -> None:
        self.c = llama.c
        self.plan = plan
        params = self.c.llama_model_default_params()
        params.n_gpu_layers = ALL_LAYERS if plan.gpu_layers is None else plan.gpu_layers
        params.use_extra_bufts = plan.repack != "none"
        self._overrides = self._experts_on_cpu()  # kept: C holds a pointer
        if self._overrides:
            params.tensor_buft_overrides = ctypes.cast(self._overrides, ctypes.c_void_p)
        if dry or not plan.mmap:
            params.load_mode = LOAD_MODE_NONE
        params.no_alloc = dry
        self.handle = self.c.llama_model_load_from_file(os.fsencode(path), params)
        if not self.handle:
            raise LlamaError("load", "llama.cpp cannot load the file")
        self.vocabulary = self.c.llama_model_get_vocab(self.handle)

    def _experts_on_cpu(self) -> Any:
        """Overrides that keep the planned experts in host memory; None for none."""
        layers = self.plan.expert_layers_on_cpu
        patterns = [EXPERTS] if layers is None else [rf"blk\.{layer}{EXPERTS}" for layer in range(layers)]
        if not patterns:
            return None
        buffer_type = self.c._lib.ggml_backend_cpu_buffer_type
        buffer_type.restype = ctypes.c_void_p
        cpu = buffer_type()
        made = [Override(pattern.encode(), cpu) for pattern in patterns]
        return (Override * (len(made) + 1))(*made, Override(None, None))

    def tokenize(self, text: str) -> Sequence[int]:
        """The tokens of a raw prompt: with BOS where the model wants it, control tokens understood."""
        return self._tokens(text, whole=True)

    def tokenize_part(self, text: str) -> Sequence[int]:
        """The tokens of a text inside an input: nothing is added, and control tokens in it are plain text."""
        return self._tokens(text, whole=False)

    def _tokens(self, text: str, *, whole: bool) -> Sequence[int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 16
        tokens = (ctypes.c_int32 * room)()
        count = self.c.llama_tokenize(self.vocabulary, data, len(data), tokens, room, whole, whole)
        if count < 0:
            raise LlamaError("tokenize", "llama.cpp cannot split the prompt into tokens")
        return tokens[:count]

    def piece(self, token: int) -> bytes:
        """The bytes of a token; control tokens have none."""
        buffer = ctypes.create_string_buffer(PIECE_BYTES)
        length = self.c.llama_token_to_piece(self.vocabulary, token, buffer, PIECE_BYTES, 0, False)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = self.c.llama_token_to_piece(self.vocabulary, token, buffer, -length, 0, False)
        return buffer.raw[: max(length, 0)]

    def context(self, params: Any) -> Any:
        """A context with the parts of `params` that every use shares."""
        threads = self.plan.threads or default_threads(self.c.llama_model_size(self.handle))
        params.n_ctx = self.plan.context
        params.n_seq_max = self.plan.sequences
        params.kv_unified = self.plan.unified
        params.n_threads = params.n_threads_batch = threads
        params.type_k = CACHE_TYPES[self.plan.kv_type]
        params.type_v = CACHE_TYPES[self.plan.value_type or self.plan.kv_type]
        params.flash_attn_type = FLASH_ATTENTION[self.plan.flash_attention]
        params.swa_full = self.plan.swa_full
        handle = self.c.llama_init_from_model(self.handle, params)
        if not handle:
            raise LlamaError("context", "llama.cpp cannot make a context")
        return handle

    def clear(self, context: Any) -> None:
        """Forget every token; encoders keep none."""
        memory = self.c.llama_get_memory(context)
        if memory:
            self.c.llama_memory_clear(memory, True)

    def decode(self, context: Any, tokens: Sequence[int]) -> None:
        """Put tokens through the model; the last one has an output."""
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        status = self.c.llama_decode(context, self.c.llama_batch_get_one(array, len(tokens)))
        if status != 0:
            raise LlamaError("decode", f"llama.cpp cannot compute (status {status})")


def generate(
    model: Model, inputs: Sequence[Sequence[int]], max_tokens: int, stop: Sequence[str]
) -> tuple[Generation, ...]:
    """Greedy completions of tokens, one after another in one context."""
    context = model.context(_for_answers(model))
    if model.c.llama_model_has_encoder(model.handle) or not model.c.llama_get_memory(context):
        raise LlamaError("unsupported", "this kind of model does not continue a text")
    sampler = model.c.llama_sampler_init_greedy()
    stops = tuple(item.encode() for item in stop)
    return tuple(_complete(model, context, sampler, tokens, max_tokens, stops) for tokens in inputs)


def _for_answers(model: Model) -> Any:
    """Parameters of a context that reserves what was planned, not the defaults of a binding."""
    params = model.c.llama_context_default_params()
    params.n_batch = min(model.plan.context, model.plan.batch)
    params.n_ubatch = min(model.plan.context, model.plan.ubatch)
    params.n_outputs_max = max(model.plan.outputs, model.plan.sequences) if model.plan.outputs else 0
    return params


def plan(llama: Llama, path: str, wanted: RunConfig) -> MemoryPlan:
    """How llama.cpp would spend memory: the model and a context are made without their bytes."""
    model = Model(llama, path, wanted, dry=True)
    llama.buffers.clear()
    params = _for_answers(model)
    if wanted.embeddings:
        params.embeddings, params.pooling_type = True, POOLING[wanted.pooling]
        params.n_batch = params.n_ubatch = min(wanted.context, wanted.ubatch)
        params.n_outputs_max = 0
    context = model.context(params)
    try:
        buffers = breakdown(model.c._lib, context)
    except NoBreakdownError as error:
        raise LlamaError("unsupported", str(error)) from error
    states: dict[str, int] = {}
    output = 0
    for name, size in llama.buffers:  # such as `CPU RS`, `CUDA0 KV`
        buffer, _, what = name.rpartition(" ")
        if what == "RS":
            states[buffer] = states.get(buffer, 0) + size
        elif what == "output":
            output += size
    return MemoryPlan(
        context=model.c.llama_n_ctx(context),
        devices=by_device(buffers, states, output),
        source="dry-run",
        build=llama.build,
    )


def _complete(
    model: Model, context: Any, sampler: Any, tokens: Sequence[int], max_tokens: int, stops: Sequence[bytes]
) -> Generation:
    room = model.plan.context - len(tokens)
    if not tokens or room < 1:
        raise LlamaError("prompt", f"the prompt has {len(tokens):,} tokens, the context {model.plan.context:,}")
    model.clear(context)
    start = time.perf_counter()
    for at in range(0, len(tokens), model.plan.batch):
        model.decode(context, tokens[at : at + model.plan.batch])
    answer = b""
    count = token = 0
    first = last = start
    finite = True
    while count < min(max_tokens, room) and len(answer) < MAX_TEXT_BYTES:
        if count:
            model.decode(context, (token,))
        token = model.c.llama_sampler_sample(sampler, context, -1)
        finite = math.isfinite(model.c.llama_get_logits_ith(context, -1)[token])
        last = time.perf_counter()
        if not finite or model.c.llama_vocab_is_eog(model.vocabulary, token):
            break
        first = first if count else last
        count += 1
        answer += model.piece(token)
        ends = [at for item in stops if (at := answer.find(item)) >= 0]
        if ends:
            answer = answer[: min(ends)]
            break
    return Generation(
        text=_text(answer),
        prompt_tokens=len(tokens),
        tokens=count,
        first_token_s=first - start if count else None,
        decode=(count - 1) / (last - first) if count > 1 and last > first else None,
        finite=finite,
    )


def _text(answer: bytes) -> str:
    """UTF-8 as far as it goes: a character cut in two at the end is dropped, others show as U+FFFD."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(answer)


def embed(model: Model, inputs: Sequence[Sequence[int]]) -> tuple[tuple[float, ...], ...]:
    """One vector for each text: pooled as planned, or the last token's where the model does not pool.

    The pooling `rank` gives what the classifier of a reranker says, the score first.
    """
    longest = max(map(len, inputs), default=0)
    if longest > model.plan.context or not all(inputs):
        raise LlamaError("prompt", f"a text has {longest:,} tokens, the context {model.plan.context:,}")
    params = model.c.llama_context_default_params()
    params.embeddings = True
    params.pooling_type = POOLING[model.plan.pooling]
    # an encoder sees a text at once: the whole of it must fit one physical batch
    params.n_batch = params.n_ubatch = min(model.plan.context, max(longest, model.plan.ubatch))
    context = model.context(params)
    ranked = model.plan.pooling == "rank"
    size = model.c.llama_model_n_cls_out(model.handle) if ranked else model.c.llama_model_n_embd_out(model.handle)
    pooled = model.c.llama_pooling_type(context) != POOLING["none"]
    vectors = []
    for item in inputs:
        model.clear(context)
        model.decode(context, item)
        if pooled:
            vector = model.c.llama_get_embeddings_seq(context, 0)
        else:
            vector = model.c.llama_get_embeddings_ith(context, -1)
        if not vector:
            raise LlamaError("unsupported", "this kind of model gives no embeddings")
        vectors.append(tuple(vector[:size]))
    return tuple(vectors)

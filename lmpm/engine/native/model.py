"""One model in llama.cpp's C interface: load, tokens, contexts, answers and vectors. Runs in the child only.

The C functions on purpose: no chat template is compiled or rendered, and what memory is reserved follows
the plan, not the defaults of a binding.
"""

from __future__ import annotations

import codecs
import ctypes
import math
import time
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.native.library import LlamaError
from lmpm.engine.protocol import Generation
from lmpm.machine import default_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmpm.engine.native.layout import Parameters
    from lmpm.engine.native.library import Library
    from lmpm.engine.protocol import Sampling
    from lmpm.run_config import RunConfig

PIECE_BYTES: Final = 256  # of one token's text, to begin with
MAX_TEXT_BYTES: Final = 256 * 1024  # of one answer

POOLING: Final = {None: -1, "none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
FLASH_ATTENTION: Final = {"auto": -1, "off": 0, "on": 1}
CACHE_TYPES: Final = {  # ggml.h
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30,
}  # fmt: skip
ALL_LAYERS: Final = -1
LOAD_MODE_NONE: Final = 0  # no mmap, as planning without weights asks for
EXPERTS: Final = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"


class Override(ctypes.Structure):
    """Tensors whose names match go to a kind of buffer; llama.h, llama_model_tensor_buft_override."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer", ctypes.c_void_p))


class Model:
    """One loaded file with LoRAs on it, and its vocabulary; with `dry` nothing of its weights is read or reserved."""

    def __init__(
        self, library: Library, path: str, plan: RunConfig, *, adapters: Sequence[str] = (), dry: bool = False
    ) -> None:
        self.library, self.c, self.plan = library, library.c, plan
        parameters = library.model_parameters()
        parameters.set(n_gpu_layers=ALL_LAYERS if plan.gpu_layers is None else plan.gpu_layers)
        parameters.set(use_extra_bufts=plan.repack != "none", no_alloc=dry)
        self._overrides = self._experts_on_cpu()  # kept: C holds a pointer
        if self._overrides:
            parameters.set(tensor_buft_overrides=ctypes.addressof(self._overrides))
        if dry or not plan.mmap:
            parameters.set(load_mode=LOAD_MODE_NONE)
        handle = library.load(path, parameters)
        if not handle:
            raise LlamaError("load", "llama.cpp cannot load the file")
        self.handle = handle
        self.vocabulary = self.c.llama_model_get_vocab(handle)
        self._adapters = [self._adapter(path) for path in adapters]

    def _adapter(self, path: str) -> int:
        found = self.library.load_adapter(self.handle, path)
        if not found:
            raise LlamaError("load", "llama.cpp cannot put the adapter on the model")
        return found

    def _experts_on_cpu(self) -> Any:
        """Overrides that keep the planned experts in host memory; None for none."""
        layers = self.plan.expert_layers_on_cpu
        patterns = [EXPERTS] if layers is None else [rf"blk\.{layer}{EXPERTS}" for layer in range(layers)]
        if not patterns:
            return None
        cpu = self.c.ggml_backend_cpu_buffer_type()
        made = [Override(pattern.encode(), cpu) for pattern in patterns]
        return (Override * (len(made) + 1))(*made, Override(None, None))

    def tokenize(self, text: str) -> Sequence[int]:
        """The tokens of a raw prompt: with BOS where the model wants it, control tokens understood."""
        return self._tokens(text, whole=True)

    def tokenize_prompt(self, text: str) -> Sequence[int]:
        """The tokens of a rendered chat: control tokens understood, BOS unless the template wrote it."""
        tokens = list(self.tokenize(text))
        bos = int(self.c.llama_vocab_bos(self.vocabulary))
        return tokens[1:] if tokens[:2] == [bos, bos] else tokens

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

    def context(self, parameters: Parameters) -> int:
        """A context with the parts of `parameters` that every use shares."""
        plan = self.plan
        threads = plan.threads or default_threads(self.c.llama_model_size(self.handle))
        parameters.set(
            n_ctx=plan.context,
            n_seq_max=plan.sequences,
            kv_unified=plan.unified,
            n_threads=threads,
            n_threads_batch=threads,
            type_k=CACHE_TYPES[plan.kv_type],
            type_v=CACHE_TYPES[plan.value_type or plan.kv_type],
            flash_attn_type=FLASH_ATTENTION[plan.flash_attention],
            swa_full=plan.swa_full,
        )
        context = self.library.new_context(self.handle, parameters)
        if not context:
            raise LlamaError("context", "llama.cpp cannot make a context")
        if self._adapters and not self.library.set_adapters(context, self._adapters):
            raise LlamaError("context", "llama.cpp cannot put the adapters on a context")
        return context

    def for_answers(self) -> Parameters:
        """Parameters of a context that reserves what was planned."""
        parameters, plan = self.library.context_parameters(), self.plan
        parameters.set(
            n_batch=min(plan.context, plan.batch),
            n_ubatch=min(plan.context, plan.ubatch),
            n_outputs_max=max(plan.outputs, plan.sequences) if plan.outputs else 0,
        )
        return parameters

    def for_vectors(self) -> Parameters:
        """Parameters of a context for embeddings: an encoder sees a text at once, so it must fit one batch."""
        parameters, plan = self.library.context_parameters(), self.plan
        size = min(plan.context, plan.ubatch)
        parameters.set(embeddings=True, pooling_type=POOLING[plan.pooling], n_batch=size, n_ubatch=size)
        return parameters

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


def make_sampler(model: Model, sampling: Sampling, grammar: str) -> int:
    """A chain of llama.cpp's samplers, in the order of llama.cpp's own server."""
    c, add = model.c, model.c.llama_sampler_chain_add
    chain = int(_chain(model))
    if grammar:
        made = c.llama_sampler_init_grammar(model.vocabulary, grammar.encode(), b"root")
        if not made:
            raise LlamaError("grammar", "llama.cpp cannot read the grammar")
        add(chain, made)
    if sampling.temperature <= 0:
        add(chain, c.llama_sampler_init_greedy())
        return chain
    if sampling.top_k is not None:
        add(chain, c.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p is not None:
        add(chain, c.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p is not None:
        add(chain, c.llama_sampler_init_min_p(sampling.min_p, 1))
    add(chain, c.llama_sampler_init_temp(sampling.temperature))
    add(chain, c.llama_sampler_init_dist(sampling.seed & 0xFFFFFFFF))
    return chain


class _ChainParameters(ctypes.Structure):
    """llama.h, llama_sampler_chain_params."""

    _fields_ = (("no_perf", ctypes.c_bool),)


def _chain(model: Model) -> Any:
    make = model.library.handle.llama_sampler_chain_init
    make.argtypes, make.restype = (_ChainParameters,), ctypes.c_void_p
    return make(_ChainParameters(True))


class Writer:
    """Continues texts in one context, one at a time."""

    def __init__(self, model: Model) -> None:
        if model.c.llama_model_has_encoder(model.handle):
            raise LlamaError("unsupported", "this kind of model does not continue a text")
        self.model = model
        self.context = model.context(model.for_answers())
        if not model.c.llama_get_memory(self.context):
            raise LlamaError("unsupported", "this kind of model does not continue a text")

    def complete(
        self,
        tokens: Sequence[int],
        max_tokens: int,
        stop: Sequence[str],
        sampling: Sampling,
        *,
        grammar: str = "",
        tell: Callable[[str], bool] = lambda _: True,
    ) -> Generation:
        """Continue tokens. `tell` is given each piece of text as it is certain, and ends the answer with False."""
        model, context, c = self.model, self.context, self.model.c
        room = model.plan.context - len(tokens)
        if not tokens or room < 1:
            raise LlamaError("prompt", f"the prompt has {len(tokens):,} tokens, the context {model.plan.context:,}")
        sampler = make_sampler(model, sampling, grammar)
        try:
            model.clear(context)
            start = time.perf_counter()
            for at in range(0, len(tokens), model.plan.batch):
                model.decode(context, tokens[at : at + model.plan.batch])
            answer = _Answer(tuple(item.encode() for item in stop), tell)
            count = token = 0
            first = last = start
            finite, ended = True, False
            while count < min(max_tokens, room) and len(answer.data) < MAX_TEXT_BYTES:
                if count:
                    model.decode(context, (token,))
                token = c.llama_sampler_sample(sampler, context, -1)
                finite = math.isfinite(c.llama_get_logits_ith(context, -1)[token])
                last = time.perf_counter()
                if not finite or c.llama_vocab_is_eog(model.vocabulary, token):
                    ended = True
                    break
                first = first if count else last
                count += 1
                if not answer.add(model.piece(token)):
                    ended = True
                    break
        finally:
            c.llama_sampler_free(sampler)
        return Generation(
            text=answer.end(),
            prompt_tokens=len(tokens),
            tokens=count,
            first_token_s=first - start if count else None,
            decode=(count - 1) / (last - first) if count > 1 and last > first else None,
            finite=finite,
            ended_by="stop" if ended else "length",
        )


class _Answer:
    """The bytes of an answer so far, told as text as soon as no stop string can begin in them."""

    def __init__(self, stops: Sequence[bytes], tell: Callable[[str], bool]) -> None:
        self.data = b""
        self._stops, self._tell = stops, tell
        self._told = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""

    def add(self, piece: bytes) -> bool:
        """Take the bytes of one token; False: the answer ends here."""
        self.data += piece
        if ends := [at for item in self._stops if (at := self.data.find(item)) >= 0]:
            self.data = self.data[: min(ends)]
            return False
        return self._put(len(self.data) - self._held())

    def end(self) -> str:
        """The whole text: a character that is cut in two at the end is dropped, other bytes show as U+FFFD."""
        self._put(len(self.data))
        return self._text

    def _held(self) -> int:
        """How many bytes at the end may be the beginning of a stop string."""
        longest = max(map(len, self._stops), default=0)
        sizes = range(min(longest - 1, len(self.data)), 0, -1)
        return next((size for size in sizes if any(item.startswith(self.data[-size:]) for item in self._stops)), 0)

    def _put(self, end: int) -> bool:
        if end <= self._told:
            return True
        text = self._decoder.decode(self.data[self._told : end])
        self._told = end
        self._text += text
        return not text or self._tell(text)


class Reader:
    """Turns texts into vectors in one context."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.context = model.context(model.for_vectors())

    def embed(self, tokens: Sequence[int]) -> tuple[float, ...]:
        """One vector: pooled as planned, or the last token's where the model does not pool.

        The pooling `rank` gives what the classifier of a reranker says, the score first.
        """
        model, c = self.model, self.model.c
        room = min(model.plan.context, model.plan.ubatch)
        if not tokens or len(tokens) > room:
            raise LlamaError("prompt", f"a text has {len(tokens):,} tokens, the batch {room:,}")
        model.clear(self.context)
        model.decode(self.context, tokens)
        if c.llama_pooling_type(self.context) != POOLING["none"]:
            vector = c.llama_get_embeddings_seq(self.context, 0)
        else:
            vector = c.llama_get_embeddings_ith(self.context, -1)
        if not vector:
            raise LlamaError("unsupported", "this kind of model gives no embeddings")
        ranked = model.plan.pooling == "rank"
        size = c.llama_model_n_cls_out(model.handle) if ranked else c.llama_model_n_embd_out(model.handle)
        return tuple(vector[:size])

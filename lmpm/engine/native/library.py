"""The functions of a llama.cpp library that lmpm calls, with their types; its log, and what it says of itself."""

from __future__ import annotations

import ctypes
import os
import re
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.native.layout import CONTEXT_LAYOUTS, MODEL_LAYOUTS, Parameters, defaults, value_type
from lmpm.engine.protocol import Device, DeviceKind

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BUFFERS: Final = 64
MAX_DEVICES: Final = 64
LOG_INFO, LOG_WARN, LOG_ERROR, LOG_CONTINUED = 2, 3, 4, 5  # ggml.h
BUFFER_LINE: Final = re.compile(r"(\S+) +(?:(\S+) +)?buffer size = +([0-9.]+) MiB")
DEVICE_KINDS: Final[tuple[DeviceKind, ...]] = ("cpu", "gpu", "integrated", "accelerator")  # ggml-backend.h
LOG_CALLBACK: Final = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)


class LlamaError(Exception):
    """llama.cpp refused; `kind` identifies the call that failed."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Batch(ctypes.Structure):
    """llama.h, llama_batch."""

    _fields_ = (
        ("n_tokens", c_int32),
        *((name, c_void_p) for name in ("token", "embd", "pos", "n_seq", "seq", "logits")),
    )


SPECIAL_TOKENS: Final = ("bos", "eos", "sep", "fim_pre", "fim_suf", "fim_mid")
_MODEL = _CONTEXT = _VOCABULARY = _SAMPLER = c_void_p
# name: (result, arguments); llama.h
FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "llama_backend_init": (None, ()),
    "llama_log_set": (None, (LOG_CALLBACK, c_void_p)),
    "llama_version": (c_char_p, ()),
    "llama_supports_gpu_offload": (c_bool, ()),
    "llama_print_system_info": (c_char_p, ()),
    "llama_model_get_vocab": (_VOCABULARY, (_MODEL,)),
    "llama_model_size": (c_uint64, (_MODEL,)),
    "llama_model_has_encoder": (c_bool, (_MODEL,)),
    "llama_model_n_cls_out": (c_uint32, (_MODEL,)),
    "llama_model_n_embd_out": (c_int32, (_MODEL,)),
    "llama_model_chat_template": (c_char_p, (_MODEL, c_char_p)),
    "llama_n_ctx": (c_uint32, (_CONTEXT,)),
    "llama_get_memory": (c_void_p, (_CONTEXT,)),
    "llama_memory_clear": (None, (c_void_p, c_bool)),
    "llama_pooling_type": (c_int, (_CONTEXT,)),
    "llama_tokenize": (c_int32, (_VOCABULARY, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool)),
    "llama_token_to_piece": (c_int32, (_VOCABULARY, c_int32, c_void_p, c_int32, c_int32, c_bool)),
    "llama_vocab_is_eog": (c_bool, (_VOCABULARY, c_int32)),
    "llama_vocab_get_add_bos": (c_bool, (_VOCABULARY,)),
    "llama_vocab_get_add_eos": (c_bool, (_VOCABULARY,)),
    "llama_vocab_get_add_sep": (c_bool, (_VOCABULARY,)),
    **{f"llama_vocab_{name}": (c_int32, (_VOCABULARY,)) for name in SPECIAL_TOKENS},
    "llama_batch_get_one": (Batch, (POINTER(c_int32), c_int32)),
    "llama_decode": (c_int32, (_CONTEXT, Batch)),
    "llama_encode": (c_int32, (_CONTEXT, Batch)),
    "llama_get_logits_ith": (POINTER(c_float), (_CONTEXT, c_int32)),
    "llama_get_embeddings_seq": (POINTER(c_float), (_CONTEXT, c_int32)),
    "llama_get_embeddings_ith": (POINTER(c_float), (_CONTEXT, c_int32)),
    "llama_free": (None, (_CONTEXT,)),
    "llama_sampler_init_greedy": (_SAMPLER, ()),
    "llama_sampler_init_dist": (_SAMPLER, (c_uint32,)),
    "llama_sampler_init_top_k": (_SAMPLER, (c_int32,)),
    "llama_sampler_init_top_p": (_SAMPLER, (c_float, c_size_t)),
    "llama_sampler_init_min_p": (_SAMPLER, (c_float, c_size_t)),
    "llama_sampler_init_temp": (_SAMPLER, (c_float,)),
    "llama_sampler_init_grammar": (_SAMPLER, (_VOCABULARY, c_char_p, c_char_p)),
    "llama_sampler_chain_add": (None, (_SAMPLER, _SAMPLER)),
    "llama_sampler_sample": (c_int32, (_SAMPLER, _CONTEXT, c_int32)),
    "llama_sampler_free": (None, (_SAMPLER,)),
    "ggml_backend_cpu_buffer_type": (c_void_p, ()),
    "ggml_backend_dev_count": (c_size_t, ()),
    "ggml_backend_dev_get": (c_void_p, (c_size_t,)),
    "ggml_backend_dev_name": (c_char_p, (c_void_p,)),
    "ggml_backend_dev_description": (c_char_p, (c_void_p,)),
    "ggml_backend_dev_type": (c_int, (c_void_p,)),
    "ggml_backend_dev_memory": (None, (c_void_p, POINTER(c_size_t), POINTER(c_size_t))),
}  # fmt: skip


class Library:
    """A loaded library: its warnings and errors go to stderr, its buffer sizes are remembered.

    Raises OSError when it does not load, AttributeError when a function is missing, UnknownLayoutError.
    """

    def __init__(self, path: str) -> None:
        self.handle = ctypes.CDLL(path)
        self.c = _Functions(self.handle)
        self.buffers: list[tuple[str, int]] = []
        self._level = LOG_INFO
        self._callback = LOG_CALLBACK(self._log)  # kept: C holds no reference
        self.c.llama_log_set(self._callback, None)
        self.c.llama_backend_init()
        if not self.c.ggml_backend_dev_count():
            _load_backends(self.handle, Path(path).parent)
        self._model = defaults(self.handle.llama_model_default_params, MODEL_LAYOUTS, "llama_model_params")
        self._context = defaults(self.handle.llama_context_default_params, CONTEXT_LAYOUTS, "llama_context_params")
        self._take("llama_model_load_from_file", (c_char_p,), self._model)
        self._take("llama_init_from_model", (_MODEL,), self._context)

    def _take(self, name: str, before: tuple[Any, ...], parameters: Parameters) -> None:
        function = getattr(self.handle, name)
        function.argtypes, function.restype = (*before, value_type(parameters.layout.size)), c_void_p

    def model_parameters(self) -> Parameters:
        """A fresh copy of the defaults for loading a model."""
        return self._model.copy()

    def context_parameters(self) -> Parameters:
        """A fresh copy of the defaults for a context."""
        return self._context.copy()

    def load(self, path: str, parameters: Parameters) -> int | None:
        """A model, None when llama.cpp refuses the file."""
        value = self.handle.llama_model_load_from_file(os.fsencode(path), parameters.by_value())
        return int(value) if value else None

    def new_context(self, model: int, parameters: Parameters) -> int | None:
        """A context of a model, None when llama.cpp refuses to make one."""
        value = self.handle.llama_init_from_model(model, parameters.by_value())
        return int(value) if value else None

    def load_adapter(self, model: int, path: str) -> int | None:
        """A LoRA for a model, None when llama.cpp refuses it. All must be there before a context is made."""
        function = self.handle.llama_adapter_lora_init
        function.argtypes, function.restype = (_MODEL, c_char_p), c_void_p
        value = function(model, os.fsencode(path))
        return int(value) if value else None

    def set_adapters(self, context: int, adapters: Sequence[int]) -> bool:
        """Put LoRAs on a context, each at its own scale; False when llama.cpp does not."""
        function = self.handle.llama_set_adapters_lora
        function.argtypes = (_CONTEXT, POINTER(c_void_p), c_size_t, POINTER(c_float))
        function.restype = c_int32
        count = len(adapters)
        return bool(function(context, (c_void_p * count)(*adapters), count, (c_float * count)(*[1.0] * count)) == 0)

    def _log(self, level: int, text: bytes, _: object) -> None:
        if level != LOG_CONTINUED:
            self._level = level
        if self._level in (LOG_WARN, LOG_ERROR):
            os.write(2, text)
        elif len(self.buffers) < MAX_BUFFERS and (found := BUFFER_LINE.search(text.decode("utf-8", "replace"))):
            name = " ".join(filter(None, found.group(1, 2)))
            self.buffers.append((name, int(float(found[3]) * 1024 * 1024)))

    @property
    def build(self) -> str:
        """Version and commit, as far as the library knows them: `llama.cpp 0.5.0 (0c1e570)`."""
        version = self.c.llama_version().decode("utf-8", "replace")
        try:
            function = self.handle.ggml_commit
        except AttributeError:
            return f"llama.cpp {version}"
        function.restype = c_char_p
        commit = function().decode("utf-8", "replace")
        return f"llama.cpp {version}" if commit == "unknown" else f"llama.cpp {version} ({commit})"

    @property
    def system_info(self) -> str:
        """The backends and what the processor offers, in llama.cpp's words."""
        return str(self.c.llama_print_system_info().decode("utf-8", "replace")).strip(" |\n")

    @property
    def devices(self) -> tuple[Device, ...]:
        """What the build can compute on here."""
        found = []
        for index in range(min(self.c.ggml_backend_dev_count(), MAX_DEVICES)):
            device = self.c.ggml_backend_dev_get(index)
            free, total = c_size_t(0), c_size_t(0)
            self.c.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            kind = self.c.ggml_backend_dev_type(device)
            found.append(
                Device(
                    name=self.c.ggml_backend_dev_name(device).decode("utf-8", "replace"),
                    description=self.c.ggml_backend_dev_description(device).decode("utf-8", "replace"),
                    kind=DEVICE_KINDS[kind] if kind in range(len(DEVICE_KINDS)) else "accelerator",
                    memory=total.value,
                )
            )
        return tuple(found)


class _Functions:
    """The functions of FUNCTIONS with their types."""

    def __init__(self, handle: Any) -> None:
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(handle, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:  # for the type checker: all of them are set above
        raise AttributeError(name)


def _load_backends(handle: Any, folder: Path) -> None:
    """Load the backends of a build that keeps each in a library of its own."""
    try:
        load = handle.ggml_backend_load_all_from_path
    except AttributeError:
        return
    load.argtypes, load.restype = (c_char_p,), None
    load(os.fsencode(folder))

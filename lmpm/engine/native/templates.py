"""What llama-cpp-python's package has beside its library: chat templates by jinja2, and grammars of JSON schemas."""

from __future__ import annotations

import ctypes
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.native.library import LlamaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.engine.native.model import Model

GRAMMAR_MODULE: Final = "llama_grammar.py"  # of llama_cpp; its package would import numpy and the library again


def renderer(model: Model) -> Callable[[Mapping[str, Any]], str]:
    """What makes a prompt of the messages in a request. Raises LlamaError for a file without a usable template."""
    try:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise LlamaError("unsupported", "jinja2 is not installed, which renders chat templates") from error

    source = model.c.llama_model_chat_template(model.handle, None)
    if not source:
        raise LlamaError("unsupported", "the file has no chat template")
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None, **_: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = _refuse
    words = {name: _token(model, kind) for name, kind in (("bos_token", "bos"), ("eos_token", "eos"))}
    try:
        template = environment.from_string(source.decode("utf-8", "replace"))
    except TemplateError as error:
        raise LlamaError("template", f"the chat template cannot be read: {error}") from error

    def render(body: Mapping[str, Any]) -> str:
        more = body.get("chat_template_kwargs") or {}
        try:
            return template.render(
                messages=body["messages"], tools=body.get("tools"), add_generation_prompt=True, **words, **more
            )
        except TemplateError as error:
            raise LlamaError("template", f"the chat template refuses the messages: {error}") from error

    return render


def _refuse(message: str) -> None:
    raise LlamaError("template", message)


def _token(model: Model, kind: str) -> str:
    """The text of a control token, empty where the file has none."""
    token = int(getattr(model.c, f"llama_vocab_{kind}")(model.vocabulary))
    if token < 0:
        return ""
    text = model.library.handle.llama_vocab_get_text
    text.argtypes, text.restype = (ctypes.c_void_p, ctypes.c_int32), ctypes.c_char_p
    return str((text(model.vocabulary, token) or b"").decode("utf-8", "replace"))


def grammar_of(schema: object) -> str:
    """A grammar that gives JSON of a schema. Raises LlamaError."""
    spec = importlib.util.find_spec("llama_cpp")
    place = Path(spec.origin).with_name(GRAMMAR_MODULE) if spec and spec.origin else None
    found = importlib.util.spec_from_file_location("lmpm_llama_grammar", place) if place else None
    if found is None or found.loader is None:
        raise LlamaError("unsupported", "llama-cpp-python's grammars are not installed")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    try:
        return str(module.json_schema_to_gbnf(json.dumps(schema)))
    except Exception as error:
        raise LlamaError("grammar", f"the JSON schema cannot be used: {error}") from error

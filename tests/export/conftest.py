"""A Hub with a GGUF repository, its base model in safetensors, and other forms of it, some of which only look so."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Cli
from tests.gguf_files import write_llama
from tests.loopback import LoopbackHub

BASE, GGUF = "maker/base", "maker/base-GGUF"


def weights(*names: str, elements: int = 4) -> bytes:
    """A safetensors file."""
    size = elements * 2
    header = {
        name: {"dtype": "F16", "shape": [elements], "data_offsets": [number * size, number * size + size]}
        for number, name in enumerate(names)
    }
    return packed(header, len(names) * size)


def packed(header: object, data: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def card(base: str | list[str] | None, **more: Any) -> dict[str, Any]:
    return {"base_model": base, "license": "apache-2.0"} | more if base else {"license": "apache-2.0"}


def config(vocabulary: int) -> bytes:
    return json.dumps({"architectures": ["LlamaForCausalLM"], "vocab_size": vocabulary}).encode()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    """A GGUF file, and the tokens that it knows."""
    from lmpm.gguf import read_file

    (path,) = write_llama(tmp_path_factory.mktemp("gguf") / "m.gguf", name="base", context=4096)
    return path.read_bytes(), read_file(path).array_lengths["tokenizer.ggml.tokens"]


@pytest.fixture
def hub(model: tuple[bytes, int]) -> Iterator[LoopbackHub]:
    """A GGUF repository, its base in safetensors, and others that say they are of it, or look as if they were."""
    data, tokens = model
    with LoopbackHub() as hub:
        hub.add_repo(GGUF, {"base-Q8_0.gguf": data}, card_data=card(BASE))
        safetensors = {
            "config.json": config(tokens),
            "tokenizer.json": b"{}",
            "model-00001-of-00002.safetensors": weights("a", "b"),
            "model-00002-of-00002.safetensors": weights("c"),
            "model.safetensors.index.json": json.dumps({"weight_map": {"a": "1", "b": "1", "c": "2"}}).encode(),
            "modeling_base.py": b"print('never run')",
            "pytorch_model.bin": b"a pickle",
        }
        hub.add_repo(BASE, safetensors, card_data=card(None), tags=("safetensors",))
        hub.add_repo(
            "other/base-AWQ",
            {"config.json": config(tokens), "model.safetensors": weights("a")},
            card_data=card(BASE),
            tags=("safetensors",),
        )
        hub.add_repo(  # only its name is alike
            "other/base-chat",
            {"config.json": config(tokens), "model.safetensors": weights("a")},
            card_data=card("somebody/else"),
            tags=("safetensors",),
        )
        hub.add_repo(
            "litert-community/base",
            {"base_q8_ekv1280.litertlm": b"LITERTLM" + bytes(40)},
            tags=("litert-lm", f"base_model:{BASE}", f"base_model:finetune:{BASE}"),
        )
        hub.add_repo(
            "stranger/base-litert",
            {"base.litertlm": b"LITERTLM" + bytes(50)},
            tags=("litert-lm", f"base_model:{BASE}", f"base_model:finetune:{BASE}"),
        )
        hub.add_repo(
            "mlc-ai/base-q4f16_1-MLC",
            {
                "mlc-chat-config.json": config(tokens),
                "tensor-cache.json": b'{"records": []}',
                "params_shard_0.bin": bytes(64),
                "tokenizer.json": b'{"model": {}}',
            },
            card_data=card(BASE),
            tags=("mlc-llm",),
        )
        yield hub


@pytest.fixture
def project(cli: Cli, hub: LoopbackHub) -> Cli:
    return installed(cli, hub)


def installed(cli: Cli, hub: LoopbackHub) -> Cli:
    cli.environment["HF_ENDPOINT"] = hub.endpoint
    cli.call("install", f"hf:{GGUF}", "--name", "chat", "--no-smoke").passed()
    return cli

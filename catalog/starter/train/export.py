"""Export: write a checkpoint as GGUF, Q8_0 or F32, with its tokenizer and chat template."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch

from catalog.starter.train import tokenizer
from catalog.starter.train.model import Shape

NAME = "lmpm text-to-sql starter"
DESCRIPTION = (
    "Small text-to-SQL model for SQLite: one or two CREATE TABLE statements and a question in, one SELECT out."
)
# The prompt is the last user message and nothing else, so that chat and raw completion agree.
CHAT_TEMPLATE = (
    "{%- set ns = namespace(text='') -%}{%- for message in messages -%}{%- if message['role'] == 'user' -%}"
    "{%- set ns.text = message['content'] -%}{%- endif -%}{%- endfor -%}{{- ns.text -}}"
)
# torch parameter -> GGUF tensor, per layer.
LAYER = {
    "attn_norm": "attn_norm",
    "ffn_norm": "ffn_norm",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def tensor_name(parameter: str) -> str:
    """Translate a parameter's name."""
    if parameter == "embedding.weight":
        return "token_embd.weight"
    if parameter == "norm.weight":
        return "output_norm.weight"
    _, layer, part, _ = parameter.split(".")
    return f"blk.{layer}.{LAYER[part]}.weight"


def add_tokenizer(writer: gguf.GGUFWriter, path: Path) -> None:
    """Write the vocabulary and merges."""
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    special = {tokenizer.EOS, tokenizer.PAD}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(tokenizer.EOS_ID)
    writer.add_eos_token_id(tokenizer.EOS_ID)
    writer.add_pad_token_id(tokenizer.PAD_ID)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def export(folder: Path, target: Path, full: bool) -> None:
    """Write the GGUF file of a training folder."""
    kept = torch.load(folder / "model.pt", weights_only=True)["model"]
    shape = Shape(vocab=kept["embedding.weight"].shape[0])
    writer = gguf.GGUFWriter(str(target), "llama")
    writer.add_name(NAME)
    writer.add_author("lmpm contributors")
    writer.add_license("apache-2.0")
    writer.add_description(DESCRIPTION)
    writer.add_languages(["en"])
    writer.add_tags(["text-to-sql", "sqlite"])
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocab)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if full else gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_tokenizer(writer, folder / "tokenizer.json")
    for name, weight in kept.items():
        values = weight.numpy().astype(np.float32)
        if values.ndim == 2 and not full:
            packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(tensor_name(name), packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(tensor_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Read the options and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--f32", action="store_true")
    options = parser.parse_args()
    export(options.run, options.out, options.f32)


if __name__ == "__main__":
    main()

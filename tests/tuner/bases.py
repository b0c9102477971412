"""Tiny bases with random weights and real tokenizers, one of each architecture that can be tuned. Needs torch."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

ARCHITECTURES: Final = ("llama", "qwen2", "qwen3", "gemma3")
WORDS: Final = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "12",
    "dogs",
    "ran",
    "over",
    "345",
    "hills",
    "Select",
    "*",
    "FROM",
    "t",
    "WHERE",
    "x",
    "=",
    "'Ä'",
    ";",
    "\n",
    "naïve",
    "don't",
]
CHATML: Final = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
GEMMA: Final = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message['role'] == "
    "'assistant' else message['role']) + '\\n' + message['content'] + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)


def sentences(count: int = 400, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=8)) for _ in range(count)]


def make_base(folder: Path, architecture: str, *, seed: int = 0, dtype: str = "float32", tied: bool = False) -> Path:
    """A folder as the Hub has it: config, safetensors, tokenizer, chat template."""
    import torch
    import transformers

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    size = _write_tokenizer(folder, architecture)
    common: dict[str, Any] = {
        "vocab_size": size,
        "hidden_size": 128,
        "intermediate_size": 192,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": tied,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    if architecture == "gemma3":
        common |= {
            "num_hidden_layers": 6,
            "head_dim": 32,
            "query_pre_attn_scalar": 32,
            "sliding_window": 64,
            "tie_word_embeddings": True,
            "eos_token_id": 1,
            "bos_token_id": 2,
            "pad_token_id": 0,
        }
        config, kind = transformers.Gemma3TextConfig(**common), transformers.Gemma3ForCausalLM
    elif architecture == "qwen3":
        config, kind = transformers.Qwen3Config(**common, head_dim=64), transformers.Qwen3ForCausalLM
    elif architecture == "qwen2":
        config, kind = transformers.Qwen2Config(**common), transformers.Qwen2ForCausalLM
    else:
        config, kind = transformers.LlamaConfig(**common), transformers.LlamaForCausalLM
    model = kind(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():  # norms and biases that are no plain ones and zeros
            if weight.dim() == 1:
                weight.add_(torch.randn_like(weight) * 0.1)
            elif "proj" in name:
                weight.copy_(torch.randn_like(weight) / weight.shape[1] ** 0.5)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path, architecture: str) -> int:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from lmpm.tuner.conversion.vocabulary import SPLITS

    if architecture == "gemma3":
        special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
        made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        made.normalizer = normalizers.Replace(" ", "\u2581")
        made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        made.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
        trainer = trainers.BpeTrainer(
            vocab_size=480,
            special_tokens=[*special, *(f"<0x{number:02X}>" for number in range(256))],
            show_progress=False,
        )
        made.train_from_iterator(sentences(), trainer)
        made.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
        names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
        template = GEMMA
    else:
        made = Tokenizer(models.BPE())
        if architecture == "llama":
            split = [pre_tokenizers.Digits(individual_digits=True)]
            last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        else:
            split = [pre_tokenizers.Split(Regex(next(iter(SPLITS))), "isolated")]
            last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        made.pre_tokenizer = pre_tokenizers.Sequence([*split, last])
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        made.train_from_iterator(sentences(), trainer)
        names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
        template = CHATML
    fast = PreTrainedTokenizerFast(tokenizer_object=made, **names)
    fast.chat_template = template
    fast.save_pretrained(folder)
    return int(made.get_vocab_size()) + 7  # a few that no text uses, as real models have


def make_adapter(base: Path, folder: Path, *, steps: int = 12, seed: int = 3, **options: Any) -> Any:
    """A LoRA on a base that changes its logits clearly, saved by peft; the model that it belongs to."""
    import peft
    import torch
    import transformers

    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    given = {"r": 8, "lora_alpha": 16, "target_modules": targets, "task_type": "CAUSAL_LM", **options}
    tuned = peft.get_peft_model(model, peft.LoraConfig(**given))
    optimizer = torch.optim.AdamW([weight for weight in tuned.parameters() if weight.requires_grad], 1e-2)
    ids = torch.randint(10, model.config.vocab_size - 8, (4, 24), generator=torch.Generator().manual_seed(seed))
    for _ in range(steps):
        loss = tuned(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    tuned.eval()
    tuned.save_pretrained(folder)
    return tuned

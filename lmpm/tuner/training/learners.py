"""What is trained: a LoRA on a base, or a small model from nothing."""

from __future__ import annotations

import math
import shutil
import warnings
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LmpmError
from lmpm.fs import disk_errors
from lmpm.tuner.conversion.vocabulary import SPLITS
from lmpm.tuner.extra import require
from lmpm.tuner.settings import PROJECTIONS
from lmpm.tuner.training.loop import Learner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lmpm.tuner.settings import Settings, Shape

END, PAD = "<|endoftext|>", "<|pad|>"
BLOCK: Final = 32  # of Q8_0: widths are multiples of it
INIT_STD: Final = 0.02
# What is said goes in as it is, so that a conversation of one message is plain text.
TEMPLATE: Final = (
    "{%- for message in messages -%}{{- message['content'] -}}"
    "{{- '\\n\\n' if not loop.last else '\\n' -}}{%- endfor -%}"
)


def device_of(settings: Settings) -> str:
    """The device to train on. Raises LmpmError for a GPU that torch cannot use."""
    torch = require("torch")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise LmpmError("torch finds no GPU here", hint="Train on the CPU with `--device cpu`", kind="no-gpu")
    return "cuda" if settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available()) else "cpu"


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder; nothing of it is run, and nothing is downloaded."""
    return _transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def lora(base: Path, settings: Settings) -> Learner:
    """A LoRA on all projections of a base, which stays as it is."""
    torch, transformers, peft = require("torch"), _transformers(), require("peft")
    device = device_of(settings)
    torch.manual_seed(settings.seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        base,
        dtype=torch.bfloat16 if device == "cuda" else torch.float32,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    ).to(device)
    config = peft.LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM"
    )
    tuned = peft.get_peft_model(model, config)
    return Learner(tuned.get_base_model(), _adam(tuned, settings), device)


def save_lora(learner: Learner, base: Path, settings: Settings, folder: Path) -> None:
    """Write the LoRA as peft has it. Raises DiskError."""
    import json

    safetensors = require("safetensors.torch")
    tensors = {
        f"base_model.model.{name.replace('.default.', '.')}": weight.float().contiguous()
        for name, weight in learner.trained().items()
    }
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base),
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "target_modules": list(PROJECTIONS),
        "bias": "none",
    }
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        safetensors.save_file(tensors, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def scratch(folder: Path, settings: Settings) -> Learner:
    """A small llama with weights drawn by the seed, for the tokenizer that lies in `folder`."""
    torch, transformers = require("torch"), _transformers()
    device = device_of(settings)
    torch.manual_seed(settings.seed)
    shape, tokenizer = settings.shape, load_tokenizer(folder)
    config = transformers.LlamaConfig(
        vocab_size=-(-len(tokenizer) // BLOCK) * BLOCK,
        hidden_size=shape.width,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=settings.max_tokens,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if (
                weight.dim() == 2 and "proj" in name
            ):  # as in lmpm's starter: what is added to the stream is drawn smaller
                deep = name.endswith(("o_proj.weight", "down_proj.weight"))
                weight.normal_(std=(0.25 if deep else 0.5) / math.sqrt(shape.width))
            elif weight.dim() == 2:
                weight.normal_(std=INIT_STD)
    model.to(device)
    return Learner(model, _adam(model, settings), device)


def save_scratch(learner: Learner, folder: Path) -> None:
    """Write the model beside its tokenizer. Raises DiskError."""
    with disk_errors(folder):
        learner.model.save_pretrained(folder)


def learn_tokenizer(texts: Iterable[str], shape: Shape, folder: Path) -> None:
    """A byte-level vocabulary of the examples themselves, split as qwen2 does: digits stand alone. Raises DiskError."""
    tokenizers, transformers = require("tokenizers"), _transformers()
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    split = next(rule for rule, name in SPLITS.items() if name == "qwen2")
    made.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(tokenizers.Regex(split), "isolated"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=shape.vocabulary,
        min_frequency=2,
        special_tokens=[END, PAD],
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, pad_token=PAD)
    fast.chat_template = TEMPLATE
    with disk_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        fast.save_pretrained(folder)


def _transformers() -> Any:
    """transformers, without bars and remarks of its own."""
    module = require("transformers")
    module.utils.logging.disable_progress_bar()
    module.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    return module


def _adam(model: Any, settings: Settings) -> Any:
    torch = require("torch")
    weights: Sequence[Any] = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    for group in optimizer.param_groups:
        group["highest"] = settings.learning_rate
    return optimizer

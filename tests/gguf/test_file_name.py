"""What the names of GGUF files, models and accounts say."""

from __future__ import annotations

import pytest

from lmpm.catalog.schema.tables import Publisher
from lmpm.gguf import file_name, model_name
from lmpm.resolver.candidates import reputation

FILES = [
    # path, kind, model, quant, shard
    ("Qwen3-8B-Q4_K_M.gguf", "model", "Qwen3-8B", "Q4_K_M", None),
    ("UD-IQ1_S/GLM-5-UD-IQ1_S-00004-of-00006.gguf", "model", "GLM-5", "UD-IQ1_S", (4, 6)),
    ("Meta-Llama-3.1-405B.Q3_K_S.gguf-00007-of-00009.gguf", "model", "Meta-Llama-3.1-405B", "Q3_K_S", (7, 9)),
    ("Luna.i1-IQ3_XS.gguf", "model", "Luna", "i1-IQ3_XS", None),
    ("gemma-4-E4B_q4_0-it.gguf", "model", "gemma-4-E4B-it", "Q4_0", None),
    ("unsloth.Q8_0.gguf", "model", "", "Q8_0", None),
    ("Q3_K_S/Q3_K_S-00001-of-00028.gguf", "model", "", "Q3_K_S", (1, 28)),
    ("Hunyuan-A13B-InstructQ3_K_L.gguf", "model", "Hunyuan-A13B-Instruct", "Q3_K_L", None),
    ("fluxGGUFQ5KM.gguf", "model", "fluxGGUF", "Q5_K_M", None),
    ("qwen27-7b.q2.gguf", "model", "qwen27-7b", "Q2", None),
    ("model-APEX-I-Compact.gguf", "model", "", "APEX-I-COMPACT", None),
    ("Kimi-K2.6-Q4_X-00002-of-00014.gguf", "model", "Kimi-K2.6", "Q4_X", (2, 14)),
    ("Qwen3.8-27B-Ridge-3.7bpw.gguf", "model", "Qwen3.8-27B-Ridge", "3.7BPW", None),
    ("Qwen3.8-27B-MTP-IQ4_KS.gguf", "model", "Qwen3.8-27B-MTP", "IQ4_KS", None),
    ("codegemma-7b.gguf", "model", "codegemma-7b", None, None),
    ("firefly-gemma-7b-Q4_K_S-imatrix.gguf", "model", "firefly-gemma-7b", "Q4_K_S", None),
    ("mmproj-F16.gguf", "mmproj", "mmproj", "F16", None),
    ("Model.mmproj-f16.gguf", "mmproj", "Model.mmproj", "F16", None),
    ("qwen2-audio-projector.gguf", "mmproj", "qwen2-audio-projector", None, None),
    ("Model.imatrix.gguf", "imatrix", "Model", None, None),
    ("Model-bf16-imatrix.gguf", "imatrix", "Model", "BF16", None),
    ("imatrix_unsloth.gguf", "imatrix", "imatrix_unsloth", None, None),
    ("mtp-gemma-4-12B-it-Q4_0.gguf", "draft", "mtp-gemma-4-12B-it", "Q4_0", None),
    ("MTP/gemma-MTP-Q8_0.gguf", "draft", "gemma-MTP", "Q8_0", None),
    ("eagle3-gpt-oss-120b-BF16.gguf", "draft", "eagle3-gpt-oss-120b", "BF16", None),
    ("gemma3-lora-F16.gguf", "adapter", "gemma3-lora", "F16", None),
    ("FinGPT-8B-LoRA-Q4_K_M.gguf", "model", "FinGPT-8B-LoRA", "Q4_K_M", None),  # merged: adapters are kept whole
    ("SPM/ggml-vocab-gemma-3.gguf", "vocab", "ggml-vocab-gemma-3", None, None),
    ("Model-Q8_0.gguf.part1of2", "piece", "Model", "Q8_0", None),
    ("Model-Q8_0-00001.gguf", "piece", "Model", "Q8_0", None),  # of how many, it does not say
    ("Omni-2.6B-mmprojector-fp16.gguf", "mmproj", "", "F16", None),
    ("gemma-4-31B-it-assistant.Q4_K_M.gguf", "draft", "", "Q4_K_M", None),
    ("gemma-4-12B-it-qat-assistant-MTP-Q8_0.gguf", "draft", "", "Q8_0", None),
    ("Ornith-1.5-9B-AD-IQ2_S-IQ2_XS.gguf", "model", "Ornith-1.5-9B", "AD-IQ2_S-IQ2_XS", None),
    ("Ornith-1.5-9B-AD-Q6_K.gguf", "model", "Ornith-1.5-9B", "AD-Q6_K", None),
    ("gemma-4-26B-A4B-it-MXFP4_MOE_BF16.gguf", "model", "gemma-4-26B-A4B-it", "MXFP4_MOE_BF16", None),
    ("Luna-IQ3XXS.gguf", "model", "Luna", "IQ3_XXS", None),
    ("Luna-q4.0.gguf", "model", "Luna", "Q4_0", None),
    # beside another type, one of full precision is that of the embedding, or of what was quantized
    ("gemma-2-9b-it-Q4_K_M-fp16.gguf", "model", "gemma-2-9b-it", "Q4_K_M", None),
    ("M-Q8_0-f16.gguf", "model", "M", "Q8_0", None),
    ("M.Q4_0.f32.gguf", "model", "M", "Q4_0", None),
    ("M-bf16_q4_k.gguf", "model", "M", "Q4_K_M", None),
    ("Talkia_FP16.Q6_K.gguf", "model", "Talkia", "Q6_K", None),
    ("Huihui-gpt-oss-20b-BF16-abliterated-Q4_0.gguf", "model", "Huihui-gpt-oss-20b-BF16-abliterated", "Q4_0", None),
    ("pig_fp32-f16.gguf", "model", "pig_fp32", "F16", None),
    ("M-IQ3_S-2.67bpw.gguf", "model", "M", "IQ3_S-2.67BPW", None),
    ("M-IQ3_S-3.02bpw.gguf", "model", "M", "IQ3_S-3.02BPW", None),
    ("M-APEX-MTP-I-Mini.gguf", "model", "M", "APEX-MTP-I-MINI", None),
    ("M-APEX-MTP-I-Quality.gguf", "model", "M", "APEX-MTP-I-QUALITY", None),
    ("Llama3.1_8B_Q8_ver1.gguf", "model", "Llama3.1_8B_ver1", "Q8", None),
    ("M-7B-Q5_v2.gguf", "model", "M-7B_v2", "Q5", None),
    ("m-Q4_K_4-00001-of-00012.gguf", "model", "m", "Q4_K_4", (1, 12)),  # of Ampere's runtime
    ("M-Q8_K_P.gguf", "model", "M", "Q8_K_P", None),
    ("vocoder-LFM2.5-Audio-1.5B-F16.gguf", "codec", "", "F16", None),
    ("tokenizer-LFM2.5-Audio-1.5B-Q4_0.gguf", "codec", "", "Q4_0", None),
    ("Model-SPECIAL_TENSOR-00003-of-01762.gguf", "tensor", "Model-SPECIAL_TENSOR", None, (3, 1762)),
]


@pytest.mark.parametrize(("path", "kind", "model", "quant", "shard"), FILES)
def test_a_file_name(path: str, kind: str, model: str, quant: str | None, shard: tuple[int, int] | None) -> None:
    found = file_name.parse_file_name(path)
    assert (found.kind, found.quant, found.shard) == (kind, quant, shard)
    if kind == "model":
        assert found.model == model


def test_what_a_file_leaves_out_its_repository_says() -> None:
    assert (
        file_name.parse_file_name("Jinx-gpt-OSS-20B.gguf", repository="x/Jinx-gpt-oss-20B-MXFP4-GGUF").quant == "MXFP4"
    )
    assert file_name.parse_file_name("glm_honesty.gguf", repository="x/GLM-4.6-control-vectors").kind == "control"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bartowski/Qwen3-30B-A3B-Instruct-2507-GGUF", "qwen3 30b a3b instruct 2507"),
        ("Llama3.1-8B", "llama 3.1 8b"),
        ("DeepSeek-R1-Distill-Qwen-7B-i1-GGUF", "deepseek r1 distill qwen 7b"),
        ("stablelm-2-zephyr-1_6b", "stablelm 2 zephyr 1.6b"),
        ("Qwen2.5-Coder-7B-Instruct-Q4_K_M-GGUF", "qwen2.5 coder 7b instruct"),
        ("Mistral-7B-Instruct-v0.3", "mistral 7b instruct 0.3"),
        ("IlyaGusev/saiga_gemma3_12b_gguf", "saiga gemma 3 12b"),
        ("LLAMA-3_8B_Unaligned_BETA-GGUF", "llama 3 8b unaligned beta"),
        ("Llama-3_3-Nemotron-Super-49B-v1_5-GGUF", "llama 3.3 nemotron super 49b 1.5"),
        ("openthoughts3_3k_llama3", "openthoughts 3 3k llama 3"),
        ("llama31_8bInstruct", "llama 31 8b instruct"),
        ("Qwopus3.5-27B-v3-TQ3_4S", "qwopus 3.5 27b 3"),
        ("obsidian-3b-multimodal-q6-gguf", "obsidian 3b multimodal"),
        ("aivi-20b-bnb-4bit", "aivi 20b bnb"),
        ("MiniCPM-V-2_6", "minicpm v 2.6"),
        ("openbmb/MiniCPM-V-4-gguf", "minicpm v 4"),
        ("GLM-4.6V", "glm 4.6 v"),
        ("gemma-2-9b-it-Q4_K_M-fp16", "gemma 2 9b it"),
    ],
)
def test_two_spellings_are_one_model(one: str, other: str) -> None:
    assert model_name.parse_model_name(one).key == model_name.parse_model_name(other).key


@pytest.mark.parametrize(
    ("name", "parameters", "active", "tuning", "marks"),
    [
        ("Qwen3-30B-A3B-Thinking-2507", 30 * 10**9, 3 * 10**9, "thinking", ()),
        ("Mixtral-8x7B-Instruct-v0.1", 56 * 10**9, None, "instruct", ()),
        ("SmallThinker-4BA0.6B-Instruct", 4 * 10**9, 6 * 10**8, "instruct", ()),
        ("Bloom-1B1-Vietnamese", 1_100_000_000, None, None, ()),
        ("smollm2-1.7b-distilled-gpt-oss-20b", 1_700_000_000, None, None, ("distilled",)),
        ("DeepSeek-R1-Distill-Qwen-7B", 7 * 10**9, None, None, ("distill",)),
        ("Gemma-4-96E-A4B", None, 4 * 10**9, None, ()),
        ("ERNIE-4.5-0.3B-PT", 300 * 10**6, None, None, ()),
        ("gemma-3-270m-pt", 270 * 10**6, None, "base", ()),
        ("Qwen2.5-7B-Instruct-1M", 7 * 10**9, None, "instruct", ()),
        ("gemma-3-4b-it-abliterated-merge", 4 * 10**9, None, "instruct", ("abliterated", "merge")),
        ("phi-4", None, None, None, ()),
        ("Qwen3-8B-no-think", 8 * 10**9, None, None, ()),
        ("Qwen3-8B-non-thinking", 8 * 10**9, None, None, ()),
        ("Qwen3-8B-Instruct-No-Reasoning", 8 * 10**9, None, "instruct", ()),
        ("Ling-512T", None, None, None, ()),  # tokens
        ("Kimi-K2-1T", 10**12, None, None, ()),
        ("Q3T-8B", 8 * 10**9, None, None, ()),
        ("X3T", None, None, None, ()),
        ("L3-8X3B", 24 * 10**9, None, None, ()),
        ("Llama-4-Maverick-17B-128E-Instruct", None, 17 * 10**9, "instruct", ()),
        ("Llama-4-Scout-17B-16E", None, 17 * 10**9, None, ()),
        ("flan-t5-base", None, None, None, ()),
        ("bge-base-en-v1.5", None, None, None, ()),
        ("modernbert-base", None, None, None, ()),
        ("granite-4.0-micro-base", None, None, "base", ()),
    ],
)
def test_what_a_title_says(
    name: str, parameters: int | None, active: int | None, tuning: str | None, marks: tuple[str, ...]
) -> None:
    found = model_name.parse_model_name(name)
    assert (found.parameters, found.active_parameters, found.tuning, found.marks) == (parameters, active, tuning, marks)


KNOWN = [
    Publisher(name=name, trust=rank) for rank, name in enumerate(("Qwen", "ggml-org", "bartowski", "unsloth", "google"))
]


@pytest.mark.parametrize(
    ("account", "known"),
    [
        ("bartowskii", "bartowski"),
        ("bartowksi", "bartowski"),
        ("bart0wski", "bartowski"),
        ("unsIoth", "unsloth"),
        ("unsl0th", "unsloth"),
        ("ggmlorg", "ggml-org"),
        ("gooogle", "google"),
        ("Qvven", "Qwen"),
        ("bartowski", None),
        ("UNSLOTH", None),
        ("Owen", None),  # too short for one letter to be an imitation
        ("mradermacher", None),
    ],
)
def test_an_imitation_is_seen(account: str, known: str | None) -> None:
    assert reputation.imitated(account, KNOWN) == known

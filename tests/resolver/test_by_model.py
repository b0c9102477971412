"""Which of the models that match some words is meant, on listings as the Hub gives them."""

from __future__ import annotations

import pytest

from lmpm.hub.repository import Row
from lmpm.resolver.candidates import by_model


def rows(*listed: tuple[str, str, int]) -> tuple[Row, ...]:
    """Repositories with the model that their card names, empty for none, and their downloads."""
    return tuple(
        Row(id=repo, base_models=(base,) if base else (), relation="quantized" if base else "", downloads=downloads)
        for repo, base, downloads in listed
    )


def meant(typed: str, listed: tuple[Row, ...]) -> list[str]:
    """The names of the groups that are meant: one, or several among which the user is to choose."""
    likely = by_model.best(by_model.ranked(by_model.grouped(listed), typed), typed)
    return [group.title.key for group in likely if group.is_meant]


STARCODER = rows(
    ("second-state/StarCoder2-7B-GGUF", "bigcode/starcoder2-7b", 300),
    ("QuantFactory/starcoder2-7b-instruct-GGUF", "TechxGenus/starcoder2-7b-instruct", 9000),
)
OFFICIAL = rows(
    ("bartowski/Mistral-7B-v0.3-GGUF", "mistralai/Mistral-7B-v0.3", 300),
    ("bartowski/Mistral-7B-Instruct-v0.3-GGUF", "mistralai/Mistral-7B-Instruct-v0.3", 9000),
)
SMOLLM = rows(
    ("ggml-org/SmolLM3-3B-GGUF", "HuggingFaceTB/SmolLM3-3B", 5000),
    ("unsloth/SmolLM3-3B-128K-GGUF", "", 400),
    ("x/SmolLM3-3B-abliterated-GGUF", "", 9000),
)
QWEN3 = rows(
    ("Qwen/Qwen3-8B-GGUF", "Qwen/Qwen3-8B", 90_000),
    ("Qwen/Qwen3-0.6B-GGUF", "Qwen/Qwen3-0.6B", 900),
)
QWEN_BASE = rows(
    ("mradermacher/Qwen2.5-7B-GGUF", "Qwen/Qwen2.5-7B", 200),
    ("bartowski/Qwen2.5-7B-Instruct-GGUF", "Qwen/Qwen2.5-7B-Instruct", 90_000),
    ("x/Coconut-Qwen2.5-7B-GGUF", "x/Coconut-Qwen2.5-7B", 10),
)
GRANITE = rows(
    ("unsloth/granite-4.0-h-tiny-GGUF", "ibm-granite/granite-4.0-h-tiny", 26_000),
    ("ibm-granite/granite-4.0-tiny-preview-GGUF", "", 900),
    ("ibm-granite/granite-4.0-tiny-base-preview-GGUF", "", 50),
)


@pytest.mark.parametrize(
    ("typed", "listed", "expected"),
    [
        ("starcoder2 7b", STARCODER, ["starcoder 2 7b"]),  # not what somebody else tuned, however much it is used
        ("starcoder2 7b instruct", STARCODER, ["starcoder 2 7b instruct"]),
        ("mistral 7b v0.3", OFFICIAL, ["mistral 7b instruct 0.3"]),  # the publisher's own: people mean that one
        ("smollm3", SMOLLM, ["smollm 3 3b"]),
        ("smollm3 3b", SMOLLM, ["smollm 3 3b"]),
        ("qwen3", QWEN3, []),  # there are several sizes: the user is asked
        ("qwen2.5 7b base", QWEN_BASE, ["qwen 2.5 7b"]),
        ("qwen2.5 7b instruct", QWEN_BASE, ["qwen 2.5 7b instruct"]),
        ("granite 4.0 tiny", GRANITE, ["granite 4.0 h tiny"]),
        ("granite 4.0 tiny preview", GRANITE, ["granite 4.0 tiny preview"]),
        ("granite 4.0 tiny", GRANITE[1:], []),
        ("minicpm v", rows(("openbmb/MiniCPM-V-2_6-gguf", "openbmb/MiniCPM-V-2_6", 9), ("x/MiniCPM3-4B-GGUF", "", 99)),
         ["minicpm v 2.6"]),
    ],
)  # fmt: skip
def test_the_model_that_is_meant(typed: str, listed: tuple[Row, ...], expected: list[str]) -> None:
    assert meant(typed, listed) == expected

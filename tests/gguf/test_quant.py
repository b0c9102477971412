"""Names of quants as people and file names write them."""

from __future__ import annotations

import pytest

from lmpm import licenses
from lmpm.gguf import quant

SPELLINGS = [
    ("q4_k_m", "Q4_K_M"),
    (" Q8_0 ", "Q8_0"),
    ("ud-q4_k_xl", "UD-Q4_K_XL"),
    ("i1-iq3_xs", "i1-IQ3_XS"),
    ("I1-Q4_K_M", "i1-Q4_K_M"),
    ("fp16", "F16"),
    ("bf16", "BF16"),
    ("q4km", "Q4_K_M"),
    ("q6k", "Q6_K"),
    ("Q4_K", "Q4_K_M"),
    ("q4-k-m", "Q4_K_M"),
    ("mxfp4_moe", "MXFP4_MOE"),
    ("q4_0_4_8", "Q4_0_4_8"),
    ("iq2_m_r4", "IQ2_M_R4"),
    ("latest", None),
    ("q4", None),
    ("Q4_K_M.gguf", None),
    ("", None),
]
FILES = [
    ("qwen2.5-coder-7b-instruct-q4_k_m.gguf", "Q4_K_M"),
    ("Arctic-Text2SQL-R1-7B.Q4_K_M.gguf", "Q4_K_M"),
    ("Model.i1-IQ3_XS.gguf", "i1-IQ3_XS"),
    ("Qwen3.5-9B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
    ("qwen2.5-coder-7b-instruct-q8_0-00001-of-00003.gguf", "Q8_0"),
    ("UD-IQ1_S/Model-UD-IQ1_S-00002-of-00004.gguf", "UD-IQ1_S"),
    ("BF16/Model-00001-of-00002.gguf", "BF16"),
    ("gemma-4-E4B_q4_0-it.gguf", "Q4_0"),
    ("org.Model.f16.gguf.Q4_K_M.gguf", "Q4_K_M"),
    ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
    ("unsloth.Q8_0.gguf", "Q8_0"),
    ("Model-AD-Q4_K-IQ4_XS.gguf", "AD-Q4_K_M-IQ4_XS"),  # beside `Model-AD-IQ4_XS.gguf`: another file
    ("nexus-medical-q4km.gguf", "Q4_K_M"),
    ("Model-APEX-I-Compact.gguf", "APEX-I-COMPACT"),
    ("Phi-3-mini-4k-instruct-q4.gguf", "Q4"),
    ("model.gguf", None),
]


@pytest.mark.parametrize(("written", "expected"), SPELLINGS)
def test_has_one_spelling(written: str, expected: str | None) -> None:
    assert quant.normalise(written) == expected


@pytest.mark.parametrize("name", quant.BITS)
def test_every_known_name_is_its_own_spelling(name: str) -> None:
    for written in (name, name.lower(), f"UD-{name}", f"i1-{name}"):
        found = quant.normalise(written)
        assert found is not None
        assert quant.base(found) == name
        assert quant.is_loadable(found)


@pytest.mark.parametrize(("path", "expected"), FILES)
def test_is_read_from_a_file_name(path: str, expected: str | None) -> None:
    assert quant.from_filename(path) == expected


def test_quants_go_from_coarse_to_fine() -> None:
    names = ["F16", "UD-Q4_K_XL", "Q8_0", "strange", "Q4_K_M", "IQ2_M", "Q6_K"]
    assert sorted(names, key=quant.order) == [
        "IQ2_M",
        "Q4_K_M",
        "UD-Q4_K_XL",
        "Q6_K",
        "Q8_0",
        "F16",
        "strange",
    ]


def test_forks_and_dropped_quants_are_not_loadable() -> None:
    assert not any(quant.is_loadable(name) for name in ("Q4_0_4_4", "IQ2_M_R4", "IQ4_KS", "Q6_0"))
    assert quant.bits_per_weight("IQ4_KS") is None
    assert quant.bits_per_weight("UD-Q8_0") == 8.5


@pytest.mark.parametrize(
    ("written", "expected", "commercial"),
    [
        ("Apache 2.0", "apache-2.0", True),
        ("Apache-2.0", "apache-2.0", True),
        ("MIT", "mit", True),
        ("LicenseRef-Qwen-Research", "qwen-research", False),
        ("cc-by-nc-4.0", "cc-by-nc-4.0", False),
        ("", "unknown", False),
        ("My Own", "my-own", False),
    ],
)
def test_licences_have_one_spelling(written: str, expected: str, commercial: bool) -> None:
    assert licenses.normalise(written) == expected
    assert licenses.permits_commercial_use(written) is commercial

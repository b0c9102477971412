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
    ("q8_0-f16", "Q8_0-F16"),
    ("Q4_K-BF16", "Q4_K_M-BF16"),
    ("iq3_s-2.67bpw", "IQ3_S-2.67BPW"),
    ("Q4_K_M-fast", None),
    ("UD-F16", "UD-F16"),
    ("q4_k_4", None),
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
    assert not any(quant.is_loadable(name) for name in ("Q4_K_4", "Q8R16", "TQ3_4S", "W4A16", "ARM_HA"))


@pytest.mark.parametrize("name", [f"Q{bits}_K_P" for bits in (2, 3, 4, 5, 6, 8)] + ["UD-Q8_K_L", "Q5_0_L"])
def test_raised_or_lowered_tensors_make_no_type_of_their_own(name: str) -> None:
    """What is in such a file only its header says: none is refused unseen."""
    assert quant.is_loadable(name) and quant.nearest(name) in quant.BITS


@pytest.mark.parametrize("name", ["Q4_X", "APEX-I-MINI", "3.7BPW", "Q8_HA", "NEXAQUANT", "Q8Q4"])
def test_a_scheme_that_no_fork_is_known_for_is_left_to_the_header(name: str) -> None:
    assert quant.is_mixture(name) and not quant.is_mixture("Q4_K_M") and not quant.is_mixture("IQ4_KS")


@pytest.mark.parametrize(
    ("wanted", "labels", "found"),
    [
        ("q4_k_xl", ["UD-Q4_K_XL", "Q4_K_M"], "UD-Q4_K_XL"),
        ("Q4_K_M", ["UD-Q4_K_M", "Q4_K_M"], "Q4_K_M"),
        ("Q4_K_M", ["i1-Q4_K_M", "i1-Q6_K"], "i1-Q4_K_M"),
        ("Q4_K_M", ["i1-Q4_K_M", "UD-Q4_K_M"], None),  # which of the two was not said
        ("UD-Q4_K_M", ["Q4_K_M"], None),
        ("q8_0-f16", ["Q8_0-F16", "Q8_0"], "Q8_0-F16"),
        ("Q6_K", [], None),
    ],
)
def test_the_label_that_is_meant(wanted: str, labels: list[str], found: str | None) -> None:
    assert quant.pick(wanted, labels) == found


def test_bits_that_a_name_states() -> None:
    assert quant.bits_per_weight("IQ3_S-2.67BPW") == 2.67 and quant.base("IQ3_S-2.67BPW") == "IQ3_S"
    assert quant.bits_per_weight("Q4_K_M-F16") == quant.bits_per_weight("Q4_K_M")
    assert min(["IQ3_S-3.02BPW", "IQ3_S-2.67BPW", "IQ3_M"], key=quant.order) == "IQ3_S-2.67BPW"


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

"""Which variants a repository holds, told from its file names."""

from __future__ import annotations

import pytest

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.hub.repository import Repository
from lmpm.resolver.candidates import variants as listing
from lmpm.types import HubSource, ModelFile, Variant


@pytest.fixture(scope="module")
def real() -> Catalog:
    return catalog.load(catalog.directory())


def files(*paths: str, size: int = 1000) -> tuple[ModelFile, ...]:
    return tuple(ModelFile(path=path, size=size, sha256=f"{n:064x}") for n, path in enumerate(sorted(paths), start=1))


def listed(real: Catalog, *paths: str, path: str | None = None, **facts: object) -> tuple[Variant, ...]:
    repository = Repository(
        id="maker/Model-7B-GGUF",
        revision="1" * 40,
        files=files(*paths),
        license=str(facts.get("license", "mit")),
        gated=bool(facts.get("gated", False)),
        private=False,
        parameters=None,
    )
    return listing.variants(repository, listing.contents(repository, path=path), real)


def quants(variants: tuple[Variant, ...]) -> dict[str, list[str]]:
    return {variant.quant: [file.path for file in variant.files] for variant in variants}


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["m-Q4_K_M.gguf", "m-Q8_0.gguf"], {"Q4_K_M": ["m-Q4_K_M.gguf"], "Q8_0": ["m-Q8_0.gguf"]}),
        (["m.Q4_K_M.gguf"], {"Q4_K_M": ["m.Q4_K_M.gguf"]}),
        (["Q4_K_M/m-Q4_K_M.gguf"], {"Q4_K_M": ["Q4_K_M/m-Q4_K_M.gguf"]}),
        (["m-UD-Q4_K_XL.gguf"], {"UD-Q4_K_XL": ["m-UD-Q4_K_XL.gguf"]}),
        (
            ["m-Q8_0-00002-of-00002.gguf", "m-Q8_0-00001-of-00002.gguf"],
            {"Q8_0": ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"]},
        ),
        (["m-Q8_0-00001-of-00002.gguf"], {}),  # a shard is missing
        (["m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf"], {}),
        (["m-Q4_0.gguf", "mmproj-m-F16.gguf"], {"Q4_0": ["m-Q4_0.gguf"]}),
        (["m-Q4_0.gguf", "m-imatrix.gguf", "m-lora-F16.gguf", "vocab-Q8_0.gguf"], {"Q4_0": ["m-Q4_0.gguf"]}),
        (["model.gguf"], {"unknown": ["model.gguf"]}),  # what it is, its header says
        (["m-Q4_0_4_8.gguf", "m-IQ4_KS.gguf", "m-Q8_0.gguf"], {"Q8_0": ["m-Q8_0.gguf"]}),  # not loaded by llama.cpp
        (["m-Q8_0.gguf", "Q8_0/m-Q8_0-00001-of-00001.gguf"], {"Q8_0": ["m-Q8_0.gguf"]}),
        (
            ["m.Q6_K.gguf-00001-of-00002.gguf", "m.Q6_K.gguf-00002-of-00002.gguf"],
            {"Q6_K": ["m.Q6_K.gguf-00001-of-00002.gguf", "m.Q6_K.gguf-00002-of-00002.gguf"]},
        ),
        ([], {}),
    ],
)
def test_files_by_quant(real: Catalog, paths: list[str], found: dict[str, list[str]]) -> None:
    assert quants(listed(real, *paths)) == found


def test_one_file_may_be_named(real: Catalog) -> None:
    paths = ("m-Q4_0.gguf", "m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf")
    assert list(quants(listed(real, *paths, path="m-Q8_0-00002-of-00002.gguf"))) == ["Q8_0"]
    assert listed(real, *paths, path="nothing.gguf") == ()


def test_what_a_variant_carries(real: Catalog) -> None:
    (variant,) = listed(real, "m-Q4_0.gguf", license="apache-2.0")
    assert (variant.model, variant.title) == ("model-7b", "Model-7B")
    assert variant.source == HubSource("maker/Model-7B-GGUF", "1" * 40)
    assert variant.license == "apache-2.0" and variant.size == 1000 and not variant.gated
    assert listed(real, "m-Q4_0.gguf", gated=True)[0].gated


def test_a_better_quant_has_the_smaller_loss(real: Catalog) -> None:
    losses = {
        variant.quant: variant.quant_loss for variant in listed(real, "m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-F16.gguf")
    }
    assert losses["F16"] <= losses["Q4_K_M"] < losses["Q2_K"]


def test_a_mixture_of_its_maker_counts_as_what_its_size_says(real: Catalog) -> None:
    """APEX files hold ordinary types, tensor by tensor: llama.cpp loads them, their size tells how good they are."""
    sizes = {"Model-7B-APEX-I-Compact.gguf": 4_280_000_000, "Model-7B-APEX-Quality.gguf": 7_440_000_000}
    made = tuple(ModelFile(path=path, size=size, sha256=f"{size:064x}") for path, size in sizes.items())
    repository = Repository(id="maker/Model-7B-APEX-GGUF", revision="1" * 40, files=made, parameters=7_000_000_000)
    found = {item.quant: item for item in listing.variants(repository, listing.contents(repository), real)}
    compact, quality = found["APEX-I-COMPACT"], found["APEX-QUALITY"]
    assert compact.quant_loss == real.quant_loss("Q4_K_M", 7_000_000_000, listing.FULL_SCORE)
    assert quality.quant_loss == real.quant_loss("Q8_0", 7_000_000_000, listing.FULL_SCORE)


def test_an_adapter_of_the_size_of_its_model_is_the_model(real: Catalog) -> None:
    made = tuple(
        ModelFile(path=path, size=size, sha256="1" * 64)
        for path, size in {"lora_model.F16.gguf": 14_000_000_000, "small-lora-f16.gguf": 40_000_000}.items()
    )
    repository = Repository(id="maker/Model-7B-GGUF", revision="1" * 40, files=made)
    found = listing.contents(repository)
    assert [item.files[0].path for item in found.sets] == ["lora_model.F16.gguf"]
    assert found.beside["adapter"] == ("small-lora-f16.gguf",)


def sized(real: Catalog, sizes: dict[str, int], *, name: str = "maker/Model-7B-GGUF", **facts: object) -> Repository:
    """A repository of files of these sizes; files of one size have the same bytes."""
    made = tuple(ModelFile(path=path, size=size, sha256=f"{size:064x}") for path, size in sorted(sizes.items()))
    return Repository(id=name, revision="1" * 40, files=made, parameters=facts.get("parameters"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "offered", "further", "twins"),
    [
        # the plainest name has the label, the others their own: the type of the embedding
        ({"M-bf16_q4_k.gguf": 5, "M-q4_k_m.gguf": 4}, {"Q4_K_M": "M-q4_k_m.gguf", "Q4_K_M-BF16": "M-bf16_q4_k.gguf"},
         [], []),
        ({"M-Q8_0-f16.gguf": 5, "M-Q8_0.gguf": 4, "M-f16.gguf": 9},
         {"Q8_0": "M-Q8_0.gguf", "Q8_0-F16": "M-Q8_0-f16.gguf", "F16": "M-f16.gguf"}, [], []),
        ({"M-Q4_K_M-fp16.gguf": 5}, {"Q4_K_M": "M-Q4_K_M-fp16.gguf"}, [], []),  # the only one
        # several bits of one quant
        ({"M-IQ3_S-2.67bpw.gguf": 3, "M-IQ3_S-3.02bpw.gguf": 4, "M-IQ3_S-3.51bpw.gguf": 5},
         {"IQ3_S-2.67BPW": "M-IQ3_S-2.67bpw.gguf", "IQ3_S-3.02BPW": "M-IQ3_S-3.02bpw.gguf",
          "IQ3_S-3.51BPW": "M-IQ3_S-3.51bpw.gguf"}, [], []),
        # the root before folders, unless the folder is that of the quant
        ({"Experimental/M-Q4_K_M.gguf": 5, "M-Q4_K_M.gguf": 4}, {"Q4_K_M": "M-Q4_K_M.gguf"},
         ["Experimental/M-Q4_K_M.gguf"], []),
        ({"Q4_K_M/M-Q4_K_M.gguf": 5, "old/M-Q4_K_M.gguf": 4}, {"Q4_K_M": "Q4_K_M/M-Q4_K_M.gguf"},
         ["old/M-Q4_K_M.gguf"], []),
        # one capital, and the very same bytes
        ({"M-Q4_K_M.gguf": 5, "m-Q4_K_M.gguf": 4}, {"Q4_K_M": "M-Q4_K_M.gguf"}, ["m-Q4_K_M.gguf"], []),
        ({"M-Q4_K.gguf": 5, "M-Q4_K_M.gguf": 5}, {"Q4_K_M": "M-Q4_K.gguf"}, [], ["M-Q4_K_M.gguf"]),
        ({"M-Q4_K.gguf": 5, "M-Q4_K_M.gguf": 4}, {"Q4_K_M": "M-Q4_K.gguf"}, ["M-Q4_K_M.gguf"], []),
        ({"M-Q8_0.gguf": 5, "M-Q8_0.GGUF": 4}, {"Q8_0": "M-Q8_0.GGUF"}, ["M-Q8_0.gguf"], []),
    ],
)  # fmt: skip
def test_no_two_files_have_one_label(
    real: Catalog, sizes: dict[str, int], offered: dict[str, str], further: list[str], twins: list[str]
) -> None:
    found = listing.contents(sized(real, sizes))
    assert {item.quant: item.files[0].path for item in found.sets} == offered
    assert [item.files[0].path for item in found.further] == further
    assert [item.files[0].path for item in found.twins] == twins
    for path in further:
        assert any(f"`{path}`: name the file to take it" in remark for remark in found.remarks())
        [named] = listing.contents(sized(real, sizes), path=path).sets
        assert named.files[0].path == path


def test_mixtures_of_one_maker_are_told_apart(real: Catalog) -> None:
    names = ("APEX-MTP-I-Mini", "APEX-MTP-I-Compact", "APEX-MTP-I-Balanced", "APEX-MTP-I-Quality", "APEX-Quality")
    sizes = {f"Model-7B-{name}.gguf": size for size, name in enumerate(names, start=3_000_000_000)}
    found = listing.contents(sized(real, sizes, parameters=7_000_000_000))
    assert {item.quant for item in found.sets} == {name.upper() for name in names}


@pytest.mark.parametrize("name", [f"Q{bits}_K_P" for bits in (2, 3, 4, 5, 6, 8)])
def test_what_only_the_header_can_tell_is_offered(real: Catalog, name: str) -> None:
    assert [item.quant for item in listing.contents(sized(real, {f"M-{name}.gguf": 5})).sets] == [name]


@pytest.mark.parametrize(
    ("bits", "label"),
    [(4.7, "unknown"), (4.9, "unknown"), (5.3, "unknown"), (8.5, "Q8_0"), (16.0, "F16"), (3.2, "Q2_K")],
)
def test_a_size_that_may_be_of_several_quants_names_none(real: Catalog, bits: float, label: str) -> None:
    """A file of 4.9 bits per weight is Q4_K_M as well as Q4_0: its header says which."""
    found = listing.contents(sized(real, {"model.gguf": int(7e9 * bits / 8)}, parameters=7_000_000_000))
    assert [item.quant for item in found.sets] == [label]


@pytest.mark.parametrize(
    ("sizes", "main", "others"),
    [
        # placeholder names, one folder a model
        ({"Llama-3B/model-F16.gguf": 6, "Llama-8B/model-Q8_0.gguf": 8, "Llama-8B/model-Q4_0.gguf": 4},
         {"Q8_0", "Q4_0"}, {"llama 3b": {"F16"}}),
        ({"3b/ggml-model-Q4_0.gguf": 3, "8b/ggml-model-Q4_0.gguf": 8}, {"Q4_0"}, {"3b": {"Q4_0"}}),
        # names that leave out the size that the folder says
        ({"3B/llama-Q4_0.gguf": 3, "8B/llama-Q4_0.gguf": 8}, {"Q4_0"}, {"llama 3b": {"Q4_0"}}),
        # folders that say nothing of the model
        ({"gguf/model-Q4_0.gguf": 4, "models/model-Q8_0.gguf": 8}, {"Q4_0", "Q8_0"}, {}),
        ({"Q4_0/model.gguf": 4, "Q8_0/model.gguf": 8}, {"Q4_0", "Q8_0"}, {}),
        ({"Q4_0/Llama-8B-Q4_0.gguf": 4, "Llama-8B-Q8_0.gguf": 8}, {"Q4_0", "Q8_0"}, {}),
    ],
)  # fmt: skip
def test_which_model_a_file_belongs_to_its_folder_may_say(
    real: Catalog, sizes: dict[str, int], main: set[str], others: dict[str, set[str]]
) -> None:
    found = listing.contents(sized(real, sizes, name="maker/Llama-8B-GGUF"))
    assert {item.quant for item in found.sets} == main
    assert {model: {item.quant for item in sets} for model, sets in found.others.items()} == others


@pytest.mark.parametrize(
    ("sizes", "path", "projector"),
    [
        ({"VL-3B/model-Q4_0.gguf": 3, "VL-3B/mmproj-F16.gguf": 1, "VL-8B/model-Q4_0.gguf": 8,
          "VL-8B/mmproj-F16.gguf": 2},
         "VL-8B/model-Q4_0.gguf", "VL-8B/mmproj-F16.gguf"),
        ({"VL-3B-Q4_0.gguf": 3, "mmproj-VL-3B-F16.gguf": 1, "VL-8B-Q4_0.gguf": 8, "mmproj-VL-8B-Q8_0.gguf": 2},
         "VL-8B-Q4_0.gguf", "mmproj-VL-8B-Q8_0.gguf"),
        ({"VL-3B-Q4_0.gguf": 3, "mmproj-VL-3B-F16.gguf": 1, "VL-8B-Q4_0.gguf": 8, "mmproj-VL-8B-Q8_0.gguf": 2},
         "VL-3B-Q4_0.gguf", "mmproj-VL-3B-F16.gguf"),
        ({"VL-8B-Q4_0.gguf": 8, "mmproj-BF16.gguf": 1, "mmproj-F16.gguf": 2, "mmproj-Q8_0.gguf": 3},
         "VL-8B-Q4_0.gguf", "mmproj-F16.gguf"),
        ({"VL-8B-Q4_0.gguf": 8, "VL-8B-Omni-Q4_0.gguf": 9, "mmproj-VL-8B-Omni-F16.gguf": 2, "mmproj-VL-8B-F16.gguf": 3},
         "VL-8B-Omni-Q4_0.gguf", "mmproj-VL-8B-Omni-F16.gguf"),
    ],
)  # fmt: skip
def test_a_projector_is_that_of_the_model(real: Catalog, sizes: dict[str, int], path: str, projector: str) -> None:
    repository = sized(real, sizes, name="maker/VL-GGUF")
    [variant] = listing.variants(repository, listing.contents(repository, path=path), real, sees=True)
    assert [file.path for file in variant.files if file.role == "mmproj"] == [projector]

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

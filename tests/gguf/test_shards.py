"""Names of the shards of split models."""

from __future__ import annotations

import pytest

from lmpm.gguf.shards import Shard, missing_shards, parse_shard, without_number


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("m-q8_0-00002-of-00003.gguf", Shard("m-q8_0", 2, 3, ".gguf")),
        ("a/m-00001-of-00001.GGUF", Shard("a/m", 1, 1, ".GGUF")),
        ("m.Q3_K_S.gguf-00007-of-00009.gguf", Shard("m.Q3_K_S.gguf", 7, 9, ".gguf")),
        ("m-00002-of-00003", Shard("m", 2, 3, "")),  # its ending was cut off
        ("m-q8_0.gguf", None),
        ("m-0002-of-0003.gguf", None),
        ("m-00002-of-00003.gguf.part", None),
        ("m-00002-of-00003.bin", None),
        ("00002-of-00003.gguf", None),
    ],
)
def test_a_path(path: str, expected: Shard | None) -> None:
    assert parse_shard(path) == expected


def test_the_others_of_a_set_are_named_alike() -> None:
    shard = parse_shard("Q8_0/m-00002-of-00003.GGUF")
    assert shard and [shard.sibling(number) for number in (1, 2, 3)] == [
        "Q8_0/m-00001-of-00003.GGUF", "Q8_0/m-00002-of-00003.GGUF", "Q8_0/m-00003-of-00003.GGUF",
    ]  # fmt: skip
    assert without_number(shard.sibling(1)) == without_number(shard.sibling(3)) == "Q8_0/m.GGUF"


@pytest.mark.parametrize(
    ("paths", "missing"),
    [
        (["m.gguf"], ()),
        (["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"], ()),
        (["m-00002-of-00004.gguf"], (1, 3, 4)),
        ([], ()),
    ],
)
def test_what_a_set_lacks(paths: list[str], missing: tuple[int, ...]) -> None:
    assert missing_shards(paths) == missing

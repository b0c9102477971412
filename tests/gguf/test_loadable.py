"""Headers that llama.cpp would refuse are refused before anybody downloads what is behind them."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter

from lmpm.errors import IntegrityError
from lmpm.gguf.cursor import Value
from lmpm.gguf.header import Header, read_file
from lmpm.gguf.loadable import refusal, require_loadable, split_refusal
from tests.conftest import Cli
from tests.gguf_files import write_llama, write_projector, write_unknown_architecture
from tests.loopback import LoopbackHub
from tests.shapes import MODELS, write

KEYS: dict[str, Value] = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 512,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
}


def header(**changes: Value) -> Header:
    """A header with other keys, which are named without their prefix; None takes one away."""
    keys = KEYS | {f"llama.{key.replace('__', '.')}": value for key, value in changes.items()}
    keys = {key: value for key, value in keys.items() if value is not None}
    return Header(version=3, tensor_count=1, metadata=keys, array_lengths={})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"block_count": "2"}, "`llama.block_count` is a text"),
        ({"block_count": 2.0}, "`llama.block_count` is a fraction"),
        ({"block_count": True}, "`llama.block_count` is a truth value"),
        ({"block_count": (2, 2)}, "`llama.block_count` is a list"),
        ({"block_count": 0}, "`llama.block_count` is 0"),
        ({"block_count": None}, "`llama.block_count` is missing"),
        ({"context_length": None}, "`llama.context_length` is missing"),
        ({"embedding_length": "64"}, "`llama.embedding_length` is a text"),
        ({"attention__head_count": "4"}, "`llama.attention.head_count` is a text"),
        ({"attention__head_count": (4, 0.5)}, "`llama.attention.head_count` is a list"),
        ({"attention__head_count_kv": 3}, "its 4 heads are not a multiple of its 3 heads of keys and values"),
        ({"attention__head_count_kv": (2, 3)}, None),  # one number for all layers of queries, two of keys: by layer
        ({"attention__head_count": 5, "attention__head_count_kv": 5}, "its width 64 is not a multiple of its 5 heads"),
        ({"attention__head_count": 5, "attention__head_count_kv": 5, "attention__key_length": 64}, None),
        ({"attention__head_count": (4, 0), "attention__head_count_kv": (2, 0)}, None),  # a layer without attention
        ({"attention__head_count": (4, 8), "attention__head_count_kv": (2, 3)}, "its 8 heads"),
        ({"attention__head_count": None, "attention__head_count_kv": None}, None),  # a recurrent model
    ],
)
def test_keys(changes: dict[str, Value], says: str | None) -> None:
    found = refusal(header(**changes))
    assert found is None if says is None else says in (found or "")


def test_a_missing_architecture_and_what_is_no_model() -> None:
    nameless = replace(header(), metadata={"general.name": "x"})
    assert refusal(nameless) == "it names no architecture"
    for kind, word in (("adapter", "LoRA"), ("imatrix", "importance matrix"), ("controlvector", "control vector")):
        assert word in (refusal(replace(nameless, metadata={"general.type": kind})) or "")


def test_what_belongs_to_a_model_is_none_whatever_it_is_called(cli: Cli) -> None:
    write_projector(cli.directory / "Model-Q8_0.gguf")
    broken(cli.directory / "Vocab-Q8_0.gguf")
    for name, says in (("Model-Q8_0", "it is an encoder of pictures or sound"), ("Vocab-Q8_0", "and no weights")):
        for command in ("inspect", "install --no-smoke", "resolve"):
            cli.call(*command.split(), f"./{name}.gguf", "--offline").failed(4, says)
    assert not cli.lock.exists()


def test_keys_that_were_not_read_are_not_missed() -> None:
    assert refusal(replace(header(context_length=None), has_all_keys=False)) is None
    assert refusal(replace(header(block_count="2"), has_all_keys=False)) is not None


@pytest.mark.parametrize("name", MODELS)
def test_no_real_model_is_refused(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", MODELS[name](), "F16")
    require_loadable([read_file(path)], [path.name])


@pytest.mark.parametrize(
    ("keys", "path", "files", "says"),
    [
        ({}, "m.gguf", 1, None),
        ({"count": 1, "no": 0}, "m.gguf", 1, None),
        ({"count": 3, "no": 0}, "m-00001-of-00003.gguf", 3, None),
        ({"count": 3, "no": 2}, "a/m-00003-of-00003.gguf", 3, None),
        ({"count": 3, "no": 0}, "m.gguf", 1, "was renamed: llama.cpp finds the others by its name, which ends in "
                                             "`-00001-of-00003.gguf`"),
        ({"count": 3, "no": 1}, "part2.gguf", 1, "`-00002-of-00003.gguf`"),
        ({"count": 3, "no": 1}, "m-00001-of-00003.gguf", 3, "its name says shard 1 of 3, its header 2 of 3"),
        ({"count": 2, "no": 0}, "m-00001-of-00003.gguf", 3, "its name says shard 1 of 3, its header 1 of 2"),
        ({}, "m-00001-of-00003.gguf", 3, "its header a whole model"),
        ({}, "m-00001-of-00001.gguf", 1, None),
        ({"count": "3", "no": 0}, "m.gguf", 1, "not a whole number"),
    ],
)  # fmt: skip
def test_shards(keys: dict[str, Value], path: str, files: int, says: str | None) -> None:
    found = replace(header(), metadata=KEYS | {f"split.{key}": value for key, value in keys.items()})
    why = split_refusal(found, path, files=files)
    assert why is None if says is None else says in (why or "")


def broken(path: Path, **changes: Any) -> Path:
    """A model of which llama.cpp refuses one key."""
    writer = GGUFWriter(path, "llama")
    for name, value in ({"context_length": 512, "embedding_length": 64, "block_count": 1} | changes).items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(f"llama.{name.replace('__', '.')}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("command", ["inspect", "install --no-smoke", "resolve"])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"block_count": "twelve"}, "`llama.block_count` is a text"),
        ({"attention__head_count": 6, "attention__head_count_kv": 4}, "not a multiple"),
    ],
)
def test_a_file_that_was_made_wrongly_is_refused_by_every_command(
    cli: Cli, command: str, changes: dict[str, Any], says: str
) -> None:
    broken(cli.directory / "m.gguf", **changes)
    cli.call(*command.split(), "./m.gguf", "--offline").failed(4, "llama.cpp does not load `m.gguf`", says)
    assert not cli.lock.exists()


def test_a_renamed_shard_is_named_with_its_way_out(cli: Cli) -> None:
    first, _ = write_llama(cli.directory / "m.gguf", shards=2)
    first.rename(cli.directory / "model.gguf")
    for command in ("inspect", "install"):
        said = cli.call(command, "./model.gguf", "--offline").failed(4, "it is one of 2 shards and was renamed")
        assert "llama-gguf-split --merge" in said.err


def test_a_shard_of_another_kind_is_found_before_it_is_pinned(cli: Cli) -> None:
    first, second = write_llama(cli.directory / "m.gguf", shards=2)
    whole = second.read_bytes()
    for data, says in ((b"", "it is empty"), (b"<html>", "a web page"), (first.read_bytes(), "its name says shard 2")):
        second.write_bytes(data)
        cli.call("install", f"./{first.name}", "--offline", "--no-smoke").failed(4, second.name, says)
        assert not cli.lock.exists()
    second.write_bytes(whole)
    cli.call("inspect", f"./{first.name}").passed()


def test_require_loadable_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"`m.gguf`: `llama.block_count` is 0"):
        require_loadable([header(block_count=0)], ["somewhere/m.gguf"])


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"split.count": 3, "split.no": 0}, "it is one of 3 shards and was renamed"),
        ({"llama.block_count": "two"}, "`llama.block_count` is a text"),
        ({"general.type": "imatrix"}, "the data of an importance matrix"),
    ],
)
def test_what_the_hub_has_is_refused_before_the_download(cli: Cli, keys: dict[str, Any], says: str) -> None:
    writer = GGUFWriter(cli.directory / "m.gguf", "llama")
    sound = {"llama.block_count": 2, "llama.context_length": 8192, "llama.embedding_length": 64}
    for name, value in (sound | keys).items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(name, value)
    writer.add_token_list(["token"] * 20_000)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with LoopbackHub() as hub:
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        hub.add_repo(
            "acme/M-GGUF", {"M-Q8_0.gguf": (cli.directory / "m.gguf").read_bytes()}, card_data={"license": "mit"}
        )
        cli.call("install", "acme/M-GGUF").failed(4, "M-Q8_0.gguf", says)
        assert hub.bytes_sent() < 100_000
    assert not cli.blobs() and not cli.lock.exists()


def test_an_architecture_that_is_not_known_is_said_as_unknown(cli: Cli) -> None:
    write_unknown_architecture(cli.directory / "m.gguf")
    said = cli.call("inspect", "./m.gguf").passed().out
    assert "Warning     llama.cpp here does not run the architecture `unheard-of`" in said
    assert "lmpm does not know this architecture" in said
    write_llama(cli.directory / "known.gguf")
    assert "does not run" not in cli.call("inspect", "./known.gguf").passed().out


LOAD = "import sys, llama_cpp; llama_cpp.Llama(sys.argv[1], n_ctx=64, verbose=False)('a', max_tokens=1)"


def loads(path: Path) -> bool:
    """Whether the real llama.cpp loads a file and writes a token, in a process that may abort."""
    return subprocess.run([sys.executable, "-c", LOAD, path], capture_output=True, timeout=120).returncode == 0


def with_key_called(path: Path, name: str) -> None:
    """Rename a key, so that it is missing."""
    path.write_bytes(path.read_bytes().replace(name.encode(), (name[:-1] + "X").encode(), 1))


def with_layers_in_a_float(path: Path) -> None:
    name = b"llama.block_count"
    data = bytearray(path.read_bytes())
    at = data.index(name) + len(name)
    data[at : at + 8] = struct.pack("<If", 6, 2.0)
    path.write_bytes(data)


def with_tensors_that_overlap(path: Path) -> None:
    tensor = read_file(path).tensors[1]
    data = bytearray(path.read_bytes())
    at = data.index(tensor.name.encode()) + len(tensor.name) + 4 + 8 * len(tensor.shape) + 4
    data[at : at + 8] = struct.pack("<Q", tensor.offset - 32)
    path.write_bytes(data)


BREAKS: dict[str, tuple[dict[str, int], Callable[[Path], None]]] = {
    "heads that keys cannot be shared by": ({"heads": 4, "kv_heads": 3}, lambda _: None),
    "heads that the width cannot be shared by": ({"heads": 5, "kv_heads": 5}, lambda _: None),
    "no layers": ({}, lambda path: with_key_called(path, "llama.block_count")),
    "no context": ({}, lambda path: with_key_called(path, "llama.context_length")),
    "no width": ({}, lambda path: with_key_called(path, "llama.embedding_length")),
    "no architecture": ({}, lambda path: with_key_called(path, "general.architecture")),
    "layers in a float": ({}, with_layers_in_a_float),
    "tensors that overlap": ({}, with_tensors_that_overlap),
}


@pytest.mark.parametrize("name", ["sound", *BREAKS])
def test_what_is_refused_llama_cpp_refuses(name: str, tmp_path: Path) -> None:
    shape, change = BREAKS.get(name, ({}, lambda _: None))
    (path,) = write_llama(tmp_path / "m.gguf", **shape)
    change(path)
    try:
        require_loadable([read_file(path)], [path.name])
    except IntegrityError:
        assert not loads(path)
    else:
        assert name == "sound" and loads(path)

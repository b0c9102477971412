"""Pictures through a session: a projector of random weights beside a tiny model, in each engine that has them."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from lmpm.engine import Engine, Files, Service
from lmpm.errors import EngineError
from lmpm.estimate import HParams, exact_memory
from lmpm.estimate.memory.projector import projector_need
from lmpm.gguf import read_file
from lmpm.run_config import RunConfig
from tests.engine.conftest import LIMITS, engine_of
from tests.gguf_files import CHAT_TEMPLATE, write_llama
from tests.shapes.files import write
from tests.shapes.projectors import tower

PLAN = RunConfig(context=512)
WIDE = 64


def png(grey: int, size: int = 56) -> str:
    """A grey square as the URL of a picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + bytes([grey]) * size) * size)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
    data += chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


def projector(path: Path) -> Path:
    """An encoder of Gemma 3's kind for pictures of 56 pixels, small and random."""
    shape = tower(
        "gemma3", wide=WIDE, layers=2, heads=2, ff=128, image=56, patch=14, out=WIDE, positions=16,
        more={"v.post_ln.weight": (WIDE,), "v.post_ln.bias": (WIDE,)},
        after={"mm.soft_emb_norm.weight": (WIDE,), "mm.input_projection.weight": (WIDE, WIDE)},
    )  # fmt: skip
    rng = np.random.default_rng(7)
    write(path, shape, "F16")
    header = read_file(path)
    start = -(-header.size // 32) * 32
    with path.open("r+b") as file:
        for tensor in header.tensors:
            kind = np.float16 if tensor.type == "F16" else np.float32
            file.seek(start + tensor.offset)
            file.write(rng.normal(0, 0.2, int(np.prod(tensor.shape))).astype(kind).tobytes())
    return path


@pytest.fixture(scope="module")
def files(folder: Path) -> Files:
    model = write_llama(folder / "sees.gguf", dim=WIDE, chat_template=CHAT_TEMPLATE)[0]
    return Files(model, projector(folder / "mmproj.gguf"))


def asked(url: str) -> list[dict[str, object]]:
    parts = [{"type": "text", "text": "What is it? "}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


@pytest.mark.parametrize("name", ["xllamacpp", "llama-server"])
def test_a_picture_is_seen(name: str, files: Files) -> None:
    with engine_of(name).open(files, PLAN, LIMITS, Service(chats=True)) as session:
        assert session.properties()["modalities"]["vision"] is True
        answers = [session.chat(asked(png(grey)), max_tokens=8, temperature=0) for grey in (0, 0, 255)]
        plain = session.chat([{"role": "user", "content": "What is it? "}], max_tokens=8, temperature=0)
        log = session.process._log.text()
    first, same, other = (answer.figures for answer in answers)
    assert first.prompt_tokens > plain.figures.prompt_tokens, "the picture takes tokens"
    assert answers[0].text == answers[1].text
    assert same.tokens and other.tokens
    assert "clip" in log


def test_the_encoder_is_counted(files: Files) -> None:
    assert files.mmproj is not None
    header, model = read_file(files.mmproj), HParams(read_file(files.model))
    with engine_of("xllamacpp").open(files, PLAN, LIMITS) as session:
        log = session.process._log.text()
    (loaded,) = re.findall(r"model size: +([\d.]+) MiB", log)
    need = projector_need(header)
    assert need.weights / 2**20 == pytest.approx(float(loaded), abs=0.006)
    assert need.compute > 0 and not need.is_bound
    assert exact_memory(model, PLAN, mmproj=header).parts.mmproj == need.total


def test_a_broken_encoder_is_named(files: Files, folder: Path) -> None:
    broken = folder / "mmproj-broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(EngineError, match=r"mmproj-broken\.gguf"):
        engine_of("xllamacpp").open(Files(files.model, broken), PLAN, LIMITS)
    with pytest.raises(EngineError, match=r"`absent\.gguf` cannot be opened"):
        engine_of("xllamacpp").open(Files(files.model, folder / "absent.gguf"), PLAN, LIMITS)


def test_an_engine_without_eyes_says_so(files: Files) -> None:
    engine: Engine = engine_of("llama-cpp-python")
    assert engine.probe().vision is False
    with pytest.raises(EngineError, match="does not read pictures"):
        engine.open(files, PLAN, LIMITS)

"""Pictures: the encoder beside a model is found and loaded, a picture is read and counted, and never shown in vain."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

import lmpm
from lmpm import catalog
from lmpm.catalog import directory
from lmpm.engine import EngineLimits, Files
from lmpm.errors import EngineError, NotFoundError, SpecError
from lmpm.proof import run_smoke
from lmpm.run_config import RunConfig
from lmpm.runtime.pictures import data_url, projector_beside
from tests.conftest import Cli
from tests.gguf_files import CHAT_TEMPLATE, write_llama
from tests.shapes.files import write_random
from tests.shapes.projectors import small

CIRCLE = directory() / "pictures" / "red-circle.png"
TOKENS = 16  # of a picture, by the encoder
FEW = lmpm.Options(max_tokens=4)


def seeing(folder: Path, context: int = 512) -> Path:
    """A model with random weights, and beside it an encoder of as many."""
    write_random(folder / "mmproj-F16.gguf", small(64))
    return write_llama(folder / "model.gguf", context=context, chat_template=CHAT_TEMPLATE)[0]


def test_the_encoder_beside_a_model_is_the_one_as_wide_and_named_like_it(tmp_path: Path) -> None:
    model = write_llama(tmp_path / "gem-4b-Q8_0.gguf")[0]
    assert projector_beside(model) is None
    write_random(tmp_path / "mmproj-gem-4b.gguf", small(128))
    (tmp_path / "mmproj-broken.gguf").write_bytes(b"GGUF")
    assert projector_beside(model) is None  # as wide as another model
    write_random(tmp_path / "mmproj-other.gguf", small(64))
    own = write_random(tmp_path / "gem-4b-mmproj-f16.gguf", small(64))
    assert projector_beside(model) == own


def test_a_picture_is_read_and_counted(here: Cli, tmp_path: Path) -> None:
    with lmpm.load(str(seeing(tmp_path)), context=512) as model:
        assert model.subject.task == "vision"
        words = model("what?", options=FEW).usage.prompt_tokens
        one = model("what?", image=[CIRCLE], options=FEW).usage.prompt_tokens
        two = model("what?", image=[str(CIRCLE), CIRCLE.read_bytes()], options=FEW).usage.prompt_tokens
        assert one - words >= TOKENS
        assert abs((two - one) - (one - words)) <= 1  # a text that begins a message has a blank before it
        url = data_url(CIRCLE)
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "what?"}]
        assert model.chat([{"role": "user", "content": content}], options=FEW).usage.prompt_tokens == one


def test_a_picture_is_not_shown_to_a_model_without_eyes(here: Cli, tmp_path: Path) -> None:
    path = write_llama(tmp_path / "blind.gguf", chat_template=CHAT_TEMPLATE)[0]
    with lmpm.load(str(path), task="vision", context=256) as model:
        with pytest.raises(EngineError, match="cannot look at pictures") as caught:
            model("what?", image=[CIRCLE])
        assert caught.value.kind == "no-vision" and "lmpm install vision" in (caught.value.hint or "")
        content = [{"type": "image_url", "image_url": {"url": data_url(CIRCLE)}}]
        with pytest.raises(EngineError, match="cannot look at pictures"):
            model.chat([{"role": "user", "content": content}])
        assert model("what?", options=FEW).usage.completion_tokens <= 4


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello", "utf-8")
    with pytest.raises(SpecError, match="not a picture"):
        data_url(tmp_path / "text.png")
    with pytest.raises(NotFoundError):
        data_url(tmp_path / "none.png")
    with pytest.raises(SpecError, match="not fetched from the network"):
        data_url("https://example.org/a.png")
    assert data_url(CIRCLE.read_bytes()) == data_url(str(CIRCLE)) == data_url(data_url(CIRCLE))


@pytest.mark.parametrize("name", ["vision", "ocr"])
def test_the_smoke_test_shows_its_pictures(tmp_path: Path, name: str) -> None:
    """Random weights see nothing, so it does not pass; that they were asked shows in what the model read."""
    task = catalog.load(directory()).task(name)
    assert task is not None
    files = Files(seeing(tmp_path), tmp_path / "mmproj-F16.gguf")
    limits = EngineLimits(time_s=60, memory_bytes=1 << 30)
    result = run_smoke(files, task.smoke, task.recipe, plan=RunConfig(context=512), limits=limits, catalog=directory())
    assert not result.passed and result.first_token_s
    with pytest.raises(EngineError, match="cannot look at pictures"):
        run_smoke(
            replace(files, mmproj=None),
            task.smoke,
            task.recipe,
            plan=RunConfig(context=512),
            limits=limits,
            catalog=directory(),
        )


def test_the_pictures_of_the_catalog_are_pictures() -> None:
    shown = {
        path
        for task in catalog.load(directory()).tasks
        for case in task.smoke.cases
        for name, value in getattr(case, "inputs", {}).items()
        if (item := task.recipe.input(name)) and item.is_image
        for path in ([value] if isinstance(value, str) else value)
    }
    assert shown == {f"pictures/{path.name}" for path in (directory() / "pictures").iterdir()}
    for path in shown:
        assert base64.b64decode(data_url(directory() / path).partition(",")[2]).startswith(b"\x89PNG")

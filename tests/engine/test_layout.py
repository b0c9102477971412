"""The guard on llama.cpp's structs: known forms are recognised by their defaults, any other is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmpm.engine.adapters.llama_cpp_python import LlamaCppPython
from lmpm.engine.adapters.xllamacpp import extension
from lmpm.engine.native.layout import CONTEXT_LAYOUTS, MODEL_LAYOUTS, Layout, Parameters, UnknownLayoutError, defaults
from lmpm.engine.native.library import Library


def default_bytes(layout: Layout, size: int = 512) -> bytearray:
    raw = bytearray(size)
    for offset, digits in layout.defaults.items():
        value = bytes.fromhex(digits)
        raw[offset : offset + len(value)] = value
    return raw


class Answer:
    """Stands for `llama_*_default_params`: what it writes is given."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.restype = raw, bytes

    def __call__(self) -> bytes:
        return self.raw


@pytest.mark.parametrize("layout", CONTEXT_LAYOUTS)
def test_a_known_form_is_recognised_and_written_in_its_places(layout: Layout) -> None:
    raw = default_bytes(layout)
    raw[layout.size :] = b"\xaa" * (512 - layout.size)  # what lies behind it is not its own
    found = defaults(Answer(bytes(raw)), CONTEXT_LAYOUTS, "llama_context_params")
    assert found.layout is layout
    assert (found.get("n_ctx"), found.get("swa_full"), found.get("embeddings")) == (512, True, False)
    found.set(n_ctx=4096, swa_full=False)
    assert (found.get("n_ctx"), found.get("swa_full"), found.get("kv_unified")) == (4096, False, False)
    assert len(bytes(found.by_value())) == layout.size
    copy = found.copy()
    copy.set(n_ctx=1)
    assert found.get("n_ctx") == 4096


@pytest.mark.parametrize("offset", [0, 24, 60, 104, 120, 136])
@pytest.mark.parametrize("layout", CONTEXT_LAYOUTS)
def test_another_default_anywhere_is_another_form(layout: Layout, offset: int) -> None:
    raw = default_bytes(layout)
    raw[offset] ^= 0x02
    with pytest.raises(UnknownLayoutError, match=r"cannot be asked: its `llama_context_params` has a form"):
        defaults(Answer(bytes(raw)), CONTEXT_LAYOUTS, "llama_context_params")


def test_a_form_that_grew_in_the_middle_is_none() -> None:
    raw = bytes(default_bytes(MODEL_LAYOUTS[0]))
    with pytest.raises(UnknownLayoutError):
        defaults(Answer(raw[:16] + bytes(8) + raw[16:]), MODEL_LAYOUTS, "llama_model_params")


def test_forms_do_not_overlap() -> None:
    for layout in CONTEXT_LAYOUTS:
        assert sum(other.is_of(bytes(default_bytes(layout))) for other in CONTEXT_LAYOUTS) == 1


def libraries() -> list[Path]:
    found = [extension(), LlamaCppPython()._find()]
    return [place for place in found if place is not None and place.suffix != ".pyd"]


@pytest.mark.parametrize("place", libraries(), ids=lambda place: place.stem)
def test_the_libraries_here_are_of_known_forms(place: Path) -> None:
    library = Library(str(place))
    context: Parameters = library.context_parameters()
    assert (context.get("n_ctx"), context.get("n_batch"), context.get("n_ubatch")) == (512, 2048, 512)
    assert (context.get("type_k"), context.get("type_v"), context.get("swa_full")) == (1, 1, True)
    assert library.model_parameters().get("n_gpu_layers") == -1
    assert library.build.startswith("llama.cpp 0.")
    assert [device.kind for device in library.devices]

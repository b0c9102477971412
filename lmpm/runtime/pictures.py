"""Pictures that a model is shown, and the encoder that lets it see them."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from lmpm.errors import LmpmError, SpecError
from lmpm.proof import picture_url, read_picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.recipe import Recipe

Picture = str | Path | bytes


def shown(recipe: Recipe, given: Mapping[str, object]) -> dict[str, object]:
    """The inputs, with the pictures among them as `data:` URLs. Raises SpecError and NotFoundError."""
    images = {item.name for item in recipe.inputs if item.is_image}
    made = dict(given)
    for name in images & given.keys():
        value = given[name]
        made[name] = [_picture(item) for item in value] if isinstance(value, list | tuple) else _picture(value)
    return made


def _picture(value: object) -> str:
    if not isinstance(value, str | Path | bytes):
        raise SpecError(f"A picture is a path, bytes or a `data:` URL, found {type(value).__name__}")
    return data_url(value)


def data_url(picture: Picture) -> str:
    """A picture as a URL that holds it: from a path, from its bytes, or as it is.

    Raises SpecError for what llama.cpp does not decode and for the URL of another computer, from which nothing is
    fetched, and NotFoundError.
    """
    if isinstance(picture, str):
        if picture.startswith("data:"):
            return picture
        if picture.startswith(("http://", "https://")):
            raise SpecError("A picture is not fetched from the network", hint="Download it, and give its path")
    return picture_url(picture) if isinstance(picture, bytes) else read_picture(Path(picture).expanduser())


def projector_beside(model: Path) -> Path | None:
    """The encoder of pictures in the folder of a model: one that is as wide as it, the nearest in name; None: none."""
    from lmpm.gguf import read_file

    header = read_file(model, tensors=False)
    width = header.metadata.get(f"{header.architecture}.embedding_length")
    fitting: list[Path] = []
    for path in sorted(model.parent.glob("*.gguf")):
        if "mmproj" not in path.name.lower() or path == model:
            continue
        try:
            other = read_file(path, tensors=False)
        except LmpmError:
            continue  # a broken one is none
        if other.architecture == "clip" and other.metadata.get("clip.vision.projection_dim") == width:
            fitting.append(path)
    return max(fitting, key=lambda path: _likeness(path, model), default=None)


def _likeness(path: Path, model: Path) -> int:
    """Characters that the names begin with in common, whatever says that one is a projector."""
    name = path.name.lower().replace("mmproj", "").strip("-_.")
    pairs = zip(name, model.name.lower(), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

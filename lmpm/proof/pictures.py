"""Pictures as a model is shown them: `data:` URLs, which hold the bytes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from lmpm.errors import NotFoundError, SpecError
from lmpm.fs import disk_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What llama.cpp decodes (stb_image), by the first bytes.
KINDS: Final[Mapping[bytes, str]] = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"BM": "bmp"}
MAX_BYTES: Final = 64 * 1024 * 1024


def picture_url(data: bytes, name: str = "the bytes") -> str:
    """A picture as a URL; `name` is what an error calls it. Raises SpecError for what llama.cpp does not decode."""
    kind = next((name for start, name in KINDS.items() if data.startswith(start)), None)
    if kind is None:
        raise SpecError(f"{name} are not a picture that can be shown", hint=f"Formats: {', '.join(KINDS.values())}")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def read_picture(path: Path) -> str:
    """The picture in a file as a URL. Raises NotFoundError, DiskError, and SpecError for what is none."""
    if not path.is_file():
        raise NotFoundError(f"`{path}` is not there")
    with disk_errors(path), path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise SpecError(f"`{path}` is larger than {MAX_BYTES // 1024**2} MiB")
    return picture_url(data, f"The bytes of `{path}`")

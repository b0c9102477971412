"""A mirror: a read-only Hub of what locks pin, for `hf`, llama.cpp, Ollama and lmpm on other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.mirror.app import Mirror as Mirror
    from lmpm.mirror.contents import (
        Contents as Contents,
        MirroredFile as MirroredFile,
        MirroredRepository as MirroredRepository,
        collect as collect,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {"app": "Mirror", "contents": "Contents MirroredFile MirroredRepository collect"},
    )

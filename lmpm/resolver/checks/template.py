"""What a chat template may do to whoever renders it, and whether it is the one that its model was published with."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from lmpm.errors import LmpmError
from lmpm.gguf import read_at_hand, require_harmless
from lmpm.types import HubSource

if TYPE_CHECKING:
    from lmpm.hub import Hub
    from lmpm.resolver.locate import FileLocator
    from lmpm.types import Source, Variant


def template_remarks(variant: Variant, locator: FileLocator) -> tuple[str, ...]:
    """What is to be said of a variant's chat template, where the checks before have read its header.

    Raises IntegrityError for a template that would run code. A header that cannot be read is left to others.
    """
    try:
        part = locator.parts(variant).files[0]
        header = read_at_hand(part)
    except LmpmError:
        return ()
    template = header.template if header else None
    said = [finding.detail for finding in require_harmless(template, part.name.rpartition("/")[2])]
    if (other := foreign_template(variant.source, template, locator.hub)) is not None:
        said.append(other)
    return tuple(f"chat template: {detail}" for detail in said)


def foreign_template(source: Source, template: str | None, hub: Hub) -> str | None:
    """That a chat template is not the one of the repository whose weights were quantized; None where nobody can say.

    Blanks at its ends do not count.
    """
    if not template or hub.offline or not isinstance(source, HubSource):
        return None
    with suppress(LmpmError):  # a model card may name what is gone, gated or private
        repository = hub.repository(source.repo, source.revision)
        if len(repository.base_models) != 1 or repository.relation not in ("", "quantized"):
            return None
        (base,) = repository.base_models
        published = hub.repository(base).published_template
        if published and published != hashlib.sha256(template.strip().encode()).hexdigest():
            return f"it is not the one of `{base}`"
    return None

"""Where the files of a variant are: in the store, in lmpm itself, or on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.errors import NotFoundError
from lmpm.gguf import Part, Parts, local_part
from lmpm.types import HubSource, StarterSource

if TYPE_CHECKING:
    from lmpm.catalog import Catalog
    from lmpm.hub import Hub
    from lmpm.store import Store
    from lmpm.types import ModelFile, Source, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLocator:
    """Where the files of variants are: in the store, in lmpm itself, or on the Hub."""

    store: Store
    hub: Hub
    catalog: Catalog

    def parts(self, variant: Variant) -> Parts:
        """The parts of a variant. Raises NotFoundError for a file that is nowhere."""
        made = [(file.role, self._part(variant.source, file)) for file in variant.files]
        return Parts(
            files=tuple(part for role, part in made if role == "model"),
            mmproj=next((part for role, part in made if role == "mmproj"), None),
            variant=variant,
        )

    def _part(self, source: Source, file: ModelFile) -> Part:
        present = self.store.find(source, file) if file.sha256 and self._is_pinned(source) else None
        if present is not None:
            return local_part(present, file.path, file.sha256)
        if isinstance(source, StarterSource):
            task = self.catalog.task(source.task)
            if task is None or task.starter is None or task.starter.sha256 != file.sha256:
                raise NotFoundError(f"`{file.path}` is not on this machine")
            return local_part(self.catalog.starter_file(task), file.path, file.sha256)
        if not file.sha256 or not isinstance(source, HubSource):
            raise NotFoundError(f"`{file.path}` is not on this machine")
        read_at, kept, sha256 = (
            self.hub.reader(source.repo, source.revision or "main", file),
            self.hub.kept,
            file.sha256,
        )
        if kept is None:
            return Part(file.path, file.size, read_at, sha256)
        return Part(file.path, file.size, read_at, sha256, kept.only(sha256), lambda: kept.drop(sha256))

    def _is_pinned(self, source: Source) -> bool:
        return not isinstance(source, HubSource) or source.revision is not None

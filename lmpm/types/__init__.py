"""What every part of lmpm speaks of, as frozen records: machines, sources, files and variants.

Sizes are bytes, bandwidths bytes per second, speeds tokens per second, times seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.types.machine import (
        NOT_KNOWN as NOT_KNOWN,
        Accelerator as Accelerator,
        Fact as Fact,
        Machine as Machine,
        Origin as Origin,
        Processor as Processor,
        Simd as Simd,
    )
    from lmpm.types.memory import (
        DeviceMemory as DeviceMemory,
        MemoryParts as MemoryParts,
        MemoryPlan as MemoryPlan,
        MemorySource as MemorySource,
        Speed as Speed,
    )
    from lmpm.types.source import (
        FileRole as FileRole,
        FileSource as FileSource,
        HubSource as HubSource,
        ModelFile as ModelFile,
        Source as Source,
        StarterSource as StarterSource,
        UrlSource as UrlSource,
    )
    from lmpm.types.variant import Shape as Shape, Variant as Variant
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "machine": "Accelerator Fact Machine NOT_KNOWN Origin Processor Simd",
            "memory": "DeviceMemory MemoryParts MemoryPlan MemorySource Speed",
            "source": "FileRole FileSource HubSource ModelFile Source StarterSource UrlSource",
            "variant": "Shape Variant",
        },
    )

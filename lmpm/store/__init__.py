"""The bytes: the Hugging Face cache, and how they get there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.store import corruption as corruption, fetch as fetch, inventory as inventory, prune as prune
    from lmpm.store.adopt import Adopted as Adopted, adopt_files as adopt_files, link_into as link_into
    from lmpm.store.cache import Store as Store
    from lmpm.store.corruption import Corruption as Corruption
    from lmpm.store.fetch import (
        DOWNLOAD_HINT as DOWNLOAD_HINT,
        Fetcher as Fetcher,
        missing_files as missing_files,
        missing_hint as missing_hint,
        own_file_hint as own_file_hint,
    )
    from lmpm.store.inventory import (
        Inventory as Inventory,
        Stored as Stored,
        Unfinished as Unfinished,
        Use as Use,
        Uses as Uses,
    )
    from lmpm.store.other_tools import OtherTool as OtherTool, other_tools_here as other_tools_here
    from lmpm.store.prune import PrunePlan as PrunePlan, waiting_time as waiting_time
    from lmpm.store.transfer.downloader import Downloader as Downloader
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "adopt": "Adopted adopt_files link_into",
            "cache": "Store",
            "corruption": "Corruption corruption",
            "fetch": "DOWNLOAD_HINT Fetcher fetch missing_files missing_hint own_file_hint",
            "inventory": "Inventory Stored Unfinished Use Uses inventory",
            "other_tools": "OtherTool other_tools_here",
            "prune": "PrunePlan prune waiting_time",
            "transfer.downloader": "Downloader",
        },
    )

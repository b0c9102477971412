"""One OpenAI-compatible address for the models of a lock: a front, and a process for each model behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.server.deployment import Deployment as Deployment, Running as Running
    from lmpm.server.server import (
        DEFAULT_PORT as DEFAULT_PORT,
        Background as Background,
        Server as Server,
        Settings as Settings,
        Site as Site,
        run as run,
    )
    from lmpm.server.site import LockedSite as LockedSite
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "deployment": "Deployment Running",
            "server": "Background DEFAULT_PORT Server Settings Site run",
            "site": "LockedSite",
        },
    )

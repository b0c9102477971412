"""What may answer besides the models here: providers, routes to them, and how far prompts may go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.cloud.client import CloudClient as CloudClient, require_provider as require_provider
    from lmpm.cloud.price import Cost as Cost, Price as Price, read_price as read_price
    from lmpm.cloud.provider import Provider as Provider, read_provider as read_provider
    from lmpm.cloud.route import (
        CLOUD as CLOUD,
        PRIVACIES as PRIVACIES,
        SMALLER as SMALLER,
        STARTER as STARTER,
        STARTER_TASK as STARTER_TASK,
        Privacy as Privacy,
        Route as Route,
        check_bridges as check_bridges,
        check_routes as check_routes,
        read_route as read_route,
        tightest as tightest,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "client": "CloudClient require_provider",
            "price": "Cost Price read_price",
            "provider": "Provider read_provider",
            "route": "CLOUD PRIVACIES Privacy Route SMALLER STARTER "
            "STARTER_TASK check_bridges check_routes read_route tightest",
        },
    )

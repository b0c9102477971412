"""Serve an exported folder on this machine, with the headers that let its page use several threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lmpm.errors import LmpmError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Without both a browser gives a page no memory that threads share (html.spec.whatwg.org, cross-origin isolation).
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


def serve_folder(folder: Path, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `ready` is called with the URL. Raises LmpmError where the port is not free."""
    from aiohttp import web

    async def index(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(folder / "index.html")

    async def isolate(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update({**ISOLATED, "Cache-Control": "no-cache"})

    async def run() -> None:
        app = web.Application()
        app.on_response_prepare.append(isolate)
        app.add_routes([web.get("/", index), web.static("/", folder)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            where: Any = runner.addresses[0]
            ready(f"http://127.0.0.1:{where[1]}/")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    try:
        asyncio.run(run())
    except OSError as error:
        raise LmpmError(
            f"Cannot listen at port {port}: {(error.strerror or str(error)).lower()}",
            hint="Name another with `--port`, or 0 for any that is free",
        ) from error

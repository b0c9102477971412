from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.server.provider import provider
from tests.server.torture import Torture


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_slice_of_the_torture(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        async with provider() as cloud, aiohttp.ClientSession() as session:
            torture = Torture(tmp_path, seed, cloud)
            await torture.start()
            for _ in range(25):
                await torture.round(session)
            await torture.stop()
            assert torture.seen["local"] > 10, torture.seen

    asyncio.run(main())

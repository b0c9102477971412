"""How much the front costs: the same load on the bare engine and through the front, in turns, in one run.

    python benchmarks/serve_load.py                   # against the paced fake engine: 64 tokens, 4 ms apart
    python benchmarks/serve_load.py --model FILE      # against a real model in xllamacpp, for instance the starter

Shown are ratios of tokens a second, the time that the first token comes later (medians), and the CPU time of the front
for a token. The machine should be quiet: everything runs on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.server.deployments import Base, Fake, Real

TOKENS, INTERVAL_S = 64, 0.004
CLIENTS = (1, 4, 8, 32)
ROUNDS = 3
REQUESTS = 4  # of each client


def deployment(model: Path | None, slots: int) -> Base:
    """What is served: the fake engine, or a real model."""
    if model is None:
        return Fake("chat", tokens=TOKENS, interval_s=INTERVAL_S, slots=slots)
    return Real("chat", model, context=256, slots=slots)


async def serve(model: Path | None, slots: int) -> None:
    """The front, in a process of its own; the bare engine's URL and key are printed beside its own."""
    from lmpm.server import Server, Settings, Site

    made = deployment(model, slots)
    server = Server(Site(deployments=[made]), Settings(budget=1 << 50, notes=Path(tempfile.mkdtemp()), port=0))
    await server.start()
    loaded = await server.pool.workers["chat"].ready()
    print(json.dumps({"front": server.url, "bare": loaded.running.url, "key": loaded.running.key}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()


async def one(session: aiohttp.ClientSession, base: str, key: str, number: int) -> tuple[float, int]:
    """Seconds to the first token, and tokens."""
    text = f"{number} {os.urandom(4).hex()}"
    body: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": text}], "stream": True}
    body |= {"max_tokens": TOKENS, "ignore_eos": True, "temperature": 0}
    headers = {"Authorization": f"Bearer {key}"}
    began, first, tokens = time.perf_counter(), 0.0, 0
    async with session.post(f"{base}/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        pending = b""
        async for chunk in response.content.iter_any():
            *events, pending = (pending + chunk).split(b"\n\n")
            spoken = sum(
                b'"content"' in event and b'"content": null' not in event and b'"content":null' not in event
                for event in events
            )
            if spoken and not tokens:
                first = time.perf_counter() - began
            tokens += spoken
    return first, tokens


async def load(url: str, key: str, clients: int) -> tuple[float, float]:
    """Tokens a second of all clients, and the median time to the first token."""
    if url.startswith("unix://"):
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(url.removeprefix("unix://"), force_close=True, limit=0)
        url = "http://localhost"
    else:
        connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def client(number: int) -> list[tuple[float, int]]:
            return [await one(session, url, key, number) for _ in range(REQUESTS)]

        began = time.perf_counter()
        done = [item for items in await asyncio.gather(*map(client, range(clients))) for item in items]
        seconds = time.perf_counter() - began
    return sum(tokens for _, tokens in done) / seconds, statistics.median(first for first, _ in done)


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def compare(places: dict[str, str], pid: int, clients: int) -> str:
    """A line of the table."""
    ratios, later, costs = [], [], []
    await load(places["front"], "none", clients)  # warm
    for _ in range(ROUNDS):
        bare, bare_first = await load(places["bare"], places["key"], clients)
        before = cpu_s(pid)
        front, front_first = await load(places["front"], "none", clients)
        costs.append((cpu_s(pid) - before) * 1e6 / (clients * REQUESTS * TOKENS))
        ratios.append(front / bare)
        later.append(1000 * (front_first - bare_first))
    return (
        f"{clients:>7} {statistics.median(ratios):>10.3f} {statistics.median(later):>+12.1f} ms"
        f" {statistics.median(costs):>10.0f} us"
    )


def main() -> None:
    """Compare for each number of clients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.model, options.slots))
        return
    command = [sys.executable, "-m", "benchmarks.serve_load", *sys.argv[1:], "--serve"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        places = json.loads(child.stdout.readline())
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {ROUNDS} rounds, medians")
        print("clients  tokens/s x  first token    CPU a token")
        for clients in CLIENTS:
            print(asyncio.run(compare(places, child.pid, clients)), flush=True)
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait(30)


if __name__ == "__main__":
    main()

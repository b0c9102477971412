"""How much the front costs: the same load on the bare engine and through the front, in turns, in one run.

    python benchmarks/serve_load.py                   # against the paced fake engine: 64 tokens, 4 ms apart
    python benchmarks/serve_load.py --model FILE      # against a real model in xllamacpp, for instance the starter
    python benchmarks/serve_load.py --model FILE --peer     # and llama_cpp.server with the same file, in turns

Shown are ratios of tokens a second, the time that the first token comes later (medians), and the CPU time of the front
for a token; of the peer how many times its tokens a second the front has. The machine should be quiet: everything runs
on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from lmpm.gguf import read_file
from tests.server.deployments import Base, Fake, Real

TOKENS, INTERVAL_S = 64, 0.004
CONTEXT = 256  # of a slot
CLIENTS = (1, 4, 8, 32)
ROUNDS = 3
REQUESTS = 4  # of each client


def deployment(model: Path | None, slots: int) -> Base:
    """What is served: the fake engine, or a real model."""
    if model is None:
        return Fake("chat", tokens=TOKENS, interval_s=INTERVAL_S, slots=slots)
    return Real("chat", model, context=CONTEXT, slots=slots)


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


@contextlib.contextmanager
def peer_of(model: Path) -> Iterator[str]:
    """Where llama_cpp.server (`pip install 'llama-cpp-python[server]'`) serves a file, with as many threads."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "model": model,
        "port": port,
        "n_ctx": 2 * CONTEXT,
        "n_threads": os.cpu_count(),
        "verbose": False,
        "interrupt_requests": False,
    }
    command = [sys.executable, "-m", "llama_cpp.server", *(f"--{name}={value}" for name, value in options.items())]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/v1/models", timeout=5):
                break
            assert child.poll() is None, "llama_cpp.server does not start"
            time.sleep(0.2)
        yield url
    finally:
        child.kill()
        child.wait()


def ends_of(model: Path) -> dict[str, int]:
    """Tokens that end an answer, made impossible: each answer has as many tokens."""
    header = read_file(model)
    ends = {header.integer(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot")}
    return {str(token): -100 for token in ends if token is not None}


async def one(
    session: aiohttp.ClientSession, base: str, key: str, number: int, bias: Mapping[str, int]
) -> tuple[float, int]:
    """Seconds to the first token, and tokens."""
    text = f"{number} {os.urandom(4).hex()}"
    body: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": text}], "stream": True}
    body |= {"max_tokens": TOKENS, "temperature": 0, **({"logit_bias": dict(bias)} if bias else {})}
    headers = {"Authorization": f"Bearer {key}"}
    began, first, tokens = time.perf_counter(), 0.0, 0
    async with session.post(f"{base}/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        pending = b""
        async for chunk in response.content.iter_any():
            *events, pending = (pending + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
            spoken = sum(
                b'"content"' in event and b'"content": null' not in event and b'"content":null' not in event
                for event in events
            )
            if spoken and not tokens:
                first = time.perf_counter() - began
            tokens += spoken
    return first, tokens


async def load(url: str, key: str, clients: int, bias: Mapping[str, int]) -> tuple[float, float]:
    """Tokens a second of all clients, and the median time to the first token."""
    if url.startswith("unix://"):
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(url.removeprefix("unix://"), force_close=True, limit=0)
        url = "http://localhost"
    else:
        connector = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:

        async def client(number: int) -> list[tuple[float, int]]:
            return [await one(session, url, key, number, bias) for _ in range(REQUESTS)]

        began = time.perf_counter()
        done = [item for items in await asyncio.gather(*map(client, range(clients))) for item in items]
        seconds = time.perf_counter() - began
    return sum(tokens for _, tokens in done) / seconds, statistics.median(first for first, _ in done)


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def compare(places: dict[str, str], pid: int, clients: int, bias: Mapping[str, int]) -> str:
    """A line of the table."""
    ratios, later, costs, peers = [], [], [], []
    await load(places["front"], "none", clients, bias)  # warm
    for _ in range(ROUNDS):
        bare, bare_first = await load(places["bare"], places["key"], clients, bias)
        before = cpu_s(pid)
        front, front_first = await load(places["front"], "none", clients, bias)
        costs.append((cpu_s(pid) - before) * 1e6 / (clients * REQUESTS * TOKENS))
        ratios.append(front / bare)
        later.append(1000 * (front_first - bare_first))
        if "peer" in places:
            peers.append(front / (await load(places["peer"], "none", clients, bias))[0])
    return (
        f"{clients:>7} {statistics.median(ratios):>10.3f} {statistics.median(later):>+12.1f} ms"
        f" {statistics.median(costs):>10.0f} us" + (f" {statistics.median(peers):>10.2f}" if peers else "")
    )


def main() -> None:
    """Compare for each number of clients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--peer", action="store_true", help="compare with llama_cpp.server, too; needs --model")
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer and options.model is None:
        parser.error("--peer needs --model")
    if options.serve:
        asyncio.run(serve(options.model, options.slots))
        return
    command = [sys.executable, "-m", "benchmarks.serve_load", *sys.argv[1:], "--serve"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        places = json.loads(child.stdout.readline())
        bias = ends_of(options.model) if options.model else {}
        with contextlib.ExitStack() as stack:
            if options.peer:
                places["peer"] = stack.enter_context(peer_of(options.model))
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {ROUNDS} rounds, medians")
            print("clients  tokens/s x  first token    CPU a token" + ("     x peer" if options.peer else ""))
            for clients in CLIENTS:
                print(asyncio.run(compare(places, child.pid, clients, bias)), flush=True)
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait(30)


if __name__ == "__main__":
    main()

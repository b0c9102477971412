"""Runs the hub by hand: `python -m tests.loopback --demo`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from tests.loopback.faults import Delay, Throttle
from tests.loopback.log import LoggedRequest
from tests.loopback.server import LoopbackHub


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description="A Hugging Face Hub on loopback.")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any that is free)")
    parser.add_argument("--demo", action="store_true", help="serve the catalog's repositories with stand-ins")
    parser.add_argument("--cdn", action="store_true", help="redirect large files to a second origin")
    parser.add_argument("--bandwidth", type=float, metavar="MB", help="megabytes a second for a connection")
    parser.add_argument("--latency", type=float, metavar="MS", help="milliseconds before each answer")
    options = parser.parse_args()

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with LoopbackHub(port=options.port, cdn=options.cdn, on_request=_tell) as hub:
        if options.bandwidth:
            hub.faults.add(Throttle(options.bandwidth * 1e6))
        if options.latency:
            hub.faults.add(Delay(options.latency / 1e3))
        if options.demo:
            # Imported here, as it needs the packages that write GGUF files.
            from tests.loopback.demo import add_demo_repositories

            print(f"{add_demo_repositories(hub)} repositories", file=sys.stderr)
        print(f"export HF_ENDPOINT={hub.endpoint}", flush=True)
        ended.wait()


def _tell(request: LoggedRequest) -> None:
    print(request, file=sys.stderr)


if __name__ == "__main__":
    main()

"""One table of a model in what can run here: the engine, `lmpm serve`, llama_cpp.server, the browser, a stand-in.

    python -m benchmarks.speed_table MODEL.gguf --report docs/speed_here.md [--wllama PACKAGE.tgz] [--clients 1,4]

Everything is asked in turns in one run of `lmpm bench`, with the same prompts. The stand-in is no model: it answers
after 300 ms with 50 tokens a second, which shows that the clock is right. llama_cpp.server needs
`pip install 'llama-cpp-python[server]'`, the browser Chromium, playwright and the npm package of wllama.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.benchmark.paced import Pace, serving

ROOT = Path(__file__).resolve().parents[1]
PACE = Pace(first_s=0.3, gap_s=0.02, tokens=48)


def main() -> int:
    """Set a project up, start the others, and run `lmpm bench`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--wllama", type=Path)
    parser.add_argument("--clients", default="1")
    parser.add_argument("--rounds", default="3")
    parser.add_argument("--requests")
    parser.add_argument("--seconds", default="60")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        project = Path(folder) / "project"
        project.mkdir()
        environment = {**os.environ, "HF_HOME": f"{folder}/hf", "LMPM_HOME": f"{folder}/home", "PYTHONPATH": str(ROOT)}
        lmpm = [sys.executable, "-m", "lmpm"]
        install = [*lmpm, "install", str(asked.model.resolve()), "--name", asked.model.stem, "--offline", "--no-test"]
        subprocess.run(install, cwd=project, env=environment, check=True, stdin=subprocess.DEVNULL)
        command = [*lmpm, "bench", asked.model.stem, "--clients", asked.clients, "--rounds", asked.rounds]
        command += ["--seconds", asked.seconds, "--save", str(asked.report.resolve().with_suffix(".json"))]
        command += ["--requests", asked.requests] if asked.requests else []
        command += ["--prompt-tokens", "128", "--answer-tokens", "48", "--report", str(asked.report.resolve())]
        command += ["--against", f"stand-in (no model)={opened.enter_context(serving(PACE))}#stand-in"]
        if find_spec("llama_cpp") and find_spec("uvicorn") and find_spec("sse_starlette"):
            command += [
                "--against",
                f"llama_cpp.server={opened.enter_context(llama_cpp_server(asked.model.resolve()))}#model",
            ]
        if asked.wllama:
            command += ["--browser", "--wllama", str(asked.wllama.resolve())]
        return subprocess.run(command, cwd=project, env=environment, check=False, stdin=subprocess.DEVNULL).returncode


@contextlib.contextmanager
def llama_cpp_server(model: Path) -> Iterator[str]:
    """llama-cpp-python's own server with a model, told not to stop an answer when another request comes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--port", str(port)]
    command += ["--n_ctx", "2048", "--interrupt_requests", "false", "--verbose", "false"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=1).close()
                break
            time.sleep(0.25)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    sys.exit(main())

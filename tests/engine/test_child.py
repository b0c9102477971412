"""What happens when llama.cpp's process goes wrong: with a file, with a library, by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lmpm.engine.adapters.xllamacpp import XLlamaCpp
from lmpm.engine.client import ask_child, ask_library
from lmpm.engine.failure import last_lines
from lmpm.engine.protocol import EngineLimits, Job
from lmpm.errors import EngineError

ROOT = Path(__file__).resolve().parents[2]
LIMITS = EngineLimits(time_s=60, memory_bytes=1 << 30)
JOB = Job("plan", "", "/models/x.gguf")
posix_only = pytest.mark.skipif(os.name == "nt", reason="signals and process groups of POSIX")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limit on private memory")


def stand_in(script: str) -> tuple[str, ...]:
    """A child that behaves as a crashing, hanging or flooding llama.cpp would."""
    start = (
        "import json, os, signal, sys, time\n"
        "job = json.loads(sys.stdin.readline())\n"
        "def tell(**event): print(json.dumps(event), flush=True)\n"
        "tell(stage='load')\n"
    )
    return (sys.executable, "-c", start + script)


def outcome_of(script: str, limits: EngineLimits = LIMITS) -> EngineError:
    with pytest.raises(EngineError) as caught:
        ask_child(JOB, limits, command=stand_in(script))
    return caught.value


def is_gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # ended; whoever inherited it has not asked yet
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def wait_for(path: Path, within_s: float = 20.0) -> str:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path.name} was not written")


# A process that goes wrong


@posix_only
@pytest.mark.parametrize("name", ["SIGABRT", "SIGSEGV", "SIGFPE", "SIGKILL"])
def test_a_killed_child_is_named_by_its_signal(name: str) -> None:
    error = outcome_of(f"print('last words', file=sys.stderr, flush=True); os.kill(os.getpid(), signal.{name})")
    assert error.message == f"llama.cpp was killed by {name} while loading `x.gguf`"
    assert error.details == ("last words",)


def test_a_child_that_ends_without_an_answer() -> None:
    assert "(exit code 3)" in outcome_of("os._exit(3)").message


@posix_only
def test_a_hanging_child_is_stopped_with_its_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        "import subprocess\n"
        "other = subprocess.Popen(['sleep', '100'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{other.pid}}\\n')\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "time.sleep(100)"
    )
    start = time.monotonic()
    error = outcome_of(script, EngineLimits(time_s=1.0))
    assert time.monotonic() - start < 10
    assert error.message == "llama.cpp was stopped after 1.0 s while loading `x.gguf`"
    assert all(is_gone(int(pid)) for pid in wait_for(pids).split())


@posix_only
@pytest.mark.parametrize("end", ["os.abort()", "os._exit(3)", "tell(result={'build': 'b'}); os._exit(0)"])
def test_what_a_child_started_ends_with_it(end: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        "import subprocess\n"
        "other = subprocess.Popen(['sleep', '100'], stdin=-3, stdout=-3, stderr=-3)\n"
        f"open({str(pids)!r}, 'w').write(f'{{other.pid}}\\n')\n{end}"
    )
    with contextlib.suppress(EngineError):
        ask_child(JOB, LIMITS, command=stand_in(script))
    assert is_gone(int(wait_for(pids)))


def test_a_child_that_does_not_read_its_job_is_stopped() -> None:
    job = Job("plan", "", "x" * 1_000_000)
    sleeper = (sys.executable, "-c", "import time; time.sleep(100)")
    with pytest.raises(EngineError, match="stopped after"):
        ask_child(job, EngineLimits(time_s=0.5), command=sleeper)


def test_a_flood_of_output_ends_the_child() -> None:
    script = "while True: sys.stdout.write('x' * 65536)"
    error = outcome_of(script, EngineLimits(time_s=30, output_bytes=1 << 20))
    assert error.message == "llama.cpp wrote more than 1.0 MiB of output while loading `x.gguf`"


def test_a_flood_of_messages_is_dropped() -> None:
    script = (
        "for number in range(100_000): print(f'message {number} ' + 'x' * 200, file=sys.stderr)\n"
        "tell(error={'kind': 'load', 'message': ''})"
    )
    error = outcome_of(script)
    assert len(error.details) == 6
    assert error.details[-1].startswith("message 99999 ")


def test_noise_on_the_private_stream_is_not_believed() -> None:
    script = "print('noise'); print('[1]'); print('{\"result\": 7, \"stage\": 8}'); print('9' * 5000, flush=True)"
    assert "without an answer while loading" in outcome_of(script).message


def test_an_answer_counts_although_the_child_then_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmpm.engine.process.EXIT_GRACE_S", 0.2)
    command = stand_in("tell(result={'build': 'b'}); time.sleep(100)")
    assert ask_child(JOB, LIMITS, command=command) == {"build": "b"}


@linux_only
def test_private_memory_of_a_process_is_bounded() -> None:
    script = (
        "sys.path.append(os.environ.get('LMPM_ROOT', '.'))\n"
        "from lmpm.engine import sandbox\n"
        "sandbox.limit_memory(128 << 20, 0, lambda: None)\n"
        "hog = bytearray(1 << 30)"
    )
    error = outcome_of(script, EngineLimits(time_s=30, memory_bytes=128 << 20))
    assert error.message == "llama.cpp needed more than its 128.0 MiB of memory while loading `x.gguf`"


@posix_only
def test_resident_memory_is_watched_where_the_kernel_does_not_bound_it() -> None:
    script = (
        "from lmpm.engine import sandbox\n"
        "sandbox._watch(1 << 20, lambda: tell(error={'kind': 'memory', 'message': ''}))"
    )
    assert "ran out of memory" in outcome_of(script, EngineLimits(time_s=30)).message


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_child_ends_with_its_parent(tmp_path: Path, number: int) -> None:
    pids = tmp_path / "pid"
    child = (
        "import os, time\n"
        "from lmpm.engine import sandbox\n"
        "sandbox.die_with_parent(os.getppid())\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(100)"
    )
    parent = (
        "import sys\n"
        "from lmpm.engine.client import ask_child\n"
        "from lmpm.engine.protocol import EngineLimits, Job\n"
        f"ask_child(Job('plan'), EngineLimits(time_s=60), command=(sys.executable, '-c', {child!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stderr=subprocess.PIPE)
    pid = int(wait_for(pids))
    process.send_signal(number)
    _, messages = process.communicate(timeout=20)
    assert is_gone(pid)
    assert (b"KeyboardInterrupt" in messages) == (number == signal.SIGINT)


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "GITHUB_TOKEN", "LLAMA_ARG_CTX_SIZE"]
)
def test_what_is_nobodys_business_does_not_reach_the_child(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "a-secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    error = outcome_of("tell(error={'kind': 'other', 'message': str(dict(os.environ))})")
    assert "GGML_NO_BACKTRACE" in error.message and "'CUDA_VISIBLE_DEVICES': '3'" in error.message
    assert "a-secret" not in error.message


# The library


def test_a_library_that_does_not_load(tmp_path: Path) -> None:
    place = tmp_path / "libllama.so"
    place.write_text("no library")
    with pytest.raises(EngineError, match=r"llama\.cpp's library cannot be used: ") as caught:
        ask_library(place, "probe")
    assert "lmpm doctor" in str(caught.value.hint)


@linux_only
def test_a_library_without_llama_cpp() -> None:
    with pytest.raises(EngineError, match=r"cannot be used: .*llama_backend_init"):
        ask_library(Path("libm.so.6"), "probe")


def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "lmpm", "llama_cpp", "xllamacpp"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
    monkeypatch.chdir(tmp_path)
    assert XLlamaCpp().probe().build


@pytest.mark.parametrize("code", ["import lmpm.engine, lmpm.proof.smoke", "import lmpm.engine.native.child"])
def test_heavy_and_risky_modules_stay_out(code: str) -> None:
    check = f"{code}; import sys; print(*{{'numpy', 'jinja2', 'llama_cpp', 'xllamacpp'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_text_from_a_stranger_cannot_steer_the_terminal() -> None:
    lines = last_lines("\n".join(f"{number}\x07{'x' * 999}" for number in range(50)) + "\n...\n")
    assert len(lines) == 6
    assert all(len(line) <= 240 and "\x07" not in line for line in lines)
    assert lines[-1].startswith(r"49\x07")


def test_what_llama_server_chats_about_is_no_reason() -> None:
    log = "0.00.000.1 I srv: loading\n0.00.001.2 E gguf_init_from: failed\n0.00.001.3 I srv: cleaning up before exit\n"
    assert last_lines(log) == ("gguf_init_from: failed",)

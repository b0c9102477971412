"""The engine: real llama.cpp on real files, and what happens when its process goes wrong."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lmpm import engine
from lmpm.engine.failure import last_lines
from lmpm.engine.protocol import EngineLimits, EngineReport, Job
from lmpm.errors import EngineError
from lmpm.run_config import Pooling, RunConfig
from tests.gguf_files import BAD_FILES, write_bert, write_llama, write_projector, write_unknown_architecture

ROOT = Path(__file__).resolve().parents[2]
PLAN = RunConfig(context=256)
LIMITS = EngineLimits(time_s=60, memory_bytes=1 << 30)
posix_only = pytest.mark.skipif(os.name == "nt", reason="signals and process groups of POSIX")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limit on private memory")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    return write_llama(folder / "tiny.gguf")[0]


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Path:
    return write_bert(folder / "bert.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])


def failing(path: Path, *, plan: RunConfig = PLAN, limits: EngineLimits = LIMITS) -> EngineError:
    with pytest.raises(EngineError) as caught:
        engine.generate(path, ["a"], plan=plan, max_tokens=4, limits=limits)
    assert caught.value.exit_code == 8
    return caught.value


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
        engine.execute(Job("run", "/models/x.gguf"), limits, command=stand_in(script))
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


# What works


def test_probe_names_the_engine() -> None:
    info = engine.probe()
    assert info.python_package.startswith("llama-cpp-python 0.")
    assert info.build.startswith("llama.cpp ")
    assert info.system_info


def test_generates_the_same_for_the_same_prompt(model: Path) -> None:
    job = Job("run", str(model), ("hello", "other", "hello"), PLAN, max_tokens=16)
    report = engine.execute(job, LIMITS)
    first, other, again = report.generations
    assert first.text == again.text != other.text  # greedy, and the cache is cleared in between
    assert 0 < first.tokens <= 16
    assert first.prompt_tokens == 7  # BOS, a space and five bytes
    assert first.finite
    assert first.first_token_s is not None and first.first_token_s > 0
    assert first.decode is not None and first.decode > 0


def test_report_says_what_a_run_took(model: Path) -> None:
    report = engine.execute(Job("run", str(model), ("a",), PLAN, max_tokens=2), LIMITS)
    assert report.load_s > 0
    assert report.peak_memory is None or 4 << 20 < report.peak_memory < 1 << 30
    assert "CPU KV" in dict(report.buffers) or sys.platform == "darwin"


def test_stops_before_a_stop_string(model: Path) -> None:
    free = engine.generate(model, ["hello"], plan=PLAN, max_tokens=24, limits=LIMITS)[0]
    stop = next(char for char in free.text if char.isascii() and char.isalnum())
    cut = engine.generate(model, ["hello"], plan=PLAN, max_tokens=24, stop=["\0", stop], limits=LIMITS)[0]
    assert cut.text == free.text[: free.text.index(stop)]
    assert cut.tokens < free.tokens


def test_answer_ends_with_the_context(model: Path) -> None:
    answer = engine.generate(model, ["a" * 200], plan=PLAN, max_tokens=10_000, limits=LIMITS)[0]
    assert answer.prompt_tokens + answer.tokens <= 256


def test_a_prompt_longer_than_a_batch(folder: Path) -> None:
    path = write_llama(folder / "long.gguf", context=4096)[0]
    answer = engine.generate(path, ["a" * 3000], plan=RunConfig(context=4096), max_tokens=4, limits=LIMITS)[0]
    assert answer.prompt_tokens > 3000
    assert answer.tokens


def test_a_prompt_longer_than_the_context_is_refused(model: Path) -> None:
    with pytest.raises(EngineError, match=r"the prompt has 302 tokens, the context 256"):
        engine.generate(model, ["a" * 300], plan=PLAN, max_tokens=4, limits=LIMITS)


def test_embeds(embedder: Path) -> None:
    plan = RunConfig(context=256, embeddings=True)
    cat, kitten, truck = engine.embed(embedder, ["cat", "kitten", "truck"], plan=plan, limits=LIMITS)
    assert len(cat) == 64
    assert math.dist(cat, kitten) < math.dist(cat, truck)


@pytest.mark.parametrize("pooling", [None, "mean", "last"])
def test_embeds_with_a_model_that_generates(model: Path, pooling: Pooling | None) -> None:
    plan = RunConfig(context=256, embeddings=True, pooling=pooling)
    left, right = engine.embed(model, ["one", "two"], plan=plan, limits=LIMITS)
    assert len(left) == 64
    assert left != right


def test_loads_shards_from_the_first(folder: Path) -> None:
    first, *_ = write_llama(folder / "shards.gguf", shards=3)
    assert engine.generate(first, ["a"], plan=PLAN, max_tokens=2, limits=LIMITS)[0].tokens


def test_a_chat_template_is_never_rendered(folder: Path) -> None:
    template = "{% for i in range(10**9) %}{{ ''.__class__.__mro__ }}{% endfor %}{% broken"
    path = write_llama(folder / "template.gguf", chat_template=template)[0]
    assert engine.generate(path, ["a"], plan=PLAN, max_tokens=2, limits=LIMITS)[0].tokens


def test_values_that_are_no_numbers_are_noticed(folder: Path) -> None:
    path = write_llama(folder / "nan.gguf", quant="F32")[0]
    data = path.read_bytes()
    path.write_bytes(data[:-256] + b"\xff" * 256)  # the last tensor, output_norm: all NaN
    assert not engine.generate(path, ["a"], plan=PLAN, max_tokens=2, limits=LIMITS)[0].finite


def test_a_report_survives_the_way_between_processes() -> None:
    report = EngineReport(
        build="b", load_s=0.5, peak_memory=7, buffers=(("KV", 1),), embeddings=((1.0, -2.5), (math.inf, 0.0))
    )
    assert EngineReport.decode(json.loads(json.dumps(report.encode()))) == report


# Files that are wrong


def test_an_unknown_architecture_asks_for_a_newer_engine(folder: Path) -> None:
    error = failing(write_unknown_architecture(folder / "unknown.gguf"))
    assert error.message.startswith("`unknown.gguf` needs a newer llama.cpp")
    assert "`unheard-of`" in error.message
    assert "--upgrade" in str(error.hint)


def test_a_truncated_file_is_not_complete(folder: Path, model: Path) -> None:
    path = folder / "truncated.gguf"
    path.write_bytes(model.read_bytes()[:-5000])
    error = failing(path)
    assert error.message == "`truncated.gguf` is not a complete and valid GGUF file"
    assert any("not within the file bounds" in line for line in error.details)


def test_a_web_page_is_not_gguf(folder: Path) -> None:
    path = folder / "page.gguf"
    path.write_text("<html>\x1b[31mPlease log in</html>")
    assert "not a complete and valid GGUF file" in failing(path).message


def test_a_missing_file_cannot_be_opened(folder: Path) -> None:
    assert failing(folder / "absent.gguf").message.startswith("`absent.gguf` cannot be opened")


def test_a_missing_shard_is_named(folder: Path) -> None:
    first, second = write_llama(folder / "half.gguf", shards=2)
    second.unlink()
    assert failing(first).message.startswith("`half-00002-of-00002.gguf` cannot be opened")


def test_a_projector_is_no_model(folder: Path) -> None:
    error = failing(write_projector(folder / "mmproj.gguf"))
    assert error.message == "llama.cpp cannot load `mmproj.gguf`"
    assert any("CLIP" in line for line in error.details)


def test_an_encoder_does_not_generate(embedder: Path) -> None:
    assert "does not continue a text" in failing(embedder).message


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_an_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(BAD_FILES[name])
    error = failing(path)
    assert "`bad.gguf`" in error.message
    assert 0 < len(error.details) <= 6


@posix_only
def test_a_file_that_aborts_llama_cpp(folder: Path) -> None:
    error = failing(write_llama(folder / "aborts.gguf", layers=0)[0])
    assert error.message == "llama.cpp was killed by SIGABRT while loading `aborts.gguf`"
    assert any("GGML_ASSERT" in line for line in error.details)


@linux_only
def test_a_model_that_wants_more_memory_than_allowed(model: Path) -> None:
    plan = RunConfig(context=1 << 22)  # a cache of 1 GiB
    error = failing(model, plan=plan, limits=EngineLimits(time_s=60, memory_bytes=256 << 20))
    assert error.message == "llama.cpp needed more than its 256.0 MiB of memory while running `tiny.gguf`"
    assert "--context" in str(error.hint)


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


def test_a_child_that_does_not_read_its_job_is_stopped() -> None:
    job = Job("run", "x.gguf", texts=("a" * 1_000_000,))
    sleeper = (sys.executable, "-c", "import time; time.sleep(100)")
    with pytest.raises(EngineError, match="stopped after"):
        engine.execute(job, EngineLimits(time_s=0.5), command=sleeper)


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
    report = EngineReport(build="b", load_s=0.0, peak_memory=None)
    command = stand_in(f"tell(result={report.encode()!r}); time.sleep(100)")
    assert engine.execute(Job("run"), LIMITS, command=command) == report


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
        "from lmpm.engine import EngineLimits, Job, execute\n"
        f"execute(Job('run'), EngineLimits(time_s=60), command=(sys.executable, '-c', {child!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stderr=subprocess.PIPE)
    pid = int(wait_for(pids))
    process.send_signal(number)
    _, messages = process.communicate(timeout=20)
    assert is_gone(pid)
    assert (b"KeyboardInterrupt" in messages) == (number == signal.SIGINT)


def test_tokens_do_not_reach_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    error = outcome_of("tell(error={'kind': 'other', 'message': str(dict(os.environ))})")
    assert "GGML_NO_BACKTRACE" in error.message
    assert "hf_secret" not in error.message


# The library


def test_a_missing_library_says_how_to_install_it() -> None:
    command = (sys.executable, "-S", "-P", "-m", "lmpm.engine.child")  # -S: no site-packages
    with pytest.raises(EngineError, match="llama-cpp-python is not installed") as caught:
        engine.probe(command=command)
    assert "pip install llama-cpp-python" in str(caught.value.hint)


def test_a_library_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "llama_cpp"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "llama_cpp.py").write_text("raise RuntimeError('Failed to load shared library: libcuda.so.1')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"cannot be used: Failed to load shared library: libcuda\.so\.1"):
        engine.probe()


def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "lmpm", "llama_cpp"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
    monkeypatch.chdir(tmp_path)
    assert engine.probe().build


def test_heavy_and_risky_modules_stay_out() -> None:
    parent = "import lmpm.engine, lmpm.proof.smoke"
    child = "import lmpm.engine.child as c; c.Llama()"
    for code in (parent, child):
        check = f"{code}; import sys; print(*{{'numpy', 'jinja2', 'llama_cpp.llama'}} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""


def test_text_from_a_stranger_cannot_steer_the_terminal() -> None:
    lines = last_lines("\n".join(f"{number}\x07{'x' * 999}" for number in range(50)) + "\n...\n")
    assert len(lines) == 6
    assert all(len(line) <= 240 and "\x07" not in line for line in lines)
    assert lines[-1].startswith(r"49\x07")

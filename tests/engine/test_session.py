"""Sessions: real llama.cpp on real files, in each engine that is here."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmpm.engine import Engine, EngineLimits, Files, Service, Session
from lmpm.errors import EngineError
from lmpm.estimate import HParams, exact_memory
from lmpm.gguf import read_file
from lmpm.run_config import Pooling, RunConfig
from tests.engine.conftest import LIMITS, STARTER, engine_of
from tests.engine.test_child import is_gone
from tests.gguf_files import (
    BAD_FILES,
    CHAT_TEMPLATE,
    write_llama,
    write_projector,
    write_unknown_architecture,
)

ROOT = Path(__file__).resolve().parents[2]
PLAN = RunConfig(context=256)
posix_only = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limit on private memory")


def failing(engine: Engine, path: Path, plan: RunConfig = PLAN, limits: EngineLimits = LIMITS) -> EngineError:
    with pytest.raises(EngineError) as caught, engine.open(Files(path), plan, limits) as opened:
        opened.complete("a", max_tokens=4)
    assert caught.value.exit_code == 8
    return caught.value


# What works


def test_an_answer_is_the_same_for_the_same_prompt(session: Session) -> None:
    first, other, again = (session.complete(text, max_tokens=16) for text in ("hello", "other", "hello"))
    assert first.text == again.text != other.text
    assert 0 < first.tokens <= 16
    assert first.prompt_tokens == 7  # BOS, a space and five bytes
    assert first.first_token_s is not None and first.first_token_s > 0
    assert first.decode is not None and first.decode > 0


def test_a_session_says_what_it_takes(session: Session) -> None:
    session.complete("a", max_tokens=2)
    memory = session.memory()
    assert memory.peak is None or 4 << 20 < memory.peak < 1 << 30
    assert "CPU KV" in dict(memory.buffers) or sys.platform == "darwin"
    assert memory.total > 0
    assert session.load_s > 0
    assert session.build.startswith("llama.cpp ")


def test_a_stop_string_is_not_in_the_answer(session: Session) -> None:
    free = session.complete("hello", max_tokens=24)
    stop = next(char for char in free.text if char.isascii() and char.isalnum())
    cut = session.complete("hello", max_tokens=24, stop=["\0", stop])
    assert cut.text == free.text[: free.text.index(stop)]
    assert cut.tokens < free.tokens and cut.ended_by == "stop" and free.ended_by == "length"


def test_a_stream_has_the_same_pieces(session: Session) -> None:
    whole = session.complete("hello", max_tokens=12)
    stream = session.stream("hello", max_tokens=12)
    pieces = list(stream)
    assert "".join(pieces) == whole.text and len(pieces) > 1
    assert stream.result is not None and stream.result.tokens == whole.tokens


def test_a_stream_that_is_closed_ends_there(engine: Engine, folder: Path) -> None:
    path = write_llama(folder / "stream.gguf", context=65536)[0]
    with engine.open(Files(path), RunConfig(context=65536), LIMITS) as opened:
        stream = opened.stream("hello", max_tokens=60_000)
        next(iter(stream))
        stream.close()
        assert opened.complete("hello", max_tokens=1, time_s=20).tokens == 1  # the one slot is free again


def test_an_answer_ends_with_the_context(session: Session) -> None:
    answer = session.complete("a" * 200, max_tokens=10_000)
    assert answer.prompt_tokens + answer.tokens <= 257  # the last token is not computed with


def test_a_prompt_longer_than_the_context_is_refused(session: Session) -> None:
    with pytest.raises(EngineError, match=r"prompt has 302 tokens, the context of `.*` 256: 46 too many"):
        session.complete("a" * 300, max_tokens=4)


def test_a_prompt_of_tokens_is_that_of_its_text(session: Session) -> None:
    tokens = session.tokenize("hello")
    assert len(tokens) == 7
    assert session.complete(tokens, max_tokens=8).text == session.complete("hello", max_tokens=8).text
    assert session.tokenize("hello", special=False) == tokens[1:]


def test_a_grammar_holds(session: Session) -> None:
    assert set(session.complete("hello", max_tokens=6, grammar='root ::= "a"+').text) == {"a"}
    with pytest.raises(EngineError, match="grammar"):
        session.complete("hello", max_tokens=6, grammar="root ::= (")


def test_a_schema_holds(engine: Engine) -> None:
    with engine.open(Files(STARTER), RunConfig(context=256), LIMITS) as opened:
        text = opened.complete("hello", max_tokens=8, schema={"enum": ["yes", "no"]}).text
    assert text.strip() in ('"yes"', '"no"')


def test_a_hole_that_the_model_does_not_know(session: Session) -> None:
    with pytest.raises(EngineError, match="token"):
        session.infill("a", "b", max_tokens=4)


def test_several_threads_share_a_session(session: Session) -> None:
    texts: list[str] = []

    def work() -> None:
        texts.append(session.complete("hello", max_tokens=8).text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert texts == [session.complete("hello", max_tokens=8).text] * 4


def test_embeds(engine: Engine, embedder: Path) -> None:
    with engine.open(Files(embedder), RunConfig(context=256, embeddings=True), LIMITS) as opened:
        cat, kitten, truck = opened.embed(["cat", "kitten", "truck"])
    assert len(cat) == 64
    assert math.dist(cat, kitten) < math.dist(cat, truck)


@pytest.mark.parametrize("pooling", [None, "mean", "last"])
def test_embeds_with_a_model_that_generates(model: Path, pooling: Pooling | None) -> None:
    plan = RunConfig(context=256, embeddings=True, pooling=pooling)
    with engine_of("xllamacpp").open(Files(model), plan, LIMITS) as opened:
        left, right = opened.embed(["one", "two"])
    assert len(left) == 64
    assert left != right


def test_shards_load_from_the_first(engine: Engine, folder: Path) -> None:
    first, *_ = write_llama(folder / "shards.gguf", shards=3)
    with engine.open(Files(first), PLAN, LIMITS) as opened:
        assert opened.complete("a", max_tokens=2).tokens


def test_a_chat_template_is_used_where_it_was_asked_for(engine: Engine, folder: Path) -> None:
    path = write_llama(folder / "chat.gguf", chat_template=CHAT_TEMPLATE)[0]
    messages = [{"role": "user", "content": "hello"}]
    with engine.open(Files(path), PLAN, LIMITS, Service(chats=True)) as opened:
        prompt = opened.apply_template(messages)
        assert prompt.startswith("<|user|>hello") and prompt.endswith("<|assistant|>")
        answer = opened.chat(messages, max_tokens=6, temperature=0)
        assert answer.text == opened.complete(prompt, max_tokens=6).text
        assert answer.finish_reason == "length"
        pieces = [
            event["choices"][0]["delta"].get("content") or ""
            for event in opened.stream_chat(messages, max_tokens=6, temperature=0)
            if event["choices"]
        ]
        assert "".join(pieces) == answer.text
    with (
        engine.open(Files(path), PLAN, LIMITS) as opened,
        pytest.raises(EngineError, match="without its chat template"),
    ):
        opened.chat(messages)


def test_a_chat_template_is_otherwise_not_even_parsed(engine: Engine, folder: Path) -> None:
    template = "{% for i in range(10**9) %}{{ ''.__class__.__mro__ }}{% endfor %}{% broken"
    path = write_llama(folder / "template.gguf", chat_template=template)[0]
    with engine.open(Files(path), PLAN, LIMITS) as opened:
        assert opened.complete("a", max_tokens=2).tokens


def test_values_that_are_no_numbers_are_noticed(engine: Engine, folder: Path) -> None:
    path = write_llama(folder / "nan.gguf", quant="F32")[0]
    data = path.read_bytes()
    path.write_bytes(data[:-256] + b"\xff" * 256)  # the last tensor, output_norm: all NaN
    with engine.open(Files(path), PLAN, LIMITS) as opened:
        assert not opened.complete("a", max_tokens=2, checked=True).finite


def test_a_context_longer_than_the_model_was_trained_for_is_cut(folder: Path) -> None:
    path = write_llama(folder / "short.gguf", context=512)[0]
    with engine_of("xllamacpp").open(Files(path), RunConfig(context=4096), LIMITS) as opened:
        assert opened.config.context == 512
        with engine_of("xllamacpp").open(Files(path), RunConfig(context=512), LIMITS) as other:
            assert dict(opened.memory().buffers)["CPU KV"] == dict(other.memory().buffers)["CPU KV"]


def test_two_slots_answer_at_once(folder: Path) -> None:
    path = write_llama(folder / "slots.gguf")[0]
    plan = RunConfig(context=512, sequences=2)
    with engine_of("xllamacpp").open(Files(path), plan, LIMITS) as opened:
        assert opened.properties()["total_slots"] == 2


# Files that are wrong


def test_an_unknown_architecture_asks_for_a_newer_engine(engine: Engine, folder: Path) -> None:
    error = failing(engine, write_unknown_architecture(folder / "unknown.gguf"))
    assert error.message.startswith("`unknown.gguf` needs a newer llama.cpp")
    assert "`unheard-of`" in error.message
    assert "pgrade" in str(error.hint)


def test_a_truncated_file_is_not_complete(engine: Engine, folder: Path, model: Path) -> None:
    path = folder / "truncated.gguf"
    path.write_bytes(model.read_bytes()[:-5000])
    error = failing(engine, path)
    assert error.message == "`truncated.gguf` is not a complete and valid GGUF file"
    assert any("not within the file bounds" in line for line in error.details)


def test_a_missing_shard_is_named(engine: Engine, folder: Path) -> None:
    first, second = write_llama(folder / "half.gguf", shards=2)
    second.unlink()
    assert failing(engine, first).message.startswith("`half-00002-of-00002.gguf` cannot be opened")


def test_a_missing_file_cannot_be_opened(engine: Engine, folder: Path) -> None:
    assert failing(engine, folder / "absent.gguf").message.startswith("`absent.gguf` cannot be opened")


def test_a_projector_is_no_model(engine: Engine, folder: Path) -> None:
    error = failing(engine, write_projector(folder / "mmproj.gguf"))
    assert error.message == "llama.cpp cannot load `mmproj.gguf`"
    assert any("CLIP" in line for line in error.details)


def test_an_encoder_does_not_generate(embedder: Path, engine: Engine) -> None:
    assert "llama.cpp" in failing(engine, embedder).message


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_an_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(BAD_FILES[name])
    error = failing(engine_of("xllamacpp"), path)
    assert "`bad.gguf`" in error.message
    assert 0 < len(error.details) <= 6


@posix_only
def test_a_file_that_aborts_llama_cpp(engine: Engine, folder: Path) -> None:
    error = failing(engine, write_llama(folder / "aborts.gguf", layers=0)[0])
    assert error.message == "llama.cpp was killed by SIGABRT while loading `aborts.gguf`"
    assert any("GGML_ASSERT" in line for line in error.details)


@linux_only
def test_a_model_that_wants_more_memory_than_allowed(engine: Engine, folder: Path) -> None:
    path = write_llama(folder / "long.gguf", context=1 << 22)[0]
    plan = RunConfig(context=1 << 22)  # a cache of 1 GiB
    error = failing(engine, path, plan, EngineLimits(time_s=60, memory_bytes=256 << 20))
    assert error.message.startswith("llama.cpp needed more than its 256.0 MiB of memory while ")
    assert "--context" in str(error.hint)


# The life of a session


@posix_only
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_a_crash_is_one_sessions_error(engine: Engine, model: Path, session: Session, name: str) -> None:
    plan = RunConfig(context=128)  # not the child of `session`
    with engine.open(Files(model), plan, LIMITS) as opened:
        os.kill(opened.process.model_pid or 0, getattr(signal, name))
        with pytest.raises(EngineError, match=f"llama.cpp was killed by {name} while running `tiny.gguf`"):
            opened.complete("a", max_tokens=1)
        with pytest.raises(EngineError, match=name):  # and remains so
            opened.complete("a", max_tokens=1)
        with engine.open(Files(model), plan, LIMITS) as again:
            assert again.complete("a", max_tokens=1).tokens == 1
    assert session.complete("a", max_tokens=1).tokens == 1


def test_sessions_of_the_same_model_share_a_child_until_the_last_is_closed(model: Path) -> None:
    engine, plan = engine_of("xllamacpp"), RunConfig(context=192)
    first = engine.open(Files(model), plan, LIMITS)
    second = engine.open(Files(model), plan, LIMITS)
    assert first.process is second.process
    pid = first.process.pid
    first.close()
    assert second.complete("a", max_tokens=1).tokens == 1
    second.close()
    assert is_gone(pid)
    with pytest.raises(EngineError, match="is closed"):
        second.complete("a", max_tokens=1)


def test_an_answer_that_takes_too_long(folder: Path) -> None:
    path = write_llama(folder / "slow.gguf", context=65536)[0]
    with engine_of("xllamacpp").open(Files(path), RunConfig(context=65536), LIMITS) as opened:
        with pytest.raises(EngineError, match=r"stopped after 0.1 s while running `slow.gguf`"):
            opened.complete("a", max_tokens=60_000, grammar='root ::= "a" root', time_s=0.05)
        assert opened.complete("a", max_tokens=1).tokens == 1


def script(body: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A program that opens the starter as `s`."""
    start = f"""
        import os, sys, signal
        from pathlib import Path
        from lmpm.engine import EngineLimits, Files, default_engine
        from lmpm.run_config import RunConfig
        s = default_engine().open(Files(Path({os.fspath(STARTER)!r})), RunConfig(context=256), EngineLimits(time_s=60))
        pid = s.process.pid
    """
    code = textwrap.dedent(start) + textwrap.dedent(body)
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=90
    )


@posix_only
@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_child_ends_with_its_process_however_that_ends(end: str) -> None:
    done = script("print(pid, flush=True)\n" + end)
    assert is_gone(int(done.stdout))


@posix_only
def test_a_session_outlives_the_thread_that_opened_it() -> None:
    done = script(
        """
        import threading, time
        opened = []
        def work(): opened.append(default_engine().open(s._files, RunConfig(context=128), EngineLimits(time_s=60)))
        thread = threading.Thread(target=work); thread.start(); thread.join(); time.sleep(0.2)
        print(opened[0].complete("SELECT", max_tokens=1).tokens)
        """
    )
    assert done.stdout.strip() == "1", done.stderr


@posix_only
def test_after_a_fork_each_process_has_its_own_child() -> None:
    done = script(
        """
        if os.fork() == 0:
            print(s.complete("SELECT", max_tokens=1).tokens, s.process.pid != pid, flush=True)
            os._exit(0)
        os.wait()
        print(s.complete("SELECT", max_tokens=1).tokens, s.process.pid == pid)
        """
    )
    assert done.stdout.split() == ["1", "True", "1", "True"], done.stderr


def question(session: Session) -> Any:
    """What the starter says to a question of its kind."""
    prompt = "CREATE TABLE users (id INTEGER, name TEXT);\n\nQuestion: How many users are there?\nSQL:"
    return session.complete(prompt, max_tokens=32, stop=[";"])


def test_the_starter_answers_in_every_engine(engine: Engine) -> None:
    with engine.open(Files(STARTER), RunConfig(context=256), LIMITS) as opened:
        assert "count(*)" in question(opened).text.lower()


def test_a_plan_is_what_is_then_allocated(folder: Path) -> None:
    path = write_llama(folder / "planned.gguf", context=512, quant="F16", dim=128, layers=3)[0]
    for name in ("xllamacpp", "llama-cpp-python"):
        engine = engine_of(name)
        slots = RunConfig(context=512, sequences=2)
        for plan in (RunConfig(context=512), RunConfig(context=4096), slots, replace(slots, unified=True)):
            planned = engine.plan(path, plan)
            with engine.open(Files(path), plan, LIMITS) as opened:
                measured = opened.memory().total
            assert planned.parts.buffers == pytest.approx(measured, abs=6 * 8 * 1024)  # messages round to 0.01 MiB


def test_prompts_that_are_kept_stay_within_their_bound(folder: Path) -> None:
    """1,000 bytes a token of two layers: five of these prompts are more than the server may keep."""
    path = write_llama(folder / "history.gguf", context=2048, dim=128, kv_heads=2)[0]
    service = Service(history_bytes=3 << 20)
    with engine_of("xllamacpp").open(Files(path), RunConfig(context=1024), LIMITS, service) as opened:
        for first in range(10, 22):
            opened.complete([first + 3 * number % 200 for number in range(900)], max_tokens=2)
        said = re.findall(r"cache state: (\d+) prompts, ([\d.]+) MiB", opened.process._log.text())
    prompts, sizes = zip(*((int(count), float(size)) for count, size in said), strict=True)
    assert max(prompts) >= 2 and 1.5 < max(sizes) <= 3.0
    header = HParams(read_file(path))
    planned = exact_memory(header, RunConfig(context=1024), service=service)
    assert planned.parts.history == 3 << 20
    assert planned.total - exact_memory(header, RunConfig(context=1024)).total == 3 << 20

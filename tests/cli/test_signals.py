"""Interrupts, kills and company: what has arrived is kept, named and used, and two at once do no harm."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmpm.project.lock.file import load_lock
from lmpm.units import human
from tests.conftest import Cli
from tests.gguf_files import write_bert
from tests.loopback import LoopbackHub, Repeated, faults
from tests.loopback.demo import _meanings

REPO = "maker/large-embed-GGUF"
FILE = "large-embed-Q8_0.gguf"
BYTES = f"*/resolve/*/{FILE}"
SLOW = faults.Throttle(2_000_000)


@pytest.fixture
def large(cli: Cli, tmp_path: Path) -> Iterator[LoopbackHub]:
    """A Hub with a model of a few megabytes: real, with bytes behind its last tensor."""
    data = write_bert(tmp_path / FILE, quant="Q8_0", meanings=_meanings()).read_bytes()
    with LoopbackHub() as hub:
        hub.add_repo(REPO, {FILE: Repeated(data, b"padding ", 500_000)}, card_data={"license": "mit"})
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        yield hub


def wait_for_bytes(cli: Cli, process: subprocess.Popen[str], least: int = 600_000) -> None:
    ends = time.monotonic() + 30
    while time.monotonic() < ends and process.poll() is None:
        if any(path.stat().st_size >= least for path in cli.parts()):
            return
        time.sleep(0.01)
    raise AssertionError(process.communicate()[1])


def interrupted(cli: Cli, hub: LoopbackHub, number: signal.Signals, *, times: int = 1) -> tuple[int, str, int]:
    """Start an install, end it by a signal in the middle; its exit code, words, and bytes kept."""
    hub.faults.add(SLOW, BYTES)
    process = cli.start("install", REPO, "--task", "embeddings")
    wait_for_bytes(cli, process)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.002)
    _, err = process.communicate(timeout=30)
    hub.faults.clear()
    (part,) = cli.parts()
    assert not cli.lock.exists() and not cli.manifest.exists() and cli.blobs() == []
    return process.returncode, err, part.stat().st_size


def resumed(cli: Cli, hub: LoopbackHub, kept: int) -> None:
    """Run it again: only the rest is fetched, and all is right."""
    hub.reset_log()
    shown = cli.run("install", REPO, "--task", "embeddings").passed()
    assert "resuming at" in shown.err
    size = hub.state.repo(REPO).files[FILE].size
    resumes = [request for request in hub.requests if (request.range or "").startswith(f"bytes={kept}-")]
    assert [request.sent for request in resumes] == [size - kept]
    assert cli.parts() == []
    cli.call("verify").passed()


def test_a_killed_download_is_resumed_where_it_was(cli: Cli, large: LoopbackHub) -> None:
    code, _, kept = interrupted(cli, large, signal.SIGKILL)
    assert code == -signal.SIGKILL
    resumed(cli, large, kept)


@pytest.mark.parametrize(
    ("number", "times"),
    [
        (signal.SIGINT, 1),
        (signal.SIGTERM, 1),
        (signal.SIGINT, 2),  # from a terminal, and once more from a parent that passes it on
    ],
)
def test_an_interrupt_keeps_what_has_arrived_and_says_so(
    cli: Cli, large: LoopbackHub, number: signal.Signals, times: int
) -> None:
    code, err, kept = interrupted(cli, large, number, times=times)
    assert code == 130
    assert f"Interrupted. Kept {human(kept)} of 3.9 MiB of {FILE}" in err
    assert "hint: Run the same command again to resume" in err
    assert "Traceback" not in err
    resumed(cli, large, kept)


def test_an_interrupt_ends_verify_and_not_only_its_first_model(cli: Cli, large: LoopbackHub) -> None:
    cli.call("install", REPO, "--task", "embeddings").passed()
    clone = cli.clone()
    large.faults.add(SLOW, BYTES)
    process = clone.start("verify", "--fetch")
    wait_for_bytes(clone, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Interrupted. Kept" in err


def test_an_interrupt_at_any_other_moment_ends_quietly(cli: Cli, large: LoopbackHub) -> None:
    large.faults.add(faults.Delay(30), "/api/*")
    process = cli.start("install", REPO)
    ends = time.monotonic() + 30
    while not large.requests and time.monotonic() < ends:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Interrupted" in err and "Traceback" not in err
    assert not cli.lock.exists()


def test_two_installs_of_one_model_download_it_once(cli: Cli, large: LoopbackHub) -> None:
    large.faults.add(SLOW, BYTES)
    other = cli.beside("other")
    processes = [each.start("install", REPO, "--task", "embeddings") for each in (cli, other)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert "".join(errors).count("another process is downloading") == 1
    assert "".join(errors).count("Download ") == 1
    size = large.state.repo(REPO).files[FILE].size
    assert size <= large.bytes_sent(FILE) < size + 500_000  # the file once, and its header for each
    assert cli.lock.read_bytes() == other.lock.read_bytes()


def test_two_installs_at_once_in_one_project_both_stay(cli: Cli, hub: LoopbackHub) -> None:
    names = ("bge-small-en-v1.5", "all-minilm-l6-v2")
    processes = [cli.start("install", name) for name in names]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert {model.name for model in load_lock(cli.lock).models} == set(names)
    assert all(name in cli.manifest.read_text() for name in names)
    cli.call("install", "--locked").passed()
    assert sorted(path.name for path in cli.directory.iterdir()) == ["lmpm.lock", "lmpm.toml"]

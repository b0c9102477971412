"""The pinned model as something to measure: in the engine, and behind `lmpm serve`; and the others that are named."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from lmpm.benchmark.served import served_digest
from lmpm.benchmark.target import Target, parse_url
from lmpm.cloud import CLOUD, require_provider
from lmpm.engine import EngineLimits
from lmpm.errors import EngineError
from lmpm.run_config import Service
from lmpm.runtime import find_locked, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmpm.project import Workspace
    from lmpm.runtime import Subject

LOAD_S: Final = 600.0
START_S: Final = 120.0  # for `lmpm serve` until it listens
LONG: Final = {"ignore_eos": True}  # as many tokens as are asked for, where the server is llama.cpp's


@contextlib.contextmanager
def engine_target(
    workspace: Workspace, subject: Subject, *, slots: int
) -> Iterator[tuple[Target, float, Callable[[str], int]]]:
    """The model in a child of its own, whose slots share its context.

    Gives the target, the seconds until it could be asked, and what counts the tokens of a text. Raises EngineError.
    """
    engine = workspace.engine
    config = dataclasses.replace(plan_of(subject, engine), sequences=slots, unified=True)
    raw = subject.recipe.raw
    began = time.perf_counter()
    with engine.open(subject.files, config, EngineLimits(time_s=LOAD_S), Service(chats=not raw)) as session:
        loaded = time.perf_counter() - began
        client = session.process.client
        unix = client.url.startswith("unix://")
        yield (
            Target(
                label="engine",
                kind="engine",
                base_url="http://localhost/v1" if unix else f"{client.url}/v1",
                model=subject.name,
                key=client.key,
                socket=client.url.removeprefix("unix://") if unix else "",
                sha256=digest_of(subject),
                raw=raw,
                options=LONG,
            ),
            loaded,
            lambda text: len(session.tokenize(text)),
        )


@contextlib.contextmanager
def serve_target(workspace: Workspace, subject: Subject, *, slots: int) -> Iterator[Target]:
    """The model of a lock behind `lmpm serve` in a process of its own, run by the same engine.

    Raises EngineError where it does not start.
    """
    place, model = find_locked(workspace, subject.name)
    command = [sys.executable, "-m", "lmpm", "serve", model.name, "--port", "0", "--parallel", str(slots)]
    command += ["--engine", workspace.engine_name] if workspace.engine_name else []
    command += ["--offline"] if workspace.offline else []
    process = subprocess.Popen(
        command, cwd=place.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield Target(
            label="lmpm serve",
            kind="serve",
            base_url=_listening(process),
            model=subject.name,
            sha256=digest_of(subject),
            raw=subject.recipe.raw,
            options=LONG,
        )
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _listening(process: subprocess.Popen[str]) -> str:
    """The base URL that `lmpm serve` prints first."""
    said: list[str] = []
    for line in process.stdout or ():
        if found := re.search(r"http://\S+/v1", line):
            return found[0]
        said.append(line.strip())
    raise EngineError("`lmpm serve` did not start", details=tuple(said[-3:]))


def digest_of(subject: Subject) -> str:
    """The sha256 of the model's first file, as the lock has it; empty for a file of no lock."""
    return (subject.rung.candidate.files[0].sha256 or "") if subject.rung else ""


def other_targets(workspace: Workspace, subject: Subject, against: Sequence[str]) -> list[Target]:
    """What `--against` names: base URLs, runtimes by their names, providers of the manifest. Raises SpecError.

    A provider's key is read from the variable that the manifest names.
    """
    found = []
    for text in against:
        if text.startswith(CLOUD):
            found.append(_provider(workspace, text.removeprefix(CLOUD)))
        else:
            target = parse_url(text, subject.name)
            sha256 = served_digest(target, subject.paths[0].stat().st_size)
            found.append(dataclasses.replace(target, raw=subject.recipe.raw, sha256=sha256))
    return found


def _provider(workspace: Workspace, name: str) -> Target:
    provider, key = require_provider(workspace.project.manifest().providers, name, os.environ)
    return Target(
        label=f"cloud:{name}", kind="cloud", base_url=provider.base_url, model=provider.model, key=key,
        price=provider.price,
    )  # fmt: skip

"""The child process: one job as JSON on stdin, llama.cpp, one answer as JSON on a private stream."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from lmpm.engine import sandbox
from lmpm.engine.llama import Llama, LlamaError, Model, embed, generate, plan
from lmpm.engine.prompts import query_with_document, with_hole
from lmpm.engine.protocol import EngineInfo, EngineReport, Job

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> None:
    """Do the job on stdin and end at once: no destructor of a library has a say."""
    answers = sandbox.private_output()
    values = json.loads(sys.stdin.buffer.readline())
    sandbox.die_with_parent(values.pop("parent"))
    job = Job.decode(values)
    sandbox.limit_memory(
        job.memory_bytes, _size(job.path), lambda: _tell(answers, error={"kind": "memory", "message": ""})
    )
    try:
        _tell(answers, result=_work(job, answers))
    except MemoryError:
        _tell(answers, error={"kind": "memory", "message": ""})
    except Exception as error:  # noqa: BLE001 - every failure is an answer
        kind = getattr(error, "kind", "import" if isinstance(error, ImportError) else "other")
        _tell(answers, error={"kind": kind, "message": f"{error}" or type(error).__name__})
    os._exit(0)


def _work(job: Job, answers: BinaryIO) -> dict[str, Any]:
    _tell(answers, stage="import")
    llama = _library()
    if job.kind == "probe":
        return _probe(llama)
    if job.kind == "plan":
        _tell(answers, stage="load")
        return plan(llama, job.path, job.plan).encode()
    return _run(llama, job, answers)


def _library() -> Llama:
    try:
        return Llama()
    except (OSError, RuntimeError, AttributeError) as error:  # a library that does not load or fit
        raise ImportError(str(error)) from error


def _probe(llama: Llama) -> dict[str, Any]:
    from importlib import metadata  # slow, and of use here alone

    info = EngineInfo(
        python_package=f"llama-cpp-python {metadata.version('llama-cpp-python')}",
        build=llama.build,
        gpu_offload=llama.gpu_offload,
        system_info=llama.system_info,
    )
    return {name: getattr(info, name) for name in EngineInfo.__slots__}


def _run(llama: Llama, job: Job, answers: BinaryIO) -> dict[str, Any]:
    _tell(answers, stage="load")
    start = time.perf_counter()
    model = Model(llama, job.path, job.plan)
    load_s = time.perf_counter() - start
    _tell(answers, stage="run")
    inputs = _inputs(model, job)
    ranked = job.plan.pooling == "rank"
    vectors = embed(model, inputs) if job.plan.embeddings else ()
    generations = () if job.plan.embeddings else generate(model, inputs, job.max_tokens, job.stop)
    report = EngineReport(
        build=llama.build,
        load_s=load_s,
        peak_memory=sandbox.peak_memory(),
        buffers=tuple(llama.buffers),
        generations=generations,
        embeddings=() if ranked else vectors,
        scores=tuple(vector[0] for vector in vectors) if ranked else (),
    )
    return report.encode()


def _inputs(model: Model, job: Job) -> list[Sequence[int]]:
    """The tokens of each text, then those of each pair."""
    inputs: list[Sequence[int]] = [model.tokenize(text) for text in job.texts]
    for first, second in job.pairs:
        if job.plan.pooling == "rank":
            inputs.append(query_with_document(model, first, second))
            continue
        tokens = with_hole(model, first, second)
        if tokens is None:
            raise LlamaError("unsupported", "the file names no tokens for filling in the middle")
        inputs.append(tokens)
    return inputs


def _tell(answers: BinaryIO, **event: object) -> None:
    answers.write(json.dumps(event).encode() + b"\n")
    answers.flush()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size if path else 0  # noqa: PTH116
    except OSError:
        return 0


if __name__ == "__main__":
    main()

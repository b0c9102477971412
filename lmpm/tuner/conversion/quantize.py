"""K-quants, which llama.cpp itself makes: `llama_model_quantize` of llama-cpp-python, in a child process.

`gguf` packs the older types alone. llama.cpp takes another type for a tensor whose rows are no multiple of 256; what
was made is told by the file, not by its name.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from lmpm.errors import EngineError, LmpmError
from lmpm.fs import atomic, disk_errors, printable
from lmpm.gguf import read_file

PACKED: Final = ("Q8_0",)  # what `write_model` writes itself
K_QUANTS: Final = ("Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_M")
QUANTS: Final = (*PACKED, *K_QUANTS)
LOG_CHARS: Final = 2000
TIME_S: Final = 3600.0
_MAIN: Final = """
import sys, llama_cpp
source, target, quant, threads = sys.argv[1:]
told = llama_cpp.llama_model_quantize_default_params()
told.ftype, told.nthread = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{quant}"), int(threads)
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), llama_cpp.ctypes.byref(told)))
"""


def require_quantizer(quant: str) -> None:
    """Raise LmpmError where a quant cannot be made here."""
    if quant in K_QUANTS and importlib.util.find_spec("llama_cpp") is None:
        raise LmpmError(
            f"{quant} is made by llama-cpp-python, which is not installed",
            hint="Install it with `pip install 'lmpm[llama-cpp-python]'`, or leave `--quant` out for Q8_0",
            kind="missing-extra",
        )


def quantize(source: Path, target: Path, quant: str, *, threads: int) -> None:
    """Write a file in F32 with smaller weights, whole or not at all. Raises EngineError and DiskError."""
    part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        with disk_errors(target):
            done = subprocess.run(
                [sys.executable, "-P", "-c", _MAIN, os.fspath(source), os.fspath(part), quant, str(threads)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TIME_S,
                check=False,
            )
            if done.returncode or not part.is_file():
                said = done.stdout.decode("utf-8", "replace")[-LOG_CHARS:]
                raise EngineError(
                    f"llama.cpp cannot make {quant} of `{source.name}`",
                    details=[printable(line) for line in said.splitlines()[-5:]],
                    kind="quantize",
                )
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(target)
            atomic.sync_directory(target.parent)
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"llama.cpp did not make {quant} within an hour", kind="quantize") from error
    finally:
        part.unlink(missing_ok=True)


def types_of(file: Path) -> str:
    """What types the matrices of a file have, the most frequent first: `Q4_K 12, Q6_K 3`."""
    counts = Counter(tensor.type for tensor in read_file(file).tensors if len(tensor.shape) > 1)
    return ", ".join(f"{name} {number}" for name, number in counts.most_common())

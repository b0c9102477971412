"""What of the environment a child process gets: what the system and a GPU's driver need, and nothing of the user's.

Keys of clouds and of CI, tokens and proxies stay with the parent: a process that reads a stranger's file has no
business knowing them. Options of llama.cpp's server stay there, too: they would change what was planned.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES: Final = frozenset(
    """
    COMSPEC HOME LANG LANGUAGE LD_LIBRARY_PATH LOCALAPPDATA PATH PATHEXT PYTHONHOME PYTHONPATH SYSTEMDRIVE SYSTEMROOT
    TEMP TMP TMPDIR TZ USERPROFILE WINDIR
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
PREFIXES: Final = (  # drivers, and libraries for many threads
    "AMD_", "ASAN_", "CUDA_", "DYLD_", "GGML_", "GOMP_", "GPU_", "HIP_", "HSA_", "KMP_", "LC_", "MESA_", "METAL_",
    "MTL_", "NVIDIA_", "OCL_", "OMP_", "ONEAPI_", "ROCR_", "ROCM_", "SYCL_", "VK_", "ZE_", "ZES_",
)  # fmt: skip
# What a driver of a GPU shows itself by on Linux: NVIDIA, AMD, WSL, any.
GPU_DRIVERS: Final = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/dri")
# How long an OpenMP thread spins for the others before it sleeps. libgomp's own 300,000 cost a machine that
# is busy with something else 15 times the speed of llama.cpp; so few cost an idle one nothing that shows.
SPIN_COUNT: Final = "5000"


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a child process, of those in `environment`."""
    taken = {
        name: value for name, value in environment.items() if name.upper() in NAMES or name.upper().startswith(PREFIXES)
    }
    taken["GGML_NO_BACKTRACE"] = "1"  # an abort would otherwise start a debugger on the child
    if "OMP_WAIT_POLICY" not in taken:
        taken.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    root = Path(__file__).resolve().parents[2]
    if root.name not in ("site-packages", "dist-packages"):  # a checkout: the child must find lmpm, too
        taken["PYTHONPATH"] = os.pathsep.join(filter(None, (taken.get("PYTHONPATH"), str(root))))
    return taken


def has_gpu_driver() -> bool:
    """Whether a driver of a GPU is at work on this system: its helpers and shared memory are allowed. Linux only."""
    return any(Path(place).exists() for place in GPU_DRIVERS)

"""What the child process does to itself first: limits, its end with the parent's, a private way out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG: Final = 1
WATCH_S: Final = 0.2


def private_output() -> BinaryIO:
    """The stdout of this process, for answers only: what libraries print there goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def die_with_parent(parent: int) -> None:
    """End this process when the parent ends, whatever ended it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(1)
    else:
        threading.Thread(target=_exit_when_stdin_ends, daemon=True).start()


def _exit_when_stdin_ends() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(1)


def limit_memory(size: int | None, mapped: int, on_excess: Callable[[], None]) -> None:
    """Bound the private memory of this process; `mapped` bytes of files may be resident besides.

    Linux refuses the allocation itself. Elsewhere the resident size is watched and `on_excess` called
    before the process ends; Windows has no watch.
    """
    if sys.platform == "win32":
        return
    import resource  # POSIX only

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not write gigabytes
    if size is None:
        return
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    else:
        threading.Thread(target=_watch, args=(size + mapped, on_excess), daemon=True).start()


def _watch(allowed: int, on_excess: Callable[[], None]) -> None:
    while (peak := peak_memory()) is not None and peak <= allowed:
        time.sleep(WATCH_S)
    if peak is not None:
        on_excess()
        os._exit(1)


def peak_memory() -> int | None:
    """The highest resident size of this process in bytes; None where the system does not say."""
    if sys.platform == "linux":
        # not ru_maxrss: it starts with what the parent had when it forked
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return None
    if sys.platform == "win32":
        return None
    import resource  # POSIX only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

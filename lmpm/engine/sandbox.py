"""What a child process does to itself first: limits, its end with the parent's, a private way out."""

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
STACK_BYTES: Final = 1024 * 1024  # of a thread: what llama.cpp's threads need many times over


def private_output() -> BinaryIO:
    """The stdout of this process, for answers only: what libraries print there goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def die_with_parent(parent: int) -> None:
    """End this process when the thread of the parent that started it ends, whatever ended it. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(1)


def watch_parent(on_line: Callable[[bytes], None] = lambda _: None) -> None:
    """End this process and all that it started when stdin closes: then the parent is gone, or wants it to end.

    `on_line` is given what the parent writes before.
    """
    threading.Thread(target=_watch_stdin, args=(on_line,), daemon=True).start()


def _watch_stdin(on_line: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError):
        pending = b""
        while chunk := os.read(0, 4096):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                on_line(line)
    end_group()


def end_group() -> None:
    """End this process at once, with its group where it leads one: no destructor of a library has a say."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def limit_stacks() -> None:
    """Bound the stacks of threads to come, where the C library lets that be set: each counts as private memory."""
    try:
        system = ctypes.CDLL(None)
        begin, size, take = (
            getattr(system, f"pthread_{name}") for name in ("attr_init", "attr_setstacksize", "setattr_default_np")
        )
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    attributes = ctypes.create_string_buffer(256)  # pthread_attr_t has 56 bytes
    begin(attributes)
    size(attributes, ctypes.c_size_t(STACK_BYTES))
    take(attributes)


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


def peak_memory(pid: int | None = None) -> int | None:
    """The highest resident size of this process, or of another of this user, in bytes; None where nobody says."""
    if sys.platform == "linux":
        # not ru_maxrss: it starts with what the parent had when it forked
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid or 'self'}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None
    if sys.platform == "win32" or pid is not None:
        return None
    import resource  # POSIX only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

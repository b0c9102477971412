"""The outside world of detection: files, commands and the system's calls, each of which may be missing."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

from lmpm.limits import KIB, MIB, PROBE_TIMEOUT_S

if TYPE_CHECKING:
    import subprocess

System = Literal["linux", "darwin", "windows", "other"]

MAX_FILE_BYTES: Final = 4 * MIB  # /proc/cpuinfo of a machine with 1,000 processors has about 1.5 MiB
MAX_OUTPUT_BYTES: Final = 256 * KIB  # of a command; a mad one is cut off
MAX_NAMES: Final = 4096  # of a directory


class Ran(NamedTuple):
    """How a command ended: whether it is there and came to an end, its exit code, and what it printed on stdout."""

    outcome: Literal["ended", "missing", "hung", "failed"]  # `failed`: it could not be started
    output: str = ""
    code: int = 0


class Probes(Protocol):
    """What detection asks of the computer. Every answer is None, or empty, where there is none.

    No method raises, and none takes longer than `limits.PROBE_TIMEOUT_S`.
    """

    @property
    def system(self) -> System:
        """The operating system."""

    @property
    def architecture(self) -> str:
        """The processor's architecture as the system names it: `x86_64`, `arm64`, `AMD64`."""

    def read(self, path: str) -> str | None:
        """The text of a file."""

    def names(self, path: str) -> tuple[str, ...]:
        """The sorted names in a directory."""

    def run(self, *command: str) -> Ran:
        """How a command ends, and what it prints."""

    def environment(self, name: str) -> str | None:
        """A variable of the environment, None where it is not set: an empty one says something, too."""

    def memory(self) -> tuple[int, int | None] | None:
        """Bytes of RAM in all, and available now where it is told, from the operating system's call."""

    def processors(self) -> frozenset[int] | None:
        """The logical processors that this process may use, by number."""

    def processor_name(self) -> str | None:
        """The name of the CPU, where it is neither in a file nor printed by a command (Windows)."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SystemProbes:
    """The computer that lmpm runs on."""

    timeout_s: float = PROBE_TIMEOUT_S

    @property
    def system(self) -> System:
        """The operating system."""
        known: dict[str, System] = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
        return known.get(sys.platform, "other")

    @property
    def architecture(self) -> str:
        """The processor's architecture as the system names it."""
        if sys.platform == "win32":
            import platform

            return platform.machine()
        return os.uname().machine

    def read(self, path: str) -> str | None:
        """The text of a file, cut at `MAX_FILE_BYTES`."""
        try:
            with Path(path).open("rb") as file:
                return file.read(MAX_FILE_BYTES).decode(errors="replace").replace("\0", "")
        except (OSError, ValueError):
            return None

    def names(self, path: str) -> tuple[str, ...]:
        """The sorted names in a directory."""
        try:
            return tuple(sorted(os.listdir(path))[:MAX_NAMES])  # noqa: PTH208  # names are wanted, not paths
        except (OSError, ValueError):
            return ()

    def run(self, *command: str) -> Ran:
        """How a command ends, with what it prints on stdout, cut at `MAX_OUTPUT_BYTES`.

        A driver that hangs may hold its tool in the kernel, where even a kill does not end it: it is killed
        with its children and left behind, never waited for.
        """
        import shutil

        program = shutil.which(command[0])
        if program is None:
            return Ran("missing")
        import subprocess
        from threading import Thread

        try:
            process = subprocess.Popen(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError):
            return Ran("failed")
        printed: list[bytes] = []
        reader = Thread(target=_read_all, args=(process, printed), daemon=True)
        reader.start()
        reader.join(self.timeout_s)
        finished = not reader.is_alive()
        code = _end(process)
        if not finished:
            return Ran("hung")
        return Ran("ended", printed[0].decode(errors="replace") if printed else "", code or 0)

    def environment(self, name: str) -> str | None:
        """A variable of this process's environment."""
        return os.environ.get(name)

    def memory(self) -> tuple[int, int | None] | None:
        """Bytes of RAM in all and available, from `sysconf` or `GlobalMemoryStatusEx`."""
        if sys.platform == "win32":
            return _windows_memory()
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
        except (AttributeError, OSError, ValueError):
            return None

    def processors(self) -> frozenset[int] | None:
        """The logical processors that this process may use."""
        try:
            if sys.platform != "linux":
                return frozenset(range(os.cpu_count() or 0)) or None
            return frozenset(os.sched_getaffinity(0))
        except OSError:
            return None

    def processor_name(self) -> str | None:
        """The name of the CPU from the registry of Windows."""
        if sys.platform != "win32":
            return None
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
                return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
        except OSError:
            return None


def _read_all(process: subprocess.Popen[bytes], printed: list[bytes]) -> None:
    assert process.stdout is not None  # noqa: S101  # it was opened as a pipe
    try:
        printed.append(process.stdout.read(MAX_OUTPUT_BYTES))
        process.stdout.close()
    except (OSError, ValueError):
        return


def _end(process: subprocess.Popen[bytes]) -> int | None:
    """Exit code of a command, which is gone then, with its children; one that cannot be killed is not waited for."""
    import subprocess

    try:
        return process.wait(0.1)  # it has closed its output, so it is about to end
    except subprocess.TimeoutExpired:
        try:
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, 9)
            process.wait(0.1)
        except (OSError, subprocess.TimeoutExpired):
            pass
    return None


def _windows_memory() -> tuple[int, int | None] | None:
    if sys.platform != "win32":
        return None
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "available", "a", "b", "c", "d", "e")),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.total), int(status.available)

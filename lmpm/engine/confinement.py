"""What a child process may not do: reach the network, start programs, write files, look into other processes.

A GGUF file is a stranger's, and what reads it is C++. Two mechanisms of Linux hold it, each of which needs no
privilege and stays for good: Landlock (no writing outside the folders named, no TCP, no look into the parent's
memory or environment) and a filter of system calls (no network, no new process, no shared memory: it would not count
against the limit). Elsewhere there are only the limits of `sandbox`. Runs in the child, before it has threads.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

CAPABILITY_VERSION, CAP_DAC_OVERRIDE = 0x20080522, 1 << 1  # linux/capability.h

# linux/landlock.h; the system calls have the same numbers on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
GET_VERSION, RULE_PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_SOCK = 1 << 0, 1 << 1, 1 << 4, 1 << 5, 1 << 9
MAKE_ANY: Final = sum(1 << bit for bit in range(6, 13))
REFER, TRUNCATE = 1 << 13, 1 << 14  # from versions 2 and 3
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1  # from version 4
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1 << 0, 1 << 1  # from version 6

# linux/audit.h, and the numbers of system calls that the filter names.
ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CALLS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "mmap": 9, "shmget": 29, "shmat": 30, "socket": 41, "connect": 42, "sendto": 44, "socketpair": 53,
        "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "msgget": 68, "ptrace": 101, "mq_open": 240,
        "unshare": 272, "sendmmsg": 307, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
        "memfd_create": 319, "execveat": 322, "io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438,
    },
    "aarch64": {
        "unshare": 97, "ptrace": 117, "mq_open": 180, "msgget": 186, "shmget": 194, "shmat": 196, "socket": 198,
        "socketpair": 199, "connect": 203, "sendto": 206, "clone": 220, "execve": 221, "mmap": 222, "setns": 268,
        "sendmmsg": 269, "process_vm_readv": 270, "process_vm_writev": 271, "memfd_create": 279, "execveat": 281,
        "io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438,
    },
}  # fmt: skip
X32_CALLS: Final = 0x40000000
AF_UNIX, SOCK_STREAM, SOCK_KIND, CLONE_THREAD, MAP_SHARED_ANONYMOUS = 1, 1, 0xF, 0x10000, 0x21


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a child needs all the same.

    `listens` at a UNIX socket; `writable` folders; `starts` a program in its own place, once; a `driver` of a GPU
    may start helpers and share memory with them.
    """

    listens: bool = False
    writable: Sequence[str] = ()
    starts: bool = False
    driver: bool = False


def confine(allowed: Confinement) -> tuple[str, ...]:
    """Give up all else, as far as the system can hold a process; returns the names of what holds it now."""
    if sys.platform != "linux":
        return ()
    system = ctypes.CDLL(None, use_errno=True)
    if system.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return ()
    _drop_capabilities(system)
    held = []
    if (version := _landlock(system, allowed)) is not None:
        held.append(f"Landlock {version}")
    if _filter_calls(system, allowed):
        held.append("seccomp")
    return tuple(held)


def _drop_capabilities(system: ctypes.CDLL) -> None:
    """Of what root may do, keep only that it reads files of others: the rest looks past Landlock."""
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    sets = ctypes.create_string_buffer(24)  # effective, permitted and inheritable, in two halves
    if system.capget(header, sets) == 0:
        kept = [word & CAP_DAC_OVERRIDE for word in struct.unpack("=6I", sets.raw)[:2]]
        system.capset(header, struct.pack("=6I", *kept, 0, 0, 0, 0))


def _landlock(system: ctypes.CDLL, allowed: Confinement) -> int | None:
    version = system.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), GET_VERSION)
    if version < 1:
        return None
    files = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_ANY
    files |= (0 if allowed.starts or allowed.driver else EXECUTE) | (REFER if version > 1 else 0)
    files |= TRUNCATE if version > 2 else 0
    rules = [struct.pack("=Q", files)]
    if version > 3:
        rules.append(struct.pack("=Q", BIND_TCP | CONNECT_TCP))
    if version > 5:
        rules.append(struct.pack("=Q", SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS))
    data = b"".join(rules)
    ruleset = system.syscall(CREATE_RULESET, data, ctypes.c_size_t(len(data)), 0)
    if ruleset < 0:
        return None
    try:
        may_write = files & (WRITE_FILE | TRUNCATE)
        devices = "/dev" if allowed.driver else "/dev/null"  # below it lies shared memory, too
        places = {devices: may_write, **dict.fromkeys(allowed.writable, may_write | MAKE_SOCK | REMOVE_FILE)}
        for folder, rights in places.items():
            place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", rights, place)
            failed = system.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
            os.close(place)
            if failed:
                return None
        return version if system.syscall(RESTRICT_SELF, ruleset, 0) == 0 else None
    finally:
        os.close(ruleset)


def _filter_calls(system: ctypes.CDLL, allowed: Confinement) -> bool:
    machine = platform.machine()
    if machine not in ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    code = program(machine, allowed)
    lines = ctypes.create_string_buffer(code, len(code))
    filters = struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(lines))
    return bool(system.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters, 0, 0) == 0)


def program(machine: str, allowed: Confinement) -> bytes:
    """The filter as the kernel takes it; linux/filter.h, linux/seccomp.h."""
    calls = CALLS[machine]
    filters = _Filter()
    filters.load(4)  # the architecture
    filters.unless_equal(ARCHITECTURES[machine], errno.EPERM)
    filters.load(0)  # the number of the call
    if machine == "x86_64":
        filters.if_at_least(X32_CALLS, errno.EPERM)
    refused = ["ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "io_uring_setup", "sendmmsg"]
    refused += ["unshare", "setns"]
    if not allowed.driver:
        refused += ["connect", "shmget", "shmat", "memfd_create", "msgget", "mq_open", "fork", "vfork", "execveat"]
        refused += [] if allowed.starts else ["execve"]
    if not allowed.listens and not allowed.driver:
        refused += ["socket", "socketpair"]
    for name in refused:
        if name in calls:
            filters.if_equal(calls[name], errno.EPERM)
    if not allowed.driver:
        filters.if_equal(calls["clone3"], errno.ENOSYS)  # glibc then calls clone, whose flags can be seen
        filters.where(calls["clone"], argument=0, mask=CLONE_THREAD, equals=0)
        filters.where(calls["mmap"], argument=3, mask=MAP_SHARED_ANONYMOUS, equals=MAP_SHARED_ANONYMOUS)
    if allowed.listens or allowed.driver:
        filters.where(calls["socket"], argument=0, mask=0xFFFFFFFF, equals=AF_UNIX, unless=True)
        filters.where(calls["socket"], argument=1, mask=SOCK_KIND, equals=SOCK_STREAM, unless=True)
        filters.where(calls["sendto"], argument=4, mask=0xFFFFFFFF, equals=0, unless=True)
    filters.allow()
    return bytes(filters.code)


class _Filter:
    """A program for the kernel's packet filter, which jumps forwards only."""

    LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
    ALLOW, REFUSE = 0x7FFF0000, 0x00050000

    def __init__(self) -> None:
        self.code = bytearray()

    def _put(self, code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        self.code += struct.pack("=HBBI", code, if_true, if_false, value)

    def load(self, offset: int) -> None:
        """Take a word of the description of the call."""
        self._put(self.LOAD, offset)

    def unless_equal(self, value: int, number: int) -> None:
        """Refuse with an error number if the word is another."""
        self._put(self.EQUAL, value, 1, 0)
        self._put(self.RETURN, self.REFUSE | number)

    def if_equal(self, value: int, number: int) -> None:
        """Refuse with an error number if the word is this one."""
        self._put(self.EQUAL, value, 0, 1)
        self._put(self.RETURN, self.REFUSE | number)

    def if_at_least(self, value: int, number: int) -> None:
        """Refuse with an error number if the word is this one or greater."""
        self._put(self.AT_LEAST, value, 0, 1)
        self._put(self.RETURN, self.REFUSE | number)

    def where(self, call: int, *, argument: int, mask: int, equals: int, unless: bool = False) -> None:
        """Refuse a call whose argument has these bits, or `unless` it has them."""
        self._put(self.EQUAL, call, 0, 5)
        self._put(self.LOAD, 16 + 8 * argument)  # the lower half: both architectures are little-endian
        self._put(self.AND, mask)
        self._put(self.EQUAL, equals, 1 if unless else 0, 0 if unless else 1)
        self._put(self.RETURN, self.REFUSE | errno.EPERM)
        self.load(0)

    def allow(self) -> None:
        """Allow what has not been refused."""
        self._put(self.RETURN, self.ALLOW)

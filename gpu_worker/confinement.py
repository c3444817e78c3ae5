"""Takes from this process whatever a decoder does not need: files, the network, programs, other processes.

Plain Python over the kernel's own calls, with nothing imported of ours, because ``media_sandbox`` runs without a path
to our code. What a kernel does not offer is left out and said; every part holds without the others.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from typing import Final

MEMORY_BYTES: Final = 3 * 2**30
PROCESSOR_SECONDS: Final = 120

NAMESPACES, LANDLOCK, SECCOMP = "namespaces", "landlock", "seccomp"

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 15, 22, 38
_SECCOMP_MODE_FILTER = 2
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF, _LANDLOCK_VERSION = 444, 446, 1  # the same on every architecture

_libc = ctypes.CDLL(None, use_errno=True)


def confine() -> list[str]:
    """Confine this process for good. Returns what holds it beside its limits, for the log: nothing outside of Linux.

    What is open stays open and can be read and written. Call it when everything is imported, and with one thread.
    """
    if sys.platform != "linux":
        return []
    set_limits()
    held = []
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0:
        held.append(NAMESPACES)
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return held
    if (version := _restrict_with_landlock()) > 0:
        held.append(f"{LANDLOCK} {version}")
    if _filter_calls():
        held.append(SECCOMP)
    return held


def set_limits() -> None:
    """Bound this process: no file may grow, few may be opened, and memory and time have an end."""
    bounds = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: PROCESSOR_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 32,
    }
    for what, most in bounds.items():
        resource.setrlimit(what, (most, most))


# --- Landlock: no path at all ----------------------------------------------------------------------------------------


def _restrict_with_landlock() -> int:
    """Handle every right that this kernel knows and grant none. Returns Landlock's version; 0 where there is none."""
    version = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION))
    if version < 1:
        return 0
    file_rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    tcp, scopes = (0b11 if version >= 4 else 0), (0b11 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = struct.pack("QQQ", (1 << file_rights) - 1, tcp, scopes)[:size]
    ruleset = _libc.syscall(_LANDLOCK_CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return 0
    is_restricted = _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return version if is_restricted else 0


# --- seccomp: the calls of a decoder, and no other -------------------------------------------------------------------

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_ANSWERS: Final = {
    "read pread64 lseek write close fstat fcntl dup mmap munmap mremap mprotect madvise brk futex rseq set_robust_list"
    " sched_getaffinity sched_yield clock_gettime clock_nanosleep getrandom gettid getpid exit exit_group"
    " rt_sigprocmask rt_sigreturn rt_sigaction sigaltstack": _ALLOW,
    # What Python and libraries try by the way, and can do without.
    "open openat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getcwd": _ERRNO
    | errno.EACCES,
    "ioctl": _ERRNO | errno.ENOTTY,
    "clone3": _ERRNO | errno.ENOSYS,  # glibc falls back to clone, whose flags a filter can see
}
"""Whatever is not named here ends the process."""
_NUMBERS: Final = {
    "x86_64": "read 0 write 1 open 2 close 3 stat 4 fstat 5 lstat 6 lseek 8 mmap 9 mprotect 10 munmap 11 brk 12"
    " rt_sigaction 13 rt_sigprocmask 14 rt_sigreturn 15 ioctl 16 pread64 17 access 21 sched_yield 24 mremap 25"
    " madvise 28 dup 32 getpid 39 clone 56 exit 60 fcntl 72 getcwd 79 readlink 89 sigaltstack 131 prctl 157 gettid 186"
    " futex 202 sched_getaffinity 204 clock_gettime 228 clock_nanosleep 230 exit_group 231 tgkill 234 openat 257"
    " newfstatat 262 readlinkat 267 faccessat 269 set_robust_list 273 getrandom 318 statx 332 rseq 334 clone3 435"
    " faccessat2 439",
    "aarch64": "getcwd 17 dup 23 fcntl 25 ioctl 29 faccessat 48 openat 56 close 57 lseek 62 read 63 write 64 pread64 67"
    " readlinkat 78 newfstatat 79 fstat 80 exit 93 exit_group 94 futex 98 set_robust_list 99 clock_gettime 113"
    " clock_nanosleep 115 sched_getaffinity 123 sched_yield 124 tgkill 131 sigaltstack 132 rt_sigaction 134"
    " rt_sigprocmask 135 rt_sigreturn 139 prctl 167 getpid 172 gettid 178 brk 214 munmap 215 mremap 216 clone 220"
    " mmap 222 mprotect 226 madvise 233 getrandom 278 statx 291 rseq 293 clone3 435 faccessat2 439",
}
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_CLONE_THREAD: Final = 0x00010000
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 4, 16


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter_calls() -> bool:
    machine = platform.machine()
    if machine not in _NUMBERS:
        return False
    code = b"".join(_instructions(machine, os.getpid()))
    program = _Program(len(code) // 8, code)
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _instructions(machine: str, pid: int) -> list[bytes]:
    words = _NUMBERS[machine].split()
    numbers = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    program = [
        _instruction(_LOAD, _ARCHITECTURE_OFFSET),
        _instruction(_JUMP_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER_OFFSET),  # of another call table (x32) equals none of those below
    ]
    for names, answer in _ANSWERS.items():
        for name in set(names.split()) & set(numbers):
            program += [_instruction(_JUMP_EQUAL, numbers[name], 0, 1), _instruction(_RETURN, answer)]
    # Threads, but no processes; names of threads, and nothing else of prctl; signals to itself.
    program += _where_argument(numbers["clone"], _JUMP_SET, _CLONE_THREAD, _KILL)
    program += _where_argument(numbers["prctl"], _JUMP_EQUAL, _PR_SET_NAME, _ERRNO | errno.EPERM)
    program += _where_argument(numbers["tgkill"], _JUMP_EQUAL, pid, _KILL)
    return [*program, _instruction(_RETURN, _KILL)]


def _where_argument(number: int, jump: int, value: int, otherwise: int) -> list[bytes]:
    """Allow the call where its first argument passes the test."""
    return [
        _instruction(_JUMP_EQUAL, number, 0, 4),
        _instruction(_LOAD, _FIRST_ARGUMENT_OFFSET),
        _instruction(jump, value, 0, 1),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, otherwise),
    ]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)

"""Main memory as the system counts it for this process: what it may take, what is free, what it has held."""

from __future__ import annotations

import contextlib
import ctypes
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PROCESS = Path("/proc/self")
GROUPS = Path("/sys/fs/cgroup")
_GROUP_FILES = {
    "": ("memory.max", "memory.current", ("active_file", "inactive_file")),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")),
}
"""By controllers, which version 2 does not name: limit, use, and the lines of ``memory.stat`` that only cache files."""
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
_mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 2**20
_USUAL_BYTES = 32 * 2**20
"""To where glibc lets its threshold grow by itself."""


def total_bytes() -> int:
    """Main memory that this process may use: the host's, or that of its control groups when it is less."""
    return min([psutil.virtual_memory().total, *(limit_bytes for limit_bytes, _ in _groups())])


def free_bytes() -> int:
    """Main memory that this process could still take, what the system only keeps of files included."""
    own = (limit_bytes - used_bytes for limit_bytes, used_bytes in _groups())
    return max(0, min([psutil.virtual_memory().available, *own]))


def give_back_free_blocks() -> None:
    """Let the system have what the allocator keeps of freed memory, where it can be asked to (glibc's can)."""
    if _malloc_trim is not None:
        _malloc_trim(0)


@contextmanager
def large_blocks_given_back() -> Iterator[None]:
    """For the time of the block, what is freed of a large tensor is the system's again at once.

    glibc would keep it for the next, and what is allocated between two keeps apart what could have been joined: reading
    and quantising in turn took more than reading everything first.
    """
    if _mallopt is None:
        yield
        return
    _mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    try:
        yield
    finally:
        _mallopt(_M_MMAP_THRESHOLD, _USUAL_BYTES)
        _mallopt(_M_TRIM_THRESHOLD, 2 * _USUAL_BYTES)


def forget_peak() -> tuple[int, bool]:
    """Begin to watch for the most that this process holds.

    Returns the bytes that it holds now, and whether it is watched anew: Linux forgets its own high-water mark on
    request, but where it refuses, as elsewhere, what was held before counts too.
    """
    is_forgotten = False
    with contextlib.suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")
        is_forgotten = True
    return int(psutil.Process().memory_info().rss), is_forgotten


def peak_bytes() -> int:
    """Most that this process has held since ``forget_peak``, or ever where the system does not count anew."""
    with contextlib.suppress(OSError):
        if match := re.search(r"VmHWM:\s+(\d+) kB", (PROCESS / "status").read_text()):
            return int(match[1]) * 1024
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes


def _groups() -> Iterator[tuple[int, int]]:
    """Limit and use in bytes of each control group that this process counts in and that has a limit."""
    try:
        memberships = (PROCESS / "cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for membership in memberships:
        _, controllers, path = membership.split(":", 2)
        if controllers in _GROUP_FILES:
            mount = GROUPS / controllers
            own = mount / path.lstrip("/")
            for group in (own, *own.parents):
                if group.is_relative_to(mount) and (figures := _figures(group, *_GROUP_FILES[controllers])):
                    yield figures


def _figures(group: Path, limit_file: str, use_file: str, cached_lines: tuple[str, ...]) -> tuple[int, int] | None:
    """None for a group without a limit ("max"), and for one that a container does not see."""
    try:
        limit_bytes, used_bytes = (int((group / name).read_text()) for name in (limit_file, use_file))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return limit_bytes, used_bytes - sum(int(stat.get(line, 0)) for line in cached_lines)
    except (OSError, ValueError):
        return None

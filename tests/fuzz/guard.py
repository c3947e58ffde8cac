"""What is watched while a case runs: time, memory, files."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

BUDGET = 200_000_000
"""Bytes that fgc may take for data and tables."""

ROWS = 10_000_000
"""Rows that one expression may be worked out at."""

SLACK = 150_000_000
"""Bytes beside the budget: the text, its tree, Python's own objects."""


class TooSlow(BaseException):
    """The time is over. Not an Exception, so that nothing under test catches it."""


@dataclass
class Spent:
    """What a case took: seconds of the processor, bytes above those at its start, files."""

    seconds: float = 0.0
    memory: int = 0
    touched: tuple[str, ...] = ()


_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = frozenset(
    "os.remove os.rename os.rmdir os.mkdir os.symlink os.link os.chmod os.chown os.truncate "
    "os.utime os.setxattr".split()
)
_RUNS = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.", "pty.")

_watching: list[str] | None = None
_allowed: tuple[str, ...] = ()
_readable: tuple[str, ...] = ()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is None:
        return
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, str | bytes | os.PathLike):
            return
        name = os.path.realpath(os.fsdecode(path))
        inside = _allowed if flags & _WRITES else (*_allowed, *_readable)
    elif event in _CHANGES:
        name, inside = os.fsdecode(arguments[0]), _allowed
        if isinstance(arguments[-1], int) and arguments[-1] >= 0 and not os.path.isabs(name):
            name = os.path.join(f"/proc/self/fd/{arguments[-1]}", name)  # within an open folder
        name = os.path.realpath(name)
    elif event.startswith(_RUNS):
        _watching.append(f"{event} {arguments!r:.100}")
        return
    else:
        return
    if not any(name == p or name.startswith(p + os.sep) for p in inside):
        _watching.append(f"{event} {name}")


def install(folder: Path, root: Path) -> None:
    """Watch this process from now on.

    Parameters
    ----------
    folder : where cases may write.
    root : of the project, which they may read.
    """
    global _allowed, _readable
    from factorgraph import budget, cache

    _allowed = tuple(os.path.realpath(p) for p in (folder, cache.folder(), os.devnull))
    _readable = tuple(
        os.path.realpath(p)
        for p in (root, sys.prefix, sys.base_prefix, "/usr/lib", "/proc", "/sys", "/usr/share")
    )
    sys.addaudithook(_hook)
    budget.set_limit(BUDGET)
    budget.set_rows(ROWS)
    signal.signal(signal.SIGPROF, _over)


def limit_memory(more: int = 1_500_000_000) -> None:
    """Let the system refuse this process memory beyond what it has and some more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def interrupt_after(seconds: float) -> None:
    """End the case that is at work after so many seconds of the processor."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _over(signal_: int, frame: FrameType | None) -> None:
    raise TooSlow


@contextlib.contextmanager
def watch(seconds: float) -> Iterator[Spent]:
    """Watch a case; what it took is known afterwards.

    Raises
    ------
    TooSlow : it takes longer than ``seconds`` of the processor.
    """
    global _watching
    spent = Spent()
    held = _reset_peak()
    _watching = []
    start = time.process_time()
    interrupt_after(seconds)
    try:
        yield spent
    finally:
        interrupt_after(0)
        spent.seconds = time.process_time() - start
        spent.touched, _watching = tuple(_watching), None
        spent.memory = max(0, _status("VmHWM") - held)


def _reset_peak() -> int:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _status("VmRSS")


def _status(key: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0

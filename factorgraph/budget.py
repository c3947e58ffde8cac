"""Memory and work are estimated and refused before they are taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from factorgraph.errors import BudgetError, UsageError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_limit: int | None = None

ROWS = 2**40
"""Rows that one expression may be worked out at; more take days."""

_rows: int | None = None

APART = 1 << 22
"""Bytes from which on an array is kept apart."""
_APART_FROM, _KEEP, _HEAPS = -3, -1, -8
"""Options of glibc: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX."""


def parse_bytes(text: str) -> int:
    """Return the bytes that ``500M`` or ``2.5G`` or ``1000000`` stand for."""
    stripped = text.strip().lower().removesuffix("b")
    number, unit = (stripped[:-1], stripped[-1:]) if stripped[-1:].isalpha() else (stripped, "")
    try:
        value = float(number) * _UNITS[unit]
        if not 0 < value < 2**62:
            raise ValueError(value)
        return int(value)
    except (KeyError, ValueError):
        raise UsageError(
            f"not an amount of memory: {text!r}", code="E0910", hint="say 500M or 2G"
        ) from None


@cache
def default_limit() -> int:
    """Return three quarters of the memory that this process may have, or 4 GB where that cannot
    be told."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 4 * 10**9
    return int(0.75 * min([there, *_limits()]))


def _limits() -> Iterator[int]:
    """Yield what a container and the shell's ``ulimit -v`` allow."""
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            yield int(file.read())
    except (OSError, ValueError):  # no container, or "max"
        pass
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:
        return
    soft, _ = getrlimit(RLIMIT_AS)
    if soft != RLIM_INFINITY:
        yield soft


def limit() -> int:
    """Return the budget in bytes."""
    return _limit if _limit is not None else default_limit()


def set_limit(size: int | None) -> None:
    """Set the budget of this process in bytes; None returns to the default."""
    global _limit
    _limit = size


def human(size: float) -> str:
    """Return ``size`` bytes as a short text."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


def require(size: int, what: str) -> None:
    """Raise BudgetError if ``what`` would take more than the budget.

    Parameters
    ----------
    size : bytes that would be allocated.
    what : what for, as a noun phrase that names the user's own term.
    """
    if size > limit():
        raise BudgetError(
            f"{what} would take {human(size)}, over the budget of {human(limit())}",
            code="E0900",
            hint="raise it with --budget-memory, or make the problem smaller",
        )


def give_back() -> None:
    """Give memory that was freed back to the system, where the C library keeps it (glibc does)."""
    from ctypes import CDLL

    with suppress(AttributeError, OSError, TypeError):
        CDLL(None).malloc_trim(0)


def keep_large_apart() -> None:
    """Let the C library keep large arrays apart, so that each goes back to the system once freed.

    By itself glibc keeps arrays of up to 32 MB in heaps, one a thread, where those that stay hold
    the room of those that went. Other libraries are left as they are.
    """
    from ctypes import CDLL

    with suppress(AttributeError, OSError, TypeError):
        library = CDLL(None)
        for option, value in ((_APART_FROM, APART), (_KEEP, 8 * APART), (_HEAPS, 1)):
            library.mallopt(option, value)


def set_rows(count: int | None) -> None:
    """Set how many rows one expression may be worked out at; None returns to the default."""
    global _rows
    _rows = count


def require_rows(count: float, what: str) -> None:
    """Raise BudgetError if an expression would be worked out at too many rows.

    Parameters
    ----------
    count : of rows, all instances together.
    what : the statement, as a noun phrase.
    """
    most = ROWS if _rows is None else _rows
    if count > most:
        raise BudgetError(
            f"{what} would be worked out at {count:.2g} rows, more than {most:.2g}",
            code="E0900",
            hint="shorten the ranges that its indices run over",
        )

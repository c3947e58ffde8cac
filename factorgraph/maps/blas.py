"""numpy's BLAS held to one thread: shards are worked on by threads already.

Threads of BLAS beside those of the shards slow both down (measured: up to 15 times), and a
product may depend on their number to the last bit.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

_NAMES = ("scipy_openblas{}64_", "scipy_openblas{}", "openblas{}64_", "openblas{}")
_lock = threading.Lock()
_inside = 0
_before = 1


@cache
def _functions() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return what tells and sets the number of threads, None for a BLAS that is not OpenBLAS."""
    try:
        found = import_module("numpy._core._multiarray_umath").__file__
        library = ctypes.CDLL(found)
    except (ImportError, OSError):
        return None
    for name in _NAMES:
        try:
            get = getattr(library, name.format("_get_num_threads"))
            put = getattr(library, name.format("_set_num_threads"))
        except AttributeError:
            continue
        get.restype, get.argtypes = ctypes.c_int, []
        put.restype, put.argtypes = None, [ctypes.c_int]
        return get, put
    return None


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread in this process; the last to leave sets it back."""
    global _inside, _before
    functions = _functions()
    if functions is None:
        yield
        return
    get, put = functions
    with _lock:
        if not _inside:
            _before = get()
            put(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                put(_before)

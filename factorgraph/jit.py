"""The one way to machine code: Numba without the interpreter lock, cached in our own folder.

Numba's file cache does not notice that a callee in another file has changed, so the cache is
keyed by a hash of every source that holds kernels. Numba's own configuration is left as it was
found: other users of Numba in the process keep theirs. It is loaded when the first kernel runs,
which takes longer than a tiny graph: where something is asked once, and is so small that the
interpreter is done with it sooner than a compiler, kernels are left to the interpreter.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, update_wrapper
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any, overload

import numpy as np

from factorgraph import cache as folders
from factorgraph import process

Function = Callable[..., Any]
LIGHT = 30_000
"""Steps that the interpreter is let do: some ten milliseconds."""
_lock = RLock()
_once: ContextVar[bool] = ContextVar("once", default=False)
_interpreted: ContextVar[bool] = ContextVar("interpreted", default=False)


@contextmanager
def once() -> Iterator[None]:
    """Say that what is asked in here is asked once: machine code is worth its time if much is."""
    token = _once.set(True)
    try:
        yield
    finally:
        _once.reset(token)


@contextmanager
def sized(steps: float) -> Iterator[None]:
    """Say how many steps kernels take in here, at most; few are left to the interpreter.

    Only what is asked `once` is; and results may differ in the last bits from machine code's.
    """
    light = _once.get() and steps <= LIGHT
    token = _interpreted.set(light)
    try:
        with np.errstate(all="ignore") if light else nullcontext():
            yield
    finally:
        _interpreted.reset(token)


@cache
def _numba() -> Any:
    """Load Numba; where nobody else uses it, without SciPy's linear algebra: no kernel needs that,
    and it takes longer to load than all the rest."""
    import numba

    blas = "scipy.linalg.cython_blas"
    if process.is_ours() and blas not in sys.modules:
        sys.modules[blas] = None  # type: ignore[assignment]
        try:
            import numba.np.arraymath
        finally:
            del sys.modules[blas]
    return numba


@cache
def kernel_hash() -> str:
    """Return a hash of all kernel sources and of Numba's version."""
    numba = _numba()
    root = Path(__file__).parent
    digest = hashlib.sha256(f"numba {numba.__version__}\n".encode())
    rooms = (root.glob(f"{name}/*.py") for name in ("engine", "factors"))
    sources = [*chain(*rooms), Path(__file__)]
    sources += [root / "learn" / name for name in ("ascent.py", "vectors.py")]
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


class Kernel:
    """A function of arrays and numbers that is machine code from its first call on."""

    def __init__(self, function: Function, options: dict[str, Any]) -> None:
        self.py_func, self.options = function, options
        self._dispatcher: Any = None
        update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        if _interpreted.get():
            return self.py_func(*args)
        return self.dispatcher(*args)

    @property
    def dispatcher(self) -> Any:
        """What Numba makes of it."""
        if self._dispatcher is None:
            with _lock:
                self._dispatcher = self._dispatcher or self._made()
        return self._dispatcher

    def _made(self) -> Any:
        numba = _numba()
        options = {"nogil": True, "cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folders.subfolder("machine") / kernel_hash())
        try:
            return numba.njit(**{**options, **self.options})(self.py_func)
        finally:
            numba.config.CACHE_DIR = before

    @property
    def _numba_type_(self) -> Any:
        """The type that kernels see which call this one."""
        return self.dispatcher._numba_type_


@overload
def kernel(function: Function) -> Kernel: ...
@overload
def kernel(**options: Any) -> Callable[[Function], Kernel]: ...
def kernel(function: Function | None = None, **options: Any) -> Any:
    """Decorate a function of arrays and numbers: compiled on first use, cached, ``nogil``.

    Parameters
    ----------
    options : passed to ``numba.njit``, e.g. ``fastmath={"reassoc", "contract"}`` where no
        infinity can occur.
    """

    if function is None:
        return lambda function: Kernel(function, options)
    return Kernel(function, options)

"""The one way to machine code: Numba without the interpreter lock, cached in our own folder.

Numba's file cache does not notice that a callee in another file has changed, so the cache is
keyed by a hash of every source that holds kernels. Numba's own configuration is left as it was
found: other users of Numba in the process keep theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, overload

import numba

from factorgraph import cache as folders

Function = Callable[..., Any]


@cache
def kernel_hash() -> str:
    """Return a hash of all kernel sources and of Numba's version."""
    root = Path(__file__).parent
    digest = hashlib.sha256(f"numba {numba.__version__}\n".encode())
    rooms = (root.glob(f"{name}/*.py") for name in ("engine", "factors"))
    sources = [*chain(*rooms), Path(__file__)]
    sources += [root / "learn" / name for name in ("ascent.py", "vectors.py")]
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@overload
def kernel(function: Function) -> Function: ...
@overload
def kernel(**options: Any) -> Callable[[Function], Function]: ...
def kernel(function: Function | None = None, **options: Any) -> Any:
    """Decorate a function of arrays and numbers: compiled on first use, cached, ``nogil``.

    Parameters
    ----------
    options : passed to ``numba.njit``, e.g. ``fastmath={"reassoc", "contract"}`` where no
        infinity can occur.
    """

    def decorate(function: Function) -> Function:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folders.subfolder("machine") / kernel_hash())
        try:
            return numba.njit(  # type: ignore[no-any-return]
                nogil=True, cache=True, error_model="numpy", **options
            )(function)
        finally:
            numba.config.CACHE_DIR = before

    return decorate(function) if function is not None else decorate

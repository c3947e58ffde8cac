"""The graphics processor, reached through Numba: whether there is one, and what fits on it.

Nothing here is imported before a device is asked for. `numba.cuda` is that of the package
numba-cuda where it is installed, else the one that Numba has of its own; with NUMBA_ENABLE_CUDASIM
set before Numba is imported, both run kernels in Python, which is slow and needs no device.
"""

from __future__ import annotations

import warnings
from typing import Any

from factorgraph.budget import human
from factorgraph.errors import BudgetError, UsageError

HINT = "pip install 'fgc[cuda]'"


def device() -> Any:
    """Return the module `numba.cuda`, with a device that it can use.

    Raises
    ------
    UsageError : E0915, the package is not there; E0918, there is no device, or no driver.
    """
    try:
        from numba import cuda
        from numba.core.config import ENABLE_CUDASIM
    except ImportError:
        raise UsageError("`device = cuda` needs numba-cuda", code="E0915", hint=HINT) from None
    if ENABLE_CUDASIM or cuda.is_available():
        # A small graph keeps a large device waiting, and nobody can do anything about that.
        warnings.filterwarnings("ignore", "Grid size .* under-utilization")
        return cuda
    raise UsageError(
        "`device = cuda`: no CUDA device was found",
        code="E0918",
        hint=f"it needs one by NVIDIA with its driver, and {HINT}; `device = cpu` needs neither",
    )


def free_memory(cuda: Any) -> float:
    """Return the bytes of the device that are free; +inf in a simulation."""
    return float(cuda.current_context().get_memory_info()[0])


def require(cuda: Any, size: int, what: str) -> None:
    """Raise BudgetError if ``what`` would take more than is free on the device.

    Parameters
    ----------
    size : bytes that would be allocated there.
    """
    free = free_memory(cuda)
    if size > free:
        raise BudgetError(
            f"{what} would take {human(size)} of the device, where {human(free)} are free",
            code="E0900",
            hint="`device = cpu` takes the memory of the host",
        )

"""The optimiser's state between two iterations: all that is needed to go on to the bit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import RunError

Floats = NDArray[np.float64]

RUNNING = "running"
LONG = 1 << 16
"""From so many weights on the history is kept in single precision, for half of the memory and of
the time to read it: it shapes directions alone, and all products are those of what is kept."""


def history_type(n: int) -> type[np.float32] | type[np.float64]:
    """Return what the differences of ``n`` weights are kept as."""
    return np.float32 if n >= LONG else np.float64


@dataclass(slots=True)
class LBFGSState:
    """Everything that the optimiser needs to go on; a step changes it in place.

    Parameters
    ----------
    x : [n], the weights.
    value : the objective with the l1 penalty, if any.
    gradient : [n], of the smooth part.
    S, Y : [memory, n], differences of weights and of gradients, a ring; rows below ``count``;
        as `history_type` says.
    products : [2 memory, memory + 1], inner products of the rows of S, then Y, with the rows of Y
        and, last, with the (pseudo-)gradient.
    position : the row of the ring that the next pair goes to.
    count : pairs held.
    iteration, evaluations : done since the start.
    step : the last step length, in units of the direction.
    norm : the length of the (pseudo-)gradient.
    lowest, least_norm, stalls : the best value and norm so far, and for how many iterations
        neither has fallen.
    status : ``running``, or how it ended: ``converged: ...``, ``not converged: ...``,
        ``stopped: ...`` or ``stopped by the caller, ...``.
    """

    x: Floats
    value: float
    gradient: Floats
    S: NDArray[np.floating[Any]]
    Y: NDArray[np.floating[Any]]
    products: Floats
    position: int = 0
    count: int = 0
    iteration: int = 0
    evaluations: int = 0
    step: float = 0.0
    norm: float = math.inf
    lowest: float = math.inf
    least_norm: float = math.inf
    stalls: int = 0
    status: str = RUNNING

    @property
    def converged(self) -> bool:
        """Whether the gradient norm is within the tolerance."""
        return self.status.startswith("converged")

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status != RUNNING

    @property
    def rho(self) -> Floats:
        """[count], one over the curvature s.y of each pair."""
        return 1.0 / np.diagonal(self.products)[: self.count]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as plain numeric arrays, ready for ``np.savez``.

        Returns
        -------
        Arrays by field name. x, gradient, S, Y and products are views, valid until the next step.
        """
        out: dict[str, NDArray[np.generic]] = {
            "x": self.x,
            "gradient": self.gradient,
            "S": self.S[: self.count],
            "Y": self.Y[: self.count],
            "products": self.products,
            "status": np.frombuffer(self.status.encode(), np.uint8),
        }
        out |= {name: np.array(getattr(self, name), np.int64) for name in _INTEGERS}
        out |= {name: np.array(getattr(self, name), np.float64) for name in _REALS}
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> LBFGSState:
        """Return the state that `arrays` stored; the arrays are copied.

        Parameters
        ----------
        arrays : arrays by field name.

        Returns
        -------
        The state. To go on from it is bit for bit the same as not to have stopped.

        Raises
        ------
        RunError : a field is missing, of the wrong type or shape, or impossible.
        """
        x = _floats(arrays, "x", (None,))
        n = x.shape[0]
        products = _floats(arrays, "products", (None, None))
        memory = products.shape[1] - 1
        if memory < 1 or products.shape[0] != 2 * memory:
            raise _damaged("products", f"has the impossible shape {list(products.shape)}")
        integers = {name: int(_field(arrays, name, np.int64, ())) for name in _INTEGERS}
        reals = {name: float(_field(arrays, name, np.float64, ())) for name in _REALS}
        for name, integer in integers.items():
            most = {"position": memory - 1, "count": memory}.get(name, integer)
            if not 0 <= integer <= most:
                raise _damaged(name, f"has the impossible value {integer}")
        for name in ("value", "norm", "lowest", "least_norm", "step"):
            if not math.isfinite(reals[name]):
                raise _damaged(name, "is not finite")
        count = integers["count"]
        if count < memory and integers["position"] != count:
            raise _damaged("position", f"is {integers['position']} where {count} was expected")
        history = []
        for name in ("S", "Y"):
            rows = np.zeros((memory, n), history_type(n))
            rows[:count] = _floats(arrays, name, (count, n), history_type(n))
            history.append(rows)
        if not np.all(np.diagonal(products)[:count] > 0):
            raise _damaged("products", "has a pair without positive curvature")
        status = _field(arrays, "status", np.uint8, (None,)).tobytes()
        if not status.isascii():
            raise _damaged("status", "is not a text")
        return cls(
            x=x,
            value=reals["value"],
            gradient=_floats(arrays, "gradient", (n,)),
            S=history[0],
            Y=history[1],
            products=products,
            step=reals["step"],
            norm=reals["norm"],
            lowest=reals["lowest"],
            least_norm=reals["least_norm"],
            status=status.decode("ascii"),
            **integers,
        )


_INTEGERS = ("position", "count", "iteration", "evaluations", "stalls")
_REALS = ("value", "step", "norm", "lowest", "least_norm")
SCALARS = (*_INTEGERS, *_REALS)
"""Fields that are one number."""


def _field(
    arrays: Mapping[str, NDArray[np.generic]],
    name: str,
    dtype: type[np.generic],
    shape: tuple[int | None, ...],
) -> NDArray[np.generic]:
    """Return one array of a stored state after a check of its type and shape."""
    if name not in arrays:
        raise _damaged(name, "is missing")
    found = np.asarray(arrays[name])
    if found.dtype != dtype:
        raise _damaged(name, f"is of type {found.dtype}, expected {np.dtype(dtype)}")
    sizes = zip(found.shape, shape, strict=False)
    if found.ndim != len(shape) or any(b is not None and a != b for a, b in sizes):
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise _damaged(name, f"has shape {list(found.shape)}, expected [{expected}]")
    return found


def _floats(
    arrays: Mapping[str, NDArray[np.generic]],
    name: str,
    shape: tuple[int | None, ...],
    dtype: type[np.float32] | type[np.float64] = np.float64,
) -> NDArray[Any]:
    """Return a copy of one array of a stored state, all finite."""
    found: NDArray[Any] = np.array(_field(arrays, name, dtype, shape), dtype, order="C")
    if not np.isfinite(found).all():
        raise _damaged(name, "has a value that is not finite")
    return found


def _damaged(name: str, why: str) -> RunError:
    return RunError(f"the optimiser's state is damaged: `{name}` {why}", code="E0803")

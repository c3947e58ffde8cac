"""A factor graph built in Python from tables and from kinds of factors by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph.errors import UsageError, some
from factorgraph.factors.registry import kind_of
from factorgraph.graph import builder
from factorgraph.graph.structure import Energies, Ints, Offsets

Scopes = NDArray[np.integer] | Sequence[int] | Sequence[Sequence[int]]
"""Variable numbers of one factor, or those of many: [n, arity], or rows of any lengths."""


class FactorGraph(builder.FactorGraph):
    """A factor graph of one instance, built up variable by variable and factor by factor.

    Every method that adds factors takes one scope or many: a list of variables is one factor, an
    array [n, arity] or a list of lists one factor each, and then numbers may be one for all or an
    array with one for each.

    Examples
    --------
    >>> g = FactorGraph()
    >>> a, b, c = g.variables("x", 3, 2)
    >>> g.factor([a], [0.0, 1.0], name="bias")
    >>> g.parity([a, b, c], odd=True)
    >>> g.potts([[a, b], [b, c]], differ=[1.0, 2.0])
    >>> graph = g.build()
    """

    def kind(
        self,
        kind: str,
        scopes: Scopes,
        numbers: ArrayLike = (),
        number_index: ArrayLike | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """Add one or many factors of a kind that is known by name.

        Parameters
        ----------
        numbers : float64 [width] or [d, width], distinct rows of numbers.
        number_index : int [n], which row each factor reads; None where d is 1 (all read it) or n
            (each reads its own).
        name : for messages; the kind's if None.

        Raises
        ------
        UsageError : there is no such kind, or scopes or numbers do not fit it.
        """
        named = kind if name is None else name
        arity, scope = _rows(scopes, named)
        rows = np.array(numbers, np.float64)
        rows = rows.reshape(1, -1) if rows.ndim < 2 else rows
        n = len(arity)
        if number_index is not None:
            index = np.asarray(number_index)
            if index.shape != (n,) or index.dtype.kind not in "iu":
                raise UsageError(
                    f"factor `{named}`: number_index is not of {some(n, 'integer')}", code="E0921"
                )
            if n and (index.min() < 0 or index.max() >= len(rows)):
                raise UsageError(
                    f"factor `{named}`: a factor reads numbers that are not there", code="E0503"
                )
        elif len(rows) in (1, n):
            index = np.arange(n) if len(rows) == n else np.zeros(n)
        else:
            raise UsageError(
                f"factor `{named}`: {some(len(rows), 'row')} of numbers for {some(n, 'factor')}",
                code="E0921",
            )
        self._check_scopes(named, arity, scope)
        self._fits(kind, named, arity, scope, index.astype(np.int64), rows)
        self._gather(named, kind, arity, scope, index.astype(np.int32), rows)

    def _fits(
        self,
        kind: str,
        name: str,
        arity: Offsets,
        scope: Ints,
        index: Offsets,
        numbers: Energies,
    ) -> None:
        """Check the numbers of all factors whose variables have equal cards at once."""
        known = kind_of(kind)
        start = np.concatenate(([0], np.cumsum(arity)))
        try:
            for n in np.unique(arity).tolist():
                rows = np.flatnonzero(arity == n)
                cards = self._states(scope[start[rows][:, None] + np.arange(n)])
                distinct, which = np.unique(cards, axis=0, return_inverse=True)
                for d, own in enumerate(distinct.tolist()):
                    read = np.unique(index[rows[which.reshape(-1) == d]])
                    known.check(tuple(own), numbers[read])
        except UsageError as error:
            raise UsageError(
                f"factor `{name}`: {error.message}", code=error.code, hint=error.hint
            ) from None

    # -- pairs

    def potts(
        self,
        scopes: Scopes,
        differ: ArrayLike = 1.0,
        equal: ArrayLike = 0.0,
        *,
        name: str = "potts",
    ) -> None:
        """Add energy ``differ`` where two variables have different states, else ``equal``."""
        self.kind("potts", scopes, _columns(equal, differ), name=name)

    def truncated_linear(
        self,
        scopes: Scopes,
        slope: ArrayLike = 1.0,
        cap: ArrayLike = np.inf,
        scale: ArrayLike = 1.0,
        *,
        name: str = "truncated",
    ) -> None:
        """Add scale * min(slope * |a - b|, cap) of the states of two variables."""
        self.kind("truncated", scopes, _columns(scale, slope, cap, 1.0), name=name)

    def truncated_quadratic(
        self,
        scopes: Scopes,
        slope: ArrayLike = 1.0,
        cap: ArrayLike = np.inf,
        scale: ArrayLike = 1.0,
        *,
        name: str = "truncated",
    ) -> None:
        """Add scale * min(slope * (a - b)^2, cap) of the states of two variables."""
        self.kind("truncated", scopes, _columns(scale, slope, cap, 2.0), name=name)

    def label_potts(
        self, scopes: Scopes, equal: ArrayLike, differ: ArrayLike = 0.0, *, name: str = "potts"
    ) -> None:
        """Add energy ``equal[k]`` where two variables both have state k, else ``differ``.

        Parameters
        ----------
        equal : float64 [K] or [n, K].
        """
        own = np.array(equal, np.float64)
        own = own.reshape(1, -1) if own.ndim < 2 else own
        last = np.atleast_1d(np.asarray(differ, np.float64))[:, None]
        rows = max(len(own), len(last))
        parts = [np.broadcast_to(x, (rows, x.shape[1])) for x in (own, last)]
        self.kind("label_potts", scopes, np.concatenate(parts, axis=1), name=name)

    def convex(
        self,
        scopes: Scopes,
        function: Callable[[NDArray[np.int64]], ArrayLike],
        *,
        name: str = "convex",
    ) -> None:
        """Add a convex function of the difference of two states.

        Parameters
        ----------
        function : of whole numbers int64 [m]; energies, +inf outside an interval.

        Raises
        ------
        UsageError : it is not convex, saying where.
        """
        arity, scope = _rows(scopes, name)
        if (arity != 2).any():
            raise UsageError(f"factor `{name}`: a difference is one of two states", code="E0504")
        self._check_scopes(name, arity, scope)
        pairs = scope.reshape(-1, 2)
        cards = self._states(pairs)
        for a, b in np.unique(cards, axis=0).tolist():
            energies = np.asarray(function(np.arange(-(b - 1), a)), np.float64)
            if energies.shape != (a + b - 1,):
                raise UsageError(
                    f"factor `{name}`: the function gives {energies.shape}, not {a + b - 1}"
                    " energies",
                    code="E0921",
                )
            own = pairs[(cards == (a, b)).all(axis=1)]
            self.kind("convex", own, np.concatenate(([b - 1.0], energies)), name=name)

    def bilinear(
        self, left: ArrayLike, right: ArrayLike, weight: ArrayLike, *, name: str = "bilinear"
    ) -> None:
        """Add u' W v of two arrays of bits, as one matrix.

        Parameters
        ----------
        weight : float64 [bits of left, bits of right].
        """
        u, v = (np.asarray(x).reshape(-1) for x in (left, right))
        matrix = np.asarray(weight, np.float64)
        if matrix.shape != (len(u), len(v)):
            raise UsageError(
                f"factor `{name}`: a matrix of shape {matrix.shape} for {len(u)} and {len(v)} bits",
                code="E0921",
            )
        numbers = np.concatenate(([float(len(u))], matrix.reshape(-1)))
        self.kind("bilinear", np.concatenate([u, v]), numbers, name=name)

    # -- bits

    def parity(self, scopes: Scopes, odd: ArrayLike = False, *, name: str = "parity") -> None:
        """Demand that an even number of bits be 1, or an odd number where ``odd``."""
        self.kind("parity", scopes, _columns(np.asarray(odd, np.float64)), name=name)

    def exactly_one(self, scopes: Scopes, *, name: str = "exactly_one") -> None:
        """Demand that exactly one bit be 1."""
        self.kind("exactly_one", scopes, name=name)

    def at_most_one(self, scopes: Scopes, *, name: str = "at_most_one") -> None:
        """Demand that at most one bit be 1."""
        self.kind("at_most_one", scopes, name=name)

    def at_least_one(self, scopes: Scopes, *, name: str = "at_least_one") -> None:
        """Demand that at least one bit be 1."""
        self.kind("at_least_one", scopes, name=name)

    def logical_or(
        self, inputs: Scopes, output: int | ArrayLike, *, name: str = "logical_or"
    ) -> None:
        """Demand that a bit be 1 where any of some bits is; for many, one output each."""
        self.kind("logical_or", _followed(inputs, output, name), name=name)

    def logical_and(
        self, inputs: Scopes, output: int | ArrayLike, *, name: str = "logical_and"
    ) -> None:
        """Demand that a bit be 1 where all of some bits are; for many, one output each."""
        self.kind("logical_and", _followed(inputs, output, name), name=name)

    def cardinality(
        self, scopes: Scopes, energies: ArrayLike, *, name: str = "cardinality"
    ) -> None:
        """Add the energy of how many bits are 1: that of 0, of 1, …, of all.

        Parameters
        ----------
        energies : float64 [arity + 1] or [n, arity + 1].
        """
        self.kind("cardinality", scopes, energies, name=name)

    def knapsack(
        self,
        scopes: Scopes,
        weights: ArrayLike,
        most: float = np.inf,
        least: float = 0.0,
        *,
        name: str = "knapsack",
    ) -> None:
        """Demand that the weights of bits that are 1 add up to no more than ``most``.

        Parameters
        ----------
        weights : whole numbers [arity] or [n, arity], at least 0.
        least : what they add up to at least.
        """
        own = np.array(weights, np.float64)
        own = own.reshape(1, -1) if own.ndim < 2 else own
        ends = np.broadcast_to(np.array([least, most]), (len(own), 2))
        self.kind("knapsack", scopes, np.concatenate([own, ends], axis=1), name=name)

    # -- states

    def pn_potts(
        self,
        scopes: Scopes,
        same: ArrayLike,
        most: float,
        theta: float = np.inf,
        *,
        name: str = "pn_potts",
    ) -> None:
        """Add min(most, same[k] + theta * how many variables are not k), over states k.

        Parameters
        ----------
        same : float64 [K], the energy where all have state k.
        """
        own = np.concatenate((np.asarray(same, np.float64).reshape(-1), [most, theta]))
        self.kind("pn_potts", scopes, own, name=name)

    def pattern(
        self,
        scopes: Scopes,
        patterns: ArrayLike,
        energies: ArrayLike,
        default: float = 0.0,
        *,
        name: str = "pattern",
    ) -> None:
        """Add an energy where the states are among some that are listed, else ``default``.

        Parameters
        ----------
        patterns : states [P, arity], all different.
        energies : one for all, or float64 [P].
        """
        arity, _ = _rows(scopes, name)
        listed = np.asarray(patterns)
        if listed.size == 0:
            listed = np.zeros((0, int(arity.max(initial=0))), np.int64)
        if listed.ndim != 2 or listed.dtype.kind not in "iu":
            raise UsageError(f"factor `{name}`: patterns are integers [P, arity]", code="E0921")
        try:
            each = np.broadcast_to(np.asarray(energies, np.float64), (len(listed),))
        except ValueError:
            raise UsageError(
                f"factor `{name}`: energies are one for all patterns, or one for each", code="E0921"
            ) from None
        rows = np.concatenate([each[:, None], listed], axis=1)
        rows = rows[np.lexsort(listed.T[::-1])] if listed.size else rows
        self.kind("pattern", scopes, np.concatenate(([default], rows.reshape(-1))), name=name)

    def allowed(self, scopes: Scopes, patterns: ArrayLike, *, name: str = "allowed") -> None:
        """Demand that the states be among those listed, [P, arity]."""
        self.pattern(scopes, patterns, 0.0, np.inf, name=name)

    def forbidden(self, scopes: Scopes, patterns: ArrayLike, *, name: str = "forbidden") -> None:
        """Demand that the states be none of those listed, [P, arity]."""
        self.pattern(scopes, patterns, np.inf, name=name)

    def all_different(self, scopes: Scopes, *, name: str = "all_different") -> None:
        """Demand that no two variables have the same state."""
        self.kind("all_different", scopes, name=name)


def _followed(inputs: Scopes, output: int | ArrayLike, name: str) -> Scopes:
    """Return scopes that each end with an output."""
    arity, flat = _rows(inputs, name)
    last = np.atleast_1d(np.asarray(output))
    if last.shape != arity.shape:
        raise UsageError(
            f"factor `{name}`: {some(last.size, 'output')} for {some(len(arity), 'factor')}",
            code="E0921",
        )
    parts = np.split(flat, np.cumsum(arity)[:-1])
    return [[*part.tolist(), int(v)] for part, v in zip(parts, last.tolist(), strict=True)]


def _rows(scopes: Scopes, name: str) -> tuple[Offsets, Ints]:
    """Return the arity of each factor and all scopes one after another."""
    if not isinstance(scopes, np.ndarray):
        rows = [np.asarray(row) for row in scopes]
        if rows and all(row.ndim == 1 for row in rows):
            arity = np.array([len(row) for row in rows], np.int64)
            return arity, _whole(np.concatenate(rows), name)
    array = np.asarray(scopes)
    if array.ndim == 1:
        return np.array([len(array)], np.int64), _whole(array, name)
    if array.ndim != 2:
        raise UsageError(f"factor `{name}`: scopes are integers [n, arity]", code="E0921")
    return np.full(len(array), array.shape[1], np.int64), _whole(array.reshape(-1), name)


def _whole(flat: NDArray[Any], name: str) -> Ints:
    if flat.size and flat.dtype.kind not in "iu":
        raise UsageError(f"factor `{name}`: a scope is of integers", code="E0921")
    return np.ascontiguousarray(np.clip(flat, -1, 2**31 - 1), np.int32)


def _columns(*numbers: ArrayLike) -> Energies:
    """Return numbers that are one for all or one a factor as rows, float64 [d, width]."""
    try:
        parts = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in numbers))
    except (TypeError, ValueError):
        raise UsageError(
            "numbers of factors are one for all, or one for each", code="E0921"
        ) from None
    return np.stack([part.reshape(-1) for part in parts], axis=1)

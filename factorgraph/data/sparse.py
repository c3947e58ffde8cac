"""Matrices by their non-zeros, and how scipy's archives hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.data.column import Ints, Values
from factorgraph.errors import DataError


@dataclass(frozen=True, eq=False)
class Sparse:
    """A matrix by its non-zeros, row after row, columns in order.

    Attributes
    ----------
    shape : rows and columns.
    indptr : int64 [rows + 1]; row i owns the entries ``indptr[i] .. indptr[i + 1] - 1``.
    indices : int64 [E], the column of each entry, rising within a row.
    data : float64 or int64 [E], finite and nowhere 0.
    """

    shape: tuple[int, int]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    data: NDArray[np.generic]

    def dense(self) -> Values:
        """Return the matrix with its zeros.

        Raises
        ------
        BudgetError : it would be too large.
        """
        rows, columns = self.shape
        budget.require(8 * rows * columns, f"a matrix of {rows} x {columns}")
        out = np.zeros(self.shape, self.data.dtype)
        out[np.repeat(np.arange(rows), np.diff(self.indptr)), self.indices] = self.data
        return out


def compressed(
    shape: tuple[int, int],
    rows: Values,
    columns: Values,
    data: Values,
    what: str,
    *,
    summed: bool = True,
) -> Sparse:
    """Return a matrix from its entries in any order.

    Parameters
    ----------
    shape : rows and columns, not to be trusted.
    rows, columns : integers [E], from 0.
    data : numbers or truth values [E].
    what : the matrix and its source, for messages.
    summed : whether entries at one place are added; otherwise they are refused.

    Raises
    ------
    DataError : an entry lies outside, is not finite or is there twice.
    BudgetError : the matrix would be too large.
    """
    check_extents(shape, what)
    budget.require(8 * (shape[0] + 1) + 72 * len(data), what)
    for name, index, extent in (("row", rows, shape[0]), ("column", columns, shape[1])):
        bad = (index < 0) | (index >= extent)
        if bad.any():
            at = int(bad.argmax())
            raise DataError(
                f"{what}: entry {at} is in {name} {index[at]}, but there are {extent}",
                code="E0368",
            )
    if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8:
        raise DataError(f"{what} has entries of type {data.dtype}", code="E0331")
    data = data.astype(np.float64 if data.dtype.kind == "f" else np.int64)
    if not np.isfinite(data).all():
        at = int((~np.isfinite(data)).argmax())
        raise DataError(f"{what}: entry {at} is {data[at]}", code="E0335")
    order = np.lexsort((columns, rows))
    rows, columns, data = rows[order], columns[order], data[order]
    first = np.ones(len(data), np.bool_)
    first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    if not first.all():
        if not summed:
            at = int((~first).argmax())
            raise DataError(
                f"{what} has two entries in row {rows[at] + 1}, column {columns[at] + 1}",
                code="E0365",
            )
        if data.dtype.kind == "i" and float(np.abs(data.astype(np.float64)).sum()) >= 2.0**63:
            raise DataError(f"{what} has entries that add up to more than 64 bits", code="E0335")
        data = np.add.reduceat(data, np.flatnonzero(first))
        rows, columns = rows[first], columns[first]
    there = data != 0
    rows, columns, data = rows[there], columns[there], data[there]
    indptr = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=shape[0]), out=indptr[1:])
    return Sparse(shape, indptr, columns.astype(np.int64), data)


def check_extents(shape: tuple[int, int], what: str) -> None:
    """Refuse a matrix without extent, or with an absurd one.

    Raises
    ------
    DataError : it has such a shape.
    BudgetError : its rows alone are too many.
    """
    if min(shape) < 0 or max(shape) >= 2**62:
        raise DataError(f"{what} has the shape {shape[0]} x {shape[1]}", code="E0343")
    budget.require(16 * (shape[0] + 1), what)


def is_sparse(names: Mapping[str, Any]) -> bool:
    """Return whether an archive of these names is one of scipy's sparse matrices."""
    return {"format", "shape", "data"} <= names.keys()


def from_arrays(arrays: Mapping[str, Values], source: str) -> Sparse:
    """Return the matrix that the arrays of scipy's ``save_npz`` hold.

    Raises
    ------
    DataError : they are damaged, or of another format than csr, csc and coo.
    """
    what = f"the matrix of {source}"
    form = arrays["format"].reshape(-1)[:1].astype(np.str_).tolist()
    names = {"csr": ("indptr", "indices"), "csc": ("indptr", "indices"), "coo": ("row", "col")}
    if not form or form[0] not in names:
        raise DataError(
            f"{what} has format {''.join(form) or 'of no name'}; only csr, csc and coo are read",
            code="E0368",
            hint="store it as `scipy.sparse.save_npz(file, matrix.tocsr())`",
        )
    lost = next((name for name in names[form[0]] if name not in arrays), None)
    if lost is not None:
        raise DataError(f"{what} has no array `{lost}`", code="E0368")
    first, second, data = (arrays[name] for name in (*names[form[0]], "data"))
    for name in ("shape", *names[form[0]]):
        if arrays[name].dtype.kind not in "iu" or arrays[name].ndim != 1:
            raise DataError(f"{what}: `{name}` is no list of whole numbers", code="E0368")
    if arrays["shape"].shape != (2,) or data.shape != second.shape:
        raise DataError(f"{what}: its arrays do not go together", code="E0368")
    if any(a.size and int(a.max()) >= 2**62 for a in (arrays["shape"], first, second)):
        raise DataError(f"{what}: a number in it is too large", code="E0368")
    shape = (int(arrays["shape"][0]), int(arrays["shape"][1]))
    major, minor = first.astype(np.int64), second.astype(np.int64)
    if form[0] != "coo":
        check_extents(shape, what)
        major = _majors(major, len(minor), shape[form[0] == "csc"], what)
    elif major.shape != minor.shape:
        raise DataError(f"{what}: its arrays do not go together", code="E0368")
    if form[0] == "csc":
        major, minor = minor, major
    return compressed(shape, major, minor, data, what)


def _majors(indptr: Ints, count: int, extent: int, what: str) -> Ints:
    """Return the row, or column, of each entry."""
    steps = np.diff(indptr)
    if len(indptr) != extent + 1 or indptr[0] != 0 or indptr[-1] != count or (steps < 0).any():
        raise DataError(
            f"{what}: `indptr` does not rise from 0 to its {count} entries in {extent} steps",
            code="E0368",
        )
    return np.repeat(np.arange(extent, dtype=np.int64), steps)

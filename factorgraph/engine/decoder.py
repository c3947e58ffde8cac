"""Decoding of binary codes: bits with energies of their own, and checks of their parity.

Frames of one code are decoded together. A frame is done when its bits satisfy all checks, or after
a number of iterations; the first is what "solved" means, and neither is a proof that no other
word is nearer.

Reference: F. R. Kschischang, B. J. Frey, H.-A. Loeliger, Factor graphs and the sum-product
algorithm, 2001; J. Chen, M. Fossorier, Near optimum universal belief propagation based decoding of
low-density parity check codes, 2002 (scaled and offset min-sum); M. Mansour, N. Shanbhag,
High-throughput LDPC decoders, 2003 (layers).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph import budget
from factorgraph.errors import UsageError, some
from factorgraph.graph.structure import Ints, Offsets

Bits = NDArray[np.uint8]
Schedule = Literal["flooding", "layered"]
SHARD = 4096
"""Frames that are decoded in one go at most: between, one may be interrupted."""


@dataclass(frozen=True)
class Checks:
    """The checks of a binary code, one a row.

    Attributes
    ----------
    bits : how many bits a word has, n.
    start : int64 [m + 1], where each check starts in ``scope``.
    scope : int32 [E], the bits that each check is over, distinct within a check.
    """

    bits: int
    start: Offsets
    scope: Ints

    @property
    def count(self) -> int:
        """How many checks there are, m."""
        return len(self.start) - 1

    @classmethod
    def of(cls, matrix: Any) -> Checks:
        """Return the checks of a matrix [m, n] of 0 and 1.

        Parameters
        ----------
        matrix : an array, or by rows: with ``shape``, ``indptr``, ``indices`` and ``data``, as
            `factorgraph.data.alist.read_alist` gives it, and scipy's csr.

        Raises
        ------
        UsageError : it is no such matrix.
        """
        wrong = UsageError("a parity-check matrix has two axes and holds 0 and 1", code="E0504")
        if all(hasattr(matrix, name) for name in ("shape", "indptr", "indices", "data")):
            entry, column = np.asarray(matrix.data), np.asarray(matrix.indices)
            row = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
            m, n = matrix.shape
            if len(row) != len(column) or len(matrix.indptr) != m + 1:
                raise UsageError("a sparse parity-check matrix is given by rows", code="E0504")
        else:
            dense = np.asarray(matrix)
            if dense.ndim != 2 or dense.dtype.kind not in "biuf":
                raise wrong
            (row, column), (m, n) = np.nonzero(dense), dense.shape
            entry = dense[row, column]
        if not np.isin(entry, (0, 1)).all():
            raise wrong
        row, column = row[entry == 1], column[entry == 1]
        order = np.lexsort((column, row))
        counts = np.bincount(row, minlength=m)
        start = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        return cls(int(n), start, column[order].astype(np.int32))

    def syndrome(self, words: ArrayLike) -> Bits:
        """Return which checks do not hold, uint8 [B, m], in words [B, n]."""
        given = np.atleast_2d(np.asarray(words)).astype(np.uint8)
        out = np.zeros((len(given), self.count), np.uint8)
        full = np.flatnonzero(np.diff(self.start))
        if len(full):
            ones = given[:, self.scope]
            out[:, full] = np.bitwise_xor.reduceat(ones, self.start[full], axis=1) & 1
        return out


@dataclass(frozen=True)
class Decoded:
    """What decoding found, frame by frame.

    Attributes
    ----------
    bits : uint8 [B, n].
    solved : bool [B], whether all checks hold.
    iterations : int32 [B].
    llr : float [B, n], log p(0) / p(1) of each bit after the last iteration, in the decoder's
        precision; None if not asked for.
    """

    bits: Bits
    solved: NDArray[np.bool_]
    iterations: NDArray[np.int32]
    llr: NDArray[np.floating[Any]] | None


@dataclass(frozen=True)
class Decoder:
    """How frames are decoded.

    Attributes
    ----------
    algorithm : ``minsum`` (messages in float32) or ``sumproduct`` (in float64).
    iterations : at most so many.
    scale, offset : of min-sum: messages of checks are multiplied by the one, and brought nearer
        to 0 by the other.
    beta : of sum-product, inverse temperature.
    schedule : ``flooding``: all messages at once; ``layered``: check after check, each hears what
        those before it have said, which takes about half as many iterations.
    early : stop as soon as all checks hold.
    threads : that work on shards of the frames; results do not depend on it.
    """

    algorithm: Literal["minsum", "sumproduct"] = "minsum"
    iterations: int = 50
    scale: float = 1.0
    offset: float = 0.0
    beta: float = 1.0
    schedule: Schedule = "layered"
    early: bool = True
    threads: int = 1

    def __call__(
        self, checks: Checks, llr: ArrayLike, parity: ArrayLike | None = None, *, soft: bool = False
    ) -> Decoded:
        """Decode frames.

        Parameters
        ----------
        checks : of the code.
        llr : [B, n], log p(0) / p(1) of each bit; [n] if it is that of all frames. May be infinite.
        parity : [B, m], or [m], 1 where the sum of a check's bits is odd; None for 0.
        soft : whether the bits' ``llr`` after the last iteration are wanted.

        Raises
        ------
        UsageError : shapes do not fit, or a number is NaN.
        BudgetError : memory would not suffice.
        """
        least = self.algorithm == "minsum"
        kind = np.dtype(np.float32 if least else np.float64)
        given, odd, frames = self._fitting(checks, llr, parity, kind)
        n, edges = checks.bits, len(checks.scope)
        working = 16 * kind.itemsize * (3 * n + edges + checks.count)
        budget.require(
            self.threads * working + frames * n * (1 + soft * kind.itemsize),
            f"decoding {some(frames, 'frame')} of {n} bits",
        )
        bits = np.zeros((frames, n), np.uint8)
        solved, used = np.zeros(frames, np.uint8), np.zeros(frames, np.int32)
        posterior = np.zeros((frames if soft else 0, n), kind)
        place = 16 * checks.scope.astype(np.int64)
        least_ = (np.float32(self.scale), np.float32(self.offset), None)
        options = least_ if least else (None, None, self.beta)

        def work(part: tuple[int, int]) -> int:
            from factorgraph.engine.frames import decode

            held = np.zeros(16, kind)
            mask = held.view(f"i{kind.itemsize}")
            return int(
                decode(
                    checks.start, place, given, odd, *part, self.iterations, *options,
                    self.schedule == "layered", self.early, held, mask,
                    bits, solved, used, posterior,
                )
            )  # fmt: skip

        bad = max(self._spread(work, shards(frames, self.threads)), default=-1)
        if bad >= 0:
            raise UsageError(f"frame {bad}: a log-likelihood ratio is NaN", code="E0701")
        return Decoded(bits, solved.astype(bool), used, posterior if soft else None)

    def _spread(self, work: Any, parts: Sequence[tuple[int, int]]) -> list[int]:
        if self.threads <= 1 or len(parts) <= 1:
            return [work(part) for part in parts]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(work, parts))

    def _fitting(
        self, checks: Checks, llr: ArrayLike, parity: ArrayLike | None, kind: np.dtype[Any]
    ) -> tuple[NDArray[Any], Bits, int]:
        """Return what is given, each a row for all frames or one a frame, and their number."""
        with np.errstate(over="ignore"):  # beyond float32 is as good as infinite
            given = _rows(llr, checks.bits, "log-likelihood ratios", kind)
        none = np.zeros(checks.count) if parity is None else parity
        told = np.asarray(none)
        if told.dtype.kind in "biuf" and ((told != 0) & (told != 1)).any():
            raise UsageError("a parity is 0 or 1", code="E0504")
        odd = _rows(none, checks.count, "parities", np.dtype(np.uint8))
        many = {len(rows) for rows, of in ((given, llr), (odd, none)) if np.ndim(of) == 2}
        if len(many) > 1:
            raise UsageError(
                f"{some(len(given), 'frame')} of log-likelihood ratios, but {len(odd)} of parities",
                code="E0921",
            )
        return given, odd, many.pop() if many else 1


def _rows(of: ArrayLike, width: int, what: str, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return an array [B, width] or [width] as rows of a type."""
    found = np.asarray(of)
    if found.ndim not in (1, 2) or found.shape[-1] != width or found.dtype.kind not in "biuf":
        raise UsageError(
            f"{what} are numbers of shape [{width}] or [frames, {width}], not {found.shape}",
            code="E0921",
        )
    return np.ascontiguousarray(np.atleast_2d(found), kind)


def shards(frames: int, threads: int) -> list[tuple[int, int]]:
    """Return ranges of frames: some for each thread, so that none waits for long."""
    count = 1 if threads <= 1 else 4 * threads
    count = max(1, min(count, frames // 32), -(-frames // SHARD))
    cut = [frames * k // count for k in range(count + 1)]
    return [(a, b) for a, b in zip(cut, cut[1:], strict=False) if b > a]

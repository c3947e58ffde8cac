"""Machine code of Frank-Wolfe: planes packed by the rows that an instance touches, steps on them.

All numbers are finite here, so that sums may be taken in any order; it is the same one always.
"""

from __future__ import annotations

from factorgraph.jit import kernel


@kernel
def harvest(rows, start, scratch, out):  # type: ignore[no-untyped-def]
    """Move rows of a flat vector into a packed one, and leave zeros.

    Parameters
    ----------
    rows : int64, numbers of rows; row r is ``start[r] .. start[r + 1] - 1`` of the flat vector.
    """
    at = 0
    for k in range(len(rows)):
        low = start[rows[k]]
        size = start[rows[k] + 1] - low
        for j in range(size):
            out[at + j] = scratch[low + j]
            scratch[low + j] = 0.0
        at += size


@kernel(fastmath={"reassoc", "contract"})
def valued(rows, start, plane, w):  # type: ignore[no-untyped-def]
    """Return a packed plane times the weights."""
    at, total = 0, 0.0
    for k in range(len(rows)):
        low = start[rows[k]]
        size = start[rows[k] + 1] - low
        for j in range(size):
            total += plane[at + j] * w[low + j]
        at += size
    return total


@kernel(fastmath={"reassoc", "contract"})
def step(  # type: ignore[no-untyped-def]
    rows, start, plane, offset, inverse, w, own, offsets, i, free
):
    """Move the plane of an instance towards another as far as the bound rises.

    Parameters
    ----------
    plane, offset : the other one, packed.
    own, offsets : that of the instance, changed in place, as are the weights.
    free : whether the instance has a plane; else the other one is taken whole.

    Returns
    -------
    What the planes differ by at the weights, before the step.
    """
    at, along, bend = 0, 0.0, 0.0
    for k in range(len(rows)):
        low = start[rows[k]]
        size = start[rows[k] + 1] - low
        for j in range(size):
            d = plane[at + j] - own[at + j]
            along += d * w[low + j]
            bend += d * d * inverse[low + j]
        at += size
    gain = along + offset - offsets[i]
    share = 1.0
    if free:
        if gain <= 0.0:
            return gain
        share = 1.0 if bend <= gain else gain / bend
    at = 0
    for k in range(len(rows)):
        low = start[rows[k]]
        size = start[rows[k] + 1] - low
        for j in range(size):
            d = share * (plane[at + j] - own[at + j])
            own[at + j] += d
            w[low + j] -= d * inverse[low + j]
        at += size
    offsets[i] += share * (offset - offsets[i])
    return gain


@kernel(fastmath={"reassoc", "contract"})
def mixed(mean, w, share):  # type: ignore[no-untyped-def]
    """Move a mean towards the weights by a share."""
    for j in range(len(mean)):
        mean[j] += share * (w[j] - mean[j])


@kernel
def ascend(  # type: ignore[no-untyped-def]
    starts, rows, begin, start, loss, planes, inverse, w, own, offsets, held, mean, done
):
    """Step along the new planes of a block one by one; return the sum of what they differ by.

    Parameters
    ----------
    loss : float64 [I], at the weights where the planes were found: those at the beginning.
    planes : packed, instance after instance.
    mean : float64 [n], the mean of the weights over steps, later ones weighing more; may be empty.
    done : steps before these.
    """
    total = 0.0
    for i in range(len(loss)):
        chosen = rows[starts[i] : starts[i + 1]]
        total += loss[i] - offsets[i]
        total -= valued(chosen, start, own[begin[i] : begin[i + 1]], w)
        loss[i] -= valued(chosen, start, planes[begin[i] : begin[i + 1]], w)
    for i in range(len(loss)):
        step(
            rows[starts[i] : starts[i + 1]], start, planes[begin[i] : begin[i + 1]], loss[i],
            inverse, w, own[begin[i] : begin[i + 1]], offsets, i, held[i] != 0,
        )
        held[i] = 1
        if len(mean):
            mixed(mean, w, 2.0 / (done + i + 2.0))
    return total

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
        part, goal = scratch[low : low + size], out[at : at + size]
        for j in range(size):
            goal[j] = part[j]
            part[j] = 0.0
        at += size


@kernel
def picked(pick, start, adjoint, low, high, out):  # type: ignore[no-untyped-def]
    """Add the adjoint of each row ``low .. high - 1`` to the rows of weights that it picks.

    Parameters
    ----------
    pick, start : row r picks ``pick[start[r] : start[r + 1]]``.
    adjoint : float64 [rows, states].
    out : float64 [places, states], changed in place.
    """
    for row in range(low, high):
        slopes = adjoint[row]
        if not slopes.any():
            continue
        for j in range(start[row], start[row + 1]):
            goal = out[pick[j]]
            for s in range(len(slopes)):
                goal[s] += slopes[s]


@kernel(fastmath={"reassoc", "contract"})
def valued(rows, start, plane, w):  # type: ignore[no-untyped-def]
    """Return a packed plane times the weights."""
    at, total = 0, 0.0
    for k in range(len(rows)):
        low = start[rows[k]]
        size = start[rows[k] + 1] - low
        one, here = plane[at : at + size], w[low : low + size]
        for j in range(size):
            total += one[j] * here[j]
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
        one, mine = plane[at : at + size], own[at : at + size]
        here, curve = w[low : low + size], inverse[low : low + size]
        for j in range(size):
            d = one[j] - mine[j]
            along += d * here[j]
            bend += d * d * curve[j]
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
        one, mine = plane[at : at + size], own[at : at + size]
        here, curve = w[low : low + size], inverse[low : low + size]
        for j in range(size):
            d = share * (one[j] - mine[j])
            mine[j] += d
            here[j] -= d * curve[j]
        at += size
    offsets[i] += share * (offset - offsets[i])
    return gain


@kernel(fastmath={"reassoc", "contract"})
def mixed(mean, w, done):  # type: ignore[no-untyped-def]
    """Move a mean towards the weights after every eighth step, by 2 / (k + 2) the k-th time."""
    if done % 8 == 7 and len(mean):
        share = 2.0 / (done // 8 + 2.0)
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
            rows[starts[i] : starts[i + 1]],
            start,
            planes[begin[i] : begin[i + 1]],
            loss[i],
            inverse,
            w,
            own[begin[i] : begin[i + 1]],
            offsets,
            i,
            held[i] != 0,
        )
        held[i] = 1
        mixed(mean, w, done + i)
    return total

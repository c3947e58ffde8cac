"""Where blanks stand between the tokens of a statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from factorgraph.syntax import tree as t
from factorgraph.syntax.tokens import CLOSE, OPEN, Piece

VALUES = frozenset({"NAME", "INT", "NUMBER", "STRING", "INF"})
SUMS = frozenset({"ADD", "MUL"})


def indices(statement: t.Statement) -> frozenset[str]:
    """Return the names that the binders of a statement bind."""
    names: set[str] = set()
    stack: list[Any] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack.extend(node)
        elif isinstance(node, t.Pattern):
            names.update(name.name for name in node.names)
        elif isinstance(node, t.Node):
            stack.extend(getattr(node, f.name) for f in fields(node) if f.name != "span")
    return frozenset(names)


def partners(pieces: Sequence[Piece]) -> list[int]:
    """Return for each bracket the place of its partner; for any other token its own."""
    out, stack = list(range(len(pieces))), []
    for k, piece in enumerate(pieces):
        if piece.text in OPEN:
            stack.append(k)
        elif piece.text in CLOSE:
            out[k] = stack.pop()
            out[out[k]] = k
    return out


def depths(pieces: Sequence[Piece]) -> list[int]:
    """Return for each token how many brackets it stands in; brackets stand outside themselves."""
    out, depth = [], 0
    for piece in pieces:
        depth -= piece.text in CLOSE
        out.append(depth)
        depth += piece.text in OPEN
    return out


def gaps(pieces: Sequence[Piece], bound: frozenset[str]) -> list[bool]:
    """Return for each token whether a blank stands before it, were the statement one line.

    Parameters
    ----------
    bound : the names of indices, see `indices`. Calls of indices alone are written like
        subscripts: ``gap(i, j, i+u, j+v)``.
    """
    partner = partners(pieces)
    tight = _tight(pieces, partner, bound)
    ranges = [k for k, piece in enumerate(pieces) if piece.text == ".."]
    extents = [_extent(pieces, partner, k) for k in ranges]
    for start, stop in extents:
        tight[start:stop] = [True] * (stop - start)
    out = [False] + [_gap(pieces, tight, k) for k in range(1, len(pieces))]
    for k, level in enumerate(depths(pieces)):
        out[k] = out[k] and not (level and pieces[k].text == ":")
    for k, (start, stop) in zip(ranges, extents):
        inside = [*range(start + 1, k), *range(k + 2, stop)]
        if any(out[i] for i in inside) or any(
            "." in pieces[i].text for i in [*range(start, k), *range(k + 1, stop)]
        ):
            out[k] = out[k + 1] = True
    return out


def _tight(pieces: Sequence[Piece], partner: Sequence[int], bound: frozenset[str]) -> list[bool]:
    """Return for each token whether sums there are written without blanks.

    They are in square brackets, and in comprehensions from the `for` on.
    """
    out = []
    stack: list[tuple[bool, bool, bool]] = []
    base = now = pattern = False
    for k, piece in enumerate(pieces):
        if piece.text in CLOSE:
            base, now, pattern = stack.pop()
        elif piece.text == "," and not pattern:
            now = base
        elif piece.kind == "FOR":
            now = pattern = True
        elif piece.kind == "IN":
            pattern = False
        out.append(now)
        if piece.text in OPEN:
            stack.append((base, now, pattern))
            base = now = now or piece.text == "[" or _of_indices(pieces, k, partner[k], bound)
            pattern = False
    return out


def _of_indices(pieces: Sequence[Piece], start: int, stop: int, bound: frozenset[str]) -> bool:
    """Return whether a bracket holds several arguments, all indices or sums of them."""
    if pieces[start].text != "(" or pieces[start - 1].kind != "NAME":
        return False
    arguments: list[list[Piece]] = [[]]
    for piece in pieces[start + 1 : stop]:
        if piece.text == ",":
            arguments.append([])
        elif piece.kind in ("NAME", "INT", "ADD"):
            arguments[-1].append(piece)
        else:
            return False
    named = [any(piece.text in bound for piece in argument) for argument in arguments]
    single = [len(argument) == 1 for argument in arguments]
    return (
        len(arguments) > 1
        and any(a and b for a, b in zip(named, single))
        and all(a or b for a, b in zip(named, single))
    )


def _extent(pieces: Sequence[Piece], partner: Sequence[int], dots: int) -> tuple[int, int]:
    """Return where a range begins and stops."""
    start = dots
    while start > 0 and _within(pieces[start - 1]):
        start = min(start - 1, partner[start - 1])
    stop = dots + 1
    while stop < len(pieces) and _within(pieces[stop], forward=True):
        stop = max(stop, partner[stop]) + 1
    return start, stop


def _within(piece: Piece, *, forward: bool = False) -> bool:
    """Return whether a token, or the bracket that it ends or begins, belongs to a sum."""
    if piece.text in (OPEN if forward else CLOSE):
        return True
    return piece.kind in VALUES | SUMS | {"MINUS"} or piece.text in (".", "^")


def _gap(pieces: Sequence[Piece], tight: Sequence[bool], k: int) -> bool:
    """Return whether a blank stands between a token and the one before it; ranges are tight."""
    last, this = pieces[k - 1], pieces[k]
    if last.text in OPEN or this.text in CLOSE or this.text in (",", "["):
        return False
    if last.text in (".", "..", "^") or this.text in (".", "..", "^") or last.kind == "MINUS":
        return False
    if this.text == "(":
        return last.kind != "NAME" and not _sum_without_blanks(pieces, tight, k - 1)
    return not (_sum_without_blanks(pieces, tight, k) or _sum_without_blanks(pieces, tight, k - 1))


def _sum_without_blanks(pieces: Sequence[Piece], tight: Sequence[bool], k: int) -> bool:
    """Return whether a token is an operator with no blanks around it."""
    if pieces[k].kind not in SUMS or pieces[k].text == "&" or not tight[k]:
        return False
    return pieces[k + 1].kind != "MINUS"

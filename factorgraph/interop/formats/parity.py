"""Codes by their parity checks: alist matrices, and quasi-cyclic ones by their shifts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.data.alist import alist
from factorgraph.data.text import Text
from factorgraph.errors import UsageError, some
from factorgraph.interop.formats.gather import Gathered
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.source import Source
from factorgraph.interop.formats.tokens import Tokens

Say = Callable[[str], object]
_LARGEST = 2**28


def read_alist(source: Source) -> Instance:
    """Read a parity-check matrix: its bits, and a check for each row.

    Raises
    ------
    DataError : the file is damaged, with line and reason.
    BudgetError : the matrix would be over the budget.
    """
    with source.opened() as file:
        matrix = alist(Text(file, source.name, packed=True))
    rows, columns = matrix.shape
    checks = np.split(matrix.indices.astype(np.int32), matrix.indptr[1:-1]) if rows else []
    return _code(source, "alist", columns, checks, tuple(range(columns)))


def read_qc(source: Source) -> Instance:
    """Read a matrix of circulants: columns, rows and size, then a shift or -1 for each block.

    A last line of 0s and 1s may say which columns of blocks are sent. Row i of a block with
    shift s has its 1 in column (i + s) mod the size.

    Raises
    ------
    DataError : the file is damaged, with line and reason.
    BudgetError : the matrix would be over the budget.
    """
    source.comments = True
    tokens = Tokens(source)
    columns = tokens.whole(0, "the number of columns", 1, _LARGEST)
    rows = tokens.whole(1, "the number of rows", 1, _LARGEST)
    size = tokens.whole(2, "the size of a block", 1, _LARGEST)
    tokens.require(3 + rows * columns, f"the shifts of {some(rows * columns, 'block')}")
    at = np.arange(3, 3 + rows * columns)
    shift = tokens.wholes(at, "a shift", -1, size - 1).reshape(rows, columns)
    end, sent = 3 + rows * columns, np.ones(columns, np.int64)
    if len(tokens) > end:
        tokens.require(end + columns, "the marks of the columns that are sent")
        sent = tokens.wholes(np.arange(end, end + columns), "the mark of a column", 0, 1)
        tokens.end(end + columns, "the marks of the columns")
    budget.require(64 * (columns + int((shift >= 0).sum())) * size, f"the code of {source.name}")
    checks = []
    for r in range(rows):
        block = np.flatnonzero(shift[r] >= 0)
        turned = (np.arange(size)[:, None] + shift[r, block]) % size
        checks.extend((block * size + turned).astype(np.int32))
    bits = np.arange(columns * size)[np.repeat(sent == 1, size)]
    return _code(source, "qc", columns * size, checks, tuple(bits.tolist()))


def _code(
    source: Source,
    name: str,
    bits: int,
    checks: list[NDArray[np.int32]],
    sent: tuple[int, ...],
) -> Instance:
    gathered = Gathered(np.full(bits, 2, np.int32), source.name)
    if checks:
        gathered.add_kind("parity", checks, np.zeros((1, 1)), range(len(checks)))
    structure, values, numbers = gathered.build()
    return Instance(
        source.name,
        name,
        structure,
        values,
        np.full(bits, -1, np.int32),
        gathered.offset,
        numbers=numbers,
        sent=sent,
    )


def write_alist(instance: Instance, say: Say, note: Say) -> None:
    """Write the matrix of a code: all variables are bits, all factors even parity checks.

    Parameters
    ----------
    say : takes the text part by part.
    note : is told where something is not as it was.

    Raises
    ------
    UsageError : the graph is no such code.
    """
    bits = instance.variables
    checks = [scope for _, scope in sorted(_checks(instance), key=lambda pair: pair[0])]
    if instance.offset:
        raise _no_code(instance, "has a constant energy")
    owner = np.repeat(np.arange(len(checks)), [len(check) for check in checks])
    bit = np.concatenate([np.zeros(0, np.int64), *checks])
    degree, size = np.bincount(bit, minlength=bits), np.bincount(owner, minlength=len(checks))
    say(f"{bits} {len(checks)}\n{degree.max(initial=0)} {size.max(initial=0)}\n")
    say(" ".join(map(str, degree.tolist())) + "\n" + " ".join(map(str, size.tolist())) + "\n")
    order = np.lexsort((owner, bit))
    for row in np.split(owner[order] + 1, np.cumsum(degree)[:-1]):
        say(" ".join(map(str, row.tolist())) + "\n")
    for check in checks:
        say(" ".join(map(str, (np.sort(check) + 1).tolist())) + "\n")


def _checks(instance: Instance) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield the number and the bits of each check.

    Raises
    ------
    UsageError : a factor is none, or a variable is no bit.
    """
    structure = instance.structure
    if instance.variables and (structure.card != 2).any():
        v = int((structure.card != 2).argmax())
        raise _no_code(instance, f"has {structure.card[v]} states at variable {instance.name(v)}")
    for g, group in enumerate(structure.groups):
        even = np.zeros((2,) * len(group.cards), np.int64)
        for axis in range(len(group.cards)):
            even = even + np.arange(2).reshape([-1 if k == axis else 1 for k in range(even.ndim)])
        expected = np.where(even % 2 == 0, 0.0, np.inf)
        tables = structure.table(instance.values, g)
        for row, number in enumerate(group.table.tolist()):
            if not np.array_equal(tables[number], expected):
                raise _no_code(instance, f"has factor {instance.numbers[g][row]}, no even check")
            yield int(instance.numbers[g][row]), group.scope[row].astype(np.int64)
    for k, kind in enumerate(structure.kinds):
        numbers = structure.numbers(instance.values, k)
        which = instance.numbers[len(structure.groups) + k]
        if kind.kind != "parity" or numbers.any():
            raise _no_code(instance, f"has factors of kind `{kind.kind}` that are no even checks")
        for row in range(len(kind.table)):
            scope = kind.scope[kind.start[row] : kind.start[row + 1]]
            yield int(which[row]), scope.astype(np.int64)


def _no_code(instance: Instance, why: str) -> UsageError:
    return UsageError(
        f"{instance.source} {why}: alist holds bits and even parity checks alone", code="E0375"
    )

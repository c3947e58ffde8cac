"""Pictures of boards of squares, each with a number or a colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from factorgraph.errors import UsageError
from factorgraph.interop.pictures import BLUE, Where, _figure, _save, require
from factorgraph.source import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def boards(
    cells: Sequence[ArrayLike],
    path: Where,
    titles: Sequence[str],
    *,
    known: Sequence[ArrayLike] | None = None,
    colours: bool = False,
    heavy: int = 0,
) -> None:
    """Draw boards side by side.

    Parameters
    ----------
    cells : int [rows, columns] each, the squares' numbers; below 0 stands nothing.
    path : the PNG file to write.
    titles : one a board.
    known : bool like the cells: numbers that were given are black, the others blue.
    colours : whether squares are coloured by their numbers, from 0 on.
    heavy : every so many squares a line is heavy; 0 for none.

    Raises
    ------
    UsageError : where matplotlib is missing, or the numbers of boards and titles differ.
    """
    require()
    if not cells or len(titles) != len(cells) or (known is not None and len(known) != len(cells)):
        raise UsageError("each board needs a title", code="E0921")
    figure = _figure(3.3 * len(cells), 3.6)
    for k, axes in enumerate(figure.subplots(1, len(cells), squeeze=False)[0]):
        board = np.asarray(cells[k])
        given = np.zeros(board.shape, bool) if known is None else np.asarray(known[k], bool)
        _board(axes, board, given, colours, heavy)
        axes.set_title(visible(titles[k]), parse_math=False, fontsize=10)
    _save(figure, path)


def _board(
    axes: Axes,
    board: np.ndarray[tuple[int, ...], np.dtype[np.integer]],
    given: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    colours: bool,
    heavy: int,
) -> None:
    rows, columns = board.shape
    if colours:
        axes.imshow(board, cmap="Set3", vmin=-0.5, vmax=11.5, extent=(0, columns, rows, 0))
    for (i, j), number in np.ndenumerate(board):
        if number >= 0:
            axes.text(
                j + 0.5, i + 0.54, str(number), ha="center", va="center", fontsize=11,
                color="black" if colours or given[i, j] else BLUE,
                weight="bold" if given[i, j] else "normal",
            )  # fmt: skip
    for end, line in ((rows, axes.axhline), (columns, axes.axvline)):
        for k in range(end + 1):
            line(k, color="black", linewidth=1.8 if heavy and k % heavy == 0 else 0.5)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_aspect("equal")
    axes.set_axis_off()

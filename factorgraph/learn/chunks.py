"""Chunks that labels of the kind B-X, I-X and O mark, counted as conlleval counts them.

A chunk of type X begins at B-X, and at an I-X behind O, behind another type or at the beginning of
a sequence; it ends where the next one begins, before O and at the end of the sequence. A chunk is
right where another labelling has one of the same type from the same first to the same last place.

Reference: Tjong Kim Sang and Buchholz, "Introduction to the CoNLL-2000 shared task: chunking"
(2000), and its evaluation script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Chunks:
    """Numbers of chunks: in the answers, in the labels, and in both alike."""

    found: int = 0
    labelled: int = 0
    right: int = 0

    def __add__(self, other: Chunks) -> Chunks:
        return Chunks(
            self.found + other.found, self.labelled + other.labelled, self.right + other.right
        )

    def as_dict(self) -> dict[str, Any]:
        """Return precision, recall and their harmonic mean in percent; 0 where there is none."""
        precision = 100 * self.right / self.found if self.found else 0.0
        recall = 100 * self.right / self.labelled if self.labelled else 0.0
        both = precision + recall
        f1 = 2 * precision * recall / both if both else 0.0
        return {"precision": precision, "recall": recall, "f1": f1}


@dataclass(frozen=True, eq=False)
class Alphabet:
    """What each label of a domain says.

    Attributes
    ----------
    inside : bool [labels], whether it is B-X or I-X.
    begins : bool [labels], whether it is B-X.
    type : int64 [labels], a number for each X, 0 for O.
    """

    inside: NDArray[np.bool_]
    begins: NDArray[np.bool_]
    type: Ints


def alphabet(labels: Sequence[Any]) -> Alphabet | None:
    """Return what labels say, None where they are not all of the kind B-X, I-X or O."""
    marks, types = [], []
    for label in labels:
        mark, dash, kind = str(label).partition("-")
        if label != "O" and (mark not in ("B", "I") or not dash or not kind):
            return None
        marks.append(mark)
        types.append(kind)
    if not any(types):
        return None
    number = {kind: k for k, kind in enumerate(dict.fromkeys(["", *types]))}
    return Alphabet(
        np.array([mark != "O" for mark in marks]),
        np.array([mark == "B" for mark in marks]),
        np.array([number[kind] for kind in types]),
    )


def counted(said: Alphabet, states: Ints, truth: Ints, start: Ints) -> Chunks:
    """Return the numbers of chunks in sequences that lie end to end.

    Parameters
    ----------
    states, truth : int64 [n], labels as positions in their domain, answered and observed.
    start : int64 [sequences + 1], where each sequence begins.
    """
    first = np.zeros(len(states), np.bool_)
    first[start[:-1][np.diff(start) > 0]] = True
    mine, yours = _chunks(said, states, first), _chunks(said, truth, first)
    both = np.intersect1d(mine[0], yours[0], assume_unique=True)
    k, m = np.searchsorted(mine[0], both), np.searchsorted(yours[0], both)
    kind = said.type
    right = (mine[1][k] == yours[1][m]) & (kind[states[both]] == kind[truth[both]])
    return Chunks(len(mine[0]), len(yours[0]), int(right.sum()))


def _chunks(said: Alphabet, labels: Ints, first: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return where chunks begin, and where each has ended."""
    inside, kind = said.inside[labels], said.type[labels]
    goes_on = np.zeros(len(labels), np.bool_)
    goes_on[1:] = inside[:-1] & (kind[:-1] == kind[1:])
    begins = inside & (said.begins[labels] | first | ~goes_on)
    breaks = np.append(np.flatnonzero(begins | ~inside | first), len(labels))
    places = np.flatnonzero(begins)
    return places, breaks[np.searchsorted(breaks, places, side="right")]

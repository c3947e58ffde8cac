"""Read a graph in the format of another system."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import numpy as np
from numpy.typing import ArrayLike

from factorgraph.errors import DataError, UsageError, did_you_mean, some
from factorgraph.graph.structure import Ints
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.source import Source

_READERS = {
    "uai": ("uai", "read_uai"),
    "libdai": ("libdai", "read_libdai"),
    "wcsp": ("wcsp", "read_wcsp"),
    "cfn": ("cfn", "read_cfn"),
    "alist": ("parity", "read_alist"),
    "qc": ("parity", "read_qc"),
}
FORMATS = tuple(_READERS)
_SUFFIXES = {name: name for name in FORMATS if name != "libdai"}


def read(
    path: str | os.PathLike[str],
    evidence: str | os.PathLike[str] | ArrayLike | None = None,
    *,
    format: str | None = None,
) -> Instance:
    """Read a graph that UAI, libDAI, toulbar2 or MacKay's tools know, gzip'd or not.

    Parameters
    ----------
    path : the file; ``-`` is the standard input.
    evidence : a file of evidence as of the UAI competitions, or int [V], -1 where free.
    format : ``uai``, ``libdai``, ``wcsp``, ``cfn``, ``alist`` or ``qc``; None to tell it by name
        and content.

    Raises
    ------
    DataError : a file is missing or damaged, with line and reason, or its format cannot be told.
    UsageError : there is no such format, or the evidence does not fit the graph.
    BudgetError : the graph would be over the memory budget.
    """
    source = Source(path)
    if format is not None and format not in _READERS:
        raise UsageError(
            f"there is no format `{format}`",
            code="E0910",
            hint=did_you_mean(format, FORMATS) or f"there are {', '.join(FORMATS)}",
        )
    module, name = _READERS[told(source) if format is None else format]
    reader: Callable[[Source], Instance] = getattr(
        import_module(f"factorgraph.interop.formats.{module}"), name
    )
    try:
        found = reader(source)
    except RecursionError:  # pragma: no cover
        raise DataError(f"{source.name} is nested too deeply", code="E0370") from None
    if evidence is None:
        return found
    return replace(found, evidence=_evidence(evidence, found))


def _evidence(evidence: str | os.PathLike[str] | ArrayLike, instance: Instance) -> Ints:
    if isinstance(evidence, str | os.PathLike):
        from factorgraph.interop.formats.uai import read_evidence

        return read_evidence(evidence, instance.structure.card)
    found = np.asarray(evidence)
    card = instance.structure.card
    if found.shape != card.shape or found.dtype.kind not in "iu":
        raise UsageError(
            f"evidence is a state or -1 for each of {some(len(card), 'variable')}", code="E0921"
        )
    if ((found < -1) | (found >= card)).any():
        raise UsageError("observed states are out of range", code="E0922")
    return found.astype(np.int32)


def told(source: Source) -> str:
    """Return the format of a file: by the suffix of its name, else by how it begins.

    Raises
    ------
    DataError : it cannot be told, or is a model of our own.
    """
    stem = source.path.lower().removesuffix(".gz")
    suffix = stem.rpartition(".")[2] if "." in os.path.basename(stem) else ""
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    head = source.head()
    if not head.strip():
        raise DataError(f"{source.name} is empty", code="E0323")
    if numbered(head):
        return "libdai"
    if suffix == "fg":
        raise DataError(
            f"{source.name} is a model text: its first line is no number, as in libDAI's .fg",
            code="E0373",
            hint="fgc infer answers for model texts",
        )
    if head.lstrip()[:1] in (b"{", b"["):
        return "cfn"
    first = next(iter(_lines(head)), [])
    if first and first[0].upper() in (b"MARKOV", b"BAYES"):
        return "uai"
    if all(word.isdigit() for word in first) and len(first) in (2, 3):
        return "alist" if len(first) == 2 else "qc"
    if len(first) == 5 and all(word.isdigit() for word in first[1:4]):
        return "wcsp"
    raise DataError(
        f"{source.name} is of no format that is read",
        code="E0373",
        hint=f"--format names one of {', '.join(FORMATS)}",
    )


def numbered(head: bytes) -> bool:
    """Return whether the first line that is neither blank nor a comment is a number."""
    lines = _lines(head)
    return bool(lines) and len(lines[0]) == 1 and lines[0][0].isdigit()


def _lines(head: bytes) -> list[list[bytes]]:
    """Return the words of lines that are neither blank nor comments; the last may be cut off."""
    lines = (line.split() for line in head.split(b"\n"))
    return [words for words in lines if words and not words[0].startswith(b"#")]

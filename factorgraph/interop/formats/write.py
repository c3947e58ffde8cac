"""Write a graph in the format of another system, or as a model text of our own."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from factorgraph import budget
from factorgraph.errors import UsageError, did_you_mean
from factorgraph.files import write as write_file
from factorgraph.files import write_all
from factorgraph.interop.formats.instance import Instance

FORMATS = ("uai", "libdai", "wcsp", "cfn", "alist", "fg")
_TABLED = 2**20
"""Entries of tables, altogether, that parity checks become in a model text; else they stay."""
_SUFFIXES = {name: name for name in FORMATS if name != "libdai"}


def write(
    instance: Instance,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    digits: int | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write a graph; a name that ends in ``.gz`` is packed.

    Evidence is not written; make it factors first, by `fixed`.

    Parameters
    ----------
    format : ``uai``, ``libdai``, ``wcsp``, ``cfn``, ``alist``, or ``fg``, which is a model text of
        our own with an archive of the same name beside it; None to tell it by the name.
    digits : decimals of energies that WCSP keeps.

    Returns
    -------
    The files written, and in a sentence each what is not as it was.

    Raises
    ------
    UsageError : the format cannot be told, cannot hold the graph, or the file cannot be written.
    BudgetError : what is written would not fit into memory.
    """
    target = os.fsdecode(path)
    name = _told(target) if format is None else format
    if name not in FORMATS:
        raise UsageError(
            f"there is no format `{name}` to write",
            code="E0910",
            hint=did_you_mean(name, FORMATS) or f"there are {', '.join(FORMATS)}",
        )
    notes: list[str] = []
    try:
        if name == "fg":
            return _own(instance, target), ()
        parts: list[str] = []
        _writer(name, digits)(instance, parts.append, notes.append)
        budget.require(2 * sum(map(len, parts)), f"the text of {target}")
        data = "".join(parts).encode()
        if target.lower().endswith(".gz"):
            data = gzip.compress(data, mtime=0)
        write_file(Path(target), data)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", code="E0802") from None
    return (target,), tuple(notes)


def _own(instance: Instance, target: str) -> tuple[str, ...]:
    from factorgraph.interop.formats.given import write_given
    from factorgraph.interop.formats.plain import plain

    checks = all(group.kind == "parity" for group in instance.structure.kinds)
    large = sum(
        float((2.0 ** np.minimum(np.diff(group.start), 60)).sum())
        for group in instance.structure.kinds
    )
    keep = checks and large > _TABLED
    text, archive = write_given(instance if keep else plain(instance).instance)
    beside = str(Path(target).with_suffix(".npz"))
    if target.lower().endswith(".gz"):
        raise UsageError(f"{target}: a model text is not packed", code="E0910")
    write_all({Path(beside): archive, Path(target): text.encode()})
    return target, beside


def _writer(
    name: str, digits: int | None
) -> Callable[[Instance, Callable[[str], object], Callable[[str], object]], None]:
    if name == "uai":
        from factorgraph.interop.formats.products import write_uai

        return write_uai
    if name == "libdai":
        from factorgraph.interop.formats.products import write_libdai

        return write_libdai
    if name == "alist":
        from factorgraph.interop.formats.parity import write_alist

        return write_alist
    from factorgraph.interop.formats.costs import write_cfn, write_wcsp

    if name == "cfn":
        return write_cfn
    return lambda instance, say, note: write_wcsp(instance, say, note, digits)


def _told(target: str) -> str:
    stem = target.lower().removesuffix(".gz")
    suffix = os.path.splitext(stem)[1][1:]
    if suffix not in _SUFFIXES:
        raise UsageError(
            f"the format of {target} cannot be told by its name",
            code="E0910",
            hint=f"it ends in one of .{', .'.join(_SUFFIXES)}, or --to names one of "
            f"{', '.join(FORMATS)}",
        )
    return _SUFFIXES[suffix]

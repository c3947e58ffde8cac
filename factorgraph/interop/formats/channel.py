"""What came out of a channel, for codes: log-likelihood ratios, or hard bits.

A ratio is log p(y | 0) - log p(y | 1): positive where the bit is rather 0. A bit x then costs
ratio times x. Bits that are not sent, of which a quasi-cyclic code may have some, cost nothing.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import DataError, UsageError, some
from factorgraph.graph.structure import Energies, Group, Structure
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.source import Source
from factorgraph.interop.formats.tokens import Tokens

CODES = ("alist", "qc")
_WHITE = b" \t\r\n\v\f,"


def read_ratios(path: str | os.PathLike[str], bits: int) -> Energies:
    """Read log-likelihood ratios of one frame or several, ``bits`` numbers each.

    Returns
    -------
    float64 [frames, bits].

    Raises
    ------
    DataError : the file is damaged, or holds no whole number of frames.
    """
    tokens = Tokens(Source(path))
    bad = ~np.isfinite(tokens.values)
    if bad.any():
        at = int(bad.argmax())
        raise tokens.wrong(at, f"a log-likelihood ratio is a number, not `{tokens.word(at)}`")
    return _frames(tokens.values, bits, tokens.source.name, "number")


def read_word(path: str | os.PathLike[str], bits: int, flip: float) -> Energies:
    """Read received bits, 0 or 1 with blanks or without, of one frame or several.

    Parameters
    ----------
    flip : the probability that a bit was flipped on its way, above 0 and below 1.

    Returns
    -------
    float64 [frames, bits], their log-likelihood ratios.

    Raises
    ------
    DataError : the file is damaged, or holds no whole number of frames.
    UsageError : the probability is out of range.
    """
    if not 0 < flip < 1:
        raise UsageError(
            f"--bsc {flip:g}: the probability of a flip is above 0 and below 1", code="E0910"
        )
    source = Source(path)
    text = source.text("the bits of", 10)
    packed = text.translate(None, _WHITE)
    odd = packed.translate(None, b"01")
    if odd:
        line = text.count(b"\n", 0, text.index(odd[:1])) + 1
        raise DataError(f"{source.name}:{line}: a received bit is 0 or 1", code="E0370")
    word = np.frombuffer(packed, np.uint8) - ord("0")
    ratio = np.log1p(-flip) - np.log(flip)
    return _frames((1.0 - 2.0 * word) * ratio, bits, source.name, "bit")


def _frames(values: NDArray[np.float64], bits: int, name: str, noun: str) -> Energies:
    if not len(values) or len(values) % bits:
        raise DataError(
            f"{name} holds {some(len(values), noun)}, which is no multiple of the {bits} that the "
            "code sends",
            code="E0374",
        )
    return values.reshape(-1, bits)


def coded(instance: Instance) -> int:
    """Return how many bits a code sends.

    Raises
    ------
    UsageError : the instance is no code.
    """
    if instance.format not in CODES:
        raise UsageError(
            f"{instance.source} is no parity-check matrix: nothing is received",
            code="E0911",
            hint="--llr and --bsc are for .alist and .qc",
        )
    return len(instance.sent)


def heard(instance: Instance, ratios: Energies) -> tuple[Instance, ...]:
    """Return a code with what was received, one instance a frame, on one structure.

    Parameters
    ----------
    ratios : float64 [frames, sent bits].

    Raises
    ------
    UsageError : the instance is no code.
    """
    n = coded(instance)
    old = instance.structure
    budget.require(16 * len(ratios) * (n + old.size), "the frames received")
    channel = Group(
        "channel",
        (2,),
        np.array(instance.sent, np.int32)[:, None],
        np.arange(n, dtype=np.int32),
        n,
        np.array([0, n], np.int64),
    )
    structure = Structure(old.card, old.instance, (channel, *old.groups), old.kinds)
    structure.check()
    numbers = (np.arange(n, dtype=np.int32), *instance.numbers)
    out = []
    for row in ratios:
        table = np.zeros((n, 2))
        table[:, 1] = row
        values = np.concatenate((table.reshape(-1), instance.values))
        out.append(replace(instance, structure=structure, values=values, numbers=numbers))
    return tuple(out)

"""Trainings that can be gone on with: the optimiser's state in one file, whole or not at all.

A checkpoint says what it belongs to (the text, the data, the options that decide the result), so
that nothing else is gone on with. To go on gives the same weights, to the bit, as never to have
stopped, whatever the number of threads.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from factorgraph import files
from factorgraph.data.column import Column, Records
from factorgraph.data.npz import read_arrays
from factorgraph.data.shared import Sparse
from factorgraph.errors import DataError, RunError
from factorgraph.learn.checkpoint import SCALARS, LBFGSState

FORMAT = 1

Past = tuple[int, float, float]
"""Iteration, value and norm of one of the last iterations."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where a training stands between two iterations.

    Attributes
    ----------
    state : the optimiser's.
    small : the gradient norm that counts as small, which is fixed at the start.
    past : of the last iterations, oldest first: they decide when training has stalled.
    """

    state: Any
    small: float = 0.0
    past: Sequence[Past] = ()


class _Stream(io.RawIOBase):
    """What takes the parts of an archive one by one, so that it is nowhere as a whole."""

    def __init__(self, out: Callable[[bytes], object]) -> None:
        self._out = out

    def write(self, part: Any) -> int:
        """Write a part."""
        self._out(part)
        return memoryview(part).nbytes

    def writable(self) -> bool:
        """Say that it takes parts."""
        return True


class Keeper:
    """Keeps a training's checkpoint in a file.

    Parameters
    ----------
    path : the file.
    identity : what the training is, by name: plain values that must be the same to go on.
    every : seconds between two writings; 0 for after each iteration.
    """

    def __init__(self, path: Path, identity: dict[str, Any], every: float = 30.0) -> None:
        self.path, self.identity, self.every = path, identity, every
        self._written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written >= self.every

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the file.

        Raises
        ------
        RunError : it cannot be written; the last one is then still there.
        """
        header = {"format": FORMAT, "identity": self.identity, "small": checkpoint.small}
        arrays: dict[str, Any] = {
            f"s_{name}": np.atleast_1d(array) for name, array in checkpoint.state.arrays().items()
        }
        arrays["past"] = np.array(checkpoint.past, np.float64).reshape(-1, 3)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        try:
            with files.writing(self.path) as out:
                np.savez(cast(IO[bytes], _Stream(out)), allow_pickle=False, **arrays)
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written: {error.strerror or error}", code="E0802"
            ) from None
        self._written = time.monotonic()

    def read(self, kind: Any = LBFGSState) -> Checkpoint:
        """Return the checkpoint in the file.

        Parameters
        ----------
        kind : the class of the state; its ``from_arrays`` makes one.

        Raises
        ------
        RunError : there is none, it is damaged, or it is of another training, naming the field.
        """
        if not self.path.is_file():
            raise RunError(
                f"{self.path.parent} holds no training to go on with",
                code="E0805",
                hint="it has not begun, or it has ended: see run.json",
            )
        try:
            arrays = read_arrays(self.path)
            header = json.loads(arrays.pop("header").tobytes())
            past, identity, small = arrays.pop("past"), header["identity"], header["small"]
            if header["format"] != FORMAT or past.shape[1:] != (3,) or past.dtype != np.float64:
                raise ValueError("its format is another one")
            if not isinstance(identity, dict) or not isinstance(small, float):
                raise ValueError("its header is damaged")
            if not np.isfinite(past).all():
                raise ValueError("a number is not finite")
        except (
            DataError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
        ) as error:
            why = getattr(error, "message", error)
            raise RunError(f"{self.path} is damaged: {why}", code="E0803") from None
        for name, value in self.identity.items():
            if identity.get(name) != value:
                raise RunError(
                    f"{self.path} belongs to another training: `{name}` is not the same",
                    code="E0805",
                    hint="go on with the same text, data and options, or say --overwrite",
                )
        fields = {name.removeprefix("s_"): array for name, array in arrays.items()}
        for name in SCALARS if kind is LBFGSState else ():
            if name in fields and fields[name].shape == (1,):
                fields[name] = fields[name].reshape(())
        state = kind.from_arrays(fields)
        return Checkpoint(state, small, [(int(i), v, n) for i, v, n in past.tolist()])


def digest(records: Records, shared: dict[str, Any]) -> str:
    """Return a hash of data: of every field, and of what all instances share."""
    out = hashlib.sha256()
    for part in (*_columns(records.columns.values()), *_shared(shared)):
        if isinstance(part, str):
            out.update(part.encode("utf-8", "surrogatepass"))
        else:
            out.update(f"{part.dtype} {part.shape}".encode())
            out.update(np.ascontiguousarray(part).view(np.uint8).data)
    return out.hexdigest()


def digest_of_arrays(arrays: dict[str, NDArray[np.float64]]) -> str:
    """Return a hash of arrays and their names."""
    out = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        out.update(f"{name} {array.shape}".encode())
        out.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return out.hexdigest()


def _columns(columns: Iterable[Column]) -> Iterable[str | NDArray[Any]]:
    for column in columns:
        yield column.name
        yield from (column.values, column.start, np.ascontiguousarray(column.shape))
        if column.missing is not None:
            yield column.missing


def _shared(shared: dict[str, Any]) -> Iterable[str | NDArray[Any]]:
    for name, value in sorted(shared.items()):
        yield name
        if isinstance(value, Sparse):
            yield from (value.indptr, value.indices, value.data)
        else:
            yield np.asarray(value)

"""The run folder: weights, the flattened text, a header and the log. Data only, never code.

=============  ==========================================================================
``model.fg``   the flattened text: all that is needed to compile the model again
``run.json``   header: versions, hash of the text, shapes, vocabularies, how training went
``weights.npz``  one float64 array for each param, no pickles
``log.jsonl``  one event a line, as it happened
``checkpoint.npz``  the state of a training that has not ended
=============  ==========================================================================
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from factorgraph import files
from factorgraph.data.instances import Vocabularies
from factorgraph.data.npz import read_arrays
from factorgraph.errors import DataError, RunError
from factorgraph.ground.weights import Weights
from factorgraph.learn.events import Event, Iteration

FORMAT = 1
NAMES = ("run.json", "weights.npz", "model.fg", "log.jsonl")
ASIDE = ".log.jsonl-before"
"""Where the log of a run that is to be replaced lies meanwhile."""

CHECKPOINT = "checkpoint.npz"
REPORT = "report.html"
LARGEST_HEADER = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Stored:
    """What a run folder holds."""

    text: str
    weights: Weights
    vocabularies: Vocabularies
    header: dict[str, Any]


def text_hash(text: str) -> str:
    """Return the hash that ties weights to the text they were trained for."""
    return hashlib.sha256(text.encode()).hexdigest()


def prepare(path: Path, overwrite: bool, resume: bool = False) -> None:
    """Make a folder for a run, or take that of a training that is to go on.

    Raises
    ------
    RunError : where it holds something already, or cannot be written.
    """
    try:
        if resume:
            if not (path / CHECKPOINT).is_file():
                raise RunError(
                    f"{path} holds no training to go on with",
                    code="E0805",
                    hint="it has not begun, or it has ended: see run.json",
                )
            return
        path.mkdir(parents=True, exist_ok=True)
        there = sorted(p.name for p in path.iterdir())
        if CHECKPOINT in there and not overwrite:
            raise RunError(
                f"{path} holds a training that has not ended",
                code="E0801",
                hint="--resume goes on with it, --overwrite begins anew",
            )
        known = {*NAMES, CHECKPOINT, REPORT, ASIDE}
        foreign = [n for n in there if n not in known and not n.startswith(f".{CHECKPOINT}-")]
        begun = "log.jsonl" in there and not {"weights.npz", "model.fg"} & set(there)
        unfinished = begun or (not foreign and ("log.jsonl" in there or there == [CHECKPOINT]))
        if there and there != ["log.jsonl"] and not overwrite:
            raise RunError(
                f"{path} is not empty",
                code="E0801",
                hint="choose another folder, or say --overwrite to replace the run in it",
            )
        if there and "run.json" not in there and not unfinished:
            raise RunError(f"{path} holds other things than a run", code="E0801")
        if not os.access(path, os.W_OK | os.X_OK):
            raise RunError(f"{path} cannot be written", code="E0802")
    except OSError as error:
        raise _unwritable(path, error) from None


@contextmanager
def attempt(path: Path, overwrite: bool, resume: bool = False) -> Iterator[None]:
    """Make a folder for a run as `prepare` does; where what follows fails, leave it as it was.

    A checkpoint that was written stays: it is the last good state of a training that can be gone
    on with.
    """
    log, aside, old = path / "log.jsonl", path / ASIDE, set(NAMES)
    made: list[Path] = []
    moved = False
    try:
        made = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
        prepare(path, overwrite, resume)
        old = {file.name for file in path.iterdir()}
        if not resume and log.is_file():
            os.replace(log, aside)  # to bring it back takes no room
            moved = True
        yield
    except BaseException:
        with suppress(OSError):
            if not (path / CHECKPOINT).is_file():
                for name in NAMES:
                    if name not in old:
                        (path / name).unlink(missing_ok=True)
                if moved:
                    os.replace(aside, log)
                for folder in made:
                    folder.rmdir()
        raise
    finally:
        if moved:
            with suppress(OSError):
                aside.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(f"{path} cannot be written: {error.strerror or error}", code="E0802")


def save(
    path: Path,
    text: str,
    weights: Weights,
    vocabularies: Vocabularies,
    header: dict[str, Any],
    energies: Mapping[str, str] | None = None,
) -> None:
    """Write a run; ``run.json`` comes last, so that a run that is there is whole. Where the disk is
    full, a run that was there stays as it was.

    Parameters
    ----------
    energies : texts of second energies by name; each becomes a file beside ``model.fg``.

    Raises
    ------
    RunError : where the folder cannot be written.
    """
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **{f"p_{n}": np.atleast_1d(w) for n, w in weights.items()})
    full = {
        "format": FORMAT,
        "text_sha256": text_hash(text),
        "energies": {name: text_hash(other) for name, other in (energies or {}).items()},
        "weights_sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        "shapes": {name: list(w.shape) for name, w in weights.items()},
        "vocabularies": {name: list(words) for name, words in vocabularies.items()},
        **header,
    }
    try:
        path.mkdir(parents=True, exist_ok=True)
        parts = {"weights.npz": packed.getvalue(), "model.fg": text.encode()}
        parts |= {f"{name}.fg": other.encode() for name, other in (energies or {}).items()}
        parts["run.json"] = json.dumps(full, indent=1).encode()
        files.write_all({path / name: data for name, data in parts.items()})
    except OSError as error:
        raise _unwritable(path, error) from None


def load(path: Path) -> Stored:
    """Read a run.

    Raises
    ------
    RunError : where the folder is missing or damaged, naming the file and the field.
    """

    def wrong(file: str, what: str) -> RunError:
        return RunError(f"{path / file}: {what}", code="E0803")

    if not path.is_dir():
        raise RunError(f"{path} is no run folder", code="E0803")
    try:
        if (path / "run.json").stat().st_size > LARGEST_HEADER:
            raise wrong("run.json", "too large to be a header")
        header = json.loads((path / "run.json").read_text(encoding="utf-8"))
        text = (path / "model.fg").read_bytes().decode("utf-8")
        packed = (path / "weights.npz").read_bytes()
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise RunError(
            f"{path}: `{name}` is missing",
            code="E0803",
            hint="training has not finished here" if name == "run.json" else None,
        ) from None
    except (ValueError, RecursionError) as error:
        raise wrong("run.json", f"damaged ({error})") from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", code="E0803") from None
    if not isinstance(header, dict):
        raise wrong("run.json", "damaged")
    if header.get("format") != FORMAT:
        raise wrong("run.json", f"field `format` is {header.get('format')!r}, expected {FORMAT}")
    if header.get("text_sha256") != text_hash(text):
        raise wrong("run.json", "field `text_sha256` does not fit model.fg, which was changed")
    if header.get("weights_sha256") != hashlib.sha256(packed).hexdigest():
        raise wrong(
            "run.json", "field `weights_sha256` does not fit weights.npz, which was changed"
        )
    energies = header.get("energies") or {}
    if not isinstance(energies, dict):
        raise wrong("run.json", "field `energies` is damaged")
    for name, expected in energies.items():
        try:
            other = (path / f"{name}.fg").read_bytes().decode("utf-8")
        except (OSError, ValueError):
            raise wrong(f"{name}.fg", "missing or damaged") from None
        if text_hash(other) != expected:
            raise wrong("run.json", f"field `energies` does not fit {name}.fg, which was changed")
    vocabularies = header.get("vocabularies")
    if not isinstance(vocabularies, dict) or not all(
        isinstance(words, list) and all(isinstance(w, str) for w in words)
        for words in vocabularies.values()
    ):
        raise wrong("run.json", "field `vocabularies` is damaged")
    return Stored(
        text,
        _weights(path, header.get("shapes"), wrong),
        {name: tuple(words) for name, words in vocabularies.items()},
        header,
    )


def _weights(path: Path, shapes: Any, wrong: Any) -> Weights:
    if not isinstance(shapes, dict):
        raise wrong("run.json", "field `shapes` is damaged")
    if not shapes:
        return {}
    try:
        arrays = read_arrays(path / "weights.npz")
    except DataError as error:
        raise RunError(error.message, code="E0803") from None
    out: Weights = {}
    for name, shape in shapes.items():
        array = arrays.get(f"p_{name}")
        if array is None:
            raise wrong("weights.npz", f"weight `{name}` is missing")
        if shape == [] and array.shape == (1,):
            array = array.reshape(())
        if list(array.shape) != shape or array.dtype != np.float64:
            raise wrong(
                "weights.npz",
                f"weight `{name}` is {array.dtype} {list(array.shape)}, expected float64 {shape}",
            )
        if not np.isfinite(array).all():
            raise wrong("weights.npz", f"weight `{name}` is not finite")
        out[name] = array
    return out


class Log:
    """Events as JSON lines, flushed as they come."""

    def __init__(self, path: Path, resume: bool = False) -> None:
        try:
            file = path / "log.jsonl"
            if resume and file.is_file():  # a line may be half-written
                os.truncate(file, file.read_bytes().rfind(b"\n") + 1)
            self._stream = file.open("a" if resume else "w", encoding="utf-8")
        except OSError as error:
            raise _unwritable(path, error) from None
        self._path = path

    def __call__(self, event: Event) -> None:
        try:
            self._stream.write(json.dumps(event.as_dict()) + "\n")
            if type(event) is not Iteration or event.iteration % 10 == 0:
                self._stream.flush()
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._stream.close()
        except OSError as full:
            if error is None:
                raise _unwritable(self._path, full) from None

"""One damaged file of data through everything that reads data."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import sys
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import factorgraph as fg
from factorgraph.data.bind import wanted
from factorgraph.data.mock import mock
from factorgraph.data.python import from_python
from factorgraph.data.read import read
from factorgraph.data.select import chosen
from factorgraph.data.stream import stream
from factorgraph.errors import BudgetError, FgError
from factorgraph.ground.energy import energies
from factorgraph.learn.folder import text_hash
from factorgraph.pipeline import load_run
from fuzz import corpus, damage, sensible
from fuzz.program import Defect, Report, attempt, step

sys.path.insert(0, str(corpus.TESTS))

Data = list[dict[str, Any]]
KINDS = (
    "objects", "arrays", "lists", "jsonl", "jsonl", "jsonl.gz", "npz", "npz", "npz", "columns",
    "csv", "shared", "run",
)  # fmt: skip
"""The forms in which data come."""

DRAWN = 60
"""Random texts among which those that check give further models."""


@cache
def names() -> tuple[str, ...]:
    """Return the names of all models: those of the language, and random ones."""
    import zoo

    drawn = []
    for seed in range(DRAWN):
        try:
            prepared(f"random {seed}")
        except (FgError, Defect):
            continue
        drawn.append(f"random {seed}")
    return (*zoo.NAMES, *drawn)


@cache
def prepared(name: str) -> tuple[Any, Any, tuple[Data, ...]]:
    """Return a model, a run of it, and sets of good data."""
    import zoo

    if name.startswith("random "):
        seed = int(name.split()[1])
        model = fg.compile(sensible.write(Random(seed)))
        sets = tuple(mock(model.checked, 3, k, latents=True) for k in range(2))
        for data in sets:
            model.init(0, sets[0]).energies(data)
    else:
        model = fg.load(zoo.FOLDER / f"{name}.fg", settings=zoo.settings(name))
        sets = tuple(zoo.make(name, np.random.default_rng(k)) for k in range(2))
    return model, model.init(0, sets[0]), sets


def drive(seed: int, folder: Path, deep: bool = False, limit: float = math.inf) -> Report:
    """Damage good data by number, and read, bind and use them.

    Parameters
    ----------
    folder : where files are written.
    deep : whether the command line reads them too.
    """
    random = Random(f"data {seed}")
    model, run, sets = prepared(random.choice(names()))
    good = random.choice(sets)[: random.randint(1, 3)]
    kind = random.choice(KINDS)
    report = Report(kind, limit=limit)
    if kind == "run":
        _stored(report, random, run, good, folder)
        return report
    try:
        with step(report, "make"):
            data, options, shared = make(random, kind, good, folder, model)
    except FgError:
        report.outcome = "not written in this form"
        return report
    if report.crashes:
        return report
    use(report, random, model, run, data, options, shared)
    if deep and isinstance(data, Path):
        _command(report, model, data, options, folder)
    return report


def _stored(report: Report, random: Random, run: Any, good: Data, folder: Path) -> None:
    """Damage a file of a run's folder, and load the run."""
    path = folder / "run"
    shutil.rmtree(path, ignore_errors=True)
    run.save(path)
    file = random.choice(sorted(path.iterdir()))
    content = file.read_bytes()
    match random.randrange(4):
        case 0:
            file.unlink()
        case 1 if file.suffix == ".json":
            header = [*damage.values(random, [json.loads(content)]), None][0]
            file.write_text(json.dumps(header), encoding="utf-8")
        case 2 if file.suffix == ".npz":
            file.write_bytes(damage.archive(random, content))
        case _:
            file.write_bytes(damage.text(random, content))
    if random.random() < 0.5:
        _resigned(path)
    error = attempt(report, "load", lambda: load_run(path).bind(good))
    report.outcome = "loads" if error is None else f"load: {_name(error)}"


def _resigned(path: Path) -> None:
    """Let a run's header vouch for its files, so that what is behind the hashes is reached."""
    try:
        header = json.loads((path / "run.json").read_bytes())
        header["weights_sha256"] = hashlib.sha256((path / "weights.npz").read_bytes()).hexdigest()
        header["text_sha256"] = text_hash((path / "model.fg").read_text(encoding="utf-8"))
        (path / "run.json").write_text(json.dumps(header), encoding="utf-8")
    except (OSError, ValueError, TypeError, RecursionError):
        return


def use(
    report: Report, random: Random, model: Any, run: Any, data: Any, options: Any, shared: Any
) -> None:
    """Read data, bind them and take energies, as far as they go."""
    fields = wanted(model.checked)
    if random.random() < 0.2:
        attempt(report, "init", lambda: model.init(0, _read(data, None, options), with_=shared))
    if isinstance(data, Path) and random.random() < 0.3:
        size = random.choice((1, 100, 100_000))
        attempt(report, "stream", lambda: _streamed(run, data, fields, options, size))
    records: Any = None
    try:
        with step(report, "read"):
            records = _read(data, fields, options)
    except FgError as error:
        report.outcome = f"read: {_name(error)}"
        return
    if records is None:
        report.outcome = "failed"
        return
    if random.random() < 0.1 and records.columns:
        name = random.choice(sorted(records.columns))
        condition = f"{name}{random.choice(('=', '!='))}{random.choice(('1', 'a', '', '1e9', '_'))}"
        attempt(report, "select", lambda: chosen(records, condition))
    bound: Any = None
    try:
        with step(report, "bind"):
            latents = random.random() < 0.8
            bound = run.bind(records, answers=True, latents=latents, with_=shared)
    except FgError as error:
        report.outcome = f"bind: {_name(error)}"
        return
    if bound is None:
        report.outcome = "failed"
        return
    if bound.open.any():
        report.outcome = "bound, in part open"
        return
    found = attempt(report, "energies", lambda: _energies(model, bound, run))
    report.outcome = "has energies" if found is None else f"energies: {_name(found)}"


def _energies(model: Any, bound: Any, run: Any) -> None:
    for name, value in energies(model.checked, bound, run.weights).items():
        if np.isnan(value).any() or np.isneginf(value).any():
            raise Defect(f"factor `{name}` has an energy that is none: {value}")


def _name(error: FgError) -> str:
    if isinstance(error, BudgetError):
        return "over the budget"
    return error.code or f"{type(error).__name__} without code"


def _read(data: Any, fields: Any, options: Any) -> Any:
    if isinstance(data, Path):
        return read(data, fields, **options)
    return from_python(data, fields)


def _streamed(run: Any, data: Path, fields: Any, options: Any, size: int) -> None:
    for block in stream(data, fields, **options, size=size):
        run.bind(block, answers=True, latents=True)


def _command(report: Report, model: Any, data: Path, options: Any, folder: Path) -> None:
    from fuzz.program import command

    path = folder / "model.fg"
    path.write_text(model.text, encoding="utf-8")
    words = [f"--{k}={v}" if v is not True else f"--{k}" for k, v in options.items()]
    kept = data.read_bytes()
    attempt(report, "fgc info", lambda: command(["info", *words, str(path), str(data)]))
    if data.read_bytes() != kept:
        report.crashes.append(("fgc info", Defect("the data were changed")))


# -- the forms


def make(
    random: Random, kind: str, good: Data, folder: Path, model: Any
) -> tuple[Any, dict[str, Any], Any]:
    """Return damaged data of a form: a path or an object, options to read it, shared data."""
    options: dict[str, Any] = {}
    shared: Any = None
    whole = random.random() < 0.1  # some good ones, so that it is seen that they are read
    if kind == "shared":
        name = random.choice(sorted(good[0]))
        rest = [{k: v for k, v in item.items() if k != name} for item in good]
        return rest, options, _shared(random, name, good[0][name], folder)
    values = good if whole or random.random() < 0.3 else damage.values(random, good)
    match kind:
        case "objects":
            return values, options, shared
        case "lists":
            return _lists(values), options, shared
        case "arrays":
            found = as_arrays(good)
            return found if whole else damage.arrays(random, found), options, shared
        case "npz":
            found = as_arrays(good)
            if not whole and random.random() < 0.5:
                found = damage.arrays(random, found)
            out = io.BytesIO()
            odd = any("/" in k or not k or np.ndim(v) > 32 for k, v in found.items())
            np.savez(out, **({} if odd else found))  # type: ignore[arg-type]
            content = out.getvalue()
            if not whole and random.random() < 0.5:
                content = damage.archive(random, content)
            path = folder / "data.npz"
        case "jsonl" | "jsonl.gz":
            lines = "".join(json.dumps(item) + "\n" for item in values)
            content = lines.encode("utf-8", "surrogatepass")
            if not whole and random.random() < 0.6:
                content = damage.text(random, content)
            if kind == "jsonl.gz":
                content = damage.packed_text(random, content)
            path = folder / f"data.{kind}"
        case "columns":
            content, names_ = _columns(good)
            options["columns"] = names_
            if not whole:
                content = damage.text(random, content)
            path = folder / "data.txt"
        case _:
            content, group = _table(good)
            if group:
                options["group"] = group
            if not whole:
                content = damage.text(random, content)
            path = folder / "data.csv"
    path.write_bytes(content)
    return path, options, shared


def _lists(data: Any) -> Any:
    if not all(isinstance(item, dict) for item in data):
        return data
    names = {name for item in data for name in item}
    return {name: [item.get(name) for item in data] for name in sorted(names)}


def as_arrays(data: Data) -> dict[str, Any]:
    """Return data as arrays by name, ragged ones with offsets, what fits into none left out."""
    out: dict[str, Any] = {}
    for name in data[0]:
        items = [item[name] for item in data]
        if (
            items
            and isinstance(items[0], list)
            and any(isinstance(row, dict) for item in items for row in item)
        ):
            keys = next(row for item in items for row in item if isinstance(row, dict))
            for key in keys:
                _field(out, f"{name}.{key}", [[row[key] for row in item] for item in items])
            continue
        _field(out, name, items)
    return out


def _field(out: dict[str, Any], name: str, items: list[Any]) -> None:
    try:
        parts = [np.asarray(item) for item in items]
    except ValueError:
        flat = [row for item in items for row in item]
        _field(out, f"{name}.lengths", [[len(row) for row in item] for item in items])
        joined = [[value for row in item for value in row] for item in items]
        if flat and not any(isinstance(v, list) for v in joined[0]):
            _field(out, name, joined)
        return
    if len({p.shape for p in parts}) == 1:
        out[name] = np.stack(parts)
        return
    rest = next((p.shape[1:] for p in parts if p.size), ())
    if any(p.size and p.shape[1:] != rest for p in parts):
        raise FgError("no array has such items", code="none")  # pictures of different widths
    filled = [p if p.size else np.zeros((0, *rest)) for p in parts]
    out[name] = np.concatenate(filled)
    out[f"{name}.offsets"] = np.cumsum([0, *(len(p) for p in parts)])


def _columns(data: Data) -> tuple[bytes, str]:
    """Return the fields that are lists of texts or numbers as text in columns."""
    plain = [
        name for name in data[0]
        if all(isinstance(v, list) and not any(isinstance(x, list | dict) for x in v)
               for v in (item[name] for item in data))
    ]  # fmt: skip
    lines = []
    for item in data:
        count = max((len(item[name]) for name in plain), default=0)
        for i in range(count):
            lines.append(" ".join(str(item[n][i]) if i < len(item[n]) else "_" for n in plain))
        lines.append("")
    return "\n".join(lines).encode(), ",".join(plain) or "x"


def _table(data: Data) -> tuple[bytes, str | None]:
    """Return data as a table: a row an instance, or rows grouped by a number."""
    scalars = [n for n, v in data[0].items() if not isinstance(v, list)]
    flat: list[dict[str, Any]] = []
    for item in data:
        row: dict[str, Any] = {n: item[n] for n in scalars}
        for name, value in item.items():
            if isinstance(value, list):
                for k, leaf in enumerate(value[:20]):
                    if not isinstance(leaf, list | dict):
                        row[f"{name}[{k}]"] = leaf
        flat.append(row)
    if all(set(row) == set(flat[0]) for row in flat) and flat[0]:
        head = list(flat[0])
        rows = [",".join(str(row[n]) for n in head) for row in flat]
        return "\n".join([",".join(head), *rows, ""]).encode(), None
    content, names_ = _columns(data)
    lines = [f"id,{names_}"]
    for k, block in enumerate(content.decode().split("\n\n")):
        lines += [f"{k}," + line.replace(" ", ",") for line in block.splitlines()]
    return "\n".join([*lines, ""]).encode(), "id"


def _shared(random: Random, name: str, value: Any, folder: Path) -> Any:
    """Return what `--with` takes: a file or arrays, damaged as a rule."""
    whole = random.random() < 0.2
    match random.randrange(6):
        case 0:
            changed = value if whole else damage.values(random, [value])
            return {name: changed if whole or not changed else changed[0]}
        case 1:
            found: dict[str, Any] = {}
            _field(found, name, [value])
            found = found if whole else damage.arrays(random, found)
            return dict(found)
        case 2:
            path = folder / "shared.jsonl"
            content = (json.dumps({name: value}) + "\n").encode()
        case 3:
            path = folder / "shared.npz"
            out = io.BytesIO()
            found = {}
            _field(found, name, [value])
            np.savez(out, **{k: v[0] if len(v) else v for k, v in found.items()})
            content = out.getvalue() if whole else damage.archive(random, out.getvalue())
        case 4:
            path = folder / "shared.alist"
            content = b"6 3\n2 3\n1 2 1 2 1 2\n3 3 3\n1 3\n1 2\n2\n1\n2\n3\n1 2 4\n2 3 5\n1 3 6\n"
        case _:
            path = folder / "shared.mtx"
            content = (b"%%MatrixMarket matrix coordinate pattern general\n3 6 9\n1 1\n1 2\n1 4\n"
                       b"2 2\n2 3\n2 5\n3 1\n3 3\n3 6\n")  # fmt: skip
    if not whole and path.suffix != ".npz":
        content = damage.text(random, content)
    path.write_bytes(content)
    return [f"{name}={path}" if random.random() < 0.7 else str(path)]

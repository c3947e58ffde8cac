"""Training on data that are read in shards: what it is in memory."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.data.join import join, shards
from factorgraph.data.python import from_python
from factorgraph.data.stream import stream
from factorgraph.errors import DataError, UsageError

sys.path.insert(0, str(Path(__file__).parent))

from test_stochastic import SMOOTH, data, same, status

OPTIONS: dict[str, Any] = {"optimizer": "adagrad", "batch": 3, "epochs": 3, "shard": 16}


def written(path: Path, items: list[dict[str, Any]]) -> str:
    text = "".join(json.dumps(item) + "\n" for item in items)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return str(path)


def test_blocks_become_shards_of_one_size(tmp_path: Path) -> None:
    items = data(47)
    path = written(tmp_path / "d.jsonl", items)
    whole = from_python(path, ["w", "x", "y"])
    for size in (5, 16, 47, 100):
        found = list(shards(stream(path, ["w", "x", "y"], size=400), size))
        assert [r.count for r in found[:-1]] == [size] * (len(found) - 1)
        assert sum(r.count for r in found) == 47
        every = join(found)
        assert every is not None
        for name, column in whole.columns.items():
            np.testing.assert_array_equal(every.columns[name].values, column.values)
            np.testing.assert_array_equal(every.columns[name].start, column.start)
        assert every.where(46) == whole.where(46)


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz"])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
def test_the_same_as_in_memory(name: str, optimizer: str, tmp_path: Path) -> None:
    path = written(tmp_path / name, data(47))
    model, options = fg.compile(SMOOTH), OPTIONS | {"optimizer": optimizer}
    memory = model.fit(data(47), **options)
    read = model.fit(path, stream=True, **options)
    same(read, memory)
    assert read.vocabularies == memory.vocabularies
    assert read.finished is not None and memory.finished is not None
    assert read.finished.objective == pytest.approx(memory.finished.objective, rel=1e-12)


def test_interrupted_in_the_middle_of_a_shard(tmp_path: Path) -> None:
    path, keeper = written(tmp_path / "d.jsonl", data(47)), tmp_path / "c.npz"
    model = fg.compile(SMOOTH)
    alone = model.fit(path, stream=True, **OPTIONS)
    asked = [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] >= 26

    part = model.fit(path, stream=True, checkpoint=keeper, stop=stop, **OPTIONS)
    assert "interrupted in epoch 2" in status(part)
    same(model.fit(path, stream=True, checkpoint=keeper, resume=True, **OPTIONS), alone)


def test_only_a_shard_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is bound, for vocabularies, batches and validation, is at most a shard."""
    from factorgraph.data import bind as module

    seen: list[int] = []
    inner = module.bind

    def bind(model: Any, records: Any, *rest: Any, **named: Any) -> Any:
        seen.append(records.count)
        return inner(model, records, *rest, **named)

    monkeypatch.setattr("factorgraph.learn.streamed.bind", bind)
    path = written(tmp_path / "d.jsonl", data(100))
    fg.compile(SMOOTH).fit(path, stream=True, **OPTIONS)
    assert max(seen) == 16 and sum(seen) >= 100 * 5


def test_refused(tmp_path: Path) -> None:
    path, model = written(tmp_path / "d.jsonl", data(9)), fg.compile(SMOOTH)
    with pytest.raises(UsageError, match="needs all data in memory"):
        model.fit(path, stream=True, optimizer="lbfgs")
    with pytest.raises(UsageError, match="do not go with"):
        model.fit(path, stream=True, skip_infeasible=True)
    items = data(40)
    items[33]["y"] = ["Z"] * len(items[33]["y"])
    with pytest.raises(DataError, match="jsonl:34"):
        model.fit(written(tmp_path / "bad.jsonl", items), stream=True, **OPTIONS)

"""The chunker and the tagger on their own sentences: training, scores, columns, hidden labels."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import factorgraph as fg
from factorgraph.data.bind import bind
from factorgraph.data.hide import hide
from factorgraph.data.read import read
from factorgraph.engine import forest, minimise, product, sweep
from factorgraph.factors import picks, table
from factorgraph.jit import Kernel

MODELS = Path(__file__).parent.parent / "models"
CONLL = Path(__file__).parents[2] / "shared" / "data" / "conll2000"
CHUNKER, TAGGER = MODELS / "chunker", MODELS / "tagger"
COLUMNS = {CHUNKER: "word,pos,y", TAGGER: "word,y"}

Answer = tuple[int, str, str]
Call = Callable[..., Answer]


def sentences(path: Path) -> list[list[list[str]]]:
    blocks = path.read_text().strip().split("\n\n")
    return [[line.split() for line in block.splitlines()] for block in blocks]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chunker") / "run"
    model = fg.load(CHUNKER / "chunker.fg")
    model.fit(read(CHUNKER / "train.txt", columns=["word", "pos", "y"])).save(folder)
    return folder


@pytest.mark.parametrize("folder", [CHUNKER, TAGGER])
def test_the_sentences_are_well_formed(folder: Path) -> None:
    width = COLUMNS[folder].count(",") + 1
    for name in ("train.txt", "test.txt"):
        for sentence in sentences(folder / name):
            assert all(len(cells) == width for cells in sentence)
            before = "O"
            for *_, tag in sentence if folder == CHUNKER else []:
                assert tag == "O" or tag[:2] in ("B-", "I-")
                assert not tag.startswith("I-") or before[2:] == tag[2:], sentence
                before = tag
    train, test = (sentences(folder / f"{n}.txt") for n in ("train", "test"))
    assert len(train) >= 60 and not {str(s) for s in train} & {str(s) for s in test}


def test_chunks_of_new_sentences(fgc: Call, run: Path) -> None:
    status, out, _ = fgc(
        "eval", str(CHUNKER / "chunker.fg"), str(CHUNKER / "test.txt"), "-w", str(run),
        "--columns", "word,pos,y", "--json",
    )  # fmt: skip
    assert status == 0
    assert json.loads(out)["chunk"]["f1"] > 85


def test_parts_of_speech_with_half_of_the_labels() -> None:
    train = read(TAGGER / "train.txt", columns=["word", "y"])
    test = read(TAGGER / "test.txt", columns=["word", "y"])
    right = {}
    for share in (0.0, 0.5):
        run = fg.load(TAGGER / "tagger.fg").fit(train, hide=share, observed=True)
        right[share] = run.evaluate(test).overall or 0.0
    assert right[0.0] > 0.9
    assert right[0.5] > 0.75  # of six hundred words


def test_hidden_labels_are_drawn_by_the_seed() -> None:
    model = fg.load(TAGGER / "tagger.fg").checked
    instances = bind(model, read(TAGGER / "train.txt", columns=["word", "y"]))
    first, again, other = (hide(instances, 0.5, seed).unknowns["y"] for seed in (0, 0, 1))
    assert (first.state == again.state).all() and (first.state != other.state).any()
    assert 0.4 < float((first.state < 0).mean()) < 0.6
    kept = first.state >= 0
    assert (first.state[kept] == instances.unknowns["y"].state[kept]).all()
    assert first.open.any() and not instances.open.any()
    assert (hide(instances, 0.0, 0).unknowns["y"].state == instances.unknowns["y"].state).all()
    with pytest.raises(fg.errors.UsageError):
        hide(instances, 1.0, 0)


def test_answers_as_columns(fgc: Call, run: Path, tmp_path: Path) -> None:
    model, data = str(CHUNKER / "chunker.fg"), CHUNKER / "test.txt"
    out = tmp_path / "out.txt"
    status, _, _ = fgc("infer", model, str(data), "-w", str(run), "--columns", "word,pos,y",
                       "--as", "columns", "-o", str(out))  # fmt: skip
    assert status == 0
    found = fg.load_run(run).predict(read(data, columns=["word", "pos", "y"]))
    for given, written, answer in zip(sentences(data), sentences(out), found, strict=True):
        assert [cells[:3] for cells in written] == given
        assert [cells[3] for cells in written] == answer["answers"]["y"]
    assert out.read_text().endswith("\n\n")


def test_columns_that_the_model_does_not_read_are_kept(
    fgc: Call, run: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data.txt"
    data.write_text("1\tThe old\tDT\n2\tend\tNN\n\n3\tEnd\tVB\n")
    status, out, _ = fgc("infer", str(CHUNKER / "chunker.fg"), str(data), "-w", str(run),
                         "--columns", "number,word,pos", "--as", "columns")  # fmt: skip
    assert status == 0
    lines = [line.split("\t") for line in out.rstrip("\n").split("\n")]
    assert [cells[:3] for cells in lines if len(cells) > 1] == [
        ["1", "The old", "DT"], ["2", "end", "NN"], ["3", "End", "VB"],
    ]  # fmt: skip
    assert all(len(cells) == 4 for cells in lines if len(cells) > 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say --columns, too"),
        (["--columns", "word,pos,y", "--marginals"], "--as columns and --marginals"),
        (["--columns", "word,pos,y", "--unknown", "skip"], "--as columns and --unknown skip"),
    ],
)
def test_what_cannot_be_columns(fgc: Call, run: Path, options: list[str], said: str) -> None:
    status, _, err = fgc("infer", str(CHUNKER / "chunker.fg"), str(CHUNKER / "test.txt"),
                         "-w", str(run), "--as", "columns", *options)  # fmt: skip
    assert status == 2 and said in err


def test_answers_that_are_not_one_a_token(fgc: Call, tmp_path: Path) -> None:
    text = "size n\ngiven x[n] : 0..1\nanswer y : 0..1\nfactor a = sum(x[t] for t in n) * y\n"
    (tmp_path / "one.fg").write_text(text)
    (tmp_path / "data.txt").write_text("1\n0\n")
    status, _, err = fgc("infer", str(tmp_path / "one.fg"), str(tmp_path / "data.txt"),
                         "--columns", "x", "--as", "columns")  # fmt: skip
    assert status == 2 and "`y` has no value for each token" in err


def test_kernels_let_the_interpreter_go() -> None:
    for module in (forest, minimise, product, sweep, picks, table):
        found = [f for f in vars(module).values() if isinstance(f, Kernel)]
        assert found and all(f.dispatcher.targetoptions["nogil"] for f in found), module.__name__


def test_two_threads_decode_at_the_same_time(run: Path) -> None:
    """Each gets the answers that it would get alone."""
    data = read(CHUNKER / "test.txt", columns=["word", "pos", "y"])
    loaded = fg.load_run(run)
    alone = list(loaded.predict(data))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: list(loaded.predict(data)), range(6)))
    assert all(answers == alone for answers in found)


@pytest.mark.skipif(not CONLL.exists(), reason="the corpus is not there")
def test_the_observed_features_of_the_corpus_are_those_of_crfsuite() -> None:
    """python-crfsuite 0.9.12 makes 456,468 features of the same templates and sentences."""
    model = fg.load(CHUNKER / "chunker.fg")
    kept = []
    model.fit(
        read(CONLL / "train.txt.gz", columns=["word", "pos", "y"]), observed=True,
        max_iterations=0, on_event=lambda e: kept.append(getattr(e, "kept", None)),
    )  # fmt: skip
    assert 456_468 in kept
    with gzip.open(CONLL / "train.txt.gz", "rt") as file:
        assert sum(1 for line in file if line.strip()) == 211_727

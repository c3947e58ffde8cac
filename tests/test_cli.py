"""The command line, as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import factorgraph as fg

ROOT = Path(__file__).parent.parent
OCR = str(ROOT / "models" / "ocr" / "ocr.fg")
LETTERS = str(ROOT / "models" / "ocr" / "letters.npz")
FGC = [sys.executable, "-c", "from factorgraph.cli.main import main; main()"]

Answer = tuple[int, str, str]
Call = Callable[..., Answer]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty words in a file of their own."""
    path = tmp_path_factory.mktemp("data") / "few.npz"
    with np.load(LETTERS) as data:
        stop = int(data["x.offsets"][40])
        offsets = data["x.offsets"][:41]
        np.savez(
            path,
            **{
                "x": data["x"][:stop],
                "x.offsets": offsets,
                "y": data["y"][:stop],
                "y.offsets": offsets,
                "fold": np.arange(40) % 4,
            },
        )
    return path


@pytest.fixture(scope="module")
def run(small: Path) -> Path:
    path = small.parent / "run"
    done = subprocess.run(
        [*FGC, "train", OCR, str(small), "-o", str(path), "--max-iterations", "30", "--seed", "5"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "iteration" in done.stderr.lower() or "it " in done.stderr  # plain progress lines
    return path


def test_help_names_the_commands(fgc: Call) -> None:
    code, out, _ = fgc("--help")
    assert code == 0
    for name in ("check", "compile", "train", "eval", "infer", "info", "cache"):
        assert name in out
    assert fgc("--version")[1].startswith("fgc 0.")
    assert fgc()[0] == 2


def test_check_says_fine(fgc: Call) -> None:
    code, out, err = fgc("check", OCR)
    assert code == 0 and "fine" in out and not err
    code, out, _ = fgc("check", OCR, "--json", "--loss", "hinge(m = 2)")
    assert json.loads(out)["probes"] == ["E(answer)", "E(wrong)"]


def test_check_says_what_is_missing_to_infer(fgc: Call) -> None:
    text = b"answer y : real\nfactor f = (y - 2)^2\n"
    code, out, _ = fgc("check", "-", stdin=text)
    assert code == 0 and "to infer answers, this is missing (line 1): inference over `y`" in out
    code, out, _ = fgc("check", "-", "--json", stdin=text)
    found = json.loads(out)
    assert not found["infers"] and "inference over `y`" in found["missing_to_infer"]
    assert json.loads(fgc("check", OCR, "--json")[1])["infers"] is True


def test_a_text_that_says_nothing(fgc: Call) -> None:
    code, out, err = fgc("check", "-", stdin=b"# soon\n")
    assert code == 0 and "0 factors" in out and "warning W0004: the text says nothing" in err


def test_mock_takes_sizes(fgc: Call) -> None:
    text = b"size n, k = 2\nlet c = 3\ngiven x[n, k] : 0..c\nanswer y[n] : bit\nfactor f = y[0]\n"
    sets = ["--set", "n=7", "--set", "k=1", "--set", "c=0"]
    code, out, _ = fgc("mock", "-", "-n", "2", *sets, stdin=text)
    assert code == 0
    for line in out.splitlines():
        assert json.loads(line)["x"] == [[0]] * 7
    assert fgc("mock", "-", "--set", "n=-1", stdin=text)[2].startswith("error E0910: size `n`")
    assert fgc("mock", "-", "--set", "m=1", stdin=text)[2].startswith("error E0130: --set m")
    model = fg.compile(text.decode())
    with pytest.raises(fg.UsageError, match="`m` is no size") as caught:
        model.mock(1, sizes={"m": 3})
    assert caught.value.code == "E0912" and caught.value.hint == "the model's are n"


def test_use_beside_a_text_that_is_not_saved(tmp_path: Path) -> None:
    (tmp_path / "part.fg").write_text("answer y : bit\nfactor f = y\n")
    model = fg.compile('use "part.fg"', str(tmp_path / "new.fg"))
    assert list(model.checked.factors) == ["f"]


def test_models_come_from_stdin(fgc: Call) -> None:
    code, out, _ = fgc("check", "-", stdin=Path(OCR).read_bytes())
    assert code == 0 and out.startswith("-: fine")


MISTAKES = [
    (["check", "missing.fg"], "cannot be read"),
    (["check", OCR, "--loss", "nlll"], "did you mean `nll`?"),
    (["check", OCR, "--loss", "nll perceptron"], "E0002"),
    (["check", OCR, "--without", "mov"], "did you mean `move`?"),
    (["check", OCR, "--set", "q=1"], "no such constant"),
    (["check", OCR, "--set", "p"], "NAME=NUMBER"),
    (["check", OCR, "--bogus"], "--bogus"),
    (["check", LETTERS], "not UTF-8"),
    (["train", OCR, "missing.npz", "-o", "x"], "missing.npz"),
    (["train", OCR, OCR, "-o", "x"], ".npz"),
    (["train", OCR, LETTERS, "-o", "x", "--only", "fold=77"], "fold"),
    (["train", OCR, LETTERS, "-o", "x", "--budget-memory", "1k"], "budget"),
    (["train", OCR, LETTERS, "-o", "x", "--budget-memory", "lots"], "500M"),
    (["eval", OCR, LETTERS, "-w", "nowhere"], "no run folder"),
    (["infer", OCR, LETTERS], "--weights"),
    (["compile", OCR, "--emit", "rust"], "rust"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES)
def test_mistakes_are_told_and_exit_2(
    fgc: Call,
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    from factorgraph import budget

    try:
        code, out, err = fgc(*arguments)
    finally:
        budget.set_limit(None)
    assert code == 2 and words in err and not out


def test_a_wrong_text_shows_its_line_and_caret(fgc: Call, tmp_path: Path) -> None:
    path = tmp_path / "bad.fg"
    path.write_text(Path(OCR).read_text().replace("-A[y[t-1], y[t]]", "-A[y[t-1], yy[t]]"))
    code, _, err = fgc("check", str(path))
    assert code == 2
    lines = err.splitlines()
    assert lines[0].startswith(f"{path}:10:39: error E0102: `yy` is not declared")
    assert lines[1].index("yy[t]") == lines[2].index("^")
    assert "did you mean `y`?" in lines[3]
    code, out, _ = fgc("check", str(path), "--json")
    said = json.loads(out)
    assert (code, said["code"], said["line"], said["column"]) == (2, "E0102", 10, 39)


@pytest.mark.parametrize("stage", ["tree", "model", "plan", "python"])
def test_every_stage_is_printed(fgc: Call, stage: str, tmp_path: Path) -> None:
    code, out, _ = fgc("compile", OCR, "--emit", stage)
    assert code == 0 and ("emit" in out)
    target = tmp_path / "out.txt"
    assert fgc("compile", OCR, "--emit", stage, "-o", str(target))[0] == 0
    assert target.read_text() == out
    code, out, _ = fgc("compile", OCR, "--emit", stage, "--json")
    assert json.loads(out)["stage"] == stage


def test_info_counts_tables(fgc: Call, small: Path) -> None:
    code, out, _ = fgc("info", OCR, str(small), "--json")
    graph = json.loads(out)["graph"]
    assert code == 0 and graph["instances"] == 40
    assert graph["factors"]["move"]["tables"] == 1
    assert graph["factors"]["emit"]["rows"] == graph["variables"]
    assert "exact: forest" in fgc("info", OCR, str(small))[1]


def test_eval_of_a_model_without_params_needs_no_run(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "most.fg").write_text(
        "size n\ngiven x[n] : real\nanswer y[n] : bit\nfactor f[i in n] = -x[i] * y[i]\n"
    )
    (tmp_path / "some.jsonl").write_text('{"x": [1, -2, 3], "y": [1, 0, 0]}\n')
    model, data = str(tmp_path / "most.fg"), str(tmp_path / "some.jsonl")
    code, out, _ = fgc("eval", model, data, "--json")
    assert code == 0 and json.loads(out)["accuracy"]["y"] == pytest.approx(2 / 3)
    code, _, err = fgc("eval", OCR, data)
    assert code == 2 and "E0913" in err and "--weights" in err


def test_eval_prints_the_promised_object(fgc: Call, small: Path, run: Path) -> None:
    code, out, _ = fgc("eval", OCR, str(small), "-w", str(run), "--json")
    said = json.loads(out)
    assert code == 0 and said["instances"] == 40
    assert 0.9 < said["accuracy"]["y"] <= 1 and 0 <= said["instance_accuracy"] <= 1
    code, out, _ = fgc("eval", OCR, str(small), "-w", str(run), "--only", "fold!=0")
    assert code == 0 and "instances          30" in out


def test_infer_prints_one_object_a_line(fgc: Call, small: Path, run: Path, tmp_path: Path) -> None:
    code, out, _ = fgc("infer", OCR, str(small), "-w", str(run), "--marginals")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(lines) == 40
    for line in lines:
        assert set(line) == {
            "answers", "energy", "bound", "gap", "status", "marginals", "values",
        }  # fmt: skip
        assert line["status"] == "optimal" and line["gap"] == 0
        assert len(line["answers"]["y"]) == len(line["marginals"]["y"])
        assert line["values"] == {"y": list(range(26))}
        assert all(len(row) == 26 for row in line["marginals"]["y"])
    target = tmp_path / "answers.jsonl"
    assert fgc("infer", OCR, str(small), "-w", str(run), "-o", str(target))[0] == 0
    assert [json.loads(x)["answers"] for x in target.read_text().splitlines()] == [
        line["answers"] for line in lines
    ]


WORDS = """
domain Word
domain Side = {left, right}
size   n
given  word[n] : Word
answer y[n] : Side
latent h : 3..4
param  w[Word, Side], u[2] ~ l2(0.1)
factor f[t in n] = -w[word[t], y[t]]
factor g[t in n] = -u[h - 3] * (y[t] == "left")
loss   nll
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of words, its data and a run."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "w.fg").write_text(WORDS)
    rows = [{"word": ["a", "b"], "y": ["left", "right"]}, {"word": ["b"], "y": ["right"]}]
    seen = "".join(json.dumps(row) + "\n" for row in rows)
    new = json.dumps({"word": ["a", "c"], "y": ["left", "right"]}) + "\n"
    (folder / "seen.jsonl").write_text(seen)
    (folder / "some.jsonl").write_text(new + seen + new + new)
    (folder / "new.jsonl").write_text(new)
    fg.load(folder / "w.fg").fit(folder / "seen.jsonl").save(folder / "run")
    return folder


def test_instances_that_are_left_out_are_counted(fgc: Call, words: Path) -> None:
    model, run, some = str(words / "w.fg"), str(words / "run"), str(words / "some.jsonl")
    told = "left out 3 of 5 instances with labels that training has not seen\n"
    code, out, err = fgc("infer", model, some, "-w", run, "--unknown", "skip")
    assert code == 0 and err == told and len(out.splitlines()) == 2
    code, out, err = fgc("eval", model, some, "-w", run, "--unknown", "skip", "--json")
    assert code == 0 and err == told
    assert json.loads(out)["instances"] == 2 and json.loads(out)["skipped"] == 3
    code, out, err = fgc("eval", model, some, "-w", run, "--unknown", "skip")
    assert code == 0 and err == told and "instances          2" in out
    for command in ("infer", "eval"):
        new = str(words / "new.jsonl")
        code, _, err = fgc(command, model, new, "-w", run, "--unknown", "skip")
        assert code == 2 and "E0309" in err and "every instance has labels that" in err
        assert fgc(command, model, str(words / "seen.jsonl"), "-w", run)[2] == ""
    code, out, _ = fgc("eval", model, str(words / "seen.jsonl"), "-w", run, "--json")
    assert json.loads(out)["skipped"] == 0


def test_a_block_of_instances_that_are_left_out(
    fgc: Call, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from factorgraph.data import stream

    blocks = stream.stream
    monkeypatch.setattr(stream, "stream", lambda *a, **k: blocks(*a, **k, size=1))
    model, run, some = str(words / "w.fg"), str(words / "run"), str(words / "some.jsonl")
    code, out, err = fgc("infer", model, some, "-w", run, "--unknown", "skip", "--marginals")
    assert code == 0 and "left out 3 of 5" in err and len(out.splitlines()) == 2
    code, out, err = fgc("eval", model, some, "-w", run, "--unknown", "skip", "--json")
    assert code == 0 and "left out 3 of 5" in err and json.loads(out)["accuracy"] == {"y": 1}


def test_marginals_name_their_values(fgc: Call, words: Path) -> None:
    model, data, run = str(words / "w.fg"), str(words / "seen.jsonl"), str(words / "run")
    out = fgc("infer", model, data, "-w", run, "--marginals")[1]
    for line in map(json.loads, out.splitlines()):
        assert line["values"] == {"y": ["left", "right"], "h": [3, 4]}
        assert len(line["marginals"]["h"]) == 2
        for label, beliefs in zip(line["answers"]["y"], line["marginals"]["y"], strict=True):
            assert label == line["values"]["y"][int(np.argmax(beliefs))]
    assert "values" not in json.loads(fgc("infer", model, data, "-w", run)[1].splitlines()[0])


def test_data_come_from_stdin(fgc: Call, run: Path) -> None:
    word = {"x": np.zeros((2, 128), int).tolist()}
    text = (json.dumps(word) + "\n").encode()
    code, out, _ = fgc("infer", OCR, "-", "-w", str(run), stdin=text)
    assert code == 0 and len(json.loads(out)["answers"]["y"]) == 2


def test_a_changed_model_is_refused(fgc: Call, small: Path, run: Path, tmp_path: Path) -> None:
    changed = tmp_path / "ocr.fg"
    changed.write_text(Path(OCR).read_text().replace("= -A[", "= -2 * A["))
    code, _, err = fgc("eval", str(changed), str(small), "-w", str(run))
    assert code == 2 and "factor `move`" in err
    code, _, err = fgc("eval", OCR, str(small), "-w", str(run), "--without", "move")
    assert code == 2 and "`move`" in err


def test_a_run_is_not_replaced_unasked(fgc: Call, small: Path, run: Path) -> None:
    before = (run / "weights.npz").read_bytes()
    code, _, err = fgc("train", OCR, str(small), "-o", str(run))
    assert code == 2 and "--overwrite" in err and (run / "weights.npz").read_bytes() == before


def test_the_run_folder_holds_its_promise(run: Path) -> None:
    names = {"model.fg", "run.json", "weights.npz", "log.jsonl"}
    assert {p.name for p in run.iterdir()} - {"checkpoint.npz"} == names
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [e["event"] for e in log][:3] == ["judged", "compiling", "started"]
    assert log[-1]["event"] == "finished" and log[2]["seed"] == 5


def test_text_of_the_user_is_never_markup_nor_control(fgc: Call, tmp_path: Path) -> None:
    path = tmp_path / "x.fg"
    path.write_text('domain D = {"[/b]\x9b31m", "[red]"}\nanswer y : D\nfactor f = yy["[/b]"]')
    _, _, err = fgc("check", str(path))
    assert "[/b]" in err and "\x9b" not in err
    path.write_text("factor f = \x1b[31m")
    _, _, err = fgc("check", str(path))
    assert "\x1b" not in err and "\\x1b" in err


def test_a_closed_pipe_is_no_error(small: Path, run: Path) -> None:
    command = " ".join(
        f"'{part}'" for part in [*FGC, "infer", OCR, str(small), "-w", str(run), "--marginals"]
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | head -c 10"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr and "rror" not in done.stderr


def test_ctrl_c_keeps_the_weights_so_far(tmp_path: Path) -> None:
    path = tmp_path / "run"
    process = subprocess.Popen(
        [*FGC, "train", OCR, LETTERS, "-o", str(path), "--quiet", "--progress", "0"],
        stderr=subprocess.PIPE,
    )
    log = path / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and '"iteration"' in log.read_text()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in err
    header = json.loads((path / "run.json").read_text())
    assert header["training"]["status"].startswith("interrupted")


def test_an_unwritable_target_is_told(fgc: Call, small: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = "/proc/run"  # not even root writes there
    else:
        tmp_path.chmod(0o500)
        target = str(tmp_path / "run")
    code, _, err = fgc("train", OCR, str(small), "-o", target)
    assert code == 2 and "cannot be written" in err


def test_our_own_defects_exit_1(fgc: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh\x1b[31m")

    monkeypatch.setattr("factorgraph.cli.options.model", broken)
    code, _, err = fgc("check", OCR)
    assert code == 1 and "internal error: ZeroDivisionError" in err and "\x1b" not in err


def test_output_never_destroys_its_input(fgc: Call, tmp_path: Path) -> None:
    path = tmp_path / "m.fg"
    path.write_bytes(Path(OCR).read_bytes())
    code, _, err = fgc("compile", str(path), "-o", str(path))
    assert code == 2 and "same time" in err and path.read_bytes() == Path(OCR).read_bytes()


def test_output_follows_links_and_fills_pipes(fgc: Call, tmp_path: Path) -> None:
    target, link = tmp_path / "target.py", tmp_path / "link.py"
    target.write_text("old")
    link.symlink_to(target)
    assert fgc("compile", OCR, "-o", str(link))[0] == 0
    assert link.is_symlink() and "def energy_emit" in target.read_text()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert fgc("compile", OCR, "--emit", "plan", "-o", str(pipe))[0] == 0
    assert b"factor emit" in os.read(reader, 10_000) and pipe.is_fifo()
    os.close(reader)


def test_a_full_disk_is_no_defect(tmp_path: Path) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*FGC, "check", OCR], stdout=full, stderr=-1, check=False)
    assert done.returncode == 2
    assert done.stderr == b"error E0802: stdout cannot be written: No space left on device\n"


def test_learning_nothing_is_said(fgc: Call, small: Path, tmp_path: Path) -> None:
    by = ("--loss", "perceptron", "--optimizer", "lbfgs")
    code, _, err = fgc("train", OCR, str(small), "-o", str(tmp_path / "r"), *by)
    assert code == 0 and "nothing was learned" in err and "normal(0, 0.01)" in err


COIN = (
    "size n given x[n] : real answer y[n] : bit param w ~ l2(0.1) "
    "factor f[i in n] = w * x[i] * y[i] "
)


def test_why_nothing_was_learned(fgc: Call, tmp_path: Path) -> None:
    text, data, run = tmp_path / "m.fg", tmp_path / "d.jsonl", str(tmp_path / "run")
    data.write_text('{"x": [1, 2], "y": [null, "_"]}\n{"x": [], "y": []}\n')
    text.write_text(COIN + "loss nll")
    for start in ("", " = normal(0, 1)"):  # with a slope of the regulariser, or without
        text.write_text(COIN.replace(" ~", f"{start} ~") + "loss nll")
        code, _, err = fgc("train", str(text), str(data), "-o", run, "-q", "--overwrite")
        assert code == 0 and "the data have no labels for `y`: there is nothing to learn" in err
        assert "nothing was learned" not in err and "normal" not in err
    text.write_text(COIN + "loss free(any)")
    assert "no labels" not in fgc("train", str(text), str(data), "-o", run, "--overwrite")[2]
    text.write_text(COIN.replace("param w ~ l2(0.1)", "let w = 2") + "loss nll")
    data.write_text('{"x": [1, 2], "y": [0, 1]}\n')
    code, _, err = fgc("train", str(text), str(data), "-o", run, "-q", "--overwrite")
    assert code == 0 and "the model has no params: there is nothing to train" in err
    assert "nothing was learned" not in err and "need no --weights" in err
    assert fgc("infer", str(text), str(data))[0] == 0


@pytest.mark.parametrize("where", ["run", "a/b/run"])
def test_a_training_that_fails_leaves_nothing(fgc: Call, tmp_path: Path, where: str) -> None:
    text, good, bad = tmp_path / "m.fg", tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    text.write_text(COIN + "loss nll")
    good.write_text('{"x": [1, 2], "y": [0, 1]}\n')
    bad.write_text('{"x": [1, 2], "y": [0, 1]}\n{"x": [1, 2], "y": [0, 7]}\n')
    run = tmp_path / where
    before = sorted(tmp_path.rglob("*"))
    code, _, err = fgc("train", str(text), str(bad), "-o", str(run), "-q")
    assert code == 2 and "E0308" in err and sorted(tmp_path.rglob("*")) == before
    run.mkdir(parents=True)
    code, _, err = fgc("train", str(text), str(bad), "-o", str(run), "-q")
    assert code == 2 and run.is_dir() and not list(run.iterdir())
    assert fgc("train", str(text), str(good), "-o", str(run), "-q")[0] == 0
    held = {path.name: path.read_bytes() for path in run.iterdir()}
    code, _, err = fgc("train", str(text), str(bad), "-o", str(run), "-q", "--overwrite")
    assert code == 2 and {path.name: path.read_bytes() for path in run.iterdir()} == held
    code, _, err = fgc("train", str(text), str(good), "-o", str(run), "-q")
    assert "E0801" in err and {path.name: path.read_bytes() for path in run.iterdir()} == held


def test_a_run_that_cannot_be_saved_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fg.compile(COIN).init()

    written: list[int] = []

    def full(handle: int) -> None:
        written.append(handle)
        if len(written) == 3:  # weights and text are on the disk
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(fg.RunError, match="No space left"):
        run.save(tmp_path / "a" / "run")
    assert not list(tmp_path.iterdir())

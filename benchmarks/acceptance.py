"""Every promise with its figure: a JSON line each, all of them in acceptance.json.

    python benchmarks/acceptance.py [GROUP ...]

Ends non-zero when one is missed or missing. ``"ok": null`` stands only where what is compared
with is not there (an optional package).
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from figures import FGC, LETTERS, OCR, ROOT
from run import figures

PYTHON = sys.executable
CONLL = ROOT.parent / "shared" / "data" / "conll2000"
"""The corpus, where it is there; it may not be copied."""


@dataclass(frozen=True)
class Line:
    """One criterion."""

    criterion: str
    value: Any
    goal: str
    ok: bool | None
    command: str


def _run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, **options)


def _tests(*paths: str) -> tuple[str, bool]:
    """Run some tests; return pytest's closing line and whether all that ran passed."""
    done = _run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths])
    closing = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "nothing ran"
    return closing, done.returncode == 0 and " passed" in closing


def demo() -> Iterator[Line]:
    """The main job on cold caches, as a stranger would run it."""
    command = "make demo"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FGC_CACHE_DIR": f"{folder}/cache"}
        begun = time.perf_counter()
        out = Path(folder) / "run"
        done = _run([PYTHON, "models/ocr/demo.py", "--out", str(out)], env=environment)
        took = time.perf_counter() - begun
        yield Line("demo ends well", done.returncode, "0", done.returncode == 0, command)
        yield Line(
            "demo seconds, cold caches, after the install", took, "<= 90", took <= 90, command
        )
        there = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
        wanted = {"weights.npz", "model.fg", "run.json", "log.jsonl"}
        pictures = sorted(p for p in there if p.endswith(".png"))
        yield Line(
            "demo leaves weights, text, header, log and four pictures",
            sorted(there),
            "all there",
            wanted <= there and len(pictures) >= 4,
            command,
        )


def letters() -> Iterator[Line]:
    """Accuracies against the references of an independent implementation."""
    command = "python benchmarks/letters.py"
    found = {f["case"]: f for f in figures("letters")}
    for case, key, goal, within in (
        ("chain", "letters", 0.881, 0.003),
        ("chain", "words", 0.588, 0.008),
        ("independent", "letters", 0.786, 0.003),
        ("independent", "words", 0.302, 0.008),
        ("chain_small", "letters", 0.797, 0.003),
    ):
        value = found[case][key]
        what = f"{case}, {found[case]['train']} -> {found[case]['test']}: {key} read right"
        yield Line(what, value, f">= {goal} - {within}", value >= goal - within, command)


GOALS = {
    "perceptron": 0.77, "hinge": 0.73, "logistic": 0.73, "lvq2": 0.68, "mce": 0.73, "nll": 0.79,
    "square_square": 0.65, "square_exp": 0.65, "margin": 0.78, "squared_margin": 0.75,
    "slack": 0.75, "softmax_margin": 0.79, "ramp": 0.77, "direct": 0.77, "unified": 0.78,
    "unified(1,1)": 0.79, "pseudo": 0.76, "pseudo_margin": 0.73, "piecewise": 0.76,
    "ratio": 0.73, "univariate": 0.78, "smooth_hamming": 0.78,
}  # fmt: skip
"""Letters that losses on the handwriting chain are to read right; the others only to end."""


def losses() -> Iterator[Line]:
    """Every standard loss with exact inference on the handwriting chain."""
    command = "python benchmarks/losses.py"
    for f in figures("losses"):
        goal = GOALS.get(f["case"])
        value = {key: f[key] for key in ("letters", "objective", "status", "start", "seconds")}
        yield Line(
            f"loss {f['case']}, fold 1 -> other folds: letters read right",
            value,
            "finite" if goal is None else f">= {goal}",
            math.isfinite(f["objective"]) and f["letters"] >= (goal or 0.0),
            command,
        )
    command = "python benchmarks/augmented.py"
    for f in figures("augmented"):
        what = f"{f['case']} inference with a cost of mistakes, times the plain one"
        yield Line(what, f["ratio"], "<= 1.15", f["ratio"] <= 1.15, command)


def speed() -> Iterator[Line]:
    """Start-up, compilation, gradient, grounding."""
    command = "python benchmarks/startup.py"
    (start,) = figures("startup")
    for key, most in (
        ("help", 0.25),
        ("train_help", 0.3),
        ("check", 0.4),
        ("first_compilation_all_cold", 10.0),
        ("first_compilation_of_another_model", 10.0),
        ("later_load", 1.5),
    ):
        yield Line(f"seconds: {key}", start[key], f"<= {most}", start[key] <= most, command)
    command = "python benchmarks/gradient.py"
    (gradient,) = figures("gradient")
    for threads in (1, 2):
        value = gradient[f"seconds_{threads}_threads"]
        what = f"seconds a gradient of the letters' nll, {threads} thread(s)"
        yield Line(what, value, "< 0.15 (plain loops)", value < 0.15, command)
    same = gradient["bit_identical"]
    yield Line("gradient the same to the bit for 1 and 2 threads", same, "true", same, command)
    command = "python benchmarks/grounding.py"
    (grounding,) = figures("grounding")
    value = grounding["seconds"]
    yield Line("seconds to ground 10 million grid factors", value, "<= 1.5", value <= 1.5, command)
    value = grounding["megabytes_beyond_the_graph"]
    yield Line("megabytes beyond the graph, the same", value, "<= 200", value <= 200, command)


def exactness() -> Iterator[Line]:
    """Truth from outside."""
    command = "python benchmarks/exactness.py"
    (exact,) = figures("exactness")
    for key, most in (
        ("minimum_against_enumeration", 1e-9),
        ("soft_minimum_against_enumeration", 1e-9),
        ("marginals_against_enumeration", 1e-9),
        ("gradient_nll", 1e-5),
        ("gradient_perceptron", 1e-5),
        ("lbfgs_against_scipy", 1e-8),
    ):
        value = exact[key]
        ok = None if value is None else value <= most
        yield Line(key.replace("_", " "), value, f"<= {most}", ok, command)


def language() -> Iterator[Line]:
    """The language over all model texts, and what its tests say."""
    command = "python benchmarks/language.py"
    (found,) = figures("language")
    count = found["texts"]
    for key, what in (
        ("checked", "model texts checked"),
        ("lowered", "model texts lowered"),
        ("formatted_with_one_form_and_meaning", "model texts formatted: idempotent, same tree"),
    ):
        value = found[key]
        yield Line(what, f"{value} of {count}", "39 of 39", value == count == 39, command)
    for key, what in (
        ("energies_against_the_oracle", "energies by factor against the slow oracle, all texts"),
        ("recognised_against_the_expression", "closed forms against their expressions"),
    ):
        value = found[key]
        yield Line(what, value, "<= 1e-9", value <= 1e-9, command)
    kinds = found["recognised"]
    yield Line("kinds of factors recognised", kinds, "at least 6 kinds", len(kinds) >= 6, command)
    wrong, exact = found["wrong_texts"], found["wrong_texts_with_their_exact_message"]
    ok = exact == wrong >= 120
    yield Line("wrong texts with their exact message", f"{exact} of {wrong}", "all, >= 120", ok,
               command)  # fmt: skip
    yield from fuzz()
    yield from _suites()


def fuzz() -> Iterator[Line]:
    """The recorded run of random programs and data files."""
    command = "python benchmarks/fuzz.py"
    path = ROOT / "benchmarks" / "fuzz.json"
    if not path.exists():
        yield Line("recorded fuzz run", None, "there", False, command)
        return
    record = json.loads(path.read_text())
    for key, least in (("programs", 100_000), ("files", 20_000)):
        value = record[key]["cases"]
        yield Line(f"fuzzed {key}", value, f">= {least}", value >= least, command)
        slowest = record[key]["slowest"]["seconds"]
        most = record["limits"]["seconds"][key]
        yield Line(f"slowest of the fuzzed {key}, seconds", slowest, f"<= {most}", slowest <= most,
                   command)  # fmt: skip
    failures = record["failures"]
    yield Line("tracebacks, hangs, memory over the budget, files touched", len(failures), "0",
               not failures, command)  # fmt: skip


def _suites() -> Iterator[Line]:
    for what, path in (
        ("strict grammar, refusals, emitted code, caches", "tests/test_check.py"),
        ("energies against a slow evaluator of the language", "tests/test_energy.py"),
        ("the slow evaluator against numbers worked out by hand", "tests/test_slow.py"),
        ("every model text: energies, files, mock data", "tests/test_zoo.py"),
        ("formatter", "tests/test_format.py"),
        ("types of losses", "tests/test_losses.py"),
        ("recovery from errors of syntax", "tests/test_recovery.py"),
        ("pages of error codes", "tests/test_codes.py"),
        ("maps", "tests/test_maps.py"),
        ("readers", "tests/test_readers.py"),
        ("plots", "tests/test_plot.py"),
        ("editors", "tests/test_editors.py"),
        ("language server", "tests/test_lsp.py"),
        ("documents", "tests/test_docs.py"),
        ("losses and gradients against enumeration and differences", "tests/test_gradient.py"),
        ("engines against enumeration", "tests/test_tree.py"),
        ("hostile data files", "tests/test_data_hostile.py"),
        ("Python interface and run folders", "tests/test_pipeline.py"),
        ("command line", "tests/test_cli.py"),
        ("training on a cluster", "tests/test_cluster.py"),
        ("full disks, read-only folders", "tests/test_faults.py"),
        ("wheel and editable installs", "tests/test_packaging.py"),
        ("import direction and light imports", "tests/test_architecture.py"),
    ):
        closing, ok = _tests(path)
        yield Line(what, closing, "all pass", ok, f"python -m pytest {path}")


def interruptions() -> Iterator[Line]:
    """Trainings that are killed, and trainings on several processes."""
    command = "python tests/faults/kill.py"
    done = _run([PYTHON, "tests/faults/kill.py"])
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()
    kills = re.match(r"(\d+) kills, (\d+) resumed, the same weights (\d+) times", last)
    ok = done.returncode == 0 and kills is not None and int(kills[1]) >= 50
    yield Line("resume identity over 50 kills", last, ">= 50 kills, all the same to the bit", ok,
               command)  # fmt: skip
    command = "python benchmarks/cluster.py"
    (found,) = figures("cluster")
    for key, what in (
        ("difference", "weights of two worker processes against one process"),
        ("difference_after_a_kill", "the same, one of the workers killed on the way"),
    ):
        value = found[key]
        ok = None if value is None else value <= 1e-9
        yield Line(what, value, "<= 1e-9", ok, command)


def sequences() -> Iterator[Line]:
    """A chain of the size of CoNLL-2000 beside python-crfsuite, and the chunks of the corpus."""
    command = "FGC_PEER_PYTHON=/path/to/python python benchmarks/crf.py 1"
    found = {f["case"]: f for f in figures("crf", "1")}
    for variant in ("observed", "all"):
        times = found.get(f"times {variant}")
        for key, least, what in (
            ("threads_1", 3, "one thread"),
            ("threads_2", 6, "two threads"),
        ):
            value = None if times is None else times[key]
            yield Line(
                f"times faster an iteration than crfsuite, {variant} weights, {what}",
                value, f">= {least}", None if value is None else value >= least, command,
            )  # fmt: skip
            value = None if times is None else times[f"to_same_objective_{key[-1]}"]
            yield Line(
                f"times faster to the objective where crfsuite ends, {variant} weights, {what}",
                value, f">= {least}", None if value is None else value >= least, command,
            )  # fmt: skip
        mine, most = (
            found[f"ours {variant} 2"]["megabytes"],
            {"observed": 481, "all": 1390}[variant],
        )
        yield Line(f"megabytes at most, {variant} weights", mine, f"<= crfsuite's {most}",
                   mine <= most, command)  # fmt: skip
    theirs = found.get("peer observed", {}).get("tokens_a_second_from_texts")
    mine = found["decoding"]["tokens_a_second_from_texts"]
    value = None if theirs is None else mine / theirs
    yield Line("tokens answered a second from texts, times crfsuite", value, ">= 2",
               None if value is None else value >= 2, command)  # fmt: skip
    value = found["decoding"]["tokens_a_second_bound"]
    yield Line("tokens decoded a second from bound data, one thread", value, ">= 1,000,000",
               value >= 1e6, command)  # fmt: skip
    yield from _chunks()


def _chunks() -> Iterator[Line]:
    command = "fgc train models/chunker/chunker.fg train.txt.gz --observed --max-iterations 150"
    if not CONLL.exists():
        yield Line("F1 of chunks, CoNLL-2000", None, ">= 93.5", None, command)
        return
    model, columns = "models/chunker/chunker.fg", ["--columns", "word,pos,y"]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run = ["-o", f"{folder}/run", "--observed", "--max-iterations", "150", "-q", *columns]
        trained = _run([FGC, "train", model, str(CONLL / "train.txt.gz"), *run])
        took = time.perf_counter() - begun
        if trained.returncode:
            raise SystemExit(trained.stderr)
        test = [model, str(CONLL / "test.txt.gz"), "-w", f"{folder}/run", "--unknown", "skip"]
        done = _run([FGC, "eval", *test, "--json", *columns])
        value = json.loads(done.stdout)["chunk"]["f1"]
    yield Line("F1 of chunks, CoNLL-2000", value, ">= 93.5", value >= 93.5, command)
    yield Line("seconds of that training", took, "stated", True, command)


def threads() -> Iterator[Line]:
    """Sixteen threads on however many processors there are, and a device where there is one."""
    command = "python benchmarks/threads.py 16"
    found = figures("threads", "16")
    for case in dict.fromkeys(f["case"] for f in found):
        each = [f for f in found if f["case"] == case]
        same = all(f["same"] for f in each)
        yield Line(f"{case}: bits of one thread with {', '.join(str(f['threads']) for f in each)}",
                   same, "true", same, command)  # fmt: skip
    for f in figures("device"):
        if "case" in f:
            value = {k: f[k] for k in ("seconds", "bandwidth_share", "times_host", "apart")}
            yield Line(f"on a device: {f['case']}", value, "as the host to 1e-4",
                       f["apart"] <= 1e-4, "python benchmarks/device.py")  # fmt: skip


def grids() -> Iterator[Line]:
    """TRW-S beside Kolmogorov's program, and the problems of the Middlebury benchmark."""
    command = "FGC_PEER_PYTHON=… python benchmarks/trws.py"
    found = {(f["case"], f.get("threads", f.get("edges"))): f for f in figures("trws")}
    for grid, what in (("w1a", "128x128, 16 labels"), ("w1b", "512x512, 8 labels")):
        for threads, goal in ((1, 2), (2, 3)):
            f = found.get((f"{grid} trws", threads))
            times = f and f["times"]
            yield Line(f"50 sweeps of TRW-S, {what}, {threads} threads, times TRW-S 1.3 (one)",
                       times, f">= {goal}", None if f is None else times >= goal,
                       command)  # fmt: skip
        f = found.get((f"{grid} trws", 1))
        if f is None:
            continue
        yield Line(f"its bound below that of TRW-S 1.3, {what}", f["bound_below"], "<= 1e-5",
                   f["bound_below"] <= 1e-5, command)  # fmt: skip
        rivals = [f["peer_gap_seconds"]]
        cut = found.get((f"{grid} gco expansion", None))
        if cut is not None and cut["within"] <= 0.001:
            rivals.append(cut["seconds"])
        yield Line(f"seconds to a gap of 0.1 %, {what}", f["gap_seconds"], f"< {min(rivals):.3g}",
                   f["gap_seconds"] < min(rivals), command)  # fmt: skip
    f = found.get(("512x512x32 stereo", None))
    if f is not None:
        yield Line("megabytes of a stereo pair, 512x512, 32 labels", f["megabytes"], "< 2000",
                   f["megabytes"] < 2000, command)  # fmt: skip
    scale = [f["nanoseconds_a_message"] for (case, _), f in found.items() if case == "scale"]
    if scale:
        yield Line("cost of a message of TRW-S, 10^4 to 10^6 edges: most over least",
                   max(scale) / min(scale), "<= 2", max(scale) <= 2 * min(scale),
                   command)  # fmt: skip
    yield from _middlebury()


def _middlebury() -> Iterator[Line]:
    data = ROOT.parent / "shared" / "data" / "middlebury_mrf"
    for name, left, right, goals in (
        ("stereo", "tsukuba-imL.png", "tsukuba-imR.png", (369300, 369217)),
        ("denoise", "house-input.png", "house-mask.png", (0.1,)),
    ):
        script = f"models/{name}/demo.py"
        command = f"python {script} {left} {right}"
        if not data.exists():
            yield Line(f"{left}: energy and bound", None, f"{goals}", None, command)
            continue
        done = _run([PYTHON, script, str(data / left), str(data / right)])
        told = re.match(r"energy ([\d.]+), no less than ([\d.]+) ", done.stdout)
        if told is None:
            yield Line(f"{left}: it runs", done.stderr[-300:], "energy and bound", False, command)
            continue
        energy, bound = float(told[1]), float(told[2])
        if name == "stereo":
            yield Line("Tsukuba: energy", energy, f"<= {goals[0]}", energy <= goals[0], command)
            yield Line("Tsukuba: bound", bound, f">= {goals[1]}", bound >= goals[1], command)
        else:
            gap = 100 * (energy - bound) / energy
            yield Line("house: gap in percent", gap, "< 0.1", gap < goals[0], command)


def looking() -> Iterator[Line]:
    """What is told of a training while it goes on: its cost, and the page that is made of it."""
    command = "python benchmarks/diagnostics.py"
    for f in figures("diagnostics"):
        value = {key: f[key] for key in ("percent", "looks", "seconds", "outside")}
        yield Line(f"percent of a training that looks at it take, {f['case']}", value, "<= 5",
                   f["percent"] <= 5, command)  # fmt: skip
    closing, ok = _tests("tests/test_report.py", "-k", "browser")
    there = "skipped" not in closing
    yield Line("the report of a training, opened in headless Chromium", closing,
               "no complaints, nothing fetched, formulas and charts have sizes",
               ok if there else None,
               "python -m pytest tests/test_report.py -k browser")  # fmt: skip
    closing, ok = _tests("tests/test_diagnostics.py")
    yield Line("what looks say against enumeration, alarms where trainings collapse", closing,
               "all pass", ok, "python -m pytest tests/test_diagnostics.py")  # fmt: skip


def mistakes() -> Iterator[Line]:
    """Five wrong inputs: exit code 2, file, line, caret; never a traceback."""
    text = OCR.read_text()
    with tempfile.TemporaryDirectory() as folder:
        for what, old, new in (
            ("a misspelt name", "y[t-1], y[t]]", "y[t-1], yy[t]]"),
            ("an unclosed bracket", "x[t]) - b[y[t]]", "x[t] - b[y[t]]"),
            ("a guard that reads an answer", "[t in 1..n-1]", "[t in 1..n-1 if y[t] == 2]"),
            ("a param that depends on the instance", "A[Letter, Letter]", "A[Letter, n]"),
            ("a misspelt loss", "loss   nll", "loss   nlll"),
        ):
            path = Path(folder) / "wrong.fg"
            assert old in text
            path.write_text(text.replace(old, new, 1))
            done = _run([FGC, "check", str(path)])
            first = done.stderr.splitlines()[0] if done.stderr else ""
            placed = bool(re.match(r".*wrong\.fg:\d+:\d+: error E\d{4}: ", first))
            clean = "^" in done.stderr and "Traceback" not in done.stderr
            ok = done.returncode == 2 and placed and clean
            shown = first.replace(folder, "")
            yield Line(f"{what} is told with its place", shown, "exit 2, place, caret", ok,
                       "fgc check wrong.fg")  # fmt: skip
        path.write_text(text.replace("loss   nll", "loss   cd"))
        done = _run([FGC, "train", str(path), str(LETTERS), "-o", f"{folder}/run"])
        first = done.stderr.splitlines()[0] if done.stderr else ""
        ok = done.returncode == 2 and "E0600" in first and "Traceback" not in done.stderr
        yield Line("training what is not built yet is told", first.replace(folder, ""),
                   "exit 2, E0600", ok, "fgc train wrong.fg")  # fmt: skip
        ocr, letters = (str(p.relative_to(ROOT)) for p in (OCR, LETTERS))
        done = _run([FGC, "train", ocr, letters, "-o", f"{folder}/run", "--only", "f=1"])
        ok = done.returncode == 2 and "Traceback" not in done.stderr
        yield Line("a wrong option is told", done.stderr.strip(), "exit 2", ok, "fgc train …")


def passing() -> Iterator[Line]:
    """Flooding belief propagation beside PGMax, and the cost of a message as graphs grow."""
    command = "FGC_PEER_PYTHON=… python benchmarks/propagation.py 3"
    goals = {"w1a": 30, "w1b": 20, "w2a": 3, "w2b": 8, "w6": 5}
    what = {
        "w1a": "min-sum, 128x128, 16 labels", "w1b": "min-sum, 512x512, 8 labels",
        "w2a": "sum-product, Ising 64x64", "w2b": "sum-product, 64x64, 8 states",
        "w6": "sum-product, 10,000 variables, pairs and triples",
    }  # fmt: skip
    for f in figures("propagation", "3"):
        name, value = f["workload"], f["ratio"]
        yield Line(f"{what[name]}, {f['threads']} threads: times PGMax ({f['peer']})",
                   value, f">= {goals[name]}", value >= goals[name], command)  # fmt: skip
        if f["threads"] == 1 and name.startswith("w1"):
            value = f["memory_ratio"]
            yield Line(f"{what[name]}: memory, times less than PGMax", value, ">= 10",
                       value >= 10, command)  # fmt: skip
        if "log_partition" in f and f["log_partition"] is not None:
            value = abs(f["log_partition"] - f["published"])
            yield Line(f"{what[name]}: Bethe log Z, off libDAI's after 50 sweeps", value, "<= 1e-6",
                       value <= 1e-6, command)  # fmt: skip
    scale = figures("propagation", "scale")
    for shape in ("grid", "chords"):
        each = [f for f in scale if f.get("shape") == shape]
        costs = [f["nanoseconds_a_message"] for f in each]
        yield Line(f"cost of a message, 10^4 to 10^7 edges, {shape}: most over least",
                   max(costs) / min(costs), "<= 2", max(costs) <= 2 * min(costs),
                   "python benchmarks/propagation.py scale")  # fmt: skip


def codes() -> Iterator[Line]:
    """Decoding beside ldpc, and beside published curves; nothing where these are not there."""
    command = "FGC_PEER_PYTHON=... python benchmarks/codes.py"
    for f in figures("codes"):
        if f["case"] == "frame errors":
            value = {key: f.get(key) for key in ("fgc", "ldpc", "frames", "sigmas")}
            what = f"frame errors at n = {f['n']}, p = {f['p']}, beside ldpc: sigmas apart"
            ok = f["sigmas"] <= 2 and f["fgc"] >= 100 if "sigmas" in f else None
            yield Line(what, value, "<= 2, of at least 100 errors", ok, command)
        elif f["case"] != "ldpc" and f["schedule"] == "flooding":
            two, long = f["case"].startswith("fgc, 2"), f["n"] > 1000
            goal = (16 if long else 20) if two else (10 if long else 12)
            value = {k: f.get(k) for k in ("wall", "processor", "times_wall", "times_processor")}
            what = f"{f['case']}: min-sum frames a second at n = {f['n']}, times ldpc"
            ok = f["times_wall"] >= goal if "times_wall" in f else None
            yield Line(what, value, f"times_wall >= {goal}", ok, command)
    command = "python benchmarks/curves.py"
    for f in figures("curves"):
        value = {
            key: f[key] for key in ("rate", "wrong", "published", "published_errors", "sigmas")
        }
        what = f"{f['code']}, {f['schedule']}, {f['decibel']} dB: frame errors beside AFF3CT's"
        yield Line(what, value, "|sigmas| <= 2", abs(f["sigmas"]) <= 2, command)


SQUARE = {("convex", "sum"), ("cardinality", "sum")}
"""Kinds and algebras whose messages take O(n^2) for all of a factor."""


def kinds() -> Iterator[Line]:
    """Kinds of factors against enumeration, and how their messages grow with the size."""
    closing, ok = _tests("tests/test_kinds.py", "tests/test_kind_rows.py")
    yield Line("kinds of factors against enumeration and differences", closing, "all pass", ok,
               "pytest tests/test_kinds.py tests/test_kind_rows.py")  # fmt: skip
    for f in figures("kinds"):
        if f["kind"] == "all_different":
            continue
        most = 2.2 if (f["kind"], f["algebra"]) in SQUARE else 1.3
        what = f"{f['kind']}, {f['algebra']}: time of a factor's messages grows as size to the"
        yield Line(what, f["slope"], f"<= {most}", f["slope"] <= most, "python benchmarks/kinds.py")


CHROMATIC = {
    "queen5_5": 5, "queen6_6": 7, "queen7_7": 7, "myciel3": 4, "myciel4": 5, "myciel5": 6
}  # fmt: skip


def optima() -> Iterator[Line]:
    """Small hard instances, each against the optimum that others have proven."""
    command = "python benchmarks/branch.py"
    found = {f["instance"] + str(f.get("colours", "")): f for f in figures("branch")}
    if not found:
        return
    weighted = [f for name, f in found.items() if name.startswith("wcsp/")]
    ours = [f for f in weighted if f["by"] == "branch" and f["status"] == "optimal" and _known(f)]
    others = [f["instance"] for f in weighted if f not in ours and f["by"] == "toulbar2"]
    yield Line(
        f"WCSP and CFN optima by branch and bound, of {len(weighted)}; by toulbar2: {others}",
        len(ours), ">= 9", len(ours) >= 9 and all(map(_known, weighted)), command,
    )  # fmt: skip
    for name, f in found.items():
        if name.startswith("uai/") and f["known"] is not None:
            ok = f["status"] == "optimal" and _known(f) and f["seconds"] <= 120
            value = {key: f[key] for key in ("energy", "by", "seconds", "status")}
            yield Line(f"MAP of {name[4:]}", value, f"{f['known']:.9g}, optimal", ok, command)
        elif name.startswith("uai/"):
            value = {key: f[key] for key in ("energy", "bound", "by")}
            yield Line(f"MAP of {name[4:]}, unproven", value, "energy and bound", None, command)
    f = found["csp/sudoku"]
    yield Line("Sudokus solved, of 360", f["right"], "360", f["right"] == 360, command)
    for name, f in found.items():
        if "colours" in f:
            goal = "optimal" if f["colours"] == CHROMATIC[name[4:-1]] else "infeasible"
            ok = f["status"].startswith(goal)
            yield Line(f"{name[4:-1]} in {f['colours']} colours", f["status"], goal, ok, command)


def solving() -> Iterator[Line]:
    """`fgc solve` of small graphs on cold caches, and again."""
    command = "python benchmarks/solve.py"
    for f in figures("solve"):
        if "first" not in f:
            yield Line(f"{f['case']}, megabytes a second", f["speed"], "told", None, command)
            continue
        what = f"fgc solve {f['case']} --task {f['task']}"
        value = {"wall": f["first"], "processor": f["first_processor"]}
        yield Line(f"{what}, cold caches", value, "wall <= 8 s", f["first"] <= 8, command)
        value = {"wall": f["warm"], "processor": f["warm_processor"]}
        yield Line(f"{what}, the next", value, "wall <= 1 s", f["warm"] <= 1, command)


def _known(f: dict[str, Any]) -> bool:
    return math.isclose(f.get("counted", f["energy"]), f["known"], rel_tol=1e-6, abs_tol=1e-6)


def elimination() -> Iterator[Line]:
    """Exact inference on graphs with loops, beside libDAI's junction tree and known marginals."""
    if not (ROOT.parent / "shared" / "bench").exists():
        yield Line("exact inference on W7", None, "the workloads are there", None, "")
        return
    command = "python benchmarks/junction.py"
    for figure in figures("junction"):
        what = f"W7 {figure['case']}: times as fast as libDAI's junction tree ({figure['reason']})"
        yield Line(what, figure["times"], ">= 1", figure["times"] >= 1, command)
        error = figure["error"]
        yield Line(f"the same: error of log Z ({figure['case']})", error, "<= 6e-5 (as printed)",
                   error <= 6e-5, command)  # fmt: skip
    command = "python benchmarks/junction.py --uai"
    found = figures("junction", "--uai")
    right = [
        f["case"] for f in found
        if f["as_printed"] and f.get("error_log10", 0.0) <= 1e-6
        and f.get("error_marginals", 0.0) <= 1e-6
    ]  # fmt: skip
    yield Line("UAI instances with their MAR and PR", len(right), "21", len(right) == 21, command)
    most = max(f["peak_megabytes"] for f in found)
    yield Line("megabytes at most, of the same", most, "<= 8000", most <= 8000, command)


def experiment() -> Iterator[Line]:
    """The tutorial's y = x^2: one loss flattens the energy, three do not."""
    command = "python benchmarks/square.py"
    found = {f["case"]: f for f in figures("square")}
    one, flat = found["A, energy"], found["B, energy"]
    yield Line("x^2, |G(x) - y|, energy: mean error", one["error"], "<= 0.01",
               one["error"] <= 0.01, command)  # fmt: skip
    yield Line("x^2, |G(x) - H(y)|, energy: share of the spread that is left", flat["kept"],
               "<= 0.1: collapsed", flat["kept"] <= 0.1, command)  # fmt: skip
    for case, least in (("B, square-square", 0.25), ("B, nll", 3.0)):
        f = found[case]
        what = f"x^2, |G(x) - H(y)|, {case[3:]}"
        yield Line(f"{what}: share of the spread", f["kept"], f">= {least}", f["kept"] >= least,
                   command)  # fmt: skip
        yield Line(f"{what}: mean error", f["error"], "<= 0.06", f["error"] <= 0.06, command)


def explaining() -> Iterator[Line]:
    """What `fgc explain` displays is computed with, and must be the gradient; the tutorial runs."""
    for criterion, where in (
        ("explanations: gradients computed from what is displayed, all losses",
         "tests/test_explain.py"),
        ("your own loss: written, judged, differentiated, trained, explained",
         "tests/test_docs.py::test_page_runs[own-loss]"),
    ):  # fmt: skip
        closing, fine = _tests(where)
        yield Line(criterion, closing, "all pass", fine, f"pytest {where}")


def judging() -> Iterator[Line]:
    """Verdicts of losses: the table, and trainings that say whether it is right."""
    command = "python benchmarks/verdicts.py --markdown"
    done = _run([PYTHON, "benchmarks/verdicts.py", "--markdown"])
    same = done.stdout == (ROOT / "tests" / "golden" / "verdicts.md").read_text(encoding="utf-8")
    yield Line("verdicts of all losses on six architectures", len(done.stdout.splitlines()) - 2,
               "as in the golden file", same, command)  # fmt: skip
    command = "python benchmarks/collapse.py"
    found = [f for f in figures("collapse") if f["ran"]]
    for word, what in (("UNSAFE", "collapse"), ("SAFE", "do not collapse")):
        cells = [f for f in found if f["verdict"] == word]
        right = sum(f["agrees"] for f in cells)
        yield Line(f"trainings of {word} cells that {what}", right, str(len(cells)),
                   right == len(cells) > 0, command)  # fmt: skip


GROUPS = (
    language, exactness, kinds, interruptions, mistakes, speed, letters, losses, sequences, grids,
    threads, passing, looking, codes, optima, solving, elimination, experiment, explaining,
    judging, demo,
)  # fmt: skip


FIGURES = ROOT / "benchmarks" / "acceptance.json"


def measured(group: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    """Yield a group's lines, and one that says so where it breaks."""
    try:
        for line in group():
            print(json.dumps({"group": group.__name__, **asdict(line)}), flush=True)
            yield line
    except (SystemExit, Exception) as error:
        broken = Line(group.__name__, repr(error), "runs", False, "make acceptance")
        print(json.dumps({"group": group.__name__, **asdict(broken)}), flush=True)
        yield broken


def main() -> int:
    """Measure all groups, or those that are named; the lines of others stay as they are."""
    named = sys.argv[1:] or [g.__name__ for g in GROUPS]
    unknown = set(named) - {g.__name__ for g in GROUPS}
    if unknown:
        print(f"no such group: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    before = json.loads(FIGURES.read_text()) if FIGURES.exists() and sys.argv[1:] else []
    kept: dict[str, list[dict[str, Any]]] = {}
    for record in before:
        kept.setdefault(record.get("group", ""), []).append(record)
    missed: list[str] = []
    for group in GROUPS:
        if group.__name__ not in named:
            continue
        lines = list(measured(group))
        kept[group.__name__] = [{"group": group.__name__, **asdict(line)} for line in lines]
        missed += [line.criterion for line in lines if line.ok is False]
        records = [json.dumps(r) for g in GROUPS for r in kept.get(g.__name__, [])]
        replaced = FIGURES.with_suffix(".part")
        replaced.write_text("[\n" + ",\n".join(records) + "\n]\n")
        replaced.replace(FIGURES)
    if missed:
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

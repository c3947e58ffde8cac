"""A linear-chain CRF of the size of CoNLL-2000 beside python-crfsuite: training and decoding.

The data are drawn by a seed: 8,936 sentences, 211,727 tokens, 23 labels, 20 features a token. The
peer takes part where ``python-crfsuite`` can be imported, by this Python or by that which
``FGC_PEER_PYTHON`` names. Every figure is the median of rounds, in each of which ours and the peer
take turns in processes of their own. Machine code is made before, in a round that is not counted.

`megabytes` is the highest resident memory of the process; the peer's reads its sentences one by
one. `seconds_to_peer` is what ours takes, from the start of training, to the objective that the
peer reaches after its last iteration.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SENTENCES, TOKENS, LABELS, EACH, VOCABULARY = 8936, 211_727, 23, 20, 15_000
ROUNDS, ITERATIONS = 5, 16
MORE = 8  # iterations that ours may take beyond the peer's to come as low
COLUMNS = [f"a{k}" for k in range(EACH)]
TEXT = f"""
domain Tag
domain Feat
size   n
given  {", ".join(f"{c}[n]" for c in COLUMNS)} : text
answer y[n] : Tag
let f[t in n] = features(Feat, {", ".join(f"{c}[t]" for c in COLUMNS)})
param  U[Tag, Feat] ~ l2(2)
param  A[Tag, Tag]  ~ l2(2)
factor emit[t in n]      = -dot(U[y[t]], f[t])
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
loss   nll
"""


def drawn() -> tuple[np.ndarray[Any, Any], ...]:
    """Return lengths of sentences, labels and features [tokens, 20], of a Zipf-like frequency."""
    random = np.random.default_rng(20260101)
    lengths = np.maximum(1, np.round(random.gamma(4.0, TOKENS / SENTENCES / 4.0, SENTENCES)))
    lengths = lengths.astype(np.int64)
    while (gap := TOKENS - int(lengths.sum())) != 0:
        at = random.integers(0, SENTENCES, abs(gap))
        np.add.at(lengths, at, 1 if gap > 0 else -1)
        lengths = np.maximum(lengths, 1)
    moves = 0.9 * random.dirichlet(np.full(LABELS, 0.15), LABELS) + 0.1 / LABELS
    ladder, chance = np.cumsum(moves, axis=1), random.random(TOKENS)
    labels = np.empty(TOKENS, np.int64)
    for t in range(TOKENS):
        label = int(np.searchsorted(ladder[labels[t - 1] if t else 0], chance[t]))
        labels[t] = min(label, LABELS - 1)
    share = 1.0 / np.arange(1, VOCABULARY + 1) ** 1.05
    common = np.searchsorted(np.cumsum(share / share.sum()), random.random((TOKENS, EACH)))
    told = (random.random((TOKENS, EACH)) < 0.2) * (613 * labels[:, None] + 31 * np.arange(EACH))
    return lengths, labels, (common + told.astype(np.int64)) % VOCABULARY


def prepare(folder: Path) -> None:
    """Write the data as a file of columns."""
    lengths, labels, features = drawn()
    lines, t = [], 0
    for n in lengths.tolist():
        for _ in range(n):
            lines.append(" ".join([*(f"v{v}" for v in features[t].tolist()), f"L{labels[t]}"]))
            t += 1
        lines.append("")
    (folder / "data.txt").write_text("\n".join(lines) + "\n")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(folder: Path, observed: bool, threads: int) -> dict[str, Any]:
    import factorgraph as fg
    from factorgraph.data.read import read
    from factorgraph.learn.events import Iteration, Started

    begun = time.perf_counter()
    handed = [read(folder / "data.txt", columns=[*COLUMNS, "y"])]
    ticks: list[tuple[float, float, float]] = []
    found: dict[str, Any] = {}

    def hear(event: Any) -> None:
        if isinstance(event, Started):
            found["weights"], found["start_seconds"] = event.kept, time.perf_counter() - begun
            found["started"] = time.perf_counter()
        if isinstance(event, Iteration):
            ticks.append((time.perf_counter(), time.process_time(), event.objective))

    model = fg.compile(TEXT)
    run = model.fit(handed.pop(), observed=observed, threads=threads, progress=0.0, on_event=hear,
                    max_iterations=ITERATIONS + MORE)  # fmt: skip
    started = found.pop("started")
    out = {
        **paces(ticks[:ITERATIONS]), "objective": ticks[ITERATIONS - 1][2], "megabytes": peak(),
        "path": [(at - started, objective) for at, _, objective in ticks], **found,
    }  # fmt: skip
    if observed and threads == 1:
        run.save(folder / "run", overwrite=True)
    return out


def paces(ticks: Sequence[tuple[float, ...]]) -> dict[str, float]:
    """Return the median seconds of an iteration, by the clock and of processors."""
    steps = list(zip(ticks, ticks[1:], strict=False))
    return {
        "seconds": statistics.median(b[0] - a[0] for a, b in steps),
        "processor_seconds": statistics.median(b[1] - a[1] for a, b in steps),
    }


def decoding(folder: Path) -> dict[str, Any]:
    """Tokens a second on one thread: least energies of bound data, and answers from texts."""
    import factorgraph as fg
    from factorgraph.data.read import read

    run = fg.load_run(folder / "run")
    records = read(folder / "data.txt", columns=[*COLUMNS, "y"])
    few = records.take(np.arange(3000))
    instances = run.bind(few, answers=False)
    tokens = int(instances.variables.sum())
    graphs = list(run.graphs(instances))
    rooms = [np.empty((1, batch.structure.size)) for batch, _ in graphs]

    def decode() -> None:
        for (batch, weights), values in zip(graphs, rooms, strict=True):
            batch.energies(weights, values[0])
            batch.engine.minimum(values, batch.grounding.evidence)

    def answer() -> None:
        for _ in run.predict(few):
            pass

    def twice() -> None:
        both = [threading.Thread(target=decode) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()

    bound = timed(decode)
    return {
        "tokens_a_second_bound": tokens / bound,
        "tokens_a_second_from_texts": tokens / timed(answer),
        "two_threads_at_once": 2 * bound / timed(twice),
    }


def met(ours: Sequence[dict[str, Any]], peers: Sequence[dict[str, Any]]) -> None:
    """Add to each round of ours the time to the objective where the peer of that round ended."""
    for k, one in enumerate(ours):
        path = one.pop("path")
        if k < len(peers):
            aim = peers[k]["objective"]
            reached = [at for at, objective in path if objective <= aim]
            one["seconds_to_peer"] = reached[0] if reached else float("inf")


def timed(function: Callable[[], None]) -> float:
    function()
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def peer(folder: Path, observed: bool) -> dict[str, Any]:
    import pycrfsuite

    def sentences() -> Iterator[list[list[str]]]:
        with (folder / "data.txt").open() as lines:
            for blank, block in itertools.groupby(lines, lambda line: line == "\n"):
                if not blank:
                    yield [line.split() for line in block]

    ticks: list[tuple[float, float]] = []

    class Trainer(pycrfsuite.Trainer):  # type: ignore[misc]
        def message(self, text: str) -> None:
            super().message(text)
            if text.startswith("***** Iteration"):
                ticks.append((time.perf_counter(), time.process_time()))

    begun = time.perf_counter()
    trainer = Trainer(algorithm="lbfgs", verbose=False)
    for sentence in sentences():
        trainer.append(
            [[f"{k}={cell}" for k, cell in enumerate(cells[:-1])] for cells in sentence],
            [cells[-1] for cells in sentence],
        )
    start = time.perf_counter() - begun
    every = 0 if observed else 1
    trainer.set_params({
        "max_iterations": ITERATIONS, "c1": 0.0, "c2": 1.0,
        "feature.possible_states": every, "feature.possible_transitions": every,
    })  # fmt: skip
    begun = time.perf_counter()
    trainer.train(str(folder / "peer.model"))
    out: dict[str, Any] = {
        **paces(ticks), "start_seconds": start,
        "objective": trainer.logparser.iterations[-1]["loss"], "megabytes": peak(),
        "seconds_in_all": ticks[-1][0] - begun,
        "weights": trainer.logparser.featgen_num_features,
    }  # fmt: skip
    if observed:
        tagger = pycrfsuite.Tagger()
        tagger.open(str(folder / "peer.model"))
        few = list(itertools.islice(sentences(), 3000))
        tokens = sum(map(len, few))

        def made(cells: list[str]) -> list[str]:
            return [f"{k}={cell}" for k, cell in enumerate(cells[:-1])]

        ready = [[made(cells) for cells in sentence] for sentence in few]

        def tag() -> None:
            for sentence in few:
                tagger.tag([made(cells) for cells in sentence])

        def tag_ready() -> None:
            for sentence in ready:
                tagger.tag(sentence)

        out["tokens_a_second_from_texts"] = tokens / timed(tag)
        out["tokens_a_second_from_ready_strings"] = tokens / timed(tag_ready)
    return out


def child(python: str, folder: Path, *arguments: str) -> dict[str, Any] | None:
    """Run one part in a process of its own; None where the peer is not there."""
    done = subprocess.run(
        [python, str(Path(__file__).resolve()), "--child", str(folder), *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        if arguments[0] == "peer" and "No module named" in done.stderr:
            return None
        raise SystemExit(f"{arguments} ended {done.returncode}: {done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    if "--child" in sys.argv:
        folder, what, *more = sys.argv[2:]
        work: dict[str, Callable[[], dict[str, Any]]] = {
            "ours": lambda: ours(Path(folder), more[0] == "observed", int(more[1])),
            "decoding": lambda: decoding(Path(folder)),
            "peer": lambda: peer(Path(folder), more[0] == "observed"),
        }
        print(json.dumps(work[what]()))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    python = os.environ.get("FGC_PEER_PYTHON", sys.executable)
    parts = {
        f"{which} {variant}{f' {threads}' if threads else ''}": (
            python if which == "peer" else sys.executable, which, variant, str(threads),
        )
        for variant in ("observed", "all")
        for which, threads in (("ours", 1), ("ours", 2), ("peer", 0))
    }  # fmt: skip
    parts["decoding"] = (sys.executable, "decoding")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        begun = time.perf_counter()
        child(sys.executable, folder, "ours", "observed", "1")
        print(json.dumps({"case": "first training, machine code made",
                          "seconds": time.perf_counter() - begun}), flush=True)  # fmt: skip
        found: dict[str, list[dict[str, Any]]] = {case: [] for case in parts}
        for _ in range(rounds):
            for case, (with_, *arguments) in parts.items():
                one = child(with_, folder, *arguments)
                if one is not None:
                    found[case].append(one)
    for variant in ("observed", "all"):
        for threads in (1, 2):
            met(found[f"ours {variant} {threads}"], found[f"peer {variant}"])
    medians = {
        case: {key: statistics.median(f[key] for f in each) for key in each[0]}
        for case, each in found.items()
        if each
    }
    for case, figures in medians.items():
        print(json.dumps({"case": case, **figures}), flush=True)
    for variant in ("observed", "all"):
        if f"peer {variant}" in medians:
            theirs = medians[f"peer {variant}"]
            print(json.dumps({"case": f"times {variant}", **{
                f"threads_{k}": theirs["seconds"] / medians[f"ours {variant} {k}"]["seconds"]
                for k in (1, 2)
            }, **{
                f"to_same_objective_{k}": theirs["seconds_in_all"]
                / medians[f"ours {variant} {k}"]["seconds_to_peer"]
                for k in (1, 2)
            }, "processor": theirs["processor_seconds"]
                / medians[f"ours {variant} 1"]["processor_seconds"]}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

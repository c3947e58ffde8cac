"""Read handwritten words: train `ocr.fg`, test it, and show what it learned.

    python models/ocr/demo.py [--out runs/ocr-demo] [--seed 0]

The chain of `ocr.fg` learns from folds 1 to 9 of `letters.npz` and is tested on fold 0, beside
the same file without its factor `move`, which reads each letter on its own. The run folder gets
weights, the flattened text of the model, a log, and pictures.
"""

from __future__ import annotations

import argparse
import string
import sys
import time
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

import factorgraph as fg
from factorgraph.cli.progress import progress
from factorgraph.data.column import Records
from factorgraph.data.read import read
from factorgraph.data.select import select
from factorgraph.interop import pictures
from factorgraph.learn.events import Event
from factorgraph.learn.folder import NAMES, Log, prepare
from factorgraph.learn.measure import Scores

PICTURES = "pictures"
SHOWN = 12  # test words in the last picture


def main() -> int:
    options = argparse.ArgumentParser(description="Train a reader of handwritten words.")
    options.add_argument("--out", type=Path, default=Path("runs/ocr-demo"), metavar="FOLDER",
                         help="the run folder to write (default: %(default)s)")  # fmt: skip
    options.add_argument("--seed", type=int, default=0, help="same seed, same weights (0)")
    chosen = options.parse_args()
    if chosen.seed < 0:
        options.error("--seed is a whole number from 0 on")
    try:
        demo(chosen.out, chosen.seed)
    except fg.FgError as error:
        print(error.report(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def demo(out: Path, seed: int) -> None:
    """Train, test, draw."""
    begun = time.monotonic()
    pictures.require()  # better now than after training
    claim(out)

    # The data: a word is an instance, `fold` says to which tenth of the words it belongs.
    with as_file(files("factorgraph.models") / "ocr") as here:
        everything = read(here / "letters.npz")
        chain = fg.load(here / "ocr.fg")
        independent = fg.load(here / "ocr.fg", without=["move"])
    train, test = select(everything, "fold=1..9"), select(everything, "fold=0")

    # All weights start at zero, where every reading of a word costs the same.
    say("Compiling the model, and testing it as it is before training")
    before = chain.init().evaluate(test)

    with Log(out) as log, progress() as show:

        def hear(event: Event) -> None:
            log(event)
            show(event)

        run = chain.fit(train, seed=seed, on_event=hear)
        run.store(out)
        say("Now the same file without `move`: each letter is read on its own")
        alone = independent.fit(train, seed=seed, on_event=show)

    after = run.evaluate(test)
    draw(out, run, before, after, test, seed)
    print(table(after, alone.evaluate(test), test))
    print()
    print(f"The run is in {out}:")
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        print(f"  {path}")
    print(f"{time.monotonic() - begun:.0f} seconds in all")


def claim(out: Path) -> None:
    """Make the run folder; replace what an earlier demo left there, and nothing else."""
    try:
        there = {p.name for p in out.iterdir()} if out.is_dir() else set()
        if there and not (PICTURES in there and there <= {*NAMES, PICTURES}):
            raise fg.RunError(
                f"{out} holds other things than an earlier run of this demo",
                code="E0801",
                hint="choose another folder with --out",
            )
        # First of all, so that the next demo knows the folder even if this one is interrupted.
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
        (out / "log.jsonl").touch()
        for path in (out / PICTURES).glob("*.png"):
            path.unlink()
    except OSError as error:
        raise fg.RunError(
            f"{out} cannot be written: {error.strerror or error}", code="E0802"
        ) from None
    prepare(out, overwrite=True)


def draw(out: Path, run: fg.Run, before: Scores, after: Scores, test: Records, seed: int) -> None:
    """Draw what training did and what the model reads."""
    folder = out / PICTURES
    alphabet = list(string.ascii_lowercase)
    pictures.loss_curve(out / "log.jsonl", folder / "loss.png")
    pictures.gap_histogram(before.gap, after.gap, folder / "gaps.png")
    # `move` costs -A[previous, next].
    pictures.heat_map(
        -run.weights["A"], alphabet, folder / "transitions.png", "transition energies, −A"
    )
    # Drawn at random, so that the picture shows as many mistakes as there are.
    drawn = np.sort(np.random.default_rng(seed).choice(test.count, SHOWN, replace=False))
    some = test.take(drawn)
    x, y = some.columns["x"], some.columns["y"]
    pictures.words(
        [x.instance(i).reshape(-1, 16, 8) for i in range(SHOWN)],
        [[alphabet[letter] for letter in y.instance(i)] for i in range(SHOWN)],
        [[alphabet[letter] for letter in answer["answers"]["y"]] for answer in run.predict(some)],
        folder / "words.png",
    )


def table(chain: Scores, alone: Scores, test: Records) -> str:
    """Return accuracies as a table."""
    lines = [
        "",
        f"Fold 0: {test.count} words, {chain.observed['y']} letters that training has not seen",
        "",
        f"  {'read right':<32}letters   words",
    ]
    for name, scores in (("chain (ocr.fg)", chain), ("letter by letter (no `move`)", alone)):
        letters, words = scores.overall or 0.0, scores.instance_accuracy or 0.0
        lines.append(f"  {name:<32}{letters:>7.3f} {words:>7.3f}")
    return "\n".join(lines)


def say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

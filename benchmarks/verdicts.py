"""Verdicts of all standard losses on six architectures: a JSON line a cell, or a table.

With --markdown the table is printed as it stands in docs/judging.md and tests/golden/verdicts.md.
A loss is not applicable where its formula does not fit the model, such as one of derivatives where
answers are finite.
"""

from __future__ import annotations

import argparse
from math import inf
from pathlib import Path
from typing import Any

import factorgraph as fg
from factorgraph.errors import ModelError
from factorgraph.model.library import standard

FOLDER = Path(__file__).parent.parent / "docs" / "judging"
ARCHITECTURES = {
    "chain": "linear chain",
    "codes": "fixed distinct codes",
    "learned": "learnable codes",
    "regression": "regression",
    "twosided": "two-sided",
    "hmm": "normalised HMM",
}


def cells() -> list[dict[str, Any]]:
    """Return the verdict of each loss on each architecture."""
    texts = {name: (FOLDER / f"{name}.fg").read_text(encoding="utf-8") for name in ARCHITECTURES}
    return [cell(loss, name, text) for loss in standard().losses for name, text in texts.items()]


def cell(loss: str, name: str, text: str) -> dict[str, Any]:
    """Return a verdict; ``not applicable`` where the loss does not fit."""
    out: dict[str, Any] = {"loss": loss, "architecture": name}
    try:
        verdict = fg.compile(text, f"{name}.fg", loss=loss).verdict
    except ModelError as error:
        return {**out, "verdict": "not applicable", "margin": None, "reasons": [error.message]}
    assert verdict is not None
    reasons = [reason.text for reason in verdict.reasons]
    return {**out, "verdict": verdict.word, "margin": verdict.margin, "reasons": reasons}


def markdown(found: list[dict[str, Any]]) -> str:
    """Return the table: a row for each loss."""
    lines = [
        f"| loss | {' | '.join(ARCHITECTURES.values())} |",
        "|---" * (len(ARCHITECTURES) + 1) + "|",
    ]
    for loss in dict.fromkeys(c["loss"] for c in found):
        row = [_shown(c) for c in found if c["loss"] == loss]
        lines.append(f"| `{loss}` | {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def _shown(c: dict[str, Any]) -> str:
    if c["verdict"] != "SAFE" or c["margin"] is None:
        return str(c["verdict"])
    return f"SAFE ({'any gap' if c['margin'] == inf else format(c['margin'], 'g')})"


def main() -> None:
    from figures import report

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print the table")
    if parser.parse_args().markdown:
        print(markdown(cells()), end="")
        return
    for one in cells():
        report(**{**one, "margin": "any" if one["margin"] == inf else one["margin"]})


if __name__ == "__main__":
    main()

"""Codes of graphs in the formats of other systems: E0370 to E0389."""

from __future__ import annotations

from factorgraph.pages.page import Page

_FILES = """
from pathlib import Path
from factorgraph.interop.formats import read
"""

PAGES = (
    Page(
        "E0370",
        "A file of another system is damaged",
        """
The file is not as its format (UAI, libDAI, WCSP, CFN, alist, qc) says: it ends too early, goes
on after its end, or has something else where a whole number, a probability or a cost stands. The
message names the line. Sizes that a file states are compared with what it holds before anything
is made of them.
""",
        """
Path("coin.uai").write_text("MARKOV 1 2 1 1 0 2 0.3")
read("coin.uai")
""",
        """
Path("coin.uai").write_text("MARKOV 1 2 1 1 0 2 0.3 0.7")
read("coin.uai")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0371",
        "Evidence that does not fit the graph",
        """
A file of evidence holds how many variables are observed, then each with its state, both counted
from 0: `1 0 1` says that variable 0 is in state 1. Older files have a 1 before that, the number
of such lists; only one is read. A variable that is observed in two states is a contradiction.
""",
        """
Path("coin.uai").write_text("MARKOV 1 2 1 1 0 2 0.3 0.7")
Path("coin.evid").write_text("1 0 2")
read("coin.uai", "coin.evid")
""",
        """
Path("coin.uai").write_text("MARKOV 1 2 1 1 0 2 0.3 0.7")
Path("coin.evid").write_text("1 0 1")
read("coin.uai", "coin.evid")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0372",
        "A named cost function that is not read",
        """
Cost functions of WCSP and CFN files may be told by a keyword. Read are the comparisons `>=`,
`>`, `<=`, `<` and `=`, `disj`, `sdisj`, `salldiff` and `knapsack`; in files that ask for the
greatest sum, none. toulbar2 itself knows more of them, and can write some as tables.
""",
        """
Path("tree.wcsp").write_text("tree 2 2 1 10 2 2 2 0 1 -1 MST")
read("tree.wcsp")
""",
        """
Path("less.wcsp").write_text("less 2 2 1 10 2 2 2 0 1 -1 < 0 0")
read("less.wcsp")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0373",
        "A format of another system that cannot be told",
        """
`fgc solve` and `fgc convert` tell a format by the end of the name (`.uai`, `.wcsp`, `.cfn`,
`.alist`, `.qc`, with `.gz` or without), else by how the file begins. A `.fg` is libDAI's if its
first line that is neither blank nor a comment is a number; else it is a model text, for which
there is `fgc infer`.
""",
        """
Path("model.fg").write_text("answer y : bit")
read("model.fg")
""",
        """
Path("one.fg").write_text("1\\n\\n1\\n7\\n2\\n2\\n0 0.3\\n1 0.7")
read("one.fg")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0374",
        "What was received does not fit the code",
        """
`--llr FILE` holds a log-likelihood ratio for each bit that the code sends, `--bsc P --word FILE`
a 0 or 1 for each; several frames follow each other. A quasi-cyclic code may send fewer bits than
it has. The message says how many numbers there are, and how many a frame has.
""",
        "seven ratios for a code of six bits",
        "six of them, or twelve for two frames",
        "words",
    ),
    Page(
        "E0375",
        "A graph that another format cannot hold",
        """
UAI and libDAI hold factors of a product as numbers, which end where energies differ by more than
about 700; WCSP holds whole costs below 2^52; alist holds bits and even parity checks and nothing
else. `fgc convert --scale 0.01` multiplies all energies, which changes marginals, and leaves the
least where it is.
""",
        "`fgc convert plan.wcsp plan.uai`, where costs go into the millions",
        "`fgc convert plan.wcsp plan.cfn`, or `--scale 1e-4`",
        "words",
    ),
    Page(
        "E0376",
        "A result without a trace",
        """
`fgc plot RESULT.json` draws how best energy and bound went on, from the `trace` of a result as
`fgc solve --json` and `fgc infer` print it: `[seconds, energy, bound]`, with null where there was
none yet. Exact engines that answer at once have no trace.
""",
        "`fgc plot data.json`, of a file that is no result",
        "`fgc solve grid.uai --infer trws --json > grid.json`, then `fgc plot grid.json`",
        "words",
    ),
)

"""Codes of what is legal, but not built: E0600 to E0699."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0600",
        "Not built yet",
        """
The text is right by the language, but this version cannot do what it asks. The message names the
part, and the mark its place. Built are finite unknowns, factors that become tables, chains, trees
and graphs of at most 2^20 configurations an instance, and losses over `answer`, `any` and `wrong`;
"What trains today" in the language page has the list. There are ways out. Leave the factor out
with `--without`, or choose another loss with `--loss nll`. In place of a record, or of two layers
of labels that depend on each other, declare one unknown whose values are all pairs: `y[n] : 0..5`,
with `y[t] // 2` and `y[t] % 2` for the parts. In place of a count over many unknowns state rules
about pairs, as below, or declare an unknown that says which one it is; a sum of a few can be
written out, `x[0] + x[1] + x[2] == 2`. And energies need none of it: `fgc info MODEL DATA`, and
`run.energy` in Python, evaluate every model at the configurations that data hold.
""",
        "hard one : atmostone(x[i] for i in n)",
        "hard one[i in n, j in n if i < j] : not (x[i] and x[j])",
        "words",
    ),
)

"""Codes of reading a text: E0001 to E0099."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0001",
        "A character that cannot stand here",
        """
The text holds a character that the language does not have, or not at this place: a single
quote, a semicolon, a minus that was copied from a book. Names, numbers and signs are those of a
plain keyboard, so that a text reads the same everywhere. Text stands between double quotes.
Type the character that the hint names, or take it out. What cannot be seen (a byte order mark,
a blank of no width) is told by its number.
""",
        """
domain Tag = {'Noun', 'Verb'};
answer y : Tag
""",
        """
domain Tag = {"Noun", "Verb"}
answer y : Tag
""",
    ),
    Page(
        "E0002",
        "A word or sign that cannot stand here",
        """
The text is read from left to right, and at this word no statement can go on. Mostly the mistake
is here or just before: a missing comma, `=` where `:` is needed, an operator of another
language. `=` defines, `==` tests, `:` states a type or a condition, `~` regularises. Reading
goes on at the next statement, so that all mistakes are told in one run.
""",
        """
answer y, z : bit
param w
factor f = w ** 2 * y
hard   h = y == z
""",
        """
answer y, z : bit
param w
factor f = w ^ 2 * y
hard   h : y == z
""",
    ),
    Page(
        "E0003",
        "A statement breaks off",
        """
The text ends, or the next statement begins, before this one is complete. Look for a value that
is missing after an operator, an `if` without `else`, or a comma with nothing behind it.
""",
        """
answer y : bit
factor f = if y == 1 then 2
""",
        """
answer y : bit
factor f = if y == 1 then 2 else 0
""",
    ),
    Page(
        "E0004",
        "Something nests too deep or grows too large",
        """
Brackets and operators nest at most 100 deep, a chain like `a + b + …` has at most 100 operands,
and what `let`, `fun` and `loss` stand for must stay of a size that can be worked with once it
is written out. No model needs more; the limit keeps a damaged or hostile text from exhausting
the machine. Write a sum over an index as `sum(… for i in n)`. A `fun` that uses its argument
twice doubles it each time it is applied to itself: apply it less often.
""",
        "\nanswer y : bit\nparam w\nfactor f = " + "w + " * 101 + "y\n",
        """
answer y : bit
param w
factor f = 101 * w + y
""",
    ),
    Page(
        "E0005",
        "The text is too long",
        """
A model text has at most 2,000,000 characters. Models are short; a text of this size is data by
mistake. Give tables to the model as `given`, and read them from a data file.
""",
        "a text of more than 2,000,000 characters",
        "given cost[n, k] : real          # the numbers stand in the data",
        "words",
    ),
    Page(
        "E0006",
        "A word of the language stands as a name or value",
        """
The words of the language (`use domain size given answer latent param map let fun factor hard
loss infer as for in if then else and or not inf`) are never names: of indices, arguments and
fields neither. Statements begin with them, and that is how reading finds its way after a
mistake. Add an underscore, as in `size_`.
""",
        """
size n = 3
answer y[n] : bit
factor f[for in n] = y[for]
""",
        """
size n = 3
answer y[n] : bit
factor f[i in n] = y[i]
""",
    ),
    Page(
        "E0007",
        "A number is too large",
        """
Whole numbers go up to 2^62, so that they fit into 64 bits with room to add. Numbers with a
point or an exponent go up to about 1.8e308. Write a large factor with an exponent (1e20), and
the infinite one as `inf`.
""",
        """
answer y : bit
factor f = 99999999999999999999 * y
""",
        """
answer y : bit
factor f = 1e20 * y
""",
    ),
    Page(
        "E0008",
        "A loss is defined with something else than names",
        """
`loss NAME(a, b = 1) = formula` defines a loss; in its brackets stand names, with or without a
default. A number or a formula there can be meant in a use of the loss only.
""",
        """
answer y : bit
loss mine(2) = 2 * E(answer)
""",
        """
answer y : bit
loss mine(m = 2) = m * E(answer)
""",
    ),
    Page(
        "E0009",
        "A file that is used cannot be read",
        """
`use "other.fg"` takes in another file. Its path is relative to the file that says `use`. The
file is not there, or may not be read; the hint names the nearest one that is.
""",
        """
use "no such file.fg"
answer y : bit
""",
        """
answer y : bit
""",
    ),
    Page(
        "E0010",
        "A file outside the model's folder",
        """
`use` stays inside the folder of the top file, links followed, so that a model from elsewhere
cannot read what is yours, and so that its folder can be moved as a whole. Copy the file in.
""",
        """
use "../../shared/grid.fg"
answer y : bit
""",
        """
answer y : bit
""",
    ),
    Page(
        "E0011",
        "Files use each other in a circle",
        """
A file that uses itself, over others perhaps, has no end. Take out the `use` that closes the
circle: what both files need goes into a third one. Files may use each other 16 deep.
""",
        """
# a.fg
use "b.fg"
# b.fg
use "a.fg"
""",
        """
# a.fg
use "b.fg"
use "common.fg"
# b.fg
use "common.fg"
""",
        "words",
    ),
    Page(
        "E0012",
        "A text is not UTF-8",
        """
Model texts are UTF-8, of which ASCII is a part. The message names the first byte that is not.
Save the file as UTF-8; editors call it encoding.
""",
        "a file in UTF-16 or Latin-1",
        "the same file, saved as UTF-8",
        "words",
    ),
    Page(
        "E0013",
        "A bracket is not closed, or closed by another one",
        """
Round brackets, square ones and braces come in pairs. The mark stands under the opening bracket;
where a bracket of another kind closes it, the message says where. Reading goes on at the next
statement that begins a line, so that one open bracket does not hide the rest of the text.
""",
        """
size n = 3
answer y[n] : bit
factor f[t in n = 2 * (y[t] - 1)
""",
        """
size n = 3
answer y[n] : bit
factor f[t in n] = 2 * (y[t] - 1)
""",
    ),
    Page(
        "E0014",
        "More errors than are told",
        """
Fifty errors of a text are told in one run. This line stands for all that follow. Many of them
often have one cause, such as a file of another language: mend the first ones and check again.
""",
        "\n" + "let a = $\n" * 51,
        """
let a = 1
""",
    ),
)

"""Codes of names, indices and kinds of values: E0100 to E0114."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0101",
        "A name stands twice",
        """
All names of a text share one namespace: domains, sizes, givens, unknowns, params, factors, and
those of files that are used. A name says one thing only, wherever it is read. The same holds
for the labels of a domain, the fields of a record and the indices of a factor, and a text has
one chosen `loss` and one `infer`. The hint says where the name stands first: rename one of the
two.
""",
        """
size n = 3
answer y[n] : bit
param  n
factor f[t in n] = y[t]
""",
        """
size n = 3
answer y[n] : bit
param  w
factor f[t in n] = w * y[t]
""",
    ),
    Page(
        "E0102",
        "A name is not declared",
        """
Every name that is read has to be declared somewhere in the text; the order does not matter. The
hint names the nearest one that is. An index is known inside the statement or the sum that binds
it, and nowhere else.
""",
        """
size n = 3
answer y[n] : bit
param  weight
factor f[t in n] = wieght * y[t]
""",
        """
size n = 3
answer y[n] : bit
param  weight
factor f[t in n] = weight * y[t]
""",
    ),
    Page(
        "E0103",
        "A word of the language is declared",
        """
The words of the language, and its types (`real int text bit …`) for domains, keep their meaning
everywhere. Add an underscore or choose another name.
""",
        """
let then = 2
answer y : bit
param  w
factor f = w * y
""",
        """
let then_ = 2
answer y : bit
param  w
factor f = then_ * w * y
""",
    ),
    Page(
        "E0104",
        "Too many or too few indices",
        """
An array is indexed by at most as many indices as it was declared with; with fewer it is an
array still. Names without axes take no index. A `let` with binders is indexed by all names that
it binds, in their order.
""",
        """
size n = 3
answer y[n] : bit
param  w
factor f[t in n] = w[t] * y[t]
""",
        """
size n = 3
answer y[n] : bit
param  w[n]
factor f[t in n] = w[t] * y[t]
""",
    ),
    Page(
        "E0105",
        "An index of the wrong kind",
        """
An axis that was declared with a domain is indexed by labels of this domain, one that was
declared with a size by whole numbers. Mixing them up is mostly a wrong order of the indices.
Where the order of labels is meant, make the domain a range of numbers.
""",
        """
domain Tag = {Noun, Verb}
size   n = 3
answer y[n] : Tag
param  W[n, Tag]
factor f[t in n] = W[y[t], t]
""",
        """
domain Tag = {Noun, Verb}
size   n = 3
answer y[n] : Tag
param  W[n, Tag]
factor f[t in n] = W[t, y[t]]
""",
    ),
    Page(
        "E0106",
        "A value of the wrong kind",
        """
There are numbers, truth values, labels and texts. Arithmetic takes numbers (a truth value
counts as 0 or 1), `and`, `or`, `not`, `=>` and conditions take truth values, and comparisons
two values of one kind. Ends of ranges, sizes and the operands of `//` and `%` are whole
numbers. A label is no number: index a param with it. A number is no condition: compare it.
""",
        """
domain Tag = {Noun, Verb}
answer y : Tag
param  w
factor f = w * y
""",
        """
domain Tag = {Noun, Verb}
answer y : Tag
param  w[Tag]
factor f = w[y]
""",
    ),
    Page(
        "E0107",
        "An index outside of its axis",
        """
Indices begin with 0: an axis of size n is read at 0 to n-1. Here the index is known when the
text is checked, and it is outside. Mostly a range goes one too far.
""",
        """
answer y : bit
param  w[3]
factor f = w[3] * y
""",
        """
answer y : bit
param  w[3]
factor f = w[2] * y
""",
    ),
    Page(
        "E0108",
        "An array of the wrong shape",
        """
Arrays of equal shape work element by element, and a number goes with each element; nothing else
is spread. `dot` needs the last axis of the first and the first axis of the second to be the
same. An energy is a single number: index the array, or make a number of it with `sum`, `norm`
or `dot`.
""",
        """
size   n = 3
answer y[n] : bit
param  w[n]
factor f = w * y
""",
        """
size   n = 3
answer y[n] : bit
param  w[n]
factor f[t in n] = w[t] * y[t]
""",
    ),
    Page(
        "E0109",
        "A constant is needed",
        """
Initial values, coefficients of regularisers, sizes with a value and options of algorithms are
fixed before any data are read or weights trained. They are numbers, `let NAME = number`, and
arithmetic with them.
""",
        """
answer y : bit
param  start
param  w = start
factor f = w * y
""",
        """
answer y : bit
let    start = 0.5
param  w = start
factor f = w * y
""",
    ),
    Page(
        "E0110",
        "This is no value",
        """
Domains, functions, types, factors, maps and whole sequences are not numbers that can be
reckoned with. Call a function, index a param by a domain's labels, run over the elements of a
sequence.
""",
        """
domain Tag = {Noun, Verb}
answer y : Tag
param  w[Tag]
factor f = sum(w[Tag])
""",
        """
domain Tag = {Noun, Verb}
answer y : Tag
param  w[Tag]
factor f = w[y] + 0.1 * sum(w[v]^2 for v in Tag)
""",
    ),
    Page(
        "E0111",
        "A text that is not in the domain",
        """
A text that is compared with a label, or stands as an index, has to be one of the domain's
labels: else the comparison could never hold, and a slip in a label would go unnoticed. The hint
names the nearest one.
""",
        """
domain Tag = {Noun, Verb}
answer y : Tag
factor f = if y == "Nuon" then 1 else 0
""",
        """
domain Tag = {Noun, Verb}
answer y : Tag
factor f = if y == "Noun" then 1 else 0
""",
    ),
    Page(
        "E0112",
        "The wrong arguments",
        """
A function, a loss, an initial value or an algorithm is called with too many or too few
arguments, with a name that it does not know, or with `for` where it takes plain values. The
hint shows how it is called.
""",
        """
answer y : bit
param  w = normal(0.1)
factor f = max(w) * y
""",
        """
answer y : bit
param  w = normal(0, 0.1)
factor f = max(w, 0) * y
""",
    ),
    Page(
        "E0113",
        "There is no such function",
        """
What is called with round brackets is a `fun` or a `map` of the text, or one of the functions of
the language. Arrays are indexed with square brackets. Layers (`mlp`, `conv`, …) stand in a
`map`, and `E`, `free` and their like in a `loss`.
""",
        """
answer y : bit
param  w
factor f = sigmiod(w) * y
""",
        """
answer y : bit
param  w
factor f = sigmoid(w) * y
""",
    ),
    Page(
        "E0114",
        "A guard or range reads what is not known before inference",
        """
Which factors there are must be known before inference begins: guards, ranges, sizes and
features read givens, sizes and indices. Unknowns, latents and params may be read in the
factor's value only, where `if … then … else …` gives no cost to the cases that are left out.
""",
        """
size   n = 3
answer y[n] : bit
param  w
factor f[t in n if y[t] == 1] = w
""",
        """
size   n = 3
answer y[n] : bit
param  w
factor f[t in n] = if y[t] == 1 then w else 0
""",
    ),
)

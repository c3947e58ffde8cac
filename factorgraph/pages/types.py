"""Codes of patterns, types, maps and settings: E0115 to E0199."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0115",
        "A pattern does not fit what it runs over",
        """
`(a, b) in edge` takes records apart, and needs as many names as there are fields; a list in
braces needs tuples of that length; a size, range or domain has one name. To run over several
sets, write a generator for each: `i in n, j in m`.
""",
        """
size   n = 3
answer y[n] : bit
factor f[(i, j) in {(0, 1, 2)}] = y[i] * y[j]
""",
        """
size   n = 3
answer y[n] : bit
factor f[(i, j) in {(0, 1), (1, 2)}] = y[i] * y[j]
""",
    ),
    Page(
        "E0116",
        "A definition that needs itself",
        """
A `let`, `fun` or `loss` stands for what is written behind it, and is put in its place. One that
needs itself would never come to an end; the message shows the circle.
""",
        """
answer y : bit
let    a = b + 1
let    b = a * 2
factor f = a * y
""",
        """
answer y : bit
let    a = 3
let    b = a * 2
factor f = b * y
""",
    ),
    Page(
        "E0117",
        "A number outside of what is allowed here",
        """
Sizes are whole numbers from 1 to 2^31 - 1, a range has its smaller end first, coefficients of
regularisers are not negative, and initial values are finite and within what the param's type
allows.
""",
        """
answer y : 5..1
param  w ~ l2(-1)
factor f = w * y
""",
        """
answer y : 1..5
param  w ~ l2(1)
factor f = w * y
""",
    ),
    Page(
        "E0118",
        "An extent that is not fixed early enough",
        """
A param, or the weights of a map, have one shape for all instances; a size that is read off the
data may differ between them. And no extent can depend on unknowns, params or values of givens.
Give the size a value, index the param by a domain, or declare a size whose value the data tell.
""",
        """
size   n
answer y[n] : bit
param  w[n]
factor f[t in n] = w[t] * y[t]
""",
        """
size   n = 8
answer y[n] : bit
param  w[n]
factor f[t in n] = w[t] * y[t]
""",
    ),
    Page(
        "E0119",
        "A type that cannot stand here",
        """
A given is `real`, `int`, `text`, `bit`, a range, a domain, a size or a record of these. An
unknown has finitely many values (a range, `bit`, a domain, a size, a record), is `real`, or is
a sequence (`path(…)`, `segments(…)`). A param is `real`, `real(low, high)`, `positive`, `unit`
or `simplex`. A list of labels gets a name with `domain`.
""",
        """
answer y : {A, B}
param  w[2]
factor f = w[0]
""",
        """
domain D = {A, B}
answer y : D
param  w[D]
factor f = w[y]
""",
    ),
    Page(
        "E0120",
        "A regulariser of another form",
        """
Behind `~` stand `l1(c)`, c times the sum of absolute values, `l2(c)`, c/2 times the squared
norm, or their sum; c is a number of at least 0. Anything else that weights should cost can be
written as a factor.
""",
        """
answer y : bit
param  w ~ 0.1
factor f = w * y
""",
        """
answer y : bit
param  w ~ l2(0.1)
factor f = w * y
""",
    ),
    Page(
        "E0121",
        "An unknown leads outside of an axis",
        """
An unknown that stands in an index may take each of its values, and for one of them the index is
outside. Nothing is clipped silently. Make the axis longer, or choose the case with `if … then …
else …`: only the branch that is taken is looked at.
""",
        """
answer y : 0..3
param  w[4]
factor f = w[y + 1]
""",
        """
answer y : 0..3
param  w[5]
factor f = w[y + 1]
""",
    ),
    Page(
        "E0122",
        "A division by something that may be 0",
        """
`//` and `%` have no value where the right side is 0, and an unknown there may become 0. Add 1,
or choose the case with `if … then … else …`.
""",
        """
answer y, z : 0..3
factor f = if y % z == 0 then 1 else 0
""",
        """
answer y : 0..3
answer z : 1..3
factor f = if y % z == 0 then 1 else 0
""",
    ),
    Page(
        "E0123",
        "Unknowns indexed by an unknown",
        """
In `y[z]`, where both are unknown, the factor would touch every element of y, and its table
would be too large for all but toys. Sum over the cases where that is meant, so that it can be
seen what is asked for.
""",
        """
size   n = 3
answer y[n] : bit
answer z : n
factor f = y[z]
""",
        """
size   n = 3
answer y[n] : bit
answer z : n
factor f = sum((z == k) * y[k] for k in n)
""",
    ),
    Page(
        "E0124",
        "There is no such field",
        """
A point reads a field of a record: of a given relation's element, or of an unknown of record
type. This value has no such field, or is no record at all. The hint names the fields.
""",
        """
size   h = 4
answer at : (y: 0..3, x: 0..3)
factor f = at.z
""",
        """
size   h = 4
answer at : (y: 0..3, x: 0..3)
factor f = at.x
""",
    ),
    Page(
        "E0125",
        "A ragged size is used in another way",
        """
`size n, c[n]` gives each of n rows a length of its own. It depends on one plain size, stands
right behind it in a shape (`letter[n, c]`), and is read at one row. Rows of different lengths
are no rectangle, so that all of them at once are no array.
""",
        """
size   n, c[n]
given  letter[c] : int
answer y[n] : bit
factor f[t in n] = sum(letter[i] for i in c[t]) * y[t]
""",
        """
size   n, c[n]
given  letter[n, c] : int
answer y[n] : bit
factor f[t in n] = sum(letter[t, i] for i in c[t]) * y[t]
""",
    ),
    Page(
        "E0126",
        "A factor over a sequence that reads too much",
        """
A factor over a sequence reads an element, or two that follow each other; that is what makes the
best sequence computable. It cannot read another unknown beside it, nor three elements. Put what
it needs to know into the labels.
""",
        """
domain Fold = {C, E, H}
size   n
answer z : segments(n, 5, Fold)
answer y : bit
param  w[Fold]
factor f[(i, j, c) in z] = w[c] * y
""",
        """
domain Fold = {C, E, H}
size   n
answer z : segments(n, 5, Fold)
param  w[Fold]
factor f[(i, j, c) in z] = w[c]
""",
    ),
    Page(
        "E0127",
        "A map is declared in another way",
        """
A map is built of layers: `linear(in, out)`, `mlp(in, …, out, act = relu)`, `conv(in, out, side,
pad = none)`, `pool(side)`, and `chain(…)` of these. `act` is one of relu, tanh, sigmoid,
softplus and none, `pad` is none or same. A domain may stand for its number of values.
""",
        """
size   p = 4
given  x[p] : real
answer y : bit
map    g = mlp(p, 3, bit, act = rleu)
factor f = g(x)[0] * y
""",
        """
size   p = 4
given  x[p] : real
answer y : bit
map    g = mlp(p, 3, 2, act = relu)
factor f = g(x)[0] * y
""",
    ),
    Page(
        "E0128",
        "A map is fed with another shape",
        """
A layer takes the shape that it was declared with: `mlp` and `linear` an array of as many
numbers as their first size, `conv` and `pool` a picture `[h, w, channels]`. Before `linear` and
`mlp` a `chain` flattens the picture. The message tells what it takes and what it is given.
""",
        """
given  x[5] : real
answer y : bit
map    g = mlp(4, 3, 2)
factor f = g(x)[0] * y
""",
        """
given  x[5] : real
answer y : bit
map    g = mlp(5, 3, 2)
factor f = g(x)[0] * y
""",
    ),
    Page(
        "E0129",
        "An inference that is not known, or cannot start so",
        """
Behind `infer` stand algorithms, added up: `trws(iterations = 100) + expansion`. Their options
have names. A name that is an unknown is the start, and has its shape: `lbfgs(x = noisy)`.
""",
        """
answer y : bit
param  w
factor f = w * y
infer  exactly
""",
        """
answer y : bit
param  w
factor f = w * y
infer  exact
""",
    ),
    Page(
        "E0130",
        "A setting that names no constant",
        """
`--set NAME=NUMBER` changes a `let NAME = number` or a size that has a value in the text. Other
sizes belong to each instance, and their values come with the data; weights are trained.
""",
        "fgc check model.fg --set gian=3",
        "fgc check model.fg --set gain=3",
        "words",
    ),
)

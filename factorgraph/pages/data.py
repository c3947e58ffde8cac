"""Codes of data that do not fit a model: E0300 to E0329."""

from __future__ import annotations

from factorgraph.pages.page import Page

_CHAIN = """
domain Tag = {Noun, Verb}
size   n
given  x[n] : real
answer y[n] : Tag
param  w[Tag]
factor f[t in n] = w[y[t]] * x[t]
"""

PAGES = (
    Page(
        "E0301",
        "A field is missing",
        """
Every given of the model is a field of the data, of the same name; answers are fields in
training. The hint names the field that comes nearest, or those that are there. Fields that the
model does not declare are ignored, so that one file serves several models. A given of record type
is one field of lists or objects, or a field for each part: `edge.a`, `edge.b`.
""",
        '{"xs": [0.5, 1.5], "y": ["Noun", "Verb"]}',
        '{"x": [0.5, 1.5], "y": ["Noun", "Verb"]}',
        "data",
        _CHAIN,
    ),
    Page(
        "E0302",
        "A given has a missing value",
        """
`null`, `_` and an empty cell of a table say that a value is not known. Only answers may be
unknown; what is given is always read. Fill the gap with a value of your choice, or declare the
array as an answer or a latent. In a given of type text, `_` and the empty text are texts like any
other, and `_` is a label of a given where its domain lists it.
""",
        '{"x": [0.5, null], "y": ["Noun", "Verb"]}',
        '{"x": [0.5, 1.5], "y": ["Noun", null]}',
        "data",
        _CHAIN,
    ),
    Page(
        "E0303",
        "A field has more or fewer axes than its declaration",
        """
`x[n, p]` is a list of lists in each instance, `x` alone a single value. The first axis of a
file counts the instances and is not declared. The message shows the declaration.
""",
        '{"x": [[0.5], [1.5]], "y": ["Noun", "Verb"]}',
        '{"x": [0.5, 1.5], "y": ["Noun", "Verb"]}',
        "data",
        _CHAIN,
    ),
    Page(
        "E0304",
        "Lengths do not agree",
        """
A size has one value in each instance, and all arrays that are declared with it have this
length. Two fields disagree here; the message names the instance and both. A word or a label was
lost or doubled in one of them.
""",
        '{"x": [0.5, 1.5, 2.5], "y": ["Noun", "Verb"]}',
        '{"x": [0.5, 1.5], "y": ["Noun", "Verb"]}',
        "data",
        _CHAIN,
    ),
    Page(
        "E0305",
        "Nothing tells a size",
        """
A size without a value is read off the shape of a field. One that is the length of no field is a
field itself: a whole number of at least 0 in each instance.
""",
        '{"y": 1}',
        '{"y": 1, "last": 3}',
        "data",
        """
size   last
answer y : bit
factor f = last * y
""",
    ),
    Page(
        "E0306",
        "An extent cannot be told, or is negative",
        """
The extent of an unknown is computed from sizes, such as `n - 1`. In some instance it comes out
negative, or it depends on something that is not known when data are read.
""",
        '{"x": []}',
        '{"x": [0.5, 1.5]}',
        "data",
        """
size   n
given  x[n] : real
answer y[n - 1] : bit
factor f[t in 1..n-1] = x[t] * y[t-1]
""",
    ),
    Page(
        "E0307",
        "Numbers where texts are declared, or the other way round",
        """
A given of type `text` holds texts, `real` and `int` hold numbers, a domain of labels its
labels. Nothing is converted silently: "3" is a text. Check that the fields have not changed
places. Objects, and lists that mix kinds, are records: these are declared with their fields.
""",
        '{"x": ["a", "b"], "y": ["Noun", "Verb"]}',
        '{"x": [0.5, 1.5], "y": ["Noun", "Verb"]}',
        "data",
        _CHAIN,
    ),
    Page(
        "E0308",
        "A number outside of what is declared",
        """
A `bit` is 0 or 1, a range `a..b` holds whole numbers from a to b, a size those from 0 to n-1.
The message names the instance and the value. Widen the range if the value is right.
""",
        '{"y": 4}',
        '{"y": 3}',
        "data",
        """
answer y : 0..3
param  w
factor f = w * y
""",
    ),
    Page(
        "E0309",
        "A label that the domain does not have",
        """
A listed domain has the labels of its list; one that is read from data has those of the training
data. A label that training has not seen has no weights. Check its spelling (the hint names the
nearest), add it to the list, or leave such instances out.
""",
        '{"x": [0.5, 1.5], "y": ["Noun", "Vreb"]}',
        '{"x": [0.5, 1.5], "y": ["Noun", "Verb"]}',
        "data",
        _CHAIN,
    ),
    Page(
        "E0310",
        "The weight of an instance is no single number",
        """
A field `weight` weighs the instances in training: one number in each. If it means something
else, give it another name.
""",
        '{"x": [0.5], "y": ["Noun"], "weight": [1, 2]}',
        '{"x": [0.5], "y": ["Noun"], "weight": 2}',
        "data",
        _CHAIN + "loss nll\n",
    ),
    Page(
        "E0311",
        "A factor reads outside of an array",
        """
An index that depends on the data is outside of the array in the instance that the message
names. Nothing is clipped, and no value from elsewhere is read. Bind a smaller range (`t in
1..n-1`), or add a guard: only what it lets through is read.
""",
        '{"x": [0.5, 1.5], "next": [1, 2], "y": [1, 0]}',
        '{"x": [0.5, 1.5], "next": [1, 0], "y": [1, 0]}',
        "data",
        """
size   n
given  x[n] : real
given  next[n] : int
answer y[n] : bit
factor f[t in n] = x[next[t]] * y[t]
""",
    ),
    Page(
        "E0312",
        "A value from the data cannot be computed",
        """
What a factor computes from givens alone is infinite, not a number, or too large for a whole
number in the instance that the message names: a logarithm of 0, a division by 0, a square that
leaves 64 bits. Mend the data, or guard the factor against this value.
""",
        '{"k": 0, "y": 1}',
        '{"k": 2, "y": 1}',
        "data",
        """
given  k : int
answer y : bit
factor f = (6 // k) * y
""",
    ),
    Page(
        "E0313",
        "A factor meets the same unknown twice",
        """
The factor names two unknowns whose indices come from the data, and in the instance of the
message both are the same one. Its table would hold entries that cannot occur. Add a guard that
keeps them apart: `if a != b`.
""",
        '{"edge": [[0, 1], [1, 1]], "y": [0, 1], "n": 2}',
        '{"edge": [[0, 1], [1, 0]], "y": [0, 1], "n": 2}',
        "data",
        """
size   n, m
given  edge[m] : (a: n, b: n)
answer y[n] : bit
factor f[(a, b) in edge] = (y[a] != y[b]) * 1.5
""",
    ),
    Page(
        "E0314",
        "No field gives the values of a domain",
        """
`domain Tag` without a list takes its values from the fields that are declared with it. None of
them is in the data, or no data were given. List the values in the model, or train on data with
answers; in Python, `Model.init` takes data too.
""",
        '{"x": 0.5}',
        '{"x": 0.5, "y": "Noun"}',
        "data",
        """
domain Tag
given  x : real
answer y : Tag
param  w[Tag]
factor f = w[y] * x
""",
    ),
    Page(
        "E0315",
        "Shared data that no given waits for",
        """
`--with FILE` holds data that all instances share, and each of its arrays is a given of the
model. A file without names (a matrix) goes to the only given with two axes that lacks data;
where there are several, say which one: `--with H=parity.alist`.
""",
        "fgc infer ldpc.fg frames.npz -w run --with parity.alist     # two matrices are lacking",
        "fgc infer ldpc.fg frames.npz -w run --with H=parity.alist",
        "words",
    ),
    Page(
        "E0316",
        "A sequence that does not fit",
        """
The elements of a `path` are arcs that meet end to end, from the first node to the last. Those
of `segments` follow each other without gaps from 0 to n-1, each at most as long as declared.
The message names the instance and the element where this fails.
""",
        '{"z": [[0, 1, "A"], [3, 3, "B"]], "x": [1, 2, 3, 4]}',
        '{"z": [[0, 1, "A"], [2, 3, "B"]], "x": [1, 2, 3, 4]}',
        "data",
        """
domain Fold = {A, B}
size   n
given  x[n] : real
answer z : segments(n, 2, Fold)
factor body[(i, j, c) in z] = sum(x[t] for t in i..j) * (c == "A")
""",
    ),
    Page(
        "E0317",
        "A map cannot be applied to these data",
        """
The input of a map has another shape in this instance than its layers can take, such as a
picture that is smaller than the filter of a `conv`. Leave such instances out, or make them
larger.
""",
        "a picture of 3 x 3 for a `conv` with a side of 5",
        "a picture of 28 x 28",
        "words",
    ),
    Page(
        "E0318",
        "A training answer has infinite energy",
        """
A hard factor forbids the answer that the data give. No weights can make it the best one, and
the loss would be infinite. The message names the instance and the factor: one of the two is
wrong. `fgc train --skip-infeasible` leaves such instances out, and says how many.
""",
        '{"y": 0, "z": 1}',
        '{"y": 1, "z": 1}',
        "data",
        """
answer y, z : bit
param  w
factor f = w * y
hard   same : y == z
loss   nll
""",
    ),
    Page(
        "E0319",
        "No configuration is allowed",
        """
Whatever values the unknowns take, some hard factor forbids them (or none agrees with what the
data give). There is no answer to this instance. Leave factors out one by one with `--without`
to see which ones contradict each other.
""",
        '{"x": [1, 0]}',
        '{"x": [1, 1]}',
        "data",
        """
size   n
given  x[n] : int
answer y : bit
hard   same[i in n] : y == x[i]
""",
    ),
)

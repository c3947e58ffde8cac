"""Codes of data files, whatever the model: E0320 to E0399."""

from __future__ import annotations

from factorgraph.pages.page import Page

_ANY = """
size   n
given  x[n] : real
answer y[n] : bit
factor f[t in n] = x[t] * y[t]
"""
_RECORDS = """
size   n, m
given  edge[m] : (a: n, b: n, w: real)
answer y[n] : bit
factor f[(a, b, w) in edge if a != b] = w * (y[a] != y[b])
"""
_NPZ = """
import numpy as np
from factorgraph.data.read import read
"""

PAGES = (
    Page(
        "E0323",
        "There are no instances",
        """
The file is empty, or holds only blank lines, or arrays whose first axis is 0. Nothing can be learned from it or answered.
""",
        "",
        '{"x": [0.5], "y": [1]}',
        "data",
        _ANY,
    ),
    Page(
        "E0326",
        "Lists nest too deep",
        """
Fields are arrays of a few axes. Lists that nest deeper than the limit are damaged, or meant to exhaust the machine.
""",
        '{"x": ' + "[" * 40 + "1" + "]" * 40 + ', "y": [1]}',
        '{"x": [1], "y": [1]}',
        "data",
        _ANY,
    ),
    Page(
        "E0328",
        "The name of a part is no text",
        """
Objects have names that are texts. In JSON they always are; in Python a dictionary may have other keys.
""",
        """
from factorgraph.data.python import from_python
from_python([{"edge": [{0: 1, 1: 2}]}])
""",
        """
from factorgraph.data.python import from_python
from_python([{"edge": [{"a": 1, "b": 2}]}])
""",
        "python",
    ),
    Page(
        "E0329",
        "A field is given twice",
        """
A field of records may be one field of objects, or a field for each part (`edge.a`, `edge.b`), but not both: they could
contradict each other.
""",
        '{"edge": [{"a": 0, "b": 1, "w": 2}], "edge.a": [0], "y": [0, 1]}',
        '{"edge": [{"a": 0, "b": 1, "w": 2}], "y": [0, 1]}',
        "data",
        _RECORDS,
    ),
    Page(
        "E0330",
        "Instances with different fields",
        """
All lines of a file have the same fields. Where an answer is not known, say `null` instead of leaving its field out, so that a
slip in a name is not taken for a missing answer.
""",
        '{"x": [0.5], "y": [1]}\n{"x": [1.5]}',
        '{"x": [0.5], "y": [1]}\n{"x": [1.5], "y": [null]}',
        "data",
        _ANY,
    ),
    Page(
        "E0331",
        "Values of a type that is not read",
        """
Values are truth values, whole numbers, floats, texts and `null`, and lists and objects of them. Complex numbers, dates and Python
objects are not read; nothing that could run code ever is. Store what they mean as numbers or texts.
""",
        """
np.savez("data.npz", x=np.array([[1 + 2j]]), y=np.array([[1]]))
read("data.npz")
""",
        """
np.savez("data.npz", x=np.array([[1.5]]), y=np.array([[1]]))
read("data.npz")
""",
        "python",
        _NPZ,
    ),
    Page(
        "E0332",
        "A field mixes kinds of values",
        """
A field holds numbers, or texts, or truth values, in all instances alike. Only records may mix them: lists of the same few
values, each place of one kind.
""",
        '{"x": [0.5, "a"], "y": [1, 0]}',
        '{"x": [0.5, 1.5], "y": [1, 0]}',
        "data",
        _ANY,
    ),
    Page(
        "E0333",
        "Lists of different length where an array is needed",
        """
Arrays are rectangular: lists that stand side by side have the same length. The one exception are the rows of a field, its lists
at the second level, where the model declares a ragged size (`size n, c[n]`).
""",
        '{"x": [[[1, 2], [3]]], "y": [1]}',
        '{"x": [[[1, 2], [3, 4]]], "y": [1]}',
        "data",
        """
size   n, a, b
given  x[n, a, b] : real
answer y[n] : bit
factor f[t in n] = x[t, 0, 0] * y[t]
""",
    ),
    Page(
        "E0334",
        "A field has different numbers of axes",
        """
A field that is a list of lists in one instance is one in all. Where values are missing, say `null` for each of them, so that
the shape stays.
""",
        '{"x": [0.5], "y": [1]}\n{"x": [[0.5]], "y": [1]}',
        '{"x": [0.5], "y": [1]}\n{"x": [0.5], "y": [1]}',
        "data",
        _ANY,
    ),
    Page(
        "E0335",
        "A number that cannot be stored",
        """
Whole numbers have 64 bits and floats end at about 1.8e308; nothing is cut off silently. Identifiers that are longer are
texts.
""",
        '{"x": [123456789012345678901234567890], "y": [1]}',
        '{"x": [1.5], "y": [1]}',
        "data",
        _ANY,
    ),
    Page(
        "E0336",
        "A text that cannot be stored",
        """
Texts are Unicode. Half of a surrogate pair, and a NUL at the end, are signs of damage: such a text would not come
back as it went in.
""",
        '{"x": [1.5], "y": [1], "word": ["\\\\ud800"]}',
        '{"x": [1.5], "y": [1], "word": ["cat"]}',
        "data",
        _ANY.replace("answer", "given  word[n] : text\nanswer"),
    ),
    Page(
        "E0337",
        "An underscore among truth values",
        """
Among texts and numbers, "_" says that a value is missing. A field of truth values that holds the text "_" mixes kinds: say
`null`.
""",
        '{"x": [1.5, 2], "y": [true, "_"]}',
        '{"x": [1.5, 2], "y": [true, null]}',
        "data",
        _ANY,
    ),
    Page(
        "E0338",
        "Objects that are not alike",
        """
The objects of a field are records with the same names in all instances. One lacks a name, has one more, holds nothing, or
is an object in one place and a list or number in another.
""",
        '{"edge": [{"a": 0, "b": 1, "w": 2}, {"a": 1, "b": 0}], "y": [0, 1]}',
        '{"edge": [{"a": 0, "b": 1, "w": 2}, {"a": 1, "b": 0, "w": 1}], "y": [0, 1]}',
        "data",
        _RECORDS,
    ),
    Page(
        "E0339",
        "Records of different length",
        """
A list that mixes texts and numbers is a record: the same few values each time, each place of one kind. Here the lists differ
in length.
""",
        '{"z": [[0, 1, "A"]], "n": 2}\n{"z": [[0, "A"]], "n": 1}',
        '{"z": [[0, 1, "A"]], "n": 2}\n{"z": [[0, 0, "A"]], "n": 1}',
        "data",
        """
domain Fold = {A, B}
size   n
answer z : segments(n, 2, Fold)
param  w[Fold]
factor f[(i, j, c) in z] = w[c]
""",
    ),
    Page(
        "E0343",
        "An array without an axis of instances",
        """
The first axis of each array of a `.npz` file counts the instances. A single number has none: for N instances a plain size is
an array of N numbers.
""",
        """
np.savez("data.npz", x=np.array([[1.5]]), last=np.array(3))
read("data.npz")
""",
        """
np.savez("data.npz", x=np.array([[1.5]]), last=np.array([3]))
read("data.npz")
""",
        "python",
        _NPZ,
    ),
    Page(
        "E0344",
        "Offsets that do not fit their array",
        """
Instances of different length stand one behind the other in an array `x`, and `x.offsets` says where each begins: whole numbers from 0 on
that never fall and end with the length of x, one more than there are instances.
""",
        """
np.savez("data.npz", **{"x": np.arange(5.0), "x.offsets": np.array([0, 2, 4])})
read("data.npz")
""",
        """
np.savez("data.npz", **{"x": np.arange(5.0), "x.offsets": np.array([0, 2, 5])})
read("data.npz")
""",
        "python",
        _NPZ,
    ),
    Page(
        "E0345",
        "Fields with different numbers of instances",
        """
The first axes of all arrays count the same instances and are equally long; where there are offsets, these count.
""",
        """
np.savez("data.npz", x=np.zeros((3, 2)), y=np.zeros(4))
read("data.npz")
""",
        """
np.savez("data.npz", x=np.zeros((3, 2)), y=np.zeros(3))
read("data.npz")
""",
        "python",
        _NPZ,
    ),
    Page(
        "E0356",
        "No instance meets the condition",
        """
`--only` keeps the instances whose field has one of the values, and none has. Check the value and its type.
""",
        "fgc train ocr.fg ocr.npz -o run --only fold=11      # folds are 0 to 9",
        "fgc train ocr.fg ocr.npz -o run --only fold=1..9",
        "words",
    ),
    Page(
        "E0357",
        "A condition that cannot be read",
        """
`--only` takes `FIELD=VALUE`, `FIELD!=VALUE`, several values with commas between, and ranges `1..9`, of a field with one value in each
instance.
""",
        "fgc train ocr.fg ocr.npz -o run --only fold",
        "fgc train ocr.fg ocr.npz -o run --only fold=0,3..9",
        "words",
    ),
    Page(
        "E0358",
        "Instances are chosen by something else",
        """
Records in Python are indexed by a list of instance numbers that exist, or by a mask with a truth value for each
instance.
""",
        """
from factorgraph.data.python import from_python
from_python({"x": [1, 2, 3]}).take([0, 5])
""",
        """
from factorgraph.data.python import from_python
from_python({"x": [1, 2, 3]}).take([0, 2])
""",
        "python",
    ),
)

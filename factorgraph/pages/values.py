"""Codes of the values in data files, whatever the model: E0320 to E0339."""

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
_FILES = """
from pathlib import Path
from factorgraph.data.read import read
"""

PAGES = (
    Page(
        "E0321",
        "A file cannot be read",
        """
A file of data, a model or the log of a training is not there, may not be read, or is no regular
file (a folder, say). The message holds the system's reason. A path is relative to the folder in
which the command runs.
""",
        """
read("no such file.jsonl")
""",
        """
Path("data.jsonl").write_text('{"x": [0.5], "y": [1]}')
read("data.jsonl")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0322",
        "A file of no known format",
        """
The end of its name tells what a file is: `.npz` (arrays of numpy), `.jsonl` (an object a line),
`.csv` and `.tsv` (a table with names in its first line); other texts in columns are read with
`--columns`. All but `.npz` may be packed, with a further `.gz`.
""",
        """
Path("data.xlsx").write_text("")
read("data.xlsx")
""",
        """
Path("data.csv").write_text("x,y\\n0.5,1\\n")
read("data.csv")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0323",
        "There are no instances",
        """
The file is empty, or holds only blank lines, or arrays whose first axis is 0. Nothing can be
learned from it or answered.
""",
        "",
        '{"x": [0.5], "y": [1]}',
        "data",
        _ANY,
    ),
    Page(
        "E0324",
        "Data that are not UTF-8",
        """
Data in text form are UTF-8, of which ASCII is a part. The message names the line and the first
byte that is not. Convert the file: `iconv -f latin1 -t utf-8 old.csv > new.csv`.
""",
        """
Path("data.jsonl").write_bytes(b'{"word": ["caf\\xe9"]}')
read("data.jsonl")
""",
        """
Path("data.jsonl").write_text('{"word": ["café"]}', encoding="utf-8")
read("data.jsonl")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0325",
        "A line that is no JSON",
        """
In a `.jsonl` file each line is one object by itself: names and texts in double quotes, no comma
behind the last value, no comments, and no object over several lines. The message names the line
and the place in it.
""",
        """
{"x": [0.5,], "y": [1]}
""",
        """
{"x": [0.5], "y": [1]}
""",
        "data",
        _ANY,
    ),
    Page(
        "E0326",
        "Lists nest too deep",
        """
Fields are arrays of a few axes. Lists that nest deeper than the limit are damaged, or meant to
exhaust the machine.
""",
        '{"x": ' + "[" * 70 + "1" + "]" * 70 + ', "y": [1]}',
        '{"x": [1], "y": [1]}',
        "data",
        _ANY,
    ),
    Page(
        "E0327",
        "A line of a size that cannot be meant",
        """
Files are read line by line, each line into memory. One of this length is a file of another
kind, or one whose line ends were lost. Write an instance a line, or use `.npz` for large
arrays.
""",
        "a .jsonl file of 4 GB without a line end",
        "the same instances, one a line",
        "words",
    ),
    Page(
        "E0328",
        "The name of a part is no text",
        """
Objects have names that are texts. In JSON they always are; in Python a dictionary may have
other keys.
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
A field of records may be one field of objects, or a field for each part (`edge.a`, `edge.b`),
but not both: they could contradict each other.
""",
        '{"edge": [{"a": 0, "b": 1, "w": 2}], "edge.a": [0], "y": [0, 1], "n": 2}',
        '{"edge": [{"a": 0, "b": 1, "w": 2}], "y": [0, 1], "n": 2}',
        "data",
        _RECORDS,
    ),
    Page(
        "E0330",
        "Instances with different fields",
        """
All lines of a file have the same fields. Where an answer is not known, say `null` instead of
leaving its field out, so that a slip in a name is not taken for a missing answer.
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
Values are truth values, whole numbers, floats, texts and `null`, and lists and objects of them.
Complex numbers, dates and Python objects are not read; nothing that could run code ever is.
Store what they mean as numbers or texts.
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
A field holds numbers, or texts, or truth values, in all instances alike. Only records may mix
them: lists of the same few values, each place of one kind.
""",
        '{"x": [0.5, 1.5], "y": [1, 0]}\n{"x": ["a", "b"], "y": [1, 0]}',
        '{"x": [0.5, 1.5], "y": [1, 0]}',
        "data",
        _ANY,
    ),
    Page(
        "E0333",
        "Lists of different length where an array is needed",
        """
Arrays are rectangular: lists that stand side by side have the same length. The one exception
are the rows of a field, its lists at the second level, where the model declares a ragged size
(`size n, c[n]`).
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
A field that is a list of lists in one instance is one in all. Where values are missing, say
`null` for each of them, so that the shape stays.
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
Whole numbers have 64 bits and floats end at about 1.8e308; nothing is cut off silently.
Identifiers that are longer are texts.
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
Texts are Unicode. Half of a surrogate pair, and a NUL at the end, are signs of damage: such a
text would not come back as it went in.
""",
        '{"x": [1.5], "y": [1], "word": ["\\ud800"]}',
        '{"x": [1.5], "y": [1], "word": ["cat"]}',
        "data",
        _ANY.replace("answer", "given  word[n] : text\nanswer"),
    ),
    Page(
        "E0337",
        "An underscore among truth values",
        """
Among texts and numbers, "_" says that a value is missing. A field of truth values that holds
the text "_" mixes kinds: say `null`.
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
The objects of a field are records with the same names in all instances. One lacks a name, has
one more, holds nothing, or is an object in one place and a list or number in another.
""",
        '{"edge": [{"a": 0, "b": 1, "w": 2}, {"a": 1, "b": 0}], "y": [0, 1], "n": 2}',
        '{"edge": [{"a": 0, "b": 1, "w": 2}, {"a": 1, "b": 0, "w": 1}], "y": [0, 1], "n": 2}',
        "data",
        _RECORDS,
    ),
    Page(
        "E0339",
        "Records of different length",
        """
A list that mixes texts and numbers is a record: the same few values each time, each place of
one kind. Here the lists differ in length.
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
)

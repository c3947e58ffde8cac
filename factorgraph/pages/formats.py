"""Codes of the formats of data files: E0340 to E0358."""

from __future__ import annotations

from factorgraph.pages.page import Page

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
        "E0340",
        "A damaged npz archive",
        """
A `.npz` file is a zip archive of numpy arrays. This one cannot be opened as such: it was cut
off in a download, or is something else by this name. Write it with `numpy.savez`.
""",
        """
with open("data.npz", "wb") as file:
    file.write(b"no archive")
read("data.npz")
""",
        """
np.savez("data.npz", x=np.zeros((3, 2)))
read("data.npz")
""",
        "python",
        _NPZ,
    ),
    Page(
        "E0341",
        "A damaged array in an archive",
        """
An array of the archive is cut off, or its header states more than is there. Headers are never
believed: what they ask for is compared with the file and the memory budget before anything is
read, so that a small damaged file does no harm.
""",
        "an archive whose entry `x.npy` states 8 TB, and holds 300 bytes",
        "the archive as numpy.savez writes it",
        "words",
    ),
    Page(
        "E0342",
        "An archive with something that is not read",
        """
Entries of a `.npz` file are arrays (`NAME.npy`), plain or compressed by deflate, as
`numpy.savez` and `numpy.savez_compressed` write them. Encrypted ones, other methods and other
files are refused.
""",
        """
import zipfile
with zipfile.ZipFile("data.npz", "w") as archive:
    archive.writestr("readme.txt", "hello")
read("data.npz")
""",
        """
np.savez_compressed("data.npz", x=np.zeros((3, 2)))
read("data.npz")
""",
        "python",
        _NPZ,
    ),
    Page(
        "E0343",
        "An array without an axis of instances",
        """
The first axis of each array of a `.npz` file counts the instances. A single number has none:
for N instances a plain size is an array of N numbers.
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
Instances of different length stand one behind the other in an array `x`, and `x.offsets` says
where each begins: whole numbers from 0 on that never fall and end with the length of x, one
more than there are instances.
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
The first axes of all arrays count the same instances and are equally long; where there are
offsets, these count.
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
        "E0346",
        "A damaged gzip file",
        """
A name that ends in `.gz` says that the file is packed by gzip, and this one is not, or was cut
off. Take the end off the name, or pack it again.
""",
        """
Path("data.jsonl.gz").write_text('{"x": [0.5]}')
read("data.jsonl.gz")
""",
        """
import gzip
Path("data.jsonl.gz").write_bytes(gzip.compress(b'{"x": [0.5]}'))
read("data.jsonl.gz")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0347",
        "A line with other columns than were named",
        """
In a text in columns each line is a token, its columns separated by blanks or tabs, and
`--columns` names each of them in order; an empty line ends an instance. This line has more
columns or fewer, or an empty one.
""",
        """
Path("train.txt").write_text("the DT B\\ncat NN\\n")
read("train.txt", columns="word,pos,y")
""",
        """
Path("train.txt").write_text("the DT B\\ncat NN I\\n")
read("train.txt", columns="word,pos,y")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0348",
        "The columns of a text have no names",
        """
A text in columns does not say what its columns are. Name each in order with `--columns
word,pos,y`, all names different, `_` for a column to leave out.
""",
        """
Path("train.txt").write_text("the DT B\\n")
read("train.txt")
""",
        """
Path("train.txt").write_text("the DT B\\n")
read("train.txt", columns="word,_,y")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0349",
        "A row that is no row of a table",
        """
In a `.csv` file cells are separated by commas; a cell that holds a comma, a quote or a line end
stands in double quotes, and a quote within it is doubled; in a `.tsv` file they are separated by
tabs. A quote is not closed here, a carriage return stands within the line, or the only column has
a name like `x;y`: then the cells are separated by something else.
""",
        """
Path("data.csv").write_text('word,y\\n"the"x,1\\n')
read("data.csv")
""",
        """
Path("data.csv").write_text('word,y\\n"the, x",1\\n')
read("data.csv")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0350",
        "The names of a table's columns do not go together",
        """
The first line of a table names its columns, each once. `x[0]`, `x[1]`, … are the elements of an
array x, counted from 0 without gaps, with as many indices each.
""",
        """
Path("data.csv").write_text("x[0],x[2],y\\n1,2,0\\n")
read("data.csv")
""",
        """
Path("data.csv").write_text("x[0],x[1],y\\n1,2,0\\n")
read("data.csv")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0351",
        "A row with more or fewer cells than columns",
        """
Every row of a table has a cell for each column. Where a value is missing its cell stays empty;
the commas around it stay.
""",
        """
Path("data.csv").write_text("a,b,c\\n1,2\\n")
read("data.csv")
""",
        """
Path("data.csv").write_text("a,b,c\\n1,2,\\n")
read("data.csv")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0352",
        "The rows of a group lie apart",
        """
`--group NAME` makes one instance of rows that follow each other and agree in this column. The
same value comes back further down, behind rows of another group: two instances would be made of
what is one, or two things have the same name. Sort the table by the column, or group by more
columns that tell them apart: `--group document,sentence`.
""",
        """
Path("data.csv").write_text("sentence,word\\n1,the\\n2,a\\n1,cat\\n")
read("data.csv", group="sentence")
""",
        """
Path("data.csv").write_text("sentence,word\\n1,the\\n1,cat\\n2,a\\n")
read("data.csv", group="sentence")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0353",
        "Rows cannot be grouped by this column",
        """
`--group NAME` makes one instance of all rows that follow each other and agree in this column.
The column has to be there, be a single one, and hold a value in each row.
""",
        """
Path("data.csv").write_text("sentence,word\\n1,the\\n1,cat\\n")
read("data.csv", group="sentense")
""",
        """
Path("data.csv").write_text("sentence,word\\n1,the\\n1,cat\\n")
read("data.csv", group="sentence")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0354",
        "Data in Python of another form",
        """
In Python, data are a path, a dict of arrays whose first axis counts the instances, a list of
dicts, or a DataFrame. Masked arrays and objects that are no arrays are not read: what they
would hide or run is not known.
""",
        """
from factorgraph.data.python import from_python
from_python(3.5)
""",
        """
from factorgraph.data.python import from_python
from_python({"x": [3.5]})
""",
        "python",
    ),
    Page(
        "E0355",
        "An option that does not go with this format",
        """
`--columns` and `--comments` are for text in columns, `--group` is for tables. Other formats
name their fields themselves, and an option that does nothing would hide a mistake.
""",
        """
Path("data.jsonl").write_text('{"x": [0.5]}')
read("data.jsonl", columns="x")
""",
        """
Path("data.jsonl").write_text('{"x": [0.5]}')
read("data.jsonl")
""",
        "python",
        _FILES,
    ),
    Page(
        "E0356",
        "No instance meets the condition",
        """
`--only` keeps the instances whose field has one of the values, and none has. Check the value
and its type.
""",
        "fgc train ocr.fg ocr.npz -o run --only fold=11      # folds are 0 to 9",
        "fgc train ocr.fg ocr.npz -o run --only fold=1..9",
        "words",
    ),
    Page(
        "E0357",
        "A condition that cannot be read",
        """
`--only` takes `FIELD=VALUE`, `FIELD!=VALUE`, several values with commas between, and ranges
`1..9`, of a field with one value in each instance.
""",
        "fgc train ocr.fg ocr.npz -o run --only fold",
        "fgc train ocr.fg ocr.npz -o run --only fold=0,3..9",
        "words",
    ),
    Page(
        "E0358",
        "Instances are chosen by something else",
        """
Records in Python are indexed by a list of instance numbers that exist, or by a mask with a
truth value for each instance.
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

"""Codes of data that all instances share, and of matrices: E0359 to E0369."""

from __future__ import annotations

from factorgraph.pages.page import Page

_SHARED = """
from pathlib import Path
from factorgraph.data.shared import read_shared
"""
_MARKET = "%%MatrixMarket matrix coordinate real general"

PAGES = (
    Page(
        "E0359",
        "Shared data of no known format",
        """
`--with FILE` or `--with NAME=FILE` reads data that all instances share: `.npz`, `.json`,
`.jsonl` of one line, `.mtx` (Matrix Market) or `.alist` (parity checks). The end of the name
tells which.
""",
        """
Path("H.csv").write_text("1,0")
read_shared("H=H.csv")
""",
        """
Path("shared.json").write_text('{"H": [[1, 0], [0, 1]]}')
read_shared("shared.json")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0360",
        "The file has no array of this name",
        """
`--with NAME=FILE` takes one array out of a file with names, and this file has none of the name.
Say `--with FILE` to take all of them, or one of the names in the message.
""",
        """
Path("shared.json").write_text('{"H": [1, 0], "G": [0, 1]}')
read_shared("K=shared.json")
""",
        """
Path("shared.json").write_text('{"H": [1, 0], "G": [0, 1]}')
read_shared("H=shared.json")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0361",
        "Shared data with a missing value",
        """
What all instances share is given, and nothing that is given may be missing. Only answers may be
`null`.
""",
        """
Path("shared.json").write_text('{"lexicon": ["cat", null]}')
read_shared("shared.json")
""",
        """
Path("shared.json").write_text('{"lexicon": ["cat", "dog"]}')
read_shared("shared.json")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0362",
        "Shared data of several lines",
        """
A `.jsonl` file holds an instance a line. Data that all instances share are one object: one
line, or a `.json` file.
""",
        """
Path("shared.jsonl").write_text('{"H": [1, 0]}\\n{"H": [0, 1]}\\n')
read_shared("shared.jsonl")
""",
        """
Path("shared.jsonl").write_text('{"H": [1, 0]}\\n')
read_shared("shared.jsonl")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0363",
        "A matrix file with a header that is not read",
        """
A Matrix Market file begins with `%%MatrixMarket matrix coordinate real general` or its like
(`array`; `integer`, `pattern`; `symmetric`, `skew-symmetric`), then lines of comments, then the
numbers of rows, columns and entries. Complex and hermitian matrices are not read.
""",
        f"""
Path("H.mtx").write_text("{_MARKET.replace("real", "complex")}\\n1 1 1\\n1 1 1 0\\n")
read_shared("H.mtx")
""",
        f"""
Path("H.mtx").write_text("{_MARKET}\\n1 1 1\\n1 1 0.5\\n")
read_shared("H.mtx")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0364",
        "A line of a matrix file that is no entry",
        """
Each entry of a Matrix Market file is a line: row and column, counted from 1, and the number,
within the extents that the file states. Of a symmetric matrix only the entries on and below the
diagonal are listed.
""",
        f"""
Path("H.mtx").write_text("{_MARKET}\\n2 2 1\\n3 1 0.5\\n")
read_shared("H.mtx")
""",
        f"""
Path("H.mtx").write_text("{_MARKET}\\n2 2 1\\n2 1 0.5\\n")
read_shared("H.mtx")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0365",
        "A matrix file with another number of entries than it states",
        """
The file states how many entries it has, and holds more or fewer: it was cut off or put together
from parts. In a pattern, where entries say only that something is there, none stands twice.
""",
        f"""
Path("H.mtx").write_text("{_MARKET}\\n2 2 2\\n2 1 0.5\\n")
read_shared("H.mtx")
""",
        f"""
Path("H.mtx").write_text("{_MARKET}\\n2 2 1\\n2 1 0.5\\n")
read_shared("H.mtx")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0366",
        "A damaged alist file",
        """
An `.alist` file holds a parity matrix as lists of whole numbers: columns and rows, greatest
weights, the weights of all columns and rows, then a list for each column and for each row. The
message names the line where this is not so.
""",
        """
Path("H.alist").write_text("2 1\\n1 2\\n1 one\\n2\\n1\\n1\\n1 2\\n")
read_shared("H.alist")
""",
        """
Path("H.alist").write_text("2 1\\n1 2\\n1 1\\n2\\n1\\n1\\n1 2\\n")
read_shared("H.alist")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0367",
        "An alist file whose two lists disagree",
        """
An `.alist` file tells the matrix twice, by columns and by rows. Both must tell the same, or it
cannot be known which of them is right. The message names the first entry that only one of them
has.
""",
        """
Path("H.alist").write_text("2 2\\n1 1\\n1 1\\n1 1\\n1\\n2\\n2\\n1\\n")
read_shared("H.alist")
""",
        """
Path("H.alist").write_text("2 2\\n1 1\\n1 1\\n1 1\\n1\\n2\\n1\\n2\\n")
read_shared("H.alist")
""",
        "python",
        _SHARED,
    ),
    Page(
        "E0368",
        "A sparse matrix that is not read, or does not fit together",
        """
Sparse matrices are those of scipy in the formats csr, csc and coo, with two axes; in a file, as
`scipy.sparse.save_npz` writes them. Their index arrays are checked before they are used: whole
numbers, within the shape, of matching length.
""",
        """
import numpy as np
np.savez("H.npz", format="bsr", shape=np.array([2, 2]), data=np.ones(1))
read_shared("H=H.npz")
""",
        """
import numpy as np
np.savez("H.npz", format="coo", shape=np.array([2, 2]), data=np.ones(1),
         row=np.array([0]), col=np.array([1]))
read_shared("H=H.npz")
""",
        "python",
        _SHARED,
    ),
)

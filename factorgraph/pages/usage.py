"""Codes of options of the command and of arguments in Python: E0910 to E0999."""

from __future__ import annotations

from factorgraph.pages.page import Page

_MODEL = '''
from factorgraph import compile
text = """
given  x : real
answer y : bit
factor bias = 0.5 * y
factor data = x * y
"""
'''
_GRAPH = """
import numpy as np
from factorgraph import FactorGraph
graph = FactorGraph()
a, b = graph.variables("y", 2, card=3)
"""
_ENERGY = (
    _GRAPH
    + """
from factorgraph.factors.table import energy
graph.factor([a, b], np.eye(3), name="tie")
built = graph.build()
"""
)
_OPTIMISER = """
import numpy as np
from factorgraph.learn.lbfgs import LBFGS

def bowl(x):
    return float(x @ x), 2 * x
"""

PAGES = (
    Page(
        "E0910",
        "The value of an option cannot be used",
        """
An option or argument takes another form of value, and the message says which: an amount of
memory is `500M` or `2G`, `--set` takes `NAME=NUMBER`, `--beta` a positive number, `--tcp` takes
`HOST:PORT`, a seed is a whole number of at least 0, `--loss` takes one formula, and the name of a
picture ends with `.svg`, `.png` or `.pdf`. Nothing is guessed: a run with another number than was
meant would look like any other.
""",
        """
from factorgraph.budget import parse_bytes
parse_bytes("2 gigs")
""",
        """
from factorgraph.budget import parse_bytes
parse_bytes("2G")
""",
        "python",
    ),
    Page(
        "E0911",
        "Options that do not go together, or an option that is missing",
        """
One option excludes the other, as each asks for something else, or it means nothing without one
that is not there: `--instance` chooses among data, so a file of data has to be named. An option
that does nothing would hide a mistake.
""",
        "fgc plot model.fg --instance 3",
        "fgc plot model.fg data.npz --instance 3",
        "words",
    ),
    Page(
        "E0912",
        "An option names what is not there",
        """
The model has no factor of the name that `--without` gives, there is no template or error code of
this name, the data have fewer instances than `--instance` says, or a folder holds no model. The
hint tells what is there, or the nearest name. Instances are counted from 0.
""",
        """
compile(text, without=["bais"])
""",
        """
compile(text, without=["bias"])
""",
        "python",
        _MODEL,
    ),
    Page(
        "E0913",
        "A model with params needs the weights of a training",
        """
A model without params answers as it stands. One with params or maps has learned nothing yet, and
answers of weights that nobody trained mean nothing: train it, and name the folder of that run.
""",
        "fgc infer model.fg test.npz",
        "fgc infer model.fg test.npz -w run",
        "words",
    ),
    Page(
        "E0914",
        "The name for something new cannot be taken",
        """
`fgc new NAME` makes a folder in the one where you are: its name is a plain one, without a slash,
and nothing of this name may be there, as nothing is ever written over. `%%fg NAME` in a notebook
makes a variable of Python, so NAME has to be a name there.
""",
        "fgc new ../chain",
        "fgc new chain",
        "words",
    ),
    Page(
        "E0915",
        "A package that this needs is not installed",
        """
Training and inference need little. Pictures need matplotlib, the language server for editors needs
pygls, training on several machines dask.distributed, and inference on a graphics processor
numba-cuda, which are installed only when asked for. The message names the command.
""",
        "fgc plot model.fg                # matplotlib is not there",
        "pip install 'fgc[plots]'",
        "words",
    ),
    Page(
        "E0916",
        "Too much for one picture",
        """
A picture of some hundred circles and squares cannot be read, and takes long to make. Leave factors
out with `--without`, or weights without `--params`; with data, choose a smaller instance with
`--instance`, or make the sizes smaller with `--set`.
""",
        "fgc plot grid.fg photo.npz               # a picture of 64 by 64",
        "fgc plot grid.fg photo.npz --set n=4",
        "words",
    ),
    Page(
        "E0917",
        "There is nothing to draw",
        """
The graph of an instance shows its finite unknowns, and this one has none: it is empty, or all its
unknowns are real numbers. The curve of a training shows its iterations, and none was logged.
""",
        "fgc plot model.fg data.npz --instance 4       # a sentence without words",
        "fgc plot model.fg data.npz --instance 3",
        "words",
    ),
    Page(
        "E0918",
        "There is no graphics processor to work on",
        """
`device = cuda` sends messages on a graphics processor by NVIDIA, through Numba and the driver of
that processor. None was found: there is none, its driver is missing or older than CUDA 12, or a
container keeps it from the process (`nvidia-smi` shows what is there). The answers of the host are
the same up to rounding.
""",
        'fgc infer grid.fg photo.npz --infer "minsum(device = cuda)"',
        "fgc infer grid.fg photo.npz --infer minsum",
        "words",
    ),
    Page(
        "E0920",
        "Variables that cannot be added to a graph",
        """
Each block of variables has a name of its own and a shape without negative lengths, and a graph has
fewer than 2^31 variables. Factors tell variables apart by their numbers, people by the names.
""",
        """
graph.variables("y", 4, card=2)
""",
        """
graph.variables("z", 4, card=2)
""",
        "python",
        _GRAPH,
    ),
    Page(
        "E0921",
        "An array of another shape or type than is needed",
        """
Arrays are given as they are described, and never cut or stretched to fit: energies are float64
[batch, values], states are integers [batch or 1, variables], a factor's table has an axis for each
variable of its scope, and there is one table for all factors, one for each, or a `table_index`.
The message says what was found and what is needed.
""",
        """
graph.factor([a, b], [0.0, 1.0, 2.0])
""",
        """
graph.factor([a, b], np.zeros((3, 3)))
""",
        "python",
        _GRAPH,
    ),
    Page(
        "E0922",
        "A state or an instance that the graph does not have",
        """
The states of a variable are counted from 0 and are fewer than its `card`; as evidence, -1 leaves a
variable free. Instances are counted from 0 as well, and a span of them ends with one that is there.
""",
        """
energy(built.structure, built.values, [0, 3])
""",
        """
energy(built.structure, built.values, [0, 2])
""",
        "python",
        _ENERGY,
    ),
    Page(
        "E0923",
        "Arguments of the optimiser that do not fit",
        """
`LBFGS` is made for a number of weights: its start point, the gradient of the objective, a vector
of l1 penalties and a stored state are all of this length. Counts and the tolerance are not
negative, l1 is finite and not negative.
""",
        """
LBFGS(3).start(bowl, np.ones(2))
""",
        """
LBFGS(2).start(bowl, np.ones(2))
""",
        "python",
        _OPTIMISER,
    ),
    Page(
        "E0930",
        "An optimiser that cannot minimise this objective",
        """
Each optimiser minimises some objectives only. L-BFGS cannot take an l1 penalty, OWL-QN does. The
perceptron is an algorithm for `loss perceptron`. Frank-Wolfe needs a convex loss, energies that
are linear in the weights, and l2, no l1, on every weight. Data that are read in shards go with
`adagrad`, `sgd`, `adam` and `perceptron`. `--optimizer auto` takes one that fits, and says why.
""",
        "fgc train ocr.fg letters.npz --optimizer perceptron --loss nll -o run",
        "fgc train ocr.fg letters.npz --optimizer perceptron --loss perceptron -o run",
        "words",
    ),
)

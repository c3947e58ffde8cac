"""Codes of graphs and of engines that answer for them: E0500 to E0599."""

from __future__ import annotations

from factorgraph.pages.page import Page

_STRUCTURE = """
import numpy as np
from factorgraph.graph.structure import Group, Structure

def whole(*numbers):
    return np.array(numbers, np.int32)
"""

PAGES = (
    Page(
        "E0501",
        "A variable without states",
        """
Every variable of a graph has at least one state, or there is no configuration at all. In a
model text this cannot happen; whoever builds a graph in Python gives each variable its number of
states.
""",
        """
Structure(card=whole(2, 0), instance=whole(0, 2), groups=()).check()
""",
        """
Structure(card=whole(2, 1), instance=whole(0, 2), groups=()).check()
""",
        "python",
        _STRUCTURE,
    ),
    Page(
        "E0502",
        "The instances of a graph do not cover its variables",
        """
`instance` holds offsets: instance i owns the variables from `instance[i]` to `instance[i + 1]`
- 1. They begin with 0, never fall, and end with the number of variables, so that each variable
belongs to exactly one instance.
""",
        """
Structure(card=whole(2, 2, 2), instance=whole(0, 2), groups=()).check()
""",
        """
Structure(card=whole(2, 2, 2), instance=whole(0, 2, 3), groups=()).check()
""",
        "python",
        _STRUCTURE,
    ),
    Page(
        "E0503",
        "A factor's indices do not fit the graph",
        """
A factor names variables that are there, all of its own instance and all different, with as many
states as its table has entries along each axis, and tables that are there. The message says
which of these fails.
""",
        """
pair = Group("pair", (2, 2), scope=whole([0, 0]), table=whole(0), rows=whole(0, 1), distinct=1)
Structure(card=whole(2, 2), instance=whole(0, 2), groups=(pair,)).check()
""",
        """
pair = Group("pair", (2, 2), scope=whole([0, 1]), table=whole(0), rows=whole(0, 1), distinct=1)
Structure(card=whole(2, 2), instance=whole(0, 2), groups=(pair,)).check()
""",
        "python",
        _STRUCTURE,
    ),
    Page(
        "E0504",
        "Variables or numbers that make no factor of a kind",
        """
A factor of a kind (`potts`, `truncated`, `parity`, …) has a few numbers in place of a table. Each
kind says how many variables it is over, how many states these have, how many numbers there are
and which values they may have; the message says what does not fit. +inf excludes what a number
stands for; NaN and -inf are no energies.
""",
        """
g = FactorGraph()
g.parity(g.variables("x", 3, card=3))
""",
        """
g = FactorGraph()
g.parity(g.variables("x", 3, card=2))
""",
        "python",
        """
from factorgraph import FactorGraph
""",
    ),
    Page(
        "E0505",
        "A kind of factor that cannot answer what is asked",
        """
Most kinds have messages in closed form, for the least energy and for sums, and derivatives by
their numbers. Where one has not (the message says which of them, and how large it may be),
another inference may do without, or the factor can be given as a table if it is small.
""",
        "marginals by sum-product with `all_different` over 30 variables",
        "a configuration of least energy by min-sum with it",
        "words",
    ),
    Page(
        "E0506",
        "A kind of factor that contradicts itself",
        """
`factorgraph.check_factor` holds a kind of factor against enumeration: its table against the
energies, its messages against the least and the sum over all configurations, its cotangents
against differences of energies. The message says which of them is not as it should be, and at
which numbers.
""",
        """
fg.check_factor("potts", (2, 2), [0.0, 1.0], energy=lambda states, numbers: 0.0)
""",
        """
fg.check_factor("potts", (2, 2), [0.0, 1.0],
                energy=lambda states, numbers: numbers[0 if states[0] == states[1] else 1])
""",
        "python",
        """
import factorgraph as fg
""",
    ),
    Page(
        "E0510",
        "A graph too wide for exact inference",
        """
A graph with loops is answered exactly by eliminating its unknowns one after the other. Each leaves
a table over those that it was joined with: how many that are at most is the graph's width, and the
table has an entry for each combination of their values. The message names the width of the best
order that was found. Leave a factor out with `--without NAME`, make the instance smaller, allow
more memory with `--budget-memory`, or ask for an inference that approximates.
""",
        """
size n = 100
answer y[n, n] : 0..9
factor right[i in n, j in 1..n-1] = y[i, j] * y[i, j-1]
factor down[i in 1..n-1, j in n]  = y[i, j] * y[i-1, j]
""",
        """
size n = 100
answer y[4, n] : 0..9
factor right[i in 4, j in 1..n-1] = y[i, j] * y[i, j-1]
factor down[i in 1..3, j in n]    = y[i, j] * y[i-1, j]
""",
        "words",
    ),
    Page(
        "E0511",
        "Too many configurations to enumerate",
        """
The engine that looks at every configuration, one after the other, was asked for an instance that
has more than 2^20 of them. `factorgraph.engine.choose` picks another one for such graphs.
""",
        "30 unknowns of 2 states, all tied to each other",
        "15 unknowns of 2 states, or 30 in a chain",
        "words",
    ),
    Page(
        "E0512",
        "Cost times energy on a graph too large to search",
        """
`slack` multiplies the cost of mistakes with the energy's gap. The worst configuration is found on
chains and trees of factors of at most two unknowns where the cost is a whole number for each
unknown, as `hamming` is, and on graphs small enough to enumerate. `margin` subtracts the cost
instead, and takes any sum of small terms on any graph that is inferred exactly.
""",
        "loss slack(cost = weighed), with weights such as 0.5, of long chains",
        "loss margin(cost = weighed)",
        "words",
    ),
    Page(
        "E0513",
        "Energies that no cut can minimise",
        """
`cut` finds the least energy of variables of two states whose factors have at most two variables
and are submodular: two equal states cost no more, together, than the two unequal ones. The
message names what is not of that kind. `branch` takes small graphs of any kind, `trws + icm` pairs
of any size, with a bound beside the answer.
""",
        """
import numpy as np
from factorgraph import FactorGraph
from factorgraph.engine.cut import lay_out
graph = FactorGraph()
a, b = graph.variables("y", 2, card=2)
graph.factor([a, b], np.eye(2), name="differ")
built = graph.build()
lay_out(built.structure, built.values[0], np.array([-1, -1], np.int32))
""",
        """
import numpy as np
from factorgraph import FactorGraph
from factorgraph.engine.cut import lay_out
graph = FactorGraph()
a, b = graph.variables("y", 2, card=2)
graph.factor([a, b], 1 - np.eye(2), name="agree")
built = graph.build()
lay_out(built.structure, built.values[0], np.array([-1, -1], np.int32))
""",
        "python",
    ),
    Page(
        "E0519",
        "Nothing to draw from",
        """
`sample` draws configurations with a probability that falls with their energy. Here every
configuration has infinite energy: hard constraints, or the evidence, contradict each other.
`minimise` says so as well, with the status `infeasible`, and often names a factor that shows it.
""",
        """
g = factorgraph.FactorGraph()
a = g.variable("a", 2)
g.factor([a], [np.inf, np.inf])
factorgraph.sample(g.build(), 10)
""",
        """
g = factorgraph.FactorGraph()
a = g.variable("a", 2)
g.factor([a], [np.inf, 0.0])
factorgraph.sample(g.build(), 10)
""",
        "python",
        "import numpy as np, factorgraph",
    ),
)

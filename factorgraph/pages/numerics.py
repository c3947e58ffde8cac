"""Codes of numbers that go wrong: E0700 to E0799."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0701",
        "An energy is not a number",
        """
An energy is a finite number or +inf (forbidden). NaN and -inf have no place: nothing can be
compared with NaN, and -inf would beat every other answer. The energies of all factors of a graph
add up to less than 1e300, so that no sum becomes infinite by itself. This holds for tables that are
built in Python too. In a model, a logarithm or root of a negative number, 0 divided by 0, or the
logarithm of 0 is mostly the reason. Keep the argument positive: declare the weight `: positive`, or
add a small constant.
""",
        '{"x": 1.0, "y": 1}',
        '{"x": 0.5, "y": 1}',
        "data",
        """
given x : real
answer y : bit
param w = 1
factor f = log(w - x) * y
loss nll
""",
    ),
    Page(
        "E0702",
        "The loss is not a number",
        """
The loss of an instance became NaN or infinite in training. Weights have grown without end, or
the formula overflows (`exp` of a large energy). Regularise the weights (`~ l2(0.01)`), start
them smaller, scale the data, or choose a loss that grows slower. In Python, the optimiser says the
same of the point where it starts, and of the value and the gradient there.
""",
        "loss square_exp        # exp(-E(wrong)) overflows where E(wrong) falls below -700",
        "loss logistic",
        "words",
    ),
    Page(
        "E0703",
        "A map gives no number",
        """
An output of a map became NaN or infinite: what it is fed with, or its weights, are so large that
their products overflow. The message names the map, its input and an instance. Scale the data (to
a deviation near 1), choose an activation that is bounded (`act = tanh`), or regularise what the
map feeds.
""",
        '{"x": [1e200, -1e200], "y": 1}',
        '{"x": [1.0, -1.0], "y": 1}',
        "data",
        """
given  x[2] : real
answer y : bit
map    g = chain(linear(2, 4), linear(4, 1))
factor f = g(1e200 * x)[0] * y
loss   nll
""",
    ),
)

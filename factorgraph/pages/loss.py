"""Codes of losses: E0200 to E0299."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0202",
        "A loss does not know this name",
        """
A loss is a formula of regions (`answer`, `any`, `wrong`, …), of configurations, of energies
(`E`, the names of factors), of constants, and of losses and functions that are defined. The
hint names the nearest one. An array is indexed with square brackets; round ones call a
function.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(anny)
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(any)
""",
    ),
    Page(
        "E0203",
        "A loss that does not look at the energy",
        """
Training moves the weights, and these are felt through energies only. A loss without `E`, `free`
or a configuration that inference finds is the same number whatever the weights are.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   3
""",
        """
answer y : bit
param  w
factor f = w * y
loss   3 * E(answer)
""",
    ),
    Page(
        "E0204",
        "A region or configuration stands where a number is needed",
        """
`answer`, `any` and `wrong` are sets of configurations; a loss is a number. Their least energy
is `E(answer)`, their free energy `free(answer)`. Configurations are compared value by value:
`Y.y[t] != answer.y[t]`.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   answer - any
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(any)
""",
    ),
    Page(
        "E0205",
        "A region is needed",
        """
`E`, `free` and `draw` take a region: `answer`, `any`, `wrong`, `only(…)`, `pin(…)`,
`sample(…)`, or a configuration that a `for` runs over. A number or another value is none.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(2)
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(any)
""",
    ),
    Page(
        "E0206",
        "A temperature or another positive number is needed",
        """
`beta` is how sharp the soft minimum is: a positive number, `inf` for the plain minimum. It is a
constant, not trained: training would choose it so that the loss is small, not so that the
answers are right.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   free(answer, 0) - free(any, 0)
""",
        """
answer y : bit
param  w
factor f = w * y
loss   free(answer, 2) - free(any, 2)
""",
    ),
    Page(
        "E0207",
        "The model has no loss",
        """
Training needs to know what to make small. A text chooses a loss with `loss nll`, and the option
`--loss nll` of the command line, or `loss="nll"` in Python, goes before it. For inference none
is needed.
""",
        "fgc train model.fg data.npz -o run             # no `loss` in model.fg",
        "fgc train model.fg data.npz -o run --loss nll",
        "words",
    ),
    Page(
        "E0208",
        "No energy to draw by",
        """
`draw(S, q)` draws configurations by a second energy, which `use "noise.fg" as q` brings in, or
by the model's own, `E`. What stands there is neither.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   sum(E(Y) for Y in draw(any, w))
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(any)
""",
    ),
    Page(
        "E0209",
        "No place of an unknown",
        """
`only(…)`, `pin(…)` and `Y[v]` take places: an unknown, one of its elements, or a v that runs
over `answers`. Givens and params have no place in a configuration, a latent has no observed
answer to pin it to, and a sequence is taken as a whole.
""",
        """
size   n = 3
given  x[n] : real
answer y[n] : bit
factor f[t in n] = x[t] * y[t]
loss   free(answer) - free(only(x))
""",
        """
size   n = 3
given  x[n] : real
answer y[n] : bit
factor f[t in n] = x[t] * y[t]
loss   free(answer) - free(only(y))
""",
    ),
    Page(
        "E0210",
        "A cost that is no function of a configuration",
        """
Losses like `margin(cost = …)` take a `fun` of a configuration, or an energy, and apply it to
the configurations that inference looks at. A number cannot be applied.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   margin(cost = 2)
""",
        """
answer y : bit
param  w
factor f = w * y
fun    twice(Y) = 2 * (Y.y != answer.y)
loss   margin(cost = twice)
""",
    ),
    Page(
        "E0211",
        "No algorithm of this name",
        """
Behind `by =` stands how a minimum, a sum or a sample is found: `exact`, `gibbs`,
`trws(iterations = 100) + expansion`, … The hint names the nearest one.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   free(answer) - free(any, by = exactly)
""",
        """
answer y : bit
param  w
factor f = w * y
loss   free(answer) - free(any, by = exact)
""",
    ),
    Page(
        "E0212",
        "An algorithm that cannot do this",
        """
Some algorithms find minima, others sums over all configurations, others draw samples; the hint
names those that fit. Mean field bounds a free energy from one side only: on the side that the
loss raises, the loss could fall without end, so it is refused there.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(any, by = gibbs)
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(any, by = exact)
""",
    ),
    Page(
        "E0213",
        "A whole number is needed",
        """
Sweeps, chains and draws are counted: a whole number of at least the one in the message, written
out or as `let NAME = number`.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   free(answer) - free(sample(0.5))
""",
        """
answer y : bit
param  w
factor f = w * y
loss   free(answer) - free(sample(1))
""",
    ),
    Page(
        "E0214",
        "A loss without a slope",
        """
Training goes downhill in small steps. A loss that is a truth value, or that compares energies,
changes in jumps: no small step of a weight makes it smaller. Say how wrong an answer is rather
than whether: `max(0, 1 + E(answer) - E(wrong))` grows with the mistake, `sigmoid` and
`softplus` are smooth steps.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) > E(wrong)
""",
        """
answer y : bit
param  w
factor f = w * y
loss   sigmoid(E(answer) - E(wrong))
""",
    ),
    Page(
        "E0215",
        "A region that is always empty",
        """
`wrong(S)` are those of S that differ from the answer. Where all of S agree with it, nothing is
left, and the least energy of nothing is infinite.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(wrong(answer))
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - E(wrong(any))
""",
    ),
    Page(
        "E0216",
        "The loss needs answers, and the model has none",
        """
An `answer` is observed in training; a `latent` never is. This loss compares with what was
observed, so that something has to be declared as `answer`.
""",
        """
latent y : bit
param  w
factor f = w * y
loss   E(any) - E(wrong)
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(any) - E(wrong)
""",
    ),
    Page(
        "E0217",
        "The loss needs real answers, and the model has none",
        """
`grad`, `laplace` and `jitter` move the answers by small amounts. That means something for
answers of type `real`; answers with finitely many values have `pseudo`, `cd`, `nll` and others.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   score
""",
        """
size   m = 2
answer y[m] : real
param  w = 1
factor f[i in m] = w * y[i]^2
loss   score
""",
    ),
    Page(
        "E0218",
        "From when on is a real answer wrong?",
        """
A real answer is never hit exactly. `wrong(S, eps)` are those that differ by more than eps;
without it, `infer grid(step = …)` tells the step. For answers with finitely many values eps
means nothing.
""",
        """
answer y : real
param  w = 1
factor f = w * y^2
loss   hinge
""",
        """
answer y : real
param  w = 1
factor f = w * y^2
loss   max(0, 1 + E(answer) - E(wrong(any, eps = 0.1)))
""",
    ),
    Page(
        "E0219",
        "A configuration has no such value",
        """
`Y.y` and `answer.y` read the unknowns of a configuration. Givens, params and lets are the same
in every configuration and are written by their name alone. A latent has no observed value:
`answer.z` does not exist.
""",
        """
given  x : real
answer y : bit
factor f = x * y
fun    cost(Y) = Y.x * (Y.y != answer.y)
loss   margin(cost = cost)
""",
        """
given  x : real
answer y : bit
factor f = x * y
fun    cost(Y) = x * (Y.y != answer.y)
loss   margin(cost = cost)
""",
    ),
    Page(
        "E0220",
        "An unknown has no single value in a loss",
        """
A loss looks at many configurations at once, and an unknown has a value in each. Say which one
is meant: `answer.y` is the observed value, `best.y` that of the least energy, `Y.y` that of a
configuration which a `for` runs over.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) * y
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) * (1 + answer.y)
""",
    ),
    Page(
        "E0221",
        "A `for` that does not run over this",
        """
`min`, `max` and `softmin` run over regions (`for Y in any`), because inference finds these
without looking at each configuration; a sum over all of them would not end, so `sum` runs over
draws, answers, factors, sizes and ranges. A `for` over a region has no `if`: put the condition
into the number.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - sum(E(Y) for Y in any)
""",
        """
answer y : bit
param  w
factor f = w * y
loss   E(answer) - min(E(Y) for Y in any)
""",
    ),
    Page(
        "E0222",
        "A configuration is needed",
        """
A cost is a function of one configuration: `answer`, `best`, `jitter(s)`, or the Y that a `for`
runs over. A region such as `any` or `wrong` holds many of them; name one with `for Y in any`.
""",
        """
answer y : bit
param  w
factor f = w * y
fun    cost(Y) = Y.y
loss   E(answer) + cost(any)
""",
        """
answer y : bit
param  w
factor f = w * y
fun    cost(Y) = Y.y
loss   E(answer) - min(E(Y) - cost(Y) for Y in any)
""",
    ),
    Page(
        "E0223",
        "A loss that does not make this model decide well",
        """
Before training, a loss is judged together with the energy. UNSAFE: its least value is reached where
the energy is the same for every answer, or it pushes an energy the wrong way; training would end
there. ERROR: loss and energy do not fit, such as a square of energies that may be negative. Each
reason names the formula or the factor that it comes from. Losses that also push wrong answers up,
such as `hinge` and `nll`, do not collapse. `--unsafe` trains all the same.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   energy                          # fgc train says: UNSAFE
""",
        """
answer y : bit
param  w
factor f = w * y
loss   nll
""",
        kind="words",
    ),
)

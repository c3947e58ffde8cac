"""Codes of warnings: what is legal, but hardly meant."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "W0001",
        "An unknown that no factor reads",
        """
Every value of it costs the same, so that what inference answers for it is arbitrary. Write a
factor that reads it, or take it out.
""",
        """
answer y, z : bit
param  w
factor f = w * y
""",
        """
answer y, z : bit
param  w
factor f = w * (y != z)
""",
    ),
    Page(
        "W0002",
        "A hard factor that nothing meets",
        """
Whatever values the unknowns take, the condition fails, and every energy is infinite: there is
no answer at all. A comparison may be the wrong way round, or a number outside of what the
unknown can be.
""",
        """
answer y : 0..3
hard   big : y > 3
""",
        """
answer y : 0..3
hard   big : y >= 3
""",
    ),
    Page(
        "W0003",
        "A hard factor that everything meets",
        """
The condition holds whatever values the unknowns take, so that it forbids nothing. Take it out,
or say what was meant.
""",
        """
answer y : 0..3
hard   small : y < 4
factor f = y
""",
        """
answer y : 0..3
hard   small : y < 3
factor f = y
""",
    ),
    Page(
        "W0004",
        "A text that says nothing",
        """
There is no statement in it, at most comments: perhaps the wrong file, or one that was not saved.
""",
        """
# my first model
""",
        """
# my first model
answer y : bit
factor f = y
""",
    ),
    Page(
        "W0101",
        "A name that nothing uses",
        """
It is declared and never read: perhaps another name stands where it was meant. Names that
nothing uses also make a text harder to read.
""",
        """
answer y : bit
param  w, v
factor f = w * y
""",
        """
answer y : bit
param  w, v
factor f = w * y + v * y
""",
    ),
    Page(
        "W0102",
        "A factor that names no unknown",
        """
It adds the same energy to every configuration, and changes no answer. An index may be missing,
or the name of a given may stand where the answer's was meant.
""",
        """
given  x : real
answer y : bit
factor f = x * y
factor g = x ^ 2
""",
        """
given  x : real
answer y : bit
factor f = x * y
factor g = x ^ 2 * y
""",
    ),
    Page(
        "W0103",
        "A factor that visits each pair twice",
        """
Over `i in n, j in n` each pair comes in both orders, and each element with itself. If the
factor is the same for (i, j) and (j, i), its weight counts double. Add the guard `if i < j`.
""",
        """
size   n = 4
answer y[n] : bit
param  w
factor f[i in n, j in n] = w * (y[i] != y[j])
""",
        """
size   n = 4
answer y[n] : bit
param  w
factor f[i in n, j in n if i < j] = w * (y[i] != y[j])
""",
    ),
    Page(
        "W0104",
        "Weights that are not determined",
        """
Adding one number to all weights of this param adds the same to every configuration, and changes
no answer: training has no reason to prefer one over the other, and they may drift. A
regulariser settles it.
""",
        """
domain Tag = {A, B, C}
answer y : Tag
param  w[Tag]
factor f = w[y]
loss   nll
""",
        """
domain Tag = {A, B, C}
answer y : Tag
param  w[Tag] ~ l2(0.01)
factor f = w[y]
loss   nll
""",
    ),
    Page(
        "W0105",
        "A latent that is free in some state",
        """
Where a bit is 0, every factor that reads the latent is 0, so that all of its values cost the
same. The least energy does not mind; a soft minimum counts each of them, and favours this state
the more values the latent has. Pin it with a hard factor where it means nothing.
""",
        """
answer there : bit
latent at : 0..9
param  w[10]
factor look = -there * w[at]
factor some = 0.5 * there
loss   nll
""",
        """
answer there : bit
latent at : 0..9
param  w[10]
factor look = -there * w[at]
factor some = 0.5 * there
hard   idle : there == 0 => at == 0
loss   nll
""",
    ),
    Page(
        "W0106",
        "A param that the loss pushes one way only",
        """
The loss lowers the energy of the answers and raises none; a weight that only makes energies
smaller (or larger) is then driven to the end of its range, and nothing is learned. Make it a
constant with `let`, or choose a loss that also raises the energy of other configurations.
""",
        """
given  x : real
answer y : real
param  s : positive = 1
factor f = s * (y - x)^2
loss   energy
""",
        """
given  x : real
answer y : real
let    s = 1
param  w
factor f = s * (y - w * x)^2
loss   energy
""",
    ),
    Page(
        "W0201",
        "A loss that mixes the minimum and the soft minimum over latents",
        """
`E` takes the best value of the latents, `free` a soft minimum over all of them. A loss that has
one on one side and the other on the other compares two different things: they differ by the
entropy of the latents. Use E alone or free alone.
""",
        """
answer y : bit
latent z : 0..3
param  w[4]
factor f = w[z] * y
loss   E(answer) - free(any)
""",
        """
answer y : bit
latent z : 0..3
param  w[4]
factor f = w[z] * y
loss   free(answer) - free(any)
""",
    ),
    Page(
        "W0202",
        "An argument that nothing reads",
        """
A loss is defined with an argument that its formula does not use, so that whoever sets it
changes nothing.
""",
        """
answer y : bit
param  w
factor f = w * y
loss   mine(m = 1, k = 2) = m * E(answer)
loss   mine
""",
        """
answer y : bit
param  w
factor f = w * y
loss   mine(m = 1) = m * E(answer)
loss   mine
""",
    ),
)

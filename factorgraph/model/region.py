"""What a loss speaks of beside numbers: regions, configurations, energies, places, algorithms.

A configuration gives every unknown a value; a region is a set of configurations. Latents, and
whatever the data leave unlabelled, are free in every region.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from factorgraph.model.expression import Expr, show
from factorgraph.source import Span
from factorgraph.value import Value


@dataclass(eq=False, repr=False)
class Thing(Value):
    """Something that a formula names and that is no number."""

    span: Span = field(compare=False, repr=False)

    def parts(self) -> tuple[Expr, ...]:
        """Return the expressions in it."""
        return ()


# -- regions


@dataclass(eq=False, repr=False)
class Region(Thing):
    """A set of configurations."""


@dataclass(eq=False, repr=False)
class Answer(Region):
    """Those that agree with the observed answer."""

    def __str__(self) -> str:
        return "answer"


@dataclass(eq=False, repr=False)
class Anything(Region):
    """All of them."""

    def __str__(self) -> str:
        return "any"


@dataclass(eq=False, repr=False)
class Wrong(Region):
    """Those of ``inner`` that differ from the answer.

    Attributes
    ----------
    eps : by more than which real answers differ; None where the grid of inference says it.
    """

    inner: Region
    eps: float | None = None

    def __str__(self) -> str:
        inside = "" if isinstance(self.inner, Anything) else str(self.inner)
        if self.eps is not None:
            inside += f"{', ' if inside else ''}eps = {self.eps:g}"
        return f"wrong({inside})" if inside else "wrong"

    def parts(self) -> tuple[Expr, ...]:
        return self.inner.parts()


@dataclass(eq=False, repr=False)
class Only(Region):
    """Those that agree with the answer everywhere but at some places."""

    places: tuple[Place, ...]

    def __str__(self) -> str:
        return f"only({', '.join(map(str, self.places))})"

    def parts(self) -> tuple[Expr, ...]:
        return tuple(e for place in self.places for e in place.indices)


@dataclass(eq=False, repr=False)
class Pin(Region):
    """Those that agree with the answer at some places."""

    places: tuple[Place, ...]

    def __str__(self) -> str:
        return f"pin({', '.join(map(str, self.places))})"

    def parts(self) -> tuple[Expr, ...]:
        return tuple(e for place in self.places for e in place.indices)


@dataclass(eq=False, repr=False)
class Sample(Region):
    """Those with the answers of one draw.

    Attributes
    ----------
    sweeps : from the data, or from the last state of a chain.
    chains : how many chains last from step to step; 0 where each draw starts at the data.
    by : the sampler, None where the choice is left.
    """

    sweeps: int
    chains: int = 0
    by: Algorithms | None = None

    def __str__(self) -> str:
        return f"sample({self.sweeps}{f', {self.chains}' if self.chains else ''})"


@dataclass(eq=False, repr=False)
class Draw(Region):
    """So many configurations of ``inner`` drawn by an energy; constants to the gradient."""

    inner: Region
    energy: Energy
    count: int = 1

    def __str__(self) -> str:
        return f"draw({self.inner}, {self.energy}, {self.count})"

    def parts(self) -> tuple[Expr, ...]:
        return (*self.inner.parts(), *self.energy.parts())


@dataclass(eq=False, repr=False)
class AnyRegion(Region):
    """What an argument stands for in a definition that is looked at by itself."""

    name: str

    def __str__(self) -> str:
        return self.name


# -- configurations


@dataclass(eq=False, repr=False)
class Configuration(Thing):
    """One value for every unknown."""


@dataclass(eq=False, repr=False)
class Observed(Configuration):
    """The observed answer."""

    def __str__(self) -> str:
        return "answer"


@dataclass(eq=False, repr=False)
class Best(Configuration):
    """Where the least energy of all is reached."""

    def __str__(self) -> str:
        return "best"


@dataclass(eq=False, repr=False)
class Jitter(Configuration):
    """The answer plus noise: one draw for each deviation, however often it is named."""

    deviation: float

    def __str__(self) -> str:
        return f"jitter({self.deviation:g})"


@dataclass(eq=False, repr=False)
class Bound(Configuration):
    """What ``for Y in S`` runs over; ``number`` makes it unique."""

    name: str
    number: int

    def __str__(self) -> str:
        return self.name


# -- energies


@dataclass(eq=False, repr=False)
class Energy(Thing):
    """A function of configurations."""


@dataclass(eq=False, repr=False)
class Whole(Energy):
    """The model's own energy."""

    def __str__(self) -> str:
        return "E"


@dataclass(eq=False, repr=False)
class Second(Energy):
    """The energy that ``use … as NAME`` brings in."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(eq=False, repr=False)
class Part(Energy):
    """A factor's energy.

    Attributes
    ----------
    indices : of one term of it, values of its binders; None for their sum.
    """

    name: str
    indices: tuple[Expr, ...] | None = None

    def __str__(self) -> str:
        if not self.indices:
            return self.name
        return f"{self.name}[{', '.join(map(show, self.indices))}]"

    def parts(self) -> tuple[Expr, ...]:
        return self.indices or ()


# -- the rest


@dataclass(eq=False, repr=False)
class Place(Thing):
    """One unknown, or all of an array's that share the leading indices (positions from 0)."""

    unknown: str
    indices: tuple[Expr, ...] = ()

    def __str__(self) -> str:
        if not self.indices:
            return self.unknown
        return f"{self.unknown}[{', '.join(map(show, self.indices))}]"


@dataclass(eq=False, repr=False)
class Step(Value):
    """An algorithm with its options: numbers, or words as they are written."""

    name: str
    options: tuple[tuple[str, float | str], ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(
            f"{k} = {v if isinstance(v, str) else format(v, 'g')}" for k, v in self.options
        )
        return f"{self.name}({inside})" if inside else self.name


@dataclass(eq=False, repr=False)
class Algorithms(Thing):
    """Algorithms that are run one after another."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.steps))


@dataclass(eq=False, repr=False)
class Vector(Thing):
    """A number for each real answer; ``element`` is that of the coordinate at hand."""

    element: Expr

    def parts(self) -> tuple[Expr, ...]:
        return (self.element,)


@dataclass(eq=False, repr=False)
class Hole(Thing):
    """What an argument stands for in a definition where its use does not tell what it is."""

    name: str

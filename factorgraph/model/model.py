"""The Model: a checked text, typed and immutable. Everything after the checker starts here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from factorgraph.model.expression import Const, DomainSize, Expr, Kind, Variable
from factorgraph.source import Source, Span
from factorgraph.syntax import tree as t
from factorgraph.value import Value

if TYPE_CHECKING:
    from factorgraph.model.grid import Grid


@dataclass(eq=False, repr=False)
class Domain(Value):
    """A named finite set.

    Attributes
    ----------
    low, high : the ends of a range of whole numbers, else None.
    values : labels in their order; None where the training data fill the domain.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    low: int | None = None
    high: int | None = None
    values: tuple[str, ...] | None = None

    @property
    def is_range(self) -> bool:
        return self.low is not None

    @property
    def from_data(self) -> bool:
        return self.low is None and self.values is None

    @property
    def count(self) -> int | None:
        """Number of values, None where the data decide."""
        if self.low is not None and self.high is not None:
            return self.high - self.low + 1
        return None if self.values is None else len(self.values)


@dataclass(eq=False, repr=False)
class IndexSet(Value):
    """What an axis runs over, and the values of a finite variable.

    Attributes
    ----------
    name : how messages call it: a domain, a size, ``0..255``.
    low : the least value of a set of whole numbers; 0 for labels.
    count : number of values.
    domain : the name of the domain of labels, None for whole numbers.
    """

    name: str
    low: int
    count: Expr
    domain: str | None = None

    @property
    def fixed(self) -> int | None:
        """The number of values where the text alone tells it."""
        return int(self.count.value) if isinstance(self.count, Const) else None


@dataclass(eq=False, repr=False)
class SizeDeclaration(Value):
    """A size; ``value`` is None where each instance has its own.

    ``over`` is the axis that a ragged size depends on: row t of it has ``name[t]`` items.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    value: int | None = None
    over: IndexSet | None = None


@dataclass(eq=False, repr=False)
class RecordField(Value):
    """A field of a record: the finite set it is of, or None for numbers and texts."""

    name: str
    kind: Kind
    values: IndexSet | None


@dataclass(eq=False, repr=False)
class Sequence(Value):
    """What values an unknown sequence has.

    Attributes
    ----------
    sort : ``path`` or ``segments``.
    arcs : of a path, the given whose first two fields are an arc's ends.
    ends : of a path, its first and last node.
    size, longest : of segments, what they cover and how long one may be.
    """

    sort: str
    arcs: str | None = None
    ends: tuple[Expr, ...] = ()
    size: Expr | None = None
    longest: Expr | None = None


@dataclass(eq=False, repr=False)
class Given(Value):
    """An observed array.

    Attributes
    ----------
    axes : what each axis runs over.
    kind : of its elements.
    values : the finite set its elements are of, None for numbers and texts.
    fields : of a record; each is read as a given of its own, ``name.field``.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    axes: tuple[IndexSet, ...]
    kind: Kind
    values: IndexSet | None
    fields: tuple[RecordField, ...] = ()


@dataclass(eq=False, repr=False)
class Unknown(Value):
    """An array of variables; ``role`` is ``answer`` or ``latent``.

    Attributes
    ----------
    values : the finite set of a single value; None for real numbers, records and sequences.
    low, high : of real numbers.
    fields : of a record, or of an element of a sequence.
    sequence : what sequences there are.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    role: str
    axes: tuple[IndexSet, ...]
    kind: Kind
    values: IndexSet | None
    low: float = -inf
    high: float = inf
    fields: tuple[RecordField, ...] = ()
    sequence: Sequence | None = None


@dataclass(eq=False, repr=False)
class ParamDeclaration(Value):
    """An array of weights.

    Attributes
    ----------
    initial : ``("constant", v)``, ``("normal", m, s)`` or ``("dirichlet", a)``.
    l1, l2 : coefficients of the regularisers ``l1 * sum |w|`` and ``l2 / 2 * sum w^2``.
    constraint : ``real``, ``positive``, ``interval`` (low, high), ``unit`` (length 1 along the
        last axis) or ``simplex`` (sum 1 along it).
    """

    name: str
    span: Span = field(compare=False, repr=False)
    axes: tuple[IndexSet, ...]
    initial: tuple[str | float, ...] = ("constant", 0.0)
    l1: float = 0.0
    l2: float = 0.0
    constraint: str = "real"
    low: float = -inf
    high: float = inf


@dataclass(eq=False, repr=False)
class MapLayer(Value):
    """A layer as it is written; sizes may be those of domains that data fill."""

    span: Span = field(compare=False, repr=False)
    sort: str
    sizes: tuple[Expr, ...] = ()
    act: str = "none"
    pad: str = "none"
    layers: tuple[MapLayer, ...] = ()


@dataclass(eq=False, repr=False)
class MapDeclaration(Value):
    """A map: one set of weights, however often it is used.

    Attributes
    ----------
    last : the domain or size that its output's last axis was declared as.
    l1, l2 : coefficients of the regularisers of its weights, biases left out.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    layer: MapLayer
    last: IndexSet | None = None
    l1: float = 0.0
    l2: float = 0.0


@dataclass(eq=False, repr=False)
class Features(Value):
    """Where a domain gets its values from: names of features, one text for each row.

    Attributes
    ----------
    domain : that is filled.
    least : how often a feature must occur.
    binders, guard : rows of an instance.
    names : the features' names at each row.
    """

    domain: str
    least: int
    binders: tuple[Binder, ...]
    guard: Expr | None
    names: tuple[Expr, ...]


@dataclass(eq=False, repr=False)
class Binder(Value):
    """An index that runs over ``low .. high``, both inclusive."""

    variable: Variable
    low: Expr
    high: Expr


@dataclass(eq=False, repr=False)
class LetDeclaration(Value):
    """A value computed once an instance, from givens alone."""

    name: str
    span: Span = field(compare=False, repr=False)
    binders: tuple[Binder, ...]
    guard: Expr | None
    value: Expr


@dataclass(eq=False, repr=False)
class FactorDeclaration(Value):
    """An additive term of the energy, one for each value of the binders.

    Attributes
    ----------
    hard : the value is a condition; the energy is 0 where it holds, else +inf.
    scope : the distinct reads of unknowns, in the order in which they stand in the text.
    written : where its binders stand in the text, None where it has none.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    binders: tuple[Binder, ...]
    guard: Expr | None
    value: Expr
    hard: bool
    scope: tuple[Expr, ...]
    written: Span | None = field(default=None, compare=False, repr=False)


@dataclass(eq=False, repr=False)
class LossLibrary(Value):
    """Definitions of losses and of their helpers that are in scope, by name."""

    losses: Mapping[str, t.LossDefinition]
    funs: Mapping[str, t.Fun]


@dataclass(frozen=True, eq=False)
class Asked:
    """An algorithm that `infer` asks for.

    Attributes
    ----------
    name : of the algorithm.
    options : numbers and words by name.
    starts : the unknowns that are told where to start.
    span : where it stands.
    """

    name: str
    options: dict[str, float | str]
    starts: tuple[str, ...]
    span: Span


@dataclass(eq=False, repr=False)
class Model(Value):
    """A checked model.

    Attributes
    ----------
    source : the flattened text it was made of.
    loss : the formula that the text chose, None where it has none.
    infer : the inference that the text asks for, None where it leaves the choice.
    asked : the same, algorithm by algorithm.
    features : how the domains of features are filled.
    energies : other energies, by the name that `use … as` gives them.
    grids : the points that stand for real unknowns, where these are put on a grid.
    real : the model before they were, None where there are no grids.
    """

    source: Source = field(compare=False, repr=False)
    domains: dict[str, Domain]
    sizes: dict[str, SizeDeclaration]
    givens: dict[str, Given]
    unknowns: dict[str, Unknown]
    params: dict[str, ParamDeclaration]
    maps: dict[str, MapDeclaration]
    lets: dict[str, LetDeclaration]
    constants: dict[str, float]
    factors: dict[str, FactorDeclaration]
    features: tuple[Features, ...]
    library: LossLibrary = field(repr=False)
    loss: t.Expression | None
    infer: t.Expression | None
    asked: tuple[Asked, ...] = ()
    energies: dict[str, Model] = field(default_factory=dict, repr=False)
    grids: dict[str, Grid] = field(default_factory=dict)
    real: Model | None = field(default=None, repr=False)

    @property
    def written(self) -> Model:
        """The model that data fit: as it was before real unknowns were put on a grid."""
        return self if self.real is None else self.real

    @property
    def answers(self) -> dict[str, Unknown]:
        return {n: u for n, u in self.unknowns.items() if u.role == "answer"}

    @property
    def latents(self) -> dict[str, Unknown]:
        return {n: u for n, u in self.unknowns.items() if u.role == "latent"}

    def count(self, axis: IndexSet, vocabularies: dict[str, tuple[str, ...]]) -> int:
        """Return how many values a fixed set has, given the domains that data filled."""
        return self.number(axis.count, vocabularies)

    def number(self, count: Expr, vocabularies: dict[str, tuple[str, ...]]) -> int:
        """Return a fixed number that may depend on the domains that data filled."""
        if isinstance(count, DomainSize):
            return len(vocabularies[count.name])
        assert isinstance(count, Const), count
        return int(count.value)

    def labels(self, domain: str, vocabularies: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        """Return the labels of a domain in their order."""
        values = self.domains[domain].values
        return vocabularies[domain] if values is None else values

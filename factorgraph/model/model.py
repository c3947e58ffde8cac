"""The Model: a checked text, typed and immutable. Everything after the checker starts here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factorgraph.model.expression import Const, DomainSize, Expr, Kind, Variable
from factorgraph.source import Source, Span
from factorgraph.syntax import tree as t


@dataclass(frozen=True)
class Domain:
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


@dataclass(frozen=True)
class IndexSet:
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


@dataclass(frozen=True)
class SizeDeclaration:
    """A size; ``value`` is None where each instance has its own."""

    name: str
    span: Span = field(compare=False, repr=False)
    value: int | None = None


@dataclass(frozen=True)
class Given:
    """An observed array.

    Attributes
    ----------
    axes : what each axis runs over.
    kind : of its elements.
    values : the finite set its elements are of, None for numbers and texts.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    axes: tuple[IndexSet, ...]
    kind: Kind
    values: IndexSet | None


@dataclass(frozen=True)
class Unknown:
    """An array of finite variables; ``role`` is ``answer`` or ``latent``."""

    name: str
    span: Span = field(compare=False, repr=False)
    role: str
    axes: tuple[IndexSet, ...]
    kind: Kind
    values: IndexSet


@dataclass(frozen=True)
class ParamDeclaration:
    """An array of weights.

    Attributes
    ----------
    initial : ``("constant", v)`` or ``("normal", m, s)``.
    l1, l2 : coefficients of the regularisers ``l1 * sum |w|`` and ``l2 / 2 * sum w^2``.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    axes: tuple[IndexSet, ...]
    initial: tuple[str | float, ...] = ("constant", 0.0)
    l1: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True)
class Binder:
    """An index that runs over ``low .. high``, both inclusive."""

    variable: Variable
    low: Expr
    high: Expr


@dataclass(frozen=True)
class LetDeclaration:
    """A value computed once an instance, from givens alone."""

    name: str
    span: Span = field(compare=False, repr=False)
    binders: tuple[Binder, ...]
    value: Expr


@dataclass(frozen=True)
class FactorDeclaration:
    """An additive term of the energy, one for each value of the binders.

    Attributes
    ----------
    hard : the value is a condition; the energy is 0 where it holds, else +inf.
    scope : the distinct reads of unknowns, in the order in which they stand in the text.
    """

    name: str
    span: Span = field(compare=False, repr=False)
    binders: tuple[Binder, ...]
    guard: Expr | None
    value: Expr
    hard: bool
    scope: tuple[Expr, ...]


@dataclass(frozen=True)
class LossLibrary:
    """Definitions of losses and of their helpers that are in scope, by name."""

    losses: Mapping[str, t.LossDefinition]
    funs: Mapping[str, t.Fun]


@dataclass(frozen=True)
class Model:
    """A checked model.

    Attributes
    ----------
    source : the flattened text it was made of.
    loss : the formula that the text chose, None where it has none.
    infer : the inference that the text asks for, None where it leaves the choice.
    """

    source: Source = field(compare=False, repr=False)
    domains: dict[str, Domain]
    sizes: dict[str, SizeDeclaration]
    givens: dict[str, Given]
    unknowns: dict[str, Unknown]
    params: dict[str, ParamDeclaration]
    lets: dict[str, LetDeclaration]
    constants: dict[str, float]
    factors: dict[str, FactorDeclaration]
    library: LossLibrary = field(repr=False)
    loss: t.Expression | None
    infer: t.Expression | None

    @property
    def answers(self) -> dict[str, Unknown]:
        return {n: u for n, u in self.unknowns.items() if u.role == "answer"}

    @property
    def latents(self) -> dict[str, Unknown]:
        return {n: u for n, u in self.unknowns.items() if u.role == "latent"}

    def count(self, axis: IndexSet, vocabularies: dict[str, tuple[str, ...]]) -> int:
        """Return how many values a fixed set has, given the domains that data filled."""
        if isinstance(axis.count, DomainSize):
            return len(vocabularies[axis.count.name])
        fixed = axis.fixed
        assert fixed is not None, axis
        return fixed

    def labels(self, domain: str, vocabularies: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        """Return the labels of a domain in their order."""
        values = self.domains[domain].values
        return vocabularies[domain] if values is None else values

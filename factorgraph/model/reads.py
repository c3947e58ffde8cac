"""Reads while checking: names, and indices into declared arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model.arrays import Array, Indices, Value, integer, minus, plus
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    Expr,
    GivenRead,
    Kind,
    ParamRead,
    Read,
    SizeOf,
    UnknownRead,
    fixed_value,
    show,
)
from factorgraph.model.model import (
    Domain,
    Given,
    IndexSet,
    LetDeclaration,
    ParamDeclaration,
    SizeDeclaration,
    Unknown,
)
from factorgraph.model.names import FUNCTIONS, not_built
from factorgraph.source import Span
from factorgraph.syntax import tree as t

DEPTH = 150
"""How deep an expression may nest after substitution."""

PARTS = 100_000
"""How many parts all expressions may have after substitution."""

Scope = Mapping[str, Value]


class Reads(ABC):
    """Holds the declarations of one text, and turns names and indices into reads."""

    def __init__(self) -> None:
        self.domains: dict[str, Domain] = {}
        self.sizes: dict[str, SizeDeclaration] = {}
        self.givens: dict[str, Given] = {}
        self.unknowns: dict[str, Unknown] = {}
        self.params: dict[str, ParamDeclaration] = {}
        self.constants: dict[str, float] = {}
        self.lets: dict[str, t.Let] = {}
        self.funs: dict[str, t.Fun] = {}
        self.others: dict[str, str] = {}
        self.computed: dict[str, LetDeclaration | None] = {}
        self._depth = 0
        self._parts = 0
        self._open: list[str] = []

    # -- entry points

    def scalar(self, node: t.Expression, scope: Scope) -> Expr:
        """Return a single value.

        Raises
        ------
        ModelError : for an unknown name, a wrong kind or shape, a wrong number of indices.
        """
        value = self.value(node, scope)
        if isinstance(value, Array):
            raise ModelError(
                f"this is an array of shape {value.extents()}, a single value is needed",
                code="E0108",
                span=node.span,
                hint="index it, or use sum(…), norm(…), dot(…, …)",
            )
        return value

    def number(self, node: t.Expression, scope: Scope) -> Expr:
        """Return a single number."""
        value = self.scalar(node, scope)
        if not value.kind.numeric:
            raise ModelError(
                f"a number is needed, but `{show(value)}` is {value.kind}",
                code="E0106",
                span=node.span,
            )
        return value

    def constant(self, node: t.Expression, what: str) -> float | int:
        """Return a number known from the text alone."""
        value = fixed_value(self.number(node, {}))
        if value is None:
            raise ModelError(f"{what} must be a constant", code="E0109", span=node.span)
        return value

    def value(self, node: t.Expression, scope: Scope) -> Value:
        """Return a single value or an array."""
        self._depth += 1
        self._parts += 1
        try:
            if self._depth > DEPTH:
                raise too_large(f"nest deeper than {DEPTH}", node.span)
            if self._parts > PARTS:
                raise too_large("grow too large", node.span)
            return self._value(node, scope)
        finally:
            self._depth -= 1

    def truth(self, node: t.Expression, scope: Scope) -> Expr:
        """Return a truth value."""
        value = self.scalar(node, scope)
        if value.kind != BIT:
            raise ModelError(
                f"a condition is needed, but `{show(value)}` is {value.kind}",
                code="E0106",
                span=node.span,
                hint="compare it, e.g. `x != 0`",
            )
        return value

    @abstractmethod
    def _value(self, node: t.Expression, scope: Scope) -> Value:
        """Return a value; `value` guards the depth."""

    @abstractmethod
    def _let(
        self, name: str, subscripts: tuple[t.Expression, ...], span: Span, scope: Scope
    ) -> Value:
        """Return what a `let` stands for."""

    # -- names and reads

    def _unknown_name(self, name: str, span: Span, scope: Scope) -> ModelError:
        if name in FUNCTIONS:
            return ModelError(f"`{name}` is a function: call it", code="E0110", span=span)
        known = [*scope, *self.givens, *self.unknowns, *self.params, *self.sizes, *self.domains]
        known += [*self.constants, *self.lets, *self.funs, *FUNCTIONS]
        return ModelError(
            f"`{name}` is not declared", code="E0102", span=span, hint=did_you_mean(name, known)
        )

    def _name(self, node: t.Name, scope: Scope) -> Value:
        name, span = node.name, node.span
        if name in scope:
            return scope[name]
        if name in self.constants:
            value = self.constants[name]
            return Const(span, INT if isinstance(value, int) else REAL, value)
        if name in self.sizes:
            declared = self.sizes[name].value
            return SizeOf(span, INT, name) if declared is None else Const(span, INT, declared)
        if name in self.domains:
            raise ModelError(
                f"`{name}` is a domain, not a value",
                code="E0110",
                span=span,
                hint=f"run over it: `for v in {name}`",
            )
        if name in self.funs:
            raise ModelError(f"`{name}` is a function: call it", code="E0110", span=span)
        if name in self.others:
            raise self._no_value(name, span)
        return self._read(name, (), span, scope)

    def _no_value(self, name: str, span: Span) -> ModelError:
        kind = self.others[name]
        if kind == "map":
            return not_built("maps", span)
        return ModelError(f"`{name}` is a {kind}, not a value", code="E0110", span=span)

    def _index(self, node: t.Index, scope: Scope) -> Value:
        base = node.base
        if isinstance(base, t.Name) and base.name not in scope:
            return self._read(base.name, node.subscripts, node.span, scope)
        value = self.value(base, scope)
        if not isinstance(value, Array):
            raise ModelError(
                f"`{show(value)}` is a single value and takes no index",
                code="E0104",
                span=node.span,
            )
        axes = tuple(IndexSet(show(e), 0, e) for e in value.shape)
        return self._take(value, axes, node.subscripts, node.span, scope, show_name="the array")

    def _read(
        self, name: str, subscripts: tuple[t.Expression, ...], span: Span, scope: Scope
    ) -> Value:
        """Return the read of a declared array, with as many axes left as indices are missing."""
        cls: type[Read]
        axes: tuple[IndexSet, ...]
        kind: Kind
        if name in self.givens:
            given = self.givens[name]
            cls, axes, kind = GivenRead, given.axes, given.kind
        elif name in self.unknowns:
            unknown = self.unknowns[name]
            cls, axes, kind = UnknownRead, unknown.axes, unknown.kind
        elif name in self.params:
            cls, axes, kind = ParamRead, self.params[name].axes, REAL
        elif name in self.lets:
            return self._let(name, subscripts, span, scope)
        elif name in self.others:
            raise self._no_value(name, span)
        elif name in self.constants or name in self.sizes:
            raise ModelError(f"`{name}` takes no index", code="E0104", span=span)
        else:
            raise self._unknown_name(name, span, scope)
        if not axes:
            if subscripts:
                raise ModelError(f"`{name}` takes no index", code="E0104", span=span)
            return cls(span, kind, name, ())

        def element(indices: Indices) -> Expr:
            return cls(span, kind, name, indices)

        whole = Array(span, kind, tuple(a.count for a in axes), element)
        if not subscripts:
            return whole
        return self._take(whole, axes, subscripts, span, scope, show_name=f"`{name}`")

    def _too_many(self, name: str, expected: int, found: int, span: Span) -> ModelError:
        return ModelError(
            f"{name} has {expected} {'axis' if expected == 1 else 'axes'}, "
            f"but {found} indices are given",
            code="E0104",
            span=span,
        )

    def _take(
        self,
        array: Array,
        axes: tuple[IndexSet, ...],
        subscripts: tuple[t.Expression, ...],
        span: Span,
        scope: Scope,
        show_name: str,
    ) -> Value:
        """Index an array with values and slices; axes that get neither stay."""
        if len(subscripts) > len(axes):
            raise self._too_many(show_name, len(axes), len(subscripts), span)
        fixed: list[Expr | None] = []
        lows: list[Expr] = []
        shape: list[Expr] = []
        for k, axis in enumerate(axes):
            subscript = subscripts[k] if k < len(subscripts) else None
            zero = integer(span, 0)
            if isinstance(subscript, t.Range):
                low = self.position(axis, self.scalar(subscript.low, scope), show_name)
                high = self.position(axis, self.scalar(subscript.high, scope), show_name)
                fixed.append(None)
                lows.append(low)
                shape.append(extent_of(low, high))
            elif subscript is None:
                fixed.append(None)
                lows.append(zero)
                shape.append(axis.count)
            else:
                index = self.scalar(subscript, scope)
                fixed.append(self.position(axis, index, show_name))
                lows.append(zero)

        def element(indices: Indices) -> Expr:
            rest = iter(indices)
            full = tuple(
                plus(low, next(rest)) if at is None else at
                for at, low in zip(fixed, lows, strict=True)
            )
            return array.element(full)

        return Array(span, array.kind, tuple(shape), element) if shape else element(())

    def position(self, axis: IndexSet, index: Expr, name: str) -> Expr:
        """Return the position from 0 along an axis of the value ``index``.

        Raises
        ------
        ModelError : ``E0105`` where the index is of another set than the axis.
        """
        span = index.span
        if axis.domain is not None:
            if isinstance(index, Const) and isinstance(index.value, str):
                index = self._label(index, axis.domain)
            if index.kind != Kind("label", axis.domain):
                raise ModelError(
                    f"this axis of {name} runs over `{axis.domain}`, "
                    f"but `{show(index)}` is {index.kind}",
                    code="E0105",
                    span=span,
                )
            return Apply(span, INT, "position", (index,))
        if index.kind.sort not in ("int", "bit"):
            raise ModelError(
                f"this axis of {name} runs over `{axis.name}`, but `{show(index)}` is {index.kind}",
                code="E0105",
                span=span,
            )
        at = fixed_value(index)
        size = axis.fixed
        if at is not None and size is not None and not axis.low <= at < axis.low + size:
            raise ModelError(
                f"index {at} is outside `{axis.name}` ({axis.low}..{axis.low + size - 1})",
                code="E0107",
                span=span,
            )
        return minus(index, integer(span, axis.low))

    def _label(self, text: Const, domain: str) -> Const:
        values = self.domains[domain].values
        if values is not None and text.value not in values:
            raise ModelError(
                f'"{text.value}" is not a value of `{domain}`',
                code="E0111",
                span=text.span,
                hint=did_you_mean(str(text.value), values),
            )
        return Const(text.span, Kind("label", domain), text.value)


def extent_of(low: Expr, high: Expr) -> Expr:
    """Return high - low + 1; ``i .. i + 4`` is 5 whatever i is."""
    if isinstance(high, Apply) and high.operator in "+-" and len(high.arguments) == 2:
        base, offset = high.arguments
        if base == low:
            step = offset if high.operator == "+" else Apply(offset.span, INT, "neg", (offset,))
            return plus(step, integer(high.span, 1))
        # i .. i + r - 1
        if (
            high.operator == "-"
            and isinstance(base, Apply)
            and base.operator == "+"
            and base.arguments[0] == low
        ):
            return plus(minus(base.arguments[1], offset), integer(high.span, 1))
    return plus(minus(high, low), integer(high.span, 1))


def too_large(what: str, span: Span) -> ModelError:
    return ModelError(
        f"expressions {what} once `let` and `fun` are written out", code="E0004", span=span
    )

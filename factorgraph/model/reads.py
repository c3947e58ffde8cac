"""Reads while checking: names, and indices into declared arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

from factorgraph.errors import ModelError, did_you_mean, some
from factorgraph.model.arrays import Array, Indices, Value, integer, minus, plus
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    Expr,
    FieldRead,
    GivenRead,
    Kind,
    ParamRead,
    Read,
    SizeOf,
    UnknownRead,
    Variable,
    fixed_value,
    show,
)
from factorgraph.model.model import (
    Domain,
    Given,
    IndexSet,
    LetDeclaration,
    MapDeclaration,
    ParamDeclaration,
    RecordField,
    SizeDeclaration,
    Unknown,
)
from factorgraph.model.names import FUNCTIONS, TYPES, Declared
from factorgraph.source import Span
from factorgraph.syntax import tree as t

DEPTH = 150
"""How deep an expression may nest after substitution."""

PARTS = 100_000
"""How many parts all expressions may have after substitution."""

_SHOWN = 8  # labels in a hint

Scope = Mapping[str, Value]


class Poisoned(ModelError):
    """Something depends on a declaration whose own error has been told: nothing more to say."""


class Reads(ABC):
    """Holds the declarations of one text, and turns names and indices into reads.

    Attributes
    ----------
    measuring : how a size is declared, `{}` for its name, while an extent is read; else empty.
    """

    def __init__(self) -> None:
        self.domains: dict[str, Domain] = {}
        self.sizes: dict[str, SizeDeclaration] = {}
        self.givens: dict[str, Given] = {}
        self.unknowns: dict[str, Unknown] = {}
        self.params: dict[str, ParamDeclaration] = {}
        self.constants: dict[str, float] = {}
        self.lets: dict[str, t.Let] = {}
        self.funs: dict[str, t.Fun] = {}
        self.maps: dict[str, MapDeclaration] = {}
        self.energies: set[str] = set()
        self.others: dict[str, str] = {}
        self.computed: dict[str, LetDeclaration] = {}
        self.poisoned: set[str] = set()
        self.ranges: dict[Variable, tuple[Expr, Expr]] = {}
        self.declared: dict[str, Declared] = {}
        self.used: set[str] = set()
        self.least: dict[str, int] = {}
        self.measuring = ""
        self._padding = 0
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
            raise self.many(node, value)
        return value

    def many(
        self,
        node: t.Expression,
        value: Array,
        hint: str = "index it, or use sum(…), norm(…), dot(…, …)",
    ) -> ModelError:
        """Return the error for an array where a single value is needed."""
        return ModelError(
            f"`{short(node)}` is an array of shape {value.extents()}, a single value is needed",
            code="E0108",
            span=node.span,
            hint=hint,
        )

    def number(self, node: t.Expression, scope: Scope) -> Expr:
        """Return a single number."""
        return self.numeric(self.scalar(node, scope), node.span)

    def numeric(self, value: Expr, span: Span | None = None) -> Expr:
        """Return a value that is a number, refused if it is none."""
        if not value.kind.numeric:
            raise ModelError(
                f"a number is needed, but `{show(value)}` is {value.kind}",
                code="E0106",
                span=span or value.span,
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

    def known(self, scope: Scope) -> list[str]:
        """Return every name that an expression may use here."""
        names = [*scope, *self.givens, *self.unknowns, *self.params, *self.sizes, *self.domains]
        return [*names, *self.constants, *self.lets, *self.funs, *self.maps, *FUNCTIONS]

    def _unknown_name(self, name: str, span: Span, scope: Scope) -> ModelError:
        if name in self.poisoned:
            return Poisoned("", span=span)
        if name in FUNCTIONS:
            return ModelError(f"`{name}` is a function: call it", code="E0110", span=span)
        if name in TYPES:
            return ModelError(f"`{name}` is a type, not a value", code="E0110", span=span)
        if name in self.declared:
            return ModelError(
                f"`{name}`, {_role(self.declared[name])}, cannot be read here",
                code="E0114",
                span=span,
                hint="sizes, axes and initial values are made of numbers, constants and sizes",
            )
        hint = did_you_mean(name, self.known(scope))
        for domain in self.domains.values():
            if domain.values is not None and name in domain.values:
                hint = f'a label is a text: "{name}" is one of `{domain.name}`'
        if self.measuring:
            hint = hint or f"declare it: `{self.measuring.format(name)}`"
        elif len(name) == 1 and name.islower() and self._open and self._open[-1] in self.funs:
            fun = self._open[-1]
            hint = hint or f"hand it to the function, `{fun}(…, {name})`, or run `for {name} in …`"
        elif len(name) == 1 and name.islower():
            hint = hint or f"bind it: `[{name} in …]`, or declare it"
        hint = hint or "declare it"
        return ModelError(f"`{name}` is not declared", code="E0102", span=span, hint=hint)

    def _name(self, node: t.Name, scope: Scope) -> Value:
        name, span = node.name, node.span
        if name in scope:
            return scope[name]
        self.used.add(name)
        if name in self.constants:
            value = self.constants[name]
            return Const(span, INT if isinstance(value, int) else REAL, value)
        if name in self.sizes and self.sizes[name].over is None:
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
        hint = f"apply it: `{name}(…)`" if kind == "map" else None
        return ModelError(f"`{name}` is a {kind}, not a value", code="E0110", span=span, hint=hint)

    def _index(self, node: t.Index, scope: Scope) -> Value:
        base = node.base
        if isinstance(base, t.Name) and base.name not in scope:
            self.used.add(base.name)
            return self._read(base.name, node.subscripts, node.span, scope)
        value = self.value(base, scope)
        if not isinstance(value, Array):
            raise ModelError(
                f"`{show(value)}` is a single value and takes no index",
                code="E0104",
                span=node.span,
            )
        axes = tuple(value.set(k) or IndexSet(show(e), 0, e) for k, e in enumerate(value.shape))
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
            if unknown.sequence is not None:
                raise ModelError(
                    f"`{name}` is a sequence, not a value",
                    code="E0110",
                    span=span,
                    hint=f"run over its elements: `[(e, c) in {name}]`, or spell({name})",
                )
        elif name in self.sizes and self.sizes[name].over is not None:
            over = self.sizes[name].over
            assert over is not None
            cls, axes, kind = GivenRead, (over,), INT
        elif name in self.params:
            cls, axes, kind = ParamRead, self.params[name].axes, REAL
        elif name in self.lets:
            return self._let(name, subscripts, span, scope)
        elif name in self.poisoned:
            raise Poisoned("", span=span)
        elif name in self.others:
            raise self._no_value(name, span)
        elif name in self.constants or name in self.sizes:
            raise ModelError(f"`{name}` takes no index", code="E0104", span=span)
        elif name in self.domains:
            raise ModelError(f"`{name}` is a domain and takes no index", code="E0104", span=span)
        else:
            start = Span(span.source, span.start, span.start + len(name))
            raise self._unknown_name(name, start, scope)
        pad = self._padding > 0 and cls is GivenRead and kind.sort in ("text", "label")

        def element(indices: Indices) -> Expr:
            read: Expr = cls(span, kind, name, indices)
            return Apply(span, TEXT, "padded", (as_text(read),)) if pad and indices else read

        if not axes:
            if subscripts:
                raise ModelError(
                    f"`{name}` is a single value and takes no index", code="E0104", span=span
                )
            return element(())
        extents = tuple(a.count for a in axes)
        whole = Array(span, TEXT if pad else kind, extents, element, axes)
        if not subscripts:
            for axis in axes:
                self._row(axis, None, span)
            return whole
        return self._take(whole, axes, subscripts, span, scope, show_name=f"`{name}`")

    def _member(self, node: t.Member, scope: Scope) -> Value:
        """``at[p].y``: a field of a record."""
        value = self.value(node.base, scope)
        span = node.span
        if isinstance(value, Array):
            array = value
            inner = self._field(array.element(tuple(integer(span, 0) for _ in array.shape)), node)
            return Array(
                span,
                inner.kind,
                array.shape,
                lambda k: self._field(array.element(k), node),
                array.sets,
            )
        return self._field(value, node)

    def _field(self, value: Expr, node: t.Member) -> Expr:
        span = node.span
        if not isinstance(value, GivenRead | UnknownRead) or value.kind.sort != "record":
            raise ModelError(
                f"`{show(value)}` is {value.kind} and has no field `{node.name}`",
                code="E0124",
                span=span,
            )
        held = self.givens if isinstance(value, GivenRead) else self.unknowns
        fields = held[value.name].fields
        for field in fields:
            if field.name == node.name:
                return self.field(value, field, span)
        raise ModelError(
            f"`{value.name}` has no field `{node.name}`",
            code="E0124",
            span=span,
            hint=did_you_mean(node.name, [f.name for f in fields])
            or f"its fields are {', '.join(f.name for f in fields)}",
        )

    def field(self, record: GivenRead | UnknownRead, field: RecordField, span: Span) -> Expr:
        """Return the read of a record's field."""
        if isinstance(record, GivenRead):
            return GivenRead(span, field.kind, f"{record.name}.{field.name}", record.indices)
        return FieldRead(span, field.kind, record, field.name)

    def _too_many(self, name: str, expected: int, found: int, span: Span) -> ModelError:
        return ModelError(
            f"{name} has {some(expected, 'axis')}, but {found} indices are given",
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
        sets: list[IndexSet | None] = []
        padding, self._padding = self._padding, 0
        for k, axis in enumerate(axes):
            subscript = subscripts[k] if k < len(subscripts) else None
            zero = integer(span, 0)
            axis = self._row(axis, fixed[-1] if fixed else None, span)
            if isinstance(subscript, t.Range):
                low = self.position(axis, self.scalar(subscript.low, scope), show_name)
                high = self.position(axis, self.scalar(subscript.high, scope), show_name)
                fixed.append(None)
                lows.append(low)
                shape.append(extent_of(low, high))
                sets.append(None)
            elif subscript is None:
                fixed.append(None)
                lows.append(zero)
                shape.append(axis.count)
                sets.append(axis)
            else:
                index = self.scalar(subscript, scope)
                fixed.append(self.position(axis, index, show_name))
                lows.append(zero)
        self._padding = padding

        def element(indices: Indices) -> Expr:
            rest = iter(indices)
            full = tuple(
                plus(low, next(rest)) if at is None else at
                for at, low in zip(fixed, lows, strict=True)
            )
            return array.element(full)

        if not shape:
            return element(())
        return Array(span, array.kind, tuple(shape), element, tuple(sets))

    def _row(self, axis: IndexSet, row: Expr | None, span: Span) -> IndexSet:
        """Return a ragged axis as that of the row at hand; others as they are."""
        if not is_ragged(axis):
            return axis
        if row is None:
            raise ModelError(
                f"the rows differ in length: `{axis.name}` depends on the index before it",
                code="E0125",
                span=span,
                hint="give that index, one row is an array; or run over all: "
                "`for t in n for i in c[t]`",
            )
        assert isinstance(axis.count, GivenRead)
        return replace(axis, count=replace(axis.count, indices=(row,)))

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
                hint=did_you_mean(str(text.value), values) or f"its values are {_some(values)}",
            )
        return Const(text.span, Kind("label", domain), text.value)


def is_ragged(axis: IndexSet) -> bool:
    """Return whether an axis has an extent of its own for each value of the index before it."""
    return isinstance(axis.count, GivenRead) and not axis.count.indices


def as_text(value: Expr) -> Expr:
    """Return a whole number, a label or a text as a text."""
    if value.kind == TEXT:
        return value
    return Apply(value.span, TEXT, "text", (value,))


def _role(declaration: Declared) -> str:
    """Return what a name was declared as, with an article."""
    match declaration:
        case (t.Slots(role=role), _):
            return f"an {role}" if role == "answer" else f"a {role}"
        case t.Weight():
            return "a param"
    return "which is declared elsewhere"


def short(node: t.Node) -> str:
    """Return the text of a part of the tree, cut if it is long."""
    text = " ".join(node.span.text.split())
    return text if len(text) <= 40 else text[:37] + "…"


def _some(labels: Sequence[str]) -> str:
    """Return labels for a hint, not too many."""
    shown = ", ".join(f'"{label}"' for label in labels[:_SHOWN])
    return shown + (", …" if len(labels) > _SHOWN else "")


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

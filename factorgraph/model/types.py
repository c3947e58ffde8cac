"""Types of slots and of params: what values there are, and where weights begin."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model.arrays import integer, minus, plus
from factorgraph.model.elaborate import Elaborator
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    DomainSize,
    Expr,
    GivenRead,
    Kind,
    LetRead,
    SizeOf,
    UnknownRead,
    fixed_value,
    show,
    walk,
)
from factorgraph.model.model import IndexSet, RecordField, Sequence
from factorgraph.model.names import TYPES
from factorgraph.source import Span
from factorgraph.syntax import tree as t

LARGEST = 2**31 - 1
MOST_DRAWN = 1e100
_ELSEWHERE = {
    "float": "real", "double": "real", "number": "real", "integer": "int", "str": "text",
    "string": "text", "bool": "bit", "boolean": "bit", "binary": "bit",
}  # fmt: skip


@dataclass(frozen=True)
class SlotType:
    """The type of a slot.

    Attributes
    ----------
    base : the kind of a value; records and sequences get the name of what holds them.
    """

    base: Kind
    values: IndexSet | None = None
    low: float = -inf
    high: float = inf
    fields: tuple[RecordField, ...] = ()
    sequence: Sequence | None = None

    def kind(self, name: str) -> Kind:
        return Kind(self.base.sort, name) if self.fields else self.base


class Types:
    """Reads types in the scope of one text."""

    def __init__(self, elaborator: Elaborator) -> None:
        self.e = elaborator

    # -- sizes and axes

    def size(self, number: float, span: Span, what: str) -> int:
        """Return a number as a size."""
        if LARGEST < number < inf:
            raise ModelError(f"{what} of {number} is too large", code="E0117", span=span)
        if not 1 <= number <= LARGEST or number != int(number):
            raise ModelError(
                f"{what} must be a whole number of at least 1, not {number}",
                code="E0117",
                span=span,
            )
        return int(number)

    def range(self, low: float, high: float, span: Span) -> None:
        """Refuse the ends of a range that is none."""
        if max(abs(low), abs(high)) > LARGEST:
            raise ModelError(f"the range {low}..{high} is too large", code="E0117", span=span)
        if low != int(low) or high != int(high):
            raise ModelError("the ends of a range are whole numbers", code="E0106", span=span)
        if high < low:
            raise ModelError(
                f"the range {low}..{high} is empty", code="E0117", span=span,
                hint="the smaller end comes first",
            )  # fmt: skip

    def extent(self, node: t.Expression, how: str = "size {}") -> Expr:
        """Return a number that is made of sizes.

        Parameters
        ----------
        how : a size is declared, for messages.
        """
        self.e.measuring = how
        try:
            return self.e.number(node, {})
        finally:
            self.e.measuring = ""

    def axis(self, node: t.Expression, how: str = "size {}") -> IndexSet:
        """Return what an axis runs over; `how` is what `extent` takes."""
        span, e = node.span, self.e
        if isinstance(node, t.Name):
            e.used.add(node.name)
            if node.name in e.domains:
                return self.domain_set(node.name, span)
            if node.name == "bit":
                return IndexSet("bit", 0, integer(span, 2))
            size = e.sizes.get(node.name)
            if size is not None and size.over is not None:
                return IndexSet(node.name, 0, GivenRead(span, INT, node.name, ()))
        if isinstance(node, t.Range):
            raise ModelError(
                "an axis is a size, a number or a domain, not a range", code="E0118", span=span,
                hint="say how many there are; a domain may be a range: `domain D = 1..9`",
            )  # fmt: skip
        extent = self.extent(node, how)
        if extent.kind != INT:
            raise ModelError("an extent is a whole number", code="E0106", span=span)
        self._of_sizes(extent, "an extent")
        value = fixed_value(extent)
        if value is not None:
            extent = integer(span, self.size(value, span, "an extent"))
        name = node.name if isinstance(node, t.Name) else show(extent)
        return IndexSet(name, 0, extent)

    def _of_sizes(self, extent: Expr, what: str) -> None:
        for part in walk(extent):
            if isinstance(part, GivenRead | UnknownRead | LetRead):
                raise ModelError(
                    f"{what} cannot read `{part.name}`", code="E0118", span=part.span,
                    hint="declare a size; the data give its value",
                )  # fmt: skip

    def domain_set(self, name: str, span: Span) -> IndexSet:
        domain = self.e.domains[name]
        count = domain.count
        extent: Expr = DomainSize(span, INT, name) if count is None else integer(span, count)
        if domain.low is not None:
            return IndexSet(name, domain.low, extent)
        return IndexSet(name, 0, extent, name)

    # -- slots

    def slot(self, node: t.TypeNode, role: str) -> SlotType:
        """Return the type of a given, answer or latent.

        Raises
        ------
        ModelError : ``E0119`` for what is no type of this role.
        """
        span, given = node.span, role == "given"
        if isinstance(node, t.CallType):
            return self._built(node.call, role)
        if isinstance(node, t.RecordType):
            fields = tuple(self._record_field(f, given) for f in node.fields)
            names = [f.name for f in fields]
            for k, field in enumerate(node.fields):
                if field.name.name in names[:k]:
                    raise ModelError(
                        f"field `{field.name.name}` stands twice", code="E0101",
                        span=field.name.span,
                    )  # fmt: skip
            return SlotType(Kind("record"), fields=fields)
        if isinstance(node, t.ValuesType):
            raise ModelError(
                "a list of values needs a name", code="E0119", span=span,
                hint="declare `domain D = {…}` and use D",
            )  # fmt: skip
        if isinstance(node, t.RangeType):
            return SlotType(INT, self._interval(node.range))
        assert isinstance(node, t.NamedType)
        name = node.name
        if name == "bit":
            return SlotType(BIT, IndexSet("bit", 0, integer(span, 2)))
        self.e.used.add(name)
        if name in self.e.domains:
            values = self.domain_set(name, span)
            return SlotType(INT if values.domain is None else Kind("label", name), values)
        if name in self.e.sizes:
            declared = self.e.sizes[name]
            if declared.over is not None:
                raise ModelError(
                    f"`{name}` depends on an index and is no set of values", code="E0119",
                    span=span,
                )  # fmt: skip
            size = declared.value
            count = SizeOf(span, INT, name) if size is None else integer(span, size)
            return SlotType(INT, IndexSet(name, 0, count))
        if name == "real":
            return SlotType(REAL)
        if name in ("int", "text"):
            if given:
                return SlotType(INT if name == "int" else TEXT)
            raise ModelError(
                f"an {role} is finite or real, not `{name}`".replace("an latent", "a latent"),
                code="E0119",
                span=span,
                hint="say which values it has: `0..255`, `bit`, a domain or a size",
            )
        return self._no_type(name, span)

    def _no_type(self, name: str, span: Span) -> SlotType:
        if name in self.e.poisoned:
            from factorgraph.model.reads import Poisoned

            raise Poisoned("", span=span)
        if name in ("positive", "unit", "simplex"):
            raise ModelError(f"`{name}` is a type of params only", code="E0119", span=span)
        known = [*TYPES, "path", "segments", *self.e.domains, *self.e.sizes]
        other = _ELSEWHERE.get(name.lower())
        if other is not None:
            raise ModelError(
                f"there is no type `{name}`",
                code="E0119",
                span=span,
                hint=f"it is called `{other}`",
            )
        raise ModelError(
            f"there is no type `{name}`", code="E0119", span=span,
            hint=did_you_mean(name, known)
            or f"declare `domain {name}`, or say real, int, text, bit or a range",
        )  # fmt: skip

    def _interval(self, node: t.Range) -> IndexSet:
        """Return the values of ``low..high``; the upper end may depend on the instance."""
        low = self.e.constant(node.low, "the lower end of a type")
        high = self.extent(node.high)
        if high.kind != INT:
            raise ModelError("the ends of a range are whole numbers", code="E0106", span=node.span)
        self._of_sizes(high, "the end of a type")
        value = fixed_value(high)
        span, text = node.span, "".join(node.span.text.split())
        self.range(low, low if value is None else value, span)
        if value is not None:
            return IndexSet(f"{low}..{value}", int(low), integer(span, int(value) - int(low) + 1))
        first = integer(span, int(low))
        return IndexSet(text, int(low), plus(minus(high, first), integer(span, 1)))

    def _record_field(self, node: t.FieldType, given: bool) -> RecordField:
        found = self.slot(node.type, "given" if given else "answer")
        if found.fields or found.sequence or (not given and found.values is None):
            raise ModelError(
                "a field of a record is finite" + (", a number or a text" if given else ""),
                code="E0119",
                span=node.span,
            )
        return RecordField(node.name.name, found.base, found.values)

    def _built(self, call: t.Call, role: str) -> SlotType:
        """``real(lo, hi)``, ``path(…)``, ``segments(…)``."""
        name, span = call.name.name, call.span
        if name not in ("real", "path", "segments"):
            raise ModelError(
                f"there is no type `{name}(…)`", code="E0119", span=span,
                hint=did_you_mean(name, ("real", "path", "segments")),
            )  # fmt: skip
        for argument in call.arguments:
            if argument.name is not None or argument.binders is not None:
                raise ModelError(
                    f"`{name}(…)` has no named arguments", code="E0119", span=argument.span
                )
        values = [a.value for a in call.arguments]
        if name == "real" and role == "given":
            raise ModelError(
                "a given is no `real(low, high)`: its numbers are what the data hold",
                code="E0119",
                span=span,
                hint="say `real`",
            )
        if name == "real":
            low, high = self._ends(values, span)
            return SlotType(REAL, low=low, high=high)
        if role == "given":
            raise ModelError(
                f"a given is no `{name}`", code="E0119", span=span,
                hint="declare its elements: `given e[k] : (first: int, last: int)`",
            )  # fmt: skip
        return self._path(values, span) if name == "path" else self._segments(values, span)

    def _ends(self, values: list[t.Expression], span: Span) -> tuple[float, float]:
        if len(values) != 2:
            raise ModelError(
                "`real(low, high)` takes two numbers", code="E0119", span=span,
                hint="plain `real` has no ends",
            )  # fmt: skip
        low, high = (float(self.e.constant(v, "the end of a type")) for v in values)
        if not low < high:
            raise ModelError(
                f"the interval from {low:g} to {high:g} is empty", code="E0117", span=span
            )
        return low, high

    def _path(self, values: list[t.Expression], span: Span) -> SlotType:
        if len(values) not in (3, 4):
            raise ModelError(
                "`path` takes arcs, the first and the last node, and perhaps a domain of labels",
                code="E0119",
                span=span,
                hint="answer s : path(arc, 0, last, Digit)",
            )
        arcs = self.e.givens.get(values[0].name) if isinstance(values[0], t.Name) else None
        if isinstance(values[0], t.Name):
            self.e.used.add(values[0].name)
            if values[0].name in self.e.poisoned:
                from factorgraph.model.reads import Poisoned

                raise Poisoned("", span=span)
        if (
            arcs is None
            or len(arcs.axes) != 1
            or len(arcs.fields) < 2
            or any(f.kind != INT for f in arcs.fields[:2])
        ):
            raise ModelError(
                "the arcs of a path are a given whose first two fields are whole numbers",
                code="E0119",
                span=values[0].span,
                hint="given arc[k] : (src: int, dst: int)",
            )
        ends = []
        for node in values[1:3]:
            end = self.extent(node)
            if end.kind != INT:
                raise ModelError("a node is a whole number", code="E0106", span=node.span)
            self.e._only_data(end, "a node")
            ends.append(end)
        fields = [RecordField("arc", INT, IndexSet(arcs.name, 0, arcs.axes[0].count))]
        fields += self._label(values[3:])
        sequence = Sequence("path", arcs=arcs.name, ends=tuple(ends))
        return SlotType(Kind("sequence"), fields=tuple(fields), sequence=sequence)

    def _segments(self, values: list[t.Expression], span: Span) -> SlotType:
        if len(values) not in (2, 3):
            raise ModelError(
                "`segments` takes a size, the greatest length, and perhaps a domain of labels",
                code="E0119",
                span=span,
                hint="answer z : segments(n, 40, Fold)",
            )
        numbers = []
        for node in values[:2]:
            number = self.extent(node)
            if number.kind != INT:
                raise ModelError("a size is a whole number", code="E0106", span=node.span)
            self._of_sizes(number, "a size")
            numbers.append(number)
        size, longest = numbers
        place = IndexSet(show(size), 0, size)
        fields = [RecordField("first", INT, place), RecordField("last", INT, place)]
        fields += self._label(values[2:])
        sequence = Sequence("segments", size=size, longest=longest)
        return SlotType(Kind("sequence"), fields=tuple(fields), sequence=sequence)

    def _label(self, values: list[t.Expression]) -> list[RecordField]:
        if not values:
            return []
        node = values[0]
        if isinstance(node, t.Range):
            return [RecordField("label", INT, self._interval(node))]
        if isinstance(node, t.Name) and (node.name in self.e.domains or node.name == "bit"):
            found = self.slot(t.NamedType(node.span, node.name), "answer")
            kind = INT if found.base == BIT else found.base
            return [RecordField("label", kind, found.values)]
        if isinstance(node, t.Name) and node.name in self.e.poisoned:
            from factorgraph.model.reads import Poisoned

            raise Poisoned("", span=node.span)
        raise ModelError(
            "the labels of a sequence are a domain", code="E0119", span=node.span,
            hint=(did_you_mean(node.name, self.e.domains) if isinstance(node, t.Name) else None)
            or "declare it: `domain Digit = 0..9`",
        )  # fmt: skip

    # -- params

    def constraint(self, node: t.TypeNode | None, axes: list[IndexSet]) -> tuple[str, float, float]:
        """Return what a param's values are held to, with its ends."""
        if node is None:
            return "real", -inf, inf
        if isinstance(node, t.CallType) and node.call.name.name == "real":
            low, high = self._ends([a.value for a in node.call.arguments], node.span)
            return "interval", low, high
        name = node.name if isinstance(node, t.NamedType) else ""
        if name == "real":
            return "real", -inf, inf
        if name == "positive":
            return "positive", 0.0, inf
        if name in ("unit", "simplex"):
            if not axes:
                raise ModelError(
                    f"`{name}` is about the last axis, and this param has none", code="E0119",
                    span=node.span,
                )  # fmt: skip
            return name, -inf if name == "unit" else 0.0, inf
        raise ModelError(
            "a param is real, positive, real(low, high), unit or simplex",
            code="E0119",
            span=node.span,
            hint=did_you_mean(name, ("real", "positive", "unit", "simplex"))
            or "what has finitely many values is an answer or a latent",
        )

    def initial(
        self, node: t.Expression | None, constraint: str, low: float, high: float
    ) -> tuple[str | float, ...]:
        """Return where a param's values start."""
        if node is None:
            match constraint:
                case "positive":
                    return ("constant", 1.0)
                case "interval":
                    return ("constant", (low + high) / 2 if low > -inf and high < inf else 0.0)
                case "unit":
                    return ("normal", 0.0, 1.0)
                case "simplex":
                    return ("constant", 1.0)
            return ("constant", 0.0)
        if isinstance(node, t.Call):
            return self._drawn(node, constraint)
        if isinstance(node, t.Name) and node.name == "zeros":
            value = 0.0
        else:
            value = float(self.e.constant(node, "an initial value"))
        if not isfinite(value):
            raise ModelError("an initial value must be finite", code="E0117", span=node.span)
        if constraint in ("positive", "interval") and not (
            low < value < high if constraint == "positive" else low <= value <= high
        ):
            raise ModelError(
                f"the initial value {value:g} is not "
                + ("positive" if constraint == "positive" else f"from {low:g} to {high:g}"),
                code="E0117",
                span=node.span,
            )
        if constraint in ("unit", "simplex") and value <= 0:
            raise ModelError(
                f"a `{constraint}` param cannot begin at {value:g} everywhere", code="E0117",
                span=node.span, hint="leave the initial value out",
            )  # fmt: skip
        return ("constant", value)

    def _drawn(self, node: t.Call, constraint: str) -> tuple[str | float, ...]:
        name = node.name.name
        values = [float(self.e.constant(a.value, "an initial value")) for a in node.arguments]
        if not all(abs(v) <= MOST_DRAWN for v in values):
            raise ModelError(
                f"initial values are drawn with numbers of at most {MOST_DRAWN:g}", code="E0117",
                span=node.span,
            )  # fmt: skip
        if name == "normal":
            if len(values) != 2 or values[1] < 0:
                raise ModelError(
                    "normal takes a mean and a deviation", code="E0112", span=node.span,
                    hint="normal(0, 0.01)",
                )  # fmt: skip
            return ("normal", values[0], values[1])
        if name == "dirichlet":
            if len(values) != 1 or not 0 < values[0] < inf or constraint != "simplex":
                raise ModelError(
                    "dirichlet(a) draws the start of a `simplex` param, a positive", code="E0112",
                    span=node.span, hint="param P[D] : simplex = dirichlet(5)",
                )  # fmt: skip
            return ("dirichlet", values[0])
        raise ModelError(
            f"`{name}(…)` is no initial value", code="E0112", span=node.span,
            hint=did_you_mean(name, ("normal", "dirichlet", "zeros"))
            or "a number, normal(mean, deviation), zeros or dirichlet(a)",
        )  # fmt: skip

    def regulariser(self, node: t.Expression | None) -> tuple[float, float]:
        """Return the coefficients of l1 and l2."""
        found = {"l1": 0.0, "l2": 0.0}
        todo = [] if node is None else [node]
        while todo:
            term = todo.pop()
            if isinstance(term, t.Binary) and term.operator == "+":
                todo += [term.left, term.right]
                continue
            if not (
                isinstance(term, t.Call) and term.name.name in found and len(term.arguments) == 1
            ):
                raise ModelError(
                    "a regulariser is l1(c), l2(c) or their sum", code="E0120", span=term.span,
                    hint="`~ l1(0.01) + l2(0.1)`",
                )  # fmt: skip
            value = float(self.e.constant(term.arguments[0].value, "a coefficient"))
            if not 0 <= value < inf:
                raise ModelError(
                    "a coefficient is a number of at least 0", code="E0117", span=term.span
                )
            found[term.name.name] += value
        return found["l1"], found["l2"]

"""From the tree to the Model: names, roles, kinds and shapes, before any data are read."""

from __future__ import annotations

from collections.abc import Mapping

from factorgraph.errors import ModelError, UsageError, did_you_mean
from factorgraph.model.arrays import integer
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
    SizeOf,
    UnknownRead,
    Variable,
    fixed_value,
    is_fixed,
    reads,
    show,
    walk,
)
from factorgraph.model.generators import Bound
from factorgraph.model.library import definitions
from factorgraph.model.model import (
    Domain,
    FactorDeclaration,
    Given,
    IndexSet,
    LetDeclaration,
    Model,
    ParamDeclaration,
    SizeDeclaration,
    Unknown,
)
from factorgraph.model.names import TYPES, Declared, collect, not_built
from factorgraph.source import Span
from factorgraph.syntax import tree as t

LARGEST = 2**31 - 1


def check(file: t.File, settings: Mapping[str, float] | None = None) -> Model:
    """Return the Model of a tree.

    Parameters
    ----------
    file : the tree of a whole text.
    settings : new values of `let NAME = number` constants and of sizes with a value.

    Raises
    ------
    ModelError : where the text is wrong, with the place.
    NotBuiltError : where it asks for what cannot be done yet.
    UsageError : where a setting names no constant.
    """
    return _Checker(file, dict(settings or {})).model()


class _Checker:
    def __init__(self, file: t.File, settings: dict[str, float]) -> None:
        self.file = file
        self.settings = settings
        self.e = Elaborator()
        self.names = collect(file)

    def model(self) -> Model:
        e = self.e
        for statement in self.file.statements:
            if isinstance(statement, t.Use):
                raise not_built("`use`", statement.span, hint="copy the text in for now")
        for name, declaration in self.names.items():
            self._register(name, declaration)
        unused = set(self.settings) - set(e.constants) - set(e.sizes)
        if unused:
            name = min(unused)
            known = [*e.constants, *(s for s, d in e.sizes.items() if d.value is not None)]
            raise UsageError(
                f"--set {name}: the model has no such constant", hint=did_you_mean(name, known)
            )
        for statement in self.file.statements:
            if isinstance(statement, t.Slots):
                for slot in statement.slots:
                    self._slot(statement, slot)
        for statement in self.file.statements:
            if isinstance(statement, t.Param):
                for weight in statement.weights:
                    self._param(weight)
        self._lets()
        factors = {
            s.name.name: self._factor(s) for s in self.file.statements if isinstance(s, t.Factor)
        }
        return Model(
            source=self.file.source,
            domains=e.domains,
            sizes=e.sizes,
            givens=e.givens,
            unknowns=e.unknowns,
            params=e.params,
            lets={n: d for n, d in e.computed.items() if isinstance(d, LetDeclaration)},
            constants=e.constants,
            factors=factors,
            library=definitions(self.file),
            loss=self._chosen(t.LossChoice),
            infer=self._chosen(t.Infer),
        )

    # -- declarations

    def _register(self, name: str, declaration: Declared) -> None:
        """Make a name known before anything that may use it is looked at."""
        e = self.e
        match declaration:
            case t.Domain():
                if name in TYPES:
                    raise ModelError(
                        f"`{name}` is a type and cannot be a domain", code="E0103",
                        span=declaration.name.span,
                    )  # fmt: skip
                e.domains[name] = self._domain(declaration)
            case t.Sized():
                if declaration.shape:
                    raise not_built("a size that depends on an index", declaration.span)
                value = None
                if declaration.value is not None:
                    number = self.settings.get(name)
                    if number is None:
                        number = e.constant(declaration.value, f"size `{name}`")
                    value = self._size(number, declaration.value.span, f"size `{name}`")
                elif name in self.settings:
                    raise UsageError(
                        f"--set {name}: this size belongs to each instance; the data give it"
                    )
                e.sizes[name] = SizeDeclaration(name, declaration.name.span, value)
            case t.Let():
                plain = declaration.binders is None
                literal = _literal(declaration.value) if plain else None
                if literal is not None:
                    e.constants[name] = self.settings.get(name, literal)
                else:
                    e.lets[name] = declaration
            case t.Fun():
                self._formals(declaration)
                e.funs[name] = declaration
            case t.Map():
                e.others[name] = "map"
            case t.Factor():
                e.others[name] = "hard factor" if declaration.hard else "factor"
            case t.LossDefinition():
                self._formals(declaration)
                e.others[name] = "loss"

    def _formals(self, declaration: t.Fun | t.LossDefinition) -> None:
        names: set[str] = set()
        for formal in declaration.formals:
            name = formal.name.name
            if name in names:
                raise ModelError(
                    f"argument `{name}` stands twice", code="E0101", span=formal.name.span
                )
            names.add(name)

    def _size(self, number: float, span: Span, what: str) -> int:
        if LARGEST < number < float("inf"):
            raise ModelError(f"{what} of {number} is too large", code="E0117", span=span)
        if not 1 <= number <= LARGEST or number != int(number):
            raise ModelError(
                f"{what} must be a whole number of at least 1, not {number}",
                code="E0117",
                span=span,
            )
        return int(number)

    def _domain(self, node: t.Domain) -> Domain:
        name, span, values = node.name.name, node.name.span, node.values
        if values is None:
            return Domain(name, span)
        if isinstance(values, t.Range):
            low = self.e.constant(values.low, "the end of a domain")
            high = self.e.constant(values.high, "the end of a domain")
            self._range(low, high, values.span)
            return Domain(name, span, low=int(low), high=int(high))
        labels: list[str] = []
        for item in values.items:
            if isinstance(item, t.Name):
                label = item.name
            elif isinstance(item, t.Text):
                label = item.value
            elif isinstance(item, t.Number):
                label = str(item.value)
            else:
                raise not_built("domains of tuples", item.span)
            if label in labels:
                raise ModelError(f"`{label}` stands twice", code="E0101", span=item.span)
            labels.append(label)
        return Domain(name, span, values=tuple(labels))

    def _range(self, low: float, high: float, span: Span) -> None:
        if max(abs(low), abs(high)) > LARGEST:
            raise ModelError(f"the range {low}..{high} is too large", code="E0117", span=span)
        if low != int(low) or high != int(high):
            raise ModelError("the ends of a range are whole numbers", code="E0106", span=span)
        if high < low:
            raise ModelError(f"the range {low}..{high} is empty", code="E0117", span=span)

    def _axis(self, node: t.Expression) -> IndexSet:
        """Return what an axis runs over."""
        span = node.span
        if isinstance(node, t.Name) and node.name in self.e.domains:
            return self._domain_set(node.name, span)
        if isinstance(node, t.Name) and node.name == "bit":
            return IndexSet("bit", 0, integer(span, 2))
        extent = self.e.number(node, {})
        if extent.kind != INT:
            raise ModelError("an extent is a whole number", code="E0106", span=span)
        for part in walk(extent):
            if isinstance(part, GivenRead | UnknownRead):
                raise ModelError(
                    f"an extent cannot read `{part.name}`", code="E0118", span=part.span,
                    hint="declare a size",
                )  # fmt: skip
        value = fixed_value(extent)
        if value is not None:
            extent = integer(span, self._size(value, span, "an extent"))
        name = node.name if isinstance(node, t.Name) else show(extent)
        return IndexSet(name, 0, extent)

    def _domain_set(self, name: str, span: Span) -> IndexSet:
        domain = self.e.domains[name]
        count = domain.count
        extent: Expr = DomainSize(span, INT, name) if count is None else integer(span, count)
        if domain.low is not None:
            return IndexSet(name, domain.low, extent)
        return IndexSet(name, 0, extent, name)

    def _slot(self, statement: t.Slots, slot: t.Slot) -> None:
        name, span = slot.name.name, slot.name.span
        axes = tuple(self._axis(a) for a in slot.shape)
        kind, values = self._type(statement.type, statement.role)
        if statement.role == "given":
            self.e.givens[name] = Given(name, span, axes, kind, values)
            return
        assert values is not None
        self.e.unknowns[name] = Unknown(name, span, statement.role, axes, kind, values)

    def _type(self, node: t.TypeNode, role: str) -> tuple[Kind, IndexSet | None]:
        """Return the kind of a slot's elements, and the finite set they are of."""
        span, given = node.span, role == "given"
        if isinstance(node, t.CallType):
            raise not_built(f"the type `{node.call.name.name}(…)`", span)
        if isinstance(node, t.RecordType):
            raise not_built("records", span)
        if isinstance(node, t.ValuesType):
            raise ModelError(
                "a list of values needs a name", code="E0119", span=span,
                hint="declare `domain D = {…}` and use D",
            )  # fmt: skip
        if isinstance(node, t.RangeType):
            low = self.e.constant(node.range.low, "the end of a type")
            high = self.e.constant(node.range.high, "the end of a type")
            self._range(low, high, span)
            count = int(high) - int(low) + 1
            return INT, IndexSet(f"{low}..{high}", int(low), integer(span, count))
        assert isinstance(node, t.NamedType)
        name = node.name
        if name == "bit":
            return BIT, IndexSet("bit", 0, integer(span, 2))
        if name in self.e.domains:
            values = self._domain_set(name, span)
            return (INT if values.domain is None else Kind("label", name)), values
        if name in self.e.sizes:
            size = self.e.sizes[name].value
            if size is not None:
                return INT, IndexSet(name, 0, integer(span, size))
            if given:
                return INT, IndexSet(name, 0, SizeOf(span, INT, name))
            raise not_built("an unknown whose values depend on the instance", span)
        if name in ("real", "int", "text"):
            if given:
                return {"real": REAL, "int": INT, "text": TEXT}[name], None
            if name == "real":
                raise not_built("real unknowns", span)
            raise ModelError(
                f"an {role} is finite or real, not `{name}`", code="E0119", span=span,
                hint="say which values it has: `0..255`, `bit`, a domain or a size",
            )  # fmt: skip
        known = [*TYPES, *self.e.domains, *self.e.sizes]
        if name in TYPES:
            raise ModelError(f"`{name}` is a type of params only", code="E0119", span=span)
        raise ModelError(
            f"there is no type `{name}`", code="E0119", span=span, hint=did_you_mean(name, known)
        )

    def _param(self, node: t.Weight) -> None:
        name = node.name.name
        if node.type is not None and not (
            isinstance(node.type, t.NamedType) and node.type.name == "real"
        ):
            raise not_built("params with a type", node.type.span)
        axes = []
        for expression in node.shape:
            axis = self._axis(expression)
            if not is_fixed(axis.count):
                size = next(p.name for p in walk(axis.count) if isinstance(p, SizeOf))
                raise ModelError(
                    f"`{name}` depends on `{size}`, which varies by instance",
                    code="E0118",
                    span=expression.span,
                    hint=f"give the size a value: `size {size} = …`",
                )
            axes.append(axis)
        initial = self._initial(node.initial)
        l1, l2 = self._regulariser(node.regulariser)
        self.e.params[name] = ParamDeclaration(name, node.name.span, tuple(axes), initial, l1, l2)

    def _initial(self, node: t.Expression | None) -> tuple[str | float, ...]:
        if node is None:
            return ("constant", 0.0)
        if isinstance(node, t.Call) and node.name.name == "normal":
            values = [self.e.constant(a.value, "an initial value") for a in node.arguments]
            if len(values) != 2 or values[1] < 0:
                raise ModelError(
                    "normal takes a mean and a deviation", code="E0112", span=node.span
                )
            return ("normal", float(values[0]), float(values[1]))
        if isinstance(node, t.Call) and node.name.name == "dirichlet":
            raise not_built("`dirichlet`", node.span)
        if isinstance(node, t.Name) and node.name == "zeros":
            return ("constant", 0.0)
        value = float(self.e.constant(node, "an initial value"))
        if abs(value) == float("inf"):
            raise ModelError("an initial value must be finite", code="E0117", span=node.span)
        return ("constant", value)

    def _regulariser(self, node: t.Expression | None) -> tuple[float, float]:
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
                    "a regulariser is l1(c), l2(c) or their sum", code="E0120", span=term.span
                )
            value = float(self.e.constant(term.arguments[0].value, "a coefficient"))
            if not 0 <= value < float("inf"):
                raise ModelError(
                    "a coefficient is a number of at least 0", code="E0117", span=term.span
                )
            found[term.name.name] += value
        return found["l1"], found["l2"]

    def _lets(self) -> None:
        """Look at every `let` once, so that one that nobody uses is checked too."""
        for name, let in self.e.lets.items():
            span = let.name.span
            value = t.Name(span, name)
            self.e.value(value, {})

    # -- factors

    def _factor(self, node: t.Factor) -> FactorDeclaration:
        e = self.e
        if node.binders is None:
            bound = Bound((), {}, None)
        else:
            bound = e.bind(node.binders, {})
        binders, scope, guard = bound.binders, bound.scope, bound.guard
        value = e.truth(node.value, scope) if node.hard else e.number(node.value, scope)
        unknowns = reads(value, UnknownRead)
        bound_here = {b.variable for b in binders}
        for read in unknowns:
            for part in walk(read):
                if isinstance(part, UnknownRead) and part != read:
                    raise not_built(
                        f"`{read.name}` indexed by an unknown",
                        read.span,
                        hint="sum over the cases: sum((z[t] == k) * … for k in …)",
                    )
                if isinstance(part, Variable) and part not in bound_here:
                    raise not_built(
                        "a factor over as many unknowns as a `for` inside it runs over",
                        read.span,
                        hint=f"bind `{part.name}` in the factor's own brackets",
                    )
        return FactorDeclaration(
            node.name.name, node.span, binders, guard, value, node.hard, tuple(unknowns)
        )

    def _chosen(self, kind: type[t.LossChoice] | type[t.Infer]) -> t.Expression | None:
        chosen = [s for s in self.file.statements if isinstance(s, kind)]
        if len(chosen) > 1:
            word = "loss" if kind is t.LossChoice else "infer"
            raise ModelError(
                f"`{word}` is chosen twice", code="E0101", span=chosen[1].span,
                hint=f"the first time on line {chosen[0].span.line}",
            )  # fmt: skip
        return chosen[0].value if chosen else None


def _literal(node: t.Expression) -> float | int | None:
    """Return the number that a `let` is, without looking any further."""
    if isinstance(node, t.Number):
        return node.value
    if isinstance(node, t.Unary) and node.operator == "-" and isinstance(node.operand, t.Number):
        return -node.operand.value
    return None

"""From the tree to the Model: names, roles, kinds and shapes, before any data are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from factorgraph.errors import FgError, ModelError, ModelErrors, UsageError, did_you_mean
from factorgraph.model.elaborate import Elaborator
from factorgraph.model.expression import (
    BIT,
    Apply,
    Expr,
    LengthOf,
    SizeOf,
    Spelling,
    UnknownRead,
    is_fixed,
    reads,
    walk,
)
from factorgraph.model.generators import Bound
from factorgraph.model.inference import check_inference
from factorgraph.model.layers import layer
from factorgraph.model.library import definitions
from factorgraph.model.model import (
    Asked,
    Binder,
    Domain,
    FactorDeclaration,
    Features,
    Given,
    IndexSet,
    MapDeclaration,
    Model,
    ParamDeclaration,
    SizeDeclaration,
    Unknown,
)
from factorgraph.model.names import TYPES, Declared, collect
from factorgraph.model.occurrences import Occurrence, guarded, occurrences
from factorgraph.model.reads import Poisoned, is_ragged
from factorgraph.model.types import Types
from factorgraph.syntax import tree as t

Named = TypeVar("Named", t.Slot, t.Weight, t.Map)


def check(
    file: t.File,
    settings: Mapping[str, float] | None = None,
    energies: Mapping[str, Model] | None = None,
) -> Model:
    """Return the Model of a tree.

    Parameters
    ----------
    file : the tree of a whole text, its includes written out.
    settings : new values of `let NAME = number` constants and of sizes with a value.
    energies : the models that `use … as NAME` brings in.

    Raises
    ------
    ModelError : where the text is wrong, with the place; `ModelErrors` where it is at several.
    UsageError : where a setting names no constant.
    """
    model, errors, _ = check_all(file, settings, energies)
    if errors:
        raise errors[0] if len(errors) == 1 else ModelErrors(errors)
    return model


def check_all(
    file: t.File,
    settings: Mapping[str, float] | None = None,
    energies: Mapping[str, Model] | None = None,
) -> tuple[Model, tuple[FgError, ...], set[str]]:
    """Return the Model of a tree as far as it is right, all errors, and names that have one.

    A statement that depends on one with an error of its own has nothing more to say.
    """
    checker = _Checker(file, dict(settings or {}), dict(energies or {}))
    model = checker.model()
    return model, tuple(checker.errors), checker.e.poisoned


class _Checker:
    def __init__(
        self, file: t.File, settings: dict[str, float], energies: dict[str, Model]
    ) -> None:
        self.file = file
        self.settings = settings
        self.energies = energies
        self.e = Elaborator()
        self.types = Types(self.e)
        self.errors: list[FgError] = []
        self.names = collect(file, self.errors)
        self.e.energies.update(energies)
        self.e.declared = self.names
        for statement in file.statements:
            if isinstance(statement, t.Broken):
                self.e.poisoned.update(i.name for i in statement.names)

    def attempt(self, action: Callable[[], None], *names: str) -> None:
        """Do one statement's part; an error of it is kept, and its names say nothing more."""
        depth, opened, padding = self.e._depth, len(self.e._open), self.e._padding
        try:
            action()
        except ModelError as error:
            self.e._depth, self.e._padding = depth, padding
            del self.e._open[opened:]
            self.e.poisoned.update(names)
            if not isinstance(error, Poisoned):
                self.errors.extend(error.all)

    def model(self) -> Model:
        e, statements = self.e, self.file.statements
        self._register_all()
        for role in ("given", "answer", "latent"):
            for s in statements:
                if isinstance(s, t.Slots) and s.role == role:
                    for slot in self._first(s.slots):
                        self.attempt(lambda s=s, x=slot: self._slot(s, x), slot.name.name)  # type: ignore[misc]
        for s in statements:
            if isinstance(s, t.Param):
                for weight in self._first(s.weights):
                    self.attempt(lambda w=weight: self._param(w), weight.name.name)  # type: ignore[misc]
            elif isinstance(s, t.Map):
                for _ in self._first((s,)):
                    self.attempt(lambda s=s: self._map(s), s.name.name)  # type: ignore[misc]
        self._shared_unknowns()
        used = set(e.used)
        for name, let in list(e.lets.items()):
            self.attempt(lambda n=name, x=let: e.look(n, x), name)  # type: ignore[misc]
            if name in e.poisoned:
                del e.lets[name]
        e.used = used | {n for n in e.used if n not in e.lets}
        factors: dict[str, FactorDeclaration] = {}
        for s in statements:
            if isinstance(s, t.Factor):
                self.attempt(lambda s=s: factors.update({s.name.name: self._factor(s)}))  # type: ignore[misc]
        loss, infer = self._chosen(t.LossChoice), self._chosen(t.Infer)
        asked: list[Asked] = []
        if infer is not None:
            self.attempt(lambda: asked.extend(check_inference(e, infer)))
        if not self.errors:
            self._unused_settings()
        return Model(
            source=self.file.source,
            domains=e.domains,
            sizes=e.sizes,
            givens=e.givens,
            unknowns=e.unknowns,
            params=e.params,
            maps=e.maps,
            lets=dict(e.computed),
            constants=e.constants,
            factors=factors,
            features=tuple(self._features(factors)),
            library=definitions(self.file),
            loss=loss,
            infer=infer,
            asked=tuple(asked),
            energies=self.energies,
        )

    def _shared_unknowns(self) -> None:
        """Refuse a second energy whose unknowns are of another type than those of their names."""
        for statement in self.file.statements:
            if not isinstance(statement, t.Use) or statement.alias is None:
                continue
            other = self.energies.get(statement.alias.name)
            for name, unknown in other.unknowns.items() if other is not None else ():
                own = self.e.unknowns.get(name)
                if own is not None and _type(own) != _type(unknown):
                    self.errors.append(ModelError(
                        f"`{name}` of `{statement.alias.name}` is of another type than the "
                        f"{own.role} `{name}` here",
                        code="E0106",
                        span=statement.alias.span,
                        hint="unknowns of a second energy are those of the same name: declare "
                        "them alike",
                    ))  # fmt: skip

    def _first(self, declared: Sequence[Named]) -> Iterator[Named]:
        """Yield declarations of names that nothing else has taken; the second is an error."""
        e = self.e
        for one in declared:
            name = one.name.name
            if not any(name in kind for kind in (e.givens, e.unknowns, e.params, e.maps)):
                yield one

    # -- names

    def _register_all(self) -> None:
        """Make names known, in an order in which each finds what it is made of."""
        pending = dict(self.names)
        while pending:
            before = len(pending)
            for name, declaration in list(pending.items()):
                if self._register(name, declaration, pending):
                    del pending[name]
            if len(pending) == before:
                for name, declaration in pending.items():
                    self.attempt(lambda n=name, d=declaration: self._number(n, d), name)  # type: ignore[misc]
                return

    def _register(self, name: str, declaration: Declared, pending: Mapping[str, Declared]) -> bool:
        """Make a name known; return False where it has to wait for another."""
        e = self.e
        match declaration:
            case t.Domain() | t.Sized():
                parts: list[object] = [declaration]
                while parts:
                    part = parts.pop()
                    if isinstance(part, t.Name) and part.name in pending and part.name != name:
                        if isinstance(pending[part.name], t.Domain | t.Sized | t.Let | t.Fun):
                            return False
                    if isinstance(part, tuple):
                        parts.extend(part)
                    elif isinstance(part, t.Domain):
                        parts.append(part.values if isinstance(part.values, t.Range) else None)
                    elif isinstance(part, t.Node):
                        parts.extend(vars(part).values())
                self.attempt(lambda: self._number(name, declaration), name)
            case t.Let():
                literal = _literal(declaration.value) if declaration.binders is None else None
                if literal is not None:
                    e.constants[name] = self.settings.get(name, literal)
                else:
                    e.lets[name] = declaration
            case t.Fun():
                self.attempt(lambda: self._formals(declaration), name)
                if name not in e.poisoned:
                    e.funs[name] = declaration
            case t.Map():
                e.others[name] = "map"
            case t.Factor():
                e.others[name] = "hard factor" if declaration.hard else "factor"
            case t.LossDefinition():
                self.attempt(lambda: self._formals(declaration))
                e.others[name] = "loss"
            case t.Use():
                e.others[name] = "second energy"
        return True

    def _number(self, name: str, declaration: Declared) -> None:
        """Make a domain or a size known."""
        e = self.e
        if isinstance(declaration, t.Domain):
            if name in TYPES:
                raise ModelError(
                    f"`{name}` is a type and cannot be a domain", code="E0103",
                    span=declaration.name.span, hint=f"call it `{name}_`",
                )  # fmt: skip
            e.domains[name] = self._domain(declaration)
            return
        assert isinstance(declaration, t.Sized)
        span = declaration.name.span
        if declaration.shape:
            if declaration.value is not None:
                raise ModelError(
                    "a size that depends on an index is read off the data", code="E0117",
                    span=declaration.value.span, hint="leave out `= …`",
                )  # fmt: skip
            if len(declaration.shape) > 1:
                raise ModelError(
                    "a size depends on one index at most", code="E0125", span=span,
                    hint="`size n, c[n]`: row t has c[t] items",
                )  # fmt: skip
            over = self.types.axis(declaration.shape[0])
            if is_ragged(over) or over.domain is not None:
                raise ModelError(
                    "a ragged size depends on a plain size", code="E0125", span=span,
                    hint="`size n, c[n]`: row t has c[t] items",
                )  # fmt: skip
            e.sizes[name] = SizeDeclaration(name, span, None, over)
            return
        value = None
        if declaration.value is not None:
            number = self.settings.get(name)
            if number is None:
                number = e.constant(declaration.value, f"size `{name}`")
            value = self.types.size(number, declaration.value.span, f"size `{name}`")
        elif name in self.settings:
            raise UsageError(
                f"--set {name}: this size belongs to each instance; the data give it", code="E0130"
            )
        e.sizes[name] = SizeDeclaration(name, span, value)

    def _unused_settings(self) -> None:
        e = self.e
        for name, value in self.settings.items():
            if value != value:
                raise UsageError(f"--set {name}: nan is no number", code="E0130")
        unused = set(self.settings) - set(e.constants) - set(e.sizes)
        if unused:
            name = min(unused)
            known = [*e.constants, *(s for s, d in e.sizes.items() if d.value is not None)]
            raise UsageError(
                f"--set {name}: the model has no such constant", code="E0130",
                hint=did_you_mean(name, known),
            )  # fmt: skip

    def _formals(self, declaration: t.Fun | t.LossDefinition) -> None:
        names: set[str] = set()
        for formal in declaration.formals:
            name = formal.name.name
            if name in names:
                raise ModelError(
                    f"argument `{name}` stands twice", code="E0101", span=formal.name.span
                )
            names.add(name)

    # -- declarations

    def _domain(self, node: t.Domain) -> Domain:
        name, span, values = node.name.name, node.name.span, node.values
        if values is None:
            return Domain(name, span)
        if isinstance(values, t.Range):
            low = self.e.constant(values.low, "the end of a domain")
            high = self.e.constant(values.high, "the end of a domain")
            self.types.range(low, high, values.span)
            return Domain(name, span, low=int(low), high=int(high))
        labels: dict[str, None] = {}  # in order, and quick to look up
        for item in values.items:
            if isinstance(item, t.Name):
                label = item.name
            elif isinstance(item, t.Text):
                label = item.value
            elif isinstance(item, t.Number):
                label = str(item.value)
            else:
                raise ModelError(
                    "a domain holds single labels", code="E0119", span=item.span,
                    hint="a product of sets is a record: `y : (a: A, b: B)`",
                )  # fmt: skip
            if label in labels:
                raise ModelError(
                    f"`{label}` stands twice in domain `{name}`", code="E0101", span=item.span
                )
            labels[label] = None
        return Domain(name, span, values=tuple(labels))

    def _slot(self, statement: t.Slots, slot: t.Slot) -> None:
        name, span, role = slot.name.name, slot.name.span, statement.role
        axes: list[IndexSet] = []
        for node in slot.shape:
            axis = self.types.axis(node)
            if is_ragged(axis):
                over = self.e.sizes[axis.name].over
                if not axes or axes[-1] != over:
                    raise ModelError(
                        f"`{axis.name}` depends on `{over.name if over else ''}`, "
                        "which must stand right before it",
                        code="E0125",
                        span=node.span,
                        hint=f"`{role} {name}[{over.name if over else ''}, {axis.name}]`",
                    )
            axes.append(axis)
        found = self.types.slot(statement.type, role)
        if found.sequence is not None and axes:
            raise ModelError(
                "an array of sequences", code="E0119", span=span,
                hint="an instance has one sequence of each name",
            )  # fmt: skip
        if role == "given":
            given = Given(name, span, tuple(axes), found.kind(name), found.values, found.fields)
            self.e.givens[name] = given
            return
        self.e.unknowns[name] = Unknown(
            name,
            span,
            role,
            tuple(axes),
            found.kind(name),
            found.values,
            found.low,
            found.high,
            found.fields,
            found.sequence,
        )

    def _param(self, node: t.Weight) -> None:
        name = node.name.name
        axes = []
        for expression in node.shape:
            axis = self.types.axis(expression, "size {} = …")
            if is_ragged(axis) or not is_fixed(axis.count):
                size = next((p.name for p in walk(axis.count) if isinstance(p, SizeOf)), axis.name)
                raise ModelError(
                    f"`{name}` depends on `{size}`, which varies by instance",
                    code="E0118",
                    span=expression.span,
                    hint=f"give the size a value: `size {size} = …`",
                )
            axes.append(axis)
        constraint, low, high = self.types.constraint(node.type, axes)
        initial = self.types.initial(node.initial, constraint, low, high)
        l1, l2 = self.types.regulariser(node.regulariser)
        self.e.params[name] = ParamDeclaration(
            name, node.name.span, tuple(axes), initial, l1, l2, constraint, low, high
        )

    def _map(self, node: t.Map) -> None:
        def size(expression: t.Expression) -> Expr:
            axis = self.types.axis(expression, "size {} = …")
            if is_ragged(axis) or not is_fixed(axis.count):
                raise ModelError(
                    f"map `{node.name.name}` depends on `{axis.name}`, which varies by instance",
                    code="E0118",
                    span=expression.span,
                    hint=f"give the size a value: `size {axis.name} = …`",
                )
            sets[expression.span.start] = axis
            return axis.count

        sets: dict[int, IndexSet] = {}
        made = layer(node.call, size)
        end = made
        while end.layers:
            end = end.layers[-1]
        place = {"linear": 1, "mlp": -1, "conv": 1}.get(end.sort)
        last = None if place is None else sets.get(end.sizes[place].span.start)
        l1, l2 = self.types.regulariser(node.regulariser)
        self.e.maps[node.name.name] = MapDeclaration(node.name.name, node.span, made, last, l1, l2)

    def _features(self, factors: dict[str, FactorDeclaration]) -> list[Features]:
        """Return how domains of features are filled: from lets and from factors."""
        held: list[tuple[tuple[object, ...], Expr | None, Expr]] = [
            (let.binders, let.guard, let.value) for let in self.e.computed.values()
        ]
        held += [(f.binders, f.guard, f.value) for f in factors.values()]
        out: list[Features] = []
        for binders, guard, value in held:
            own: tuple[Binder, ...] = binders  # type: ignore[assignment]
            found: dict[Occurrence, None] = {}
            for occurrence in occurrences(value, frozenset(b.variable for b in own)):
                found.setdefault(occurrence)
            for o in found:
                both = guard if o.guard is None else o.guard
                if guard is not None and o.guard is not None:
                    both = Apply(guard.span, BIT, "and", (guard, o.guard))
                inner = [guarded(b, guard) for b in o.binders]
                made = Features(o.domain, self.e.least[o.domain], (*own, *inner), both, (o.name,))
                if made not in out:
                    out.append(made)
        return out

    # -- factors

    def _factor(self, node: t.Factor) -> FactorDeclaration:
        e = self.e
        bound = Bound((), {}, None) if node.binders is None else e.bind(node.binders, {})
        binders, scope, guard = bound.binders, bound.scope, bound.guard
        value = e.truth(node.value, scope) if node.hard else e.number(node.value, scope)
        unknowns = [r for r in reads(value, UnknownRead) if isinstance(r, UnknownRead)]
        for read in unknowns:
            if read.kind.sort == "sequence":
                continue
            for index in read.indices:
                for part in walk(index):
                    if isinstance(part, UnknownRead) and part.kind.sort != "sequence":
                        raise ModelError(
                            f"`{read.name}` is an array of unknowns and cannot be indexed by "
                            f"`{part.name}`, an unknown",
                            code="E0123",
                            span=read.span,
                            hint=f"sum over the cases: sum((… == k) * {read.name}[k] for k in …)",
                        )
        sequences = {r.name for r in unknowns if r.kind.sort == "sequence"}
        sequences |= {n.name for n in walk(value) if isinstance(n, Spelling | LengthOf)}
        runs = [n.name for b in binders for n in walk(b.high) if isinstance(n, LengthOf)]
        sequences.update(runs)
        if len(runs) > 1:
            raise ModelError(
                "a factor runs over one sequence, once",
                code="E0126",
                span=node.binders.span if node.binders is not None else node.span,
                hint=f"neighbours are two patterns of one source: `[(e, b), (f, c) in {runs[0]}]`",
            )
        others = [r for r in unknowns if r.kind.sort != "sequence"]
        if sequences and (others or len(sequences) > 1):
            name = sorted(sequences)[0]
            other = others[0].name if others else sorted(sequences)[1]
            raise ModelError(
                f"a factor over the sequence `{name}` and another unknown, `{other}`",
                code="E0126",
                span=node.name.span,
                hint="put what it needs into the labels of the sequence",
            )
        written = None if node.binders is None else node.binders.span
        return FactorDeclaration(
            node.name.name, node.span, binders, guard, value, node.hard, tuple(unknowns), written
        )

    def _chosen(self, kind: type[t.LossChoice] | type[t.Infer]) -> t.Expression | None:
        chosen = [s for s in self.file.statements if isinstance(s, kind)]
        for more in chosen[1:]:
            word = "loss" if kind is t.LossChoice else "infer"
            self.errors.append(
                ModelError(
                    f"`{word}` is chosen twice",
                    code="E0101",
                    span=more.span,
                    hint=f"the first time on line {chosen[0].span.line}",
                )
            )
        return chosen[0].value if chosen else None


def _literal(node: t.Expression) -> float | int | None:
    """Return the number that a `let` is, without looking any further."""
    if isinstance(node, t.Number):
        return node.value
    if isinstance(node, t.Unary) and node.operator == "-" and isinstance(node.operand, t.Number):
        return -node.operand.value
    return None


def _type(unknown: Unknown) -> tuple[object, ...]:
    """Return what tells types of unknowns apart, whatever their sizes are called."""
    sets = [unknown.values, *(f.values for f in unknown.fields)]
    known = [None if s is None else (s.low, s.fixed, s.domain) for s in sets]
    names = tuple(f.name for f in unknown.fields)
    return unknown.kind.sort, unknown.low, unknown.high, len(unknown.axes), names, tuple(known)

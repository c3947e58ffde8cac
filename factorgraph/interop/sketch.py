"""What a picture of a model shows: nodes, edges and plates, read off the tree of its text.

Names are resolved through `let` and `fun`; nothing is typed, so that every text that parses can
be drawn. A plate stands for an index set: each node in it is there once for each of its values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factorgraph.errors import UsageError
from factorgraph.source import squeezed
from factorgraph.syntax import tree as t

VARIABLES = ("given", "answer", "latent")
FACTORS = ("factor", "hard")
ARCS = 3
"""Most arcs between an unknown and a factor; more reads share one."""
LONG = 30
"""Most characters of a line at an edge."""
DEPTH = 200
"""How deep definitions and brackets may nest; no text that makes sense comes near."""
STEPS = 50_000
"""How long the factors may be when all definitions are written out."""


@dataclass(frozen=True)
class Node:
    """A variable, factor, map or weight.

    Attributes
    ----------
    name : as it is declared; names are unique in a text.
    kind : ``given``, ``answer``, ``latent``, ``factor``, ``hard``, ``map`` or ``param``.
    note : what is said in small letters beside it: a type, binders, layers.
    """

    name: str
    kind: str
    note: str


@dataclass(frozen=True)
class Edge:
    """That something is read.

    Attributes
    ----------
    source : the variable, weight or map that is read.
    target : the factor or map that reads it, or the variable whose type it is part of.
    labels : one for each arc that is drawn, the indices that are read; empty where they are plain.
    """

    source: str
    target: str
    labels: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Plate:
    """An index set, or several that hold the same nodes."""

    label: str
    members: frozenset[str]


@dataclass(frozen=True)
class Sketch:
    """All that a picture shows; `notes` stand below it."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    plates: tuple[Plate, ...]
    notes: tuple[str, ...] = ()


def sketch(file: t.File, *, params: bool = False) -> Sketch:
    """Return what the picture of a model shows.

    Parameters
    ----------
    file : the tree of a text with the files that it uses written out.
    params : whether weights are shown.
    """
    return _Sketcher(file, params).sketch()


# -- what a name stands for inside an expression


@dataclass(frozen=True, eq=False)
class _Bound:
    """An index of a factor; ``base`` is the set whose plate it spans, None for lists."""

    name: str
    base: str | None


@dataclass(frozen=True, eq=False)
class _Inner:
    """An index of a comprehension or of a `let`; ``source`` as it is written."""

    name: str
    source: str


@dataclass(frozen=True, eq=False)
class _Argument:
    """What stands for a formal, with the names of the place where it was written."""

    value: t.Expression
    names: _Names


_Names = Mapping[str, "_Bound | _Inner | _Argument"]


@dataclass(frozen=True)
class _Read:
    """A variable or weight that an expression names.

    Attributes
    ----------
    target : the map that it is an argument of, None for the factor itself.
    subscripts : as they read with definitions written out.
    indices : for each subscript, the indices that it depends on.
    """

    name: str
    target: str | None
    subscripts: tuple[str, ...]
    indices: tuple[tuple[_Bound | _Inner, ...], ...]
    pattern: bool = False

    @property
    def plain(self) -> bool:
        return all(
            len(found) == 1 and isinstance(found[0], _Bound) and found[0].name == text
            for text, found in zip(self.subscripts, self.indices)
        )

    @property
    def label(self) -> str:
        if self.pattern:
            names = ", ".join(self.subscripts)
            return f"({names})" if len(self.subscripts) > 1 else names
        text = f"[{','.join(self.subscripts)}]"
        inner: dict[str, str] = {}
        for found in self.indices:
            inner |= {i.name: i.source for i in found if isinstance(i, _Inner) and i.source}
        return " for ".join([text, *(f"{name} in {source}" for name, source in inner.items())])


@dataclass
class _Reads:
    """What one factor mentions."""

    statement: t.Factor
    bound: list[_Bound] = field(default_factory=list)
    sources: list[tuple[t.Generator, tuple[_Bound, ...]]] = field(default_factory=list)
    reads: list[_Read] = field(default_factory=list)
    calls: list[tuple[str, str | None]] = field(default_factory=list)
    called: list[tuple[str, frozenset[_Bound]]] = field(default_factory=list)
    keys: dict[_Bound, tuple[str, int]] = field(default_factory=dict)


class _Sketcher:
    def __init__(self, file: t.File, params: bool) -> None:
        self.params = params
        self.slots: dict[str, tuple[t.Slots, t.Slot]] = {}
        self.sizes: dict[str, t.Sized] = {}
        self.weights: dict[str, t.Weight] = {}
        self.domains: dict[str, t.Domain] = {}
        self.maps: dict[str, t.Map] = {}
        self.lets: dict[str, t.Let] = {}
        self.funs: dict[str, t.Fun] = {}
        self.factors: list[t.Factor] = []
        self.losses: list[str] = []
        self.others: list[t.Use] = []
        self.depth = self.steps = 0
        for statement in file.statements:
            self.declare(statement)

    def declare(self, statement: t.Statement) -> None:
        match statement:
            case t.Slots():
                self.slots |= {slot.name.name: (statement, slot) for slot in statement.slots}
            case t.Size():
                self.sizes |= {sized.name.name: sized for sized in statement.sizes}
            case t.Param():
                self.weights |= {weight.name.name: weight for weight in statement.weights}
            case t.Domain():
                self.domains[statement.name.name] = statement
            case t.Map():
                self.maps[statement.name.name] = statement
            case t.Let():
                self.lets[statement.name.name] = statement
            case t.Fun():
                self.funs[statement.name.name] = statement
            case t.Factor():
                self.factors.append(statement)
            case t.LossDefinition():
                self.losses.append(statement.name.name)
            case t.Use():
                self.others.append(statement)

    def sketch(self) -> Sketch:
        found = [self.factor(statement) for statement in self.factors]
        for reads in found:
            self.assign(reads)
        places = self.places(found)
        labels = self.labels(found)
        plates, shown = _plates(places, labels)
        nodes = [
            *(
                Node(name, slots.role, self.type_note(name, slots, slot, found))
                for name, (slots, slot) in self.slots.items()
            ),
            *(
                Node(r.statement.name.name, "hard" if r.statement.hard else "factor",
                     _binder_note(r, shown))
                for r in found
            ),
            *(
                Node(name, "map", _layers(m.call))
                for name, m in self.maps.items()
                if any(name == called for r in found for called, _ in r.calls)
            ),
        ]  # fmt: skip
        if self.params:
            nodes += [Node(name, "param", "") for name in self.weights]
        return Sketch(tuple(nodes), tuple(self.edges(found)), plates, self.notes())

    # -- factors

    def factor(self, statement: t.Factor) -> _Reads:
        out = _Reads(statement)
        names: dict[str, Any] = {}
        binders = statement.binders
        for generator in binders.generators if binders is not None else ():
            self.walk(generator.source, names, None, out)
            base = self.base(generator.source)
            bound = tuple(
                _Bound(identifier.name, base)
                for pattern in generator.patterns
                for identifier in pattern.names
            )
            if base in self.slots:
                out.reads = [r for r in out.reads if r.name != base or r.subscripts]
                out.reads += self.elements(base, generator, bound)
            out.bound += bound
            out.sources.append((generator, bound))
            names |= {b.name: b for b in bound}
        if binders is not None and binders.guard is not None:
            self.walk(binders.guard, names, None, out)
        self.walk(statement.value, names, None, out)
        return out

    def elements(
        self, name: str | None, generator: t.Generator, bound: tuple[_Bound, ...]
    ) -> list[_Read]:
        """Return the reads of a relation's rows or of a sequence's elements."""
        assert name is not None
        if len(generator.patterns) == 1:
            return [_Read(name, None, (), ())]
        out, at = [], 0
        for pattern in generator.patterns:
            names = tuple(b.name for b in bound[at : at + len(pattern.names)])
            at += len(pattern.names)
            out.append(_Read(name, None, names, tuple(() for _ in names), pattern=True))
        return out

    def base(self, source: t.Expression) -> str | None:
        """Return the name of the set that a source or an axis spans, None for lists."""
        match source:
            case t.Values():
                return None
            case t.Name(name=name):
                return name
            case t.Range():
                for end in (source.high, source.low):
                    for name in _names(end):
                        if name in self.sizes:
                            return name
                return squeezed(source.span.text)
            case _:
                known = {*self.sizes, *self.domains, *self.slots}
                found = [name for name in _names(source) if name in known]
                return found[0] if found else squeezed(source.span.text)

    def axes(self, name: str) -> list[tuple[str, int]]:
        """Return the index sets of a slot or weight; the number tells two equal ones apart."""
        shape = self.slots[name][1].shape if name in self.slots else self.weights[name].shape
        seen: Counter[str] = Counter()
        out = []
        for axis in shape:
            base = self.base(axis) or ""
            out.append((base, seen[base]))
            seen[base] += 1
        return out

    def assign(self, reads: _Reads) -> None:
        """Say for each index of a factor which of several equal axes it spans."""
        unknown = [r for r in reads.reads if r.name in self.slots and not r.pattern]
        unknown.sort(key=lambda r: self.slots[r.name][0].role == "given")
        for bound in reads.bound:
            if bound.base is None:
                continue
            for read in unknown:
                for axis, found in zip(self.axes(read.name), read.indices):
                    if axis[0] == bound.base and bound in found and bound not in reads.keys:
                        reads.keys[bound] = axis
        left: Counter[str] = Counter()
        for bound in reads.bound:
            if bound.base is not None and bound not in reads.keys:
                group = next(g for _, g in reads.sources if bound in g)
                if group[0] is not bound and group[0] in reads.keys:
                    reads.keys[bound] = reads.keys[group[0]]  # (a, b) in edge: one set
                    continue
                reads.keys[bound] = bound.base, left[bound.base]
                left[bound.base] += 1

    # -- expressions

    def step(self) -> None:
        self.depth += 1
        self.steps += 1
        if self.depth > DEPTH or self.steps > STEPS:
            raise UsageError(
                "the factors are too long to be drawn with all definitions in place", code="E0916"
            )

    def walk(self, e: t.Expression, names: _Names, target: str | None, out: _Reads) -> None:
        """Collect what an expression mentions."""
        self.step()
        try:
            match e:
                case t.Name():
                    self.name(e, (), names, target, out)
                case t.Index():
                    self.index(e, names, target, out)
                case t.Call():
                    self.call(e, names, target, out)
                case _:
                    for child in _children(e):
                        self.walk(child, names, target, out)
        finally:
            self.depth -= 1

    def index(self, e: t.Index, names: _Names, target: str | None, out: _Reads) -> None:
        base, subscripts = _flat(e)
        for subscript in subscripts:
            self.walk(subscript, names, target, out)
        if isinstance(base, t.Name):
            given = tuple(_Argument(s, names) for s in subscripts)
            self.name(base, given, names, target, out)
        else:
            self.walk(base, names, target, out)

    def name(
        self,
        e: t.Name,
        subscripts: tuple[_Argument, ...],
        names: _Names,
        target: str | None,
        out: _Reads,
    ) -> None:
        meaning = names.get(e.name)
        if isinstance(meaning, _Argument):
            inner, more = _flat(meaning.value)
            if isinstance(inner, t.Name):
                first = tuple(_Argument(s, meaning.names) for s in more)
                self.name(inner, first + subscripts, meaning.names, target, out)
            else:
                self.walk(meaning.value, meaning.names, target, out)
        elif meaning is not None:
            return
        elif e.name in self.slots or e.name in self.weights:
            through = ("given",) if e.name in self.slots else ()
            read = _Read(
                e.name,
                target,
                tuple(self.text(s.value, s.names) for s in subscripts),
                # x[t] says nothing of the axis of V[y, x[t]], but head[e] of that of y[head[e]].
                tuple(self.indices(s.value, s.names, through) for s in subscripts),
            )
            if read not in out.reads:
                out.reads.append(read)
        elif e.name in self.lets:
            self.let(self.lets[e.name], subscripts, target, out)

    def let(
        self, let: t.Let, subscripts: tuple[_Argument, ...], target: str | None, out: _Reads
    ) -> None:
        names: dict[str, Any] = {}
        given = iter(subscripts)
        if let.binders is not None:
            for generator in let.binders.generators:
                self.walk(generator.source, names, target, out)
                for pattern in generator.patterns:
                    for identifier in pattern.names:
                        inner = _Inner(identifier.name, squeezed(generator.source.span.text))
                        names[identifier.name] = next(given, inner)
            if let.binders.guard is not None:
                self.walk(let.binders.guard, names, target, out)
        self.walk(let.value, names, target, out)

    def call(self, e: t.Call, names: _Names, target: str | None, out: _Reads) -> None:
        name = e.name.name
        if name in self.funs:
            formals = self.funs[name].formals
            inside: dict[str, Any] = {
                f.name.name: _Argument(f.default, {}) for f in formals if f.default is not None
            }
            for position, argument in enumerate(e.arguments):
                formal = argument.name
                if formal is None and position < len(formals):
                    formal = formals[position].name.name
                if formal is not None:
                    inside[formal] = _Argument(argument.value, names)
            self.walk(self.funs[name].value, inside, target, out)
            return
        if name in self.maps:
            if (name, target) not in out.calls:
                out.calls.append((name, target))
            before = len(out.reads)
            mentioned: set[_Bound] = set()
            for argument in e.arguments:
                self.walk(argument.value, names, name, out)
                mentioned |= {i for i in self.indices(argument.value, names, VARIABLES)
                              if isinstance(i, _Bound)}  # fmt: skip
            mentioned |= {
                i for r in out.reads[before:] for part in r.indices for i in part
                if isinstance(i, _Bound)
            }  # fmt: skip
            out.called.append((name, frozenset(mentioned)))
            return
        for argument in e.arguments:
            inner: dict[str, Any] = dict(names)
            if argument.binders is not None:
                for generator in argument.binders.generators:
                    self.walk(generator.source, inner, target, out)
                    source = self.text(generator.source, inner)
                    for pattern in generator.patterns:
                        for i in pattern.names:
                            inner[i.name] = _Inner(i.name, source)
                if argument.binders.guard is not None:
                    self.walk(argument.binders.guard, inner, target, out)
            self.walk(argument.value, inner, target, out)

    def indices(
        self, e: t.Expression, names: _Names, through: tuple[str, ...] = ("given",)
    ) -> tuple[_Bound | _Inner, ...]:
        """Return the indices that a subscript depends on, directly or through such variables."""
        out: dict[_Bound | _Inner, None] = {}
        stack: list[tuple[t.Expression, _Names]] = [(e, names)]
        while stack:
            self.steps += 1
            if self.steps > STEPS:
                break
            inner, at = stack.pop()
            if isinstance(inner, t.Name):
                meaning = at.get(inner.name)
                if isinstance(meaning, _Argument):
                    stack.append((meaning.value, meaning.names))
                elif meaning is not None:
                    out[meaning] = None
                continue
            if isinstance(inner, t.Index):
                base, _ = _flat(inner)
                name = base.name if isinstance(base, t.Name) and base.name not in at else ""
                if name in self.slots and self.slots[name][0].role not in through:
                    continue
            stack.extend((child, at) for child in reversed(list(_children(inner))))
        return tuple(out)

    # -- texts

    def text(self, e: t.Expression, names: _Names, level: int = 0) -> str:
        """Return an expression as it is written, with arguments in place of formals."""
        self.step()
        try:
            return self._text(e, names, level)
        finally:
            self.depth -= 1

    def _text(self, e: t.Expression, names: _Names, level: int) -> str:
        match e:
            case t.Name(name=name):
                meaning = names.get(name)
                if isinstance(meaning, _Argument):
                    return self.text(meaning.value, meaning.names, level)
                return name
            case t.Number(value=value):
                return f"{value:g}" if isinstance(value, float) else str(value)
            case t.Text(value=value):
                return f'"{value}"'
            case t.Binary():
                own = _LEVELS.get(e.operator, 0)
                left = self.text(e.left, names, own)
                right = self.text(e.right, names, own + 1)
                blank = "" if own >= 4 else " "
                whole = f"{left}{blank}{e.operator}{blank}{right}"
                return f"({whole})" if own < level else whole
            case t.Unary():
                blank = " " if e.operator.isalpha() else ""
                whole = f"{e.operator}{blank}{self.text(e.operand, names, 6)}"
                return f"({whole})" if level > 4 else whole
            case t.Range():
                return f"{self.text(e.low, names)}..{self.text(e.high, names)}"
            case t.Index():
                inside = ",".join(self.text(s, names) for s in e.subscripts)
                return f"{self.text(e.base, names, 9)}[{inside}]"
            case t.Member():
                return f"{self.text(e.base, names, 9)}.{e.name}"
            case t.Call():
                parts = [
                    (f"{a.name} = " if a.name else "") + self.text(a.value, names)
                    for a in e.arguments
                ]
                return f"{e.name.name}({', '.join(parts)})"
            case _:
                return squeezed(e.span.text)

    def type_note(self, name: str, slots: t.Slots, slot: t.Slot, found: list[_Reads]) -> str:
        """Return type and axes of a variable, without those that plates stand for."""
        inside = self.slot_axes(name, found)
        if self.is_source(name, found):
            inside = self.axes(name)
        left = [
            squeezed(axis.span.text)
            for axis, key in zip(slot.shape, self.axes(name))
            if key not in inside
        ]
        kind = squeezed(slots.type.span.text)
        return f"{kind} [{', '.join(left)}]" if left else kind

    def notes(self) -> tuple[str, ...]:
        out = [
            f"{use.alias.name}: a second energy, {use.path.value}"
            for use in self.others
            if use.alias is not None
        ]
        if not self.slots and not self.factors:
            out.append("no variables and no factors")
            if self.losses:
                out.append("losses: " + ", ".join(self.losses))
        return tuple(out)

    # -- plates

    def slot_axes(self, name: str, found: list[_Reads]) -> list[tuple[str, int]]:
        """Return those axes of a slot or weight along which single elements are read."""
        axes = self.axes(name)
        reads = [r for f in found for r in f.reads if r.name == name and not r.pattern]
        role = self.slots[name][0].role if name in self.slots else "param"
        if not any(r.subscripts for r in reads) and role == "given":
            # Relations and what is only named in a type go with the others of their size.
            used = {key for f in found for key in f.keys.values()}
            used |= {
                axis
                for other in self.slots
                if other != name and any(r.subscripts for f in found for r in f.reads
                                         if r.name == other)
                for axis in self.slot_axes(other, found)
            }  # fmt: skip
            relation = isinstance(self.slots[name][0].type, t.RecordType)
            return [axis for axis in axes if axis in used and (relation or not reads)]
        if role == "param":
            spanned = {key for f in found for key in f.keys.values()}
            axes = [axis if axis in spanned else ("", k) for k, axis in enumerate(axes)]
        out = []
        for k, axis in enumerate(axes):
            if not axis[0]:
                continue
            ragged = axis[0] in self.sizes and bool(self.sizes[axis[0]].shape)
            for read in reads:
                if k < len(read.indices) and any(
                    i.base is not None if isinstance(i, _Bound) else ragged for i in read.indices[k]
                ):
                    out.append(axis)
                    break
        return out

    def is_source(self, name: str, found: list[_Reads]) -> bool:
        """Return whether a plate counts the rows of a given relation."""
        given = name in self.slots and self.slots[name][0].role == "given"
        return given and any(bound.base == name for f in found for bound in f.bound)

    def places(self, found: list[_Reads]) -> dict[str, set[tuple[str, int]]]:
        """Return the index sets of every node that is shown."""
        places: dict[str, set[tuple[str, int]]] = {}
        for name in [*self.slots, *(self.weights if self.params else ())]:
            places[name] = set(self.slot_axes(name, found))
            if self.is_source(name, found):
                places[name] = {(name, 0)}
        for reads in found:
            places[reads.statement.name.name] = set(reads.keys.values())
            for name, bound in reads.called:
                keys = {reads.keys[b] for b in bound if b in reads.keys}
                places[name] = places[name] & keys if name in places else keys
        return places

    def labels(self, found: list[_Reads]) -> dict[tuple[str, int], tuple[str, str]]:
        """Return for each index set the binder that is written at its plate, and its value."""
        texts: dict[tuple[str, int], Counter[str]] = {}
        for reads in found:
            for generator, bound in reads.sources:
                if not bound or bound[0].base is None:
                    continue
                exact = not isinstance(generator.source, t.Range) or bound[0].base == squeezed(
                    generator.source.span.text
                )
                if exact:
                    counts = texts.setdefault(reads.keys[bound[0]], Counter())
                    counts[squeezed(generator.span.text)] += 1
        for reads in found:
            for read in reads.reads:
                axes = self.axes(read.name)
                for key, text, indices in zip(axes, read.subscripts, read.indices):
                    for i in indices:
                        if isinstance(i, _Inner) and text == i.name and key not in texts:
                            texts[key] = Counter([f"{i.name} in {i.source}"])
        out = {}
        keys = {key for reads in found for key in reads.keys.values()}
        keys |= {key for name in self.slots for key in self.slot_axes(name, found)}
        keys |= {key for name in self.weights for key in self.slot_axes(name, found)}
        for key in keys:
            sized = self.sizes.get(key[0])
            value = ""
            if sized is not None and sized.value is not None:
                value = f" ({self.text(sized.value, {})})"
            counts = texts.get(key, Counter())
            # Of several names for the same index the first is taken.
            best = max(counts, key=lambda s: counts[s]) if counts else key[0]
            out[key] = best, value
        return out

    # -- edges

    def edges(self, found: list[_Reads]) -> Iterator[Edge]:
        between: dict[tuple[str, str], list[_Read]] = {}
        calls: dict[tuple[str, str], None] = {}
        for reads in found:
            own = reads.statement.name.name
            for read in reads.reads:
                if read.name in self.weights and not self.params:
                    continue
                row = between.setdefault((read.name, read.target or own), [])
                if read not in row:
                    row.append(read)
            calls |= {(name, target or own): None for name, target in reads.calls}
        for (name, target), row in between.items():
            yield Edge(name, target, self.arcs(name, row))
        for name, target in calls:
            yield Edge(name, target)
        for name, (slots, _) in self.slots.items():
            for other in dict.fromkeys(_type_names(slots.type)):
                if other in self.slots and other != name:
                    yield Edge(other, name)

    def arcs(self, name: str, reads: list[_Read]) -> tuple[str, ...]:
        """Return a label for each arc between a variable and what reads it."""
        labels = list(dict.fromkeys("" if not r.subscripts else r.label for r in reads))
        if len(labels) == 1 and (reads[0].plain or not labels[0]):
            return ("",)
        role = self.slots[name][0].role if name in self.slots else "param"
        if role in ("given", "param") or len(labels) > ARCS:
            text = ", ".join(x for x in labels if x)
            if role == "param" or any(len(line) > LONG for line in text.split(" for ", 1)):
                return ("",)
            return (text,)
        return tuple(
            " for ".join(_cut(line, LONG) for line in (label or "all").split(" for ", 1))
            for label in labels
        )


def _plates(
    places: Mapping[str, set[tuple[str, int]]],
    labels: Mapping[tuple[str, int], tuple[str, str]],
) -> tuple[tuple[Plate, ...], dict[tuple[str, int], str]]:
    """Return the plates, index sets with equal members as one, and the binders they show."""
    members: dict[tuple[str, int], frozenset[str]] = {}
    for key in dict.fromkeys(key for keys in places.values() for key in sorted(keys)):
        members[key] = frozenset(name for name, keys in places.items() if key in keys)
    order = list(labels)
    groups: dict[frozenset[str], list[tuple[str, int]]] = {}
    for key, names in members.items():
        groups.setdefault(names, []).append(key)
    shown = {key: labels[key][0] for key in members}
    plates = [
        Plate(", ".join("".join(labels[key]) for key in keys), names)
        for names, keys in groups.items()
        if order
    ]
    return tuple(plates), shown


def _binder_note(reads: _Reads, shown: Mapping[tuple[str, int], str]) -> str:
    """Return what a factor's binders say that its plates do not."""
    counts = Counter(reads.keys[bound[0]] for _, bound in reads.sources if bound[0] in reads.keys)
    parts = []
    for generator, bound in reads.sources:
        text = squeezed(generator.span.text)
        key = reads.keys.get(bound[0])
        if key is None or counts[key] > 1 or shown.get(key) != text:
            parts.append(text)
    note = ", ".join(parts)
    binders = reads.statement.binders
    if binders is not None and binders.guard is not None:
        note += f" if {squeezed(binders.guard.span.text)}"
    return note.strip()


# -- trees

_LEVELS = {"=>": 0, "or": 1, "and": 2, "in": 3, "&": 3, "==": 3, "!=": 3, "<": 3, "<=": 3,
           ">": 3, ">=": 3, "+": 4, "-": 4, "*": 5, "/": 5, "//": 5, "%": 5, "^": 7}  # fmt: skip


def _children(e: t.Node) -> Iterator[t.Expression]:
    """Yield the expressions directly below one."""
    match e:
        case t.Index():
            yield e.base
            yield from e.subscripts
        case t.Member():
            yield e.base
        case t.Range():
            yield e.low
            yield e.high
        case t.Values() | t.Tuple():
            yield from e.items
        case t.Unary():
            yield e.operand
        case t.Binary():
            yield e.left
            yield e.right
        case t.Choose():
            yield e.condition
            yield e.yes
            yield e.no
        case t.Call():
            for argument in e.arguments:
                if argument.binders is not None:
                    for generator in argument.binders.generators:
                        yield generator.source
                    if argument.binders.guard is not None:
                        yield argument.binders.guard
                yield argument.value
        case _:
            return


def _names(e: t.Expression) -> Iterator[str]:
    """Yield the names in an expression, from left to right."""
    if isinstance(e, t.Name):
        yield e.name
    for child in _children(e):
        yield from _names(child)


def _flat(e: t.Expression) -> tuple[t.Expression, tuple[t.Expression, ...]]:
    """Return what is indexed and all subscripts of ``y[i].f[j]``."""
    subscripts: tuple[t.Expression, ...] = ()
    while isinstance(e, t.Index | t.Member):
        if isinstance(e, t.Index):
            subscripts = e.subscripts + subscripts
        e = e.base
    return e, subscripts


def _layers(call: t.Call) -> str:
    """Return a map's layers as they are written; of a chain their names only."""
    if call.name.name != "chain":
        return squeezed(call.span.text)
    inside = [a.value.name.name for a in call.arguments if isinstance(a.value, t.Call)]
    return f"chain({', '.join(inside)})"


def _type_names(node: t.TypeNode) -> Iterable[str]:
    if isinstance(node, t.CallType):
        for argument in node.call.arguments:
            yield from _names(argument.value)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def resized(file: t.File, settings: Mapping[str, float]) -> t.File:
    """Return a tree with new values of its sizes."""

    def changed(sized: t.Sized) -> t.Sized:
        if sized.value is None or sized.name.name not in settings:
            return sized
        return replace(sized, value=t.Number(sized.value.span, settings[sized.name.name]))

    statements = tuple(
        replace(s, sizes=tuple(changed(sized) for sized in s.sizes)) if isinstance(s, t.Size) else s
        for s in file.statements
    )
    return replace(file, statements=statements)

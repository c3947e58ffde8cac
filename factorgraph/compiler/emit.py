"""Programs to readable Numba source: the energies of a range of tables, and their gradients.

States are innermost in every loop, so that one weight's row of states is a run of memory, and a
product with a number that is 0 (a white pixel, a missing feature) costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isinf

from factorgraph.compiler.differentiate import derivative
from factorgraph.compiler.program import (
    InPlace,
    Lookup,
    Output,
    Program,
    Reduction,
    Slot,
    State,
    Tabled,
    factors_of,
    product,
)
from factorgraph.model.expression import (
    Apply,
    Const,
    DomainSize,
    Expr,
    ParamRead,
    Variable,
    fixed_value,
)
from factorgraph.model.model import IndexSet

Leaf = Callable[[Expr], str]
Storage = dict[str, tuple[int, ...]]

_INFIX = {"+": "+", "-": "-", "*": "*", "/": "/", "//": "//", "%": "%"}
_COMPARE = ("==", "!=", "<", "<=", ">", ">=")


def comment(text: str) -> str:
    """Return a text that cannot leave a comment: ASCII, no control characters."""
    shown = text.encode("unicode_escape").decode("ascii")
    return shown if len(shown) <= 88 else shown[:85] + "..."


class Printer:
    """Lines with indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def __call__(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    @contextmanager
    def block(self, *headers: str) -> Iterator[None]:
        for header in headers:
            self(header)
            self.depth += 1
        try:
            yield
        finally:
            self.depth -= len(headers)


# -- expressions as text


def arithmetic(e: Expr, leaf: Leaf) -> str:
    """Return a number's Python text; truth values become 0 and 1."""
    if isinstance(e, Const):
        if isinstance(e.value, float) and isinf(e.value):
            return "INF" if e.value > 0 else "-INF"
        return repr(e.value)
    if not isinstance(e, Apply):
        return leaf(e)
    if e.kind.sort == "bit" and e.operator != "if":
        return f"(1 if {truth(e, leaf)} else 0)"
    args = [arithmetic(a, leaf) for a in e.arguments] if e.operator != "if" else []
    match e.operator:
        case "if":
            condition, yes, no = e.arguments
            return (
                f"({arithmetic(yes, leaf)} if {truth(condition, leaf)} else {arithmetic(no, leaf)})"
            )
        case "neg":
            return f"(-{args[0]})"
        case "^":
            if fixed_value(e.arguments[1]) == 2:
                return f"square({args[0]})"
            if fixed_value(e.arguments[1]) == 1:
                return args[0]
            return f"(float({args[0]}) ** {args[1]})" if e.kind.sort == "real" else (
                f"({args[0]} ** {args[1]})"
            )  # fmt: skip
        case "min" | "max" | "abs" | "sigmoid" | "softplus":
            return f"{e.operator}({', '.join(args)})"
        case "exp" | "log" | "sqrt" | "tanh" | "cosh" | "sinh":
            return f"math.{e.operator}({args[0]})"
    return f"({args[0]} {_INFIX[e.operator]} {args[1]})"


def truth(e: Expr, leaf: Leaf) -> str:
    """Return a condition's Python text."""
    if isinstance(e, Apply):
        if e.operator in _COMPARE:
            a, b = (arithmetic(x, leaf) for x in e.arguments)
            return f"({a} {e.operator} {b})"
        if e.operator in ("and", "or"):
            a, b = (truth(x, leaf) for x in e.arguments)
            return f"({a} {e.operator} {b})"
        if e.operator == "not":
            return f"(not {truth(e.arguments[0], leaf)})"
        if e.operator == "=>":
            a, b = (truth(x, leaf) for x in e.arguments)
            return f"((not {a}) or {b})"
        if e.operator == "if":
            c, a, b = (truth(x, leaf) for x in e.arguments)
            return f"({a} if {c} else {b})"
    return f"({arithmetic(e, leaf)} != 0)"


# -- what an expression needs


def shallow(e: Expr) -> Iterator[Expr]:
    """Yield everything in an expression, but nothing inside its reductions."""
    stack = [e]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, Reduction):
            stack.extend(reversed(node.parts()))


def everything(e: Expr) -> Iterator[Expr]:
    stack = [e]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.parts()))


def children(e: Expr) -> list[Reduction]:
    return list(dict.fromkeys(n for n in shallow(e) if isinstance(n, Reduction)))


def axes(e: Expr) -> tuple[int, ...]:
    return tuple(sorted({n.axis for n in everything(e) if isinstance(n, State)}))


def reads_params(e: Expr) -> bool:
    """Return whether weights decide an expression, by themselves or by what maps give."""
    return any(isinstance(n, ParamRead | Output) for n in everything(e))


def split(r: Reduction) -> tuple[list[Expr], list[Expr]]:
    """Return what a sum's terms are weighted with, and what is left of its body."""
    if r.terms is not None:
        return [r.index], [r.body]
    return factors_of(r.body) if r.operator == "sum" else ([], [r.body])


# -- functions


class _Emitter:
    """Emits the two functions of one program."""

    def __init__(self, program: Program, storage: Storage) -> None:
        self.p = program
        self.storage = storage
        self.names: dict[Expr, str] = {}
        self.out = Printer()
        self.reductions = [n for n in everything(program.body) if isinstance(n, Reduction)]
        # numbered by the text alone, so that the same model always gives the same source
        self.loop_index = {r.index: f"i{r.number}" for r in self.reductions}
        self.open_loops: set[str] = set()
        self.domains = sorted(
            {n.name for n in everything(program.body) if isinstance(n, DomainSize)}
            | {s.count.name for s in program.sets if isinstance(s.count, DomainSize)}
            | {
                n.name
                for r in self.reductions
                for end in (r.low, r.high)
                for n in everything(end)
                if isinstance(n, DomainSize)
            }
        )

    # what the function takes

    def arguments(self) -> list[str]:
        """Return the names of the arrays, in the order in which grounding passes them."""
        p = self.p
        names = [f"p_{name}" for name in p.params]
        names += [f"m{k}" for k in range(len(p.calls))]
        names += [f"s{k}" for k in range(len(p.slots)) if k not in p.picked]
        names += [f"v{k}" for k in range(len(p.tabled))]
        used = {n.number for n in everything(p.body) if isinstance(n, InPlace)}
        for k in sorted(used):
            names += [f"d{k}", f"b{k}"]
        for k in range(len(p.terms)):
            names += [f"at{k}", f"by{k}", f"o{k}"]
        for k in range(len(p.picks)):
            names += [f"pick{k}", f"start{k}"]
        names += [f"r{k + 1}" for k in range(len(p.spaces))]
        names += [f"l{k}" for k in range(len(p.lookups))]
        names += [f"n_{name}" for name in self.domains]
        return names

    # leaves

    def leaf(self, e: Expr) -> str:
        if e in self.names:
            return self.names[e]
        match e:
            case State():
                return f"y{e.axis}"
            case Lookup():
                return f"l{e.number}[y{e.state.axis}]"
            case Tabled():
                space = self.p.tabled[e.number].slot.space
                at = "row" if space == 0 else f"q{space}"
                return f"v{e.number}[{at}, {self.flat(axes(e))}]"
            case Variable():
                return self.loop_index[e]
            case DomainSize():
                return f"n_{e.name}"
            case Reduction():
                own = axes(e.body)
                return f"t{e.number}[{self.flat(own)}]" if own else f"t{e.number}"
            case ParamRead():
                return f"p_{e.name}[{self.param_index(e)}]"
            case Output():
                return f"m{e.number}[{self.output_index(e)}]"
        raise AssertionError(e)

    def number(self, e: Expr) -> str:
        return arithmetic(e, self.leaf)

    def param_index(self, e: ParamRead) -> str:
        if not e.indices:
            return "0"
        return ", ".join(self.whole(e.indices[k]) for k in self.storage[e.name])

    def output_index(self, e: Output) -> str:
        text = self.leaf(e.place)
        for stride, index in e.steps:
            step = self.whole(index)
            text += (
                f" + {step}" if fixed_value(stride) == 1 else f" + {self.whole(stride)} * {step}"
            )
        return text

    def whole(self, e: Expr) -> str:
        text = self.number(e)
        return text if e.kind.sort != "bit" or isinstance(e, State | Slot) else f"int({text})"

    def card(self, axis: int) -> str:
        return extent(self.p.sets[axis])

    def flat(self, own: tuple[int, ...]) -> str:
        """Return the position of the states of some axes in a flat array over them."""
        text = ""
        for axis in own:
            text = f"y{axis}" if not text else f"({text}) * {self.card(axis)} + y{axis}"
        return text or "0"

    def state_loops(self, own: tuple[int, ...]) -> list[str]:
        return [f"for y{axis} in range({self.card(axis)}):" for axis in own]

    # pieces

    def hoist(self, body: Expr, space: int | None, index: Variable | None) -> None:
        """Give names to what this loop's body reads from memory, before the states' loops."""
        for node in everything(body):
            if node in self.names:
                continue
            if isinstance(node, Slot) and self.p.slots[node.number].space == space:
                at = "row" if space == 0 else f"q{space}"
                name = f"x{len(self.names)}"
                self.out(f"{name} = s{node.number}[{at}]")
                self.names[node] = name
            elif isinstance(node, InPlace):
                inside = [v for _, v in node.steps]
                loops = [v for v in inside if self.loop_index[v] in self.open_loops]
                if len(loops) < len(inside) or (index is not None and index not in inside):
                    continue
                if index is None:
                    continue
                base_space = self.p.bases[node.number].space
                at = "row" if base_space == 0 else f"q{base_space}"
                steps = "".join(
                    f" + {self.loop_index[v]}"
                    if fixed_value(s) == 1
                    else f" + {self.whole(s)} * {self.loop_index[v]}"
                    for s, v in node.steps
                )
                name = f"x{len(self.names)}"
                text = f"d{node.number}[b{node.number}[{at}]{steps}]"
                self.out(f"{name} = float({text})" if node.kind.sort == "real" else
                         f"{name} = {text}")  # fmt: skip
                self.names[node] = name

    @contextmanager
    def loop(self, r: Reduction) -> Iterator[None]:
        """The loop of a reduction, with its reads hoisted."""
        if r.space is None:
            index = self.loop_index[r.index]
            last = fixed_value(r.high)
            stop = f"{self.number(r.high)} + 1" if last is None else f"{last + 1}"
            header = f"for {index} in range({self.number(r.low)}, {stop}):"
        else:
            parent = self.p.spaces[r.space - 1].parent
            above = "row" if parent == 0 else f"q{parent}"
            index = f"q{r.space}"
            header = f"for {index} in range(r{r.space}[{above}], r{r.space}[{above} + 1]):"
        before = dict(self.names)
        self.open_loops = self.open_loops | {index}
        with self.out.block(header):
            self.hoist(r.body, r.space, r.index if r.space is None else None)
            yield
        self.open_loops = self.open_loops - {index}
        self.names = before

    def forward(self, body: Expr) -> None:
        """Compute the reductions that stand in ``body``."""
        for r in children(body):
            if r.picks is not None:
                span = f"start{r.picks}[row], start{r.picks}[row + 1]"
                self.out(f"sum_rows(flat{r.number}, pick{r.picks}, {span}, t{r.number})")
                continue
            own = axes(r.body)
            start = {"sum": "0.0", "min": "INF", "max": "-INF"}[r.operator]
            self.out(f"t{r.number}[:] = {start}" if own else f"t{r.number} = {start}")
            plain, rest = split(r)
            inner = product(rest, r.body)
            with self.terms(r, plain, inner):
                self.forward(inner)
                target = f"t{r.number}[{self.flat(own)}]" if own else f"t{r.number}"
                with self.out.block(*self.state_loops(own)):
                    value = self.number(inner)
                    if r.operator == "sum":
                        self.out(f"{target} += {value}{f' * w{r.number}' if plain else ''}")
                    else:
                        self.out(f"{target} = {r.operator}({target}, {value})")

    def gathers(self, r: Reduction) -> bool:
        """Return whether a sum's non-zero terms are found first, without a branch each."""
        plain, rest = split(r)
        return (
            r.operator == "sum"
            and r.terms is None
            and r.space is None
            and bool(plain)
            and not any(
                isinstance(n, Slot | InPlace | Reduction) for e in rest for n in everything(e)
            )
        )

    @contextmanager
    def terms(self, r: Reduction, plain: list[Expr], rest: Expr) -> Iterator[None]:
        """The loop over the terms of a reduction that do not vanish."""
        if r.terms is not None:
            n, k, space = r.number, r.terms, self.p.bases[self.p.terms[r.terms].base].space
            row = f"q{space}" if space else "row"
            with self.out.block(f"for j{n} in range(o{k}[{row}], o{k}[{row} + 1]):"):
                self.out(f"{self.loop_index[r.index]} = at{k}[j{n}]")
                self.out(f"w{n} = by{k}[j{n}]")
                yield
            return
        if not self.gathers(r):
            with self.loop(r), self.out.block(*self.weigh(plain, r)):
                yield
            return
        n, index = r.number, self.loop_index[r.index]
        self.out(f"k{n} = 0")
        with self.loop(r):
            self.weigh(plain, r)
            self.out(f"place{n}[k{n}] = {index}")
            self.out(f"gain{n}[k{n}] = w{n}")
            self.out(f"k{n} += w{n} != 0.0")
        with self.out.block(f"for j{n} in range(k{n}):"):
            self.out(f"{index} = place{n}[j{n}]")
            self.out(f"w{n} = gain{n}[j{n}]")
            yield

    def weigh(self, plain: list[Expr], r: Reduction) -> list[str]:
        """Name the product of a loop's plain factors; what it is 0 for is skipped."""
        if not plain:
            return []
        self.out(f"w{r.number} = {' * '.join(self.number(x) for x in plain)}")
        return [f"if w{r.number} != 0.0:"]

    def backward(self, body: Expr, adjoint: str, weight: str = "", best: str = "") -> None:
        """Add adjoint * d(body)/d(param) to the gradients, at every state of ``body``.

        Parameters
        ----------
        best : the least or greatest of all values of ``body``: the first that attains it takes
            the adjoint, which is set to 0.
        """
        own = axes(body)
        leaves = list(dict.fromkeys(n for n in shallow(body) if isinstance(n, ParamRead | Output)))
        inner = [r for r in children(body) if reads_params(r)]
        lines: list[str] = []
        # the values of loops are needed where a slope reads them, or to see which is the best
        needed = bool(best and children(body)) or any(r.operator != "sum" for r in inner)
        targets: list[ParamRead | Output | Reduction] = [*leaves, *inner]
        for leaf in targets:
            slope = derivative(body, leaf)
            needed = needed or bool(children(slope))
            if isinstance(leaf, ParamRead):
                target = f"g_{leaf.name}[{self.param_index(leaf)}]"
            elif isinstance(leaf, Output):
                target = f"h{leaf.number}[{self.output_index(leaf)}]"
            else:
                mine = axes(leaf.body)
                target = f"a{leaf.number}[{self.flat(mine)}]" if mine else f"a{leaf.number}"
            value = fixed_value(slope)
            if value == 0:
                continue
            lines.append(
                f"{target} += c" if value == 1 else f"{target} -= c" if value == -1
                else f"{target} += c * {self.number(slope)}"
            )  # fmt: skip
        if needed:
            self.forward(body)
        for r in inner:
            self.out(f"a{r.number}[:] = 0.0" if axes(r.body) else f"a{r.number} = 0.0")
        with self.out.block(*self.state_loops(own)):
            self.out(f"c = {adjoint}{weight}")
            if best:
                self.out(f"if {self.number(body)} != {best}:")
                self.out("    c = 0.0")
                self.out("else:")
                self.out(f"    {adjoint} = 0.0")
            for line in lines:
                self.out(line)
        for r in inner:
            if r.picks is not None:
                with self.out.block(f"for k in range(len(a{r.number})):"):
                    self.out(f"adjoint{r.picks}[row, k] = a{r.number}[k]")
                continue
            plain, rest = split(r)
            mine = axes(r.body)
            text = f"a{r.number}[{self.flat(mine)}]" if mine else f"a{r.number}"
            inner_body = product(rest, r.body)
            best = "" if r.operator == "sum" else f"t{text[1:]}"
            with self.terms(r, plain, inner_body):
                self.backward(inner_body, text, f" * w{r.number}" if plain else "", best)

    def scratch(self, prefix: str) -> None:
        """Arrays over the states of each reduction."""
        for r in dict.fromkeys(self.reductions):
            own = axes(r.body)
            if own:
                size = " * ".join(self.card(axis) for axis in own)
                self.out(f"{prefix}{r.number} = np.empty({size})")
            if prefix == "t" and r.picks is not None:
                self.out(f"flat{r.number} = p_{self.p.picks[r.picks].param}.reshape(-1)")
            if prefix == "t" and self.gathers(r):
                low, high = self.number(r.low), self.number(r.high)
                self.out(f"place{r.number} = np.empty({high} - {low} + 1, np.int64)")
                self.out(f"gain{r.number} = np.empty({high} - {low} + 1)")

    # the two functions

    def energy(self) -> list[str]:
        p = self.p
        every = tuple(range(len(p.sets)))
        arguments = ", ".join(["low", "high", *self.arguments(), "out"])
        self.out("@kernel")
        with self.out.block(f"def energy{p.symbol}({arguments}):"):
            self.scratch("t")
            with self.out.block("for row in range(low, high):"):
                self.hoist(p.body, 0, None)
                self.forward(p.body)
                with self.out.block(*self.state_loops(every)):
                    self.out(f"out[row, {self.flat(every)}] = {self.number(p.body)}")
        return self.finish()

    def gradient(self) -> list[str]:
        p = self.p
        every = tuple(range(len(p.sets)))
        gradients = [f"g_{name}" for name in p.params]
        gradients += [f"h{k}" for k in range(len(p.calls))]
        gradients += [f"adjoint{k}" for k in range(len(p.picks))]
        arguments = ", ".join(["low", "high", *self.arguments(), "cotangent", *gradients])
        self.out("@kernel")
        with self.out.block(f"def gradient{p.symbol}({arguments}):"):
            self.scratch("t")
            self.scratch("a")
            with self.out.block("for row in range(low, high):"):
                with self.out.block("if not touched(cotangent[row]):"):
                    for k in range(len(p.picks)):
                        self.out(f"adjoint{k}[row, :] = 0.0")
                    self.out("continue")
                self.hoist(p.body, 0, None)
                # every state of the table counts, also where the code does not depend on it
                self.whole_table(every)
        return self.finish()

    def whole_table(self, every: tuple[int, ...]) -> None:
        own = axes(self.p.body)
        if own == every:
            self.backward(self.p.body, f"cotangent[row, {self.flat(every)}]")
            return
        size = " * ".join(self.card(a) for a in own) or "1"
        self.out(f"total = np.zeros({size})")
        with self.out.block(*self.state_loops(every)):
            self.out(f"total[{self.flat(own)}] += cotangent[row, {self.flat(every)}]")
        self.backward(self.p.body, f"total[{self.flat(own)}]")

    def finish(self) -> list[str]:
        lines, self.out = self.out.lines, Printer()
        self.names = {}
        return lines


def extent(values: IndexSet) -> str:
    """Return the number of values of a set as text: a number, or a name for a filled domain."""
    if isinstance(values.count, DomainSize):
        return f"n_{values.count.name}"
    return str(values.fixed)


def factor(program: Program, storage: Storage) -> tuple[list[str], list[str]]:
    """Return the source lines of a factor's functions, and its arguments' names.

    Parameters
    ----------
    storage : the order in which each param's axes are stored.
    """
    emitter = _Emitter(program, storage)
    lines = [f"# {comment(program.factor.span.text)}", ""]
    lines += emitter.energy()
    if program.params or program.calls:
        lines += ["", "", *emitter.gradient()]
    return lines, emitter.arguments()

"""A loss as readable Numba source: its value for each instance, and its slopes in the probes.

The function takes, besides the instances' weights, for each probe its values and the array of
its slopes (by rows of its space, 0 to begin with), the slots, and for each space the offsets of
its rows in those of its parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from factorgraph.compiler.differentiate import derivative
from factorgraph.compiler.emit import Printer, arithmetic, children, comment, shallow
from factorgraph.compiler.loss import LossProgram, ProbeValue
from factorgraph.compiler.program import Reduction, Slot
from factorgraph.model.expression import INT, Expr, Variable, fixed_value, show


def arguments(loss: LossProgram) -> list[str]:
    """Return what the function takes after the weights and the values to fill."""
    names = [f"{which}{k}" for k in range(len(loss.probes)) for which in "eg"]
    names += [f"s{k}" for k in range(len(loss.slots))]
    return names + [f"r{k + 1}" for k in range(len(loss.spaces))]


def loss_function(loss: LossProgram) -> list[str]:
    """Return the source lines of the loss over all instances."""
    return _Emitter(loss).lines()


def show_loss(loss: LossProgram) -> str:
    """Return the formula over probes e0, e1, … as text."""
    return show(_named(loss, loss.value))


def _named(loss: LossProgram, e: Expr) -> Expr:
    if isinstance(e, ProbeValue):
        return Variable(e.span, INT, f"e{e.number}", e.number)
    if isinstance(e, Slot):
        return loss.slots[e.number].value
    if isinstance(e, Reduction):
        from factorgraph.model.expression import Reduce

        assert e.space is not None
        space = loss.spaces[e.space - 1]
        body = _named(loss, e.body)
        return Reduce(e.span, e.kind, e.operator, e.index, e.low, e.high, space.guard, body)
    parts = getattr(e, "arguments", None)
    if parts is None:
        return e
    return replace(e, arguments=tuple(_named(loss, a) for a in parts))  # type: ignore[call-arg]


class _Emitter:
    def __init__(self, loss: LossProgram) -> None:
        self.loss = loss
        self.out = Printer()

    def row(self, space: int) -> str:
        return f"q{space}" if space else "i"

    def leaf(self, e: Expr) -> str:
        match e:
            case ProbeValue():
                return f"e{e.number}[{self.row(self.loss.probes[e.number].space)}]"
            case Slot():
                return f"s{e.number}[{self.row(self.loss.slots[e.number].space)}]"
            case Reduction():
                return f"t{e.number}"
        raise AssertionError(e)

    def text(self, e: Expr) -> str:
        return arithmetic(e, self.leaf)

    @contextmanager
    def loop(self, r: Reduction) -> Iterator[None]:
        assert r.space is not None
        parent = self.row(self.loss.spaces[r.space - 1].parent)
        offsets = f"r{r.space}"
        header = f"for q{r.space} in range({offsets}[{parent}], {offsets}[{parent} + 1]):"
        with self.out.block(header):
            yield

    def lines(self) -> list[str]:
        loss, out = self.loss, self.out
        out(f"# loss {comment(loss.name)} = {comment(show_loss(loss))}")
        for k, probe in enumerate(loss.probes):
            out(f"# e{k} = {comment(str(probe).replace('…', '...'))}")
        out("@kernel")
        with out.block(f"def loss({', '.join(['weight', 'value', *arguments(loss)])}):"):
            with out.block("for i in range(len(weight)):"):
                with out.block("if weight[i] == 0.0:"):
                    out("value[i] = 0.0")
                    out("continue")
                self.forward(loss.value)
                out(f"value[i] = weight[i] * {self.text(loss.value)}")
                self.backward(loss.value, "weight[i]")
        return out.lines

    def forward(self, body: Expr) -> None:
        """Compute the reductions that stand in ``body``."""
        for r in children(body):
            self.out(f"t{r.number} = {_START[r.operator]}")
            with self.loop(r):
                self.forward(r.body)
                value = self.text(r.body)
                self.out(
                    f"t{r.number} += {value}" if r.operator == "sum"
                    else f"t{r.number} = {r.operator}(t{r.number}, {value})"
                )  # fmt: skip

    def backward(self, body: Expr, adjoint: str) -> None:
        """Add adjoint times the slopes of ``body`` to those of its probes."""
        probes = dict.fromkeys(n for n in shallow(body) if isinstance(n, ProbeValue))
        for probe in probes:
            slope = derivative(body, probe)
            known = fixed_value(slope)
            if known == 0:
                continue
            target = self.leaf(probe).replace("e", "g", 1)
            self.out(f"{target} += {adjoint}" + ("" if known == 1 else f" * {self.text(slope)}"))
        for r in children(body):
            if not any(isinstance(n, ProbeValue) for n in _all(r.body)):
                continue
            slope = derivative(body, r)
            known = fixed_value(slope)
            if known == 0:
                continue
            self.out(f"a{r.number} = {adjoint}" + ("" if known == 1 else f" * {self.text(slope)}"))
            with self.loop(r):
                self.forward(r.body)
                if r.operator == "sum":
                    self.backward(r.body, f"a{r.number}")
                    continue
                with self.out.block(f"if {self.text(r.body)} == t{r.number}:"):
                    self.backward(r.body, f"a{r.number}")
                    self.out("break")


_START = {"sum": "0.0", "min": "INF", "max": "-INF"}


def _all(e: Expr) -> Iterator[Expr]:
    stack = [e]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.parts())

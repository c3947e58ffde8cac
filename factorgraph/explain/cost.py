"""What one instance costs: tables to be filled, passes to be made, bytes to be held."""

from __future__ import annotations

from math import inf

from factorgraph.compiler.formula import add, formula, multiply, number
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.notation import Fence, Name, Notation, Number
from factorgraph.compiler.program import Output, Program, Reduction
from factorgraph.explain.explanation import Block, Paragraph, Table, Words
from factorgraph.explain.facts import Facts, Look
from factorgraph.judge.shape import shape_of
from factorgraph.model.expression import Apply, Expr, ParamRead, fixed_value, walk
from factorgraph.model.grid import Grid
from factorgraph.model.model import Binder, IndexSet


def extent(low: Expr, high: Expr) -> Notation:
    """Return how many whole numbers lie in ``low .. high``, as a formula."""
    first, last = fixed_value(low), fixed_value(high)
    if first is not None and last is not None:
        return number(int(last) - int(first) + 1)
    base, offset = _linear(high)
    if first is not None:
        more = offset + 1 - int(first)
        if more == 0:
            return formula(base)
        return add([(False, formula(base)), (more < 0, number(abs(more)))])
    return add([(False, formula(high)), (True, formula(low)), (False, Number("1"))])


def _linear(e: Expr) -> tuple[Expr, int]:
    """Return an expression as another plus a whole number."""
    if isinstance(e, Apply) and e.operator in ("+", "-"):
        a, b = e.arguments
        k = fixed_value(b)
        if isinstance(k, int):
            return a, k if e.operator == "+" else -k
    return e, 0


def rows_of(binders: tuple[Binder, ...]) -> Notation:
    """Return how many terms a factor has in an instance, guards aside."""
    return multiply(*(extent(b.low, b.high) for b in binders))


def states_of(sets: tuple[IndexSet, ...], grids: dict[str, Grid]) -> Notation:
    """Return how many entries a table has; those of a real unknown are the points of its grid."""
    points = {grid.places: grid.count for grid in grids.values()}
    fixed = [points.get(s.name, s.fixed) for s in sets]
    if all(k is not None for k in fixed):
        total = 1
        for k in fixed:
            total *= k or 1
        return Number(str(total))
    return multiply(*(
        number(s.fixed) if s.fixed is not None else Fence("|", Name(s.name), "|") for s in sets
    ))  # fmt: skip


def work_of(program: Program) -> Notation:
    """Return how many summands one entry takes: those of its longest loops."""
    loops = [e for e in walk(program.body) if isinstance(e, Reduction)]
    outer: list[Reduction] = [
        r for r in loops if not any(r is not o and _holds(o, r) for o in loops)
    ]
    terms = [_work(r) for r in outer]
    others = sum(1 for e in walk(program.body) if isinstance(e, ParamRead | Output))
    inside = sum(1 for r in outer for e in walk(r) if isinstance(e, ParamRead | Output))
    plain = max(others - inside, 0 if terms else 1)
    fixed = plain + sum(int(t.text) for t in terms if isinstance(t, Number))
    parts = [(False, t) for t in terms if not isinstance(t, Number)]
    return add([*parts, (False, number(fixed))] if fixed else parts)


def _holds(outer: Reduction, inner: Reduction) -> bool:
    return any(e is inner for e in walk(outer.body))


def _work(r: Reduction) -> Notation:
    inner = [e for e in walk(r.body) if isinstance(e, Reduction)]
    own = extent(r.low, r.high)
    return multiply(own, *(extent(i.low, i.high) for i in inner[:1]))


def cost_blocks(facts: Facts, compiled: Compiled) -> list[Block]:
    """Return the costs of one instance, as formulas of its sizes."""
    rows: list[tuple[Words, ...]] = []
    passes: list[tuple[bool, Notation]] = []
    held: list[tuple[bool, Notation]] = []
    programs = compiled.programs
    for p in programs:
        count, states = rows_of(p.factor.binders), states_of(p.sets, compiled.model.grids)
        shared = p.tables
        tables = Number("1") if shared == "one table for all rows" else count
        entries = multiply(tables, states)
        rows.append(((Name(p.name),), (count,), (states,), (work_of(p),), (shared,)))
        passes.append((False, multiply(count, states)))
        held.append((False, entries))
    blocks: list[Block] = []
    if rows:
        blocks.append(Paragraph((
            "Before inference the factors' tables are filled, an entry for each joint state of the "
            "unknowns that a factor reads:",
        )))  # fmt: skip
        blocks.append(
            Table(("factor", "rows", "entries a table", "summands an entry", "tables"),
                  tuple(rows))
        )  # fmt: skip
        blocks.append(Paragraph((
            "Numbers held: ", add(held), ", of 8 bytes, for the energies and as many for their "
            "cotangents; tables that rows or instances share are held once.",
        )))  # fmt: skip
        blocks.append(Paragraph(("One pass over the graph touches M = ", add(passes),
                                 " entries (an addition and a comparison, or an exponential, "
                                 "each).")))  # fmt: skip
    costs = [(False, multiply(rows_of(p.factor.binders), states_of(p.sets, compiled.model.grids)))
             for look in facts.looks for p in look.cost]  # fmt: skip
    if costs:
        blocks.append(Paragraph(("Costs take tables of their own, of ", add(costs),
                                 " entries together.")))  # fmt: skip
    blocks += _probes(facts)
    for kind in compiled.kinds:
        if kind.needed:
            blocks.append(Paragraph((
                f"Factor {kind.name} is of kind {kind.kind} and needs no table.",
            )))  # fmt: skip
    return blocks


def _probes(facts: Facts) -> list[Block]:
    if facts.loss is None:
        return []
    rows = []
    for look in facts.looks:
        rows.append(((look.name,), _passes(look, facts)))
    return [
        Table(("probe", "what it takes in an instance"), tuple(rows)),
        Paragraph((
            "Probes that are alike run once; the tables are filled once for all of them, and their "
            "cotangents are added up before one backward pass through the factors.",
        )),
    ]  # fmt: skip


def _passes(look: Look, facts: Facts) -> Words:
    probe = look.probe
    loss = facts.loss
    assert loss is not None
    rows: list[Notation] = []
    space = probe.space
    while space:
        s = loss.spaces[space - 1]
        rows.insert(0, extent(s.low, s.high))
        space = s.parent
    times = multiply(*rows)
    each: Words = (", for each of at most ", times, " rows") if rows else ()
    if probe.search is not None:
        if probe.search.what == "energy":
            return ("nothing more",)
        return ("a pass for each possible total cost",)
    if look.single:
        return ("a lookup for each term of each factor",)
    if probe.part is not None and probe.part.indices is not None:
        return ("the entries of one table", *each)
    if probe.region == "only" and probe.space:
        return ("the states of the unknowns at its places, with the factors that touch them", *each)
    shape = shape_of(facts.model)
    if not shape.is_forest:
        return ("what the chosen engine takes; exponential in the width of the graph's junction "
                "tree where it has loops", *each)  # fmt: skip
    if probe.differs and probe.beta != inf:
        return ("2 M operations for each unknown of the answer", *each)
    if probe.differs:
        return ("3 M operations: min-marginals, and a pass with one state held", *each)
    if probe.beta != inf:
        return ("2 M operations: a pass towards a root and one back, for the marginals", *each)
    return ("M operations: a pass towards a root, and back along the best states", *each)

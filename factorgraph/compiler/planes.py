"""Source of what hands out gradients instance by instance, one call for many instances.

The emitted gradient of a factor adds the slopes of a range of tables to arrays of weights. Where
each instance has tables of its own, a range of them gives its gradient; the loop over instances
is emitted too, as a call from Python would cost more than most gradients do.
"""

from __future__ import annotations

from factorgraph.compiler.emit import Printer
from factorgraph.compiler.module import Compiled, module_name
from factorgraph.compiler.program import Program

GROUP = ("rows", "table", "scope", "cards", "place")
"""Arrays that tell which entries a group of factors reads."""

WALK = (
    "chosen", "weight", "answer", "bounds", "state", "unary", "link", "roots", "values", "heard",
    "states", "told", "cotangent", "starts", "touched", "begin", "start", "inverse", "w",
    "scratch", "plane", "planes", "offsets", "held", "mean", "done", "losses",
)  # fmt: skip
"""What ``walk`` takes before the arrays of programs and groups; see `factorgraph.learn.walk`."""


def moving(compiled: Compiled) -> list[Program]:
    """Return the programs whose tables change with the weights."""
    return [p for p in compiled.programs if p.params]


def planes_text(compiled: Compiled) -> str:
    """Return the source of a function ``planes<symbol>`` for each program with params.

    Each takes ``ranges`` (int64 [I + 1], where each instance's tables begin), ``places`` (int64
    [params, 2], where each param's part of the flat vector begins and ends), the arrays of the
    program, the cotangent of its tables, room for the adjoints of its lists, those params again
    whose gradients it gives, and ``out`` (float64 [I or 1, n]), to which it adds.
    """
    out = _head(compiled, ["gradient"])
    out("from factorgraph.learn.ascent import picked")
    for program in moving(compiled):
        symbol, arguments = program.symbol, compiled.arguments[program.symbol]
        taken = [
            "ranges", "places", *arguments, "cotangent", *_rooms(program, ""),
            *(f"like_{n}" for n in program.params),
        ]  # fmt: skip
        _spaced(out, "@kernel")
        with out.block(f"def planes{symbol}({', '.join([*taken, 'out'])}):"):
            with out.block("for i in range(len(ranges) - 1):"):
                out("k = i if len(out) > 1 else 0")
                targets = []
                for number, name in enumerate(program.params):
                    part = f"out[k, places[{number}, 0]:places[{number}, 1]]"
                    out(f"g_{name} = {part}.reshape(like_{name}.shape)")
                    targets.append(f"g_{name}")
                called = ["ranges[i]", "ranges[i + 1]", *arguments, "cotangent", *targets]
                out(f"gradient{symbol}({', '.join([*called, *_rooms(program, '')])})")
                _scatter(out, program, "ranges", "", "")
    return "\n".join(out.lines) + "\n"


def walk_text(compiled: Compiled, costs: int) -> str:
    """Return the source of ``walk``: Frank-Wolfe over instances one by one, for one kind of loss.

    The loss is E(answer) - min(E(Y) - cost(Y)) on forests of factors of one or two unknowns. For
    each instance in turn, tables are filled with the weights as they are, the worst
    configuration is found, and a step is made along its plane.

    Parameters
    ----------
    costs : groups of factors that the cost adds, their tables last among the values.
    """
    out = _head(compiled, ["energy", "gradient"])
    out("import numpy as np")
    out("from factorgraph.engine.minimise import ascend, decode, gather")
    out("from factorgraph.learn.ascent import harvest, mixed, picked, step, valued")
    programs = moving(compiled)
    taken = list(WALK)
    for k, program in enumerate(programs):
        taken += [f"ranges{k}", f"size{k}", f"number{k}"]
        taken += [f"x{k}_{name}" for name in compiled.arguments[program.symbol]]
        taken += _rooms(program, f"r{k}_")
        taken += [f"g{k}_{name}" for name in program.params]
    groups = len(compiled.programs) + costs
    taken += [f"{name}_{g}" for g in range(groups) for name in GROUP]
    _spaced(out, "@kernel")
    with out.block(f"def walk({', '.join(taken)}):"):
        out("total = 0.0")
        with out.block("for n in range(len(chosen)):"):
            out("i = chosen[n]")
            for k, program in enumerate(programs):
                given = ", ".join(f"x{k}_{n}" for n in compiled.arguments[program.symbol])
                tables = f"values[0, {_part(compiled, program, k)}].reshape(number{k}, size{k})"
                out(f"energy{program.symbol}(ranges{k}[i], ranges{k}[i + 1], {given}, {tables})")
            _infer(out)
            for g in range(groups):
                owned = g < len(compiled.programs) and compiled.programs[g] in programs
                _compare(out, g, owned, g < len(compiled.programs))
            for k, program in enumerate(programs):
                given = ", ".join(f"x{k}_{n}" for n in compiled.arguments[program.symbol])
                targets = ", ".join(f"g{k}_{n}" for n in program.params)
                place = f"place_{compiled.programs.index(program)}"
                tables = f"cotangent[{_part(compiled, program, k)}].reshape(number{k}, size{k})"
                call = [f"ranges{k}[i], ranges{k}[i + 1], {given}, {tables}, {targets}"]
                call += _rooms(program, f"r{k}_")
                out(f"gradient{program.symbol}({', '.join(call)})")
                _scatter(out, program, f"ranges{k}", f"x{k}_", f"r{k}_", f"g{k}_")
                ends = [f"{place} + ranges{k}[i{more}] * size{k}" for more in ("", " + 1")]
                out(f"cotangent[{' : '.join(ends)}] = 0.0")
            _step(out)
        out("return total")
    return "\n".join(out.lines) + "\n"


def _rooms(program: Program, prefix: str) -> list[str]:
    """Return the names of the arrays that the adjoints of a program's lists go to."""
    return [f"{prefix}adjoint{k}" for k in range(len(program.picks))]


def _scatter(
    out: Printer, program: Program, ranges: str, given: str, room: str, target: str = "g_"
) -> None:
    """Add the adjoints of a program's lists to the rows of weights that they pick."""
    for k, listed in enumerate(program.picks):
        rows = f"{target}{listed.param}"
        flat = f"{rows}.reshape({rows}.shape[0], {room}adjoint{k}.shape[1])"
        lists = f"{given}pick{k}, {given}start{k}, {room}adjoint{k}"
        out(f"picked({lists}, {ranges}[i], {ranges}[i + 1], {flat})")


def _part(compiled: Compiled, program: Program, k: int) -> str:
    place = f"place_{compiled.programs.index(program)}"
    return f"{place} : {place} + number{k} * size{k}"


def _head(compiled: Compiled, functions: list[str]) -> Printer:
    out = Printer()
    out("# Emitted by fgc from a model text; made again when the model changes.")
    out("from factorgraph.jit import kernel")
    names = [f"{f}{p.symbol}" for p in moving(compiled) for f in functions]
    if names:
        out(f"from {module_name(compiled.text)} import {', '.join(names)}")
    return out


def _spaced(out: Printer, line: str) -> None:
    for _ in range(2):
        out("")
    out(line)


def _infer(out: Printer) -> None:
    out("v0, v1 = bounds[i, 0], bounds[i + 1, 0]")
    out("s0, s1 = state[v0], state[v1]")
    out("mine = np.zeros((1, s1 - s0))")
    out("best = np.empty((1, v1 - v0), np.int32)")
    out("gather(bounds, state, unary, values, i, i + 1, mine)")
    out("ascend(bounds, link, values, i, i + 1, s0, mine, told, heard)")
    out("decode(bounds, state, link, roots, values, i, i + 1, mine, best)")
    out("states[0, v0:v1] = best[0]")
    out("here, there, share = 0.0, 0.0, weight[i]")


def _compare(out: Printer, g: int, owned: bool, own: bool) -> None:
    """Add a group's energies at the answer and at the worst, and its cotangents."""
    with out.block(f"for r in range(rows_{g}[i], rows_{g}[i + 1]):"):
        out("a, b = 0, 0")
        with out.block(f"for k in range(len(cards_{g})):"):
            out(f"a = a * cards_{g}[k] + answer[scope_{g}[r, k]]")
            out(f"b = b * cards_{g}[k] + states[0, scope_{g}[r, k]]")
        out("size = 1")
        with out.block(f"for k in range(len(cards_{g})):"):
            out(f"size *= cards_{g}[k]")
        out(f"a += place_{g} + table_{g}[r] * size")
        out(f"b += place_{g} + table_{g}[r] * size")
        if own:
            out("here += values[0, a]")
        out("there += values[0, b]")
        if owned:
            out("cotangent[a] += share")
            out("cotangent[b] -= share")


def _step(out: Printer) -> None:
    out("rows = touched[starts[i]:starts[i + 1]]")
    out("low, high = begin[i], begin[i + 1]")
    out("harvest(rows, start, scratch, plane)")
    out("loss = share * (here - there)")
    out("losses[i] = loss")
    out("offset = loss - valued(rows, start, plane, w)")
    out("total += step(")
    out("    rows, start, plane, offset, inverse, w, planes[low:high], offsets, i, held[i] != 0")
    out(")")
    out("held[i] = 1")
    out("mixed(mean, w, done + n)")

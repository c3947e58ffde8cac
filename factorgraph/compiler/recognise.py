"""Structure that is found, never declared: factors whose messages have a closed form.

A factor is recognised by what its expression is, whatever names and letters it uses. What is
found is a kind (a file of `factorgraph.factors`), the unknowns that it is about, and *numbers*:
expressions of data and params alone, one value for each row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    Distinct,
    Expr,
    FieldRead,
    Reduce,
    UnknownRead,
    Variable,
    alike,
    fixed_value,
    free_variables,
    is_known,
    show,
    walk,
)
from factorgraph.model.model import FactorDeclaration, Model


@dataclass(frozen=True)
class Recognised:
    """What a factor is.

    Attributes
    ----------
    kind : ``potts``, ``truncated``, ``springs``, ``bilinear``, ``parity``, ``cardinality``,
        ``counting`` or ``distinct``.
    reads : the unknowns that it is about; for the last four, the reduction.
    numbers : by name, what the kind needs to know of each row.
    says : the structure in words, for `fgc info`.
    full : of a bilinear factor, that it is a full product of index sets: one matrix.
    count : of a counting factor, what stands for the count in its number ``cost``.
    """

    kind: str
    reads: tuple[Expr, ...]
    numbers: dict[str, Expr] = field(hash=False)
    says: str
    full: bool = False
    count: Variable | None = None


def recognise(model: Model, factor: FactorDeclaration) -> Recognised | None:
    """Return the structure of a factor, None where it has none of those that are known."""
    soft = (_potts, _truncated, _springs, _bilinear, _counting)
    rules = (_reduction, _potts) if factor.hard else soft
    for rule in rules:
        found = rule(model, factor)
        if found is not None:
            return found
    return None


# -- two finite unknowns


def _finite(model: Model, read: Expr) -> bool:
    return isinstance(read, UnknownRead) and model.unknowns[read.name].values is not None


def _potts(model: Model, factor: FactorDeclaration) -> Recognised | None:
    """One energy where two unknowns are equal, another where they differ."""
    if len(factor.scope) != 2 or not all(_finite(model, r) for r in factor.scope):
        return None
    a, b = factor.scope
    if (
        a.kind.sort == "bit"
        and _truncated(model, factor) is None
        and not any(_compares(n, a, b) for n in walk(factor.value))
    ):
        return None

    def given(equal: bool) -> Expr:
        def rule(e: Expr) -> Expr | None:
            if _compares(e, a, b):
                assert isinstance(e, Apply)
                return Const(e.span, BIT, int((e.operator == "==") == equal))
            return None

        return _rewritten(factor.value, rule)

    same, other = given(True), given(False)
    if not (is_known(same) and is_known(other)):
        return None
    if factor.hard:
        ends = (Const(factor.span, REAL, 0.0), Const(factor.span, REAL, float("inf")))
        same, other = (Apply(factor.span, REAL, "if", (e, *ends)) for e in (same, other))
    return Recognised("potts", (a, b), {"equal": same, "differ": other}, "Potts")


def _compares(e: Expr, a: Expr, b: Expr) -> bool:
    return isinstance(e, Apply) and e.operator in ("==", "!=") and set(e.arguments) == {a, b}


def _truncated(model: Model, factor: FactorDeclaration) -> Recognised | None:
    """scale * min(slope * |a - b|^power, cap), power 1 or 2; without a cap it is +inf."""
    if len(factor.scope) != 2 or not all(
        _finite(model, r) and r.kind.sort in ("int", "bit") for r in factor.scope
    ):
        return None
    a, b = factor.scope
    gap = Variable(factor.span, INT, "difference", -1)
    body = _rewritten(factor.value, lambda e: gap if _subtracts(e, a, b) else None)
    scale, core = _split_product(body, gap)
    if core is None:
        return None
    cap: Expr = Const(factor.span, REAL, float("inf"))
    if isinstance(core, Apply) and core.operator == "min":
        capped = [x for x in core.arguments if gap not in free_variables(x)]
        rest = [x for x in core.arguments if gap in free_variables(x)]
        if len(capped) != 1 or len(rest) != 1 or not is_known(capped[0]):
            return None
        cap, core = capped[0], rest[0]
    slope, core = _split_product(core, gap)
    power = 0 if core is None else _power_of(core, gap)
    if not power:
        return None
    name = {1: "linear", 2: "quadratic"}[power]
    words = name if fixed_value(cap) == float("inf") else f"truncated {name}"
    numbers = {"scale": scale, "slope": slope, "cap": cap,
               "power": Const(factor.span, INT, power)}  # fmt: skip
    return Recognised("truncated", (a, b), numbers, words)


def _subtracts(e: Expr, a: Expr, b: Expr) -> bool:
    return isinstance(e, Apply) and e.operator == "-" and set(e.arguments) == {a, b}


def _power_of(e: Expr, gap: Expr) -> int:
    """Return 1 for |gap|, 2 for gap^2, 0 for anything else."""
    if isinstance(e, Apply) and e.operator == "abs" and e.arguments == (gap,):
        return 1
    if isinstance(e, Apply) and e.operator == "^" and fixed_value(e.arguments[1]) == 2:
        inner = e.arguments[0]
        if inner == gap or (
            isinstance(inner, Apply) and inner.operator == "abs" and inner.arguments == (gap,)
        ):
            return 2
    if isinstance(e, Apply) and e.operator == "*" and e.arguments == (gap, gap):
        return 2
    return 0


def _split_product(e: Expr, gap: Expr) -> tuple[Expr, Expr | None]:
    """Return the known factors of a product, and the one that depends on ``gap``."""
    known: list[Expr] = []
    rest: list[Expr] = []
    sign = 1
    todo = [e]
    while todo:
        node = todo.pop(0)
        if isinstance(node, Apply) and node.operator == "*" and node.arguments != (gap, gap):
            todo = [*node.arguments, *todo]
        elif isinstance(node, Apply) and node.operator == "neg":
            sign = -sign
            todo = [node.arguments[0], *todo]
        elif isinstance(node, Apply) and node.operator == "/" and is_known(node.arguments[1]):
            one = Const(node.span, REAL, 1.0)
            known.append(Apply(node.span, REAL, "/", (one, node.arguments[1])))
            todo = [node.arguments[0], *todo]
        elif gap in free_variables(node):
            rest.append(node)
        elif is_known(node):
            known.append(node)
        else:
            return e, None
    scale: Expr = Const(e.span, INT, sign)
    for part in known:
        scale = part if fixed_value(scale) == 1 else Apply(e.span, REAL, "*", (scale, part))
    return scale, rest[0] if len(rest) == 1 else None


# -- records


def _springs(model: Model, factor: FactorDeclaration) -> Recognised | None:
    """A sum over the fields of two records of quadratics of the fields' differences.

    Found at three points of each field, as a polynomial's coefficients are; that it is such a
    sum is checked on the expression: fields occur in differences alone, none beside another.
    """
    records = [r for r in factor.scope if r.kind.sort == "record"]
    if len(records) != 2 or not all(isinstance(r, UnknownRead) for r in records):
        return None
    a, b = records
    assert isinstance(a, UnknownRead) and isinstance(b, UnknownRead)
    names = [f.name for f in model.unknowns[a.name].fields]
    if names != [f.name for f in model.unknowns[b.name].fields]:
        return None
    gaps = {n: Variable(factor.span, INT, n, -2 - k) for k, n in enumerate(names)}

    def rule(e: Expr) -> Expr | None:
        if isinstance(e, Apply) and e.operator == "-":
            left, right = e.arguments
            if (
                isinstance(left, FieldRead)
                and isinstance(right, FieldRead)
                and left.field == right.field
                and {left.base, right.base} == {a, b}
            ):
                gap = gaps[left.field]
                return gap if left.base == a else Apply(e.span, INT, "neg", (gap,))
        return None

    body = _rewritten(factor.value, rule)
    if any(isinstance(n, FieldRead) for n in walk(body)):
        return None
    terms = _terms(body)
    numbers: dict[str, Expr] = {}
    for term in terms:
        inside = [n for n, g in gaps.items() if g in free_variables(term)]
        degree = _degree(term, set(gaps.values()))
        if len(inside) > 1 or degree is None or degree > 2:
            return None
    for name, gap in gaps.items():
        mine = [t for t in terms if gap in free_variables(t)]
        for at in (-1, 0, 1):
            numbers[f"{name}{at:+d}"] = _total(mine, gap, at, factor)
    numbers["rest"] = _total(
        [t for t in terms if not free_variables(t) & set(gaps.values())], None, 0, factor
    )
    says = f"springs: quadratic in the differences of {' and '.join(names)}"
    return Recognised("springs", (a, b), numbers, says)


def _total(terms: list[Expr], gap: Variable | None, at: int, factor: FactorDeclaration) -> Expr:
    """Return the sum of terms with a difference set to a number."""
    result: Expr = Const(factor.span, REAL, 0.0)
    number = Const(factor.span, INT, at)
    for term in terms:
        value = term if gap is None else _rewritten(term, lambda e: number if e == gap else None)
        result = value if fixed_value(result) == 0 else Apply(
            factor.span, REAL, "+", (result, value)
        )  # fmt: skip
    return result


def _terms(e: Expr, sign: int = 1) -> list[Expr]:
    """Return the terms of a sum, products with sums multiplied out."""
    if isinstance(e, Apply) and e.operator in ("+", "-"):
        right = sign if e.operator == "+" else -sign
        return _terms(e.arguments[0], sign) + _terms(e.arguments[1], right)
    if isinstance(e, Apply) and e.operator == "neg":
        return _terms(e.arguments[0], -sign)
    if isinstance(e, Apply) and e.operator == "*":
        left, right_terms = _terms(e.arguments[0], sign), _terms(e.arguments[1])
        if len(left) * len(right_terms) > 1:
            return [Apply(e.span, REAL, "*", (x, y)) for x in left for y in right_terms]
    return [e if sign > 0 else Apply(e.span, e.kind, "neg", (e,))]


def _degree(e: Expr, gaps: set[Variable]) -> int | None:
    """Return the degree of an expression as a polynomial in differences, None if it is none."""
    if not free_variables(e) & gaps:
        return 0
    if e in gaps:
        return 1
    if not isinstance(e, Apply):
        return None
    if e.operator == "^" and fixed_value(e.arguments[1]) == 2:
        base = _degree(e.arguments[0], gaps)
        return None if base is None else 2 * base
    if e.operator not in ("neg", "+", "-", "*"):
        return None
    degrees = [_degree(a, gaps) for a in e.arguments]
    known = [d for d in degrees if d is not None]
    if len(known) < len(degrees):
        return None
    return sum(known) if e.operator == "*" else max(known)


# -- products


def _bilinear(model: Model, factor: FactorDeclaration) -> Recognised | None:
    """weight * u * v of bits or real numbers; over a full product of index sets, one matrix."""
    if len(factor.scope) != 2:
        return None
    u, v = factor.scope
    if any(r.kind.sort not in ("bit", "real") for r in (u, v)):
        return None
    weight = _coefficient(factor.value, [u, v])
    if weight is None:
        return None
    full = factor.guard is None and _is_full(factor, u, v)
    says = "products of bits" if {u.kind, v.kind} == {BIT} else "products"
    if full:
        says += ", a full product of index sets: one matrix"
    return Recognised("bilinear", (u, v), {"weight": weight}, says, full)


def _coefficient(e: Expr, reads: list[Expr]) -> Expr | None:
    """Return what multiplies the product of some unknowns, None where e is no such product."""
    left = list(reads)
    weight: Expr = Const(e.span, INT, 1)
    todo = [e]
    while todo:
        node = todo.pop(0)
        if isinstance(node, Apply) and node.operator == "*":
            todo = [*node.arguments, *todo]
        elif isinstance(node, Apply) and node.operator == "neg":
            weight = Apply(e.span, REAL, "neg", (weight,))
            todo = [node.arguments[0], *todo]
        elif isinstance(node, Apply) and node.operator == "/" and is_known(node.arguments[1]):
            one = Const(node.span, REAL, 1.0)
            inverse = Apply(node.span, REAL, "/", (one, node.arguments[1]))
            weight = Apply(e.span, REAL, "*", (weight, inverse))
            todo = [node.arguments[0], *todo]
        elif node in left:
            left.remove(node)
        elif is_known(node):
            weight = node if fixed_value(weight) == 1 else Apply(
                e.span, REAL, "*", (weight, node)
            )  # fmt: skip
        else:
            return None
    return None if left else weight


def _is_full(factor: FactorDeclaration, u: Expr, v: Expr) -> bool:
    """Return whether each unknown has indices of its own, that run over ranges of their own."""
    assert isinstance(u, UnknownRead) and isinstance(v, UnknownRead)
    indices = [*u.indices, *v.indices]
    variables = [b.variable for b in factor.binders]
    if sorted(map(repr, indices)) != sorted(map(repr, variables)):
        return False
    return not any(
        free_variables(end) & set(variables) for b in factor.binders for end in (b.low, b.high)
    )


# -- reductions over as many unknowns as there are


def _reduction(model: Model, factor: FactorDeclaration) -> Recognised | None:
    """Hard factors about parity, about a number of ones, or about all being different."""
    value = factor.value
    if isinstance(value, Distinct):
        return Recognised("distinct", (value,), {}, "all different")
    if not isinstance(value, Apply) or value.operator not in ("==", "!=", "<=", "<", ">=", ">"):
        return None
    left, right = value.arguments
    operator = value.operator
    if not is_known(right):
        left, right = right, left
        operator = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator, operator)
    if not is_known(right):
        return None
    if (
        isinstance(left, Apply)
        and left.operator == "%"
        and fixed_value(left.arguments[1]) == 2
        and _counts(left.arguments[0])
        and (operator == "==" or (operator == "!=" and _is_bit(right)))
    ):
        odd = right if operator == "==" else Apply(
            right.span, INT, "-", (Const(right.span, INT, 1), right)
        )  # fmt: skip
        return Recognised("parity", (left.arguments[0],), {"odd": odd}, "parity")
    if not _counts(left):
        return None
    ends = _ENDS.get(operator)
    if ends is None:
        return None
    says = f"a count {operator} {show(right)}"
    return Recognised("cardinality", (left,), dict.fromkeys(ends, right), says)


def _counting(model: Model, factor: FactorDeclaration) -> Recognised | None:
    """Any function of the number of ones among many unknowns, and of data and params."""
    found = [n for n in walk(factor.value) if isinstance(n, Reduce) and _counts(n)]
    outermost = [n for n in found if not any(n is not m and n in walk(m) for m in found)]
    if not outermost or not all(alike(ones, outermost[0]) for ones in outermost):
        return None
    ones = outermost[0]
    count = Variable(factor.span, INT, "count", -1)
    cost = _rewritten(factor.value, lambda e: count if alike(e, ones) else None)
    if not is_known(cost):
        return None
    return Recognised("counting", (ones,), {"cost": cost}, "a function of a count", count=count)


_ENDS = {"==": ("low", "high"), ">=": ("low",), "<=": ("high",), ">": ("above",), "<": ("below",)}
"""What a number is to a count that is compared with it."""


def _is_bit(e: Expr) -> bool:
    return e.kind == BIT or fixed_value(e) in (0, 1)


def _counts(e: Expr) -> bool:
    """Return whether an expression is a sum of truth values of single unknowns."""
    while isinstance(e, Reduce) and e.operator == "sum":
        e = e.body
    if e.kind != BIT:
        return False
    return len({n for n in walk(e) if isinstance(n, UnknownRead)}) == 1


# -- tools


def _rewritten(e: Expr, rule: Callable[[Expr], Expr | None]) -> Expr:
    """Return an expression with parts replaced, outermost first, constant choices taken."""
    new = rule(e)
    if new is not None:
        return new
    if isinstance(e, Apply):
        arguments = tuple(_rewritten(a, rule) for a in e.arguments)
        if e.operator == "if" and fixed_value(arguments[0]) is not None:
            return arguments[1] if fixed_value(arguments[0]) else arguments[2]
        return replace(e, arguments=arguments)
    return e

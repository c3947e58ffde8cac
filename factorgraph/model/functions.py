"""The functions of the language over numbers and arrays, and their kinds."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from factorgraph.errors import ModelError
from factorgraph.model.arrays import (
    Array,
    Indices,
    Sparse,
    Value,
    join,
    reduce_all,
    same_extent,
)
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    Expr,
    Reduce,
    fixed_value,
    is_data,
    show,
)
from factorgraph.source import Span
from factorgraph.syntax.parser import LARGEST

TEXTS = {"lower": (1,), "prefix": (1, 2), "suffix": (2,), "shape": (1,), "kind": (1,)}
"""Functions of texts, and how many arguments each takes."""

UNARY = ("abs", "exp", "log", "sqrt", "tanh", "cosh", "sigmoid", "softplus")


def apply(span: Span, operator: str, *arguments: Expr, between: str = "&") -> Expr:
    """Return an operation on scalars, its kinds checked and whole-number constants folded."""
    kinds = [a.kind for a in arguments]
    if operator == "&":
        return _joined(span, arguments, between)
    if operator in TEXTS:
        return _text(span, operator, arguments)
    if operator in ("==", "!="):
        _comparable(span, arguments)
        return Apply(span, BIT, operator, arguments)
    if operator in ("and", "or", "=>", "not"):
        for a in arguments:
            if a.kind != BIT:
                raise ModelError(
                    f"`{operator}` needs truth values, but `{show(a)}` is {a.kind}",
                    code="E0106",
                    span=a.span,
                    hint="compare it, e.g. `x != 0`",
                )
        return Apply(span, BIT, operator, arguments)
    for a in arguments:
        if not a.kind.numeric:
            raise ModelError(
                f"`{operator.replace('neg', '-')}` needs numbers, but `{show(a)}` is {a.kind}",
                code="E0106",
                span=a.span,
                hint="index a param with it instead" if a.kind.sort == "label" else None,
            )
    if operator in ("<", "<=", ">", ">="):
        return Apply(span, BIT, operator, arguments)
    if operator in ("//", "%") and any(k == REAL for k in kinds):
        raise ModelError(f"`{operator}` needs whole numbers", code="E0106", span=span)
    if operator == "/" or (operator in UNARY and operator != "abs"):
        kind = REAL
    elif operator == "^":
        exponent = fixed_value(arguments[1])
        whole = isinstance(exponent, int) and exponent >= 0 and kinds[0] != REAL
        kind = INT if whole else REAL
    else:
        kind = kinds[0] if len(kinds) == 1 else join(kinds[0], kinds[1])
        for more in kinds[2:]:
            kind = join(kind, more)
        kind = INT if kind == BIT else kind
    if operator == "^" and fixed_value(arguments[1]) == 2:
        root = arguments[0]
        if (
            isinstance(root, Apply)
            and root.operator == "sqrt"
            and isinstance(root.arguments[0], Reduce)
        ):
            return root.arguments[0]  # norm(v)^2 is a sum of squares, smooth at 0
    folded = _fold(operator, [fixed_value(a) for a in arguments])
    if folded is not None:
        if isinstance(folded, int) and abs(folded) > LARGEST:
            raise ModelError(
                "this whole number is too large",
                code="E0007",
                span=span,
                hint="write it with an exponent, like 1e20",
            )
        return Const(span, kind, folded)
    return Apply(span, kind, operator, arguments)


def _fold(operator: str, values: list[float | int | None]) -> float | int | None:
    if any(v is None for v in values):
        return None
    numbers = [v for v in values if v is not None]
    try:
        if operator == "neg":
            return -numbers[0]
        if operator == "^":
            base, exponent = numbers
            if (
                isinstance(base, int)
                and isinstance(exponent, int)
                and abs(base) > 1
                and exponent > 64
            ):
                return LARGEST + 1
            power: float | int = base**exponent
            return power if isinstance(power, float | int) else None
        a, b = numbers
        result: float | int
        match operator:
            case "+":
                result = a + b
            case "-":
                result = a - b
            case "*":
                result = a * b
            case "/":
                result = a / b
            case "//":
                result = a // b
            case "%":
                result = a % b
            case _:
                return None
        return result if abs(result) < inf else None
    except (ArithmeticError, ValueError):
        return None


def _text(span: Span, name: str, arguments: tuple[Expr, ...]) -> Expr:
    """Return a function of a text, or of a label's."""
    text = arguments[0]
    if text.kind.sort not in ("text", "label"):
        raise ModelError(
            f"`{name}` needs a text or a label, but `{show(text)}` is {text.kind}",
            code="E0106",
            span=text.span,
        )
    if len(arguments) == 2:
        number = arguments[1]
        if number.kind != INT or not is_data(number):
            raise ModelError(
                f"`{name}` takes a whole number of characters", code="E0106", span=number.span
            )
    return Apply(span, TEXT, name, (_as_text(text), *arguments[1:]))


def _as_text(value: Expr) -> Expr:
    return value if value.kind == TEXT else Apply(value.span, TEXT, "text", (value,))


def _joined(span: Span, arguments: tuple[Expr, ...], between: str) -> Expr:
    for a in arguments:
        if a.kind == REAL or a.kind.sort in ("record", "sequence"):
            raise ModelError(
                f"`&` joins texts, but `{show(a)}` is {a.kind}",
                code="E0106",
                span=a.span,
                hint="`and` joins conditions",
            )
    parts = tuple(_as_text(a) for a in arguments)
    return Apply(span, TEXT, "&", (*parts, Const(span, TEXT, between)))


def counted(span: Span, name: str, ones: Expr) -> Expr:
    """Return what a function of truth values says of the number of ones."""
    one = Const(span, INT, 1)
    match name:
        case "xor":
            return Apply(span, INT, "%", (ones, Const(span, INT, 2)))
        case "atmostone":
            return Apply(span, BIT, "<=", (ones, one))
        case "exactlyone":
            return Apply(span, BIT, "==", (ones, one))
        case "atleastone":
            return Apply(span, BIT, ">=", (ones, one))
    return ones


def _comparable(span: Span, arguments: tuple[Expr, ...]) -> None:
    a, b = (x.kind for x in arguments)
    if (a.numeric and b.numeric) or (a == b and a.sort not in ("record", "sequence")):
        return
    raise ModelError(
        f"{a} cannot be compared with {b}",
        code="E0106",
        span=span,
        hint="labels are compared with labels of the same domain, or with a text of it",
    )


def elementwise(span: Span, operator: str, *arguments: Value) -> Value:
    """Apply a scalar operation to numbers and arrays of equal shape; numbers spread."""
    return combined(span, operator, lambda *parts: apply(span, operator, *parts), *arguments)


def combined(span: Span, what: str, made: Callable[..., Expr], *arguments: Value) -> Value:
    """Apply what makes one value of values to arrays of equal shape; single values spread."""
    arrays = [a for a in arguments if isinstance(a, Array)]
    if not arrays:
        return made(*arguments)
    first = arrays[0]
    for other in arrays[1:]:
        _same_shape(span, what, first, other)

    def element(indices: Indices) -> Expr:
        return made(*(a.element(indices) if isinstance(a, Array) else a for a in arguments))

    probe = element(tuple(Const(span, INT, 0) for _ in first.shape))
    same = all(a.sets == first.sets for a in arrays)
    return Array(span, probe.kind, first.shape, element, first.sets if same else ())


def _same_shape(span: Span, what: str, a: Array, b: Array) -> None:
    equal = len(a.shape) == len(b.shape) and all(
        same_extent(x, y) for x, y in zip(a.shape, b.shape, strict=True)
    )
    if not equal:
        raise ModelError(
            f"`{what}` of arrays of shapes {a.extents()} and {b.extents()}",
            code="E0108",
            span=span,
            hint="arrays work element by element and need equal shapes",
        )


def _array(span: Span, name: str, value: Value) -> Array:
    if isinstance(value, Array):
        return value
    raise ModelError(
        f"`{name}` needs an array, but `{show(value)}` is {value.kind}",
        code="E0108",
        span=value.span,
        hint=f"`{name}(… for i in n)` takes single numbers" if name in ("sum", "mean") else None,
    )


def dot(span: Span, a: Value, b: Value) -> Value:
    """Contract the last axis of ``a`` with the first of ``b``; sparse ones by their hits."""
    x, y = _array(span, "dot", a), _array(span, "dot", b)
    if not same_extent(x.shape[-1], y.shape[0]):
        raise ModelError(
            f"`dot` of arrays of shapes {x.extents()} and {y.extents()}",
            code="E0108",
            span=span,
            hint="the last axis of the first must be the first axis of the second",
        )
    left = len(x.shape) - 1

    def element(indices: Indices) -> Expr:
        if isinstance(y, Sparse):
            return y.total(lambda hit: x.element((*indices[:left], hit)))
        if isinstance(x, Sparse):
            return x.total(lambda hit: y.element((hit, *indices[left:])))
        line = Array(
            span,
            REAL,
            x.shape[-1:],
            lambda k: apply(
                span, "*", x.element(indices[:left] + k), y.element(k + indices[left:])
            ),
        )
        return reduce_all("sum", line, lambda e: e)

    shape = x.shape[:-1] + y.shape[1:]
    sets = tuple(x.set(k) for k in range(left)) + tuple(y.set(k) for k in range(1, len(y.shape)))
    return element(()) if not shape else Array(span, REAL, shape, element, sets)


def outer(span: Span, a: Value, b: Value) -> Value:
    """Return all products of elements of two arrays."""
    x, y = _array(span, "outer", a), _array(span, "outer", b)
    left = len(x.shape)
    return Array(
        span,
        join(x.kind, y.kind),
        x.shape + y.shape,
        lambda k: apply(span, "*", x.element(k[:left]), y.element(k[left:])),
    )


def norm(span: Span, value: Value) -> Expr:
    """Return the Euclidean length."""
    squares = reduce_all("sum", _array(span, "norm", value), lambda e: apply(span, "*", e, e))
    return apply(span, "sqrt", squares)


def total(span: Span, name: str, value: Value) -> Expr:
    """Return the sum, mean, least or greatest of an array's elements."""
    array = _array(span, name, value)
    if isinstance(array, Sparse) and name == "sum":
        return array.total(lambda hit: Const(span, INT, 1))
    if name == "mean":
        size: Expr = Const(span, INT, 1)
        for extent in array.shape:
            size = apply(span, "*", size, extent)
        return apply(span, "/", reduce_all("sum", array, lambda e: e), size)
    return reduce_all(name, array, lambda e: e)


ARRAY_FUNCTIONS: dict[str, Callable[[Span, Value, Value], Value]] = {"dot": dot, "outer": outer}

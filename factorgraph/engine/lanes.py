"""Sixteen numbers side by side: what kernels work on that take one frame, or graph, a lane.

Numba vectorises loops where it can prove that arrays do not overlap. Messages of many frames over
one graph are gathered and scattered through indices, so it cannot, and says nothing. Here the
vectors are values: `load` and `store` move sixteen neighbours, the rest is arithmetic on them, and
LLVM maps them to what the processor has, one, two or four registers. Lanes are of float32 or of
float64; nothing is reassociated or contracted, so every lane computes what a scalar would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial, log
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic, register_model

WIDTH = 16
"""Lanes of a vector."""

DEEP = 700.0
"""Beyond this, exp(-x) is taken for exp(-700)."""

_LONG, _BYTE = ir.IntType(64), ir.IntType(8)


class Lanes(types.Type):  # type: ignore[misc]
    """The type of a vector of `WIDTH` numbers of ``of``, in kernels."""

    def __init__(self, of: Any) -> None:
        self.of = of
        super().__init__(name=f"lanes({of})")


@register_model(Lanes)
class _Model(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, _vector(_number(lanes)))


def _number(lanes: Lanes) -> Any:
    return ir.FloatType() if lanes.of == types.float32 else ir.DoubleType()


def _vector(number: Any) -> Any:
    return ir.VectorType(number, WIDTH)


def _all(number: Any, value: float) -> Any:
    return ir.Constant(_vector(number), [value] * WIDTH)


def _integer(number: Any) -> tuple[Any, int]:
    """Return the integer as wide as a number, and its sign bit as a constant."""
    bits = 32 if isinstance(number, ir.FloatType) else 64
    return ir.IntType(bits), -(2 ** (bits - 1))


def _bits(b: Any, x: Any) -> Any:
    return b.bitcast(x, _vector(_integer(x.type.element)[0]))


def _sign(b: Any, x: Any) -> Any:
    whole, sign = _integer(x.type.element)
    return b.and_(_bits(b, x), _all(whole, sign))


def _same(types_: Sequence[Any]) -> Any:
    """Return the type of lanes that all arguments have; None, so that Numba refuses them."""
    first = types_[0]
    fits = isinstance(first, Lanes) and all(t == first for t in types_)
    return first if fits else None


def _place(context: Any, b: Any, array: Any, value: Any, at: Any, lanes: Lanes) -> Any:
    data = context.make_array(array)(context, b, value).data
    return b.bitcast(b.gep(data, [at]), _vector(_number(lanes)).as_pointer())


@intrinsic
def load(typing, array, at):  # type: ignore[no-untyped-def]
    """Return ``array[at : at + WIDTH]`` of a flat contiguous array; ``at`` is an int64."""
    lanes = Lanes(array.dtype)

    def emit(context, b, signature, args):  # type: ignore[no-untyped-def]
        place = _place(context, b, signature.args[0], args[0], args[1], lanes)
        return b.load(place, align=array.dtype.bitwidth // 8)

    return lanes(array, types.int64), emit


@intrinsic
def store(typing, array, at, x):  # type: ignore[no-untyped-def]
    """Write ``array[at : at + WIDTH]``."""
    lanes = Lanes(array.dtype)

    def emit(context, b, signature, args):  # type: ignore[no-untyped-def]
        place = _place(context, b, signature.args[0], args[0], args[1], lanes)
        b.store(args[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, lanes), emit


@intrinsic
def fill(typing, x):  # type: ignore[no-untyped-def]
    """Return the same float in every lane."""

    def emit(context, b, signature, args):  # type: ignore[no-untyped-def]
        empty = ir.Constant(_vector(args[0].type), ir.Undefined)
        first = b.insert_element(empty, args[0], ir.Constant(ir.IntType(32), 0))
        return b.shuffle_vector(first, empty, _all(ir.IntType(32), 0))

    return Lanes(x)(x), emit


def _operation(count: int, rule: Callable[..., Any], says: str) -> Any:
    """Return an operation on ``count`` vectors of one type that gives one of them."""

    def emit(context: Any, b: Any, signature: Any, args: Any) -> Any:
        return rule(b, *args)

    def one(typing, x):  # type: ignore[no-untyped-def]
        return (x(x), emit) if _same([x]) else None

    def two(typing, x, y):  # type: ignore[no-untyped-def]
        return (x(x, y), emit) if _same([x, y]) else None

    def three(typing, x, y, z):  # type: ignore[no-untyped-def]
        return (x(x, y, z), emit) if _same([x, y, z]) else None

    def four(typing, x, y, z, w):  # type: ignore[no-untyped-def]
        return (x(x, y, z, w), emit) if _same([x, y, z, w]) else None

    function = (one, two, three, four)[count - 1]
    function.__doc__ = says
    return intrinsic(function)


def _minimum(b: Any, x: Any, y: Any) -> Any:
    return b.select(b.fcmp_ordered("<", x, y), x, y)


def _maximum(b: Any, x: Any, y: Any) -> Any:
    return b.select(b.fcmp_ordered(">", x, y), x, y)


def _flipped(b: Any, x: Any, y: Any) -> Any:
    return b.bitcast(b.xor(_bits(b, x), _sign(b, y)), x.type)


def _either(b: Any, x: Any, y: Any) -> Any:
    return b.bitcast(b.or_(_bits(b, x), _bits(b, y)), x.type)


def _kept(b: Any, x: Any, mask: Any) -> Any:
    return b.bitcast(b.and_(_bits(b, x), _bits(b, mask)), x.type)


def _size(b: Any, x: Any) -> Any:
    whole, sign = _integer(x.type.element)
    return b.bitcast(b.and_(_bits(b, x), _all(whole, -sign - 1)), x.type)


def _picked(b: Any, mask: Any, x: Any, y: Any) -> Any:
    whole, _ = _integer(x.type.element)
    return b.select(b.icmp_signed("!=", _bits(b, mask), _all(whole, 0)), x, y)


def _matched(b: Any, x: Any, y: Any, same: Any, other: Any) -> Any:
    return b.select(b.fcmp_ordered("==", x, y), same, other)


def _horner(b: Any, x: Any, coefficients: Sequence[float]) -> Any:
    number = x.type.element
    out = _all(number, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        out = b.fadd(b.fmul(out, x), _all(number, c))
    return out


def _falling(b: Any, x: Any) -> Any:
    """exp(-x) = 2^-k exp(r), r = k log 2 - x within half of log 2: Taylor, to the last bit or
    two. log 2 is taken in two parts, so that k of them are exact."""
    number, whole = x.type.element, _LONG
    high = 0.693145751953125
    x = _minimum(b, x, _all(number, DEEP))
    k = b.fptosi(b.fadd(b.fmul(x, _all(number, 1 / log(2))), _all(number, 0.5)), _vector(whole))
    times = b.sitofp(k, x.type)
    r = b.fsub(b.fmul(times, _all(number, high)), x)
    r = b.fadd(r, b.fmul(times, _all(number, 1.42860682030941723212e-6)))
    power = b.shl(b.sub(_all(whole, 1023), k), _all(whole, 52))
    return b.fmul(_horner(b, r, [1 / factorial(i) for i in range(14)]), b.bitcast(power, x.type))


def _depth(b: Any, x: Any) -> Any:
    """-log x = -e log 2 - 2 atanh((m - 1) / (m + 1)), x = m 2^e, m within sqrt 2 of 1: a series
    in the square of at most 0.0295."""
    number, whole = x.type.element, _LONG
    bits = _bits(b, x)
    fraction = b.and_(bits, _all(whole, 2**52 - 1))
    above = b.icmp_signed(">", fraction, _all(whole, 0x6A09E667F3BCC))
    one = b.select(above, _all(whole, 1022 << 52), _all(whole, 1023 << 52))
    m = b.bitcast(b.or_(fraction, one), x.type)
    e = b.sub(b.lshr(bits, _all(whole, 52)), _all(whole, 1023))
    e = b.add(e, b.zext(above, _vector(whole)))
    f = b.fdiv(b.fsub(m, _all(number, 1.0)), b.fadd(m, _all(number, 1.0)))
    series = _horner(b, b.fmul(f, f), [2 / (2 * i + 1) for i in range(11)])
    return b.fsub(b.fmul(b.sitofp(e, x.type), _all(number, -log(2))), b.fmul(f, series))


add = _operation(2, lambda b, x, y: b.fadd(x, y), "Return x + y.")
sub = _operation(2, lambda b, x, y: b.fsub(x, y), "Return x - y.")
mul = _operation(2, lambda b, x, y: b.fmul(x, y), "Return x * y.")
div = _operation(2, lambda b, x, y: b.fdiv(x, y), "Return x / y.")
least = _operation(2, _minimum, "Return the lesser of x and y.")
most = _operation(2, _maximum, "Return the greater of x and y.")
flip = _operation(2, _flipped, "Return x with its sign flipped where y has one.")
either = _operation(2, _either, "Return the bits of x or y.")
keep = _operation(2, _kept, "Return x where the bits of a mask are set, 0 where none is.")
size = _operation(1, _size, "Return |x|.")
pick = _operation(3, _picked, "Return y where a mask x has bits, else z.")
match = _operation(4, _matched, "Return z where x is y, else w.")
falling = _operation(1, _falling, "Return exp(-x) of float64, for x from 0, at least exp(-700).")
depth = _operation(1, _depth, "Return -log x of float64, for x that are normal and above 0.")


@intrinsic
def negative(typing, x):  # type: ignore[no-untyped-def]
    """Return an int64 whose bit k is set where lane k is below 0."""

    def emit(context, b, signature, args):  # type: ignore[no-untyped-def]
        below = b.fcmp_ordered("<", args[0], _all(args[0].type.element, 0.0))
        return b.zext(b.bitcast(below, ir.IntType(WIDTH)), _LONG)

    return (types.int64(x), emit) if _same([x]) else None


@intrinsic
def signs(typing, x):  # type: ignore[no-untyped-def]
    """Return an int64 whose bit k is set where lane k has a sign, that of -0 too."""

    def emit(context, b, signature, args):  # type: ignore[no-untyped-def]
        whole, _ = _integer(args[0].type.element)
        below = b.icmp_signed("<", _bits(b, args[0]), _all(whole, 0))
        return b.zext(b.bitcast(below, ir.IntType(WIDTH)), _LONG)

    return (types.int64(x), emit) if _same([x]) else None

"""Layers of maps as they are written: their sizes, and the shapes that they take and give."""

from __future__ import annotations

from collections.abc import Callable

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model.arrays import integer, minus, same_extent
from factorgraph.model.expression import INT, Apply, Const, Expr, fixed_value, show
from factorgraph.model.model import MapDeclaration, MapLayer
from factorgraph.model.names import LAYERS
from factorgraph.source import Span
from factorgraph.syntax import tree as t

ACTS = ("relu", "tanh", "sigmoid", "softplus", "none")
_SIZES = {"linear": "in, out", "mlp": "in, …, out", "conv": "in, out, side", "pool": "side"}
_NAMED = {"linear": (), "mlp": ("act",), "conv": ("pad", "act"), "pool": ()}


def layer(call: t.Call, size: Callable[[t.Expression], Expr]) -> MapLayer:
    """Return a layer of the tree.

    Parameters
    ----------
    size : gives the number that an argument stands for.

    Raises
    ------
    ModelError : ``E0127`` for a layer that there is not, or arguments that it does not take.
    """
    name, span = call.name.name, call.span
    if name == "chain":
        layers = []
        for argument in call.arguments:
            if not isinstance(argument.value, t.Call) or argument.name is not None:
                raise _wrong("`chain` takes layers, one after another", argument.span)
            layers.append(layer(argument.value, size))
        if not layers:
            raise _wrong("`chain` takes at least one layer", span)
        return MapLayer(span, name, layers=tuple(layers))
    if name not in _SIZES:
        raise ModelError(
            f"there is no layer `{name}`", code="E0127", span=call.name.span,
            hint="an energy sees one instance, and is the same each time: leave it out"
            if name.replace("_", "").lower() in ("dropout", "batchnorm")
            else did_you_mean(name, LAYERS) or f"the layers are {', '.join(LAYERS)}",
        )  # fmt: skip
    sizes: list[Expr] = []
    options = {"act": "relu" if name == "mlp" else "none", "pad": "none"}
    for argument in call.arguments:
        if argument.binders is not None:
            raise _wrong("`for` cannot stand here", argument.span)
        if argument.name is None:
            sizes.append(size(argument.value))
            continue
        if argument.name not in _NAMED[name]:
            known = ", ".join(f"{n} = …" for n in _NAMED[name]) or "none"
            raise _wrong(
                f"`{name}` has no option `{argument.name}` (its options: {known})", argument.span
            )
        options[argument.name] = _choice(argument)
    count = len(_SIZES[name].split(","))
    if len(sizes) < 2 if name == "mlp" else len(sizes) != count:
        raise _wrong(f"`{name}` takes ({_SIZES[name]}), {len(sizes)} given", span)
    return MapLayer(span, name, tuple(sizes), options["act"], options["pad"])


def _choice(argument: t.Argument) -> str:
    allowed = ACTS if argument.name == "act" else ("none", "same")
    value = argument.value.name if isinstance(argument.value, t.Name) else ""
    if value not in allowed:
        raise ModelError(
            f"`{argument.name}` is one of {', '.join(allowed)}", code="E0127",
            span=argument.value.span, hint=did_you_mean(value, allowed),
        )  # fmt: skip
    return value


def _wrong(message: str, span: Span) -> ModelError:
    return ModelError(message, code="E0127", span=span)


def output_shape(declared: MapDeclaration, shape: tuple[Expr, ...], span: Span) -> tuple[Expr, ...]:
    """Return the shape of a map's output.

    Raises
    ------
    ModelError : ``E0128`` where a layer is fed what it does not take.
    """
    return _output(declared.layer, shape, declared.name, span)


def _output(node: MapLayer, shape: tuple[Expr, ...], name: str, span: Span) -> tuple[Expr, ...]:
    def fed(expected: str) -> ModelError:
        found = "[" + ", ".join(show(e) for e in shape) + "]" if shape else "a single number"
        inside = "" if node.sort == name else f", layer `{node.sort}`,"
        return ModelError(
            f"map `{name}`{inside} takes {expected}, but is fed {found}",
            code="E0128",
            span=span,
            hint=f"it is declared on line {node.span.line}",
        )

    one = integer(span, 1)
    if node.sort == "chain":
        for inner in node.layers:
            if inner.sort in ("linear", "mlp") and len(shape) > 1:
                shape = (_product(shape),)
            shape = _output(inner, shape, name, span)
        return shape
    if node.sort in ("linear", "mlp"):
        if len(shape) > 1 or not _agree(shape[0] if shape else one, node.sizes[0]):
            raise fed(f"an array of {show(node.sizes[0])} numbers")
        return (node.sizes[-1],)
    if node.sort == "conv":
        channels, out, side = node.sizes
        if len(shape) == 2 and fixed_value(channels) == 1:
            shape = (*shape, one)
        if len(shape) != 3 or not _agree(shape[2], channels):
            raise fed(f"an array [h, w, {show(channels)}]")
        if node.pad == "same":
            return (shape[0], shape[1], out)
        sides = [fixed_value(e) for e in shape[:2]]
        least = fixed_value(side)
        if any(s is not None and least is not None and s < least for s in sides):
            raise fed(f"a picture of at least {show(side)} x {show(side)}")
        cut = minus(side, one)
        return (minus(shape[0], cut), minus(shape[1], cut), out)
    if len(shape) not in (2, 3):
        raise fed("an array [h, w, channels]")
    side = node.sizes[0]
    least = fixed_value(side) or 1
    if any((fixed_value(e) or least) < least for e in shape[:2]):
        raise fed(f"a picture of at least {show(side)} x {show(side)}")
    return (_quotient(shape[0], side), _quotient(shape[1], side), *shape[2:])


def _agree(a: Expr, b: Expr) -> bool:
    """Return whether extents are equal, or may be as far as the text tells."""
    x, y = fixed_value(a), fixed_value(b)
    return x == y if x is not None and y is not None else same_extent(a, b)


def _product(shape: tuple[Expr, ...]) -> Expr:
    result = shape[0]
    for extent in shape[1:]:
        x, y = fixed_value(result), fixed_value(extent)
        if x is not None and y is not None:
            result = integer(extent.span, int(x * y))
        else:
            result = Apply(extent.span, INT, "*", (result, extent))
    return result


def _quotient(a: Expr, b: Expr) -> Expr:
    x, y = fixed_value(a), fixed_value(b)
    if x is not None and y is not None:
        return Const(a.span, INT, int(x) // int(y))
    return Apply(a.span, INT, "//", (a, b))

"""Maps against plain loops, scipy's correlation and finite differences."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from factorgraph import budget
from factorgraph.errors import BudgetError, ModelError
from factorgraph.maps import Chain, Conv, Layer, Linear, Mlp, Pool, ShapeError, patches
from factorgraph.maps import layer as layers

Floats = NDArray[np.float64]

ACTS: dict[str, Callable[[float], float]] = {
    "none": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log(1 + math.exp(x)),
}


def drawn(layer: Layer, seed: int = 0) -> dict[str, Floats]:
    """Return random weights, biases too."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in layer.weights().items()}


def linear(x: list[float], W: Floats, b: Floats) -> list[float]:
    return [
        float(b[o]) + sum(float(x[i]) * float(W[i, o]) for i in range(W.shape[0]))
        for o in range(W.shape[1])
    ]


def conv(x: Floats, K: Floats, b: Floats, same: bool, act: str) -> Floats:
    side, _, count, out = K.shape
    height, width, _ = x.shape
    before = (side - 1) // 2 if same else 0
    less = 0 if same else side - 1
    y = np.zeros((height - less, width - less, out))
    for i, j, o in np.ndindex(*y.shape):
        total = b[o]
        for u, v, c in np.ndindex(side, side, count):
            row, column = i + u - before, j + v - before
            if 0 <= row < height and 0 <= column < width:
                total += K[u, v, c, o] * x[row, column, c]
        y[i, j, o] = ACTS[act](total)
    return y


def pool(x: Floats, side: int) -> Floats:
    y = np.zeros((x.shape[0] // side, x.shape[1] // side, *x.shape[2:]))
    for place in np.ndindex(*y.shape):
        i, j, *rest = place
        y[place] = max(
            x[(side * i + u, side * j + v, *rest)] for u in range(side) for v in range(side)
        )
    return y


CONVS = [
    (count, out, side, pad, act, height, width)
    for (count, out, side, height, width), pad, act in [
        *itertools.product(
            [(1, 2, 1, 3, 4), (2, 3, 2, 4, 5), (3, 2, 3, 5, 4), (2, 2, 4, 4, 7)],
            ["none", "same"],
            ["none"],
        ),
        *itertools.product([(2, 2, 3, 4, 6)], ["none", "same"], list(ACTS)),
        # A picture smaller than its kernel, and a single pixel.
        ((1, 2, 5, 2, 3), "same", "none"),
        ((2, 3, 4, 1, 1), "same", "tanh"),
    ]
]


@pytest.mark.parametrize("count, out, side, pad, act, height, width", CONVS)
def test_conv_is_its_loops(
    count: int, out: int, side: int, pad: str, act: str, height: int, width: int
) -> None:
    layer = Conv(count, out, side, pad=pad, act=act)
    weights = drawn(layer)
    x = np.random.default_rng(1).normal(size=(3, height, width, count))
    y, _ = layer.forward(weights, x)
    wanted = np.stack([conv(one, weights["K"], weights["b"], pad == "same", act) for one in x])
    assert y.shape == (3, *layer.output(x.shape[1:])) == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 28, 28, 1), (3, 24, 36, 2), (2, 31, 29, 3)])
@pytest.mark.parametrize("pad", ["none", "same"])
@pytest.mark.parametrize("side", [1, 3, 4, 5])
def test_conv_is_scipys_correlation(shape: tuple[int, ...], pad: str, side: int) -> None:
    """Wide enough that several columns share a patch, and others of prime width."""
    layer = Conv(shape[3], 4, side, pad=pad)
    weights = drawn(layer)
    x = np.random.default_rng(2).normal(size=shape)
    y, _ = layer.forward(weights, x)
    before = (side - 1) // 2 if pad == "same" else 0
    after = side - 1 - before if pad == "same" else 0
    padded = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    for b, o in itertools.product(range(shape[0]), range(4)):
        wanted = signal.correlate(padded[b], weights["K"][..., o], mode="valid")[..., 0]
        np.testing.assert_allclose(y[b, ..., o], wanted + weights["b"][o], rtol=1e-11, atol=1e-11)


def test_one_channel_needs_no_axis() -> None:
    layer = Conv(1, 2, 3)
    weights, x = drawn(layer), np.random.default_rng(3).normal(size=(2, 5, 6))
    flat, tape = layer.forward(weights, x)
    deep, other = layer.forward(weights, x[..., None])
    np.testing.assert_array_equal(flat, deep)
    back, _ = layer.backward(weights, tape, flat)
    wanted, _ = layer.backward(weights, other, flat)
    assert back is not None and wanted is not None
    assert back.shape == x.shape
    np.testing.assert_array_equal(back, wanted[..., 0])


@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize("shape", [(6, 6), (7, 8), (3, 3, 2), (7, 5, 3)])
def test_pool_is_its_loops(side: int, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(4).normal(size=(3, *shape))
    y, _ = Pool(side).forward({}, x)
    np.testing.assert_array_equal(y, np.stack([pool(one, side) for one in x]))
    assert y.shape[1:] == Pool(side).output(shape)


def test_linear_is_its_loops() -> None:
    layer = Linear(3, 4)
    weights, x = drawn(layer), np.random.default_rng(5).normal(size=(5, 3))
    wanted = [linear(list(one), weights["W"], weights["b"]) for one in x]
    np.testing.assert_allclose(layer.forward(weights, x)[0], wanted, rtol=1e-13)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("sizes", [(3, 2), (2, 5, 3), (1, 4, 3, 1)])
def test_mlp_is_its_loops(act: str, sizes: tuple[int, ...]) -> None:
    layer = Mlp(sizes, act=act)
    weights, x = drawn(layer), np.random.default_rng(6).normal(size=(4, sizes[0]))
    wanted = []
    for one in x:
        value = [float(v) for v in one]
        for k in range(len(sizes) - 1):
            value = linear(value, weights[f"{k}.W"], weights[f"{k}.b"])
            if k < len(sizes) - 2:
                value = [ACTS[act](v) for v in value]
        wanted.append(value)
    np.testing.assert_allclose(layer.forward(weights, x)[0], wanted, rtol=1e-12)


def test_chain_is_its_layers_and_flattens_in_c_order() -> None:
    net = Chain((Conv(1, 2, 3, act="tanh"), Pool(2), Linear(8, 3), Mlp((3, 4, 2))))
    weights, x = drawn(net), np.random.default_rng(7).normal(size=(3, 6, 7))
    wanted = []
    for one in x:
        y = pool(conv(one[..., None], weights["0.K"], weights["0.b"], False, "tanh"), 2)
        assert y.shape == (2, 2, 2)
        flat = [float(y[i, j, c]) for i in range(2) for j in range(2) for c in range(2)]
        hidden = linear(flat, weights["2.W"], weights["2.b"])
        hidden = [max(v, 0) for v in linear(hidden, weights["3.0.W"], weights["3.0.b"])]
        wanted.append(linear(hidden, weights["3.1.W"], weights["3.1.b"]))
    np.testing.assert_allclose(net.forward(weights, x)[0], wanted, rtol=1e-12)
    np.testing.assert_allclose(net.apply(weights, x), wanted, rtol=1e-12)


def test_a_number_is_an_array_of_one() -> None:
    for layer in (Linear(1, 2), Mlp((1, 3, 2)), Chain((Mlp((1, 3, 2)),))):
        weights, x = drawn(layer), np.array([0.3, -2.0])
        y, tape = layer.forward(weights, x)
        np.testing.assert_array_equal(y, layer.forward(weights, x[:, None])[0])
        back, _ = layer.backward(weights, tape, y)
        assert back is not None and back.shape == (2,)
        assert layer.output(()) == (2,)


GRADIENTS: list[tuple[Layer, tuple[int, ...]]] = [
    (Linear(3, 2), (3,)),
    *((Mlp((3, 4, 5, 2), act=act), (3,)) for act in ACTS),
    *(
        (Conv(count, out, side, pad=pad, act=act), (height, width, count))
        for count, out, side, pad, act, height, width in CONVS
    ),
    (Conv(1, 2, 3), (6, 14)),
    (Conv(2, 1, 3, pad="same", act="tanh"), (3, 12, 2)),
    (Pool(2), (4, 5)),
    (Pool(3), (7, 6, 2)),
    (Pool(1), (2, 3, 2)),
    (
        Chain((Conv(1, 2, 3), Pool(2), Conv(2, 2, 2, pad="same", act="relu"), Mlp((12, 3, 2)))),
        (8, 7),
    ),
    (Chain((Pool(2), Linear(4, 2), Chain((Mlp((2, 3, 1), act="tanh"),)))), (4, 4)),
]


@pytest.mark.parametrize("layer, shape", GRADIENTS, ids=lambda x: str(x).replace("→", "-"))
def test_gradients_are_finite_differences(layer: Layer, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(8)
    weights, x = drawn(layer, 9), rng.normal(size=(2, *shape))
    y, tape = layer.forward(weights, x)
    cotangent = rng.normal(size=y.shape)
    back, found = layer.backward(weights, tape, cotangent)
    assert back is not None
    assert list(found) == list(layer.weights())
    for array, gradient in [(x, back), *((weights[n], found[n]) for n in weights)]:
        assert gradient.shape == array.shape
        wanted = np.zeros(array.shape)
        for place in np.ndindex(*array.shape):
            old, step = array[place], 1e-6
            array[place] = old + step
            high = (layer.forward(weights, x)[0] * cotangent).sum()
            array[place] = old - step
            low = (layer.forward(weights, x)[0] * cotangent).sum()
            array[place] = old
            wanted[place] = (high - low) / (2 * step)
        np.testing.assert_allclose(gradient, wanted, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("layer, shape", GRADIENTS, ids=lambda x: str(x).replace("→", "-"))
def test_what_is_not_wanted_is_not_made(layer: Layer, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(10)
    weights, x = drawn(layer), rng.normal(size=(3, *shape))
    y, tape = layer.forward(weights, x)
    cotangent = rng.normal(size=y.shape)
    kept = [a.copy() for a in (x, cotangent, y, *weights.values())]
    back, found = layer.backward(weights, tape, cotangent)
    none, same = layer.backward(weights, tape, cotangent, inputs=False)
    again, empty = layer.backward(weights, tape, cotangent, params=False)
    assert none is None and empty == {} and back is not None and again is not None
    np.testing.assert_array_equal(back, again)
    assert list(found) == list(same)
    for name, gradient in found.items():
        np.testing.assert_array_equal(gradient, same[name])
    for before, after in zip(kept, (x, cotangent, y, *weights.values()), strict=True):
        np.testing.assert_array_equal(before, after)
    back += 1.0
    np.testing.assert_array_equal(cotangent, kept[1])


def test_relu_has_no_slope_at_zero() -> None:
    layer = Conv(1, 1, 1, act="relu")
    weights = {"K": np.ones((1, 1, 1, 1)), "b": np.zeros(1)}
    x = np.array([[[-1.0, -0.0, 0.0, 2.0]]])
    y, tape = layer.forward(weights, x)
    back, found = layer.backward(weights, tape, np.ones(y.shape))
    np.testing.assert_array_equal(back, [[[0, 0, 0, 1]]])
    assert found["b"] == 1


def test_ties_of_a_pool_go_to_the_first() -> None:
    x = np.array([[1, 1, 0, 2], [1, 1, 2, 0], [0, 0, 5, 4], [3, 3, 5, 5]], dtype=np.float64)
    y, tape = Pool(2).forward({}, x[None])
    np.testing.assert_array_equal(y[0], [[1, 2], [3, 5]])
    back, _ = Pool(2).backward({}, tape, np.array([[[10.0, 20.0], [30.0, 40.0]]]))
    assert back is not None
    np.testing.assert_array_equal(
        back[0], [[10, 0, 0, 20], [0, 0, 0, 0], [0, 0, 40, 0], [30, 0, 0, 0]]
    )


@pytest.mark.parametrize("act", ["sigmoid", "softplus", "tanh"])
def test_acts_hold_at_extremes(act: str) -> None:
    layer = Conv(1, 1, 1, act=act)
    weights = {"K": np.ones((1, 1, 1, 1)), "b": np.zeros(1)}
    y, tape = layer.forward(weights, np.array([[[-1e4, -40.0, 40.0, 1e4]]]))
    low = {"sigmoid": math.exp(-40), "softplus": math.exp(-40), "tanh": -1.0}[act]
    high = {"sigmoid": [1, 1], "softplus": [40, 1e4], "tanh": [1, 1]}[act]
    floor = -1 if act == "tanh" else 0
    np.testing.assert_allclose(y.ravel(), [floor, low, *high], rtol=1e-14)
    back, _ = layer.backward(weights, tape, np.ones(y.shape))
    assert back is not None
    if act == "softplus":
        np.testing.assert_allclose(back.ravel(), [0, math.exp(-40), 1, 1], rtol=1e-12)
    else:
        np.testing.assert_allclose(back.ravel(), 0, atol=1e-16)


def test_an_infinite_pixel_stays_in_its_windows() -> None:
    layer = Conv(1, 2, 3)
    weights = {"K": np.ones((3, 3, 1, 2)), "b": np.zeros(2)}
    x = np.ones((1, 5, 14))
    x[0, 2, 0] = np.inf
    # Products of matrices may warn of lanes beside the result.
    with np.errstate(invalid="ignore"):
        y, _ = layer.forward(weights, x)
    assert np.isposinf(y[0, :, 0]).all()
    assert (y[0, :, 1:] == 9).all()


# --- shapes ---


@pytest.mark.parametrize(
    "layer, shape, message",
    [
        (Linear(784, 10), (780,), "linear(784, 10) takes 784 numbers, but is fed 780"),
        (Linear(4, 1), (2, 2), "linear(4, 1) takes 4 numbers, but is fed [2, 2]"),
        (Linear(1, 2), (5,), "linear(1, 2) takes one number, but is fed 5"),
        (Linear(4, 1), (), "linear(4, 1) takes 4 numbers, but is fed a single one"),
        (Mlp((3, 2), act="tanh"), (2,), "mlp(3, 2, act = tanh) takes 3 numbers, but is fed 2"),
        (
            Conv(6, 16, 5),
            (12, 12, 3),
            "conv(6, 16, 5) takes an array [h, w, 6], but is fed [12, 12, 3]",
        ),
        (Conv(2, 1, 3), (5, 5), "conv(2, 1, 3) takes an array [h, w, 2], but is fed [5, 5]"),
        (
            Conv(1, 6, 5),
            (4, 9),
            "conv(1, 6, 5) takes a picture of at least 5 x 5, but is fed 4 x 9",
        ),
        (
            Conv(1, 6, 5, pad="same"),
            (0, 9),
            "conv(1, 6, 5, pad = same) takes a picture of at least 1 x 1, but is fed 0 x 9",
        ),
        (Pool(2), (5, 1, 3), "pool(2) takes a picture of at least 2 x 2, but is fed 5 x 1"),
        (Pool(2), (8,), "pool(2) takes an array [h, w, channels], but is fed 8"),
        (
            Chain((Conv(1, 6, 5), Pool(2), Mlp((100, 10)))),
            (28, 28),
            "mlp(100, 10) takes 100 numbers, but is fed 864",
        ),
        (
            Chain((Conv(1, 2, 3), Pool(2))),
            (3, 9),
            "pool(2) takes a picture of at least 2 x 2, but is fed 1 x 7",
        ),
    ],
)
def test_wrong_shapes_are_told(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    for call in (
        lambda: layer.output(shape),
        lambda: layer.forward(drawn(layer), np.zeros((2, *shape))),
        lambda: layer.apply(drawn(layer), np.zeros((2, *shape))),
    ):
        with pytest.raises(ShapeError) as caught:
            call()
        assert str(caught.value) == message


def test_wrong_weights_and_cotangents_are_told() -> None:
    layer = Conv(2, 3, 1)
    weights = drawn(layer)
    x = np.zeros((2, 4, 4, 2))
    turned = weights | {"K": weights["K"].transpose(0, 1, 3, 2)}
    with pytest.raises(ShapeError, match=r"`K` of shape \[1, 1, 2, 3\], .* some of \[1, 1, 3, 2\]"):
        layer.forward(turned, x)
    with pytest.raises(ShapeError, match=r"`b` of shape \[3\], but is given none"):
        layer.apply({"K": weights["K"]}, x)
    with pytest.raises(ShapeError, match="is fed a single number"):
        layer.apply(weights, 1.0)
    _, tape = layer.forward(weights, x)
    with pytest.raises(ShapeError, match=r"gave \[2, 4, 4, 3\], .* is \[4, 4, 3\]"):
        layer.backward(weights, tape, np.zeros((4, 4, 3)))


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: Chain(()), "`chain` takes at least one layer"),
        (lambda: Linear(0, 3), "the sizes of linear(0, 3) are at least 1"),
        (lambda: Mlp((2, 0, 3)), "the sizes of mlp(2, 0, 3) are at least 1"),
        (lambda: Mlp((2,)), "mlp(2) takes (in, …, out), at least two sizes"),
        (lambda: Mlp((2, 3), act="gelu"), "`act` is one of relu, tanh, sigmoid, softplus, none"),
        (lambda: Conv(1, 1, 0), "the sizes of conv(1, 1, 0) are at least 1"),
        (lambda: Conv(1, 1, 3, pad="full"), "`pad` is one of none, same"),
        (lambda: Conv(1, 1, 3, act="x"), "`act` is one of relu, tanh, sigmoid, softplus, none"),
        (lambda: Pool(0), "the sizes of pool(0) are at least 1"),
    ],
)
def test_layers_that_there_are_not_are_told(build: Callable[[], Layer], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        build()
    assert caught.value.message == message
    assert caught.value.code == "E0127"


# --- weights ---


def test_names_and_shapes_of_weights() -> None:
    net = Chain((Conv(1, 6, 5), Pool(2), Conv(6, 16, 5), Pool(2), Mlp((256, 120, 10))))
    assert list(net.weights().items()) == [
        ("0.K", (5, 5, 1, 6)),
        ("0.b", (6,)),
        ("2.K", (5, 5, 6, 16)),
        ("2.b", (16,)),
        ("4.0.W", (256, 120)),
        ("4.0.b", (120,)),
        ("4.1.W", (120, 10)),
        ("4.1.b", (10,)),
    ]
    assert net.output((28, 28)) == (10,)
    assert net.describe() == (
        "conv(1, 6, 5) → pool(2) → conv(6, 16, 5) → pool(2) → mlp(256, 120, 10), 34,622 weights"
    )
    assert Pool(2).describe() == "pool(2), no weights"
    assert str(Conv(1, 2, 3, pad="same", act="relu")) == "conv(1, 2, 3, pad = same, act = relu)"


def test_initial_weights_are_those_of_the_seed() -> None:
    net = Chain((Conv(1, 3, 3), Linear(12, 4), Mlp((4, 3, 2))))
    first, again = (net.initial(np.random.default_rng(5)) for _ in range(2))
    other = net.initial(np.random.default_rng(6))
    assert list(first) == list(net.weights())
    for name, shape in net.weights().items():
        assert first[name].shape == shape and first[name].dtype == np.float64
        np.testing.assert_array_equal(first[name], again[name])
        if name.endswith("b"):
            assert not first[name].any()
        else:
            assert (first[name] != other[name]).all()


@pytest.mark.parametrize(
    "layer, name, wanted",
    [
        (Linear(400, 100), "W", 1 / 20),
        (Mlp((400, 100, 300), act="relu"), "0.W", math.sqrt(2) / 20),
        (Mlp((400, 100, 300), act="softplus"), "0.W", math.sqrt(2) / 20),
        (Mlp((400, 100, 300), act="tanh"), "0.W", 1 / 20),
        # Nothing comes after the last layer.
        (Mlp((400, 100, 300), act="relu"), "1.W", 1 / 10),
        (Conv(16, 100, 5, act="relu"), "K", math.sqrt(2) / 20),
        (Conv(16, 100, 5), "K", 1 / 20),
    ],
)
def test_initial_weights_spread_by_fan_in(layer: Layer, name: str, wanted: float) -> None:
    values = layer.initial(np.random.default_rng(11))[name]
    # 30,000 numbers or more: the deviation of a deviation is below 0.5 percent.
    assert values.std() == pytest.approx(wanted, rel=0.02)
    assert abs(values.mean()) < 0.03 * wanted


# --- blocks and memory ---


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    def set_rows(rows: int) -> None:
        monkeypatch.setattr(patches, "CACHED", 0)
        monkeypatch.setattr(patches, "LEAST_ROWS", rows)

    yield set_rows


@pytest.mark.parametrize("rows", [1, 3, 7, 20, 70])
@pytest.mark.parametrize("pad", ["none", "same"])
@pytest.mark.parametrize("shape", [(5, 7, 12, 2), (3, 4, 11, 2)])
def test_blocks_change_nothing(
    small_blocks: Callable[[int], None], rows: int, pad: str, shape: tuple[int, ...]
) -> None:
    """Blocks of whole inputs, of rows of one and of columns of a row."""
    layer = Conv(2, 3, 4, pad=pad, act="tanh")
    rng = np.random.default_rng(12)
    weights, x = drawn(layer), rng.normal(size=shape)
    y, tape = layer.forward(weights, x)
    cotangent = rng.normal(size=y.shape)
    back, found = layer.backward(weights, tape, cotangent)
    small_blocks(rows)
    z, tape = layer.forward(weights, x)
    other, gradients = layer.backward(weights, tape, cotangent)
    np.testing.assert_allclose(z, y, rtol=1e-13, atol=1e-13)
    assert other is not None
    np.testing.assert_allclose(other, back, rtol=1e-12, atol=1e-12)
    for name in found:
        np.testing.assert_allclose(gradients[name], found[name], rtol=1e-12, atol=1e-12)


def test_apply_in_blocks_is_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Chain((Conv(1, 2, 3, act="relu"), Pool(2), Mlp((8, 5, 3))))
    weights, x = drawn(net), np.random.default_rng(13).normal(size=(11, 6, 6))
    wanted, _ = net.forward(weights, x)
    held = 8 * net.held((6, 6))
    assert net.held((6, 6)) == 4 * 4 * 2 + 2 * 2 * 2 + 5 + 3
    for inputs in (0, 1, 2, 5, 11, 100):
        monkeypatch.setattr(layers, "BLOCK", inputs * held)
        np.testing.assert_allclose(net.apply(weights, x), wanted, rtol=1e-13, atol=1e-13)


def test_forward_and_backward_are_adjoint_on_big_batches() -> None:
    """<J u, v> = <u, J' v>, in the input and in the kernels, which y is linear in each."""
    rng = np.random.default_rng(14)
    layer = Conv(3, 8, 5, pad="same")
    weights = {"K": rng.normal(size=(5, 5, 3, 8)), "b": np.zeros(8)}
    x = rng.normal(size=(37, 20, 24, 3))
    y, tape = layer.forward(weights, x)
    v = rng.normal(size=y.shape)
    back, found = layer.backward(weights, tape, v)
    wanted = pytest.approx(float((y * v).sum()), rel=1e-10)
    assert float((x * back).sum()) == wanted
    assert float((weights["K"] * found["K"]).sum()) == wanted
    np.testing.assert_allclose(found["b"], v.sum(axis=(0, 1, 2)), rtol=1e-10, atol=1e-9)


def test_scratch_memory_is_bounded() -> None:
    """All patches of this picture would take 110 MB, at a side of 7 and width by width."""
    layer = Conv(4, 2, 7)
    weights, x = drawn(layer), np.random.default_rng(15).normal(size=(1, 269, 269, 4))
    tracemalloc.start()
    try:
        y, tape = layer.forward(weights, x)
        layer.backward(weights, tape, y)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        net = Chain((Conv(1, 4, 3), Pool(2), Linear(36, 2)))
        before = tracemalloc.get_traced_memory()[0]
        net.apply(drawn(net), np.zeros((40000, 8, 8)))
        _, applied = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 263 * 263 * 7 * 7 * 4 * 8 > 100e6
    assert peak < 16e6
    # The input takes 20 MB; all intermediate results at once would take 59 MB.
    assert applied - before < 35e6


def test_too_much_is_refused() -> None:
    layer = Linear(10, 1000)
    x = np.zeros((1000, 10))
    budget.set_limit(10**6)
    try:
        with pytest.raises(BudgetError, match=r"map linear\(10, 1000\) for 1000 inputs"):
            layer.apply(drawn(layer), x)
        with pytest.raises(BudgetError, match=r"map linear\(10, 1000\) for 1000 inputs"):
            layer.forward(drawn(layer), x)
        assert layer.apply(drawn(layer), x[:10]).shape == (10, 1000)
    finally:
        budget.set_limit(None)


@pytest.mark.parametrize("layer, shape", GRADIENTS, ids=lambda x: str(x).replace("→", "-"))
def test_no_inputs_give_no_outputs(layer: Layer, shape: tuple[int, ...]) -> None:
    weights = drawn(layer)
    y, tape = layer.forward(weights, np.zeros((0, *shape)))
    assert y.shape == (0, *layer.output(shape)) == layer.apply(weights, np.zeros((0, *shape))).shape
    back, found = layer.backward(weights, tape, y)
    assert back is not None and back.shape == (0, *shape)
    for name, gradient in found.items():
        np.testing.assert_array_equal(gradient, np.zeros(layer.weights()[name]))


def test_whole_numbers_and_strides_are_taken() -> None:
    layer = Conv(2, 3, 3, pad="same")
    weights = drawn(layer)
    big = np.arange(2 * 10 * 8 * 2).reshape(2, 8, 10, 2).transpose(0, 2, 1, 3)[:, ::2] % 7
    wanted = layer.forward(weights, np.ascontiguousarray(big, dtype=np.float64))[0]
    np.testing.assert_array_equal(layer.forward(weights, big)[0], wanted)
    none = Conv(2, 3, 3)
    y, tape = none.forward(weights, big.astype(np.float64))
    turned = np.asfortranarray(y)
    for a, b in zip(
        none.backward(weights, tape, turned)[1].values(),
        none.backward(weights, tape, y)[1].values(),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_the_same_call_gives_the_same_bits() -> None:
    net = Chain((Conv(1, 3, 3, act="relu"), Pool(2), Mlp((75, 6, 4))))
    weights, x = drawn(net), np.random.default_rng(16).normal(size=(20, 12, 12))
    runs = []
    for _ in range(3):
        y, tape = net.forward(weights, x.copy())
        back, found = net.backward(weights, tape, y)
        assert back is not None
        runs.append([a.tobytes() for a in (y, back, *found.values())])
    assert runs[0] == runs[1] == runs[2]


def test_maps_load_no_heavy_library() -> None:
    program = """
import sys
import factorgraph.maps
heavy = {"numba", "scipy", "networkx", "pandas", "matplotlib"}
print(*sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []

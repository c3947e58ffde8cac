"""Maps of a model as numpy layers, once the sizes of domains are known."""

from __future__ import annotations

from factorgraph.data.instances import Vocabularies
from factorgraph.maps import Chain, Conv, Layer, Linear, Mlp, Pool
from factorgraph.model.model import MapLayer, Model


def build(node: MapLayer, model: Model, vocabularies: Vocabularies) -> Layer:
    """Return the layer that a declaration stands for."""
    sizes = [model.number(s, vocabularies) for s in node.sizes]
    match node.sort:
        case "linear":
            return Linear(sizes[0], sizes[1])
        case "mlp":
            return Mlp(tuple(sizes), act=node.act)
        case "conv":
            return Conv(sizes[0], sizes[1], sizes[2], pad=node.pad, act=node.act)
        case "pool":
            return Pool(sizes[0])
    return Chain(tuple(build(layer, model, vocabularies) for layer in node.layers))

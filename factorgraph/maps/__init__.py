"""Maps: shared weights that turn arrays of real numbers into others, one layer a file."""

from factorgraph.maps.chain import Chain
from factorgraph.maps.conv import Conv
from factorgraph.maps.layer import Layer, ShapeError
from factorgraph.maps.linear import Linear
from factorgraph.maps.mlp import Mlp
from factorgraph.maps.pool import Pool

__all__ = ["Chain", "Conv", "Layer", "Linear", "Mlp", "Pool", "ShapeError"]

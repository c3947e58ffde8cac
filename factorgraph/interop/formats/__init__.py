"""Graphs in the formats of other systems: UAI, libDAI, toulbar2's WCSP and CFN, alist.

>>> from factorgraph.interop.formats import read
>>> found = read("grid.uai", evidence="grid.uai.evid")        # doctest: +SKIP
>>> found.structure, found.values, found.offset               # doctest: +SKIP
"""

from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.read import FORMATS, read
from factorgraph.interop.formats.write import write

__all__ = ["FORMATS", "Instance", "read", "write"]

"""Tree to Model: names, kinds, shapes, roles."""

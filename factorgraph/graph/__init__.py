"""The flat graph, and its builder in Python."""

"""Records from files and objects, bound to a model's declarations."""

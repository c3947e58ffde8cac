"""Model to emitted code: lowering, derivatives, losses, Numba source."""

"""Training: objective, optimisers, loop, run folders."""

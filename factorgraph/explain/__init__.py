"""Explaining: what a model, a loss and their training do, in words and mathematics."""

"""Hostile programs and data, drawn by number: what no input may do to fgc."""

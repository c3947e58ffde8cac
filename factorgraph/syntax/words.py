"""The words of the language: never declared, each with its own place in a text."""

from __future__ import annotations

STATEMENTS = tuple(
    "use domain size given answer latent param map let fun factor hard loss infer".split()
)
"""Each statement begins with one of these."""

RESERVED = [*STATEMENTS, *"as for in if then else and or not inf".split()]
"""All words that cannot be names."""

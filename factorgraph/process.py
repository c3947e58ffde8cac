"""Whom this process belongs to: the command, or a program that uses the library."""

from __future__ import annotations

_ours: list[bool] = []


def claim() -> None:
    """Say that nobody else uses this process, nor the libraries that are loaded in it."""
    _ours.append(True)


def is_ours() -> bool:
    """Return whether the process was claimed."""
    return bool(_ours)

"""The texts that mutations start from, and their tokens."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
LANGUAGE = TESTS / "language"

_TOKEN = re.compile(
    r"#[^\n]*|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+|[A-Za-z_]\w*"
    r'|"[^"\n]*"|\.\.|[=!<>]=|=>|//|\s+|.',
    re.ASCII | re.DOTALL,
)
STATEMENTS = frozenset(
    "use domain size given latent answer param map let fun factor hard loss infer".split()
)


RESERVED = STATEMENTS | frozenset("as in if then else and or not inf".split())


def tokens(text: str) -> list[str]:
    """Return the pieces of a text; joined they are the text."""
    return _TOKEN.findall(text)


def statements(text: str) -> list[str]:
    """Return the statements of a text, comments left out."""
    out: list[str] = []
    for piece in tokens(text):
        if piece.startswith("#"):
            continue
        if piece in STATEMENTS or not out:
            out.append("")
        out[-1] += piece
    return [s.strip() for s in out if s.strip()]


@cache
def good() -> tuple[tuple[str, str], ...]:
    """Return the texts that are right, by name, in a fixed order."""
    paths = [*LANGUAGE.glob("*.fg"), *(ROOT / "models").glob("**/*.fg")]
    return _read(paths)


@cache
def bad() -> tuple[tuple[str, str], ...]:
    """Return the texts that are wrong, by name, in a fixed order."""
    return _read(list((TESTS / "golden" / "bad").glob("*.fg")))


def _read(paths: list[Path]) -> tuple[tuple[str, str], ...]:
    named = sorted((str(p.relative_to(ROOT)), p) for p in paths)
    return tuple((n, p.read_text(encoding="utf-8", errors="replace")) for n, p in named)


@cache
def all_statements() -> tuple[str, ...]:
    """Return the statements of all texts."""
    return tuple(s for _, text in (*good(), *bad()) for s in statements(text))


@cache
def all_tokens() -> tuple[str, ...]:
    """Return the different tokens of all texts, blanks and comments left out."""
    found = {
        p for _, text in (*good(), *bad()) for p in tokens(text)
        if p.strip() and not p.startswith("#")
    }  # fmt: skip
    return tuple(sorted(found))

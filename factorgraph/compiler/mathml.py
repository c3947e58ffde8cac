"""Notation as MathML Core: what browsers typeset without a library.

Nothing is fetched, and whatever the user wrote is shown, never obeyed.
"""

from __future__ import annotations

from html import escape

from factorgraph.compiler.notation import (
    BIG,
    Big,
    Call,
    Cases,
    Fence,
    Fraction,
    Indexed,
    Marked,
    Name,
    Notation,
    Number,
    Power,
    Root,
    Row,
    Word,
    bracketed,
)
from factorgraph.source import visible

_SIGNS = {"sum": "∑", "E": "𝔼"}


def mathml(notation: Notation, *, display: bool = False) -> str:
    """Return notation as a ``math`` element.

    Parameters
    ----------
    display : whether it stands on a line of its own.
    """
    block = ' display="block"' if display else ""
    return f"<math{block}>{_one(notation)}</math>"


def _safe(text: str) -> str:
    """Return text that is no markup; ``$`` would start a formula in a notebook."""
    return escape(visible(text)).replace("$", "&#36;")


def _tag(name: str, *parts: str, **attributes: str) -> str:
    inside = "".join(f' {k}="{v}"' for k, v in attributes.items())
    return f"<{name}{inside}>{''.join(parts)}</{name}>"


def _mo(sign: str, **attributes: str) -> str:
    return _tag("mo", _safe(sign), **attributes)


def _one(n: Notation) -> str:
    """Return exactly one element."""
    match n:
        case Name(text=t):
            return _tag("mi", _safe(t))
        case Number(text=t):
            return _tag("mn", _safe(t))
        case Word(text=t):
            return _tag("mtext", _safe(t).replace(" ", "&#160;"))
        case Row(parts=parts):
            return _tag("mrow", *(_sign(p) if isinstance(p, str) else _one(p) for p in parts))
        case Indexed(base=base, indices=indices):
            below = _list(indices)
            if isinstance(base, Marked) and base.mark in ("i", "*"):
                return _tag("msubsup", _one(base.base), below, _mark(base.mark))
            return _tag("msub", _one(base), below)
        case Marked(base=base, mark=mark):
            if mark in ("i", "*"):
                return _tag("msup", _one(base), _mark(mark))
            if mark in ("bar", "hat"):
                sign = "¯" if mark == "bar" else "^"
                return _tag("mover", _one(base), _mo(sign, stretchy="false"), accent="true")
            sort = "mn" if mark.isdecimal() else "mi"
            return _tag("msub", _one(base), _tag(sort, _safe(mark)))
        case Power(base=base, exponent=exponent):
            return _tag("msup", _one(base), _one(exponent))
        case Fraction(above=above, below=below):
            return _tag("mfrac", _one(above), _one(below))
        case Root(inside=inside):
            return _tag("msqrt", _one(inside))
        case Fence(left=left, inside=inside, right=right):
            return _fenced(left, _one(inside), right)
        case Call(name=name, arguments=arguments):
            return _tag("mrow", _one(name), _fenced("(", _list(arguments), ")"))
        case Big(sign=sign, below=below, body=body):
            return _big(sign, below, body)
        case Cases(rows=rows):
            table = "".join(_tag("mtr", *_case(value, c)) for value, c in rows)
            return _tag("mrow", _mo("{", stretchy="true"), _tag("mtable", table))
    raise AssertionError(n)


def _sign(sign: str) -> str:
    if sign == "if":
        return _tag("mtext", "&#160;if&#160;")
    return _mo("…", lspace="0", rspace="0") if sign == ".." else _mo(sign)


def _mark(mark: str) -> str:
    return _tag("mi", "i") if mark == "i" else _mo("*")


def _list(parts: tuple[Notation, ...]) -> str:
    if len(parts) == 1:
        return _one(parts[0])
    inside = [_one(p) for p in parts]
    return _tag("mrow", _mo(",").join(inside))


_HIGH = ("<mfrac", "<munder", "<mtable", "<msqrt")


def _fenced(left: str, inside: str, right: str) -> str:
    """Return something between brackets, which grow only around what is high."""
    flat = {} if any(tag in inside for tag in _HIGH) else {"stretchy": "false"}
    return _tag("mrow", _mo(left, **flat), inside, _mo(right, **flat))


def _big(sign: str, below: Notation, body: Notation) -> str:
    if sign == "E":
        return _tag(
            "mrow", _tag("msub", _mo(_SIGNS[sign]), _one(below)), _fenced("[", _one(body), "]")
        )
    if sign == "sum":
        head = _tag("munder", _mo(_SIGNS[sign], largeop="true", movablelimits="true"), _one(below))
    else:
        head = _tag("munder", _mo(sign, lspace="0", rspace="0.17em"), _one(below))
    return _tag("mrow", head, _one(bracketed(body, BIG)))


def _case(value: Notation, condition: Notation | None) -> tuple[str, str]:
    words = _tag("mtext", "otherwise") if condition is None else (
        _tag("mrow", _tag("mtext", "if&#160;"), _one(condition))
    )  # fmt: skip
    return _tag("mtd", _one(value)), _tag("mtd", words)

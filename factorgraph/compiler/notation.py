"""Mathematical notation as a tree, and its rendering as one line of text.

What is shown is built once (`factorgraph.compiler.formula` makes it of typed expressions) and
rendered twice: here as text, in `factorgraph.compiler.mathml` for a browser.
"""

from __future__ import annotations

from dataclasses import dataclass

from factorgraph.source import visible
from factorgraph.value import Value

TIGHT = 10
"""The strength of what never needs parentheses."""
SUM, PRODUCT, POWER = 6, 7, 9
BIG = 6.5
"""Of a sum sign with what it governs: it reaches over products, not over sums."""


@dataclass(eq=False, repr=False)
class Notation(Value):
    """A piece of mathematics."""

    @property
    def strength(self) -> float:
        """How tightly it holds together beside operators."""
        return TIGHT


@dataclass(eq=False, repr=False)
class Name(Notation):
    text: str


@dataclass(eq=False, repr=False)
class Number(Notation):
    text: str


@dataclass(eq=False, repr=False)
class Word(Notation):
    """Plain words, or a text of the model."""

    text: str


@dataclass(eq=False, repr=False)
class Row(Notation):
    """Parts side by side; texts between them are operators.

    Attributes
    ----------
    holds : the strength of its weakest operator.
    """

    parts: tuple[Notation | str, ...]
    holds: float = TIGHT

    @property
    def strength(self) -> float:
        return self.holds


@dataclass(eq=False, repr=False)
class Indexed(Notation):
    """``base[indices]``, or a base with subscripts."""

    base: Notation
    indices: tuple[Notation, ...]


@dataclass(eq=False, repr=False)
class Marked(Notation):
    """A name with a mark: ``i`` or ``*`` above to the right, ``bar`` or ``hat`` on it, ``1`` or
    other short texts below to the right."""

    base: Notation
    mark: str


@dataclass(eq=False, repr=False)
class Power(Notation):
    base: Notation
    exponent: Notation

    @property
    def strength(self) -> float:
        return POWER


@dataclass(eq=False, repr=False)
class Fraction(Notation):
    above: Notation
    below: Notation

    @property
    def strength(self) -> float:
        return PRODUCT


@dataclass(eq=False, repr=False)
class Root(Notation):
    inside: Notation


@dataclass(eq=False, repr=False)
class Fence(Notation):
    left: str
    inside: Notation
    right: str


@dataclass(eq=False, repr=False)
class Call(Notation):
    """A function of arguments."""

    name: Notation
    arguments: tuple[Notation, ...]


@dataclass(eq=False, repr=False)
class Big(Notation):
    """A sum, a minimum, an expectation: what it runs over stands below the sign."""

    sign: str
    below: Notation
    body: Notation

    @property
    def strength(self) -> float:
        return BIG


@dataclass(eq=False, repr=False)
class Cases(Notation):
    """Values with their conditions; the last has none: it is what is left."""

    rows: tuple[tuple[Notation, Notation | None], ...]


MARKS = {"i": "ⁱ", "*": "*", "bar": "\u0304", "hat": "\u0302"}
_WHOLE = {"Y\u0304": "Ȳ", "Y\u0302": "Ŷ", "y\u0304": "ȳ", "y\u0302": "ŷ"}
_SPACED = frozenset("+ − · = & ←".split())
_ALWAYS = frozenset("≠ < ≤ > ≥ ∧ ∨ ⇒ ∈ ∼ mod if".split())
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WORDS = {"sum": "Σ", "E": "𝔼"}


def bracketed(notation: Notation, strength: float) -> Notation:
    """Return notation in parentheses where it holds together less tightly than is needed."""
    return notation if notation.strength >= strength else Fence("(", notation, ")")


def text(notation: Notation) -> str:
    """Return notation as one line of text."""
    return _text(notation)


def marked(name: str, mark: str) -> str:
    """Return a name with a mark as text."""
    if mark not in MARKS:
        return f"{name}{mark}" if mark.isdecimal() and name.islower() else f"{name}_{mark}"
    sign = MARKS[mark]
    if sign == "*" or sign == "ⁱ" or len(name) == 1:
        found = name + sign
        return _WHOLE.get(found, found)
    return f"{name}{'^' if mark == 'hat' else '~'}"  # a long name has no place for a line on it


def _text(n: Notation, tight: bool = False) -> str:
    """Return a line of text; what is tight has no blanks around operators."""
    match n:
        case Name(text=t) | Number(text=t) | Word(text=t):
            return visible(t)
        case Row(parts=parts):
            return _row(parts, tight)
        case Indexed(base=base, indices=indices):
            return f"{_text(base, tight)}[{_list(indices, True)}]"
        case Marked(base=base, mark=mark):
            return marked(_text(base, tight), mark)
        case Power(base=base, exponent=exponent):
            raised = _text(exponent, True)
            if isinstance(exponent, Number) and raised.isdecimal():
                return _text(base, tight) + raised.translate(_SUPERSCRIPT)
            return f"{_text(base, tight)}^{_text(bracketed(exponent, POWER), True)}"
        case Fraction(above=above, below=below):
            top, bottom = bracketed(above, PRODUCT), bracketed(below, PRODUCT + 1)
            close = tight or (isinstance(above, Row) and above.parts[0] == "∂")
            return f"{_text(top, tight)}{'/' if close else ' / '}{_text(bottom, tight)}"
        case Root(inside=inside):
            return f"√({_text(inside, tight)})"
        case Fence(left=left, inside=inside, right=right):
            return f"{left}{_text(inside, tight)}{right}"
        case Call(name=name, arguments=arguments):
            return f"{_text(name, tight)}({_list(arguments, tight)})"
        case Big(sign=sign, below=below, body=body):
            head = f"{_WORDS.get(sign, sign)}_{{{_text(below, True)}}}"
            if sign == "E":
                return f"{head}[{_text(body, tight)}]"
            return f"{head} {_text(bracketed(body, BIG), tight)}"
        case Cases(rows=rows):
            lines = [
                f"{_text(value, tight)} {'otherwise' if c is None else f'if {_text(c, tight)}'}"
                for value, c in rows
            ]
            return "{" + "; ".join(lines) + "}"
    raise AssertionError(n)


def _list(parts: tuple[Notation, ...], tight: bool) -> str:
    return ", ".join(_text(part, tight) for part in parts)


def _row(parts: tuple[Notation | str, ...], tight: bool) -> str:
    out = ""
    for k, part in enumerate(parts):
        if not isinstance(part, str):
            out += _text(part, tight)
        elif part in _ALWAYS or (part in _SPACED and k and not tight):
            out += f" {part} "
        else:
            out += f"{part} " if part in (",", ";") else part
    return out

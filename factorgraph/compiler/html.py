"""A model as a table for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from factorgraph.compiler.describe import layer_text, type_name, written
from factorgraph.errors import some
from factorgraph.markup import table
from factorgraph.model.expression import show
from factorgraph.model.model import Domain, FactorDeclaration, IndexSet, Model

if TYPE_CHECKING:
    from typing import Protocol

    class Named(Protocol):
        """A model with a name."""

        name: str
        checked: Model


LONGEST = 200
"""Characters of an energy or a list of labels that are shown."""

_HEAD = ("role", "declaration", "shape", "what it is")


def model_html(model: Named) -> str:
    """Return a model's declarations as an HTML table: roles, shapes, types and scopes."""
    factors = len(model.checked.factors)
    title = f"{model.name}: {factors} factor{'' if factors == 1 else 's'}"
    return table(title, _HEAD, _rows(model.checked))


def _rows(model: Model) -> Iterator[tuple[str, str, str, str]]:
    for d in model.domains.values():
        yield "domain", d.name, "", _values(d)
    for s in model.sizes.values():
        over = () if s.over is None else (s.over,)
        value = "of each instance" if s.value is None else str(s.value)
        yield "size", s.name, _shape(over), value
    for name, number in model.constants.items():
        yield "constant", name, "", f"{number:g}"
    for g in model.givens.values():
        yield "given", g.name, _shape(g.axes), type_name(g)
    for u in model.unknowns.values():
        yield u.role, u.name, _shape(u.axes), type_name(u)
    for p in model.params.values():
        terms = [f"{n}({c:g})" for n, c in (("l1", p.l1), ("l2", p.l2)) if c]
        kind = f"real({p.low:g}, {p.high:g})" if p.constraint == "interval" else p.constraint
        said = f"{kind} ~ {' + '.join(terms)}" if terms else kind
        yield "param", p.name, _shape(p.axes), said
    for m in model.maps.values():
        yield "map", m.name, "", layer_text(m.layer)
    for f in model.factors.values():
        scope = ", ".join(show(r) for r in f.scope) or "no unknown"
        yield "hard" if f.hard else "factor", _cut(_written(f)), "", f"scope {scope}"


def _written(factor: FactorDeclaration) -> str:
    """Return a factor on one line as it is written; without its comments if it has any."""
    text = factor.span.text
    if "#" in text:
        mark = ":" if factor.hard else "="
        return f"{factor.name}{written(factor)} {mark} {show(factor.value)}"
    return " ".join(text.split()[1:])


def _values(domain: Domain) -> str:
    if domain.is_range:
        return f"{domain.low}..{domain.high}"
    if domain.values is None:
        return "labels from the training data"
    return f"{some(len(domain.values), 'label')}: {_cut(', '.join(domain.values))}"


def _shape(axes: tuple[IndexSet, ...]) -> str:
    return f"[{', '.join(a.name for a in axes)}]" if axes else ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"

"""What an editor shows of a word: how it is declared, its shape and type, its scope."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factorgraph.compiler.describe import layer_text, type_name
from factorgraph.errors import some
from factorgraph.lsp.document import Declaration
from factorgraph.lsp.resolve import Found, Local, Standard, UsedFile
from factorgraph.model.expression import show
from factorgraph.model.model import Domain, IndexSet, Model, ParamDeclaration, Unknown
from factorgraph.source import Span, visible
from factorgraph.syntax.keywords import Keyword

LONGEST = 1000
"""Characters of a declaration that are shown."""

_BEHIND = re.compile(r"[ \t]*#[ \t]*([^\r\n]*)")
_ABOVE = re.compile(r"[ \t]*#[ \t]*([^\r\n]*)\r?\n")


def hover(found: Found, model: Model | None) -> str:
    """Return what is known of a word, as Markdown.

    Parameters
    ----------
    model : the checked text, None where it is wrong somewhere.
    """
    meaning = found.meaning
    if isinstance(meaning, Declaration):
        parts = [
            _code(meaning.text),
            *([note] if (note := comment(meaning.statement.span)) else []),
        ]
        if model is not None and meaning.word != "field":
            parts.append("  \n".join(_plain(fact) for fact in facts(meaning.name, model)))
        if meaning.place.source is not found.span.source:
            parts.append(_plain(f"declared in {meaning.place.source.name}"))
        return "\n\n".join(part for part in parts if part)
    if isinstance(meaning, Local):
        word = "index" if re.search(r"\bin\b", meaning.text) else "argument"
        return f"{_code(meaning.text)}\n\n{word} `{meaning.name}`"
    if isinstance(meaning, Standard):
        return f"{_code(meaning.definition.span.text)}\n\nof the standard library"
    if isinstance(meaning, UsedFile):
        return _plain(meaning.path)
    return "\n\n".join(explanation(keyword) for keyword in meaning)


def explanation(keyword: Keyword) -> str:
    """Return what a word of the language means, as Markdown."""
    return f"{_code(keyword.usage)}\n\n{keyword.meaning}"


def comment(span: Span) -> str:
    """Return the comment behind a statement, or the lines of comment right above it."""
    text = span.source.text
    behind = _BEHIND.match(text, span.stop)
    if behind is not None:
        return _plain(behind[1])
    lines: list[str] = []
    start = text.rfind("\n", 0, span.start) + 1
    while start > 0:
        above = text.rfind("\n", 0, start - 1) + 1
        line = _ABOVE.fullmatch(text, above, start)
        if line is None:
            break
        lines.append(line[1])
        start = above
    return _plain(" ".join(reversed(lines)))


def facts(name: str, model: Model) -> Iterator[str]:
    """Yield what the checker found out about a declared name."""
    if name in model.domains:
        yield _domain(model.domains[name])
    elif name in model.sizes:
        size = model.sizes[name]
        if size.value is not None:
            yield f"{size.value} in every instance"
        else:
            over = "" if size.over is None else f", one for each of {size.over.name}"
            yield f"each instance has its own{over}"
    elif name in model.givens:
        given = model.givens[name]
        yield f"given: always observed{_shape(given.axes)}; type {type_name(given)}"
    elif name in model.unknowns:
        unknown = model.unknowns[name]
        said = "inferred" if unknown.role == "answer" else "never observed"
        yield f"{unknown.role}: {said}{_shape(unknown.axes)}; type {type_name(unknown)}"
        yield from _states(unknown)
        yield from _readers(name, model)
    elif name in model.params:
        yield from _param(model.params[name])
    elif name in model.maps:
        yield f"map: {layer_text(model.maps[name].layer)}"
    elif name in model.constants:
        yield f"a constant: {model.constants[name]:g}; `--set {name}=…` changes it"
    elif name in model.lets:
        yield "computed once an instance, from givens alone"
    elif name in model.factors:
        factor = model.factors[name]
        yield f"scope: {', '.join(show(r) for r in factor.scope) or 'no unknown'}"
    elif name in model.energies:
        other = model.energies[name]
        yield f"a second energy of {some(len(other.factors), 'factor')}"


def _domain(domain: Domain) -> str:
    if domain.is_range:
        return f"{some(domain.count or 0, 'whole number')}, {domain.low} to {domain.high}"
    if domain.values is None:
        return "labels that the training data hold"
    shown = ", ".join(domain.values[:10]) + (", …" if len(domain.values) > 10 else "")
    return f"{some(len(domain.values), 'label')}: {shown}"


def _states(unknown: Unknown) -> Iterator[str]:
    values = unknown.values
    if values is not None and values.fixed is not None:
        ends = "" if values.domain else f", {values.low} to {values.low + values.fixed - 1}"
        yield f"{some(values.fixed, 'state')}{ends}"


def _readers(name: str, model: Model) -> Iterator[str]:
    factors = [f.name for f in model.factors.values() if any(_root(r) == name for r in f.scope)]
    yield f"read by {', '.join(factors)}" if factors else "no factor reads it"


def _root(read: object) -> str:
    return str(getattr(read, "name", ""))


def _param(param: ParamDeclaration) -> Iterator[str]:
    held = f"real({param.low:g}, {param.high:g})"
    kind = held if param.constraint == "interval" else param.constraint
    yield f"param: weights{_shape(param.axes)}; {kind}"
    start = param.initial
    known = start[0] == "constant"
    yield f"begins at {start[1]:g}" if known else f"begins at {_call(start)}"
    terms = [f"{n}({c:g})" for n, c in (("l1", param.l1), ("l2", param.l2)) if c]
    yield f"regularised by {' + '.join(terms)}" if terms else "not regularised"


def _call(initial: tuple[str | float, ...]) -> str:
    return f"{initial[0]}({', '.join(f'{x:g}' for x in initial[1:])})"


def _shape(axes: tuple[IndexSet, ...]) -> str:
    if not axes:
        return ""
    fixed = [a.fixed for a in axes]
    names = [
        a.name if n is None or a.name == str(n) else f"{a.name} = {n}" for a, n in zip(axes, fixed)
    ]
    return f"; shape [{', '.join(names)}]"


def _code(text: str) -> str:
    """Return a block of code; its fence is longer than any in the text."""
    shown = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    fence = "`" * max([3, *(1 + len(run) for run in re.findall("`+", shown))])
    return f"{fence}fg\n{shown}\n{fence}"


def _plain(text: str) -> str:
    """Return text of the user's that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&-])", r"\\\1", visible(text))

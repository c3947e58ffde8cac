"""toulbar2's CFN format: networks of decimal costs in JSON, with names of variables and values.

Costs are made small (``"mustbe": "<10.5"``: a solution costs less than 10.5) or large (``">"``);
energies of the latter are minus the costs.

Reference: toulbar2 user manual, "CFN format".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import DataError, some
from factorgraph.graph.structure import Energies, Ints
from factorgraph.interop.formats.gather import Gathered, Shape, entries
from factorgraph.interop.formats.hard import Named, Unfit, add_named, counts, known
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.loose import Object, fault, read_loose
from factorgraph.interop.formats.source import Source
from factorgraph.interop.formats.uai import MOST
from factorgraph.source import visible

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_BOUND = re.compile(r"([<>])\s*([+-]?(?:\d+\.?(\d*)|\.(\d+))(?:[eE][+-]?\d+)?)")
_PARTS = ("problem", "variables", "functions")
_FIELDS = ("scope", "type", "params", "parameters", "defaultcost", "costs")


@dataclass
class _Function:
    """A cost function in extension."""

    number: int
    scope: Ints
    cards: tuple[int, ...]
    table: Energies | None
    alike: str = ""


@dataclass
class _Network:
    """What has been read of a file."""

    source: Source
    text: str
    card: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    names: dict[str, int] = field(default_factory=dict)
    values: list[dict[str, int] | None] = field(default_factory=list)
    upper: float = float("inf")
    sign: float = 1.0
    digits: int = 0
    functions: list[_Function] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def wrong(self, reason: str, name: str = "", after: str = "") -> DataError:
        """Return the error with the line where a name stands, behind another one."""
        start = max(0, self.text.find(after)) if after else 0
        found = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.])").search(self.text, start)
        at = found.start() if name and found else start
        return fault(self.source, self.text.count("\n", 0, at) + 1, reason)


def read_cfn(source: Source) -> Instance:
    """Read a network of costs.

    Raises
    ------
    DataError : the file is damaged, with line and reason, or has a named cost function that is
        not read.
    BudgetError : its tables would be over the budget.
    """
    found, text = read_loose(source)
    net = _Network(source, text)
    parts = _parts(net, found)
    _problem(net, parts["problem"])
    states = _variables(net, parts["variables"])
    gathered = Gathered(net.card, source.name)
    _functions(net, parts["functions"], gathered)
    _share(net)
    _gather(net, gathered)
    structure, values, numbers = gathered.build()
    names = tuple(net.names) if len(net.names) == len(net.card) else ()
    return Instance(
        source.name,
        "cfn",
        structure,
        values,
        np.full(len(net.card), -1, np.int32),
        gathered.offset,
        names=names,
        states=states,
        upper=net.upper,
        step=10.0**-net.digits,
        maximised=net.sign < 0,
        numbers=numbers,
    )


def _parts(net: _Network, found: list[Any]) -> dict[str, list[Any]]:
    """Return the three parts of the file by name; names may be left out."""
    out: dict[str, list[Any]] = {}
    if len(found) == 3 and all(isinstance(part, list) for part in found):
        return dict(zip(_PARTS, found, strict=True))
    for name, part in zip(found[::2], found[1::2], strict=False):
        if name in out or name not in _PARTS or not isinstance(part, list):
            raise net.wrong(f"a file has the parts {', '.join(_PARTS)}, not {_shown(name)}")
        out[name] = part
    if len(found) != 2 * len(_PARTS) or len(out) != len(_PARTS):
        missing = [name for name in _PARTS if name not in out]
        raise net.wrong(f"the part {missing[0] if missing else 'functions'} is missing")
    return out


def _problem(net: _Network, found: list[Any]) -> None:
    bound = ""
    words = list(found)
    if len(words) >= 2 and words[0] == "name":
        del words[:2]
    if words and words[0] == "mustbe" and len(words) == 2:
        bound = words[1]
    elif words and isinstance(words[-1], str) and words[-1][:1] in ("<", ">"):
        bound = words[-1]
    elif len(words) > 1:
        raise net.wrong("the problem has a name and a bound, mustbe", "problem")
    if not bound:
        return
    match = _BOUND.fullmatch(bound) if isinstance(bound, str) else None
    if match is None:
        raise net.wrong(f"mustbe is < or > and a number, not {_shown(bound)}", "mustbe")
    net.sign = 1.0 if match[1] == "<" else -1.0
    net.upper = net.sign * float(match[2])
    net.digits = len(match[3] or match[4] or "")
    if not np.isfinite(net.upper):
        raise net.wrong(f"mustbe is a number in range, not {_shown(bound)}", "mustbe")


def _variables(net: _Network, found: list[Any]) -> tuple[tuple[str, ...], ...]:
    """Read the variables; return the names of their values."""
    cards: list[int] = []
    states: list[tuple[str, ...]] = []
    at, pairs = 0, isinstance(found, Object)
    while at < len(found):
        name = ""
        if pairs or (isinstance(found[at], str) and not _NUMBER.fullmatch(found[at])):
            name, at = str(found[at]), at + 1
            if name in net.names:
                raise net.wrong(f"there are two variables `{name}`", name, "variables")
            net.names[name] = len(cards)
        if at >= len(found):
            raise net.wrong(f"variable `{name}` has no values", name, "variables")
        domain, at = found[at], at + 1
        shown = f"variable `{name}`" if name else f"variable {len(cards)}"
        if isinstance(domain, list):
            words = [str(word) for word in domain if not isinstance(word, list)]
            if not domain or len(words) < len(domain):
                raise net.wrong(f"{shown} has a list of values, at least one", name, "variables")
            table = {word: k for k, word in enumerate(words)}
            if len(table) < len(words):
                raise net.wrong(f"{shown} has a value twice", name, "variables")
            net.values.append(table)
            states.append(tuple(words))
            cards.append(len(words))
            continue
        size = _number(domain)
        if size is None or size != int(size) or not 1 <= abs(size) <= MOST:
            raise net.wrong(
                f"{shown} has values or a number of them, not {_shown(domain)}", name, "variables"
            )
        net.values.append(None)
        states.append(())
        cards.append(int(abs(size)))
    net.card = np.array(cards, np.int32)
    if net.names and len(net.names) < len(cards):
        raise net.wrong("some variables have names and some have none", "", "variables")
    return tuple(states) if any(states) else ()


def _functions(net: _Network, found: list[Any], gathered: Gathered) -> None:
    at, number, pairs = 0, 0, isinstance(found, Object)
    while at < len(found):
        name = ""
        if pairs or not isinstance(found[at], list):
            name, at = str(found[at]), at + 1
            if name in net.labels:
                raise net.wrong(f"there are two functions `{name}`", name, "functions")
            net.labels[name] = len(net.functions)
        content = found[at] if at < len(found) else None
        at += 1
        shown = f"function `{name}`" if name else f"function {number}"
        if not isinstance(content, list) or len(content) % 2:
            raise net.wrong(f"{shown} is an object with a scope", name, "functions")
        fields = dict(zip(map(str, content[::2]), content[1::2], strict=True))
        unknown = [key for key in fields if key not in _FIELDS]
        if unknown or len(fields) < len(content) // 2 or "scope" not in fields:
            what = f"no {_shown(unknown[0])}" if unknown else "a scope, and each once"
            raise net.wrong(f"the fields of {shown}: {what}", name, "functions")
        try:
            _function(net, gathered, number, fields, shown)
        except _Bad as error:
            raise net.wrong(f"{shown}: {error}", name, "functions") from None
        number += 1


class _Bad(Exception):
    """What is wrong with a function."""


def _function(
    net: _Network, gathered: Gathered, number: int, fields: dict[str, Any], shown: str
) -> None:
    scope = _scope(net, fields["scope"])
    cards = tuple(net.card[scope].tolist())
    if "type" in fields:
        _named(net, number, scope, fields, shown)
        return
    costs = fields.get("costs", [])
    if isinstance(costs, str):
        net.functions.append(_Function(number, scope, cards, None, costs))
        return
    if not isinstance(costs, list):
        raise _Bad(f"costs are a list, not {_shown(costs)}")
    size = entries(cards)
    if "defaultcost" not in fields:
        if len(costs) != size:
            raise _Bad(f"{some(len(costs), 'cost')} for {size:.7g} tuples")
        gathered.require(size, f"the table of {shown}")
        table = _costs(costs)
    else:
        gathered.require(size, f"the table of {shown}")
        table = np.full(size, _costs([fields["defaultcost"]])[0])
        flat = [word for part in costs for word in (part if isinstance(part, list) else [part])]
        width = len(cards) + 1
        if len(flat) % width:
            raise _Bad(f"costs are tuples of {some(width - 1, 'value')} and a cost")
        entry = np.zeros(len(flat) // width, np.int64)
        for k, variable in enumerate(scope.tolist()):
            entry = entry * cards[k] + _values(net, variable, flat[k::width])
        table[entry] = _costs(flat[width - 1 :: width])
    net.functions.append(_Function(number, scope, cards, table * net.sign + 0.0))


def _scope(net: _Network, words: Any) -> Ints:
    if not isinstance(words, list):
        raise _Bad(f"the scope is a list of variables, not {_shown(words)}")
    out = []
    for word in words:
        at = net.names.get(word) if isinstance(word, str) else None
        if at is None:
            value = _number(word)
            fits = value is not None and value == int(value) and 0 <= value < len(net.card)
            if value is None or not fits:
                raise _Bad(f"there is no variable {_shown(word)}")
            at = int(value)
        out.append(at)
    if len(set(out)) < len(out):
        raise _Bad("the scope names a variable twice")
    return np.array(out, np.int32)


def _values(net: _Network, variable: int, words: Sequence[Any]) -> NDArray[np.int64]:
    """Return the numbers of values that are told by name or number."""
    table, card = net.values[variable], int(net.card[variable])
    out = np.empty(len(words), np.int64)
    for i, word in enumerate(words):
        at = table.get(word) if table is not None and isinstance(word, str) else None
        if at is None:
            value = _number(word)
            if value is None or not (value == int(value) and 0 <= value < card):
                raise _Bad(f"{_shown(word)} is no value of variable {variable}")
            at = int(value)
        out[i] = at
    return out


def _costs(words: Sequence[Any]) -> Energies:
    try:
        out = np.array([float(word) for word in words])
    except (TypeError, ValueError, OverflowError):
        odd = next(word for word in words if _number(word) is None)
        raise _Bad(f"a cost is a number, not {_shown(odd)}") from None
    bad = ~np.isfinite(out)
    if bad.any():
        raise _Bad(f"a cost is a number, not {_shown(words[int(bad.argmax())])}")
    return out


def _number(word: Any) -> float | None:
    """Return a number, or one in quotes; None where it is none in range."""
    if isinstance(word, str) and _NUMBER.fullmatch(word):
        word = float(word)
    if isinstance(word, bool) or not isinstance(word, int | float):
        return None
    try:
        value = float(word)
    except OverflowError:
        return None
    return value if np.isfinite(value) else None


def _named(net: _Network, number: int, scope: Ints, fields: dict[str, Any], shown: str) -> None:
    name = str(fields["type"])
    if not known(name) or net.sign < 0:
        why = "is not read" if not known(name) else "is not read where costs are made large"
        raise DataError(
            f"{net.source.name}: {shown} is a {_shown(name)}, which {why}", code="E0372"
        )
    words = fields.get("params", fields.get("parameters", []))
    if not isinstance(words, list):
        raise _Bad("its params are a list")
    tags = ("metric", "cost", "capacity", "weights")
    flat = []
    for word in words:
        flat.extend(word if isinstance(word, list) else [] if word in tags else [word])
    word = str(flat.pop(0)) if name == "salldiff" and flat else ""
    numbers = _costs(flat).tolist()
    count = counts(name)
    if len(numbers) != (1 + len(scope) if count is None else count):
        raise _Bad(f"{some(len(numbers), 'number')} as params of {_shown(name)}")
    if name in ("salldiff", "disj", "sdisj") and min(numbers[-2:]) < 0 and name != "salldiff":
        raise _Bad(f"a cost of {_shown(name)} is negative")
    net.named.append(Named(name, number, scope, tuple(numbers), word))


def _share(net: _Network) -> None:
    """Give functions the tables of others that they name."""
    for function in net.functions:
        if function.table is not None:
            continue
        at = net.labels.get(function.alike)
        other = None if at is None or at >= len(net.functions) else net.functions[at]
        if other is None or other.alike or other.cards != function.cards:
            raise net.wrong(
                f"function {function.number} has the costs of {_shown(function.alike)}, which is "
                "no function with a table for such variables",
                function.alike,
                "functions",
            )
        function.table = other.table


def _gather(net: _Network, gathered: Gathered) -> None:
    """Put functions into groups; costs that no solution can have become infinite."""
    tables = [each.table for each in net.functions if each.table is not None]
    low = np.array([min(0.0, float(table.min())) if table.size else 0.0 for table in tables])
    slack = 0.5 * 10.0**-net.digits
    alike: dict[tuple[int, ...], list[int]] = {}
    for k, each in enumerate(net.functions):
        alike.setdefault(each.cards, []).append(k)
    total = float(low.sum())
    for cards, members in sorted(alike.items(), key=lambda item: (len(item[0]), item[0])):
        stacked = np.stack([tables[k] for k in members])
        rest = (total - low[members])[:, None]
        if net.upper < np.inf:
            stacked = np.where(stacked + rest > net.upper - slack, np.inf, stacked)
        scopes = np.array([net.functions[k].scope for k in members], np.int32)
        numbers = np.array([net.functions[k].number for k in members])
        gathered.add(Shape(cards, numbers, scopes.reshape(len(members), len(cards))), stacked)
    hard = net.upper - total if net.upper < np.inf else np.inf
    try:
        add_named(
            gathered,
            net.named,
            net.card,
            hard,
            lambda costs: np.where(costs >= hard, np.inf, costs),
        )
    except Unfit as error:
        name = next((k for k, v in net.labels.items() if v == error.function.number), "")
        raise net.wrong(error.reason, name, "functions") from None


def _shown(word: Any) -> str:
    text = "a list" if isinstance(word, list) else f"`{visible(str(word)[:40])}`"
    return text

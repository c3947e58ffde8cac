"""Write networks of costs: toulbar2's WCSP, in whole numbers, and CFN, in decimals."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from factorgraph.errors import UsageError
from factorgraph.graph.structure import Energies
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.plain import Plain, plain

Say = Callable[[str], object]
DIGITS = 6
MOST = 2**52
_PLAIN_NAME = re.compile(r"[A-Za-z_][^\s/#\[\]{}\"\\:,]*")


@dataclass(frozen=True)
class _Span:
    """Sums over all factors of the least and the greatest finite energies of their tables."""

    low: float
    high: float


def write_wcsp(instance: Instance, say: Say, note: Say, digits: int | None = None) -> None:
    """Write whole costs: energies times a power of ten, rounded, from the least of each table on.

    A power other than 1, and a constant that is no whole cost, stand in the problem's name, from
    where `read` takes them.

    Parameters
    ----------
    say : takes the text part by part.
    note : is told, in a sentence, where something is not as it was.
    digits : decimals of energies that are kept; None for none where energies are whole, else 6
        or as many as fit.

    Raises
    ------
    UsageError : costs would not fit into whole numbers.
    """
    net = plain(instance)
    structure, values = net.instance.structure, net.instance.values
    span = _span(net)
    offset = 0.0 if instance.offset == np.inf else instance.offset
    finite = values[np.isfinite(values)]
    exact_with = next((d for d in range(DIGITS + 1) if _whole_with(finite, d)), None)
    room = max(span.high - span.low, abs(offset + span.low), 1.0)
    fit = math.floor(math.log10(MOST / room)) if room < MOST else -1
    least = DIGITS if exact_with is None else exact_with
    kept = (min(least, fit) if exact_with is None else least) if digits is None else digits
    if kept < 0 or kept > fit:
        raise UsageError(
            f"energies up to {room:.3g} with {max(kept, 0)} decimals are no whole numbers below "
            "2^52",
            code="E0375",
            hint="--scale 0.001 multiplies all energies, --digits 3 keeps fewer decimals",
        )
    power = 10.0**kept
    lows = [_lows(net, g) for g in range(len(structure.groups))]
    constant = offset + sum(
        float(low[group.table].sum()) for low, group in zip(lows, structure.groups, strict=True)
    )
    first = round(constant * power)
    exact = abs(constant * power - first) <= 1e-12 * abs(first) and first >= 0
    rest = 0.0 if exact else constant
    first = first if exact else 0
    top = _top(net, lows, power) + first + 1
    upper = top
    if instance.upper < np.inf:
        upper = max(0, math.ceil((instance.upper - rest) * power - 1e-6))
    hard = max(upper, top)
    name = _title(instance)
    if kept or rest:
        name += f"@scale=1e{kept}@constant={rest!r}"
    if exact_with is None or kept < exact_with:
        error = 0.5 * len(net) / power
        note(f"costs are energies times 10^{kept}, rounded: a sum is off by {error:.2g} at most")
    if rest:
        note(f"a constant energy of {rest:.12g} stands in the name, not among the costs")
    extra = (first > 0) + (instance.offset == np.inf)
    card = structure.card
    largest = int(card.max(initial=1))
    say(f"{name} {len(card)} {largest} {len(net) + extra} {upper}\n")
    say(" ".join(map(str, card.tolist())) + "\n")
    if first > 0:
        say(f"0 {first} 0\n")
    if instance.offset == np.inf:
        say(f"0 {hard} 0\n")
    users = [np.bincount(group.table, minlength=group.distinct) for group in structure.groups]
    shared: dict[tuple[int, int], int] = {}
    for factor in net.factors():
        scope = " ".join(map(str, factor.scope.tolist()))
        if factor.key in shared:
            default, number = shared[factor.key], list(shared).index(factor.key) + 1
            say(f"{len(factor.scope)} {scope} {default} -{number}\n")
            continue
        g, k = factor.key
        costs = _whole(factor.table, float(lows[g][k]), power, hard)
        default, text = _tuples(costs)
        many = users[g][k] > 1
        if many:
            shared[factor.key] = default
        say(f"{'-' if many else ''}{len(factor.scope)} {scope} {default} {text}")


def _whole_with(energies: Energies, digits: int) -> bool:
    """Return whether all energies have so many decimals at most."""
    moved = energies * 10.0**digits
    return bool((np.abs(moved - np.round(moved)) <= 1e-12 * np.abs(moved)).all())


def _tuples(costs: Energies) -> tuple[int, str]:
    """Return the default cost, and the number of tuples with their lines."""
    value, count = np.unique(costs, return_counts=True)
    default = int(value[count.argmax()])
    odd = np.argwhere(costs != default)
    rows = np.concatenate((odd, costs[tuple(odd.T)][:, None].astype(np.int64)), axis=1)
    lines = "".join(" ".join(map(str, row)) + "\n" for row in rows.tolist())
    return default, f"{len(rows)}\n{lines}"


def _whole(table: Energies, low: float, power: float, hard: int) -> Energies:
    out = np.round((np.where(np.isfinite(table), table, low) - low) * power)
    out[~np.isfinite(table)] = hard
    return out


def _lows(net: Plain, g: int) -> Energies:
    """Return the least finite energy of each table of a group, 0 where there is none."""
    structure = net.instance.structure
    group = structure.groups[g]
    tables = structure.table(net.instance.values, g).reshape(group.distinct, -1)
    low = tables.min(axis=1, initial=np.inf)
    return np.where(np.isfinite(low), low, 0.0)


def _highs(net: Plain, g: int) -> Energies:
    structure = net.instance.structure
    group = structure.groups[g]
    tables = structure.table(net.instance.values, g).reshape(group.distinct, -1)
    high = np.where(np.isfinite(tables), tables, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(high), high, 0.0)


def _span(net: Plain) -> _Span:
    low = high = 0.0
    for g, group in enumerate(net.instance.structure.groups):
        low += float(_lows(net, g)[group.table].sum())
        high += float(_highs(net, g)[group.table].sum())
    return _Span(low, high)


def _top(net: Plain, lows: list[Energies], power: float) -> int:
    """Return a whole number that no sum of finite costs is above."""
    total = 0
    for g, group in enumerate(net.instance.structure.groups):
        reach = np.round((_highs(net, g) - lows[g]) * power)
        total += int(reach[group.table].sum())
    return total


def write_cfn(instance: Instance, say: Say, note: Say) -> None:
    """Write decimal costs, which are the energies, with names as far as the format allows them.

    Parameters and errors are those of `write_wcsp`.
    """
    net = plain(instance)
    structure = net.instance.structure
    span = _span(net)
    card = structure.card
    names = [str(name) for name in instance.names]
    if not names or not all(map(_PLAIN_NAME.fullmatch, names)):
        if names:
            note("variables are named v0, v1, ...: their own names do not fit the format")
        names = [f"v{i}" for i in range(len(card))]
    if instance.maximised:
        note("costs are made small: they are minus those that were made large")
    offset = 0.0 if instance.offset == np.inf else instance.offset
    top = max(0.0, span.high + offset) + 1.0
    upper = top if instance.upper == np.inf else instance.upper
    lows = [np.minimum(_lows(net, g), 0.0) for g in range(len(structure.groups))]
    below = sum(
        float(low[group.table].sum()) for low, group in zip(lows, structure.groups, strict=True)
    )
    hard = max(upper, top) - below - min(0.0, offset) + 1.0
    digits = max(2, min(9, math.floor(17 - math.log10(max(hard, -below, 1.0)))))
    note(f"toulbar2 keeps {digits} decimals of these costs, as many as mustbe has")
    title = json.dumps(_title(instance))
    say(f'{{"problem": {{"name": {title}, "mustbe": "<{_fixed(upper, digits)}"}},\n"variables": {{')
    fields = []
    for v, name in enumerate(names):
        values: list[str] | int = int(card[v])
        if instance.states and instance.states[v]:
            values = list(instance.states[v])
            if not all(map(_PLAIN_NAME.fullmatch, values)):
                values = int(card[v])
        fields.append(f"{json.dumps(name)}: {json.dumps(values)}")
    say(",\n ".join(fields) + '},\n"functions": {')
    last = {factor.key: k for k, factor in enumerate(net.factors())}
    between = "\n "
    if offset or instance.offset == np.inf:
        cost = _decimal(offset if instance.offset < np.inf else hard)
        say(f'{between}"constant": {{"scope": [], "costs": [{cost}]}}')
        between = ",\n "
    for k, factor in enumerate(net.factors()):
        scope = ", ".join(json.dumps(names[v]) for v in factor.scope.tolist())
        costs = f'"f{last[factor.key]}"'
        if last[factor.key] == k:
            table = np.where(np.isfinite(factor.table), factor.table, hard).reshape(-1)
            costs = "[" + ", ".join(map(_decimal, table.tolist())) + "]"
        say(f'{between}"f{k}": {{"scope": [{scope}], "costs": {costs}}}')
        between = ",\n "
    say("}}\n")


def _decimal(value: float) -> str:
    """Return a number without an exponent, which the format has not."""
    text = repr(value)
    if "e" in text:
        text = np.format_float_positional(value, trim="-")
    return text


def _fixed(value: float, digits: int) -> str:
    """Return an upper bound with so many decimals, never below it."""
    return f"{math.ceil(value * 10**digits - 1e-6) / 10**digits:.{digits}f}"


def _title(instance: Instance) -> str:
    stem = re.split(r"[\\/]", instance.source)[-1].removesuffix(".gz").rpartition(".")[0]
    return re.sub(r"[^\w.-]", "_", stem or instance.source) or "graph"

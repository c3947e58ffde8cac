"""Random derivations of the grammar itself, with names that tend to be declared."""

from __future__ import annotations

from functools import cache
from random import Random

from lark import Lark
from lark.grammar import NonTerminal

from fuzz import corpus
from fuzz.mutate import NUMBERS, WORDS

POOL = "n m k D Tag x y z w U V q f g edge a b i j t s net Y".split()
"""Names, declared and used."""

TEXTS = ("a", "B-NP", "", "_", "é", "losses.fg", "../x.fg", "/etc/passwd", "<-1>", "%s", "{}")

Rules = dict[str, list[list[tuple[bool, str]]]]


@cache
def _rules() -> tuple[Rules, dict[str, str], dict[str, int]]:
    """Return the rules as lists of (is a rule, name), texts of terminals, least depths."""
    text = (corpus.ROOT / "grammar" / "fg.lark").read_text(encoding="utf-8")
    lark = Lark(text, parser="lalr", maybe_placeholders=False)
    rules: Rules = {}
    for rule in lark.rules:
        parts = [(isinstance(s, NonTerminal), s.name) for s in rule.expansion]
        rules.setdefault(rule.origin.name, []).append(parts)
    words = {
        t.name: t.pattern.value for t in lark.terminals if type(t.pattern).__name__ == "PatternStr"
    }
    depths: dict[str, int] = {}
    while len(depths) < len(rules):
        for name, choices in rules.items():
            known = [
                1 + max((depths[s] for inner, s in c if inner), default=0)
                for c in choices if all(not inner or s in depths for inner, s in c)
            ]  # fmt: skip
            if known and name not in depths:
                depths[name] = min(known)
    return rules, words, depths


def derive(random: Random, size: int = 120) -> str:
    """Return a random text of the grammar.

    Parameters
    ----------
    size : about how many tokens it has.
    """
    rules, words, depths = _rules()
    out: list[str] = []
    statements = sorted(corpus.STATEMENTS)
    while len(out) < size:
        todo = [(True, random.choice(statements))]
        stop = len(out) + random.choice((10, 30, 80))
        while todo:
            inner, name = todo.pop()
            if not inner:
                out.append(words[name] if name in words else _terminal(random, name))
                continue
            choices = rules[name]
            if len(out) + len(todo) > stop:
                least = min(_depth(c, depths) for c in choices)
                choices = [c for c in choices if _depth(c, depths) == least]
            todo.extend(reversed(random.choice(choices)))
        out.append("\n")
    return " ".join(out)


def _depth(choice: list[tuple[bool, str]], depths: dict[str, int]) -> int:
    return max((depths[s] for inner, s in choice if inner), default=0)


def _terminal(random: Random, name: str) -> str:
    match name:
        case "NAME":
            return random.choice(POOL) if random.random() < 0.85 else random.choice(WORDS)
        case "INT":
            if random.random() < 0.9:
                return str(random.randrange(6))
            return random.choice([n for n in NUMBERS if n.isdigit()])
        case "NUMBER":
            return random.choice(("0.5", "1.0", "1e308", "1e-300", "2.5", "0.0", "1e999"))
        case "STRING":
            return f'"{random.choice(TEXTS)}"'
        case "COMPARE":
            return random.choice(("==", "!=", "<=", ">=", "<", ">"))
        case "ADD":
            return random.choice("+-")
        case "MUL":
            return random.choice(("*", "//", "/", "%", "&"))
    raise KeyError(name)

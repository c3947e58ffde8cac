"""Good model texts made bad: by tokens, by statements, by characters, by nesting."""

from __future__ import annotations

import re
from random import Random

from fuzz import corpus

NUMBERS = (
    "0", "1", "2", "3", "7", "255", "1000", "65536", "1048576", "2147483647", "2147483648",
    "4611686018427387904", "9223372036854775807", "9223372036854775808", "1" + "0" * 30,
    "0.0", "0.5", "1.0", "1e-320", "1e-5", "1e5", "1e308", "1e309", "4.9e-324", "inf", "(-1)",
    "(-0.0)", "(-inf)", "(0/0)", "(2^62)", "(-2147483648)", "0.1", "1e16", "9007199254740993",
)  # fmt: skip
"""What numbers are changed to."""

SIGNS = "+ - * / // % ^ & == != <= >= < > = : ~ .. . , ( ) [ ] { } =>".split()
WORDS = (
    "use domain size given latent answer param map let fun factor hard loss infer as for in if "
    "then else and or not inf real int text bit positive unit simplex path segments abs min max "
    "sum mean count exp log sqrt tanh cosh sigmoid softplus norm dot outer lower prefix suffix "
    "shape kind spell hash features xor atmostone exactlyone atleastone alldiff linear mlp conv "
    "pool chain relu none same unroll zeros normal dirichlet l1 l2 E free softmin mistakes grad "
    "laplace any wrong only pin sample draw best jitter answers factors exact minsum trws nll "
    "hinge margin cd hamming"
).split()
ODD = (
    "\x00", "\r", "\n", "\ufeff", "\u2028", "\u2029", "\x7f", "\x1b[31m", "\x85", "\u200b",
    "\u202e", "é", "ß", "ſ", "ﬀ", "İ", "ı", "²", "١", "Ⅷ", "𝟙", "漢", "😀", "\ud800", "\udfff",
    "\\", "'", '"', "`", "$", "@", "?", "!", ";", "|", "\t", "\x0b", "\x0c", "\xa0", "#", "_",
)  # fmt: skip
"""Characters that are not at home in a text."""

DEEP = (20, 60, 99, 100, 101, 150, 250, 700)
"""Depths of nesting; the language allows about a hundred brackets."""

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"\d")


def by_tokens(random: Random, text: str, most: int = 4) -> str:
    """Return a text with a few of its tokens changed."""
    pieces = corpus.tokens(text)
    mild = random.random() < 0.7  # what stays of the language goes deeper
    for _ in range(random.randint(1, most)):
        solid = [i for i, p in enumerate(pieces) if p.strip() and not p.startswith("#")]
        if not solid:
            return random.choice(corpus.all_tokens())
        at = random.choice(solid)
        match random.choice((5, 6, 6, 9, 9, 10, 10, 11)) if mild else random.randrange(12):
            case 0:
                pieces[at] = ""
            case 1:
                pieces[at] += " " + pieces[at]
            case 2:
                other = random.choice(solid)
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 3:
                pieces[at] = random.choice(corpus.all_tokens())
            case 4:
                pieces[at] = pieces[random.choice(solid)]
            case 5:
                numbers = [i for i in solid if _NUMBER.match(pieces[i])]
                if numbers:
                    pieces[random.choice(numbers)] = random.choice(NUMBERS)
            case 6:
                names = [i for i in solid if _NAME.match(pieces[i])]
                if names:
                    pieces[random.choice(names)] = pieces[random.choice(names)]
            case 7:
                pieces[at] = random.choice(SIGNS) if random.random() < 0.5 else random.choice(WORDS)
            case 8:
                other = random.choice(solid)
                low, high = min(at, other), max(at, other)
                if random.random() < 0.5:
                    del pieces[low : min(high, low + 8)]
                else:
                    pieces[low:low] = pieces[low : min(high, low + 20)]
            case 9:
                like = [i for i in solid if _kind(pieces[i]) == _kind(pieces[at])]
                pieces[at] = pieces[random.choice(like)]
            case 10:
                _swap_groups(random, pieces)
            case 11:
                pieces[at] = _like(random, pieces[at])
    return "".join(pieces)


OPERATORS = (
    frozenset("+ - * / // % ^".split()),
    frozenset("== != <= >= < >".split()),
    frozenset("and or =>".split()),
    frozenset(("sum", "min", "max", "mean", "norm")),
    frozenset("abs exp log sqrt tanh cosh sigmoid softplus".split()),
    frozenset("xor atmostone exactlyone atleastone alldiff count".split()),
    frozenset("real int text bit".split()),
    frozenset(("given", "answer", "latent")),
    frozenset(("positive", "unit", "simplex")),
    frozenset(("factor", "hard", "let")),
)
"""Tokens that stand in for each other without breaking the grammar."""


def _like(random: Random, piece: str) -> str:
    """Return a token that may stand where a token stands."""
    for group in OPERATORS:
        if piece in group:
            return random.choice(sorted(group))
    if _NUMBER.match(piece):
        return random.choice(("0", "1", "2", "0.5", random.choice(NUMBERS)))
    if _NAME.match(piece):
        names = [t for t in corpus.all_tokens() if _NAME.match(t) and t not in corpus.RESERVED]
        return random.choice(names)
    return piece


def _swap_groups(random: Random, pieces: list[str]) -> None:
    """Let what one pair of brackets holds stand in another pair of the same kind, too."""
    stack: list[int] = []
    groups: dict[str, list[tuple[int, int]]] = {}
    for i, piece in enumerate(pieces):
        if piece in ("(", "[", "{"):
            stack.append(i)
        elif piece in (")", "]", "}") and stack:
            low = stack.pop()
            groups.setdefault(pieces[low], []).append((low + 1, i))
    if not groups:
        return
    same = groups[random.choice(sorted(groups))]
    (low, high), (first, last) = random.choice(same), random.choice(same)
    pieces[low:high] = pieces[first:last]


def _kind(piece: str) -> int:
    if _NAME.match(piece):
        return 1
    return 2 if _NUMBER.match(piece) else 3


def numbers(random: Random, text: str) -> str:
    """Return a text with one or two numbers at their extremes."""
    pieces = corpus.tokens(text)
    places = [i for i, p in enumerate(pieces) if _NUMBER.match(p)]
    for _ in range(random.randint(1, 2)):
        if places:
            pieces[random.choice(places)] = random.choice(NUMBERS)
    return "".join(pieces)


def by_statements(random: Random, text: str) -> str:
    """Return statements of two texts, some left out, doubled or out of order."""
    found = corpus.statements(text)
    _, second = random.choice(corpus.good())
    other = corpus.statements(second)
    match random.randrange(5):
        case 0:
            found = [s for s in found if random.random() < 0.8]
        case 1:
            random.shuffle(found)
        case 2:
            for _ in range(random.randint(1, 4)):
                found.insert(random.randint(0, len(found)), random.choice(corpus.all_statements()))
        case 3:
            found = [*found, *other]
        case 4:
            found = [s for s in (*found, *other) if random.random() < 0.6]
    if random.random() < 0.3 and found:
        found.append(random.choice(found))
    return "\n".join(found) + "\n"


def by_rename(random: Random, text: str) -> str:
    """Return a text in which one name takes the place of another everywhere."""
    names = sorted({p for p in corpus.tokens(text) if _NAME.match(p)})
    if not names:
        return text
    old = random.choice(names)
    new = random.choice(
        [random.choice(names), random.choice(WORDS), "n" * 3000, "_", "__class__", "lambda", "None"]
    )
    return "".join(new if p == old else p for p in corpus.tokens(text))


def by_characters(random: Random, text: str) -> str:
    """Return a text with characters that do not belong there, or cut in the middle."""
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(text))
        match random.randrange(7):
            case 0 | 1:
                text = text[:at] + random.choice(ODD) + text[at:]
            case 2:
                text = text[:at] + text[at + random.randint(1, 3) :]
            case 3:
                text = text[:at]
            case 4:
                text = text[at:]
            case 5:
                text = text[:at] + chr(random.choice((random.randrange(128),
                                                      random.randrange(0x110000)))) + text[at:]  # fmt: skip
            case 6:
                text = text.replace("\n", random.choice(("\r", "\r\n", " ", "\x00", "")))
    return text


def nested(random: Random) -> str:
    """Return a text that nests or repeats one thing deeply."""
    depth = random.choice(DEEP)
    way = random.choice(NESTS)
    head = "size n\ngiven x[n] : real\nanswer y[n] : 0..3\nparam w\n"
    return head + way(depth) + ("\nloss nll\n" if random.random() < 0.5 else "")


def _wide(text: str, joint: str, count: int) -> str:
    return joint.join([text] * count)


NESTS = (
    lambda d: "factor f[i in n] = " + "(" * d + "x[i] * y[i]" + ")" * d,
    lambda d: "factor f[i in n] = " + "-" * d + "y[i]",
    lambda d: "hard f[i in n] : " + "not " * d + "y[i] == 1",
    lambda d: "factor f[i in n] = " + "abs(" * d + "y[i]" + ")" * d,
    lambda d: "factor f[i in n] = " + "if y[i] == 1 then " * d + "1" + " else 0" * d,
    lambda d: "factor f[i in n] = " + "if y[i] == 1 then 1 else " * d + "0",
    lambda d: "factor f[i in n] = " + _wide("y[i]", " + ", d * 20),
    lambda d: "factor f[i in n] = " + _wide("y[i]", "^", d),
    lambda d: "factor f[i in n] = " + _wide("(x[i]+1)", " / ", d * 5),
    lambda d: "hard f[i in n] : " + _wide("y[i] == 1", " => ", d),
    lambda d: "hard f[i in n] : " + _wide("y[i] == 1", " or ", d * 10),
    lambda d: "factor f = " + "".join("sum(" for _ in range(d)) + "y[0]"
    + "".join(f" for i{k} in n)" for k in range(d)),
    lambda d: "factor f = " + "sum(sum(sum(sum(" + "y[0]" + "".join(
        f" for i{k} in 0..{d * 100})" for k in range(4)),
    lambda d: "".join(f"let a{k} = {f'a{k - 1} + a{k - 1}' if k else 'w'}\n" for k in range(d))
    + f"factor f = a{d - 1}",
    lambda d: "".join(
        f"fun g{k}(q) = {f'g{k - 1}(q) * g{k - 1}(q + 1)' if k else 'q'}\n" for k in range(d)
    ) + f"factor f[i in n] = g{d - 1}(y[i])",
    lambda d: "".join(f"fun g{k}(q) = {f'g{k - 1}(q) + 1' if k else 'q'}\n" for k in range(d))
    + f"factor f[i in n] = g{d - 1}(y[i])",
    lambda d: "factor f[i in n] = " + "y" + "[i]" * d,
    lambda d: "factor f[i in n] = " + "y" + "[y" * d + "[i]" + "]" * d,
    lambda d: "factor f[" + ", ".join(f"i{k} in n" for k in range(d)) + "] = y[i0]",
    lambda d: "factor f[" + ", ".join(f"i{k} in n" for k in range(min(d, 8)))
    + "] = " + " + ".join(f"y[i{k}]" for k in range(min(d, 8))),
    lambda d: "factor f[(a, b) in {" + ", ".join(f"({k}, {k})" for k in range(d * 5)) + "}] = w",
    lambda d: "domain D = {" + ", ".join(f"a{k}" for k in range(d * 20)) + "}\nanswer z : D\n"
    "param U[D, D]\nfactor f = U[z, z]",
    lambda d: "loss " + "(" * d + "E(answer)" + ")" * d,
    lambda d: "".join(
        f"loss l{k} = {f'l{k - 1} + l{k - 1}' if k else 'E(answer)'}\n" for k in range(d)
    ) + f"factor f = w * y[0]\nloss l{d - 1}",
    lambda d: "loss " + _wide("nll", " + ", d * 3),
    lambda d: "loss E(" + "wrong(" * d + "any" + ")" * d + ")",
    lambda d: "infer " + _wide("exact", " + ", d * 10),
    lambda d: "map net = " + "chain(" * d + "linear(1, 1)" + ")" * d + "\nfactor f = net(w)",
    lambda d: "map net = mlp(" + ", ".join(["1"] * (d * 10)) + ")\nfactor f = net(w)",
    lambda d: "given r[n] : (" + ", ".join(f"a{k}: real" for k in range(d)) + ")",
    lambda d: "answer r : (" + ", ".join(f"a{k}: 0..9" for k in range(d)) + ")\n"
    "factor f = r.a0 + r.a1",
    lambda d: "param " + ", ".join(f"q{k}[{k + 1}]" for k in range(d)),
    lambda d: "let v = outer(" * d + "x, x" + ", x)" * d + "\nfactor f = sum(v)",
    lambda d: "param V[" + ", ".join(["2"] * d) + "]\nfactor f = V[" + ", ".join(["y[0]"] * d) + "]",
    lambda d: "param V[" + ", ".join(["2"] * d) + "]\nfactor f = norm(V)",
    lambda d: "\n".join(f"factor f{k} = w * y[{k}]" for k in range(d)),
    lambda d: "[" * d,
    lambda d: "{(" * d,
    lambda d: "factor f = " + '"' + "a" * d * 100 + '"',
    lambda d: "factor f = 1" + "0" * d * 10,
    lambda d: "factor f = " + "9" * min(d, 300) + "^" + "9" * min(d, 10),
    lambda d: "size m = 10^" + "9" * min(d, 8) + "\nparam V[m]",
    lambda d: "let a = 2" + "^2" * d + "\nfactor f = a",
    lambda d: "factor f = 0" + " # deep" * d,
    lambda d: "factor f = " + "\n" * d * 100 + " y[0]",
)  # fmt: skip
"""Each makes the end of a text, by a depth."""

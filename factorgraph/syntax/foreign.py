"""How statements are written here, and what other languages have in their place."""

from __future__ import annotations

SHAPE = {
    "use": 'use "other.fg"',
    "domain": "domain NAME = {A, B}",
    "size": "size NAME = 3",
    "given": "given NAME[n] : real",
    "answer": "answer NAME[n] : bit",
    "latent": "latent NAME[n] : bit",
    "param": "param NAME[k] = 0 ~ l2(1)",
    "map": "map NAME = mlp(3, 2)",
    "let": "let NAME = value",
    "fun": "fun NAME(x) = value",
    "factor": "factor NAME[i in n] = energy",
    "hard": "hard NAME[i in n] : condition",
    "loss": "loss NAME = formula",
    "infer": "infer exact",
}
"""How each statement is written."""

PAIRS = {
    "**": "a power is written `^`",
    "&&": "write `and`",
    "++": "nothing is counted up in a model: `x + 1` is a value",
    "+=": "a name keeps its value: give the new one a name of its own",
    "-=": "a name keeps its value: give the new one a name of its own",
    "*=": "a name keeps its value: give the new one a name of its own",
    "/=": "a name keeps its value; not equal is written `!=`",
    "->": "`=>` says that one follows from the other; a function is `fun NAME(x) = value`",
    "=<": "write `<=`",
    "<>": "write `!=`",
    "===": "write `==`",
    "!==": "write `!=`",
    "==>": "write `=>`",
    "<=>": "write `==`",
    "::": "one `:` is enough",
    "...": "a range is written `a..b`",
}
"""Signs of other languages, and what they are here."""

CHARACTERS = {
    **dict.fromkeys("−–—‐‑‒―", "this is not the minus of the keyboard: write `-`"),
    **dict.fromkeys("×·∙⋅•", "write `*`"),
    **dict.fromkeys("→⇒⟹", "write `=>`"),
    **dict.fromkeys("∑Σ", "write `sum(… for i in n)`"),
    "|": "or is written `or`, the absolute value `abs(x)`",
    "!": "write `not`",
    "?": "write `if … then … else …`",
    "@": "a product of arrays is written `dot(a, b)`",
    "\\": "a statement may run over several lines as it is",
    "÷": "write `/`",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "≡": "write `==`",
    "∧": "write `and`",
    "∨": "write `or`",
    "¬": "write `not`",
    "∈": "write `in`",
    "∞": "write `inf`",
    "²": "write `^2`",
    "³": "write `^3`",
    "√": "write `sqrt(x)`",
    "∏": "write `exp(sum(log(…) for i in n))`",
}
"""Characters that the language does not have."""

OTHERS = {
    **dict.fromkeys("import include require load from".split(), "use"),
    **dict.fromkeys("data input inputs observed evidence".split(), "given"),
    **dict.fromkeys("output outputs label labels predict target unknown".split(), "answer"),
    **dict.fromkeys("hidden".split(), "latent"),
    **dict.fromkeys("weight weights parameter parameters params learn".split(), "param"),
    **dict.fromkeys("def func function define macro".split(), "fun"),
    **dict.fromkeys("const constant set".split(), "let"),
    **dict.fromkeys("energy potential term cost feature".split(), "factor"),
    **dict.fromkeys("constraint assert subject require_ must".split(), "hard"),
    **dict.fromkeys("minimize minimise maximize maximise objective train".split(), "loss"),
    **dict.fromkeys("enum class type".split(), "domain"),
    **dict.fromkeys("solve inference algorithm".split(), "infer"),
    **dict.fromkeys("network layer neural".split(), "map"),
}
"""Words with which other languages begin what is this statement here."""

BETWEEN = {
    "elif": "write `else if`",
    "is": "write `==`",
    "mod": "write `%`",
    "div": "write `//`",
    "to": "a range is written `a..b`",
    "where": "a condition follows `if`",
    "when": "a condition follows `if`",
    "implies": "write `=>`",
    "otherwise": "write `else`",
    "end": "a statement ends by itself: leave it out",
}
"""Words that other languages have between values."""

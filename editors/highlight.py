"""Write the TextMate grammar of model texts from grammar/keywords.txt.

Run it after a change of the list: python editors/highlight.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from factorgraph import files
from factorgraph.syntax.keywords import words

OUTPUT = Path(__file__).resolve().parent / "vscode" / "syntaxes" / "fg.tmLanguage.json"

NAME = "[A-Za-z_][A-Za-z0-9_]*"
STARTS = r"(?<![A-Za-z0-9_.])"
ENDS = r"(?![A-Za-z0-9_])"

Rule = dict[str, Any]


def grammar() -> Rule:
    """Return the grammar as editors that know TextMate's form read it."""
    statement = _one_of("statement")
    reserved = _one_of("statement", "operator", "constant")
    functions = _one_of("function", "layer", "initial", "regulariser", "energy")
    declares = f"[ \\t]+(?!{reserved}{ENDS}|{functions}[ \\t]*\\()({NAME})"
    rules: dict[str, Rule] = {
        "comment": _match("#.*$", "comment.line.number-sign.fg"),
        "string": _match(r'"[^"]*"', "string.quoted.double.fg"),
        "number": _match(
            r"(?<![A-Za-z0-9_])(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+)",
            "constant.numeric.fg",
        ),
        "infer": {
            "begin": f"{STARTS}(infer){ENDS}",
            "beginCaptures": {"1": {"name": "keyword.declaration.fg"}},
            "end": f"(?={STARTS}{statement}{ENDS})",
            "patterns": [
                _match(f"{STARTS}{_one_of('inference')}{ENDS}", "support.function.inference.fg"),
                {"include": "#text"},
            ],
        },
        "declaration": _captures(
            f"{STARTS}(let|fun|factor|hard|map|loss){declares}",
            "keyword.declaration.fg",
            "entity.name.function.fg",
        ),
        "domain": _captures(
            f"{STARTS}(domain){declares}", "keyword.declaration.fg", "entity.name.type.fg"
        ),
        # at the end of a line nothing else tells a statement from a region
        "answer": _match(
            rf"{STARTS}answer(?=[ \t]+(?!{reserved}{ENDS})[A-Za-z_])|^[ \t]*answer[ \t]*$",
            "keyword.declaration.fg",
        ),
        "region": _match(
            f"{STARTS}{_one_of('region', 'configuration')}{ENDS}", "variable.language.fg"
        ),
        "statement": _match(f"{STARTS}{statement}{ENDS}", "keyword.declaration.fg"),
        "operator": _match(f"{STARTS}{_one_of('operator')}{ENDS}", "keyword.operator.word.fg"),
        "constant": _match(f"{STARTS}{_one_of('constant')}{ENDS}", "constant.language.fg"),
        "type": _captures(
            f"(:)[ \\t]*({_one_of('type')}){ENDS}", "punctuation.separator.fg", "storage.type.fg"
        ),
        "by": _captures(
            f"{STARTS}(by)[ \\t]*(=)[ \\t]*({_one_of('inference')}){ENDS}",
            "variable.parameter.fg",
            "keyword.operator.fg",
            "support.function.inference.fg",
        ),
        "choice": _captures(
            f"(=)[ \\t]*({_one_of('choice', 'initial')}){ENDS}",
            "keyword.operator.fg",
            "support.constant.fg",
        ),
        "function": _match(f"{STARTS}{functions}(?=[ \\t]*\\()", "support.function.fg"),
        "member": _captures(
            rf"(?<!\.)(\.)({NAME})", "punctuation.accessor.fg", "variable.other.member.fg"
        ),
        "sign": _match(r"=>|==|!=|<=|>=|\.\.|//|[-<>+*/%&^~=]", "keyword.operator.fg"),
    }
    text = [{"include": f"#{name}"} for name in rules if name != "infer"]
    return {
        "information_for_contributors": "Made by editors/highlight.py: change grammar/keywords.txt",
        "name": "fg",
        "scopeName": "source.fg",
        "fileTypes": ["fg"],
        "patterns": [{"include": "#infer"}, {"include": "#text"}],
        "repository": {**rules, "text": {"patterns": text}},
    }


def _one_of(*sorts: str) -> str:
    return f"(?:{'|'.join(words(*sorts))})"


def _match(pattern: str, name: str) -> Rule:
    return {"name": name, "match": pattern}


def _captures(pattern: str, *names: str) -> Rule:
    return {
        "match": pattern,
        "captures": {str(k): {"name": name} for k, name in enumerate(names, start=1)},
    }


def as_text() -> str:
    """Return the grammar as it is written to the file."""
    return json.dumps(grammar(), indent=2) + "\n"


if __name__ == "__main__":
    files.write(OUTPUT, as_text().encode("utf-8"))

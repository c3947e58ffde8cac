"""Model texts in colour: a lexer for Pygments, made from ``grammar/keywords.txt``."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, include
from pygments.lexer import words as any_of
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from factorgraph.syntax.keywords import words

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_statements = words("statement")
_reserved = "|".join(words("statement", "operator", "constant"))
_functions = words("function", "layer", "initial", "regulariser", "energy")
_end = r"(?![A-Za-z0-9_])"
_not_declared = rf"(?:{_reserved}){_end}|(?:{'|'.join(_functions)})[ \t]*\("


class FgLexer(RegexLexer):  # type: ignore[misc]
    """For model texts (``.fg``), under the name ``fg``.

    Words count where they mean something: ``answer`` begins a statement or is a region, the
    algorithms are told from names in `infer` and after ``by =`` only.
    """

    name = "fg"
    aliases: ClassVar = ["fg"]
    filenames: ClassVar = ["*.fg"]

    tokens: ClassVar = {
        "root": [
            (rf"infer{_end}", Keyword.Declaration, "infer"),
            include("text"),
        ],
        "infer": [
            (any_of(_statements, prefix="(?=", suffix=rf"{_end})"), Whitespace, "#pop"),
            (any_of(words("inference"), suffix=_end), Name.Builtin),
            include("text"),
        ],
        "text": [
            (r"[ \t\r\n]+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"[^"\x00-\x1f\x7f\u2028\u2029]*"', String.Double),
            (r"\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+", Number.Float),
            (r"\d+", Number.Integer),
            (r"\.\.", Operator),
            (rf"(\.)({NAME})", bygroups(Punctuation, Name.Attribute)),
            (
                rf"(let|fun|factor|hard|map|loss)([ \t]+)(?!{_not_declared})({NAME})",
                bygroups(Keyword.Declaration, Whitespace, Name.Function),
            ),
            (
                rf"(domain)([ \t]+)(?!{_not_declared})({NAME})",
                bygroups(Keyword.Declaration, Whitespace, Name.Class),
            ),
            (
                rf"answer(?=[ \t\r\n]+(?!(?:{_reserved}){_end})[A-Za-z_])",
                Keyword.Declaration,
            ),
            (any_of(words("region", "configuration"), suffix=_end), Name.Builtin.Pseudo),
            (any_of(_statements, suffix=_end), Keyword.Declaration),
            (any_of(words("operator"), suffix=_end), Operator.Word),
            (any_of(words("constant"), suffix=_end), Keyword.Constant),
            (
                rf"(:)([ \t\r\n]*)({'|'.join(words('type'))}){_end}",
                bygroups(Punctuation, Whitespace, Keyword.Type),
            ),
            (
                rf"(by)([ \t]*)(=)([ \t]*)({'|'.join(words('inference'))}){_end}",
                bygroups(Name, Whitespace, Operator, Whitespace, Name.Builtin),
            ),
            (
                rf"(=)([ \t]*)({'|'.join(words('choice', 'initial'))}){_end}",
                bygroups(Operator, Whitespace, Name.Builtin),
            ),
            (any_of(_functions, suffix=r"(?=[ \t]*\()"), Name.Builtin),
            (NAME, Name),
            (r"=>|==|!=|<=|>=|//|[-<>+*/%&^~=]", Operator),
            (r"[()\[\]{},:.]", Punctuation),
        ],
    }

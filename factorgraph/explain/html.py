"""An explanation as one HTML file: mathematics typeset by the browser, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from factorgraph.compiler.mathml import mathml
from factorgraph.explain.explanation import (
    Block,
    Code,
    Display,
    Explanation,
    Paragraph,
    Table,
    Words,
)
from factorgraph.source import visible

_CODE = re.compile(r"`([^`]*)`")
_STYLE = """\
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --link: #2a6fb0; }
@media (prefers-color-scheme: dark) { :root { --link: #8ab8e6; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; }
body { padding: 0 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
nav ol { columns: 2; padding-left: 1.2rem; } a { color: var(--link); }
p, li { overflow-x: auto; overflow-y: hidden; }
.formula { display: flex; overflow-x: auto; overflow-y: hidden; padding: .35rem 0 .35rem 1.5rem; }
.formula math { font-size: 1.08em; }
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", math; }
table { border-collapse: collapse; margin: .8rem 0; }
.wide { overflow-x: auto; overflow-y: hidden; }
th, td { text-align: left; vertical-align: baseline; padding: .3rem .9rem .3rem 0; }
th { font-weight: 600; border-bottom: 1px solid var(--line); }
td { border-bottom: 1px solid var(--soft); }
pre { background: var(--soft); padding: .6rem .9rem; white-space: pre-wrap; }
dfn { font-style: normal; font-weight: 600; }
"""


def as_html(explanation: Explanation) -> str:
    """Return a whole HTML document."""
    title = _safe(explanation.title)
    links = "".join(
        f'<li><a href="#{s.name}">{_safe(s.title)}</a></li>' for s in explanation.sections
    )
    body = "\n".join(
        f'<section id="{s.name}"><h2>{k}. {_safe(s.title)}</h2>\n'
        + "\n".join(map(_block, s.blocks))
        + "</section>"
        for k, s in enumerate(explanation.sections, 1)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{_STYLE}</style></head>
<body><h1>{title}</h1>
<nav><ol>{links}</ol></nav>
{body}
</body></html>
"""


def _safe(text: str) -> str:
    return escape(visible(text))


def _said(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", _safe(text))


def _words(words: Words) -> str:
    return "".join(_said(w) if isinstance(w, str) else mathml(w) for w in words)


def _block(block: Block) -> str:
    match block:
        case Paragraph(words=words, term=term):
            about = f"<dfn>{_words(term)}</dfn>: " if term else ""
            return f"<p>{about}{_words(words)}</p>"
        case Display(formula=formula):
            return f'<div class="formula">{mathml(formula, display=True)}</div>'
        case Code(lines=lines):
            return f"<pre>{'&#10;'.join(map(_safe, lines))}</pre>"
    return _table(block)


def _table(table: Table) -> str:
    top = "".join(f"<th>{_safe(cell)}</th>" for cell in table.head)
    return (
        f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>'
        + "".join(_row(row) for row in table.rows)
        + "</tbody></table></div>"
    )


def _row(row: Sequence[Words]) -> str:
    return f"<tr>{''.join(f'<td>{_words(cell)}</td>' for cell in row)}</tr>"

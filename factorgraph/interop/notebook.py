"""Models in notebooks: ``%load_ext factorgraph.interop.notebook``, then ``%%fg NAME``.

The rest of the cell is a model text. The model becomes the variable NAME and is shown; what is
wrong with the text is told with lines and carets.
"""

from __future__ import annotations

import sys
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from factorgraph.errors import FgError, UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from factorgraph.pipeline import Model


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make ``%%fg`` known, and show models and graphs as tables."""
    from factorgraph.compiler.describe import model_as_text
    from factorgraph.compiler.html import model_html
    from factorgraph.graph.html import graph_html

    def fg(line: str, cell: str) -> None:
        """Compile the cell as a model text into the variable that the line names."""
        _compile(shell, line.strip(), cell)

    def plain(model: Model, printer: Any, _cycle: bool) -> None:
        printer.text(model_as_text(model.checked))

    known: Any = shell
    known.register_magic_function(fg, "cell", "fg")
    html, text = (_formatter(shell, sort) for sort in ("text/html", "text/plain"))
    html.for_type_by_name("factorgraph.pipeline", "Model", model_html)
    text.for_type_by_name("factorgraph.pipeline", "Model", plain)
    html.for_type_by_name("factorgraph.graph.builder", "FactorGraph", graph_html)
    html.for_type_by_name("factorgraph.graph.builder", "NamedGraph", graph_html)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Forget ``%%fg``."""
    shell.magics_manager.magics["cell"].pop("fg", None)


class Refused(Exception):
    """An error of the user in a notebook: its report instead of a traceback.

    The cell counts as failed, so that `run all` ends there.
    """

    def __init__(self, error: FgError) -> None:
        super().__init__(error.report())

    def _render_traceback_(self) -> list[str]:
        return str(self).split("\n")


def _formatter(shell: InteractiveShell, sort: str) -> Any:
    formatter: Any = shell.display_formatter
    return formatter.formatters[sort]


def _compile(shell: InteractiveShell, name: str, cell: str) -> None:
    from IPython.display import display

    from factorgraph.pipeline import compile

    try:
        if name and (not name.isidentifier() or iskeyword(name)):
            raise UsageError(
                f"%%fg {name}: this is no name for a variable", code="E0914", hint="%%fg model"
            )
        # an old model must not answer for a text that is refused
        shell.user_ns.pop(name, None)
        # the text begins on the second line of the cell
        model = compile("\n" + cell, name or "<cell>")
    except FgError as error:
        raise Refused(error) from None
    if name:
        shell.user_ns[name] = model
    show: Any = display
    show(model)
    if not name:
        sys.stderr.write("no variable was made: write `%%fg NAME`\n")

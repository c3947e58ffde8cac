"""Models in notebooks: the magic, what is shown, what is told."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("IPython", reason="notebooks are an extra: pip install 'fgc[notebook]'")

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from factorgraph.compiler.html import model_html
from factorgraph.errors import UsageError
from factorgraph.graph.builder import FactorGraph
from factorgraph.graph.html import MOST, graph_html
from factorgraph.interop.notebook import Refused
from factorgraph.pipeline import Model, compile

CHAIN = """\
domain Tag = {N, V, D}
size   n, c = 4
given  x[n, c] : real
answer y[n] : Tag
latent z : 0..2
let    scale = 2
param  U[Tag, c] ~ l2(0.5)
param  s : real(0, 1)
map    net = mlp(c, 3, Tag)
factor emit[t in n]      = -dot(U[y[t]], x[t]) - net(x[t])[y[t]]
factor tie               = scale * s * z
hard   up[t in 1..n-1]   : y[t-1] != "V" or y[t] == "N"
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell without a kernel and without a history, with the extension loaded."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    made: Any = InteractiveShell.instance(config=config)
    made.run_cell("%load_ext factorgraph.interop.notebook")
    yield made
    InteractiveShell.clear_instance()


def run(shell: Any, cell: str) -> tuple[Any, Any]:
    """Return what a cell gave and what it showed."""
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return result, captured


class Table(HTMLParser):
    """The cells of tables, row by row; a tag that was not closed is a mistake."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


# -- the magic


def test_a_cell_becomes_a_model(shell: Any) -> None:
    result, captured = run(shell, f"%%fg chain\n{CHAIN}")
    assert result.success, captured.stderr
    model = shell.user_ns["chain"]
    assert isinstance(model, Model)
    assert list(model.checked.factors) == ["emit", "tie", "up"]
    assert captured.stderr == ""
    (shown,) = captured.outputs
    assert shown.data["text/html"] == model_html(model)
    assert "scope y[t]" in shown.data["text/plain"]


def test_without_a_name_the_model_is_only_shown(shell: Any) -> None:
    before = set(shell.user_ns)
    result, captured = run(shell, f"%%fg\n{CHAIN}")
    assert result.success
    assert len(captured.outputs) == 1
    assert captured.stderr == "no variable was made: write `%%fg NAME`\n"
    assert {n for n in set(shell.user_ns) - before if not n.startswith("_")} == set()


def test_errors_are_reports_with_carets(shell: Any) -> None:
    run(shell, f"%%fg chain\n{CHAIN}")
    result, captured = run(shell, "%%fg chain\nsize n\nanswer y[n] : bit\nfactor f = zz[0]\n")
    assert not result.success, "`run all` must stop here"
    assert isinstance(result.error_in_exec, Refused)
    assert "chain:4:12: error E0102: `zz` is not declared" in captured.stdout
    assert "4 | factor f = zz[0]\n   |            ^^" in captured.stdout
    assert "Traceback" not in captured.stdout + captured.stderr
    assert "chain" not in shell.user_ns, "an old model must not answer for the new text"


def test_all_errors_are_told(shell: Any) -> None:
    _, captured = run(shell, "%%fg m\nsize n\nanswer y[n : bit\nfactor f[t in n] = q[t]\n")
    assert "m:3:" in captured.stdout
    assert "m:4:" in captured.stdout


@pytest.mark.parametrize("name", ["a b", "2x", "class", "a.b"])
def test_what_is_no_name_is_refused(shell: Any, name: str) -> None:
    result, captured = run(shell, f"%%fg {name}\nsize n\n")
    assert not result.success
    assert f"error E0914: %%fg {name}: this is no name for a variable" in captured.stdout


def test_unloaded_again(shell: Any) -> None:
    result, _ = run(shell, "%unload_ext factorgraph.interop.notebook")
    assert result.success
    result, _ = run(shell, "%%fg m\nsize n\n")
    assert not result.success


def test_refused_is_shown_as_the_report() -> None:
    error = UsageError("no", hint="yes")
    assert Refused(error)._render_traceback_() == ["error: no", "  hint: yes"]


# -- what is shown


def test_a_model_is_a_table_of_its_declarations() -> None:
    rows = Table(model_html(compile(CHAIN, "chain.fg"))).rows
    assert rows[0] == ["role", "declaration", "shape", "what it is"]
    assert rows[1:] == [
        ["domain", "Tag", "", "3 labels: N, V, D"],
        ["size", "n", "", "of each instance"],
        ["size", "c", "", "4"],
        ["constant", "scale", "", "2"],
        ["given", "x", "[n, c]", "real"],
        ["answer", "y", "[n]", "Tag"],
        ["latent", "z", "", "0..2"],
        ["param", "U", "[Tag, c]", "real ~ l2(0.5)"],
        ["param", "s", "", "real(0, 1)"],
        ["map", "net", "", "mlp(4, 3, 3)"],
        ["factor", "emit[t in n] = -dot(U[y[t]], x[t]) - net(x[t])[y[t]]", "", "scope y[t]"],
        ["factor", "tie = scale * s * z", "", "scope z"],
        ["hard", 'up[t in 1..n-1] : y[t-1] != "V" or y[t] == "N"', "", "scope y[t - 1], y[t]"],
    ]


def test_what_the_user_wrote_is_no_html() -> None:
    text = 'domain D = {"<script>alert(1)</script>", "&amp;", "$x$"}\n'
    text += 'answer y : D factor f = y == "&amp;"\n'
    model = compile(text, "<b>.fg")
    shown = model_html(model)
    assert "<script>" not in shown and "<b>" not in shown and "$" not in shown
    rows = Table(shown).rows
    assert rows[1][3] == "3 labels: <script>alert(1)</script>, &amp;, $x$"
    assert rows[-1][1] == 'f = y == "&amp;"'


def test_comments_in_a_factor_are_left_out() -> None:
    model = compile("answer y : 0..3 factor f = y # why\n + 1\n", "m.fg")
    assert Table(model_html(model)).rows[-1][1] == "f = y + 1"


def test_a_graph_is_two_tables() -> None:
    graph = FactorGraph()
    a = graph.variables("a<b>", (3, 2), 4)
    b = graph.variable("b", 2)
    graph.factors(a, np.zeros((1, 4, 4)), name="pair")
    graph.factor([b], [0.0, 1.0])
    rows = [
        ["variables", "shape", "states"],
        ["a<b>", "3 x 2", "4"],
        ["b", "a single one", "2"],
        ["factors", "table", "how many", "distinct tables"],
        ["pair", "4 x 4", "3", "1"],
        ["factor", "2", "1", "1"],
    ]
    assert Table(graph_html(graph)).rows == rows
    assert Table(graph_html(graph.build())).rows == rows
    assert "7 variables" in graph_html(graph) and "4 factors" in graph_html(graph)


def test_long_tables_are_cut() -> None:
    graph = FactorGraph()
    for k in range(MOST + 7):
        graph.variable(f"v{k}", 2)
    rows = Table(graph_html(graph)).rows
    assert rows[MOST + 1][0] == "… and 7 more"

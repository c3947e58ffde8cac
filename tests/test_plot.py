"""Pictures of models: they show what the checker derives, and nothing covers anything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import factorgraph as fg
from factorgraph.cli.plot import plot
from factorgraph.compiler.describe import model_as_dict
from factorgraph.interop import plates
from factorgraph.interop.layout import Arc, Box, Frame, Item, Layout, Link, arrange
from factorgraph.interop.plates import plate_picture
from factorgraph.interop.sketch import Sketch, sketch
from factorgraph.model.check import check
from factorgraph.syntax import tree as t
from factorgraph.syntax.include import include
from factorgraph.syntax.parser import parse

pytestmark = pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs matplotlib")

TEXTS = sorted((Path(__file__).parent / "language").glob("*.fg"))
CHAIN = """
size   n
given  x[n] : real
answer y[n] : 0..2
param  U[3], A[3, 3]
factor emit[t in n]      = -U[y[t]] * x[t]
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
"""


def tree(path: Path) -> t.File:
    """Return a text with its includes."""
    top = parse(path.read_text("utf-8"), str(path))
    found = include(top, str(path), lambda p, n: parse(Path(p).read_text("utf-8"), n))
    assert not found.errors
    return found.file


def drawn(text: str, **options: bool) -> Sketch:
    return sketch(parse(text), **options)


def edges(found: Sketch) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(e.source, e.target): e.labels for e in found.edges}


def held(found: Sketch) -> dict[str, set[str]]:
    return {plate.label: set(plate.members) for plate in found.plates}


# -- what is shown


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_edges_are_the_scopes_that_the_checker_derives(path: Path) -> None:
    file = tree(path)
    found = sketch(file)
    aside = t.LossChoice | t.LossDefinition | t.Infer
    energy = tuple(s for s in file.statements if not isinstance(s, aside))
    model = check(t.File(file.source, energy))
    kinds = {node.name: node.kind for node in found.nodes}
    assert {n for n, k in kinds.items() if k in ("answer", "latent")} == set(model.unknowns)
    assert {n for n, k in kinds.items() if k == "given"} == set(model.givens)
    into: dict[str, set[str]] = {}
    for edge in found.edges:
        into.setdefault(edge.target, set()).add(edge.source)

    def unknowns(name: str) -> Iterator[str]:
        for source in into.get(name, ()):
            if kinds[source] == "map":
                yield from unknowns(source)
            elif kinds[source] in ("answer", "latent"):
                yield source

    declared = model_as_dict(model)["factors"]
    assert {n for n, k in kinds.items() if k in ("factor", "hard")} == set(declared)
    for name, factor in declared.items():
        scope = {re.match(r"\w+", read)[0] for read in factor["scope"]}  # type: ignore[index]
        if "spell" in factor["energy"]:
            scope.add("s")  # the checker lists single elements only
        assert set(unknowns(name)) == scope, name
        assert (kinds[name] == "hard") == factor["hard"]


def test_a_chain_reads_its_variable_twice() -> None:
    found = drawn(CHAIN)
    assert edges(found) == {
        ("x", "emit"): ("",),
        ("y", "emit"): ("",),
        ("y", "move"): ("[t-1]", "[t]"),
    }
    assert held(found) == {"t in n": {"x", "y", "emit", "move"}}
    assert {node.name: node.note for node in found.nodes}["move"] == "t in 1..n-1"


def test_weights_are_shown_when_asked_for() -> None:
    found = drawn(CHAIN, params=True)
    assert {("U", "emit"), ("A", "move")} < set(edges(found))
    assert not any("U" in members for members in held(found).values())


def test_two_equal_axes_are_two_plates() -> None:
    found = held(sketch(tree(TEXTS[[p.stem for p in TEXTS].index("sudoku")])))
    assert found == {
        "i in n (9)": {"clue", "given_", "row", "x"},
        "j in n (9)": {"clue", "given_", "col", "x"},
        "p in b (3), q in b (3)": {"box"},
    }


def test_names_are_resolved_where_they_were_written() -> None:
    """Neither a formal nor an index of a sum is the variable of that name."""
    found = drawn(
        """
        size n
        given c[n], d[n] : real
        answer y : bit
        fun  f(d, i) = sum(d[i] * c for c in n)
        let  g[i in n] = c[i+1]
        factor one[t in n] = f(c, t) * y
        factor two[k in n] = g[k-1] * y
        """
    )
    assert set(edges(found)) == {("c", "one"), ("y", "one"), ("c", "two"), ("y", "two")}
    assert edges(found)["c", "two"] == ("[k-1+1]",)


def test_maps_stand_between_variables_and_factors() -> None:
    found = drawn(
        """
        size n, p = 4
        given a[n, p] : real
        answer y[n] : 0..2
        map net = mlp(p, 3)
        factor f[t in n] = net(a[t])[y[t]]
        """
    )
    assert set(edges(found)) == {("a", "net"), ("net", "f"), ("y", "f")}
    assert held(found) == {"t in n": {"a", "y", "net", "f"}}


def test_relations_and_sequences_are_plates_of_their_own() -> None:
    found = drawn(
        """
        size n, m, k
        given edge[m] : (a: n, b: n)
        given arc[k] : (src: int, dst: int)
        answer c[n] : 0..2
        answer s : path(arc, 0, 3)
        factor pair[(a, b) in edge] = c[a] != c[b]
        factor step[e, f in s] = e - f
        """
    )
    assert held(found)["(a, b) in edge"] == {"edge", "pair"}
    assert held(found)["n"] == {"c"}
    assert edges(found)["c", "pair"] == ("[a]", "[b]")
    assert edges(found)["s", "step"] == ("e", "f")
    assert ("arc", "s") in edges(found)


def test_definitions_that_grow_without_end_are_refused() -> None:
    steps = "\n".join(f"fun f{i}(a) = f{i - 1}(a) + f{i - 1}(a)" for i in range(1, 40))
    text = f"answer y : bit\nfun f0(a) = a * y\n{steps}\nfactor g = f39(1)"
    with pytest.raises(fg.UsageError, match="too long"):
        sketch(parse(text))


# -- where it stands


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Layout, list[Link], list[Frame]]]:
    """Collect the layouts of the pictures that are drawn."""
    found: list[tuple[Layout, list[Link], list[Frame]]] = []

    def keep(items: list[Item], links: list[Link], frames: list[Frame]) -> Layout:
        layout = arrange(items, links, frames)
        found.append((layout, links, frames))
        return layout

    monkeypatch.setattr(plates, "arrange", keep)
    return found


def inside(arc: Arc, box: Box) -> bool:
    points = arc.points()
    across = np.abs(points[:, 0] - box.x) < box.width / 2 - 1
    return bool((across & (np.abs(points[:, 1] - box.y) < box.height / 2 - 1)).any())


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_nothing_covers_anything(
    path: Path, layouts: list[tuple[Layout, list[Link], list[Frame]]]
) -> None:
    from matplotlib.transforms import Bbox

    figure = plate_picture(tree(path), path.name)
    # The renderer's own idea of where the letters are.
    figure.draw_without_rendering()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    boxes: list[Any] = [text.get_window_extent().padded(-1.5) for text in texts]
    whole = figure.bbox
    for i, box in enumerate(boxes):
        name = texts[i].get_text()
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1, name
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1, name
        for j in range(i):
            assert Bbox.intersection(box, boxes[j]) is None, (name, texts[j].get_text())
    for layout, links, frames in layouts:
        for label in layout.labels:
            assert not any(label.overlap(node) > 1 for node in layout.nodes)
        for arc in layout.arcs:
            ends = (links[arc.link].a, links[arc.link].b)
            strangers = [n for i, n in enumerate(layout.nodes) if i not in ends]
            assert not any(inside(arc, node) for node in strangers)
        for plate, frame in zip(layout.plates, frames, strict=True):
            for i, node in enumerate(layout.nodes):
                area = plate.overlap(node)
                full = node.width * node.height
                assert area == pytest.approx(full if i in frame.members else 0.0)


def test_a_picture_is_the_same_every_time(tmp_path: Path) -> None:
    import matplotlib

    from factorgraph.interop.canvas import save

    before = dict(matplotlib.rcParams)
    for kind in ("svg", "png", "pdf"):
        paths = [tmp_path / f"{k}.{kind}" for k in range(2)]
        for path in paths:
            save(plate_picture(parse(CHAIN), "$x_1$ chain"), path)
        first, second = (path.read_bytes() for path in paths)
        assert first == second and len(first) > 1000
    assert dict(matplotlib.rcParams) == before
    root = ET.fromstring((tmp_path / "0.svg").read_text("utf-8"))
    words = {
        "".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"$x_1$ chain", "x", "y", "emit", "move", "[t-1]", "t in n", "0..2"} <= words


def test_too_much_for_one_picture_is_refused() -> None:
    many = "\n".join(f"answer y{i} : bit\nfactor f{i} = y{i}" for i in range(60))
    with pytest.raises(fg.UsageError, match="too many for one picture"):
        plate_picture(parse(many), "many")


# -- the command

Call = Callable[..., str]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Call ``fgc plot`` in an empty folder that holds a chain; return what it prints."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chain.fg").write_text(CHAIN, "utf-8")
    rows = [{"x": [0.5] * n, "y": [1, None, 2, 0][:n]} for n in (4, 2)]
    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    app = typer.Typer()
    app.command("plot")(plot)
    app.callback()(lambda: None)

    def call(*arguments: str) -> str:
        app(["plot", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    return call


def words_of(path: Path) -> list[str]:
    root = ET.fromstring(path.read_text("utf-8"))
    return ["".join(n.itertext()).strip() for n in root.iter("{http://www.w3.org/2000/svg}text")]


def test_plot_says_where_it_wrote(run: Call, tmp_path: Path) -> None:
    assert run("chain.fg") == "picture written to chain.svg\n"
    assert "chain.fg" in words_of(tmp_path / "chain.svg")
    assert json.loads(run("chain.fg", "-o", "a.png", "--json")) == {"picture": "a.png"}
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_options_change_the_picture(run: Call, tmp_path: Path) -> None:
    (tmp_path / "m.fg").write_text("size k = 4\nanswer y[k] : bit\nfactor f[i in k] = y[i]\n"
                                   "factor g = y[0]")  # fmt: skip
    run("m.fg", "--set", "k=7", "--without", "g")
    words = words_of(tmp_path / "m.svg")
    assert "i in k (7)" in words and "g" not in words
    run("chain.fg", "--params")
    assert {"U", "A"} < set(words_of(tmp_path / "chain.svg"))


def test_an_instance_is_unrolled(run: Call, tmp_path: Path) -> None:
    run("chain.fg", "data.jsonl")
    words = words_of(tmp_path / "chain-data.svg")
    assert {"y[0]", "y[1]", "y[2]", "y[3]", "emit", "move"} <= set(words)
    run("chain.fg", "data.jsonl", "--instance", "1", "-o", "b.svg")
    assert "y[1]" in words_of(tmp_path / "b.svg") and "y[2]" not in words_of(tmp_path / "b.svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.fg"], "cannot be read"),
        (["chain.fg", "-o", "chain.fg"], "which kind of picture"),
        (["chain.fg", "-o", "chain"], "which kind of picture"),
        (["chain.fg", "-o", "no/such.svg"], "cannot be written"),
        (["chain.fg", "--instance", "1"], "name their file"),
        (["chain.fg", "--set", "q=1"], "q"),
        (["chain.fg", "--without", "emti"], "emti"),
        (["chain.fg", "data.jsonl", "--params"], "without data"),
        (["chain.fg", "data.jsonl", "--instance", "2"], r"0\.\.1"),
    ],
)
def test_mistakes_are_told(run: Call, arguments: list[str], message: str) -> None:
    with pytest.raises(fg.UsageError, match=message):
        run(*arguments)


def test_the_model_is_never_written_over(run: Call, tmp_path: Path) -> None:
    (tmp_path / "odd.svg").write_text(CHAIN, "utf-8")
    with pytest.raises(fg.UsageError, match="read and cannot be written"):
        run("odd.svg")
    assert (tmp_path / "odd.svg").read_text("utf-8") == CHAIN


def test_a_wrong_energy_is_told_and_a_wrong_loss_is_not(run: Call, tmp_path: Path) -> None:
    (tmp_path / "a.fg").write_text(CHAIN.replace("-U[y[t]]", "-U[yy[t]]"), "utf-8")
    with pytest.raises(fg.ModelError, match="`yy`"):
        run("a.fg")
    (tmp_path / "b.fg").write_text(CHAIN + "loss nothing(known = 3)", "utf-8")
    assert run("b.fg") == "picture written to b.svg\n"


def test_matplotlib_is_asked_for_by_name(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(fg.UsageError, match=re.escape("pip install 'fgc[plots]'")):
        run("chain.fg")


def test_the_command_starts_without_heavy_libraries() -> None:
    code = """
import sys
import factorgraph.cli.plot, factorgraph.cli.new
heavy = {"matplotlib", "numba", "scipy", "networkx", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# -- one instance


def unrolled(text: str, row: dict[str, Any]) -> Any:
    """Return the picture of an instance before it is drawn, with everything placed."""
    from factorgraph.data.bind import bind
    from factorgraph.data.python import from_python
    from factorgraph.ground.ground import ground
    from factorgraph.interop.unrolled import _Factor, _Picture

    model = fg.compile(text)
    grounding = ground(model.compiled, bind(model.checked, from_python([row])))
    factors = [
        _Factor(g, tuple(scope))
        for g, group in enumerate(grounding.structure.groups)
        for scope in group.scope.tolist()
    ]
    picture = _Picture(grounding, grounding.structure.variables, factors)
    picture.figure("picture")
    return picture


def apart(points: Any) -> float:
    gaps = np.hypot(*np.moveaxis(points[:, None] - points[None], -1, 0))
    return float((gaps + 1e9 * np.eye(len(points))).min())


def test_a_grid_is_a_grid() -> None:
    text = """
    size h, w
    given img[h, w] : real
    answer x[h, w] : 0..3
    factor data[i in h, j in w] = (x[i,j] - img[i,j])^2
    factor right[i in h, j in 1..w-1] = abs(x[i,j] - x[i,j-1])
    factor down[i in 1..h-1, j in w] = abs(x[i,j] - x[i-1,j])
    """
    image = np.zeros((3, 4)).tolist()
    picture = unrolled(text, {"img": image, "x": [[1, None, 2, 0]] * 3})
    at = picture.at.reshape(3, 4, 2)
    assert np.ptp(at[:, :, 1], axis=1).max() == 0 and (np.diff(at[:, :, 0], axis=1) > 0).all()
    assert np.ptp(at[:, :, 0], axis=0).max() == 0 and (np.diff(at[:, :, 1], axis=0) < 0).all()
    assert len(picture.factors) == 12 + 9 + 8
    assert [picture.value(v, int(s)) for v, s in enumerate(picture.grounding.evidence[:4])] == [
        "1", "-1", "2", "0",
    ]  # fmt: skip
    pairs = [k for k, f in enumerate(picture.factors) if len(f.scope) == 2]
    middle = np.array([picture.at[list(picture.factors[k].scope)].mean(0) for k in pairs])
    np.testing.assert_allclose(picture.place[pairs], middle)


def test_a_graph_of_any_form_keeps_its_variables_apart() -> None:
    text = """
    size n, m
    given edge[m] : (a: n, b: n)
    answer c[n] : 0..2
    hard differ[(a, b) in edge] : c[a] != c[b]
    """
    ring = [[i, (i + 5) % 12] for i in range(12)]  # a ring of 12, named crosswise
    picture = unrolled(text, {"n": 12, "edge": ring, "c": [None] * 12})
    assert apart(picture.at) > 24
    steps = picture.at - picture.at[[(i + 5) % 12 for i in range(12)]]
    assert np.hypot(*steps.T).max() < 1.6 * np.hypot(*steps.T).min()


def test_a_large_instance_is_refused_with_a_smaller_one(run: Call, tmp_path: Path) -> None:
    rows = [{"x": [0.0] * n, "y": [0] * n} for n in (900, 400, 3)]
    (tmp_path / "long.jsonl").write_text("\n".join(json.dumps(r) for r in rows), "utf-8")
    for number in ("0", "1"):
        with pytest.raises(fg.UsageError, match="too many for one picture") as caught:
            run("chain.fg", "long.jsonl", "--instance", number)
        assert "the smallest is 2, with 3 variables" in str(caught.value.hint)

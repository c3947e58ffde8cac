"""The documents: every model text in them checks, every command and Python block runs.

What a block in a fence is for follows from its language; a comment right before it says more:

- ``fg``: a whole text. It checks, is formatted, and has energies for random data.
  ``<!-- error E0102 -->``: it has these errors instead; a block of ``text`` that follows is what
  is told. ``<!-- file: a.fg -->`` (of any block): it is a file of that name as well.
- ``json``: data, one object a line, of the text before it.
- ``console``: commands behind ``$``, and what they print; ``…`` stands for anything.
- ``python``: run in order in one namespace; a block of ``text`` behind ``<!-- output -->`` is
  what the block before it prints.
- ``<!-- skip -->``: no more than a file, or nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.cli import main as cli
from factorgraph.model.inference import ALGORITHMS
from factorgraph.model.names import FUNCTIONS, LAYERS, TYPES
from factorgraph.syntax import tree as t
from factorgraph.syntax.format import format
from factorgraph.syntax.keywords import keywords, words
from factorgraph.syntax.parser import RESERVED, parse

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = (
    "language", "data", "tutorial", "own-loss", "training", "judging", "inference",
    "from-paper-to-fg", "puzzle", "stereo", "decoding", "collapse", "formats", "command", "python",
    "README",
)  # fmt: skip
RUN = (
    "language", "data", "tutorial", "own-loss", "training", "judging", "inference", "puzzle",
    "stereo", "decoding", "collapse", "formats", "command", "python",
)  # fmt: skip
"""Pages with commands or Python."""
CODE = ROOT.parent / "shared" / "data" / "ldpc" / "WIMAX_480_576.alist"
"""What the page on decoding compares with a published curve, where it is there."""


@dataclass(frozen=True)
class Block:
    """What stands in a fence.

    Attributes
    ----------
    line : of the fence, from 1.
    notes : the comments right before it.
    """

    page: str
    line: int
    kind: str
    text: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}.md:{self.line}"

    def note(self, word: str) -> str | None:
        """Return what a note says behind its first word, None where there is no such note."""
        for note in self.notes:
            head, _, rest = note.partition(" ")
            if head.rstrip(":") == word:
                return rest.strip()
        return None


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """Return the blocks of a page, in order."""
    out: list[Block] = []
    notes: list[str] = []
    lines = iter(enumerate((DOCS / f"{page}.md").read_text().splitlines(), 1))
    for number, line in lines:
        comment = re.fullmatch(r"\s*<!--\s*(.*?)\s*-->\s*", line)
        fence = re.fullmatch(r"```(\w*)", line)
        if comment:
            notes.append(comment[1])
        elif fence:
            inside = []
            for _, line in lines:
                if line == "```":
                    break
                inside.append(line + "\n")
            out.append(Block(page, number, fence[1], "".join(inside), tuple(notes)))
            notes = []
        elif line.strip():
            notes = []
    return tuple(out)


def texts(page: str) -> Iterator[tuple[Block, list[Block]]]:
    """Yield the model texts of a page, each with the blocks up to the next one."""
    behind: list[Block] | None = None
    for block in reversed(blocks(page)):
        behind = behind if behind is not None else []
        if block.kind == "fg" and block.note("skip") is None:
            yield block, behind[::-1]
            behind = []
        else:
            behind.append(block)


EVERY = [(block, behind) for page in PAGES for block, behind in list(texts(page))[::-1]]


def fits(expected: str, found: str) -> bool:
    """Return whether a text is as expected; ``…`` is anything in a line, alone any lines."""
    pattern = ""
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            parts = [re.escape(part) for part in line.rstrip().split("…")]
            pattern += "[^\n]*".join(parts) + r"[ ]*\n"
    return re.fullmatch(pattern, found.rstrip("\n") + "\n") is not None


def agree(expected: str, found: str, where: object) -> None:
    assert fits(expected, found), f"{where}: expected\n{expected}\nfound\n{found}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give for each page a folder with its files."""
    made: dict[str, Path] = {}

    def folder(page: str) -> Path:
        if page not in made:
            made[page] = tmp_path_factory.mktemp(page)
            for block in blocks(page):
                write(block, made[page])
        return made[page]

    return folder


def write(block: Block, folder: Path) -> None:
    name = block.note("file")
    if name is not None:
        (folder / name).write_text(block.text)


# -- model texts


@pytest.mark.parametrize(("block", "behind"), EVERY, ids=[str(b) for b, _ in EVERY])
def test_text(block: Block, behind: list[Block], folders: Any) -> None:
    path = folders(block.page) / (block.note("file") or "model.fg")
    path.write_text(block.text)
    codes = block.note("error")
    if codes is not None:
        with pytest.raises(fg.FgError) as caught:
            fg.compile(block.text, str(path))
        assert [e.code for e in caught.value.all] == codes.split()
        if behind and behind[0].kind == "text":
            agree(behind[0].text, caught.value.report().replace(f"{path.parent}/", ""), block)
        return
    assert format(block.text) == block.text
    model = fg.compile(block.text, str(path))
    for data in behind:
        if data.kind == "json" and data.note("skip") is None:
            source = path.with_name(f"{block.line}.jsonl")
            source.write_text(data.text)
            assert np.isfinite(total(model, str(source))).all()
    if model.checked.factors:
        data, _ = model.mock(3, seed=1, latents=True)
        assert not np.isnan(total(model, data)).any()


def total(model: fg.Model, data: Any) -> Any:
    """Return the energies of data by their factors, added up."""
    run = model.init(seed=1, data=data)
    with np.errstate(over="ignore"):
        return sum(run.energies(data).values())


# -- formulas of papers, written in numpy


def crf(x: Any, w: Any) -> float:
    """Features are counted by a hash of its own; the rest is the paper's sum."""
    n, labels = len(x["y"]), ["head", "question", "answer_", "tail"]
    y = [labels.index(label) for label in x["y"]]
    total = 0.0
    for k in range(n):
        first, last = x["first"][k], x["last"][k]
        kinds = re.sub(
            r"(.)\1+",
            r"\1",
            re.sub(r"\d", "d", re.sub(r"[a-z]", "x", re.sub(r"[A-Z]", "X", first))),
        )
        for name, value in (
            ("lower(first[t])", first.lower()),
            ("shape(first[t])", kinds),
            ("suffix(last[t],1)", last[-1:]),
            ("words[t]", str(x["words"][k])),
        ):
            code = 0xCBF29CE484222325
            for byte in f"{name}={value}".encode():
                code = (code ^ byte) * 0x100000001B3 % 2**64
            total += w["mu"][y[k], code % 2**12]
        total += w["lambda"][y[k - 1], y[k]] if k else 0
    return -total


def m3n(x: Any, w: Any) -> float:
    y, image = np.array(x["y"]), np.array(x["x"])
    return float(-(w["W"][y] * image).sum() - w["V"][y[:-1], y[1:]].sum())


def rbm(x: Any, w: Any) -> float:
    v, h = np.array(x["v"]), np.array(x["h"])
    return float(-w["b"] @ v - w["c"] @ h - v @ w["w"] @ h)


def cut(x: Any, w: Any) -> float:
    grey, a, table = (np.array(x[name]) for name in ("I", "A", "R"))
    h, width = a.shape
    total = sum(7 * table[a[p], grey[p] // 16] for p in np.ndindex(h, width))
    for p in np.ndindex(h, width):
        for q in np.ndindex(h, width):
            gap = np.hypot(p[0] - q[0], p[1] - q[1])
            if p < q and gap < 1.5 and a[p] != a[q]:
                total += np.exp(-((grey[p] - grey[q]) ** 2) / 200) / gap
    return (
        float(total)
        if (a == (np.array(x["seed"]) == 1))[np.array(x["seed"]) != 0].all()
        else np.inf
    )


def sparse(x: Any, w: Any) -> float:
    image, a = np.array(x["I"]), np.array(x["a"])
    rest = image.reshape(-1) - a @ w["phi"]
    return float(rest @ rest + 0.2 * np.log1p((a / 0.3) ** 2).sum())


def gtn(x: Any, w: Any) -> float:
    arcs = [e for e, _ in x["s"]]
    digits = [int(c) for _, c in x["s"]]
    assert x["arc"][arcs[0]][0] == 0 and x["arc"][arcs[-1]][1] == x["last"]
    total = sum(w["grammar"][b, c] for b, c in zip(digits, digits[1:]))
    for e, c in zip(arcs, digits):
        z = np.array(x["pix"][e])[:, :, None]
        for layer in (0, 2):
            kernel, bias = w[f"recogniser.{layer}.K"], w[f"recogniser.{layer}.b"]
            seen = np.lib.stride_tricks.sliding_window_view(z, (5, 5), axis=(0, 1))
            z = np.tanh(np.einsum("ijcuv,uvco->ijo", seen, kernel) + bias)
            z = z.reshape(z.shape[0] // 2, 2, z.shape[1] // 2, 2, -1).max(axis=(1, 3))
        hidden = np.maximum(0, z.reshape(-1) @ w["recogniser.4.0.W"] + w["recogniser.4.0.b"])
        total += (hidden @ w["recogniser.4.1.W"] + w["recogniser.4.1.b"])[c]
    return float(total)


@pytest.mark.parametrize("formula", [crf, m3n, rbm, cut, sparse, gtn])
def test_paper(formula: Callable[[Any, Any], float]) -> None:
    name = f"# {formula.__name__}.fg"
    (block,) = (b for b in blocks("from-paper-to-fg") if b.text.startswith(name))
    model = fg.compile(block.text)
    data, _ = model.mock(4, seed=5, latents=True)
    run = model.init(seed=2, data=data)
    random = np.random.default_rng(3)
    for param, weights in run.weights.items():
        if param != "phi":
            run.weights[param] = random.normal(size=weights.shape)
    truth = [formula(instance, run.weights) for instance in data]
    np.testing.assert_allclose(run.energy(data), truth, rtol=1e-9)


# -- commands and Python


@pytest.mark.parametrize("page", RUN)
def test_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "100")
    data = DOCS / ("tutorial" if page in ("training", "own-loss") else page)
    if data.is_dir():
        shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    if page == "decoding" and CODE.exists():
        shutil.copy(CODE, tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        write(block, tmp_path)
        if block.note("skip") is not None:
            continue
        if block.kind == "console":
            for command, expected in commands(block):
                code, printed = call(command, monkeypatch)
                agree(expected, printed, f"{block}: {command}")
                wrong = re.search(r"error( E\d+)?: |(?m:^(UNSAFE|ERROR)$)", expected) is not None
                assert code == (2 if wrong else 0), f"{block}: {command} ends with {code}"
        elif block.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(block.text, str(block), "exec"), names)
            printed = out.getvalue()
        elif block.note("output") is not None:
            agree(block.text, printed, block)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield the commands of a block, each with what it prints."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        while "\\\n" in part:
            part = part.replace("\\\n", " ", 1)
        command, _, expected = part.partition("\n")
        yield command, expected


def call(command: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Return the exit code of a command, and what it prints to stdout and stderr."""
    words = command.split()
    if words[0] != "fgc" or set("|<>'\"&;") & set(command):
        shell = ["sh", "-c", command]
        done = subprocess.run(
            shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.returncode, done.stdout
    monkeypatch.setattr(sys, "argv", words)
    both = io.StringIO()
    with contextlib.redirect_stdout(both), contextlib.redirect_stderr(both):
        code = cli._run()
    return code, both.getvalue()


# -- what the reference holds


@cache
def shown() -> str:
    """Return all code in the reference: what stands in fences or between backticks."""
    text = (DOCS / "language.md").read_text()
    inside = [block.text for block in blocks("language")]
    return "\n".join([*inside, *re.findall(r"`+([^`]+)`+", re.sub(r"(?ms)^```.*?^```", "", text))])


def words_in_texts() -> set[str]:
    """Return the words of model texts in the reference, but for those in comments."""
    out: set[str] = set()
    for block, _ in texts("language"):
        if block.note("error") is None:
            out |= set(re.findall(r"\w+", re.sub(r"#.*", "", block.text)))
    return out


STANDARD = parse((ROOT / "models" / "losses.fg").read_text())
LOSSES = [s.name.name for s in STANDARD.statements if isinstance(s, t.LossDefinition | t.Fun)]


NAMED = {*RESERVED, *FUNCTIONS, *LAYERS, *TYPES, *LOSSES, *ALGORITHMS, *words(*keywords())}


@pytest.mark.parametrize("word", sorted(NAMED))
def test_reference_names(word: str) -> None:
    assert re.search(rf"(?<!\w){re.escape(word)}(?!\w)", shown())


def test_reference_shows_each_construct() -> None:
    """In a text that checks; the others are arguments of those."""
    sorts = set(keywords()) - {"choice", "inference"}
    assert set(words(*sorts)) - words_in_texts() == set()


def test_reference_says_which_losses_train() -> None:
    """Of a chain; the table names them, and no others."""
    (row,) = re.findall(r"(?m)^\| losses \|(.*)$", (DOCS / "language.md").read_text())
    (block,) = (b for b in blocks("language") if b.note("file") == "diary.fg")
    trained = set()
    for name in LOSSES:
        with contextlib.suppress(fg.FgError):
            if fg.compile(block.text, loss=name).missing() is None:
                trained.add(name)
    costs = {s.name.name for s in STANDARD.statements if isinstance(s, t.Fun)}
    assert trained == set(re.findall(r"`(\w+)`", row)) & set(LOSSES) - costs


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", (DOCS / f"{page}.md").read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (DOCS / name).resolve() if name else DOCS / f"{page}.md"
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made of their text."""
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text())
    out = set()
    for heading in re.findall(r"(?m)^#+ (.*)$", text):
        kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        out.add(kept.replace(" ", "-"))
    return out

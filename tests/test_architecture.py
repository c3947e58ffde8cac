"""The house's rules that no single module's tests can see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "factorgraph"

# (file below factorgraph/, what it uses): why it may.
ALLOWED: dict[tuple[str, str], str] = {}

FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
FORBIDDEN_MODULES |= {"marshal"}
FORBIDDEN_CALLS = {"eval", "exec"}
FORBIDDEN_ATTRIBUTES = {
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("os", "popen"),
    ("os", "system"),
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
}
FORBIDDEN_FLAGS = {"shell", "allow_pickle"}


def test_imports_run_one_way() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
        + ["--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("room", ["", ".syntax", ".model", ".data", ".compiler"])
def test_language_loads_no_heavy_library(room: str) -> None:
    """Every module of the room, in a process of its own."""
    program = f"""
import importlib, pkgutil, sys
room = importlib.import_module("factorgraph{room}")
if room.__name__ != "factorgraph":
    for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        importlib.import_module(module.name)
print(*sorted({{"numba", "scipy", "networkx", "matplotlib"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def files_of_the_project() -> list[Path]:
    """Return what git tracks, or would if it were added now."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a git checkout, or git is not there")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def places_of_this_machine() -> re.Pattern[str]:
    """Return a pattern of homes, and of the folders of this user and this checkout."""
    shared = {Path(p) for p in ("/", "/home", "/opt", "/srv", "/tmp", "/usr", "/var", "/workspace")}
    shared.add(Path(tempfile.gettempdir()))
    own = {ROOT, ROOT.parent, Path.home()} - shared
    patterns = [re.escape(str(path)) + r"(?=[/\\])" for path in own]
    patterns += [r"/(?:home|Users)/\w+/", r"/(?:root)/", r"[A-Z]:\\(?:Users)\\"]
    return re.compile(r"(?<![\w.~*-])(?:" + "|".join(patterns) + ")")


def test_files_name_no_place_of_a_machine() -> None:
    machine = places_of_this_machine()
    found = []
    for path in files_of_the_project():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
            if machine.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []


def test_the_pattern_of_places_finds_them() -> None:
    machine = places_of_this_machine()
    home = "/".join(["", "home", "someone", "fgc"])
    assert machine.search(f'open("{home}/x")')
    assert machine.search(f"cd {ROOT}/models") or ROOT.parent == Path("/")
    assert not machine.search("#!/usr/bin/env bash")
    assert not machine.search("see docs/home/index.md and ~/.cache/fgc")


def dangers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each thing in ``tree`` that may run what it reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] in FORBIDDEN_MODULES:
                    yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.split(".")[0] in FORBIDDEN_MODULES:
                yield node.lineno, module
            for name in node.names:
                if (module, name.name) in FORBIDDEN_ATTRIBUTES:
                    yield node.lineno, f"{module}.{name.name}"
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN_CALLS:
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in FORBIDDEN_ATTRIBUTES:
                yield node.lineno, f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg in FORBIDDEN_FLAGS:
            # Only a plain False is harmless: a variable may turn out true.
            harmless = isinstance(node.value, ast.Constant) and node.value.value is False
            if not harmless:
                yield node.value.lineno, f"{node.arg}="


def test_nothing_runs_what_it_reads() -> None:
    found, used = [], set()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        for line, name in dangers(ast.parse(path.read_bytes())):
            if (place, name) in ALLOWED:
                used.add((place, name))
            else:
                found.append(f"factorgraph/{place}:{line}: {name}")
    assert found == []
    assert set(ALLOWED) == used, "an exception that is no longer needed"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "eval('1')",
        "f = exec",
        "import yaml\nyaml.load(x)",
        "from os import system",
        "run('ls', shell=True)",
        "np.load(x, allow_pickle=flag)",
    ],
)
def test_dangers_are_seen(text: str) -> None:
    assert list(dangers(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "np.load(x, allow_pickle=False)",
        "loader.exec_module(m)",
        "model.eval()",
        "yaml.safe_load(x)",
    ],
)
def test_harmless_lines_are_let_through(text: str) -> None:
    assert not list(dangers(ast.parse(text)))

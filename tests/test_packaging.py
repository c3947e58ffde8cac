"""What a user gets: a wheel, or an install in place, used from another folder.

Built from a copy, so that nothing is written into the checkout; the installs borrow their
dependencies from the running environment, so that no network is needed.
"""

from __future__ import annotations

import configparser
import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOMES = {"factorgraph": "factorgraph", "grammar": "factorgraph/grammar"}
HOMES |= {"models": "factorgraph/models"}

USE = """
import importlib, importlib.resources, pathlib, sys
import factorgraph, factorgraph.grammar, factorgraph.models
import factorgraph.errors, factorgraph.budget
grammar = importlib.resources.files("factorgraph.grammar").joinpath("fg.lark")
assert grammar.is_file(), grammar
letters = importlib.resources.files("factorgraph.models").joinpath("ocr", "letters.npz")
assert letters.is_file(), letters
import numpy
with numpy.load(letters, allow_pickle=False) as data:
    assert data["x"].shape == (52152, 128), data["x"].shape
for module in (factorgraph, factorgraph.grammar, factorgraph.models):
    print(pathlib.Path(module.__file__).resolve())
"""


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the checkout and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV_"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def pip(*arguments: str | Path, cwd: Path, python: Path | None = None) -> str:
    """Run this environment's pip, for another interpreter if one is named."""
    target = ["--python", python] if python else []
    quiet = ["--disable-pip-version-check", "--no-cache-dir"]
    return run(sys.executable, "-m", "pip", *target, *arguments, *quiet, cwd=cwd)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout without what was built in it."""
    try:
        found = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        found = "0.0"
    if version(found) < (70, 1):
        pytest.skip(f"setuptools 70.1 or newer builds the wheel, here is {found} (extra: dev)")

    leave = shutil.ignore_patterns(
        ".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "htmlcov", "tests", "benchmarks"
    )

    def ignore(folder: str, names: list[str]) -> set[str]:
        links = {name for name in names if os.path.islink(os.path.join(folder, name))}
        return links | leave(folder, names)

    # A blank in the path finds commands that forgot their quotes.
    target = tmp_path_factory.mktemp("packaging") / "a checkout"
    shutil.copytree(ROOT, target, ignore=ignore)
    return target


@pytest.fixture(scope="module")
def wheel(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    # Building leaves folders behind in the source: the install in place must not see them.
    source = out / "source"
    shutil.copytree(copy, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", out, source, cwd=out)
    (built,) = out.glob("*.whl")
    return built


def make_environment(folder: Path) -> Path:
    """Make an environment that sees the running one's libraries; return its interpreter."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    # A line of a .pth file is a folder to search; .pth files in that folder are not read, so
    # that an fgc installed in place for development stays out of sight.
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(site.strip(), "borrowed.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    python = make_environment(folder / "venv")
    pip("install", "--no-deps", "--no-index", wheel, cwd=folder, python=python)
    return python


@pytest.fixture(scope="module")
def in_place(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in-place")
    python = make_environment(folder / "venv")
    options = ("--no-deps", "--no-index", "--no-build-isolation")
    pip("install", *options, "-e", copy, cwd=folder, python=python)
    return python


def test_wheel_holds_every_module_and_model(copy: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"{home}/{path.relative_to(copy / folder).as_posix()}"
        for folder, home in HOMES.items()
        for path in (copy / folder).rglob("*")
        if path.is_file()
    }
    assert "factorgraph/grammar/fg.lark" in names
    assert "factorgraph/models/ocr/letters.npz" in names
    missing = sorted(expected - names)
    assert missing == [], "name the folder in `packages` or the kind in `package_data` of setup.cfg"
    assert {name.split("/")[0] for name in names} == {
        "factorgraph",
        f"fgc-{wheel_version(wheel)}.dist-info",
    }


def wheel_version(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def test_wheel_metadata(copy: Path, wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    info = f"fgc-{wheel_version(wheel)}.dist-info"
    metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode("utf-8"))
    assert metadata["Name"] == "fgc"
    assert metadata["Version"] == "0.1.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "MIT" in (metadata["License"] or metadata["License-Expression"])
    assert set(metadata.get_all("Provides-Extra", [])) >= {"all", "dev", "plots"}
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    core = {"lark", "networkx", "numba", "numpy", "rich", "typer"}
    assert {line.split(">=")[0].split()[0] for line in needed} == core
    assert any(name.startswith(info) and name.endswith("LICENSE") for name in archive.namelist())
    scripts = configparser.ConfigParser()
    scripts.read_string(archive.read(f"{info}/entry_points.txt").decode("utf-8"))
    assert dict(scripts["console_scripts"]) == {"fgc": "factorgraph.cli.main:main"}


def test_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 5_000_000


def test_installed_wheel_works_from_another_folder(installed: Path, tmp_path: Path) -> None:
    places = run(installed, "-W", "error", "-c", USE, cwd=tmp_path).splitlines()
    site = installed.parent.parent.resolve()
    assert [Path(place).is_relative_to(site) for place in places] == [True] * 3


def test_install_in_place_works_from_another_folder(
    copy: Path, in_place: Path, tmp_path: Path
) -> None:
    places = run(in_place, "-c", USE, cwd=tmp_path).splitlines()
    folders = [copy / "factorgraph", copy / "grammar", copy / "models"]
    assert [Path(place).parent for place in places] == [folder.resolve() for folder in folders]


@pytest.mark.parametrize("kind", ["installed", "in_place"])
def test_command_answers(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    python: Path = request.getfixturevalue(kind)
    help_text = run(python.parent / "fgc", "--help", cwd=tmp_path)
    assert "check" in help_text
    assert "infer" in help_text

"""``fgc convert``: energies stay what they are, through every pair of formats."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factorgraph.errors import UsageError
from factorgraph.interop.formats import Instance, read, write
from factorgraph.interop.formats.plain import fixed

Call = Callable[..., tuple[int, str, str]]
HERE = Path(__file__).parent / "exchange"
SHARED = Path(__file__).parents[2] / "shared" / "data"
NAMES = ("rain.uai", "labels.fg", "named.wcsp", "sack.wcsp", "dinner.cfn", "gain.cfn")
THROUGH = ("uai", "libdai", "wcsp", "cfn")


def configurations(card: np.ndarray, count: int = 150) -> np.ndarray:
    if np.log(card).sum() <= np.log(count):
        return np.array(list(itertools.product(*map(range, card))), np.int32)
    return (np.random.default_rng(1).random((60, len(card))) * card).astype(np.int32)


def same(first: Instance, second: Instance, error: float) -> None:
    """Assert that two instances have the same energies, where solutions may be."""
    np.testing.assert_array_equal(first.structure.card, second.structure.card)
    upper = min(first.upper, second.upper)
    seen = 0
    for row in configurations(first.structure.card):
        a, b = first.energy(row), second.energy(row)
        if min(a, b) < upper - 1e-4:
            assert b == pytest.approx(a, abs=error, rel=1e-9)
            seen += 1
        else:
            assert min(a, b) >= upper - 1e-4
    assert seen


def through(instance: Instance, format: str, folder: Path, packed: bool = False) -> Instance:
    suffix = {"libdai": "fg"}.get(format, format) + (".gz" if packed else "")
    path = folder / f"through.{suffix}"
    files, _ = write(instance, path, format=format)
    assert files == (str(path),)
    return read(path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("first", "second"), list(itertools.product(THROUGH, THROUGH)))
def test_energies_stay_through_every_pair(
    name: str, first: str, second: str, tmp_path: Path
) -> None:
    instance = read(HERE / name)
    error = 1e-5 if "wcsp" in (first, second) else 1e-9
    between = through(instance, first, tmp_path, packed=True)
    same(instance, between, error)
    same(instance, through(between, second, tmp_path), error)


@pytest.mark.parametrize("name", ["hamming.alist", "ring.qc"])
@pytest.mark.parametrize("first", [*THROUGH, "alist"])
def test_codes_stay_codes(name: str, first: str, tmp_path: Path) -> None:
    code = read(HERE / name)
    same(code, through(through(code, first, tmp_path), "alist", tmp_path), 0.0)


def test_whole_costs_come_back_as_they_were(tmp_path: Path) -> None:
    once = through(read(HERE / "named.wcsp"), "wcsp", tmp_path)
    text = (tmp_path / "through.wcsp").read_text()
    assert "@" not in text.split()[0]
    through(once, "wcsp", tmp_path)
    assert (tmp_path / "through.wcsp").read_text() == text.replace("named", "through")
    decimals = through(read(HERE / "dinner.cfn"), "wcsp", tmp_path)
    assert "@scale=1e2@constant=-0.75" in (tmp_path / "through.wcsp").read_text()
    assert decimals.upper == 20.5
    assert decimals.energy([0, 0, 0]) == read(HERE / "dinner.cfn").energy([0, 0, 0])


def test_names_stay(tmp_path: Path) -> None:
    dinner = through(read(HERE / "dinner.cfn"), "cfn", tmp_path)
    assert dinner.names == ("soup", "main", "guests") and dinner.states[0] == (
        "none",
        "leek",
        "pea",
    )
    assert through(read(HERE / "labels.fg"), "libdai", tmp_path).names == ("2", "7", "9")


@pytest.mark.parametrize("name", [*NAMES, "hamming.alist", "ring.qc"])
def test_our_own_text_has_the_same_least_energy(name: str, fgc: Call, tmp_path: Path) -> None:
    code, out, err = fgc("convert", str(HERE / name), str(tmp_path / "own.fg"), "--json")
    assert (code, err) == (0, "")
    files = json.loads(out)["files"]
    assert files == [str(tmp_path / "own.fg"), str(tmp_path / "own.npz")]
    code, out, err = fgc("infer", *files)
    assert (code, err) == (0, "")
    found = json.loads(out)
    instance = read(HERE / name)
    least = min(instance.energy(row) for row in configurations(instance.structure.card, 5000))
    assert found["energy"] == pytest.approx(least)
    answers = found["answers"]
    places = {k: iter(answers[f"x{k}"]) for k in set(instance.structure.card.tolist())}
    states = np.array([next(places[k]) for k in instance.structure.card.tolist()])
    assert instance.energy(states) == pytest.approx(least)
    assert fgc("fmt", "--check", files[0])[0] == 0


def test_evidence_becomes_factors(fgc: Call, tmp_path: Path) -> None:
    target = tmp_path / "given.uai"
    evid = HERE / "rain.uai.evid"
    assert fgc("convert", str(HERE / "rain.uai"), str(target), "--evid", str(evid))[0] == 0
    before, after = read(HERE / "rain.uai", evid), read(target)
    for row in configurations(before.structure.card):
        agrees = ((before.evidence < 0) | (before.evidence == row)).all()
        assert after.energy(row) == (pytest.approx(before.energy(row)) if agrees else np.inf)
    code = replace(read(HERE / "hamming.alist"), evidence=np.array([1, *[-1] * 6], np.int32))
    assert fixed(code).energy(np.zeros(7, np.int32)) == np.inf


def test_constants(tmp_path: Path) -> None:
    for offset in (3.25, -7.5, np.inf):
        for name in ("rain.uai", "named.wcsp"):
            moved = read(HERE / name)
            moved = replace(moved, offset=moved.offset + offset, upper=moved.upper + offset)
            for format in THROUGH:
                found = through(moved, format, tmp_path)
                for row in configurations(moved.structure.card)[:50]:
                    if moved.energy(row) < moved.upper or offset == np.inf:
                        error = 1e-5 if format == "wcsp" else 1e-9
                        low = found.energy(row)
                        assert low == pytest.approx(moved.energy(row), abs=error) or (
                            offset == np.inf and low >= found.upper
                        )
    empty = read(HERE / "rain.uai")
    bare = replace(
        empty, structure=replace(empty.structure, groups=()), values=np.zeros(0), numbers=(),
        offset=-2.5,
    )  # fmt: skip
    for format in THROUGH:
        found = through(bare, format, tmp_path)
        assert found.structure.card.tolist() == [2, 2, 3, 2]
        assert found.energy([1, 0, 2, 1]) == pytest.approx(-2.5)


def test_what_a_format_cannot_hold(fgc: Call, tmp_path: Path) -> None:
    wide = tmp_path / "wide.wcsp"
    wide.write_text("wide 2 2 1 5000\n2 2\n2 0 1 0 1\n1 1 2000\n")
    code, _, err = fgc("convert", str(wide), str(tmp_path / "a.uai"))
    assert code == 2 and "E0375" in err and "--scale 0.01" in err
    code, out, _ = fgc("convert", str(wide), str(tmp_path / "a.uai"), "--scale", "0.01")
    assert code == 0 and "energies are 0.01 times as large" in out
    assert read(tmp_path / "a.uai").energy([1, 1]) == pytest.approx(20.0)
    code, _, err = fgc("convert", str(HERE / "rain.uai"), str(tmp_path / "a.alist"))
    assert code == 2 and "has 3 states at variable 2" in err
    code, _, err = fgc("convert", str(HERE / "sack.wcsp"), str(tmp_path / "a.alist"))
    assert code == 2 and "has factor 1, no even check" in err
    code, _, err = fgc("convert", str(HERE / "rain.uai"), str(tmp_path / "a.txt"))
    assert code == 2 and "cannot be told by its name" in err
    code, _, err = fgc("convert", str(HERE / "rain.uai"), str(tmp_path / "no" / "a.uai"))
    assert code == 2 and "cannot be written: No such file" in err
    with pytest.raises(UsageError, match="no whole numbers below"):
        write(read(HERE / "rain.uai"), tmp_path / "a.wcsp", digits=15)


def test_precision_is_told(fgc: Call, tmp_path: Path) -> None:
    code, out, _ = fgc("convert", str(HERE / "rain.uai"), str(tmp_path / "a.wcsp"), "--digits", "3")
    assert code == 0
    assert "costs are energies times 10^3, rounded: a sum is off by 0.002 at most" in out
    instance, found = read(HERE / "rain.uai"), read(tmp_path / "a.wcsp")
    for row in configurations(instance.structure.card):
        assert found.energy(row) == pytest.approx(instance.energy(row), abs=0.002)
    code, out, _ = fgc("convert", str(HERE / "gain.cfn"), str(tmp_path / "a.cfn"))
    assert code == 0 and "costs are made small" in out


PUBLIC = [
    SHARED / name
    for name in (
        "uai/marpr/Grids_12.uai",
        "uai/marpr/linkage_24.uai.gz",
        "uai/marpr/CSP_12.uai",
        "libdai/alarm.fg",
        "wcsp/example.wcsp",
        "wcsp/oconnell_bayesnet.wcsp",
        "wcsp/alarm.cfn.gz",
        "wcsp/sudoku.wcsp",
    )
]


@pytest.mark.skipif(not SHARED.exists(), reason="the instances are not here")
@pytest.mark.parametrize("path", PUBLIC, ids=lambda p: p.name)
@pytest.mark.parametrize("format", THROUGH)
def test_published_instances(path: Path, format: str, tmp_path: Path) -> None:
    instance = read(path)
    if path.name == "oconnell_bayesnet.wcsp" and format in ("uai", "libdai"):
        with pytest.raises(UsageError, match="no probabilities"):
            write(instance, tmp_path / "x.uai", format=format)
        return
    # Few configurations at random are feasible: those near one another's factors are compared.
    found = through(replace(instance, upper=np.inf), format, tmp_path)
    for g, group in enumerate(instance.structure.groups):
        assert len(group.table) == len(found.structure.groups[g].table)
    rng = np.random.default_rng(4)
    seen = 0
    soft = replace(instance, values=np.where(np.isinf(instance.values), 600.0, instance.values))
    softer = through(replace(soft, upper=np.inf), format, tmp_path)
    for _ in range(10):
        row = (rng.random(instance.variables) * instance.structure.card).astype(np.int32)
        error = 1e-6 * (1 + sum(len(g.table) for g in instance.structure.groups))
        assert softer.energy(row) == pytest.approx(soft.energy(row), abs=error, rel=1e-9)
        assert np.isinf(found.energy(row)) == np.isinf(instance.energy(row))
        seen += 1
    assert seen == 10

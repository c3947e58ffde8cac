"""Graphs in the formats of other systems, held against slow readers and published figures."""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph import budget
from factorgraph.errors import BudgetError, DataError, FgError, UsageError
from factorgraph.interop.formats import FORMATS, read

HERE = Path(__file__).parent / "exchange"
SHARED = Path(__file__).parents[2] / "shared" / "data"
OWN = sorted(p for p in HERE.iterdir() if not p.name.endswith((".evid", ".loose.cfn")))
FOLDERS = ("uai/marpr", "uai/map", "libdai", "wcsp", "ldpc")
PUBLIC = sorted(
    path
    for folder in FOLDERS
    for path in (SHARED / folder).glob("*")
    if path.name.removesuffix(".gz").endswith((".uai", ".fg", ".wcsp", ".cfn", ".alist", ".qc"))
)


def _slow() -> Any:
    spec = importlib.util.spec_from_file_location(
        "slow_exchange", Path(__file__).with_name("slow_exchange.py")
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SLOW


SLOW = _slow()


def configurations(card: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Return all configurations, or random ones if there are more than ``count``."""
    if np.log(card).sum() <= np.log(count):
        return np.array(list(itertools.product(*map(range, card))), np.int32)
    rng = np.random.default_rng(seed)
    return (rng.random((count, len(card))) * card).astype(np.int32)


@pytest.mark.parametrize("path", [*OWN, *PUBLIC], ids=lambda p: p.name)
def test_energies_are_those_of_the_text(path: Path) -> None:
    found = read(path)
    if path.suffix == ".qc":
        return
    cards, energy = SLOW[found.format](path)
    assert found.structure.card.tolist() == cards
    count = 2000 if path.parent == HERE else 20
    for row in configurations(found.structure.card, count):
        told = energy(row.tolist()) + (order(row) if path.name.startswith("dinner") else 0.0)
        if told < found.upper - 1e-9:
            assert found.energy(row) == pytest.approx(told)
        else:
            # A cost that no solution can have may be infinite, and need not.
            assert found.energy(row) >= found.upper - 1e-9


def order(row: np.ndarray) -> float:
    """Return the cost of the named function of dinner.cfn: at least as many guests as soups."""
    soup, _, guests = row.tolist()
    return float(max(0, soup - guests)) if soup - guests <= 2 else np.inf


def test_loose_json_reads_as_strict() -> None:
    strict, loose = read(HERE / "dinner.cfn"), read(HERE / "dinner.loose.cfn")
    assert loose.names == strict.names == ("soup", "main", "guests")
    assert loose.states == strict.states == (("none", "leek", "pea"), ("fish", "rice"), ())
    assert loose.upper == strict.upper == 20.5
    for row in configurations(strict.structure.card, 100):
        assert loose.energy(row) == strict.energy(row)


def test_greatest_sums_are_least_energies() -> None:
    found = read(HERE / "gain.cfn")
    assert found.maximised and found.upper == 1.0
    assert found.energy([0, 0]) == -1.5
    # -7.25 + 1 is below the bound of -1 whatever else there is.
    assert found.energy([0, 2]) == np.inf


def test_evidence_of_both_ages() -> None:
    for name in ("rain.uai.evid", "rain.old.evid"):
        assert read(HERE / "rain.uai", HERE / name).evidence.tolist() == [1, -1, -1, 0]
    assert read(HERE / "rain.uai", np.array([-1, 1, 2, -1])).evidence.tolist() == [-1, 1, 2, -1]
    with pytest.raises(UsageError, match="out of range"):
        read(HERE / "rain.uai", np.array([-1, 1, 3, -1]))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", [-1, -1, -1, -1]),
        ("0\n", [-1, -1, -1, -1]),
        ("1\n0\n", [-1, -1, -1, -1]),
        ("1 2 0", [-1, -1, 0, -1]),
        ("1\n1 2 0", [-1, -1, 0, -1]),
        ("2 2 0 2 0", [-1, -1, 0, -1]),
    ],
)
def test_evidence_that_is_read(tmp_path: Path, text: str, line: list[int]) -> None:
    (tmp_path / "e").write_text(text)
    assert read(HERE / "rain.uai", tmp_path / "e").evidence.tolist() == line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2 0 1", "e:1: the file ends before the states of 2 observed variables"),
        ("1 4 0", "e:1: there is no variable 4: they end at 3"),
        ("1\n1\n2 3", "e:3: variable 2 has 3 states: there is no number 3"),
        ("2\n1 0\n1 1", "e:3: variable 1 is observed as 0 and as 1"),
        ("2\n1 0 1\n1 0 0", "e holds 2 lists of evidence: one is read"),
        ("1 0 x", "e:1: the state of variable 0 is a whole number, not `x`"),
        ("-1", "e:1: the number of observed variables is at least 0, not -1"),
        ("1 0 0 9", "e:1: `0` follows the states of 0 observed variables"),
    ],
)
def test_evidence_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "e").write_text(text)
    with pytest.raises(DataError) as caught:
        read(HERE / "rain.uai", tmp_path / "e")
    assert message in str(caught.value)


@pytest.mark.parametrize("path", OWN, ids=lambda p: p.name)
def test_packed_files_and_files_without_a_suffix(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = read(path)
    packed = tmp_path / path.name
    packed.write_bytes(gzip.compress(path.read_bytes()))
    (tmp_path / "bare").write_bytes(path.read_bytes())
    for other in (packed, tmp_path / "bare"):
        found = read(other)
        assert (found.format, found.names) == (plain.format, plain.names)
        np.testing.assert_array_equal(found.values, plain.values)


def test_a_model_text_is_told_from_libdai(tmp_path: Path) -> None:
    (tmp_path / "ours.fg").write_text("# a comment\n\nanswer y : bit\n")
    with pytest.raises(DataError, match="is a model text") as caught:
        fg.read_graph(tmp_path / "ours.fg")
    assert caught.value.code == "E0373" and "fgc infer" in str(caught.value.hint)


def test_blocks_end_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from factorgraph.interop.formats import source

    whole = {path: read(path) for path in OWN}
    for size in (7, 64):
        monkeypatch.setattr(source, "BLOCK", size)
        for path, plain in whole.items():
            np.testing.assert_array_equal(read(path).values, plain.values)


def test_libdai_variables_have_their_labels() -> None:
    found = read(HERE / "labels.fg")
    assert found.names == ("2", "7", "9")
    assert found.structure.card.tolist() == [2, 3, 2]


def test_codes() -> None:
    found = read(HERE / "ring.qc")
    assert found.sent == tuple(range(8)) and found.variables == 12
    word = np.zeros(12, np.int32)
    assert found.energy(word) == 0.0
    word[[0, 5, 11]] = 1  # the three bits of check 0: columns 0 + 0, 4 + 1, 8 + 3
    assert found.energy(word) == np.inf
    assert found.structure.kinds[0].scope[:3].tolist() == [0, 5, 11]


# -- what is damaged

UAI = "MARKOV\n2\n2 3\n2\n1 0\n2 0 1\n2\n 0.5 0.5\n6\n 1 2 3 4 5 6\n"
WCSP = "w 2 3 2 10\n2 3\n1 0 0 1\n1 4\n2 0 1 0 1\n0 2 5\n"
FG = "2\n\n1\n0\n2\n1\n0 0.5\n\n2\n0 1\n2 2\n2\n0 1\n3 1\n"
CFN = (
    '{"problem": {"name": "p", "mustbe": "<9.0"},\n"variables": {"a": 2, "b": ["x", "y"]},\n'
    '"functions": {\n"f": {"scope": ["a", "b"], "costs": [1, 2, 3, 4]}}}'
)
DAMAGED = [
    ("a.uai", UAI.replace("MARKOV", "MARKOF"), "a.uai:1: the file begins with MARKOV or BAYES"),
    ("a.uai", UAI.replace("2 3\n", "2 0\n"), "a.uai:3: the number of a variable's states"),
    ("a.uai", UAI.replace("2 0 1", "2 0 2"), "a.uai:6: a variable of a factor is at most 1"),
    ("a.uai", UAI.replace("2 0 1", "2 1 1"), "a.uai:6: factor 1 names a variable twice"),
    ("a.uai", UAI.replace("6\n", "5\n"), "a.uai:9: the table of factor 1 has 6 entries, not 5"),
    ("a.uai", UAI.replace(" 6\n", " -6\n"), "a.uai:10: the entry `-6` of a table is negative"),
    ("a.uai", UAI.replace(" 6\n", " nan\n"), "a.uai:10: the entry `nan` of a table is no number"),
    ("a.uai", UAI.replace(" 6\n", " 1-2\n"), "a.uai:10: the entry `1-2` of a table is no number"),
    ("a.uai", UAI.replace(" 6\n", " 1e999\n"), "a.uai:10: the entry `inf` of a table is too large"),
    ("a.uai", UAI.replace(" 6\n", "\n"), "the file ends in the table of factor 1"),
    ("a.uai", UAI + "7", "a.uai:11: `7` follows the last table"),
    ("a.uai", "MARKOV 4000000000", "a.uai:1: the number of variables is at most 2147483647"),
    ("a.uai", "MARKOV 2000000000 2", "the file ends before the states of 2000000000 variables"),
    ("a.uai", "MARKOV 1 2 2000000000 1", "the file ends before the scopes of 2000000000 factors"),
    ("a.uai", "MARKOV 2 2 2 1 -1 3", "the number of variables of factor 0 is at least 0, not -1"),
    ("a.uai", f"MARKOV 99 {'1000000 ' * 99} 1 99 {' '.join(map(str, range(99)))} 1 1",
     "the file ends before the table of factor 0, which has 4.61e+18 entries"),
    ("a.uai", "MARKOV 1 2 1 1 0 2 0.5 0.\0", "holds bytes of value 0"),
    ("a.uai", "MARKOV " + "1" * 2_000_000, "a word of more than 1.0 MB"),
    ("a.uai", "", "nothing"),
    ("a.fg", FG.replace("3 1", "4 1"), "a.fg:14: the number of an entry is at most 3, not 4"),
    ("a.fg", FG.replace("3 1", "0 1"), "a.fg:14: factor 1 has the entry 0 twice"),
    ("a.fg", FG.replace("2 2\n", "3 2\n"), "a.fg:11: variable 0 has 3 states here, 2 states"),
    ("a.fg", FG.replace("0 0.5", "0 inf"), "a.fg:7: the entry `inf` of a table is no number"),
    ("a.fg", FG + "x", "a.fg:15: `x` follows the last factor"),
    ("a.fg", "# only\n3\n", "the file ends before 3 factors"),
    ("a.wcsp", WCSP.replace("1 4", "1 -4"), "a.wcsp:4: a cost is a number from 0 on, not `-4`"),
    ("a.wcsp", WCSP.replace("0 2 5", "0 3 5"), "a.wcsp:6: a value of a tuple is at most 2, not 3"),
    ("a.wcsp", WCSP.replace("2 3 2 10", "2 3 9 10"), "the file ends before 9 cost functions"),
    ("a.wcsp", WCSP.replace("2 3\n", "2 0\n"), "a.wcsp:2: a domain has no values"),
    ("a.wcsp", WCSP.replace("0 1 0 1\n0 2 5", "0 1 -1 wsum hard 3 == 4"), "is a `wsum`, which is"),
    ("a.wcsp", WCSP.replace("0 1 0 1\n0 2 5", "0 1 -1 knapsack 3 1 1"), "have two states"),
    ("a.wcsp", WCSP.replace("0 1 0 1\n0 2 5", "0 1 0 -1"), "shares the table of number 1, but 0"),
    ("a.wcsp", WCSP.replace("1 0 0 1", "-1 0 0 1").replace("0 1 0 1\n0 2 5", "0 1 0 -1"),
     "whose variables have other domains"),
    ("a.wcsp", WCSP.replace("0 1 0 1\n0 2 5", "0 1 -1 salldiff often 3"), "var, dec or decbi"),
    ("a.wcsp", WCSP.replace("0 1 0 1\n0 2 5", "0 1 -1 < x 3"), "is a number, not `x`"),
    ("a.cfn", CFN.replace("4]", "4"), "a.cfn:4: "),
    ("a.cfn", CFN.replace("3, 4", "3"), "a.cfn:4: function `f`: 3 costs for 4 tuples"),
    ("a.cfn", CFN.replace("3, 4", "3, NaN"), "function `f`: a cost is a number, not `NaN`"),
    ("a.cfn", CFN.replace('"a", "b"]', '"a", "c"]'), "function `f`: there is no variable `c`"),
    ("a.cfn", CFN.replace('"a", "b"]', '"a", "a"]'), "the scope names a variable twice"),
    ("a.cfn", CFN.replace('"y"', '"x"'), "a.cfn:2: variable `b` has a value twice"),
    ("a.cfn", CFN.replace("<9.0", "9.0"), "mustbe is < or > and a number, not `9.0`"),
    ("a.cfn", CFN.replace('"functions"', '"function"'), "not `function`"),
    ("a.cfn", CFN.replace("[1, 2, 3, 4]", '"g"'), "has the costs of `g`, which is no function"),
    ("a.cfn", CFN.replace('"costs"', '"type": "wsum", "params"'), "is a `wsum`, which is not read"),
    ("a.cfn", CFN.replace('"a": 2', '"a": 1e30'), "variable `a` has values or a number of them"),
    ("a.cfn", CFN.replace('"a": 2', '"a": 2.5'), "variable `a` has values or a number of them"),
    ("a.cfn", CFN.replace('"a": 2', f'"a": {"9" * 5000}'), "variable `a` has values or a number"),
    ("a.cfn", "[" * 200_000, "a.cfn:1: brackets are nested more than 32 deep"),
    ("a.cfn", "{" * 20 + "\n]", "a bracket is never closed"),
    ("a.cfn", "}", "closes nothing"),
    ("a.cfn", '{"problem', "a quote does not end on its line"),
    ("a.alist", "3 2\n2 2\n1 1\n", "the weights of the columns"),
    ("a.alist", "99999999999 2\n", ""),
    ("a.qc", "4 2 1000000000\n", "the size of a block is at most"),
    ("a.qc", "4 2 8\n1 2 3\n", "the file ends before the shifts of 8 blocks"),
    ("a.qc", "2 1 8\n9 -1\n", "a.qc:2: a shift is at most 7, not 9"),
    ("a.txt", "hello world\n", "is of no format that is read"),
    ("a.txt", " \n\n", "is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "message"), DAMAGED)
def test_damage_is_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    with pytest.raises((DataError, BudgetError)) as caught:
        read(path)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(path)) and caught.value.code


def test_the_undamaged_are_read(tmp_path: Path) -> None:
    for name, text in {"a.uai": UAI, "a.wcsp": WCSP, "a.fg": FG, "a.cfn": CFN}.items():
        (tmp_path / name).write_text(text)
        assert read(tmp_path / name).variables == 2


@pytest.mark.parametrize("path", OWN, ids=lambda p: p.name)
def test_mutations_are_read_or_refused(path: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    data = path.read_bytes()
    spare = [
        b"-1",
        b"nan",
        b"99999999999999999999",
        b"1e400",
        b"[",
        b"}",
        b'"',
        b"\xff",
        b"\0",
        b"",
    ]
    target = tmp_path / path.name
    for _ in range(120):
        parts = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(parts)))
            choice = rng.integers(4)
            if choice == 0:
                parts[at] = int(rng.integers(256))
            elif choice == 1:
                del parts[at : at + int(rng.integers(1, 20))]
            elif choice == 2:
                parts[at:at] = b" " + spare[int(rng.integers(len(spare)))] + b" "
            else:
                del parts[at:]
            if not parts:
                break
        target.write_bytes(bytes(parts))
        try:
            found = read(target)
        except FgError as error:
            assert error.code
        else:
            assert not np.isnan(found.values).any()


@pytest.mark.parametrize("path", OWN, ids=lambda p: p.name)
def test_bytes_at_random_are_refused(path: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for size in (1, 40, 4000):
        for data in (rng.integers(0, 256, size, np.uint8), rng.integers(32, 127, size, np.uint8)):
            target = tmp_path / path.name
            target.write_bytes(data.tobytes())
            with pytest.raises(FgError):
                read(target)


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = gzip.compress((HERE / "rain.uai").read_bytes())
    (tmp_path / "a.uai.gz").write_bytes(packed[:-20])
    with pytest.raises(DataError, match="it begins as a gzip file, but"):
        read(tmp_path / "a.uai.gz")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read(tmp_path / "b.uai")
    with pytest.raises(DataError, match="no regular file"):
        read(tmp_path)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bombs = {
        "a.uai.gz": b"MARKOV 9" + b" 1" * 30_000_000,
        "a.cfn.gz": b"{" + b" " * 60_000_000,
        "a.wcsp.gz": b"w 1 1 1 1" + b" x" * 5_000_000,
    }
    budget.set_limit(50_000_000)
    try:
        for name, data in bombs.items():
            (tmp_path / name).write_bytes(gzip.compress(data, 1))
            with pytest.raises(BudgetError):
                read(tmp_path / name)
    finally:
        budget.set_limit(None)


def test_tables_over_the_budget_are_refused_before_they_are_made(tmp_path: Path) -> None:
    wide = " ".join(map(str, range(40)))
    (tmp_path / "a.wcsp").write_text(f"w 40 4 1 9\n{'4 ' * 40}\n40 {wide} 0 0\n")
    with pytest.raises(BudgetError, match="the table of cost function 0"):
        read(tmp_path / "a.wcsp")
    (tmp_path / "b.wcsp").write_text(f"w 40 2 1 9\n{'2 ' * 40}\n40 {wide} -1 salldiff var 2\n")
    with pytest.raises(BudgetError, match=r"cost function 0 \(`salldiff`\)"):
        read(tmp_path / "b.wcsp")
    variables = ", ".join(f'"v{i}": 9' for i in range(30))
    scope = ", ".join(f'"v{i}"' for i in range(30))
    (tmp_path / "a.cfn").write_text(
        f'{{"problem": {{"name": "p", "mustbe": "<9"}}, "variables": {{{variables}}},'
        f'"functions": {{"big": {{"scope": [{scope}], "defaultcost": 0, "costs": []}}}}}}'
    )
    with pytest.raises(BudgetError, match="the table of function `big`"):
        read(tmp_path / "a.cfn")


def test_a_format_that_is_not_there() -> None:
    assert read(HERE / "rain.uai", format="uai").variables == 4
    with pytest.raises(UsageError, match="no format `uay`"):
        read(HERE / "rain.uai", format="uay")
    assert "libdai" in FORMATS


# -- published figures


@pytest.mark.skipif(not SHARED.exists(), reason="the instances are not here")
def test_published_answers_have_their_energy() -> None:
    figures = json.loads((SHARED / "uai" / "reference.json").read_text())
    seen = 0
    for path in SHARED.glob("uai/*/*.MAPv"):
        graph = path.with_name(path.name.replace(".MAPv", ".uai"))
        graph = graph if graph.exists() else graph.with_name(graph.name + ".gz")
        found = read(graph, path.with_name(path.name.replace(".MAPv", ".uai.evid")))
        count, *states = (int(k) for k in path.read_text().split()[1:])
        told = figures[f"{path.parent.name}/{path.stem}"]
        assert found.variables == count == told["n"]
        assert np.count_nonzero(found.evidence >= 0) == told["n_evid"]
        fixed = found.evidence >= 0
        np.testing.assert_array_equal(np.array(states)[fixed], found.evidence[fixed])
        assert -found.energy(states) / np.log(10) == pytest.approx(told["map_log10"], abs=1e-9)
        seen += 1
    assert seen > 20


@pytest.mark.skipif(not SHARED.exists(), reason="the instances are not here")
def test_published_log_partition_of_testfast() -> None:
    from factorgraph.factors.table import energy

    found = read(SHARED / "libdai" / "testfast.fg")
    rows = np.array(list(itertools.product((0, 1), repeat=16)), np.int32)
    values = np.broadcast_to(found.values, (len(rows), len(found.values)))
    energies = energy(found.structure, np.ascontiguousarray(values), rows)[:, 0]
    assert np.log(np.exp(-energies).sum()) == pytest.approx(14.328233281, abs=1e-8)

"""Decoding against enumeration, a slow decoder written anew, and published curves."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.data.alist import read_alist
from factorgraph.engine import decoding
from factorgraph.engine.decoder import Checks, Decoder
from factorgraph.engine.menu import step
from factorgraph.engine.outcome import OPTIMAL
from factorgraph.engine.parities import contradicting, dense, encoder
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.errors import UsageError

LDPC = Path(__file__).resolve().parents[2] / "shared" / "data" / "ldpc"
HAMMING = np.array([[1, 0, 1, 0, 1, 0, 1], [0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1, 1]])


def words(checks: Checks, parity: np.ndarray) -> np.ndarray:
    """Return all words of a code by trying each."""
    every = np.array(list(product((0, 1), repeat=checks.bits)), np.uint8)
    return every[(checks.syndrome(every) == parity).all(axis=1)]


def ratios(checks: Checks, llr: np.ndarray, parity: np.ndarray, soft: bool) -> np.ndarray:
    """Return energy of 1 less that of 0 of each bit by trying each word; soft or least."""
    every = words(checks, parity)
    energy = every @ llr
    out = np.zeros(checks.bits)
    for v in range(checks.bits):
        on, off = energy[every[:, v] == 1], energy[every[:, v] == 0]
        if soft:
            out[v] = np.logaddexp.reduce(-off) - np.logaddexp.reduce(-on)
        else:
            out[v] = on.min() - off.min()
    return out


def ldpc(rng: np.random.Generator, n: int = 24, m: int = 12, degree: int = 3) -> Checks:
    """Return a random code in which each bit has some checks."""
    matrix = np.zeros((m, n), int)
    for v in range(n):
        matrix[rng.choice(m, degree, replace=False), v] = 1
    return Checks.of(matrix)


def tree(rng: np.random.Generator, checks: int = 4) -> Checks:
    """Return checks without a loop."""
    rows, bits = [], 1
    for _ in range(checks):
        fresh = int(rng.integers(1, 4))
        rows.append([int(rng.integers(bits)), *range(bits, bits + fresh)])
        bits += fresh
    matrix = np.zeros((checks, bits), int)
    for c, row in enumerate(rows):
        matrix[c, row] = 1
    return Checks.of(matrix)


@pytest.mark.parametrize("algorithm", ["minsum", "sumproduct"])
@pytest.mark.parametrize("schedule", ["flooding", "layered"])
def test_exact_on_trees(algorithm: Any, schedule: Any) -> None:
    rng = np.random.default_rng(3)
    for _ in range(12):
        checks = tree(rng)
        llr = rng.normal(0, 2, (5, checks.bits))
        parity = rng.integers(0, 2, (5, checks.count)).astype(np.uint8)
        decode = Decoder(algorithm, 2 * checks.bits, schedule=schedule, early=False)
        found = decode(checks, llr, parity, soft=True)
        assert found.llr is not None
        for i in range(5):
            right = ratios(checks, llr[i], parity[i], algorithm == "sumproduct")
            np.testing.assert_allclose(
                found.llr[i], right, rtol=0, atol=2e-5 if algorithm == "minsum" else 1e-12
            )
        assert (found.iterations == 2 * checks.bits).all()


@pytest.mark.parametrize("size", [1e-9, 1.0, 40.0, 300.0])
def test_one_check_is_exact_at_any_size(size: float) -> None:
    rng = np.random.default_rng(4)
    checks = Checks.of(np.ones((1, 7)))
    llr = rng.normal(0, size, (20, 7))
    llr[3, 2] = 0.0
    parity = rng.integers(0, 2, (20, 1)).astype(np.uint8)
    found = Decoder("sumproduct", 1, early=False)(checks, llr, parity, soft=True)
    assert found.llr is not None
    for i in range(20):
        right = ratios(checks, llr[i], parity[i], soft=True)
        np.testing.assert_allclose(found.llr[i], right, rtol=1e-12, atol=2e-15)


def test_wide_checks_neither_overflow_nor_vanish() -> None:
    rng = np.random.default_rng(5)
    llr = rng.choice([-1, 1], (2, 3000)) * rng.uniform(8, 12, (2, 3000))
    checks = Checks.of(np.ones((1, 3000)))
    found = Decoder("sumproduct", 1, early=False)(checks, llr, soft=True)
    assert found.llr is not None
    half = np.tanh(np.abs(llr.astype(np.longdouble)) / 2)
    rest = half.prod(axis=1, keepdims=True) / half
    signs = np.sign(llr)
    heard = signs.prod(axis=1, keepdims=True) * signs * 2 * np.arctanh(rest)
    np.testing.assert_allclose(found.llr - llr, heard.astype(float), rtol=1e-10)


def slowly(
    checks: Checks, llr: np.ndarray, parity: np.ndarray, how: Decoder
) -> tuple[np.ndarray, bool, int]:
    """Decode one frame, message by message, as the textbooks say."""
    llr = llr.astype(float)
    edges = [(c, int(v)) for c in range(checks.count) for v in scope(checks, c)]
    told = dict.fromkeys(edges, 0.0)
    bits = np.zeros(checks.bits, np.uint8)
    for iteration in range(1, how.iterations + 1):
        before = dict(told)
        for c in range(checks.count):
            heard_by = told if how.schedule == "layered" else before
            mine = {
                int(v): llr[v] + sum(heard_by[d, v] for d, w in edges if w == v and d != c)
                for v in scope(checks, c)
            }
            for v in mine:
                others = [x for w, x in mine.items() if w != v]
                sign = np.prod(np.sign(others)) * (-1.0) ** parity[c]
                if how.algorithm == "minsum":
                    size = max(how.scale * min(map(abs, others)) - how.offset, 0.0)
                else:
                    size = 2 * np.arctanh(np.prod(np.tanh(np.abs(others) / 2)))
                told[c, v] = sign * size
        total = [llr[v] + sum(told[c, w] for c, w in edges if w == v) for v in range(checks.bits)]
        bits = (np.array(total) < 0).astype(np.uint8)
        if (checks.syndrome(bits)[0] == parity).all():
            return bits, True, iteration
    return bits, False, how.iterations


def scope(checks: Checks, c: int) -> np.ndarray:
    return checks.scope[checks.start[c] : checks.start[c + 1]]


@pytest.mark.parametrize(
    "how",
    [
        Decoder("minsum", 8, 0.75, schedule="flooding"),
        Decoder("minsum", 8, 0.8, schedule="layered"),
        Decoder("minsum", 8, 1.0, 0.3, schedule="layered"),
        Decoder("sumproduct", 8, schedule="flooding"),
        Decoder("sumproduct", 8, schedule="layered"),
    ],
    ids=str,
)
def test_as_the_textbooks_say(how: Decoder) -> None:
    rng = np.random.default_rng(6)
    checks = ldpc(rng)
    llr = rng.normal(2.0, 1.3, (40, 24))
    parity = checks.syndrome(rng.random((40, 24)) < 0.05)
    parity[:20] = 0
    found = how(checks, llr, parity)
    right = [slowly(checks, llr[i], parity[i], how) for i in range(40)]
    assert [bool(s) for s in found.solved] == [s for _, s, _ in right]
    assert found.iterations.tolist() == [k for _, _, k in right]
    np.testing.assert_array_equal(found.bits, [b for b, _, _ in right])
    assert 0 < found.solved.mean() < 1 and len(set(found.iterations.tolist())) > 3


def test_frames_do_not_know_of_each_other() -> None:
    rng = np.random.default_rng(7)
    checks = ldpc(rng, 60, 30)
    llr = rng.normal(1.5, 1.5, (200, 60)).astype(np.float32)
    one = Decoder("minsum", 20, 0.75)
    first = one(checks, llr, soft=True)
    order = rng.permutation(200)
    for found in (
        Decoder("minsum", 20, 0.75, threads=16)(checks, llr, soft=True),
        one(checks, llr[order], soft=True),
    ):
        back = slice(None) if found.bits.tobytes() == first.bits.tobytes() else order
        assert first.llr is not None and found.llr is not None
        assert found.llr.tobytes() == first.llr[back].tobytes()
        np.testing.assert_array_equal(found.iterations, first.iterations[back])
    alone = one(checks, llr[17], soft=True)
    assert alone.llr is not None and alone.llr[0].tobytes() == first.llr[17].tobytes()


def test_a_syndrome_is_a_word_moved() -> None:
    rng = np.random.default_rng(8)
    checks = ldpc(rng, 60, 30)
    error = (rng.random((50, 60)) < 0.05).astype(np.uint8)
    level = np.log(0.95 / 0.05) + 0.1 * rng.random(60)  # no ties
    encode = encoder(checks)
    word = encode(rng.integers(0, 2, (50, encode.free), np.uint8))
    assert not checks.syndrome(word).any()
    decode = Decoder("sumproduct", 30)
    by_error = decode(checks, level, checks.syndrome(error))
    by_word = decode(checks, level * (1 - 2.0 * (word ^ error)))
    np.testing.assert_array_equal(by_error.bits, by_word.bits ^ word ^ error)
    np.testing.assert_array_equal(by_error.solved, by_word.solved)
    assert by_error.solved.mean() > 0.5


def test_known_bits_are_kept() -> None:
    checks = Checks.of(HAMMING)
    llr = np.array([np.inf, -np.inf, 0.5, -0.25, 0.75, -1.0, 0.125])
    for algorithm in ("minsum", "sumproduct"):
        found = Decoder(algorithm, 50)(checks, llr)  # type: ignore[arg-type]
        assert found.bits[0, :2].tolist() == [0, 1]


@pytest.mark.parametrize("threads", [1, 2])
def test_nan_is_refused(threads: int) -> None:
    llr = np.ones((100, 7))
    llr[71, 3] = np.nan
    with pytest.raises(UsageError, match="frame 71: a log-likelihood ratio is NaN"):
        Decoder(threads=threads)(Checks.of(HAMMING), llr)


def test_shapes_are_checked() -> None:
    checks = Checks.of(HAMMING)
    with pytest.raises(UsageError, match=r"\[7\] or \[frames, 7\], not \(6,\)"):
        Decoder()(checks, np.ones(6))
    with pytest.raises(UsageError, match="3 frames of log-likelihood ratios, but 2 of parities"):
        Decoder()(checks, np.ones((3, 7)), np.ones((2, 3)))
    with pytest.raises(UsageError, match="0 and 1"):
        Checks.of(2 * HAMMING)
    none = Decoder()(checks, np.ones((0, 7)))
    assert none.bits.shape == (0, 7)
    free = Decoder()(Checks.of(np.zeros((0, 3))), np.array([1.0, -1.0, 0.0]))
    assert free.bits.tolist() == [[0, 1, 0]] and free.solved.all()


def test_from_python() -> None:
    found = fg.decode(HAMMING, [2.0, 2.0, -0.5, 2.0, 2.0, 2.0, 2.0], infer="sumproduct")
    assert found.bits.tolist() == [[0] * 7] and found.solved.all()
    with pytest.raises(UsageError, match="`icm` does not decode"):
        fg.decode(HAMMING, np.ones(7), infer="icm")
    with pytest.raises(UsageError, match="does not decode"):
        fg.decode(HAMMING, np.ones(7), infer="minsum(damping = 0.5)")


def test_linear_algebra() -> None:
    rng = np.random.default_rng(9)
    for _ in range(20):
        checks = ldpc(rng, 8, 5, 2)
        for parity in np.array(list(product((0, 1), repeat=5)), np.uint8)[::3]:
            known = rng.integers(-1, 2, 8).astype(np.int8)
            fits = [w for w in words(checks, parity) if ((known < 0) | (w == known)).all()]
            assert (contradicting(checks, parity, known) is None) == bool(fits)


# -- in the menu


def graph(checks: Checks, llr: np.ndarray, odd: np.ndarray) -> Any:
    g = fg.FactorGraph()
    x = g.variables("x", checks.bits, 2)
    g.factors(x[:, None], np.column_stack((np.zeros(checks.bits), llr)), name="channel")
    g.factor([], 1.5)
    g.factors([[0], [0]], [[0.0, 0.25], [0.0, -0.25]], name="twice")
    for c in range(checks.count):
        g.parity([int(v) for v in scope(checks, c)], odd=bool(odd[c]), name="parity")
    return g.build()


def ask(built: Any, text: str = "minsum", evidence: dict[int, int] | None = None) -> Any:
    seen = np.full(built.structure.variables, -1, np.int32)
    for v, x in (evidence or {}).items():
        seen[v] = x
    one = step(text, {"iterations": 30})
    problem = Problem(built.structure, built.values[0], seen)
    return decoding.run(text, problem, one.options, Watch())


@pytest.mark.parametrize("algorithm", ["minsum", "sumproduct"])
def test_outcomes_hold(algorithm: str) -> None:
    rng = np.random.default_rng(10)
    statuses = set()
    for _ in range(60):
        checks = ldpc(rng, 10, 5, 2)
        llr = rng.normal(0.7, 1.5, 10)
        odd = rng.integers(0, 2, 5) * rng.integers(0, 2)
        found = ask(graph(checks, llr, odd), algorithm)
        assert found is not None
        every = words(checks, odd.astype(np.uint8))
        least = (every @ llr).min() + 1.5 if len(every) else np.inf
        assert found.bound <= least + 1e-12
        statuses.add(found.status.split(" ")[0])
        if found.states is not None:
            assert (checks.syndrome(found.states)[0] == odd).all()
            assert found.energy == pytest.approx(found.states @ llr + 1.5, abs=1e-12)
            if found.status == OPTIMAL:
                assert found.energy == pytest.approx(least)
        else:
            assert found.energy == np.inf
            assert found.status.startswith("infeasible: parity[") == (len(every) == 0)
    assert {"optimal", "gap", "not"} <= statuses


def test_contradictions_are_named() -> None:
    checks = Checks.of(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]]))
    found = ask(graph(checks, np.zeros(3), np.array([1, 0, 0])))
    assert found.status == "infeasible: parity[2]"
    kept = ask(graph(checks, np.ones(3), np.zeros(3)), evidence={0: 1})
    assert kept.states.tolist() == [1, 1, 1]
    assert ask(graph(checks, np.ones(3), np.zeros(3)), evidence={0: 1, 2: 0}).bound == np.inf


def test_only_codes_are_decoded() -> None:
    loop = graph(Checks.of(HAMMING), np.ones(7), np.zeros(3))
    assert ask(loop) is not None
    no_loop = graph(
        Checks.of(np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]])), np.ones(5), np.zeros(2)
    )
    assert ask(no_loop) is None
    g = fg.FactorGraph()
    x = g.variables("x", 4, 2)
    g.parity([[int(v) for v in x]] * 2)
    assert ask(g.build()) is not None
    g.factor([x[0], x[1]], np.zeros((2, 2)))
    assert ask(g.build()) is None


def test_layers_are_exact_without_loops() -> None:
    rng = np.random.default_rng(12)
    for _ in range(10):
        checks = tree(rng)
        llr, odd = rng.normal(0, 2, checks.bits), rng.integers(0, 2, checks.count)
        found = fg.minimise(graph(checks, llr, odd), "minsum(schedule = layered)")
        assert found.energy == pytest.approx((words(checks, odd) @ llr).min() + 1.5)


def test_layered_marginals_are_exact_without_loops() -> None:
    rng = np.random.default_rng(14)
    for _ in range(6):
        checks = tree(rng)
        llr, odd = rng.normal(0, 2, checks.bits), rng.integers(0, 2, checks.count)
        asked = "sumproduct(schedule = layered)"
        found = fg.infer(graph(checks, llr, odd), "marginals", asked, beta=0.7)
        right = ratios(checks, 0.7 * llr, odd, soft=True)
        assert found.marginals is not None and found.status == "converged"
        np.testing.assert_allclose(found.marginals["x"][:, 1], 1 / (1 + np.exp(right)), atol=1e-12)
    two = fg.infer(
        graph(checks, llr, odd), "marginals", "sumproduct(schedule=layered,iterations=2)"
    )
    assert two.status.startswith("not converged: residual ")
    with pytest.raises(UsageError, match="layered schedule is for configurations and marginals"):
        fg.infer(graph(checks, llr, odd), "partition", "sumproduct(schedule = layered)")


TEXT = """
size   n, m
given  H[m, n] : bit
given  llr[n]  : real
answer x[n]    : bit
factor channel[i in n] = llr[i] * x[i]
hard   parity[c in m]  : xor(x[i] for i in n if H[c,i]) == 0
infer  minsum(iterations = 20, scale = 0.75)
"""


def test_frames_of_a_model_are_decoded_together() -> None:
    rng = np.random.default_rng(13)
    checks = ldpc(rng, 12, 6)
    llr = rng.normal(1.0, 1.5, (9, 12))
    run = fg.compile(TEXT).init()
    shared = {"H": dense(checks)}
    together = list(run.predict({"llr": llr}, with_=shared))
    found = Decoder("minsum", 20, 0.75)(checks, llr)
    assert 0 < found.solved.sum() < 9
    for i, answer in enumerate(together):
        (alone,) = run.predict({"llr": llr[i : i + 1]}, with_=shared)
        keys = ("answers", "energy", "bound", "status", "iterations")
        assert [answer[k] for k in keys] == [alone[k] for k in keys]
        assert answer["iterations"] == found.iterations[i]
        if found.solved[i]:
            assert answer["answers"]["x"] == found.bits[i].tolist()
        else:
            assert answer["answers"] is None and answer["status"].startswith("not converged: ")


# -- published curves


@pytest.mark.skipif(not LDPC.exists(), reason="the codes are not there")
@pytest.mark.parametrize(
    ("code", "iterations", "schedule", "decibel", "frames"),
    [
        ("WRAN_360_480", 40, "layered", "2.50", 1500),
        ("WIMAX_480_576", 40, "layered", "3.50", 4000),
        ("WIFI_540_648", 40, "layered", "3.25", 2000),
        ("MACKAY_4000_8000", 20, "flooding", "1.50", 400),
    ],
)
def test_as_published(code: str, iterations: int, schedule: Any, decibel: str, frames: int) -> None:
    """Frame errors over AWGN beside AFF3CT's, within two standard deviations of both counts."""
    with open(LDPC / "aff3ct_reference_curves.tsv", newline="") as file:
        (row,) = (
            r
            for r in csv.DictReader(file, delimiter="\t")
            if r["H"] == f"{code}.alist"
            and r["iterations"] == str(iterations)
            and r["Eb_N0_dB"] == decibel
            and {"layered": "HORIZONTAL", "flooding": "FLOODING"}[schedule] in r["trace"]
            and "/SPA/" in r["trace"]
        )
    checks = Checks.of(read_alist(LDPC / f"{code}.alist"))
    k = int(code.split("_")[1])
    sigma = np.sqrt(0.5 / (k / checks.bits * 10 ** (float(decibel) / 10)))
    rng = np.random.default_rng(11)
    # The channel is symmetric, so each word fails as often as the others do.
    y = 1.0 + sigma * rng.standard_normal((frames, checks.bits))
    found = Decoder("sumproduct", iterations, schedule=schedule)(checks, 2 * y / sigma**2)
    wrong = int(found.bits[:, :k].any(axis=1).sum())
    theirs, of = int(row["frame_errors"]), int(row["frames"])
    p = (wrong + theirs) / (frames + of)
    deviation = np.sqrt(p * (1 - p) * (1 / frames + 1 / of))
    assert abs(wrong / frames - theirs / of) < 2 * deviation


def test_parities_are_bits() -> None:
    for parity in ([2, 0], [0.5, 0], [256, 0], [float("nan"), 0]):
        with pytest.raises(fg.UsageError, match="0 or 1"):
            fg.decode([[1, 1, 0], [0, 1, 1]], [1.0, 2.0, 3.0], parity=[parity])

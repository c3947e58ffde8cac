"""Small graphs that are asked once: the interpreter says what machine code would."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factorgraph import jit
from factorgraph.engine import choose
from factorgraph.engine.answer import Ask, outcomes
from factorgraph.engine.menu import steps
from factorgraph.engine.order import neighbours, search
from factorgraph.engine.outcome import Outcome

ROOT = Path(__file__).parent.parent
_spec = importlib.util.spec_from_file_location("oracle", Path(__file__).with_name("oracle.py"))
assert _spec is not None and _spec.loader is not None
oracle: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracle)


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no machine code be made, or used."""

    def made(self: jit.Kernel) -> None:
        raise AssertionError(f"machine code of {self.py_func}")

    monkeypatch.setattr(jit.Kernel, "dispatcher", property(made))


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("asked", [(), steps("exact")], ids=["chosen", "exact"])
@pytest.mark.parametrize("tiny", [0, choose.TINY], ids=["eliminated", "enumerated"])
@pytest.mark.parametrize("loopy", [False, True], ids=["forest", "loops"])
@pytest.mark.parametrize("seed", range(6))
def test_answers_are_right(
    seed: int, loopy: bool, tiny: int, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "TINY", tiny)
    rng = np.random.default_rng(seed)
    structure = oracle.random_structure(rng, loopy=loopy, instances=1)
    values = oracle.random_values(rng, structure, 1, 2.0, 0.1)[0]
    evidence = oracle.random_evidence(rng, structure, 1, 0.2)[0]
    beta = 0.7

    def answer(task: Any) -> Outcome:
        with jit.once():
            return next(outcomes(structure, values, evidence, task, Ask(asked, beta=beta)))

    hard, soft, sums = answer("map"), answer("marginals"), answer("partition")
    states, energies = oracle.configurations(structure, values, 0, evidence)
    if not np.isfinite(energies).any():
        assert all(one.status.startswith("infeasible") for one in (hard, soft, sums))
        return
    assert hard.energy == pytest.approx(energies.min(), rel=1e-12)
    assert oracle.sum_of(structure, values, 0, hard.states) == pytest.approx(hard.energy, rel=1e-12)
    total = -beta * oracle.soft_minimum(energies, beta)
    assert sums.log_partition == soft.log_partition == pytest.approx(total, rel=1e-11, abs=1e-12)
    p = oracle.probabilities(energies, beta)
    np.testing.assert_allclose(
        soft.marginals, oracle.by_state(structure, 0, states, energies, p)[1], atol=1e-11
    )


@pytest.mark.usefixtures("interpreted")
def test_a_long_ring_is_planned_without_machine_code() -> None:
    n = 900
    start, near = neighbours(n, [np.stack([np.arange(n), np.roll(np.arange(n), 1)], 1)])
    found = search(np.array([0, n]), start, near, np.full(n, 2))
    assert found.width[0] == 2 and sorted(found.variables) == list(range(n))
    assert found.entries[0] == (n - 2) * 8 + 4 + 2


def test_what_is_large_or_asked_again_is_compiled() -> None:
    seen = []

    @jit.kernel
    def asked(x):  # type: ignore[no-untyped-def]
        return x + 1

    asked._dispatcher = seen.append
    asked(0)
    with jit.once():
        asked(1)
        with jit.sized(jit.LIGHT + 1):
            asked(2)
        with jit.sized(jit.LIGHT):
            assert asked(3) == 4
    with jit.sized(1):
        asked(5)
    assert seen == [0, 1, 2, 5]


@pytest.mark.parametrize("task", ["MAP", "MAR", "PR"])
def test_a_small_file_is_solved_without_numba(task: str) -> None:
    program = f"""
import sys
from factorgraph.cli.main import main
sys.argv = ["fgc", "solve", "tests/exchange/rain.uai", "--task", "{task}"]
try:
    main()
finally:
    print(*sorted({{"numba", "scipy", "networkx", "matplotlib"}} & set(sys.modules)), "loaded")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == task and done.stdout.splitlines()[-1] == "loaded"


@pytest.mark.parametrize("ours", [False, True])
def test_numba_comes_without_linear_algebra_where_nobody_else_uses_it(ours: bool) -> None:
    """And SciPy's is there as ever afterwards; in the processes of others Numba has it."""
    script = f"""
import sys
from factorgraph import process
{"process.claim()" if ours else ""}
from factorgraph.engine.choose import choose
from factorgraph.factors.table import energy
import factorgraph as fg, numpy as np
g = fg.FactorGraph()
x = g.variables("x", 3, 2)
g.factors(x[:, None], np.arange(6.0).reshape(3, 2))
graph = g.build()
assert energy(graph.structure, graph.values, np.ones(3, np.int32))[0, 0] == 9.0
assert "numba.np.arraymath" in sys.modules
assert ("scipy.linalg" in sys.modules) == {not ours}
import numba, scipy.linalg
assert scipy.linalg.det(np.eye(2)) == 1.0 and scipy.linalg.cython_blas is not None
if not {ours}:
    assert numba.njit(lambda a: np.dot(a, a))(np.ones(3)) == 3.0
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

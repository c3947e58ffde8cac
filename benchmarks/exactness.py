"""How exact: inference against enumeration, gradients against differences, L-BFGS against scipy.

The enumeration here is three lines of numpy over a joint table and shares nothing with the
engines. Figures are the largest differences seen, relative to the larger of 1 and the value.
"""

from __future__ import annotations

import numpy as np
from figures import LETTERS, OCR, report

import factorgraph as fg
from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.read import read
from factorgraph.engine.tree import TreeEngine
from factorgraph.learn.lbfgs import LBFGS
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew


def inference(trees: int = 300) -> tuple[float, float, float]:
    """Return the worst errors of minimum, soft minimum and marginals on random small trees."""
    random = np.random.default_rng(1)
    worst = np.zeros(3)
    for _ in range(trees):
        n = int(random.integers(1, 7))
        cards = random.integers(1, 4, n)
        builder = fg.FactorGraph()
        variables = [builder.variable(f"v{i}", int(c)) for i, c in enumerate(cards)]
        joint = np.zeros(tuple(cards))
        scale = random.choice([1.0, 30.0, 1e4])
        for i in range(n):
            scopes = [[i]] if i == 0 else [[i], [int(random.integers(0, i)), i]]
            for scope in scopes:
                table = random.normal(0, scale, [cards[k] for k in scope])
                table[random.random(table.shape) < 0.15] = np.inf
                builder.factor([variables[k] for k in scope], table)
                shape = [cards[k] if k in scope else 1 for k in range(n)]
                order = np.argsort(scope)
                joint = joint + table.transpose(order).reshape(shape)
        graph = builder.build()
        engine = TreeEngine(graph.structure)
        least = engine.minimum(graph.values).value[0, 0]
        soft = engine.soft_minimum(graph.values)
        if np.isinf(joint.min()):
            worst[0] = max(worst[0], 0.0 if np.isinf(least) else np.inf)
            continue
        low = joint.min()
        weights = np.exp(-(joint - low))
        exact = low - np.log(weights.sum())
        beliefs = soft.marginals()[0]
        expected = np.concatenate(
            [(weights / weights.sum()).sum(tuple(k for k in range(n) if k != i)) for i in range(n)]
        )
        worst[0] = max(worst[0], abs(least - low) / max(1, abs(low)))
        worst[1] = max(worst[1], abs(soft.value[0, 0] - exact) / max(1, abs(exact)))
        worst[2] = max(worst[2], float(np.abs(beliefs - expected).max()))
    return float(worst[0]), float(worst[1]), float(worst[2])


def gradient(loss: str) -> float:
    """Return the worst relative error of the gradient along random directions."""
    model = fg.load(OCR, loss=loss)
    instances = bind(model.checked, read(LETTERS).take(np.arange(60)))
    random = np.random.default_rng(2)
    worst = 0.0
    with Crew(1) as crew:
        objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
        for _ in range(5):
            flat = random.normal(0, 0.3, objective.layout.size)
            slope = objective(flat)[1].copy()
            for _ in range(5):
                way = random.normal(size=len(flat))
                h = 1e-6
                above, below = objective(flat + h * way)[0], objective(flat - h * way)[0]
                numeric, exact = (above - below) / (2 * h), float(slope @ way)
                worst = max(worst, abs(numeric - exact) / max(1.0, abs(exact)))
    return worst


def optimiser() -> float | None:
    """Return |ours - scipy's| / |scipy's| of the least value of a regularised nll."""
    try:
        from scipy.optimize import minimize
    except ImportError:
        return None
    model = fg.load(OCR)
    instances = bind(model.checked, read(LETTERS).take(np.arange(40)))
    with Crew(1) as crew:
        objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
        start = np.zeros(objective.layout.size)
        ours = LBFGS(len(start), tolerance=1e-7, max_iterations=2000).minimise(objective, start)

        def copied(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = objective(x)
            return value, slope.copy()

        options = {"maxiter": 5000, "maxfun": 10000, "ftol": 1e-15, "gtol": 1e-8}
        theirs = minimize(copied, start, jac=True, method="L-BFGS-B", options=options)
    return float(abs(ours.value - theirs.fun) / abs(theirs.fun))


def main() -> None:
    least, soft, beliefs = inference()
    report(
        minimum_against_enumeration=least,
        soft_minimum_against_enumeration=soft,
        marginals_against_enumeration=beliefs,
        gradient_nll=gradient("nll"),
        gradient_perceptron=gradient("perceptron"),
        lbfgs_against_scipy=optimiser(),
    )


if __name__ == "__main__":
    main()

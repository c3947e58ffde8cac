"""Which optimiser minimises an objective, and why."""

from __future__ import annotations

from dataclasses import dataclass

from factorgraph.compiler.loss import LossProgram
from factorgraph.compiler.module import Compiled
from factorgraph.errors import UsageError
from factorgraph.learn.convex import bent, is_convex, is_smooth, to_hold, worst
from factorgraph.learn.options import STOCHASTIC, Options

LARGE = 20_000_000
"""Unknowns from which on passes over all data are thought too dear for a step each."""

SHOWN = {
    "lbfgs": "L-BFGS", "owlqn": "OWL-QN", "sgd": "SGD", "adam": "Adam", "adagrad": "AdaGrad",
    "perceptron": "averaged perceptron", "frank-wolfe": "block-coordinate Frank-Wolfe",
    "cccp": "CCCP",
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """An optimiser by its option's name, and why it was chosen."""

    optimizer: str
    reason: str
    asked: bool = False

    @property
    def shown(self) -> str:
        """What it is called."""
        return SHOWN[self.optimizer]


def for_observed(choice: Choice, options: Options) -> Choice:
    """Return an optimiser that moves the weights that answers read, and no others.

    Raises
    ------
    UsageError : E0911, where another one is asked for.
    """
    if choice.optimizer in ("lbfgs", "owlqn"):
        return choice
    if options.optimizer == "auto":
        return Choice("lbfgs", "only weights that answers read are to move")
    raise UsageError(
        f"--observed goes with L-BFGS and OWL-QN, not with --optimizer {options.optimizer}",
        code="E0911",
    )


def choose(
    compiled: Compiled,
    options: Options,
    *,
    unknowns: int,
    observed: bool,
    streamed: bool = False,
    spread: bool = False,
) -> Choice:
    """Return the optimiser for an objective.

    Parameters
    ----------
    unknowns : of all training data.
    observed : whether the answer of each instance is one configuration.
    streamed : whether the data do not fit into memory.
    spread : whether other machines work on the objective.

    Raises
    ------
    UsageError : E0930, where the optimiser that is asked for cannot minimise it.
    """
    if options.optimizer != "auto":
        _refuse(compiled, options.optimizer, observed, streamed, spread)
        return Choice(options.optimizer, "as asked for", asked=True)
    loss = compiled.loss
    assert loss is not None
    if streamed:
        return Choice("adagrad", "the data are read in shards")
    l1 = _coefficients(compiled, "l1")
    if spread:
        return Choice("owlqn" if l1 else "lbfgs", "gradients are summed over machines")
    if _is_perceptron(loss) and not compiled.model.grids:
        return Choice("perceptron", "the perceptron loss is least where all weights are 0")
    if unknowns > LARGE:
        return Choice("adagrad", f"{unknowns} unknowns are too many for a step each pass")
    if l1:
        return Choice("owlqn", "some weights have an l1 penalty")
    if is_smooth(loss):
        return Choice("lbfgs", "the loss is smooth")
    if _unfit(compiled, observed) is None and not compiled.model.grids:
        return Choice("frank-wolfe", "the loss is convex with kinks, with l2 on every weight")
    return Choice("lbfgs", "the loss, which has kinks, is no case for Frank-Wolfe")


def _refuse(
    compiled: Compiled, optimizer: str, observed: bool, streamed: bool, spread: bool
) -> None:
    loss = compiled.loss
    assert loss is not None
    l1 = _coefficients(compiled, "l1")
    if streamed and optimizer not in STOCHASTIC:
        raise UsageError(
            f"--optimizer {optimizer} needs all data in memory", code="E0930",
            hint="adagrad, sgd, adam and perceptron read shards",
        )  # fmt: skip
    if spread and optimizer not in ("lbfgs", "owlqn"):
        raise UsageError(
            f"--optimizer {optimizer} runs on one machine", code="E0930",
            hint="lbfgs and owlqn sum gradients over machines",
        )  # fmt: skip
    if optimizer == "lbfgs" and l1:
        raise UsageError(
            f"L-BFGS cannot minimise the l1 penalty of `{l1}`", code="E0930",
            hint="--optimizer owlqn does",
        )  # fmt: skip
    if optimizer in ("perceptron", "frank-wolfe", "cccp") and compiled.model.grids:
        raise UsageError(
            f"--optimizer {optimizer} takes the configurations of finite answers, and "
            f"`{next(iter(compiled.model.grids))}` is a real number", code="E0930",
            hint="--optimizer lbfgs, or adam",
        )  # fmt: skip
    if optimizer == "perceptron" and not _is_perceptron(loss):
        raise UsageError(
            f"the perceptron minimises E(answer) - E(any), not `{loss.name}`", code="E0930",
            hint="--loss perceptron",
        )  # fmt: skip
    if optimizer == "frank-wolfe":
        unfit = _unfit(compiled, observed)
        if unfit is not None:
            raise UsageError(unfit[0], code="E0930", hint=unfit[1])
    if optimizer == "cccp":
        unfit = _unfit(compiled, observed, "CCCP", held=True)
        if unfit is not None:
            raise UsageError(unfit[0], code="E0930", hint=unfit[1])


def _unfit(
    compiled: Compiled, observed: bool, name_: str = "Frank-Wolfe", held: bool = False
) -> tuple[str, str] | None:
    """Return why Frank-Wolfe cannot minimise an objective and what to do, None where it can.

    Parameters
    ----------
    held : whether least energies that make the loss not convex are held meanwhile.
    """
    loss = compiled.loss
    assert loss is not None
    model = compiled.model
    for name, param in model.params.items():
        if param.constraint != "real":
            return (
                f"{name_} moves free weights, and `{name}` is held to something",
                "--optimizer adagrad",
            )
        if param.l1 or not param.l2:
            return (
                f"{name_} needs l2, and no l1, on every weight: `{name}` has "
                + ("an l1 penalty" if param.l1 else "no l2"),
                f"param {name} … ~ l2(0.01), or --optimizer adagrad",
            )
    if model.maps:
        return (
            f"{name_} needs energies that are linear in the weights: `{next(iter(model.maps))}`"
            " is a map",
            "--optimizer adam",
        )
    factor = bent(compiled)
    if factor is not None:
        return (
            f"{name_} needs energies that are linear in the weights: factor `{factor}` is not",
            "--optimizer adagrad",
        )
    if held:
        if to_hold(loss) is None:
            return (
                f"CCCP takes sums of least energies times constants, and `{loss.name}` is none",
                "--optimizer lbfgs, or adagrad",
            )
        return None
    if not is_convex(loss, observed):
        way = "--optimizer cccp" if to_hold(loss) is not None else "--optimizer lbfgs"
        if not observed:
            return (
                "Frank-Wolfe needs a convex loss, and answers that leave something open make "
                f"`{loss.name}` none",
                way,
            )
        return f"Frank-Wolfe needs a convex loss, and `{loss.name}` is not", way
    return None


def _coefficients(compiled: Compiled, which: str) -> str | None:
    """Return a param that has an l1 or l2 penalty, None if none has."""
    params = compiled.model.params
    free = {n: p for n, p in params.items() if which == "l2" or p.constraint == "real"}
    return next((name for name, p in free.items() if getattr(p, which)), None)


def _is_perceptron(loss: LossProgram) -> bool:
    """Return whether the loss is E(answer) - E(any)."""
    found = worst(loss)
    return found is not None and found[1].cost is None

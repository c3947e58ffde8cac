"""The whole way on one page: text → tree → model → compiled; data → instances; both → answers.

::

    text ──parse──▶ tree ──check──▶ Model ──compile──▶ emitted module ──┐
                                      │                                 ├──▶ energies, answers
    data ──read──▶ records ──bind────▶ instances ──ground──▶ graph ─────┘     gradients, weights
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.compiler.flatten import flatten, without
from factorgraph.compiler.loss import LossProgram, plan
from factorgraph.compiler.module import Compiled, compile_model, too_deep
from factorgraph.compiler.module import load as load_module
from factorgraph.errors import ModelError, RunError, UsageError
from factorgraph.model.check import check
from factorgraph.model.model import Model as Checked
from factorgraph.model.names import not_built
from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import parse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from factorgraph.data.bind import Instances, Vocabularies
    from factorgraph.data.column import Records
    from factorgraph.ground.batch import Batch
    from factorgraph.ground.weights import Weights
    from factorgraph.learn.events import Event, Finished, Listener
    from factorgraph.learn.measure import Scores

BATCH_VARIABLES = 1 << 18
"""Unknowns in one graph while predicting, so that memory does not grow with the data."""


def load(
    path: str | os.PathLike[str],
    *,
    settings: Mapping[str, float] | None = None,
    loss: str | None = None,
    without: Sequence[str] = (),
) -> Model:
    """Return the model of a `.fg` file.

    Parameters
    ----------
    path : the file.
    settings : new values of the text's constants and valued sizes.
    loss : a formula or the name of a loss, instead of the text's own.
    without : factors that are left out.

    Raises
    ------
    ModelError : where the text is wrong, with the place.
    UsageError : where the file cannot be read, or an option names nothing.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{os.fspath(path)} cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{os.fspath(path)} is not UTF-8 text (byte {error.start})") from None
    return compile(text, os.fspath(path), settings=settings, loss=loss, without=without)


def compile(
    text: str,
    name: str = "<string>",
    *,
    settings: Mapping[str, float] | None = None,
    loss: str | None = None,
    without: Sequence[str] = (),
) -> Model:
    """Return the model of a text. The arguments are as for `load`; ``name`` is for messages."""
    return Model(text, name, dict(settings or {}), loss, tuple(without))


class Model:
    """A model that is checked, and compiled when it is first used.

    Made by `load` or `compile`.
    """

    def __init__(
        self,
        text: str,
        name: str,
        settings: dict[str, float],
        loss: str | None,
        left_out: tuple[str, ...],
    ) -> None:
        self.name = name
        self.settings = settings
        self.tree = parse(without(parse(text, name), left_out) if left_out else text, name)
        try:
            self.checked: Checked = check(self.tree, settings)
        except RecursionError:
            raise too_deep() from None
        self._formula = self.checked.loss if loss is None else _formula(loss)
        self._chosen = loss
        _check_inference(self.checked.infer)

    def __repr__(self) -> str:
        return f"<fgc model {self.name}: {', '.join(self.checked.factors) or 'no factors'}>"

    @cached_property
    def loss(self) -> LossProgram | None:
        """The plan of the loss, None where the model has none."""
        return None if self._formula is None else plan(self.checked, self._formula)

    @cached_property
    def compiled(self) -> Compiled:
        """The emitted form."""
        return compile_model(self.checked, self.loss)

    @property
    def text(self) -> str:
        """The flattened text: self-contained, with every option applied."""
        used = self.loss.used if self.loss is not None else ()
        return flatten(self.tree, self.settings, self._chosen, used)

    # -- use

    def init(self, seed: int = 0, data: Any = None) -> Run:
        """Return a run with the initial weights.

        Parameters
        ----------
        data : needed where a domain takes its values from data.
        """
        from factorgraph.data.bind import fill
        from factorgraph.ground.weights import initial

        vocabularies = {} if data is None else fill(self.checked, self._records(data))
        missing = [n for n, d in self.checked.domains.items() if d.from_data]
        if missing and data is None:
            raise UsageError(f"domain `{missing[0]}` takes its values from data: give some")
        return Run(self, initial(self.compiled, vocabularies, seed), vocabularies)

    def fit(
        self,
        data: Any,
        *,
        seed: int = 0,
        tolerance: float = 1e-4,
        progress: float = 1e-6,
        max_iterations: int = 1000,
        threads: int | None = None,
        on_event: Listener | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Run:
        """Train the model and return the run.

        Parameters
        ----------
        data : a path (.npz, .jsonl), a dict of arrays, a list of dicts, or records.
        seed : of initial weights and samples; the same seed gives the same weights.
        tolerance, progress, max_iterations, threads : see `factorgraph.learn.fit.Options`.
        on_event : hears what happens on the way.
        stop : asked after each iteration; True ends training with the weights so far.

        Raises
        ------
        UsageError : where the model has no loss.
        DataError : where the data do not fit the model.
        """
        import numpy as np

        from factorgraph.data.bind import bind
        from factorgraph.learn.events import silent
        from factorgraph.learn.fit import SAMPLE, Options, fit

        if self.loss is None:
            raise UsageError("the model has no loss", hint="add `loss nll`, or say --loss nll")
        if not isinstance(seed, int) or seed < 0:
            raise UsageError(f"a seed is a whole number of at least 0, not {seed!r}")
        records = self._records(data)
        missing = [name for name in self.checked.answers if name not in records.columns]
        if missing and len(missing) == len(self.checked.answers):
            from factorgraph.errors import DataError

            raise DataError(
                f"{records.source}: there is no field `{missing[0]}`, the answer to learn",
                code="E0301",
            )
        instances = bind(self.checked, records)
        chosen = np.sort(np.random.default_rng(seed).permutation(records.count)[:SAMPLE])
        sample = bind(self.checked, records.take(chosen), instances.vocabularies)
        trained = fit(
            self.compiled,
            load_module(self.compiled.text),
            instances,
            Options(seed, tolerance, progress, max_iterations, threads),
            on_event or silent,
            sample,
            stop,
        )
        return Run(self, trained.weights, instances.vocabularies, trained.finished, seed)

    def _records(self, data: Any) -> Records:
        from factorgraph.data.bind import wanted
        from factorgraph.data.python import from_python

        return from_python(data, wanted(self.checked))


class Run:
    """A model with weights: what training gives, what answers questions.

    Attributes
    ----------
    weights : float64 arrays by name, in their declared shapes.
    vocabularies : labels of the domains that training filled.
    finished : how training ended, None where there was none.
    """

    def __init__(
        self,
        model: Model,
        weights: Weights,
        vocabularies: Vocabularies,
        finished: Finished | None = None,
        seed: int | None = None,
        header: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.weights = weights
        self.vocabularies = vocabularies
        self.finished = finished
        self.seed = seed
        self.header = header or {}

    def __repr__(self) -> str:
        count = sum(w.size for w in self.weights.values())
        return f"<fgc run of {self.model.name}: {count} weights>"

    # -- questions

    def predict(self, data: Any) -> Iterator[dict[str, Any]]:
        """Yield the answer to each instance, in order.

        Yields
        ------
        dict with ``answers`` (values by name, nested lists in the shape of the declaration),
        ``energy``, ``bound``, ``gap`` (floats) and ``status``.
        """
        from factorgraph.ground.answers import answers

        instances = self._bind(data, answers=False)
        for batch, values in self._batches(instances):
            yield from answers(batch, values)

    def energy(self, data: Any) -> NDArray[np.float64]:
        """Return the least energy of the configurations that agree with the data's answers.

        Returns
        -------
        float64 [N]; unknowns that the data leave open are free.
        """
        import numpy as np

        instances = self._bind(data, answers=True)
        parts = [np.zeros(0)]
        for batch, values in self._batches(instances):
            parts.append(batch.engine.minimum(values, batch.grounding.evidence).value[0])
        return np.concatenate(parts)

    def marginals(self, data: Any, beta: float = 1.0) -> Iterator[dict[str, NDArray[np.float64]]]:
        """Yield, for each instance, the probability of each value of each unknown.

        Yields
        ------
        dict of float64 arrays by name, the declared shape with one more axis for the values.
        """
        from factorgraph.ground.answers import marginals

        instances = self._bind(data, answers=False)
        for batch, values in self._batches(instances):
            yield from marginals(batch, values, beta)

    def evaluate(self, data: Any) -> Scores:
        """Return accuracies and energy gaps on labelled data."""
        from factorgraph.ground.batch import Batch
        from factorgraph.ground.ground import ground
        from factorgraph.ground.weights import whole
        from factorgraph.learn.measure import measure
        from factorgraph.learn.shards import Crew, deal

        instances = self._bind(data, answers=True)
        layout = whole(self.model.compiled, self.vocabularies)
        weights = layout.views(layout.pack(self.weights))
        module = load_module(self.model.compiled.text)

        with Crew() as crew:
            spans = deal(instances, 0, BATCH_VARIABLES)
            batches = crew.map(
                lambda span: Batch(
                    self.model.compiled, module, ground(self.model.compiled, instances.part(*span))
                ),
                spans,
            )
            return measure(list(batches), weights, crew)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the run folder.

        Raises
        ------
        RunError : where the folder holds something already, or cannot be written.
        """
        from factorgraph.learn.folder import prepare

        prepare(Path(path), overwrite)
        self.store(Path(path))

    def store(self, path: Path) -> None:
        """Write weights, text and header into a folder that `prepare` has made."""
        import platform

        import numba
        import numpy as np

        from factorgraph import __version__
        from factorgraph.learn.folder import save

        header = {
            "model": Path(self.model.name).name,
            "seed": self.seed,
            "training": None if self.finished is None else self.finished.as_dict(),
            "versions": {
                "fgc": __version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
                "numba": numba.__version__,
            },
        }
        save(path, self.model.text, self.weights, self.vocabularies, header)

    # -- inside

    def _bind(self, data: Any, *, answers: bool) -> Instances:
        from factorgraph.data.bind import bind

        records = self.model._records(data)
        return bind(self.model.checked, records, self.vocabularies, answers=answers)

    def _batches(self, instances: Instances) -> Iterator[tuple[Batch, NDArray[np.float64]]]:
        """Yield graphs of a few instances with their tables filled."""
        import numpy as np

        from factorgraph.ground.batch import Batch
        from factorgraph.ground.ground import ground
        from factorgraph.ground.weights import whole
        from factorgraph.learn.shards import deal

        compiled = self.model.compiled
        module = load_module(compiled.text)
        layout = whole(compiled, self.vocabularies)
        weights = layout.views(layout.pack(self.weights))
        for low, high in deal(instances, 0, BATCH_VARIABLES):
            batch = Batch(compiled, module, ground(compiled, instances.part(low, high)))
            values = np.empty((1, batch.structure.size))
            batch.energies(weights, values[0])
            yield batch, values


def load_run(path: str | os.PathLike[str]) -> Run:
    """Return a saved run.

    Raises
    ------
    RunError : where the folder is missing, damaged, or its weights do not fit its text.
    """
    from factorgraph.ground.weights import shapes
    from factorgraph.learn.folder import load as load_folder

    folder = Path(path)
    stored = load_folder(folder)
    try:
        model = compile(stored.text, str(folder / "model.fg"))
        missing = [n for n, d in model.checked.domains.items()
                   if d.from_data and n not in stored.vocabularies]  # fmt: skip
        if missing:
            raise RunError(f"{folder / 'run.json'}: field `vocabularies` lacks `{missing[0]}`")
        expected = shapes(model.compiled, stored.vocabularies)
    except ModelError as error:
        raise RunError(f"{folder}: {error}", code="E0803") from None
    for name, shape in expected.items():
        found = stored.weights.get(name)
        if found is None or found.shape != shape:
            raise RunError(
                f"{folder}: weight `{name}` is "
                f"{'missing' if found is None else list(found.shape)}, "
                f"the model declares {list(shape)}",
                code="E0803",
            )
    return Run(model, stored.weights, stored.vocabularies, header=stored.header)


def fits(run: Run, model: Model) -> None:
    """Refuse weights that were trained for another energy than the model's.

    Raises
    ------
    RunError : where shapes or names of params disagree, or the factors do.
    """
    own, other = run.model.checked, model.checked
    for name in {**own.params, **other.params}:
        a, b = own.params.get(name), other.params.get(name)
        if a is None or b is None or a.axes != b.axes:
            raise RunError(
                f"param `{name}` of the run is not that of {model.name}",
                code="E0804",
                hint="train again with this text, or use the run's own: model.fg in its folder",
            )
    mine = [(f.name, f.hard, f.span.text) for f in own.factors.values()]
    theirs = [(f.name, f.hard, f.span.text) for f in other.factors.values()]
    if mine != theirs:
        changed = next((n for n, *_ in set(mine) ^ set(theirs)), "?")
        raise RunError(
            f"factor `{changed}` of {model.name} is not the one that the run was trained with",
            code="E0804",
            hint="train again with this text, or use the run's own: model.fg in its folder",
        )


def _formula(text: str) -> t.Expression:
    """Return the expression of a loss given as an option."""
    tree = parse(f"loss {text}", "--loss")
    if len(tree.statements) != 1 or not isinstance(tree.statements[0], t.LossChoice):
        raise UsageError(f"--loss takes one formula, not {text!r}")
    return tree.statements[0].value


def _check_inference(node: t.Expression | None) -> None:
    """Refuse an inference that cannot be run yet."""
    if node is None:
        return
    name = node.name if isinstance(node, t.Name) else ""
    if name != "exact":
        raise not_built("this inference", node.span, hint="leave `infer` out, or say `infer exact`")


__all__ = ["Event", "Model", "Run", "compile", "load", "load_run"]

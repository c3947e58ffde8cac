"""The whole way on one page: text → tree → model → compiled; data → instances; both → answers.

::

    text ──parse──▶ tree ──check──▶ Model ──compile──▶ emitted module ──┐
                                      │                                 ├──▶ energies, answers
    data ──read──▶ records ──bind────▶ instances ──ground──▶ graph ─────┘     gradients, weights
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.compiler.flatten import flatten, without
from factorgraph.compiler.loss import LossProgram, plan_formula
from factorgraph.compiler.lower import lower
from factorgraph.compiler.module import Compiled, compile_model, too_deep
from factorgraph.compiler.module import load as load_module
from factorgraph.errors import (
    DataError,
    FgError,
    InferenceError,
    ModelError,
    ModelErrors,
    ModelWarning,
    NotBuiltError,
    RunError,
    UsageError,
    did_you_mean,
)
from factorgraph.model.check import check_all
from factorgraph.model.expression import alike
from factorgraph.model.formula import (
    check_formula,
    check_losses,
    formula_warnings,
    takes_soft_minimum,
)
from factorgraph.model.model import Domain
from factorgraph.model.model import Model as Checked
from factorgraph.model.names import not_built
from factorgraph.syntax import tree as t
from factorgraph.syntax.include import Included, include
from factorgraph.syntax.parser import parse, parse_all

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from factorgraph.data.column import Records
    from factorgraph.data.instances import Instances, Vocabularies
    from factorgraph.ground.batch import Batch
    from factorgraph.ground.weights import Weights
    from factorgraph.learn.events import Event, Finished, Listener
    from factorgraph.learn.measure import Scores

MOST_ERRORS = 50
"""How many errors of one text are told."""

BATCH_VARIABLES = 1 << 18
"""Unknowns in one graph while predicting, so that memory does not grow with the data."""


def load(
    path: str | os.PathLike[str],
    *,
    settings: Mapping[str, float] | None = None,
    loss: str | None = None,
    without: Sequence[str] | str = (),
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
        raise UsageError(
            f"{os.fspath(path)} cannot be read: {error.strerror}", code="E0321"
        ) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{os.fspath(path)} is not UTF-8 text (byte {error.start})", code="E0012"
        ) from None
    return compile(text, os.fspath(path), settings=settings, loss=loss, without=without)


def compile(
    text: str,
    name: str = "<string>",
    *,
    settings: Mapping[str, float] | None = None,
    loss: str | None = None,
    without: Sequence[str] | str = (),
) -> Model:
    """Return the model of a text. The arguments are as for `load`; ``name`` is for messages."""
    left_out = (without,) if isinstance(without, str) else tuple(without)
    return Model(text, name, dict(settings or {}), loss, left_out)


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
        text = without(parse(text, name), left_out) if left_out else text
        self.included, errors = _read(text, name)
        self.tree = self.included.file
        checked, found = _check(self.included, settings)
        errors = _sorted((*errors, *found))
        if errors or checked is None:
            raise errors[0] if len(errors) == 1 else ModelErrors(errors)
        self.checked: Checked = checked
        self._formula = checked.loss if loss is None else _formula(loss)
        self._chosen = loss
        self._typed = None if self._formula is None else check_formula(checked, self._formula)

    def __repr__(self) -> str:
        return f"<fgc model {self.name}: {', '.join(self.checked.factors) or 'no factors'}>"

    def _repr_html_(self) -> str:
        from factorgraph.compiler.html import model_html

        return model_html(self)

    @cached_property
    def _planned(self) -> tuple[LossProgram | None, NotBuiltError | None]:
        if self._typed is None:
            return None, None
        try:
            return plan_formula(self._typed), None
        except NotBuiltError as error:
            return None, error

    @property
    def loss(self) -> LossProgram | None:
        """The plan of the loss, None where the model has none or it cannot be trained yet."""
        return self._planned[0]

    @property
    def has_loss(self) -> bool:
        """Whether the text, or an option, chose a loss."""
        return self._formula is not None

    @property
    def loss_text(self) -> str | None:
        """The chosen loss as it is written."""
        return None if self._formula is None else self._formula.span.text

    def warnings(self, *, pedantic: bool = False) -> list[ModelWarning]:
        """Return what is legal, but hardly meant, in the order of the text.

        Parameters
        ----------
        pedantic : whether all warnings are wanted, or only those that matter always.
        """
        from factorgraph.model import pedantic as said

        found = said.always(self.checked, self.tree)
        if pedantic:
            soft = self._typed is None or takes_soft_minimum(self._typed)
            found += said.pedantic(self.checked, self.tree, soft)
            if self._typed is not None:
                found += formula_warnings(self.checked, self._typed)
        return sorted(found, key=lambda w: w.span.start if w.span else 0)

    @cached_property
    def compiled(self) -> Compiled:
        """The emitted form."""
        return compile_model(self.checked, self.loss)

    def missing(self) -> NotBuiltError | None:
        """Return why the model cannot be trained yet, None if it can."""
        if self._planned[1] is not None:
            return self._planned[1]
        for error in [*self.compiled.evaluated.values(), *self.compiled.slopeless.values()]:
            return error
        return None

    def unanswered(self) -> NotBuiltError | None:
        """Return why no answers can be inferred yet, None if nothing is missing.

        Whether a graph is small enough, or a forest, is seen with the data.
        """
        for unknown in self.checked.unknowns.values():
            if unknown.values is None:
                return not_built(f"inference over `{unknown.name}`, {unknown.kind}", unknown.span)
        return next(iter(self.compiled.evaluated.values()), None)

    def trainable(self) -> None:
        """Refuse a model that cannot be trained.

        Raises
        ------
        UsageError : it has no loss.
        NotBuiltError : something that training needs is not built yet, by name.
        """
        if self._formula is None:
            raise UsageError(
                "the model has no loss", code="E0207", hint="add `loss nll`, or say --loss nll"
            )
        error = self.missing()
        if error is not None:
            raise error

    @property
    def text(self) -> str:
        """The flattened text: self-contained, with every option applied."""
        used = self._typed.used if self._typed is not None else ()
        return flatten(self.included, self.settings, self._chosen, used)

    @property
    def energy_texts(self) -> dict[str, str]:
        """The flattened texts of second energies, by their names."""
        out: dict[str, str] = {}
        todo = list(self.included.energies.items())
        while todo:
            name, other = todo.pop()
            out[name] = flatten(other, _shared_settings(other, self.settings), None, ())
            todo += other.energies.items()
        return out

    # -- use

    def init(self, seed: int = 0, data: Any = None, *, with_: Any = None) -> Run:
        """Return a run with the initial weights.

        Parameters
        ----------
        seed : of the random ones; the same seed gives the same weights.
        data : needed where a domain takes its values from data.
        with_ : data that all instances share; see `shared`.
        """
        from factorgraph.data.fill import fill
        from factorgraph.ground.weights import initial

        if not isinstance(seed, int) or seed < 0:
            raise UsageError(f"a seed is a whole number of at least 0, not {seed!r}", code="E0910")
        vocabularies: Vocabularies = {}
        domains = {n: d for m in (self.checked, *self.checked.energies.values())
                   for n, d in m.domains.items()}  # fmt: skip
        missing = [n for n, d in domains.items() if d.from_data]
        if missing and data is None:
            raise UsageError(
                f"domain `{missing[0]}` takes its values from data: give some", code="E0314"
            )
        if missing:
            records = self._records(data)
            vocabularies = fill(self.checked, records)
            if self.checked.features:
                from factorgraph.data.bind import bind
                from factorgraph.ground.vocabulary import fill_features

                shared = self.shared(with_)
                instances = bind(self.checked, records, vocabularies, shared=shared)
                vocabularies = fill_features(instances).vocabularies
        return Run(self, initial(self.checked, vocabularies, seed), vocabularies, seed=seed)

    def mock(
        self,
        count: int,
        seed: int = 0,
        *,
        latents: bool = False,
        sizes: Mapping[str, int] | None = None,
    ) -> tuple[list[dict[str, Any]], int]:
        """Return random instances that fit the declarations, and how many hard factors forbid.

        Parameters
        ----------
        count : number of instances.
        latents : whether values of latent unknowns are added.
        sizes : values of sizes that belong to the instance; the others are random.

        Raises
        ------
        UsageError : a name in ``sizes`` is no such size, or its value cannot be one.
        DataError : no sizes make every extent positive.
        """
        import numpy as np

        from factorgraph.data.mock import TRIES, mock

        whole = mock(self.checked, count, seed, latents=True, sizes=sizes)
        hard = any(f.hard for f in self.checked.factors.values())
        bad = np.zeros(count, np.bool_)
        if hard:
            run = self.init(seed, whole)
            bad = np.isinf(run.energy(whole))
            for attempt in range(TRIES):
                if not bad.any():
                    break
                again = mock(self.checked, count, seed + 1 + attempt, latents=True, sizes=sizes)
                for i in np.flatnonzero(bad).tolist():
                    try:
                        if np.isfinite(run.energy([again[i]])[0]):
                            whole[i], bad[i] = again[i], False
                    except DataError:
                        continue  # a label that the first draw has not seen
            self._answered(run, whole, bad)
        if not latents:
            hidden = self.checked.latents
            whole = [{k: v for k, v in item.items() if k not in hidden} for item in whole]
        return whole, int(bad.sum())

    def _answered(self, run: Run, whole: list[dict[str, Any]], bad: NDArray[np.bool_]) -> None:
        """Give instances whose answers are forbidden those that inference finds."""
        chosen = [i for i, wrong in enumerate(bad) if wrong]
        if not chosen:
            return
        try:
            for i, found in zip(chosen, run.predict([whole[i] for i in chosen]), strict=True):
                if found["answers"] is not None and not self.checked.latents:
                    whole[i] |= found["answers"]
                    bad[i] = False
        except (NotBuiltError, InferenceError):
            return

    def shared(self, with_: Sequence[str] | Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the data that all instances share.

        Parameters
        ----------
        with_ : files (``FILE`` or ``NAME=FILE``), or arrays and scipy's sparse matrices by name.
        """
        if not with_:
            return {}
        from factorgraph.data.shared import from_python as shared_values
        from factorgraph.data.shared import read_shared

        if isinstance(with_, Mapping):
            return {name: shared_values(name, value) for name, value in with_.items()}
        out: dict[str, Any] = {}
        for spec in [with_] if isinstance(with_, str) else with_:
            out |= read_shared(spec)
        return out

    def fit(
        self,
        data: Any,
        *,
        seed: int = 0,
        tolerance: float = 1e-4,
        progress: float = 1e-6,
        max_iterations: int = 1000,
        threads: int | None = None,
        with_: Any = None,
        skip_infeasible: bool = False,
        on_event: Listener | None = None,
        stop: Callable[[], bool] = lambda: False,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 30.0,
        resume: bool = False,
    ) -> Run:
        """Train the model and return the run.

        Parameters
        ----------
        data : a path (.npz, .jsonl), a dict of arrays, a list of dicts, or records.
        seed : of initial weights and samples; the same seed gives the same weights.
        with_ : data that all instances share; see `shared`.
        tolerance, progress, max_iterations, threads : see `factorgraph.learn.fit.Options`.
        skip_infeasible : leave out instances whose answers a hard factor forbids, instead of
            failing; the event `Skipped` says how many.
        on_event : hears what happens on the way.
        stop : asked after each iteration; True ends training with the weights so far.
        checkpoint : a file for the state of the training, written each ``checkpoint_every``
            seconds and when it is stopped. It is the caller's to delete when the run is stored.
        resume : go on from ``checkpoint``: the weights are, to the bit, those of a training that
            was never interrupted, if text, data and options are the same.

        Raises
        ------
        RunError : there is nothing to go on from, or it belongs to another training.
        UsageError : where the model has no loss.
        DataError : where the data do not fit the model.
        """
        import numpy as np

        from factorgraph.data.bind import bind, wanted
        from factorgraph.ground.vocabulary import fill_features
        from factorgraph.learn.events import Skipped, silent
        from factorgraph.learn.fit import SAMPLE, Options, fit
        from factorgraph.learn.folder import text_hash
        from factorgraph.learn.resume import Keeper, digest

        self.trainable()
        if not isinstance(seed, int) or seed < 0:
            raise UsageError(f"a seed is a whole number of at least 0, not {seed!r}", code="E0910")
        options = Options(seed, tolerance, progress, max_iterations, threads)
        records = self._records(data)
        there = {name.partition(".")[0] for name in records.columns}
        missing = [name for name in self.checked.answers if name not in there]
        if missing and len(missing) == len(self.checked.answers):
            raise DataError(
                f"{records.top}: there is no field `{missing[0]}`, the answer to learn",
                code="E0301",
                hint=records.hint(missing[0], wanted(self.checked)),
            )
        shared = self.shared(with_)
        instances = fill_features(bind(self.checked, records, shared=shared))
        if skip_infeasible:
            met = self._feasible(instances, seed)
            if not met.all():
                (on_event or silent)(Skipped(int((~met).sum()), records.count))
                records = records.take(met)
                instances = fill_features(bind(self.checked, records, shared=shared))
        chosen = np.sort(np.random.default_rng(seed).permutation(records.count)[:SAMPLE])
        sample = bind(self.checked, records.take(chosen), instances.vocabularies, shared=shared)
        keeper = None
        if checkpoint is not None:
            if not checkpoint_every >= 0:
                raise UsageError(
                    f"`checkpoint_every` is at least 0 seconds, not {checkpoint_every}",
                    code="E0910",
                )
            identity = {
                "text": text_hash(self.text), "data": digest(records, shared), "seed": seed,
                "tolerance": float(tolerance), "progress": float(progress),
                "code": text_hash(self.compiled.text), "versions": _versions(),
            }  # fmt: skip
            keeper = Keeper(Path(checkpoint), identity, checkpoint_every)
        elif resume:
            raise UsageError("`resume` needs the file of a `checkpoint`", code="E0911")
        trained = fit(
            self.compiled,
            load_module(self.compiled.text),
            instances,
            options,
            on_event or silent,
            sample,
            stop,
            keeper,
            resume,
        )
        return Run(self, trained.weights, instances.vocabularies, trained.finished, seed)

    def _feasible(self, instances: Instances, seed: int) -> NDArray[np.bool_]:
        """Return whether each instance has a configuration of finite energy that agrees with it.

        Raises
        ------
        DataError : none has.
        """
        import numpy as np

        from factorgraph.ground.weights import initial

        weights = initial(self.checked, instances.vocabularies, seed)
        run = Run(self, weights, instances.vocabularies)
        found: list[NDArray[np.bool_]] = []
        for batch, values in run._batches(instances):
            least = batch.engine.minimum(values, batch.grounding.evidence)
            found.append(np.isfinite(least.value[0]))
        met = np.concatenate([np.zeros(0, np.bool_), *found])
        if len(met) and not met.any():
            raise DataError(
                f"{instances.records.source}: hard factors forbid every answer", code="E0318",
                hint="mend the data or the factors",
            )  # fmt: skip
        return met

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
    skip_unknown : leave out instances with labels that training has not seen, instead of
        refusing them.
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
        self.skip_unknown = False

    def __repr__(self) -> str:
        count = sum(w.size for w in self.weights.values())
        return f"<fgc run of {self.model.name}: {count} weights>"

    # -- questions

    def predict(
        self, data: Any, *, with_: Any = None, clamp: Sequence[str] = ()
    ) -> Iterator[dict[str, Any]]:
        """Yield the answer to each instance, in order.

        Parameters
        ----------
        data : a path, a dict of arrays, a list of dicts, or records.
        with_ : data that all instances share; see `Model.shared`.
        clamp : unknowns that keep the values that the data hold; what is missing in them is
            inferred. The data are not asked for any other.

        Yields
        ------
        dict with ``answers`` (values by name, nested lists in the shape of the declaration),
        ``energy``, ``bound``, ``gap`` (floats) and ``status``.

        Raises
        ------
        NotBuiltError : where no engine can answer for this model yet, naming the factor.
        UsageError : ``clamp`` names no unknown of the model.
        """
        from factorgraph.ground.answers import answers

        self._answerable()
        instances = self.bind(data, answers=self._clamped(clamp), with_=with_)
        for batch, values in self._batches(instances):
            yield from answers(batch, values)

    def energy(self, data: Any, *, with_: Any = None) -> NDArray[np.float64]:
        """Return the least energy of the configurations that agree with the data.

        Parameters
        ----------
        data : as for `predict`, with answers. Values of latent unknowns are used where the data
            hold them.

        Returns
        -------
        float64 [N]; unknowns that the data leave open are free, and found by inference.
        """
        import numpy as np

        from factorgraph.ground.energy import energies, total
        from factorgraph.learn.shards import deal

        instances = self.bind(data, answers=True, latents=True, with_=with_)
        parts = [np.zeros(0)]
        for low, high in deal(instances, 0, BATCH_VARIABLES):
            part = instances.part(low, high)
            if not part.open.any():
                found = energies(self.model.checked, part, self.weights)
                parts.append(total(found, part.count))
                continue
            for batch, values in self._batches(part):
                parts.append(batch.engine.minimum(values, batch.grounding.evidence).value[0])
        return np.concatenate(parts)

    def energies(self, data: Any, *, with_: Any = None) -> dict[str, NDArray[np.float64]]:
        """Return the energy by factor of the best configuration that agrees with the data.

        Returns
        -------
        float64 [N] for each factor; their sum is `energy`.
        """
        import numpy as np

        from factorgraph.ground.energy import energies
        from factorgraph.learn.shards import deal

        instances = self.bind(data, answers=True, latents=True, with_=with_)
        parts: dict[str, list[NDArray[np.float64]]] = {n: [] for n in self.model.checked.factors}
        for low, high in deal(instances, 0, BATCH_VARIABLES):
            part = self._completed(instances.part(low, high))
            for name, value in energies(self.model.checked, part, self.weights).items():
                parts[name].append(value)
        return {name: np.concatenate([np.zeros(0), *values]) for name, values in parts.items()}

    def _completed(self, instances: Instances) -> Instances:
        """Return instances with what the data leave open set to the best values."""
        if not instances.open.any():
            return instances
        from factorgraph.ground.answers import completed

        ((batch, values),) = self._batches(instances)
        return completed(batch, values)

    def marginals(
        self, data: Any, beta: float = 1.0, *, with_: Any = None, clamp: Sequence[str] = ()
    ) -> Iterator[dict[str, NDArray[np.float64]]]:
        """Yield, for each instance, the probability of each value of each unknown.

        The arguments are as for `predict`; ``beta`` is the inverse temperature.

        Yields
        ------
        dict of float64 arrays by name, the declared shape with one more axis for the values, in
        the order of `values`.
        """
        from factorgraph.ground.answers import marginals

        self._answerable()
        instances = self.bind(data, answers=self._clamped(clamp), with_=with_)
        for batch, values in self._batches(instances):
            yield from marginals(batch, values, beta)

    @property
    def values(self) -> dict[str, list[Any]]:
        """The labels or numbers that each finite unknown takes, in the order of `marginals`.

        Unknowns whose values depend on the instance are left out.
        """
        from factorgraph.ground.answers import is_fixed, values_of

        return {
            name: values_of(self.model.checked, unknown, self.vocabularies)
            for name, unknown in self.model.checked.unknowns.items()
            if is_fixed(unknown)
        }

    def evaluate(self, data: Any, *, with_: Any = None) -> Scores:
        """Return accuracies and energy gaps on labelled data."""
        from factorgraph.ground.batch import Batch
        from factorgraph.ground.ground import ground
        from factorgraph.ground.weights import whole
        from factorgraph.learn.measure import measure
        from factorgraph.learn.shards import Crew, deal

        instances = self.bind(data, answers=True, with_=with_)
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
        from factorgraph.learn.folder import attempt

        with attempt(Path(path), overwrite):
            self.store(Path(path))

    def store(self, path: Path) -> None:
        """Write weights, text and header into a folder that `prepare` has made."""
        from factorgraph.learn.folder import save

        header = {
            "model": Path(self.model.name).name,
            "seed": self.seed,
            "settings": self.model.settings,
            "training": None if self.finished is None else self.finished.as_dict(),
            "versions": _versions(),
        }
        energies = self.model.energy_texts
        save(path, self.model.text, self.weights, self.vocabularies, header, energies)

    # -- inside

    def _answerable(self) -> None:
        """Refuse what cannot be inferred before any data are read."""
        missing = self.model.unanswered()
        if missing is not None:
            raise missing

    def _clamped(self, names: Sequence[str]) -> Sequence[str]:
        for name in [names] if isinstance(names, str) else names:
            if name not in self.model.checked.unknowns:
                known = list(self.model.checked.unknowns)
                raise UsageError(
                    f"--clamp {name}: the model has no such unknown",
                    code="E0912",
                    hint=did_you_mean(name, known) or f"its unknowns are {', '.join(known)}",
                )
        return [names] if isinstance(names, str) else names

    def bind(
        self,
        data: Any,
        *,
        answers: bool | Collection[str] = True,
        latents: bool = False,
        with_: Any = None,
    ) -> Instances:
        """Return data checked against the model, with the labels that training filled."""
        from factorgraph.data.bind import bind

        return bind(
            self.model.checked,
            self.model._records(data),
            self.vocabularies,
            answers=answers,
            latents=latents,
            shared=self.model.shared(with_),
            skip_unknown=self.skip_unknown,
        )

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
            raise RunError(
                f"{folder / 'run.json'}: field `vocabularies` lacks `{missing[0]}`", code="E0803"
            )
        expected = shapes(model.checked, stored.vocabularies)
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
    settings = run.model.settings or _numbers(run.header.get("settings"))
    if settings and not model.settings:  # `--set` of the training holds for its run
        model = compile(model.tree.source.text, model.name, settings=settings)
    own, other = run.model.checked, model.checked
    for name in {**own.params, **other.params}:
        a, b = own.params.get(name), other.params.get(name)
        if a is None or b is None or a.axes != b.axes:
            raise RunError(
                f"param `{name}` of the run is not that of {model.name}",
                code="E0804",
                hint="train again with this text, or use the run's own: model.fg in its folder",
            )
    for kind, mine, theirs in (
        ("factor", own.factors, other.factors), ("let", own.lets, other.lets),
        ("domain", _listed(own), _listed(other)), ("map", own.maps, other.maps),
        ("unknown", own.unknowns, other.unknowns),
    ):  # fmt: skip
        for name in {**mine, **theirs}:
            if not alike(mine.get(name), theirs.get(name)):
                raise RunError(
                    f"{kind} `{name}` of {model.name} is not the one that the run was trained with",
                    code="E0804",
                    hint="train again with this text, or use the run's own: model.fg in its folder",
                )


def _versions() -> dict[str, str]:
    """Return what a result depends on to the bit."""
    import platform

    import numba
    import numpy as np

    from factorgraph import __version__

    return {
        "fgc": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }


def _numbers(settings: Any) -> dict[str, float]:
    """Return the settings of a run's header, nothing where it holds none."""
    if not isinstance(settings, dict):
        return {}
    return {n: v for n, v in settings.items() if isinstance(v, int | float) and v == v}


def _listed(model: Checked) -> dict[str, Domain]:
    return {n: d for n, d in model.domains.items() if not d.from_data}


def _formula(text: str) -> t.Expression:
    """Return the expression of a loss given as an option."""
    tree = parse(f"loss {text}", "--loss")
    if len(tree.statements) != 1 or not isinstance(tree.statements[0], t.LossChoice):
        raise UsageError(f"--loss takes one formula, not {text!r}", code="E0910")
    return tree.statements[0].value


def check_text(text: str, name: str = "<string>") -> tuple[Checked | None, tuple[FgError, ...]]:
    """Return the Model of a text as far as it is right, and everything that is wrong with it.

    For editors: nothing is raised for what is wrong with the text.
    """
    try:
        included, errors = _read(text, name)
        checked, more = _check(included, {})
    except FgError as error:
        return None, error.all
    return (None if errors else checked), _sorted((*errors, *more))


def _read(text: str, name: str) -> tuple[Included, tuple[FgError, ...]]:
    """Return the tree of a text with its includes, and the errors of reading them."""
    errors: list[FgError] = []

    def read(path: str, shown: str) -> t.File:
        file, found = parse_all(_text_of(path, shown), shown)
        errors.extend(found)
        return file

    file, found = parse_all(text, name)
    errors.extend(found)
    placed = os.path.exists(name) or os.path.isdir(os.path.dirname(name))
    included = include(file, name if placed else None, read)
    errors.extend(included.errors)
    return included, tuple(errors)


def _text_of(path: str, shown: str) -> str:
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8 text (byte {error.start})", code="E0012") from None


def _check(
    included: Included, settings: Mapping[str, float]
) -> tuple[Checked | None, tuple[FgError, ...]]:
    """Return the Model of a text with its second energies."""
    errors: list[FgError] = []
    energies: dict[str, Checked] = {}
    for alias, other in included.energies.items():
        inner, found = _check(other, _shared_settings(other, settings))
        errors.extend(found)
        if inner is not None:
            energies[alias] = inner
    lost = included.energies.keys() - energies.keys()
    try:
        checked, found, poisoned = check_all(included.file, settings, energies)
        errors.extend(found)
        broken = any(isinstance(s, t.Broken) for s in included.file.statements)
        places = {(e.span.source.name, e.span.start) for e in found if e.span is not None}
        errors.extend(
            e
            for e in _losses(checked, poisoned | lost, broken or bool(found))
            if e.span is None or (e.span.source.name, e.span.start) not in places
        )
        if not errors:
            errors.extend(_lowering(checked))
    except RecursionError:
        raise too_deep() from None
    return (None if errors else checked), tuple(errors)


def _shared_settings(included: Included, settings: Mapping[str, float]) -> dict[str, float]:
    """Return the settings of a text that a second energy has too: their names are the same."""
    own: set[str] = set()
    for statement in included.file.statements:
        if isinstance(statement, t.Let):
            own.add(statement.name.name)
        elif isinstance(statement, t.Size):
            own |= {s.name.name for s in statement.sizes if s.value is not None}
    return {name: value for name, value in settings.items() if name in own}


def _losses(checked: Checked, poisoned: set[str], broken: bool) -> list[FgError]:
    """Return what is wrong with a text's losses, but for what only follows from other errors."""
    try:
        check_losses(checked)
    except ModelError as error:
        return [
            e for e in error.all
            if not (broken and e.code == "E0216")
            and not (poisoned and poisoned & set(re.findall(r"\w+", e.span.text if e.span else "")))
        ]  # fmt: skip
    return []


def _lowering(checked: Checked) -> list[FgError]:
    """Return what is wrong with factors as tables: indices that leave their axis."""
    errors: list[FgError] = []
    for factor in checked.factors.values():
        try:
            lower(checked, factor)
        except NotBuiltError:
            continue
        except ModelError as error:
            errors.extend(error.all)
    return errors


def _sorted(errors: Sequence[FgError]) -> tuple[FgError, ...]:
    """Return errors in the order of the text, those of other files first, each once."""

    def place(error: FgError) -> tuple[int, int]:
        return (1, 0) if error.span is None else (0, error.span.start)

    once = {(str(e), e.span.source.name if e.span else ""): e for e in errors}
    ordered = sorted(once.values(), key=place)
    last = [e for e in ordered[MOST_ERRORS:] if e.code == "E0014"]
    return (*ordered[:MOST_ERRORS], *last)


__all__ = ["Event", "Model", "Run", "compile", "load", "load_run"]

"""The whole way on one page: text → tree → model → compiled; data → instances; both → answers.

::

    text ──parse──▶ tree ──check──▶ Model ──compile──▶ emitted module ──┐
                                      │                                 ├──▶ energies, answers
    data ──read──▶ records ──bind────▶ instances ──ground──▶ graph ─────┘     gradients, weights
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.compiler.flatten import flatten, without
from factorgraph.compiler.loss import LossProgram, plan_formula
from factorgraph.compiler.module import Compiled, compile_model
from factorgraph.diagnose import check, check_text, formula, ordered, read, shared_settings
from factorgraph.errors import (
    DataError,
    InferenceError,
    ModelError,
    ModelErrors,
    ModelWarning,
    NotBuiltError,
    RunError,
    UsageError,
)
from factorgraph.model.formula import check_formula, formula_warnings, takes_soft_minimum
from factorgraph.model.model import Model as Checked
from factorgraph.model.names import not_built
from factorgraph.run import Run, same_energy
from factorgraph.syntax.parser import parse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from factorgraph.data.column import Records
    from factorgraph.data.instances import Instances, Vocabularies
    from factorgraph.engine.answer import Ask
    from factorgraph.engine.menu import Step
    from factorgraph.engine.problem import Task
    from factorgraph.explain.explanation import Explanation
    from factorgraph.explain.probes import Seen
    from factorgraph.ground.weights import Weights
    from factorgraph.judge.facts import Verdict
    from factorgraph.learn.events import Judged, Listener


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
        self.included, errors = read(text, name)
        self.tree = self.included.file
        checked, found = check(self.included, settings)
        errors = ordered((*errors, *found))
        if errors or checked is None:
            raise errors[0] if len(errors) == 1 else ModelErrors(errors)
        self.checked: Checked = checked
        self._formula = checked.loss if loss is None else formula(loss)
        self._chosen = loss
        self._typed = None if self._formula is None else check_formula(checked, self._formula)
        self._grid: Step | None = None

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
            return plan_formula(self.on_grid, self._typed), None
        except NotBuiltError as error:
            return None, error

    @property
    def on_grid(self) -> Checked:
        """The model with its real unknowns on the grid that `infer` asks for, else as it is."""
        return self._placed[0]

    @cached_property
    def _placed(self) -> tuple[Checked, NotBuiltError | None]:
        from factorgraph.engine.menu import step
        from factorgraph.model.grid import is_real, on_grid

        real = next(filter(is_real, self.checked.unknowns.values()), None)
        asked = next((a for a in self.checked.asked if a.name == "grid"), None)
        if real is None or (asked is None and self._grid is None):
            return self.checked, None
        span = real.span if asked is None else asked.span
        try:
            assert asked is not None or self._grid is not None
            grid = self._grid or step("grid", asked.options if asked is not None else {})
        except UsageError as error:
            raise ModelError(error.message, code="E0129", span=span, hint=error.hint) from None
        length = float(grid.options["step"])
        if length == 0:
            raise ModelError(
                "a grid needs its step", code="E0129", span=span, hint="infer grid(step = 0.1)"
            )
        try:
            return on_grid(self.checked, length, grid.options["refine"] == "true", span), None
        except NotBuiltError as error:
            return self.checked, error

    def with_grid(self, step: Step) -> Model:
        """Return the model with its real unknowns on another grid than its text asks for."""
        from copy import copy

        other = copy(self)
        for name in ("_placed", "compiled", "_planned"):
            other.__dict__.pop(name, None)
        other._grid = step
        return other

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

    @cached_property
    def verdict(self) -> Verdict | None:
        """Whether minimising the loss will make the model decide well; None without a loss."""
        if self._typed is None:
            return None
        from factorgraph.judge.verdict import judge

        return judge(self.checked, self._typed)

    def judge(self, loss: str | None = None) -> Verdict | None:
        """Return whether minimising a loss will make the model decide well, and why.

        Parameters
        ----------
        loss : a formula or the name of a loss, instead of the model's own.

        Returns
        -------
        Verdict with ``word``, ``margin`` and ``reasons``; None where there is no loss.

        Raises
        ------
        ModelError : the formula is wrong.
        """
        if loss is None:
            return self.verdict
        from factorgraph.judge.verdict import judge

        return judge(self.checked, check_formula(self.checked, formula(loss)))

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
        return compile_model(self.on_grid, self.loss)

    def missing(self) -> NotBuiltError | None:
        """Return why the model cannot be trained yet, None if it can."""
        if self._placed[1] is not None:
            return self._placed[1]
        if self._planned[1] is not None:
            return self._planned[1]
        for kind in self.compiled.kinds:
            if kind.needed and (kind.learned or self._looks_at_terms(kind.name)):
                what = f"training with factor `{kind.name}`, which has no table"
                return not_built(what, kind.factor.span)
        return next(iter(self.compiled.evaluated.values()), None)

    def _looks_at_terms(self, name: str) -> bool:
        """Whether the loss looks at terms of a factor one at a time."""
        loss = self.compiled.loss
        parts = [] if loss is None else [probe.part for probe in loss.probes]
        return any(p is not None and p.indices is not None and p.name == name for p in parts)

    def unanswered(self) -> NotBuiltError | None:
        """Return why no answers can be inferred yet, None if nothing is missing.

        Whether a graph is small enough, or a forest, is seen with the data.
        """
        from factorgraph.model.grid import is_real

        try:
            _ = self.steps
        except NotBuiltError as error:
            return error
        if self._placed[1] is not None:
            return self._placed[1]
        for unknown in self.on_grid.unknowns.values():
            if unknown.values is None:
                hint = "`infer grid(step = 0.1)` puts it on a grid" if is_real(unknown) else None
                what = f"inference over `{unknown.name}`, {unknown.kind}"
                return not_built(what, unknown.span, hint=hint)
        return next(iter(self.compiled.evaluated.values()), None)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The algorithms that the text asks for, in turn; none where it leaves the choice.

        Raises
        ------
        NotBuiltError : one of them is not built yet.
        ModelError : an option is not known or out of range.
        """
        from factorgraph.engine.menu import ALIASES, MENU, step

        out = []
        for asked in self.checked.asked:
            if asked.name not in MENU and asked.name not in ALIASES:
                raise not_built(f"inference by `{asked.name}`", asked.span)
            if asked.starts:
                raise not_built(f"a start of `{asked.starts[0]}` for `{asked.name}`", asked.span)
            try:
                out.append(step(asked.name, asked.options))
            except UsageError as error:
                raise ModelError(
                    error.message, code="E0129", span=asked.span, hint=error.hint
                ) from None
        return tuple(out)

    def asking(
        self,
        infer: str | None = None,
        task: Task = "map",
        beta: float = 1.0,
        seconds: float | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> Ask:
        """Return how answers are found: by what is named, else by what the text asks for.

        Raises
        ------
        UsageError : ``infer`` is no sum of algorithms, or the seconds are not positive.
        """
        from factorgraph.engine.answer import Ask
        from factorgraph.engine.menu import steps
        from factorgraph.learn.shards import threads_available

        if seconds is not None and not seconds > 0:
            raise UsageError(f"a time budget of {seconds} s", code="E0910", hint="say 10 or 0.5")
        chosen = self.steps if infer is None else steps(infer)
        chosen = tuple(one for one in chosen if one.name != "grid")
        if infer is None and task != "map" and any(task not in s.entry.tasks for s in chosen):
            chosen = ()
        return Ask(chosen, seconds, beta, seed, threads or threads_available())

    def explanation(self, seen: Seen | None = None) -> Explanation:
        """Return the model and its loss, explained.

        Parameters
        ----------
        seen : what data tell of the graphs; see `seen`.
        """
        from factorgraph.explain.compose import explain
        from factorgraph.learn.choose import choose
        from factorgraph.learn.options import Options

        missing = self.missing() if self.has_loss else None
        taken = None
        if self.loss is not None and missing is None:
            choice = choose(self.compiled, Options(), unknowns=0, observed=True)
            taken = (choice.shown, choice.reason)
        return explain(
            self.name, self.checked, self.compiled, self._typed,
            missing=missing, verdict=self.verdict, optimizer=taken, seen=seen,
        )  # fmt: skip

    def seen(self, data: Any, count: int, *, with_: Any = None) -> Seen:
        """Return what the first ``count`` instances of some data tell of the graphs of inference.

        Raises
        ------
        InferenceError : no exact engine can answer for their graphs.
        """
        from factorgraph.data.bind import bind
        from factorgraph.explain.seen import seen
        from factorgraph.ground.vocabulary import fill_features

        whole = bind(self.checked, self.records_of(data), shared=self.shared(with_))
        instances = fill_features(whole)
        return seen(self.compiled, instances.part(0, min(count, instances.count)))

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

    def judged(self, unsafe: bool = False, instances: Instances | None = None) -> Judged:
        """Return the event that says what the verdict is.

        Parameters
        ----------
        unsafe : whether the user insists.
        instances : the training data, for what they add to what the text tells.

        Raises
        ------
        ModelError : ``E0223`` where the loss is UNSAFE or an ERROR, and nobody insists.
        """
        from factorgraph.learn.events import Judged

        verdict = self.verdict
        assert verdict is not None and self._typed is not None
        if instances is not None:
            from factorgraph.judge.verdict import judge_with

            verdict = judge_with(verdict, self.checked, self._typed, instances)
        if verdict.stops and not unsafe:
            first = verdict.reasons[0]
            raise ModelError(
                f"the loss is {verdict.word}: {'; '.join(r.text for r in verdict.reasons)}",
                code="E0223",
                span=first.span,
                hint="another loss, or other factors: `fgc check` says more; --unsafe (in Python "
                "unsafe=True) trains all the same",
            )
        margin = None if verdict.margin == inf else verdict.margin
        return Judged(verdict.word, margin, tuple(map(str, verdict.reasons)))

    @property
    def margin(self) -> float | None:
        """What the loss asks of E(wrong) - E(answer); None where it asks for none, or for any."""
        from factorgraph.judge.loss import loss_facts

        if self._typed is None:
            return None
        found = loss_facts(self.checked, self._typed).margin
        return found if found is not None and 0 < found < inf else None

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
            out[name] = flatten(other, shared_settings(other, self.settings), None, ())
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
            records = self.records_of(data)
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
        observed: bool = False,
        hide: float = 0.0,
        with_: Any = None,
        skip_infeasible: bool = False,
        on_event: Listener | None = None,
        stop: Callable[[], bool] = lambda: False,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 30.0,
        resume: bool = False,
        dask: Any = None,
        optimizer: str = "auto",
        batch: int | None = None,
        epochs: int = 20,
        rate: float | None = None,
        schedule: str = "constant",
        average: bool | None = None,
        clip: float | None = None,
        gap: float = 1e-2,
        shard: int = 1 << 14,
        validate: Any = None,
        patience: int = 3,
        stream: bool = False,
        start: Run | str | os.PathLike[str] | None = None,
        unsafe: bool = False,
    ) -> Run:
        """Train the model and return the run.

        Parameters
        ----------
        data : a path (.npz, .jsonl), a dict of arrays, a list of dicts, or records.
        seed : of initial weights and samples; the same seed gives the same weights.
        with_ : data that all instances share; see `shared`.
        tolerance, progress, max_iterations, threads, and those from
        optimizer to shard, patience : see `factorgraph.learn.options.Options`.
        validate : data whose scores after each epoch decide when stochastic optimisers end, and
            which weights are the best.
        observed : weights that no training answer reads stay at 0; where labels are missing or
            unknowns latent, what any value of theirs reads is read. Params that are held to
            something (positive, between ends, of unit length, on the simplex) move all.
        start : a run, or its folder, whose weights training begins with instead of initial ones;
            of the same energy and with the same labels, but perhaps of another loss.
        unsafe : train even where the loss is judged to collapse the model, or not to fit it.
        hide : the share of the labels that are hidden, drawn by the seed; for experiments with
            missing labels.
        skip_infeasible : leave out instances whose answers a hard factor forbids, instead of
            failing; the event `Skipped` says how many.
        on_event : hears what happens on the way.
        stop : asked after each iteration; True ends training with the weights so far.
        checkpoint : a file for the state of the training, written each ``checkpoint_every``
            seconds and when it is stopped. It is the caller's to delete when the run is stored.
        resume : go on from ``checkpoint``: the weights are, to the bit, those of a training that
            was never interrupted, if text, data and options are the same.
        stream : read the data, a path, anew in each epoch, ``shard`` instances at a time, so that
            they need not fit into memory; for stochastic optimisers.
        dask : the address of a Dask scheduler, or a `distributed.Client`: its workers compute the
            gradients, each with a part of the data.

        Raises
        ------
        ModelError : the loss is UNSAFE or an ERROR for this model; see `verdict`.
        RunError : there is nothing to go on from, or it belongs to another training; or the
            cluster fails.
        UsageError : where the model has no loss.
        DataError : where the data do not fit the model.
        """
        from factorgraph.data.column import Handed
        from factorgraph.learn.options import Options
        from factorgraph.training import Training

        if not isinstance(seed, int) or seed < 0:
            raise UsageError(f"a seed is a whole number of at least 0, not {seed!r}", code="E0910")
        options = Options(
            seed, tolerance, progress, max_iterations, threads, optimizer, batch, epochs, rate,
            schedule, average, clip, patience, gap, shard, observed,
        )  # fmt: skip
        training = Training(
            self, options, on_event, stop, checkpoint, checkpoint_every, resume, validate, start,
            unsafe, hide, skip_infeasible, dask,
        )  # fmt: skip
        handed = data if isinstance(data, Handed) else Handed(data)
        del data  # so that nothing here holds them while weights are trained
        return training.run(handed, stream=stream, with_=with_)

    def weights_of(
        self, start: Run | str | os.PathLike[str], vocabularies: Vocabularies
    ) -> Weights:
        """Return the weights of a run to begin with.

        Raises
        ------
        RunError : it is of another energy, or its labels are others.
        """
        run = start if isinstance(start, Run) else load_run(start)
        fits(run, self)
        for name, words in vocabularies.items():
            if run.vocabularies.get(name) != words:
                raise RunError(
                    f"the data give `{name}` other values than the run to start with has",
                    code="E0804",
                    hint="start with a run that was trained on the same data",
                )
        return {name: weights.copy() for name, weights in run.weights.items()}

    def records_of(self, data: Any) -> Records:
        """Return data of any form as records of the model's fields."""
        from factorgraph.data.bind import wanted
        from factorgraph.data.python import from_python

        return from_python(data, wanted(self.checked))


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
    run = Run(model, stored.weights, stored.vocabularies, header=stored.header)
    run.folder = folder
    return run


def fits(run: Run, model: Model) -> None:
    """Refuse weights that were trained for another energy than the model's.

    Raises
    ------
    RunError : where shapes or names of params disagree, or the factors do.
    """
    settings = run.model.settings or _numbers(run.header.get("settings"))
    if settings and not model.settings:  # `--set` of the training holds for its run
        model = compile(model.tree.source.text, model.name, settings=settings)
    same_energy(run.model.checked, model.checked, model.name)


def _numbers(settings: Any) -> dict[str, float]:
    """Return the settings of a run's header, nothing where it holds none."""
    if not isinstance(settings, dict):
        return {}
    return {n: v for n, v in settings.items() if isinstance(v, int | float) and v == v}


__all__ = ["Model", "Run", "check_text", "compile", "fits", "load", "load_run"]

"""A model with weights: it answers questions, and is stored in a folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.compiler.module import load as load_module
from factorgraph.errors import RunError, UsageError, did_you_mean
from factorgraph.model.expression import alike
from factorgraph.model.model import Domain
from factorgraph.model.model import Model as Checked

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

    from factorgraph.data.instances import Instances, Vocabularies
    from factorgraph.ground.batch import Batch
    from factorgraph.ground.weights import Weights
    from factorgraph.learn.events import Event, Finished
    from factorgraph.learn.measure import Scores
    from factorgraph.pipeline import Model
    from factorgraph.report.report import Report

BATCH_VARIABLES = 1 << 18
"""Unknowns in one graph while predicting, so that memory does not grow with the data."""


class Run:
    """A model with weights: what training gives, what answers questions.

    Attributes
    ----------
    weights : float64 arrays by name, in their declared shapes.
    vocabularies : labels of the domains that training filled.
    finished : how training ended, None where there was none.
    skip_unknown : leave out instances with labels that training has not seen, instead of
        refusing them.
    folder : where it was read from, None where it was trained here.
    events : what training told.
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
        self.folder: Path | None = None
        self.events: list[Event] = []

    def __repr__(self) -> str:
        count = sum(w.size for w in self.weights.values())
        return f"<fgc run of {self.model.name}: {count} weights>"

    # -- questions

    def predict(
        self,
        data: Any,
        *,
        with_: Any = None,
        clamp: Sequence[str] = (),
        infer: str | None = None,
        seconds: float | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the answer to each instance, in order.

        Parameters
        ----------
        data : a path, a dict of arrays, a list of dicts, or records.
        with_ : data that all instances share; see `Model.shared`.
        clamp : unknowns that keep the values that the data hold; what is missing in them is
            inferred. The data are not asked for any other.
        infer : algorithms to run in turn, as ``trws(iterations = 100) + icm``; None for what the
            model asks for, or else what fits the graph.
        seconds : the time budget of each instance; the best found by then is the answer.
        seed : of inference that draws.
        threads : that may work at once; None for as many as there are processors.

        Yields
        ------
        dict with ``answers`` (values by name, nested lists in the shape of the declaration),
        ``energy``, ``bound``, ``gap`` (floats) and ``status``; where inference is not exact also
        ``algorithm``, ``reason``, ``iterations``, ``seconds`` and ``trace``.

        Raises
        ------
        NotBuiltError : where no engine can answer for this model yet, naming the factor.
        UsageError : ``clamp`` names no unknown of the model, or ``infer`` no algorithms.
        """
        from factorgraph.ground.answers import answers

        self._on_grid(infer)._answerable()
        ask = self.model.asking(infer, seconds=seconds, seed=seed, threads=threads)
        run = self._on_grid(infer)
        instances = run.bind(data, answers=self._clamped(clamp), with_=with_)
        for batch, values in run._batches(instances, ask.tableless):
            yield from answers(batch, values, ask)

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
        from factorgraph.ground.refine import least
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
                parts.append(least(batch, values, batch.grounding.evidence))
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
        self,
        data: Any,
        beta: float = 1.0,
        *,
        with_: Any = None,
        clamp: Sequence[str] = (),
        infer: str | None = None,
        seconds: float | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> Iterator[dict[str, NDArray[np.float64]]]:
        """Yield, for each instance, the probability of each value of each unknown.

        The arguments are as for `predict`; ``beta`` is the inverse temperature. What the model asks
        for is left aside where it gives no marginals.

        Yields
        ------
        dict of float64 arrays by name, the declared shape with one more axis for the values, in
        the order of `values`.
        """
        from factorgraph.ground.answers import marginals

        run = self._on_grid(infer)
        run._answerable()
        ask = self.model.asking(infer, "marginals", beta, seconds, seed, threads)
        instances = run.bind(data, answers=self._clamped(clamp), with_=with_)
        for batch, values in run._batches(instances):
            yield from marginals(batch, values, ask)

    @property
    def values(self) -> dict[str, list[Any]]:
        """The labels or numbers that each finite unknown takes, in the order of `marginals`.

        Unknowns whose values depend on the instance are left out.
        """
        from factorgraph.ground.answers import is_fixed, values_of

        model = self.model.on_grid
        return {
            name: values_of(model, unknown, self.vocabularies)
            for name, unknown in model.unknowns.items()
            if is_fixed(unknown)
        }

    def evaluate(
        self,
        data: Any,
        *,
        with_: Any = None,
        infer: str | None = None,
        seconds: float | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> Scores:
        """Return accuracies on labelled data, and energy gaps where inference is exact.

        The arguments are as for `predict`.
        """
        from factorgraph.ground.batch import Batch
        from factorgraph.ground.ground import ground
        from factorgraph.ground.weights import whole
        from factorgraph.learn.measure import measure
        from factorgraph.learn.shards import Crew, deal

        ask = self.model.asking(infer, seconds=seconds, seed=seed, threads=threads)
        instances = self.bind(data, answers=True, with_=with_)
        compiled = self._on_grid(infer).model.compiled
        layout = whole(compiled, self.vocabularies)
        weights = layout.views(layout.pack(self.weights))
        module = load_module(compiled.text)

        with Crew() as crew:
            spans = deal(instances, 0, BATCH_VARIABLES)
            batches = crew.map(
                lambda span: Batch(
                    compiled, module, ground(compiled, instances.part(*span), answers=True)
                ),
                spans,
            )
            return measure(list(batches), weights, crew, ask)

    def report(self, path: str | os.PathLike[str] | None = None) -> Report:
        """Return how training went, as a page that notebooks show; see `fgc report`.

        Parameters
        ----------
        path : of an HTML file to write it to as well.

        Raises
        ------
        RunError : the folder that the run was read from has no log, or the file cannot be written.
        """
        from factorgraph.report.report import of_events, of_folder

        if self.folder is not None:
            found = of_folder(self.folder)
        else:
            found = of_events(self.events, self.model.text)
        if path is not None:
            found.save(path)
        return found

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the run folder.

        Raises
        ------
        RunError : where the folder holds something already, or cannot be written.
        """
        from factorgraph.learn.folder import Log, attempt

        with attempt(Path(path), overwrite):
            if self.events:
                with Log(Path(path)) as log:
                    for event in self.events:
                        log(event)
            self.store(Path(path))

    def store(self, path: Path) -> None:
        """Write weights, text and header into a folder that `prepare` has made."""
        from factorgraph.learn.folder import save

        header = {
            "model": Path(self.model.name).name,
            "seed": self.seed,
            "settings": self.model.settings,
            "training": None if self.finished is None else self.finished.as_dict(),
            "versions": versions(),
        }
        energies = self.model.energy_texts
        save(path, self.model.text, self.weights, self.vocabularies, header, energies)

    # -- inside

    def _on_grid(self, infer: str | None) -> Run:
        """Return the run with real unknowns on the grid that is asked for, if one is."""
        from factorgraph.engine.menu import steps

        grid = next((s for s in steps(infer) if s.name == "grid"), None) if infer else None
        if grid is None:
            return self
        run = Run(self.model.with_grid(grid), self.weights, self.vocabularies)
        run.skip_unknown = self.skip_unknown
        return run

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
            self.model.records_of(data),
            self.vocabularies,
            answers=answers,
            latents=latents,
            shared=self.model.shared(with_),
            skip_unknown=self.skip_unknown,
        )

    def _batches(
        self, instances: Instances, kinds: bool = False
    ) -> Iterator[tuple[Batch, NDArray[np.float64]]]:
        """Yield graphs of a few instances with their tables filled."""
        import numpy as np

        for batch, weights in self.graphs(instances, kinds):
            values = np.empty((1, batch.structure.size))
            batch.energies(weights, values[0])
            yield batch, values

    def graphs(self, instances: Instances, kinds: bool = False) -> Iterator[tuple[Batch, Weights]]:
        """Yield graphs of a few instances, and the weights that they read as they index them.

        Parameters
        ----------
        kinds : whether factors of kinds need no tables; see `ground`.
        """
        from factorgraph.ground.batch import Batch
        from factorgraph.ground.ground import ground
        from factorgraph.ground.weights import compact
        from factorgraph.learn.shards import deal

        compiled = self.model.compiled
        module = load_module(compiled.text)
        for low, high in deal(instances, 0, BATCH_VARIABLES, most=1):
            grounding = ground(compiled, instances.part(low, high), kinds=kinds, answers=True)
            layout, (grounding,) = compact(compiled, self.vocabularies, [grounding], once=True)
            weights = layout.views(layout.pack(self.weights))
            yield Batch(compiled, module, grounding), weights


def same_energy(own: Checked, other: Checked, text: str) -> None:
    """Refuse two models whose energies are not the same.

    Parameters
    ----------
    own : the run's.
    other : the text's, whose file is ``text``.

    Raises
    ------
    RunError : shapes or names of params disagree, or the factors do.
    """
    for name in {**own.params, **other.params}:
        a, b = own.params.get(name), other.params.get(name)
        if a is None or b is None or a.axes != b.axes:
            raise RunError(
                f"param `{name}` of the run is not that of {text}",
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
                    f"{kind} `{name}` of {text} is not the one that the run was trained with",
                    code="E0804",
                    hint="train again with this text, or use the run's own: model.fg in its folder",
                )


def versions() -> dict[str, str]:
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


def _listed(model: Checked) -> dict[str, Domain]:
    return {n: d for n, d in model.domains.items() if not d.from_data}

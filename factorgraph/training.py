"""A training, from data to a run: what is bound, chosen, kept on the way and handed to `learn`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.module import load as load_module
from factorgraph.data.bind import bind, wanted
from factorgraph.data.column import Handed, Records
from factorgraph.data.hide import hide as hidden
from factorgraph.data.instances import Instances, Vocabularies
from factorgraph.data.stream import stream as read_anew
from factorgraph.errors import DataError, UsageError
from factorgraph.ground.vocabulary import fill_features
from factorgraph.ground.weights import Weights, initial
from factorgraph.learn.choose import Choice, choose, for_observed
from factorgraph.learn.cluster import cluster
from factorgraph.learn.events import Listener, Recorder, Skipped
from factorgraph.learn.fit import fit, sampled
from factorgraph.learn.folder import text_hash
from factorgraph.learn.minibatch import order
from factorgraph.learn.options import STOCHASTIC, Options
from factorgraph.learn.resume import Keeper, digest, digest_of_arrays
from factorgraph.learn.streamed import Streamed
from factorgraph.run import Run, versions

if TYPE_CHECKING:
    from factorgraph.pipeline import Model


@dataclass
class Training:
    """What a training is asked to do; see `factorgraph.pipeline.Model.fit`."""

    model: Model
    options: Options
    on_event: Listener | None
    stop: Callable[[], bool]
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: float
    resume: bool
    validate: Any
    start: Any
    unsafe: bool
    hide: float
    skip_infeasible: bool
    dask: Any

    def run(self, handed: Handed, *, stream: bool, with_: Any) -> Run:
        """Return the run that data lead to."""
        data: Any = handed.take()
        self.model.trainable()
        judged = self.model.judged(self.unsafe)
        self.heard = Recorder(self.on_event)
        self.heard(judged)
        shared = self.model.shared(with_)
        if stream or callable(data):
            if self.skip_infeasible or self.dask is not None or self.options.observed:
                raise UsageError(
                    "data that are read in shards do not go with --skip-infeasible, --observed "
                    "and --dask",
                    code="E0911",
                )
            found = self.streamed(data, shared)
        else:
            budget.keep_large_apart()
            records = Handed(self.model.records_of(data))
            del data
            found = self.whole(records, shared)
        found.events = self.heard.events
        return found

    def whole(self, handed: Handed, shared: dict[str, Any]) -> Run:
        """Train on data that lie in memory."""
        model, options = self.model, self.options
        checked, compiled = model.checked, model.compiled
        records: Records = handed.take()  # type: ignore[assignment]
        there = {name.partition(".")[0] for name in records.columns}
        missing = [name for name in checked.answers if name not in there]
        if missing and len(missing) == len(checked.answers):
            raise DataError(
                f"{records.top}: there is no field `{missing[0]}`, the answer to learn",
                code="E0301",
                hint=records.hint(missing[0], wanted(checked)),
            )
        instances = fill_features(bind(checked, records, shared=shared))
        if self.skip_infeasible:
            met = feasible(model, instances, options.seed)
            if not met.all():
                self.heard(Skipped(int((~met).sum()), records.count))
                records = records.take(met)
                instances = fill_features(bind(checked, records, shared=shared))
        model.judged(self.unsafe, instances)
        instances = self.seen(instances)
        chosen = sampled(records.count, options.seed)
        sample = bind(checked, records.take(chosen), instances.vocabularies, shared=shared)
        choice = choose(
            compiled, options, unknowns=int(instances.variables.sum()),
            observed=not instances.open.any(), spread=self.dask is not None,
        )  # fmt: skip
        if options.observed:
            choice = for_observed(choice, options)
        options = replace(options, optimizer=choice.optimizer)
        if self.validate is not None and choice.optimizer not in STOCHASTIC:
            raise UsageError(
                f"--validate decides when mini-batches end, and {choice.shown} makes none",
                code="E0930",
                hint="--optimizer adagrad, sgd, adam or perceptron",
            )
        held_out = None
        if choice.optimizer in STOCHASTIC:
            mixed = records.take(order(records.count, options.shard, options.seed))
            instances = self.seen(bind(checked, mixed, instances.vocabularies, shared=shared))
            held_out = self.held_out(instances.vocabularies, shared)
        first = self.first(instances.vocabularies)
        read = "" if self.checkpoint is None else digest(records, shared)
        keeper = self.keeper(
            {
                "data": read, "tolerance": float(options.tolerance),
                "progress": float(options.progress), "observed": options.observed,
                "hide": float(self.hide),
            } | _decided(choice, options),
            first,
        )  # fmt: skip
        vocabularies = instances.vocabularies
        last = [instances]  # nothing here holds the data while weights are trained
        del instances, records
        with cluster(self.dask, {"": model.text, **model.energy_texts}) as make:
            trained = fit(
                compiled, load_module(compiled.text), last.pop(), options, self.heard, sample,
                self.stop, keeper, self.resume, make, choice, held_out, first, margin=model.margin,
            )  # fmt: skip
        return Run(model, trained.weights, vocabularies, trained.finished, options.seed)

    def streamed(self, data: Any, shared: dict[str, Any]) -> Run:
        """Train on data that are read in shards."""
        model = self.model
        compiled = model.compiled
        choice = choose(compiled, self.options, unknowns=0, observed=True, streamed=True)
        options = replace(self.options, optimizer=choice.optimizer)
        fields = wanted(model.checked)
        module = load_module(compiled.text)
        source = Streamed(
            compiled, module, data if callable(data) else lambda: read_anew(data, fields),
            shared, size=options.batch_size, shard=options.shard, seed=options.seed,
        )  # fmt: skip
        if source.sample is None:
            raise DataError("the data hold no instances", code="E0323")
        held_out = self.held_out(source.vocabularies, shared)
        first = self.first(source.vocabularies)
        keeper = self.keeper({"data": source.digest, "stream": True} | options.deciding(), first)
        trained = fit(
            compiled, module, source.sample, options, self.heard, source.sample, self.stop, keeper,
            self.resume, choice=choice, validation=held_out, start=first, streamed=source,
            margin=model.margin,
        )  # fmt: skip
        return Run(model, trained.weights, source.vocabularies, trained.finished, options.seed)

    def seen(self, instances: Instances) -> Instances:
        """Return instances with a share of their labels hidden, where that is asked for."""
        return hidden(instances, self.hide, self.options.seed) if self.hide else instances

    def first(self, vocabularies: Vocabularies) -> Weights | None:
        """Return the weights to begin with, None for initial ones."""
        return None if self.start is None else self.model.weights_of(self.start, vocabularies)

    def held_out(self, vocabularies: Vocabularies, shared: dict[str, Any]) -> Instances | None:
        """Return validation data; instances with labels that training has not seen are left out.

        Raises
        ------
        DataError : nothing is left.
        """
        if self.validate is None:
            return None
        records = self.model.records_of(self.validate)
        found = bind(self.model.checked, records, vocabularies, shared=shared, skip_unknown=True)
        if not found.count:
            raise DataError(
                f"{records.source}: every instance has labels that training has not seen",
                code="E0309",
            )
        return found

    def keeper(self, decided: dict[str, Any], first: Weights | None) -> Keeper | None:
        """Return what keeps checkpoints of this training and of no other, None for nothing.

        Parameters
        ----------
        decided : what decides the weights besides the text, the code and the seed.
        first : the weights that training begins with.
        """
        if self.checkpoint is None:
            if self.resume:
                raise UsageError("`resume` needs the file of a `checkpoint`", code="E0911")
            return None
        if not self.checkpoint_every >= 0:
            raise UsageError(
                f"`checkpoint_every` is at least 0 seconds, not {self.checkpoint_every}",
                code="E0910",
            )
        identity = {
            "text": text_hash(self.model.text), "seed": self.options.seed,
            "code": text_hash(self.model.compiled.text), "versions": versions(),
        } | decided  # fmt: skip
        if first is not None:
            identity["start"] = digest_of_arrays(first)
        return Keeper(Path(self.checkpoint), identity, self.checkpoint_every)


def _decided(choice: Choice, options: Options) -> dict[str, Any]:
    """Return the options that decide the weights, of those that the optimiser looks at."""
    if choice.optimizer in STOCHASTIC:
        return options.deciding()
    decided: dict[str, Any] = {"optimizer": choice.optimizer}
    if choice.optimizer in ("frank-wolfe", "cccp"):
        decided |= {"batch": options.batch, "average": options.averages}
    if choice.optimizer == "cccp":
        decided["gap"] = options.gap
    return decided


def feasible(model: Model, instances: Instances, seed: int) -> NDArray[np.bool_]:
    """Return whether each instance has a configuration of finite energy that agrees with it.

    Raises
    ------
    DataError : none has.
    """
    run = Run(model, initial(model.checked, instances.vocabularies, seed), instances.vocabularies)
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

"""The part of a training that a worker of a cluster keeps: shards, and their slopes.

A shard is kept under the name of its training until that ends, or until many others have begun.
What is not kept is said to be absent; who asks sends it again. So a worker may be lost, begun
anew or exchanged for another at any time.

What is sent to and fro are arrays, texts and numbers. The text of the model is compiled here.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.loss import plan_formula
from factorgraph.compiler.module import Compiled, compile_model
from factorgraph.compiler.module import load as load_module
from factorgraph.data.parcel import Parcel, unpack
from factorgraph.diagnose import check, read
from factorgraph.errors import FgError
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import Grounding, ground
from factorgraph.ground.looks import looks_of
from factorgraph.ground.transposed import Transposed
from factorgraph.ground.weights import Kept, Layout, kept_layout, moved, touched
from factorgraph.learn.objective import Losses, slope
from factorgraph.learn.observed import observed
from factorgraph.learn.shards import Crew
from factorgraph.model.formula import check_formula

Floats = NDArray[np.float64]
Reply = dict[str, Any]
Texts = Mapping[str, str]
"""The text of a model under "", those of its second energies under their names."""

MOST_TRAININGS = 4
"""A worker keeps shards of as many: those of trainings that were killed are nobody's."""


@dataclass(eq=False)
class _Training:
    """What a worker keeps of one training."""

    compiled: Compiled
    module: ModuleType
    losses: Losses
    grounded: dict[int, Grounding] = field(default_factory=dict)
    batches: dict[int, Batch] = field(default_factory=dict)
    layout: Layout | None = None


_kept: OrderedDict[str, _Training] = OrderedDict()
_lock = Lock()


def hold(
    training: str,
    texts: Texts,
    spans: Mapping[int, tuple[int, int]],
    parcel: Parcel,
    kept: Kept | None,
) -> Reply:
    """Ground some shards and keep them.

    Parameters
    ----------
    training : its name.
    spans : the first instance of each shard and the one after its last, counted in the parcel.
    kept : what the shards of all workers touch; None where that is still to be found.

    Returns
    -------
    dict with what these shards touch, the kind of inference, how many factors and states; or with
    an ``error``.
    """
    try:
        mine = _training(training, texts)
        instances = unpack(mine.compiled.model.written, parcel)
        with Crew(_threads()) as crew:
            parts = [instances.part(*span) for span in spans.values()]
            found = list(crew.map(lambda part: ground(mine.compiled, part, tabled=True), parts))
        if kept is None:
            mine.grounded |= dict(zip(spans, found, strict=True))
        else:
            _settle(mine, dict(zip(spans, found, strict=True)), kept)
        batch = Batch(mine.compiled, mine.module, found[0])
        return {
            "code": code_of(mine.compiled),
            "touched": touched(mine.compiled, found),
            "reason": looks_of(batch, mine.losses.loss).reason,
            "factors": sum(len(g.table) for one in found for g in one.structure.groups),
            "states": sum(one.structure.size for one in found),
        }
    except FgError as error:
        return {"error": str(error)}


def settle(training: str, kept: Kept) -> Reply:
    """Make the shards that were held ready, now that it is known what all shards touch."""
    try:
        mine = _kept.get(training)
        if mine is not None:
            _settle(mine, mine.grounded, kept)
            mine.grounded = {}
        return {}
    except FgError as error:
        return {"error": str(error)}


def slopes(training: str, numbers: Sequence[int], packed: Floats) -> Reply:
    """Return the losses of shards and their gradients at some weights.

    Returns
    -------
    dict with ``found``, by shard a pair of the loss and the gradient, packed, and the ``absent``
    shards; or with an ``error``, and the ``shards`` among which it came up.
    """

    def work(mine: _Training, layout: Layout, batch: Batch) -> tuple[float, Floats]:
        return slope(mine.losses, batch, layout.views(packed), layout)

    packed = np.array(packed, np.float64)
    return _over(training, numbers, work)


def reads(training: str, numbers: Sequence[int]) -> Reply:
    """Return which weights the answers in some shards read; see `observed`.

    Returns
    -------
    dict as that of `slopes`, by shard the places in the flat vector, None for all.
    """

    def work(mine: _Training, layout: Layout, batch: Batch) -> Any:
        with Crew(1) as crew:
            return observed(layout, [batch], Transposed(mine.compiled, layout, [batch]), crew)

    return _over(training, numbers, work)


def _over(
    training: str, numbers: Sequence[int], work: Callable[[_Training, Layout, Batch], Any]
) -> Reply:
    mine = _kept.get(training)
    there = [] if mine is None else [k for k in numbers if k in mine.batches]
    found: dict[int, Any] = {}
    if mine is not None and mine.layout is not None and there:
        training_, layout = mine, mine.layout
        batches = [mine.batches[k] for k in there]
        try:
            with Crew(_threads()) as crew:
                each = crew.map(lambda batch: work(training_, layout, batch), batches)
                found = dict(zip(there, each, strict=True))
        except FgError as error:
            return {"error": str(error), "shards": there}
    return {"found": found, "absent": [k for k in numbers if k not in found]}


def forget(training: str) -> None:
    """Let a training's shards go."""
    with _lock:
        _kept.pop(training, None)


def code_of(compiled: Compiled) -> str:
    """Return a hash of the emitted module, which must be the same on all machines."""
    return hashlib.sha256(compiled.text.encode()).hexdigest()


def _threads() -> int | None:
    """Return how many threads the worker has, None where this is no worker."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return None


def _training(name: str, texts: Texts) -> _Training:
    """Return what is kept of a training, which may begin with it."""
    with _lock:
        if name in _kept:
            _kept.move_to_end(name)
            return _kept[name]
        compiled = _compiled(texts)
        module = load_module(compiled.text)
        _kept[name] = _Training(compiled, module, Losses(compiled, module))
        while len(_kept) > MOST_TRAININGS:
            _kept.popitem(last=False)
        return _kept[name]


def _compiled(texts: Texts) -> Compiled:
    included, errors = read(texts[""], "model.fg", texts)
    checked, more = check(included, {})
    for error in (*errors, *more):
        raise error
    assert checked is not None and checked.loss is not None
    return compile_model(checked, plan_formula(checked, check_formula(checked, checked.loss)))


def _settle(mine: _Training, groundings: Mapping[int, Grounding], kept: Kept) -> None:
    if not groundings:
        return
    words = next(iter(groundings.values())).instances.vocabularies
    layout, kept = kept_layout(mine.compiled, words, [kept])
    states = sum(g.structure.size for g in groundings.values())
    budget.require(8 * (4 * states + 20 * layout.size), "training")
    for number, grounding in groundings.items():
        mine.batches[number] = Batch(mine.compiled, mine.module, moved(grounding, kept))
    mine.layout = layout

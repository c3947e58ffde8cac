"""Training on several machines: the shards of the objective lie on the workers of a Dask cluster.

Weights go out, the loss and the gradient of each shard come back and are added up in the shards'
order, so that neither the number of workers nor which of them answers changes the result. A
worker that is lost, or has forgotten its shards, is told by what it lacks; its shards are dealt to
those that are there, from the data that stay with the one who trains.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.module import Compiled
from factorgraph.data.instances import Instances
from factorgraph.data.parcel import pack
from factorgraph.errors import RunError, UsageError, some
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import ground
from factorgraph.ground.weights import Kept, Layout, kept_layout, moved
from factorgraph.learn import worker
from factorgraph.learn.coordinates import Coordinates
from factorgraph.learn.objective import Objective, slope, weights_of
from factorgraph.learn.shards import MOST, Crew, deal

if TYPE_CHECKING:
    from distributed import Client

Floats = NDArray[np.float64]
Maker = Callable[[Compiled, ModuleType, Instances, Crew], Objective]

CONNECT = 10.0
"""Seconds within which a scheduler answers."""

PATIENCE = 60.0
"""Seconds for which a cluster may be without workers."""

ROUNDS = 20
"""How often, in a row, workers may be lost at one evaluation."""


@contextmanager
def cluster(dask: Any, texts: worker.Texts) -> Iterator[Maker]:
    """Yield what makes an objective whose shards lie on a cluster; they are let go in the end.

    Parameters
    ----------
    dask : the address of a scheduler, or a client of one, which stays open; None for this process.
    texts : of the model under "", of its second energies under their names.

    Raises
    ------
    UsageError : the package is not there, or it is no address and no client.
    RunError : the scheduler does not answer, or has no workers.
    """
    if dask is None:
        yield Objective
        return
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "training on several machines needs dask.distributed", code="E0915",
            hint="pip install 'fgc[dask]', here and where the workers run",
        ) from None  # fmt: skip
    if isinstance(dask, Client):
        if dask.asynchronous:
            raise UsageError("the client of `dask` is asynchronous", code="E0910")
        client, own = dask, None
    elif isinstance(dask, str):
        client = own = _connected(dask)
    else:
        raise UsageError(
            f"`dask` is an address or a client, not {type(dask).__name__}", code="E0910"
        )
    training = uuid4().hex
    try:
        yield partial(Clustered, client=client, training=training, texts=texts)
    finally:
        with suppress(Exception):
            client.run(worker.forget, training, on_error="ignore")
        if own is not None:
            own.close()


def _connected(address: str) -> Client:
    from distributed import Client

    try:
        return Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        said = str(error)
    # A client without a connection closes when it is collected, and locks up where that happens
    # while another one is made.
    gc.collect()
    raise RunError(
        f"no scheduler answers at {address}: {said}", code="E0806",
        hint="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
    )  # fmt: skip


class Clustered(Objective):
    """The objective of `Objective`, its shards on the workers of a cluster.

    Parameters
    ----------
    client : of the cluster.
    training : a name that no other training has.
    texts : of the model, from which workers compile it; see `cluster`.

    Raises
    ------
    RunError : no worker is there, or none can do its work.
    """

    def __init__(
        self,
        compiled: Compiled,
        module: ModuleType,
        instances: Instances,
        crew: Crew,
        *,
        client: Client,
        training: str,
        texts: worker.Texts,
    ) -> None:
        self.client, self.training, self.texts = client, training, dict(texts)
        self.instances = instances
        super().__init__(compiled, module, instances, crew)

    def _dealt(self, instances: Instances) -> tuple[Layout, list[Batch]]:
        most = max(MOST, sum(self._workers(at_once=True).values()))
        self.spans = deal(instances, weights_of(instances), most=most)
        self.owner: dict[int, str] = {}
        self.kept: Kept | None = None
        replies = self._hold(range(len(self.spans)))
        layout, kept = kept_layout(
            self.compiled, instances.vocabularies, [reply["touched"] for reply in replies]
        )
        self._asked([
            self._submit(address, worker.settle, self.training, kept)
            for address in set(self.owner.values())
        ])  # fmt: skip
        self.kept = kept
        method = replies[0]["reason"].split(",")[0] if replies else "no instances"
        factors = sum(reply["factors"] for reply in replies)
        self._reason = (
            f"{method}, {some(factors, 'factor')}, "
            f"on {some(len(set(self.owner.values())), 'worker')}"
        )
        return layout, []

    @property
    def shards(self) -> int:
        return len(self.spans)

    @property
    def reason(self) -> str:
        return self._reason

    def worked(self, packed: Floats) -> Iterator[tuple[float, Floats]]:
        """Yield the loss of each shard and its gradient at packed weights, in order.

        Raises
        ------
        NumericalError, DataError : as `Objective`.
        RunError : no worker is left, or they are lost again and again.
        """
        return iter(self._over_shards(worker.slopes, packed))

    def keep_observed(self) -> None:
        """Let weights that no training answer reads stay at 0: they have no coordinates."""
        read = np.zeros(self.layout.size, np.bool_)
        for places in self._over_shards(worker.reads):
            read[slice(None) if places is None else places] = True
        chosen = None if read.all() else np.flatnonzero(read)
        self.coordinates = Coordinates(self.layout, chosen, self.crew)

    def _over_shards(self, work: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Return what workers find of each shard, in order; send what they lack anew."""
        found: dict[int, Any] = {}
        for _ in range(ROUNDS):
            by_owner: dict[str, list[int]] = {}
            for k in range(self.shards):
                if k not in found:
                    by_owner.setdefault(self.owner[k], []).append(k)
            futures = [
                self._submit(address, work, self.training, numbers, *arguments)
                for address, numbers in by_owner.items()
            ]
            absent: list[int] = []
            for reply in self._asked(futures):
                if "error" in reply:
                    self._again(reply, *arguments)
                found |= reply["found"]
                absent += reply["absent"]
            if not absent:
                return [found[k] for k in range(self.shards)]
            self._hold(sorted(absent))
        raise RunError(
            f"workers were lost {ROUNDS} times at one step", code="E0806",
            hint="do they run out of memory? --resume goes on from the last checkpoint",
        )  # fmt: skip

    def _again(self, reply: Mapping[str, Any], *at: Floats) -> None:
        """Raise what a worker met, with its place in the text: work on its shards here."""
        assert self.kept is not None
        for k in reply["shards"]:
            part = self.instances.part(*self.spans[k])
            grounding = moved(ground(self.compiled, part, tabled=True), self.kept)
            batch = Batch(self.compiled, self.module, grounding)
            for packed in at:
                slope(self.losses, batch, self.layout.views(packed), self.layout)
        raise RunError(f"a worker fails: {reply['error']}", code="E0806")

    def _hold(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Deal shards to the workers that are there, in runs of neighbours."""
        futures = []
        for address, run in _runs(numbers, self._workers()):
            low, high = self.spans[run[0]][0], self.spans[run[-1]][1]
            spans = {k: (self.spans[k][0] - low, self.spans[k][1] - low) for k in run}
            parcel = pack(self.instances.part(low, high))
            futures.append(
                self._submit(
                    address, worker.hold, self.training, self.texts, spans, parcel, self.kept
                )
            )
            self.owner |= dict.fromkeys(run, address)
        replies = self._asked(futures)
        for reply in replies:
            if "error" in reply:
                self._ground_here(numbers)
                raise RunError(f"a worker fails: {reply['error']}", code="E0806")
            if reply["code"] != worker.code_of(self.compiled):
                raise RunError(
                    "a worker makes other code of the model than is made here", code="E0806",
                    hint="the same version of fgc has to be installed on all machines",
                )  # fmt: skip
        return replies

    def _ground_here(self, numbers: Sequence[int]) -> None:
        """Raise what is wrong with the data, with its place in the text."""
        for k in numbers:
            part = self.instances.part(*self.spans[k])
            Batch(self.compiled, self.module, ground(self.compiled, part, tabled=True))

    def _submit(self, address: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Send work to a worker; another one takes it where that one is gone."""
        with warnings.catch_warnings():  # that what is sent is large
            warnings.simplefilter("ignore", UserWarning)
            return self.client.submit(
                work, *arguments, workers=[address], allow_other_workers=True, pure=False
            )

    def _asked(self, futures: Sequence[Any]) -> list[dict[str, Any]]:
        """Return what workers reply, in the order in which they were asked."""
        replies: list[dict[str, Any]] = []
        try:
            for future in futures:
                while not future.done():
                    with suppress(TimeoutError):
                        future.result(PATIENCE)
                        break
                    self._workers()  # none is left?
                replies.append(future.result())
            return replies
        except (RunError, KeyboardInterrupt):
            raise
        except ModuleNotFoundError as error:
            raise RunError(
                f"a worker fails: {error}", code="E0806",
                hint="the same version of fgc has to be installed on all machines",
            ) from error  # fmt: skip
        except Exception as error:
            said = str(error).partition("\n")[0]
            raise RunError(
                f"the cluster fails: {type(error).__name__}: {said}", code="E0806",
                hint="--resume goes on from the last checkpoint, with --dask or without",
            ) from error  # fmt: skip

    def _workers(self, at_once: bool = False) -> dict[str, int]:
        """Return the threads of the workers that are there, by address."""
        with suppress(TimeoutError, OSError):
            self.client.wait_for_workers(1, timeout=CONNECT if at_once else PATIENCE)
            return dict(self.client.nthreads())
        raise RunError(
            "the cluster has no workers", code="E0806",
            hint="start some with `dask worker ADDRESS`",
        )  # fmt: skip


def _runs(numbers: Sequence[int], there: Mapping[str, int]) -> Iterator[tuple[str, list[int]]]:
    """Deal rising numbers to workers by their threads, in runs without a gap."""
    addresses = sorted(there)
    shares = np.cumsum([0, *(there[address] for address in addresses)])
    ends = np.rint(shares * (len(numbers) / max(1, shares[-1]))).astype(int).tolist()
    for address, first, last in zip(addresses, ends[:-1], ends[1:], strict=True):
        mine = np.array(numbers[first:last], np.int64)
        for run in np.split(mine, np.flatnonzero(np.diff(mine) > 1) + 1):
            if len(run):
                yield address, run.tolist()

"""Packs trained in processes of Ray, each with its share of a node: one executor of two.

What drives Ray Tune is in `tune.py`, which is imported while Ray measures what packs cost, or else before training.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import ray

from tmc_sweep.images import Images
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.capacity import Capacity
from tmc_sweep.sweep.channel import Dispatcher, open_queue
from tmc_sweep.sweep.executor import Packs, Reason
from tmc_sweep.sweep.measuring import measuring
from tmc_sweep.sweep.packing import PackPlan
from tmc_sweep.sweep.scratch import scratch_folder
from tmc_sweep.sweep.session import ray_session
from tmc_sweep.sweep.signals import StopSignal
from tmc_sweep.sweep.writer import Writer


@contextmanager
def on_ray(resources: Resources, images: Mapping[str, Images], stop: StopSignal) -> Iterator["RayTune"]:
    """The cluster that is there, or one of our own that ends with us."""
    with ray_session(resources) as nodes, scratch_folder() as scratch:
        stop.listen()  # Ray takes SIGTERM for itself
        yield RayTune(resources, images, stop, nodes, scratch)


class RayTune:
    """Processes of a Ray cluster, each with its share of a node."""

    def __init__(
        self,
        resources: Resources,
        images: Mapping[str, Images],
        stop: StopSignal,
        nodes: Sequence[Capacity],
        scratch: Path,
    ) -> None:
        self.nodes = nodes
        self.measure = measuring(resources, nodes, self._tune)  # heeds signals, and loads what is needed next
        self._resources = resources
        self._images = images
        self._stop = stop
        self._scratch = scratch
        self._queue = open_queue()

    def train(self, packs: Packs, writer: Writer) -> list[Reason]:
        """Train the packs in processes of their own, whose messages a thread hands to the writer meanwhile."""
        stop, queue, tune = self._stop, self._queue, self._tune()
        numbered = _Numbered(queue)
        first = numbered.add(packs.first)
        source: Any = first  # a list, or a searcher of Tune's
        if more := packs.more:
            source = tune.one_after_another(
                first,
                lambda: numbered.add(more()),
                lambda number: packs.ended(numbered.plans[number]),
                packs.at_once,
            )
        trainable = tune.trainable(self._images, queue, self._resources)
        dispatcher = Dispatcher(queue, writer.deliver, stop.interrupt_tune, lambda: stop.number is not None)
        try:
            with stop.tuning():
                dispatcher.start()
                reasons = tune.train_all(
                    trainable,
                    source,
                    self._scratch,
                    lambda: bool(stop.number or dispatcher.error),
                    alone=self._resources.alone,
                )
            dispatcher.close()
        except BaseException:
            writer.leave()
            dispatcher.abandon()
            if dispatcher.error is not None:
                raise dispatcher.error from None
            raise
        return [(numbered.plans[number], reason) for number, reason in reasons.items()]

    def _tune(self) -> ModuleType:
        """The module that drives Tune, which takes half a second to import; SweepInterruptedError after a signal."""
        with self._stop.deferred():  # an exception in the middle of an import comes out of it as another one
            from tmc_sweep.sweep import tune
        self._stop.check()
        return tune


class _Numbered:
    """Packs by number, each left in the queue for the process that trains it."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.plans: list[PackPlan] = []

    def add(self, plans: Sequence[PackPlan]) -> list[dict[str, Any]]:
        """What Tune needs to know of them: a `tune.PackConfig` each."""
        new = dict(enumerate(plans, len(self.plans)))
        self.plans += plans
        ray.get(self._queue.put_packs.remote({number: ray.put(plan) for number, plan in new.items()}))
        return [{"number": number, "cpu": plan.cpu, "gpu": plan.gpu} for number, plan in new.items()]

"""Packs trained one after another in this process, without Ray: for a debugger, a notebook, a machine with one GPU.

The writer is called directly where Ray would carry messages, so each epoch is durable before the next one begins. For
an adaptive search, and for early stopping, that is what Ray gives where there is room for one pack at a time.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images
from tmc_sweep.errors import TmcSweepError
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.capacity import Capacity, capacity_here, check_fits
from tmc_sweep.sweep.executor import Packs, Reason
from tmc_sweep.sweep.memory import free_memory
from tmc_sweep.sweep.messages import Ack, Message, Reply
from tmc_sweep.sweep.pack_run import PackRun
from tmc_sweep.sweep.packing import PackPlan
from tmc_sweep.sweep.signals import StopSignal
from tmc_sweep.sweep.worker import measured_cost, prepare
from tmc_sweep.sweep.writer import Writer
from tmc_sweep.training import Cost, Engine, threads

_log = logging.getLogger(__name__)


class DirectChannel:
    """The way to a writer in this process: `deliver` returns once the messages are durable."""

    def __init__(
        self, deliver: Callable[[list[Message]], list[Reply]], stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.refused: set[str] = set()
        self.error: BaseException | None = None  # the writer's, which ends the sweep
        self._deliver = deliver
        self._stopping = stopping

    @property
    def stopping(self) -> bool:
        """Whether the sweep is being stopped."""
        return self._stopping()

    def ask(self, messages: Sequence[Message]) -> list[Reply]:
        """Send, and wait until the messages are acted on and durable."""
        try:
            return self._deliver([*messages])
        except BaseException as error:
            self.error = error
            raise

    def send(self, messages: Sequence[Message]) -> None:
        """As `ask`; the replies are read for refusals."""
        for message, reply in zip(messages, self.ask(messages), strict=True):
            if isinstance(reply, Ack) and reply.refused:
                self.refused.add(message.trial_id)

    def flush(self) -> None:
        """Nothing: all that was sent is durable."""


class Inline:
    """Room for one pack: this process."""

    def __init__(self, resources: Resources, images: Mapping[str, Images], stop: StopSignal) -> None:
        here = capacity_here()
        check_fits(resources, [here])
        self.nodes: Sequence[Capacity] = [{**here, "CPU": resources.cpu}]
        self._resources = resources
        self._images = images
        self._stop = stop

    def measure(self, config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        """The cost of a pack in this process."""
        self._stop.check()
        with threads():
            return measured_cost(config, members, gpu, engine, self._resources)

    def train(self, packs: Packs, writer: Writer) -> list[Reason]:
        """Train the packs, each to its end; one that fails leaves its reason, and the next one begins."""

        def deliver(messages: list[Message]) -> list[Reply]:
            with self._stop.deferred():
                return writer.deliver(messages)

        channel = DirectChannel(deliver, lambda: self._stop.number is not None)
        reasons: list[Reason] = []
        with self._stop.asked():
            for plan in _in_turn(packs):
                if channel.stopping:
                    break
                try:
                    with threads():
                        self._train(plan, channel)
                except Exception as error:
                    if channel.error is not None:
                        raise
                    _log.debug("a pack failed:", exc_info=True)
                    reasons.append((plan, _reason(error)))
                else:
                    packs.ended(plan)
                free_memory()
        return reasons

    def _train(self, plan: PackPlan, channel: DirectChannel) -> None:
        device = prepare(plan.cpu, plan.gpu, self._resources.tf32)
        images = self._images[plan.trials[0].data]
        run = PackRun(plan.trials, images, channel, device, self._resources.checkpoint_seconds, plan.engine, plan.gpu)
        while not run.finished and not channel.stopping:
            run.train_epoch()
        run.close()


def _in_turn(packs: Packs) -> Iterator[PackPlan]:
    """Those known at first, then those asked for, until there are none."""
    plans = packs.first
    while plans:
        yield from plans
        plans = packs.more() if packs.more else ()


@contextmanager
def inline(resources: Resources, images: Mapping[str, Images], stop: StopSignal) -> Iterator[Inline]:
    """This process."""
    yield Inline(resources, images, stop)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, TmcSweepError) else f"{type(error).__name__}: {error}"

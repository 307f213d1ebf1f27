"""Packs trained one after another in this process, without Ray: for a debugger, a notebook, a machine with one GPU.

The writer is called directly where Ray would carry messages, so each epoch is durable before the next one begins. For
an adaptive search, and for early stopping, that is what Ray gives where there is room for one pack at a time.
"""

import logging
from bdb import BdbQuit
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from traceback import format_exception_only

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine
from tmc_sweep.errors import TmcSweepError
from tmc_sweep.images import Images
from tmc_sweep.space.schema import Resources
from tmc_sweep.store.messages import Ack, Message, Reply
from tmc_sweep.sweep.capacity import Capacity, capacity_here, check_fits
from tmc_sweep.sweep.executor import Packs, Reason, reason_of
from tmc_sweep.sweep.memory import free_memory
from tmc_sweep.sweep.packing import PackPlan, cannot_measure
from tmc_sweep.sweep.signals import StopSignal
from tmc_sweep.sweep.worker import begin, measured_cost, settings_kept
from tmc_sweep.sweep.writer import Writer

_log = logging.getLogger(__name__)


class DirectChannel:
    """The way to a writer in this process: `deliver` returns once the messages are durable."""

    def __init__(
        self, deliver: Callable[[list[Message]], list[Reply]], stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.refused: set[str] = set()
        self._deliver = deliver
        self._stopping = stopping

    @property
    def stopping(self) -> bool:
        """Whether the sweep is being stopped."""
        return self._stopping()

    def ask(self, messages: Sequence[Message]) -> list[Reply]:
        """Send, and wait until the messages are acted on and durable."""
        return self._deliver([*messages])

    def send(self, messages: Sequence[Message]) -> None:
        """As `ask`; the replies are read for refusals."""
        for message, reply in zip(messages, self.ask(messages), strict=True):
            if isinstance(reply, Ack) and reply.refused:
                self.refused.add(message.trial_id)

    def flush(self) -> None:
        """Nothing: all that was sent is durable."""


class _WriterFailedError(BaseException):
    """What the writer raised, past all that handles what training raises: it ends the sweep."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


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
        """The cost of a pack in this process; CannotRunError if it cannot be measured."""
        self._stop.check()
        try:
            with settings_kept():
                return measured_cost(config, members, gpu, engine, self._resources, 1)
        except (TmcSweepError, BdbQuit):
            raise
        except Exception as error:
            raise cannot_measure(members, error) from error

    def train(self, packs: Packs, writer: Writer) -> list[Reason]:
        """Train the packs, each to its end; one that fails leaves its reason, and the next one begins."""

        def deliver(messages: list[Message]) -> list[Reply]:
            try:
                return writer.deliver(messages)
            except Exception as error:
                raise _WriterFailedError(error) from error

        reasons: list[Reason] = []
        try:
            with self._stop.asked():
                for plan in _in_turn(packs):
                    if reason := self._train(plan, DirectChannel(deliver, lambda: self._stopping)):
                        reasons.append((plan, reason))
                    free_memory()
                    if self._stopping:  # before the next pack is asked for
                        break
                    if not reason:
                        packs.ended(plan)
        except _WriterFailedError as failed:
            raise failed.error from None
        return reasons

    def _train(self, plan: PackPlan, channel: DirectChannel) -> str:
        """Train the pack to its end, or until the sweep is being stopped; why it failed, if it did."""
        try:
            with settings_kept():
                run = begin(plan, self._images, channel, self._resources)
                while not run.finished and not channel.stopping:
                    run.train_epoch()
                run.close()
        except BdbQuit:  # a debugger's
            raise
        except Exception as error:
            _log.debug("a pack failed:", exc_info=True)
            return reason_of("".join(format_exception_only(error)))
        return ""

    @property
    def _stopping(self) -> bool:
        return self._stop.number is not None


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

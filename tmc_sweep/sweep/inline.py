"""The executor `inline`: packs trained one after another in this process, without Ray.

It is for a debugger, a notebook, a machine with one GPU, and most tests. Messages are handed to the writer by a direct
call, so each epoch is durable before the next one begins. An adaptive search or early stopping gives what it would give
on Ray with room for one pack at a time.
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
    """The `Channel` to a writer in this process, whose `deliver` returns once the messages are durable."""

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
        """Send messages; as `ask`, it returns once they are durable. Refused trials are noted."""
        for message, reply in zip(messages, self.ask(messages), strict=True):
            if isinstance(reply, Ack) and reply.refused:
                self.refused.add(message.trial_id)

    def flush(self) -> None:
        """Nothing: all that was sent is durable."""


class _WriterFailedError(BaseException):
    """Carries what the writer raised past everything that handles errors of training: it must end the sweep."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Inline:
    """The executor of this process, with room for one pack.

    CannotRunError when it is made if this machine does not have what a trial asks for.
    """

    def __init__(self, resources: Resources, images: Mapping[str, Images], stop: StopSignal) -> None:
        here = capacity_here()
        check_fits(resources, [here])
        self.nodes: Sequence[Capacity] = [{**here, "CPU": resources.cpu}]
        self._resources = resources
        self._images = images
        self._stop = stop

    def measure(self, config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        """The cost of a pack of `members` trials in this process; CannotRunError if it cannot be measured."""
        self._stop.check()
        try:
            with settings_kept():
                return measured_cost(config, members, gpu, engine, self._resources, 1)
        except (TmcSweepError, BdbQuit):
            raise
        except Exception as error:
            raise cannot_measure(members, error) from error

    def train(self, packs: Packs, writer: Writer) -> list[Reason]:
        """Train the packs, one after another; if one fails, its reason is kept and the next one begins."""

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
    """The packs known at first, then those that are asked for, until there are no more."""
    plans = packs.first
    while plans:
        yield from plans
        plans = packs.more() if packs.more else ()


@contextmanager
def inline(resources: Resources, images: Mapping[str, Images], stop: StopSignal) -> Iterator[Inline]:
    """The executor `inline` for one run: an `Open`."""
    yield Inline(resources, images, stop)

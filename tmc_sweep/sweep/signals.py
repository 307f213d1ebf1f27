"""SIGINT and SIGTERM: the first ends the sweep in order, the second at once, but never in the middle of a write.

Who trains learns of the first by `Channel.stopping`, drops the epoch in progress and checkpoints the one before it.
Tune gives its trials some fifteen seconds for that, so a single minibatch may take about ten.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tmc_sweep.errors import SweepInterruptedError


class StopSignal:
    """The signal received, if any; while Tune runs it is passed on as SIGUSR1, at which Tune stops cleanly."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._tuning = False
        self._asked = False
        self._deferred = 0  # how often, one within another
        self._again = False

    def listen(self) -> None:
        """Handle signals from now on, as after `ray.init`, which takes SIGTERM for itself; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in _HANDLED:
                signal.signal(number, self._handle)

    @contextmanager
    def tuning(self) -> Iterator[None]:
        """Tune runs inside: the first signal lets it stop by itself."""
        self._tuning = True
        try:
            yield
        finally:
            self._tuning = False

    @contextmanager
    def asked(self) -> Iterator[None]:
        """What runs inside asks `check` by itself: an exception raised within Ray's compiled code is garbled."""
        self._asked = True
        try:
            yield
        finally:
            self._asked = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """What runs inside is broken off by no signal; a second one ends the sweep once it is done."""
        if threading.current_thread() is not threading.main_thread():
            yield  # in which no signal is handled
            return
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        if self._again and not self._deferred:
            raise self._interrupted()

    def interrupt_tune(self) -> None:
        """Stop Tune from any thread."""
        if self._tuning:
            signal.raise_signal(signal.SIGUSR1)

    def check(self) -> None:
        """Raise SweepInterruptedError if a signal was received."""
        if self.number is not None:
            raise self._interrupted()

    def _interrupted(self) -> SweepInterruptedError:
        number = self.number or signal.SIGINT
        return SweepInterruptedError(f"stopped by {signal.Signals(number).name}: run the same command to go on", number)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGUSR1 and self._tuning:  # from interrupt_tune, before Tune listens
            raise self._interrupted()
        first = self.number is None
        self.number = number
        if first and self._tuning:
            self.interrupt_tune()
        elif self._deferred:
            self._again = not first
        elif not (first and self._asked):
            raise self._interrupted()


@contextmanager
def stop_signal() -> Iterator[StopSignal]:
    """Handle SIGINT, SIGTERM and, until Tune does, SIGUSR1 inside; only Python's main thread can."""
    stop = StopSignal()
    previous = [signal.getsignal(number) for number in _HANDLED]
    stop.listen()
    try:
        yield stop
    except SystemExit:  # what `ray.init` makes of SIGTERM while it runs
        stop.number = signal.SIGTERM
        raise stop._interrupted() from None
    except SystemError:  # what Ray's compiled code makes of an exception raised within it
        stop.check()
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in zip(_HANDLED, previous, strict=True):
                signal.signal(number, handler)


_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

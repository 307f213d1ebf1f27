"""SIGINT and SIGTERM: the first ends the sweep in order, a second one at once, but never in the middle of a write.

After the first, who trains learns of it by `Channel.stopping`, drops the epoch in progress and checkpoints the one
before it. Tune gives its trials some fifteen seconds for that, so a single minibatch may take about ten.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tmc_sweep.errors import SweepInterruptedError


class StopSignal:
    """The signal that was received, if any, and what a signal does at the moment.

    By default it raises SweepInterruptedError in the main thread. Inside of `tuning` the first one is passed on to Tune
    as SIGUSR1, at which Tune stops cleanly; inside of `asked` it only sets `number`; `deferred` delays it.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # of the signal received last
        self._tuning = False
        self._asked = False
        self._deferred = 0  # how many deferred blocks we are in, one within another
        self._again = False  # whether a second signal came meanwhile

    def listen(self) -> None:
        """Handle signals from now on, in the main thread alone; again after `ray.init`, which takes SIGTERM."""
        if threading.current_thread() is threading.main_thread():
            for number in _HANDLED:
                signal.signal(number, self._handle)

    @contextmanager
    def tuning(self) -> Iterator[None]:
        """While Tune runs inside, the first signal lets it stop by itself."""
        self._tuning = True
        try:
            yield
        finally:
            self._tuning = False

    @contextmanager
    def asked(self) -> Iterator[None]:
        """The code inside calls `check` by itself, and the first signal raises nothing.

        An exception that a signal raised within Ray's compiled code would be garbled.
        """
        self._asked = True
        try:
            yield
        finally:
            self._asked = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """No signal breaks off the code inside; after a second signal, SweepInterruptedError follows at its end."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are handled in the main thread alone
            return
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        if self._again and not self._deferred:
            raise self._interrupted()

    def interrupt_tune(self) -> None:
        """Let Tune stop, if it runs; from any thread."""
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
        if number == signal.SIGUSR1 and self._tuning:  # of interrupt_tune, while Tune does not listen yet
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
    """While inside, a StopSignal handles SIGINT, SIGTERM and SIGUSR1, if this is the main thread."""
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

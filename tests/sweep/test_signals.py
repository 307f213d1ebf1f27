"""SIGINT and SIGTERM: the first is passed on to Tune, the second ends everything."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tmc_sweep.errors import SweepInterruptedError
from tmc_sweep.sweep.signals import stop_signal

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@contextmanager
def tune_listening() -> Iterator[list[int]]:
    """What Tune does with SIGUSR1 while it runs."""
    heard: list[int] = []
    previous = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    yield heard
    signal.signal(signal.SIGUSR1, previous)


@BOTH
def test_the_first_signal_stops_tune_and_the_run_ends_with_its_exit_code(number: signal.Signals):
    with stop_signal() as stop:
        with stop.tuning(), tune_listening() as heard:
            os.kill(os.getpid(), number)
        assert heard == [signal.SIGUSR1]
        with pytest.raises(SweepInterruptedError, match=f"stopped by {number.name}: run the same command") as error:
            stop.check()
    assert error.value.exit_code == 128 + number


@BOTH
def test_the_second_signal_ends_it_at_once(number: signal.Signals):
    with stop_signal() as stop, stop.tuning(), tune_listening() as heard:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(SweepInterruptedError) as error:
            os.kill(os.getpid(), number)
    assert (heard, error.value.exit_code) == ([signal.SIGUSR1], 128 + number)


@BOTH
def test_a_signal_while_tune_does_not_run_ends_it_at_once(number: signal.Signals):
    with stop_signal(), pytest.raises(SweepInterruptedError) as error:
        os.kill(os.getpid(), number)
    assert error.value.exit_code == 128 + number


@BOTH
def test_what_asks_by_itself_is_not_broken_off_by_the_first_signal_but_by_the_second(number: signal.Signals):
    with stop_signal() as stop, stop.asked():
        os.kill(os.getpid(), number)
        with pytest.raises(SweepInterruptedError) as error:
            stop.check()
        with pytest.raises(SweepInterruptedError):
            os.kill(os.getpid(), number)
    assert error.value.exit_code == 128 + number


@pytest.mark.parametrize("signalled", [False, True])
def test_an_exception_garbled_by_ray_is_the_interruption_if_there_was_a_signal(signalled: bool):
    with pytest.raises(SweepInterruptedError if signalled else SystemError), stop_signal() as stop:
        stop.number = signal.SIGINT if signalled else None
        raise SystemError("returned a result with an exception set")


@BOTH
def test_a_signal_just_before_tune_listens_keeps_its_name(number: signal.Signals):
    with stop_signal() as stop, stop.tuning(), pytest.raises(SweepInterruptedError, match=number.name) as error:
        os.kill(os.getpid(), number)
    assert (error.value.exit_code, stop.number) == (128 + number, number)


def test_the_writer_can_stop_tune_from_its_thread_but_only_while_it_runs():
    with stop_signal() as stop, tune_listening() as heard:
        for in_time in (False, True):
            thread = threading.Thread(target=stop.interrupt_tune)
            if in_time:
                with stop.tuning():
                    thread.start()
                    thread.join()
            else:
                thread.start()
                thread.join()
        stop.check()  # it is no signal of the user's
    assert heard == [signal.SIGUSR1]


@BOTH
def test_signals_that_ray_took_for_itself_are_taken_back(number: signal.Signals):
    with stop_signal() as stop:
        signal.signal(number, signal.SIG_IGN)
        stop.listen()
        with pytest.raises(SweepInterruptedError):
            os.kill(os.getpid(), number)


def test_a_signal_while_ray_starts_has_its_code_too():
    with pytest.raises(SweepInterruptedError, match="stopped by SIGTERM") as error, stop_signal():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))  # as ray.init does
        os.kill(os.getpid(), signal.SIGTERM)
    assert error.value.exit_code == 143


def test_the_handlers_of_before_are_put_back():
    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in handled]
    with stop_signal():
        assert all(signal.getsignal(number) not in before for number in handled[:1])
    assert [signal.getsignal(number) for number in handled] == before


def test_without_signals_nothing_is_raised():
    with stop_signal() as stop:
        stop.check()


def test_in_another_thread_no_signal_is_handled():
    numbers: list[int | None] = []

    def run() -> None:
        with stop_signal() as stop:
            numbers.append(stop.number)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert numbers == [None]

"""What the driver itself costs: its CPU and memory per trial, and the share of a sweep's time spent writing durably.

    python -m benchmarks.driver --sweeps 24x20 --pending 100 500 --json

Runs sweeps (trials × epochs) of the digits, small model, TMC, K = 5, one trial a pack, each from a driver that is a
process of its own, with a home of its own; those of `--pending` trials only until their first epoch is on disk, so that
what a trial costs that waits is their difference. Writing is everything between a message's arrival and its answer:
rows and checkpoints encoded, written aside, flushed and renamed.
"""

import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict
from unittest.mock import patch

from benchmarks import command
from benchmarks.sweep import SEARCH_SPACE


class Row(TypedDict):
    """One sweep."""

    trials: int
    epochs: int | None  # of each; None: stopped after the first
    wall_seconds: float
    first_epoch_seconds: float  # until the first epoch was on disk
    writing_percent: float  # of wall time
    driver_cpu_seconds: float
    driver_mib: float  # most resident memory


class Delivery(NamedTuple):
    """Messages that were applied and made durable together."""

    ended: float
    seconds: float
    rows: bool  # whether there were epochs among them


def rows(
    sweeps: Annotated[Sequence[str], "trials x epochs"] = ("24x20",),
    pending: Annotated[Sequence[int], "trials of sweeps that are stopped"] = (100, 500),
) -> Iterator[Row]:
    """Each sweep, from a process of its own."""
    both = [[*map(int, size.split("x"))] for size in sweeps]
    sizes = [*((trials, epochs) for trials, epochs in both), *((trials, None) for trials in pending)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as fresh:
        for size in sizes:
            yield fresh.submit(measure, *size).result()


def measure(trials: int, epochs: int | None) -> Row:
    """One sweep, driven by this process, which must not have imported Ray; without `epochs` until the first."""
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        os.environ |= {"HOME": folder, "RAY_ADDRESS": "local"}
        from tmc_sweep import read_epochs
        from tmc_sweep.errors import SweepInterruptedError
        from tmc_sweep.space.load import parse
        from tmc_sweep.sweep import runner
        from tmc_sweep.sweep.writer import Writer

        space = parse(SEARCH_SPACE.format(trials=trials, epochs=epochs or 100), "overhead.yaml")
        deliveries: list[Delivery] = []
        cpu_before, started = time.process_time(), time.perf_counter()
        deliver = _timed(Writer.deliver, deliveries, stop_at_rows=epochs is None)
        with patch.object(Writer, "deliver", deliver), suppress(SweepInterruptedError):
            runner.run(space, Path(folder) / "results")
        wall_seconds = time.perf_counter() - started
        if epochs and len(table := read_epochs(Path(folder) / "results" / "overhead")) != trials * epochs:
            raise SystemExit(f"the sweep must have {trials * epochs} epochs, but has {len(table)}")
        return {
            "trials": trials,
            "epochs": epochs,
            "wall_seconds": wall_seconds,
            "first_epoch_seconds": next(delivery.ended for delivery in deliveries if delivery.rows) - started,
            "writing_percent": 100 * sum(delivery.seconds for delivery in deliveries) / wall_seconds,
            "driver_cpu_seconds": time.process_time() - cpu_before,
            "driver_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        }


def _timed(deliver: Callable[..., Any], deliveries: list[Delivery], *, stop_at_rows: bool) -> Callable[..., Any]:
    @wraps(deliver)
    def timed(writer: Any, messages: list[Any]) -> Any:
        started = time.perf_counter()
        replies = deliver(writer, messages)
        ended = time.perf_counter()
        rows = any(getattr(message, "records", ()) for message in messages)
        deliveries.append(Delivery(ended, ended - started, rows))
        if rows and stop_at_rows:
            os.kill(os.getpid(), signal.SIGINT)
        return replies

    return timed


main = command.of(rows)

if __name__ == "__main__":
    main()

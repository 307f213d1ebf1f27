"""What the driver itself costs: its CPU and memory per trial, and the share of a sweep's time spent writing durably.

    python -m benchmarks.driver --sweeps 24x100 100x1 500x1 --json

Runs sweeps (trials × epochs) of the digits, small model, TMC, K = 5, one trial a pack, each from a driver that is a
process of its own, with a home of its own. Writing is everything between a letter's arrival and its answer: rows and
checkpoints encoded, written aside, flushed and renamed.
"""

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypedDict
from unittest.mock import patch

from benchmarks import command
from benchmarks.sweep import SEARCH_SPACE


class Row(TypedDict):
    """One sweep."""

    trials: int
    epochs: int
    wall_seconds: float
    first_epoch_seconds: float  # until the first epoch was on disk
    writing_percent: float  # of wall time
    driver_cpu_seconds: float
    driver_mib: float  # most resident memory


class Delivery(NamedTuple):
    """Letters that were applied and made durable together."""

    ended: float
    seconds: float
    rows: bool  # whether there were epochs among them


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sweeps and print a table, or JSON."""
    parser = command.parser(__doc__, rounds=None)
    parser.add_argument("--sweeps", nargs="+", default=["24x100", "100x1", "500x1"], help="trials x epochs")
    options = command.parse(parser, arguments)
    sizes = [tuple(map(int, size.split("x"))) for size in options.sweeps]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as fresh:
        command.show([fresh.submit(measure, *size).result() for size in sizes], as_json=options.json)


def measure(trials: int, epochs: int) -> Row:
    """One sweep, driven by this process, which must not have imported Ray."""
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        os.environ |= {"HOME": folder, "RAY_ADDRESS": "local"}
        from tmc_sweep.space.load import parse
        from tmc_sweep.sweep import runner
        from tmc_sweep.sweep.writer import Writer

        space = parse(SEARCH_SPACE.format(trials=trials, epochs=epochs), "overhead.yaml")
        deliveries: list[Delivery] = []
        cpu_before, started = time.process_time(), time.perf_counter()
        with patch.object(Writer, "deliver", _timed(Writer.deliver, deliveries)):
            result = runner.run(space, Path(folder) / "results")
        wall_seconds = time.perf_counter() - started
        if result.failed or len(result.trials) != trials:
            raise SystemExit(f"all {trials} trials must be done, but {len(result.failed)} failed")
        return {
            "trials": trials,
            "epochs": epochs,
            "wall_seconds": wall_seconds,
            "first_epoch_seconds": next(delivery.ended for delivery in deliveries if delivery.rows) - started,
            "writing_percent": 100 * sum(delivery.seconds for delivery in deliveries) / wall_seconds,
            "driver_cpu_seconds": time.process_time() - cpu_before,
            "driver_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        }


def _timed(deliver: Callable[..., Any], deliveries: list[Delivery]) -> Callable[..., Any]:
    @wraps(deliver)
    def timed(writer: Any, letters: list[Any]) -> Any:
        started = time.perf_counter()
        replies = deliver(writer, letters)
        ended = time.perf_counter()
        deliveries.append(Delivery(ended, ended - started, any(getattr(letter, "records", ()) for letter in letters)))
        return replies

    return timed


if __name__ == "__main__":
    main()

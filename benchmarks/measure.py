"""What is measured: process CPU time, without the time that other processes take, and live bytes of tensors."""

import statistics
import time
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

Run = Callable[[], object]


def cpu_ms(*runs: Run, rounds: int) -> list[float]:
    """Median CPU milliseconds of each; after one run each to warm up, they take turns."""
    for run in runs:
        run()
    measured: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, times in zip(runs, measured, strict=True):
            started = time.process_time()
            run()
            times.append(1e3 * (time.process_time() - started))
    return [statistics.median(times) for times in measured]


def peak_bytes(run: Run) -> int:
    """Most bytes of tensors alive at once during a run, above what was alive before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    results = profiler.profiler.kineto_results
    changes = [(event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]"]
    live = peak = 0
    for _, change in sorted(changes):
        live += change
        peak = max(peak, live)
    return peak

"""What a sweep costs over its training: Ray's start and stop, scheduling, tables and checkpoints.

    python -m benchmarks.sweep --trials 24 --epochs 100 --json

Runs `tmc-sweep run` on the digits (small model, TMC, K = 5, one trial a pack), with a home and results of its own, and
compares its wall time with the epochs' own seconds, shared by as many slots as there are cores. Where the rest goes:
until the first epoch, after the last, and between the epochs of each process.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypedDict

import joblib
import pandas as pd

from benchmarks import command
from tmc_sweep import read_epochs
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.read import read_attempts

SEARCH_SPACE = """\
version: 1
name: overhead
base: {{data: digits, objective: tmc, K: 5, epochs: {epochs}}}
seeds: {trials}
resources: {{cpu: 1, gpu: 0, pack: 1}}
"""


class Row(TypedDict):
    """One sweep."""

    trials: int
    epochs: int
    slots: int
    wall_seconds: float
    training_seconds: float  # of all epochs, over slots
    overhead_percent: float
    first_epoch_seconds: float  # until the first epoch of all had ended
    last_epoch_seconds: float  # after the last one
    between_epochs_ms: float | None  # of a trial, mean
    between_packs_seconds: float | None  # of a process, mean


def rows(trials: Annotated[int, "of the sweep"] = 24, epochs: Annotated[int, "of each trial"] = 100) -> Iterator[Row]:
    """The one sweep."""
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        yield measure(trials, epochs, Path(folder))


def measure(trials: int, epochs: int, folder: Path) -> Row:
    """Run one sweep in an empty folder."""
    file = folder / "overhead.yaml"
    file.write_text(SEARCH_SPACE.format(trials=trials, epochs=epochs))
    started, clock = datetime.now(UTC), time.perf_counter()
    run(file, folder)
    wall_seconds, ended = time.perf_counter() - clock, datetime.now(UTC)
    table = read_epochs(folder / "overhead")
    if len(table) != trials * epochs:
        raise SystemExit(f"the sweep must have {trials * epochs} epochs, but has {len(table)}")
    slots = min(joblib.cpu_count(), trials)
    training_seconds = float(table["epoch_seconds"].sum()) / slots
    between_epochs, between_packs = pauses(table, read_attempts(SweepPaths(folder, "overhead")))
    return {
        "trials": trials,
        "epochs": epochs,
        "slots": slots,
        "wall_seconds": wall_seconds,
        "training_seconds": training_seconds,
        "overhead_percent": 100 * (wall_seconds / training_seconds - 1),
        "first_epoch_seconds": (table["time"].min() - started).total_seconds(),
        "last_epoch_seconds": (ended - table["time"].max()).total_seconds(),
        "between_epochs_ms": between_epochs and 1e3 * between_epochs,
        "between_packs_seconds": between_packs,
    }


def pauses(epochs: pd.DataFrame, attempts: pd.DataFrame) -> tuple[float | None, float | None]:
    """Mean seconds that a process spends between two epochs of one trial, and of two; None where there are none."""
    frame = epochs.merge(attempts[["trial_id", "process"]], on="trial_id").sort_values("time")
    before = frame.groupby("process")[["trial_id", "time"]].shift()
    pause = (frame["time"] - before["time"]).dt.total_seconds() - frame["epoch_seconds"]
    of_one = frame["trial_id"] == before["trial_id"]
    means = (pause[of_one].mean(), pause[~of_one].mean())  # a process's first epoch has none before it
    within, between = (None if math.isnan(mean) else float(mean) for mean in means)
    return within, between


def run(file: Path, results: Path) -> None:
    """`tmc-sweep run`, with a home of its own and a Ray of its own; SystemExit unless it ends well."""
    tmc_sweep = Path(sys.executable).with_name("tmc-sweep")
    environment = {**os.environ, "HOME": str(results), "RAY_ADDRESS": "local"}
    ended = subprocess.run(
        [tmc_sweep, "run", file, "--results", results, "--quiet"], env=environment, capture_output=True, text=True
    )
    if ended.returncode:
        raise SystemExit(f"the sweep must end well, but ended with {ended.returncode}: {ended.stderr}")


main = command.of(rows)

if __name__ == "__main__":
    main()

"""A large sweep's table: written through the store, read whole by plain pandas, summarised.

    python -m benchmarks.tables --trials 10000 --epochs 1200 --json

Beside it the same rows as one file a trial. Reading and summarising are done in a process of their own, whose most
resident memory is reported.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypedDict

from benchmarks import command, curves
from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EpochRecord
from tmc_sweep.store.epochs import TRIALS_PER_PART, EpochTable
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import to_parquet
from tmc_sweep.store.parts import TrialRows, to_table
from tmc_sweep.store.trials import TrialTable

READ = """
import json, resource, sys, time
import pandas as pd
import tmc_sweep

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

started = time.perf_counter()
rows = len(pd.read_parquet(sys.argv[1]))
read = time.perf_counter()
read_peak = peak()
tmc_sweep.summarize(sys.argv[1])
print(json.dumps({"rows": rows, "read_seconds": read - started, "summarise_seconds": time.perf_counter() - read,
                  "read_peak_bytes": read_peak}))
"""


class Row(TypedDict):
    """One layout."""

    trials_per_file: int
    trials: int
    epochs: int
    rows: int
    files: int
    size_bytes: int
    write_seconds: float
    read_seconds: float
    read_peak_bytes: int
    summarise_seconds: float


def rows(
    trials: Annotated[int, "of the sweep"] = 10_000, epochs: Annotated[int, "of each trial"] = 1_200
) -> Iterator[Row]:
    """Both layouts."""
    configs, records = curves.trials(trials), curves.curve(epochs)
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        for name, per_file, store in (("parts", TRIALS_PER_PART, _stored), ("files", 1, _one_file_a_trial)):
            table, seconds = store(SweepPaths(Path(folder), name), configs, records)
            yield measure(per_file, table, seconds, trials, epochs)


def measure(trials_per_file: int, table: Path, write_seconds: float, trials: int, epochs: int) -> Row:
    """What is there, and what reading it takes."""
    files = [path.stat().st_size for path in table.iterdir()]
    reader = subprocess.run([sys.executable, "-c", READ, table], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(reader.stdout)
    return {
        "trials_per_file": trials_per_file,
        "trials": trials,
        "epochs": epochs,
        "rows": found["rows"],
        "files": len(files),
        "size_bytes": sum(files),
        "write_seconds": write_seconds,
        "read_seconds": found["read_seconds"],
        "read_peak_bytes": found["read_peak_bytes"],
        "summarise_seconds": found["summarise_seconds"],
    }


def _stored(paths: SweepPaths, configs: Sequence[TrialConfig], records: list[EpochRecord]) -> tuple[Path, float]:
    started, table = time.perf_counter(), EpochTable.open(paths)
    for number, config in enumerate(configs, start=1):
        table.add(config, [*curves.named(records, config)])
        if number % TRIALS_PER_PART == 0 or number == len(configs):
            table.commit()
    seconds = time.perf_counter() - started
    _enter_trials(paths, configs, records)
    return paths.epochs, seconds


def _one_file_a_trial(
    paths: SweepPaths, configs: Sequence[TrialConfig], records: list[EpochRecord]
) -> tuple[Path, float]:
    started, sweep_id = time.perf_counter(), open_manifest(paths).sweep_id
    paths.epochs.mkdir(parents=True)
    for number, config in enumerate(configs):
        rows = TrialRows.of(config)
        rows.put([*curves.named(records, config)])
        paths.part(number).write_bytes(to_parquet(to_table([rows]), sweep_id))
    seconds = time.perf_counter() - started
    _enter_trials(paths, configs, records)
    return paths.epochs, seconds


def _enter_trials(paths: SweepPaths, configs: Sequence[TrialConfig], records: list[EpochRecord]) -> None:
    """The trial table, without which no sweep is whole."""
    table = TrialTable.open(paths)
    table.ensure(configs)
    for config in configs:
        table.update(config.trial_id, status="done", epochs_done=len(records))
    table.commit()


main = command.of(rows)

if __name__ == "__main__":
    main()

"""A large sweep's table: written through the store, read whole by plain pandas and by `read_epochs`, summarised.

    python -m benchmarks.tables --trials 10000 --epochs 1200 --json

Beside it the same rows as one file a trial. Each reading has a process of its own, whose most resident memory is
reported.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

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

read = {"plain": pd.read_parquet, "read_epochs": tmc_sweep.read_epochs, "summarize": tmc_sweep.summarize}[sys.argv[1]]
started = time.perf_counter()
rows = len(read(sys.argv[2]))
seconds = time.perf_counter() - started
print(json.dumps([rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
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
    read_epochs_seconds: float
    read_epochs_peak_bytes: int
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
    (rows, *plain), (_, *ours), (_, seconds, _) = (_read(how, table) for how in ("plain", "read_epochs", "summarize"))
    return {
        "trials_per_file": trials_per_file,
        "trials": trials,
        "epochs": epochs,
        "rows": rows,
        "files": len(files),
        "size_bytes": sum(files),
        "write_seconds": write_seconds,
        "read_seconds": plain[0],
        "read_peak_bytes": plain[1],
        "read_epochs_seconds": ours[0],
        "read_epochs_peak_bytes": ours[1],
        "summarise_seconds": seconds,
    }


def _read(how: str, table: Path) -> list[Any]:
    """Rows of the frame, seconds and most resident bytes."""
    reader = subprocess.run([sys.executable, "-c", READ, how, table], stdout=subprocess.PIPE, text=True, check=True)
    found: list[Any] = json.loads(reader.stdout)
    return found


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

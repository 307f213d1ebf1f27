"""One group commit: a full part of 64 trials rewritten, flushed and renamed, because one of them has a new epoch.

python -m benchmarks.commit --epochs 1200 --json
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypedDict

from benchmarks import command
from benchmarks.curves import curve, named, trials
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.epochs import TRIALS_PER_PART, EpochTable


class Row(TypedDict):
    """One length of trials."""

    trials: int
    epochs: int
    part_bytes: int
    commit_ms: float  # wall, median
    slowest_ms: float


def rows(
    epochs: Annotated[Sequence[int], "of each trial of the part"] = (60, 1200), rounds: command.Rounds = 21
) -> Iterator[Row]:
    """A row for each length."""
    return (measure(each, rounds) for each in epochs)


def measure(epochs: int, rounds: int) -> Row:
    """One part, committed again after each new epoch of its first trial."""
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        paths = SweepPaths(Path(folder), "commit")
        table, configs, records = EpochTable.open(paths), trials(TRIALS_PER_PART), curve(epochs + rounds)
        for config in configs:
            table.add(config, [*named(records[:epochs], config)])
        table.commit()
        ms = []
        for record in named(records[epochs:], configs[0]):
            table.add(configs[0], [record])
            started = time.perf_counter()
            table.commit()
            ms.append(1e3 * (time.perf_counter() - started))
        return {
            "trials": TRIALS_PER_PART,
            "epochs": epochs,
            "part_bytes": paths.part(0).stat().st_size,
            "commit_ms": statistics.median(ms),
            "slowest_ms": max(ms),
        }


main = command.of(rows)

if __name__ == "__main__":
    main()

"""One group commit: a full part of 64 trials rewritten, flushed and renamed, because one of them has a new epoch.

python -m benchmarks.commit --epochs 1200 --json
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table, or JSON."""
    parser = command.parser(__doc__, rounds=21)
    parser.add_argument("--epochs", nargs="+", type=int, default=[60, 1200], help="of each trial of the part")
    options = command.parse(parser, arguments)
    command.show([measure(epochs, options.rounds) for epochs in options.epochs], as_json=options.json)


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


if __name__ == "__main__":
    main()

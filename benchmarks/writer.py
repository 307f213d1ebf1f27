"""What the one writer can take, without Ray: reports of trials that train at once, applied, committed and durable.

    python -m benchmarks.writer --trials 16 256 2000 --epochs 0 200 --json

In each round every trial reports its next epoch, and all of them are one delivery, as messages of one half second are.
With `--checkpoints` each report has a checkpoint too, of the small model on MNIST: its size is what matters.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from benchmarks import command
from benchmarks.curves import curve, named, trials
from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EpochRecord, Provenance
from tmc_sweep.store.messages import Report, StartTrial
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.writer import Writer
from tmc_sweep.training import TrialState, encode


class Row(TypedDict):
    """One number of trials at once."""

    trials: int
    epochs: int  # of each, stored before
    delivery_seconds: float  # median
    rows_per_second: float
    checkpoint_bytes: int  # of one
    checkpoint_mib_per_second: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table, or JSON."""
    parser = command.parser(__doc__, rounds=5)
    parser.add_argument("--trials", nargs="+", type=int, default=[16, 256, 2000], help="that report at once")
    parser.add_argument("--epochs", nargs="+", type=int, default=[0, 200], help="of each, stored before")
    parser.add_argument("--checkpoints", nargs="*", type=int, default=[16], help="trials whose reports have one too")
    options = command.parse(parser, arguments)
    rows = [measure(count, epochs, b"", options.rounds) for count in options.trials for epochs in options.epochs]
    payload = encode(TrialState.initial(TrialConfig.parse({"data": "mnist"})))
    rows += [measure(count, 0, payload, options.rounds) for count in options.checkpoints]
    command.show(rows, as_json=options.json)


def measure(count: int, epochs: int, payload: bytes, rounds: int) -> Row:
    """Rounds of one report of each trial."""
    configs, records = trials(count), curve(epochs + rounds)
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        writer = Writer(Recorder.open(SweepPaths(Path(folder), "writer"), configs), configs, None, _held, _going)
        writer.deliver([_begin(config) for config in configs])
        writer.deliver([_report(config, records[:epochs]) for config in configs] if epochs else [])
        seconds = []
        for record in records[epochs:]:
            messages = [replace(_report(config, [record]), checkpoint=payload or None) for config in configs]
            started = time.perf_counter()
            writer.deliver([*messages])
            seconds.append(time.perf_counter() - started)
        writer.close()
    delivery_seconds = statistics.median(seconds)
    return {
        "trials": count,
        "epochs": epochs,
        "delivery_seconds": delivery_seconds,
        "rows_per_second": count / delivery_seconds,
        "checkpoint_bytes": len(payload),
        "checkpoint_mib_per_second": count * len(payload) / 2**20 / delivery_seconds,
    }


def _begin(config: TrialConfig) -> StartTrial:
    return StartTrial(
        trial_id=config.trial_id,
        pack=(config.trial_id,),
        n_parameters=0,
        data_checksum="",
        provenance=Provenance("", "cpu", 1, "eager", ""),
    )


def _report(config: TrialConfig, records: list[EpochRecord]) -> Report:
    return Report(config.trial_id, 1, tuple(named(records, config)))


def _held() -> None:
    """The lock is ours."""


def _going() -> bool:
    return False


if __name__ == "__main__":
    main()

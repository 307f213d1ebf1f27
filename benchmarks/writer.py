"""What the one writer can take, without Ray: reports of trials that train at once, applied, committed and durable.

    python -m benchmarks.writer --trials 16 256 2000 --epochs 0 200 --json

In each round every trial reports its next epoch, and all of them are one delivery, as messages of one half second are.
With `--checkpoints` each report has a checkpoint too, of the small model on MNIST: its size is what matters.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated, TypedDict

from benchmarks import command, curves
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


def rows(
    trials: Annotated[Sequence[int], "that report at once"] = (16, 256, 2000),
    epochs: Annotated[Sequence[int], "of each, stored before"] = (0, 200),
    checkpoints: Annotated[Sequence[int], "trials whose reports have one too"] = (16,),
    rounds: command.Rounds = 5,
) -> Iterator[Row]:
    """Each combination, then those with checkpoints."""
    yield from (measure(count, before, b"", rounds) for count, before in product(trials, epochs))
    payload = encode(TrialState.initial(TrialConfig.parse({"data": "mnist"})))
    yield from (measure(count, 0, payload, rounds) for count in checkpoints)


def measure(count: int, epochs: int, payload: bytes, rounds: int) -> Row:
    """Rounds of one report of each trial."""
    configs, records = curves.trials(count), curves.curve(epochs + rounds)
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
    return Report(config.trial_id, 1, tuple(curves.named(records, config)))


def _held() -> None:
    """The lock is ours."""


def _going() -> bool:
    return False


main = command.of(rows)

if __name__ == "__main__":
    main()

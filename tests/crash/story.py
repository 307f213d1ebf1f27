"""A sweep of two trials in two parts, as its writer sees it, that goes on from wherever it finds its files."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count

import pandas as pd
from twin import small

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import OUTCOME_COLUMNS, EpochRecord, Provenance
from tmc_sweep.store import files
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.messages import Message, Reply, Report, Started, StartTrial
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.store.trials import missing
from tmc_sweep.sweep.writer import Writer

EPOCHS = 4
TRIALS_PER_PART = 1
TRIALS = [small(seed=seed, epochs=EPOCHS) for seed in range(2)]  # trained together
CHECKPOINTS = (1, 3, 4)  # a crash may lose an epoch, and the oldest is removed

Rows = dict[tuple[str, int], float]


def value(trial_id: str, epoch: int) -> float:
    """What training this epoch gives, whenever it is trained."""
    return -int(hashlib.sha256(f"{trial_id} {epoch}".encode()).hexdigest()[:8], 16) / 2**24


EXPECTED: Rows = {(c.trial_id, epoch): value(c.trial_id, epoch) for c in TRIALS for epoch in range(1, EPOCHS + 1)}


def record(trial_id: str, epoch: int, attempt: int) -> EpochRecord:
    fields = dict.fromkeys(OUTCOME_COLUMNS, value(trial_id, epoch))
    spent = {"epoch_seconds": 1.0, "eval_seconds": 0.5, "peak_memory_bytes": 1}
    return EpochRecord(
        trial_id=trial_id, epoch=epoch, attempt=attempt, time=datetime(2025, 1, 1, tzinfo=UTC), **fields, **spent
    )


def run(paths: SweepPaths, acknowledged: Rows, tries: int = 3) -> None:
    """Train what is missing, noting what is acknowledged; StorageError if the storage fails as often as it is tried.

    By the writer of a real sweep, which waits for storage no longer once it has been tried so often.
    """
    with sweep_lock(paths) as check_held:
        open_manifest(paths, "name: tiny\n")
        recorder = Recorder.open(paths, TRIALS)
        left = missing(TRIALS, {config.trial_id: recorder.row(config.trial_id) for config in TRIALS})
        writer = Writer(recorder, TRIALS, None, check_held, stopping_after(tries))
        try:
            _train(left, partial(_deliver, writer, acknowledged))
        finally:
            writer.close()


def stopping_after(tries: int) -> Callable[[], bool]:
    """Whether the sweep is to stop, which who waits for storage asks after each failure."""
    failures = count(1)
    return lambda: next(failures) >= tries


def _deliver(writer: Writer, acknowledged: Rows, messages: Sequence[Message]) -> list[Reply]:
    replies = writer.deliver([*messages])
    for message in messages:
        if isinstance(message, Report):
            acknowledged |= {(row.trial_id, row.epoch): row.test_objective for row in message.records}
    return replies


def _train(pack: Sequence[TrialConfig], deliver: Callable[[Sequence[Message]], list[Reply]]) -> None:
    if not pack:
        return
    names = tuple(config.trial_id for config in pack)
    means = Provenance("host", "cpu", 1, "eager", "versions")
    begun = deliver([StartTrial(name, names, 7, "sum", means) for name in names])
    members = [_Member(name, reply) for name, reply in zip(names, begun, strict=True) if isinstance(reply, Started)]
    deliver(list(chain.from_iterable(member.again() for member in members)))
    for epoch in range(1, EPOCHS + 1):
        deliver(list(chain.from_iterable(member.train(epoch) for member in members)))


class _Member:
    """A trial in training; its checkpoint is its history."""

    def __init__(self, trial_id: str, begun: Started) -> None:
        history = json.loads(begun.checkpoint) if begun.checkpoint else []
        self._trial_id, self._attempt = trial_id, begun.attempt
        self._history = [EpochRecord.from_json(row) for row in history]

    def again(self) -> Iterable[Report]:
        if self._history:
            yield Report(self._trial_id, self._attempt, tuple(self._history))

    def train(self, epoch: int) -> Iterable[Report]:
        if epoch > len(self._history):
            self._history.append(record(self._trial_id, epoch, self._attempt))
            state = json.dumps([row.to_json() for row in self._history]).encode() if epoch in CHECKPOINTS else None
            yield Report(self._trial_id, self._attempt, (self._history[-1],), state)


def violations(paths: SweepPaths, acknowledged: Rows) -> list[str]:
    """What a plain reader sees that it must not, or does not see that it must."""
    if not paths.epochs.exists():
        return ["the table is gone"] if acknowledged else []
    try:
        frame = pd.read_parquet(paths.epochs, columns=["trial_id", "epoch", *OUTCOME_COLUMNS])
    except Exception as error:
        return [f"unreadable: {str(error)[:80]}"]
    found = []
    if (frame.groupby("trial_id").cumcount() + 1 != frame["epoch"]).any():
        found.append("a trial's epochs are not 1, 2, 3, ... once each")
    stored = {(trial_id, epoch): values for trial_id, epoch, *values in frame.itertuples(index=False)}
    found += [f"lost: {key}" for key in acknowledged if key not in stored]
    kept = {config.trial_id for config in TRIALS if files.names(paths.checkpoints / config.trial_id)}
    found += [f"no checkpoint: {name}" for name, epoch in acknowledged if epoch in CHECKPOINTS and name not in kept]
    found += [f"other bits: {key}" for key, values in stored.items() if {*values} != {EXPECTED[key]}]
    return found

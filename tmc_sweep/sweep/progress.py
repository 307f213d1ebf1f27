"""How far a running sweep is: its durable epochs, and how long the rest should take. Views draw it."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import ENDED, EpochRecord, Status
from tmc_sweep.statistics.pace import Paces, estimate, lasted


@dataclass(frozen=True)
class TrialProgress:
    """How far one trial is."""

    config: TrialConfig
    status: Status
    last: EpochRecord | None  # its last durable epoch
    reason: str | None = None  # why it diverged, failed or stopped
    members: int = 1  # trials of its pack, this one included

    @property
    def epochs_left(self) -> int:
        """Epochs still to train, if no stopping rule ends it before; 0 once it has ended."""
        return 0 if self.status in ENDED else self.config.epochs - (self.last.epoch if self.last else 0)


@dataclass(frozen=True)
class Snapshot:
    """The sweep at one moment."""

    trials: tuple[TrialProgress, ...]
    elapsed_seconds: float  # of this run
    remaining_seconds: float | None  # an estimate; None if nothing is known
    n_to_choose: int = 0  # trials that an adaptive search has yet to choose

    def with_status(self, *statuses: Status) -> tuple[TrialProgress, ...]:
        """The trials that have one of these statuses."""
        return tuple(trial for trial in self.trials if trial.status in statuses)


Listener = Callable[[Snapshot], None]


class Progress:
    """How far a sweep is, kept up to date by the writer's thread, and read by any thread."""

    def __init__(self, trials: Sequence[TrialProgress], expected: int = 0, recorded: Paces | None = None) -> None:
        """The progress of these trials, and of those still to come until there are `expected`.

        `recorded` has the paces of earlier runs; a cell's counts until this run has an epoch of the cell, since
        machines differ. `slots` may be set to how many processes will train at once, when that is certain.
        """
        self.slots = 0
        self._lock = threading.Lock()
        self._trials = {trial.config.trial_id: trial for trial in trials}
        self._expected = expected
        self._paces = recorded or Paces()
        self._recorded = set(self._paces)
        self._started = time.monotonic()

    def update(self, trial: TrialProgress, new: Sequence[EpochRecord] = ()) -> None:
        """Set how far one trial is; `new` are its newly trained epochs, from which its cell's pace is learnt."""
        with self._lock:
            known = self._trials.get(trial.config.trial_id)
            before = known.last if known else None
            self._trials[trial.config.trial_id] = trial
            cell = trial.config.cell_id
            if new and cell in self._recorded:
                self._recorded.remove(cell)
                del self._paces[cell]
            for record in new:
                seconds = lasted(record.epoch_seconds, _seconds_between(before, record)).item()
                self._paces[cell].add(seconds / trial.members)
                before = record

    def snapshot(self) -> Snapshot:
        """The sweep now."""
        with self._lock:
            trials = tuple(self._trials.values())
            to_choose = max(0, self._expected - len(trials))
            remaining = self._remaining_seconds(trials, to_choose)
        return Snapshot(trials, time.monotonic() - self._started, remaining, to_choose)

    def _remaining_seconds(self, trials: Sequence[TrialProgress], to_choose: int) -> float | None:
        """How long the rest should take, what is running first, on as many processes as train now or will train.

        Trials that are not yet chosen are taken to be as the others, and those that a scheduler may stop to train to
        their end.
        """
        running = [trial for trial in trials if trial.status is Status.RUNNING]
        pending = [trial for trial in trials if trial.status is Status.PENDING]
        jobs = [[(trial.config.cell_id, trial.epochs_left)] for trial in running + pending]
        jobs += [[("", trials[0].config.epochs)]] * to_choose if trials else []
        slots = max(_processes(running), min(self.slots, _processes(running + pending)))
        found = estimate(jobs, self._paces, slots)
        known = found and self._paces and (running or slots or not jobs)
        return found.wall_seconds if found and known else None


def _processes(trials: Sequence[TrialProgress]) -> int:
    return round(sum(1 / trial.members for trial in trials))


def _seconds_between(before: EpochRecord | None, record: EpochRecord) -> float:
    """Seconds from the end of the epoch before to this one's; NaN if they were not trained one after the other."""
    if before is None or (before.attempt, before.epoch + 1) != (record.attempt, record.epoch):
        return math.nan
    return (record.time - before.time).total_seconds()

"""How far a sweep is: what is durable, and how long the rest should take. Views draw it; nothing here prints."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import EpochRecord, Status


@dataclass(frozen=True)
class TrialProgress:
    """One trial: its status and its last durable epoch."""

    config: TrialConfig
    status: Status
    last: EpochRecord | None
    reason: str | None = None

    @property
    def epochs_left(self) -> int:
        """Epochs still to train, were it to train to its end."""
        ended = self.status in (Status.DIVERGED, Status.FAILED, Status.STOPPED, Status.DONE)
        return 0 if ended else self.config.epochs - (self.last.epoch if self.last else 0)


@dataclass(frozen=True)
class Snapshot:
    """The sweep at one moment."""

    trials: tuple[TrialProgress, ...]
    elapsed_seconds: float
    remaining_seconds: float | None

    def with_status(self, *statuses: Status) -> tuple[TrialProgress, ...]:
        """The trials that stand so."""
        return tuple(trial for trial in self.trials if trial.status in statuses)


Listener = Callable[[Snapshot], None]


class Progress:
    """Kept by the writer's thread, read by any."""

    def __init__(self, trials: Sequence[TrialProgress]) -> None:
        self._lock = threading.Lock()
        self._trials = {trial.config.trial_id: trial for trial in trials}
        self._pace: dict[str, _Pace] = defaultdict(_Pace)
        self._started = time.monotonic()

    def update(self, trial: TrialProgress, new: Sequence[EpochRecord] = ()) -> None:
        """Set one trial, and learn from its newly trained epochs how long one takes."""
        with self._lock:
            self._trials[trial.config.trial_id] = trial
            for pace in (self._pace[trial.config.cell_id], self._pace[_ANY_CELL]) if new else ():
                pace.epochs += len(new)
                pace.seconds += sum(record.epoch_seconds for record in new)

    def snapshot(self) -> Snapshot:
        """The sweep now."""
        with self._lock:
            trials = tuple(self._trials.values())
            remaining = self._remaining_seconds(trials)
        return Snapshot(trials, time.monotonic() - self._started, remaining)

    def _remaining_seconds(self, trials: Sequence[TrialProgress]) -> float | None:
        """Epochs left times their cell's mean seconds (all cells' where it has none), over the trials running now."""
        if _ANY_CELL not in self._pace:
            return None
        mean = {cell: pace.seconds / pace.epochs for cell, pace in self._pace.items()}
        work = sum(trial.epochs_left * mean.get(trial.config.cell_id, mean[_ANY_CELL]) for trial in trials)
        return work / max(1, sum(trial.status is Status.RUNNING for trial in trials))


@dataclass
class _Pace:
    epochs: int = 0
    seconds: float = 0.0


_ANY_CELL = ""

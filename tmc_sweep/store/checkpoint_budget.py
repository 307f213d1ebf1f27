"""How much a sweep's checkpoints may take: finished trials give theirs up, the oldest first; others never do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import FINISHED
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.seal import damaged
from tmc_sweep.store.trials import TrialRow, TrialTable

DROPPED = {"checkpoint_epoch": None, "checkpoint": None}  # what the trial table then says
_EVER = datetime.min.replace(tzinfo=UTC)


class CheckpointBudget:
    """Chooses whose checkpoints go, once the trial table no longer names them, and removes them."""

    def __init__(self, checkpoints: CheckpointFiles, gigabytes: float) -> None:
        self._checkpoints = checkpoints
        self._bytes = gigabytes * 1e9
        self._sizes = checkpoints.sizes()
        self._changed = True
        self._finished: set[str] = set()  # who need not keep two of them
        self._chosen: set[str] = set()

    def saved(self, trial_id: str, finished: bool) -> None:
        """A checkpoint of this trial was saved; its last, if the trial is finished."""
        self._sizes[trial_id] = self._checkpoints.size(trial_id)
        self._changed = True
        if finished:
            self._finished.add(trial_id)

    def keep(self, trial_id: str) -> None:
        """This trial is trained again: nothing of it goes."""
        self._finished.discard(trial_id)
        self._chosen.discard(trial_id)

    def choose(self, rows: Iterable[TrialRow]) -> list[str]:
        """The trials whose checkpoints are too much; the caller lets the trial table forget them, then calls `drop`."""
        excess = sum(self._sizes.values()) - self._bytes
        if not self._changed or excess <= 0:
            return []
        self._changed = False
        chosen = []
        for row in sorted((row for row in rows if row["status"] in FINISHED), key=lambda row: row["ended"] or _EVER):
            trial_id = row["trial_id"]
            if excess > 0 and self._sizes.get(trial_id):
                chosen.append(trial_id)
                excess -= self._sizes[trial_id]
        self._chosen.update(chosen)
        return chosen

    def drop(self) -> None:
        """Remove what was chosen, and what finished trials no longer need."""
        while self._finished:
            trial_id = self._finished.pop()
            self._checkpoints.keep_last(trial_id)
            self._sizes[trial_id] = self._checkpoints.size(trial_id)
        while self._chosen:
            trial_id = self._chosen.pop()
            self._checkpoints.drop(trial_id)
            del self._sizes[trial_id]


@dataclass(frozen=True)
class Pruned:
    """What went and what is left, in bytes."""

    trials: int
    freed: int
    left: int


def prune(paths: SweepPaths, gigabytes: float) -> Pruned:
    """Drop checkpoints of finished trials until this is enough for all.

    SweepBusyError if the sweep runs, StorageError if its tables are not whole.
    """
    with sweep_lock(paths):
        EpochTable.open(paths)  # rows that are damaged may need what would go
        if not paths.trials.exists():
            raise damaged(paths.trials, "it is missing")
        table, checkpoints = TrialTable.open(paths), CheckpointFiles(paths)
        before = sum(checkpoints.sizes().values())
        budget = CheckpointBudget(checkpoints, gigabytes)
        chosen = budget.choose(table)
        for trial_id in chosen:
            table.update(trial_id, **DROPPED)
        table.commit()
        budget.drop()
        left = sum(checkpoints.sizes().values())
    return Pruned(len(chosen), before - left, left)

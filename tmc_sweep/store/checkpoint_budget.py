"""How much disk a sweep's checkpoints may take: finished trials give theirs up, the oldest first, and others never.

A run keeps to `resources.checkpoint_gigabytes` by a CheckpointBudget; `prune` does the same once, for a sweep that does
not run. The trial table forgets a checkpoint, durably, before its file goes: it never names a file that is not there.
"""

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

DROPPED = {"checkpoint_epoch": None, "checkpoint": None}  # columns of the trial table once a checkpoint is dropped
_EVER = datetime.min.replace(tzinfo=UTC)  # of a trial whose end is not on record: the oldest


class CheckpointBudget:
    """Chooses whose checkpoints are too much, and removes them once the trial table no longer names them.

    The calls of one round are `choose`, a commit of the trial table by the caller, and `drop`.
    """

    def __init__(self, checkpoints: CheckpointFiles, gigabytes: float) -> None:
        self._checkpoints = checkpoints
        self._bytes = gigabytes * 1e9
        self._sizes = checkpoints.sizes()
        self._changed = True  # whether a look at the sizes may choose anything new
        self._finished: set[str] = set()  # trials of whose two checkpoints one is enough
        self._chosen: set[str] = set()

    def saved(self, trial_id: str, finished: bool) -> None:
        """Take note that a checkpoint of this trial was saved; its last one, if the trial is finished."""
        self._sizes[trial_id] = self._checkpoints.size(trial_id)
        self._changed = True
        if finished:
            self._finished.add(trial_id)

    def keep(self, trial_id: str) -> None:
        """Take note that this trial is trained again: none of its checkpoints goes."""
        self._finished.discard(trial_id)
        self._chosen.discard(trial_id)

    def choose(self, rows: Iterable[TrialRow]) -> list[str]:
        """Those of the trials, by their rows, whose checkpoints are too much; `drop` will remove these.

        Before that, the caller lets the trial table forget them and commits it.
        """
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
        """Remove the checkpoints of the trials chosen, and the older checkpoint of each finished trial."""
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
    """What `prune` removed."""

    trials: int  # whose checkpoints went
    freed: int  # bytes
    left: int  # bytes of checkpoints that are still there


def prune(paths: SweepPaths, gigabytes: float) -> Pruned:
    """Drop checkpoints of finished trials, the oldest first, until all that are left take at most this.

    SweepBusyError if the sweep runs; StorageError, and nothing is dropped, if its tables are not whole.
    """
    with sweep_lock(paths):
        EpochTable.open(paths)  # if it is damaged, `repair` may need the checkpoints that would go
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

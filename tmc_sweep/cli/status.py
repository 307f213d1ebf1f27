"""How far sweeps are, from their tables alone."""

from collections import Counter
from pathlib import Path
from typing import Any

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import CELL_FIELDS, FINISHED, Status
from tmc_sweep.space.schema import Resources
from tmc_sweep.statistics.declared import last_run
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.earlier import earlier_cells
from tmc_sweep.store.read import epochs_to_have, plain_rows, read_trials

_TRIAL_FIELDS = ("trial_id", *CELL_FIELDS, "seed", "status", "attempts", "epochs_done", "epochs", "reason")


def sweep_status(results: Path, name: str) -> dict[str, Any]:
    """How far a sweep is, as JSON values: trials by status, epochs done and to be done, and each trial's state.

    Trials of earlier numerics are counted with all others, and marked as `earlier`. InputError if there is no such
    sweep, StorageError if its tables are damaged.
    """
    paths = SweepPaths(results, name)
    trials = read_trials(paths.epochs)
    finished = trials.loc[trials["status"].isin(FINISHED), "trial_id"]
    checkpoints = CheckpointFiles(paths).sizes()  # of a trial that never had one, none
    counts = Counter(trials["status"])
    earlier = earlier_cells(trials)
    return {
        "name": name,
        "n_trials": len(trials),
        **{f"n_{status}": counts.get(status, 0) for status in Status},
        "n_earlier": int(trials["cell_id"].isin(earlier).sum()),
        "epochs_done": int(trials["epochs_done"].sum()),
        "epochs": epochs_to_have(trials),
        "checkpoint_bytes": sum(checkpoints.values()),
        "n_checkpoints_dropped": sum(checkpoints.get(trial_id) == 0 for trial_id in finished),
        "trials": [
            {**{field: row[field] for field in _TRIAL_FIELDS}, "earlier": row["cell_id"] in earlier}
            for row in plain_rows(trials)
        ],
    }


def declared_gigabytes(paths: SweepPaths) -> float:
    """Gigabytes that the search space, as last run, lets checkpoints take; the default if it is not known."""
    space = last_run(paths)
    return (space.resources if space else Resources()).checkpoint_gigabytes

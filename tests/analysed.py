"""A small sweep on disk, trained without Ray: two bounds, a last latent in a plane, and one trial not yet begun."""

from pathlib import Path

from twin import small, sweep

from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.trials import TrialTable

PLANE = {"architecture": {"latents": [8, 2]}, "epochs": 2, "K": 3}
IWAE, TMC, LATER = small(**PLANE), small(**PLANE, objective="tmc"), small(**PLANE, seed=1)


def store(results: Path) -> SweepPaths:
    """Such a sweep, named tiny."""
    paths = SweepPaths(results, "tiny")
    sweep(paths, [IWAE, TMC], load("digits"))
    with sweep_lock(paths):
        trials = TrialTable.open(paths)
        trials.ensure([LATER])
        trials.commit()
    return paths


def give_foreign_checkpoint(paths: SweepPaths) -> None:
    """TMC's newest checkpoint is now IWAE's, under a name that fits it."""
    checkpoints = CheckpointFiles(paths)
    _, payload = checkpoints.latest(IWAE.trial_id)
    checkpoints.save(TMC.trial_id, 9, payload)

"""Ray Tune, which only schedules: packs in, and why some did not come to their end out. Its state is never read again.

Tune gives up a pack at once, and not after MAX_FAILURES, if its process goes away while another pack's process is being
made ready for it; so it does with several when a node is lost. Those packs get a Tuner of their own in the end.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayActorError
from ray.tune.search import ConcurrencyLimiter

from tmc_sweep.sweep.packs import PackConfig, share
from tmc_sweep.text import last_line

MAX_FAILURES = 3  # of a pack's process, before its trials count as failed
_ROUNDS = 5


def train_all(
    trainable: Any,
    packs: list[PackConfig] | ConcurrencyLimiter,
    scratch: Path,
    stopping: Callable[[], bool],
    *,
    alone: bool = False,
) -> dict[int, str]:
    """Train the packs; the reason, by number, of each that Tune is done with, should it not have come to its end.

    `alone`: one after the other, each in a process of its own.
    """
    reasons: dict[int, str] = {}
    left = packs
    for number in range(_ROUNDS):
        tuner = _tuner(trainable, left, scratch / str(number), alone)
        trials = tuner.fit()._experiment_analysis.trials  # results have lost whose they are if there was none
        reasons |= {trial.config["pack"]["number"]: _reason(_error(trial)) for trial in trials}
        left = [trial.config["pack"] for trial in trials if _given_up_early(trial)]
        if not left or stopping():
            break
    return reasons


def _tuner(trainable: Any, packs: list[PackConfig] | ConcurrencyLimiter, scratch: Path, alone: bool) -> tune.Tuner:
    pending = "auto" if isinstance(packs, list) else str(packs.max_concurrent)  # of a search else one: node after node
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        TUNE_DISABLE_SIGINT_HANDLER="1",
        TUNE_MAX_PENDING_TRIALS_PG=pending,
        TUNE_PRINT_ALL_TRIAL_ERRORS="0",
    )
    return tune.Tuner(
        tune.with_resources(trainable, share),
        param_space={"pack": tune.grid_search(packs)} if isinstance(packs, list) else {},
        tune_config=tune.TuneConfig(reuse_actors=not alone, max_concurrent_trials=1 if alone else None)
        if isinstance(packs, list)
        else tune.TuneConfig(reuse_actors=True, num_samples=-1, search_alg=packs),
        run_config=tune.RunConfig(
            name="tmc_sweep",
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )


def _error(trial: Any) -> Any:
    return (trial.get_pickled_error() or trial.get_error()) if trial.status == "ERROR" else None


def _given_up_early(trial: Any) -> bool:
    return isinstance(_error(trial), RayActorError) and trial.num_failures <= MAX_FAILURES


def _reason(error: Any) -> str:
    if isinstance(error, RayActorError):
        return f"its process died {MAX_FAILURES + 1} times"
    said = last_line(error or "its process ended early") or type(error).__name__
    return re.sub(r"^tmc_sweep\.errors\.\w+: ", "", said)

"""Packs trained by Ray Tune, which only schedules: packs in, and why some did not come to their end out.

Tune's own state is never read again. It gives up a pack at once, and not after MAX_FAILURES, if its process goes away
while another pack's process is being made ready for it; so it does with several when a node is lost. Those packs get a
Tuner of their own in the end.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayActorError
from ray.tune.search import ConcurrencyLimiter, Searcher

from tmc_sweep.images import Images
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.executor import reason_of
from tmc_sweep.sweep.trainable import PackTrainable

MAX_FAILURES = 3  # of a pack's process, before its trials count as failed
_ROUNDS = 5

PackConfig = dict[str, Any]  # what Tune knows of a pack: {"number": ..., "cpu": ..., "gpu": ...}


def trainable(images: Mapping[str, Images], queue: Any, resources: Resources) -> Any:
    """What Tune starts for a pack: a process that trains it, which has the images from Ray and packs from the queue."""
    return tune.with_parameters(PackTrainable, images=images, queue=queue, resources=resources)


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
        ended = _Ended()
        _tuner(trainable, left, scratch / str(number), alone, ended).fit()
        trials = ended.trials
        reasons |= {trial.config["pack"]["number"]: _reason(_error(trial)) for trial in trials}
        left = [trial.config["pack"] for trial in trials if _given_up_early(trial)]
        if not left or stopping():
            break
    return reasons


class _Ended(tune.Callback):
    """Keeps Tune's trials: its results have lost whose they are where nothing was reported."""

    trials: Sequence[Any] = ()

    def on_experiment_end(self, trials: list[Any], **_: Any) -> None:
        """They are complete, also when Tune was interrupted."""
        self.trials = trials


def _tuner(
    trainable: Any, packs: list[PackConfig] | ConcurrencyLimiter, scratch: Path, alone: bool, ended: _Ended
) -> tune.Tuner:
    pending = "auto" if isinstance(packs, list) else str(packs.max_concurrent)  # of a search else one: node after node
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        TUNE_DISABLE_SIGINT_HANDLER="1",
        TUNE_MAX_PENDING_TRIALS_PG=pending,
        TUNE_PRINT_ALL_TRIAL_ERRORS="0",
    )
    return tune.Tuner(
        tune.with_resources(trainable, _share),
        param_space={"pack": tune.grid_search(packs)} if isinstance(packs, list) else {},
        tune_config=tune.TuneConfig(reuse_actors=not alone, max_concurrent_trials=1 if alone else None)
        if isinstance(packs, list)
        else tune.TuneConfig(reuse_actors=True, num_samples=-1, search_alg=packs),
        run_config=tune.RunConfig(
            name="tmc_sweep",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[ended],
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
    return reason_of(error or "its process ended early")


def _share(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What the process of a pack gets."""
    pack = config["pack"]
    return tune.PlacementGroupFactory([{"CPU": pack["cpu"], "GPU": pack["gpu"]}])


def one_after_another(
    first: list[PackConfig],
    next_packs: Callable[[], list[PackConfig]],
    ended: Callable[[int], None],
    at_once: int,
) -> ConcurrencyLimiter:
    """A searcher of these packs, that asks for more when one of so many slots is free, until there are none.

    `ended` is told the number of each whose process has ended well.
    """
    return ConcurrencyLimiter(_PackSearcher(first, next_packs, ended), max_concurrent=at_once)


class _PackSearcher(Searcher):
    def __init__(
        self,
        first: list[PackConfig],
        next_packs: Callable[[], list[PackConfig]],
        ended: Callable[[int], None],
    ) -> None:
        super().__init__()
        self._next = next_packs
        self._ended = ended
        self._waiting = deque(first)
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> Any:
        """The next pack; `trial_id` is Tune's own."""
        if not self._waiting:
            self._waiting.extend(self._next())
        if not self._waiting:
            return Searcher.FINISHED
        pack = self._waiting.popleft()
        self._numbers[trial_id] = pack["number"]
        return {"pack": pack}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell of its end."""
        if not error:
            self._ended(self._numbers[trial_id])

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: Tune's state is never read again."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # likewise

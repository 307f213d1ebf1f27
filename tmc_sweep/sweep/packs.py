"""What Ray Tune schedules: the packs of one run by number, all known beforehand or asked for one after another."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray import tune
from ray.tune.search import ConcurrencyLimiter, Searcher

from tmc_sweep.config import TrialConfig
from tmc_sweep.sweep.packing import Packer, PackPlan

PackConfig = dict[str, Any]  # {"number": ..., "cpu": ..., "gpu": ...}


class Packs:
    """Numbers packs, and leaves them in the queue for the processes that train them."""

    def __init__(self, queue: Any, recorded: Sequence[Sequence[str]]) -> None:
        """`recorded`: the trials that earlier runs trained together."""
        self._queue = queue
        self._recorded = recorded
        self.plans: list[PackPlan] = []

    def add(self, packer: Packer, trials: Sequence[TrialConfig]) -> list[PackConfig]:
        """What Tune needs to know of these trials' packs, those that were trained together again so."""
        new = dict(enumerate(packer.plan(trials, self._recorded), len(self.plans)))
        self.plans += new.values()
        ray.get(self._queue.put_packs.remote({number: ray.put(pack) for number, pack in new.items()}))
        return [{"number": number, "cpu": pack.cpu, "gpu": pack.gpu} for number, pack in new.items()]


def share(config: dict[str, Any]) -> tune.PlacementGroupFactory:
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

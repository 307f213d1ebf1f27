"""What Ray Tune runs: a trainable of one pack. Its rows and checkpoints go to the writer alone.

The driver makes its class too, and must load no torch for that: only the processes that train do.
"""

import gc
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from tmc_sweep.images import Images
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.channel import QueueChannel
from tmc_sweep.sweep.packing import PackPlan

if TYPE_CHECKING:
    from tmc_sweep.sweep.pack_run import PackRun


_STEP_SECONDS = 3.0  # at most an epoch more; Tune's round trip takes some hundredths


class PackTrainable(tune.Trainable):
    """The thin adapter between Tune's class interface and PackRun.

    A pack begins with its first step, and not with `setup`: Tune may set up a process for a trial and then give the
    trial to another process.
    """

    def setup(  # type: ignore[override]  # `with_parameters` passes the rest
        self,
        config: dict[str, Any],
        *,
        images: Mapping[str, Images],
        queue: Any,
        resources: Resources,
    ) -> None:
        """Be ready for the pack whose number is in `config`, and which the queue has."""
        from tmc_sweep.sweep.worker import begin

        def begun(number: int) -> "PackRun":
            self._channel = QueueChannel(queue)
            plan: PackPlan = ray.get(ray.get(queue.pack.remote(number)))
            return begin(plan, images, self._channel, resources)

        self._begin = begun
        self._number = config["pack"]["number"]
        self._run: PackRun | None = None
        gc.freeze()  # what is imported stays: looking through it takes a tenth of a second, as between two packs

    def step(self) -> dict[str, Any]:
        """Train epochs of every member of the pack, for some seconds; Tune ends the trial when `done` is true."""
        run = self._run = self._run or self._begin(self._number)
        until = time.monotonic() + _STEP_SECONDS
        run.train_epoch()
        while not (run.finished or self._channel.stopping) and time.monotonic() < until:
            run.train_epoch()
        return {"done": run.finished}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Be ready for another pack in this process, after the last one's memory was freed."""
        from tmc_sweep.sweep.memory import free_memory

        self._number = new_config["pack"]["number"]
        self._run = None
        free_memory()
        return True

    def cleanup(self) -> None:
        """Checkpoint what the pack has reached: Tune stops the trial."""
        if self._run is not None:
            self._run.close()

"""Ray Tune's trial: one pack, one epoch a step. Rows and checkpoints go to the writer, never through Tune.

Its class is made in the driver too, which loads no torch: only the processes that train do.
"""

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


class PackTrainable(tune.Trainable):
    """The thin adapter between Tune's class interface and PackRun.

    A pack begins with its first step: Tune may set up a process for a trial and then give that trial to another one.
    """

    def setup(  # type: ignore[override]  # `with_parameters` passes the rest
        self,
        config: dict[str, Any],
        *,
        images: Mapping[str, Images],
        queue: Any,
        resources: Resources,
    ) -> None:
        """Be ready for the pack that the queue has by the number in `config`, on a GPU if given a share of one."""
        from tmc_sweep.sweep.worker import begin

        def begun(number: int) -> "PackRun":
            plan: PackPlan = ray.get(ray.get(queue.pack.remote(number)))
            return begin(plan, images, QueueChannel(queue), resources)

        self._begin = begun
        self._number = config["pack"]["number"]
        self._run: PackRun | None = None

    def step(self) -> dict[str, Any]:
        """One epoch of every member."""
        self._run = self._run or self._begin(self._number)
        self._run.train_epoch()
        return {"done": self._run.finished}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Be ready for another pack in this process, having freed the last one's memory."""
        from tmc_sweep.sweep.memory import free_memory

        self._number = new_config["pack"]["number"]
        self._run = None
        free_memory()
        return True

    def cleanup(self) -> None:
        """Tune stops the trial: keep what it has reached."""
        if self._run is not None:
            self._run.close()

"""What packs cost, measured by Ray where trials will train."""

from collections.abc import Callable

import ray
from ray.exceptions import RayError

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.packing import Measure, cannot_measure

_CHECK_SECONDS = 0.2


def measuring(resources: Resources, check: Callable[[], None]) -> Measure:
    """The cost of a pack, measured by Ray on whichever node has room; CannotRunError if that cannot be done.

    While it waits it calls `check`, which may raise.
    """
    on_cpu = ray.remote(max_retries=1)(_measured_cost)
    # on a GPU its process ends with it, and so lets go of what it holds of the GPU
    on_gpu = ray.remote(max_retries=1, max_calls=1)(_measured_cost)

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        task = (on_gpu if gpu else on_cpu).options(num_cpus=resources.cpu, num_gpus=gpu)
        try:
            found = task.remote(config, members, gpu, engine, resources)
            while not ray.wait([found], timeout=_CHECK_SECONDS)[0]:
                check()
            return ray.get(found)
        except RayError as error:
            raise cannot_measure(members, error) from None

    return measure


def _measured_cost(config: TrialConfig, members: int, gpu: float, engine: Engine, resources: Resources) -> Cost:
    """In the process that measures, which alone loads torch."""
    from tmc_sweep.sweep.worker import measured_cost

    return measured_cost(config, members, gpu, engine, resources)

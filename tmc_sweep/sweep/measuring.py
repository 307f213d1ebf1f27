"""What packs cost, measured in a process of Ray on a node where trials will train."""

import math
from collections.abc import Callable, Sequence

import ray
from ray.exceptions import RayError

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.capacity import Capacity, on_one_gpu
from tmc_sweep.sweep.packing import Measure, cannot_measure

_CHECK_SECONDS = 0.2


def measuring(resources: Resources, nodes: Sequence[Capacity], check: Callable[[], object]) -> Measure:
    """The cost of a pack, measured by Ray on whichever node has room; CannotRunError if that cannot be done.

    On a share of a GPU it is measured beside others with the same share, which take the whole of it meanwhile. While it
    waits it calls `check`, which may raise.
    """
    remote = ray.remote(max_retries=1)(_measured_cost)

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        at_once = on_one_gpu(nodes, resources.cpu, gpu)
        task = remote.options(num_cpus=at_once * resources.cpu, num_gpus=math.ceil(gpu))
        try:
            found = task.remote(config, members, gpu, engine, resources, at_once)
            while not ray.wait([found], timeout=_CHECK_SECONDS)[0]:
                check()
            return ray.get(found)
        except RayError as error:
            raise cannot_measure(members, error) from None

    return measure


def _measured_cost(
    config: TrialConfig, members: int, gpu: float, engine: Engine, resources: Resources, at_once: int
) -> Cost:
    """In the process that measures, which alone loads torch."""
    from tmc_sweep.sweep.worker import measured_cost

    return measured_cost(config, members, gpu, engine, resources, at_once)

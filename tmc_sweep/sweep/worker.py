"""What a process that trains sets first; and the measuring of packs in such a process."""

import math
from collections.abc import Callable

import ray
import torch
from ray.exceptions import RayError

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import CannotRunError
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.memory import fits
from tmc_sweep.sweep.packing import Measure
from tmc_sweep.text import last_line
from tmc_sweep.training import Cost, Engine, cost

_CHECK_SECONDS = 0.2


def prepare(cpu: float, gpu: float, tf32: bool) -> str:
    """Threads from the CPU share, and no more of a GPU's memory than its share; the device to train on."""
    torch.set_num_threads(max(1, int(cpu)))
    if not gpu:
        return "cpu"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    if gpu < 1:
        torch.cuda.set_per_process_memory_fraction(gpu)
    return "cuda"


def measured_cost(config: TrialConfig, members: int, gpu: float, engine: Engine, resources: Resources) -> Cost:
    """The cost of so many trials of one shape in this process; without end if they do not fit into its memory."""
    device = prepare(resources.cpu, gpu, resources.tf32)
    found: list[Cost] = []
    if fits(lambda: found.append(cost(config, members, device, engine))):
        return found[0]
    return Cost(math.inf, math.inf, 2**62, torch.cuda.mem_get_info()[1] if gpu else 0, math.inf)


def measuring(resources: Resources, check: Callable[[], None]) -> Measure:
    """The cost of a pack, measured by Ray on whichever node has room; CannotRunError if that cannot be done.

    While it waits it calls `check`, which may raise.
    """
    on_cpu = ray.remote(max_retries=1)(measured_cost)
    on_gpu = ray.remote(max_retries=1, max_calls=1)(
        measured_cost
    )  # its process ends, and with it what it holds of the GPU

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        task = (on_gpu if gpu else on_cpu).options(num_cpus=resources.cpu, num_gpus=gpu)
        try:
            found = task.remote(config, members, gpu, engine, resources)
            while not ray.wait([found], timeout=_CHECK_SECONDS)[0]:
                check()
            return ray.get(found)
        except RayError as error:
            raise CannotRunError(
                f"measuring what a pack of {members} costs must work, but {last_line(error)}: "
                "set resources.pack, resources.gpu and resources.engine instead of auto"
            ) from None

    return measure

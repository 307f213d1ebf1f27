"""What a process that trains sets first; and the measuring of packs in such a process."""

import ray
import torch
from ray.exceptions import RayError

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import CannotRunError
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.allotment import Measure
from tmc_sweep.training import Cost, Engine, cost


def prepare(cpu: float, gpu: float, tf32: bool) -> str:
    """Threads from the CPU share, and no more of a GPU's memory than its share; the device to train on."""
    torch.set_num_threads(max(1, int(cpu)))
    if not gpu:
        return "cpu"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    if gpu < 1:
        torch.cuda.set_per_process_memory_fraction(gpu)
    return "cuda"


def measuring(resources: Resources) -> Measure:
    """The cost of a pack, measured by Ray on whichever node has room; CannotRunError if that cannot be done."""

    @ray.remote(max_retries=1)
    def on_a_node(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        return cost(config, members, prepare(resources.cpu, gpu, resources.tf32), engine)

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        task = on_a_node.options(num_cpus=resources.cpu, num_gpus=gpu)
        try:
            return ray.get(task.remote(config, members, gpu, engine))
        except RayError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise CannotRunError(
                f"measuring what a pack of {members} costs must work, but {reason}: "
                "set resources.pack, resources.gpu and resources.engine instead of auto"
            ) from None

    return measure

"""What a process that trains sets first; and what a pack costs, measured in it."""

import math

import torch

from tmc_sweep.config import TrialConfig
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.memory import fits
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


def measured_cost(config: TrialConfig, members: int, gpu: float, engine: Engine, resources: Resources) -> Cost:
    """The cost of so many trials of one shape in this process; without end if they do not fit into its memory."""
    device = prepare(resources.cpu, gpu, resources.tf32)
    found: list[Cost] = []
    if fits(lambda: found.append(cost(config, members, device, engine))):
        return found[0]
    return Cost(math.inf, math.inf, 2**62, torch.cuda.mem_get_info()[1] if gpu else 0, math.inf)

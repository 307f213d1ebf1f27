"""What happens first in a process that trains: torch's settings are made, the pack is begun, or its cost measured."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine
from tmc_sweep.data import Images
from tmc_sweep.space.schema import Resources
from tmc_sweep.store.messages import Channel
from tmc_sweep.sweep.memory import fits
from tmc_sweep.sweep.pack_run import PackRun
from tmc_sweep.sweep.packing import PackPlan
from tmc_sweep.sweep.together import together
from tmc_sweep.training import cost, threads
from tmc_sweep.training.device import prepare, set_up


@contextmanager
def settings_kept() -> Iterator[None]:
    """After this block, torch's settings that `prepare` changes are as before; for a process that goes on."""
    precision = torch.get_float32_matmul_precision()
    try:
        with threads():
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        if torch.cuda.is_initialized():
            torch.cuda.set_per_process_memory_fraction(1.0)


def begin(plan: PackPlan, images: Mapping[str, Images], channel: Channel, resources: Resources) -> PackRun:
    """The pack, begun in this process with the share of the machine that the plan gives it."""
    device = prepare(plan.cpu, plan.gpu, resources.tf32)
    of_pack = images[plan.trials[0].data]
    return PackRun(plan.trials, of_pack, channel, device, resources.checkpoint_seconds, plan.engine, plan.gpu)


def measured_cost(
    config: TrialConfig, members: int, gpu: float, engine: Engine, resources: Resources, at_once: int
) -> Cost:
    """The cost of so many trials of one shape; without end if they do not fit into the memory there is.

    On a GPU while `at_once` processes in all train such packs on it; they are made for it, and this one begins no CUDA.
    """
    device = set_up(resources.cpu, gpu, resources.tf32)
    measured = partial(together, share=gpu, processes=at_once) if device == "cuda" else None
    found: list[Cost] = []
    if fits(lambda: found.append(cost(config, members, device, engine, at_once, measured))):
        return found[0]
    return Cost(math.inf, math.inf)

"""What a pack costs on this device, measured on random images in a few steps and remembered for the next run."""

import torch
from torch.profiler import ProfilerActivity, profile

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine, Means, remember, remembered, shape
from tmc_sweep.data import Split
from tmc_sweep.training.pack import Pack
from tmc_sweep.training.state import TrialState

_STEPS = 4  # of training in an epoch of the probe
_EPOCHS = 3  # after the one that warms up


def cost(config: TrialConfig, members: int, device: str = "cpu", engine: Engine = "eager") -> Cost:
    """The cost of `members` trials of this one's shape together, as remembered, or measured now and kept."""
    means = Means(device, engine, torch.get_num_threads(), torch.get_float32_matmul_precision() == "high")
    if known := remembered(config, members, means):
        return known
    measured = measure(shape(config), members, device, engine)
    remember(config, members, means, measured)
    return measured


def measure(config: TrialConfig, members: int, device: str, engine: Engine) -> Cost:
    """The cost, measured now: the fastest of a few epochs of a few steps."""
    n_images = config.batch_size * _STEPS
    states = [TrialState.initial(config.model_copy(update={"seed": seed})) for seed in range(members)]
    images = torch.randint(0, 256, (n_images, config.n_features), dtype=torch.uint8, device=device)
    pack = Pack(states, Split(images, images[:0], images[: config.batch_size]), device, engine=engine)
    if device.startswith("cuda"):  # what this process measured before is no part of it
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    pack.train_epoch()
    records = [pack.train_epoch()[0] for _ in range(_EPOCHS)]
    seconds = min(record.epoch_seconds - record.eval_seconds for record in records) / _STEPS
    evaluation = min(record.eval_seconds for record in records)
    if not device.startswith("cuda"):
        return Cost(seconds, seconds, 0, 0, evaluation)
    busy = min(seconds, _computing_seconds(pack) / _STEPS)
    return Cost(seconds, busy, torch.cuda.max_memory_reserved(), torch.cuda.mem_get_info()[1], evaluation)


def _computing_seconds(pack: Pack) -> float:
    """Of an epoch's kernels; its evaluation, one batch, is counted too."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        pack.train_epoch()
    return float(sum(event.self_device_time_total for event in profiler.key_averages())) / 1e6

"""What a pack costs on this device, measured on random images in a few steps and remembered for the next run."""

import hashlib
import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter
from torch.profiler import ProfilerActivity, profile

from tmc_sweep import input_file
from tmc_sweep.config import TrialConfig, fields_of
from tmc_sweep.data import Split
from tmc_sweep.training.pack import Engine, Pack
from tmc_sweep.training.state import TrialState

_STEPS = 4  # of training in an epoch of the probe
_EPOCHS = 3  # after the one that warms up
_MOST_BYTES = 2**16  # of a cost on file
_RATE = 1e-6  # nothing diverges at it, which would end the epoch


_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Bytes = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Cost:
    """What a pack costs: seconds of a training step, how many of them the device computes, and bytes on a GPU."""

    step_seconds: _Seconds
    busy_seconds: _Seconds  # on a CPU all of them
    memory_bytes: _Bytes  # most that torch held on the GPU, evaluation included; 0 on a CPU
    device_bytes: _Bytes  # what the GPU has; 0 on a CPU
    evaluation_seconds: _Seconds  # of one batch, all bounds

    def epoch_seconds(self, config: TrialConfig) -> float:
        """An epoch of this configuration, evaluation included."""
        return config.steps_per_epoch * self.step_seconds + config.evaluation_steps * self.evaluation_seconds


_COST = TypeAdapter(Cost)  # of a file; one that does not fit into memory costs without end, and has none


def shape(config: TrialConfig) -> TrialConfig:
    """One configuration for all that cost the same: those that differ in rate, seed, initial values, images, epochs."""
    largest_batch = min(config.batch_size, config.train_images - config.validation_images)
    own = {name: TrialConfig.model_fields[name].default for name in fields_of("run", "member")}
    images = {"batch_size": largest_batch, "train_images": largest_batch, "validation_images": 0, "test_images": 1}
    return config.model_copy(update={**own, "lr": _RATE, **images})


def cost(config: TrialConfig, members: int, device: str = "cpu", engine: Engine = "eager") -> Cost:
    """The cost of `members` trials of this one's shape together, from the cache or measured now and cached."""
    if known := remembered(config, members, device, engine):
        return known
    measured = measure(shape(config), members, device, engine)
    path = _file(config, members, device, engine)
    with suppress(OSError):  # a home that one may not write to
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(asdict(measured)))
        aside.replace(path)
    return measured


def remembered(config: TrialConfig, members: int, device: str = "cpu", engine: Engine = "eager") -> Cost | None:
    """The cost as `cost` measured it here before, with as many threads; None if it did not."""
    try:
        return _COST.validate_json(input_file.read(_file(config, members, device, engine), _MOST_BYTES), strict=True)
    except (OSError, ValueError):
        return None


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


def _file(config: TrialConfig, members: int, device: str, engine: Engine) -> Path:
    on = torch.cuda.get_device_name() if device.startswith("cuda") else platform.node()
    versions = [version("tmc-sweep"), torch.__version__]
    settings = [members, engine, on, torch.get_num_threads(), torch.get_float32_matmul_precision()]
    text = json.dumps([shape(config).model_dump(mode="json"), *settings, *versions], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path.home() / ".cache" / "tmc_sweep" / "costs" / f"{key}.json"

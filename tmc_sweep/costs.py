"""What packs cost on this machine, as measured before and kept on file.

It loads torch only to name a GPU of which the driver tells nothing.
"""

import hashlib
import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, TypeAdapter

from tmc_sweep import input_file
from tmc_sweep.config import TrialConfig, fields_of
from tmc_sweep.gpus import first_gpu, mps_user

_MOST_BYTES = 2**16  # of a cost on file
_RATE = 1e-6  # nothing diverges at it, which would end the epoch

Engine = Literal["eager", "graph", "compiled"]

_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Bytes = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Cost:
    """What a pack costs: seconds of a training step, and bytes on a GPU."""

    step_seconds: _Seconds
    evaluation_seconds: _Seconds  # of one batch, all bounds
    memory_bytes: _Bytes = 0  # most that torch held on the GPU, evaluation included; 0 on a CPU
    context_bytes: _Bytes = 0  # what CUDA took of the GPU beside that; 0 on a CPU
    device_bytes: _Bytes = 0  # what the GPU has; 0 on a CPU
    agrees: bool = (
        True  # whether the engine was seen to give eager's numbers: the same bits, or to rounding if compiled
    )

    def epoch_seconds(self, config: TrialConfig) -> float:
        """An epoch of this configuration, evaluation included."""
        return config.steps_per_epoch * self.step_seconds + config.evaluation_steps * self.evaluation_seconds


class Means(NamedTuple):
    """By what means a pack trains, as far as its cost depends on them."""

    device: str  # torch's
    engine: Engine
    threads: int
    tf32: bool
    at_once: int = 1  # processes that train such packs on one GPU, this one among them


_COST = TypeAdapter(Cost)  # of a file; one that does not fit into memory costs without end, and has none


def threads_of(cpu: float) -> int:
    """Of a process with this share of a node's cores."""
    return max(1, int(cpu))


def shape(config: TrialConfig) -> TrialConfig:
    """One configuration for all that cost the same: those that differ in rate, seed, initial values, images, epochs."""
    largest_batch = min(config.batch_size, config.train_images - config.validation_images)
    own = {name: TrialConfig.model_fields[name].default for name in fields_of("run", "member")}
    images = {"batch_size": largest_batch, "train_images": largest_batch, "validation_images": 0, "test_images": 1}
    return config.model_copy(update={**own, "lr": _RATE, **images})


def remembered(config: TrialConfig, members: int, means: Means) -> Cost | None:
    """The cost as it was measured here before, by these means; None if it was not."""
    try:
        return _COST.validate_json(input_file.read(_file(config, members, means), _MOST_BYTES), strict=True)
    except (OSError, ValueError):
        return None


def remember(config: TrialConfig, members: int, means: Means, cost: Cost) -> None:
    """Keep the cost for the next run."""
    path = _file(config, members, means)
    with suppress(OSError):  # a home that one may not write to
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(asdict(cost)))
        aside.replace(path)


def _file(config: TrialConfig, members: int, means: Means) -> Path:
    on = _gpu() if means.device.startswith("cuda") else platform.node()
    sharing = [means.at_once, mps_user() is not None] if means.at_once > 1 else []
    settings = [members, means.engine, on, means.threads, means.tf32, *sharing]
    versions = [version("tmc-sweep"), version("torch")]
    text = json.dumps([shape(config).model_dump(mode="json"), *settings, *versions], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path.home() / ".cache" / "tmc_sweep" / "costs" / f"{key}.json"


def _gpu() -> str:
    """Its model: by the driver, where that can be asked, else by torch, which begins CUDA."""
    if gpu := first_gpu():
        return gpu.name
    import torch

    return torch.cuda.get_device_name()

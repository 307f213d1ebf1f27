"""What a pack costs on this device, measured on random images in a few steps and remembered for the next run."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine, Means, remember, remembered, shape
from tmc_sweep.data import Split
from tmc_sweep.records import EpochRecord
from tmc_sweep.training.pack import Pack
from tmc_sweep.training.state import TrialState

_STEPS = {"cpu": 4, "cuda": 32}  # of training in an epoch of the probe
_EPOCHS = 3  # at least, after the one that warms up
_ROUNDING = 1e-3  # of a gradient's norm; in tf32 products have three digits
_SECONDS = {"cpu": 0.0, "cuda": 1.5}  # at least: processes that share a GPU take turns of milliseconds

Measured = Callable[[TrialConfig, int, str, Engine], Cost]  # of so many members on a device


def cost(
    config: TrialConfig,
    members: int,
    device: str = "cpu",
    engine: Engine = "eager",
    at_once: int = 1,
    measured: Measured | None = None,
) -> Cost:
    """The cost of `members` trials of this one's shape together, as remembered, or else `measured` now and kept.

    `at_once`: while as many processes in all train such packs on the same GPU.
    """
    tf32 = torch.get_float32_matmul_precision() == "high"
    means = Means(device, engine, torch.get_num_threads(), tf32, at_once)
    if known := remembered(config, members, means):
        return known
    found = (measured or measure)(shape(config), members, device, engine)
    remember(config, members, means, found)
    return found


def measure(config: TrialConfig, members: int, device: str, engine: Engine) -> Cost:
    """The cost in this process, measured now."""
    return Rehearsal(config, members, device, engine).cost()


class Rehearsal:
    """A pack on random images that has trained one short epoch: what is done once is done.

    Another engine than eager has thereby shown whether it gives eager's numbers on this device (`Cost.agrees`).
    """

    def __init__(self, config: TrialConfig, members: int, device: str, engine: Engine) -> None:
        self._on = "cuda" if device.startswith("cuda") else "cpu"
        n_images = config.batch_size * _STEPS[self._on]
        states = [TrialState.initial(config.model_copy(update={"seed": seed})) for seed in range(members)]
        images = torch.randint(0, 256, (n_images, config.n_features), dtype=torch.uint8, device=device)
        data = Split(images, images[:0], images[: config.batch_size])

        def trained(by: Engine) -> Pack:
            pack = Pack(states, data, device, engine=by)
            pack.train_epoch()
            return pack

        expected = None if engine == "eager" else numbers(trained("eager"))
        if self._on == "cuda":  # what eager took is no part of what this engine takes
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self._pack = trained(engine)
        self._agrees = expected is None or agree(engine, expected, numbers(self._pack))

    def cost(self) -> Cost:
        """The fastest of a few more epochs on a CPU; on a GPU the median of a second or two, memory not looked at."""
        typical = min if self._on == "cpu" else statistics.median
        began = time.perf_counter()
        records: list[EpochRecord] = []
        while len(records) < _EPOCHS or time.perf_counter() - began < _SECONDS[self._on]:
            records.append(self._pack.train_epoch()[0])
        step = typical([record.epoch_seconds - record.eval_seconds for record in records]) / _STEPS[self._on]
        return Cost(step, typical([record.eval_seconds for record in records]), agrees=self._agrees)


def numbers(pack: Pack) -> list[Tensor]:
    """All that training has given: the states' parameters, their Adam's moments, and what the epochs measured."""
    states = [pack.state(index) for index in range(len(pack.states))]
    measured = [
        value for state in states for record in state.history for value in record.outcome() if value is not None
    ]
    moments = [moment for state in states for each in state.adam.values() for moment in each.values()]
    return [torch.tensor(measured), *(value for state in states for value in state.parameters.values()), *moments]


def agree(engine: Engine, expected: Sequence[Tensor], got: Sequence[Tensor]) -> bool:
    """Whether an engine's numbers are eager's, `expected`: the same bits, or to rounding if it is compiled."""
    if engine != "compiled":
        return all(map(torch.equal, got, expected))
    return all(bool((a - b).norm() <= _ROUNDING * b.norm()) for a, b in zip(got, expected, strict=True))

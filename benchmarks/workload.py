"""What is trained while it is timed: random images, in memory, in packs with nothing to evaluate."""

import torch
from torch import Tensor

from benchmarks.measure import cpu_ms
from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Engine
from tmc_sweep.data import Split
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.training import Pack, TrialState

BATCH = 128
BATCHES = 4  # of a timed run


def configuration(**fields: object) -> TrialConfig:
    """A trial on MNIST's shapes, unless told otherwise."""
    return TrialConfig.parse({"data": "mnist", **fields})


def random_images(config: TrialConfig, count: int = BATCH * BATCHES) -> Tensor:
    """Images of the data set's size, uint8."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, config.n_features), generator=generator, dtype=torch.uint8)


def training(
    config: TrialConfig, images: Tensor, members: int = 1, device: str = "cpu", engine: Engine = "eager"
) -> Pack:
    """A pack of trials that differ in their seed; its epoch is `BATCHES` steps and no evaluation."""
    states = [TrialState.initial(config.model_copy(update={"seed": seed})) for seed in range(members)]
    images = images.to(device)
    return Pack(states, Split(images, images[:0], images[:0]), device, engine=engine)


def module_of(pack: Pack) -> HierarchicalVAE:
    """The article's model with a copy of the pack's weights."""
    module = HierarchicalVAE(pack.config, len(pack.states))
    module.load_state_dict(dict(pack.parameters))
    return module


def step_ms(*packs: Pack, rounds: int) -> list[float]:
    """CPU milliseconds of one training step of each pack."""
    return [ms / BATCHES for ms in cpu_ms(*(pack.train_epoch for pack in packs), rounds=rounds)]

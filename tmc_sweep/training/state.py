"""Everything one trial needs to go on from an epoch's boundary."""

from dataclasses import dataclass, field
from typing import Self

from torch import Tensor

from tmc_sweep.config import TrialConfig
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.records import EpochRecord
from tmc_sweep.training.randomness import Purpose, generator

AdamState = dict[str, Tensor]  # step, exp_avg, exp_avg_sq


@dataclass
class TrialState:
    """A trial between two epochs. Tensors have no pack dimension; `adam` is empty before the first step."""

    config: TrialConfig
    parameters: dict[str, Tensor]
    adam: dict[str, AdamState] = field(default_factory=dict)
    history: list[EpochRecord] = field(default_factory=list)

    @classmethod
    def initial(cls, config: TrialConfig) -> Self:
        """The trial before its first epoch."""
        model = HierarchicalVAE(config)
        model.initialise(0, config, generator(config.seed, Purpose.INITIAL_VALUES))
        return cls(config, {name: value.detach()[0] for name, value in model.named_parameters()})

    @property
    def epoch(self) -> int:
        """Epochs trained so far."""
        return len(self.history)

    @property
    def diverged(self) -> bool:
        """Whether its last epoch was not finite."""
        return bool(self.history) and self.history[-1].diverged

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to train."""
        return self.diverged or self.epoch >= self.config.epochs

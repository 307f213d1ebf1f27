"""Everything one trial needs to go on from an epoch's boundary."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from tmc_sweep.config import TrialConfig
from tmc_sweep.models import initial
from tmc_sweep.records import EpochRecord
from tmc_sweep.training.randomness import Purpose, generator

AdamState = dict[str, Tensor]  # step, exp_avg, exp_avg_sq


@dataclass
class TrialState:
    """A trial between two epochs: parameters and Adam's moments by name, without a pack dimension."""

    config: TrialConfig
    parameters: dict[str, Tensor]
    adam: dict[str, AdamState]
    history: list[EpochRecord]

    @classmethod
    def initial(cls, config: TrialConfig) -> Self:
        """The trial before its first epoch."""
        parameters = initial(config, generator(config.seed, Purpose.INITIAL_VALUES))
        return cls(config, parameters, {name: _fresh_adam(value) for name, value in parameters.items()}, [])

    def copy(self) -> Self:
        """The same state in CPU memory of its own."""
        parameters = {name: value.detach().to("cpu", copy=True) for name, value in self.parameters.items()}
        adam = {
            name: {key: value.to("cpu", copy=True) for key, value in moments.items()}
            for name, moments in self.adam.items()
        }
        return type(self)(self.config, parameters, adam, list(self.history))

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


def _fresh_adam(parameter: Tensor) -> AdamState:
    return {
        "step": torch.zeros(()),
        "exp_avg": torch.zeros_like(parameter),
        "exp_avg_sq": torch.zeros_like(parameter),
    }
